//! The lock around an allocator, with a mutex of your choice.

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};

use lock_api::{Mutex, MutexGuard, RawMutex};

use super::{Borrowed, Lock, Lockable, Locked};
use crate::allocator::{Allocator, AsAllocator, SyncAllocator};

/// Makes any allocator usable from any number of threads, with a mutex of your choice around each call.
///
/// Use it instead of [`ThreadSafeAllocator`](crate::ThreadSafeAllocator) in programs without an operating system, or to
/// choose the lock: any [`RawMutex`] of the crate `lock_api`, such as `spin::Mutex<()>`,
/// `spin::mutex::TicketMutex<()>` or `parking_lot::RawMutex`.
///
/// ```
/// use std::mem::MaybeUninit;
/// use zigalloc::{LockedAllocator, heap::FixedBufferAllocator};
///
/// let mut buffer = [MaybeUninit::uninit(); 1000];
/// let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let locked = LockedAllocator::<spin::Mutex<()>>::new(&mut fixed_buffer);
/// let allocator = locked.allocator();
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(move || allocator.alloc::<u8>(250).unwrap().len());
///     }
/// });
/// assert_eq!(fixed_buffer.end_index(), 1000);
/// ```
///
/// # Which lock
///
/// | lock | waits by | caveat |
/// |---|---|---|
/// | `spin::Mutex<()>` | spinning | Unfair. A thread that is preempted while it holds the lock keeps all others spinning. |
/// | `spin::mutex::TicketMutex<()>` | spinning | Fair: first come, first served. The next in line may be asleep while all others spin: with more threads than processors, for minutes. With an operating system, `TicketMutex<(), spin::relax::Yield>` (spin's feature `std`) lets it run. |
/// | `parking_lot::RawMutex` | spinning briefly, then sleeping | It allocates: when more threads wait than ever before, its table of sleepers grows, from the **global** allocator. |
///
/// So with `parking_lot`, a `LockedAllocator` cannot be the `#[global_allocator]`, since allocating would wait for an
/// allocation. Spin locks allocate nothing and [can](crate::adapters::GlobalAllocator::new).
///
/// An interrupt handler that allocates deadlocks with a spin lock that the interrupted code holds. Use a lock there
/// that masks interrupts while it is held.
///
/// After a fork while another thread holds the lock, calls in the child process hang, as with
/// [`ThreadSafeAllocator`](crate::ThreadSafeAllocator); a spin lock spins for ever.
///
/// # What is required of the lock
///
/// `RawMutex` is an `unsafe` trait whose implementers guarantee mutual exclusion. It does not state that unlock
/// happens-before the next lock; like `lock_api::Mutex`, this type relies on it. Nor does it require that a lock works
/// across threads (a `Cell<bool>` can implement it), so only a lock that is `Sync` gives a handle, and the wrapper
/// is `Send` only if `R` is. A lock whose guards must not be sent (`R::GuardMarker`) is fine: the guard lives within
/// one call.
///
/// Not in Zig, whose `std.heap.ThreadSafeAllocator` has the mutex of `std.Thread`.
///
/// A lock of your own, for a target that has another way to exclude others, such as disabling interrupts:
///
/// ```
/// use std::mem::MaybeUninit;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use zigalloc::{LockedAllocator, heap::FixedBufferAllocator};
///
/// struct Spin(AtomicBool);
///
/// // SAFETY: `try_lock` is true for one thread until it unlocks, and both order memory.
/// unsafe impl lock_api::RawMutex for Spin {
///     const INIT: Spin = Spin(AtomicBool::new(false));
///     type GuardMarker = lock_api::GuardSend;
///
///     fn lock(&self) {
///         while !self.try_lock() {
///             std::hint::spin_loop();
///         }
///     }
///
///     fn try_lock(&self) -> bool {
///         !self.0.swap(true, Ordering::Acquire)
///     }
///
///     unsafe fn unlock(&self) {
///         self.0.store(false, Ordering::Release);
///     }
/// }
///
/// let mut buffer = [MaybeUninit::uninit(); 100];
/// let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let locked = LockedAllocator::<Spin>::new(&mut fixed_buffer);
/// std::thread::scope(|scope| {
///     scope.spawn(|| locked.allocator().alloc::<u8>(40).unwrap().len());
///     scope.spawn(|| locked.allocator().alloc::<u8>(60).unwrap().len());
/// });
/// assert!(locked.allocator().alloc::<u8>(1).is_err(), "all 100 bytes are used");
/// ```
#[doc(alias = "std.heap.ThreadSafeAllocator")]
pub struct LockedAllocator<'c, R> {
    locked: Locked<Borrowed<'c>, Mutex<R, ()>>,
}

// Written out, since the lock's own implementations also require that `R` is a `RawMutex`.
// SAFETY: the lock may be sent, and any thread may call the child.
unsafe impl<R: Send> Send for LockedAllocator<'_, R> {}
// SAFETY: the child is called only under the lock, which any thread may acquire.
unsafe impl<R: Sync> Sync for LockedAllocator<'_, R> {}

// No call unwinds, so a caught panic never reveals a held lock or a child in mid-call.
impl<R> UnwindSafe for LockedAllocator<'_, R> {}
impl<R> RefUnwindSafe for LockedAllocator<'_, R> {}

impl<'c, R: RawMutex> LockedAllocator<'c, R> {
    /// Puts a lock around `child`, which cannot be reached in any other way while the wrapper exists.
    ///
    /// Blocks that the child handed out before stay valid, and may be freed through the wrapper.
    ///
    /// With a fair lock:
    ///
    /// ```
    /// # use zigalloc::{LockedAllocator, heap::{ArenaAllocator, PAGE_ALLOCATOR}};
    /// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let locked = LockedAllocator::<spin::mutex::TicketMutex<()>>::new(&mut arena);
    /// locked.allocator().alloc::<u8>(100)?;
    /// assert!(arena.query_capacity() >= 100);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn new<A: Lockable>(child: &'c mut A) -> LockedAllocator<'c, R> {
        let child: &'c A = child;
        // SAFETY: `child` is borrowed exclusively for `'c` and this is its only handle, so by the second
        // requirement of `AsAllocator` it may be called from any thread, one at a time.
        unsafe { LockedAllocator::from_child(child.allocator()) }
    }

    /// Puts a lock around an allocator whose owner the compiler cannot see, such as one in a static, a handle that came
    /// over FFI, or one in a program ported line by line.
    ///
    /// # Safety
    ///
    /// - Any thread may call `child`'s functions, one thread at a time.
    /// - While this wrapper or a handle to it is in use, nothing else calls them, neither through a copy of the
    ///   handle nor through another wrapper, unless they are thread-safe by themselves.
    ///
    /// A static heap over a single-threaded allocator:
    ///
    /// ```
    /// use zigalloc::{LockedAllocator, SyncAllocator, heap::{ArenaAllocator, PAGE_ALLOCATOR}};
    ///
    /// type Arena = ArenaAllocator<SyncAllocator<'static>>;
    ///
    /// static mut ARENA: Arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// static LOCKED: LockedAllocator<'static, spin::Mutex<()>> =
    ///     // SAFETY: the arena is `Send`, and nothing else uses it.
    ///     unsafe { LockedAllocator::from_child((*(&raw const ARENA)).allocator()) };
    ///
    /// let threads = [1, 2, 3].map(|n| std::thread::spawn(move || LOCKED.allocator().create_with(n).is_ok()));
    /// assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    /// ```
    #[must_use]
    #[inline]
    pub const unsafe fn from_child(child: Allocator<'c>) -> LockedAllocator<'c, R> {
        LockedAllocator { locked: Locked { child: Borrowed(child), mutex: Mutex::new(()) } }
    }

    /// Returns a handle for any number of threads.
    ///
    /// A shared arena needs a thread-safe child; here it is a fixed buffer under a lock:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// use zigalloc::LockedAllocator;
    /// use zigalloc::heap::{FixedBufferAllocator, SharedArenaAllocator};
    ///
    /// let mut buffer = [MaybeUninit::uninit(); 1000];
    /// let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let locked = LockedAllocator::<spin::Mutex<()>>::new(&mut fixed_buffer);
    /// let arena = SharedArenaAllocator::init(locked.allocator());
    /// let number = arena.allocator().create_with(42)?;
    /// assert_eq!(unsafe { number.read() }, 42);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_>
    where
        R: Sync,
    {
        self.locked.allocator()
    }
}

// SAFETY: 1. See `allocator`. 2. and 3. Any thread may call the handle at any time, since `R` is `Sync`. 4. All handles
// have the same state and table.
unsafe impl<R: RawMutex + Sync> AsAllocator for LockedAllocator<'_, R> {
    fn allocator(&self) -> Allocator<'_> {
        LockedAllocator::allocator(self).as_allocator()
    }
}

impl<R> fmt::Debug for LockedAllocator<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.locked.debug("LockedAllocator", f)
    }
}

// SAFETY: `RawMutex` guarantees mutual exclusion. That unlocking synchronises with the next lock is what
// `lock_api::Mutex` relies on too, to lend its value to one holder after another.
unsafe impl<R: RawMutex> Lock for Mutex<R, ()> {
    type Guard<'g>
        = MutexGuard<'g, R, ()>
    where
        R: 'g;

    #[inline]
    fn lock(&self) -> MutexGuard<'_, R, ()> {
        Mutex::lock(self)
    }
}
