//! Rust's global allocator: whatever `#[global_allocator]` says, or else the one of the platform.
//!
//! # Guarantees
//!
//! `alloc` and `free` are `std::alloc::alloc` and `dealloc`; `remap` is `realloc`; `resize` is true only for
//! the length that the block has. It is what [`FromGlobalAlloc`] makes of these functions.
//!
//! There is no state: the context is the address of nothing.
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
//! they are no [`Layout`].
//!
//! Not in Zig, which has no global allocator.

use alloc::alloc as global;
use core::alloc::{GlobalAlloc, Layout};

use crate::adapters::FromGlobalAlloc;
use crate::allocator::SyncAllocator;

/// Rust's global allocator; see the [module](self).
///
/// It must not be the child of what is itself installed as `#[global_allocator]`: that would call
/// itself.
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
pub const RUST_ALLOCATOR: SyncAllocator<'static> = FromGlobalAlloc::from_ref(&Global).thread_safe_allocator();

/// What the program has installed. The adapter makes the table.
struct Global;

// SAFETY: the functions are those of a `GlobalAlloc`, which keeps that trait's contract.
unsafe impl GlobalAlloc for Global {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: this function's own requirements.
        unsafe { global::alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: this function's own requirements.
        unsafe { global::dealloc(ptr, layout) };
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: this function's own requirements.
        unsafe { global::alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: this function's own requirements.
        unsafe { global::realloc(ptr, layout, new_size) }
    }
}
