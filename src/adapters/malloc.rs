//! C's `malloc` family over any allocator.
//!
//! C's functions free a block by its address alone, but an allocator's `free` takes a length and an alignment. So each
//! block begins with a header that has both:
//!
//! ```text
//!   what the child returned             the address that the caller gets
//!    ▼                                   ▼
//!    ┌────────────────────────┬──────────┬───────────────────────────┐
//!    │        unused          │  header  │           block           │
//!    └────────────────────────┴──────────┴───────────────────────────┘
//!    ◀──────── the alignment, at least 16 ────────▶◀──── size ────────▶
//!                              8 bytes
//! ```
//!
//! The header is a word of 64 bits: the base-2 logarithm of the alignment in the lowest 6, then the size in 48, and in
//! the highest 10 a constant, the canary, which tells a block from another pointer.
//!
//! Ports `lib/c/malloc.zig` of Zig 0.17.1, its C library, with the header of its safe modes. `docs/differences.md` lists
//! the differences.

use core::fmt;
use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::allocator::Handle;
use crate::error::Error;
use crate::return_address::return_address;

/// C's `malloc` family over any allocator: blocks that are freed by their address alone.
///
/// For C libraries whose memory hooks pass no length: SQLite, zlib, cJSON, expat, libpng, libuv, libxml2. (Lua passes
/// it, and needs none of this.) `docs/adapters.md` has a hook for SQLite; the C functions are in `docs/c.md`.
///
/// | | Zig's results |
/// |---|---|
/// | `malloc(0)`, `calloc(0, n)`, `aligned_alloc(a, 0)` | a block without bytes, with an address of its own; free it like any other |
/// | `realloc(null, n)` | `malloc(n)` |
/// | `realloc(p, 0)` | frees `p` and returns `Ok(None)`, also if `p` is null |
/// | `realloc(p, n)` | the child's `remap`; if it refuses, a new block with the old one's alignment and content |
/// | `realloc` without memory | the old block is unchanged |
/// | `free(null)` | nothing |
/// | `malloc_usable_size(p)` | exactly the size that was requested; 0 for null |
/// | a product that overflows | [`OutOfMemory`](Error::OutOfMemory) |
/// | an alignment that is not a power of two | [`InvalidAlignment`](MallocError::InvalidAlignment); Zig asserts |
///
/// A block takes 16 bytes more from the child than its size, or its alignment if that is more. All blocks are aligned to
/// at least 16 bytes.
///
/// The value is a copy of the child's handle, without state of its own: copies are the same allocator. It is `Send` and
/// `Sync` if `C` is.
///
/// Ports `lib/c/malloc.zig` of Zig 0.17.1.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::adapters::Malloc;
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let c = Malloc::new(arena.allocator());
/// let memory = c.calloc(10, 4)?.as_ptr();
/// // SAFETY: a live block of `c`, whose old address is not used after the call.
/// let memory = unsafe { c.realloc(memory, 100) }?.unwrap().as_ptr();
/// // SAFETY: a live block; the first 40 bytes are zero.
/// assert_eq!(unsafe { (c.malloc_usable_size(memory), *memory.add(39)) }, (100, 0));
/// // SAFETY: a live block, not used afterwards.
/// unsafe { c.free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Malloc<C> {
    child_allocator: C,
}

/// Why [`Malloc`]'s functions that take an alignment fail: C's `ENOMEM` or `EINVAL`.
///
/// ```
/// use zigalloc::{Allocator, adapters::{Malloc, MallocError}};
///
/// let c = Malloc::new(Allocator::FAILING);
/// assert_eq!(c.aligned_alloc(64, 100), Err(MallocError::OutOfMemory));
/// assert_eq!(c.aligned_alloc(24, 100), Err(MallocError::InvalidAlignment));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum MallocError {
    /// The allocator cannot serve this request, or no allocator could. `ENOMEM` in C.
    #[error("out of memory")]
    OutOfMemory,
    /// The alignment is not a power of two, or, for [`posix_memalign`](Malloc::posix_memalign), less than a pointer's.
    /// `EINVAL` in C.
    #[error("the alignment is not a power of two, or too small")]
    InvalidAlignment,
}

impl From<Error> for MallocError {
    #[inline]
    fn from(error: Error) -> MallocError {
        match error {
            Error::OutOfMemory => MallocError::OutOfMemory,
        }
    }
}

/// The least alignment of a block, and the least room for its header: that of C's `max_align_t` on 64-bit systems.
const ALIGNMENT: Alignment = Alignment::_16;

/// What is in front of a block.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Header(u64);

impl Header {
    const ALIGNMENT_BITS: u32 = 6;
    const SIZE_BITS: u32 = 48;
    const CANARY_SHIFT: u32 = Self::ALIGNMENT_BITS + Self::SIZE_BITS;
    /// The lowest 10 bits of Zig's number.
    const CANARY: u64 = 0x76fa_65be_bb3d_7a39 % (1 << (u64::BITS - Self::CANARY_SHIFT));

    /// `None` if the size has too many bits; no allocator could serve it.
    #[inline]
    fn new(alignment: Alignment, size: usize) -> Option<Header> {
        let size = size as u64;
        (size >> Self::SIZE_BITS == 0).then_some(Header(
            Self::CANARY << Self::CANARY_SHIFT | size << Self::ALIGNMENT_BITS | u64::from(alignment.log2()),
        ))
    }

    /// The alignment and the size, or `None` if it is not a header.
    #[inline]
    fn parts(self) -> Option<(Alignment, usize)> {
        let alignment = Alignment::from_log2((self.0 % (1 << Self::ALIGNMENT_BITS)) as u8).ok()?;
        let size = usize::try_from(self.0 >> Self::ALIGNMENT_BITS & ((1 << Self::SIZE_BITS) - 1)).ok()?;
        (self.0 >> Self::CANARY_SHIFT == Self::CANARY && alignment >= ALIGNMENT).then_some((alignment, size))
    }
}

/// The child's block, and what the header says.
#[derive(Clone, Copy)]
struct Block {
    /// Of the child, with the bytes in front.
    whole: NonNull<[u8]>,
    alignment: Alignment,
    /// Of the caller's part, in bytes.
    size: usize,
}

impl Block {
    /// `None` if what is in front of `memory` is not a header.
    ///
    /// # Safety
    /// The 8 bytes before `memory` are readable, initialised and aligned to 8.
    #[inline]
    unsafe fn of(memory: NonNull<u8>) -> Option<Block> {
        // SAFETY: these 8 bytes are readable, by our caller, so they are in the same allocation.
        let header = unsafe { memory.cast::<Header>().sub(1) };
        // SAFETY: readable, initialised and aligned, by our caller; every word is a `Header`.
        let (alignment, size) = unsafe { header.read() }.parts()?;
        let front = alignment.to_byte_units();
        // Inside the child's block, if it is one.
        let start = NonNull::new(memory.as_ptr().wrapping_sub(front))?;
        let whole = NonNull::slice_from_raw_parts(start, front.checked_add(size)?);
        Some(Block { whole, alignment, size })
    }

    /// As [`of`](Self::of), but panics if there is no header.
    ///
    /// # Safety
    /// `memory` is a live block of a [`Malloc`].
    #[inline]
    unsafe fn expect(memory: NonNull<u8>, function: &str) -> Block {
        // SAFETY: the header of a live block, which `Malloc` wrote, is before its first byte.
        match unsafe { Block::of(memory) } {
            Some(block) => block,
            None => no_header(memory, function),
        }
    }
}

#[cold]
#[inline(never)]
fn no_header(memory: NonNull<u8>, function: &str) -> ! {
    panic!("{function}: {memory:p} is not a block, or the 16 bytes in front of it have been overwritten")
}

impl<C: Handle> Malloc<C> {
    /// Makes the functions of C's `malloc` family from the handle of the allocator that serves them.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::adapters::Malloc;
    /// use zigalloc::heap::SmpAllocator;
    ///
    /// const C: Malloc<SmpAllocator> = Malloc::new(SmpAllocator);
    ///
    /// // Functions with the signatures of hooks, here those of libuv.
    /// unsafe extern "C" fn uv_malloc(size: usize) -> *mut u8 {
    ///     C.malloc(size).map_or(std::ptr::null_mut(), |memory| memory.as_ptr())
    /// }
    /// unsafe extern "C" fn uv_free(memory: *mut u8) {
    ///     // SAFETY: the library passes null or a live block, which it does not use afterwards.
    ///     unsafe { C.free(memory) };
    /// }
    /// unsafe { uv_free(uv_malloc(100)) };
    /// ```
    #[must_use]
    pub const fn new(child_allocator: C) -> Malloc<C> {
        Malloc { child_allocator }
    }

    /// C's `malloc`: allocates `size` bytes, aligned to 16, with unspecified content.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]. A `size` of 0 is no error; see the [table](Malloc).
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{Error, adapters::Malloc, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 1000];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let c = Malloc::new(fixed_buffer.allocator());
    /// let (first, empty) = (c.malloc(100)?, c.malloc(0)?);
    /// assert!(first.addr().get() % 16 == 0 && first != empty);
    /// assert_eq!(c.malloc(1000), Err(Error::OutOfMemory));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline(always)]
    pub fn malloc(&self, size: usize) -> Result<NonNull<u8>, Error> {
        self.alloc_with_ret_addr(ALIGNMENT, size, return_address())
    }

    /// C's `calloc`: allocates `count` elements of `size` bytes, filled with zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], also if the product overflows.
    ///
    /// ```
    /// # use zigalloc::{Allocator, Error, adapters::Malloc};
    /// let c = Malloc::new(Allocator::FAILING);
    /// assert_eq!(c.calloc(usize::MAX / 2, 3), Err(Error::OutOfMemory));
    /// ```
    #[inline(always)]
    pub fn calloc(&self, count: usize, size: usize) -> Result<NonNull<u8>, Error> {
        let size = count.checked_mul(size).ok_or(Error::OutOfMemory)?;
        let memory = self.alloc_with_ret_addr(ALIGNMENT, size, return_address())?;
        // SAFETY: a new block of `size` bytes.
        unsafe { memory.write_bytes(0, size) };
        Ok(memory)
    }

    /// C's `aligned_alloc`: allocates `size` bytes, aligned to `alignment` bytes or to 16 if that is more. `size` need
    /// not be a multiple of the alignment.
    ///
    /// # Errors
    /// [`MallocError::InvalidAlignment`] if `alignment` is not a power of two; [`MallocError::OutOfMemory`].
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{adapters::{Malloc, MallocError}, heap::SmpAllocator};
    /// let c = Malloc::new(SmpAllocator);
    /// let memory = c.aligned_alloc(4096, 100)?;
    /// assert_eq!(memory.addr().get() % 4096, 0);
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { c.free(memory.as_ptr()) };
    /// assert_eq!(c.aligned_alloc(0, 100), Err(MallocError::InvalidAlignment));
    /// # Ok::<(), MallocError>(())
    /// ```
    #[inline(always)]
    pub fn aligned_alloc(&self, alignment: usize, size: usize) -> Result<NonNull<u8>, MallocError> {
        let alignment = alignment_of(alignment)?;
        Ok(self.alloc_with_ret_addr(alignment, size, return_address())?)
    }

    /// `memalign` of older systems: the same as [`aligned_alloc`](Self::aligned_alloc).
    ///
    /// # Errors
    /// As for `aligned_alloc`.
    ///
    /// ```
    /// # use zigalloc::{Allocator, adapters::{Malloc, MallocError}};
    /// let c = Malloc::new(Allocator::FAILING);
    /// assert_eq!(c.memalign(48, 100), Err(MallocError::InvalidAlignment));
    /// ```
    #[inline(always)]
    pub fn memalign(&self, alignment: usize, size: usize) -> Result<NonNull<u8>, MallocError> {
        let alignment = alignment_of(alignment)?;
        Ok(self.alloc_with_ret_addr(alignment, size, return_address())?)
    }

    /// POSIX's `posix_memalign`: as [`aligned_alloc`](Self::aligned_alloc), but the alignment is at least a pointer's
    /// size.
    ///
    /// # Errors
    /// [`MallocError::InvalidAlignment`] if `alignment` is not a power of two or is less than a pointer's size;
    /// [`MallocError::OutOfMemory`].
    ///
    /// ```
    /// # use zigalloc::{Allocator, adapters::{Malloc, MallocError}};
    /// let c = Malloc::new(Allocator::FAILING);
    /// assert_eq!(c.posix_memalign(1, 100), Err(MallocError::InvalidAlignment), "a power of two, but too small");
    /// assert_eq!(c.posix_memalign(size_of::<usize>(), 100), Err(MallocError::OutOfMemory));
    /// ```
    #[inline(always)]
    pub fn posix_memalign(&self, alignment: usize, size: usize) -> Result<NonNull<u8>, MallocError> {
        if alignment < size_of::<*mut u8>() {
            return Err(MallocError::InvalidAlignment);
        }
        let alignment = alignment_of(alignment)?;
        Ok(self.alloc_with_ret_addr(alignment, size, return_address())?)
    }

    /// `valloc` of older systems: allocates `size` bytes, aligned to a page.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// ```
    /// # use zigalloc::{adapters::Malloc, heap::{PageAllocator, page_size}};
    /// let c = Malloc::new(PageAllocator);
    /// let memory = c.valloc(100)?;
    /// assert_eq!(memory.addr().get() % page_size(), 0);
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { c.free(memory.as_ptr()) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[cfg(feature = "std")]
    #[inline(always)]
    pub fn valloc(&self, size: usize) -> Result<NonNull<u8>, Error> {
        self.alloc_with_ret_addr(
            Alignment::from_byte_units(crate::os::page_size::page_size()),
            size,
            return_address(),
        )
    }

    /// C's `realloc`: changes the size of a block, which may move. Its alignment stays.
    ///
    /// The block is freed if `size` is 0, and the result is then `Ok(None)`, C's NULL that is no error. A null `memory`
    /// allocates.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the block is then unchanged.
    ///
    /// # Safety
    /// `memory` is null, or a live block of this allocator, derived from the pointer that a method of it returned. After
    /// `Ok`, the old pointer is not used.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{adapters::Malloc, heap::SmpAllocator};
    /// let c = Malloc::new(SmpAllocator);
    /// // SAFETY: null, and then the block of the call before.
    /// let memory = unsafe { c.realloc(std::ptr::null_mut(), 100) }?.unwrap();
    /// let memory = unsafe { c.realloc(memory.as_ptr(), 1000) }?.unwrap();
    /// assert_eq!(unsafe { c.realloc(memory.as_ptr(), 0) }, Ok(None));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn realloc(&self, memory: *mut u8, size: usize) -> Result<Option<NonNull<u8>>, Error> {
        // SAFETY: null or a live block whose old pointer is not used after a success, by our caller.
        unsafe { self.realloc_with_ret_addr(memory, size, return_address()) }
    }

    /// `reallocarray`: [`realloc`](Self::realloc) to `count` elements of `size` bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], also if the product overflows; the block is then unchanged.
    ///
    /// # Safety
    /// As for `realloc`.
    ///
    /// ```
    /// # use zigalloc::{Allocator, Error, adapters::Malloc};
    /// let c = Malloc::new(Allocator::FAILING);
    /// // SAFETY: null is allowed.
    /// let failed = unsafe { c.reallocarray(std::ptr::null_mut(), usize::MAX, 2) };
    /// assert_eq!(failed, Err(Error::OutOfMemory));
    /// ```
    #[inline(always)]
    pub unsafe fn reallocarray(
        &self,
        memory: *mut u8,
        count: usize,
        size: usize,
    ) -> Result<Option<NonNull<u8>>, Error> {
        let size = count.checked_mul(size).ok_or(Error::OutOfMemory)?;
        // SAFETY: null or a live block whose old pointer is not used after a success, by our caller.
        unsafe { self.realloc_with_ret_addr(memory, size, return_address()) }
    }

    /// C's `free`: frees a block, whichever method returned it. Does nothing for null.
    ///
    /// # Panics
    /// If there is no header before `memory`, which means that the caller has broken the rule below.
    ///
    /// # Safety
    /// `memory` is null, or a live block of this allocator, derived from the pointer that a method of it returned, and
    /// not used afterwards.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{adapters::Malloc, heap::SmpAllocator};
    /// let c = Malloc::new(SmpAllocator);
    /// let memory = c.malloc(100)?;
    /// // SAFETY: a live block, not used afterwards; and null.
    /// unsafe { c.free(memory.as_ptr()) };
    /// unsafe { c.free(std::ptr::null_mut()) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn free(&self, memory: *mut u8) {
        // SAFETY: null or a live block, not used afterwards, by our caller.
        unsafe { self.free_with_ret_addr(memory, return_address()) };
    }

    /// C23's `free_sized`: [`free`](Self::free) with the size that was requested, which is compared.
    ///
    /// # Panics
    /// If the size or the alignment is not that of the block.
    ///
    /// # Safety
    /// As for `free`. (The standard also requires that the block is from `malloc`, `calloc` or `realloc`.)
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{adapters::Malloc, heap::SmpAllocator};
    /// let c = Malloc::new(SmpAllocator);
    /// let memory = c.malloc(100)?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { c.free_sized(memory.as_ptr(), 100) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn free_sized(&self, memory: *mut u8, size: usize) {
        // SAFETY: null or a live block, by our caller.
        unsafe { check_freed(memory, ALIGNMENT, size, "Malloc::free_sized") };
        // SAFETY: null or a live block, not used afterwards, by our caller.
        unsafe { self.free_with_ret_addr(memory, return_address()) };
    }

    /// C23's `free_aligned_sized`: [`free`](Self::free) with the alignment and the size that were requested, which are
    /// compared.
    ///
    /// # Panics
    /// If the size or the alignment is not that of the block.
    ///
    /// # Safety
    /// As for `free`. (The standard also requires that the block is from `aligned_alloc`.)
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{adapters::{Malloc, MallocError}, heap::SmpAllocator};
    /// let c = Malloc::new(SmpAllocator);
    /// let memory = c.aligned_alloc(64, 100)?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { c.free_aligned_sized(memory.as_ptr(), 64, 100) };
    /// # Ok::<(), MallocError>(())
    /// ```
    #[inline(always)]
    pub unsafe fn free_aligned_sized(&self, memory: *mut u8, alignment: usize, size: usize) {
        let name = "Malloc::free_aligned_sized";
        match alignment_of(alignment) {
            // SAFETY: null or a live block, by our caller.
            Ok(alignment) => unsafe { check_freed(memory, alignment, size, name) },
            Err(_) => assert!(memory.is_null(), "{name}: the alignment {alignment} is not a power of two"),
        }
        // SAFETY: null or a live block, not used afterwards, by our caller.
        unsafe { self.free_with_ret_addr(memory, return_address()) };
    }

    /// `malloc_usable_size`: the size that was requested, in bytes; 0 for null. Unlike glibc's, it is never more.
    ///
    /// # Safety
    /// `memory` is null, or a live block of this allocator, derived from the pointer that a method of it returned.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{adapters::Malloc, heap::SmpAllocator};
    /// let c = Malloc::new(SmpAllocator);
    /// let memory = c.malloc(101)?;
    /// // SAFETY: a live block, and null.
    /// assert_eq!(unsafe { c.malloc_usable_size(memory.as_ptr()) }, 101);
    /// assert_eq!(unsafe { c.malloc_usable_size(std::ptr::null_mut()) }, 0);
    /// # unsafe { c.free(memory.as_ptr()) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub unsafe fn malloc_usable_size(&self, memory: *mut u8) -> usize {
        match NonNull::new(memory) {
            // SAFETY: a live block, by our caller.
            Some(memory) => unsafe { Block::expect(memory, "Malloc::malloc_usable_size") }.size,
            None => 0,
        }
    }

    /// The child's block that contains a block of this allocator, and its alignment: what the child's `free` takes. `None`
    /// if there is no header before `memory`, which is then not a block, most probably: one of 1,000 other words looks
    /// like a header.
    ///
    /// For code that reports mistakes, such as the `free` of a pointer that `malloc` did not return.
    ///
    /// # Safety
    /// The 8 bytes before `memory` are readable, initialised and aligned to 8, as for every live block.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{Alignment, adapters::Malloc, heap::SmpAllocator};
    /// let c = Malloc::new(SmpAllocator);
    /// let memory = c.malloc(100)?;
    /// // SAFETY: a live block; and an address with two words before it.
    /// let (whole, alignment) = unsafe { c.child_block(memory) }.unwrap();
    /// assert_eq!((whole.len(), alignment), (116, Alignment::_16));
    /// let mut words = [0u64; 3];
    /// let other = NonNull::new(words.as_mut_ptr().wrapping_add(2).cast()).unwrap();
    /// assert!(unsafe { c.child_block(other) }.is_none());
    /// # unsafe { c.free(memory.as_ptr()) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub unsafe fn child_block(&self, memory: NonNull<u8>) -> Option<(NonNull<[u8]>, Alignment)> {
        // SAFETY: the 8 bytes before it are readable, initialised and aligned, by our caller.
        let block = unsafe { Block::of(memory) }?;
        Some((block.whole, block.alignment))
    }

    /// [`aligned_alloc`](Self::aligned_alloc) with the address of the caller, for reports. The block is aligned to at
    /// least 16 bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// ```
    /// # use zigalloc::testing::{FailingAllocator, FailingConfig};
    /// # use zigalloc::{Alignment, Allocator, adapters::Malloc};
    /// let failing = FailingAllocator::init(Allocator::FAILING, FailingConfig { fail_index: 0, ..Default::default() });
    /// assert!(Malloc::new(failing.allocator()).alloc_with_ret_addr(Alignment::_1, 100, 0x1234).is_err());
    /// assert_eq!(failing.return_address(), Some(0x1234));
    /// ```
    #[inline]
    pub fn alloc_with_ret_addr(
        &self,
        alignment: Alignment,
        size: usize,
        ret_addr: usize,
    ) -> Result<NonNull<u8>, Error> {
        self.try_alloc(alignment.max(ALIGNMENT), size, ret_addr).ok_or(Error::OutOfMemory)
    }

    /// `alignment` is at least [`ALIGNMENT`].
    #[inline]
    fn try_alloc(&self, alignment: Alignment, size: usize, ret_addr: usize) -> Option<NonNull<u8>> {
        let header = Header::new(alignment, size)?;
        if !alignment.is_valid() {
            return None;
        }
        let front = alignment.to_byte_units();
        let len = size.checked_add(front)?;
        // SAFETY: the length is at least the alignment, so it is not zero. A handle for one thread is in this thread,
        // since this type is `Send` only if the handle is.
        let whole = unsafe { self.child_allocator.as_allocator().raw_alloc(len, alignment, ret_addr) }?;
        // SAFETY: the child's block is `front + size` bytes long.
        let memory = unsafe { whole.add(front) };
        // SAFETY: a block of this length, with nothing in it yet.
        unsafe { put(memory, header) };
        Some(memory)
    }

    /// [`realloc`](Self::realloc) with the address of the caller, for reports.
    ///
    /// # Errors
    /// As for `realloc`.
    ///
    /// # Safety
    /// As for `realloc`.
    #[inline]
    pub unsafe fn realloc_with_ret_addr(
        &self,
        memory: *mut u8,
        size: usize,
        ret_addr: usize,
    ) -> Result<Option<NonNull<u8>>, Error> {
        if size == 0 {
            // SAFETY: null or a live block, not used afterwards, by our caller.
            unsafe { self.free_with_ret_addr(memory, ret_addr) };
            return Ok(None);
        }
        let Some(memory) = NonNull::new(memory) else {
            return self.alloc_with_ret_addr(ALIGNMENT, size, ret_addr).map(Some);
        };
        // SAFETY: a live block, by our caller.
        let old = unsafe { Block::expect(memory, "Malloc::realloc") };
        // SAFETY: the same, whose old pointer is not used after a success, by our caller. `size` is not zero.
        let moved = unsafe { self.try_realloc(memory, old, size, ret_addr) };
        moved.map(Some).ok_or(Error::OutOfMemory)
    }

    /// # Safety
    /// `memory` is a live block, which `old` describes. `size` is not zero. After `Some`, the old pointer is not used.
    #[inline]
    unsafe fn try_realloc(
        &self,
        memory: NonNull<u8>,
        old: Block,
        size: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let child = self.child_allocator.as_allocator();
        let header = Header::new(old.alignment, size)?;
        let front = old.alignment.to_byte_units();
        let len = size.checked_add(front)?;
        // SAFETY: a live block of the child with the length and the alignment of its allocation or its last `remap`,
        // whose old pointer is not used after a success. The new length is not zero. One thread, as in `try_alloc`.
        if let Some(whole) = unsafe { child.raw_remap(old.whole, old.alignment, len, ret_addr) } {
            // SAFETY: the child's block is `front + size` bytes long.
            let moved = unsafe { whole.add(front) };
            // SAFETY: the same; its header is the old one.
            unsafe { put(moved, header) };
            return Some(moved);
        }
        let moved = self.try_alloc(old.alignment, size, ret_addr)?;
        // SAFETY: both blocks are live and at least that long, and disjoint (new-block).
        unsafe { moved.copy_from_nonoverlapping(memory, old.size.min(size)) };
        // SAFETY: a live block of the child, as above, not used afterwards.
        unsafe { child.raw_free(old.whole, old.alignment, ret_addr) };
        Some(moved)
    }

    /// [`free`](Self::free) with the address of the caller, for reports.
    ///
    /// # Panics
    /// As `free`.
    ///
    /// # Safety
    /// As for `free`.
    #[inline]
    pub unsafe fn free_with_ret_addr(&self, memory: *mut u8, ret_addr: usize) {
        let Some(memory) = NonNull::new(memory) else { return };
        // SAFETY: a live block, by our caller.
        let old = unsafe { Block::expect(memory, "Malloc::free") };
        // SAFETY: a live block of the child with the length and the alignment of its allocation or its last `remap`, not
        // used afterwards. One thread, as in `try_alloc`.
        unsafe { self.child_allocator.as_allocator().raw_free(old.whole, old.alignment, ret_addr) };
    }
}

/// Writes the header of a block.
///
/// # Safety
/// The 16 bytes before `memory` are writable, and it is aligned to 16.
#[inline]
unsafe fn put(memory: NonNull<u8>, header: Header) {
    // SAFETY: inside the bytes before `memory`, by our caller.
    let place = unsafe { memory.cast::<Header>().sub(1) };
    // SAFETY: writable and aligned, by our caller.
    unsafe { place.write(header) };
}

#[inline]
fn alignment_of(bytes: usize) -> Result<Alignment, MallocError> {
    if bytes.is_power_of_two() {
        Ok(Alignment::from_byte_units(bytes))
    } else {
        Err(MallocError::InvalidAlignment)
    }
}

/// Panics unless these were the arguments that made the block. Does nothing for null.
///
/// # Safety
/// `memory` is null, or a live block of a [`Malloc`].
#[inline]
unsafe fn check_freed(memory: *mut u8, alignment: Alignment, size: usize, function: &str) {
    let Some(memory) = NonNull::new(memory) else { return };
    // SAFETY: a live block, by our caller.
    let block = unsafe { Block::expect(memory, function) };
    let is_it = size == block.size && alignment.max(ALIGNMENT) == block.alignment;
    assert!(
        is_it,
        "{function}: the block has {} bytes, aligned to {}; it is freed with {size}, aligned to {}",
        block.size,
        block.alignment.to_byte_units(),
        alignment.to_byte_units()
    );
}

impl<C: Handle> fmt::Debug for Malloc<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Malloc").field("child_allocator", &self.child_allocator).finish()
    }
}
