//! A record as JSON, for tools: one object, written as it goes.

use std::io::{self, Write};

use sealift::plan::Entry;
use sealift::text::write_json_pretty;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::ImportRecord;
use crate::commands::{around, render};

/// Says what the file is, and in which version of this form.
const FORMAT: &str = "sealift import record 1";

/// Writes a record.
pub fn write(record: &ImportRecord<'_>, out: &mut dyn Write) -> io::Result<()> {
    write_json_pretty(&mut *out, record)?;
    out.write_all(b"\n")
}

impl Serialize for ImportRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (plan, info) = (self.plan, self.bundle);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", FORMAT)?;
        map.serialize_entry("program", super::PROGRAM)?;
        map.serialize_entry("outcome", self.outcome)?;
        map.serialize_entry("began", &self.began.to_string())?;
        map.serialize_entry("ended", &self.ended.to_string())?;
        map.serialize_entry("target", &self.target)?;
        let bundle = json!({
            "path": self.path,
            "content_root": info.content_root.to_string(),
            "file_root": info.file_root.to_string(),
            "model": info.header.model,
            "product_version": info.header.product_version,
            "server": info.header.server,
            "created": info.created,
            "writer": info.writer,
            "documents": info.documents,
        });
        map.serialize_entry("bundle", &bundle)?;
        map.serialize_entry("by_plan", &self.by_plan)?;
        map.serialize_entry("undo", &self.undo)?;
        map.serialize_entry("options", &self.options)?;
        map.serialize_entry("counts", &render::counts_json(plan))?;
        map.serialize_entry("skipped", &render::skipped_json(plan))?;
        let kinds: Vec<_> = self
            .kinds()
            .into_iter()
            .map(|(kind, counts)| {
                let counts = counts.into_iter().map(|(action, n)| (action.word(), n));
                json!({ "kind": kind, "counts": counts.collect::<std::collections::BTreeMap<_, _>>() })
            })
            .collect();
        map.serialize_entry("kinds", &kinds)?;
        map.serialize_entry("rows", &around::rows_json(&self.rows))?;
        map.serialize_entry("maintenance", &around::maintenance_json(plan.maintenance.as_ref()))?;
        map.serialize_entry("findings", &render::findings_json(&plan.findings))?;
        map.serialize_entry("notices", &plan.notices)?;
        map.serialize_entry("source_notices", &plan.source)?;
        map.serialize_entry("documents", &Documents(&plan.entries))?;
        map.end()
    }
}

/// Documents, made into JSON one after another.
struct Documents<'p>(&'p [Entry]);

impl Serialize for Documents<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(render::entry_json))
    }
}
