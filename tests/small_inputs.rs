//! Passwords, keys, lists and models that other programs saved: byte order marks, UTF-16, stray bytes, files without an
//! end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "support/stage.rs"]
mod stage;

use std::fs;

use stage::{Stage, TO, text};

/// A text in each encoding that editors and shells save it in.
fn saved(line: &str) -> Vec<(&'static str, Vec<u8>)> {
    let utf16 = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        mark.into_iter().chain(line.encode_utf16().flat_map(bytes)).collect()
    };
    vec![
        ("UTF-8 behind a byte order mark", format!("\u{feff}{line}\r\n").into_bytes()),
        ("little-endian UTF-16", utf16([0xff, 0xfe], u16::to_le_bytes)),
        ("big-endian UTF-16", utf16([0xfe, 0xff], u16::to_be_bytes)),
    ]
}

fn line(stage: &Stage, file: &str) -> String {
    fs::read_to_string(stage.at(file)).unwrap().trim_end().to_owned()
}

#[test]
fn passwords_and_keys_are_the_same_in_every_encoding() {
    let stage = Stage::new();
    let (password, key) = (line(&stage, "password"), line(&stage, "production.key"));
    let files = saved(&password).into_iter().zip(saved(&key));
    for ((encoding, password), (_, key)) in files {
        fs::write(stage.at("a.password"), password).unwrap();
        fs::write(stage.at("a.key"), key).unwrap();
        let args = ["plan", "build.sealift", TO[0], TO[1], TO[2], "a.key", TO[4], "a.password"];
        let out = stage.run(&args);
        assert_eq!(out.status.code(), Some(0), "{encoding}: {}", text(&out.stderr));
    }
}

#[test]
fn a_password_in_the_environment_is_one_line_too() {
    let stage = Stage::new();
    let password = line(&stage, "password");
    let verify = |password: &str| {
        let mut command = stage.command("d", &["verify", "build.sealift"]);
        let out = command.env("SEALIFT_PASSWORD", password).output().unwrap();
        (out.status.code(), text(&out.stdout) + &text(&out.stderr))
    };
    for given in [format!("\u{feff}{password}"), format!("{password}\r\n")] {
        let (code, told) = verify(&given);
        assert!(code == Some(0) && told.contains("103 secrets"), "{told}");
    }
    let (code, told) = verify(&format!("{password}\nmore"));
    assert!(code == Some(2) && told.contains("SEALIFT_PASSWORD: it has more than one line"), "{told}");
}

/// Half of the file would be a wrong password, or the right one by luck.
#[test]
fn a_second_line_nul_and_a_file_without_an_end_are_refused_by_name() {
    let stage = Stage::new();
    let password = line(&stage, "password");
    let with = |file: &str, reason: &str| {
        let out = stage.run(&["verify", "build.sealift", "--password-file", file]);
        let told = text(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{told}");
        assert!(told.contains(&format!("cannot read the password file {file}: ")), "{told}");
        assert!(told.contains(reason), "{told}");
    };
    for (bytes, reason) in [
        (format!("{password}\nmore\n").into_bytes(), "more than one line"),
        (format!("{password}\0\n").into_bytes(), "NUL"),
        (password.encode_utf16().flat_map(u16::to_le_bytes).collect(), "UTF-16 without a byte order mark"),
        (vec![b'a'; 65 << 10], "larger than 64 KiB"),
        (vec![0xe9], "not valid UTF-8"),
    ] {
        fs::write(stage.at("odd"), bytes).unwrap();
        with("odd", reason);
    }
    if cfg!(unix) {
        with("/dev/zero", "larger than 64 KiB");
    }
}

/// The output of a command that PowerShell wrote into a file.
#[test]
fn a_list_and_a_model_are_read_in_every_encoding() {
    let stage = Stage::new();
    let list = stage.done(&[&["plan", "build.sealift", "--list"], &TO[..]].concat());
    let model = stage.done(&["model", "show", "--toml"]);
    for ((encoding, list), (_, model)) in saved(&list).into_iter().zip(saved(&model)) {
        fs::write(stage.at("a.list"), list).unwrap();
        let out = stage.run(&[&["plan", "build.sealift", "--use-list", "a.list"], &TO[..]].concat());
        assert_eq!(out.status.code(), Some(0), "{encoding}: {}", text(&out.stderr));
        fs::write(stage.at("a.toml"), model).unwrap();
        stage.done(&["model", "check", "a.toml"]);
    }
}

/// Each line of such a list has the same fault.
#[test]
fn a_list_that_is_no_text_is_refused_with_one_reason() {
    let stage = Stage::new();
    let list = stage.done(&[&["plan", "build.sealift", "--list"], &TO[..]].concat());
    fs::write(stage.at("bare.list"), list.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())
        .unwrap();
    fs::write(stage.at("nul.list"), list.replacen("create", "crea\0te", 1)).unwrap();
    for file in ["bare.list", "nul.list", "/dev/zero"] {
        if !stage.at(file).exists() {
            continue;
        }
        let out = stage.run(&[&["plan", "build.sealift", "--use-list", file], &TO[..]].concat());
        let told = text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{told}");
        assert!(told.contains("NUL character") && told.matches("line ").count() == 1, "{told}");
    }
}

#[test]
fn a_saved_plan_is_the_same_in_every_encoding() {
    let stage = Stage::new();
    stage.done(&[&["plan", "build.sealift", "--overwrite", "-o", "p.plan"][..], &TO].concat());
    let shown = stage.done(&["show", "p.plan"]);
    let plan = fs::read_to_string(stage.at("p.plan")).unwrap();
    // The first with the line end of the plan itself.
    let marked = ("UTF-8 behind a byte order mark", format!("\u{feff}{plan}").into_bytes());
    for (encoding, bytes) in [marked].into_iter().chain(saved(&plan).into_iter().skip(1)) {
        fs::write(stage.at("a.plan"), bytes).unwrap();
        assert_eq!(stage.done(&["show", "a.plan"]), shown, "{encoding}");
    }
    let (_, bytes) = saved(&plan).remove(1);
    fs::write(stage.at("a.plan"), &bytes[..bytes.len() - 1]).unwrap();
    stage.refused(&["show", "a.plan"], 5, "not valid UTF-16");
    fs::write(stage.at("a.plan"), bytes).unwrap();
    let apply = ["apply", "a.plan", "build.sealift", "--yes", "--no-record", "--no-undo"];
    stage.done(&[&apply[..], &TO].concat());
}

/// A text that holds NUL itself never goes into a file.
#[test]
fn a_script_file_with_nul_is_refused_and_a_script_with_nul_survives_the_round_trip() {
    let stage = Stage::new();
    stage.done(&["convert", "build.sealift", "tree/"]);
    let path = scripts(&stage.at("tree")).remove(0);
    let plain = fs::read_to_string(&path).unwrap();
    let utf16: Vec<u8> = "Get-Date\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, reason) in [
        (format!("a\0{plain}").into_bytes(), "NUL character"),
        (utf16, "UTF-16 without a byte order mark"),
        (vec![0xff, 0xfe, b'a', 0], "UTF-16 text; save it as UTF-8"),
        (vec![b'a', 0xe9], "not valid UTF-8"),
    ] {
        fs::write(&path, bytes).unwrap();
        let out = stage.run(&["verify", "tree"]);
        let told = text(&out.stderr);
        assert_eq!(out.status.code(), Some(3), "{told}");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(told.contains(&format!("{name}: it ")) && told.contains(reason), "{told}");
    }
    // The same text, in the document.
    let name = path.file_name().unwrap().to_str().unwrap();
    fs::remove_file(&path).unwrap();
    let marker = format!("{{ \"$script\": \"{name}\" }}");
    let mut folder = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let document = folder.find(|path| {
        path.extension().is_some_and(|end| end == "json")
            && fs::read_to_string(path).unwrap().contains(&marker)
    });
    let document = document.unwrap();
    let edited = fs::read_to_string(&document).unwrap().replace(&marker, "\"a\\u0000b\"");
    fs::write(&document, edited).unwrap();
    stage.done(&["convert", "tree", "nul.sealift"]);
    stage.done(&["convert", "nul.sealift", "again/"]);
    stage.done(&["convert", "again", "back.sealift"]);
    let root = |file: &str| {
        let info: serde_json::Value = serde_json::from_str(&stage.done(&["info", file, "--json"])).unwrap();
        info["content_root"].clone()
    };
    assert_eq!(root("back.sealift"), root("nul.sealift"));
}

/// An editor put a byte order mark before one script; another script has had one as its first character all along.
#[test]
fn a_byte_order_mark_before_a_script_is_no_part_of_it_and_one_in_it_stays() {
    let stage = Stage::new();
    let root = |file: &str| {
        let info: serde_json::Value = serde_json::from_str(&stage.done(&["info", file, "--json"])).unwrap();
        info["content_root"].as_str().unwrap().to_owned()
    };
    stage.done(&["convert", "build.sealift", "tree/"]);
    let scripts = scripts(&stage.at("tree"));
    let script = &scripts[0];
    let plain = fs::read(script).unwrap();
    fs::write(script, [b"\xef\xbb\xbf", plain.as_slice()].concat()).unwrap();
    stage.done(&["convert", "tree", "back.sealift"]);
    assert_eq!(root("back.sealift"), root("build.sealift"));

    fs::write(script, [b"\xef\xbb\xbf\xef\xbb\xbf", plain.as_slice()].concat()).unwrap();
    stage.done(&["convert", "tree", "marked.sealift"]);
    assert_ne!(root("marked.sealift"), root("build.sealift"));
    for mode in ["extract", "copy", "inline"] {
        let (folder, file) = (format!("{mode}/"), format!("{mode}.sealift"));
        stage.done(&["convert", "marked.sealift", &folder, "--scripts", mode]);
        stage.done(&["convert", mode, &file]);
        assert_eq!(root(&file), root("marked.sealift"), "{mode}");
    }
    fs::write(script, [b"\xff\xfe", plain.as_slice()].concat()).unwrap();
    let out = stage.run(&["convert", "tree", "no.sealift"]);
    assert!(text(&out.stderr).contains("UTF-16"), "{}", text(&out.stderr));
}

fn scripts(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(scripts(&path)),
            false if path.extension().is_some_and(|end| end == "ps1") => found.push(path),
            false => {}
        }
    }
    found.sort();
    found
}
