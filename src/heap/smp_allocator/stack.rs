//! A shared stack, made of the free memory that is on it.

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::thread;

use super::thread_cache::Block;

/// An entry of a stack, in the first two words of free memory. It is a block that starts a chain, the unused rest of
/// a slab (whose `block` has no meaning), or a carrier of a chain whose blocks are too short to be entries.
#[repr(C)]
pub(super) struct StackNode {
    pub(super) block: Block,
    below: *mut StackNode,
}

/// A last-in-first-out stack. Any thread may push at any time, without waiting; one thread at a time pops.
///
/// Popping reads which entry lies below the top, and makes that the new top if the old one is still there. It could
/// be there *again*, on top of something else, if other threads had popped and pushed in between (the ABA problem).
/// Since only one thread pops at a time, entries on the stack stay on it, and the problem does not arise.
///
/// Memory orderings: a push is a release operation and a pop an acquire operation, so the last use of a block
/// happens-before its reuse. Every change of `top` is a read-modify-write, so this holds for entries further down
/// too.
pub(super) struct Stack {
    top: AtomicPtr<StackNode>,
    popping: AtomicBool,
}

/// How often a thread tries to start popping. Popping takes a few nanoseconds unless the popping thread has lost its
/// processor, and then `yield_now` gives it one.
const ATTEMPTS: u32 = 16;

impl Stack {
    pub(super) const fn new() -> Stack {
        Stack { top: AtomicPtr::new(ptr::null_mut()), popping: AtomicBool::new(false) }
    }

    /// # Safety
    /// `entry` points to at least `size_of::<StackNode>()` bytes, aligned to a word. They are not used until they are
    /// popped.
    pub(super) unsafe fn push(&self, entry: NonNull<StackNode>) {
        let entry = entry.as_ptr();
        // SAFETY: the bytes of an entry, by our caller.
        let below = unsafe { &raw mut (*entry).below };
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            // SAFETY: a field of the entry, which is ours until it is on the stack.
            unsafe { below.write(top) };
            match self.top.compare_exchange_weak(top, entry, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    /// Pops the top entry; `None` if the stack is empty, or if other threads are popping on every attempt.
    pub(super) fn pop(&self) -> Option<NonNull<StackNode>> {
        if self.top.load(Ordering::Relaxed).is_null() || !self.begin_popping() {
            return None;
        }
        let mut top = self.top.load(Ordering::Acquire);
        while !top.is_null() {
            // SAFETY: entries stay on the stack while this thread has the right to pop, so `top` is an entry that was
            // passed to `push`. Acquiring it has made the write of `below` visible.
            let below = unsafe { (*top).below };
            match self.top.compare_exchange_weak(top, below, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => break,
                Err(now) => top = now,
            }
        }
        self.popping.store(false, Ordering::Release);
        NonNull::new(top)
    }

    fn begin_popping(&self) -> bool {
        for _ in 0..ATTEMPTS {
            if !self.popping.swap(true, Ordering::Acquire) {
                return true;
            }
            thread::yield_now();
        }
        false
    }

    /// Locks the stack for popping, forever.
    #[cfg(test)]
    pub(super) fn abandon(&self) {
        assert!(self.begin_popping());
    }
}
