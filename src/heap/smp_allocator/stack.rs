//! A stack that all threads share, made of the memory that is on it.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::thread;

use super::local::Block;

/// What is on a stack: the first two words of free memory. It is a block that begins a chain, or the
/// fresh rest of a slab (whose `block` means nothing), or what carries a chain of blocks that are
/// too short for it.
#[repr(C)]
pub(super) struct Entry {
    pub(super) block: Block,
    below: *mut Entry,
}

/// A last-in-first-out stack. Anyone may push at any time, without waiting; one thread at a time pops.
///
/// Popping reads what lies below the top, and then makes that the new top if the old one is still
/// there. It could be *again* there, on top of something else, if others had popped and pushed
/// meanwhile (this is called ABA). Since only one thread pops at a time, what is on the stack stays
/// on it, and the question does not arise.
///
/// The orders of memory: pushing releases and popping acquires, so whoever gets a block sees its
/// last user's accesses as past. Every change of `top` is a read-modify-write, so that holds for
/// entries further down too.
pub(super) struct Stack {
    top: AtomicPtr<Entry>,
    popping: AtomicBool,
}

/// How often a thread tries to begin popping. Popping takes a few nanoseconds unless the thread that
/// does it has lost its processor, and then `yield_now` gives it one.
const ATTEMPTS: u32 = 16;

impl Stack {
    pub(super) const fn new() -> Stack {
        Stack { top: AtomicPtr::new(ptr::null_mut()), popping: AtomicBool::new(false) }
    }

    /// # Safety
    /// `entry` points to at least `size_of::<Entry>()` bytes, aligned to a word. Nothing uses them
    /// until they are popped.
    pub(super) unsafe fn push(&self, entry: *mut Entry) {
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            // SAFETY: the caller's promise.
            unsafe { (&raw mut (*entry).below).write(top) };
            match self.top.compare_exchange_weak(top, entry, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    /// Takes the top entry, or null if there is none, or if others have been popping all the time.
    pub(super) fn pop(&self) -> *mut Entry {
        if self.top.load(Ordering::Relaxed).is_null() || !self.begin_popping() {
            return ptr::null_mut();
        }
        let mut top = self.top.load(Ordering::Acquire);
        while !top.is_null() {
            // SAFETY: what is on the stack stays on it as long as we are the ones who pop, so this is
            // the memory that `push` was given, and acquiring `top` has made its write visible.
            let below = unsafe { (&raw const (*top).below).read() };
            match self.top.compare_exchange_weak(top, below, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => break,
                Err(now) => top = now,
            }
        }
        self.popping.store(false, Ordering::Release);
        top
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

    /// Locks the stack for popping, for ever.
    #[cfg(test)]
    pub(super) fn abandon(&self) {
        assert!(self.begin_popping());
    }
}
