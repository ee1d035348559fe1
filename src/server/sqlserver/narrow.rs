//! Text for columns of a code page (`varchar`, `char`, `text`): converted there, and refused where characters
//! would not come through. The server itself puts question marks or similar letters in their place, and says
//! nothing.

use super::schema::{Field, quoted};
use super::types::SqlType;

/// The staged form in the column's own type and code page.
pub(super) fn converted(field: &Field<'_>, staged: &str) -> String {
    let kind = &field.nature.kind;
    if !is_narrow(kind) {
        return kind.converted(staged);
    }
    // Without this it would be the code page of the database.
    kind.converted(&format!("{staged}{}", collation(field)))
}

/// COLLATE with the column's collation; empty where there is none.
pub(super) fn collation(field: &Field<'_>) -> String {
    match &field.nature.collation {
        Some(name) if is_name(name) => format!(" COLLATE {name}"),
        _ => String::new(),
    }
}

/// The query for the first staged row that has text which its column cannot hold, and the position of the column;
/// `None` where no column is of a code page.
pub(super) fn lost(stage: &str, fields: &[Field<'_>]) -> Option<String> {
    let narrow = fields.iter().enumerate().filter(|(_, field)| is_narrow(&field.nature.kind));
    let differs = |(at, field): (usize, &Field<'_>)| {
        let staged = format!("s.{}", quoted(&format!("c{at}")));
        // As CONVERT does it: what is longer than the column, in bytes, is cut and differs too.
        let there = match &field.nature.kind {
            SqlType::LongText(_) => format!("CONVERT(varchar(max), {staged}{})", collation(field)),
            _ => converted(field, &staged),
        };
        let both = |text: &str| format!("CONVERT(nvarchar(max), {text}) COLLATE Latin1_General_BIN2");
        (at, format!("{} <> {}", both(&there), both(&staged)))
    };
    let conditions: Vec<(usize, String)> = narrow.map(differs).collect();
    if conditions.is_empty() {
        return None;
    }
    let cases: Vec<String> = conditions.iter().map(|(at, c)| format!("WHEN {c} THEN {at}")).collect();
    let any: Vec<&str> = conditions.iter().map(|(_, condition)| condition.as_str()).collect();
    Some(format!(
        "SELECT TOP (1) s.[n], CAST(CASE {} END AS bigint) FROM {stage} AS s WHERE {} ORDER BY s.[n]",
        cases.join(" "),
        any.join(" OR ")
    ))
}

fn is_narrow(kind: &SqlType) -> bool {
    matches!(kind, SqlType::Narrow { .. } | SqlType::LongText("text"))
}

/// Names of collations stand bare in statements.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
