//! `verify`: is a bundle whole?

use std::path::PathBuf;

use clap::Args;
use sealift::bundle::{self, Limits};
use sealift::crypto::KdfLimits;
use serde_json::json;

use crate::cli::{Common, PasswordArgs};
use crate::exit::{Exit, Failure};
use crate::ui::say;
use crate::{secrets, ui};

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The bundle
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Check every byte only, even where a password is at hand
    #[arg(long, conflicts_with = "password_file")]
    sealed: bool,
    #[command(flatten)]
    password: PasswordArgs,
}

pub fn run(common: &Common, args: &VerifyArgs) -> Result<Exit, Failure> {
    let password = match args.sealed {
        true => None,
        false => secrets::given_password(args.password.password_file.as_deref())?,
    };
    let progress = ui::Bars::new();
    let report =
        bundle::verify(&args.file, password.as_ref(), &Limits::default(), &KdfLimits::default(), &progress)?;
    progress.clear();
    let sound = report.findings.is_empty();
    if common.json {
        let findings: Vec<_> =
            report.findings.iter().map(|f| json!({ "place": f.place, "problem": f.problem })).collect();
        super::print_json(&json!({
            "file": args.file.display().to_string(),
            "level": report.level.word(),
            "sound": sound,
            "checked": report.checked,
            "documents": report.documents,
            "documents_whole": report.documents_whole,
            "secrets_opened": report.secrets_opened,
            "content_root": report.content_root.map(|r| r.to_string()),
            "file_root": report.file_root.map(|r| r.to_string()),
            "findings": findings,
        }))?;
    } else {
        for line in &report.checked {
            say!("  checked {line}");
        }
        for finding in &report.findings {
            say!("  DAMAGED {}: {}", ui::shown(&finding.place), ui::shown(&finding.problem));
        }
        match (sound, report.level) {
            (true, bundle::Level::Sealed) => {
                say!("{} is whole: every byte is as it was written", args.file.display());
                if report.secrets > 0 {
                    say!(
                        "  its {} secrets were not opened; give the password to check them too",
                        report.secrets
                    );
                }
            }
            (true, bundle::Level::Opened) => say!(
                "{} is whole: every byte is as it was written, and all {} secrets open",
                args.file.display(),
                report.secrets_opened
            ),
            (false, _) => say!(
                "{} is damaged: {} findings; {} of {} documents are whole",
                args.file.display(),
                report.findings.len(),
                report.documents_whole,
                report.documents
            ),
        }
    }
    Ok(if sound { Exit::Done } else { Exit::Damaged })
}
