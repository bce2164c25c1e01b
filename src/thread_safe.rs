//! A lock around an allocator.
//!
//! [`ThreadSafeAllocator`] locks a `std::sync::Mutex`; [`OwnedThreadSafeAllocator`] does so and owns its child;
//! `LockedAllocator` (feature `lock_api`) locks a mutex of your choice and needs no operating system. All are one
//! allocator over a child and a lock, `Locked`: each of its four functions
//! acquires the lock, calls the child with the same arguments (the return address included), and releases the lock. The
//! lock is held for exactly that call; the typed interface fills and copies memory outside of it.
//!
//! # Why the child is borrowed exclusively
//!
//! A lock protects the child only if nothing can bypass it. A second handle to the child would, and so would a second
//! lock around the same child. So [`new`](ThreadSafeAllocator::new) takes `&mut child`: while the wrapper exists,
//! nothing else can reach the child, and the compiler checks it. The child must be `Send`, since whichever thread calls
//! uses its state. For a handle whose owner the compiler cannot see, use the unsafe
//! [`from_child`](ThreadSafeAllocator::from_child).
//!
//! # Panics and re-entrance
//!
//! A child must not unwind ([no-unwind](VTable#no-unwind)): its functions are `extern "C"`, so a panic aborts the
//! process before it could poison the lock. Nor may a child call back into the wrapper
//! ([no-reentry](VTable#no-reentry)): the lock is not re-entrant, so the thread would deadlock.
//!
//! # Contention
//!
//! A thread that finds a `std::sync::Mutex` locked goes to sleep, and waking it costs far more than the allocation it
//! waits for. So `ThreadSafeAllocator` first yields its time slice up to eight times and retries after each yield
//! before it sleeps (`docs/performance.md` has the measurements).
//!
//! # Differences from Zig
//!
//! The exclusive borrow, and the yields: Zig's `std.Thread.Mutex` sleeps at once. Zig removed `ThreadSafeAllocator` in
//! 0.16 in favour of a lock-free arena ([`SharedArenaAllocator`](crate::heap::SharedArenaAllocator)).
//!
//! Ports `lib/std/heap/ThreadSafeAllocator.zig` of Zig 0.15.2.

#[cfg(feature = "lock_api")]
mod locked;
#[cfg(feature = "std")]
mod owned;

use core::fmt;
use core::ptr::NonNull;
#[cfg(feature = "std")]
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

#[cfg(feature = "lock_api")]
pub use locked::LockedAllocator;
#[cfg(feature = "std")]
pub use owned::OwnedThreadSafeAllocator;

use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, SyncAllocator};
use crate::vtable::{VTable, block, state};

/// Makes any allocator usable from any number of threads, with a `std::sync::Mutex` around each call.
///
/// Use it to share an arena or a fixed buffer among threads. It borrows its child exclusively for as long as it
/// lives. Its handle is a [`SyncAllocator`], which is `Copy`, `Send` and `Sync`. Typed methods such as `realloc`
/// may make several calls, each of which locks separately.
///
/// If threads allocate often, [`SharedArenaAllocator`](crate::heap::SharedArenaAllocator) and
/// [`SMP_ALLOCATOR`](crate::heap::SMP_ALLOCATOR) scale better: they have no lock.
///
/// It cannot be the `#[global_allocator]`: the standard library's mutex may allocate on first use, and on macOS it
/// does. `LockedAllocator` with a spin lock can.
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
///
/// Using the child while it is wrapped does not compile:
///
/// ```compile_fail,E0502
/// # use zigalloc::{heap, ThreadSafeAllocator};
/// let mut arena = heap::ArenaAllocator::init(heap::PAGE_ALLOCATOR);
/// let thread_safe_arena = ThreadSafeAllocator::new(&mut arena);
/// arena.allocator().alloc::<u8>(1)?; // bypasses the lock
/// thread_safe_arena.allocator().alloc::<u8>(1)?;
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// # Contention
///
/// Acquisition is unfair: a running thread may barge past sleeping waiters, without bound. A thread yields a few times
/// before it sleeps.
///
/// # Fork
///
/// If a process forks while another thread holds the lock, the first call in the child process hangs: the lock's holder
/// does not exist there, so the lock stays held, and the child allocator's state may be half changed. In a program that
/// forks while its threads allocate, use the allocator in the child process only after `exec`, or call it only from the
/// thread that forks. A [`DebugAllocator`](crate::heap::DebugAllocator) makes a fork wait for its own lock.
///
/// Ports `std.heap.ThreadSafeAllocator` of Zig 0.15.2.
///
/// Workers that put their results in one arena, and the main thread that reads them afterwards:
///
/// ```
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
/// use zigalloc::{SyncAllocator, ThreadSafeAllocator};
///
/// /// The length of a text in the shared arena, which the arena frees.
/// fn work(allocator: SyncAllocator<'_>, n: usize) -> Result<usize, zigalloc::Error> {
///     Ok(allocator.print(format_args!("{:>1$}", "x", n))?.len())
/// }
///
/// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let lens = {
///     let locked = ThreadSafeAllocator::new(&mut arena);
///     let allocator = locked.allocator();
///     std::thread::scope(|scope| {
///         [10, 20, 30].map(|n| scope.spawn(move || work(allocator, n))).map(|thread| thread.join().unwrap())
///     })
/// };
/// assert_eq!(lens, [Ok(10), Ok(20), Ok(30)]);
/// // The lock is gone, and the arena is this thread's again.
/// assert!(arena.reset(ResetMode::FreeAll));
/// ```
///
/// A child that may not leave its thread is refused:
///
/// ```compile_fail,E0277
/// # use zigalloc::{Allocator, ThreadSafeAllocator, heap::{ArenaAllocator, PAGE_ALLOCATOR}};
/// let single: Allocator<'static> = *PAGE_ALLOCATOR; // for one thread
/// let mut arena = ArenaAllocator::init(single);
/// let locked = ThreadSafeAllocator::new(&mut arena);
/// ```
#[cfg(feature = "std")]
#[doc(alias = "std.heap.ThreadSafeAllocator")]
pub struct ThreadSafeAllocator<'c> {
    locked: Locked<Borrowed<'c>, Mutex<()>>,
}

#[cfg(feature = "std")]
impl<'c> ThreadSafeAllocator<'c> {
    /// Puts a lock around `child`, which cannot be reached in any other way while the wrapper exists.
    ///
    /// Blocks that the child handed out before stay valid, and may be freed through the wrapper.
    ///
    /// Freeing a block that was allocated before:
    ///
    /// ```
    /// # use zigalloc::{ThreadSafeAllocator, heap::{ArenaAllocator, PAGE_ALLOCATOR}};
    /// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let before = arena.allocator().alloc::<u8>(100)?;
    /// let locked = ThreadSafeAllocator::new(&mut arena);
    /// // SAFETY: a live block of the arena, not used afterwards.
    /// unsafe { locked.allocator().free(before) };
    /// let after = locked.allocator().alloc::<u8>(100)?;
    /// assert_eq!(after, before, "the same place, since it was the arena's last block");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// When the wrapper is dropped, the child can be used alone again, and nothing was freed:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{ThreadSafeAllocator, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let number = ThreadSafeAllocator::new(&mut fixed_buffer).allocator().create_with(42u8)?;
    /// assert_eq!(fixed_buffer.end_index(), 1);
    /// // SAFETY: a live block of the buffer, initialised.
    /// assert_eq!(unsafe { number.read() }, 42);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn new<A: Lockable>(child: &'c mut A) -> ThreadSafeAllocator<'c> {
        let child: &'c A = child;
        // SAFETY: `child` is borrowed exclusively for `'c` and this is its only handle, so by the second
        // requirement of `AsAllocator` it may be called from any thread, one at a time.
        unsafe { ThreadSafeAllocator::from_child(child.allocator()) }
    }

    /// Puts a lock around an allocator whose owner the compiler cannot see, such as a handle that came over FFI, or one
    /// in a program ported line by line.
    ///
    /// # Safety
    ///
    /// - Any thread may call `child`'s functions, one thread at a time.
    /// - While this wrapper or a handle to it is in use, nothing else calls them, neither through a copy of the
    ///   handle nor through another wrapper, unless they are thread-safe by themselves.
    ///
    /// ```
    /// use zigalloc::{Allocator, ThreadSafeAllocator, heap::PAGE_ALLOCATOR};
    ///
    /// # let received: Allocator<'static> = *PAGE_ALLOCATOR;
    /// // SAFETY: `received` is the page allocator, which is thread-safe by itself.
    /// let thread_safe = unsafe { ThreadSafeAllocator::from_child(received) };
    /// assert!(thread_safe.allocator().create::<u64>().is_ok());
    /// ```
    ///
    /// An allocator from C for one thread at a time, with a lock for several threads:
    ///
    /// ```
    /// use std::ptr::NonNull;
    /// use zigalloc::{Alignment, Allocator, ThreadSafeAllocator, VTable, no_free, no_remap, no_resize, state};
    /// use std::cell::Cell;
    ///
    /// /// What the C program passes: its state, and functions that know it.
    /// struct FromC {
    ///     calls: Cell<usize>,
    /// }
    /// unsafe extern "C" fn c_alloc(ctx: *mut (), _: usize, _: Alignment, _: usize) -> Option<NonNull<u8>> {
    ///     // SAFETY: the address of the state below. The lock keeps other threads out.
    ///     let calls = &unsafe { state::<FromC>(ctx) }.calls;
    ///     calls.set(calls.get() + 1);
    ///     None // out of memory
    /// }
    /// const C_TABLE: VTable = VTable { alloc: c_alloc, resize: no_resize, remap: no_remap, free: no_free };
    ///
    /// let from_c = FromC { calls: Cell::new(0) };
    /// {
    ///     // SAFETY: the functions make no block. They are called through the lock only.
    ///     let handle = unsafe { Allocator::from_state(&from_c, &C_TABLE) };
    ///     let locked = unsafe { ThreadSafeAllocator::from_child(handle) };
    ///     let allocator = locked.allocator();
    ///     std::thread::scope(|scope| {
    ///         for _ in 0..4 {
    ///             scope.spawn(move || assert!(allocator.alloc::<u8>(100).is_err()));
    ///         }
    ///     });
    /// }
    /// assert_eq!(from_c.calls.get(), 4);
    /// ```
    #[must_use]
    #[inline]
    pub const unsafe fn from_child(child: Allocator<'c>) -> ThreadSafeAllocator<'c> {
        ThreadSafeAllocator { locked: Locked { child: Borrowed(child), mutex: Mutex::new(()) } }
    }

    /// Returns a handle for any number of threads.
    ///
    /// The handle is `Copy` and `Send`, so each thread can have one:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{ThreadSafeAllocator, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 1000];
    /// let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let locked = ThreadSafeAllocator::new(&mut fixed_buffer);
    /// let allocator = locked.allocator();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || allocator.dupe(b"one").unwrap().len());
    ///     scope.spawn(move || allocator.dupe(b"three").unwrap().len());
    /// });
    /// assert_eq!(fixed_buffer.end_index(), 8);
    /// ```
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        self.locked.allocator()
    }
}

// SAFETY: 1. See `allocator`. 2. and 3. Any thread may call the handle at any time. 4. All handles have the same state
// and table.
#[cfg(feature = "std")]
unsafe impl AsAllocator for ThreadSafeAllocator<'_> {
    fn allocator(&self) -> Allocator<'_> {
        ThreadSafeAllocator::allocator(self).as_allocator()
    }
}

#[cfg(feature = "std")]
impl fmt::Debug for ThreadSafeAllocator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.locked.debug("ThreadSafeAllocator", f)
    }
}

/// An allocator that a lock can be put around: every [`AsAllocator`] that is `Send`.
///
/// A bare [`Allocator`] is neither `Send` nor the only handle to its state:
///
#[cfg_attr(feature = "std", doc = "```compile_fail,E0277")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{ThreadSafeAllocator, heap::{ArenaAllocator, PAGE_ALLOCATOR}};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let mut allocator = arena.allocator();
/// let lock = ThreadSafeAllocator::new(&mut allocator); // write `&mut arena`
/// ```
#[diagnostic::on_unimplemented(
    message = "a lock cannot be put around `{Self}`",
    label = "not an allocator that is `Send`",
    note = "a lock takes the allocator itself: write `&mut arena`, not `&mut arena.allocator()`",
    note = "an arena is `Send` if its child is a `SyncAllocator`, such as `PAGE_ALLOCATOR`",
    note = "a handle that nothing else uses: write `unsafe {{ ThreadSafeAllocator::from_child(handle) }}`"
)]
pub trait Lockable: AsAllocator + Send {}

#[diagnostic::do_not_recommend]
impl<A: AsAllocator + Send> Lockable for A {}

/// The mutex of a [`Locked`].
///
/// # Safety
///
/// From the return of `lock` until its guard is dropped, no other call of `lock` returns. Everything before the drop
/// happens before everything after the next return.
unsafe trait Lock {
    type Guard<'g>
    where
        Self: 'g;

    fn lock(&self) -> Self::Guard<'_>;
}

/// The child of a [`Locked`].
///
/// # Safety
///
/// Any thread may call `handle`, and then the handle, one thread at a time. Handles are as
/// [`AsAllocator`] requires, clauses 1 and 4.
unsafe trait Child {
    fn handle(&self) -> Allocator<'_>;
}

/// A handle to a child that only the functions of the table call.
struct Borrowed<'c>(Allocator<'c>);

/// A child that only the functions of the table use, while it is shared.
#[cfg(feature = "std")]
struct Owned<A>(A);

// SAFETY: the wrappers' constructors require that any thread may call the handle, one at a time.
unsafe impl Child for Borrowed<'_> {
    #[inline(always)]
    fn handle(&self) -> Allocator<'_> {
        self.0
    }
}

// SAFETY: the child is `Send`, so with the lock held, which excludes others, a thread may use it, and make a handle and
// call it, by the second requirement of `AsAllocator`; 1 and 4 are its first and fourth.
#[cfg(feature = "std")]
unsafe impl<A: Lockable> Child for Owned<A> {
    #[inline(always)]
    fn handle(&self) -> Allocator<'_> {
        self.0.allocator()
    }
}

/// A child and the lock around it: the implementation of the public types.
struct Locked<C, L> {
    child: C,
    mutex: L,
}

// SAFETY: any thread may use the child, and the lock may be sent. (A child that is dropped there is owned and `Send`.)
unsafe impl<C: Child, L: Send> Send for Locked<C, L> {}
// SAFETY: the child, which any thread may use, is used only under the lock, which any thread may acquire.
unsafe impl<C: Child, L: Sync> Sync for Locked<C, L> {}

impl<C: Child, L: Lock> Locked<C, L> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    #[inline]
    const fn allocator(&self) -> SyncAllocator<'_>
    where
        L: Sync,
    {
        // SAFETY: the functions keep the contract because the child does. They call it only under the lock, so any
        // thread may call them.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let _guard = this.mutex.lock();
        // SAFETY: `len` is not zero, by our caller; the lock excludes other threads from the child.
        unsafe { this.child.handle().raw_alloc(len, alignment, ret_addr) }
    }

    #[inline]
    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let _guard = this.mutex.lock();
        // SAFETY: a live block of the child, and `new_len` is not zero, by our caller; the lock excludes other threads.
        unsafe { this.child.handle().raw_resize(memory, alignment, new_len, ret_addr) }
    }

    #[inline]
    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let _guard = this.mutex.lock();
        // SAFETY: a live block of the child, and `new_len` is not zero, by our caller; the lock excludes other threads.
        unsafe { this.child.handle().raw_remap(memory, alignment, new_len, ret_addr) }
    }

    #[inline]
    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let _guard = this.mutex.lock();
        // SAFETY: a live block of the child, not used afterwards, by our caller; the lock excludes other threads.
        unsafe { this.child.handle().raw_free(memory, alignment, ret_addr) };
    }
}

impl<L> Locked<Borrowed<'_>, L> {
    fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name).field("child_allocator", &self.child.0).finish_non_exhaustive()
    }
}

// SAFETY: only one guard of a `Mutex` exists at a time, and unlocking it synchronises with the next lock. Poisoning is
// ignored, since it says nothing about the child.
#[cfg(feature = "std")]
unsafe impl Lock for Mutex<()> {
    type Guard<'g> = MutexGuard<'g, ()>;

    #[inline]
    fn lock(&self) -> MutexGuard<'_, ()> {
        match self.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => lock_contended(self),
        }
    }
}

#[cfg(feature = "std")]
#[cold]
fn lock_contended(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    /// How many times a thread yields before it sleeps.
    const YIELDS: usize = 8;
    for _ in 0..YIELDS {
        std::thread::yield_now();
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::Poisoned(error)) => return error.into_inner(),
            Err(TryLockError::WouldBlock) => {}
        }
    }
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use core::ptr;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    use super::*;

    /// A child that checks the lock of the wrapper around it.
    struct Looks {
        mutex: Cell<*const Mutex<()>>,
        calls: Cell<usize>,
    }

    impl Looks {
        const VTABLE: VTable =
            VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

        fn new() -> Looks {
            Looks { mutex: Cell::new(ptr::null()), calls: Cell::new(0) }
        }

        /// A wrapper around this child. The caller then sets `mutex` to its lock.
        fn wrap(&self) -> ThreadSafeAllocator<'_> {
            // SAFETY: the functions use no memory and never make a block.
            let child = unsafe { Allocator::from_state(self, &Self::VTABLE) };
            // SAFETY: the tests have one thread.
            unsafe { ThreadSafeAllocator::from_child(child) }
        }

        fn look(&self) {
            // SAFETY: the tests set the pointer before they call, and the wrapper is alive.
            let locked = unsafe { &*self.mutex.get() }.try_lock();
            assert!(matches!(locked, Err(TryLockError::WouldBlock)), "the child is called without the lock");
            self.calls.set(self.calls.get() + 1);
        }

        unsafe extern "C" fn alloc(ctx: *mut (), _: usize, _: Alignment, _: usize) -> Option<NonNull<u8>> {
            // SAFETY: `ctx` is the `&Self` that `wrap` passed.
            unsafe { state::<Self>(ctx) }.look();
            None
        }

        unsafe extern "C" fn resize(
            ctx: *mut (),
            _: *mut u8,
            _: usize,
            _: Alignment,
            _: usize,
            _: usize,
        ) -> bool {
            // SAFETY: `ctx` is the `&Self` that `wrap` passed.
            unsafe { state::<Self>(ctx) }.look();
            false
        }

        unsafe extern "C" fn remap(
            ctx: *mut (),
            _: *mut u8,
            _: usize,
            _: Alignment,
            _: usize,
            _: usize,
        ) -> Option<NonNull<u8>> {
            // SAFETY: `ctx` is the `&Self` that `wrap` passed.
            unsafe { state::<Self>(ctx) }.look();
            None
        }

        unsafe extern "C" fn free(ctx: *mut (), _: *mut u8, _: usize, _: Alignment, _: usize) {
            // SAFETY: `ctx` is the `&Self` that `wrap` passed.
            unsafe { state::<Self>(ctx) }.look();
        }
    }

    /// Calls all four functions, and calls `between` before and after each.
    fn call_all(allocator: SyncAllocator<'_>, mut between: impl FnMut()) {
        let memory = NonNull::slice_from_raw_parts(NonNull::<u8>::dangling(), 1);
        between();
        // SAFETY: the child ignores its arguments.
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
        child.mutex.set(&wrapper.locked.mutex);
        call_all(wrapper.allocator(), || assert!(wrapper.locked.mutex.try_lock().is_ok()));
        assert_eq!(child.calls.get(), 4);
    }

    /// Nothing in this crate can poison the lock, but a poisoned lock still locks.
    #[test]
    fn a_poisoned_lock_does_no_harm() {
        let child = Looks::new();
        let wrapper = child.wrap();
        child.mutex.set(&wrapper.locked.mutex);
        let poisoning = catch_unwind(AssertUnwindSafe(|| {
            let _guard = wrapper.locked.mutex.lock();
            resume_unwind(Box::new(()));
        }));
        assert!(poisoning.is_err() && wrapper.locked.mutex.is_poisoned());
        call_all(wrapper.allocator(), || {});
        assert_eq!(child.calls.get(), 4);

        // When contended, too.
        let guard = wrapper.locked.mutex.lock().unwrap_err().into_inner();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(Lock::lock(&wrapper.locked.mutex)));
            drop(guard);
        });
    }
}
