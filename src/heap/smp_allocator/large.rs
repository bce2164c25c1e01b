//! Large blocks: spans of chunks, or pages of their own.
//!
//! A block has pages of its own if it is longer than half a chunk or aligned to more than a 16th of one, if the system
//! refuses another chunk, if other threads hold the locks of all pools, or if the system cannot take back the memory of
//! pages that stay mapped. The address tells which.

use core::cell::Cell;
use core::ptr::NonNull;

use super::spans::Pools;
use crate::alignment::Alignment;
use crate::allocator::stateless::Stateless;
use crate::heap::{PageAllocator, page_size, whole_block};
use crate::os;

/// Whether there are chunks. Miri detects more if each block is an allocation of its own.
const HAS_CHUNKS: bool = os::CAN_DISCARD && !cfg!(miri);

/// How many bytes of free large blocks keep their memory.
pub(super) const DEFAULT_LIMIT: usize = if cfg!(target_pointer_width = "64") { 128 << 20 } else { 32 << 20 };
/// How long, in milliseconds.
pub(super) const DEFAULT_PERIOD: usize = 1000;

/// The chunks of the process.
pub(super) static POOLS: Pools = Pools::new(DEFAULT_LIMIT, DEFAULT_PERIOD);

/// Allocates a block. `home` is the thread's pool.
pub(super) fn alloc(home: &Cell<usize>, len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    let span = if HAS_CHUNKS { POOLS.alloc(home, len, alignment) } else { None };
    span.or_else(|| map_pages(len, alignment))
}

/// Maps pages, and if the system refuses them, again after what chunks keep was returned to it.
pub(super) fn map_pages(len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    let map = || PageAllocator::map(len, alignment);
    map().or_else(|| after_trim(map))
}

/// Calls the system again after what chunks keep was returned to it.
#[cold]
fn after_trim(map: impl FnOnce() -> Option<NonNull<u8>>) -> Option<NonNull<u8>> {
    if !HAS_CHUNKS || POOLS.kept_bytes() == 0 {
        return None;
    }
    POOLS.trim();
    map()
}

/// Allocates a block whose bytes are zero. `home` is the thread's pool.
pub(super) fn alloc_zeroed(home: &Cell<usize>, len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    let span = if HAS_CHUNKS { POOLS.alloc_zeroed(home, len, alignment) } else { None };
    // SAFETY: the page allocator refuses a length of 0.
    let map = || unsafe { PageAllocator::raw_alloc_zeroed(len, alignment, 0) };
    span.or_else(map).or_else(|| after_trim(map))
}

/// Frees a block.
///
/// # Safety
/// `memory` is a live large block, not used afterwards.
pub(super) unsafe fn free(memory: NonNull<[u8]>) {
    if HAS_CHUNKS && POOLS.owns(memory.cast()) {
        // SAFETY: a live block from a chunk, not used afterwards, by our caller.
        unsafe { POOLS.free(memory) };
    } else {
        // SAFETY: a live block with its own pages, not used afterwards, by our caller.
        unsafe { PageAllocator::unmap(memory) };
    }
}

/// Changes the length of a block in place, or returns false. The new length is that of a large block too.
///
/// # Safety
/// `memory` is a live large block. If the result is true, the bytes after `new_len` are not used.
pub(super) unsafe fn resize(memory: NonNull<[u8]>, new_len: usize) -> bool {
    if HAS_CHUNKS && POOLS.owns(memory.cast()) {
        // SAFETY: a live block from a chunk; the bytes cut off are not used, by our caller.
        return unsafe { POOLS.resize(memory, new_len) };
    }
    // SAFETY: a live block with its own pages; the bytes cut off are not used, by our caller.
    unsafe { PageAllocator::realloc(memory, new_len, false) }.is_some()
}

/// Changes the length of a block, in place or, if it has pages of its own, by moving them.
///
/// # Safety
/// As [`resize`]; and if the result is `Some`, the old pointer is not used.
pub(super) unsafe fn remap(
    memory: NonNull<[u8]>,
    alignment: Alignment,
    new_len: usize,
) -> Option<NonNull<u8>> {
    if HAS_CHUNKS && POOLS.owns(memory.cast()) {
        // SAFETY: a live block from a chunk; the bytes cut off are not used, by our caller.
        let resized = unsafe { POOLS.resize(memory, new_len) };
        return resized.then(|| whole_block(memory.cast()));
    }
    let may_move = alignment.to_byte_units() <= page_size();
    // SAFETY: a live block with its own pages; what a success ends is not used, by our caller.
    unsafe { PageAllocator::realloc(memory, new_len, may_move) }
}
