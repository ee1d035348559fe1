//! What changed in a text of several lines: the lines between those that both begin and end with.

/// How many lines of what stayed are shown around what changed.
const AROUND: usize = 3;

/// A line of the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'t> {
    /// It stays.
    Same(&'t str),
    /// It is gone.
    Old(&'t str),
    /// It is new.
    New(&'t str),
    /// So many lines that stay are not shown.
    Left(usize),
}

/// Compares two texts line by line. What lies between two changes counts as changed: one pass, however long the
/// texts are.
pub fn compare<'t>(old: &'t str, new: &'t str) -> Vec<Line<'t>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let begin = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - begin;
    let end = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let part = |lines: &[&'t str], from: usize, to: usize| -> Vec<&'t str> {
        lines.get(from..to).unwrap_or_default().to_vec()
    };
    let (before, after) = (begin.saturating_sub(AROUND), end.saturating_sub(AROUND));
    let mut lines = Vec::new();
    if before > 0 {
        lines.push(Line::Left(before));
    }
    lines.extend(part(&old, before, begin).into_iter().map(Line::Same));
    lines.extend(part(&old, begin, old.len() - end).into_iter().map(Line::Old));
    lines.extend(part(&new, begin, new.len() - end).into_iter().map(Line::New));
    lines.extend(part(&old, old.len() - end, old.len() - after).into_iter().map(Line::Same));
    if after > 0 {
        lines.push(Line::Left(after));
    }
    lines
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use Line::{Left, New, Old, Same};

    #[test]
    fn what_stays_is_shown_around_what_changed() {
        assert_eq!(compare("a", "b"), [Old("a"), New("b")]);
        assert_eq!(compare("a\nb\nc", "a\nx\nc"), [Same("a"), Old("b"), New("x"), Same("c")]);
        assert_eq!(compare("a\na", "a"), [Same("a"), Old("a")]);
        assert_eq!(compare("", "a\n"), [New("a"), Same("")]);
        let text = |middle: &str| format!("1\n2\n3\n4\n5\n{middle}6\n7\n8\n9\n");
        let (old, new) = (text(""), text("new\n"));
        let expected =
            [Left(2), Same("3"), Same("4"), Same("5"), New("new"), Same("6"), Same("7"), Same("8"), Left(2)];
        assert_eq!(compare(&old, &new), expected);
        assert_eq!(compare(&old, &old), [Left(7), Same("8"), Same("9"), Same("")]);
    }
}
