//! One allocator trait of Rust, in both directions.
//!
//! The trait exists three times, in two versions of a crate and in the nightly compiler, with the same
//! functions and promises. This file is compiled once for each of them, as a child of the module that
//! imports it as `api`.

use core::alloc::Layout;
use core::fmt;
use core::ptr::{self, NonNull};

use super::api;
use crate::adapters::blocks;
use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, SyncAllocator};
use crate::return_address::return_address;
use crate::vtable::{VTable, block, state};

// ---- the trait, spoken by handles ----

// SAFETY: what the trait requires is in the contract of every handle.
// 1. Blocks stay valid until all copies of the handle are gone: what ends a block early needs the
//    allocator's state exclusively (validity), and every copy, in whatever container, borrows it
//    for `'a`. A container that is leaked gives its memory out for at most `'a`.
// 2. Copies and moved handles are the same allocator (copies): two words, no state of their own.
// 3. Every live block can be passed to every method. The layout that "fits" it is exactly the one
//    of the last `allocate`, `grow` or `shrink`, since the slices returned are no longer than it;
//    so its size and alignment match (live-block).
// 4. A block's end is an address too (new-block: no block is longer than an object may be); an empty
//    one starts at or below the highest.
// The methods are inlined, also without optimisation, so that their return address is the container's.
unsafe impl api::Allocator for Allocator<'_> {
    #[inline(always)]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
        blocks::allocate(*self, layout, return_address()).ok_or(api::AllocError)
    }

    #[inline(always)]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
        blocks::allocate_zeroed(*self, layout, return_address()).ok_or(api::AllocError)
    }

    #[inline(always)]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: this function's own requirements.
        unsafe { blocks::deallocate(*self, ptr, layout, return_address()) };
    }

    #[inline(always)]
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        debug_assert!(
            new_layout.size() >= old_layout.size(),
            "grow: the new size {} is below the old one, {}",
            new_layout.size(),
            old_layout.size()
        );
        // SAFETY: this function's own requirements.
        let memory = unsafe { blocks::reallocate(*self, ptr, old_layout, new_layout, return_address()) };
        memory.ok_or(api::AllocError)
    }

    #[inline(always)]
    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        debug_assert!(
            new_layout.size() >= old_layout.size(),
            "grow_zeroed: the new size {} is below the old one, {}",
            new_layout.size(),
            old_layout.size()
        );
        // SAFETY: this function's own requirements.
        let memory = unsafe { blocks::grow_zeroed(*self, ptr, old_layout, new_layout, return_address()) };
        memory.ok_or(api::AllocError)
    }

    #[inline(always)]
    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        debug_assert!(
            new_layout.size() <= old_layout.size(),
            "shrink: the new size {} is above the old one, {}",
            new_layout.size(),
            old_layout.size()
        );
        // SAFETY: this function's own requirements.
        let memory = unsafe { blocks::reallocate(*self, ptr, old_layout, new_layout, return_address()) };
        memory.ok_or(api::AllocError)
    }
}

// SAFETY: as for `Allocator`, which does everything; the calls may come from any thread.
unsafe impl api::Allocator for SyncAllocator<'_> {
    #[inline(always)]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
        self.as_allocator().allocate(layout)
    }

    #[inline(always)]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
        self.as_allocator().allocate_zeroed(layout)
    }

    #[inline(always)]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: this function's own requirements.
        unsafe { self.as_allocator().deallocate(ptr, layout) };
    }

    #[inline(always)]
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        // SAFETY: this function's own requirements.
        unsafe { self.as_allocator().grow(ptr, old_layout, new_layout) }
    }

    #[inline(always)]
    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        // SAFETY: this function's own requirements.
        unsafe { self.as_allocator().grow_zeroed(ptr, old_layout, new_layout) }
    }

    #[inline(always)]
    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        // SAFETY: this function's own requirements.
        unsafe { self.as_allocator().shrink(ptr, old_layout, new_layout) }
    }
}

// ---- handles to what speaks the trait ----

/// An allocator of another crate, which implements the trait of this [module](super), as one of this crate.
///
/// It holds an `A`, which can also be a reference: the trait is implemented for those. The handles borrow
/// this value, so it is neither moved nor dropped while one exists. An adapter that took an allocator by value
/// and returned a handle to it would point into a stack frame that is gone.
///
/// | the [`VTable`] | the trait |
/// |---|---|
/// | `alloc` | `allocate` |
/// | `resize` | none: true for the length that the block has, else false |
/// | `remap` | `grow` if the new length is not below the old one, else `shrink`; null if it fails |
/// | `free` | `deallocate` |
///
/// A block may be longer than was asked for, by the trait's rules. That length is not passed on, since
/// the vtable has no way to; the block keeps the length that was asked for, which the trait accepts too.
///
/// The trait cannot change a block in place, and a shorter length must be told to it: hence `resize`.
///
/// # An allocator that calls back
///
/// The trait does not forbid an allocator to call the very allocator that is calling it ([no-reentry](VTable#no-reentry)), through a hook,
/// say. What is above it then does what it does for any such child: a lock waits for ever, an arena has no
/// memory to give. Blocks stay disjoint, since safe code can do it.
///
/// # Threads
///
/// As with `A`: [`thread_safe_allocator`](Self::thread_safe_allocator) wants it `Sync`, and
/// [`ThreadSafeAllocator::new`](crate::ThreadSafeAllocator) wants it `Send`.
///
/// # Panics
///
/// The trait's functions may panic, for instance when memory runs out. A panic in one of them ends the
/// process ([no-unwind](VTable#no-unwind)).
///
/// Not in Zig.
#[doc(alias = "AllocatorApi2")]
#[doc(alias = "allocator_api")]
#[repr(transparent)]
pub struct FromAllocator<A> {
    allocator: A,
}

impl<A: api::Allocator> FromAllocator<A> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Around an allocator, or around a reference to one.
    #[inline]
    pub const fn new(allocator: A) -> FromAllocator<A> {
        FromAllocator { allocator }
    }

    /// Around an allocator that stays where it is.
    #[inline]
    pub const fn from_ref(allocator: &A) -> &FromAllocator<A> {
        // SAFETY: the struct is transparent.
        unsafe { &*ptr::from_ref(allocator).cast() }
    }

    /// Around an allocator that stays where it is, and to which there is no other way: what
    /// [`ThreadSafeAllocator::new`](crate::ThreadSafeAllocator) takes.
    #[inline]
    pub const fn from_mut(allocator: &mut A) -> &mut FromAllocator<A> {
        // SAFETY: the struct is transparent.
        unsafe { &mut *ptr::from_mut(allocator).cast() }
    }

    /// The allocator. Its blocks are live as long as it says.
    #[inline]
    pub fn into_inner(self) -> A {
        self.allocator
    }

    /// A handle for one thread.
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract. By the trait's, a block is valid until it is deallocated or the
        // allocator is gone, and the handle borrows `self`, which holds the allocator (validity). The trait does not
        // exclude no-reentry; whatever is above a child keeps its blocks disjoint all the same.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// A handle for any number of threads.
    #[inline]
    pub const fn thread_safe_allocator(&self) -> SyncAllocator<'_>
    where
        A: Sync,
    {
        // SAFETY: as above, and an `A` that is `Sync` may be called by several threads at once. Every live block can be
        // passed to every method, so a block may come back from another thread than it went to. (`&A` is then an
        // allocator that is `Send`, and a `Vec<T, &A>` does just that.)
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
        this.allocator.allocate(layout).ok().map(NonNull::cast)
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
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let new_layout = alignment.layout_of_request(new_len)?;
        // SAFETY: the length and alignment of a live block.
        let old_layout = unsafe { alignment.layout_of_block(memory_len) };
        // If the trait's functions fail, the block is as it was.
        let resized = if new_len >= memory_len {
            // SAFETY: a live block of this allocator; its layout, the last one requested, fits; the new one is not shorter.
            unsafe { this.allocator.grow(memory.cast(), old_layout, new_layout) }
        } else {
            // SAFETY: the same, and the new layout is shorter.
            unsafe { this.allocator.shrink(memory.cast(), old_layout, new_layout) }
        };
        resized.ok().map(NonNull::cast)
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
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block of this allocator, not used afterwards, by our caller; its layout, the last one requested,
        // fits.
        unsafe { this.allocator.deallocate(memory.cast(), layout) };
    }
}

// SAFETY: 1. and 4. as `allocator` says; moved or not, it is the same allocator, the trait says.
// 2. It is `Send` if `A` is. Whoever holds it exclusively could move the `A` to any thread and call it
// there; that no clone of it minds is what `Send` means. 3. It is `Sync` if `A` is: see
// `thread_safe_allocator`.
unsafe impl<A: api::Allocator> AsAllocator for FromAllocator<A> {
    #[inline]
    fn allocator(&self) -> Allocator<'_> {
        FromAllocator::allocator(self)
    }
}

impl<A> fmt::Debug for FromAllocator<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The allocator itself may have nothing to show, but its kind.
        f.debug_tuple("FromAllocator").field(&format_args!("{}", core::any::type_name::<A>())).finish()
    }
}
