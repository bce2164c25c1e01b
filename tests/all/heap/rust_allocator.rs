//! `heap::RUST_ALLOCATOR`. It is not in Zig, so it has no entries in the surface.

#![cfg(feature = "alloc")]

use std::alloc::Layout;
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::Alignment;
use zigalloc::heap::RUST_ALLOCATOR;
use zigalloc_support::{Sent, alignment_from_c, keeps_contents};

#[rstest]
fn contents_are_kept_with_every_alignment(#[values(0, 1, 3, 4, 6, 12, 16)] log2: u8) {
    if cfg!(miri) && !matches!(log2, 0 | 6 | 16) {
        eprintln!("skipped: three alignments are enough for Miri");
        return;
    }
    let remapped = keeps_contents(*RUST_ALLOCATOR, Alignment::from_log2(log2).unwrap());
    assert_eq!(remapped, 13 * 6, "`realloc` does everything");
}

#[test]
fn resize_is_true_for_the_same_length_only() {
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        let memory = RUST_ALLOCATOR.raw_alloc(100, Alignment::_8, 0).unwrap();
        let memory = NonNull::slice_from_raw_parts(memory, 100);
        assert!(RUST_ALLOCATOR.raw_resize(memory, Alignment::_8, 100, 0));
        assert!(!RUST_ALLOCATOR.raw_resize(memory, Alignment::_8, 99, 0));
        assert!(!RUST_ALLOCATOR.raw_resize(memory, Alignment::_8, 101, 0));
        RUST_ALLOCATOR.raw_free(memory, Alignment::_8, 0);
    }
}

#[test]
fn blocks_are_those_of_std_alloc() {
    let layout = Layout::from_size_align(100, 32).unwrap();
    let alignment = Alignment::from(layout);
    // SAFETY: the same layout both times, each block freed once.
    unsafe {
        let memory = RUST_ALLOCATOR.raw_alloc(layout.size(), alignment, 0).unwrap();
        std::alloc::dealloc(memory.as_ptr(), layout);
        let memory = NonNull::new(std::alloc::alloc(layout)).unwrap();
        RUST_ALLOCATOR.raw_free(NonNull::slice_from_raw_parts(memory, layout.size()), alignment, 0);
    }
}

#[rstest]
#[case::longest(usize::MAX, Alignment::_1)]
#[case::longer_than_any_object(isize::MAX as usize + 1, Alignment::_1)]
#[case::too_long_when_rounded_up(isize::MAX as usize, Alignment::_16)]
#[cfg_attr(target_pointer_width = "64", case::longest_object(isize::MAX as usize, Alignment::_1))]
#[case::strictest(1, Alignment::MAX)]
#[case::not_an_alignment(1, alignment_from_c(usize::BITS as u8))]
#[case::not_at_all_an_alignment(1, alignment_from_c(255))]
fn impossible_requests_are_null(#[case] len: usize, #[case] alignment: Alignment) {
    // SAFETY: the lengths are not zero.
    assert_eq!(unsafe { RUST_ALLOCATOR.raw_alloc(len, alignment, 0) }, None);
}

#[rstest]
fn impossible_lengths_leave_the_block_unchanged(
    #[values(usize::MAX, isize::MAX as usize + 1, isize::MAX as usize, isize::MAX as usize - 7)]
    new_len: usize,
) {
    if cfg!(target_pointer_width = "32") && new_len == isize::MAX as usize - 7 {
        eprintln!("skipped: half of all addresses may be free");
        return;
    }
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        let memory = RUST_ALLOCATOR.raw_alloc(4, Alignment::_8, 0).unwrap();
        memory.cast::<u32>().write(0x1234_5678);
        let slice = NonNull::slice_from_raw_parts(memory, 4);
        assert!(!RUST_ALLOCATOR.raw_resize(slice, Alignment::_8, new_len, 0));
        assert_eq!(RUST_ALLOCATOR.raw_remap(slice, Alignment::_8, new_len, 0), None);
        assert_eq!(memory.cast::<u32>().read(), 0x1234_5678);
        RUST_ALLOCATOR.raw_free(slice, Alignment::_8, 0);
    }
}

#[test]
fn blocks_may_be_freed_by_another_thread() {
    // SAFETY: a live block with matching length and alignment, which the other thread gets and frees.
    unsafe {
        let memory = RUST_ALLOCATOR.raw_alloc(100, Alignment::_8, 0).unwrap();
        let sent = Sent(NonNull::slice_from_raw_parts(memory, 100));
        let other = std::thread::spawn(move || {
            let memory = sent.received();
            memory.cast::<u8>().write_bytes(1, memory.len());
            RUST_ALLOCATOR.raw_free(memory, Alignment::_8, 0);
        });
        other.join().unwrap();
    }
}
