//! Rust's global allocator: whatever `#[global_allocator]` says, or else the one of the platform.
//!
//! # Guarantees
//!
//! `alloc` and `free` are `std::alloc::alloc` and `dealloc`; `remap` is `realloc`; `resize` is true only for
//! the length that the block has, since `dealloc` must be told how long it is.
//!
//! There is no state, and the functions do not look at the context.
//!
//! # Threads
//!
//! Any number, as `GlobalAlloc` demands.
//!
//! After a `fork` while other threads allocate, what holds is what the global allocator of the program does. By default
//! that is the C library's `malloc`; see [its paragraph](crate::heap::c_allocator#threads).
//!
//! # Limits
//!
//! Lengths end at `isize::MAX` bytes, rounded up to the alignment: larger ones are "no memory", as
//! they are no [`Layout`](core::alloc::Layout).
//!
//! Not in Zig, which has no global allocator.

use alloc::alloc as global;
use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::allocator::SyncAllocator;
use crate::vtable::VTable;

/// Rust's global allocator: whatever `#[global_allocator]` says, or else the one of the platform.
///
/// `remap` is `realloc`, which may move the block; `resize` is true only for the length that the block has. Lengths end at
/// `isize::MAX` bytes.
///
/// It must not be the child of what is itself installed as `#[global_allocator]`: that would call itself.
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
pub const RUST_ALLOCATOR: SyncAllocator<'static> = Rust.allocator();

/// All of its state belongs to the program's global allocator.
struct Rust;

impl Rust {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    const fn allocator(&'static self) -> SyncAllocator<'static> {
        // SAFETY: a global allocator keeps the contract, from any thread, since `GlobalAlloc` guarantees the same: blocks
        // are disjoint, aligned, and valid until they are freed. It does not exclude no-reentry; whatever is above a child
        // keeps its blocks disjoint all the same.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
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
        // `realloc` requires that the new layout exists.
        alignment.layout_of_request(new_len)?;
        // SAFETY: the length and alignment of a live block (live-block), which `alloc` or `remap` made a layout of.
        let layout = unsafe { alignment.layout_of_block(memory_len) };
        // SAFETY: a live block with that layout; `new_len` is not zero (non-zero), and a valid size for the alignment.
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
        // SAFETY: the length and alignment of a live block (live-block), which `alloc` or `remap` made a layout of.
        let layout = unsafe { alignment.layout_of_block(memory_len) };
        // SAFETY: a live block with that layout, which ends here.
        unsafe { global::dealloc(memory, layout) };
    }
}
