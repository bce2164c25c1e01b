//! What a call does.

use core::ptr::NonNull;

use super::SafeAllocator;
use super::bucket::Bucket;
use super::dead::Freed;
use super::entries::{Entry, SEGMENT_ALIGNMENT, segment_len};
use super::footer::{Content, Footer, Modify, Place};
use super::index::Found;
use super::layout::{Layout, block_alignment, round};
use super::slots::Held;
use crate::alignment::Alignment;
use crate::allocator::{Allocator, Handle};
use crate::heap::report::PendingReport;

/// A live block that a call has marked: no other call changes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'l> {
    pub(super) memory: NonNull<u8>,
    pub(super) footer: Footer<'l>,
    /// The bucket that the block is in; `None` if it is large.
    pub(super) bucket: Option<Bucket<'l>>,
    pub(super) len: usize,
    pub(super) alignment: Alignment,
}

impl<'l> Target<'l> {
    /// # Safety
    /// `footer` is the intact footer of a block that this call has marked, in `bucket`, or of a large one.
    #[inline(always)]
    pub(super) unsafe fn new(footer: Footer<'l>, bucket: Option<Bucket<'l>>) -> Target<'l> {
        // SAFETY: an intact footer is this far after its block's start.
        let memory = unsafe { footer.at().byte_sub(footer.distance()) };
        Target { memory, footer, bucket, len: footer.len(), alignment: footer.alignment() }
    }

    /// The child's block that a large block is.
    pub(super) fn whole(&self, layout: &Layout) -> NonNull<[u8]> {
        let distance = self.footer.distance();
        NonNull::slice_from_raw_parts(self.memory, distance + layout.large_footer_len())
    }

    /// The entry of a large block.
    fn entry(&self) -> Option<&'l Entry> {
        // SAFETY: the container of an intact footer of a large block is its entry, in a segment of the table.
        unsafe { self.footer.container().cast::<Entry>().as_ref() }
    }

    /// The call has changed nothing.
    pub(super) fn abandon(&self) {
        self.footer.set_state(Modify::None);
    }
}

impl<C: Handle> SafeAllocator<C> {
    /// The child. This thread may call it (one-thread): it has a reference to the allocator, which is `Sync` only if
    /// the child's handle is.
    pub(super) fn child(&self) -> Allocator<'_> {
        self.child_allocator.as_allocator()
    }

    // ---- alloc ----

    /// A block in the bucket of this thread's slot, if that is all there is to do. Otherwise nothing has changed.
    ///
    /// # Safety
    /// The length is not zero, and the alignment is valid.
    #[inline(always)]
    pub(super) unsafe fn alloc_quickly(&self, len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        let slot = self.slots.try_take()?;
        let base = slot.fill_bucket?;
        if self.layout.is_large(len, alignment) != Some(false) {
            return None;
        }
        // SAFETY: the bucket of a slot is live, and made with this layout.
        let bucket = unsafe { Bucket::new(base, &self.layout) };
        // SAFETY: this thread has the slot; the block is not large, and its alignment is valid, by our caller.
        unsafe { bucket.take(len, alignment, 0) }
    }

    /// # Safety
    /// The length is not zero, and the alignment is valid.
    pub(super) unsafe fn alloc_block(
        &self,
        len: usize,
        alignment: Alignment,
        pending: &mut PendingReport<'_>,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let mut slot = self.slots.take();
        if self.layout.is_large(len, alignment)? {
            // SAFETY: the length is not zero, and the alignment is valid, by our caller.
            return unsafe { self.alloc_large(&mut slot, len, alignment, pending, ret_addr) };
        }
        let trace = pending.call.site.word();
        if let Some(base) = slot.fill_bucket {
            // SAFETY: the bucket of a slot is live, and made with this layout.
            let bucket = unsafe { Bucket::new(base, &self.layout) };
            // SAFETY: this thread has the slot; the block is not large, and its alignment is valid.
            if let Some(memory) = unsafe { bucket.take(len, alignment, trace) } {
                return Some(memory);
            }
            // Even if there is no memory for another one, this one is full.
            slot.fill_bucket = None;
            if bucket.retire() {
                // SAFETY: retired without live blocks, so it is ours.
                unsafe { self.end_bucket(bucket, Some(&mut slot), pending, ret_addr) };
            }
        }
        let bucket = self.new_bucket(&mut slot, ret_addr)?;
        // SAFETY: this thread has the slot; the block is not large, and its alignment is valid.
        unsafe { bucket.take(len, alignment, trace) }
    }

    fn new_bucket(&self, slot: &mut Held<'_>, ret_addr: usize) -> Option<Bucket<'_>> {
        let layout = &self.layout;
        self.reserve()?;
        let entry = self.new_entry(slot, ret_addr).or_else(|| self.cancel())?;
        // SAFETY: a bucket's size is not zero (non-zero); this thread may call the child.
        let base = unsafe {
            self.child().raw_alloc(layout.bucket_size as usize, layout.bucket_alignment(), ret_addr)
        };
        let Some(base) = base else {
            // SAFETY: taken just now.
            unsafe { slot.give_back(entry) };
            return self.cancel();
        };
        // SAFETY: a new block of the child (new-block) of this length and alignment.
        let bucket = unsafe { Bucket::init(base, entry.as_ptr(), layout) };
        self.shared(|shared| self.index.insert_bucket(&mut shared.writer, base));
        // SAFETY: an entry of a segment; this call has taken it.
        unsafe { entry.as_ref() }.set_bucket(base);
        slot.fill_bucket = Some(base);
        Some(bucket)
    }

    /// # Safety
    /// The length is not zero, and the alignment is valid.
    #[cold]
    unsafe fn alloc_large(
        &self,
        slot: &mut Held<'_>,
        len: usize,
        alignment: Alignment,
        pending: &mut PendingReport<'_>,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let size = self.layout.large_len(len)?;
        let aligned = block_alignment(alignment);
        self.reserve()?;
        let entry = self.new_entry(slot, ret_addr).or_else(|| self.cancel())?;
        // SAFETY: the size is not zero (non-zero); this thread may call the child.
        let memory = unsafe { self.child().raw_alloc(size, aligned, ret_addr) };
        let Some(memory) = memory else {
            // SAFETY: taken just now.
            unsafe { slot.give_back(entry) };
            return self.cancel();
        };
        if self.is_known(memory) {
            // The child gets its own memory from this allocator: its block could not be told from the one that it is
            // in.
            // SAFETY: taken just now.
            unsafe { slot.give_back(entry) };
            let block = NonNull::slice_from_raw_parts(memory, size);
            // SAFETY: a new block of the child, which nothing has used; this thread may call the child.
            unsafe { self.child().raw_free(block, aligned, ret_addr) };
            return self.cancel();
        }
        let trace = pending.call.site.word();
        // SAFETY: a new block of the child of that size.
        let footer = unsafe { self.write_large(memory, len, alignment, entry, trace) };
        let address = memory.addr().get();
        self.shared(|shared| self.index.insert_large(&mut shared.writer, address, footer.at()));
        // SAFETY: an entry of a segment; this call has taken it.
        unsafe { entry.as_ref() }.set_large(footer.at());
        Some(memory)
    }

    /// Writes the footer of a large block.
    ///
    /// # Safety
    /// `memory` is a block of the child of [`Layout::large_len`] bytes, which nothing else uses from there on.
    unsafe fn write_large(
        &self,
        memory: NonNull<u8>,
        len: usize,
        alignment: Alignment,
        entry: NonNull<Entry>,
        trace: usize,
    ) -> Footer<'_> {
        let offset = round(len).unwrap_or(0);
        let room = self.layout.large_footer_len();
        // SAFETY: within the child's block, by our caller.
        let at = unsafe { memory.byte_add(offset) };
        // SAFETY: aligned to 8, as the block and the offset are; the block ends after this room.
        let footer = unsafe { Footer::new(at, room, Place::Large, &self.layout) };
        let content = Content {
            len,
            alignment,
            is_extended: true,
            is_prev_extended: false,
            container: entry.as_ptr().cast(),
            trace,
        };
        // SAFETY: nothing else uses it, by our caller.
        unsafe { footer.write(&content) };
        footer
    }

    /// Whether a block with this address would be taken for another one. (A large block in flight may already have moved
    /// away from its address, which the child may hand out before it lands.)
    fn is_known(&self, memory: NonNull<u8>) -> bool {
        let address = memory.addr().get();
        self.index.bucket(address & !self.layout.bucket_mask()).is_some()
            || matches!(self.index.large(address), Found::Large(_))
    }

    fn reserve(&self) -> Option<()> {
        self.shared(|shared| self.index.reserve(&mut shared.writer))
    }

    /// A reserved record is not needed.
    fn cancel<T>(&self) -> Option<T> {
        self.shared(|shared| self.index.cancel(&mut shared.writer));
        None
    }

    /// SA-11: an entry for a new bucket or block.
    fn new_entry(&self, slot: &mut Held<'_>, ret_addr: usize) -> Option<NonNull<Entry>> {
        if let Some(entry) = slot.take(&self.layout) {
            return Some(entry);
        }
        // SAFETY: the length is not zero (non-zero); this thread may call the child.
        let memory =
            unsafe { self.child().raw_alloc(segment_len(&self.layout), SEGMENT_ALIGNMENT, ret_addr) }?;
        // SAFETY: a new block of the child (new-block) of this length and alignment.
        unsafe { slot.push_segment(memory) };
        slot.take(&self.layout)
    }

    /// Frees a bucket to the child, without live blocks. What has been written to them is added to the report.
    ///
    /// # Safety
    /// The bucket is the caller's: [`Bucket::retire`] or [`Bucket::release_block`] has returned true.
    #[cold]
    unsafe fn end_bucket(
        &self,
        bucket: Bucket<'_>,
        slot: Option<&mut Held<'_>>,
        pending: &mut PendingReport<'_>,
        ret_addr: usize,
    ) {
        // SAFETY: no block is live, and no call uses the bucket, by our caller.
        unsafe { self.check_bucket(bucket, pending) };
        if let Some(entry) = NonNull::new(bucket.entry()) {
            match slot {
                // SAFETY: the bucket's entry, which is ours as the bucket is.
                Some(slot) => unsafe { slot.give_back(entry) },
                // SAFETY: as above.
                None => unsafe { self.slots.take().give_back(entry) },
            }
        }
        let address = bucket.base().addr().get();
        self.shared(|shared| self.index.remove_bucket(&mut shared.writer, address));
        // SAFETY: a live block of the child with its length and alignment (live-block), which neither the table nor
        // the index has any more (dead-pointer); this thread may call the child.
        unsafe { self.free_bucket(bucket.base(), ret_addr) };
    }

    /// # Safety
    /// A bucket, which is live in the child, and which nothing uses or refers to.
    pub(super) unsafe fn free_bucket(&self, base: NonNull<u8>, ret_addr: usize) {
        let memory = NonNull::slice_from_raw_parts(base, self.layout.bucket_size as usize);
        // SAFETY: a live block of the child with its length and alignment, by our caller; this thread may call the
        // child.
        unsafe { self.child().raw_free(memory, self.layout.bucket_alignment(), ret_addr) };
    }

    // ---- marking a block ----

    /// SA-15: marks the block of a call if all is right. Otherwise nothing has changed.
    #[inline(always)]
    pub(super) fn mark(
        &self,
        address: usize,
        len: usize,
        alignment: Alignment,
        mark: Modify,
    ) -> Option<Target<'_>> {
        let Some(base) = self.index.bucket(address & !self.layout.bucket_mask()) else {
            return self.mark_large(address, len, alignment, mark);
        };
        // SAFETY: made with this layout, and live: the index has it, and the block of a correct call keeps it there. (A
        // mistaken call may race with its end; `SafeAllocator`'s guarantees name that.)
        let bucket = unsafe { Bucket::new(base, &self.layout) };
        let Some(footer) = bucket.footer_of(address, len) else {
            return self.mark_large(address, len, alignment, mark);
        };
        footer.begin(mark).ok()?;
        let is_right = footer.is_intact()
            && footer.len() == len
            && footer.alignment() == alignment
            && bucket.start_of(footer) == Some(bucket.offset_of(address));
        if !is_right {
            footer.set_state(Modify::None);
            return None;
        }
        // SAFETY: the intact footer of a block that has just been marked, in this bucket.
        Some(unsafe { Target::new(footer, Some(bucket)) })
    }

    #[cold]
    fn mark_large(
        &self,
        address: usize,
        len: usize,
        alignment: Alignment,
        mark: Modify,
    ) -> Option<Target<'_>> {
        let Found::Large(at) = self.index.large(address) else { return None };
        // SAFETY: the footer of a large block, which is live, as the index has it. (A mistaken call may race with its end;
        // `SafeAllocator`'s guarantees name that.)
        let footer = unsafe { self.large_footer(at) };
        footer.begin(mark).ok()?;
        let is_right = footer.is_intact() && footer.len() == len && footer.alignment() == alignment;
        if !is_right || address + footer.distance() != at.addr().get() {
            footer.set_state(Modify::None);
            return None;
        }
        // SAFETY: the intact footer of a large block that has just been marked.
        Some(unsafe { Target::new(footer, None) })
    }

    /// # Safety
    /// A footer of a large block, which is live in the child.
    pub(super) unsafe fn large_footer(&self, at: NonNull<u8>) -> Footer<'_> {
        let room = self.layout.large_footer_len();
        // SAFETY: a large block ends after this room; the rest is so by our caller.
        unsafe { Footer::new(at, room, Place::Large, &self.layout) }
    }

    // ---- free ----

    /// Frees a block that is marked [`Freeing`](Modify::Freeing), if its bucket stays. Otherwise returns the bucket,
    /// which is then the caller's, or that the block is large, which is still live then.
    ///
    /// # Safety
    /// This call has marked the block, which is not used any more (dead-pointer).
    #[inline(always)]
    pub(super) unsafe fn free_quickly<'l>(
        &'l self,
        target: &Target<'l>,
        trace: usize,
    ) -> Result<(), Option<Bucket<'l>>> {
        let Some(bucket) = target.bucket else { return Err(None) };
        if self.options.check_write_after_free {
            // SAFETY: an intact footer; the call has marked the block, and nothing uses it, by our caller.
            unsafe { bucket.fill_freed(target.footer) };
        }
        if self.layout.has_traces {
            target.footer.set_trace(true, trace);
        }
        target.footer.set_state(Modify::Freed);
        if bucket.release_block() { Err(Some(bucket)) } else { Ok(()) }
    }

    /// What is left to do when [`free_quickly`](Self::free_quickly) has not done everything.
    ///
    /// # Safety
    /// `rest` is what it has returned for this block.
    #[cold]
    pub(super) unsafe fn free_rest<'l>(
        &'l self,
        target: &Target<'l>,
        rest: Option<Bucket<'l>>,
        pending: &mut PendingReport<'_>,
        ret_addr: usize,
    ) {
        let free = pending.call.site.word();
        let Target { memory, footer, len, alignment, .. } = *target;
        let address = memory.addr().get();
        let freed = Freed { address, len, alignment, allocation: footer.trace(false), free };
        let Some(bucket) = rest else {
            let whole = target.whole(&self.layout);
            self.shared(|shared| {
                self.index.remove_large(&mut shared.writer, address);
                shared.dead.push(freed);
            });
            if let Some(entry) = target.entry() {
                // SAFETY: the block's entry, which is ours as the block is.
                unsafe { self.slots.take().give_back(NonNull::from(entry)) };
            }
            let aligned = block_alignment(alignment);
            // SAFETY: a live block of the child with its length and alignment (live-block), which neither the table nor
            // the index has any more, and which our caller does not use (dead-pointer); this thread may call the child.
            return unsafe { self.child().raw_free(whole, aligned, ret_addr) };
        };
        self.shared(|shared| shared.dead.push(freed));
        // SAFETY: the bucket of the last block, which is ours.
        unsafe { self.end_bucket(bucket, None, pending, ret_addr) };
    }

    // ---- resize and remap ----

    /// Gives a marked block another length. `None` if that is refused; nothing has changed then.
    ///
    /// # Safety
    /// This call has marked the block as [`Resized`](Modify::Resized), or as [`Remapped`](Modify::Remapped) if
    /// `may_move`. `new_len` is not zero. If this succeeds, what it ends is not used any more (dead-pointer).
    pub(super) unsafe fn set_len(
        &self,
        target: &Target<'_>,
        new_len: usize,
        may_move: bool,
        pending: &mut PendingReport<'_>,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let is_large = self.layout.is_large(new_len, target.alignment);
        let resized = match (target.bucket, is_large) {
            // SAFETY: by our caller; the new length is large too.
            (None, Some(true)) => unsafe { self.set_large_len(target, new_len, may_move, pending, ret_addr) },
            // SAFETY: by our caller; the new length is not large either.
            (Some(bucket), Some(false)) => unsafe {
                self.set_small_len(target, bucket, new_len, may_move, pending)
            },
            _ => None,
        };
        if resized.is_none() {
            target.abandon();
        }
        resized
    }

    /// # Safety
    /// As for [`set_len`](Self::set_len). The block is in `bucket`, and the new length is not large.
    unsafe fn set_small_len(
        &self,
        target: &Target<'_>,
        bucket: Bucket<'_>,
        new_len: usize,
        may_move: bool,
        pending: &mut PendingReport<'_>,
    ) -> Option<NonNull<u8>> {
        let Target { memory, footer, len, alignment, .. } = *target;
        let trace = pending.call.site.word();
        if new_len >= len {
            let start = bucket.offset_of(memory.addr().get());
            // SAFETY: the marked block, which starts there; it is longer, so it ends after the old one. Its old footer
            // is not used any more.
            let is_longer = unsafe { bucket.advance(footer, start, false, alignment, new_len, trace) };
            return is_longer.then_some(memory);
        }
        // SA-18: with a footer that was moved back, addresses could be used again.
        if !may_move {
            return None;
        }
        // SA-19: the contents move forward, up to the footer.
        let end = bucket.offset_of(footer.at().addr().get());
        let fixed_start = end - round(new_len)? as u32;
        let mask = alignment.to_byte_units() as u32 - 1;
        let start = (fixed_start + mask) & !mask;
        let new = if start == fixed_start && footer.is_extended() {
            // SAFETY: this call has marked the block, whose footer is extended.
            unsafe { footer.set_extended_len(new_len, trace) };
            bucket.publish();
            bucket.memory_at(start)
        } else {
            // SAFETY: the marked block. `start` is aligned and in it, or after it if the alignment is more than the
            // length; the block ends at the old footer or later, and the new footer is after that.
            if !unsafe { bucket.advance(footer, start, true, alignment, new_len, trace) } {
                return None;
            }
            bucket.memory_at(start)
        };
        // SAFETY: the first bytes of the old block, and the new one, both of this bucket; the call has marked the
        // block, so nothing else uses them.
        unsafe { memory.copy_to(new, new_len) };
        if start == fixed_start && footer.is_extended() {
            footer.set_state(Modify::None);
        }
        Some(new)
    }

    /// # Safety
    /// As for [`set_len`](Self::set_len). The block is large, and the new length is too.
    #[cold]
    unsafe fn set_large_len(
        &self,
        target: &Target<'_>,
        new_len: usize,
        may_move: bool,
        pending: &mut PendingReport<'_>,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let Target { memory, alignment, .. } = *target;
        let new_size = self.layout.large_len(new_len)?;
        let entry = target.entry()?;
        let whole = target.whole(&self.layout);
        let aligned = block_alignment(alignment);
        let address = memory.addr().get();
        // Until the child returns, it is not known how long the block is, or where.
        self.shared(|shared| self.index.take_off(&mut shared.writer, address));
        entry.set_free(core::ptr::null_mut());
        let resized = if may_move {
            // SAFETY: a live block of the child with its length and alignment (live-block); the new size is not zero;
            // our caller does not use what this ends (dead-pointer); this thread may call the child.
            unsafe { self.child().raw_remap(whole, aligned, new_size, ret_addr) }
        } else {
            // SAFETY: as above.
            let is_resized = unsafe { self.child().raw_resize(whole, aligned, new_size, ret_addr) };
            is_resized.then_some(memory)
        };
        let Some(new) = resized else {
            entry.set_large(target.footer.at());
            let footer = target.footer.at();
            self.shared(|shared| self.index.land(&mut shared.writer, address, address, footer));
            return None;
        };
        assert!(
            new == memory || !self.is_known(new),
            "SafeAllocator: the child's remap moved a block to {new:?}, which is a block of this allocator"
        );
        // SAFETY: the child's block has the new size now; nothing else uses what is after the block's bytes.
        let footer = unsafe {
            self.write_large(new, new_len, alignment, NonNull::from(entry), pending.call.site.word())
        };
        let new_address = new.addr().get();
        self.shared(|shared| self.index.land(&mut shared.writer, address, new_address, footer.at()));
        entry.set_large(footer.at());
        Some(new)
    }
}
