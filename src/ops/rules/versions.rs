//! Which versions an export takes: one, a range, or all.

use std::cmp::Ordering;

/// A version or an inclusive range of versions.
///
/// Versions compare as SemVer does, with any number of numbers: missing ones are zero, what follows `-` comes
/// before the version without it, what follows `+` does not count. Text that is no version is only equal to
/// itself, without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions(Vec<Range>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    from: String,
    to: String,
}

/// Why a text says no versions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionsError {
    /// A range that ends before it begins.
    #[error("{0:?} is a range that ends before it begins")]
    Backwards(String),
}

impl Versions {
    /// Reads `2.5.0`, `2.5.0-3.1.0` (both ends included) or `*`; nothing is `*` too. `..` between two versions
    /// is always a range: `1.0.0-beta..1.0.0`. `None` is all versions.
    ///
    /// # Errors
    /// [`VersionsError`], for a range that ends before it begins.
    pub fn parse(text: &str) -> Result<Option<Self>, VersionsError> {
        let text = text.trim();
        if text.is_empty() || text == "*" {
            return Ok(None);
        }
        let ends = text.split_once("..").or_else(|| dashed(text)).unwrap_or((text, text));
        let (from, to) = (ends.0.trim().to_owned(), ends.1.trim().to_owned());
        if compare(&from, &to) == Some(Ordering::Greater) {
            return Err(VersionsError::Backwards(text.to_owned()));
        }
        Ok(Some(Self(vec![Range { from, to }])))
    }

    /// All that either of two takes.
    pub fn or(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Says whether a version is one of these.
    pub fn contains(&self, version: &str) -> bool {
        let version = version.trim();
        self.0.iter().any(|range| {
            let from = compare(&range.from, version).is_some_and(Ordering::is_le);
            from && compare(version, &range.to).is_some_and(Ordering::is_le)
        })
    }
}

/// Two versions with a dash between them: both have a point, so that `1.0.0-2` is a version of its own.
fn dashed(text: &str) -> Option<(&str, &str)> {
    let whole = |text: &str| Parsed::of(text).is_some_and(|v| v.numbers.len() > 1);
    let mut splits =
        text.match_indices('-').filter_map(|(at, _)| Some((text.get(..at)?, text.get(at + 1..)?)));
    splits.find(|(from, to)| whole(from) && whole(to))
}

struct Parsed<'t> {
    numbers: Vec<u64>,
    before: Option<&'t str>,
}

impl<'t> Parsed<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let text = text.split_once('+').map_or(text, |(text, _)| text);
        let (numbers, before) = match text.split_once('-') {
            Some((numbers, before)) => (numbers, Some(before)),
            None => (text, None),
        };
        let numbers = numbers.split('.').map(|n| n.parse().ok()).collect::<Option<Vec<u64>>>()?;
        Some(Self { numbers, before })
    }
}

/// Compares two versions; `None` for different texts of which one is no version.
fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (Some(a), Some(b)) = (Parsed::of(a), Parsed::of(b)) else {
        return a.eq_ignore_ascii_case(b).then_some(Ordering::Equal);
    };
    let length = a.numbers.len().max(b.numbers.len());
    let padded = |v: &[u64]| v.iter().copied().chain(std::iter::repeat(0)).take(length).collect::<Vec<_>>();
    let numbers = padded(&a.numbers).cmp(&padded(&b.numbers));
    Some(numbers.then_with(|| match (a.before, b.before) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => identifiers(a, b),
    }))
}

/// Compares what follows the dash, piece by piece: numbers by value and before text.
fn identifiers(a: &str, b: &str) -> Ordering {
    let piece = |a: &str, b: &str| match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase()),
    };
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        return match (a.next(), b.next()) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => match piece(a, b) {
                Ordering::Equal => continue,
                unequal => unequal,
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(text: &str, version: &str) -> bool {
        Versions::parse(text).unwrap().is_none_or(|versions| versions.contains(version))
    }

    #[test]
    fn one_version_a_range_or_all() {
        assert!(takes("", "1.0") && takes("*", "anything"));
        assert!(takes("2.5.0", "2.5.0") && takes("2.5", "2.5.0") && !takes("2.5.0", "2.5.1"));
        for inside in ["2.5.0", "2.10.0", "3.1.0", "3.0.0-beta.2", "2.5.0+build.7"] {
            assert!(takes("2.5.0-3.1.0", inside), "{inside}");
        }
        for outside in ["2.4.9", "2.5.0-rc.1", "3.1.1", "nightly"] {
            assert!(!takes("2.5.0-3.1.0", outside), "{outside}");
        }
    }

    #[test]
    fn a_dash_is_part_of_a_version_unless_two_versions_stand_around_it() {
        assert!(takes("1.0.0-beta.1", "1.0.0-BETA.1") && !takes("1.0.0-beta.1", "1.0.0"));
        assert!(takes("1.0.0-2", "1.0.0-2") && !takes("1.0.0-2", "1.5.0"));
        assert!(takes("1.0.0-beta.1..1.0.0", "1.0.0-rc.1"));
        assert!(takes("1.0.0-beta-2.0.0", "1.5.0") || takes("1.0.0-beta-2.0.0", "1.0.0-beta-2.0.0"));
        assert!(takes("1.0.0.5-1.0.0.20", "1.0.0.9") && !takes("1.0.0.5-1.0.0.20", "1.0.0.21"));
    }

    #[test]
    fn what_is_no_version_is_only_itself() {
        assert!(takes("nightly", "Nightly") && !takes("nightly", "1.0.0"));
    }

    #[test]
    fn a_backward_range_is_refused() {
        assert!(matches!(Versions::parse("3.0.0-2.0.0"), Err(VersionsError::Backwards(_))));
    }
}
