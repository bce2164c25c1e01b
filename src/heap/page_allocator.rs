//! An allocator whose blocks are whole pages, straight from the operating system.
//!
//! # Layout
//!
//! Systems align mappings only to a page. For a stricter alignment, the mapping is longer than the block by as much as
//! the alignment can need, and the pages before and after the block are unmapped:
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
//! Head and tail are mapped like the block, as in Zig. If the system refuses that much memory, the mapping is made
//! without access, which takes none, and the block is made writable once head and tail are unmapped. So 4 KiB can be
//! aligned to 2^46 bytes where addresses have 47 bits. (This is for Unix; on Windows they are always only reserved.)
//!
//! Each system has a module in `src/os`:
//!
//! | system | grows in place | moves | a shortened block |
//! |---|---|---|---|
//! | Linux, Android | if the addresses after it are free (`mremap`) | yes, without copying | unmaps its last pages |
//! | other Unix | no | no | unmaps its last pages |
//! | Windows | no | no | releases the memory, keeps the addresses until it is freed |
//! | WebAssembly | within its power of two of pages | no | only within that power of two |
//! | Miri, others | no | yes, by copying | keeps its pages until it is freed |
//!
//! The process-wide state is a hint for the address of the next mapping, and a list of pages that were not unmapped.
//!
//! # When the system refuses
//!
//! Linux allows a process 65,530 mappings by default (`vm.max_map_count`). Unmapping pages in the middle of a mapping
//! splits it in two, which is refused at the limit: when every second of 200,000 adjacent pages is freed, the last
//! third is refused. The block is still freed or shortened:
//!
//! - Its memory is released at once (`madvise`). On Linux that takes effect immediately; other Unix systems take the
//!   memory when they need some.
//! - Its addresses stay mapped, so a use after free does not fault. They are recorded in one of every 255 such pages,
//!   and later calls unmap them, which makes room for others.
//!
//! `cargo test --test all page_limits -- --nocapture` does this with 163,825 pages of 4 KiB, and shows how much memory
//! is resident.
//!
//! On Windows, memory whose addresses are not released is decommitted, or else offered to the system (`MEM_RESET`).
//!
//! Ports `lib/std/heap/PageAllocator.zig` of Zig 0.15.2. See its [differences](crate::guide::differences#pages), and
//! [threads and forks](super#threads-and-forks).

use core::ptr::{self, NonNull};

use super::{page_size, whole_block};
use crate::alignment::{Alignment, MAX_LEN};
use crate::allocator::SyncAllocator;
use crate::allocator::stateless::{Sealed, Stateless};
use crate::os;
use crate::vtable::{VTable, block};

/// An allocator whose blocks are whole pages, straight from the operating system. Any number of threads may use it.
///
/// Every block has its own pages: one byte costs a page, a system call to allocate it and another to free it. In
/// return, the allocator needs no other. Use it for large blocks, and as the child of an arena.
///
/// Resizing a block within its last page makes no system call. Freed pages return to the system at once, so a use after
/// free is a segmentation fault and does not corrupt other blocks (except on WebAssembly, whose memory only grows, and
/// where the system [refuses](self#when-the-system-refuses)).
///
/// New pages are zero, and `alloc` does not fill them. The [contract](VTable#the-contract-of-an-allocator) does not
/// promise that: reused pages on WebAssembly are not zero, nor are pages under Miri.
///
/// Ports `std.heap.page_allocator` of Zig 0.15.2.
///
/// ```
/// use zigalloc::heap::{PAGE_ALLOCATOR, page_size};
///
/// let memory = PAGE_ALLOCATOR.alloc::<u8>(3 * page_size())?;
/// assert_eq!(memory.addr().get() % page_size(), 0);
/// // SAFETY: a live block, not used afterwards.
/// unsafe { PAGE_ALLOCATOR.free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A block that begins small and grows a thousandfold. Within its page that needs no system call:
///
/// ```
/// use zigalloc::heap::{PAGE_ALLOCATOR, page_size};
///
/// let mut ring = PAGE_ALLOCATOR.dupe(b"kept")?;
/// // SAFETY: a live block each time, whose old pointer is not used afterwards.
/// unsafe {
///     let in_page = PAGE_ALLOCATOR.remap(ring, page_size()).expect("the rest of its page");
///     assert_eq!(in_page.addr(), ring.addr());
///     ring = PAGE_ALLOCATOR.realloc(in_page, 1000 * page_size())?;
///     assert_eq!(ring.cast::<[u8; 4]>().read(), *b"kept");
///     assert_eq!(ring.addr().get() % page_size(), 0);
///     PAGE_ALLOCATOR.free(ring);
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Requests that no system can serve are out of memory, and do not panic:
///
/// ```
/// # use zigalloc::{Error, heap::PAGE_ALLOCATOR};
/// assert_eq!(PAGE_ALLOCATOR.alloc::<u8>(usize::MAX), Err(Error::OutOfMemory));
/// assert_eq!(PAGE_ALLOCATOR.alloc::<u64>(usize::MAX / 8), Err(Error::OutOfMemory));
/// ```
#[doc(alias = "std.heap.page_allocator")]
pub const PAGE_ALLOCATOR: SyncAllocator<'static> = {
    // SAFETY: the functions keep the contract: a block's pages are its own until they are unmapped,
    // and systems let any thread map and unmap. There is no state.
    unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &PageAllocator::VTABLE) }
};

/// Zig's `std.heap.PageAllocator`: mapping pages without a handle.
///
/// ```
/// use zigalloc::{Alignment, heap::PageAllocator};
///
/// let memory = PageAllocator::map(100_000, Alignment::from_byte_units(1 << 16)).unwrap();
/// assert_eq!(memory.addr().get() % (1 << 16), 0);
/// // SAFETY: all of the block, which nothing uses afterwards.
/// unsafe { PageAllocator::unmap(std::ptr::NonNull::slice_from_raw_parts(memory, 100_000)) };
/// ```
///
/// As an allocator it is [`PAGE_ALLOCATOR`] as a type without size: see [`Stateless`].
#[doc(alias = "std.heap.PageAllocator")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PageAllocator;

impl Sealed for PageAllocator {}

impl Stateless for PageAllocator {
    const ALLOCATOR: SyncAllocator<'static> = PAGE_ALLOCATOR;

    #[inline]
    unsafe fn raw_alloc_zeroed(len: usize, alignment: Alignment, _ret_addr: usize) -> Option<NonNull<u8>> {
        let memory = Self::map(len, alignment)?;
        if !os::NEW_PAGES_ARE_ZERO {
            // SAFETY: new pages of at least this length.
            unsafe { memory.write_bytes(0, len) };
        }
        Some(memory)
    }
}

impl PageAllocator {
    /// Returns [`PAGE_ALLOCATOR`].
    ///
    /// ```
    /// use zigalloc::heap::{ArenaAllocator, PageAllocator};
    ///
    /// let arena = ArenaAllocator::init(PageAllocator.allocator());
    /// assert!(arena.allocator().alloc::<u8>(100).is_ok());
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn allocator(self) -> SyncAllocator<'static> {
        PAGE_ALLOCATOR
    }

    /// The functions of [`PAGE_ALLOCATOR`]. They ignore the context.
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
    /// `None` if the system refuses, or `n` is 0 or above `isize::MAX`, or the alignment is not
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
    ///
    /// Huge alignments waste no memory, only addresses for a moment:
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{Alignment, heap::{PageAllocator, page_size}};
    /// # if cfg!(miri) { return }
    /// let gigabyte = Alignment::from_byte_units(1 << 30);
    /// let memory = PageAllocator::map(page_size(), gigabyte).expect("a page");
    /// assert!(gigabyte.check(memory.addr().get()));
    /// // SAFETY: all of the block, which nothing uses afterwards.
    /// unsafe { PageAllocator::unmap(NonNull::slice_from_raw_parts(memory, page_size())) };
    /// assert_eq!(PageAllocator::map(1, Alignment::MAX), None);
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
    /// If the system refuses (as Linux does if a process has too many mappings to split another), the memory is
    /// released, and the addresses are unmapped [later](self#when-the-system-refuses).
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
    /// A block that moves keeps its content and is aligned to a page. A stricter alignment is lost, so
    /// [`PAGE_ALLOCATOR`] does not move blocks with one. `None` if nothing has changed, also for a `new_len` of 0 or
    /// above `isize::MAX`.
    ///
    /// Ports `PageAllocator.realloc` of Zig 0.15.2.
    ///
    /// # Safety
    /// `memory` is as for [`unmap`](Self::unmap). If the result is `Some`, nothing uses the old pointer or the bytes
    /// past `new_len`.
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
    ///
    /// Shorter, it never moves, and the pages that are left over are unmapped:
    ///
    /// ```
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{Alignment, heap::{PageAllocator, page_size}};
    /// let memory = PageAllocator::map(10 * page_size(), Alignment::_1).unwrap();
    /// let block = NonNull::slice_from_raw_parts(memory, 10 * page_size());
    /// // SAFETY: a live block, whose later pages are not used afterwards.
    /// let shorter = unsafe { PageAllocator::realloc(block, 1, true) }.unwrap();
    /// assert_eq!(shorter.addr(), memory.addr());
    /// // SAFETY: what is left of it, a page, is not used afterwards.
    /// unsafe { PageAllocator::unmap(NonNull::slice_from_raw_parts(shorter, 1)) };
    /// ```
    #[must_use = "if the result is `Some`, the block is there and the old pointer must not be used"]
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
        // The kernel's pointer if it has made a new mapping, otherwise the caller's.
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
