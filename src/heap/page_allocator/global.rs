//! Pages from the allocator of Rust's standard library.
//!
//! For Miri, which knows `mmap` but neither hints nor unmapping a part, and for systems that have an
//! allocator and no mappings, or none that this crate knows. It is slower and wastes more, but gives
//! the same answers: lengths are rounded up to pages, and a block that has been shortened can grow
//! again. The layout is stored in front of the block, because who frees pages does not tell the
//! alignment:
//!
//! ```text
//!   base              base + alignment
//!   ┌────────┬────────┬─────────────────┐
//!   │        │ layout │      pages      │
//!   └────────┴────────┴─────────────────┘
//! ```
//!
//! New pages are not zeroed, so that Miri finds out who reads what nobody has written.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::NonNull;

use crate::alignment::Alignment;
use crate::heap::{MAX_LEN, page_size};

pub(super) fn map(size: usize, alignment: Alignment) -> Option<NonNull<u8>> {
    let front = alignment.to_byte_units().max(page_size());
    let base_size = size.checked_add(front)?;
    if base_size > MAX_LEN {
        return None;
    }
    let layout = Layout::from_size_align(base_size, front).ok()?;
    // SAFETY: the size is not zero.
    let base = NonNull::new(unsafe { System.alloc(layout) })?;
    // SAFETY: `base_size` is `front` bytes and the pages.
    let memory = unsafe { base.add(front) };
    // SAFETY: what is in front of the pages is larger than a layout, and aligned to a page.
    unsafe { memory.cast::<Layout>().sub(1).write(layout) };
    Some(memory)
}

/// # Safety
/// A live block.
unsafe fn layout(memory: NonNull<u8>) -> Layout {
    // SAFETY: `map` has written it.
    unsafe { memory.cast::<Layout>().sub(1).read() }
}

/// # Safety
/// A live block, which nothing uses afterwards.
pub(super) unsafe fn unmap(memory: NonNull<u8>, _size: usize) {
    // SAFETY: a live block, the caller says.
    let layout = unsafe { layout(memory) };
    // SAFETY: the pages begin as far behind the base as the layout is aligned.
    unsafe { System.dealloc(memory.sub(layout.align()).as_ptr(), layout) };
}

/// # Safety
/// A live block with `size` bytes. If the result is `Some`, nothing uses the old pointer.
pub(super) unsafe fn remap(
    memory: NonNull<u8>,
    size: usize,
    new_size: usize,
    may_move: bool,
) -> Option<NonNull<u8>> {
    // SAFETY: a live block, the caller says.
    let layout = unsafe { layout(memory) };
    if new_size <= layout.size() - layout.align() {
        return Some(memory);
    }
    if !may_move {
        return None;
    }
    let new = map(new_size, Alignment::_1)?;
    // SAFETY: both blocks have `size` bytes, since the new one is longer than the old one ever was. The
    // old one is not used any more.
    unsafe {
        memory.copy_to_nonoverlapping(new, size);
        unmap(memory, size);
    }
    Some(new)
}
