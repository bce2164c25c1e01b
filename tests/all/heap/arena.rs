//! `ArenaAllocator`: every call of its child, and every result, as in Zig 0.15.2.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use rstest::rstest;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use zigalloc::heap::arena::State;
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, ResetMode};
use zigalloc::{Alignment, Allocator, Error, SlicePtr, SyncAllocator};
use zigalloc_support::{Bump, Call, Random, Recorder, run_random_program, seeds, text};

/// Two words.
const HEADER: usize = 2 * size_of::<usize>();
const WORD: Alignment = Alignment::of::<usize>();

/// Requests a block; the result is its offset from `base`.
fn request(allocator: Allocator<'_>, len: usize, alignment: usize, base: usize) -> Option<usize> {
    let alignment = Alignment::from_byte_units(alignment);
    // SAFETY: no length in these tests is zero, unless the test explains why.
    let ptr = unsafe { allocator.raw_alloc(len, alignment, 0) }?;
    assert!(alignment.check(ptr.addr().get()));
    Some(ptr.addr().get() - base)
}

/// Allocates a block with alignment 1.
fn block(allocator: Allocator<'_>, len: usize) -> NonNull<[u8]> {
    // SAFETY: no length in these tests is zero.
    let ptr = unsafe { allocator.raw_alloc(len, Alignment::_1, 0) }.expect("memory");
    NonNull::slice_from_raw_parts(ptr, len)
}

fn raw_resize(allocator: Allocator<'_>, memory: NonNull<[u8]>, new_len: usize) -> bool {
    // SAFETY: the tests pass live blocks with alignment 1.
    unsafe { allocator.raw_resize(memory, Alignment::_1, new_len, 0) }
}

fn raw_free(allocator: Allocator<'_>, memory: NonNull<[u8]>) {
    // SAFETY: the tests pass live blocks with alignment 1.
    unsafe { allocator.raw_free(memory, Alignment::_1, 0) };
}

// ---- recorded from the arena of Zig 0.15.2 ----

type Step = ((usize, usize), &'static str, usize);

/// Requests (length, alignment), the child's calls, and the offset of the result.
const REFUSED: &[Step] = &[
    ((1, 1), "alloc 51 @0", 16),
    ((1, 1), "", 17),
    ((10, 8), "", 24),
    ((100, 1), "resize 51→134 (r), alloc 252 @56", 72),
    ((100, 64), "", 192),
    ((1000, 16), "resize 252→1248 (r), alloc 1926 @312", 336),
    ((1, 1), "", 1336),
    ((5000, 4096), "resize 1926→8784 (r), alloc 16557 @2240", 4096),
    ((3, 1), "", 9096),
    ((20000, 1), "resize 16557→26859 (r), alloc 54861 @18800", 18816),
];

const GRANTED: &[Step] = &[
    ((1, 1), "alloc 51 @0", 16),
    ((1, 1), "", 17),
    ((10, 8), "", 24),
    ((100, 1), "resize 51→134 (R)", 34),
    ((100, 64), "resize 134→292 (R)", 192),
    ((1000, 16), "resize 292→1304 (R)", 304),
    ((1, 1), "resize 1304→1305 (R)", 1304),
    ((5000, 4096), "resize 1305→9096 (R)", 4096),
    ((3, 1), "resize 9096→9099 (R)", 9096),
    ((20000, 1), "resize 9099→29099 (R)", 9099),
];

/// AR-01, AR-02, AR-03, AR-10: the child's blocks that an arena requests, and the positions of its own blocks in them.
#[rstest]
#[case::refused(false, REFUSED, 73567)]
#[case::granted(true, GRANTED, 29083)]
#[cfg_attr(not(target_pointer_width = "64"), ignore = "the expected values were recorded on a 64-bit system")]
fn requests_match_zig(#[case] grants_growth: bool, #[case] steps: &[Step], #[case] capacity: usize) {
    let bump = Bump::new(0, 1 << 18);
    bump.grants_growth.set(grants_growth);
    let recorder = Recorder::new(bump.allocator());
    let arena = ArenaAllocator::init(recorder.allocator());
    for &((len, alignment), calls, offset) in steps {
        assert_eq!(
            request(arena.allocator(), len, alignment, bump.base()),
            Some(offset),
            "{len}:{alignment}"
        );
        assert_eq!(text(&recorder.take(), bump.base()), calls, "{len}:{alignment}");
    }
    assert_eq!(arena.query_capacity(), capacity);
    assert_eq!(text(&recorder.take(), 0), "", "query_capacity does not call the child");
}

/// AR-09, AR-10, AR-11: one arena, reset in every mode, over a child that refuses to resize.
#[cfg_attr(not(target_pointer_width = "64"), ignore = "the expected values were recorded on a 64-bit system")]
#[test]
fn resets_match_zig() {
    let bump = Bump::new(0, 1 << 18);
    let recorder = Recorder::new(bump.allocator());
    let mut arena = ArenaAllocator::init(recorder.allocator());
    for &((len, alignment), ..) in REFUSED {
        request(arena.allocator(), len, alignment, bump.base());
    }
    recorder.take();

    let mut reset = |mode, calls: &str, capacity| {
        assert!(arena.reset(mode));
        // The position of the one block does not matter here.
        let done = text(&recorder.take(), bump.base());
        let done: Vec<_> = done.split(", ").map(|call| call.split(" @").next().unwrap()).collect();
        assert_eq!(done.join(", "), calls, "{mode:?}");
        assert_eq!(arena.query_capacity(), capacity, "{mode:?}");
    };
    reset(
        ResetMode::RetainCapacity,
        "free 54861, free 16557, free 1926, free 252, resize 51→73583 (r), alloc 73583, free 51",
        73567,
    );
    reset(ResetMode::RetainCapacity, "", 73567);
    reset(ResetMode::RetainWithLimit(100), "resize 73583→116 (r), alloc 116, free 73583", 100);
    reset(ResetMode::RetainWithLimit(1), "resize 116→17 (r), alloc 17, free 116", 1);

    assert!(request(arena.allocator(), 20, 1, 0).is_some());
    let calls = recorder.take();
    assert!(text(&calls, bump.base()).starts_with("resize 17→36 (r), alloc 81 @"), "{calls:?}");
    assert!(arena.reset(ResetMode::RetainWithLimit(0)));
    assert_eq!(text(&recorder.take(), 0), "free 81, free 17");
    assert_eq!(arena.query_capacity(), 0);

    assert!(request(arena.allocator(), 20, 1, 0).is_some());
    assert!(arena.reset(ResetMode::FreeAll));
    let calls = text(&recorder.take(), bump.base());
    assert!(calls.starts_with("alloc 79 @") && calls.ends_with(", free 79"), "{calls}");
    assert_eq!(bump.live(), 0);
}

/// AR-11: the child refuses everything: the reset returns false, and the oldest node stays, empty.
#[cfg_attr(not(target_pointer_width = "64"), ignore = "the expected values were recorded on a 64-bit system")]
#[test]
fn failed_reset_matches_zig() {
    let bump = Bump::new(0, 1 << 14);
    let recorder = Recorder::new(bump.allocator());
    let mut arena = ArenaAllocator::init(recorder.allocator());
    request(arena.allocator(), 20, 1, 0);
    request(arena.allocator(), 2000, 1, 0);
    assert_eq!(text(&recorder.take(), bump.base()), "alloc 79 @0, resize 79→2036 (r), alloc 3144 @80");

    recorder.refuse_alloc.set(true);
    assert!(!arena.reset(ResetMode::RetainCapacity));
    assert_eq!(text(&recorder.take(), 0), "free 3144, resize 79→3207 (r), alloc 3207 null");
    assert_eq!(arena.query_capacity(), 63);

    assert_eq!(request(arena.allocator(), 63, 1, bump.base()), Some(16), "the old node is empty again");
    assert_eq!(text(&recorder.take(), 0), "", "and has room for as much as it had");
    assert_eq!(request(arena.allocator(), 1, 1, 0), None);
}

/// AR-11: if the child can resize, the oldest node grows or shrinks in place.
#[test]
fn reset_resizes_the_oldest_node_in_place() {
    let bump = Bump::new(0, 1 << 14);
    bump.grants_growth.set(true);
    let recorder = Recorder::new(bump.allocator());
    let mut arena = ArenaAllocator::init(recorder.allocator());
    request(arena.allocator(), 1000, 1, 0);
    let capacity = arena.query_capacity();
    recorder.take();

    assert!(arena.reset(ResetMode::RetainWithLimit(500)));
    let size = capacity + HEADER;
    assert_eq!(text(&recorder.take(), 0), format!("resize {size}→{} (R)", 500 + HEADER));
    assert_eq!(arena.query_capacity(), 500);
    assert_eq!(request(arena.allocator(), 500, 1, bump.base()), Some(HEADER));

    assert!(arena.reset(ResetMode::RetainWithLimit(usize::MAX)));
    assert_eq!(text(&recorder.take(), 0), "", "a limit above the capacity keeps all of it");
    assert_eq!(arena.query_capacity(), 500);
}

/// AR-11: resetting an arena without nodes does not call the child, in any mode.
#[rstest]
#[case(ResetMode::FreeAll)]
#[case(ResetMode::RetainCapacity)]
#[case(ResetMode::RetainWithLimit(0))]
#[case(ResetMode::RetainWithLimit(1000))]
fn reset_of_empty_arena_does_not_call_the_child(#[case] mode: ResetMode) {
    let mut arena = ArenaAllocator::init(Allocator::FAILING);
    assert!(arena.reset(mode));
    assert_eq!(arena.query_capacity(), 0);
}

// ---- Zig's own tests ----

/// AR-11: the counterpart of Zig's test "reset with preheating".
#[test]
fn reset_with_preheating() {
    const ROUNDS: usize = if cfg!(miri) { 5 } else { 25 };
    const MOST: usize = if cfg!(miri) { 1024 } else { 16384 };
    let bump = Bump::new(0, 1 << 22);
    let mut arena = ArenaAllocator::init(bump.allocator());
    let mut random = Random::new(1);
    for _ in 0..ROUNDS {
        assert!(arena.reset(ResetMode::RetainCapacity));
        let total = random.within(256..=MOST);
        let mut allocated = 0;
        while allocated < total {
            let len = random.within(16..=256);
            let slice = arena.allocator().aligned_alloc::<u8, 32>(len).unwrap();
            assert!(Alignment::_32.check(slice.as_ptr().addr()));
            assert_eq!(slice.len(), len);
            allocated += slice.len();
        }
    }
    // The purpose of a reset: the same work again does not call the child.
    assert!(arena.reset(ResetMode::RetainCapacity));
    let requests = bump.requests.get();
    let capacity = arena.query_capacity();
    block(arena.allocator(), capacity);
    assert_eq!(bump.requests.get(), requests);
}

/// AR-11: the counterpart of Zig's test "reset while retaining a buffer".
#[test]
fn reset_while_retaining_a_buffer() {
    let bump = Bump::new(0, 1 << 14);
    let mut arena = ArenaAllocator::init(bump.allocator());
    let allocator = arena.allocator();
    allocator.alloc::<u8>(1).unwrap();
    allocator.alloc::<u8>(1000).unwrap();
    assert_eq!(bump.live(), 2, "two nodes");
    assert!(arena.reset(ResetMode::RetainWithLimit(1)));
    assert_eq!(bump.live(), 1);
    assert_eq!(arena.query_capacity(), 1);
}

// ---- individual behaviours ----

/// AR-03: the size of a new node follows from its first request and the previous node.
#[rstest]
#[case(1, 1, 1)]
#[case(1, 4096, 100)]
#[case(77, 2, 5000)]
#[case(400, 64, 10)]
fn node_size_follows_zigs_formula(#[case] len: usize, #[case] alignment: usize, #[case] next: usize) {
    let bump = Bump::new(0, 1 << 16);
    let recorder = Recorder::new(bump.allocator());
    let arena = ArenaAllocator::init(recorder.allocator());
    let size = |previous: usize, request: usize| (previous + request + HEADER + 16) * 3 / 2;

    request(arena.allocator(), len, alignment, 0);
    let first = size(0, len + alignment);
    assert_eq!(text(&recorder.take(), bump.base()), format!("alloc {first} @0"));

    // Fill the first node, so that the next request needs another.
    while recorder.take().is_empty() {
        block(arena.allocator(), next);
    }
    assert_eq!(arena.query_capacity(), first - HEADER + size(first - HEADER, next + 1) - HEADER);
}

/// AR-02, AR-03: the child sees an alignment of one word, and an address in the arena's code or none, but never the
/// address that the user passed.
#[test]
fn child_does_not_see_the_callers_address() {
    const USER: usize = 0x5157;
    let bump = Bump::new(0, 1 << 14);
    let recorder = Recorder::new(bump.allocator());
    let mut arena = ArenaAllocator::init(recorder.allocator());
    for len in [1, 500] {
        // SAFETY: `len` is not zero.
        unsafe { arena.allocator().raw_alloc(len, Alignment::_64, USER) }.unwrap();
    }
    _ = arena.reset(ResetMode::RetainCapacity);
    arena.deinit();
    let calls = recorder.take();
    assert_eq!(calls.len(), 8, "{calls:?}");
    for call in calls {
        let (Call::Alloc { alignment, ret_addr, .. }
        | Call::Resize { alignment, ret_addr, .. }
        | Call::Remap { alignment, ret_addr, .. }
        | Call::Free { alignment, ret_addr, .. }) = call;
        assert_eq!(alignment, WORD);
        assert_ne!(ret_addr, USER);
        assert_eq!(ret_addr != 0, zigalloc::return_address() != 0);
    }
}

/// AR-05: a failed request takes nothing: the next smaller one is served from the same position.
#[test]
fn failed_request_takes_nothing() {
    let bump = Bump::new(0, 1 << 14);
    let recorder = Recorder::new(bump.allocator());
    let arena = ArenaAllocator::init(recorder.allocator());
    recorder.refuse_alloc.set(true);
    assert_eq!(request(arena.allocator(), 1, 1, 0), None, "no node yet");
    assert_eq!(arena.query_capacity(), 0);
    recorder.refuse_alloc.set(false);

    assert_eq!(request(arena.allocator(), 10, 1, bump.base()), Some(HEADER));
    recorder.refuse_alloc.set(true);
    assert_eq!(request(arena.allocator(), 1000, 1, 0), None);
    assert_eq!(request(arena.allocator(), 1000, 4096, 0), None);
    assert_eq!(request(arena.allocator(), 1, 1, bump.base()), Some(HEADER + 10));
}

/// AR-06: which resizes succeed, and where the next block then starts.
#[test]
fn resize_of_last_and_other_blocks() {
    let bump = Bump::new(0, 1 << 14);
    bump.grants_growth.set(true);
    let recorder = Recorder::new(bump.allocator());
    let arena = ArenaAllocator::init(recorder.allocator());
    let allocator = arena.allocator();
    let first = block(allocator, 20);
    let last = block(allocator, 10);
    let capacity = arena.query_capacity();
    recorder.take();

    // Not the last block: it can only shrink, and that changes nothing.
    assert!(raw_resize(allocator, first, 20));
    assert!(raw_resize(allocator, first, 1));
    let first = first.with_len(1);
    assert!(!raw_resize(allocator, first, 2), "its bytes are not freed");
    assert!(raw_resize(allocator, last, 11), "the last block is still the last one");
    let last = last.with_len(11);

    // The last block: up to the end of the node, and no further, even if the child would grow it.
    let room = capacity - 20;
    assert!(raw_resize(allocator, last, room));
    let last = last.with_len(room);
    assert!(!raw_resize(allocator, last, room + 1));
    assert!(!raw_resize(allocator, last, usize::MAX));
    assert!(raw_resize(allocator, last, 3));
    let last = last.with_len(3);
    assert!(raw_resize(allocator, last, 3), "the same length");
    assert_eq!(text(&recorder.take(), 0), "", "the child was not called");
    assert_eq!(request(allocator, 1, 1, bump.base()), Some(HEADER + 23));
}

/// AR-07: `remap` is a resize that returns the same address or null.
#[test]
fn remap_never_moves() {
    let bump = Bump::new(0, 1 << 14);
    let arena = ArenaAllocator::init(bump.allocator());
    let allocator = arena.allocator();
    let first = block(allocator, 20);
    let last = block(allocator, 10);
    // SAFETY: live blocks with matching length and alignment; after a success, the new length.
    unsafe {
        assert_eq!(allocator.raw_remap(first, Alignment::_1, 21, 0), None);
        assert_eq!(allocator.raw_remap(first, Alignment::_1, 19, 0), Some(first.cast()));
        assert_eq!(allocator.raw_remap(last, Alignment::_1, 11, 0), Some(last.cast()));
        assert_eq!(allocator.raw_remap(last.with_len(11), Alignment::_1, 5000, 0), None);
    }
}

/// AR-08: only the last block gives its bytes back; the padding before it stays used.
#[test]
fn free_takes_back_the_last_block_only() {
    let bump = Bump::new(0, 1 << 14);
    let recorder = Recorder::new(bump.allocator());
    let arena = ArenaAllocator::init(recorder.allocator());
    let allocator = arena.allocator();
    let first = block(allocator, 3);
    let last = block(allocator, 5);
    raw_free(allocator, first);
    raw_free(allocator, last);
    assert_eq!(
        request(allocator, 5, 8, bump.base()),
        Some(HEADER + 8),
        "after the first block and 5 of padding"
    );
    // SAFETY: no length is zero; the block freed is the one that was allocated.
    unsafe {
        let padded = allocator.raw_alloc(2, Alignment::_8, 0).unwrap();
        assert_eq!(padded.addr().get() - bump.base(), HEADER + 16);
        allocator.raw_free(NonNull::slice_from_raw_parts(padded, 2), Alignment::_8, 0);
    }
    assert_eq!(request(allocator, 1, 1, bump.base()), Some(HEADER + 16));
    assert_eq!(recorder.take().len(), 1, "only the node is from the child");
}

/// AR-06, AR-08: a block of an older node is never mistaken for the last one.
#[test]
fn blocks_of_older_nodes_are_not_the_last() {
    let bump = Bump::new(0, 1 << 14);
    let arena = ArenaAllocator::init(bump.allocator());
    let allocator = arena.allocator();
    let old = block(allocator, 20);
    let new = block(allocator, 1000);
    assert_eq!(bump.live(), 2);
    assert!(!raw_resize(allocator, old, 21));
    assert!(raw_resize(allocator, old, 1));
    raw_free(allocator, old.with_len(1));
    assert!(raw_resize(allocator, new, 1001), "the last block is still the last one");
}

/// AR-06, AR-08: without a node, `resize` returns false and `free` does nothing. Only a block that no longer exists
/// can be passed, which breaks clause live-block; neither call accesses memory.
#[test]
fn resize_and_free_of_empty_arena_do_nothing() {
    let mut gone = [0u8; 8];
    let gone = NonNull::from(&mut gone);
    let gone = NonNull::slice_from_raw_parts(gone.cast(), 8);
    let arena = ArenaAllocator::init(Allocator::FAILING);
    assert!(!raw_resize(arena.allocator(), gone, 4));
    raw_free(arena.allocator(), gone);
}

/// TR-25, AR-09: an arena frees each node, newest first, however it is dropped.
#[rstest]
fn drop_frees_every_node(#[values("deinit", "drop", "promote and drop")] end: &str) {
    let bump = Bump::new(0, 1 << 14);
    let recorder = Recorder::new(bump.allocator());
    let arena = ArenaAllocator::init(recorder.allocator());
    for len in [1, 200, 2000] {
        block(arena.allocator(), len);
    }
    let mut sizes: Vec<_> = recorder
        .take()
        .iter()
        .filter_map(|call| match call {
            Call::Alloc { len, .. } => Some(format!("free {len}")),
            _ => None,
        })
        .collect();
    sizes.reverse();
    match end {
        "deinit" => arena.deinit(),
        "drop" => drop(arena),
        // SAFETY: the same child.
        _ => drop(unsafe { arena.into_state().promote(recorder.allocator()) }),
    }
    assert_eq!(text(&recorder.take(), 0), sizes.join(", "));
    assert_eq!((sizes.len(), bump.live()), (3, 0));
}

/// AR-04: overflows give null or false; Zig panics. The child is not called, and the arena is unchanged.
#[rstest]
fn overflowing_lengths_are_refused(
    #[values(usize::MAX, usize::MAX - 1, usize::MAX - 31, usize::MAX / 3 * 2, isize::MAX as usize)]
    len: usize,
) {
    for alignment in [1, 64, 1 << 40, 1 << 63] {
        for grants_growth in [false, true] {
            a_length_overflows(len, alignment, grants_growth);
        }
    }
}

fn a_length_overflows(len: usize, alignment: u64, grants_growth: bool) {
    let Ok(alignment) = usize::try_from(alignment) else { return };
    let bump = Bump::new(0, 1 << 12);
    bump.grants_growth.set(grants_growth);
    let mut arena = ArenaAllocator::init(bump.allocator());

    // New, in use, full, and empty with a node.
    assert_eq!(request(arena.allocator(), len, alignment, 0), None);
    let memory = block(arena.allocator(), 10);
    assert_eq!(request(arena.allocator(), len, alignment, 0), None);
    assert!(!raw_resize(arena.allocator(), memory, len));
    let capacity = arena.query_capacity();
    assert!(raw_resize(arena.allocator(), memory, capacity));
    let memory = memory.with_len(capacity);
    assert_eq!(request(arena.allocator(), len, alignment, 0), None);
    assert!(!raw_resize(arena.allocator(), memory, len));
    assert!(arena.reset(ResetMode::RetainWithLimit(len)));
    assert_eq!(request(arena.allocator(), len, alignment, 0), None);

    assert_eq!(arena.query_capacity(), capacity);
    assert_eq!(request(arena.allocator(), capacity, 1, bump.base()), Some(HEADER));
}

/// AR-04: an overflow is detected before the child is called, so a careless child cannot grant it.
#[rstest]
#[case::of_the_node(usize::MAX - 20, 1)]
#[case::of_the_half(usize::MAX / 3 * 2, 1)]
#[case::of_the_alignment(usize::MAX - 4000, 4096)]
fn overflow_does_not_reach_the_child(#[case] len: usize, #[case] alignment: usize) {
    let bump = Bump::new(0, 1 << 12);
    let arena = ArenaAllocator::init(bump.allocator());
    assert_eq!(request(arena.allocator(), len, alignment, 0), None);
    assert_eq!(bump.requests.get(), 0);
}

/// AR-04: a raw request of zero bytes gets an address, as in Zig. Clause non-zero forbids it; it is harmless.
#[test]
fn raw_request_of_zero_bytes_gets_a_pointer() {
    let bump = Bump::new(0, 1 << 12);
    let arena = ArenaAllocator::init(bump.allocator());
    assert_eq!(request(arena.allocator(), 0, 1, bump.base()), Some(HEADER));
    assert_eq!(request(arena.allocator(), 0, 1, bump.base()), Some(HEADER));
    assert_eq!(request(arena.allocator(), 1, 1, bump.base()), Some(HEADER));
}

/// An alignment out of range gives null.
#[test]
fn invalid_alignment_returns_null() {
    let bump = Bump::new(0, 1 << 12);
    let arena = ArenaAllocator::init(bump.allocator());
    block(arena.allocator(), 1);
    let requests = bump.requests.get();
    for log2 in [usize::BITS as u8, 100, 255] {
        // SAFETY: any byte is an `Alignment` as C passes it; the length is not zero.
        let ptr = unsafe {
            let alignment = std::mem::transmute::<u8, Alignment>(log2);
            arena.allocator().raw_alloc(1, alignment, 0)
        };
        assert_eq!(ptr, None, "{log2}");
    }
    assert_eq!(bump.requests.get(), requests);
}

/// AR-12: a handle stays in its thread. The arena can move to another one if its child allows that.
#[test]
fn arena_moves_between_threads() {
    assert_not_impl_any!(Allocator<'static>: Send, Sync);
    assert_impl_all!(ArenaAllocator<SyncAllocator<'static>>: Send);
    assert_not_impl_any!(ArenaAllocator<SyncAllocator<'static>>: Sync);
    assert_not_impl_any!(ArenaAllocator<Allocator<'static>>: Send, Sync);
    assert_not_impl_any!(State: Send, Sync);
}

/// An arena is its child's handle and two words, which can be stored without the handle.
#[test]
fn state_is_two_words_and_can_be_promoted() {
    assert_eq!(size_of::<State>(), HEADER);
    assert_eq!(size_of::<ArenaAllocator<Allocator<'_>>>(), 2 * HEADER);

    let bump = Bump::new(0, 1 << 12);
    let arena = ArenaAllocator::init(bump.allocator());
    assert_eq!(request(arena.allocator(), 10, 1, bump.base()), Some(HEADER));
    let state = arena.into_state();
    assert_eq!(bump.live(), 1, "nothing was freed");
    // SAFETY: the same child.
    let arena = unsafe { state.promote(bump.allocator()) };
    assert_eq!(
        request(arena.allocator(), 1, 1, bump.base()),
        Some(HEADER + 10),
        "it continues at the same offset"
    );

    // SAFETY: a new state may have any child.
    let empty = unsafe { State::default().promote(bump.allocator()) };
    assert_eq!(empty.query_capacity(), 0);
}

// ---- every buffer, every alignment, every failure ----

/// AR-01: the address is aligned, not the offset: nodes start at every position that a child may return.
#[rstest]
fn blocks_are_aligned_at_every_node_address(#[values(0, 8, 16, 24, 32, 40, 48, 56)] start: usize) {
    for log2 in 0..=12 {
        let alignment = 1 << log2;
        let bump = Bump::new(start, 1 << 15);
        let arena = ArenaAllocator::init(bump.allocator());
        let mut end = 0;
        for len in [1, alignment, 3] {
            let offset = request(arena.allocator(), len, alignment, bump.base()).unwrap();
            assert!(offset >= end.max(start + HEADER), "{len}:{alignment} at {offset}, inside another block");
            end = offset + len;
        }
    }
}

/// A child with little or no memory, at any position: no byte outside is written. The bytes around it are part of the
/// same array, so that they can be checked.
#[test]
fn tiny_children_are_not_overrun() {
    const AROUND: u8 = 0x5A;
    const STEP: usize = if cfg!(miri) { 11 } else { 1 };
    let mut most_served = 0;
    for len in (0..=9 * HEADER).step_by(STEP) {
        for start in (1..=size_of::<usize>()).step_by(STEP) {
            let mut array = [MaybeUninit::new(AROUND); 10 * HEADER];
            let mut fixed_buffer = FixedBufferAllocator::init(&mut array[start..start + len]);
            let mut arena = ArenaAllocator::init(fixed_buffer.allocator());
            for round in 0..3 {
                let served = (1..=9).filter(|&len| arena.allocator().dupe(&vec![1u8; len]).is_ok()).count();
                let capacity = arena.query_capacity();
                assert_eq!(served == 0, capacity == 0, "{len} at {start}, round {round}");
                assert!(capacity == 0 || capacity + HEADER <= len);
                _ = arena.reset(ResetMode::RetainCapacity);
                most_served = most_served.max(served);
            }
            drop(arena);
            assert!(fixed_buffer.end_index() < size_of::<usize>(), "all but the padding is back");
            fixed_buffer.reset();
            for around in [&array[..start], &array[start + len..]] {
                // SAFETY: initialised above; the buffer itself is not read.
                let around =
                    unsafe { std::slice::from_raw_parts(around.as_ptr().cast::<u8>(), around.len()) };
                assert_eq!(around, &[AROUND; 10 * HEADER][..around.len()], "{len} at {start}");
            }
        }
    }
    assert_eq!(most_served, 9);
}

/// A child that refuses its Nth request, for every N: at most that request fails, the blocks keep their contents, and
/// all memory goes back to the child.
#[rstest]
fn single_refusal_fails_one_request(#[values(false, true)] grants_growth: bool) {
    for refused in (0..).step_by(if cfg!(miri) { 4 } else { 1 }) {
        let bump = Bump::new(0, 1 << 16);
        bump.grants_growth.set(grants_growth);
        bump.refused_request.set(Some(refused));
        let mut arena = ArenaAllocator::init(bump.allocator());
        let mut failed = 0;
        for round in 0..3 {
            let mut blocks = Vec::new();
            for len in [1, 60, 30, 120, 250] {
                let before = arena.query_capacity();
                match arena.allocator().dupe(&vec![len as u8; len]) {
                    Ok(memory) => blocks.push(memory),
                    Err(Error::OutOfMemory) => {
                        failed += 1;
                        assert_eq!(arena.query_capacity(), before);
                    }
                }
            }
            for memory in blocks {
                // SAFETY: a live block, initialised by `dupe`.
                assert_eq!(unsafe { memory.as_ref() }, vec![memory.len() as u8; memory.len()]);
            }
            if !arena.reset([ResetMode::RetainCapacity, ResetMode::RetainWithLimit(100)][round % 2]) {
                failed += 1;
                assert!(bump.live() == 1 && arena.query_capacity() > 0);
            }
        }
        assert!(failed <= 1, "one refusal makes at most one request fail");
        let done = bump.requests.get() <= refused;
        drop(arena);
        assert_eq!(bump.live(), 0);
        if done {
            assert!(refused > 5, "the requests of this test reach the child");
            return;
        }
    }
}

/// AR-02: one request causes at most one resize and one alloc of the child, whatever its size.
#[rstest]
fn one_request_makes_one_resize_and_one_alloc(#[values(false, true)] grants_growth: bool) {
    const STEP: usize = if cfg!(miri) { 41 } else { 1 };
    for len in (1..=400).step_by(STEP) {
        for alignment in [1, 8, 64] {
            let bump = Bump::new(8, 1 << 12);
            bump.grants_growth.set(grants_growth);
            let recorder = Recorder::new(bump.allocator());
            let arena = ArenaAllocator::init(recorder.allocator());
            block(arena.allocator(), 100);
            recorder.take();
            assert!(request(arena.allocator(), len, alignment, 0).is_some());
            let calls = text(&recorder.take(), bump.base());
            let allowed = match calls.split(", ").map(|call| &call[..call.len().min(5)]).collect::<Vec<_>>()[..]
            {
                [""] => true,
                ["resiz"] => grants_growth,
                ["resiz", "alloc"] => !grants_growth,
                _ => false,
            };
            assert!(allowed, "{len}:{alignment}: {calls}");
        }
    }
}

/// AR-01, AR-06, AR-08: random requests with resets between them: no two blocks overlap.
#[rstest]
fn random_programs_do_not_overlap(#[values(false, true)] grants_growth: bool) {
    (1..=seeds(3)).for_each(|seed| a_random_program(grants_growth, seed));
}

fn a_random_program(grants_growth: bool, seed: u64) {
    let bump = Bump::new(8 * seed as usize, 1 << 22);
    bump.grants_growth.set(grants_growth);
    let mut arena = ArenaAllocator::init(bump.allocator());
    let mut random = Random::new(seed);
    let (rounds, steps) = if cfg!(miri) { (2, 50) } else { (20, 500) };
    let mut count = 0;
    for _ in 0..rounds {
        count += run_random_program(arena.allocator(), &mut random, steps);
        let limit = random.within(0..=2000);
        assert!(arena.reset(ResetMode::RetainWithLimit(limit)));
        assert!(arena.query_capacity() <= limit);
    }
    assert!(count > rounds * steps / 4);
    drop(arena);
    assert_eq!(bump.live(), 0);
}

/// Lengths of zero never reach the arena, in any state, and the pointers are aligned.
#[rstest]
fn zero_lengths_do_not_reach_the_arena(#[values("fresh", "in use", "full", "reset")] state: &str) {
    let bump = Bump::new(0, 1 << 12);
    let recorder = Recorder::new(bump.allocator());
    let mut arena = ArenaAllocator::init(recorder.allocator());
    if state != "fresh" {
        block(arena.allocator(), 10);
    }
    match state {
        "full" => _ = block(arena.allocator(), arena.query_capacity() - 10),
        "reset" => _ = arena.reset(ResetMode::RetainCapacity),
        _ => {}
    }
    recorder.take();
    let below = Recorder::new(arena.allocator());
    let allocator = below.allocator();

    let words = allocator.alloc::<usize>(0).unwrap();
    let pages = allocator.aligned_alloc::<u8, 4096>(0).unwrap();
    let units = allocator.alloc::<[u64; 0]>(usize::MAX).unwrap();
    assert!(Alignment::of::<usize>().check(words.addr().get()) && pages.as_ptr().addr() % 4096 == 0);
    // SAFETY: blocks of this allocator; empty ones can be freed any number of times.
    unsafe {
        assert!(!allocator.resize(words, 1));
        assert!(allocator.resize(words, 0));
        assert!(allocator.remap(words, 1).is_none());
        assert_eq!(allocator.realloc(words, 0).unwrap().len(), 0);
        allocator.free(words);
        allocator.free(pages);
        allocator.free(units);
        allocator.destroy(allocator.create::<()>().unwrap());
    }
    assert_eq!(text(&below.take(), 0), "");
    assert_eq!(text(&recorder.take(), 0), "");

    // Resizing to zero and back is a free and an alloc.
    // SAFETY: blocks of this allocator with matching lengths.
    unsafe {
        let memory = allocator.alloc::<u8>(4).unwrap();
        let memory = allocator.realloc(memory, 0).unwrap();
        let memory = allocator.realloc(memory, 5).unwrap();
        assert!(allocator.resize(memory, 0));
    }
    let calls: Vec<_> = below.take().iter().map(|call| text(&[*call], 0)[..5].to_string()).collect();
    assert_eq!(calls, ["alloc", "free ", "alloc", "free "]);
}
