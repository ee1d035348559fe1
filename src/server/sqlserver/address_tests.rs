//! Addresses: what is read of both forms, what is refused, and that no error repeats a password.

use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::{Encryption, Login, SqlServerAddress};
use crate::server::{Address, AddressError};

fn read(text: &str) -> SqlServerAddress {
    match text.parse() {
        Ok(Address::SqlServer(address)) => *address,
        other => panic!("{text}: {other:?}"),
    }
}

fn error(text: &str) -> AddressError {
    match Address::recognise(text) {
        Err(error) => error,
        other => panic!("{text}: {other:?}"),
    }
}

/// Kind, user and password.
fn login(address: &SqlServerAddress) -> (&'static str, Option<&str>, Option<&str>) {
    match &address.login {
        Login::Sql { user, password } => {
            ("sql", Some(user), password.as_ref().map(|p| p.expose_text().unwrap()))
        }
        Login::Windows { user, password } => {
            ("windows", user.as_deref(), password.as_ref().map(|p| p.expose_text().unwrap()))
        }
        Login::Token(token) => ("token", None, token.as_ref().map(|t| t.expose_text().unwrap())),
    }
}

#[test]
fn a_url_says_where_who_and_how() {
    let plain = read("mssql://sa@db.example/Octopus");
    assert_eq!((plain.host.as_str(), plain.port, plain.instance.as_deref()), ("db.example", None, None));
    assert_eq!((plain.database.as_str(), plain.schema.as_str()), ("Octopus", "dbo"));
    assert_eq!(login(&plain), ("sql", Some("sa"), None));
    assert_eq!((plain.encryption, plain.trust_any_certificate), (Encryption::Required, false));
    let seconds = (plain.connect_timeout.as_secs(), plain.lock_timeout.as_secs());
    assert_eq!((seconds, plain.application_name.as_str(), plain.read_intent), ((15, 30), "Sealift", false));

    let all = read(
        "SQLServer://CORP%5Cgita:p%40ss%3A%2F%C3%A4@[fe80::1%25eth0]:1444\\Build/My%20Base?encrypt=strict\
         &trust_server_certificate=yes&ca=/etc/my%26ca.pem&host_name_in_certificate=sql.corp&schema=app\
         &connect_timeout=0&lock_timeout=0&application_name=Nightly%20run&read_intent=true",
    );
    assert_eq!(
        (all.host.as_str(), all.port, all.instance.as_deref()),
        ("fe80::1%eth0", Some(1444), Some("Build"))
    );
    assert_eq!((all.database.as_str(), all.schema.as_str()), ("My Base", "app"));
    assert_eq!(login(&all), ("windows", Some("CORP\\gita"), Some("p@ss:/ä")));
    assert_eq!((all.encryption, all.trust_any_certificate), (Encryption::Strict, true));
    assert_eq!(all.ca, Some(PathBuf::from("/etc/my&ca.pem")));
    assert_eq!(all.host_in_certificate.as_deref(), Some("sql.corp"));
    assert_eq!((all.connect_timeout, all.lock_timeout), (Duration::from_secs(86400), Duration::ZERO));
    assert_eq!((all.application_name.as_str(), all.read_intent), ("Nightly run", true));
    assert_eq!(all.to_string(), "mssql://[fe80::1%25eth0]:1444\\Build/My Base");
}

#[test]
fn a_place_is_spelled_in_several_ways() {
    let place = |text: &str| {
        let address = read(text);
        (address.host.clone(), address.port, address.instance)
    };
    let named = |port| ("h".to_owned(), port, Some("I".to_owned()));
    for text in
        ["mssql://u@h\\I/d", "mssql://u@h%5CI/d", "mssql://u@h%5cI/d/", "Server=h\\I;Database=d;UID=u"]
    {
        assert_eq!(place(text), named(None), "{text}");
    }
    for text in ["mssql://u@h:7\\I/d", "mssql://u@h\\I:7/d", "Server= tcp:h\\I , 7 ;Database=d;UID=u"] {
        assert_eq!(place(text), named(Some(7)), "{text}");
    }
    let local = ("localhost".to_owned(), None, None);
    for server in ["(local)", ".", "localhost", "tcp:.", ".\\MSSQLSERVER"] {
        assert_eq!(place(&format!("Data Source={server};Initial Catalog=d;User=u")), local, "{server}");
    }
    let number = ("::1".to_owned(), Some(5), None);
    for text in ["mssql://u@[::1]:5/d", "Server=::1,5;Database=d;UID=u", "Server=[::1],5;Database=d;UID=u"] {
        assert_eq!(place(text), number, "{text}");
    }
    assert_eq!(read("mssql://u@h?database=a%2Fb").database, "a/b");
}

#[test]
fn the_same_place_is_equal_whoever_comes() {
    let same = |a: &str, b: &str| read(a) == read(b);
    assert!(same("mssql://a@H/d", "Server=h,1433;Database=D;Integrated Security=SSPI"));
    assert!(same("mssql://a@h:5\\one/d", "mssql://b@h:5/d?encrypt=off"));
    for other in ["mssql://a@h\\i/d", "mssql://a@h:1/d", "mssql://a@h/e", "mssql://a@h/d?schema=x"] {
        assert!(!same("mssql://a@h/d", other), "{other}");
    }
}

#[test]
fn who_logs_in() {
    let who = |text: &str| {
        let address = read(text);
        let (kind, user, password) = login(&address);
        (kind, user.map(str::to_owned), password.map(str::to_owned))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(who("mssql://u:@h/d"), ("sql", some("u"), None));
    assert_eq!(who("mssql://u:a:b@h/d"), ("sql", some("u"), some("a:b")));
    assert_eq!(who("mssql://D\\u@h/d"), ("windows", some("D\\u"), None));
    assert_eq!(who("mssql://D%5Cu@h/d?auth=sql"), ("sql", some("D\\u"), None));
    assert_eq!(who("mssql://h/d?auth=windows"), ("windows", None, None));
    assert_eq!(who("mssql://h/d?auth=token"), ("token", None, None));
    assert_eq!(who("mssql://h/d?token_file=t"), ("token", None, None));
    assert_eq!(read("mssql://h/d?token_file=t").token_file, Some(PathBuf::from("t")));
    assert_eq!(read("mssql://u@h/d?password_file=p").password_file, Some(PathBuf::from("p")));
    let string = |rest: &str| who(&format!("Server=h;Database=d;{rest}"));
    assert_eq!(string("Integrated Security=sspi;User Id=u;Password=p"), ("windows", None, None));
    assert_eq!(string("Trusted_Connection=no;User Id=u;Password=p"), ("sql", some("u"), some("p")));
    assert_eq!(string("Authentication=Sql Password;UID=u;PWD=p"), ("sql", some("u"), some("p")));
    assert_eq!(string("Authentication=Active Directory Default;UID=u"), ("token", None, None));
    assert_eq!(string("Authentication=ActiveDirectoryMSI;Token File=t"), ("token", None, None));
}

#[test]
fn a_connection_string_quotes_as_ado_does() {
    let password = |value: &str| {
        let address = read(&format!(" server = h ;; Database=d;UID=u;Password={value};Pooling=false;"));
        login(&address).2.map(str::to_owned)
    };
    for (value, expected) in [
        ("plain", "plain"),
        ("  with blanks inside  ", "with blanks inside"),
        ("'a;b'", "a;b"),
        ("\"a;b\"", "a;b"),
        ("'it''s'", "it's"),
        ("\"say \"\"so\"\"\"", "say \"so\""),
        ("\"it's\"", "it's"),
        (" '  kept  ' ", "  kept  "),
        ("{a", "{a"),
        ("a=b==c", "a=b==c"),
        ("a'b", "a'b"),
        ("''", ""),
    ] {
        assert_eq!(password(value), Some(expected.to_owned()).filter(|p| !p.is_empty()), "{value}");
    }
    let odd = read(
        "Data Source=h;Initial Catalog='d;1';User=u;MultipleActiveResultSets=True;Persist Security Info=False;\
         Max Pool Size=5;Connection Timeout=60;App=x;ApplicationIntent=ReadOnly;Encrypt=False;\
         Column Encryption Setting=Disabled;Trust Server Certificate=true;Network=DBMSSOCN;Schema=s",
    );
    assert_eq!((odd.database.as_str(), odd.schema.as_str(), odd.read_intent), ("d;1", "s", true));
    assert_eq!((odd.encryption, odd.trust_any_certificate), (Encryption::LoginOnly, true));
    assert_eq!((odd.connect_timeout.as_secs(), odd.application_name.as_str()), (60, "x"));
}

#[test]
fn what_is_wrong_is_told_by_name() {
    let unknown = |key: &str, nearest| AddressError::UnknownKey { key: key.to_owned(), nearest };
    let url = |query: &str| error(&format!("mssql://u@h/d?{query}"));
    assert_eq!(url("encript=true"), unknown("encript", Some("encrypt")));
    assert_eq!(url("password=p"), unknown("password", Some("password_file")));
    assert_eq!(url("pooling=true"), unknown("pooling", None));
    assert_eq!(url("a%00b=true"), AddressError::UnnamedKey);
    assert_eq!(url("encrypt=true&Encrypt=true"), AddressError::Twice("encrypt"));
    assert_eq!(url("database=e"), AddressError::Twice("database"));
    assert_eq!(url("encrypt"), AddressError::NotASetting);
    for (query, setting) in [
        ("encrypt=perhaps", "encrypt"),
        ("read_intent=2", "read_intent"),
        ("lock_timeout=-1", "lock_timeout"),
        ("lock_timeout=%2B1", "lock_timeout"),
        ("connect_timeout=86401", "connect_timeout"),
        ("auth=kerberos", "auth"),
        ("ca=", "ca"),
    ] {
        assert!(matches!(url(query), AddressError::Value { key, .. } if key == setting), "{query}");
    }
    assert_eq!(error("mssql:h/d"), AddressError::NoSlashes("mssql:"));
    assert_eq!(error("SQLSERVER:/h/d"), AddressError::NoSlashes("sqlserver:"));
    for text in ["mssql://u@h", "mssql://u@h/", "mssql://u@h?encrypt=true", "Server=h;UID=u"] {
        assert_eq!(error(text), AddressError::NoDatabase, "{text}");
    }
    for text in ["mssql://h/d", "mssql://:p@h/d", "mssql://:p@h/d?auth=windows", "Server=h;Database=d"] {
        assert_eq!(error(text), AddressError::NoUser, "{text}");
    }
    assert_eq!(error("Database=d;UID=u;Password=p"), AddressError::NoServer);
    for (text, raw) in [
        ("mssql://u:p/x@h/d", '@'),
        ("mssql://u:p?x@h/d", '@'),
        ("mssql://u:p#x@h/d", '@'),
        ("mssql://u@h/d#x", '#'),
        ("mssql://u@h/d/e", '/'),
    ] {
        assert_eq!(error(text), AddressError::Raw(raw), "{text}");
    }
    for (text, named) in [
        ("mssql://u@/d", "the host name"),
        ("mssql://u@h h/d", "the host name"),
        ("mssql://u@h\n/d", "the host name"),
        ("mssql://u@[h]/d", "the host name"),
        ("mssql://u@[::1/d", "the host name"),
        ("mssql://u@[::1]x/d", "the host name"),
        ("mssql://u@h:1:2/d", "the host name"),
        ("mssql://u@h:0/d", "the port"),
        ("mssql://u@h:65536/d", "the port"),
        ("mssql://u@h:+1/d", "the port"),
        ("mssql://u@h\\/d", "the instance's name"),
        ("mssql://u@h\\a b/d", "the instance's name"),
        ("mssql://u%00@h/d", "the user's name"),
        ("mssql://u%g0@h/d", "the user's name"),
        ("mssql://u:100%@h/d", "the password"),
        ("mssql://u:%FF@h/d", "the password"),
        ("mssql://u@h/%1B", "the database's name"),
        ("mssql://u@h/%20", "the database's name"),
        ("Server=h:1433;Database=d;UID=u", "the host name"),
        ("Server=h,x;Database=d;UID=u", "the port"),
    ] {
        assert!(matches!(error(text), AddressError::Part { part, .. } if part == named), "{text}");
    }
}

#[test]
fn a_connection_string_is_refused_by_the_names_of_its_settings() {
    let string = |rest: &str| error(&format!("Server=h;Database=d;UID=u;{rest}"));
    let unknown = |key: &str, nearest| AddressError::UnknownKey { key: key.to_owned(), nearest };
    assert_eq!(string("Encrpt=true"), unknown("Encrpt", Some("Encrypt")));
    assert_eq!(string("Flavour of the day=sweet"), unknown("Flavour of the day", None));
    assert_eq!(string("Initial Catalog=e"), AddressError::Twice("Database"));
    assert_eq!(string("ApplicationIntent=ReadOnly;Read Intent=no"), AddressError::Twice("Read Intent"));
    assert_eq!(string("AttachDBFilename=a.mdf"), AddressError::Unsupported("AttachDbFilename"));
    assert_eq!(string("Net=dbnmpntw"), AddressError::Unsupported("Network Library"));
    assert_eq!(
        string("Column Encryption Setting=Enabled"),
        AddressError::Unsupported("Column Encryption Setting")
    );
    assert_eq!(string("Password=a;b"), AddressError::NotASetting);
    assert_eq!(string("Password=a;b=c"), AddressError::UnnamedKey);
    assert_eq!(string("Password=a;Pooling=true;b=c"), AddressError::UnnamedKey);
    for value in ["'a", "'a'b", "a'", "'a''", "\"a'"] {
        assert_eq!(string(&format!("Password={value};")), AddressError::Quotes("Password"), "{value}");
    }
    let entra = "Authentication=Active Directory Password;PWD=p";
    assert_eq!(string(entra), AddressError::EntraPassword);
    for rest in [
        "Token File=t",
        "Password=p;Password File=f",
        "Authentication=SqlPassword;Token File=t",
        "Integrated Security=true;Authentication=token",
        "Integrated Security=true;Token File=t",
    ] {
        assert!(matches!(string(rest), AddressError::Contradiction(..)), "{rest}");
    }
    for (server, what) in [
        ("np:h", "a named pipe"),
        ("\\\\h\\pipe\\sql\\query", "a named pipe"),
        ("LPC:.", "shared memory"),
        ("admin:h", "the administrator's connection"),
        ("(LocalDB)\\MSSQLLocalDB", "LocalDB"),
    ] {
        assert_eq!(
            error(&format!("Server={server};Database=d;UID=u")),
            AddressError::NotTcp(what),
            "{server}"
        );
    }
}

#[test]
fn paths_are_paths_and_other_schemes_are_none_of_ours() {
    for path in
        ["build.sealift", "a=b", "C:\\data\\b.sealift", "./x;y", "schema=dbo", "dir/Server=x", "mssql", ""]
    {
        assert_eq!(Address::recognise(path), Ok(None), "{path}");
    }
    let unknown = |text: &str| text.parse::<Address>().unwrap_err().to_string();
    assert_eq!(unknown("build.sqlite"), "\"build.sqlite\" names no server");
    assert_eq!(unknown("postgres://u:p@h/d"), "\"postgres:…\" names no server");
    assert_eq!(unknown("u:p@h"), "\"u:…\" names no server");
    assert_eq!(unknown("u@h:p"), "the text names no server");
    assert!(Address::recognise("jdbc:sqlserver://h;password=p").is_err());
    assert_eq!("sqlite:a;b=c://d".parse(), Ok(Address::Sqlite(PathBuf::from("a;b=c://d"))));
}

/// Percent-encodes everything that is not a letter or a digit: more than anybody must.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02x}") })
        .collect()
}

/// What a name may be: no control characters, not blank.
fn a_name() -> impl Strategy<Value = String> {
    "[^\\p{C}]{0,20}[a-z$ä]".prop_map(|name| name)
}

fn a_host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9.-]{0,20}".prop_map(|host| host),
        any::<u128>().prop_map(|bits| std::net::Ipv6Addr::from(bits).to_string()),
    ]
}

type Parts = (
    (String, Option<u16>, Option<String>, String, String, Option<String>),
    (usize, bool, Option<String>, Option<String>, u64, u64, String, bool, String),
);

fn parts() -> impl Strategy<Value = Parts> {
    (
        (
            a_host(),
            proptest::option::of(1..=u16::MAX),
            proptest::option::of("[a-z][a-z0-9_$#]{0,8}"),
            a_name(),
            a_name(),
            proptest::option::of("[^\\p{C}]{1,20}"),
        ),
        (
            0..4_usize,
            any::<bool>(),
            proptest::option::of(a_name()),
            proptest::option::of(a_name()),
            1..=86400_u64,
            0..=86400_u64,
            a_name(),
            any::<bool>(),
            a_name(),
        ),
    )
}

const ENCRYPTIONS: [(&str, Encryption); 4] = [
    ("strict", Encryption::Strict),
    ("true", Encryption::Required),
    ("login", Encryption::LoginOnly),
    ("off", Encryption::Off),
];

/// Whether all that was written was read.
fn holds(address: &SqlServerAddress, parts: &Parts) {
    let ((host, port, instance, database, user, password), settings) = parts;
    let (encryption, trust, ca, certificate, connect, lock, application, read_intent, schema) = settings;
    assert_eq!((&address.host, address.port, &address.instance), (host, *port, instance));
    assert_eq!((&address.database, &address.schema), (database, schema));
    let kind = if user.contains('\\') { "windows" } else { "sql" };
    assert_eq!(login(address), (kind, Some(user.as_str()), password.as_deref()));
    assert_eq!((address.encryption, address.trust_any_certificate), (ENCRYPTIONS[*encryption].1, *trust));
    assert_eq!(address.ca, ca.as_ref().map(PathBuf::from));
    assert_eq!(&address.host_in_certificate, certificate);
    assert_eq!((address.connect_timeout.as_secs(), address.lock_timeout.as_secs()), (*connect, *lock));
    assert_eq!((&address.application_name, address.read_intent), (application, *read_intent));
    // What is shown leads to the same place.
    let shown = address.to_string();
    assert_eq!(format!("{address:?}"), format!("SqlServerAddress({shown})"));
    let again = read(&format!("{shown}?auth=windows&schema={}", encoded(schema)));
    assert_eq!((&again.host, again.port, &again.instance), (host, *port, instance));
    assert_eq!(&again, address);
}

/// Words that occur nowhere else, so that an error that holds one has repeated a piece of the password.
const MARKS: [&str; 4] = ["zq7x", "wv9j", "kq3z", "xj5w"];

/// A password of such words, with everything between them that addresses give a meaning to.
fn a_password() -> impl Strategy<Value = String> {
    let between = "[;=@:/?#&%'\"\\\\ ,{}\\[\\].]{0,2}";
    let word = || proptest::sample::select(MARKS.to_vec());
    let name = proptest::sample::select(vec!["", "Server=", "UID=", "Pooling=", "encrypt=", "Password="]);
    (word(), between, name, word(), between, word(), between)
        .prop_map(|(a, x, n, b, y, c, z)| format!("{a}{x}{n}{b}{y}{c}{z}"))
}

fn an_address_around(password: &str, form: usize, slip: &str) -> String {
    match form {
        0 => format!("mssql://u:{password}@h/d{slip}"),
        1 => format!("mssql://u:{password}@h:1{slip}/d?encrypt=true"),
        2 => format!("sqlserver://{slip}:{password}@h/d"),
        3 => format!("mssql:{slip}//u:{password}@h/d"),
        4 => format!("Server=h;Database=d;UID=u;Password={password}{slip}"),
        5 => format!("Password={password};{slip};Server=h;UID=u"),
        6 => format!("Servr=h;Database=d;PWD={password};{slip}=1"),
        7 => format!("Server=h;Database=d;UID=u;Password='{password}{slip}"),
        8 => format!("mssql://h/d?password={password}{slip}"),
        9 => format!("postgres://u{slip}:{password}@h/d"),
        10 => format!("Password={password}"),
        _ => format!("Server={slip};Authentication=ActiveDirectoryPassword;PWD=\"{password}\""),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_url_is_read_as_it_was_written(parts in parts()) {
        let ((host, port, instance, database, user, password), settings) = &parts;
        let (encryption, trust, ca, certificate, connect, lock, application, read_intent, schema) = settings;
        let mut text = format!("mssql://{}", encoded(user));
        if let Some(password) = password {
            text += &format!(":{}", encoded(password));
        }
        text += &if host.contains(':') { format!("@[{host}]") } else { format!("@{host}") };
        if let Some(port) = port {
            text += &format!(":{port}");
        }
        if let Some(instance) = instance {
            text += &format!("%5C{}", encoded(instance));
        }
        text += &format!(
            "/{}?encrypt={}&trust_server_certificate={trust}&connect_timeout={connect}&lock_timeout={lock}\
             &application_name={}&read_intent={read_intent}&schema={}",
            encoded(database), ENCRYPTIONS[*encryption].0, encoded(application), encoded(schema),
        );
        for (key, value) in [("ca", ca), ("host_name_in_certificate", certificate)] {
            if let Some(value) = value {
                text += &format!("&{key}={}", encoded(value));
            }
        }
        holds(&read(&text), &parts);
    }

    #[test]
    fn a_connection_string_is_read_as_it_was_written(parts in parts(), double in any::<bool>()) {
        let mark = if double { "\"" } else { "'" };
        let quoted = |text: &str| format!("{mark}{}{mark}", text.replace(mark, &mark.repeat(2)));
        let ((host, port, instance, database, user, password), settings) = &parts;
        let (encryption, trust, ca, certificate, connect, lock, application, read_intent, schema) = settings;
        let instance = instance.as_ref().map(|name| format!("\\{name}")).unwrap_or_default();
        let port = port.map(|port| format!(",{port}")).unwrap_or_default();
        let mut text = format!(
            "Server=tcp:{host}{instance}{port};Initial Catalog={};Uid={};Encrypt={};Trust Server Certificate={trust};\
             Timeout={connect};Lock Timeout={lock};Application Name={};Read Intent={read_intent};Schema={}",
            quoted(database), quoted(user), ENCRYPTIONS[*encryption].0, quoted(application), quoted(schema),
        );
        for (key, value) in [("PWD", password), ("CA", ca), ("HostNameInCertificate", certificate)] {
            if let Some(value) = value {
                text += &format!(";{key} = {}", quoted(value));
            }
        }
        holds(&read(&text), &parts);
    }

    #[test]
    fn any_text_is_an_address_or_an_error(text in any::<String>(), start in 0..6_usize) {
        let start = ["", "mssql://", "sqlserver://u:p@", "Server=", "Server=h;Database=d;UID=u;", "mssql://u@h/d?"][start];
        let text = format!("{start}{text}");
        if let Ok(Some(address)) = Address::recognise(&text) {
            let _ = (address.to_string(), format!("{address:?}"));
        }
        let _ = text.parse::<Address>();
    }

    #[test]
    fn no_error_repeats_a_piece_of_a_password(
        password in a_password(),
        form in 0..12_usize,
        slip in "[a-z=;&%@:/?#'\"\\\\ ]{0,4}",
    ) {
        let text = an_address_around(&password, form, &slip);
        let told = match text.parse::<Address>() {
            Err(error) => format!("{error} {error:?}"),
            // A slip can move a piece of the password to another place, and be an address all the same.
            Ok(_) => String::new(),
        };
        for mark in MARKS {
            prop_assert!(!told.contains(mark), "{} tells {}", text, told);
        }
        // Nor is it taken for a path, which would be repeated where it is not found.
        prop_assert!(!matches!(Address::recognise(&text), Ok(None)), "{} is a path", text);
    }
}
