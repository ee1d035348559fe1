//! What the table covers on a server, and references gone wrong on purpose: the walk's own test.

use serde_json::{Value as Json, json};

use super::json_place::Place;
use super::table::{Form, Rule};
use super::walk::{Snapshot, frozen, pieces, text};

/// A row with one wrong reference: how to write it.
pub struct Damage {
    pub table: &'static str,
    pub id: String,
    pub column: String,
    pub value: String,
    pub was: String,
    pub now: String,
}

fn ids_of(value: &Json, form: Form) -> Vec<String> {
    let ids = match (form, value) {
        (Form::Id, Json::String(id)) => vec![id.clone()],
        (Form::Pipe, Json::String(list)) => pieces(list, '|'),
        (Form::Comma, Json::String(list)) => pieces(list, ','),
        (Form::Keys, Json::Object(map)) => map.keys().cloned().collect(),
        _ => vec![],
    };
    ids.into_iter().filter(|id| !id.is_empty() && !id.contains("#{")).collect()
}

fn with(value: &Json, form: Form, was: &str, now: &str) -> Json {
    let exchange = |list: Vec<String>| list.into_iter().map(|id| if id == was { now.to_owned() } else { id });
    match (form, value) {
        (Form::Pipe, Json::String(list)) => {
            json!(format!("|{}|", exchange(pieces(list, '|')).collect::<Vec<_>>().join("|")))
        }
        (Form::Comma, Json::String(list)) => {
            json!(exchange(pieces(list, ',')).collect::<Vec<_>>().join(","))
        }
        (Form::Keys, Json::Object(map)) => {
            let renamed =
                map.iter().map(|(id, v)| (if id == was { now.to_owned() } else { id.clone() }, v.clone()));
            Json::Object(renamed.collect())
        }
        _ => json!(now),
    }
}

impl Snapshot {
    /// How many ids stand where a rule looks, in all rows of its table.
    pub fn ids_at(&self, (table, place, form, _): &Rule) -> usize {
        let mut count = 0;
        for row in self.rows(table) {
            Place::parse(place).visit(&mut row.clone(), &mut |_, value| count += ids_of(value, *form).len());
        }
        count
    }

    /// How many texts stand at a place.
    pub fn texts_at(&self, table: &str, place: &str) -> usize {
        let mut count = 0;
        for row in self.rows(table) {
            let mut see =
                |_: &str, value: &mut Json| count += usize::from(value.as_str().is_some_and(|t| t.len() > 3));
            Place::parse(place).visit(&mut row.clone(), &mut see);
        }
        count
    }

    /// Any id of a document or tag that a rule may lead to, but for some.
    pub fn another(&self, to: &[&str], but: &[String]) -> Option<String> {
        let ids = to.iter().flat_map(|table| match *table {
            "Tag" => {
                let sets = self.rows("TagSet").iter();
                let tags = sets.flat_map(|set| set["$"]["Tags"].as_array().into_iter().flatten());
                tags.map(|tag| text(tag, "Id").to_owned()).collect::<Vec<_>>()
            }
            table => self.rows(table).iter().map(|row| text(row, "Id").to_owned()).collect(),
        });
        ids.into_iter().find(|id| !but.contains(id))
    }

    /// The first reference of a rule, exchanged for what `choose` says, given all ids at its place.
    pub fn damaged(&self, rule: &Rule, choose: &dyn Fn(&[String]) -> Option<String>) -> Option<Damage> {
        let (table, place, form, _) = rule;
        for row in self.rows(table).iter().filter(|row| !frozen(row)) {
            let mut all = Vec::new();
            Place::parse(place).visit(&mut row.clone(), &mut |_, value| all.extend(ids_of(value, *form)));
            let Some(was) = all.first().cloned() else { continue };
            let now = choose(&all)?;
            let (mut row, mut done) = (row.clone(), false);
            Place::parse(place).visit(&mut row, &mut |_, value| {
                if !done && ids_of(value, *form).contains(&was) {
                    *value = with(value, *form, &was, &now);
                    done = true;
                }
            });
            let (column, value) = match place.starts_with('$') {
                true => ("JSON".to_owned(), row["$"].to_string()),
                false => (place.clone(), text(&row, place).to_owned()),
            };
            return Some(Damage { table, id: text(&row, "Id").to_owned(), column, value, was, now });
        }
        None
    }
}
