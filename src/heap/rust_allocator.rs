//! Rust's global allocator: whatever `#[global_allocator]` says, or else the one of the platform.
//!
//! # Guarantees
//!
//! `alloc` and `free` are `std::alloc::alloc` and `dealloc`; `remap` is `realloc`, which may move the
//! block or extend it where it is. `resize` is true only for the length that the block has, because
//! Rust's allocators must be told the length of a block when they free it, and cannot change it in
//! place.
//!
//! There is no state: the context is null and never used.
//!
//! # Threads
//!
//! Any number, as `GlobalAlloc` demands.
//!
//! # Limits
//!
//! Lengths end at `isize::MAX` bytes, rounded up to the alignment: larger ones are "no memory", as
//! they are no [`Layout`](core::alloc::Layout).
//!
//! Not in Zig, which has no global allocator.

use alloc::alloc as global;
use core::ptr::{self, NonNull};

use super::MAX_LEN;
use crate::alignment::Alignment;
use crate::vtable::{SyncAllocator, VTable, block, nullable};

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
pub const RUST_ALLOCATOR: SyncAllocator<'static> = {
    // SAFETY: the functions keep the contract, because `GlobalAlloc` promises the same: blocks are
    // disjoint, aligned, and valid until they are freed, from any thread. There is no state.
    unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &RustAllocator::VTABLE) }
};

struct RustAllocator;

impl RustAllocator {
    const VTABLE: VTable =
        VTable { alloc: rust_alloc, resize: rust_resize, remap: rust_remap, free: rust_free };

    /// # Safety
    /// `len` is not zero.
    #[inline]
    unsafe fn alloc(len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        if !alignment.is_valid() || len > MAX_LEN {
            return None;
        }
        let layout = alignment.to_layout(len).ok()?;
        // SAFETY: the layout's size is not zero, the caller says.
        NonNull::new(unsafe { global::alloc(layout) })
    }

    /// # Safety
    /// `memory` and `alignment` match a live block, `new_len` is not zero.
    #[inline]
    unsafe fn remap(memory: NonNull<[u8]>, alignment: Alignment, new_len: usize) -> Option<NonNull<u8>> {
        // `realloc` demands a new layout that is valid.
        if new_len > MAX_LEN || alignment.to_layout(new_len).is_err() {
            return None;
        }
        let layout = alignment.to_layout(memory.len()).ok()?;
        // SAFETY: the block was allocated with this layout or reallocated to it (matching length
        // and alignment); `new_len` is not zero and a valid size for the alignment.
        NonNull::new(unsafe { global::realloc(memory.cast().as_ptr(), layout, new_len) })
    }

    /// # Safety
    /// `memory` and `alignment` match a live block.
    #[inline]
    unsafe fn free(memory: NonNull<[u8]>, alignment: Alignment) {
        // A live block has a valid layout: `alloc` and `remap` have checked it.
        if let Ok(layout) = alignment.to_layout(memory.len()) {
            // SAFETY: the block was allocated with this layout or reallocated to it.
            unsafe { global::dealloc(memory.cast().as_ptr(), layout) };
        }
    }
}

// ---- the functions of the table ----

#[inline]
unsafe extern "C" fn rust_alloc(
    _ctx: *mut (),
    len: usize,
    alignment: Alignment,
    _ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 2 of the contract.
    nullable(unsafe { RustAllocator::alloc(len, alignment) })
}

#[inline]
unsafe extern "C" fn rust_resize(
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
unsafe extern "C" fn rust_remap(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clauses 2 and 3 of the contract.
    nullable(unsafe { RustAllocator::remap(block(memory, memory_len), alignment, new_len) })
}

#[inline]
unsafe extern "C" fn rust_free(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    _ret_addr: usize,
) {
    // SAFETY: clause 3 of the contract.
    unsafe { RustAllocator::free(block(memory, memory_len), alignment) };
}
