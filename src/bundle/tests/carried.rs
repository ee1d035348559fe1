//! Sealed values that are taken over without a password.

use super::corpus::small;
use super::*;

fn carried(envelope: Envelope) -> WriterOptions {
    WriterOptions { protection: Protection::Carried(envelope), ..Default::default() }
}

/// Copies a bundle without its password.
fn copy(from: &Bundle, to: &Path, options: WriterOptions) -> Result<Summary, BundleError> {
    let mut writer = Writer::create(to, header(), options)?;
    from.scan::<BundleError>(None, &mut |entry, document| {
        let sealed = from.sealed(&entry)?;
        writer.add_sealed(
            &document,
            &document.key.folded(Default::default()),
            &entry.id,
            &entry.reason,
            &sealed,
        )
    })?;
    writer.finish(&Silent)
}

/// Values go over as they are: the copy is the same file, byte for byte, and the password opens it.
#[test]
fn a_copy_without_the_password_is_the_same_file() {
    let (folder, path) = folder();
    write(&path, &small(), WriterOptions { protection: protection(), ..Default::default() });
    let bundle = open(&path).unwrap();
    let out = folder.path().join("copy.sealift");
    let summary = copy(&bundle, &out, carried(bundle.envelope().unwrap().clone())).unwrap();
    assert_eq!(summary.sealed, 24);
    assert!(std::fs::read(&path).unwrap() == std::fs::read(&out).unwrap());
    let opened = report(&out, Some(&password())).unwrap();
    assert_eq!((opened.is_sound(), opened.secrets_opened), (true, 24));
}

#[test]
fn what_cannot_be_carried_is_refused() {
    let (folder, path) = folder();
    write(&path, &small(), WriterOptions { protection: protection(), ..Default::default() });
    let bundle = open(&path).unwrap();
    let out = folder.path().join("copy.sealift");
    let error = copy(&bundle, &out, WriterOptions::default()).unwrap_err();
    assert!(matches!(error, BundleError::Unprotected { .. }), "{error}");
    let mut envelope = bundle.envelope().unwrap().clone();
    envelope.slots.clear();
    assert!(Writer::create(&out, header(), carried(envelope)).unwrap_err().is_damage());

    // A writer without the key seals nothing, and takes nothing that cannot be a sealed value.
    let mut writer = Writer::create(&out, header(), carried(bundle.envelope().unwrap().clone())).unwrap();
    let items = small();
    let item = items.iter().find(|item| item.secrets.len() == 3).unwrap();
    let add = |writer: &mut Writer, sealed: &[Option<Vec<u8>>]| {
        writer.add_sealed(&item.document, &item.folded(), &item.id, &Reason::All, sealed)
    };
    let error = writer.add(&item.document, &item.folded(), &item.id, &Reason::All, &item.values());
    assert!(matches!(error, Err(BundleError::Unprotected { .. })));
    for wrong in [vec![], vec![None, None], vec![Some(vec![0; 39]), None, None]] {
        assert!(matches!(add(&mut writer, &wrong), Err(BundleError::Document { .. })), "{}", wrong.len());
    }
    let long = vec![0; (16 << 20) + 41];
    assert!(matches!(add(&mut writer, &[Some(long), None, None]), Err(BundleError::Limit { .. })));
    add(&mut writer, &[None, Some(vec![0; 40]), None]).unwrap();
    assert_eq!(writer.finish(&Silent).unwrap().sealed, 1);
}
