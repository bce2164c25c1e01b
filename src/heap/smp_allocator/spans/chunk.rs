//! A chunk: addresses in a row, which start with a record of each unit.

use core::cell::Cell;
use core::ops::Range;
use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::heap::{PAGE_SIZE_MAX, whole_block};
use crate::os;

/// Bytes that spans are multiples of: whole pages.
pub(super) const UNIT: usize = if PAGE_SIZE_MAX > 4096 { PAGE_SIZE_MAX } else { 4096 };
/// The length and alignment of a chunk in bytes. (Miri's is just long enough for its tests.)
pub(super) const CHUNK_LEN: usize = if cfg!(miri) {
    1 << 20
} else if cfg!(target_pointer_width = "64") {
    64 << 20
} else {
    4 << 20
};
/// The units of a chunk, those of its header included.
pub(super) const UNITS: usize = CHUNK_LEN / UNIT;
/// The units of the header, which are never free.
pub(super) const HEADER_UNITS: usize = size_of::<Chunk>().div_ceil(UNIT);
/// The units of a chunk without blocks.
pub(super) const ALL_UNITS: usize = UNITS - HEADER_UNITS;

const BITS: usize = usize::BITS as usize;

const _: () = {
    assert!(CHUNK_LEN.is_power_of_two() && UNITS % BITS == 0);
    // For the fields of `Unit`.
    assert!(UNITS <= u16::MAX as usize);
    assert!(HEADER_UNITS * 16 <= UNITS);
};

/// The record of a unit. All of it has a meaning only for the first unit of a free span.
pub(super) struct Unit {
    /// For the first and the last unit of a free span, its length in units; 0 for all others.
    pub(super) len: Cell<u16>,
    /// Which unit of the chunk this is.
    pub(super) index: Cell<u16>,
    /// How many units of the span are used.
    pub(super) used: Cell<u16>,
    /// The neighbours in the list of its bin.
    pub(super) before: Cell<Option<NonNull<Unit>>>,
    pub(super) after: Cell<Option<NonNull<Unit>>>,
}

/// The header of a chunk.
#[repr(C)]
pub(super) struct Chunk {
    /// The pool that the chunk belongs to. It never changes.
    pool: usize,
    /// The next chunk of the pool.
    next: Cell<Option<ChunkRef>>,
    /// A bit for each unit: whether it may have been written to since the system zeroed it.
    used: [Cell<usize>; UNITS / BITS],
    units: [Unit; UNITS],
}

/// A chunk of the pool whose lock the user holds, so nothing else uses the header.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct ChunkRef(NonNull<Chunk>);

impl ChunkRef {
    /// Maps a chunk for a pool; `None` if the system refuses.
    pub(super) fn map(pool: usize, wants_huge_pages: bool) -> Option<ChunkRef> {
        let memory = os::map(CHUNK_LEN, Alignment::from_byte_units(CHUNK_LEN))?;
        if wants_huge_pages {
            // SAFETY: all pages of a new mapping.
            unsafe { os::advise_huge_pages(memory, CHUNK_LEN) };
        }
        // For `whole_block`.
        let _ = memory.as_ptr().expose_provenance();
        if !os::NEW_PAGES_ARE_ZERO {
            // SAFETY: the new chunk is longer than its header.
            unsafe { memory.write_bytes(0, size_of::<Chunk>()) };
        }
        let chunk = memory.cast::<Chunk>();
        // SAFETY: a field of the header, which is mapped.
        let field = unsafe { &raw mut (*chunk.as_ptr()).pool };
        // SAFETY: nothing uses the header yet. All else in it is zero, which is right.
        unsafe { field.write(pool) };
        Some(ChunkRef(chunk))
    }

    /// Unmaps a chunk.
    ///
    /// # Safety
    /// Nothing uses the chunk or its spans afterwards.
    pub(super) unsafe fn unmap(self) {
        // SAFETY: all pages of a chunk from `map`, not used afterwards, by our caller.
        unsafe { os::unmap(self.0.cast(), CHUNK_LEN) };
    }

    pub(super) fn address(self) -> usize {
        self.0.addr().get()
    }

    /// The pool of the chunk that a block is in.
    ///
    /// # Safety
    /// `block` is a live block in a chunk.
    #[inline]
    pub(super) unsafe fn pool_of(block: NonNull<u8>) -> usize {
        let chunk = chunk_of(block).as_ptr();
        // SAFETY: the chunk of a live block is mapped, and this field never changes.
        unsafe { (*chunk).pool }
    }

    /// The chunk of a block, and which unit the block starts with.
    ///
    /// # Safety
    /// `block` is a live block in a chunk of the pool whose lock this thread holds while it uses the result.
    #[inline]
    pub(super) unsafe fn of_block(block: NonNull<u8>) -> (ChunkRef, usize) {
        (ChunkRef(chunk_of(block)), block.addr().get() % CHUNK_LEN / UNIT)
    }

    /// The chunk of a unit, and which one it is.
    ///
    /// # Safety
    /// `unit` is the first unit of a free span in a list of the pool whose lock this thread holds while it uses the
    /// result.
    #[inline]
    pub(super) unsafe fn of_unit(unit: NonNull<Unit>) -> (ChunkRef, usize) {
        let chunk = ChunkRef(aligned_down(unit.cast()));
        // SAFETY: the record is in the header of a chunk, which is mapped, by our caller.
        let index = unsafe { unit.as_ref() }.index.get();
        (chunk, usize::from(index))
    }

    /// The next chunk of the pool.
    pub(super) fn next(&self) -> &Cell<Option<ChunkRef>> {
        // SAFETY: the header is mapped, and only this thread uses it, through shared references.
        unsafe { &(*self.0.as_ptr()).next }
    }

    /// A word of the bitmap of used units.
    #[inline]
    fn used(&self, word: usize) -> &Cell<usize> {
        assert!(word < UNITS / BITS);
        // SAFETY: the header is mapped; no reference to all of it is made.
        let used = unsafe { &raw mut (*self.0.as_ptr()).used };
        let used = used.cast::<Cell<usize>>().wrapping_add(word);
        // SAFETY: a word of the bitmap, by the assertion; only this thread uses it, through shared references.
        unsafe { &*used }
    }

    /// The record of a unit, which is below [`UNITS`].
    #[inline]
    pub(super) fn unit(&self, index: usize) -> &Unit {
        assert!(index < UNITS);
        // SAFETY: a record, by the assertion; only this thread uses it, through shared references.
        unsafe { self.unit_ptr(index).as_ref() }
    }

    /// The address of a record, with the provenance of the chunk. The index is below [`UNITS`].
    #[inline]
    pub(super) fn unit_ptr(self, index: usize) -> NonNull<Unit> {
        debug_assert!(index < UNITS);
        // SAFETY: the header is mapped; no reference is made.
        let units = unsafe { &raw mut (*self.0.as_ptr()).units };
        let unit = units.cast::<Unit>().wrapping_add(index);
        // SAFETY: the address of a record in a chunk is not 0.
        unsafe { NonNull::new_unchecked(unit) }
    }

    /// The memory of a unit, with the provenance of the chunk. The index is below [`UNITS`].
    #[inline]
    pub(super) fn memory(self, index: usize) -> NonNull<u8> {
        debug_assert!(index < UNITS);
        let memory = self.0.as_ptr().cast::<u8>().wrapping_add(index * UNIT);
        // SAFETY: an address in a chunk is not 0.
        unsafe { NonNull::new_unchecked(memory) }
    }

    /// Marks units as used. Returns how many of them were before, and the first and last of those as a range.
    pub(super) fn mark_used(&self, units: Range<usize>) -> (usize, Range<usize>) {
        let (mut count, mut hull) = (0, 0..0);
        for (word, mask) in words(units) {
            let used = self.used(word);
            let before = used.get() & mask;
            used.set(used.get() | mask);
            if before != 0 {
                if count == 0 {
                    hull.start = word * BITS + before.trailing_zeros() as usize;
                }
                hull.end = word * BITS + before.ilog2() as usize + 1;
                count += before.count_ones() as usize;
            }
        }
        (count, hull)
    }

    pub(super) fn mark_unused(&self, units: Range<usize>) {
        for (word, mask) in words(units) {
            let used = self.used(word);
            used.set(used.get() & !mask);
        }
    }

    /// How many of these units are used.
    pub(super) fn count_used(&self, units: Range<usize>) -> usize {
        words(units).map(|(word, mask)| (self.used(word).get() & mask).count_ones() as usize).sum()
    }

    /// The last run of used units among these.
    pub(super) fn last_used(&self, units: Range<usize>) -> Option<Range<usize>> {
        let bit = |index: usize| self.used(index / BITS).get() >> (index % BITS) & 1 == 1;
        let mut end = units.end;
        while end > units.start && !bit(end - 1) {
            let word = (end - 1) / BITS;
            // A word without any at once.
            end = if self.used(word).get() == 0 { (word * BITS).max(units.start) } else { end - 1 };
        }
        let mut start = end;
        while start > units.start && bit(start - 1) {
            let word = (start - 1) / BITS;
            let all = self.used(word).get() == usize::MAX;
            start = if all { (word * BITS).max(units.start) } else { start - 1 };
        }
        (start < end).then_some(start..end)
    }
}

/// The words of a bitmap that have the bits of these units, with a mask for each.
fn words(units: Range<usize>) -> impl Iterator<Item = (usize, usize)> {
    let first = units.start / BITS;
    let end = if units.is_empty() { first } else { units.end.div_ceil(BITS) };
    (first..end).map(move |word| {
        let first = word * BITS;
        let from = units.start.max(first) - first;
        let to = units.end.min(first + BITS) - first;
        (word, usize::MAX >> (BITS - (to - from)) << from)
    })
}

/// The chunk that a block is in.
#[inline]
fn chunk_of(block: NonNull<u8>) -> NonNull<Chunk> {
    aligned_down(whole_block(block))
}

#[inline]
fn aligned_down(inside: NonNull<u8>) -> NonNull<Chunk> {
    let chunk = inside.as_ptr().map_addr(|address| address & !(CHUNK_LEN - 1));
    // SAFETY: no chunk is at address 0: the directory refuses it.
    unsafe { NonNull::new_unchecked(chunk.cast()) }
}
