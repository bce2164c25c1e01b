//! A lock around an allocator, with a lock of your choice.
//!
//! It is [`ThreadSafeAllocator`](crate::thread_safe) for programs without an operating system, and for
//! those that have a lock of their own: everything its module says holds here too, but for the lock, which
//! is any [`RawMutex`] of the crate `lock_api`. That crate's `RawMutex` is what locks have in common, so
//! `spin::Mutex<()>`, `spin::mutex::TicketMutex<()>`, `parking_lot::RawMutex` and others fit as they are.
//!
//! # What is assumed of the lock
//!
//! `RawMutex` is an `unsafe` trait: whoever implements it promises that the lock is held once at a time. That what
//! one holder did is seen by the next is not said there; it is assumed here as `lock_api::Mutex` assumes it,
//! which lends its value to one holder after the other. That is all that is needed for the child to see its calls one
//! after the other. The trait does not promise that a lock is for any thread: one that is a
//! `Cell<bool>`, for programs with one thread, implements it too. So the handle is made only if `R` is
//! `Sync`, and the wrapper may be sent only if `R` is `Send`.
//!
//! A lock whose guards must not be sent (`R::GuardMarker`) is as good as any: the guard lives inside of one
//! call, which does not change its thread.
//!
//! # Which lock
//!
//! | lock | waits by | mind |
//! |---|---|---|
//! | `spin::Mutex<()>` | turning in a loop | Not fair. A thread that is interrupted while it holds the lock keeps all others turning. |
//! | `spin::mutex::TicketMutex<()>` | turning in a loop | Fair: first come, first served. The next in line may be asleep, and then everyone turns: with more threads than processors for minutes. Where there is an operating system, `TicketMutex<(), spin::relax::Yield>` (spin's feature `std`) lets it run. |
//! | `parking_lot::RawMutex` | turning for a moment, then sleeping | It allocates: the first time that threads wait, and whenever there are more of them than before, it takes memory from the **global** allocator, for its table of sleepers. |
//!
//! What the last one means: with it, a `LockedAllocator` never fits as the `#[global_allocator]`, for then
//! to allocate would wait for an allocation; and a program that counts on one arena for all of its memory
//! has some elsewhere. Locks that spin allocate nothing, and may be
//! [the global allocator](crate::adapters::GlobalAllocator::new).
//!
//! A lock that spins and an interrupt handler do not go together: a handler that interrupts the holder on
//! the same core waits for it, and it does not go on before the handler has ended. Where handlers allocate,
//! the lock must mask the interrupts (`lock` masks, `unlock` restores).
//!
//! # Panics, re-entrance
//!
//! A child must not unwind (clause 14 of the [contract](crate::VTable#the-contract-of-an-allocator)); a
//! panic in one ends the process, and nobody sees the lock afterwards. These locks know no poisoning. A
//! child that calls back into the wrapper waits for itself (clause 15).
//!
//! # After a fork
//!
//! As with [`ThreadSafeAllocator`](crate::ThreadSafeAllocator): a child that is forked while another thread holds
//! the lock hangs in its first call, or spins for ever.
//!
//! # Differences from Zig
//!
//! Those of [`ThreadSafeAllocator`](crate::thread_safe); and Zig's has one mutex, that of `std.Thread`.
//!
//! Ports `lib/std/heap/ThreadSafeAllocator.zig` of Zig 0.15.2, whose `mutex` is a field that can have
//! another type here.

use core::fmt;
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::ptr::{self, NonNull};

use lock_api::{Mutex, MutexGuard, RawMutex};

use crate::alignment::Alignment;
use crate::vtable::{Allocator, AllocatorState, SyncAllocator, VTable, block, nullable};

/// A lock of your choice around an allocator, which makes it one for any number of threads; see the
/// [module](self).
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
#[doc(alias = "std.heap.ThreadSafeAllocator")]
pub struct LockedAllocator<'c, R> {
    child_allocator: Allocator<'c>,
    mutex: Mutex<R, ()>,
}

// SAFETY: the child may be called from any thread, one at a time: `new` takes `Send` state and
// `from_child` makes its caller promise it. The lock may be sent.
unsafe impl<R: Send> Send for LockedAllocator<'_, R> {}
// SAFETY: as above, the child is called under the lock only, and any thread may lock it.
unsafe impl<R: Sync> Sync for LockedAllocator<'_, R> {}

// Nothing unwinds out of a call, so nobody finds the lock or the child half done.
impl<R> UnwindSafe for LockedAllocator<'_, R> {}
impl<R> RefUnwindSafe for LockedAllocator<'_, R> {}

impl<'c, R: RawMutex> LockedAllocator<'c, R> {
    const VTABLE: VTable = VTable {
        alloc: locked_alloc::<R>,
        resize: locked_resize::<R>,
        remap: locked_remap::<R>,
        free: locked_free::<R>,
    };

    /// Puts a lock around `child`, which cannot be reached in any other way meanwhile.
    ///
    /// Blocks that the child gave out before stay valid, and may be freed through the wrapper.
    #[inline]
    pub fn new<A: AllocatorState + Send>(child: &'c mut A) -> LockedAllocator<'c, R> {
        let child: &'c A = child;
        // SAFETY: the child is borrowed exclusively for `'c` and this is its only handle, so by the
        // second clause of `AllocatorState` it may be called from any thread, one at a time.
        unsafe { LockedAllocator::from_child(child.allocator()) }
    }

    /// Puts a lock around an allocator that only the caller knows: one in a static, one that came over
    /// FFI, or one of a program that is ported line by line.
    ///
    /// # Safety
    ///
    /// As long as this wrapper or a handle to it is in use, `child`'s functions are called by nobody
    /// else, neither through a copy of the handle nor through another wrapper, unless they are
    /// thread-safe by themselves. They may be called from any thread, one at a time.
    #[must_use]
    #[inline]
    pub const unsafe fn from_child(child: Allocator<'c>) -> LockedAllocator<'c, R> {
        LockedAllocator { child_allocator: child, mutex: Mutex::new(()) }
    }

    /// A handle for any number of threads.
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'_>
    where
        R: Sync,
    {
        // SAFETY: the functions keep the contract because the child does, and every call of the
        // child is made under the lock, so any thread may make it; any thread may lock it.
        unsafe { SyncAllocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }

    #[inline]
    fn alloc(&self, len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        let _guard: MutexGuard<'_, R, ()> = self.mutex.lock();
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
        let _guard = self.mutex.lock();
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
        let _guard = self.mutex.lock();
        // SAFETY: the block is the child's; the lock keeps other threads out.
        unsafe { self.child_allocator.raw_remap(memory, alignment, new_len, ret_addr) }
    }

    /// # Safety
    /// Clauses 2 to 4 of the contract.
    #[inline]
    unsafe fn free(&self, memory: NonNull<[u8]>, alignment: Alignment, ret_addr: usize) {
        let _guard = self.mutex.lock();
        // SAFETY: the block is the child's; the lock keeps other threads out.
        unsafe { self.child_allocator.raw_free(memory, alignment, ret_addr) }
    }
}

// SAFETY: 1. as `allocator` says. 2., 3. Any thread may call the handle at any time, since `R` is `Sync`.
unsafe impl<R: RawMutex + Sync> AllocatorState for LockedAllocator<'_, R> {
    fn allocator(&self) -> Allocator<'_> {
        LockedAllocator::allocator(self).get()
    }
}

impl<R> fmt::Debug for LockedAllocator<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedAllocator")
            .field("child_allocator", &self.child_allocator)
            .finish_non_exhaustive()
    }
}

// ---- the functions of the table ----

/// # Safety
/// Clause 1 of the contract: `ctx` is the address that `allocator` took, whose borrow lasts.
#[inline(always)]
unsafe fn context<'s, R>(ctx: *mut ()) -> &'s LockedAllocator<'s, R> {
    // SAFETY: the caller's promise; shared references are all that is ever made from it.
    unsafe { &*ctx.cast_const().cast() }
}

#[inline]
unsafe extern "C" fn locked_alloc<R: RawMutex>(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1 of the contract.
    nullable(unsafe { context::<R>(ctx) }.alloc(len, alignment, ret_addr))
}

#[inline]
unsafe extern "C" fn locked_resize<R: RawMutex>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> bool {
    // SAFETY: clauses 1 to 4 of the contract.
    unsafe { context::<R>(ctx).resize(block(memory, memory_len), alignment, new_len, ret_addr) }
}

#[inline]
unsafe extern "C" fn locked_remap<R: RawMutex>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clauses 1 to 4 of the contract.
    nullable(unsafe { context::<R>(ctx).remap(block(memory, memory_len), alignment, new_len, ret_addr) })
}

#[inline]
unsafe extern "C" fn locked_free<R: RawMutex>(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    ret_addr: usize,
) {
    // SAFETY: clauses 1 to 4 of the contract.
    unsafe { context::<R>(ctx).free(block(memory, memory_len), alignment, ret_addr) };
}
