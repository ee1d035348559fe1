//! Exact decimals of up to 38 digits: a whole number and a scale.

use crate::fail::{Fail, Result};

/// unscaled / 10^scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub unscaled: i128,
    pub scale: u8,
}

pub(crate) fn power(of: u8) -> i128 {
    10i128.pow(u32::from(of.min(38)))
}

pub(crate) fn overflow(to: &str) -> Fail {
    Fail::new(8115, format!("Arithmetic overflow error converting expression to data type {to}."))
}

impl Decimal {
    /// Reads sign, digits and one point; an exponent is refused, as `decimal` refuses it.
    pub fn parse(text: &str) -> Option<Decimal> {
        let text = text.trim_matches(' ');
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && part.is_empty() {
            return None;
        }
        let mut unscaled = 0i128;
        for digit in whole.bytes().chain(part.bytes()) {
            if !digit.is_ascii_digit() {
                return None;
            }
            unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
        }
        let scale = u8::try_from(part.len()).ok()?;
        Some(Decimal { unscaled: if negative { -unscaled } else { unscaled }, scale })
    }

    /// The same number at another scale, rounded half away from zero.
    pub fn rescale(self, scale: u8) -> Option<Decimal> {
        let unscaled = if scale >= self.scale {
            let by = scale - self.scale;
            if by > 38 && self.unscaled != 0 {
                return None;
            }
            self.unscaled.checked_mul(power(by))?
        } else {
            let by = self.scale - scale;
            if by > 38 {
                0
            } else {
                let unit = power(by);
                let (whole, rest) = (self.unscaled / unit, self.unscaled % unit);
                if rest.abs() >= unit - rest.abs() { whole + self.unscaled.signum() } else { whole }
            }
        };
        Some(Decimal { unscaled, scale })
    }

    /// Fits it into decimal(precision, scale): 8115 where it does not.
    pub fn fit(self, precision: u8, scale: u8) -> Result<Decimal> {
        let fitted = self.rescale(scale).filter(|d| d.unscaled.abs() < power(precision));
        fitted.ok_or_else(|| overflow("numeric"))
    }

    pub fn truncated(self) -> i128 {
        self.unscaled / power(self.scale)
    }

    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    pub fn add(self, other: Decimal, sign: i128) -> Result<Decimal> {
        let scale = self.scale.max(other.scale);
        let sum = self
            .rescale(scale)
            .zip(other.rescale(scale))
            .and_then(|(a, b)| a.unscaled.checked_add(b.unscaled.checked_mul(sign)?));
        sum.map(|unscaled| Decimal { unscaled, scale }).ok_or_else(|| overflow("numeric"))
    }

    pub fn multiply(self, other: Decimal) -> Result<Decimal> {
        let product = self.unscaled.checked_mul(other.unscaled);
        product
            .map(|unscaled| Decimal { unscaled, scale: self.scale + other.scale })
            .ok_or_else(|| overflow("numeric"))
    }

    pub fn compare(self, other: Decimal) -> std::cmp::Ordering {
        let scale = self.scale.max(other.scale);
        match (self.rescale(scale), other.rescale(scale)) {
            (Some(a), Some(b)) => a.unscaled.cmp(&b.unscaled),
            // One has no room at the other's scale, so it is the larger in size.
            (None, _) => self.unscaled.cmp(&0),
            (_, None) => 0.cmp(&other.unscaled),
        }
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = usize::from(self.scale) + 1;
        let digits = format!("{:0>width$}", self.unscaled.unsigned_abs());
        let (whole, part) = digits.split_at(digits.len() - usize::from(self.scale));
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let point = if self.scale > 0 { "." } else { "" };
        write!(f, "{sign}{whole}{point}{part}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_eight_digits_survive() {
        let text = "-9999999999999999999999999999.9999999999";
        assert_eq!(Decimal::parse(text).unwrap().fit(38, 10).unwrap().to_string(), text);
        assert_eq!(Decimal::parse("0.005").unwrap().rescale(2).unwrap().to_string(), "0.01");
        assert_eq!(Decimal::parse("-0.004").unwrap().rescale(2).unwrap().to_string(), "0.00");
        assert_eq!(Decimal::parse("100").unwrap().fit(4, 2).unwrap_err().number, 8115);
        assert!(Decimal::parse("1e3").is_none());
    }
}
