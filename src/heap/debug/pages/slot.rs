//! One slot of a page, and the metadata of its block.

use core::ptr::NonNull;

use super::bucket::{Bucket, HEADER};
use super::geometry::WORD;
use super::slack;
use crate::alignment::Alignment;
use crate::heap::report::CallSite;

/// Which of a slot's two traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Allocation = 0,
    Free = 1,
}

/// A slot that has been handed out: its number is below the header's `allocated_count`, which only grows. So, by the
/// facts of [`Bucket`], all of its metadata is inside the page and, since [`Bucket::take`], initialised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot<'g> {
    bucket: Bucket<'g>,
    number: usize,
}

impl<'g> Slot<'g> {
    /// # Safety
    /// The slot has been handed out.
    #[inline(always)]
    pub(super) unsafe fn new(bucket: Bucket<'g>, number: usize) -> Slot<'g> {
        Slot { bucket, number }
    }

    #[inline(always)]
    pub(crate) fn memory(self) -> NonNull<u8> {
        // SAFETY: a slot that has been handed out.
        unsafe { self.bucket.address_of(self.number) }
    }

    /// Whether it is an address in this slot's page where a slot begins.
    #[inline(always)]
    pub(crate) fn begins_at(self, address: usize) -> bool {
        // A page is aligned to its size, and so are slots.
        address & (self.bucket.slot_size() - 1) == 0
    }

    /// Ends the block in the slot.
    ///
    /// # Safety
    /// The slot [is in use](Self::is_used). Nothing uses its block any more: if it was the page's last, the page may go
    /// back to the child.
    pub(crate) unsafe fn free(self, site: CallSite<'_>) {
        self.set_trace(Event::Free, site);
        // SAFETY: a slot in use, whose block nothing uses any more, by our caller.
        unsafe { self.free_plain() };
    }

    // ---- whether it is in use ----

    #[inline(always)]
    fn used_bit(self) -> (NonNull<usize>, usize) {
        const BITS: usize = usize::BITS as usize;
        // SAFETY: the geometry has a bit for each slot, in words after the header.
        let word = unsafe { self.bucket.metadata(HEADER + self.number / BITS * WORD) };
        (word, 1 << (self.number % BITS))
    }

    /// Whether the block in a slot is live.
    #[inline(always)]
    pub(crate) fn is_used(self) -> bool {
        let (word, bit) = self.used_bit();
        // SAFETY: the page is locked, and the word is initialised since the bit of this slot is.
        let used = unsafe { word.read() };
        used & bit != 0
    }

    /// Marks a new slot.
    ///
    /// # Safety
    /// The slot has just been handed out, and all slots before it are marked.
    #[inline(always)]
    pub(super) unsafe fn set_used(self) {
        let (word, bit) = self.used_bit();
        // The first slot of a word initialises it, so the page need not be zero.
        let used = if bit == 1 {
            0
        } else {
            // SAFETY: the page is locked. The slot before this one has its bit in the same word, and was marked, by our
            // caller.
            unsafe { word.read() }
        };
        // SAFETY: a word of the metadata, and the page is locked.
        unsafe { word.write(used | bit) };
    }

    /// [`free`](Self::free), without storing a trace.
    ///
    /// # Safety
    /// As for `free`.
    #[inline(always)]
    pub(crate) unsafe fn free_plain(self) {
        let (word, bit) = self.used_bit();
        // SAFETY: the page is locked, and the word is initialised since the bit of this slot is.
        let used = unsafe { word.read() };
        // SAFETY: the same word.
        unsafe { word.write(used & !bit) };
        // SAFETY: the slot was in use, by our caller, and is not any more.
        unsafe { self.bucket.count_freed() };
    }

    // ---- lengths and alignments, with safety only ----

    /// Where the length is stored, if it is; it has `length_size` bytes. Lengths start at a multiple of their size, and
    /// the header at one of a word.
    #[inline(always)]
    fn length_place(self) -> Option<NonNull<u8>> {
        let Bucket { class, geometry, .. } = self.bucket;
        let offset = class.lengths + self.number * geometry.length_size;
        // SAFETY: with safety, the geometry has a length for each slot.
        geometry.safety.then(|| unsafe { self.bucket.metadata(offset) })
    }

    /// The length of a live block, if it is stored.
    #[inline(always)]
    pub(crate) fn len(self) -> Option<usize> {
        let place = self.length_place()?;
        Some(match self.bucket.geometry.length_size {
            // SAFETY: a length of one byte, initialised when the slot was handed out; the page is locked.
            1 => unsafe { place.read() }.into(),
            // SAFETY: the same with two bytes, which are aligned.
            2 => unsafe { place.cast::<u16>().read() }.into(),
            // SAFETY: the same with four bytes.
            _ => unsafe { place.cast::<u32>().read() as usize },
        })
    }

    /// Stores the length of a live block, and marks the rest of its slot. Does nothing without safety.
    ///
    /// # Safety
    /// `len` is at most the size of the slot, and the bytes from `len` on are not part of a live block (any more).
    #[inline(always)]
    pub(crate) unsafe fn set_len(self, len: usize) {
        let Some(place) = self.length_place() else { return };
        let slot_size = self.bucket.slot_size();
        debug_assert!(len <= slot_size);
        // All small lengths fit.
        match self.bucket.geometry.length_size {
            // SAFETY: a length of one byte; the page is locked.
            1 => unsafe { place.write(len as u8) },
            // SAFETY: the same with two bytes, which are aligned.
            2 => unsafe { place.cast::<u16>().write(len as u16) },
            // SAFETY: the same with four bytes.
            _ => unsafe { place.cast::<u32>().write(len as u32) },
        }
        // SAFETY: at most the end of the slot, by our caller.
        let slack = unsafe { self.memory().byte_add(len) };
        // SAFETY: bytes of the slot that are not part of a live block, by our caller.
        unsafe { slack::fill(slack, slot_size - len) };
    }

    /// Whether the stored length and alignment of a live block are possible ones.
    pub(crate) fn is_intact(self) -> bool {
        self.len().is_none_or(|len| (1..=self.bucket.slot_size()).contains(&len))
            && self.alignment().is_none_or(Alignment::is_valid)
    }

    /// Whether a live block has this length and alignment, its metadata is [intact](Self::is_intact), and nothing has
    /// been written after it. Only with safety.
    #[inline(always)]
    pub(crate) fn is_as_recorded(self, len: usize, alignment: Alignment) -> bool {
        self.len() == Some(len)
            && self.alignment() == Some(alignment)
            && len.wrapping_sub(1) < self.bucket.slot_size()
            && alignment.is_valid()
            && self.is_filled_from(len)
    }

    /// Whether nothing has been written to the rest of a live block's slot.
    ///
    /// # Panics
    /// If the length is longer than the slot, so that it is not intact.
    #[inline(always)]
    pub(crate) fn is_rest_intact(self) -> bool {
        self.len().is_none_or(|len| self.is_filled_from(len))
    }

    /// [`is_rest_intact`](Self::is_rest_intact), for a block of this length, which is the stored one.
    #[inline(always)]
    fn is_filled_from(self, len: usize) -> bool {
        let slot_size = self.bucket.slot_size();
        debug_assert!(self.bucket.geometry.safety);
        assert!(len <= slot_size);
        // SAFETY: at most the end of the slot.
        let slack = unsafe { self.memory().byte_add(len) };
        // SAFETY: bytes of the slot that `set_len` has initialised; they are not part of the block, so the program
        // must not use them.
        unsafe { slack::is_filled(slack, slot_size - len) }
    }

    /// The index of the first byte after a live block that was overwritten.
    #[cold]
    pub(crate) fn first_overrun(self) -> Option<usize> {
        let len = self.len()?;
        (len..self.bucket.slot_size()).find(|&index| {
            // SAFETY: a byte of the slot.
            let byte = unsafe { self.memory().byte_add(index) };
            // SAFETY: `set_len` has initialised it; it is not part of the block, so the program must not use it.
            unsafe { byte.read() != slack::BYTE }
        })
    }

    /// Where the alignment is stored, if it is.
    #[inline(always)]
    fn alignment_place(self) -> Option<NonNull<Alignment>> {
        let Bucket { class, geometry, .. } = self.bucket;
        // SAFETY: with safety, the geometry has a byte for each slot.
        geometry.safety.then(|| unsafe { self.bucket.metadata(class.alignments + self.number) })
    }

    /// The alignment of a live block, if it is stored.
    #[inline(always)]
    pub(crate) fn alignment(self) -> Option<Alignment> {
        let place = self.alignment_place()?;
        // SAFETY: `Bucket::take` has initialised it; the page is locked.
        Some(unsafe { place.read() })
    }

    /// Stores the alignment of a new block. Does nothing without safety.
    #[inline(always)]
    pub(super) fn set_alignment(self, alignment: Alignment) {
        if let Some(place) = self.alignment_place() {
            // SAFETY: a byte of the metadata; the page is locked.
            unsafe { place.write(alignment) };
        }
    }

    // ---- traces ----

    /// Where a trace is stored, if there are any. Of its words only the first is used.
    fn trace_place(self, event: Event) -> Option<NonNull<usize>> {
        let Bucket { class, geometry, .. } = self.bucket;
        let word = (2 * self.number + event as usize) * geometry.frames;
        // SAFETY: the geometry has `frames` words, at least one, for each event of each slot.
        (geometry.frames != 0).then(|| unsafe { self.bucket.metadata(class.traces + word * WORD) })
    }

    pub(crate) fn set_trace(self, event: Event, site: CallSite<'_>) {
        if let Some(place) = self.trace_place(event) {
            // SAFETY: a word of the metadata; the page is locked.
            unsafe { place.write(site.word()) };
        }
    }

    /// The word that identifies the trace of the allocation, or of the free if the block has been freed. 0 if none is
    /// stored.
    pub(crate) fn trace(self, event: Event) -> usize {
        match self.trace_place(event) {
            // SAFETY: `Bucket::take` has initialised the one, and `free`, unless the slot is in use, the other; the
            // page is locked.
            Some(place) if event == Event::Allocation || !self.is_used() => unsafe { place.read() },
            _ => 0,
        }
    }
}
