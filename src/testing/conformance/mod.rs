//! The four tests that Zig runs over every allocator of its standard library.
//!
//! As in Zig, each calls its argument through a [`ValidationAllocator`](crate::testing::ValidationAllocator),
//! so a misaligned result aborts with a message; everything else panics. The tests use only the
//! typed interface and say little about an allocator's limits; see
//! [`test_allocator_strict`](crate::testing::test_allocator_strict) for those.
//!
//! Ports `testAllocator`, `testAllocatorAligned`, `testAllocatorLargeAlignment` and
//! `testAllocatorAlignedShrink` of `lib/std/heap.zig` of Zig 0.15.2, which return errors where these
//! panic.

#![allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "programs of calls, in which one fact holds for a whole sequence"
)]

#[cfg(feature = "alloc")]
mod checked;
#[cfg(feature = "alloc")]
pub(super) mod ledger;
#[cfg(feature = "alloc")]
pub(super) mod strict;

use core::ptr::NonNull;

use crate::allocator::Allocator;
use crate::error::Error;
use crate::heap::PAGE_SIZE_MIN;
use crate::slice::{AlignedSlice, SlicePtr};
use crate::testing::validation_allocator::validation_wrap;

/// Tests single items, slices, growing, shrinking, and zero lengths.
///
/// Needs about 162,000 bytes, 160,000 of them in one block.
///
/// # Panics
/// If an allocation fails, content is lost, or a resize to 0 returns false.
///
/// Ports `std.heap.testAllocator` of Zig 0.15.2.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// zigalloc::testing::test_allocator(*zigalloc::heap::PAGE_ALLOCATOR);
/// ```
///
/// An allocator that refuses a request fails the test:
///
/// ```should_panic
/// zigalloc::testing::test_allocator(zigalloc::Allocator::FAILING);
/// ```
#[doc(alias = "testAllocator")]
#[track_caller]
pub fn test_allocator(allocator: Allocator<'_>) {
    const FN: &str = "test_allocator";
    let validation = validation_wrap(allocator);
    let allocator = validation.allocator();

    let mut slice = served(FN, "alloc of 100 pointers", allocator.alloc::<NonNull<i32>>(100));
    assert_len(FN, "alloc", slice.len(), 100);
    for (i, n) in (0..100).enumerate() {
        let item = served(FN, "create of an i32", allocator.create::<i32>());
        // SAFETY: new memory for an `i32`, and slot `i` of new memory for 100 pointers.
        unsafe {
            item.write(n);
            slice.cast::<NonNull<i32>>().add(i).write(item);
        }
    }

    // SAFETY: `slice` is a live block of this allocator.
    let grown = unsafe { allocator.realloc(slice, 20_000) };
    slice = served(FN, "realloc of 100 to 20000 pointers", grown);
    assert_len(FN, "realloc", slice.len(), 20_000);

    for (i, n) in (0..100).enumerate() {
        // SAFETY: the first 100 slots were written before the slice grew, with pointers to items
        // that are live and initialised.
        let item = unsafe { slice.cast::<NonNull<i32>>().add(i).read() };
        // SAFETY: an initialised, live item, as written above.
        let found = unsafe { item.read() };
        assert!(found == n, "{FN}: item {i} is {found} after the realloc of the slice, not {n}");
        // SAFETY: a live item, not used afterwards.
        unsafe { allocator.destroy(item) };
    }

    // SAFETY: `slice` is live with its current length. After each true, it has the
    // new length.
    unsafe {
        if allocator.resize(slice, 50) {
            slice = slice.with_len(50);
            if allocator.resize(slice, 25) {
                slice = slice.with_len(25);
                assert!(allocator.resize(slice, 0), "{FN}: resize of 25 pointers to 0 returned false");
                slice = slice.with_len(0);
                slice = served(FN, "realloc of 0 to 10 pointers", allocator.realloc(slice, 10));
                assert_len(FN, "realloc", slice.len(), 10);
            }
        }
        allocator.free(slice);
    }

    let empty = served(FN, "alloc of 0 bytes", allocator.alloc::<u8>(0));
    // SAFETY: an empty slice of this allocator, not used afterwards.
    unsafe { allocator.free(empty) };
    let no_bits = served(FN, "create of a ()", allocator.create::<()>());
    // SAFETY: a well-aligned pointer to a zero-sized type.
    unsafe {
        no_bits.write(());
        allocator.destroy(no_bits);
    }
    let no_items = served(FN, "create of a [u64; 0]", allocator.create::<[u64; 0]>());
    // SAFETY: a pointer to a zero-sized type, from this allocator.
    unsafe { allocator.destroy(no_items) };

    let oversize = served(FN, "aligned_alloc of 5 u32", allocator.aligned_alloc::<u32, 0>(5));
    assert!(oversize.len() >= 5, "{FN}: aligned_alloc of 5 u32 returned {} of them", oversize.len());
    for i in 0..oversize.len() {
        // SAFETY: `i` is an index into new memory.
        unsafe { oversize.as_ptr().add(i).write(0xDEAD_BEEF) };
    }
    // SAFETY: a live block of this allocator, not used afterwards.
    unsafe { allocator.free(oversize) };
}

/// Tests every alignment from 1 to 64 bytes: blocks are grown, shrunk and resized to 0.
///
/// # Panics
/// If an allocation fails or a resize to 0 returns false.
///
/// Ports `std.heap.testAllocatorAligned` of Zig 0.15.2.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// zigalloc::testing::test_allocator_aligned(*zigalloc::heap::PAGE_ALLOCATOR);
/// ```
///
/// Over a ledger, the wrapper that is tested has its own calls checked too:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::testing::{LedgerAllocator, test_allocator_aligned};
///
/// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
/// let arena = ArenaAllocator::init(ledger.allocator());
/// test_allocator_aligned(arena.allocator());
/// assert!(ledger.live() > 0);
/// arena.deinit();
/// ledger.assert_no_leaks();
/// ```
#[doc(alias = "testAllocatorAligned")]
#[track_caller]
pub fn test_allocator_aligned(allocator: Allocator<'_>) {
    let validation = validation_wrap(allocator);
    let allocator = validation.allocator();
    aligned_blocks::<1>(allocator);
    aligned_blocks::<2>(allocator);
    aligned_blocks::<4>(allocator);
    aligned_blocks::<8>(allocator);
    aligned_blocks::<16>(allocator);
    aligned_blocks::<32>(allocator);
    aligned_blocks::<64>(allocator);
}

#[track_caller]
fn aligned_blocks<const ALIGN: usize>(allocator: Allocator<'_>) {
    const FN: &str = "test_allocator_aligned";
    let mut slice = served(FN, "aligned_alloc of 10 bytes", allocator.aligned_alloc::<u8, ALIGN>(10));
    assert_len(FN, "aligned_alloc", slice.len(), 10);
    // SAFETY: `slice` is live with its current length. After each true, it has the
    // new length.
    unsafe {
        slice = served(FN, "realloc of 10 to 100 bytes", allocator.realloc(slice, 100));
        assert_len(FN, "realloc", slice.len(), 100);
        if allocator.resize(slice, 10) {
            slice = slice.with_len(10);
        }
        assert!(allocator.resize(slice, 0), "{FN}: resize to 0 returned false, alignment {ALIGN} bytes");
        slice = slice.with_len(0);

        slice = served(FN, "realloc of 0 to 100 bytes", allocator.realloc(slice, 100));
        assert_len(FN, "realloc", slice.len(), 100);
        if allocator.resize(slice, 10) {
            slice = slice.with_len(10);
        }
        assert!(allocator.resize(slice, 0), "{FN}: resize to 0 returned false, alignment {ALIGN} bytes");
    }
}

/// Tests an alignment of half a page: a block is grown beyond a page.
///
/// Needs a block of 20,000 bytes.
///
/// # Panics
/// If an allocation fails or is misaligned.
///
/// Ports `std.heap.testAllocatorLargeAlignment` of Zig 0.15.2.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// zigalloc::testing::test_allocator_large_alignment(*zigalloc::heap::PAGE_ALLOCATOR);
/// ```
#[doc(alias = "testAllocatorLargeAlignment")]
#[track_caller]
pub fn test_allocator_large_alignment(allocator: Allocator<'_>) {
    const FN: &str = "test_allocator_large_alignment";
    const ALIGN: usize = PAGE_SIZE_MIN / 2;
    #[track_caller]
    fn assert_aligned(slice: AlignedSlice<u8, ALIGN>, len: usize) {
        let ptr = slice.as_ptr();
        assert!(ptr.addr() % ALIGN == 0, "{FN}: {len} bytes at {ptr:?} are not aligned to {ALIGN} bytes");
    }

    let validation = validation_wrap(allocator);
    let allocator = validation.allocator();
    let mut slice = served(FN, "aligned_alloc of 500 bytes", allocator.aligned_alloc::<u8, ALIGN>(500));
    assert_aligned(slice, 500);
    // SAFETY: `slice` is live with its current length. After each true, it has the
    // new length.
    unsafe {
        if allocator.resize(slice, 100) {
            slice = slice.with_len(100);
        }
        slice = served(FN, "realloc to 5000 bytes", allocator.realloc(slice, 5000));
        assert_aligned(slice, 5000);
        if allocator.resize(slice, 10) {
            slice = slice.with_len(10);
        }
        slice = served(FN, "realloc to 20000 bytes", allocator.realloc(slice, 20_000));
        assert_aligned(slice, 20_000);
        allocator.free(slice);
    }
}

/// Tests that shrinking an aligned block keeps its content. The block is one that is not aligned to 32 pages by chance.
///
/// Needs one or more blocks of two pages and 50 bytes.
///
/// # Panics
/// If an allocation fails, content is lost, or 39 blocks in a row are aligned to 32 pages.
///
/// Ports `std.heap.testAllocatorAlignedShrink` of Zig 0.15.2.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// zigalloc::testing::test_allocator_aligned_shrink(*zigalloc::heap::PAGE_ALLOCATOR);
/// ```
#[doc(alias = "testAllocatorAlignedShrink")]
#[track_caller]
pub fn test_allocator_aligned_shrink(allocator: Allocator<'_>) {
    const FN: &str = "test_allocator_aligned_shrink";
    /// The capacity of Zig's list in its buffer of 1000 bytes: it grows to 8, 20, 38 slices.
    const LIST_LEN: usize = 38;

    // Without an operating system to query, use the smallest page size.
    #[cfg(feature = "std")]
    let page_size = crate::heap::page_size();
    #[cfg(not(feature = "std"))]
    let page_size = PAGE_SIZE_MIN;
    let len = 2 * page_size + 50;
    let over_aligned = 32 * page_size;

    let validation = validation_wrap(allocator);
    let allocator = validation.allocator();
    let alloc = || served(FN, "aligned_alloc of two pages and 50 bytes", allocator.aligned_alloc(len));

    let mut slice: AlignedSlice<u8, 16> = alloc();
    let mut stuff_to_free: [Option<AlignedSlice<u8, 16>>; LIST_LEN] = [None; LIST_LEN];
    let mut count = 0;
    while slice.as_ptr().addr() % over_aligned == 0 {
        assert!(
            count < LIST_LEN,
            "{FN}: {} blocks in a row are aligned to {over_aligned} bytes",
            LIST_LEN + 1
        );
        stuff_to_free[count] = Some(slice);
        count += 1;
        slice = alloc();
    }
    for item in stuff_to_free.into_iter().rev().flatten() {
        // SAFETY: each is live and freed once.
        unsafe { allocator.free(item) };
    }

    // SAFETY: `slice` is live and longer than 61 bytes, before the realloc and after it.
    unsafe {
        slice.as_ptr().write(0x12);
        slice.as_ptr().add(60).write(0x34);
        let shrunk = allocator.realloc_advanced(slice, len / 2, 0);
        slice = served(FN, "realloc to half of two pages and 50 bytes", shrunk);
        let found = (slice.as_ptr().read(), slice.as_ptr().add(60).read());
        assert!(
            found == (0x12, 0x34),
            "{FN}: bytes 0 and 60 are {found:#x?} after the realloc, not (0x12, 0x34)"
        );
        allocator.free(slice);
    }
}

#[track_caller]
fn served<T>(function: &str, request: &str, result: Result<T, Error>) -> T {
    match result {
        Ok(memory) => memory,
        Err(error) => panic!("{function}: {request}: {error}"),
    }
}

#[track_caller]
fn assert_len(function: &str, request: &str, len: usize, wanted: usize) {
    assert!(len == wanted, "{function}: {request} of {wanted} items returned {len} of them");
}
