//! One page of small blocks: its header, and its slots.

use core::ptr::NonNull;

use super::geometry::{Class, Geometry, WORD};
use super::slot::{Event, Slot};
use crate::alignment::Alignment;
use crate::heap::report::CallSite;

/// What comes after the slots of a page. Zig's `BucketHeader`.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Header {
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

/// A page of a class.
///
/// Three facts hold from [`init`](Bucket::init) or [`new`](Bucket::new) on, for as long as the value is used:
///
/// 1. *Page*: it is a live block of the child, of this geometry, and was initialised for this class. So the header is
///    initialised, and so are, of each slot that has been handed out, the used bit, the allocation's trace, and with
///    safety the length and the alignment.
/// 2. *Locked*: nothing else uses the bytes of the metadata, since this thread has the allocator's lock.
/// 3. *Intact*: the program has not written over the metadata. Where that is not certain,
///    [`is_intact`](Bucket::is_intact) comes first; it needs the first two alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket<'g> {
    page: NonNull<u8>,
    /// The class: the log2 of the slots' size.
    index: usize,
    pub(super) class: &'g Class,
    pub(super) geometry: &'g Geometry,
}

impl<'g> Bucket<'g> {
    /// A new page without blocks, at the head of the list of its class.
    ///
    /// # Safety
    /// `page` is a live block of the child, as long and as aligned as the geometry says. No block is live in it, and no
    /// page has a link to it. Facts 2 and 3 of [`Bucket`] hold.
    pub(crate) unsafe fn init(
        geometry: &'g Geometry,
        index: usize,
        page: NonNull<u8>,
        prev: Option<NonNull<u8>>,
    ) -> Bucket<'g> {
        let bucket = Bucket { page, index, class: geometry.class(index), geometry };
        let header = Header { allocated_count: 0, freed_count: 0, prev, next: None, canary: geometry.canary };
        // SAFETY: the header is inside the page, and aligned since the page is; any bytes may be written over.
        unsafe { bucket.header().write(header) };
        bucket
    }

    /// # Safety
    /// The three facts of [`Bucket`] hold.
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

    /// The address of a part of the metadata, `offset` bytes after the start of the header.
    ///
    /// # Safety
    /// A `T` at this offset ends in the page.
    #[inline(always)]
    pub(super) unsafe fn metadata<T>(&self, offset: usize) -> NonNull<T> {
        let place = self.class.header + offset;
        debug_assert!(place + size_of::<T>() <= self.geometry.page_size);
        // SAFETY: the place is inside the page, a live block, by our caller.
        unsafe { self.page.byte_add(place) }.cast()
    }

    // ---- the header ----

    #[inline(always)]
    fn header(&self) -> NonNull<Header> {
        // SAFETY: the geometry has room for the header and what comes after it.
        unsafe { self.metadata(0) }
    }

    /// Whether the header is intact, as far as can be seen here. The caller checks its links before it follows them.
    #[inline(always)]
    pub(crate) fn is_intact(&self) -> bool {
        // SAFETY: the header of a page, which is locked; any bytes make a header.
        let Header { allocated_count, freed_count, canary, .. } = unsafe { self.header().read() };
        canary == self.geometry.canary
            && freed_count <= allocated_count
            && allocated_count as usize <= self.class.slot_count
    }

    #[inline(always)]
    pub(crate) fn allocated_count(&self) -> usize {
        // SAFETY: the header of a page, which is locked.
        unsafe { (*self.header().as_ptr()).allocated_count as usize }
    }

    #[inline(always)]
    fn freed_count(&self) -> usize {
        // SAFETY: the header of a page, which is locked.
        unsafe { (*self.header().as_ptr()).freed_count as usize }
    }

    /// # Safety
    /// A slot of the page was in use, is not any more, and has not been counted yet.
    #[inline(always)]
    pub(super) unsafe fn count_freed(&self) {
        // SAFETY: the header of a page, which is locked.
        unsafe { (*self.header().as_ptr()).freed_count += 1 };
    }

    /// Whether every block that was ever handed out has been freed.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.freed_count() == self.allocated_count()
    }

    /// Whether all blocks but one that were ever handed out have been freed.
    #[inline(always)]
    pub(crate) fn has_one_block(&self) -> bool {
        self.freed_count() + 1 == self.allocated_count()
    }

    #[inline(always)]
    pub(crate) fn prev(&self) -> Option<NonNull<u8>> {
        // SAFETY: the header of a page, which is locked.
        unsafe { (*self.header().as_ptr()).prev }
    }

    #[inline(always)]
    pub(crate) fn next(&self) -> Option<NonNull<u8>> {
        // SAFETY: the header of a page, which is locked.
        unsafe { (*self.header().as_ptr()).next }
    }

    /// # Safety
    /// If `prev` is a page, it is another one of this class for which the facts of [`Bucket`] hold, and the link is
    /// changed before that page is given back.
    pub(crate) unsafe fn set_prev(&self, prev: Option<NonNull<u8>>) {
        // SAFETY: the header of a page, which is locked.
        unsafe { (*self.header().as_ptr()).prev = prev };
    }

    /// # Safety
    /// As for [`set_prev`](Self::set_prev).
    pub(crate) unsafe fn set_next(&self, next: Option<NonNull<u8>>) {
        // SAFETY: the header of a page, which is locked.
        unsafe { (*self.header().as_ptr()).next = next };
    }

    // ---- the slots ----

    /// The slot that an address of this page is in, if it has ever been handed out.
    #[inline(always)]
    pub(crate) fn slot_of(self, address: usize) -> Option<Slot<'g>> {
        let number = (address - self.page.addr().get()) >> self.index;
        // SAFETY: the header counts this slot.
        (number < self.allocated_count()).then(|| unsafe { Slot::new(self, number) })
    }

    /// All slots that have been handed out.
    pub(crate) fn slots(self) -> impl Iterator<Item = Slot<'g>> {
        // SAFETY: the header counts these slots.
        (0..self.allocated_count()).map(move |number| unsafe { Slot::new(self, number) })
    }

    /// The address of a slot.
    ///
    /// # Safety
    /// `number` is below the class's number of slots.
    #[inline(always)]
    pub(super) unsafe fn address_of(&self, number: usize) -> NonNull<u8> {
        debug_assert!(number < self.class.slot_count);
        // SAFETY: all slots are inside the page, a live block.
        unsafe { self.page.byte_add(number << self.index) }
    }

    /// Hands out the next slot, if there is one, and stores the metadata of its block.
    pub(crate) fn take(self, len: usize, alignment: Alignment, site: CallSite<'_>) -> Option<NonNull<u8>> {
        assert!(len <= self.slot_size());
        // SAFETY: the metadata is stored below.
        let slot = unsafe { self.take_slot() }?;
        slot.set_alignment(alignment);
        // SAFETY: `len` is at most the slot's size, and all bytes of a new slot are unused.
        unsafe { slot.set_len(len) };
        slot.set_trace(Event::Allocation, site);
        Some(slot.memory())
    }

    /// Hands out the next slot, if there is one, and stores only that it is in use.
    ///
    /// # Safety
    /// With safety, or with traces, the caller stores the length, the alignment and the allocation's trace before
    /// anything reads them.
    #[inline(always)]
    unsafe fn take_slot(self) -> Option<Slot<'g>> {
        let number = self.allocated_count();
        if number >= self.class.slot_count {
            return None;
        }
        // SAFETY: the header of a page, which is locked.
        unsafe { (*self.header().as_ptr()).allocated_count += 1 };
        // SAFETY: the header now counts it.
        let slot = unsafe { Slot::new(self, number) };
        // SAFETY: just handed out. Slots are handed out in order, and each was marked then.
        unsafe { slot.set_used() };
        Some(slot)
    }

    /// [`take`](Self::take), if there are no traces.
    ///
    /// # Safety
    /// The geometry has no traces; `SAFETY` is its own. `len` is at most the size of a slot.
    #[inline(always)]
    pub(crate) unsafe fn take_quick<const SAFETY: bool>(
        self,
        len: usize,
        alignment: Alignment,
    ) -> Option<NonNull<u8>> {
        debug_assert!(self.geometry.frames == 0 && self.geometry.safety == SAFETY && len <= self.slot_size());
        // SAFETY: the metadata is stored below; there are no traces, by our caller.
        let slot = unsafe { self.take_slot() }?;
        if SAFETY {
            slot.set_alignment(alignment);
            // SAFETY: `len` is at most the slot's size, by our caller, and all bytes of a new slot are unused.
            unsafe { slot.set_len(len) };
        }
        Some(slot.memory())
    }
}

pub(super) const HEADER: usize = size_of::<Header>();
const _: () = assert!(HEADER % WORD == 0);
