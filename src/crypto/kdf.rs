//! From a password to a key: Argon2id, what it may cost, and what a reader is willing to pay.
//!
//! The parameters come out of a file that anyone may have written, so nothing here runs before they have
//! been held against the limits. This file never sees a data key.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use super::{CryptoError, Password, context, sealing};

/// The length of the salt, in bytes.
pub(super) const SALT_BYTES: usize = 32;

/// How much Argon2id (version 0x13) is made to work for one password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KdfParams {
    /// Memory, in KiB. At least [`KdfParams::MINIMUM`]'s, and at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over that memory. At least 1.
    pub passes: u32,
    /// Lanes, which bound how many processors could share the work. 1 to 2^24 - 1.
    pub lanes: u32,
}

impl KdfParams {
    /// The least that is written or read: 8 MiB, 1 pass, 1 lane.
    ///
    /// This is the format's floor, for tests and tiny machines. It is no recommendation: an attacker tries
    /// about a hundred times as many passwords as under the default.
    pub const MINIMUM: Self = Self { memory_kib: 8 * 1024, passes: 1, lanes: 1 };

    /// Says what is wrong with the parameters, whoever chose them.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.memory_kib < Self::MINIMUM.memory_kib {
            return Err("the memory is below the minimum of 8 MiB");
        }
        if self.passes < Self::MINIMUM.passes {
            return Err("there is no pass");
        }
        if self.lanes < Self::MINIMUM.lanes {
            return Err("there is no lane");
        }
        if self.lanes > Params::MAX_P_COST || self.memory_kib / 8 < self.lanes {
            return Err("there are too many lanes for the memory");
        }
        Ok(())
    }

    /// Memory × passes, in KiB: what the time is proportional to.
    pub(super) fn work_kib(&self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }

    /// The parameters as associated data: memory, passes, lanes, each 32 bits little-endian.
    pub(super) fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let words = [self.memory_kib, self.passes, self.lanes];
        for (to, from) in bytes.iter_mut().zip(words.into_iter().flat_map(u32::to_le_bytes)) {
            *to = from;
        }
        bytes
    }
}

impl Default for KdfParams {
    /// 256 MiB, 3 passes, 4 lanes: about a second on an ordinary machine.
    fn default() -> Self {
        Self { memory_kib: 256 * 1024, passes: 3, lanes: 4 }
    }
}

/// The most a reader spends on opening an envelope that it did not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfLimits {
    /// Memory for one slot, in KiB. Freed before the next slot is tried.
    pub memory_kib: u32,
    /// Passes for one slot.
    pub passes: u32,
    /// Lanes for one slot.
    pub lanes: u32,
    /// Memory × passes, in KiB, summed over all slots that are tried for one password. Without it an
    /// envelope with many slots could stay under each of the other limits and still take minutes.
    pub work_kib: u64,
}

impl KdfLimits {
    /// Whether a slot is affordable when `spent_kib` of the work has been done for other slots.
    pub(super) fn allow(&self, params: &KdfParams, spent_kib: u64) -> bool {
        params.memory_kib <= self.memory_kib
            && params.passes <= self.passes
            && params.lanes <= self.lanes
            && spent_kib.saturating_add(params.work_kib()) <= self.work_kib
    }
}

impl KdfLimits {
    /// So much work as a person allows, however it is spent: in one slot with much memory, or in many passes.
    pub fn with_work_kib(work_kib: u64) -> Self {
        let memory_kib = u32::try_from(work_kib).unwrap_or(u32::MAX).max(Self::default().memory_kib);
        Self { memory_kib, passes: u32::MAX, work_kib, ..Self::default() }
    }
}

impl Default for KdfLimits {
    /// 1 GiB, 16 passes, 16 lanes, and 4 GiB of work: five slots with the default parameters, or one with 1 GiB and
    /// three passes. That is some seconds, whatever the file asks for.
    fn default() -> Self {
        Self { memory_kib: 1024 * 1024, passes: 16, lanes: 16, work_kib: 4 * 1024 * 1024 }
    }
}

/// Runs Argon2id and derives the key-encryption key of a slot. Its memory is wiped and freed on return.
///
/// # Errors
/// `BadParams` for parameters that [`KdfParams::check`] refuses, `NoMemory` when the allocator gives up.
pub(super) fn key_encryption_key(
    password: &Password,
    salt: &[u8; SALT_BYTES],
    params: &KdfParams,
) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    let output = argon2id(password.bytes(), salt, params)?;
    Ok(sealing::derive(context::KEY_ENCRYPTION, &[output.as_slice()]))
}

pub(super) fn argon2id(
    password: &[u8],
    salt: &[u8],
    params: &KdfParams,
) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    params.check().map_err(CryptoError::BadParams)?;
    let refused = |_| CryptoError::BadParams("Argon2id refuses them");
    let mut output = Zeroizing::new([0; 32]);
    let cost =
        Params::new(params.memory_kib, params.passes, params.lanes, Some(output.len())).map_err(refused)?;

    // Reserved here instead of by the argon2 crate, which frees the memory without wiping it.
    let mut memory = Zeroizing::new(Vec::<Block>::new());
    let blocks = cost.block_count();
    memory.try_reserve_exact(blocks).map_err(|_| CryptoError::NoMemory { memory_kib: params.memory_kib })?;
    memory.resize(blocks, Block::new());

    Argon2::new(Algorithm::Argon2id, Version::V0x13, cost)
        .hash_password_into_with_memory(password, salt, output.as_mut_slice(), memory.as_mut_slice())
        .map_err(refused)?;
    Ok(output)
}
