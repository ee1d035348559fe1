//! Every byte, every length, and many bits: nothing changes without being found.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};

use super::*;

/// Changes one byte of a file and gives it back afterwards. The bytes differ, or there would be no fault.
fn with_byte(file: &mut File, at: usize, was: u8, is: u8, look: impl FnOnce()) {
    assert_ne!(was, is, "the fault did not strike");
    let mut put = |byte: u8| {
        file.seek(SeekFrom::Start(at as u64)).unwrap();
        file.write_all(&[byte]).unwrap();
    };
    put(is);
    look();
    put(was);
}

/// Every byte. In the room that nothing uses, most of a small file, a byte is like its neighbour: there all are held
/// against the file root, which takes a third of the time, and every sixteenth is verified.
#[test]
fn every_changed_byte_is_found() {
    let bytes = &small().bytes;
    let unused = |at: usize| {
        bytes.get(at.saturating_sub(32)..at + 32).is_some_and(|near| near.iter().all(|byte| *byte == 0))
    };
    let unused = &unused;
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                let (_folder, path) = folder();
                std::fs::write(&path, bytes).unwrap();
                let mut file = File::options().write(true).open(&path).unwrap();
                for (at, byte) in bytes.iter().enumerate().filter(|(at, _)| at % 2 == half) {
                    let is = if at % 3 == 0 { byte ^ 0xff } else { byte ^ (1 << (at % 8)) };
                    with_byte(&mut file, at, *byte, is, || {
                        let verified = !unused(at) || at % 16 < 2;
                        assert!(!verified || found(&path), "byte {at}");
                        assert!(verified && at % 7 != 0 || open(&path).is_err(), "byte {at}");
                    });
                }
                assert!(!found(&path), "the bytes are as they were");
            });
        }
    });
}

#[test]
fn every_other_length_is_found() {
    let bytes = &small().bytes;
    let (_folder, path) = folder();
    std::fs::write(&path, bytes).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    for len in (0..bytes.len()).rev() {
        file.set_len(len as u64).unwrap();
        assert!(open(&path).is_err(), "{len} bytes");
        // What is left takes longer to say: at every border of a page, and at some lengths between.
        assert!(len % 4096 > 1 && len % 97 != 0 || found(&path), "{len} bytes");
    }
    for more in [1, 2, 31, 100, 4095, 4096, 4097, 8192, 50_000] {
        for byte in [0, 0xff] {
            let mut longer = bytes.clone();
            longer.resize(bytes.len() + more, byte);
            std::fs::write(&path, &longer).unwrap();
            assert!(found(&path), "{more} bytes of {byte}");
        }
    }
    let mut doubled = bytes.clone();
    doubled.extend_from_slice(bytes);
    std::fs::write(&path, &doubled).unwrap();
    assert!(found(&path));
}

/// Ten thousand bits of a megabyte, one at a time; then bytes taken out and put in.
#[test]
fn ten_thousand_bits_are_found() {
    let (_folder, path) = folder();
    let mut dice = Dice(0x5ea1_0001);
    let mut writer = Writer::create(&path, header(), WriterOptions::default()).unwrap();
    for n in 0..16 {
        let noise: Vec<u8> = (0..8192).flat_map(|_| dice.next().to_le_bytes()).collect();
        let document = Document {
            kind: KindName::new("Artifact"),
            key: Key::name(&format!("file {n}")),
            columns: map(vec![("Data", Value::Bytes(noise))]),
            body: None,
        };
        writer.add(&document, &document.key.to_text(), &Value::Int(n), &Reason::All, &[]).unwrap();
    }
    writer.finish(&Silent).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 1 << 20);
    std::thread::scope(|scope| {
        for seed in [1, 2] {
            let bytes = &bytes;
            scope.spawn(move || {
                let (_folder, path) = folder();
                std::fs::write(&path, bytes).unwrap();
                let mut file = File::options().write(true).open(&path).unwrap();
                let mut dice = Dice(0xb175 + seed);
                for _ in 0..5000 {
                    let (at, bit) = (dice.below(bytes.len()), dice.below(8));
                    with_byte(&mut file, at, bytes[at], bytes[at] ^ (1 << bit), || {
                        assert!(found(&path), "bit {bit} of byte {at}");
                    });
                }
                assert!(!found(&path), "the bytes are as they were");
            });
        }
    });
    for _ in 0..100 {
        let (at, count) = (dice.below(bytes.len()), 1 + dice.below(5000));
        let mut changed = bytes.clone();
        if dice.below(2) == 0 {
            changed.drain(at..(at + count).min(bytes.len()));
        } else {
            changed.splice(at..at, bytes[..count].iter().copied());
        }
        assert_ne!(changed, bytes, "the fault did not strike");
        std::fs::write(&path, &changed).unwrap();
        assert!(found(&path), "{count} bytes at {at}");
    }
}
