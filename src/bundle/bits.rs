//! One bit a document, so that much can be said of all of them at once in little memory.

/// Bits numbered from 1. The limit on documents bounds them.
pub(super) struct Bits(Vec<u8>);

impl Bits {
    pub(super) fn new(documents: u64) -> Self {
        Self(vec![0; usize::try_from(documents / 8 + 1).unwrap_or_default()])
    }

    fn at(&mut self, number: u64) -> Option<(&mut u8, u8)> {
        let byte = self.0.get_mut(usize::try_from(number / 8).ok()?)?;
        Some((byte, 1 << (number % 8)))
    }

    pub(super) fn set(&mut self, number: u64) {
        if let Some((byte, bit)) = self.at(number) {
            *byte |= bit;
        }
    }

    pub(super) fn clear(&mut self, number: u64) {
        if let Some((byte, bit)) = self.at(number) {
            *byte &= !bit;
        }
    }

    pub(super) fn get(&self, number: u64) -> bool {
        let byte = usize::try_from(number / 8).ok().and_then(|index| self.0.get(index));
        byte.is_some_and(|byte| byte & (1 << (number % 8)) != 0)
    }
}
