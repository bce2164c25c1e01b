//! One page of small blocks, and what is known of each.

use core::ptr::NonNull;

use super::geometry::{Class, Geometry, WORD};
use crate::alignment::Alignment;
use crate::heap::debug::report::Site;

/// What stands behind the slots of a page. Zig's `BucketHeader`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Header {
    /// How many slots have ever been handed out. They are the first ones.
    allocated_count: u32,
    /// How many of those have been freed.
    freed_count: u32,
    /// The page of the same class that was filled before this one.
    prev: Option<NonNull<u8>>,
    next: Option<NonNull<u8>>,
    canary: usize,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Header>() == 32 && align_of::<Header>() == 8);

/// What stands in the bytes of a slot that nobody has asked for.
const SLACK: u8 = 0xFD;

/// Which of a slot's two traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Allocation = 0,
    Free = 1,
}

/// A page and how to read it.
///
/// Whoever makes one promises, for as long as it is used:
///
/// 1. The page is a live block of the child, of this geometry, and was initialised for this class.
///    Hence the header is initialised, and of all slots that it says are allocated, the used bit,
///    the allocation's trace, and with safety the length and the alignment.
/// 2. The bytes of the metadata are used by nobody else meanwhile: the allocator is locked.
/// 3. The metadata has not been overwritten. Where that is not certain, ask
///    [`is_intact`](Bucket::is_intact) first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket<'g> {
    page: NonNull<u8>,
    /// The class: the log2 of the slots' size.
    index: usize,
    class: &'g Class,
    geometry: &'g Geometry,
}

impl<'g> Bucket<'g> {
    /// A new page without blocks, at the head of the list of its class.
    ///
    /// # Safety
    /// `page` is a new block of the child, as long and as aligned as the geometry says; promise 2 is
    /// kept.
    pub(crate) unsafe fn init(
        geometry: &'g Geometry,
        index: usize,
        page: NonNull<u8>,
        prev: Option<NonNull<u8>>,
    ) -> Bucket<'g> {
        let bucket = Bucket { page, index, class: geometry.class(index), geometry };
        let header = Header { allocated_count: 0, freed_count: 0, prev, next: None, canary: geometry.canary };
        // SAFETY: the header's place is inside the page, and aligned since the page is.
        unsafe { bucket.header().write(header) };
        bucket
    }

    /// # Safety
    /// The three promises of [`Bucket`].
    #[inline(always)]
    pub(crate) unsafe fn new(geometry: &'g Geometry, index: usize, page: NonNull<u8>) -> Bucket<'g> {
        Bucket { page, index, class: geometry.class(index), geometry }
    }

    #[inline(always)]
    pub(crate) fn page(&self) -> NonNull<u8> {
        self.page
    }

    #[inline(always)]
    pub(crate) fn class_index(&self) -> usize {
        self.index
    }

    #[inline(always)]
    pub(crate) fn slot_size(&self) -> usize {
        1 << self.index
    }

    /// A place in the metadata, `offset` bytes behind the beginning of the header.
    #[inline(always)]
    fn metadata<T>(&self, offset: usize) -> NonNull<T> {
        let place = self.class.header + offset;
        debug_assert!(place + size_of::<T>() <= self.geometry.page_size);
        // SAFETY: all parts of the metadata are inside the page (promise 1), by the geometry.
        unsafe { self.page.byte_add(place) }.cast()
    }

    #[inline(always)]
    fn header(&self) -> NonNull<Header> {
        self.metadata(0)
    }

    // ---- the header ----

    /// Whether nobody has written over the header, as far as that can be seen here. Its links are to be
    /// looked up before they are followed.
    #[inline(always)]
    pub(crate) fn is_intact(&self) -> bool {
        // SAFETY: promises 1 and 2; any bytes make a header.
        let Header { allocated_count, freed_count, canary, .. } = unsafe { self.header().read() };
        canary == self.geometry.canary
            && freed_count <= allocated_count
            && allocated_count as usize <= self.class.slot_count
    }

    #[inline(always)]
    pub(crate) fn allocated_count(&self) -> usize {
        // SAFETY: promises 1 and 2.
        unsafe { (*self.header().as_ptr()).allocated_count as usize }
    }

    /// Whether every block that was ever handed out has been freed.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: promises 1 and 2.
        unsafe { (*self.header().as_ptr()).freed_count as usize == self.allocated_count() }
    }

    /// Whether all blocks but one that were ever handed out have been freed.
    #[inline(always)]
    pub(crate) fn has_one_block(&self) -> bool {
        // SAFETY: promises 1 and 2.
        let freed_count = unsafe { (*self.header().as_ptr()).freed_count as usize };
        freed_count + 1 == self.allocated_count()
    }

    pub(crate) fn prev(&self) -> Option<NonNull<u8>> {
        // SAFETY: promises 1 and 2.
        unsafe { (*self.header().as_ptr()).prev }
    }

    pub(crate) fn next(&self) -> Option<NonNull<u8>> {
        // SAFETY: promises 1 and 2.
        unsafe { (*self.header().as_ptr()).next }
    }

    pub(crate) fn set_prev(&self, prev: Option<NonNull<u8>>) {
        // SAFETY: promises 1 and 2.
        unsafe { (*self.header().as_ptr()).prev = prev };
    }

    pub(crate) fn set_next(&self, next: Option<NonNull<u8>>) {
        // SAFETY: promises 1 and 2.
        unsafe { (*self.header().as_ptr()).next = next };
    }

    // ---- the slots ----

    #[inline(always)]
    pub(crate) fn slot(&self, slot: usize) -> NonNull<u8> {
        assert!(slot < self.class.slot_count);
        // SAFETY: the slots are inside the page (promise 1).
        unsafe { self.page.byte_add(slot << self.index) }
    }

    /// The slot that an address of this page is in, if it has ever been handed out.
    #[inline(always)]
    pub(crate) fn slot_of(&self, address: usize) -> Option<usize> {
        let slot = (address - self.page.addr().get()) >> self.index;
        (slot < self.allocated_count()).then_some(slot)
    }

    /// Hands out the next slot, if there is one.
    pub(crate) fn take(&self, len: usize, alignment: Alignment, site: Site<'_>) -> Option<NonNull<u8>> {
        let slot = self.take_slot()?;
        if self.geometry.safety {
            // SAFETY: promises 1 and 2; the geometry has a byte for each slot.
            unsafe { self.metadata::<Alignment>(self.class.alignments + slot).write(alignment) };
            self.set_len(slot, len);
        }
        self.set_trace(slot, Event::Allocation, site);
        Some(self.slot(slot))
    }

    /// The next slot, of which it is stored that it is in use, and nothing else yet.
    #[inline(always)]
    pub(crate) fn take_slot(&self) -> Option<usize> {
        let slot = self.allocated_count();
        if slot >= self.class.slot_count {
            return None;
        }
        // SAFETY: promises 1 and 2.
        unsafe { (*self.header().as_ptr()).allocated_count += 1 };
        let (word, bit) = self.used_bit(slot);
        // The first slot of a word initialises it, so the page need not be zero.
        // SAFETY: promises 1 and 2; the bits of earlier slots are initialised, and so is their word.
        unsafe { word.write(if bit == 1 { 1 } else { word.read() | bit }) };
        Some(slot)
    }

    /// Ends the block in a slot. It must be in use.
    pub(crate) fn free(&self, slot: usize, site: Site<'_>) {
        self.set_trace(slot, Event::Free, site);
        self.free_slot(slot);
    }

    /// As [`free`](Self::free); its trace is not stored.
    #[inline(always)]
    pub(crate) fn free_slot(&self, slot: usize) {
        let (word, bit) = self.used_bit(slot);
        // SAFETY: promises 1 and 2.
        unsafe {
            word.write(word.read() & !bit);
            (*self.header().as_ptr()).freed_count += 1;
        }
    }

    #[inline(always)]
    fn used_bit(&self, slot: usize) -> (NonNull<usize>, usize) {
        const BITS: usize = usize::BITS as usize;
        (self.metadata(size_of::<Header>() + slot / BITS * WORD), 1 << (slot % BITS))
    }

    /// Whether the block in a slot that has been handed out is live.
    #[inline(always)]
    pub(crate) fn is_used(&self, slot: usize) -> bool {
        debug_assert!(slot < self.allocated_count());
        let (word, bit) = self.used_bit(slot);
        // SAFETY: promises 1 and 2.
        unsafe { word.read() & bit != 0 }
    }

    // ---- lengths and alignments, with safety only ----

    /// The length of a live block, if it is stored.
    pub(crate) fn len(&self, slot: usize) -> Option<usize> {
        debug_assert!(slot < self.allocated_count());
        if !self.geometry.safety {
            return None;
        }
        let offset = self.class.lengths + slot * self.geometry.length_size;
        // SAFETY: promises 1 and 2. The lengths begin at a multiple of their size, and the header at
        // one of a word.
        Some(unsafe {
            match self.geometry.length_size {
                1 => self.metadata::<u8>(offset).read() as usize,
                2 => self.metadata::<u16>(offset).read() as usize,
                _ => self.metadata::<u32>(offset).read() as usize,
            }
        })
    }

    /// Whether the length and the alignment of a live block can be what was stored.
    pub(crate) fn is_slot_intact(&self, slot: usize) -> bool {
        self.len(slot).is_none_or(|len| (1..=self.slot_size()).contains(&len))
            && self.alignment(slot).is_none_or(Alignment::is_valid)
    }

    /// Stores the length of a live block, and marks the rest of its slot.
    pub(crate) fn set_len(&self, slot: usize, len: usize) {
        debug_assert!(slot < self.allocated_count() && len <= self.slot_size());
        if !self.geometry.safety {
            return;
        }
        let offset = self.class.lengths + slot * self.geometry.length_size;
        // SAFETY: as in `len`; the largest small length fits.
        unsafe {
            match self.geometry.length_size {
                1 => self.metadata::<u8>(offset).write(len as u8),
                2 => self.metadata::<u16>(offset).write(len as u16),
                _ => self.metadata::<u32>(offset).write(len as u32),
            }
        }
        // SAFETY: these bytes are in the slot, and nobody has asked for them.
        unsafe { self.slot(slot).byte_add(len).write_bytes(SLACK, self.slot_size() - len) };
    }

    /// The index of the first byte behind a live block that somebody has written to.
    pub(crate) fn first_overrun(&self, slot: usize) -> Option<usize> {
        let len = self.len(slot)?;
        assert!(len <= self.slot_size());
        // SAFETY: `set_len` has written these bytes, they are in the slot, and nobody has the right to
        // touch them.
        let slack = unsafe {
            let begin = self.slot(slot).byte_add(len);
            core::slice::from_raw_parts(begin.as_ptr(), self.slot_size() - len)
        };
        // There may be many, and comparing slices is fast.
        const UNTOUCHED: [u8; 256] = [SLACK; 256];
        let mut index = len;
        for chunk in slack.chunks(UNTOUCHED.len()) {
            if *chunk != UNTOUCHED[..chunk.len()] {
                return chunk.iter().position(|&byte| byte != SLACK).map(|found| index + found);
            }
            index += chunk.len();
        }
        None
    }

    /// The alignment of a live block, if it is stored.
    pub(crate) fn alignment(&self, slot: usize) -> Option<Alignment> {
        debug_assert!(slot < self.allocated_count());
        // SAFETY: promises 1 and 2; `take` has written it.
        self.geometry
            .safety
            .then(|| unsafe { self.metadata::<Alignment>(self.class.alignments + slot).read() })
    }

    // ---- traces ----

    fn trace_place(&self, slot: usize, event: Event) -> NonNull<usize> {
        self.metadata(self.class.traces + (2 * slot + event as usize) * self.geometry.frames * WORD)
    }

    pub(crate) fn set_trace(&self, slot: usize, event: Event, site: Site<'_>) {
        if self.geometry.frames == 0 {
            return;
        }
        // SAFETY: promises 1 and 2; the geometry has `frames` words for each event of each slot.
        unsafe { self.trace_place(slot, event).write(site.word()) };
    }

    /// The word that has been stored of a call: that of the allocation of a slot that has been handed out, or
    /// that of the end of one that has been freed. 0 if nothing is stored.
    pub(crate) fn trace(&self, slot: usize, event: Event) -> usize {
        if self.geometry.frames == 0 {
            return 0;
        }
        // SAFETY: promises 1 and 2; `set_trace` has written it.
        unsafe { self.trace_place(slot, event).read() }
    }
}
