//! Addresses of SQL Servers as a person meets them: refused with a hint, their passwords told nowhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::process::{Command, Output, Stdio};

/// Stands for every password here, and occurs nowhere else.
const PASSWORD: &str = "zq7xwv9j";

/// Nobody listens there.
const NOWHERE: &str = "mssql://sa@127.0.0.1:1/Octopus?connect_timeout=2";

fn run(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealift"));
    for name in ["SEALIFT_SQL_PASSWORD", "SEALIFT_SQL_TOKEN", "SEALIFT_PASSWORD", "SEALIFT_MASTER_KEY"] {
        command.env_remove(name);
    }
    command.args(args).envs(environment.iter().copied()).stdin(Stdio::null()).output().unwrap()
}

/// Runs a command that must fail: its exit code and its words, in which no password is.
fn fails(args: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
    let out = run(args, environment);
    let told = String::from_utf8(out.stderr).unwrap();
    assert!(out.stdout.is_empty(), "{args:?}");
    assert!(!told.contains(PASSWORD), "{args:?} tells the password:\n{told}");
    assert!(told.contains("error: ") && !told.contains("panicked"), "{told}");
    (out.status.code().unwrap(), told)
}

fn export(server: &str) -> (i32, String) {
    fails(&["export", server, "-o", "never", "--no-secrets"], &[])
}

#[test]
fn a_wrong_address_is_wrong_usage_with_a_hint() {
    for (server, error, hint) in [
        ("build.sqlite", "\"build.sqlite\" names no server", "mssql://USER@HOST/DATABASE or sqlite:PATH"),
        ("postgres://u@h/d", "\"postgres:…\" names no server", "mssql://"),
        ("mssql:h/d", "without the //", "mssql://USER@HOST"),
        ("mssql://sa@h", "names no database", "Database="),
        ("mssql://h/d", "does not say who logs in", "auth=windows"),
        ("mssql://sa@h:x/d", "the port", "%3A"),
        ("mssql://sa@h/d?encript=true", "not known, \"encript\"", "\"encrypt\" meant"),
        ("mssql://sa@h/d?encrypt=maybe", "\"encrypt\" must be strict", ""),
        ("mssql://sa@h/d?schema=a&schema=b", "twice", ""),
        ("mssql://sa@h/d?token_file=t", "both a user or password and a token", ""),
        ("Database=d;User Id=sa", "names no server", "Server=HOST"),
        ("Server=np:h;Database=d;User Id=sa", "a named pipe", "TCP/IP"),
        ("Server=h;Database=d;User Id=sa;Flavour=sweet", "not known, \"Flavour\"", ""),
        ("Server=h;Database=d;User Id=sa;User Instance=true", "\"User Instance\"", ""),
    ] {
        let (code, told) = export(server);
        assert_eq!(code, 2, "{server}\n{told}");
        assert!(told.contains(error) && told.contains(hint), "{server}\n{told}");
    }
}

#[test]
fn no_slip_in_an_address_tells_its_password() {
    let servers = [
        "mssql://sa:PW/PW@h/d",
        "mssql://sa:PW?PW=PW@h/d",
        "mssql://sa:PW#PW@h/d",
        "mssql://sa:PW%@h/d",
        "mssql://sa:PW",
        "mssql://sa:PW/d",
        "mssql://sa:PW@PW@h:PW/d",
        "mssql:/sa:PW@h/d",
        "mysql://sa:PW@h/d",
        "sa:PW@h/d",
        "mssql://sa@h/d?password=PW",
        "mssql://sa@h/d?pasword=PW",
        "mssql://sa@h/d?encrypt=PW",
        "mssql://sa@h/d?PW",
        "Server=h;Database=d;User Id=sa;Password=x;PW=y",
        "Server=h;Database=d;User Id=sa;Password=x;PW",
        "Server=h;Database=d;User Id=sa;Password='PW",
        "Server=h;Database=d;User Id=sa;Password=PW'",
        "Server=h;Database=d;User Id=sa;Pasword=PW",
        "Servr=h;Database=d;User Id=sa;Password=PW",
        "Password=PW",
        "Server=h;Database=d;Authentication=Active Directory Password;User Id=u;Password=PW",
    ];
    for server in servers {
        let server = server.replace("PW", PASSWORD);
        let (code, told) = export(&server);
        assert_eq!(code, 2, "{server}\n{told}");
        // Where it could be the path of a file as well.
        if server.contains("//") || server.contains(';') {
            assert_eq!(fails(&["diff", &server, "sqlite:x"], &[]).0, 2, "{server}");
            assert_eq!(fails(&["verify", &server], &[]).0, 2, "{server}");
            assert_eq!(fails(&["info", &server], &[]).0, 2, "{server}");
            assert_eq!(fails(&["salvage", &server, "-o", "never"], &[]).0, 2, "{server}");
            assert_eq!(fails(&["convert", &server, "never"], &[]).0, 2, "{server}");
            assert_eq!(fails(&["merge", &server, "-o", "never"], &[]).0, 2, "{server}");
            assert_eq!(fails(&["merge", "sqlite:x", "-o", &server], &[]).0, 2, "{server}");
            assert_eq!(fails(&["plan", &server, "--to", "sqlite:x"], &[]).0, 2, "{server}");
        }
        assert_eq!(fails(&["init", &server], &[]).0, 2, "{server}");
    }
}

#[test]
fn a_right_address_tells_its_password_neither() {
    let url = format!("mssql://sa:{PASSWORD}@127.0.0.1:1/Octopus?connect_timeout=2");
    let string = format!(
        "Server=tcp:127.0.0.1,1;Database=Octopus;User Id=sa;Password='{PASSWORD}';Connect Timeout=2;Pooling=False"
    );
    for server in [url, string] {
        let (code, told) = export(&server);
        assert!(matches!(code, 1 | 4), "{told}");
        assert!(told.contains("note: the address holds the password"), "{told}");
        assert!(told.contains("mssql://127.0.0.1:1/Octopus"), "{told}");
        fails(&["init", &server], &[]);
        assert_eq!(fails(&["info", &server], &[]).0, 2);
        assert_eq!(fails(&["verify", &server], &[]).0, 2);
        fails(&["diff", "sqlite:no-such-server", &server], &[]);
    }
}

#[test]
fn wrong_usage_repeats_no_address() {
    let server = format!("mssql://sa:{PASSWORD}@h/d");
    let string = format!("Server=h;Database=d;User Id=sa;Password={PASSWORD}");
    for server in [server.as_str(), &string] {
        for args in [
            vec!["import", "one.sealift", server],
            vec![server],
            vec!["diff", "--lock-timeout", server, "a", "b"],
            vec!["export", server, "--kdf-memory", server],
            vec!["completions", server],
        ] {
            let (code, told) = fails(&args, &[]);
            assert!(code == 2 && told.contains("SERVER"), "{args:?}\n{told}");
        }
        let option = format!("--lock-timeout={server}");
        assert_eq!(fails(&["diff", "a", "b", &option], &[]).0, 2);
    }
    let (_, told) = fails(&["diff", "a", "b", "sqlite:c"], &[]);
    assert!(told.contains("sqlite:c"), "{told}");
}

#[test]
fn without_a_password_and_a_terminal_every_way_to_give_one_is_told() {
    for args in [
        vec!["export", NOWHERE, "-o", "never", "--no-secrets"],
        vec!["diff", NOWHERE, NOWHERE],
        vec!["init", "sqlite:never.sqlite", "--like", NOWHERE],
    ] {
        let (code, told) = fails(&args, &[]);
        assert_eq!(code, 6, "{told}");
        for way in ["--sql-password-file FILE", "SEALIFT_SQL_PASSWORD", "password_file=FILE"] {
            assert!(told.contains(way), "{told}");
        }
    }
    let (code, told) = export("mssql://127.0.0.1:1/Octopus?auth=token");
    assert_eq!(code, 6, "{told}");
    assert!(told.contains("token_file=FILE") && told.contains("SEALIFT_SQL_TOKEN"), "{told}");
    let (code, told) = fails(&["diff", NOWHERE, NOWHERE], &[("SEALIFT_SQL_PASSWORD", "")]);
    assert!(code == 2 && told.contains("the password is empty"), "{told}");
    let (code, told) = export(&format!("{NOWHERE}&password_file=/no/such/file"));
    assert!(code == 1 && told.contains("/no/such/file"), "{told}");
}

#[test]
fn a_password_is_found_in_each_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let file = file.to_str().unwrap();
    // What is wrong then is that nobody is there, not that a password lacks.
    let reaches = |args: &[&str], environment: &[(&str, &str)]| {
        let (code, told) = fails(args, environment);
        assert!(matches!(code, 1 | 4) && told.contains("127.0.0.1:1"), "{args:?}\n{told}");
        assert!(!told.contains("note: "), "{told}");
    };
    let with_file = format!("{NOWHERE}&password_file={file}");
    let with_token = format!("mssql://127.0.0.1:1/Octopus?connect_timeout=2&token_file={file}");
    reaches(&["diff", NOWHERE, NOWHERE], &[("SEALIFT_SQL_PASSWORD", PASSWORD)]);
    reaches(&["diff", NOWHERE, NOWHERE, "--sql-password-file", file, "--lock-timeout", "5"], &[]);
    reaches(&["diff", &with_file, &with_token], &[]);
    let entra =
        "Server=127.0.0.1,1;Database=Octopus;Connect Timeout=2;Authentication=Active Directory Default";
    reaches(&["diff", entra, NOWHERE], &[("SEALIFT_SQL_TOKEN", PASSWORD)]);
    let (code, told) = fails(&["diff", NOWHERE, NOWHERE, "--lock-timeout", "soon"], &[]);
    assert!(code == 2 && told.contains("--lock-timeout"), "{told}");
}

#[test]
fn help_says_how_servers_are_named_and_logged_in_to() {
    let help = |args: &[&str]| String::from_utf8(run(args, &[]).stdout).unwrap();
    for command in ["export", "partial-export", "plan", "import", "diff"] {
        let text = help(&[command, "--help"]);
        for word in ["mssql://", "sqlite:PATH", "--sql-password-file", "--lock-timeout"] {
            assert!(text.contains(word), "{command} does not name {word}\n{text}");
        }
    }
    let text = help(&["--help"]);
    assert!(text.contains("mssql://") && text.contains("or the server refuses the login"), "{text}");
    assert!(help(&["completions", "bash"]).contains("--sql-password-file"));
    let folder = tempfile::tempdir().unwrap();
    assert!(run(&["man", folder.path().to_str().unwrap()], &[]).status.success());
    let page = std::fs::read_to_string(folder.path().join("sealift-import.1")).unwrap();
    assert!(page.contains("sql\\-password\\-file") && page.contains("lock\\-timeout"), "{page}");
}
