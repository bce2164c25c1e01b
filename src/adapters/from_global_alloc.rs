//! A handle to anything that could be the `#[global_allocator]`: mimalloc, the system's allocator, a wrapper
//! that counts.
//!
//! # Guarantees
//!
//! `alloc` and `free` are `GlobalAlloc`'s `alloc` and `dealloc`; `remap` is `realloc`, which may move the
//! block or extend it where it is. `resize` is true only for the length that the block has, because
//! `GlobalAlloc` must be told the length of a block when it is freed, and cannot change it in place.
//!
//! # The allocator is borrowed
//!
//! `GlobalAlloc` does not promise that blocks survive a move of their allocator, which usually is a static.
//! (The example in its documentation has its memory within itself.) So there is no adapter by value:
//! a handle borrows the allocator where it is.
//!
//! # An allocator that calls back
//!
//! `GlobalAlloc` does not forbid an allocator to call the very allocator that is calling it ([no-reentry](crate::VTable#no-reentry)), through a hook, say. What is above it then does what it
//! does for any such child: a lock waits for ever, an arena has no memory to give. Blocks stay disjoint.
//!
//! # Limits
//!
//! Lengths end at `isize::MAX` bytes, rounded up to the alignment: larger ones are "no memory", as
//! they are no [`Layout`](core::alloc::Layout).
//!
//! Not in Zig, which has no global allocator.

use core::alloc::GlobalAlloc;
use core::fmt;
use core::ptr::{self, NonNull};

use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, SyncAllocator};
use crate::vtable::{VTable, state};

/// Any `GlobalAlloc`, seen as an allocator of this crate; see the [module](self).
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
#[repr(transparent)]
pub struct FromGlobalAlloc<G> {
    allocator: G,
}

impl<G: GlobalAlloc> FromGlobalAlloc<G> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// The allocator, seen as this type.
    #[inline]
    pub const fn from_ref(allocator: &G) -> &FromGlobalAlloc<G> {
        // SAFETY: the struct is transparent.
        unsafe { &*ptr::from_ref(allocator).cast() }
    }

    /// The allocator, to which there is no other way: what
    /// [`ThreadSafeAllocator::new`](crate::ThreadSafeAllocator) takes, for a `G` that is not `Sync`.
    #[inline]
    pub const fn from_mut(allocator: &mut G) -> &mut FromGlobalAlloc<G> {
        // SAFETY: the struct is transparent.
        unsafe { &mut *ptr::from_mut(allocator).cast() }
    }

    /// A handle for one thread.
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract, because `GlobalAlloc` guarantees the same: blocks are disjoint,
        // aligned, and valid until they are freed, as long as the allocator stays where it is, and the handle borrows
        // it (validity). It does not exclude no-reentry; whatever is above a child keeps its blocks disjoint all the same.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// A handle for any number of threads.
    #[inline]
    pub const fn thread_safe_allocator(&self) -> SyncAllocator<'_>
    where
        G: Sync,
    {
        // SAFETY: a `G` that is `Sync` may be called by several threads at once, and may be what all of
        // them have as their global allocator, through which blocks go from one to the other.
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
        // SAFETY: a live block with that layout, by our caller; `new_len` is not zero, and a valid size for the
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
        // SAFETY: a live block with that layout, not used afterwards, by our caller.
        unsafe { this.allocator.dealloc(memory, layout) };
    }
}

// SAFETY: 1. and 4. as `allocator` says. 2. It is `Send` if `G` is, and then whoever has it exclusively may
// call it from any thread. 3. It is `Sync` if `G` is: see `thread_safe_allocator`.
unsafe impl<G: GlobalAlloc> AsAllocator for FromGlobalAlloc<G> {
    #[inline]
    fn allocator(&self) -> Allocator<'_> {
        FromGlobalAlloc::allocator(self)
    }
}

impl<G> fmt::Debug for FromGlobalAlloc<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The allocator itself may have nothing to show, but its kind.
        f.debug_tuple("FromGlobalAlloc").field(&format_args!("{}", core::any::type_name::<G>())).finish()
    }
}
