//! Which addresses belong to chunks: a bit for each possible chunk.

use core::sync::atomic::{AtomicUsize, Ordering};

use super::chunk::CHUNK_LEN;

/// How many bits of addresses are looked at. No system hands out longer ones unless it is asked to; a chunk there is
/// refused. (Miri's addresses are low, and its statics slow.)
const ADDRESS_BITS: u32 = if cfg!(miri) {
    32
} else if usize::BITS < 48 {
    usize::BITS
} else {
    48
};
const BITS: usize = usize::BITS as usize;
const WORDS: usize = (1 << (ADDRESS_BITS - CHUNK_LEN.ilog2())) / BITS;

/// 512 KiB of addresses on 64-bit systems, of which one page has memory for each terabyte or part of one that has
/// chunks.
pub(super) struct Directory([AtomicUsize; WORDS]);

/// The word of an address, and its bit.
#[inline]
fn place(address: usize) -> (usize, usize) {
    let chunk = address / CHUNK_LEN;
    (chunk / BITS, 1 << (chunk % BITS))
}

impl Directory {
    pub(super) const fn new() -> Directory {
        Directory([const { AtomicUsize::new(0) }; WORDS])
    }

    /// Whether the address of a live block is in a chunk.
    ///
    /// A relaxed load suffices. A block's address came from a call that happened after the chunk was added; if the
    /// block is not in a chunk, the system mapped its pages after it had unmapped a chunk there, which was removed
    /// before.
    #[inline]
    pub(super) fn contains(&self, address: usize) -> bool {
        let (word, bit) = place(address);
        self.0.get(word).is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Adds a chunk; false if it has an address that is not looked at, or the address 0.
    pub(super) fn add(&self, address: usize) -> bool {
        let (word, bit) = place(address);
        match self.0.get(word) {
            Some(word) if address != 0 => {
                word.fetch_or(bit, Ordering::Relaxed);
                true
            }
            _ => false,
        }
    }

    /// Removes a chunk, before it is unmapped.
    pub(super) fn remove(&self, address: usize) {
        let (word, bit) = place(address);
        if let Some(word) = self.0.get(word) {
            word.fetch_and(!bit, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_knows_the_chunks_that_were_added() {
        static DIRECTORY: Directory = Directory::new();
        let last = (WORDS * BITS - 1) * CHUNK_LEN;
        for chunk in [CHUNK_LEN, 2 * CHUNK_LEN, 65 * CHUNK_LEN, last] {
            assert!(DIRECTORY.add(chunk));
            assert!(DIRECTORY.contains(chunk) && DIRECTORY.contains(chunk + (CHUNK_LEN - 1)));
            assert!(!DIRECTORY.contains(chunk - 1), "its neighbour");
            DIRECTORY.remove(chunk);
            assert!(!DIRECTORY.contains(chunk));
        }
        assert!(!DIRECTORY.add(0), "a block's address is not 0");
        if let Some(beyond) = last.checked_add(CHUNK_LEN) {
            assert!(!DIRECTORY.add(beyond) && !DIRECTORY.contains(beyond));
        }
        assert!(!DIRECTORY.contains(usize::MAX) || usize::BITS == ADDRESS_BITS);
    }
}
