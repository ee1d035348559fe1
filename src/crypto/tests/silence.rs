//! Secrets in memory: what they print, how they compare, which passwords there are.

use super::super::{MAX_PASSWORD_BYTES, MasterKey, Password, PasswordError};
use super::{envelope, hex, password, secret};

#[test]
fn debug_says_the_type_and_nothing_else() {
    let (envelope, key) = envelope();
    assert_eq!(format!("{:?} {:#?}", secret("hunter2"), secret("")), "SecretBytes(..) SecretBytes(..)");
    assert_eq!(format!("{:?}", password("hunter2")), "Password(..)");
    assert_eq!(format!("{key:?} {key:#?}"), "DataKey(..) DataKey(..)");
    let master = MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODw==").unwrap();
    assert_eq!(format!("{master:?}"), "MasterKey(..)");
    let public = format!("{envelope:?}");
    assert!(!public.contains(&hex(key.bytes())) && !public.contains(&format!("{:?}", key.bytes())));
}

#[test]
fn errors_do_not_repeat_what_they_were_given() {
    let told = format!("{:?}", MasterKey::from_base64("hunter2hunter2!!").unwrap_err());
    assert!(!told.contains("hunter2"));
    let master = MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODw==").unwrap();
    let error = master.decrypt("hunter2|hunter2").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let error = Password::new("hunter2".repeat(1000)).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn secrets_compare_by_their_bytes() {
    let long = "x".repeat(100_000);
    for (a, b, same) in [
        ("", "", true),
        ("a", "a", true),
        ("a", "b", false),
        ("a", "aa", false),
        ("a", "a\0", false),
        ("", "a", false),
        (long.as_str(), long.as_str(), true),
        (&long[1..], long.as_str(), false),
    ] {
        assert_eq!(secret(a).same(&secret(b)), same);
    }
    let copy = secret("hunter2").duplicate();
    assert!(copy.same(&secret("hunter2")) && copy.len() == 7 && !copy.is_empty());
}

#[test]
fn passwords_have_1_to_1024_bytes() {
    assert_eq!(Password::new(String::new()).err(), Some(PasswordError::Empty));
    assert!(Password::new(" ".to_owned()).is_ok());
    // Counted in bytes: each of these letters has two.
    assert!(Password::new("ü".repeat(MAX_PASSWORD_BYTES / 2)).is_ok());
    let too_long = Password::new("ü".repeat(MAX_PASSWORD_BYTES / 2) + "a");
    assert_eq!(too_long.err(), Some(PasswordError::TooLong { bytes: 1025 }));
}
