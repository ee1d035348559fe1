//! Where in an index other spellings of a text lie, so that they are found without a pass over the table.
//!
//! Spellings differ in case and in trailing blanks. SQLite's `NOCASE` order puts those of a text of ASCII
//! letters side by side: from the text itself to the text and something above a blank. One letter beyond ASCII
//! has a small letter within it, the Kelvin sign, and is looked for by itself. For other texts what comes before
//! the first letter beyond ASCII says where to look; where nothing does, there is no place.

use rusqlite::params_from_iter;

use super::bind::Bound;
use super::lookup::{Folded, scans};
use super::schema::{Affinity, Field, Sequence};
use super::view::{View, quoted, reading, selected, written};
use crate::document::Collation;
use crate::server::spelling::Spelled;
use crate::server::{Row, ServerError};

/// As many places are looked at for one key, at the most.
const MOST_PLACES: usize = 64;

/// From, and up to but without.
type Range = (String, String);

/// What a column is compared with.
enum Test<'k> {
    Equal(Bound<'k>),
    Within(Vec<Range>),
    /// With nothing: there is no telling where the spellings are.
    Any,
}

/// The rows that may be other spellings of a key: the values of the columns compared. `None` where no index
/// tells where they are.
pub(super) fn rows(
    view: &mut View<'_>,
    by: &[Field<'_>],
    table: &str,
    key: &[Folded],
) -> Result<Option<Vec<Row>>, ServerError> {
    let tests = by.iter().zip(key).map(|(field, folded)| test(field, folded)).collect::<Option<Vec<_>>>();
    let Some(tests) = tests else { return Ok(None) };
    let places = tests.iter().try_fold(1usize, |places, test| match test {
        Test::Equal(_) | Test::Any => Some(places),
        Test::Within(ranges) => places.checked_mul(ranges.len()).filter(|places| *places <= MOST_PLACES),
    });
    let Some(places) = places else { return Ok(None) };
    let mut number = 0;
    let mut placeholder = || {
        number += 1;
        number
    };
    let conditions = by.iter().zip(&tests).filter_map(|(field, test)| {
        let name = quoted(&field.column.name);
        match test {
            Test::Equal(_) => Some(format!("{name} IS ?{}", placeholder())),
            Test::Within(_) => Some(format!("{name} >= ?{} AND {name} < ?{}", placeholder(), placeholder())),
            Test::Any => None,
        }
    });
    let conditions: Vec<String> = conditions.collect();
    if conditions.is_empty() {
        return Ok(None);
    }
    let sql = format!("SELECT {} FROM {} WHERE {}", selected(by), quoted(table), conditions.join(" AND "));
    if scans(view, &sql, table)? {
        return Ok(None);
    }
    let fail = |error| reading(table, error);
    let mut statement = view.connection.prepare_cached(&sql).map_err(fail)?;
    let mut found = Vec::new();
    for place in 0..places {
        let mut rest = place;
        let mut parameters: Vec<Bound<'_>> = Vec::new();
        for test in &tests {
            match test {
                Test::Equal(bound) => parameters.push(*bound),
                Test::Any => {}
                Test::Within(ranges) => {
                    if let Some((from, to)) = ranges.get(rest % ranges.len().max(1)) {
                        parameters.extend([Bound::Text(from), Bound::Text(to)]);
                    }
                    rest /= ranges.len().max(1);
                }
            }
        }
        let mut rows = statement.query(params_from_iter(parameters)).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            view.rows_read += 1;
            // A row that cannot be read is not the one that is sought.
            found.extend(written(by, row, 0));
        }
    }
    Ok(Some(found))
}

fn test<'k>(field: &Field<'_>, folded: &'k Folded) -> Option<Test<'k>> {
    Some(match folded {
        Folded::Null => Test::Equal(Bound::Null),
        Folded::Int(number) => Test::Equal(Bound::Int(*number)),
        Folded::Number(text) => {
            Test::Equal(Bound::Real(text.parse().ok().filter(|number: &f64| number.is_finite())?))
        }
        Folded::Bytes(bytes) => Test::Equal(Bound::Bytes(bytes)),
        Folded::Text(text) if field.nature.affinity == Affinity::Text && field.nature.spelled.is_none() => {
            Test::Within(ranges(text, field.nature.sequence, field.nature.collation)?)
        }
        Folded::Text(text) if field.nature.spelled.is_some() => {
            match field.nature.spelled.map(|spelled| times(spelled, text)) {
                Some(ranges) if !ranges.is_empty() => Test::Within(ranges),
                _ => Test::Any,
            }
        }
        // SQLite would compare text that reads as a number as one.
        Folded::Text(_) => return None,
    })
}

/// The ranges that hold all spellings of a time: they begin with the day, and go on with the minute if with
/// anything. None for GUIDs, whose letters lie apart, and for what is no time.
fn times(spelled: Spelled, text: &str) -> Vec<Range> {
    let from = |start: String| (start.clone(), format!("{start}\u{10ffff}"));
    let Some(time) = spelled.parse(text) else { return Vec::new() };
    // The form has them at fixed places.
    let one = spelled.format(&time);
    let part = |range: std::ops::Range<usize>| one.get(range).unwrap_or_default();
    match spelled {
        Spelled::Guid => Vec::new(),
        Spelled::Date => vec![from(one)],
        Spelled::Time(_) => vec![from(part(0..5).to_owned())],
        _ => {
            let (day, minute) = (part(0..10), part(11..16));
            let mut ranges: Vec<Range> =
                [' ', 'T', 't'].iter().map(|between| from(format!("{day}{between}{minute}"))).collect();
            if time.ticks == 0 {
                ranges.push((day.to_owned(), format!("{day} ")));
            }
            ranges
        }
    }
}

/// The ranges of an order that hold all spellings of a folded text.
fn ranges(text: &str, sequence: Sequence, collation: Collation) -> Option<Vec<Range>> {
    let blanks = |text: &str| (text.to_owned(), format!("{text}!"));
    match (collation, sequence) {
        (Collation::CaseSensitive, Sequence::Binary | Sequence::RightTrim) => {
            return Some(vec![blanks(text)]);
        }
        (Collation::CaseInsensitive, Sequence::NoCase) => {}
        _ => return None,
    }
    let beyond = text.find(|letter: char| !letter.is_ascii());
    let mut head = text.get(..beyond.unwrap_or(text.len()))?;
    if let Some(rest) = beyond.and_then(|at| text.get(at..)) {
        // A capital I with a dot becomes two letters, of which the first is within ASCII.
        if rest.starts_with('\u{307}') {
            head = head.strip_suffix('i').unwrap_or(head);
        }
        if head.is_empty() {
            return None;
        }
    }
    let mut ranges = match beyond {
        None => vec![blanks(text)],
        Some(_) => vec![(head.to_owned(), format!("{head}\u{10ffff}"))],
    };
    for (at, _) in head.match_indices('k') {
        let before = head.get(..at)?;
        ranges.push((format!("{before}\u{212a}"), format!("{before}\u{212b}")));
    }
    Some(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_all_spellings() {
        let nocase = |text: &str| ranges(text, Sequence::NoCase, Collation::CaseInsensitive);
        let one = |from: &str, to: &str| vec![(from.to_owned(), to.to_owned())];
        assert_eq!(nocase("ab"), Some(one("ab", "ab!")));
        assert_eq!(nocase("").unwrap(), one("", "!"));
        assert_eq!(nocase("stra\u{df}e").unwrap(), one("stra", "stra\u{10ffff}"));
        assert_eq!(nocase("\u{e4}rger"), None);
        // Kelvin's sign folds to k, a capital I with a dot to two letters.
        let two = [("ak".to_owned(), "ak!".to_owned()), ("a\u{212a}".to_owned(), "a\u{212b}".to_owned())];
        assert_eq!(nocase("ak").unwrap(), two);
        assert_eq!(nocase("di\u{307}k").unwrap(), one("d", "d\u{10ffff}"));
        // An order in which spellings lie apart.
        assert_eq!(ranges("ab", Sequence::Binary, Collation::CaseInsensitive), None);
        assert_eq!(ranges("Ab", Sequence::Binary, Collation::CaseSensitive).unwrap(), one("Ab", "Ab!"));
    }
}
