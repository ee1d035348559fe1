//! Keys in two parts: the last name in them, and the scope around it that neighbours share.
//!
//! Obeys `format-spec/bundle-v1.md`, "scopes and documents". Works on the canonical text of keys and changes
//! nothing about it: head, name and tail put together are the key.

use std::path::Path;

use rusqlite::{Connection, params};

use super::BundleError;
use super::count::Count;

/// Splits a key's text around its last scalar: `[{"Project":["Web"]},"x"]` is `[{"Project":["Web"]},`, `"x"`
/// and `]`. A key without a scalar is all head.
fn split(key: &str) -> (&str, &str, &str) {
    let end = key.trim_end_matches([']', '}']).len();
    let mut start = end;
    let mut bytes = key.bytes().enumerate();
    let mut in_token = false;
    while let Some((at, byte)) = bytes.next() {
        match byte {
            _ if at >= end => break,
            b'"' => {
                start = at;
                in_token = false;
                // To the closing quote; a backslash takes the next byte with it.
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'\\' => {
                            bytes.next();
                        }
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'[' | b']' | b'{' | b'}' | b',' | b':' => in_token = false,
            _ if !in_token => {
                start = at;
                in_token = true;
            }
            _ => {}
        }
    }
    let (head, rest) = key.split_at_checked(start).unwrap_or((key, ""));
    let (name, tail) = rest.split_at_checked(end - start).unwrap_or((rest, ""));
    // A list that is empty ends before its name would begin.
    if name.is_empty() { (key, "", "") } else { (head, name, tail) }
}

/// Writes what the keys of neighbours share but once, so that keys stay readable and cost little.
pub(super) struct Scopes<'a> {
    path: &'a Path,
    insert: rusqlite::Statement<'a>,
    /// The scopes used last. Documents come sorted, so that documents of one scope come together; what is
    /// forgotten too early is written again.
    recent: Vec<(u64, usize, String, String)>,
    pub(super) written: u64,
}

impl<'a> Scopes<'a> {
    pub(super) fn new(path: &'a Path, db: &'a Connection) -> Result<Self, BundleError> {
        let insert = "INSERT INTO scopes(scope, kind, head, tail) VALUES(?1,?2,?3,?4)";
        let insert = db.prepare(insert).map_err(BundleError::sql(path, "write a scope"))?;
        Ok(Self { path, insert, recent: Vec::new(), written: 0 })
    }

    /// The scope of a key, and the name that is left.
    pub(super) fn of<'k>(&mut self, kind: usize, key: &'k str) -> Result<(u64, &'k str), BundleError> {
        let (head, name, tail) = split(key);
        let same = |(_, k, h, t): &(u64, usize, String, String)| *k == kind && h == head && t == tail;
        if let Some((scope, ..)) = self.recent.iter().rev().find(|scope| same(scope)) {
            return Ok((*scope, name));
        }
        self.written += 1;
        self.insert
            .execute(params![Count(self.written), Count::of(kind), head, tail])
            .map_err(BundleError::sql(self.path, "write a scope"))?;
        if self.recent.len() == 8 {
            self.recent.remove(0);
        }
        self.recent.push((self.written, kind, head.to_owned(), tail.to_owned()));
        Ok((self.written, name))
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn keys_split_around_their_last_name() {
        for (key, parts) in [
            (r#"["Web"]"#, ("[", r#""Web""#, "]")),
            (r#"[{"Project":["a]}","b"]},-7]"#, (r#"[{"Project":["a]}","b"]},"#, "-7", "]")),
            (r#"[{"Project":["q\"]}x\\"]}]"#, (r#"[{"Project":["#, r#""q\"]}x\\""#, "]}]")),
            (r#"["a",null]"#, (r#"["a","#, "null", "]")),
            (r#"[{"?P":["P-1"]}]"#, (r#"[{"?P":["#, r#""P-1""#, "]}]")),
            ("[]", ("[]", "", "")),
            (r#"["]}]"]"#, ("[", r#""]}]""#, "]")),
            ("", ("", "", "")),
        ] {
            assert_eq!(split(key), parts, "{key}");
        }
    }
}
