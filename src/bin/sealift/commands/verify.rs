//! `verify`: is a bundle whole? Is a folder right?

use std::path::PathBuf;

use clap::Args;
use sealift::bundle::{self, BundleError, Limits, OtherRoot, Report};
use sealift::crypto::Password;
use sealift::progress::{Preliminary, Progress};
use sealift::tree;
use serde_json::json;

use super::{convert, input};
use crate::cli::{Common, ExpectArgs, ExpectedRoot, PasswordArgs};
use crate::exit::{Exit, Failure, MOVED_SECRET};
use crate::outcome;
use crate::ui::say;
use crate::{secrets, ui};

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The bundle, or a folder made of one
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Check every byte only, even where a password is at hand
    #[arg(long, conflicts_with = "password_file")]
    sealed: bool,
    #[command(flatten)]
    expect: ExpectArgs,
    #[command(flatten)]
    password: PasswordArgs,
}

pub fn run(common: &Common, args: &VerifyArgs) -> Result<Exit, Failure> {
    super::input::expect_bundle(&args.file)?;
    let password = match args.sealed {
        true => None,
        false => secrets::given_password(args.password.password_file.as_deref())?,
    };
    let progress = ui::Bars::new();
    if tree::is_tree(&args.file) {
        return folder(common, args, password.as_ref(), &progress);
    }
    let verified = |password: Option<&Password>| -> Result<Report, Failure> {
        let limits = Limits::default();
        let report = bundle::verify(&args.file, password, &limits, &common.kdf_limits(), &progress)?;
        match (args.expect.expect_root, report.content_root) {
            (Some(ExpectedRoot(expected)), Some(content_root))
                if content_root.0 != expected && report.file_root.is_none_or(|root| root.0 != expected) =>
            {
                let (path, file_root) = (args.file.clone(), report.file_root);
                Err(BundleError::from(OtherRoot { path, expected, content_root, file_root }).into())
            }
            _ => Ok(report),
        }
    };
    // Another bundle is not worth a password, nor the work of trying it.
    if password.is_some() && args.expect.expect_root.is_some() {
        verified(None)?;
    }
    let report = verified(password.as_ref())?;
    progress.clear();
    let sound = report.findings.is_empty();
    let exit = if sound { Exit::Done } else { Exit::Damaged };
    outcome::settle(exit);
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
            "kinds": super::salvage::kinds_json(&report.kinds),
            "lost": super::salvage::lost_json(&report.lost),
            "lost_unlisted": report.lost_unlisted,
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
            say!("  DAMAGED {}: {}", ui::name(&finding.place), ui::message(&finding.problem));
        }
        if !sound {
            super::salvage::tell(&report.kinds, &report.lost, report.lost_unlisted)?;
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
                "{} is damaged, findings: {}; {} of {} documents are whole",
                args.file.display(),
                report.findings.len() as u64 + report.findings_unlisted,
                report.documents_whole,
                report.documents
            ),
        }
    }
    Ok(exit)
}

/// A folder is right when every document can be taken as it is, and with the password when every secret opens.
fn folder(
    common: &Common,
    args: &VerifyArgs,
    password: Option<&Password>,
    progress: &dyn Progress,
) -> Result<Exit, Failure> {
    let model = super::load_model(common)?;
    let made = sealift::temporary::folder()?;
    let out = made.path().join("verify.sealift");
    let password_file = args.password.password_file.as_deref();
    let preliminary = &Preliminary(progress);
    let read = input::read_tree(
        common,
        &args.file,
        args.expect.expect_root,
        &model,
        password_file,
        &out,
        (false, false),
        preliminary,
    )?;
    let report = bundle::verify(&out, password, &Limits::default(), &common.kdf_limits(), progress)
        .map_err(|error| error.found_in(&args.file))?;
    let sound = report.findings.is_empty();
    let exit = match (sound, read.doubts.is_empty() && read.warnings.is_empty()) {
        (false, _) => Exit::Damaged,
        (true, false) => Exit::Differences,
        (true, true) => Exit::Done,
    };
    outcome::settle(exit);
    if common.json {
        let closed: Vec<_> =
            report.findings.iter().map(|f| json!({ "place": f.place, "problem": f.problem })).collect();
        super::print_json(&json!({
            "folder": args.file.display().to_string(),
            "level": report.level.word(),
            "sound": sound,
            "documents": report.documents,
            "secrets": report.secrets,
            "secrets_opened": report.secrets_opened,
            "content_root": report.content_root.map(|root| root.to_string()),
            "findings": closed,
            "doubts": input::findings_json(&read.doubts),
            "warnings": input::findings_json(&read.warnings),
            "notes": input::findings_json(&read.notes),
            "missing": read.missing,
            "passed_over": read.passed_over,
        }))?;
        return Ok(exit);
    }
    convert::say_doubts(&read)?;
    for finding in &report.findings {
        say!("  DAMAGED {}: {}", ui::name(&finding.place), ui::message(&finding.problem));
    }
    let name = args.file.display();
    match (sound, report.level) {
        (false, _) => {
            say!("{name} holds {} secrets that do not open", report.findings.len());
            say!("  {MOVED_SECRET}");
        }
        (true, bundle::Level::Sealed) if report.secrets > 0 => {
            say!("{name}: {} documents can be taken as they are", report.documents);
            say!("  its {} secrets were not opened; give the password to check them too", report.secrets);
        }
        (true, bundle::Level::Opened) => say!(
            "{name}: {} documents can be taken as they are, and all {} secrets open",
            report.documents,
            report.secrets_opened
        ),
        (true, _) => say!("{name}: {} documents can be taken as they are", report.documents),
    }
    if let Some(root) = report.content_root {
        say!("content root {root}");
    }
    Ok(exit)
}
