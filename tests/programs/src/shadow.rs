//! The blocks of the program, and their expected contents.

use std::ptr::NonNull;

use zigalloc::{AlignedSlice, Alignment, Allocator, SentinelSlice};

use crate::program::{Change, Shape};

/// A live block of the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Determines its bytes.
    pub(crate) id: u64,
    /// When its memory was allocated: later ones have a higher number.
    pub(crate) born: u64,
    /// The level that it is from.
    pub(crate) level: usize,
    pub(crate) memory: NonNull<u8>,
    /// All its bytes, including a sentinel's.
    pub(crate) len: usize,
    pub(crate) alignment: Alignment,
    pub(crate) shape: Shape,
}

/// The sentinel, whose bytes are not filled.
const SENTINEL: u16 = 0xFEFE;
const WORD: usize = size_of::<u64>();
/// How many bytes are checked at each end of a block, and the distance of those in between.
const ENDS: usize = if cfg!(miri) { 12 } else { 200 };
const STEP: usize = 509;

/// The indexes that are checked: all of a short block; the first, some, and the last of a long one. Except for the
/// last ones they do not depend on the length, which may change.
fn places(len: usize) -> impl Iterator<Item = usize> {
    (0..len.min(ENDS)).chain((0..len).step_by(STEP)).chain(len.saturating_sub(ENDS).max(ENDS.min(len))..len)
}

impl Block {
    fn byte(&self, index: usize) -> u8 {
        (self.id as u8)
            .wrapping_mul(31)
            .wrapping_add((index as u8).wrapping_mul(7))
            .wrapping_add((index >> 8) as u8)
    }

    pub(crate) fn slice(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.memory, self.len)
    }

    pub(crate) fn fill(&self) {
        for index in places(self.len) {
            // SAFETY: inside the block.
            unsafe { self.memory.add(index).write(self.byte(index)) };
        }
    }

    /// Checks that the block, filled when it was `old_len` bytes long, still has the same contents.
    pub(crate) fn check(&self, old_len: usize) -> Result<(), String> {
        // If the block has shrunk, its new last bytes have not been checked before.
        let first = if old_len > self.len { ENDS } else { usize::MAX };
        let filled = |index: &usize| *index < first || index % STEP == 0;
        for index in places(self.len.min(old_len)).filter(filled) {
            // SAFETY: inside the block, and written by `fill`.
            let found = unsafe { self.memory.add(index).read() };
            if found != self.byte(index) {
                return Err(format!(
                    "byte {index} of a block of {} bytes of level {} is {found:#x} and should be {:#x}",
                    self.len,
                    self.level,
                    self.byte(index)
                ));
            }
        }
        Ok(())
    }

    fn words(&self) -> NonNull<[u64]> {
        NonNull::slice_from_raw_parts(self.memory.cast(), self.len / WORD)
    }

    fn aligned(&self) -> AlignedSlice<u8, 64> {
        AlignedSlice::from_raw_parts(self.memory, self.len)
    }

    /// # Safety
    /// The block is live, and not used afterwards.
    pub(crate) unsafe fn free(&self, allocator: Allocator<'_>) {
        // SAFETY: live and not used afterwards, by our caller; the types have the block's length and alignment.
        unsafe {
            match self.shape {
                Shape::Raw => allocator.raw_free(self.slice(), self.alignment, 0),
                Shape::Bytes => allocator.free(self.slice()),
                Shape::Words => allocator.free(self.words()),
                Shape::Aligned => allocator.free(self.aligned()),
                Shape::Sentinel => {
                    let len = self.len / size_of::<u16>() - 1;
                    allocator.free(SentinelSlice::<u16>::from_raw_parts(self.memory.cast(), len));
                }
            }
        }
    }

    /// Changes the length. Returns the new address and length on success.
    ///
    /// # Safety
    /// The block is live.
    pub(crate) unsafe fn change(
        &self,
        allocator: Allocator<'_>,
        how: Change,
        new_len: usize,
    ) -> Option<(NonNull<u8>, usize)> {
        let same = |resized: bool| resized.then_some(self.memory);
        let n = new_len.div_ceil(WORD);
        // SAFETY: live, by our caller; the rest as in `free`.
        unsafe {
            match (self.shape, how) {
                (Shape::Raw | Shape::Sentinel, Change::Resize) => {
                    let resized = allocator.raw_resize(self.slice(), self.alignment, new_len, 0);
                    Some((same(resized)?, new_len))
                }
                (Shape::Raw | Shape::Sentinel, _) => {
                    Some((allocator.raw_remap(self.slice(), self.alignment, new_len, 0)?, new_len))
                }
                (Shape::Bytes, Change::Resize) => {
                    Some((same(allocator.resize(self.slice(), new_len))?, new_len))
                }
                (Shape::Bytes, Change::Remap) => {
                    Some((allocator.remap(self.slice(), new_len)?.cast(), new_len))
                }
                (Shape::Bytes, Change::Realloc) => {
                    Some((allocator.realloc(self.slice(), new_len).ok()?.cast(), new_len))
                }
                (Shape::Words, Change::Resize) => Some((same(allocator.resize(self.words(), n))?, n * WORD)),
                (Shape::Words, Change::Remap) => Some((allocator.remap(self.words(), n)?.cast(), n * WORD)),
                (Shape::Words, Change::Realloc) => {
                    Some((allocator.realloc(self.words(), n).ok()?.cast(), n * WORD))
                }
                (Shape::Aligned, Change::Resize) => {
                    Some((same(allocator.resize(self.aligned(), new_len))?, new_len))
                }
                (Shape::Aligned, Change::Remap) => {
                    Some((allocator.remap(self.aligned(), new_len)?.as_non_null().cast(), new_len))
                }
                (Shape::Aligned, Change::Realloc) => {
                    Some((allocator.realloc(self.aligned(), new_len).ok()?.as_non_null().cast(), new_len))
                }
            }
        }
    }
}

/// Allocates by a typed function or the vtable; returns the address, the bytes and their alignment.
pub(crate) fn alloc(
    allocator: Allocator<'_>,
    shape: Shape,
    len: usize,
    alignment: Alignment,
) -> Option<(NonNull<u8>, usize, Alignment)> {
    match shape {
        // SAFETY: the length is not zero, and there is one thread.
        Shape::Raw => Some((unsafe { allocator.raw_alloc(len, alignment, 0) }?, len, alignment)),
        Shape::Bytes => Some((allocator.alloc::<u8>(len).ok()?.cast(), len, Alignment::_1)),
        Shape::Words => {
            let n = len.div_ceil(WORD);
            Some((allocator.alloc::<u64>(n).ok()?.cast(), n * WORD, Alignment::of::<u64>()))
        }
        Shape::Aligned => {
            let memory = allocator.aligned_alloc::<u8, 64>(len).ok()?.as_non_null();
            Some((memory.cast(), len, Alignment::_64))
        }
        Shape::Sentinel => {
            let memory = allocator.alloc_sentinel::<u16>(len / 2, SENTINEL).ok()?;
            let bytes = (len / 2 + 1) * size_of::<u16>();
            Some((NonNull::new(memory.as_ptr().cast())?, bytes, Alignment::of::<u16>()))
        }
    }
}

/// Returns whether a typed function has made a new block undefined, as builds with debug assertions do.
pub(crate) fn is_undefined(memory: NonNull<u8>, len: usize, shape: Shape) -> bool {
    if cfg!(miri) || !cfg!(debug_assertions) || shape == Shape::Raw {
        return true;
    }
    let (len, end) = if shape == Shape::Sentinel { (len - 2, Some(SENTINEL)) } else { (len, None) };
    // SAFETY: the typed function has written all of it.
    unsafe {
        places(len).all(|index| memory.add(index).read() == 0xAA)
            && end.is_none_or(|end| memory.add(len).cast::<u16>().read() == end)
    }
}
