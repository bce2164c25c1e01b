//! An allocator whose blocks are whole pages, straight from the operating system.
//!
//! # Guarantees
//!
//! Every block has pages of its own, so lengths are rounded up: one byte costs a page, and a system
//! call to get and another to free it. That is the price of needing nothing below it. It is
//! where other allocators get large blocks from, and what an arena is usually put on.
//!
//! A block may change its length for nothing within its last page. Freed pages go back to the system
//! at once, and using them again is a fault, not silent damage (except on WebAssembly, whose memory
//! only grows, and where the system [refuses](#when-the-system-refuses)).
//!
//! Pages fresh from the system are zero, and `alloc` does not fill them. The
//! [contract](crate::VTable#the-contract-of-an-allocator) does not promise that, though: it is not
//! so for pages that are used again on WebAssembly, nor under Miri.
//!
//! # Layout
//!
//! Systems align mappings to a page and no more. For a stricter alignment, more is mapped than
//! is needed, by as much as can be lost in front, and what is not needed is given back:
//!
//! ```text
//!            ┌─ a multiple of the alignment
//!            ▼
//!   ┌────────┬──────────────┬───────────┐
//!   │  head  │    block     │   tail    │   head + tail = alignment - page size
//!   └────────┴──────────────┴───────────┘
//!    unmapped                 unmapped
//! ```
//!
//! Of head and tail only the addresses are used. But they are mapped like the block, as in Zig, and a system may refuse
//! as much memory as the alignment would be. On Unix they are then mapped without access, which takes no memory, and
//! the block is made writable when it has been cut out. So 4 KiB can be aligned to 2^46 bytes where addresses have 47
//! bits. (On Windows they are only reserved in any case.)
//!
//! What a system does is in its module of `src/os`:
//!
//! | system | grows in place | moves | a shorter block |
//! |---|---|---|---|
//! | Linux, Android | if the addresses after it are free (`mremap`) | yes, without copying | gives its last pages back |
//! | other Unix | no | no | gives its last pages back |
//! | Windows | no | no | gives the memory back, keeps the addresses until it is freed |
//! | WebAssembly | within the power of two that it has | no | within that power of two only |
//! | Miri, others | no | yes, by copying | keeps its pages until it is freed |
//!
//! There is no state but a process-wide guess of where the next mapping could go, and a list of what the system
//! did not unmap; the context is null and never used.
//!
//! # When the system refuses
//!
//! Linux lets a process have 65,530 mappings by default (`vm.max_map_count`). To unmap pages in the middle of one
//! makes two of it, and is refused if that is one too many: when every second of 200,000 neighbouring pages is freed,
//! the last third is. A block is freed or shortened all the same:
//!
//! - Its memory goes back at once (`madvise`). On Linux it is gone; other Unix systems take it when they want some.
//! - Its addresses stay mapped for a while, so that using them is no fault. They are written down, in one of every
//!   255 pages that are refused. Each later call that unmaps pages tries two of them again, and a call that cannot
//!   map tries 64 and maps again. So when there is room for mappings, all come back.
//!
//! `cargo test --test all page_limits -- --nocapture` does so with 163,825 pages of 4 KiB, and shows what is resident.
//!
//! On Windows, memory whose addresses are not released is decommitted, or else offered to the system (`MEM_RESET`).
//!
//! # Threads
//!
//! Any number.
//!
//! A child that is forked while other threads allocate goes on: there is no lock. (Where the pages are Rust's global
//! heap's, as under Miri, there is one.)
//!
//! # Differences from Zig
//!
//! - `remap` does not move a block whose alignment is above a page, since the system would keep the
//!   alignment of a page only. (Zig 0.16 refuses to resize such blocks at all.)
//! - The guess (`next_mmap_addr_hint`) is private, as it is since Zig 0.16.
//! - Zig ignores that the system refuses to unmap, so that the memory is lost, and does not shorten a block then.
//! - Zig maps what aligns a block readable and writable, and is refused where the system does not have so much memory.
//! - Lengths beyond `isize::MAX` bytes are null everywhere. Rust has no longer objects.
//! - A program cannot replace this allocator by declaring another in its root file.
//! - On WebAssembly a block has whole pages of 64 KiB, as on other systems, and alignments above that
//!   are kept. Zig's `page_allocator` is its `WasmAllocator` there, which packs small blocks, and
//!   forgets larger alignments.
//! - On Windows pages after a shortened block are decommitted; Zig marks them as not needed.
//!
//! Ports `lib/std/heap/PageAllocator.zig` of Zig 0.15.2.

use core::ptr::{self, NonNull};

use super::{page_size, whole_block};
use crate::alignment::{Alignment, MAX_LEN};
use crate::allocator::SyncAllocator;
use crate::os;
use crate::vtable::{VTable, block};

/// The page allocator; see the [module](self).
///
/// Ports `std.heap.page_allocator` of Zig 0.15.2.
///
/// ```
/// use zigalloc::heap::{PAGE_ALLOCATOR, page_size};
///
/// let memory = PAGE_ALLOCATOR.alloc::<u8>(3 * page_size())?;
/// assert_eq!(memory.addr().get() % page_size(), 0);
/// // SAFETY: nothing uses the block afterwards.
/// unsafe { PAGE_ALLOCATOR.free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.page_allocator")]
pub const PAGE_ALLOCATOR: SyncAllocator<'static> = {
    // SAFETY: the functions keep the contract: a block's pages are its own until they are unmapped,
    // and systems let any thread map and unmap. There is no state.
    unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &PageAllocator::VTABLE) }
};

/// What Zig's `std.heap.PageAllocator` has beside the allocator: mapping without a handle.
///
/// ```
/// use zigalloc::{Alignment, heap::PageAllocator};
///
/// let memory = PageAllocator::map(100_000, Alignment::from_byte_units(1 << 16)).unwrap();
/// assert_eq!(memory.addr().get() % (1 << 16), 0);
/// // SAFETY: all of the block, which nothing uses afterwards.
/// unsafe { PageAllocator::unmap(std::ptr::NonNull::slice_from_raw_parts(memory, 100_000)) };
/// ```
#[doc(alias = "std.heap.PageAllocator")]
#[derive(Debug)]
pub struct PageAllocator;

impl PageAllocator {
    /// The functions of [`PAGE_ALLOCATOR`]. They make no use of the context.
    ///
    /// A handle made from the table, as C code would build it; the context can be anything:
    ///
    /// ```
    /// # use zigalloc::{SyncAllocator, heap::PageAllocator};
    /// // SAFETY: the functions of the page allocator, which any thread may call with any context.
    /// let allocator = unsafe { SyncAllocator::from_raw_parts(std::ptr::null_mut(), &PageAllocator::VTABLE) };
    /// let memory = allocator.alloc::<u8>(100)?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { allocator.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// Maps pages: at least `n` bytes, aligned to a page and to `alignment`.
    ///
    /// `None` if the system has none left, or `n` is 0 or above `isize::MAX`, or the alignment is not
    /// [valid](Alignment::is_valid).
    ///
    /// Ports `PageAllocator.map` of Zig 0.15.2.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{Alignment, heap::{PageAllocator, page_size}};
    /// let memory = PageAllocator::map(1, Alignment::_1).unwrap();
    /// assert_eq!(memory.addr().get() % page_size(), 0, "one byte is a page");
    /// assert_eq!(PageAllocator::map(0, Alignment::_1), None);
    /// // SAFETY: all of the block, which nothing uses afterwards.
    /// unsafe { PageAllocator::unmap(NonNull::slice_from_raw_parts(memory, 1)) };
    /// ```
    #[must_use = "pages whose address is lost are never unmapped"]
    #[inline]
    pub fn map(n: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        if n == 0 || n > MAX_LEN || !alignment.is_valid() {
            return None;
        }
        let size = whole_pages(n);
        // Rounding up may have crossed the limit.
        if size > MAX_LEN {
            return None;
        }
        // For `whole_block`.
        os::map(size, alignment).inspect(|memory| _ = memory.as_ptr().expose_provenance())
    }

    /// Unmaps all pages of a block.
    ///
    /// Should the system refuse (Linux does so if a process has too many mappings to split another),
    /// the memory goes back, and the addresses [later](self#when-the-system-refuses).
    ///
    /// Ports `PageAllocator.unmap` of Zig 0.15.2.
    ///
    /// # Safety
    /// `memory` is a live block of [`map`](Self::map) or of [`PAGE_ALLOCATOR`] with matching length
    /// (bytes), or with another length that has as many pages. Its pages are writable, as `map` makes them. Nothing
    /// uses it afterwards.
    ///
    /// With the number of pages instead of the exact length:
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{Alignment, heap::{PageAllocator, page_size}};
    /// let memory = PageAllocator::map(page_size() + 1, Alignment::_1).unwrap();
    /// let pages = NonNull::slice_from_raw_parts(memory, 2 * page_size());
    /// // SAFETY: all pages of the block, which nothing uses afterwards.
    /// unsafe { PageAllocator::unmap(pages) };
    /// ```
    #[inline]
    pub unsafe fn unmap(memory: NonNull<[u8]>) {
        // SAFETY: all pages of a live block, which nothing uses afterwards, by our caller.
        unsafe { os::unmap(memory.cast(), whole_pages(memory.len())) };
    }

    /// Changes the length of a block to `new_len` bytes, in place unless it `may_move`.
    ///
    /// A block that moves keeps its content and the alignment of a page. It loses a stricter one;
    /// [`PAGE_ALLOCATOR`] does not move those that have it. `None` if nothing has changed, also for
    /// a `new_len` of 0 or above `isize::MAX`.
    ///
    /// Ports `PageAllocator.realloc` of Zig 0.15.2.
    ///
    /// # Safety
    /// `memory` is as [`unmap`](Self::unmap) says. If the result is `Some`, the old pointer is dead,
    /// and nothing uses bytes beyond `new_len`.
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{Alignment, heap::PageAllocator};
    /// let memory = PageAllocator::map(100, Alignment::_1).unwrap();
    /// let block = NonNull::slice_from_raw_parts(memory, 100);
    /// // SAFETY: a live block.
    /// let grown = unsafe { PageAllocator::realloc(block, 4000, false) }.unwrap();
    /// assert_eq!(grown.addr(), memory.addr(), "its page has room");
    /// let block = NonNull::slice_from_raw_parts(grown, 4000);
    /// // SAFETY: the same, with its new length.
    /// assert_eq!(unsafe { PageAllocator::realloc(block, usize::MAX, true) }, None);
    /// # unsafe { PageAllocator::unmap(block) };
    /// ```
    #[must_use = "if the result is `Some`, the block is there and the old pointer is dead"]
    #[inline]
    pub unsafe fn realloc(memory: NonNull<[u8]>, new_len: usize, may_move: bool) -> Option<NonNull<u8>> {
        if new_len == 0 || new_len > MAX_LEN {
            return None;
        }
        let (size, new_size) = (whole_pages(memory.len()), whole_pages(new_len));
        // Miri's back end is asked even then: it returns the pointer that reaches all of the pages.
        if new_size == size && !cfg!(miri) {
            return Some(whole_block(memory.cast()));
        }
        if new_size > MAX_LEN {
            return None;
        }
        // SAFETY: all pages of a live block, by our caller, who does not use what is cut off or moved away from.
        let memory = unsafe { os::remap(memory.cast(), size, new_size, may_move) }?;
        // The kernel's pointer, if it has made a new mapping; else the caller's.
        memory.as_ptr().expose_provenance();
        Some(whole_block(memory))
    }

    #[inline]
    unsafe extern "C" fn alloc(
        _ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        Self::map(len, alignment)
    }

    #[inline]
    unsafe extern "C" fn resize(
        _ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> bool {
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, by our caller, who does not use what is cut off.
        unsafe { Self::realloc(memory, new_len, false) }.is_some()
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
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        let may_move = alignment.to_byte_units() <= page_size();
        // SAFETY: a live block, by our caller, who does not use what is cut off, nor the old pointer.
        unsafe { Self::realloc(memory, new_len, may_move) }
    }

    #[inline]
    unsafe extern "C" fn free(
        _ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, not used afterwards, by our caller.
        unsafe { Self::unmap(memory) };
    }
}

/// A length, rounded up to the page size. Both are bytes; the length is at most `isize::MAX`.
#[inline]
fn whole_pages(len: usize) -> usize {
    let page_size = page_size();
    (len + (page_size - 1)) & !(page_size - 1)
}
