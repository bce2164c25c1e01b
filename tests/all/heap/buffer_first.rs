//! `BufferFirstAllocator`: every address and result as in Zig 0.17.1.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::heap::{BufferFirstAllocator, FixedBufferAllocator};
use zigalloc::testing::{
    CheckError, FAILING_ALLOCATOR, check_all_allocation_failures, test_allocator, test_allocator_aligned,
    test_allocator_aligned_shrink, test_allocator_large_alignment,
};
use zigalloc::{Alignment, Allocator, Error};
use zigalloc_support::{Bump, Call, Hash, Lcg, Random, Recorder, run_random_program, seeds};

/// `N` bytes at a multiple of 4096.
#[repr(align(4096))]
pub(crate) struct Aligned<const N: usize>(pub(crate) [MaybeUninit<u8>; N]);

impl<const N: usize> Aligned<N> {
    pub(crate) fn new() -> Box<Aligned<N>> {
        Box::new(Aligned([MaybeUninit::uninit(); N]))
    }
}

// ---- recorded from Zig ----

/// Makes 4000 random calls on an allocator whose buffer of 256 bytes starts at `buffer` and whose fallback is a fixed
/// buffer at `fallback`. Hashes every address and result, and how much of the buffer is in use. The same program ran
/// in Zig.
pub(crate) fn program(
    allocator: Allocator<'_>,
    buffer: usize,
    fallback: usize,
    end_index: impl Fn() -> usize,
) -> u64 {
    let place = |memory: NonNull<u8>| match memory.addr().get().wrapping_sub(buffer) {
        offset @ 0..256 => offset,
        _ => 1000 + (memory.addr().get() - fallback),
    };
    let (mut lcg, mut hash) = (Lcg::new(), Hash::new());
    let mut live: Vec<(NonNull<[u8]>, Alignment)> = Vec::new();
    for _ in 0..4000 {
        let kind = lcg.below(10);
        let len = 1 + lcg.below(60);
        if kind < 4 || live.is_empty() {
            let alignment = Alignment::from_log2(lcg.below(7) as u8).unwrap();
            // SAFETY: the length is not zero.
            let memory = unsafe { allocator.raw_alloc(len, alignment, 0) }.expect("there is memory");
            live.push((NonNull::slice_from_raw_parts(memory, len), alignment));
            hash.add(place(memory));
        } else {
            let index = if lcg.below(2) == 0 { live.len() - 1 } else { lcg.below(live.len()) };
            let (memory, alignment) = live[index];
            // SAFETY: a live block with matching length and alignment; the new length is not zero.
            unsafe {
                match kind {
                    ..6 => {
                        let resized = allocator.raw_resize(memory, alignment, len, 0);
                        if resized {
                            live[index].0 = NonNull::slice_from_raw_parts(memory.cast(), len);
                        }
                        hash.add(usize::from(resized));
                    }
                    6..8 => match allocator.raw_remap(memory, alignment, len, 0) {
                        Some(new) => {
                            live[index].0 = NonNull::slice_from_raw_parts(new, len);
                            hash.add(place(new));
                        }
                        None => hash.add(777_777),
                    },
                    _ => {
                        allocator.raw_free(memory, alignment, 0);
                        live.remove(index);
                    }
                }
            }
        }
        hash.add(end_index());
    }
    hash.finish()
}

/// Runs [`program`] over a buffer that starts `misalignment` bytes above a multiple of 4096.
pub(crate) fn buffer_first_program(misalignment: usize) -> u64 {
    let mut memory = Aligned::<{ 1 << 17 }>::new();
    let mut buffer = Aligned::<8192>::new();
    let bases = (buffer.0[misalignment..].as_ptr().addr(), memory.0.as_ptr().addr());
    let fallback = FixedBufferAllocator::init(&mut memory.0);
    let buffer = &mut buffer.0[misalignment..][..256];
    let buffer_first = BufferFirstAllocator::init(buffer, fallback.allocator());
    program(buffer_first.allocator(), bases.0, bases.1, || buffer_first.fixed_buffer_allocator().end_index())
}

/// BF-01, SF-02, SF-03: the first hash is that of Zig 0.17.1's BufferFirstAllocator, the second that of 0.15.2's
/// StackFallbackAllocator, whose buffer was at such an address.
#[rstest]
#[case::buffer_first(0, 0xbdc1_cb16_5703_abef)]
#[case::stack_fallback(40, 0x5d09_2966_c213_8443)]
#[cfg_attr(miri, ignore = "to save time: other tests make the same calls in shorter programs")]
fn random_programs_match_zig(#[case] misalignment: usize, #[case] hash: u64) {
    assert_eq!(buffer_first_program(misalignment), hash);
}

// ---- Zig's own test ----

/// BF-01: the counterpart of Zig's test "BufferFirstAllocator".
#[test]
fn buffer_first_allocator() {
    let bump = Bump::new(0, 1 << 20);
    {
        let mut buffer = [MaybeUninit::uninit(); 10];
        let state = BufferFirstAllocator::init(&mut buffer, bump.allocator());
        let bfa = state.allocator();
        let create = |text: &[u8]| bfa.dupe_sentinel(text, 0).unwrap();
        let is_inside =
            |text: zigalloc::SentinelSlice<u8>| state.fixed_buffer_allocator().owns_ptr(text.as_ptr());
        // SAFETY: the blocks are live when they are read or freed.
        unsafe {
            let text = |text: zigalloc::SentinelSlice<u8>| text.as_non_null().as_ref().to_vec();
            let text0 = create(b"hello, wo");
            assert!(is_inside(text0), "all ten bytes");
            let text1 = create(b"outer");
            assert!(!is_inside(text1));

            assert_eq!(text(text0), b"hello, wo");
            bfa.free(text0);
            let text2 = create(b"twelve bytes");
            assert!(!is_inside(text2), "the buffer is empty, and too short");
            let text3 = create(b"inside");
            assert!(is_inside(text3));
            let text4 = create(b"the rest");
            assert!(!is_inside(text4), "three bytes are left");

            for (slice, expected) in
                [(text1, &b"outer"[..]), (text2, b"twelve bytes"), (text3, b"inside"), (text4, b"the rest")]
            {
                assert_eq!(text(slice), expected);
                bfa.free(slice);
            }
        }
        assert_eq!(state.fixed_buffer_allocator().end_index(), 0);
        assert_eq!(bump.live(), 0);
    }
    let mut buffer = [MaybeUninit::uninit(); 4096];
    for test in [
        test_allocator,
        test_allocator_aligned,
        test_allocator_large_alignment,
        test_allocator_aligned_shrink,
    ] {
        let bump = Bump::new(0, 1 << 22);
        test(BufferFirstAllocator::init(&mut buffer, bump.allocator()).allocator());
        assert_eq!(bump.live(), 0);
    }
}

// ---- which allocator is called ----

/// An allocator over ten bytes with a recorder as its fallback; `test` gets a block in each.
fn with_two_blocks(test: impl FnOnce(Allocator<'_>, &Recorder<'_>, [NonNull<[u8]>; 2])) {
    let bump = Bump::new(0, 4096);
    bump.grants_growth.set(true);
    let recorder = Recorder::new(bump.allocator());
    let mut buffer = [MaybeUninit::uninit(); 10];
    let state = BufferFirstAllocator::init(&mut buffer, recorder.allocator());
    let blocks = [7, 8].map(|len| {
        // SAFETY: the length is not zero.
        let memory = unsafe { state.allocator().raw_alloc(len, Alignment::_1, 100 + len) }.unwrap();
        NonNull::slice_from_raw_parts(memory, len)
    });
    let address = blocks[1].addr().get();
    let alloc = Call::Alloc { len: 8, alignment: Alignment::_1, ret_addr: 108, result: Some(address) };
    assert_eq!(recorder.take(), [alloc], "SF-02: only for the second, and as it came");
    test(state.allocator(), &recorder, blocks);
}

/// BF-01, SF-02, SF-03: each function forwards a block outside the buffer to the fallback with all its arguments.
#[test]
fn fallback_blocks_go_to_the_fallback() {
    with_two_blocks(|allocator, recorder, [_, memory]| {
        let (address, alignment) = (memory.addr().get(), Alignment::_1);
        let new = NonNull::slice_from_raw_parts(memory.cast::<u8>(), 20);
        // SAFETY: a live block, with matching length.
        unsafe {
            assert!(allocator.raw_resize(memory, alignment, 20, 11));
            let call = Call::Resize { address, len: 8, alignment, new_len: 20, ret_addr: 11, result: true };
            assert_eq!(recorder.take(), [call]);

            assert_eq!(allocator.raw_remap(new, alignment, 8, 12), Some(memory.cast()));
            let result = Some(address);
            let call = Call::Remap { address, len: 20, alignment, new_len: 8, ret_addr: 12, result };
            assert_eq!(recorder.take(), [call]);

            recorder.refuse_resize.set(true);
            assert!(!allocator.raw_resize(memory, alignment, 9, 13));
            assert_eq!(allocator.raw_remap(memory, alignment, 9, 13), None);
            assert_eq!(recorder.take().len(), 2);

            allocator.raw_free(memory, alignment, 14);
            assert_eq!(recorder.take(), [Call::Free { address, len: 8, alignment, ret_addr: 14 }]);
        }
    });
}

/// BF-01, SF-03: calls on a block in the buffer go to the buffer only; if it refuses, the fallback is not called.
#[test]
fn buffer_blocks_do_not_reach_the_fallback() {
    with_two_blocks(|allocator, recorder, [memory, _]| {
        let grown = NonNull::slice_from_raw_parts(memory.cast::<u8>(), 10);
        // SAFETY: a live block, with matching length.
        unsafe {
            assert!(allocator.raw_resize(memory, Alignment::_1, 10, 0));
            assert!(!allocator.raw_resize(grown, Alignment::_1, 11, 0));
            assert_eq!(allocator.raw_remap(grown, Alignment::_1, 11, 0), None);
            assert_eq!(allocator.raw_remap(grown, Alignment::_1, 7, 0), Some(memory.cast()));
            allocator.raw_free(memory, Alignment::_1, 0);
        }
        assert_eq!(recorder.take(), []);
        // SAFETY: the length is not zero.
        let again = unsafe { allocator.raw_alloc(10, Alignment::_1, 0) };
        assert_eq!(again, Some(memory.cast()), "it is empty again");
        assert_eq!(recorder.take(), []);
    });
}

/// If `remap` refuses, `realloc` allocates, copies and frees, so a block may leave the buffer and come back.
#[test]
fn realloc_moves_out_and_back() {
    let bump = Bump::new(0, 4096);
    let mut buffer = [MaybeUninit::uninit(); 16];
    let state = BufferFirstAllocator::init(&mut buffer, bump.allocator());
    let a = state.allocator();
    let text = a.dupe(b"0123456789").unwrap();
    // SAFETY: the blocks are live when they are used.
    unsafe {
        let moved = a.realloc(text, 100).unwrap();
        assert!(!state.fixed_buffer_allocator().owns_slice(moved));
        assert_eq!(&moved.as_ref()[..10], b"0123456789");
        assert_eq!(state.fixed_buffer_allocator().end_index(), 0);
        let back = a.realloc(moved, 5).unwrap();
        assert!(state.fixed_buffer_allocator().owns_slice(back), "the fallback could not shrink it");
        assert_eq!(back.as_ref(), b"01234");
        a.free(back);
    }
    assert_eq!(bump.live(), 0);
}

/// BF-01: all handles refer to the same allocator, and none resets anything.
#[test]
fn new_handles_reset_nothing() {
    let mut buffer = [MaybeUninit::uninit(); 10];
    let mut state = BufferFirstAllocator::init(&mut buffer, FAILING_ALLOCATOR);
    let first = state.allocator().dupe(b"12345").unwrap();
    let second = state.allocator().dupe(b"67890").unwrap();
    // SAFETY: both blocks are live.
    unsafe { assert_eq!((first.as_ref(), second.as_ref()), (&b"12345"[..], &b"67890"[..])) };
    assert_eq!(state.allocator().alloc::<u8>(1), Err(Error::OutOfMemory));
    state.reset();
    assert_eq!(state.fixed_buffer_allocator().end_index(), 0);
    assert_eq!(state.allocator().alloc::<u8>(5).unwrap().addr(), first.addr());
}

/// A request goes to the fallback if the rest of the buffer cannot be aligned for it.
#[test]
fn unalignable_rest_goes_to_the_fallback() {
    let bump = Bump::new(0, 4096);
    let mut buffer = Aligned::<64>::new();
    let state = BufferFirstAllocator::init(&mut buffer.0, bump.allocator());
    let one = state.allocator().alloc::<u8>(1).unwrap();
    let aligned = state.allocator().aligned_alloc::<u8, 64>(1).unwrap();
    assert!(state.fixed_buffer_allocator().owns_slice(one));
    assert!(!state.fixed_buffer_allocator().owns_slice(aligned.as_non_null()));
    assert_eq!(state.fixed_buffer_allocator().end_index(), 1, "and nothing of it is used up");
}

/// With an empty buffer, even directly below the fallback's memory, every block is the fallback's.
#[test]
fn empty_buffer_uses_the_fallback() {
    let mut memory = Aligned::<4096>::new();
    let (buffer, memory) = memory.0.split_at_mut(0);
    let fallback = FixedBufferAllocator::init(memory);
    let state = BufferFirstAllocator::init(buffer, fallback.allocator());
    let block = state.allocator().alloc::<u8>(100).unwrap();
    assert_eq!(fallback.end_index(), 100);
    assert!(!state.fixed_buffer_allocator().owns_slice(block));
    // SAFETY: a live block.
    unsafe { state.allocator().free(block) };
    assert_eq!(fallback.end_index(), 0);
}

/// The fallback's memory may start where the buffer ends.
#[test]
fn fallback_may_start_where_the_buffer_ends() {
    let mut memory = Aligned::<128>::new();
    let (buffer, rest) = memory.0.split_at_mut(64);
    let fallback = FixedBufferAllocator::init(rest);
    let state = BufferFirstAllocator::init(buffer, fallback.allocator());
    let inside = state.allocator().alloc::<u8>(64).unwrap();
    let outside = state.allocator().alloc::<u8>(64).unwrap();
    assert_eq!(outside.addr().get() - inside.addr().get(), 64);
    // SAFETY: live blocks.
    unsafe {
        state.allocator().free(outside);
        assert_eq!((fallback.end_index(), state.fixed_buffer_allocator().end_index()), (0, 64));
        state.allocator().free(inside);
    }
    assert_eq!(state.fixed_buffer_allocator().end_index(), 0);
}

/// Lengths near the end of the address space are refused by both, and take nothing.
#[rstest]
#[case(usize::MAX)]
#[case(usize::MAX - 4096)]
#[case(isize::MAX as usize)]
fn impossible_requests_are_null(#[case] len: usize) {
    let mut buffer = [MaybeUninit::uninit(); 64];
    let mut memory = Aligned::<64>::new();
    let fallback = FixedBufferAllocator::init(&mut memory.0);
    let state = BufferFirstAllocator::init(&mut buffer, fallback.allocator());
    for log2 in 0..usize::BITS as u8 {
        // SAFETY: the length is not zero.
        let memory = unsafe { state.allocator().raw_alloc(len, Alignment::from_log2(log2).unwrap(), 0) };
        assert_eq!(memory, None);
    }
    assert_eq!((state.fixed_buffer_allocator().end_index(), fallback.end_index()), (0, 0));
}

// ---- out of memory, and random programs ----

fn some_blocks(allocator: Allocator<'_>) -> Result<(), Error> {
    let mut buffer = [MaybeUninit::uninit(); 100];
    let state = BufferFirstAllocator::init(&mut buffer, allocator);
    let a = state.allocator();
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
fn random_programs_keep_their_bytes(#[values(0, 1, 100, 1000)] len: usize) {
    (1..=seeds(2)).for_each(|seed| a_random_program(len, seed));
}

fn a_random_program(len: usize, seed: u64) {
    let bump = Bump::new(0, 1 << 20);
    bump.grants_growth.set(seed == 1);
    let mut buffer = vec![MaybeUninit::uninit(); len];
    let state = BufferFirstAllocator::init(&mut buffer, bump.allocator());
    let steps = if cfg!(miri) { 60 } else { 2000 };
    let blocks = run_random_program(state.allocator(), &mut Random::new(seed), steps);
    assert!(blocks > steps / 5);
}

#[test]
fn debug_text() {
    let mut buffer = [MaybeUninit::uninit(); 10];
    let state = BufferFirstAllocator::init(&mut buffer, FAILING_ALLOCATOR);
    let text = format!("{state:?}");
    assert!(text.contains("FixedBufferAllocator { end_index: 0, len: 10"), "{text}");
}
