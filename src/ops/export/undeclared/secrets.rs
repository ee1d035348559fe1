//! Undeclared secrets: text that decrypts under the server's key, where no rule of the model says that a secret stands.
//!
//! They travel as secrets do, sealed or without a value, and are encrypted for the target. Since the model does not know
//! them they are reported by kind and path, and a bundle lists the paths: an import takes a secret where no rule names
//! one only at these.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::Notice;
use crate::document::{Key, KindName, Place};

/// The code of the notices of such secrets.
pub const UNDECLARED_SECRET: &str = "undeclared-secret";

/// How many paths are told apart; secrets at further ones are only counted.
const MOST_PLACES: usize = 1000;

/// A path that no rule of the model covers, and that holds secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct UndeclaredSecret {
    /// The kind of the documents that hold them.
    pub kind: KindName,
    /// The path, with `[*]` for every element.
    pub place: String,
    /// How many secrets stand there, in all documents of the kind.
    pub count: u64,
    /// The first document that was found to hold one.
    pub example: Key,
}

impl UndeclaredSecret {
    fn notice(&self) -> Notice {
        let text = format!(
            "holds a secret where the model knows of none; {} in all documents of the kind, carried as secrets are",
            self.count
        );
        let at = Notice::at(UNDECLARED_SECRET, &self.kind, &self.example, &self.place, text);
        Notice { count: self.count, ..at }
    }
}

/// Gathers undeclared secrets of documents as they are exported.
#[derive(Debug, Default)]
pub struct SecretFinder {
    found: BTreeMap<(KindName, String), (u64, Key)>,
    beyond: u64,
}

impl SecretFinder {
    /// Takes note of where a document holds such secrets.
    pub fn see(&mut self, kind: &KindName, key: &Key, places: &[Place]) {
        for place in places {
            let spot = (kind.clone(), without_numbers(&place.to_string()));
            let full = self.found.len() >= MOST_PLACES;
            match self.found.entry(spot) {
                Entry::Occupied(mut known) => known.get_mut().0 += 1,
                Entry::Vacant(_) if full => self.beyond += 1,
                Entry::Vacant(new) => drop(new.insert((1, key.clone()))),
            }
        }
    }

    /// What was found, by kind and path, and how many secrets stand at further paths.
    pub fn finish(self) -> (Vec<UndeclaredSecret>, u64) {
        let found = self.found.into_iter();
        let found =
            found.map(|((kind, place), (count, example))| UndeclaredSecret { kind, place, count, example });
        (found.collect(), self.beyond)
    }
}

/// What an export says in the bundle of the paths found.
pub fn secret_notices(found: &[UndeclaredSecret], beyond: u64) -> Vec<Notice> {
    let mut notices: Vec<Notice> = found.iter().map(UndeclaredSecret::notice).collect();
    if beyond > 0 {
        let text = format!(
            "{beyond} more secrets stand where the model knows of none, at more paths than are listed"
        );
        notices.push(Notice { count: beyond, ..Notice::new(UNDECLARED_SECRET, text) });
    }
    notices
}

/// The paths of which a bundle says that secrets stand there although no rule names them.
#[derive(Debug, Default)]
pub struct KnownSecrets(BTreeSet<(KindName, String)>);

impl KnownSecrets {
    /// Those that notices are about.
    pub fn of(notices: impl IntoIterator<Item = Notice>) -> Self {
        let known = notices.into_iter().filter(|notice| notice.code == UNDECLARED_SECRET);
        let spot = |notice: Notice| Some((KindName::new(&notice.kind?), notice.place?));
        Self(known.filter_map(spot).collect())
    }

    /// Whether there are none in documents of a kind.
    pub fn has_none_of(&self, kind: &KindName) -> bool {
        !self.0.iter().any(|(known, _)| known == kind)
    }

    /// Whether this is one of the paths.
    pub fn has(&self, kind: &KindName, place: &Place) -> bool {
        !self.0.is_empty() && self.0.contains(&(kind.clone(), without_numbers(&place.to_string())))
    }
}

/// A path of one document as the path of all of them: `$.Steps[*].Id` for `$.Steps[3].Id`.
pub fn without_numbers(place: &str) -> String {
    let mut path = String::with_capacity(place.len());
    let mut rest = place;
    while let Some((head, tail)) = rest.split_once('[') {
        path.push_str(head);
        match tail.split_once(']') {
            Some((number, tail))
                if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                path.push_str("[*]");
                rest = tail;
            }
            _ => {
                path.push('[');
                rest = tail;
            }
        }
    }
    path.push_str(rest);
    path
}
