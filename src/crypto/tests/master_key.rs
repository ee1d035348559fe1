//! The server's key: what it reads, and how it says why not.

use proptest::prelude::*;

use super::super::{CryptoError, DecryptError, MasterKey, MasterKeyError, MasterKeySize, SecretBytes};
use super::{count, secret};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";

fn key() -> MasterKey {
    MasterKey::from_base64(KEY).unwrap()
}

#[test]
fn keys_are_16_or_32_bytes_of_base64() {
    assert_eq!(key().size(), MasterKeySize::Bits128);
    assert_eq!(MasterKey::from_base64(&format!("\r\n {KEY}\t\n")).unwrap().size(), MasterKeySize::Bits128);
    for (text, expected) in [
        ("", MasterKeyError::Length { bytes: 0 }),
        ("AAAA", MasterKeyError::Length { bytes: 3 }),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", MasterKeyError::Length { bytes: 24 }),
        ("AAECAwQFBgcICQoLDA0ODw", MasterKeyError::NotBase64),
        ("AAECAwQFBgcICQoLDA0ODx==", MasterKeyError::NotBase64),
        ("AAECAwQF BgcICQoLDA0ODw==", MasterKeyError::NotBase64),
        ("not base64!", MasterKeyError::NotBase64),
    ] {
        assert_eq!(MasterKey::from_base64(text).err(), Some(expected), "{text:?}");
    }
}

#[test]
fn made_keys_differ_and_read_back() {
    for size in [MasterKeySize::Bits128, MasterKeySize::Bits256] {
        let (a, b) = (MasterKey::generate(size).unwrap(), MasterKey::generate(size).unwrap());
        assert!(!a.to_base64().same(&b.to_base64()));
        let again = MasterKey::from_base64(a.to_base64().expose_text().unwrap()).unwrap();
        assert_eq!(again.size(), size);
        let text = a.encrypt(&secret("x")).unwrap();
        assert_eq!(again.decrypt(&text).unwrap().expose_text(), Some("x"));
    }
}

#[test]
fn what_is_no_ciphertext_is_told_whatever_the_key() {
    let (block, iv) = ("QodGbnfU53iwUAt0ayr+og==", "AAAAAAAAAAAAAAAAAAAAAA==");
    for text in [
        String::new(),
        "|".to_owned(),
        "a password in the clear".to_owned(),
        block.to_owned(),
        format!("|{iv}"),
        format!("{block}|"),
        format!("{block}|{iv}|{iv}"),
        format!("{block}|AAAAAAAAAAAAAAAAAAAA"),
        format!("{block}|AAAAAAAAAAAAAAAAAAAAAAA="),
        format!("{block}|{iv} "),
        format!(" {block}|{iv}"),
        format!("QodGbnfU53iwUAt0ayr+|{iv}"),
        format!("QodGbnfU53iwUAt0ayr+oh==|{iv}"),
        format!("*{block}|{iv}"),
    ] {
        let result = key().decrypt(&text);
        assert!(matches!(result, Err(DecryptError::NotCipherText(_))), "{text:?}");
    }
}

#[test]
fn another_key_does_not_decrypt() {
    // Fixed, so that the one time in 256 when the padding looks right does not make the test flicker.
    let text = key().encrypt_with_iv(&secret("s3cret"), count(0x20)).unwrap();
    assert_eq!(key().decrypt(&text).unwrap().expose_text(), Some("s3cret"));
    for other in ["AAECAwQFBgcICQoLDA0OEA==", "AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8="] {
        let result = MasterKey::from_base64(other).unwrap().decrypt(&text);
        assert!(matches!(result, Err(DecryptError::DoesNotDecrypt)), "{other}");
    }
}

/// `ff` for the first byte of the plaintext is right padding and wrong UTF-8.
#[test]
fn plaintext_that_is_no_text_does_not_decrypt() {
    let mut iv: [u8; 16] = count(0x20);
    let text = key().encrypt_with_iv(&secret("s3cret"), iv).unwrap();
    iv[0] ^= b's' ^ 0xff;
    use base64::Engine as _;
    let iv = base64::engine::general_purpose::STANDARD.encode(iv);
    let changed = format!("{}|{iv}", text.split_once('|').unwrap().0);
    assert!(matches!(key().decrypt(&changed), Err(DecryptError::DoesNotDecrypt)));
}

#[test]
fn what_the_server_could_not_keep_is_not_encrypted() {
    assert_eq!(key().encrypt(&SecretBytes::from(vec![0xff])), Err(CryptoError::NotText));
}

#[test]
fn the_initialisation_vector_is_fresh() {
    assert_ne!(key().encrypt(&secret("x")).unwrap(), key().encrypt(&secret("x")).unwrap());
}

proptest! {
    #[test]
    fn text_comes_back(text in any::<String>()) {
        let back = key().decrypt(&key().encrypt(&secret(&text)).unwrap()).unwrap();
        prop_assert_eq!(back.expose_text(), Some(text.as_str()));
    }

    #[test]
    fn no_text_makes_decrypt_panic(text in any::<String>()) {
        let _ = key().decrypt(&text);
    }
}
