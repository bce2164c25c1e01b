//! The C library's `malloc`, twice: with every alignment, and bare.
//!
//! # Guarantees
//!
//! [`C_ALLOCATOR`] serves any alignment. A block never moves: `resize` says yes to every shorter
//! length, and to longer ones as far as the C library says that the block has room anyway; `remap`
//! is the same. With glibc, 10 bytes have room for 24:
//!
//! ```text
//!            10            24
//!   ┌─────────┬─────────────┐
//!   │ asked   │ to be had   │ next block …
//!   └─────────┴─────────────┘
//! ```
//!
//! [`RAW_C_ALLOCATOR`] is `malloc`, `realloc` and `free` without anything around them. It is the
//! cheaper one as the child of an arena. It serves alignments up to that of C's `max_align_t`, which
//! is two words; beyond that it has no memory. `resize` is always false; `remap` is `realloc`.
//!
//! Blocks of both are the C library's: what `C_ALLOCATOR` gives out on Unix, and `RAW_C_ALLOCATOR`
//! everywhere, C code may give to `free`.
//!
//! # Layout
//!
//! Where `posix_memalign` exists, a block is what it returns. Elsewhere (Windows) a block lies inside
//! one from `malloc` that is long enough to be aligned, and the word before it is the address to be
//! freed. The module `header` draws it.
//!
//! There is no state: the context is null and never used.
//!
//! # Threads
//!
//! Any number, as C demands of `malloc`.
//!
//! After a `fork` while other threads allocate, the child may go on if the C library's `malloc` allows that: POSIX does not
//! demand it, but glibc, musl, macOS and the BSDs take their locks for the fork.
//!
//! # Differences from Zig
//!
//! - `RAW_C_ALLOCATOR` asks for as many bytes as the alignment has, if the request is shorter. C
//!   allows `malloc` to align a single byte to nothing, and Zig warns of that.
//! - A larger alignment than `max_align_t`'s is null; Zig asserts, and is undefined in fast modes.
//!   Null is what the [contract](crate::VTable#the-contract-of-an-allocator) asks for (clause 12).
//! - Under Miri, which does not know `malloc_usable_size`, blocks only shrink.
//!
//! Ports `c_allocator` and `raw_c_allocator` of `lib/std/heap.zig` of Zig 0.15.2. (In 0.16, the former
//! took over what the latter is for, and the latter went away.)

use core::ffi::c_void;
use core::ptr::{self, NonNull};

use super::{MAX_LEN, whole_block};
use crate::alignment::Alignment;
use crate::vtable::{SyncAllocator, VTable, block, no_resize, nullable};

#[cfg(any(windows, test))]
mod header;
#[cfg(not(windows))]
mod posix;

#[cfg(windows)]
use header as os;
#[cfg(not(windows))]
use posix as os;

/// The C library's allocator, with every alignment; see the [module](self).
///
/// Ports `std.heap.c_allocator` of Zig 0.15.2.
///
/// ```
/// use zigalloc::{Alignment, heap::C_ALLOCATOR};
///
/// let memory = C_ALLOCATOR.aligned_alloc::<u8, 64>(100)?;
/// assert!(Alignment::_64.check_ptr(memory.as_ptr()));
/// // SAFETY: nothing uses the block afterwards.
/// unsafe { C_ALLOCATOR.free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.c_allocator")]
pub const C_ALLOCATOR: SyncAllocator<'static> = {
    // SAFETY: the functions keep the contract, because C's keep it, from any thread. No state.
    unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &CAllocator::VTABLE) }
};

/// `malloc`, `realloc` and `free`; see the [module](self).
///
/// Ports `std.heap.raw_c_allocator` of Zig 0.15.2.
///
/// ```
/// use zigalloc::heap::{ArenaAllocator, RAW_C_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(RAW_C_ALLOCATOR);
/// assert_eq!(arena.allocator().alloc::<u64>(100)?.len(), 100);
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.raw_c_allocator")]
pub const RAW_C_ALLOCATOR: SyncAllocator<'static> = {
    // SAFETY: the functions keep the contract, because C's keep it, from any thread. No state.
    unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &RawCAllocator::VTABLE) }
};

struct CAllocator;

impl CAllocator {
    const VTABLE: VTable = VTable { alloc: c_alloc, resize: c_resize, remap: c_remap, free: c_free };

    #[inline]
    fn alloc(len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        if !alignment.is_valid() {
            return None;
        }
        // `posix_memalign` takes no alignment below a word.
        let alignment = alignment.max(Alignment::of::<usize>());
        // What no C library can have is not asked of it: some have got the sum of both wrong.
        if len > MAX_LEN || alignment.to_byte_units() > MAX_LEN - len {
            return None;
        }
        os::aligned_alloc(len, alignment)
    }

    /// # Safety
    /// `memory` is a live block of this allocator.
    #[inline]
    unsafe fn resize(memory: NonNull<[u8]>, new_len: usize) -> bool {
        new_len <= memory.len()
            // SAFETY: a live block, the caller says.
            || new_len <= unsafe { os::usable_size(memory.cast()) }
    }
}

struct RawCAllocator;

/// The alignment of C's `max_align_t`, up to which `malloc` aligns: two words. (On some 32-bit
/// targets `max_align_t` is stricter and `malloc` is not.)
const MAX_ALIGN: Alignment = Alignment::from_byte_units(2 * size_of::<usize>());

impl RawCAllocator {
    const VTABLE: VTable =
        VTable { alloc: raw_c_alloc, resize: no_resize, remap: raw_c_remap, free: raw_c_free };

    #[inline]
    fn alloc(len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        if alignment > MAX_ALIGN || len > MAX_LEN {
            return None;
        }
        // SAFETY: `malloc` has no preconditions.
        NonNull::new(unsafe { libc::malloc(at_least(len, alignment)) }.cast())
    }

    /// # Safety
    /// `memory` is a live block of this allocator with this alignment, `new_len` is not zero.
    #[inline]
    unsafe fn remap(memory: NonNull<u8>, alignment: Alignment, new_len: usize) -> Option<NonNull<u8>> {
        if new_len > MAX_LEN {
            return None;
        }
        // SAFETY: a live block from `malloc` or `realloc`; the length is not zero.
        NonNull::new(unsafe { libc::realloc(as_void(memory), at_least(new_len, alignment)) }.cast())
    }
}

/// The length to ask `malloc` for. Its memory is aligned for every object that fits into it, and an
/// object with this alignment is at least this long.
#[inline]
fn at_least(len: usize, alignment: Alignment) -> usize {
    len.max(alignment.to_byte_units())
}

#[inline]
fn as_void(memory: NonNull<u8>) -> *mut c_void {
    memory.as_ptr().cast()
}

// ---- the functions of the tables ----

#[inline]
unsafe extern "C" fn c_alloc(_ctx: *mut (), len: usize, alignment: Alignment, _ret_addr: usize) -> *mut u8 {
    nullable(CAllocator::alloc(len, alignment))
}

#[inline]
unsafe extern "C" fn c_resize(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> bool {
    // SAFETY: clause 3 of the contract.
    unsafe { CAllocator::resize(block(memory, memory_len), new_len) }
}

#[inline]
unsafe extern "C" fn c_remap(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 3 of the contract.
    let resized = unsafe { CAllocator::resize(block(memory, memory_len), new_len) };
    // The C library keeps the address, so the memory counts as exposed.
    if resized { whole_block(memory) } else { ptr::null_mut() }
}

#[inline]
unsafe extern "C" fn c_free(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    _ret_addr: usize,
) {
    // SAFETY: clause 3 of the contract: a live block.
    unsafe { os::aligned_free(block(memory, memory_len).cast()) };
}

#[inline]
unsafe extern "C" fn raw_c_alloc(
    _ctx: *mut (),
    len: usize,
    alignment: Alignment,
    _ret_addr: usize,
) -> *mut u8 {
    nullable(RawCAllocator::alloc(len, alignment))
}

#[inline]
unsafe extern "C" fn raw_c_remap(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clauses 2 and 3 of the contract.
    nullable(unsafe { RawCAllocator::remap(block(memory, memory_len).cast(), alignment, new_len) })
}

#[inline]
unsafe extern "C" fn raw_c_free(
    _ctx: *mut (),
    memory: *mut u8,
    _memory_len: usize,
    _alignment: Alignment,
    _ret_addr: usize,
) {
    // SAFETY: clause 3 of the contract: a live block, which is from `malloc` or `realloc`.
    unsafe { libc::free(memory.cast()) };
}
