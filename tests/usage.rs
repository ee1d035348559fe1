//! What a command line that cannot be run says to whoever typed it: above all to users of the product's migrator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/stage.rs"]
mod stage;

use stage::{Stage, TO, text};

/// The answer to a command line that is refused as wrong usage.
#[track_caller]
fn answer(stage: &Stage, args: &[&str]) -> String {
    let out = stage.run(args);
    assert_eq!(out.status.code(), Some(2), "{args:?}\n{}{}", text(&out.stdout), text(&out.stderr));
    assert!(out.stdout.is_empty(), "{args:?}");
    text(&out.stderr)
}

#[test]
fn options_of_the_migrator_are_answered_with_what_to_use_here() {
    let stage = Stage::new();
    let cases: &[(&[&str], &str)] = &[
        (&["export", "--directory=C:\\out"], "-o FOLDER/"),
        (&["partial-export", "--directory", "out", "--project=P"], "-o FOLDER/"),
        (&["import", "--directory=C:\\out"], "sealift convert FOLDER FILE"),
        (&["export", "--password=hunter2"], "--password-file"),
        (&["import", "--Password", "hunter2"], "--password-file"),
        (&["export", "--instance=Default"], "mssql://USER@HOST/DATABASE"),
        (&["import", "--config=Octopus.config"], "mssql://USER@HOST/DATABASE"),
        (&["export", "--clean"], "brought up to date"),
        (&["export", "--inline-scripts=LeaveInline"], "--scripts copy, extract or inline"),
        (&["import", "--include-tasklogs"], "TaskLogs"),
        (&["import", "--ignore-version-check"], "--ignore-version"),
        (&["import", "--force"], "--accept-invalid"),
        (&["import", "--nooverwrite"], "--overwrite"),
        (&["partial-export", "--releaseVersion=*"], "--release-version"),
        (&["partial-export", "--projectGroup=G"], "--project-group"),
        (&["import", "--DRY-RUN"], "--dry-run"),
        (&["import", "--master-key=abc"], "--master-key-file"),
        (&["migrate", "--file=x.octobak", "--master-key=abc"], "Octopus 2.6"),
        (&["Migrate"], "Octopus 2.6"),
        (&["version"], "sealift --version"),
        (&["export", "-directory=out", "-password=hunter2"], "-o FOLDER/"),
        (&["export", "/instance:Main", "/Password:hunter2"], "--password-file"),
        (&["import", "/directory:C:\\out"], "sealift convert FOLDER FILE"),
    ];
    for (args, piece) in cases {
        let said = answer(&stage, args);
        assert!(said.contains("Octopus.Migrator") && said.contains(piece), "{args:?}\n{said}");
        assert!(!said.contains("hunter2") && !said.contains("tip:"), "{args:?}\n{said}");
    }
}

#[test]
fn a_whole_command_line_of_the_migrator_is_answered_option_by_option() {
    let stage = Stage::new();
    let line = [
        "export",
        "--instance=Main",
        "--directory=C:\\out",
        "--password=hunter2",
        "--clean",
        "--ignore-history",
    ];
    let said = answer(&stage, &line);
    for option in ["--instance: ", "--directory: ", "--password: ", "--clean: "] {
        assert_eq!(said.matches(option).count(), 1, "{option}\n{said}");
    }
    assert!(!said.contains("hunter2") && !said.contains("ignore-history"), "{said}");
}

#[test]
fn an_option_that_nobody_has_is_answered_as_before() {
    let said = answer(&Stage::new(), &["import", "--nonsense"]);
    assert!(said.contains("--nonsense") && !said.contains("Octopus.Migrator"), "{said}");
}

#[test]
fn a_folder_of_the_migrator_in_place_of_a_bundle_is_answered_with_the_command_that_makes_one() {
    let stage = Stage::new();
    std::fs::create_dir(stage.at("exported")).unwrap();
    std::fs::write(stage.at("exported/metadata.json"), "{}").unwrap();
    let commands: &[&[&str]] = &[
        &["plan", "exported", TO[0], TO[1]],
        &["import", "exported", TO[0], TO[1], "--yes"],
        &["verify", "exported"],
        &["info", "exported"],
        &["list", "exported"],
        &["show", "exported", "Project", "P"],
        &["why", "exported", "Project", "P"],
        &["salvage", "exported", "-o", "out.sealift"],
        &["merge", "build.sealift", "exported", "-o", "out.sealift"],
        &["plan", "build.sealift", "--against", "exported"],
        &["info", "octopus-export:exported"],
        &["export", "sqlite:build.sqlite", "--no-secrets", "-o", "exported"],
        &["convert", "build.sealift", "exported/", "--force"],
    ];
    for args in commands {
        let said = answer(&stage, args);
        let is_output = said.contains("cannot write the folder exported");
        assert!(is_output || said.contains("sealift convert exported FILE.sealift"), "{args:?}\n{said}");
        assert!(said.contains("migrator"), "{args:?}\n{said}");
    }
    assert_eq!(
        std::fs::read_dir(stage.at("exported")).unwrap().count(),
        1,
        "a folder of the migrator is only read"
    );
    // Another folder that is none of ours.
    std::fs::create_dir(stage.at("other")).unwrap();
    for args in [&["verify", "other"][..], &["info", "other"], &["salvage", "other", "-o", "out.sealift"]] {
        stage.refused(args, 1, "other: not a tree: it has no sealift.json");
    }
    assert!(!stage.at("out.sealift").exists());
}

#[test]
fn an_input_that_is_not_there_is_named_before_anything_is_said_of_its_format() {
    let stage = Stage::new();
    for output in ["out", "out.sealift", "out/"] {
        let said = stage.refused(&["convert", "nosuch", output], 1, "nosuch: cannot open");
        assert!(!said.contains("both are bundles"), "{said}");
    }
}

#[test]
fn a_reader_that_went_away_does_not_make_servers_equal() {
    let stage = Stage::new();
    for more in [&[][..], &["--json"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut diff = stage
            .command("d", &[&["diff", "sqlite:build.sqlite", "sqlite:production.sqlite"], more].concat());
        let status = diff.stdout(writer).stderr(std::process::Stdio::null()).status().unwrap();
        assert_eq!(status.code(), Some(3), "{more:?}");
    }
}

#[test]
fn a_folder_for_temporary_files_that_is_not_there_is_named_with_its_variable() {
    let stage = Stage::new();
    let commands: &[&[&str]] = &[
        &["verify", "build.sealift"],
        &["export", "sqlite:build.sqlite", "-o", "out.sealift", "--no-secrets"],
        &["import", "build.sealift", "--yes", TO[0], TO[1], TO[2], TO[3], TO[4], TO[5]],
        &["convert", "build.sealift", "out/"],
        &["diff", "build.sealift", "sqlite:production.sqlite"],
    ];
    for args in commands {
        let out = stage.command("d", args).env("TMPDIR", "/no/such/folder").output().unwrap();
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{args:?}\n{said}");
        let (folder, variable) = ("cannot use /no/such/folder for temporary files", "TMPDIR");
        assert!(said.contains(folder) && said.contains(variable), "{args:?}\n{said}");
    }
}
