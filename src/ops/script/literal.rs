//! Values as T-SQL spells them, so that neither `sqlcmd` nor an editor makes anything else of them.
//!
//! `sqlcmd` replaces `$(name)` and ends a batch at a line that is `GO`, inside quotes too. So no piece of text in
//! quotes has a line break, another control character or the two characters `$(`.

use std::fmt::Write as _;

use crate::document::Value;
use crate::server::{Column, ColumnType, ServerError, Table};
use crate::text::{cut, is_hidden, shown};

/// As many pieces as one expression joins; deeper ones exhaust the server's stack.
const MAX_PIECES: usize = 100;
/// As many characters as fit where text is not declared `max`.
const MAX_SHORT: usize = 4000;

/// As many characters has a message, about; the server cuts it at 2,048.
const MAX_MESSAGE: usize = 400;

/// Variables of one batch, that hold texts of many pieces.
#[derive(Debug, Default)]
pub(super) struct Variables {
    count: usize,
}

impl Variables {
    fn next(&mut self) -> String {
        self.count += 1;
        format!("@text{}", self.count)
    }
}

/// A value as an expression of the column's type. What has to be said before goes into `before`.
pub(super) fn literal(
    column: &Column,
    value: &Value,
    variables: &mut Variables,
    before: &mut String,
) -> Option<String> {
    Some(match (value, column.kind) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Bool(truth), _) => u8::from(*truth).to_string(),
        (Value::Int(number), _) => number.to_string(),
        (Value::Number(text), ColumnType::Float) => {
            let plain = text.contains(['e', 'E']);
            let text = if plain { text.to_string() } else { format!("{text}e0") };
            // The nearest of the narrow numbers is another number than the one that is written.
            if base(&column.declared) == "real" { format!("CAST({text} AS real)") } else { text }
        }
        (Value::Number(text), _) => text.to_string(),
        (Value::Bytes(bytes), _) => {
            let mut hex = String::with_capacity(2 + bytes.len() * 2);
            hex.push_str("0x");
            for byte in bytes {
                let _ = write!(hex, "{byte:02X}");
            }
            hex
        }
        (Value::Text(text), _) => {
            let text = quoted(text, variables, before);
            match base(&column.declared).as_str() {
                time @ ("date" | "time" | "datetime" | "smalldatetime" | "datetime2" | "datetimeoffset") => {
                    let declared = if time == "date" { time } else { column.declared.as_str() };
                    format!("CONVERT({declared}, {text}, 121)")
                }
                "uniqueidentifier" => format!("CONVERT(uniqueidentifier, {text})"),
                "xml" => format!("CONVERT(xml, {text}, 1)"),
                _ => text,
            }
        }
        _ => return None,
    })
}

/// The condition that a column still holds what it held, to the byte.
pub(super) fn unchanged(column: &Column, old: &Value, spelled: &str) -> String {
    let name = bracketed(&column.name);
    match old {
        Value::Null => format!("{name} IS NULL"),
        Value::Text(_) => match base(&column.declared).as_str() {
            "date" | "time" | "datetime" | "smalldatetime" | "datetime2" | "datetimeoffset"
            | "uniqueidentifier" => format!("{name} = {spelled}"),
            // As it compares, upper case is lower case and blanks at the end are nothing.
            _ => format!(
                "CONVERT(varbinary(max), CONVERT(nvarchar(max), {name})) = \
                 CONVERT(varbinary(max), CONVERT(nvarchar(max), {spelled}))"
            ),
        },
        // Zeros at the end are nothing as bytes compare.
        Value::Bytes(bytes) => {
            format!("CONVERT(varbinary(max), {name}) = {spelled} AND DATALENGTH({name}) = {}", bytes.len())
        }
        _ => format!("{name} = {spelled}"),
    }
}

/// The name of a declared type without its size.
pub(super) fn base(declared: &str) -> String {
    let end = declared.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(declared.len());
    declared.get(..end).unwrap_or_default().to_ascii_lowercase()
}

/// A text as an expression of `nvarchar`.
pub(super) fn quoted(text: &str, variables: &mut Variables, before: &mut String) -> String {
    let pieces = pieces(text);
    if let [only] = pieces.as_slice() {
        return only.clone();
    }
    let long = text.encode_utf16().count() > MAX_SHORT;
    let first = if long { "CAST(N'' AS nvarchar(max)) + " } else { "" };
    if pieces.len() <= MAX_PIECES {
        return format!("{first}{}", pieces.join(" + "));
    }
    let name = variables.next();
    let _ = writeln!(before, "DECLARE {name} nvarchar(max) = N'';");
    for part in pieces.chunks(MAX_PIECES) {
        let _ = writeln!(before, "SET {name} = {name} + {};", part.join(" + "));
    }
    name
}

/// Text for people where it cannot be joined from pieces: on one line, and nothing that `sqlcmd` replaces.
pub(super) fn on_one_line(text: &str) -> String {
    shown(text).replace("$(", "$ (")
}

/// A text as THROW takes it: one piece in quotes, no expression, and `%` twice, as messages have places to fill.
pub(super) fn message(text: &str) -> String {
    let line = on_one_line(text);
    format!("N'{}'", cut(&line, MAX_MESSAGE).replace('\'', "''").replace('%', "%%"))
}

/// Says no to a name that cannot stand in a script: it is no text that could be joined from pieces.
///
/// # Errors
/// [`ServerError::Failed`], which has the name.
pub(super) fn speakable(what: &str, name: &str) -> Result<(), ServerError> {
    if !name.chars().any(is_hidden) && !name.contains("$(") {
        return Ok(());
    }
    let source = format!(
        "the {what} {name:?} cannot be named in a script: its name has characters that tools \
                          take for their own"
    );
    Err(ServerError::Failed { doing: "writing the script".to_owned(), source: source.into() })
}

/// A character by its number. Beyond the first 65,536 it is spelled by its bytes: what NCHAR makes of such a number
/// depends on the collation.
fn numbered(c: char) -> String {
    match c.encode_utf16(&mut [0; 2]) {
        [unit] => format!("NCHAR({unit})"),
        units => {
            let bytes: Vec<String> = units.iter().map(|unit| format!("{:04X}", unit.swap_bytes())).collect();
            format!("CONVERT(nvarchar(2), 0x{})", bytes.concat())
        }
    }
}

/// A text in pieces, each an expression of its own: quoted text, or a character by its number.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut open = String::new();
    let mut units = 0;
    let mut last = '\0';
    let close = |open: &mut String, pieces: &mut Vec<String>| {
        if !open.is_empty() {
            pieces.push(format!("N'{open}'"));
            open.clear();
        }
    };
    for c in text.chars() {
        // A piece that is not `max` by itself would be cut where it is joined; what is joined stays short.
        if (c == '(' && last == '$') || (units >= MAX_SHORT && text.len() > MAX_SHORT) {
            close(&mut open, &mut pieces);
            units = 0;
        }
        last = c;
        if is_hidden(c) {
            close(&mut open, &mut pieces);
            units = 0;
            pieces.push(numbered(c));
            continue;
        }
        if c == '\'' {
            open.push('\'');
        }
        open.push(c);
        units += c.len_utf16();
    }
    close(&mut open, &mut pieces);
    if pieces.is_empty() {
        pieces.push("N''".to_owned());
    }
    pieces
}

pub(super) fn bracketed(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

pub(super) fn spelled(
    table: &Table,
    column: &Column,
    value: &Value,
    variables: &mut Variables,
    before: &mut String,
) -> Result<String, ServerError> {
    literal(column, value, variables, before).ok_or_else(|| ServerError::Value {
        table: table.name.clone(),
        column: column.name.clone(),
        value: value.type_name().to_owned(),
    })
}

/// The conditions that a row has a key.
pub(super) fn keyed(
    table: &Table,
    by: &[&Column],
    key: &[Value],
    variables: &mut Variables,
    before: &mut String,
) -> Result<Vec<String>, ServerError> {
    let is = |(column, value): (&&Column, &Value)| {
        let spelled = spelled(table, column, value, variables, before)?;
        Ok(match value {
            Value::Null => format!("{} IS NULL", bracketed(&column.name)),
            _ => format!("{} = {spelled}", bracketed(&column.name)),
        })
    };
    by.iter().zip(key).map(is).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an expression of pieces back.
    fn read(mut text: &str) -> String {
        let mut out = String::new();
        text = text.strip_prefix("CAST(N'' AS nvarchar(max)) + ").unwrap_or(text);
        loop {
            if let Some(rest) = text.strip_prefix("NCHAR(") {
                let (number, rest) = rest.split_once(')').unwrap();
                out.push(char::from_u32(number.parse().unwrap()).unwrap());
                text = rest;
            } else if let Some(rest) = text.strip_prefix("CONVERT(nvarchar(2), 0x") {
                let (hex, rest) = rest.split_once(')').unwrap();
                let unit = |at| u16::from_str_radix(&hex[at..at + 4], 16).unwrap().swap_bytes();
                out.extend(char::decode_utf16([unit(0), unit(4)]).map(Result::unwrap));
                text = rest;
            } else {
                let mut rest = text.strip_prefix("N'").expect("quoted text").chars();
                loop {
                    match rest.next().expect("an end") {
                        '\'' if rest.as_str().starts_with('\'') => {
                            rest.next();
                            out.push('\'');
                        }
                        '\'' => break,
                        c => out.push(c),
                    }
                }
                text = rest.as_str();
            }
            match text.strip_prefix(" + ") {
                Some(rest) => text = rest,
                None => break,
            }
        }
        assert_eq!(text, "");
        out
    }

    /// Reads an expression back, with what was said before it.
    fn value(expression: &str, before: &str) -> String {
        if !expression.starts_with('@') {
            return read(expression);
        }
        let mut out = String::new();
        for line in before.lines().skip(1) {
            let line = line.strip_prefix(&format!("SET {expression} = {expression} + ")).unwrap();
            out.push_str(&read(line.strip_suffix(';').unwrap()));
        }
        out
    }

    fn round(text: &str) {
        let (mut variables, mut before) = (Variables::default(), String::new());
        let expression = quoted(text, &mut variables, &mut before);
        assert_eq!(value(&expression, &before), text);
        let all = format!("{before}{expression}");
        assert!(!all.contains("$("), "{all}");
        assert!(all.lines().all(|line| !line.trim().eq_ignore_ascii_case("go")), "{all}");
        assert!(!expression.contains('\n'));
    }

    #[test]
    fn texts_are_spelled_so_that_no_tool_changes_them() {
        for text in [
            "",
            "it's",
            "a\r\nGO\r\nb",
            "$(x) $$( $",
            "\u{0}\u{1f600}",
            "''",
            "$\n(",
            "\u{2028}GO\u{2028}",
            "\u{e0041}x\u{fe0f}",
        ] {
            round(text);
        }
        round(&"$(x)\n".repeat(1000));
        round(&"é\u{1f600}'".repeat(9000));
        let (mut variables, mut before) = (Variables::default(), String::new());
        assert_eq!(quoted("a$(b)", &mut variables, &mut before), "N'a$' + N'(b)'");
        assert_eq!(quoted("x\n", &mut variables, &mut before), "N'x' + NCHAR(10)");
        assert_eq!(quoted("a\u{202e}b", &mut variables, &mut before), "N'a' + NCHAR(8238) + N'b'");
    }

    #[test]
    fn messages_are_one_piece_and_say_what_was_meant() {
        assert_eq!(message("it's 5%\r\n$(x)\u{202e}"), r"N'it''s 5%%\r\n$ (x)\u{202e}'");
        assert_eq!(message(&"é%".repeat(500)).chars().filter(|c| *c == '%').count(), 400);
    }

    #[test]
    fn names_that_tools_would_change_are_refused() {
        assert!(speakable("table", "An ]odd 'name' $ (").is_ok());
        for name in ["a\nGO\nb", "$(x)", "\u{202e}", "\u{2028}"] {
            let error = speakable("table", name).unwrap_err();
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains("cannot be named in a script"), "{source}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_comes_back(text in "[a$('\\n\\r\u{0}\u{1f600}GO]{0,60}") {
            round(&text);
        }
    }

    #[test]
    fn values_are_spelled_by_the_type_of_their_column() {
        let spelled = |declared: &str, value: Value| {
            let (kind, name) = (ColumnType::of(declared), "c".to_owned());
            let declared = declared.to_owned();
            let column = Column { name, declared, kind, nullable: true, default: None, identity: false };
            literal(&column, &value, &mut Variables::default(), &mut String::new())
        };
        let text = |text: &str| Value::from(text);
        assert_eq!(
            spelled("datetimeoffset(7)", text("2018-08-01 10:00:00 +00:00")).unwrap(),
            "CONVERT(datetimeoffset(7), N'2018-08-01 10:00:00 +00:00', 121)"
        );
        assert_eq!(spelled("float", Value::Number("0.5".into())).unwrap(), "0.5e0");
        assert_eq!(spelled("real", Value::Number("0.1".into())).unwrap(), "CAST(0.1e0 AS real)");
        assert_eq!(spelled("decimal(10,2)", Value::Number("0.50".into())).unwrap(), "0.50");
        assert_eq!(spelled("varbinary(4)", Value::Bytes(vec![0, 255])).unwrap(), "0x00FF");
        assert_eq!(spelled("bit", Value::Bool(true)).unwrap(), "1");
        assert_eq!(spelled("int", Value::Null).unwrap(), "NULL");
        assert_eq!(spelled("int", Value::List(Vec::new())), None);
    }
}
