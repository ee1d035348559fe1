//! One spelling for each decimal number, so that equal numbers are equal content.

use super::Value;

/// Returns a decimal number without needless zeros: `1.50` and `1.5` are one value, `2.00` is the integer 2.
///
/// For SQL decimals, money and floats, whose scale is the column's and not the value's. `None` when the text
/// is no number (`[-]digits[.digits][e[±]digits]`). Numbers with an exponent keep their spelling.
pub fn canonical_decimal(text: &str) -> Option<Value> {
    if !is_number(text) {
        return None;
    }
    if text.contains(['e', 'E']) {
        return Some(Value::Number(text.into()));
    }
    let trimmed = match text.split_once('.') {
        Some((whole, fraction)) => {
            let fraction = fraction.trim_end_matches('0');
            if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
        }
        None => text.to_owned(),
    };
    let trimmed = if trimmed == "-0" { "0".to_owned() } else { trimmed };
    Some(match trimmed.parse::<i64>() {
        Ok(number) => Value::Int(number),
        Err(_) => Value::Number(trimmed.into()),
    })
}

/// Says whether the text is a number in JSON's grammar.
pub(super) fn is_number(text: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e)))
}
