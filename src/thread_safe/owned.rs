//! The lock that owns its child, with the standard library's mutex.

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Mutex;

use super::{Lockable, Locked, Owned};
use crate::allocator::{Allocator, AsAllocator, SyncAllocator};

/// A [`ThreadSafeAllocator`](crate::ThreadSafeAllocator) that owns its child, so that both can be a field, a static, or
/// the content of an [`Arc`](std::sync::Arc).
///
/// The child cannot be reached while a handle exists: [`get_mut`](Self::get_mut) and [`into_inner`](Self::into_inner)
/// need the lock exclusively or by value, and handles borrow it. Contention and forks are as for `ThreadSafeAllocator`.
///
/// An arena for all threads, in a static and without `unsafe`:
///
/// ```
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::{OwnedThreadSafeAllocator, SyncAllocator};
///
/// static ARENA: OwnedThreadSafeAllocator<ArenaAllocator<SyncAllocator<'static>>> =
///     OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR));
///
/// let threads = [1, 2, 3].map(|n| std::thread::spawn(move || ARENA.allocator().create_with(n).is_ok()));
/// assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
/// ```
///
/// Ports `std.heap.ThreadSafeAllocator` of Zig 0.15.2, which stores its child's handle.
///
/// Shared by threads that outlive the function that made it, and freed with the last of them:
///
/// ```
/// use std::sync::Arc;
/// use zigalloc::OwnedThreadSafeAllocator;
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let memory = Arc::new(OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR)));
/// let threads = [100, 200].map(|len| {
///     let memory = Arc::clone(&memory);
///     std::thread::spawn(move || memory.allocator().alloc::<u8>(len).unwrap().len())
/// });
/// assert_eq!(threads.map(|thread| thread.join().unwrap()), [100, 200]);
/// let arena = Arc::into_inner(memory).expect("the threads have ended").into_inner();
/// assert!(arena.query_capacity() >= 300);
/// ```
pub struct OwnedThreadSafeAllocator<A> {
    locked: Locked<Owned<A>, Mutex<()>>,
}

impl<A: Lockable> OwnedThreadSafeAllocator<A> {
    /// Puts a lock around `child`.
    ///
    /// ```
    /// # use zigalloc::{OwnedThreadSafeAllocator, heap::{ArenaAllocator, PAGE_ALLOCATOR}};
    /// let lock = OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR));
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| lock.allocator().alloc::<u8>(100).is_ok());
    ///     scope.spawn(|| lock.allocator().alloc::<u8>(200).is_ok());
    /// });
    /// assert!(lock.into_inner().query_capacity() >= 300);
    /// ```
    #[must_use]
    #[inline]
    pub const fn new(child: A) -> OwnedThreadSafeAllocator<A> {
        OwnedThreadSafeAllocator { locked: Locked { child: Owned(child), mutex: Mutex::new(()) } }
    }

    /// Returns a handle for any number of threads, which borrows the lock.
    ///
    /// A struct that stores the lock and hands out its handle:
    ///
    /// ```
    /// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// use zigalloc::{OwnedThreadSafeAllocator, SyncAllocator};
    ///
    /// struct Server {
    ///     memory: OwnedThreadSafeAllocator<ArenaAllocator<SyncAllocator<'static>>>,
    /// }
    ///
    /// impl Server {
    ///     fn allocator(&self) -> SyncAllocator<'_> {
    ///         self.memory.allocator()
    ///     }
    /// }
    ///
    /// let server = Server { memory: OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR)) };
    /// let server = Box::new(server); // moved
    /// assert!(server.allocator().alloc::<u8>(100).is_ok());
    /// ```
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_> {
        self.locked.allocator()
    }
}

impl<A> OwnedThreadSafeAllocator<A> {
    /// The child, without locking, since nothing else can use the lock meanwhile.
    ///
    /// ```
    /// # use zigalloc::{OwnedThreadSafeAllocator, heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode}};
    /// let mut lock = OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR));
    /// lock.allocator().alloc::<u8>(100)?;
    /// assert!(lock.get_mut().reset(ResetMode::FreeAll));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Between two rounds, when no thread has a handle, the child can be reset:
    ///
    /// ```
    /// # use zigalloc::{OwnedThreadSafeAllocator, heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode}};
    /// let mut lock = OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR));
    /// for round in 1..=3 {
    ///     std::thread::scope(|scope| {
    ///         for _ in 0..2 {
    ///             scope.spawn(|| lock.allocator().alloc::<u8>(1000 * round).unwrap().len());
    ///         }
    ///     });
    ///     assert!(lock.get_mut().query_capacity() >= 2000 * round);
    ///     assert!(lock.get_mut().reset(ResetMode::RetainWithLimit(500)));
    /// }
    /// assert!(lock.into_inner().query_capacity() <= 500);
    /// ```
    #[inline]
    pub const fn get_mut(&mut self) -> &mut A {
        &mut self.locked.child.0
    }

    /// Returns the child. Its blocks stay valid if it allows to be moved, as an arena does.
    ///
    /// ```
    /// # use zigalloc::{OwnedThreadSafeAllocator, heap::{ArenaAllocator, PAGE_ALLOCATOR}};
    /// let lock = OwnedThreadSafeAllocator::new(ArenaAllocator::init(PAGE_ALLOCATOR));
    /// let number = lock.allocator().create_with(42)?;
    /// let arena = lock.into_inner();
    /// // SAFETY: the arena's blocks are where they were.
    /// assert_eq!(unsafe { number.read() }, 42);
    /// # drop(arena);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn into_inner(self) -> A {
        self.locked.child.0
    }
}

// No call unwinds, so a caught panic never reveals a held lock or a child in mid-call.
impl<A: UnwindSafe> RefUnwindSafe for OwnedThreadSafeAllocator<A> {}

// SAFETY: 1. See `allocator`. 2. and 3. Any thread may call the handle at any time. 4. All handles have the same state
// and table.
unsafe impl<A: Lockable> AsAllocator for OwnedThreadSafeAllocator<A> {
    #[inline]
    fn allocator(&self) -> Allocator<'_> {
        OwnedThreadSafeAllocator::allocator(self).as_allocator()
    }
}

impl<A> fmt::Debug for OwnedThreadSafeAllocator<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The child may be in use by another thread.
        let child = core::any::type_name::<A>();
        f.debug_tuple("OwnedThreadSafeAllocator").field(&format_args!("{child}")).finish()
    }
}
