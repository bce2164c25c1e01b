//! Large blocks: each is a block of the child.

use core::ptr::NonNull;

use super::Locked;
use super::quarantine::{Freed, Unused};
use crate::alignment::Alignment;
use crate::heap::debug::pages::Event;
use crate::heap::report::CallSite;
use crate::heap::report::{Call, Operation, PendingReport, Report, ReportKind};

/// An entry of the table of large blocks, without its traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Large {
    pub(crate) memory: NonNull<[u8]>,
    pub(crate) alignment: Alignment,
    pub(crate) status: Status,
    /// Younger blocks have a higher number.
    pub(crate) serial: usize,
}

/// Whether a block of the table is live, and whether its memory is still a block of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Live, here and in the child.
    Live,
    /// Freed here and remembered, since metadata is retained. It is still live in the child, because of
    /// [`never_unmap`](crate::heap::DebugConfig::never_unmap), and is freed to the child at the end.
    Kept,
    /// Freed here and remembered. The child's block has ended too, by `free` or by a `remap` that moved it, or it is in
    /// quarantine, which then owns it. The child may have reused its address.
    Gone,
}

impl Large {
    /// Whether this memory must still be freed to the child, and only the table refers to it.
    pub(crate) fn is_owed(&self) -> bool {
        self.status != Status::Gone
    }

    pub(crate) fn is_freed(&self) -> bool {
        self.status != Status::Live
    }

    /// # Safety
    /// As for [`Unused::new`]: this block is live in the child, and nothing uses it any more. This is the only value
    /// for it.
    pub(super) unsafe fn unused(self) -> Unused {
        // SAFETY: the length and the alignment of a block of the child, which is live and not used, by our caller.
        unsafe { Unused::new(self.memory, self.alignment, false) }
    }
}

impl Locked<'_> {
    /// # Safety
    /// The length is not zero (non-zero).
    pub(super) unsafe fn alloc_large(
        &mut self,
        pending: &mut PendingReport<'_>,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let Call { len, alignment, site, .. } = pending.call;
        // SAFETY: always this child, which this thread may call.
        self.ask(|this| unsafe { this.state.large.reserve(this.child) })?;
        // SAFETY: the length is not zero, by our caller; this thread may call the child (one-thread).
        let memory = self.ask(|this| unsafe { this.child.raw_alloc(len, alignment, ret_addr) })?;
        let block = NonNull::slice_from_raw_parts(memory, len);
        if self.is_in_page(memory) {
            // Its address would make it a small block. This can happen if the child gets its own memory from this
            // allocator.
            // SAFETY: a new block of the child, which nothing has used; this thread may call the child.
            unsafe { self.child.raw_free(block, alignment, ret_addr) };
            return None;
        }
        let serial = self.state.next_serial();
        let large = Large { memory: block, alignment, status: Status::Live, serial };
        // SAFETY: a new block of the child, whose alignment this is.
        let index = unsafe { self.enter(large) };
        self.set_large_trace(index, Event::Allocation, site.word());
        Some(memory)
    }

    /// # Safety
    /// `new_len` is not zero (non-zero). If this succeeds, what it ends is not used any more (dead-pointer): the
    /// bytes past `new_len`, and the old block if it has moved.
    pub(super) unsafe fn resize_large(
        &mut self,
        mut index: usize,
        pending: &mut PendingReport<'_>,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let large = self.live_large(index, pending)?;
        let Large { memory, alignment, .. } = large;
        // A large block does not become a small one, which would need a slot.
        if self.geometry.class_of(new_len, alignment) < self.geometry.class_count {
            return None;
        }
        let total = self.total_after(memory.len(), new_len)?;
        if pending.call.operation == Operation::Remap && self.config.retain_metadata {
            // The block may move, and the record of its old address stays.
            // SAFETY: always this child, which this thread may call.
            unsafe { self.state.large.reserve(self.child) }?;
            index = self.state.large.find(pending.call.address)?;
        }
        let resized = if pending.call.operation == Operation::Remap {
            // If the block moves, its old address gets a record. The child must not be called after that: see `bury`.
            self.make_room_in_quarantine();
            // SAFETY: a live block of the child as the table has it (live-block); `new_len` is not zero, and the old
            // block is not used if it moves, by our caller; this thread may call the child (one-thread).
            unsafe { self.child.raw_remap(memory, alignment, new_len, ret_addr) }?
        } else {
            // SAFETY: a live block of the child as the table has it (live-block); `new_len` is not zero, and what is
            // past it is not used, by our caller; this thread may call the child (one-thread).
            let resized = unsafe { self.child.raw_resize(memory, alignment, new_len, ret_addr) };
            resized.then_some(memory.cast())?
        };
        self.state.total_requested_bytes = total;
        let site = pending.call.site;
        let new = Large { memory: NonNull::slice_from_raw_parts(resized, new_len), ..large };
        let index = if resized == memory.cast() {
            self.state.large.set(index, new);
            index
        } else {
            let allocation = self.large_trace(index, Event::Allocation);
            // SAFETY: the child's `remap` has ended the old block: nothing is owed, whatever `never_unmap` says.
            let freed = unsafe { self.forget(index, Status::Gone, site) };
            self.bury(freed, None, ret_addr);
            // SAFETY: the block that the child's `remap` has returned, with the old one's alignment.
            let index = unsafe { self.enter(new) };
            self.set_large_trace(index, Event::Allocation, allocation);
            index
        };
        if self.config.resize_stack_traces {
            self.set_large_trace(index, Event::Allocation, site.word());
        }
        Some(resized)
    }

    /// # Safety
    /// The block is not used any more (dead-pointer).
    pub(super) unsafe fn free_large(
        &mut self,
        index: usize,
        pending: &mut PendingReport<'_>,
        ret_addr: usize,
    ) {
        let Some(large) = self.live_large(index, pending) else { return };
        self.uncount(large.memory.len());
        let status = if self.config.never_unmap { Status::Kept } else { Status::Gone };
        // SAFETY: it was live. If it is gone from the table, it is buried here, otherwise it stays live in the child.
        let freed = unsafe { self.forget(index, status, pending.call.site) };
        // SAFETY: it was live here and in the child, and the table does not own it any more; nothing uses it, by our
        // caller.
        let unused = (status == Status::Gone).then(|| unsafe { large.unused() });
        self.bury(freed, unused, ret_addr);
    }

    /// Returns the live block of an entry. Mistakes are added to the report; if the block was freed, the result is
    /// `None`.
    fn live_large(&self, index: usize, pending: &mut PendingReport<'_>) -> Option<Large> {
        let large = self.state.large.get(index);
        if large.is_freed() {
            self.describe_large(index, large, pending.add(ReportKind::DoubleFree));
            pending.report().first_free = self.trace_of(self.large_trace(index, Event::Free));
            return None;
        }
        if self.config.safety && large.memory.len() != pending.call.len {
            self.describe_large(index, large, pending.add(ReportKind::WrongLength));
        }
        if self.config.safety && large.alignment != pending.call.alignment {
            self.describe_large(index, large, pending.add(ReportKind::WrongAlignment));
        }
        Some(large)
    }

    fn describe_large(&self, index: usize, large: Large, report: &mut Report) {
        report.recorded_len = Some(large.memory.len());
        report.recorded_alignment = Some(large.alignment);
        report.allocation = self.trace_of(self.large_trace(index, Event::Allocation));
    }

    /// Adds a live block, for which there is room, and returns its index.
    ///
    /// # Safety
    /// The block is live in the child, with this length and alignment, and from here on the table's to give back.
    unsafe fn enter(&mut self, large: Large) -> usize {
        let address = large.memory.addr().get();
        assert!(
            !self.is_in_page(large.memory.cast()),
            "DebugAllocator: the child's remap moved a block to {address:#x}, in a page of small blocks"
        );
        if let Some(index) = self.state.large.find(address) {
            // The child has reused the memory of a freed block whose metadata was retained.
            assert!(
                !self.state.large.get(index).is_owed(),
                "DebugAllocator: the child returned {address:#x}, where a block of it is live (clause new-block)"
            );
            self.state.large.remove(index);
        }
        self.state.large.insert(address, large)
    }

    /// Marks a live block's entry as freed if metadata is retained, otherwise removes it.
    ///
    /// # Safety
    /// With [`Status::Kept`] the block is live in the child, and nothing uses it any more. With [`Status::Gone`] it has
    /// ended there, or the caller gives it back.
    unsafe fn forget(&mut self, index: usize, status: Status, site: CallSite<'_>) -> Freed {
        let large = self.state.large.get(index);
        let Large { memory, alignment, .. } = large;
        let allocation = self.large_trace(index, Event::Allocation);
        if self.config.retain_metadata {
            self.state.large.set(index, Large { status, ..large });
            self.set_large_trace(index, Event::Free, site.word());
        } else {
            self.state.large.remove(index);
        }
        let address = memory.addr().get();
        Freed { address, len: memory.len(), alignment, allocation, free: site.word() }
    }

    /// The word stored for a call; 0 if there is none.
    pub(crate) fn large_trace(&self, index: usize, event: Event) -> usize {
        self.state.large.words(index).get(event as usize * self.geometry.frames).copied().unwrap_or(0)
    }

    fn set_large_trace(&mut self, index: usize, event: Event, word: usize) {
        let frames = self.geometry.frames;
        if frames != 0 {
            self.state.large.words_mut(index)[event as usize * frames] = word;
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::State;
    use super::*;
    use crate::heap::PAGE_ALLOCATOR;
    use crate::heap::debug::DebugConfig;

    /// DA-08: a record has room for one trace, and for that of the free where it is retained; what else it
    /// holds is the same in every configuration.
    #[rstest]
    #[case(false, 0, 0)]
    #[case(false, 6, 6)]
    #[case(false, 10, 10)]
    #[case(true, 0, 0)]
    #[case(true, 6, 12)]
    fn records(#[case] retain_metadata: bool, #[case] frames: usize, #[case] words: usize) {
        let config = DebugConfig { retain_metadata, stack_trace_frames: frames, ..DebugConfig::DEFAULT };
        let mut table = State::new(&config).large;
        let memory = NonNull::slice_from_raw_parts(NonNull::dangling(), 100);
        // SAFETY: always this child.
        unsafe { table.reserve(*PAGE_ALLOCATOR) }.unwrap();
        let index =
            table.insert(8, Large { memory, alignment: Alignment::_1, status: Status::Live, serial: 1 });
        assert_eq!(table.words(index).len(), words);
        // SAFETY: always this child.
        unsafe { table.release(*PAGE_ALLOCATOR) };
    }
}
