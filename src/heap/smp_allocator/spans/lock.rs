//! A lock that is never waited for, and a stack of what could not be given to its holder.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::chunk::ChunkRef;
use super::pool::Spans;

/// How often a thread tries to acquire the lock, with a pause in between: about as long as the lock is usually held.
const ATTEMPTS: u32 = 16;

/// A pool of chunks behind a lock.
pub(super) struct Pool {
    locked: AtomicBool,
    /// How many used units are free, as of the last time that the lock was released.
    kept: AtomicUsize,
    /// Blocks that were freed while the lock was held.
    returned: AtomicPtr<Returned>,
    spans: UnsafeCell<Spans>,
}

/// The first bytes of a freed block that the next holder of the lock gives to the pool.
struct Returned {
    next: *mut Returned,
    units: usize,
}

// SAFETY: the spans are used under the lock only, and may be sent.
unsafe impl Sync for Pool {}

impl Pool {
    pub(super) const fn new() -> Pool {
        Pool {
            locked: AtomicBool::new(false),
            kept: AtomicUsize::new(0),
            returned: AtomicPtr::new(ptr::null_mut()),
            spans: UnsafeCell::new(Spans::new()),
        }
    }

    /// How many used units are free: what the pool keeps from the system.
    #[inline]
    pub(super) fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }

    /// Whether there is nothing to do for a call that releases memory.
    pub(super) fn has_nothing(&self) -> bool {
        self.kept() == 0 && self.returned.load(Ordering::Relaxed).is_null()
    }

    /// Calls `work` with the spans, unless another thread holds the lock. Gives it what was returned before.
    #[inline]
    pub(super) fn try_with<R>(&self, work: impl FnOnce(&mut Spans) -> R) -> Option<R> {
        if !self.begin() {
            return None;
        }
        // SAFETY: this thread has the lock, and `work` does not call this function.
        let spans = unsafe { &mut *self.spans.get() };
        if !self.returned.load(Ordering::Relaxed).is_null() {
            self.take_back(spans);
        }
        let result = work(spans);
        self.kept.store(spans.kept(), Ordering::Relaxed);
        self.locked.store(false, Ordering::Release);
        Some(result)
    }

    /// Leaves a block to the next holder of the lock.
    ///
    /// # Safety
    /// `block` is a live block of `units` units in a chunk of this pool, not used afterwards.
    #[cold]
    pub(super) unsafe fn leave(&self, block: NonNull<u8>, units: usize) {
        let returned = block.as_ptr().cast::<Returned>();
        let mut next = self.returned.load(Ordering::Relaxed);
        loop {
            // SAFETY: the block is ours, at least a page and aligned to one.
            unsafe { returned.write(Returned { next, units }) };
            match self.returned.compare_exchange_weak(next, returned, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => next = now,
            }
        }
    }

    #[cold]
    fn take_back(&self, spans: &mut Spans) {
        let mut next = self.returned.swap(ptr::null_mut(), Ordering::Acquire);
        while let Some(block) = NonNull::new(next) {
            // SAFETY: a block that was left here, which begins with this.
            let Returned { next: after, units } = unsafe { block.read() };
            next = after;
            // SAFETY: a block in a chunk of this pool, whose lock this thread holds.
            let (chunk, start) = unsafe { ChunkRef::of_block(block.cast()) };
            // SAFETY: `leave` was called with all units of a block, which nothing uses.
            unsafe { spans.give(chunk, start..start + units) };
        }
    }

    #[inline]
    fn begin(&self) -> bool {
        for _ in 0..ATTEMPTS {
            if !self.locked.load(Ordering::Relaxed) && !self.locked.swap(true, Ordering::Acquire) {
                return true;
            }
            spin_loop();
        }
        false
    }

    /// Locks the pool forever, as a thread does that disappears in the middle of a call.
    #[cfg(test)]
    pub(super) fn abandon(&self) {
        assert!(self.begin());
    }
}
