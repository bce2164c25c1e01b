//! Handles to allocators that implement `GlobalAlloc`.
//!
//! # Why the allocator is borrowed
//!
//! `GlobalAlloc` does not guarantee that blocks survive a move of their allocator, which usually is a static.
//! (The example in its documentation allocates from memory inside itself.) So no adapter takes it by value:
//! a handle borrows the allocator where it is.
//!
//! Not in Zig, which has no global allocator.

use core::alloc::GlobalAlloc;
use core::fmt;
use core::ptr::{self, NonNull};

use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, SyncAllocator};
use crate::vtable::{VTable, state};

/// Turns any `GlobalAlloc` into an allocator of this crate: mimalloc, the system's allocator, a wrapper that counts.
///
/// `alloc` and `free` call `GlobalAlloc`'s `alloc` and `dealloc`; `remap` calls `realloc`, which may move the
/// block or extend it in place. `resize` returns true only for the block's own length, because
/// `GlobalAlloc` must be told a block's length when it is freed, and cannot change it in place.
///
/// A request that is not a valid [`Layout`](core::alloc::Layout) (more than `isize::MAX` bytes, rounded up to the
/// alignment) returns null.
///
/// # Re-entrance
///
/// `GlobalAlloc` does not forbid an allocator to call back into the allocator that is calling it
/// ([no-reentry](VTable#no-reentry)), through a hook for example. The allocators above then treat it like any such
/// child: a lock deadlocks, and an arena is out of memory. Blocks stay disjoint.
///
/// ```
/// use mimalloc::MiMalloc;
/// use zigalloc::SyncAllocator;
/// use zigalloc::adapters::FromGlobalAlloc;
///
/// const MIMALLOC: SyncAllocator<'static> = FromGlobalAlloc::from_ref(&MiMalloc).thread_safe_allocator();
///
/// let memory = MIMALLOC.dupe(b"not the global allocator here")?;
/// assert_eq!(unsafe { memory.as_ref() }.len(), 29);
/// unsafe { MIMALLOC.free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// The system's allocator under a debug allocator, in a program whose global allocator is another:
///
/// ```
/// use std::alloc::System;
/// use zigalloc::adapters::FromGlobalAlloc;
/// use zigalloc::trace::CountingAllocator;
///
/// let counting = CountingAllocator::init(FromGlobalAlloc::from_ref(&System).thread_safe_allocator());
/// let numbers = counting.allocator().dupe(&[1u32, 2, 3])?;
/// // SAFETY: a live block, whose old pointer is not used afterwards.
/// let numbers = unsafe { counting.allocator().realloc(numbers, 100) }?;
/// assert_eq!(unsafe { &numbers.as_ref()[..3] }, [1, 2, 3]);
/// let counts = counting.snapshot();
/// assert_eq!((counts.alloc.calls, counts.remap.calls, counts.remap.refused), (1, 1, 0), "a `realloc`, not a copy");
/// unsafe { counting.allocator().free(numbers) };
/// assert!(counting.allocator().alloc::<u8>(usize::MAX).is_err(), "not a layout");
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[repr(transparent)]
pub struct FromGlobalAlloc<G> {
    allocator: G,
}

impl<G: GlobalAlloc> FromGlobalAlloc<G> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Wraps a borrowed allocator.
    ///
    /// ```
    /// # use std::alloc::System;
    /// # use zigalloc::adapters::FromGlobalAlloc;
    /// let system = FromGlobalAlloc::from_ref(&System);
    /// let memory = system.allocator().alloc::<u32>(10)?;
    /// // SAFETY: a live block, not used afterwards.
    /// let memory = unsafe { system.allocator().realloc(memory, 1000) }?; // a `realloc` of `System`
    /// assert_eq!(memory.len(), 1000);
    /// # unsafe { system.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn from_ref(allocator: &G) -> &FromGlobalAlloc<G> {
        // SAFETY: the struct is `repr(transparent)` over `G`.
        unsafe { &*ptr::from_ref(allocator).cast() }
    }

    /// Wraps an exclusively borrowed allocator. The result is what
    /// [`ThreadSafeAllocator::new`](crate::ThreadSafeAllocator) takes, for a `G` that is not `Sync`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::alloc::{GlobalAlloc, Layout, System};
    /// use std::cell::Cell;
    /// use zigalloc::{ThreadSafeAllocator, adapters::FromGlobalAlloc};
    ///
    /// /// Counts allocations, for one thread at a time: it is not `Sync`.
    /// struct Counting(Cell<usize>);
    ///
    /// // SAFETY: `System` serves the calls.
    /// unsafe impl GlobalAlloc for Counting {
    ///     unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
    ///         self.0.set(self.0.get() + 1);
    ///         unsafe { System.alloc(layout) }
    ///     }
    ///
    ///     unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
    ///         unsafe { System.dealloc(ptr, layout) }
    ///     }
    /// }
    ///
    /// let mut counting = Counting(Cell::new(0));
    /// let locked = ThreadSafeAllocator::new(FromGlobalAlloc::from_mut(&mut counting));
    /// let memory = locked.allocator().create_with(42)?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { locked.allocator().destroy(memory) };
    /// assert_eq!(counting.0.get(), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn from_mut(allocator: &mut G) -> &mut FromGlobalAlloc<G> {
        // SAFETY: the struct is `repr(transparent)` over `G`.
        unsafe { &mut *ptr::from_mut(allocator).cast() }
    }

    /// Returns a handle for one thread.
    ///
    /// `resize` refuses even to shrink; `remap` calls `realloc`:
    ///
    /// ```
    /// # use std::alloc::System;
    /// # use zigalloc::adapters::FromGlobalAlloc;
    /// let allocator = FromGlobalAlloc::from_ref(&System).allocator();
    /// let memory = allocator.alloc::<u8>(100)?;
    /// // SAFETY: a live block; after the `remap`, the old pointer is not used.
    /// assert!(!unsafe { allocator.resize(memory, 50) });
    /// let memory = unsafe { allocator.remap(memory, 50) }.unwrap();
    /// # unsafe { allocator.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract because `GlobalAlloc` guarantees the same: blocks are disjoint,
        // aligned, and valid until they are freed, as long as the allocator stays where it is, and the handle borrows
        // it (validity). `GlobalAlloc` does not exclude re-entrance (no-reentry), but the allocators above a child keep
        // its blocks disjoint regardless.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// Returns a handle for any number of threads.
    ///
    /// As a constant, like those of Zig's `std.heap`:
    ///
    /// ```
    /// use std::alloc::System;
    /// use zigalloc::{SyncAllocator, adapters::FromGlobalAlloc, heap::SharedArenaAllocator};
    ///
    /// const SYSTEM: SyncAllocator<'static> = FromGlobalAlloc::from_ref(&System).thread_safe_allocator();
    ///
    /// let arena = SharedArenaAllocator::init(SYSTEM);
    /// let number = arena.allocator().create_with(42)?;
    /// assert_eq!(unsafe { number.read() }, 42);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn thread_safe_allocator(&self) -> SyncAllocator<'_>
    where
        G: Sync,
    {
        // SAFETY: several threads may call a `G` that is `Sync` at once. It could be their global allocator, through
        // which one thread frees the blocks of another.
        unsafe { SyncAllocator::new_unchecked(self.allocator()) }
    }

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let layout = alignment.layout_of_request(len)?;
        // SAFETY: the layout's size is `len`, which is not zero, by our caller.
        NonNull::new(unsafe { this.allocator.alloc(layout) })
    }

    #[inline]
    unsafe extern "C" fn resize(
        _ctx: *mut (),
        _memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> bool {
        new_len == memory_len
    }

    #[inline]
    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // `realloc` requires that the new layout exists.
        alignment.layout_of_request(new_len)?;
        // SAFETY: the length and alignment of a live block.
        let layout = unsafe { alignment.layout_of_block(memory_len) };
        // SAFETY: a live block with this layout, by our caller; `new_len` is not zero, and is a valid size for the
        // alignment.
        NonNull::new(unsafe { this.allocator.realloc(memory, layout, new_len) })
    }

    #[inline]
    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the length and alignment of a live block.
        let layout = unsafe { alignment.layout_of_block(memory_len) };
        // SAFETY: a live block with this layout, not used afterwards, by our caller.
        unsafe { this.allocator.dealloc(memory, layout) };
    }
}

// SAFETY: 1. and 4. See `allocator`. 2. It is `Send` if `G` is, and with exclusive access any thread may
// call it then. 3. It is `Sync` if `G` is: see `thread_safe_allocator`.
unsafe impl<G: GlobalAlloc> AsAllocator for FromGlobalAlloc<G> {
    #[inline]
    fn allocator(&self) -> Allocator<'_> {
        FromGlobalAlloc::allocator(self)
    }
}

impl<G> fmt::Debug for FromGlobalAlloc<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The allocator may not implement `Debug`, so show its type.
        f.debug_tuple("FromGlobalAlloc").field(&format_args!("{}", core::any::type_name::<G>())).finish()
    }
}
