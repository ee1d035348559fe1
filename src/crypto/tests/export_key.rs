//! The key of the product's own export files, against the two that are public.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::{MasterKey, Password};

const PUBLIC: [(&str, &str, &str); 2] = [
    ("Passw0rd123", "beeed4009a6a878a10f5110bced035b1", "QodGbnfU53iwUAt0ayr+og==|AAAAAAAAAAAAAAAAAAAAAA=="),
    ("Pass", "816f33ae45c941bc4254a4a99126f2a4", "GAhRGtKfMRXFxHVyYWnoXQ==|AAAAAAAAAAAAAAAAAAAAAA=="),
];

fn key(password: &str) -> MasterKey {
    MasterKey::of_export(&Password::new(password.to_owned()).unwrap())
}

#[test]
fn the_public_files_open() {
    for (password, hex, hello) in PUBLIC {
        let key = key(password);
        let bytes = STANDARD.decode(key.to_base64().expose()).unwrap();
        let found: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, hex, "{password}");
        assert_eq!(key.decrypt(hello).unwrap().expose(), b"Hello");
    }
    assert!(key("Pass").decrypt(PUBLIC[0].2).is_err());
}
