//! `heap::C_ALLOCATOR` and `heap::RAW_C_ALLOCATOR`.

#![cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]

use std::ffi::c_void;
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::heap::{C_ALLOCATOR, RAW_C_ALLOCATOR};
use zigalloc::{Alignment, SyncAllocator};
use zigalloc_support::{alignment_from_c, keeps_contents};

unsafe extern "C" {
    fn free(memory: *mut c_void);
    fn malloc(len: usize) -> *mut c_void;
}

/// CA-01, CA-04: every alignment is supported, even below a word, and every block can be freed.
#[rstest]
fn contents_are_kept_with_every_alignment(#[values(0, 1, 2, 3, 4, 5, 6, 9, 12, 14, 16)] log2: u8) {
    if cfg!(miri) && !matches!(log2, 0 | 6 | 16) {
        eprintln!("skipped: three alignments are enough for Miri");
        return;
    }
    let remapped = keeps_contents(*C_ALLOCATOR, Alignment::from_log2(log2).unwrap());
    assert!(remapped >= 13, "every block can be shortened: {remapped}");
}

/// CA-02, CA-03: a block grows exactly up to its usable size, and never moves. With glibc, 10 bytes have room for 24,
/// or slightly more if the rest was too small for a block.
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
#[cfg_attr(miri, ignore = "it needs `malloc_usable_size`, which Miri lacks")]
#[rstest]
fn block_grows_to_its_usable_size(#[values(Alignment::_1, Alignment::_64)] alignment: Alignment) {
    unsafe extern "C" {
        fn malloc_usable_size(memory: *mut c_void) -> usize;
    }
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        let memory = C_ALLOCATOR.raw_alloc(10, alignment, 0).unwrap();
        let block = |len| NonNull::slice_from_raw_parts(memory, len);
        let room = malloc_usable_size(memory.as_ptr().cast());
        assert!((24..100).contains(&room), "room for {room} bytes");
        assert!(!C_ALLOCATOR.raw_resize(block(10), alignment, room + 1, 0));
        assert_eq!(C_ALLOCATOR.raw_remap(block(10), alignment, room + 1, 0), None);
        assert_eq!(C_ALLOCATOR.raw_remap(block(10), alignment, 100, 0), None);
        assert_eq!(C_ALLOCATOR.raw_remap(block(10), alignment, 1000, 0), None);
        assert!(C_ALLOCATOR.raw_resize(block(10), alignment, 24, 0));
        assert!(C_ALLOCATOR.raw_resize(block(24), alignment, room, 0));
        memory.write_bytes(0xA5, room);
        assert_eq!(C_ALLOCATOR.raw_remap(block(room), alignment, room, 0), Some(memory));
        assert_eq!(C_ALLOCATOR.raw_remap(block(room), alignment, 3, 0), Some(memory));
        assert!(C_ALLOCATOR.raw_resize(block(3), alignment, 1, 0));
        assert!(C_ALLOCATOR.raw_resize(block(1), alignment, room, 0), "the room is still there");
        C_ALLOCATOR.raw_free(block(room), alignment, 0);
    }
}

/// CA-02, CA-03: the behaviour that all C libraries share.
#[test]
fn every_block_shrinks_in_place() {
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        let memory = C_ALLOCATOR.raw_alloc(100, Alignment::_32, 0).unwrap();
        let block = |len| NonNull::slice_from_raw_parts(memory, len);
        assert!(C_ALLOCATOR.raw_resize(block(100), Alignment::_32, 100, 0));
        assert!(C_ALLOCATOR.raw_resize(block(100), Alignment::_32, 50, 0));
        assert_eq!(C_ALLOCATOR.raw_remap(block(50), Alignment::_32, 1, 0), Some(memory));
        assert!(!C_ALLOCATOR.raw_resize(block(1), Alignment::_32, 1 << 20, 0));
        assert_eq!(C_ALLOCATOR.raw_remap(block(1), Alignment::_32, 1 << 20, 0), None);
        C_ALLOCATOR.raw_free(block(1), Alignment::_32, 0);
    }
}

/// CA-04, RC-04: the block is the C library's; its `free` needs neither length nor alignment.
#[rstest]
#[case(C_ALLOCATOR, Alignment::_16)]
#[cfg_attr(unix, case(C_ALLOCATOR, Alignment::_64))]
#[case(RAW_C_ALLOCATOR, Alignment::_8)]
fn c_can_free_what_we_allocate(#[case] allocator: SyncAllocator<'static>, #[case] alignment: Alignment) {
    if cfg!(windows) && alignment > Alignment::_8 {
        eprintln!("skipped: with a header in front, the block is not malloc's");
        return;
    }
    // SAFETY: the length is not zero; the block is freed once.
    unsafe {
        let memory = allocator.raw_alloc(100, alignment, 0).unwrap();
        free(memory.as_ptr().cast());
    }
}

/// RC-04
#[test]
fn we_can_free_what_c_allocates() {
    // SAFETY: `RAW_C_ALLOCATOR`'s blocks are `malloc`'s, and vice versa.
    unsafe {
        let memory = NonNull::new(malloc(10)).unwrap().cast::<u8>();
        RAW_C_ALLOCATOR.raw_free(NonNull::slice_from_raw_parts(memory, 10), Alignment::_1, 0);
    }
}

/// RC-01, RC-03: the alignments of C's types, also for short blocks; `realloc` keeps the bytes.
#[rstest]
fn raw_contents_are_kept_with_every_alignment(#[values(0, 1, 2, 3, 4)] log2: u8) {
    if log2 == 4 && size_of::<usize>() < 8 {
        eprintln!("skipped: two words are 8 bytes");
        return;
    }
    let remapped = keeps_contents(*RAW_C_ALLOCATOR, Alignment::from_log2(log2).unwrap());
    assert_eq!(remapped, 13 * 6, "`realloc` does everything");
}

/// RC-01: alignments above `malloc`'s are refused.
#[rstest]
fn raw_alignment_above_max_align_t_is_refused(#[values(5, 6, 12, 30, 63)] log2: u8) {
    // SAFETY: the lengths are not zero.
    assert_eq!(unsafe { RAW_C_ALLOCATOR.raw_alloc(100, alignment_from_c(log2), 0) }, None);
}

/// RC-02, RC-03
#[test]
fn raw_blocks_are_never_resized_in_place() {
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        let memory = RAW_C_ALLOCATOR.raw_alloc(100, Alignment::_8, 0).unwrap();
        let block = NonNull::slice_from_raw_parts(memory, 100);
        for new_len in [1, 99, 100, 101, 1000] {
            assert!(!RAW_C_ALLOCATOR.raw_resize(block, Alignment::_8, new_len, 0));
        }
        let memory = RAW_C_ALLOCATOR.raw_remap(block, Alignment::_8, 100_000, 0).unwrap();
        memory.write_bytes(1, 100_000);
        RAW_C_ALLOCATOR.raw_free(NonNull::slice_from_raw_parts(memory, 100_000), Alignment::_8, 0);
    }
}

/// CA-01, RC-01, TR-05: requests that cannot be satisfied give null in every build.
#[rstest]
#[case::longest(usize::MAX, Alignment::_1)]
#[case::nearly_the_longest(usize::MAX - 15, Alignment::_16)]
#[case::longer_than_any_object(isize::MAX as usize + 1, Alignment::_1)]
#[cfg_attr(target_pointer_width = "64", case::longest_object(isize::MAX as usize, Alignment::_8))]
#[case::both(isize::MAX as usize, Alignment::MAX)]
#[case::strictest(1, Alignment::MAX)]
#[cfg_attr(target_pointer_width = "64", case::strict(10, Alignment::from_log2(usize::BITS as u8 - 2).unwrap()))]
#[case::not_an_alignment(1, alignment_from_c(usize::BITS as u8))]
#[case::not_at_all_an_alignment(1, alignment_from_c(255))]
fn impossible_requests_are_null(
    #[values(C_ALLOCATOR, RAW_C_ALLOCATOR)] allocator: SyncAllocator<'static>,
    #[case] len: usize,
    #[case] alignment: Alignment,
) {
    // SAFETY: the lengths are not zero.
    assert_eq!(unsafe { allocator.raw_alloc(len, alignment, 0) }, None);
}

/// CA-02, CA-03, RC-03: a block cannot become that long either, and is unchanged.
#[rstest]
fn impossible_lengths_leave_the_block_unchanged(
    #[values(C_ALLOCATOR, RAW_C_ALLOCATOR)] allocator: SyncAllocator<'static>,
    #[values(usize::MAX, usize::MAX - 4096, isize::MAX as usize + 1, isize::MAX as usize)] new_len: usize,
) {
    if cfg!(target_pointer_width = "32") && new_len == isize::MAX as usize {
        eprintln!("skipped: half of all addresses may be free");
        return;
    }
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        let memory = allocator.raw_alloc(4, Alignment::_4, 0).unwrap();
        memory.cast::<u32>().write(0x1234_5678);
        let block = NonNull::slice_from_raw_parts(memory, 4);
        assert!(!allocator.raw_resize(block, Alignment::_4, new_len, 0));
        assert_eq!(allocator.raw_remap(block, Alignment::_4, new_len, 0), None);
        assert_eq!(memory.cast::<u32>().read(), 0x1234_5678);
        allocator.raw_free(block, Alignment::_4, 0);
    }
}
