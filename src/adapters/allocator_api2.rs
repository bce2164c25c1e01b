//! Containers in any allocator: the trait of `allocator-api2` 0.2 for [`Allocator`] and
//! [`SyncAllocator`].
//!
//! It is the trait that `hashbrown`, `bumpalo` and the `Vec` and `Box` of `allocator-api2` itself
//! take on stable Rust. A container keeps a copy of the handle, so it borrows the allocator's state:
//! one that outlives its arena does not compile.
//!
//! ```
//! use hashbrown::HashMap;
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
//!
//! let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
//! let mut counts = HashMap::new_in(arena.allocator());
//! for word in ["a", "rose", "is", "a", "rose"] {
//!     *counts.entry(word).or_insert(0) += 1;
//! }
//! assert_eq!(counts["rose"], 2);
//! assert!(arena.query_capacity() > 0);
//! ```
//!
//! # How the trait's calls become those of the vtable
//!
//! | the trait | the [`VTable`](crate::VTable) |
//! |---|---|
//! | `allocate` | `alloc` |
//! | `allocate_zeroed` | `alloc`, and zeros are written |
//! | `deallocate` | `free` |
//! | `grow`, `shrink` with the same alignment | `remap`; if it refuses: `alloc`, copy, `free` |
//! | `grow`, `shrink` with another alignment | `alloc`, copy, `free` |
//! | `grow_zeroed` | as `grow`, and zeros are written behind the old length |
//!
//! A layout of size zero is no block and never reaches the vtable: to allocate one gives an aligned
//! address with no memory behind it, to free it does nothing, to grow it allocates, and to shrink to
//! it frees. As everywhere in this crate the address is the highest one, where a wrong use faults.
//!
//! A smaller alignment moves a block too, although its address would do. The
//! [contract](crate::VTable#the-contract-of-an-allocator) (clause 3) matches a block by the
//! alignment that it was allocated with, and the trait tells the new one when it frees.
//!
//! No slice is longer than its layout asked for, although the trait allows it: the length that a
//! container may give back must be the one that the allocator knows. For the same reason `shrink`
//! fails, with the block as it was, if `remap` refuses and there is no memory for a copy.
//!
//! Nothing is filled with 0xAA, as nothing is in the `raw_*` functions. The return address is one in
//! the function of the container that these methods are inlined into.
//!
//! # Out of memory
//!
//! A container's infallible methods (`push`, `insert`) end the program or panic when memory runs
//! out, as with any allocator. `try_reserve` first, and they have what they need.
//!
//! Not in Zig, whose containers take a `std.mem.Allocator` as it is.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use allocator_api2_02::alloc as api;

use crate::alignment::Alignment;
use crate::return_address::return_address;
use crate::vtable::{Allocator, SyncAllocator};

// SAFETY: what the trait asks for is in the contract of every handle.
// 1. Blocks stay valid until all copies of the handle are gone: what ends a block early needs the
//    allocator's state exclusively (clause 11), and every copy, in whatever container, borrows it
//    for `'a`. A container that is leaked gives its memory out for at most `'a`.
// 2. Copies and moved handles are the same allocator (clause 13): two words, no state of their own.
// 3. Every live block can be passed to every method. The layout that "fits" it is exactly the one
//    of the last `allocate`, `grow` or `shrink`, since the slices returned are no longer than it;
//    so its size and alignment match (clause 3).
unsafe impl api::Allocator for Allocator<'_> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
        allocate(*self, layout, return_address())
    }

    #[inline]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
        let memory = allocate(*self, layout, return_address())?;
        // SAFETY: a new block of that length; none if the length is zero.
        unsafe { memory.cast::<u8>().write_bytes(0, memory.len()) };
        Ok(memory)
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { deallocate(*self, ptr, layout, return_address()) };
    }

    #[inline]
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
        // SAFETY: the caller's promise is the same.
        unsafe { reallocate(*self, ptr, old_layout, new_layout, return_address()) }
    }

    #[inline]
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
        // SAFETY: the caller's promise is the same.
        let memory = unsafe { reallocate(*self, ptr, old_layout, new_layout, return_address())? };
        let added = memory.len() - old_layout.size();
        // SAFETY: the block is `new_layout.size()` bytes long, which the caller promised to be at
        // least the old size.
        unsafe { memory.cast::<u8>().add(old_layout.size()).write_bytes(0, added) };
        Ok(memory)
    }

    #[inline]
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
        // SAFETY: the caller's promise is the same.
        unsafe { reallocate(*self, ptr, old_layout, new_layout, return_address()) }
    }
}

// SAFETY: as for `Allocator`, which does everything. That the calls may come from any thread is the
// promise of the handle's type.
unsafe impl api::Allocator for SyncAllocator<'_> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
        self.get().allocate(layout)
    }

    #[inline]
    fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, api::AllocError> {
        self.get().allocate_zeroed(layout)
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { self.get().deallocate(ptr, layout) };
    }

    #[inline]
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.get().grow(ptr, old_layout, new_layout) }
    }

    #[inline]
    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.get().grow_zeroed(ptr, old_layout, new_layout) }
    }

    #[inline]
    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old_layout: Layout,
        new_layout: Layout,
    ) -> Result<NonNull<[u8]>, api::AllocError> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.get().shrink(ptr, old_layout, new_layout) }
    }
}

/// A new block, or for size zero an aligned address with nothing behind it.
#[inline]
fn allocate(
    allocator: Allocator<'_>,
    layout: Layout,
    ret_addr: usize,
) -> Result<NonNull<[u8]>, api::AllocError> {
    let alignment = Alignment::from(layout);
    if layout.size() == 0 {
        let highest = ptr::without_provenance_mut(alignment.backward(usize::MAX));
        return Ok(NonNull::slice_from_raw_parts(NonNull::new(highest).ok_or(api::AllocError)?, 0));
    }
    // SAFETY: the size is not zero (clause 2), and the handle is in its thread (clause 5): it is not
    // `Send`, unless it was a `SyncAllocator`.
    let memory = unsafe { allocator.raw_alloc(layout.size(), alignment, ret_addr) };
    Ok(NonNull::slice_from_raw_parts(memory.ok_or(api::AllocError)?, layout.size()))
}

/// Ends a block, if there is one.
///
/// # Safety
/// `layout` fits the block at `ptr`, which is from this allocator and not used afterwards.
#[inline]
unsafe fn deallocate(allocator: Allocator<'_>, ptr: NonNull<u8>, layout: Layout, ret_addr: usize) {
    if layout.size() == 0 {
        return;
    }
    let memory = NonNull::slice_from_raw_parts(ptr, layout.size());
    // SAFETY: the caller's promise: a live block with matching length and alignment.
    unsafe { allocator.raw_free(memory, layout.into(), ret_addr) };
}

/// Makes a block longer or shorter; on failure it is as it was.
///
/// # Safety
/// `old_layout` fits the block at `ptr`, which is from this allocator. After success nothing uses
/// `ptr`.
#[inline]
unsafe fn reallocate(
    allocator: Allocator<'_>,
    ptr: NonNull<u8>,
    old_layout: Layout,
    new_layout: Layout,
    ret_addr: usize,
) -> Result<NonNull<[u8]>, api::AllocError> {
    let (old_len, new_len) = (old_layout.size(), new_layout.size());
    if old_layout == new_layout {
        return Ok(NonNull::slice_from_raw_parts(ptr, new_len));
    }
    if old_layout.align() == new_layout.align() && old_len != 0 && new_len != 0 {
        let memory = NonNull::slice_from_raw_parts(ptr, old_len);
        // SAFETY: the caller's promise: a live block with matching length and alignment. Neither
        // length is zero.
        if let Some(memory) = unsafe { allocator.raw_remap(memory, old_layout.into(), new_len, ret_addr) } {
            return Ok(NonNull::slice_from_raw_parts(memory, new_len));
        }
    }
    let memory = allocate(allocator, new_layout, ret_addr)?;
    // SAFETY: both blocks are live and at least that long, and so apart (clause 7).
    unsafe { memory.cast::<u8>().copy_from_nonoverlapping(ptr, old_len.min(new_len)) };
    // SAFETY: the caller's promise; the old block's content is in the new one.
    unsafe { deallocate(allocator, ptr, old_layout, ret_addr) };
    Ok(memory)
}
