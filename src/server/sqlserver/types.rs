//! The types of SQL Server's columns: how each is read, staged, converted and compared.

/// A type of a column. Lengths count characters of text (UTF-16 units) and bytes of binary data; `None` is max.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SqlType {
    Bit,
    /// `tinyint` to `bigint`, by name.
    Int(&'static str),
    /// `decimal`, `numeric`: precision and scale.
    Decimal(u8, u8),
    /// `money`, `smallmoney`, by name.
    Money(&'static str),
    Float,
    Real,
    /// `nvarchar`, `nchar`.
    Unicode {
        fixed: bool,
        length: Option<usize>,
    },
    /// `varchar`, `char`: of the collation's code page.
    Narrow {
        fixed: bool,
        length: Option<usize>,
    },
    /// `ntext`, `text`.
    LongText(&'static str),
    Xml,
    /// Dates and times, by name, with the digits of a second where the type has such.
    Time(&'static str, Option<u8>),
    Guid,
    /// `varbinary`, `binary`.
    Binary {
        fixed: bool,
        length: Option<usize>,
    },
    Image,
    RowVersion,
    /// What no driver carries: `sql_variant`, types of the CLR.
    Other(String),
}

impl SqlType {
    /// The type of a column by the catalog's words. `max_length` counts bytes; -1 is max.
    pub(super) fn of(base: &str, max_length: i32, precision: i32, scale: i32) -> Self {
        let bytes = usize::try_from(max_length).ok();
        let digits = u8::try_from(scale).ok();
        match base.to_ascii_lowercase().as_str() {
            "bit" => Self::Bit,
            "tinyint" => Self::Int("tinyint"),
            "smallint" => Self::Int("smallint"),
            "int" => Self::Int("int"),
            "bigint" => Self::Int("bigint"),
            "decimal" | "numeric" => {
                Self::Decimal(u8::try_from(precision).unwrap_or(38), digits.unwrap_or_default())
            }
            "money" => Self::Money("money"),
            "smallmoney" => Self::Money("smallmoney"),
            "float" => Self::Float,
            "real" => Self::Real,
            "nvarchar" | "sysname" => Self::Unicode { fixed: false, length: bytes.map(|bytes| bytes / 2) },
            "nchar" => Self::Unicode { fixed: true, length: bytes.map(|bytes| bytes / 2) },
            "varchar" => Self::Narrow { fixed: false, length: bytes },
            "char" => Self::Narrow { fixed: true, length: bytes },
            "ntext" => Self::LongText("ntext"),
            "text" => Self::LongText("text"),
            "xml" => Self::Xml,
            "date" => Self::Time("date", None),
            "time" => Self::Time("time", digits),
            "datetime" => Self::Time("datetime", None),
            "smalldatetime" => Self::Time("smalldatetime", None),
            "datetime2" => Self::Time("datetime2", digits),
            "datetimeoffset" => Self::Time("datetimeoffset", digits),
            "uniqueidentifier" => Self::Guid,
            "varbinary" => Self::Binary { fixed: false, length: bytes },
            "binary" => Self::Binary { fixed: true, length: bytes },
            "image" => Self::Image,
            "timestamp" | "rowversion" => Self::RowVersion,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The type as it is declared: `nvarchar(200)`.
    pub(super) fn declared(&self) -> String {
        let sized = |name: &str, length: &Option<usize>| match length {
            Some(length) => format!("{name}({length})"),
            None => format!("{name}(max)"),
        };
        match self {
            Self::Bit => "bit".to_owned(),
            Self::Int(name) | Self::Money(name) | Self::LongText(name) => (*name).to_owned(),
            Self::Decimal(precision, scale) => format!("decimal({precision},{scale})"),
            Self::Float => "float".to_owned(),
            Self::Real => "real".to_owned(),
            Self::Unicode { fixed, length } => sized(if *fixed { "nchar" } else { "nvarchar" }, length),
            Self::Narrow { fixed, length } => sized(if *fixed { "char" } else { "varchar" }, length),
            Self::Xml => "xml".to_owned(),
            Self::Time(name, None) => (*name).to_owned(),
            Self::Time(name, Some(digits)) => format!("{name}({digits})"),
            Self::Guid => "uniqueidentifier".to_owned(),
            Self::Binary { fixed, length } => sized(if *fixed { "binary" } else { "varbinary" }, length),
            Self::Image => "image".to_owned(),
            Self::RowVersion => "timestamp".to_owned(),
            Self::Other(name) => name.clone(),
        }
    }

    /// The expression that reads a column in a form that the driver gives exactly.
    pub(super) fn read(&self, column: &str) -> String {
        match self {
            // The driver makes a float of money.
            Self::Money(_) => format!("CAST({column} AS decimal(19,4))"),
            // The server knows its code pages best.
            Self::Narrow { length, .. } => match length {
                Some(length) if *length <= 4000 => format!("CAST({column} AS nvarchar({length}))"),
                _ => format!("CAST({column} AS nvarchar(max))"),
            },
            Self::LongText(_) => format!("CAST({column} AS nvarchar(max))"),
            Self::Image => format!("CAST({column} AS varbinary(max))"),
            // The server writes it itself: never read, never written.
            Self::RowVersion => "CAST(NULL AS int)".to_owned(),
            _ => column.to_owned(),
        }
    }

    /// The type in which values travel to the server: in staging tables, in JSON.
    pub(super) fn staged(&self) -> String {
        match self {
            Self::Bit => "bit".to_owned(),
            Self::Int(_) => "bigint".to_owned(),
            Self::Float | Self::Real => "float".to_owned(),
            // As text: exact in every server, whatever it makes of a decimal on the wire.
            Self::Decimal(..) | Self::Money(_) | Self::Time(..) | Self::Guid => "nvarchar(100)".to_owned(),
            Self::Unicode { length: Some(length), .. } => format!("nvarchar({length})"),
            Self::Narrow { length: Some(length), .. } if *length <= 4000 => format!("nvarchar({length})"),
            Self::Binary { length: Some(length), .. } => format!("varbinary({length})"),
            Self::Binary { .. } | Self::Image => "varbinary(max)".to_owned(),
            _ => "nvarchar(max)".to_owned(),
        }
    }

    /// Whether the staged form is text, which has a collation.
    pub(super) fn is_staged_as_text(&self) -> bool {
        self.staged().starts_with("nvarchar")
    }

    /// The expression that makes the column's type of the staged form.
    pub(super) fn converted(&self, staged: &str) -> String {
        let declared = self.declared();
        match self {
            Self::Int(name) if *name != "bigint" => format!("CAST({staged} AS {declared})"),
            Self::Decimal(..) | Self::Guid | Self::Narrow { .. } => format!("CONVERT({declared}, {staged})"),
            Self::Real => format!("CAST({staged} AS real)"),
            Self::Money(_) => format!("CONVERT({declared}, CONVERT(decimal(19,4), {staged}))"),
            // 121 is the form with the year first, whatever language the login speaks.
            Self::Time(..) => format!("CONVERT({declared}, {staged}, 121)"),
            // 1 keeps blanks that are between elements.
            Self::Xml => format!("CONVERT(xml, {staged}, 1)"),
            _ => staged.to_owned(),
        }
    }

    /// Whether the server compares values of the type; if not, they are compared as text.
    pub(super) fn is_comparable(&self) -> bool {
        !matches!(self, Self::Xml | Self::LongText(_) | Self::Image | Self::Other(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_declared_as_the_catalog_says() {
        for (base, length, precision, scale, declared) in [
            ("nvarchar", 400, 0, 0, "nvarchar(200)"),
            ("nvarchar", -1, 0, 0, "nvarchar(max)"),
            ("sysname", 256, 0, 0, "nvarchar(128)"),
            ("varchar", 50, 0, 0, "varchar(50)"),
            ("decimal", 9, 10, 2, "decimal(10,2)"),
            ("numeric", 17, 38, 0, "decimal(38,0)"),
            ("datetimeoffset", 10, 34, 7, "datetimeoffset(7)"),
            ("datetime", 8, 23, 3, "datetime"),
            ("varbinary", -1, 0, 0, "varbinary(max)"),
            ("timestamp", 8, 0, 0, "timestamp"),
            ("geography", -1, 0, 0, "geography"),
        ] {
            assert_eq!(SqlType::of(base, length, precision, scale).declared(), declared, "{base}");
        }
    }

    #[test]
    fn what_a_driver_rounds_is_read_otherwise() {
        assert_eq!(SqlType::Money("money").read("t.[a]"), "CAST(t.[a] AS decimal(19,4))");
        assert_eq!(SqlType::Decimal(10, 2).converted("s.[c0]"), "CONVERT(decimal(10,2), s.[c0])");
        assert_eq!(SqlType::Int("bigint").converted("s.[c0]"), "s.[c0]");
    }
}
