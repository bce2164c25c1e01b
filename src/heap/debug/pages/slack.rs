//! The bytes of a slot after its block, which are filled with one value and compared with it.
//!
//! There are mostly a few. Then two words, which may overlap, cover them, without a call of `memset` or a loop.

use core::ptr::NonNull;

/// The value of the bytes.
pub(super) const BYTE: u8 = 0xFD;

const WORD_2: u16 = u16::from_ne_bytes([BYTE; 2]);
const WORD_4: u32 = u32::from_ne_bytes([BYTE; 4]);
const WORD_8: u64 = u64::from_ne_bytes([BYTE; 8]);
const WORD_16: u128 = u128::from_ne_bytes([BYTE; 16]);

/// Fills `count` bytes.
///
/// # Safety
/// They are part of a slot, and not of a live block. The page is locked.
#[inline(always)]
pub(super) unsafe fn fill(start: NonNull<u8>, count: usize) {
    match count {
        0 => {}
        // SAFETY: one byte, by our caller.
        1 => unsafe { start.write(BYTE) },
        // SAFETY: at least as many bytes as the word has, by our caller; so in each of the next lines.
        2..4 => unsafe { write_ends(start, count, WORD_2) },
        // SAFETY: as above.
        4..8 => unsafe { write_ends(start, count, WORD_4) },
        // SAFETY: as above.
        8..16 => unsafe { write_ends(start, count, WORD_8) },
        // SAFETY: as above.
        16..=32 => unsafe { write_ends(start, count, WORD_16) },
        // SAFETY: that many bytes, by our caller.
        _ => unsafe { start.write_bytes(BYTE, count) },
    }
}

/// Whether `count` bytes are still as [`fill`] has filled them.
///
/// # Safety
/// They are part of a slot, and not of a live block, and `fill` has initialised them. The page is locked.
#[inline(always)]
pub(super) unsafe fn is_filled(start: NonNull<u8>, count: usize) -> bool {
    match count {
        0 => true,
        // SAFETY: one byte, which is initialised, by our caller.
        1 => unsafe { start.read() == BYTE },
        // SAFETY: at least as many bytes as the word has, and initialised, by our caller; so in each of the next lines.
        2..4 => unsafe { are_ends(start, count, WORD_2) },
        // SAFETY: as above.
        4..8 => unsafe { are_ends(start, count, WORD_4) },
        // SAFETY: as above.
        8..16 => unsafe { are_ends(start, count, WORD_8) },
        // SAFETY: as above.
        16..=32 => unsafe { are_ends(start, count, WORD_16) },
        // SAFETY: that many bytes, which are initialised, by our caller.
        _ => unsafe { is_long_filled(start, count) },
    }
}

/// # Safety
/// As for [`is_filled`].
unsafe fn is_long_filled(start: NonNull<u8>, count: usize) -> bool {
    const FILLED: [u8; 256] = [BYTE; 256];
    // SAFETY: that many bytes, which are initialised, by our caller; nothing changes them as long as the page is locked.
    let bytes = unsafe { core::slice::from_raw_parts(start.as_ptr(), count) };
    bytes.chunks(FILLED.len()).all(|chunk| *chunk == FILLED[..chunk.len()])
}

/// Writes a word to the first bytes, and to the last.
///
/// # Safety
/// `count` is at least the length of `T`, and the bytes may be written to.
#[inline(always)]
unsafe fn write_ends<T: Copy>(start: NonNull<u8>, count: usize, word: T) {
    // SAFETY: as many bytes as the word has, by our caller.
    unsafe { start.cast().write_unaligned(word) };
    // SAFETY: at most the end of the bytes.
    let last = unsafe { start.byte_add(count - size_of::<T>()) };
    // SAFETY: as above.
    unsafe { last.cast().write_unaligned(word) };
}

/// Whether the first bytes and the last are a word.
///
/// # Safety
/// `count` is at least the length of `T`, and the bytes may be read and are initialised.
#[inline(always)]
unsafe fn are_ends<T: Copy + PartialEq>(start: NonNull<u8>, count: usize, word: T) -> bool {
    // SAFETY: as many bytes as the word has, which is an integer, by our caller.
    let first = unsafe { start.cast::<T>().read_unaligned() };
    // SAFETY: at most the end of the bytes.
    let last = unsafe { start.byte_add(count - size_of::<T>()) };
    // SAFETY: as above.
    first == word && unsafe { last.cast::<T>().read_unaligned() } == word
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exactly the bytes are filled, and a change of any of them is seen.
    #[test]
    fn every_byte_counts() {
        for count in if cfg!(miri) { 0..34 } else { 0..600 } {
            let mut bytes = std::vec![0_u8; count + 2];
            let start = NonNull::from(&mut bytes[1..]).cast::<u8>();
            // SAFETY: that many bytes of the vector.
            unsafe { fill(start, count) };
            assert!(bytes[1..=count].iter().all(|&byte| byte == BYTE));
            assert_eq!((bytes[0], bytes[count + 1]), (0, 0), "{count} bytes");
            for changed in 0..count {
                bytes[1 + changed] ^= 1;
                // SAFETY: that many bytes of the vector, which are initialised.
                let is_filled = unsafe { is_filled(NonNull::from(&mut bytes[1..]).cast(), count) };
                assert!(!is_filled, "{changed} of {count}");
                bytes[1 + changed] ^= 1;
            }
            // SAFETY: as above.
            assert!(unsafe { is_filled(NonNull::from(&mut bytes[1..]).cast(), count) });
        }
    }
}
