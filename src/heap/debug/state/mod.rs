//! The state under the lock, and how a call changes it.

mod fork;
mod kept;
mod large;
mod lock;
mod quarantine;
mod small;
mod stacks;
mod table;

use core::ptr::NonNull;

pub(super) use large::Large;
pub(in crate::heap) use lock::{Guard, Lock};
use quarantine::{Freed, Quarantine, Unused};
pub(in crate::heap) use stacks::{PAGES_ARE_THE_SYSTEMS, Stacks};
use table::Table;

use super::config::DebugConfig;
use super::pages::{Bucket, Geometry, MAX_CLASSES};
use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::heap::report::{Call, PendingReport, ReportKind};
use crate::return_address::return_address;

/// A page in the table of pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) memory: NonNull<u8>,
    pub(crate) class: usize,
    /// Younger pages have a higher number.
    pub(crate) serial: usize,
}

/// Everything that changes. It is always used with the same geometry and the same child.
///
/// The tables hold blocks of the child: `pages` all pages, including empty ones (`never_unmap`, in quarantine, or
/// `kept`), and `large` all large blocks, whose [status](large::Status) says whether they are live here and in the
/// child. A block in quarantine is live in the child, and owned by `quarantine`; a kept page is owned by `kept`.
#[derive(Debug)]
pub(crate) struct State {
    /// The newest page of each class, whose slots are handed out: a page of the table, of this class.
    heads: [Option<NonNull<u8>>; MAX_CLASSES],
    pub(crate) pages: Table<Page, false>,
    pub(crate) large: Table<Large, true>,
    /// The stacks of calls, by number.
    stacks: Stacks,
    quarantine: Quarantine,
    /// For each class, an empty page for its next blocks.
    kept: [Option<Unused>; MAX_CLASSES],
    /// How many pages and large blocks there have been.
    serial: usize,
    pub(crate) total_requested_bytes: usize,
    pub(crate) requested_memory_limit: usize,
}

impl State {
    pub(crate) const fn new(config: &DebugConfig) -> State {
        let traces = if config.retain_metadata { 2 } else { 1 };
        State {
            heads: [None; MAX_CLASSES],
            pages: Table::new(0),
            large: Table::new(traces * config.stack_trace_frames),
            stacks: Stacks::new(),
            quarantine: Quarantine::new(),
            kept: [const { None }; MAX_CLASSES],
            serial: 0,
            total_requested_bytes: 0,
            requested_memory_limit: usize::MAX,
        }
    }

    /// Returns a slot of the newest page of a class, if that is all there is to do. Otherwise returns `None`, and
    /// nothing has changed.
    ///
    /// # Safety
    /// `geometry` is that of this state, and has no traces.
    #[inline(always)]
    pub(crate) unsafe fn alloc_quick(
        &self,
        geometry: &Geometry,
        len: usize,
        alignment: Alignment,
    ) -> Option<NonNull<u8>> {
        if geometry.safety {
            // SAFETY: as for this function.
            unsafe { self.alloc_checked(geometry, len, alignment) }
        } else {
            // SAFETY: as for this function.
            unsafe { self.alloc_quick_with::<false>(geometry, len, alignment) }
        }
    }

    /// # Safety
    /// As for [`alloc_quick`](Self::alloc_quick), with safety. It is not inlined, to keep the other case short.
    #[inline(never)]
    unsafe fn alloc_checked(
        &self,
        geometry: &Geometry,
        len: usize,
        alignment: Alignment,
    ) -> Option<NonNull<u8>> {
        // SAFETY: as for this function.
        unsafe { self.alloc_quick_with::<true>(geometry, len, alignment) }
    }

    /// # Safety
    /// As for [`alloc_quick`](Self::alloc_quick); `SAFETY` is that of the geometry.
    #[inline(always)]
    unsafe fn alloc_quick_with<const SAFETY: bool>(
        &self,
        geometry: &Geometry,
        len: usize,
        alignment: Alignment,
    ) -> Option<NonNull<u8>> {
        let class = geometry.class_of(len, alignment);
        let page = (*self.heads.get(class)?)?;
        // SAFETY: a page of the table; the state is borrowed, so the allocator is locked; whether the header is intact
        // comes first.
        let bucket = unsafe { Bucket::new(geometry, class, page) };
        if !bucket.is_intact() || (SAFETY && !self.are_links_intact(bucket)) {
            return None;
        }
        // SAFETY: there are no traces, by our caller; the class has slots of this length.
        unsafe { bucket.take_quick::<SAFETY>(len, alignment) }
    }

    /// Frees a block, if there is nothing to report or to store, and its page stays. If not, or if the address is not a
    /// block's, false, and nothing has changed.
    ///
    /// # Safety
    /// `geometry` is that of this state, and has no traces. The block is not used any more (dead-pointer).
    #[inline(always)]
    pub(crate) unsafe fn free_quick(
        &self,
        geometry: &Geometry,
        address: usize,
        len: usize,
        alignment: Alignment,
    ) -> bool {
        if geometry.safety {
            // SAFETY: as for this function.
            unsafe { self.free_checked(geometry, address, len, alignment) }
        } else {
            // SAFETY: as for this function.
            unsafe { self.free_quick_with::<false>(geometry, address, len, alignment) }
        }
    }

    /// # Safety
    /// As for [`free_quick`](Self::free_quick), with safety. It is not inlined, to keep the other case short.
    #[inline(never)]
    unsafe fn free_checked(
        &self,
        geometry: &Geometry,
        address: usize,
        len: usize,
        alignment: Alignment,
    ) -> bool {
        // SAFETY: as for this function.
        unsafe { self.free_quick_with::<true>(geometry, address, len, alignment) }
    }

    /// # Safety
    /// As for [`free_quick`](Self::free_quick); `SAFETY` is that of the geometry.
    #[inline(always)]
    unsafe fn free_quick_with<const SAFETY: bool>(
        &self,
        geometry: &Geometry,
        address: usize,
        len: usize,
        alignment: Alignment,
    ) -> bool {
        let Some(page) = self.pages.lookup(address & !(geometry.page_size - 1)) else { return false };
        // SAFETY: a page of the table; the state is borrowed, so the allocator is locked; whether the header is intact
        // comes first.
        let bucket = unsafe { Bucket::new(geometry, page.class, page.memory) };
        if !bucket.is_intact() || (SAFETY && !self.are_links_intact(bucket)) {
            return false;
        }
        let Some(slot) = bucket.slot_of(address) else { return false };
        if bucket.has_one_block() || !slot.begins_at(address) || !slot.is_used() {
            return false;
        }
        if SAFETY && !slot.is_as_recorded(len, alignment) {
            return false;
        }
        // SAFETY: a slot in use, whose block is not used any more, by our caller. It is not the page's last.
        unsafe { slot.free_plain() };
        true
    }

    /// Whether the links of a page are to pages of the same class.
    #[inline(always)]
    fn are_links_intact(&self, bucket: Bucket<'_>) -> bool {
        match (bucket.prev(), bucket.next()) {
            // Most pages are the only one of their class.
            (None, None) => true,
            (prev, next) => {
                self.is_page(prev, bucket.class_index()) && self.is_page(next, bucket.class_index())
            }
        }
    }

    /// Whether a link, if there is one, is to a page of this class.
    fn is_page(&self, link: Option<NonNull<u8>>, class: usize) -> bool {
        link.is_none_or(|memory| {
            self.pages.lookup(memory.addr().get()).is_some_and(|page| page.class == class)
        })
    }

    /// The number of a new page or large block: the first is 1.
    pub(crate) fn next_serial(&mut self) -> usize {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// The number of the youngest page or large block.
    pub(crate) fn last_serial(&self) -> usize {
        self.serial
    }
}

/// The locked allocator.
///
/// This thread may call `child` (one-thread): it has a reference to the allocator, which is only `Sync` if the
/// child's handle is, and the lock keeps other threads out. `geometry` and `child` are those of the state.
pub(crate) struct Locked<'d> {
    pub(crate) state: Guard<'d, State>,
    pub(crate) child: Allocator<'d>,
    pub(crate) config: &'d DebugConfig,
    pub(crate) geometry: &'d Geometry,
}

impl<'d> Locked<'d> {
    /// # Safety
    /// The length is not zero (non-zero).
    pub(crate) unsafe fn alloc(
        &mut self,
        pending: &mut PendingReport<'_>,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let Call { len, alignment, .. } = pending.call;
        let total = self.total_after(0, len)?;
        self.store(&mut pending.call.site);
        let class = self.geometry.class_of(len, alignment);
        let memory = if class < self.geometry.class_count {
            self.alloc_small(class, pending)?
        } else {
            // SAFETY: the length is not zero, by our caller.
            unsafe { self.alloc_large(pending, ret_addr) }?
        };
        self.state.total_requested_bytes = total;
        Some(memory)
    }

    /// # Safety
    /// `new_len` is not zero (non-zero). If this succeeds, what it ends is not used any more (dead-pointer): the
    /// bytes past `new_len`, and the old block if it has moved.
    pub(crate) unsafe fn resize(
        &mut self,
        pending: &mut PendingReport<'_>,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let address = pending.call.address;
        if self.config.resize_stack_traces || self.config.retain_metadata {
            self.store(&mut pending.call.site);
        }
        if let Some(bucket) = self.bucket_of(address) {
            // SAFETY: what is past `new_len` is not used any more, by our caller.
            return unsafe { self.resize_small(bucket, pending, new_len) };
        }
        if let Some(index) = self.state.large.find(address) {
            // SAFETY: `new_len` is not zero, and what this ends is not used any more, by our caller.
            return unsafe { self.resize_large(index, pending, new_len, ret_addr) };
        }
        self.find_among_the_dead(pending);
        None
    }

    /// # Safety
    /// The block is not used any more (dead-pointer).
    pub(crate) unsafe fn free(&mut self, pending: &mut PendingReport<'_>, ret_addr: usize) {
        let address = pending.call.address;
        self.store(&mut pending.call.site);
        if let Some(bucket) = self.bucket_of(address) {
            // SAFETY: the block is not used any more, by our caller.
            unsafe { self.free_small(bucket, pending) };
        } else if let Some(index) = self.state.large.find(address) {
            // SAFETY: the block is not used any more, by our caller.
            unsafe { self.free_large(index, pending, ret_addr) };
        } else {
            self.find_among_the_dead(pending);
        }
    }

    /// The page that an address is in.
    fn bucket_of(&self, address: usize) -> Option<Bucket<'d>> {
        let Page { memory, class, .. } = self.state.pages.lookup(address & !(self.geometry.page_size - 1))?;
        // SAFETY: a page of the table.
        Some(unsafe { self.bucket(memory, class) })
    }

    /// Whether a block with this address would be taken for a small one.
    fn is_in_page(&self, memory: NonNull<u8>) -> bool {
        self.state.pages.lookup(memory.addr().get() & !(self.geometry.page_size - 1)).is_some()
    }

    /// The newest page of a class.
    pub(crate) fn head(&self, class: usize) -> Option<Bucket<'d>> {
        // SAFETY: a head is a page of the table, of this class.
        self.state.heads[class].map(|page| unsafe { self.bucket(page, class) })
    }

    /// Returns a page of a class. The caller checks whether it is [intact](Bucket::is_intact).
    ///
    /// # Safety
    /// `page` is in the table, with this class. An intact page has links to such pages only.
    pub(crate) unsafe fn bucket(&self, page: NonNull<u8>, class: usize) -> Bucket<'d> {
        // SAFETY: a page of the table, of this class, by our caller, and the allocator is locked. Callers that read
        // more than the header first check that it is intact.
        unsafe { Bucket::new(self.geometry, class, page) }
    }

    /// For an address where no live block starts: adds a double free to the report if a remembered block had it,
    /// otherwise an invalid free.
    #[cold]
    fn find_among_the_dead(&self, pending: &mut PendingReport<'_>) {
        let Some(freed) = self.state.quarantine.find(pending.call.address) else {
            pending.add(ReportKind::InvalidFree);
            return;
        };
        let report = pending.add(ReportKind::DoubleFree);
        report.recorded_len = Some(freed.len);
        report.recorded_alignment = Some(freed.alignment);
        report.allocation = self.trace_of(freed.allocation);
        report.first_free = self.trace_of(freed.free);
    }

    /// Remembers a block that this call frees, and frees its memory to the child, now or after its time in quarantine.
    /// `unused` is `None` if the child has the memory already, or if it is kept.
    ///
    /// The block of this call goes to the child last: the child may exit the process in each of its calls, and a
    /// container whose call has not returned then still refers to the block.
    fn bury(&mut self, freed: Freed, unused: Option<Unused>, ret_addr: usize) {
        let limit = self.config.quarantine;
        let (kept, given) = match unused {
            Some(unused) if unused.memory().len() > limit => (None, Some(unused)),
            unused => (unused, None),
        };
        if let Some(unused) = self.state.quarantine.push(freed, kept) {
            self.give_back(unused, return_address());
        }
        self.empty_quarantine(limit);
        if let Some(unused) = given {
            self.give_back(unused, ret_addr);
        }
    }

    /// Frees the memory that the next record would push out of quarantine.
    fn make_room_in_quarantine(&mut self) {
        if let Some(unused) = self.state.quarantine.take_next() {
            self.give_back(unused, return_address());
        }
    }

    /// Frees the oldest memory in quarantine to the child, until at most `limit` bytes are left.
    fn empty_quarantine(&mut self, limit: usize) {
        while let Some(unused) = self.state.quarantine.take_above(limit) {
            self.give_back(unused, return_address());
        }
    }

    /// Returns the total of requested bytes after a block of `len` bytes gets `new_len`, or `None` if that exceeds the
    /// limit. Shrinking is always allowed.
    fn total_after(&self, len: usize, new_len: usize) -> Option<usize> {
        let total = self.state.total_requested_bytes;
        if !self.config.enable_memory_limit {
            return Some(total);
        }
        // Without safety, the length of a small block is the caller's, and may be wrong.
        let new_total = total.saturating_sub(len).checked_add(new_len)?;
        (new_total <= total || new_total <= self.state.requested_memory_limit).then_some(new_total)
    }

    /// Subtracts a block of `len` bytes from the total.
    fn uncount(&mut self, len: usize) {
        if self.config.enable_memory_limit {
            self.state.total_requested_bytes = self.state.total_requested_bytes.saturating_sub(len);
        }
    }

    pub(crate) fn flush_retained_metadata(&mut self) {
        if !self.config.retain_metadata {
            self.free_kept_pages();
            return;
        }
        self.empty_quarantine(0);
        self.state.quarantine = Quarantine::new();
        self.free_kept_pages();
        // What a removal moves to a lower index has been examined, or arrives at this one. An entry is removed before
        // its memory is freed.
        let mut index = 0;
        while index < self.state.large.indexes().end {
            if !self.state.large.is_taken(index) || !self.state.large.get(index).is_freed() {
                index += 1;
                continue;
            }
            let large = self.state.large.get(index);
            self.state.large.remove(index);
            if large.is_owed() {
                // SAFETY: owed, and the entry that said so has been removed; freed, so nothing uses it.
                self.free_of_child(unsafe { large.unused() }, return_address());
            }
        }
        let mut index = 0;
        while index < self.state.pages.indexes().end {
            if self.state.pages.is_taken(index) {
                let Page { memory, class, .. } = self.state.pages.get(index);
                // SAFETY: a page of the table.
                let bucket = unsafe { self.bucket(memory, class) };
                // An overwritten page may look empty. It stays, and the next call that uses it reports it.
                if bucket.is_intact() && bucket.is_empty() {
                    // SAFETY: a page of the table without live blocks; none is in quarantine or kept any more.
                    let unused = unsafe { self.unused_page(memory) };
                    self.give_back(unused, return_address());
                    continue;
                }
            }
            index += 1;
        }
    }

    /// Ends all blocks, and frees their memory to the child, unless that is to be kept. The state is reset before the
    /// child is called.
    ///
    /// # Safety
    /// No block of this allocator is used any more (validity).
    pub(crate) unsafe fn release(&mut self) {
        let mut old = core::mem::replace(&mut *self.state, State::new(self.config));
        // They are in the table as well.
        old.kept = [const { None }; MAX_CLASSES];
        while let Some(unused) = old.quarantine.take_above(0) {
            // A page in quarantine is in the table as well.
            if unused.is_page() {
                let index = old.pages.find(unused.memory().addr().get());
                index.into_iter().for_each(|index| old.pages.remove(index));
            }
            self.free_of_child(unused, return_address());
        }
        if !self.config.never_unmap || self.config.retain_metadata {
            for index in old.pages.indexes().filter(|&index| old.pages.is_taken(index)) {
                // SAFETY: a page of the old table, which is neither in quarantine nor kept; no block is used any more,
                // by our caller.
                let unused = unsafe { self.unused_page(old.pages.get(index).memory) };
                self.free_of_child(unused, return_address());
            }
            for index in old.large.indexes().filter(|&index| old.large.is_taken(index)) {
                let large = old.large.get(index);
                if large.is_owed() {
                    // SAFETY: owed, by an entry of the old table; no block is used any more, by our caller.
                    self.free_of_child(unsafe { large.unused() }, return_address());
                }
            }
        }
        // SAFETY: always this child, which this thread may call.
        unsafe { old.pages.release(self.child) };
        // SAFETY: always this child, which this thread may call.
        unsafe { old.large.release(self.child) };
        // SAFETY: always this child, which this thread may call.
        unsafe { old.stacks.release(self.child) };
    }

    /// A page without live blocks.
    ///
    /// # Safety
    /// As for [`Unused::new`]: `page` is or was in the table of pages, none of its blocks is live, and this is the
    /// only value for it.
    unsafe fn unused_page(&self, page: NonNull<u8>) -> Unused {
        let memory = NonNull::slice_from_raw_parts(page, self.geometry.page_size);
        // SAFETY: all pages are live blocks of the child of this length and alignment; the rest is so by our caller.
        unsafe { Unused::new(memory, self.geometry.page_alignment(), true) }
    }

    /// Frees memory to the child, unless it is a page that is to be kept.
    fn give_back(&mut self, unused: Unused, ret_addr: usize) {
        if !unused.is_page() {
            self.free_of_child(unused, ret_addr);
        } else if let Some(unused) = self.keep(unused) {
            self.free_page(unused);
        }
    }

    /// Frees a page to the child. It is first removed from the table.
    fn free_page(&mut self, unused: Unused) {
        if let Some(index) = self.state.pages.find(unused.memory().addr().get()) {
            self.state.pages.remove(index);
        }
        self.free_of_child(unused, return_address());
    }

    /// Frees memory to the child. A page has been removed from the table.
    fn free_of_child(&self, unused: Unused, ret_addr: usize) {
        // SAFETY: a live block of the child with matching length and alignment (live-block), which nothing uses
        // (dead-pointer), by the only `Unused` for it; this thread may call the child (one-thread).
        unsafe { self.child.raw_free(unused.memory(), unused.alignment(), ret_addr) };
    }
}
