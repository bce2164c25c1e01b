//! Pages from the allocator of Rust's standard library.
//!
//! For Miri, whose `mmap` supports neither hints nor partial unmapping, and for systems that have an allocator but no
//! mappings, or none that this crate knows. It is slower and wastes more memory, but returns the same results: lengths
//! are rounded up to pages, and a block that has been shortened can grow again. A caller that frees pages passes
//! neither the alignment nor the original length, and its pointer may have provenance over the part in use only (a
//! `Box` narrows its pointer). So the pointer from `System` and its layout are kept in a table, by address.
//!
//! The table is on Rust's global heap, so the `#[global_allocator]` must not get its memory from these pages.
//!
//! New pages are not zeroed, so that Miri detects reads of uninitialised memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::alignment::{Alignment, MAX_LEN};
use crate::os::page_size::page_size;

/// A live block as `System` knows it.
#[derive(Clone, Copy)]
struct Block {
    memory: NonNull<u8>,
    layout: Layout,
}

// SAFETY: pages belong to no thread, and the pointer is used only in calls that the block's owner makes.
unsafe impl Send for Block {}

/// The live blocks by their address.
static BLOCKS: Mutex<BTreeMap<usize, Block>> = Mutex::new(BTreeMap::new());

fn blocks() -> MutexGuard<'static, BTreeMap<usize, Block>> {
    BLOCKS.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn map(size: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    let align = alignment.to_byte_units().max(page_size());
    if size == 0 || size.checked_add(align)? > MAX_LEN {
        return None;
    }
    let layout = Layout::from_size_align(size, align).ok()?;
    // SAFETY: the size is not zero.
    let memory = NonNull::new(unsafe { System.alloc(layout) })?;
    blocks().insert(memory.addr().get(), Block { memory, layout });
    Some(memory)
}

/// # Safety
/// A live block, which nothing uses afterwards.
pub(crate) unsafe fn unmap(memory: NonNull<u8>, _size: usize) {
    let block = blocks()
        .remove(&memory.addr().get())
        .unwrap_or_else(|| panic!("PageAllocator::unmap: the pages at {memory:?} are not mapped"));
    // SAFETY: allocated by `map` with this layout, and no longer in the table.
    unsafe { System.dealloc(block.memory.as_ptr(), block.layout) };
}

/// # Safety
/// A live block with `size` bytes. If the result is `Some`, nothing uses the old pointer.
pub(crate) unsafe fn remap(
    memory: NonNull<u8>,
    size: usize,
    new_size: usize,
    may_move: bool,
) -> Option<NonNull<u8>> {
    let block = *blocks()
        .get(&memory.addr().get())
        .unwrap_or_else(|| panic!("PageAllocator::realloc: the pages at {memory:?} are not mapped"));
    if new_size <= block.layout.size() {
        return Some(block.memory);
    }
    if !may_move {
        return None;
    }
    let new = map(new_size, Alignment::_1)?;
    // SAFETY: both blocks have `size` bytes, since the new one is longer than the old one ever was.
    unsafe { block.memory.copy_to_nonoverlapping(new, size) };
    // SAFETY: all pages of a live block, not used afterwards, by our caller.
    unsafe { unmap(memory, size) };
    Some(new)
}

pub(crate) const NEW_PAGES_ARE_ZERO: bool = false;
pub(crate) const CAN_DISCARD: bool = false;
pub(crate) const DISCARDED_PAGES_ARE_ZERO: bool = false;

/// The heap takes back whole blocks only.
///
/// # Safety
/// Whole pages, whose content is not used afterwards.
pub(crate) unsafe fn discard(_memory: NonNull<u8>, _size: usize) -> bool {
    false
}

/// There are none.
///
/// # Safety
/// Whole pages.
pub(crate) unsafe fn advise_huge_pages(_memory: NonNull<u8>, _size: usize) {}

/// There is no clock: only memory that could be discarded has a time.
pub(crate) fn milliseconds() -> usize {
    0
}
