//! SQL Server's scalar types: names, ids, sizes, which gives way to which, and how SQLite keeps their values.
//!
//! | type | in SQLite |
//! |---|---|
//! | bit, tinyint, smallint, int, bigint | INTEGER |
//! | decimal, numeric, money, smallmoney | TEXT with all digits of the scale, collation NUM |
//! | float, real | REAL |
//! | char, varchar, nchar, nvarchar, text, ntext, xml | TEXT (see `text`), collation CI, CS or BIN2 |
//! | date, time, datetime, datetime2, smalldatetime | TEXT, `2024-01-31 23:59:59.1234567` as far as the type goes |
//! | datetimeoffset | the same with ` +01:00`, collation DTO |
//! | uniqueidentifier | TEXT in upper case, collation GUID |
//! | binary, varbinary, image, rowversion | BLOB |

use crate::fail::{Fail, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A type with its length, precision and scale. A length of `None` is `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Type {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Decimal { precision: u8, scale: u8, numeric: bool },
    Money,
    SmallMoney,
    Real,
    Float,
    Date,
    Time(u8),
    SmallDateTime,
    DateTime,
    DateTime2(u8),
    DateTimeOffset(u8),
    Char(u16),
    VarChar(Option<u16>),
    NChar(u16),
    NVarChar(Option<u16>),
    Text,
    NText,
    Xml,
    Binary(u16),
    VarBinary(Option<u16>),
    Image,
    RowVersion,
    Guid,
}

/// What a value of a type is to conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Integer,
    Exact,
    Approximate,
    Text,
    Binary,
    Time,
    Guid,
}

impl Type {
    pub fn decimal(precision: u8, scale: u8) -> Type {
        Type::Decimal { precision, scale, numeric: false }
    }

    /// Resolves a name as DDL spells it. `in_cast`: where nvarchar alone means 30 characters.
    pub fn named(name: &str, arguments: &[Option<u16>], in_cast: bool) -> Result<Type> {
        let lower = name.to_ascii_lowercase();
        let bad = || Fail::refused(format!("type {name} with {arguments:?}"));
        let none = |t: Type| if arguments.is_empty() { Ok(t) } else { Err(bad()) };
        let scale = |default: u8| match arguments {
            [] => Ok(default),
            [Some(s @ 0..=7)] => Ok(*s as u8),
            _ => Err(Fail::new(1002, format!("Line 1: Specified scale {arguments:?} is invalid."))),
        };
        let default = if in_cast { 30 } else { 1 };
        let fixed = |most: u16| match arguments {
            [] => Ok(default),
            [Some(n)] if (1..=most).contains(n) => Ok(*n),
            _ => Err(Fail::new(131, format!("The size given to the type '{name}' is not allowed."))),
        };
        let varying = |most: u16| match arguments {
            [None] => Ok(None),
            _ => fixed(most).map(Some),
        };
        match lower.as_str() {
            "bit" => none(Type::Bit),
            "tinyint" => none(Type::TinyInt),
            "smallint" => none(Type::SmallInt),
            "int" | "integer" => none(Type::Int),
            "bigint" => none(Type::BigInt),
            "decimal" | "dec" | "numeric" => {
                let (precision, scale) = match arguments {
                    [] => (18, 0),
                    [Some(p)] => (*p, 0),
                    [Some(p), Some(s)] => (*p, *s),
                    _ => return Err(bad()),
                };
                if !(1..=38).contains(&precision) || scale > precision {
                    return Err(bad());
                }
                let numeric = lower == "numeric";
                Ok(Type::Decimal { precision: precision as u8, scale: scale as u8, numeric })
            }
            "money" => none(Type::Money),
            "smallmoney" => none(Type::SmallMoney),
            "real" => none(Type::Real),
            "float" => match arguments {
                [] | [Some(25..=53)] => Ok(Type::Float),
                [Some(1..=24)] => Ok(Type::Real),
                _ => Err(bad()),
            },
            "date" => none(Type::Date),
            "time" => scale(7).map(Type::Time),
            "smalldatetime" => none(Type::SmallDateTime),
            "datetime" => none(Type::DateTime),
            "datetime2" => scale(7).map(Type::DateTime2),
            "datetimeoffset" => scale(7).map(Type::DateTimeOffset),
            "char" => fixed(8000).map(Type::Char),
            "varchar" => varying(8000).map(Type::VarChar),
            "nchar" => fixed(4000).map(Type::NChar),
            "nvarchar" => varying(4000).map(Type::NVarChar),
            "sysname" => none(Type::NVarChar(Some(128))),
            "text" => none(Type::Text),
            "ntext" => none(Type::NText),
            "xml" => none(Type::Xml),
            "binary" => fixed(8000).map(Type::Binary),
            "varbinary" => varying(8000).map(Type::VarBinary),
            "image" => none(Type::Image),
            "rowversion" | "timestamp" => none(Type::RowVersion),
            "uniqueidentifier" => none(Type::Guid),
            _ => {
                Err(Fail::new(2715, format!("Column, parameter, or variable: Cannot find data type {name}.")))
            }
        }
    }

    pub fn family(self) -> Family {
        match self {
            Type::Bit | Type::TinyInt | Type::SmallInt | Type::Int | Type::BigInt => Family::Integer,
            Type::Decimal { .. } | Type::Money | Type::SmallMoney => Family::Exact,
            Type::Real | Type::Float => Family::Approximate,
            Type::Date | Type::Time(_) | Type::SmallDateTime | Type::DateTime | Type::DateTime2(_) => {
                Family::Time
            }
            Type::DateTimeOffset(_) => Family::Time,
            Type::Char(_) | Type::VarChar(_) | Type::NChar(_) | Type::NVarChar(_) => Family::Text,
            Type::Text | Type::NText | Type::Xml => Family::Text,
            Type::Binary(_) | Type::VarBinary(_) | Type::Image | Type::RowVersion => Family::Binary,
            Type::Guid => Family::Guid,
        }
    }

    /// The lower gives way to the higher where two meet.
    pub fn precedence(self) -> u8 {
        match self {
            Type::Xml => 29,
            Type::DateTimeOffset(_) => 28,
            Type::DateTime2(_) => 27,
            Type::DateTime => 26,
            Type::SmallDateTime => 25,
            Type::Date => 24,
            Type::Time(_) => 23,
            Type::Float => 22,
            Type::Real => 21,
            Type::Decimal { .. } => 20,
            Type::Money => 19,
            Type::SmallMoney => 18,
            Type::BigInt => 17,
            Type::Int => 16,
            Type::SmallInt => 15,
            Type::TinyInt => 14,
            Type::Bit => 13,
            Type::NText => 12,
            Type::Text => 11,
            Type::Image => 10,
            Type::RowVersion => 9,
            Type::Guid => 8,
            Type::NVarChar(_) => 7,
            Type::NChar(_) => 6,
            Type::VarChar(_) => 5,
            Type::Char(_) => 4,
            Type::VarBinary(_) => 3,
            Type::Binary(_) => 2,
        }
    }

    pub fn is_text(self) -> bool {
        self.family() == Family::Text
    }

    /// A type that a key, a comparison or an ORDER BY cannot have.
    pub fn is_incomparable(self) -> bool {
        matches!(self, Type::Text | Type::NText | Type::Image | Type::Xml)
    }

    /// Precision and scale as decimals: what an integer or money is worth.
    pub fn digits(self) -> (u8, u8) {
        match self {
            Type::Bit => (1, 0),
            Type::TinyInt => (3, 0),
            Type::SmallInt => (5, 0),
            Type::Int => (10, 0),
            Type::BigInt => (19, 0),
            Type::Decimal { precision, scale, .. } => (precision, scale),
            Type::Money => (19, 4),
            Type::SmallMoney => (10, 4),
            _ => (38, 0),
        }
    }

    /// The type in which both sides of an operator meet.
    pub fn meet(self, other: Type) -> Type {
        let (high, low) = if self.precedence() >= other.precedence() { (self, other) } else { (other, self) };
        match (high, low) {
            (Type::Decimal { .. }, _) if matches!(low.family(), Family::Exact | Family::Integer) => {
                let ((p1, s1), (p2, s2)) = (high.digits(), low.digits());
                let scale = s1.max(s2);
                Type::decimal(((p1 - s1).max(p2 - s2) + scale).min(38), scale)
            }
            (Type::NVarChar(a), _) if low.is_text() => Type::NVarChar(longer(a, low.length())),
            (Type::VarChar(a), _) if low.is_text() => Type::VarChar(longer(a, low.length())),
            (Type::NChar(a), _) if low.is_text() => Type::NVarChar(longer(Some(a), low.length())),
            (Type::Char(a), Type::Char(b)) => Type::Char(a.max(b)),
            (Type::VarBinary(a), _) if low.family() == Family::Binary => {
                Type::VarBinary(longer(a, low.length()))
            }
            (Type::Binary(a), Type::Binary(b)) => Type::VarBinary(Some(a.max(b))),
            (Type::DateTime2(a), Type::DateTime2(b)) => Type::DateTime2(a.max(b)),
            (Type::DateTimeOffset(a), Type::DateTimeOffset(b)) => Type::DateTimeOffset(a.max(b)),
            (Type::Time(a), Type::Time(b)) => Type::Time(a.max(b)),
            _ => high,
        }
    }

    /// Characters or bytes; `None` is max.
    pub fn length(self) -> Option<u16> {
        match self {
            Type::Char(n) | Type::NChar(n) | Type::Binary(n) => Some(n),
            Type::VarChar(n) | Type::NVarChar(n) | Type::VarBinary(n) => n,
            Type::RowVersion => Some(8),
            _ => None,
        }
    }

    /// The affinity and collation of the SQLite column.
    pub fn storage(self, order: &str) -> String {
        match self.family() {
            Family::Integer => "INTEGER".to_owned(),
            Family::Approximate => "REAL".to_owned(),
            Family::Binary => "BLOB".to_owned(),
            _ => match self.sqlite_order(order) {
                "" => "TEXT".to_owned(),
                name => format!("TEXT COLLATE {name}"),
            },
        }
    }

    /// The SQLite collation that compares its values; empty where the plain order does.
    pub fn sqlite_order(self, text: &str) -> &str {
        match self.family() {
            Family::Exact => "NUM",
            Family::Guid => "GUID",
            Family::Text => text,
            Family::Time if matches!(self, Type::DateTimeOffset(_)) => "DTO",
            _ => "",
        }
    }

    /// (system_type_id, max_length in bytes, precision, scale) as sys.columns has them.
    pub fn catalog(self) -> (i64, i64, i64, i64) {
        let bytes = |n: Option<u16>, by: i64| n.map_or(-1, |n| i64::from(n) * by);
        let fractional = |s: u8, base: i64| base + i64::from(s > 0) + i64::from(s);
        let time_bytes = |s: u8| i64::from(crate::wire::values::time_bytes(s));
        match self {
            Type::Bit => (104, 1, 1, 0),
            Type::TinyInt => (48, 1, 3, 0),
            Type::SmallInt => (52, 2, 5, 0),
            Type::Int => (56, 4, 10, 0),
            Type::BigInt => (127, 8, 19, 0),
            Type::Decimal { precision, scale, numeric } => {
                let length = match precision {
                    0..=9 => 5,
                    10..=19 => 9,
                    20..=28 => 13,
                    _ => 17,
                };
                (if numeric { 108 } else { 106 }, length, precision.into(), scale.into())
            }
            Type::Money => (60, 8, 19, 4),
            Type::SmallMoney => (122, 4, 10, 4),
            Type::Real => (59, 4, 24, 0),
            Type::Float => (62, 8, 53, 0),
            Type::Date => (40, 3, 10, 0),
            Type::Time(s) => (41, time_bytes(s), fractional(s, 8), s.into()),
            Type::SmallDateTime => (58, 4, 16, 0),
            Type::DateTime => (61, 8, 23, 3),
            Type::DateTime2(s) => (42, time_bytes(s) + 3, fractional(s, 19), s.into()),
            Type::DateTimeOffset(s) => (43, time_bytes(s) + 5, fractional(s, 26), s.into()),
            Type::Char(n) => (175, n.into(), 0, 0),
            Type::VarChar(n) => (167, bytes(n, 1), 0, 0),
            Type::NChar(n) => (239, i64::from(n) * 2, 0, 0),
            Type::NVarChar(n) => (231, bytes(n, 2), 0, 0),
            Type::Text => (35, 16, 0, 0),
            Type::NText => (99, 16, 0, 0),
            Type::Xml => (241, -1, 0, 0),
            Type::Binary(n) => (173, n.into(), 0, 0),
            Type::VarBinary(n) => (165, bytes(n, 1), 0, 0),
            Type::Image => (34, 16, 0, 0),
            Type::RowVersion => (189, 8, 0, 0),
            Type::Guid => (36, 16, 0, 0),
        }
    }

    /// The bare name, as TYPE_NAME and error messages say it.
    pub fn name(self) -> &'static str {
        match self {
            Type::Bit => "bit",
            Type::TinyInt => "tinyint",
            Type::SmallInt => "smallint",
            Type::Int => "int",
            Type::BigInt => "bigint",
            Type::Decimal { numeric: false, .. } => "decimal",
            Type::Decimal { .. } => "numeric",
            Type::Money => "money",
            Type::SmallMoney => "smallmoney",
            Type::Real => "real",
            Type::Float => "float",
            Type::Date => "date",
            Type::Time(_) => "time",
            Type::SmallDateTime => "smalldatetime",
            Type::DateTime => "datetime",
            Type::DateTime2(_) => "datetime2",
            Type::DateTimeOffset(_) => "datetimeoffset",
            Type::Char(_) => "char",
            Type::VarChar(_) => "varchar",
            Type::NChar(_) => "nchar",
            Type::NVarChar(_) => "nvarchar",
            Type::Text => "text",
            Type::NText => "ntext",
            Type::Xml => "xml",
            Type::Binary(_) => "binary",
            Type::VarBinary(_) => "varbinary",
            Type::Image => "image",
            Type::RowVersion => "timestamp",
            Type::Guid => "uniqueidentifier",
        }
    }
}

/// All names that sys.types has, with a type of each.
pub(crate) fn all() -> Vec<Type> {
    vec![
        Type::Image,
        Type::Text,
        Type::Guid,
        Type::Date,
        Type::Time(7),
        Type::DateTime2(7),
        Type::DateTimeOffset(7),
        Type::TinyInt,
        Type::SmallInt,
        Type::Int,
        Type::SmallDateTime,
        Type::Real,
        Type::Money,
        Type::DateTime,
        Type::Float,
        Type::NText,
        Type::Bit,
        Type::decimal(38, 38),
        Type::Decimal { precision: 38, scale: 38, numeric: true },
        Type::SmallMoney,
        Type::BigInt,
        Type::VarBinary(Some(8000)),
        Type::VarChar(Some(8000)),
        Type::Binary(8000),
        Type::Char(8000),
        Type::RowVersion,
        Type::NVarChar(Some(4000)),
        Type::NChar(4000),
        Type::Xml,
    ]
}

fn longer(a: Option<u16>, b: Option<u16>) -> Option<u16> {
    Some(a?.max(b?))
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Type::Decimal { precision, scale, .. } => write!(f, "({precision},{scale})"),
            Type::Time(s) | Type::DateTime2(s) | Type::DateTimeOffset(s) => write!(f, "({s})"),
            Type::Char(n) | Type::NChar(n) | Type::Binary(n) => write!(f, "({n})"),
            Type::VarChar(n) | Type::NVarChar(n) | Type::VarBinary(n) => match n {
                Some(n) => write!(f, "({n})"),
                None => f.write_str("(max)"),
            },
            _ => Ok(()),
        }
    }
}

impl std::str::FromStr for Type {
    type Err = Fail;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Type> {
        let (name, rest) = text.split_once('(').unwrap_or((text, ""));
        let arguments = rest.trim_end_matches(')').split(',').filter(|a| !a.is_empty());
        let arguments: Vec<Option<u16>> = arguments.map(|a| a.trim().parse().ok()).collect();
        Type::named(name, &arguments, false)
    }
}
