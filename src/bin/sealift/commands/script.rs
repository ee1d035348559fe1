//! `plan --sql`: the import as a T-SQL script, written beside its place and then put there.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use sealift::bundle::Bundle;
use sealift::model::Model;
use sealift::ops::{self, About, ImportOptions, Keys};
use sealift::plan::Plan;
use sealift::progress::Progress;
use sealift::server::{Address, Reader};

use crate::exit::{Exit, Failure};

/// Writes the script, and says how many statements it has; none and no file where the plan has findings or
/// nothing to do.
#[allow(clippy::too_many_arguments, reason = "as `ops::script`, and where the script goes")]
pub fn write(
    path: &Path,
    force: bool,
    bundle: &Bundle,
    target: &Address,
    reader: &mut dyn Reader,
    model: &Model,
    keys: Keys<'_>,
    options: ImportOptions,
    progress: &dyn Progress,
) -> Result<(Plan, u64), Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display()))
    };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Only its owner may read it: it holds what the server holds, secrets as they are encrypted there.
    let beside =
        tempfile::Builder::new().prefix(".sealift-").suffix(".sql").tempfile_in(folder).map_err(cannot)?;
    let (database, schema) = match target {
        Address::SqlServer(address) => (Some(address.database.clone()), address.schema.clone()),
        Address::Sqlite(_) => (None, "dbo".to_owned()),
    };
    let about = About { target: target.to_string(), database, schema };
    let mut out = BufWriter::new(beside.as_file());
    let (plan, statements) = ops::script(bundle, reader, model, keys, options, &about, &mut out, progress)?;
    out.flush().map_err(cannot)?;
    drop(out);
    if statements == 0 {
        return Ok((plan, 0));
    }
    beside.as_file().sync_all().map_err(cannot)?;
    progress.take_effect()?;
    let put = if force { beside.persist(path) } else { beside.persist_noclobber(path) };
    match put {
        Ok(_) => Ok((plan, statements)),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::new(Exit::Failed, format!("{} exists already", path.display()))
                .hint("--force overwrites it"))
        }
        Err(error) => Err(cannot(error.error)),
    }
}
