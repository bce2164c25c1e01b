//! The table of empty and zero-length cases in the documentation of `zigalloc::interface`, row by row.
//!
//! Where no block is needed, the allocator refuses all memory and aborts on any other call.

use std::mem::MaybeUninit;

use zigalloc::heap::FixedBufferAllocator;
use zigalloc::{Allocator, Error};

const REFUSES: Allocator<'static> = Allocator::FAILING;

/// Starts aligned, so that no padding precedes the first block (padding is not given back).
#[repr(align(8))]
struct Buffer([MaybeUninit<u8>; 64]);

/// Runs `test` over a fixed buffer of 64 bytes, and checks that all of them are free afterwards.
fn with_buffer(test: impl FnOnce(Allocator<'_>)) {
    let mut buffer = Buffer([MaybeUninit::uninit(); 64]);
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer.0);
    test(fixed_buffer.allocator());
    assert_eq!(fixed_buffer.end_index(), 0, "a block was not freed");
}

/// Row 1.
#[test]
fn create_of_zero_sized_type_returns_highest_aligned_address() {
    assert_eq!(REFUSES.create::<()>().unwrap().addr().get(), usize::MAX);
    assert_eq!(REFUSES.create::<[u64; 0]>().unwrap().addr().get(), usize::MAX - (align_of::<u64>() - 1));
}

/// Row 2.
#[test]
fn alloc_of_zero_bytes_returns_highest_aligned_address() {
    let none = REFUSES.alloc::<u32>(0).unwrap();
    assert_eq!((none.addr().get(), none.len()), (usize::MAX - 3, 0));
    assert_eq!(REFUSES.alloc::<()>(usize::MAX).unwrap().len(), usize::MAX);
}

/// Row 3.
#[test]
fn dupe_of_empty_slice_returns_highest_aligned_address() {
    let copy = REFUSES.dupe::<u8>(b"").unwrap();
    assert_eq!((copy.addr().get(), copy.len()), (usize::MAX, 0));
}

/// Row 4. A call of this allocator would abort.
#[test]
fn free_of_zero_bytes_does_not_call_the_vtable() {
    let (slice, item) = (REFUSES.alloc::<u32>(0).unwrap(), REFUSES.create::<()>().unwrap());
    // SAFETY: neither block has bytes.
    unsafe { REFUSES.free(slice) };
    // SAFETY: the item has no bytes.
    unsafe { REFUSES.destroy(item) };
}

/// Row 5.
#[test]
fn resize_to_zero_frees() {
    with_buffer(|allocator| {
        let memory = allocator.alloc::<u32>(10).unwrap();
        // SAFETY: a live block, not used afterwards.
        assert!(unsafe { allocator.resize(memory, 0) });
    });
}

/// Row 6.
#[test]
fn remap_to_zero_frees_and_keeps_the_address() {
    with_buffer(|allocator| {
        let memory = allocator.alloc::<u32>(10).unwrap();
        // SAFETY: a live block, not used afterwards.
        let empty = unsafe { allocator.remap(memory, 0) }.unwrap();
        assert_eq!((empty.len(), empty.addr()), (0, memory.addr()));
    });
}

/// Row 7.
#[test]
fn realloc_to_zero_frees_and_returns_highest_aligned_address() {
    with_buffer(|allocator| {
        let memory = allocator.alloc::<u32>(10).unwrap();
        // SAFETY: a live block, not used afterwards.
        let empty = unsafe { allocator.realloc(memory, 0) }.unwrap();
        assert_eq!((empty.len(), empty.addr().get()), (0, usize::MAX - 3));
    });
}

/// Row 8.
#[test]
fn resize_of_empty_slice_is_false() {
    // SAFETY: the slice has no bytes.
    assert!(!unsafe { REFUSES.resize(REFUSES.alloc::<u32>(0).unwrap(), 1) });
}

/// Row 9.
#[test]
fn remap_of_empty_slice_is_none() {
    // SAFETY: the slice has no bytes.
    assert!(unsafe { REFUSES.remap(REFUSES.alloc::<u32>(0).unwrap(), 1) }.is_none());
}

/// Row 10.
#[test]
fn realloc_of_empty_slice_allocates() {
    with_buffer(|allocator| {
        let empty = allocator.alloc::<u32>(0).unwrap();
        // SAFETY: the slice has no bytes.
        let memory = unsafe { allocator.realloc(empty, 5) }.unwrap();
        assert_eq!(memory.len(), 5);
        // SAFETY: a live block, not used afterwards.
        unsafe { allocator.free(memory) };
    });
}

/// Row 11.
#[test]
fn empty_slices_stay_empty() {
    let empty = REFUSES.alloc::<u32>(0).unwrap();
    // SAFETY: the slice has no bytes, here and below.
    assert!(unsafe { REFUSES.resize(empty, 0) });
    // SAFETY: the slice has no bytes.
    assert_eq!(unsafe { REFUSES.remap(empty, 0) }.unwrap().len(), 0);
    // SAFETY: the slice has no bytes.
    assert_eq!(unsafe { REFUSES.realloc(empty, 0) }.unwrap().len(), 0);
}

/// Row 12.
#[test]
fn zero_sized_elements_have_any_length() {
    let units = REFUSES.alloc::<()>(10).unwrap();
    // SAFETY: the slice has no bytes, here and below.
    assert!(unsafe { REFUSES.resize(units, 200) });
    // SAFETY: the slice has no bytes.
    assert_eq!(unsafe { REFUSES.remap(units, 200) }.unwrap().len(), 200);
    // SAFETY: the slice has no bytes.
    assert_eq!(unsafe { REFUSES.realloc(units, 200) }.unwrap().len(), 200);
}

/// Row 13.
#[test]
fn empty_sentinel_slice_owns_one_element() {
    let mut buffer = [MaybeUninit::uninit(); 8];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let empty = fixed_buffer.allocator().alloc_sentinel(0, b'!').unwrap();
    assert_eq!((empty.len(), fixed_buffer.end_index()), (0, 1));
    // SAFETY: a live block, not used afterwards.
    unsafe { fixed_buffer.allocator().free(empty) };
    assert_eq!(fixed_buffer.end_index(), 0);
}

/// Row 14.
#[test]
fn overflowing_byte_count_is_refused() {
    with_buffer(|allocator| {
        assert_eq!(allocator.alloc::<u32>(usize::MAX).unwrap_err(), Error::OutOfMemory);
        let memory = allocator.alloc::<u32>(1).unwrap();
        // SAFETY: a live block, here and below; nothing changes it.
        assert!(!unsafe { allocator.resize(memory, usize::MAX) });
        // SAFETY: a live block, which the refused call does not change.
        assert!(unsafe { allocator.remap(memory, usize::MAX) }.is_none());
        // SAFETY: a live block, which the refused call does not change.
        assert_eq!(unsafe { allocator.realloc(memory, usize::MAX) }.unwrap_err(), Error::OutOfMemory);
        // SAFETY: a live block, not used afterwards.
        unsafe { allocator.free(memory) };
    });
}
