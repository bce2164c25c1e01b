//! The counterparts of the tests in Zig's `debug_allocator.zig`.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use zigalloc::heap::{Check, DebugAllocator, DebugConfig, FixedBufferAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::{FailingAllocator, FailingConfig, with_allocator};
use zigalloc::{AlignedSlice, Allocator, Error, SlicePtr, SyncAllocator};

/// Safety as in Zig's tests, which run in a safe mode.
const TEST_CONFIG: DebugConfig = DebugConfig { safety: true, ..DebugConfig::DEFAULT };
const PAGE: usize = TEST_CONFIG.page_size;

fn debug(config: DebugConfig) -> DebugAllocator<SyncAllocator<'static>> {
    DebugAllocator::with_config(PAGE_ALLOCATOR, config)
}

/// Returns bytes 0 and `i` of a block, which these tests write and read.
unsafe fn bytes<const ALIGN: usize>(slice: AlignedSlice<u8, ALIGN>, i: usize) -> (u8, u8) {
    // SAFETY: the slice is longer than `i`, and both bytes are written, by our caller.
    unsafe { (slice.as_ptr().read(), slice.as_ptr().add(i).read()) }
}

unsafe fn write<const ALIGN: usize>(slice: AlignedSlice<u8, ALIGN>, i: usize) {
    // SAFETY: the slice is longer than `i`, by our caller.
    unsafe {
        slice.as_ptr().write(0x12);
        slice.as_ptr().add(i).write(0x34);
    }
}

fn create_many(allocator: Allocator<'_>) -> Result<Vec<NonNull<u64>>, Error> {
    (0..if cfg!(miri) { 70 } else { 513 }).map(|_| allocator.create::<u64>()).collect()
}

/// DA-12, DA-14, DA-15: all slots of a page and more, freed oldest first.
#[test]
fn small_allocations_free_in_same_order() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    // SAFETY: each is freed once.
    create_many(*allocator)?.into_iter().for_each(|ptr| unsafe { allocator.destroy(ptr) });
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

/// DA-12, DA-14, DA-15: freed newest first.
#[test]
fn small_allocations_free_in_reverse_order() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    // SAFETY: each is freed once.
    create_many(*allocator)?.into_iter().rev().for_each(|ptr| unsafe { allocator.destroy(ptr) });
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn large_allocations() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    let ptr1 = allocator.alloc::<u64>(42768)?;
    let ptr2 = allocator.alloc::<u64>(52768)?;
    // SAFETY: each is freed once.
    unsafe {
        allocator.free(ptr1);
        let ptr3 = allocator.alloc::<u64>(62768)?;
        allocator.free(ptr3);
        allocator.free(ptr2);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn very_large_allocation() {
    let gpa = debug(TEST_CONFIG);
    assert_eq!(gpa.allocator().alloc::<u8>(usize::MAX).unwrap_err(), Error::OutOfMemory);
    assert_eq!(gpa.deinit(), Check::Ok);
}

#[test]
fn realloc() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    // SAFETY: the slice is live with the length that it has here.
    unsafe {
        let slice = allocator.aligned_alloc::<u8, 4>(1)?;
        slice.as_ptr().write(0x12);

        // The same address: the alignment determines the class.
        let old = slice.as_ptr();
        let slice = allocator.realloc(slice, 2)?;
        assert_eq!(slice.as_ptr(), old);
        assert_eq!(slice.as_ptr().read(), 0x12);
        slice.as_ptr().add(1).write(0x34);

        // Another class.
        let slice = allocator.realloc(slice, 17)?;
        assert_eq!(bytes(slice, 1), (0x12, 0x34));
        allocator.free(slice);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn shrink() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    // SAFETY: the slice is live with the length that it has here.
    unsafe {
        let mut slice = allocator.alloc::<u8>(20)?;
        slice.cast::<u8>().write_bytes(0x11, 20);
        assert!(allocator.resize(slice, 17));
        slice = NonNull::slice_from_raw_parts(slice.cast(), 17);
        assert_eq!(slice.as_ref(), [0x11; 17]);
        assert!(!allocator.resize(slice, 16), "another class");
        allocator.free(slice);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

/// DA-18: a resize succeeds in place if the child's does.
#[test]
fn large_object_grow() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    // SAFETY: the slice is live with the length that it has here.
    unsafe {
        let slice = allocator.alloc::<u8>(PAGE * 2 - 20)?;
        let old = slice.cast::<u8>();
        let slice = allocator.realloc(slice, PAGE * 2 - 10)?;
        assert_eq!(slice.cast(), old);
        let slice = allocator.realloc(slice, PAGE * 2)?;
        assert_eq!(slice.cast(), old);
        let slice = allocator.realloc(slice, PAGE * 2 + 1)?;
        allocator.free(slice);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn realloc_small_object_to_large_object() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    // SAFETY: the slice is live with the length that it has here.
    unsafe {
        let slice = allocator.aligned_alloc::<u8, 1>(70)?;
        write(slice, 60);
        let slice = allocator.realloc(slice, PAGE * 2 + 50)?;
        assert_eq!(bytes(slice, 60), (0x12, 0x34));
        allocator.free(slice);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn shrink_large_object_to_large_object() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    // SAFETY: the slice is live with the length that it has here.
    unsafe {
        let mut slice = allocator.aligned_alloc::<u8, 1>(PAGE * 2 + 50)?;
        write(slice, 60);
        if allocator.resize(slice, PAGE * 2 + 1) {
            slice = slice.with_len(PAGE * 2 + 1);
            assert_eq!(bytes(slice, 60), (0x12, 0x34));

            assert!(allocator.resize(slice, PAGE * 2 + 1));
            assert_eq!(bytes(slice, 60), (0x12, 0x34));

            slice = allocator.realloc(slice, PAGE * 2)?;
            assert_eq!(bytes(slice, 60), (0x12, 0x34));
        }
        allocator.free(slice);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

/// Returns a slice that does not happen to be aligned to `big_alignment`. Zig keeps the others in a buffer of 1000
/// bytes.
fn not_aligned(
    allocator: Allocator<'_>,
    len: usize,
    big_alignment: usize,
) -> Result<AlignedSlice<u8, 16>, Error> {
    let mut buffer = [const { MaybeUninit::uninit() }; 1000];
    let fba = FixedBufferAllocator::init(&mut buffer);
    let list = fba.allocator().alloc::<AlignedSlice<u8, 16>>(38)?;
    let mut count = 0;
    let mut slice = allocator.aligned_alloc::<u8, 16>(len)?;
    while slice.as_ptr().addr() % big_alignment == 0 {
        assert!(count < list.len());
        // SAFETY: there is room in the list.
        unsafe { list.cast::<AlignedSlice<u8, 16>>().add(count).write(slice) };
        count += 1;
        slice = allocator.aligned_alloc(len)?;
    }
    for i in 0..count {
        // SAFETY: the list's first items are live slices.
        unsafe { allocator.free(list.cast::<AlignedSlice<u8, 16>>().add(i).read()) };
    }
    Ok(slice)
}

/// As in Zig, whose name for it is historical: the third argument of the last call is a return address.
#[test]
fn shrink_large_object_to_large_object_with_larger_alignment() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    let len = PAGE * 2 + 50;
    let big_alignment = PAGE * 2;
    let slice = not_aligned(*allocator, len, big_alignment)?;
    // SAFETY: the slice is live with the length that it has here.
    unsafe {
        write(slice, 60);
        let slice = allocator.realloc_advanced(slice, big_alignment, len / 2)?;
        assert_eq!(bytes(slice, 60), (0x12, 0x34));
        allocator.free(slice);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn realloc_large_object_to_small_object() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    // SAFETY: the slice is live with the length that it has here.
    unsafe {
        let slice = allocator.aligned_alloc::<u8, 1>(PAGE * 2 + 50)?;
        write(slice, 16);
        let slice = allocator.realloc(slice, 19)?;
        assert_eq!(bytes(slice, 16), (0x12, 0x34));
        allocator.free(slice);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

/// TR-57, DC-09: over another debug allocator, whose memory is not zero.
#[test]
fn non_page_allocator_backing_allocator() -> Result<(), Error> {
    with_allocator(|testing_allocator| {
        let config = DebugConfig { backing_allocator_zeroes: false, ..TEST_CONFIG };
        let gpa = DebugAllocator::with_config(testing_allocator, config);
        let allocator = gpa.allocator();
        let ptr = allocator.create::<i32>()?;
        // SAFETY: it is freed once.
        unsafe { allocator.destroy(ptr) };
        assert_eq!(gpa.deinit(), Check::Ok);
        Ok(())
    })
}

/// As in Zig: the third argument of the calls is a return address.
#[test]
fn realloc_large_object_to_larger_alignment() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    let big_alignment = PAGE * 2;
    let mut slice = not_aligned(*allocator, PAGE * 2 + 50, big_alignment)?;
    // SAFETY: the slice is live with the length that it has here.
    unsafe {
        write(slice, 16);
        for (new_n, ret_addr) in [(32, PAGE * 2 + 100), (32, PAGE * 2 + 25), (big_alignment, PAGE * 2 + 100)]
        {
            slice = allocator.realloc_advanced(slice, new_n, ret_addr)?;
            assert_eq!(bytes(slice, 16), (0x12, 0x34));
        }
        allocator.free(slice);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

/// DA-18: the child does not need memory for more than the table and the block.
#[test]
fn large_object_rejects_shrinking_to_small() -> Result<(), Error> {
    let config = FailingConfig { fail_index: 3, ..FailingConfig::default() };
    let failing_allocator = FailingAllocator::init(PAGE_ALLOCATOR, config);
    let gpa = DebugAllocator::with_config(failing_allocator.allocator(), TEST_CONFIG);
    let allocator = gpa.allocator();
    // SAFETY: the slice is live with the length that it has here.
    unsafe {
        let slice = allocator.aligned_alloc::<u8, 1>(PAGE * 2 + 50)?;
        write(slice, 3);
        assert!(!allocator.resize(slice, 4));
        assert_eq!(bytes(slice, 3), (0x12, 0x34));
        allocator.free(slice);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn objects_of_size_1024_and_2048() -> Result<(), Error> {
    let gpa = debug(TEST_CONFIG);
    let allocator = gpa.allocator();
    let slice = allocator.alloc::<u8>(1025)?;
    let slice2 = allocator.alloc::<u8>(3000)?;
    // SAFETY: each is freed once.
    unsafe {
        allocator.free(slice);
        allocator.free(slice2);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

/// DC-02, DA-10: the limit applies to the requested bytes.
#[test]
fn setting_a_memory_cap() -> Result<(), Error> {
    let gpa = debug(DebugConfig { enable_memory_limit: true, ..TEST_CONFIG });
    let allocator = gpa.allocator();
    gpa.set_requested_memory_limit(1010);

    let small = allocator.create::<i32>()?;
    assert_eq!(gpa.total_requested_bytes(), 4);
    let big = allocator.alloc::<u8>(1000)?;
    assert_eq!(gpa.total_requested_bytes(), 1004);
    assert_eq!(allocator.create::<u64>().unwrap_err(), Error::OutOfMemory);

    // SAFETY: each is freed once.
    unsafe {
        allocator.destroy(small);
        assert_eq!(gpa.total_requested_bytes(), 1000);
        allocator.free(big);
        assert_eq!(gpa.total_requested_bytes(), 0);
        let exact = allocator.alloc::<u8>(1010)?;
        assert_eq!(gpa.total_requested_bytes(), 1010);
        allocator.free(exact);
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}

/// DC-02, DA-18: it also applies when a block is resized.
#[test]
fn large_allocations_count_requested_size_not_backing_size() -> Result<(), Error> {
    let gpa = debug(DebugConfig { enable_memory_limit: true, ..TEST_CONFIG });
    let allocator = gpa.allocator();
    // SAFETY: the slice is live with the length that it has here.
    unsafe {
        let buf = allocator.aligned_alloc::<u8, 1>(PAGE + 1)?;
        assert_eq!(gpa.total_requested_bytes(), PAGE + 1);
        let buf = allocator.realloc(buf, 1)?;
        assert_eq!(gpa.total_requested_bytes(), 1);
        let buf = allocator.realloc(buf, 2)?;
        assert_eq!(gpa.total_requested_bytes(), 2);
        allocator.free(buf);
    }
    Ok(())
}

/// DC-06, DC-07: both options together, and nothing leaks.
#[test]
fn retain_metadata_and_never_unmap() -> Result<(), Error> {
    let gpa = debug(DebugConfig { never_unmap: true, retain_metadata: true, ..TEST_CONFIG });
    let allocator = gpa.allocator();
    for _ in 0..2 {
        let memory = allocator.alloc::<u8>(8)?;
        // SAFETY: it is freed once.
        unsafe { allocator.free(memory) };
    }
    assert_eq!(gpa.deinit(), Check::Ok);
    Ok(())
}
