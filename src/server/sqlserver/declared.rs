//! Declared types as SQL Server has them.

use std::fmt;

use crate::server::spelling::Spelled;

/// A type of SQL Server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    name: &'static str,
    size: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// The type has no size, or its usual one.
    None,
    /// Characters, bytes or digits.
    Of(usize),
    /// `max`.
    Max,
    /// Digits, and how many of them behind the point.
    Digits(usize, usize),
}

impl Declared {
    /// Reads a declared type; `None` for one that SQL Server has not, or not of that size. What has no size holds
    /// anything on the embedded server, and so it does here. `text`, `ntext` and `image` become what replaced
    /// them.
    pub(super) fn of(declared: &str) -> Option<Self> {
        let (words, sizes) = match declared.split_once('(') {
            Some((words, rest)) => (words, sizes(rest.trim_end().strip_suffix(')')?)?),
            None => (declared, Vec::new()),
        };
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        let plain = |name| sizes.is_empty().then_some(Self { name, size: Size::None });
        let endless = |name| Some(Self { name, size: Size::Max });
        // More than fits into a row is kept beside it.
        let long = |name, most: usize, fixed: bool| match sizes.as_slice() {
            [] | [None] if fixed => None,
            [] | [None] => endless(name),
            [Some(size)] if *size == 0 || (fixed && *size > most) => None,
            [Some(size)] if *size > most => endless(name),
            [Some(size)] => Some(Self { name, size: Size::Of(*size) }),
            _ => None,
        };
        match words.as_str() {
            "bit" | "boolean" => plain("bit"),
            "tinyint" => plain("tinyint"),
            "smallint" => plain("smallint"),
            "int" | "integer" => plain("int"),
            "bigint" => plain("bigint"),
            "money" => plain("money"),
            "smallmoney" => plain("smallmoney"),
            "real" => plain("real"),
            "float" | "double" | "double precision" => match sizes.as_slice() {
                [] => Some(Self { name: "float", size: Size::None }),
                [Some(bits @ 1..=53)] if words == "float" => {
                    Some(Self { name: if *bits > 24 { "float" } else { "real" }, size: Size::None })
                }
                _ => None,
            },
            "decimal" | "dec" => digits("decimal", &sizes),
            "numeric" => digits("numeric", &sizes),
            "char" | "character" if sizes.is_empty() => endless("varchar"),
            "nchar" if sizes.is_empty() => endless("nvarchar"),
            "binary" if sizes.is_empty() => endless("varbinary"),
            "char" | "character" => long("char", 8000, true),
            "varchar" => long("varchar", 8000, false),
            "nchar" => long("nchar", 4000, true),
            "nvarchar" => long("nvarchar", 4000, false),
            "binary" => long("binary", 8000, true),
            "varbinary" => long("varbinary", 8000, false),
            "text" | "ntext" | "clob" | "" if sizes.is_empty() => endless("nvarchar"),
            "image" | "blob" if sizes.is_empty() => endless("varbinary"),
            "xml" => plain("xml"),
            "sql_variant" => plain("sql_variant"),
            "timestamp" | "rowversion" => plain("rowversion"),
            _ => Self::of_time(declared),
        }
    }

    fn of_time(declared: &str) -> Option<Self> {
        let scaled = |name, scale| Self { name, size: Size::Of(usize::from(scale)) };
        let plain = |name| Self { name, size: Size::None };
        Some(match Spelled::of(declared)? {
            Spelled::Date => plain("date"),
            Spelled::Time(scale) => scaled("time", scale),
            Spelled::DateTime => plain("datetime"),
            Spelled::SmallDateTime => plain("smalldatetime"),
            Spelled::DateTime2(scale) => scaled("datetime2", scale),
            Spelled::DateTimeOffset(scale) => scaled("datetimeoffset", scale),
            Spelled::Guid => plain("uniqueidentifier"),
        })
    }

    /// Whether the size is `max`.
    pub(super) fn is_endless(&self) -> bool {
        self.size == Size::Max
    }

    /// The type in a key of so many bytes: `max` becomes what an index takes. `None` where no index is made.
    pub(super) fn in_key(self, bytes: usize) -> Option<Self> {
        match (self.name, self.size) {
            ("xml" | "sql_variant" | "rowversion", _) => None,
            ("nvarchar", Size::Max) => Some(Self { name: self.name, size: Size::Of(bytes / 2) }),
            (_, Size::Max) => Some(Self { name: self.name, size: Size::Of(bytes) }),
            _ => Some(self),
        }
    }

    /// Whether a column of one type can take the other without holding something else.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.family() == other.family()
    }

    fn family(&self) -> &'static str {
        match self.name {
            "tinyint" | "smallint" | "int" | "bigint" => "int",
            "decimal" | "numeric" => "decimal",
            "char" | "nchar" | "varchar" | "nvarchar" => "text",
            "binary" | "varbinary" => "binary",
            name => name,
        }
    }

    /// Whether it holds times or GUIDs.
    pub(super) fn spelled(&self) -> Option<Spelled> {
        Spelled::of(&self.to_string())
    }
}

fn digits(name: &'static str, sizes: &[Option<usize>]) -> Option<Declared> {
    let (digits, scale) = match sizes {
        // Without a size the embedded server keeps any decimal; here, without one, it would be a whole number.
        [] => (38, 18),
        [Some(digits)] => (*digits, 0),
        [Some(digits), Some(scale)] => (*digits, *scale),
        _ => return None,
    };
    let there = (1..=38).contains(&digits) && scale <= digits;
    there.then_some(Declared { name, size: Size::Digits(digits, scale) })
}

/// One or two sizes; `None` among them is `max`.
fn sizes(text: &str) -> Option<Vec<Option<usize>>> {
    let one = |text: &str| match text.trim() {
        max if max.eq_ignore_ascii_case("max") || max == "-1" => Some(None),
        number => number.parse().ok().map(Some),
    };
    text.split(',').map(one).collect()
}

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match self.size {
            Size::None => Ok(()),
            Size::Of(size) => write!(f, "({size})"),
            Size::Max => f.write_str("(max)"),
            Size::Digits(digits, scale) => write!(f, "({digits},{scale})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_are_those_of_the_server() {
        for (declared, expected) in [
            ("nvarchar(-1)", "nvarchar(max)"),
            ("NVARCHAR( 200 )", "nvarchar(200)"),
            ("nvarchar(5000)", "nvarchar(max)"),
            ("nvarchar", "nvarchar(max)"),
            ("varchar(MAX)", "varchar(max)"),
            ("char(10)", "char(10)"),
            ("text", "nvarchar(max)"),
            ("", "nvarchar(max)"),
            ("integer", "int"),
            ("BIGINT", "bigint"),
            ("numeric(10, 2)", "numeric(10,2)"),
            ("decimal", "decimal(38,18)"),
            ("decimal(5)", "decimal(5,0)"),
            ("float(53)", "float"),
            ("float(24)", "real"),
            ("double precision", "float"),
            ("varbinary(-1)", "varbinary(max)"),
            ("blob", "varbinary(max)"),
            ("timestamp", "rowversion"),
            ("datetimeoffset", "datetimeoffset(7)"),
            ("datetimeoffset(0)", "datetimeoffset(0)"),
            ("datetime", "datetime"),
            ("date", "date"),
            ("uniqueidentifier", "uniqueidentifier"),
        ] {
            assert_eq!(
                Declared::of(declared).map(|t| t.to_string()).as_deref(),
                Some(expected),
                "{declared}"
            );
        }
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for declared in [
            "int); DROP TABLE x; --",
            "int(4)",
            "nvarchar(0)",
            "nchar(5000)",
            "nchar(max)",
            "nvarchar(1,2)",
            "nvarchar(1",
            "decimal(39,1)",
            "decimal(5,6)",
            "float(54)",
            "datetime2(8)",
            "xml(1)",
            "geography",
            "int not null",
            "(3)",
        ] {
            assert_eq!(Declared::of(declared), None, "{declared}");
        }
    }
}
