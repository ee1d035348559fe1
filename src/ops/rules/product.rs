//! The product's version on a server.

use crate::document::Value;
use crate::model::Model;
use crate::server::{Page, Reader, ServerError, WholeTable};

/// The product's version on a server, where the model says where to find it and the server has it.
///
/// # Errors
/// [`ServerError`], when the table cannot be read.
pub fn product_version(reader: &mut dyn Reader, model: &Model) -> Result<Option<String>, ServerError> {
    let Some(rule) = &model.version else { return Ok(None) };
    let Some(table) = reader.catalog().table(&rule.table).cloned() else { return Ok(None) };
    let (Some(version), Some(newest)) = (table.column(&rule.column), table.column(&rule.newest_by)) else {
        return Ok(None);
    };
    let columns = [version.name.as_str(), newest.name.as_str()];
    let order = [newest.name.as_str()];
    let page = Page {
        table: &table.name,
        columns: &columns,
        order: &order,
        after: None,
        max_rows: 1000,
        max_bytes: 1 << 20,
    };
    let mut whole = WholeTable::open(reader, &page)?;
    let mut newest_version = None;
    // A row a change of version: few. A table made to be endless is not read to its end.
    for _ in 0..1000 {
        let Some(rows) = whole.next_page(reader)? else { break };
        let versions = rows.iter().rev().find_map(|row| row.first().and_then(Value::as_text));
        newest_version = versions.map(str::to_owned).or(newest_version);
    }
    Ok(newest_version)
}
