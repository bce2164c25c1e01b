//! A lock around an allocator.
//!
//! # Guarantees
//!
//! Any number of threads may allocate, resize and free through one `ThreadSafeAllocator`, whatever
//! its child is: each of the four functions takes the lock, calls the child with unchanged arguments
//! (the return address included), and releases the lock. The lock is held for exactly that call, so
//! filling, copying and everything else of the typed interface happens outside of it.
//!
//! # The child is borrowed exclusively
//!
//! A lock protects the child only if there is no way around it. A second handle to the child, or a
//! second `ThreadSafeAllocator` around it, would be such a way, and two locks exclude nobody. So
//! [`new`](ThreadSafeAllocator::new) takes `&mut child`: while the wrapper exists, nothing else can
//! reach the child, and the compiler checks it. The child must be `Send`, since its state is used
//! from whichever thread calls. For a handle whose owner the compiler cannot see there is the unsafe
//! [`from_child`](ThreadSafeAllocator::from_child).
//!
//! # Panics, re-entrance
//!
//! A child must not unwind (clause 14 of the [contract](crate::VTable#the-contract-of-an-allocator)):
//! its functions are `extern "C"`, so a panic in one aborts the process before the lock would be
//! poisoned. Nor may a child call back into the wrapper (clause 15): the lock is not re-entrant, and
//! the thread would wait for itself.
//!
//! # Waiting and fairness
//!
//! A `std::sync::Mutex` that is held makes its waiter sleep, and waking it costs far more than the
//! allocation it waits for. So a thread that finds the lock taken first offers its time slice to
//! others, up to eight times, and tries again; it sleeps only then. With a fixed buffer as the child, on
//! two processors, that takes 0.5 of the time of a plain mutex with two threads and with four, and 1.03
//! of it with one. Fewer offers gain less with two threads, more gain nothing, and spinning without
//! offering gains nothing (`cargo bench --bench allocators -- thread-safe`, with other values of the
//! constant in `lock_contended`):
//!
//! | offers before sleeping | 0 | 1 | 3 | 8 | 32 | 200 spins |
//! |---|---|---|---|---|---|---|
//! | 2 threads | 0.92 (0.51–1.51) | 0.70 (0.34–1.33) | 0.69 (0.42–0.99) | 0.50 (0.18–1.57) | 0.80 (0.35–1.15) | 1.21 (0.64–2.26) |
//! | 4 threads | 1.01 (0.56–1.69) | 0.56 (0.35–0.87) | 0.55 (0.31–0.86) | 0.50 (0.24–0.97) | 0.63 (0.33–1.10) | 1.01 (0.66–2.41) |
//!
//! These are times over a plain mutex's: medians of two runs each, of seven for eight offers, and in
//! brackets the outermost quartiles. The processors had other work besides (load 3 to 10), so the spread
//! is wide; in the quietest run, eight offers took 0.41 (0.40–0.42) with two threads and 0.28 (0.24–0.45)
//! with four.
//!
//! What it does to fairness: the mutex is not fair and this is less so. A thread that has just released
//! the lock may get it again before one that has waited longer, and one that sleeps waits until it
//! is woken while those that are awake pass it. Nothing bounds how often that can happen.
//!
//! # After a fork
//!
//! A child that is forked while another thread holds the lock hangs in its first call: the lock stays held, since its holder
//! is not there, and what it guards may be half changed. In a program that forks while its threads allocate, use
//! this in the child only after `exec`, or fork with the lock held by yourself: let the one thread that forks be the
//! only one that uses the allocator. A [`DebugAllocator`](crate::heap::DebugAllocator) makes a fork wait for its own lock.
//!
//! # Not under `#[global_allocator]`
//!
//! The standard library does not promise that its mutex allocates nothing, and on macOS among others
//! it does: on first use it allocates itself, from the global allocator. An allocator that locks one
//! cannot be the global allocator.
//!
//! # Differences from Zig
//!
//! The exclusive borrow, and the mutex: Zig's `std.Thread.Mutex` goes to sleep in the kernel at once.
//! Zig has removed `ThreadSafeAllocator` in 0.16, in favour of an arena that is lock-free.
//!
//! Ports `lib/std/heap/ThreadSafeAllocator.zig` of Zig 0.15.2.

use core::fmt;
use core::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use crate::alignment::Alignment;
use crate::vtable::{Allocator, AllocatorState, SyncAllocator, VTable, block, nullable};

/// A lock around an allocator, which makes it one for any number of threads; see the
/// [module](self).
///
/// ```
/// use zigalloc::{heap, ThreadSafeAllocator};
///
/// let mut arena = heap::ArenaAllocator::init(heap::PAGE_ALLOCATOR);
/// let thread_safe_arena = ThreadSafeAllocator::new(&mut arena);
/// let allocator = thread_safe_arena.allocator();
/// std::thread::scope(|scope| {
///     for n in 1..=4 {
///         scope.spawn(move || allocator.alloc::<u64>(n).unwrap().len());
///     }
/// });
/// # drop(thread_safe_arena);
/// assert!(arena.query_capacity() >= 80);
/// ```
#[doc(alias = "std.heap.ThreadSafeAllocator")]
pub struct ThreadSafeAllocator<'c> {
    child_allocator: Allocator<'c>,
    mutex: Mutex<()>,
}

// SAFETY: the child may be called from any thread, one at a time: `new` takes `Send` state and
// `from_child` makes its caller promise it.
unsafe impl Send for ThreadSafeAllocator<'_> {}
// SAFETY: as above, and the child is called under the lock only.
unsafe impl Sync for ThreadSafeAllocator<'_> {}

impl<'c> ThreadSafeAllocator<'c> {
    const VTABLE: VTable = VTable {
        alloc: thread_safe_alloc,
        resize: thread_safe_resize,
        remap: thread_safe_remap,
        free: thread_safe_free,
    };

    /// Puts a lock around `child`, which cannot be reached in any other way meanwhile.
    ///
    /// Blocks that the child gave out before stay valid, and may be freed through the wrapper.
    #[inline]
    pub fn new<A: AllocatorState + Send>(child: &'c mut A) -> ThreadSafeAllocator<'c> {
        let child: &'c A = child;
        // SAFETY: the child is borrowed exclusively for `'c` and this is its only handle, so by the
        // second clause of `AllocatorState` it may be called from any thread, one at a time.
        unsafe { ThreadSafeAllocator::from_child(child.allocator()) }
    }

    /// Puts a lock around an allocator that only the caller knows: one that came over FFI, or one
    /// of a program that is ported line by line.
    ///
    /// # Safety
    ///
    /// As long as this wrapper or a handle to it is in use, `child`'s functions are called by nobody
    /// else, neither through a copy of the handle nor through another wrapper, unless they are
    /// thread-safe by themselves. They may be called from any thread, one at a time.
    #[must_use]
    #[inline]
    pub const unsafe fn from_child(child: Allocator<'c>) -> ThreadSafeAllocator<'c> {
        ThreadSafeAllocator { child_allocator: child, mutex: Mutex::new(()) }
    }

    /// A handle for any number of threads.
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract because the child does, and every call of the
        // child is made under the lock, so any thread may make it.
        unsafe { SyncAllocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, ()> {
        match self.mutex.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => self.lock_contended(),
        }
    }

    #[cold]
    fn lock_contended(&self) -> MutexGuard<'_, ()> {
        /// How often a thread offers its time slice before it sleeps.
        const YIELDS: usize = 8;
        for _ in 0..YIELDS {
            std::thread::yield_now();
            match self.mutex.try_lock() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(error)) => return error.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn alloc(&self, len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        let _guard = self.lock();
        // SAFETY: the caller's promises are the child's; the lock keeps other threads out.
        unsafe { self.child_allocator.raw_alloc(len, alignment, ret_addr) }
    }

    /// # Safety
    /// Clauses 2 to 4 of the contract.
    #[inline]
    unsafe fn resize(
        &self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        let _guard = self.lock();
        // SAFETY: the block is the child's; the lock keeps other threads out.
        unsafe { self.child_allocator.raw_resize(memory, alignment, new_len, ret_addr) }
    }

    /// # Safety
    /// Clauses 2 to 4 of the contract.
    #[inline]
    unsafe fn remap(
        &self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let _guard = self.lock();
        // SAFETY: the block is the child's; the lock keeps other threads out.
        unsafe { self.child_allocator.raw_remap(memory, alignment, new_len, ret_addr) }
    }

    /// # Safety
    /// Clauses 2 to 4 of the contract.
    #[inline]
    unsafe fn free(&self, memory: NonNull<[u8]>, alignment: Alignment, ret_addr: usize) {
        let _guard = self.lock();
        // SAFETY: the block is the child's; the lock keeps other threads out.
        unsafe { self.child_allocator.raw_free(memory, alignment, ret_addr) }
    }
}

// SAFETY: 1. as `allocator` says. 2. Any thread may call the handle at any time.
unsafe impl AllocatorState for ThreadSafeAllocator<'_> {
    fn allocator(&self) -> Allocator<'_> {
        ThreadSafeAllocator::allocator(self).get()
    }
}

impl fmt::Debug for ThreadSafeAllocator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadSafeAllocator")
            .field("child_allocator", &self.child_allocator)
            .finish_non_exhaustive()
    }
}

// ---- the functions of the table ----

/// # Safety
/// Clause 1 of the contract: `ctx` is the address that `allocator` took, whose borrow lasts.
#[inline(always)]
unsafe fn context<'s>(ctx: *mut ()) -> &'s ThreadSafeAllocator<'s> {
    // SAFETY: the caller's promise; shared references are all that is ever made from it.
    unsafe { &*ctx.cast_const().cast() }
}

#[inline]
unsafe extern "C" fn thread_safe_alloc(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1 of the contract.
    nullable(unsafe { context(ctx) }.alloc(len, alignment, ret_addr))
}

#[inline]
unsafe extern "C" fn thread_safe_resize(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> bool {
    // SAFETY: clauses 1 to 4 of the contract.
    unsafe { context(ctx).resize(block(memory, memory_len), alignment, new_len, ret_addr) }
}

#[inline]
unsafe extern "C" fn thread_safe_remap(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clauses 1 to 4 of the contract.
    nullable(unsafe { context(ctx).remap(block(memory, memory_len), alignment, new_len, ret_addr) })
}

#[inline]
unsafe extern "C" fn thread_safe_free(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    ret_addr: usize,
) {
    // SAFETY: clauses 1 to 4 of the contract.
    unsafe { context(ctx).free(block(memory, memory_len), alignment, ret_addr) };
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    use super::*;

    /// A child that looks at the lock of the wrapper around it.
    struct Looks {
        mutex: Cell<*const Mutex<()>>,
        calls: Cell<usize>,
    }

    impl Looks {
        const VTABLE: VTable =
            VTable { alloc: looks_alloc, resize: looks_resize, remap: looks_remap, free: looks_free };

        fn new() -> Looks {
            Looks { mutex: Cell::new(ptr::null()), calls: Cell::new(0) }
        }

        /// A wrapper around this child, which from now on looks at its lock.
        fn wrap(&self) -> ThreadSafeAllocator<'_> {
            // SAFETY: the functions use no memory and make no block; the tests have one thread.
            unsafe {
                let state = ptr::from_ref(self).cast_mut().cast();
                ThreadSafeAllocator::from_child(Allocator::from_raw_parts(state, &Self::VTABLE))
            }
        }

        fn look(&self) {
            // SAFETY: the tests set the pointer before they call, and the wrapper lives.
            let locked = unsafe { &*self.mutex.get() }.try_lock();
            assert!(matches!(locked, Err(TryLockError::WouldBlock)), "the child is called without the lock");
            self.calls.set(self.calls.get() + 1);
        }
    }

    unsafe fn looks<'s>(ctx: *mut ()) -> &'s Looks {
        // SAFETY: clause 1: the address that `wrap` took.
        unsafe { &*ctx.cast_const().cast() }
    }

    unsafe extern "C" fn looks_alloc(ctx: *mut (), _: usize, _: Alignment, _: usize) -> *mut u8 {
        // SAFETY: clause 1.
        unsafe { looks(ctx) }.look();
        ptr::null_mut()
    }

    unsafe extern "C" fn looks_resize(
        ctx: *mut (),
        _: *mut u8,
        _: usize,
        _: Alignment,
        _: usize,
        _: usize,
    ) -> bool {
        // SAFETY: clause 1.
        unsafe { looks(ctx) }.look();
        false
    }

    unsafe extern "C" fn looks_remap(
        ctx: *mut (),
        _: *mut u8,
        _: usize,
        _: Alignment,
        _: usize,
        _: usize,
    ) -> *mut u8 {
        // SAFETY: clause 1.
        unsafe { looks(ctx) }.look();
        ptr::null_mut()
    }

    unsafe extern "C" fn looks_free(ctx: *mut (), _: *mut u8, _: usize, _: Alignment, _: usize) {
        // SAFETY: clause 1.
        unsafe { looks(ctx) }.look();
    }

    /// Calls all four functions, and calls `between` around each.
    fn call_all(allocator: SyncAllocator<'_>, mut between: impl FnMut()) {
        let memory = NonNull::slice_from_raw_parts(NonNull::<u8>::dangling(), 1);
        between();
        // SAFETY: the child ignores what it gets.
        unsafe {
            assert_eq!(allocator.raw_alloc(1, Alignment::_1, 0), None);
            between();
            assert!(!allocator.raw_resize(memory, Alignment::_1, 2, 0));
            between();
            assert_eq!(allocator.raw_remap(memory, Alignment::_1, 2, 0), None);
            between();
            allocator.raw_free(memory, Alignment::_1, 0);
        }
        between();
    }

    /// TS-01: the lock is held while the child is called, and neither before nor after.
    #[test]
    fn the_lock_is_held_for_exactly_the_call() {
        let child = Looks::new();
        let wrapper = child.wrap();
        child.mutex.set(&wrapper.mutex);
        call_all(wrapper.allocator(), || assert!(wrapper.mutex.try_lock().is_ok()));
        assert_eq!(child.calls.get(), 4);
    }

    /// Nothing in this crate can poison the lock, but were it poisoned, it would be a lock all the same.
    #[test]
    fn a_poisoned_lock_does_no_harm() {
        let child = Looks::new();
        let wrapper = child.wrap();
        child.mutex.set(&wrapper.mutex);
        let poisoning = catch_unwind(AssertUnwindSafe(|| {
            let _guard = wrapper.mutex.lock();
            resume_unwind(Box::new(()));
        }));
        assert!(poisoning.is_err() && wrapper.mutex.is_poisoned());
        call_all(wrapper.allocator(), || {});
        assert_eq!(child.calls.get(), 4);

        // Where it is contended too.
        let guard = wrapper.mutex.lock().unwrap_err().into_inner();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(wrapper.lock()));
            drop(guard);
        });
    }
}
