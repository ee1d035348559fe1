//! Answers that are known from elsewhere: published vectors, and values computed once with independent
//! implementations (argon2-cffi, blake3 and PyCryptodome for Python). A change here is a change of format.

use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};

use super::super::{DataKey, Envelope, KdfLimits, KdfParams, MasterKey, Slot, context, kdf, sealing};
use super::{count, hex, password, secret, unhex};

const KDF: KdfParams = KdfParams { memory_kib: 8192, passes: 2, lanes: 3 };
const PASSWORD: &str = "Pass wörd 1 ";
const WRAPPED: &str = "825f41ab86b04a8d932898a2a6f67c9f973a87c3f40b7eb889abd26d6a9c866d\
                       d418c02274b2340964bca8565106e894";
const COMMITMENT: &str = "23395617e1d476eeff365a50cc8a2f4f455f570d7503902e6c114e5191336735";
const PLACE: [&[u8]; 3] = [b"Project", b"Web shop", b"$.Password"];
const SEALED: &str = "606162636465666768696a6b6c6d6e6f7071727374757677\
                      25bb7b8d77d8117eaa119dcb89cf2b4d064de8bfb2aad6aa3705";

/// Data key 00…1f, scope 30…3f.
fn key() -> DataKey {
    DataKey::from_bytes(&count(0x00), count(0x30))
}

/// RFC 9106, section 5.3.
#[test]
fn argon2id_gives_the_answer_of_its_rfc() {
    let params = ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .data(AssociatedData::new(&[4; 12]).unwrap())
        .output_len(32)
        .build()
        .unwrap();
    let mut tag = [0; 32];
    Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params)
        .unwrap()
        .hash_password_into(&[1; 32], &[2; 16], &mut tag)
        .unwrap();
    assert_eq!(hex(&tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
}

#[test]
fn a_password_becomes_the_same_key_as_elsewhere() {
    let salt: [u8; 32] = count(0x40);
    let output = kdf::argon2id(PASSWORD.as_bytes(), &salt, &KDF).unwrap();
    assert_eq!(hex(output.as_slice()), "b4f266fc3e37882b142527cef07b90087027d0b273e14504d5be9e0d0c2bfdda");
    let key = kdf::key_encryption_key(&password(PASSWORD), &salt, &KDF).unwrap();
    assert_eq!(hex(key.as_slice()), "b0fc1c6ab2240b02e1d27947d597b16c697ecdfe998023020d7b23235d12b332");
}

/// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
#[test]
fn xchacha20_poly1305_gives_the_answer_of_its_draft() {
    let plain =
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                  sunscreen would be it.";
    let mut buffer = plain.to_vec();
    let associated = unhex("50515253c0c1c2c3c4c5c6c7");
    let tag = sealing::encrypt(&count(0x80), &count(0x40), &associated, &mut buffer).unwrap();
    assert_eq!(
        hex(&buffer),
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39\
         ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9\
         21f9664c97637da9768812f615c68b13b52e"
    );
    assert_eq!(hex(&tag), "c0875924c1c7987947deafd8780acf49");
    assert!(sealing::decrypt(&count(0x80), &count(0x40), &associated, &mut buffer, &tag));
    assert_eq!(buffer, plain);
}

#[test]
fn parts_are_counted_and_measured() {
    assert_eq!(hex(&sealing::encode_parts(&[])), "0000000000000000");
    assert_eq!(
        hex(&sealing::encode_parts(&[b"ab", b""])),
        "0200000000000000020000000000000061620000000000000000"
    );
    assert_ne!(sealing::encode_parts(&[b"ab", b"c"]), sealing::encode_parts(&[b"a", b"bc"]));
    assert_ne!(sealing::encode_parts(&[b"a"]), sealing::encode_parts(&[b"a", b""]));
}

#[test]
fn every_context_derives_the_key_it_always_did() {
    let data: [u8; 32] = count(0);
    let derived = |context| hex(sealing::derive(context, &[&data]).as_slice());
    assert_eq!(
        derived(context::VALUE_SEALING),
        "a2471a60d547b339fedaa7ed5724adc3e39fc72bd039daf9c27e63eefdf40650"
    );
    assert_eq!(
        derived(context::SECRET_COMPARISON),
        "4af32a24a2f05fa6d30e6f3216eb7e9026f7b286970806598537eea55f817a7e"
    );
    // The other four of the bundle are frozen by the slot, the commitment and the sealed value below; a
    // plan's fingerprints are not stored, so nothing of theirs needs freezing.
    for (at, context) in context::ALL.iter().enumerate() {
        assert!(context.starts_with("sealift 2026-11 "), "{context}");
        assert!(!context::ALL[..at].contains(context), "{context} is there twice");
    }
}

#[test]
fn a_slot_and_its_commitment_are_what_they_always_were() {
    let key = key();
    let slot = Slot::wrap(&key, &password(PASSWORD), KDF, count(0x40), count(0x60)).unwrap();
    assert_eq!(hex(&slot.wrapped), WRAPPED);
    assert_eq!(hex(&key.commitment()), COMMITMENT);
}

#[test]
fn an_envelope_made_elsewhere_opens() {
    let envelope = Envelope {
        scope: count(0x30),
        slots: vec![Slot {
            kdf: KDF,
            salt: count(0x40),
            nonce: count(0x60),
            wrapped: unhex(WRAPPED).try_into().unwrap(),
        }],
        commitment: unhex(COMMITMENT).try_into().unwrap(),
    };
    let key = envelope.open(&password(PASSWORD), &KdfLimits::default()).unwrap();
    assert_eq!(key.bytes(), &count::<32>(0));
    let value = key.open(&unhex(SEALED), &PLACE).unwrap();
    assert_eq!(value.expose_text(), Some("hunter2 ü"));
}

#[test]
fn a_sealed_value_and_a_fingerprint_are_what_they_always_were() {
    let value = secret("hunter2 ü");
    assert_eq!(hex(&key().seal_with_nonce(&value, &PLACE, &count(0x60)).unwrap()), SEALED);
    assert_eq!(
        hex(&key().fingerprint(&PLACE, &value)),
        "1a1861bae305fa18a6285a616ae84c2ae0d4635804f273976061b3662b9a9fce"
    );
}

/// Keys and first ciphertext blocks of NIST SP 800-38A, F.2.1 and F.2.5. The initialisation vector is the
/// published one, XORed with the published plaintext and with `Sealift` padded to 16 bytes, because the
/// published plaintext is no text.
#[test]
fn the_master_key_decrypts_the_blocks_of_sp_800_38a() {
    for (key, text) in [
        ("K34VFiiu0qar9xWICc9PPA==", "dkmrrIEZskbO6Y6bEukZfQ==|OKXdjUMj7ZjoPX0TdpcQLA=="),
        ("YD3rEBXKcb4rc67whX13gR81LAc7YQjXLZgQowkU3/Q=", "9YxMBNbl8bp3nqv7X3v71g==|OKXdjUMj7ZjoPX0TdpcQLA=="),
    ] {
        let secret = MasterKey::from_base64(key).unwrap().decrypt(text).unwrap();
        assert_eq!(secret.expose_text(), Some("Sealift"));
    }
}

#[test]
fn the_master_key_encrypts_like_other_implementations() {
    let plain = "a secret of more than one block, größer";
    for (key, text) in [
        (
            "K34VFiiu0qar9xWICc9PPA==",
            "34vu1dar3woRkNCtckD6O4NP/G8CTFJQEaKYSgc3HwoR60qfyszF4Qju4deU8cU0|oKGio6SlpqeoqaqrrK2urw==",
        ),
        (
            "YD3rEBXKcb4rc67whX13gR81LAc7YQjXLZgQowkU3/Q=",
            "eNg5c/EWP9OO56ftx55sbv6mSXbnHtLL+ctWxwAFhojYoYK48lY+gcoWWAxmltP5|oKGio6SlpqeoqaqrrK2urw==",
        ),
    ] {
        let key = MasterKey::from_base64(key).unwrap();
        assert_eq!(key.encrypt_with_iv(&secret(plain), count(0xa0)).unwrap(), text);
        assert_eq!(key.decrypt(text).unwrap().expose_text(), Some(plain));
    }
}

/// Values found in published export files, with the keys their published passwords lead to.
#[test]
fn the_master_key_decrypts_values_the_vendor_published() {
    for (key, text) in [
        ("vu7UAJpqh4oQ9RELztA1sQ==", "QodGbnfU53iwUAt0ayr+og==|AAAAAAAAAAAAAAAAAAAAAA=="),
        ("gW8zrkXJQbxCVKSpkSbypA==", "GAhRGtKfMRXFxHVyYWnoXQ==|AAAAAAAAAAAAAAAAAAAAAA=="),
    ] {
        let secret = MasterKey::from_base64(key).unwrap().decrypt(text).unwrap();
        assert_eq!(secret.expose_text(), Some("Hello"));
    }
}
