//! Little trading companies: codes that travel, ids that are counted, secrets as they are.

use std::path::Path;

use rusqlite::Connection;

use crate::generator::Rng;
use crate::servers::{Side, number_of};

/// The tables that `tests/fixtures/northwind.toml` describes.
pub const TABLES: &str = "
CREATE TABLE Customers (CustomerID nchar(5) NOT NULL COLLATE NOCASE PRIMARY KEY, CompanyName nvarchar(40) NOT NULL COLLATE NOCASE,
  City nvarchar(15) COLLATE NOCASE, ShopPassword nvarchar(60) COLLATE NOCASE);
CREATE TABLE Categories (CategoryID integer NOT NULL PRIMARY KEY, CategoryName nvarchar(15) NOT NULL COLLATE NOCASE);
CREATE TABLE Products (ProductID int NOT NULL PRIMARY KEY, ProductName nvarchar(40) NOT NULL COLLATE NOCASE,
  CategoryID int REFERENCES Categories (CategoryID), FavouriteOf nchar(5) COLLATE NOCASE REFERENCES Customers (CustomerID),
  ShelfNo int NOT NULL);
CREATE TABLE Discounts (CustomerID nchar(5) NOT NULL COLLATE NOCASE PRIMARY KEY REFERENCES Customers (CustomerID), Share int NOT NULL);
CREATE TABLE Contacts (ContactID integer NOT NULL PRIMARY KEY, CustomerID nchar(5) NOT NULL COLLATE NOCASE REFERENCES Customers (CustomerID),
  Name nvarchar(30) NOT NULL COLLATE NOCASE, ToldBy nvarchar(20) COLLATE NOCASE, Seq int NOT NULL);
";

/// Fills a trading company: codes that travel, ids that are counted, secrets as they are.
pub fn fill(path: &Path, seed: u64, side: Side) {
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    let draw = |words: &str| Rng::new(seed.wrapping_mul(1_000_003) ^ number_of(words));
    let content = |name: &str| match draw(&format!("shared {name}")).chance(50) {
        true => draw(name),
        false => draw(&format!("{name} {side:?}")),
    };
    let has = |name: &str| draw(&format!("has {name} {side:?}")).chance(70);
    let from = if side == Side::Source { 1 } else { 40 };
    for (number, category) in ["Beverages", "Seafood", "Produce"].into_iter().enumerate() {
        db.execute("INSERT INTO Categories VALUES (?1, ?2)", (from + number as i64, category)).unwrap();
    }
    let customers = ["ALFKI", "BONAP", "LONDN", "PARIS", "WOLZA", "GONER"];
    let customers: Vec<&str> = customers.into_iter().filter(|code| *code == "ALFKI" || has(code)).collect();
    for (number, code) in customers.iter().enumerate() {
        let mut rng = content(code);
        let password = rng.chance(80).then(|| format!("password {}", rng.below(1000)));
        let city = *rng.pick(&["Berlin", "Paris", "London"]);
        let row = (code, format!("Company {}", rng.below(9)), city, password);
        db.execute("INSERT INTO Customers VALUES (?1, ?2, ?3, ?4)", row).unwrap();
        if rng.chance(60) {
            db.execute("INSERT INTO Discounts VALUES (?1, ?2)", (code, rng.below(20) as i64)).unwrap();
        }
        for n in 0..rng.below(3) as i64 {
            let id = from + 10 * number as i64 + n;
            let told = rng.chance(50).then_some("ALFKI");
            let row = (id, code, format!("Contact {n}"), told, id + 1000);
            db.execute("INSERT INTO Contacts VALUES (?1, ?2, ?3, ?4, ?5)", row).unwrap();
        }
    }
    for number in 0..12 {
        let name = format!("Product {number}");
        if number == 0 || has(&name) {
            let mut rng = content(&name);
            let favourite = rng.chance(50).then(|| *rng.pick(&customers));
            let row = (from + number, name, from + rng.below(3) as i64, favourite, rng.below(50) as i64);
            db.execute("INSERT INTO Products VALUES (?1, ?2, ?3, ?4, ?5)", row).unwrap();
        }
    }
    db.execute_batch("COMMIT").unwrap();
}
