//! `StackFallbackAllocator`: like `BufferFirstAllocator`, which is compared with Zig, over a buffer inside itself.

use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::heap::{FixedBufferAllocator, StackFallbackAllocator, stack_fallback};
use zigalloc::testing::{
    CheckError, FAILING_ALLOCATOR, check_all_allocation_failures, test_allocator, test_allocator_aligned,
    test_allocator_aligned_shrink, test_allocator_large_alignment,
};
use zigalloc::{Alignment, Allocator, Error};
use zigalloc_support::{Bump, Call, Random, Recorder, run_random_program};

use crate::heap::buffer_first::{Aligned, buffer_first_program, program};

/// Returns the address of an empty buffer. The allocator must not move afterwards.
fn begin<const N: usize>(state: &StackFallbackAllocator<N, Allocator<'_>>) -> usize {
    let first = state.get().alloc::<u8>(1).unwrap();
    // SAFETY: a live block.
    unsafe { state.get().free(first) };
    assert_eq!(state.end_index(), 0);
    first.addr().get()
}

/// SF-02, SF-03: the same program over a buffer with the same alignment has the results of a `BufferFirstAllocator`,
/// which are compared with Zig's.
#[test]
#[cfg_attr(miri, ignore = "to save time: other tests make the same calls in shorter programs")]
fn results_match_buffer_first() {
    let mut memory = Aligned::<{ 1 << 17 }>::new();
    let fallback_begin = memory.0.as_ptr().addr();
    let fallback = FixedBufferAllocator::init(&mut memory.0);
    let state = stack_fallback::<256, _>(fallback.allocator());
    let begin = begin(&state);
    let hash = program(state.get(), begin, fallback_begin, || state.end_index());
    assert_eq!(hash, buffer_first_program(begin % 4096));
}

/// T1, T2, T3, T4: the counterpart of Zig's test "StackFallbackAllocator".
#[test]
fn stack_fallback_allocator() {
    for test in [
        test_allocator,
        test_allocator_aligned,
        test_allocator_large_alignment,
        test_allocator_aligned_shrink,
    ] {
        let bump = Bump::new(0, 1 << 22);
        test(stack_fallback::<4096, _>(bump.allocator()).get());
        assert_eq!(bump.live(), 0);
    }
}

/// SF-01: a new allocator is empty. Another handle resets nothing, so its blocks do not overlap earlier ones (in Zig
/// they do).
#[test]
fn second_handle_resets_nothing() {
    let state = stack_fallback::<10, _>(FAILING_ALLOCATOR);
    assert_eq!(state.end_index(), 0);
    let first = state.get().dupe(b"12345").unwrap();
    let second = state.get().dupe(b"67890").unwrap();
    // SAFETY: both blocks are live.
    unsafe { assert_eq!((first.as_ref(), second.as_ref()), (&b"12345"[..], &b"67890"[..])) };
    assert_eq!(state.get().alloc::<u8>(1), Err(Error::OutOfMemory));
    assert_eq!(state.end_index(), 10);

    let a = state.allocator();
    // SAFETY: `get` and `allocator` return handles of one allocator, and the block is live.
    unsafe { a.free(second) };
    assert_eq!(state.end_index(), 5);
}

/// SF-01: `reset` empties the buffer; it borrows exclusively, so no handle exists.
#[test]
fn reset_empties_the_buffer() {
    let bump = Bump::new(0, 4096);
    let mut state = stack_fallback::<10, _>(bump.allocator());
    let inside = state.get().alloc::<u8>(8).unwrap();
    let outside = state.get().dupe(b"the fallback's").unwrap();
    assert!(state.owns_ptr(inside.as_ptr().cast()) && !state.owns_ptr(outside.as_ptr().cast()));
    state.reset();
    assert_eq!(state.end_index(), 0);
    assert_eq!(state.get().alloc::<u8>(10).unwrap().addr(), inside.addr());
    // SAFETY: a live block: the fallback has not been reset.
    unsafe {
        assert_eq!(outside.as_ref(), b"the fallback's");
        state.get().free(outside);
    }
    assert_eq!(bump.live(), 0);
}

/// SF-02, SF-03: each function forwards what does not fit to the fallback unchanged.
#[test]
fn requests_that_do_not_fit_go_to_the_fallback() {
    let bump = Bump::new(0, 4096);
    bump.grants_growth.set(true);
    let recorder = Recorder::new(bump.allocator());
    let state = stack_fallback::<10, _>(recorder.allocator());
    let (a, alignment) = (state.get(), Alignment::_4);
    // SAFETY: lengths are not zero; blocks are live, with matching lengths.
    unsafe {
        let inside = a.raw_alloc(6, Alignment::_1, 1).unwrap();
        assert_eq!(recorder.take(), []);
        let memory = a.raw_alloc(11, alignment, 2).unwrap();
        let address = memory.addr().get();
        let block = |len| NonNull::slice_from_raw_parts(memory, len);
        assert!(a.raw_resize(block(11), alignment, 12, 3));
        assert_eq!(a.raw_remap(block(12), alignment, 13, 4), Some(memory));
        a.raw_free(block(13), alignment, 5);
        let result = Some(address);
        let calls = [
            Call::Alloc { len: 11, alignment, ret_addr: 2, result },
            Call::Resize { address, len: 11, alignment, new_len: 12, ret_addr: 3, result: true },
            Call::Remap { address, len: 12, alignment, new_len: 13, ret_addr: 4, result },
            Call::Free { address, len: 13, alignment, ret_addr: 5 },
        ];
        assert_eq!(recorder.take(), calls);

        let inside = NonNull::slice_from_raw_parts(inside, 6);
        assert!(!a.raw_resize(inside, Alignment::_1, 11, 6));
        assert_eq!(a.raw_remap(inside, Alignment::_1, 11, 7), None);
        assert!(a.raw_resize(inside, Alignment::_1, 5, 8));
        a.raw_free(NonNull::slice_from_raw_parts(inside.cast(), 5), Alignment::_1, 9);
        assert_eq!(recorder.take(), [], "a block in the buffer is the buffer's, also when that says no");
        assert_eq!(state.end_index(), 0);
    }
}

/// Without a buffer, all blocks are the fallback's.
#[test]
fn empty_buffer_uses_the_fallback() {
    let bump = Bump::new(0, 4096);
    let state = stack_fallback::<0, _>(bump.allocator());
    let block = state.get().alloc::<u8>(1).unwrap();
    assert!(!state.owns_ptr(block.as_ptr().cast()));
    assert_eq!(bump.live(), 1);
    // SAFETY: a live block.
    unsafe { state.get().free(block) };
    assert_eq!(bump.live(), 0);
}

/// SF-04: an allocator without live blocks may move, and its buffer moves with it.
#[test]
fn allocator_without_blocks_may_move() {
    let bump = Bump::new(0, 4096);
    let state = stack_fallback::<64, _>(bump.allocator());
    let first = state.get().alloc::<u8>(10).unwrap();
    // SAFETY: a live block.
    unsafe { state.get().free(first) };
    let moved = Box::new(state);
    let second = moved.get().dupe(b"elsewhere").unwrap();
    assert!(moved.owns_ptr(second.as_ptr().cast()));
    // SAFETY: a live block.
    unsafe { assert_eq!(second.as_ref(), b"elsewhere") };
}

/// Blocks in the buffer survive a lock around the allocator, although the lock borrows it exclusively.
#[cfg(feature = "std")]
#[test]
fn blocks_survive_a_lock() {
    use zigalloc::ThreadSafeAllocator;
    use zigalloc::heap::PAGE_ALLOCATOR;
    let mut state = stack_fallback::<64, _>(PAGE_ALLOCATOR);
    let before = state.get().dupe(b"before").unwrap();
    {
        let thread_safe = ThreadSafeAllocator::new(&mut state);
        let allocator = thread_safe.allocator();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let after = allocator.dupe(b"after").unwrap();
                // SAFETY: a live block.
                unsafe { allocator.free(after) };
            });
        });
        // SAFETY: a live block, of the lock's child.
        unsafe {
            assert_eq!(before.as_ref(), b"before");
            allocator.free(before);
        }
    }
    assert_eq!(state.end_index(), 0);
}

fn some_blocks(allocator: Allocator<'_>) -> Result<(), Error> {
    let state = stack_fallback::<100, _>(allocator);
    let a = state.get();
    let mut blocks: Vec<NonNull<[u8]>> = Vec::new();
    let mut result = Ok(());
    for n in 1..20 {
        match a.alloc(n * 3) {
            Ok(memory) => blocks.push(memory),
            Err(error) => result = Err(error),
        }
    }
    // SAFETY: live blocks.
    blocks.into_iter().for_each(|memory| unsafe { a.free(memory) });
    result
}

/// Any failing allocation of the fallback is returned as an error, and nothing leaks.
#[test]
fn every_failing_allocation_is_returned() {
    let bump = Bump::new(0, 1 << 16);
    let result: Result<(), CheckError<Error>> = check_all_allocation_failures(bump.allocator(), some_blocks);
    result.unwrap();
    assert_eq!(bump.live(), 0);
}

/// Blocks keep their bytes, whether in the buffer or outside.
#[rstest]
fn random_programs_keep_their_bytes(#[values(1, 2)] seed: u64) {
    fn run<const N: usize>(seed: u64) {
        let bump = Bump::new(0, 1 << 20);
        bump.grants_growth.set(seed == 1);
        let state = stack_fallback::<N, _>(bump.allocator());
        let steps = if cfg!(miri) { 60 } else { 2000 };
        let blocks = run_random_program(state.get(), &mut Random::new(seed), steps);
        assert!(blocks > steps / 5);
    }
    run::<1>(seed);
    run::<100>(seed);
    run::<1000>(seed);
}

#[test]
fn debug_text() {
    let state = stack_fallback::<10, _>(FAILING_ALLOCATOR);
    let text = format!("{state:?}");
    assert!(
        text.starts_with("StackFallbackAllocator { end_index: 0, len: 10, fallback_allocator:"),
        "{text}"
    );
}
