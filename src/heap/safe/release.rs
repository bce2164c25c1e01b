//! The end: leaks are counted and reported, and all memory is freed to the child.

use core::ptr::NonNull;
use std::vec::Vec;

use super::SafeAllocator;
use super::bucket::Bucket;
use super::calls::Target;
use super::dead::Dead;
use super::entries::{Kind, SEGMENT_ALIGNMENT};
use super::footer::{Footer, Modify, Place};
use super::layout::{Layout, block_alignment};
use crate::allocator::{Allocator, Handle};
use crate::heap::debug::Stacks;
use crate::heap::report::{Call, Leak, Places, Report, ReportKind};

/// What was found at the end.
pub(super) struct Ends {
    pub(super) leaks: usize,
    /// Leaks by place, if they are to be reported.
    places: Option<Places>,
    /// Mistakes of earlier calls.
    mistakes: Vec<Report>,
}

impl<C: Handle> SafeAllocator<C> {
    /// SA-1A: counts the leaks and checks the freed blocks, reports both, and frees all memory to the child.
    pub(super) fn end(&mut self, log: bool) -> usize {
        /// Frees the memory even if the report function panics.
        struct Release<'d, C: Handle>(&'d mut SafeAllocator<C>);
        impl<C: Handle> Drop for Release<'_, C> {
            fn drop(&mut self) {
                self.0.release();
            }
        }
        let this = Release(self);
        let this = &mut *this.0;
        let Ends { leaks, places, mistakes } = this.search(log);
        for report in &mistakes {
            this.reporter.report(report);
            this.abort_after_misuse();
        }
        if let Some(places) = places {
            let limit = this.options.leak_limit;
            this.reporter.report_leaks(places, limit, |word| this.trace_of(word));
        }
        leaks
    }

    fn search(&mut self, log: bool) -> Ends {
        let mut places = Places::new(self.options.group_leaks);
        loop {
            places.grow();
            if let Some((leaks, mistakes)) = self.search_into(&mut places) {
                return Ends { leaks, places: log.then_some(places), mistakes };
            }
        }
    }

    /// `None` if there is no room for the leaks.
    fn search_into(&mut self, places: &mut Places) -> Option<(usize, Vec<Report>)> {
        let (mut leaks, mut mistakes, mut order) = (0, Vec::new(), 0);
        let mut add = |footer: Footer<'_>, memory: NonNull<u8>| {
            order += 1;
            places.add(Leak {
                address: memory.addr().get(),
                len: Some(footer.len()),
                alignment: Some(footer.alignment()),
                word: footer.trace(false),
                order: (0, order),
            })
        };
        let mut visit = |kind| {
            match kind {
                Kind::Free => {}
                Kind::Bucket(base) => {
                    // SAFETY: a bucket of the table is live, and made with this layout.
                    let bucket = unsafe { Bucket::new(base, &self.layout) };
                    let (found, mistake) = self.search_bucket(bucket, &mut add)?;
                    leaks += found;
                    mistakes.extend(mistake);
                }
                Kind::Large(at) => {
                    // SAFETY: the table has the footers of large blocks, which are live.
                    let footer = unsafe { self.large_footer(at) };
                    leaks += 1;
                    if footer.is_intact() && footer.state() == Modify::None {
                        // SAFETY: an intact footer, which no call uses, since the allocator is borrowed exclusively.
                        let Target { memory, .. } = unsafe { Target::new(footer, None) };
                        add(footer, memory)?;
                    } else {
                        let mut report = Report::new(&Call::DETECT_LEAKS, self.reporter.options());
                        report.kind = ReportKind::Corruption;
                        report.address = at.addr().get();
                        mistakes.push(report);
                    }
                }
            }
            Some(())
        };
        let mut is_complete = true;
        self.slots.visit(|slot| {
            slot.for_each(&self.layout, |entry| is_complete &= is_complete && visit(entry.kind()).is_some());
        });
        is_complete.then_some((leaks, mistakes))
    }

    /// The number of live blocks in a bucket, and the first mistake in it. `None` if there is no room for the leaks.
    fn search_bucket(
        &self,
        bucket: Bucket<'_>,
        add: &mut impl FnMut(Footer<'_>, NonNull<u8>) -> Option<()>,
    ) -> Option<(usize, Option<Report>)> {
        let report = || Report::new(&Call::DETECT_LEAKS, self.reporter.options());
        let mut mistake = None;
        let mut next = bucket.last();
        loop {
            let footer = match next {
                Ok(None) => break,
                Ok(Some(footer)) if footer.is_intact() => footer,
                Ok(Some(footer)) => {
                    mistake.get_or_insert_with(|| self.of_earlier_call(report(), bucket, Some(footer), None));
                    break;
                }
                Err(_) => {
                    mistake.get_or_insert_with(|| self.of_earlier_call(report(), bucket, None, None));
                    break;
                }
            };
            match footer.state() {
                Modify::None => {
                    let start = bucket.start_of(footer).unwrap_or(0);
                    add(footer, bucket.memory_at(start))?;
                }
                Modify::Freed if !self.options.check_write_after_free => {}
                Modify::Freed => {
                    // SAFETY: an intact footer of a freed block, which was filled; the allocator is borrowed
                    // exclusively.
                    if let Some(index) = unsafe { bucket.first_write(footer) } {
                        mistake.get_or_insert_with(|| {
                            self.of_earlier_call(report(), bucket, Some(footer), Some(index))
                        });
                    }
                }
                _ => {
                    mistake.get_or_insert_with(|| self.of_earlier_call(report(), bucket, Some(footer), None));
                }
            }
            next = bucket.prev(footer);
        }
        Some((bucket.live(), mistake))
    }

    /// Frees all memory to the child. What refers to a block is reset before the child is called. Doing it twice is
    /// harmless.
    pub(super) fn release(&mut self) {
        // A fork in another thread has the lock for a moment. If a call has it, the child has exited the process in
        // that call, and everything leaks.
        let lock = self.shared.try_lock().or_else(|| self.shared.lock_unless_in_call());
        let Some(mut shared) = lock else { return };
        self.index.clear(&mut shared.writer);
        shared.dead = Dead::new();
        let mut stacks = core::mem::replace(&mut shared.stacks, Stacks::new());
        drop(shared);
        let layout = self.layout;
        let child = self.child_allocator.as_allocator();
        self.slots.for_each(|slot| {
            slot.forget();
            loop {
                for entry in slot.newest() {
                    // SAFETY: an entry of the newest segment, which is live.
                    let entry = unsafe { entry.as_ref() };
                    let kind = entry.kind();
                    entry.set_free(core::ptr::null_mut());
                    // SAFETY: what the entry referred to is live in the child; its blocks have ended, since the
                    // allocator is borrowed exclusively (validity); nothing else refers to it any more.
                    unsafe { free_to(child, kind, &layout) };
                }
                // SAFETY: its entries are all unused now, and the free list is empty.
                let Some(segment) = (unsafe { slot.pop_segment(&layout) }) else { break };
                // SAFETY: a live block of the child with its length and alignment, which nothing uses; this thread may
                // call the child.
                unsafe { child.raw_free(segment, SEGMENT_ALIGNMENT, 0) };
            }
        });
        // SAFETY: always this child, which this thread may call.
        unsafe { stacks.release(child) };
    }
}

/// Frees a bucket or a large block to the child.
///
/// # Safety
/// It is live in the child, which this thread may call, and nothing uses or refers to it. The layout is the
/// allocator's.
unsafe fn free_to(child: Allocator<'_>, kind: Kind, layout: &Layout) {
    match kind {
        Kind::Free => {}
        Kind::Bucket(base) => {
            let memory = NonNull::slice_from_raw_parts(base, layout.bucket_size as usize);
            // SAFETY: a live block of the child with its length and alignment, by our caller.
            unsafe { child.raw_free(memory, layout.bucket_alignment(), 0) };
        }
        Kind::Large(at) => {
            let room = layout.large_footer_len();
            // SAFETY: the block ends after this room; it is live, by our caller.
            let footer = unsafe { Footer::new(at, room, Place::Large, layout) };
            // If it has been overwritten, it is not known where the block starts: it leaks.
            if footer.is_intact() {
                // SAFETY: an intact footer; nothing uses the block, by our caller.
                let target = unsafe { Target::new(footer, None) };
                let whole = target.whole(layout);
                // SAFETY: a live block of the child with its length and alignment, by our caller.
                unsafe { child.raw_free(whole, block_alignment(target.alignment), 0) };
            }
        }
    }
}
