//! Rust's global allocator: the one set by `#[global_allocator]`, or the platform's default.
//!
//! `free` and `remap` make a [`Layout`](core::alloc::Layout) from the length and alignment that they are passed. In
//! release builds they do not check them: if these are not the block's ([live-block](crate::VTable#live-block)), for
//! example an alignment from C that is not [valid](Alignment::is_valid), the behaviour is undefined.
//!
//! Not in Zig, which has no global allocator. See [threads and forks](super#threads-and-forks).

use alloc::alloc as global;
use core::ptr::{self, NonNull};

use crate::alignment::Alignment;
use crate::allocator::SyncAllocator;
use crate::allocator::stateless::{Sealed, Stateless};
use crate::vtable::VTable;

/// Rust's global allocator: the one set by `#[global_allocator]`, or the platform's default.
///
/// `remap` is `realloc`, which may move the block; `resize` returns true only for the block's current length. A block
/// is at most `isize::MAX` bytes long.
///
/// Do not use it as the child of an allocator that is itself the `#[global_allocator]`: the calls would recurse.
///
/// ```
/// use zigalloc::heap::{ArenaAllocator, RUST_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(RUST_ALLOCATOR);
/// let text = arena.allocator().dupe(b"on the heap")?;
/// // SAFETY: the arena lives, and `dupe` has initialised every byte.
/// assert_eq!(unsafe { text.as_ref() }, b"on the heap");
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Not in Zig, which has no global allocator.
///
/// A block of Rust's heap becomes a `Box`, and a `Box` a block:
///
/// ```
/// use std::ptr::NonNull;
/// use zigalloc::heap::RUST_ALLOCATOR;
///
/// let number = RUST_ALLOCATOR.create_with(42u64)?;
/// // SAFETY: memory of the global allocator with the layout of a `u64`, initialised, and not used otherwise.
/// let boxed: Box<u64> = unsafe { Box::from_raw(number.as_ptr()) };
/// assert_eq!(*boxed, 42);
///
/// let text: NonNull<[u8]> = NonNull::from(Box::leak(Box::<[u8]>::from(&b"boxed"[..])));
/// // SAFETY: a block of the global allocator of five bytes, not used afterwards.
/// unsafe { RUST_ALLOCATOR.free(text) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A block's length is part of its layout, so it changes by `remap` and never by `resize`:
///
/// ```
/// # use zigalloc::heap::RUST_ALLOCATOR;
/// let memory = RUST_ALLOCATOR.dupe(b"twelve bytes")?;
/// // SAFETY: a live block; after the `remap`, the old pointer is not used.
/// unsafe {
///     assert!(RUST_ALLOCATOR.resize(memory, 12) && !RUST_ALLOCATOR.resize(memory, 6));
///     let shorter = RUST_ALLOCATOR.remap(memory, 6).unwrap();
///     assert_eq!(shorter.as_ref(), b"twelve");
///     RUST_ALLOCATOR.free(shorter);
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub const RUST_ALLOCATOR: SyncAllocator<'static> = {
    // SAFETY: a global allocator keeps the contract from any thread, since `GlobalAlloc` guarantees the same:
    // blocks are disjoint, aligned, and valid until they are freed. It does not rule out reentry (no-reentry),
    // but an allocator above a child keeps its blocks disjoint even then. The functions ignore the context.
    unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &RustAllocator::VTABLE) }
};

/// [`RUST_ALLOCATOR`] as a type without size: see [`Stateless`].
///
/// It does not implement `GlobalAlloc`: as the global allocator it would call itself.
///
#[cfg_attr(feature = "allocator-api2-02", doc = "```")]
#[cfg_attr(not(feature = "allocator-api2-02"), doc = "```ignore")]
/// use allocator_api2_02::vec::Vec;
/// use zigalloc::heap::RustAllocator;
///
/// let mut numbers = Vec::new_in(RustAllocator);
/// numbers.extend(0..100);
/// assert_eq!(numbers[12], 12);
/// ```
///
/// Not in Zig, which has no global allocator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RustAllocator;

impl Sealed for RustAllocator {}

impl Stateless for RustAllocator {
    const ALLOCATOR: SyncAllocator<'static> = RUST_ALLOCATOR;

    #[inline]
    unsafe fn raw_alloc_zeroed(len: usize, alignment: Alignment, _ret_addr: usize) -> Option<NonNull<u8>> {
        let layout = alignment.layout_of_request(len)?;
        // SAFETY: the layout's size is `len`, which is not zero, by our caller.
        NonNull::new(unsafe { global::alloc_zeroed(layout) })
    }
}

impl RustAllocator {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Returns [`RUST_ALLOCATOR`].
    ///
    /// ```
    /// use zigalloc::heap::RustAllocator;
    ///
    /// let memory = RustAllocator.allocator().dupe(b"a block")?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { RustAllocator.allocator().free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn allocator(self) -> SyncAllocator<'static> {
        RUST_ALLOCATOR
    }

    #[inline]
    unsafe extern "C" fn alloc(
        _ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let layout = alignment.layout_of_request(len)?;
        // SAFETY: the layout's size is `len`, which is not zero (non-zero).
        NonNull::new(unsafe { global::alloc(layout) })
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
        _ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // `realloc` requires that a layout exists for the new length.
        alignment.layout_of_request(new_len)?;
        // SAFETY: the length and alignment of a live block (live-block), for which `alloc` or `remap` made a layout.
        let layout = unsafe { alignment.layout_of_block(memory_len) };
        // SAFETY: a live block with that layout; `new_len` is not zero (non-zero), and valid for the alignment.
        NonNull::new(unsafe { global::realloc(memory, layout, new_len) })
    }

    #[inline]
    unsafe extern "C" fn free(
        _ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: the length and alignment of a live block (live-block), for which `alloc` or `remap` made a layout.
        let layout = unsafe { alignment.layout_of_block(memory_len) };
        // SAFETY: a live block with that layout, which is not used afterwards.
        unsafe { global::dealloc(memory, layout) };
    }
}
