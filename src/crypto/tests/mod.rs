//! What the tests of this module share. The costs are the lowest the format has, so that they run often.

mod envelope;
mod export_key;
mod known_answers;
mod master_key;
mod silence;
mod value;

use super::{DataKey, Envelope, KdfLimits, KdfParams, Password, SecretBytes};

const CHEAP: KdfParams = KdfParams::MINIMUM;

/// Lets through what `CHEAP` costs, and stops a test that flips a bit of the cost from taking a gigabyte.
const TIGHT: KdfLimits = KdfLimits { memory_kib: 16 * 1024, passes: 2, lanes: 2, work_kib: 64 * 1024 };

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

fn secret(text: &str) -> SecretBytes {
    SecretBytes::from(text.to_owned())
}

fn envelope() -> (Envelope, DataKey) {
    Envelope::create(&password("right"), CHEAP).unwrap()
}

/// `length` bytes counting up from `start`.
fn count<const N: usize>(start: u8) -> [u8; N] {
    std::array::from_fn(|i| start.wrapping_add(i as u8))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
