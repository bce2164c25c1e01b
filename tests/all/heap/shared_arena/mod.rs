//! `SharedArenaAllocator` with one thread. The vectors from Zig 0.17.1 are in `vectors`, tests with several threads
//! in `threads`, and models in `tests/loom`.
#![cfg(feature = "std")]

mod threads;
mod vectors;

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rstest::rstest;
use static_assertions::{assert_eq_size, assert_impl_all};
use zigalloc::heap::shared_arena::State;
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR, ResetMode, SharedArenaAllocator};
use zigalloc::testing::{self, LedgerAllocator, StrictConfig};
use zigalloc::{Alignment, Allocator, SyncAllocator, ThreadSafeAllocator, VTable, state};
use zigalloc_support::Random;

use vectors::ScriptedChild;

assert_impl_all!(SharedArenaAllocator<'static>: Send, Sync);
assert_impl_all!(State: Send, Sync);

fn align(byte_units: usize) -> Alignment {
    Alignment::from_byte_units(byte_units)
}

fn alloc(allocator: SyncAllocator<'_>, len: usize, alignment: usize) -> Option<NonNull<[u8]>> {
    // SAFETY: this allocator accepts any length; the other clauses are about blocks.
    let memory = unsafe { allocator.raw_alloc(len, align(alignment), 0) }?;
    Some(NonNull::slice_from_raw_parts(memory, len))
}

fn assert_disjoint(blocks: &[NonNull<[u8]>]) {
    let mut ranges: Vec<_> = blocks.iter().map(|block| (block.addr().get(), block.len())).collect();
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:x?} overlap");
    }
}

/// AL-13: the state has two words.
#[test]
fn state_is_two_words() {
    assert_eq_size!(State, [usize; 2]);
    assert_eq_size!(SharedArenaAllocator<'static>, [usize; 4]);
}

/// AL-10, AL-11, AL-12: without any node, `resize` returns false and `free` does nothing.
#[test]
fn resize_and_free_of_empty_arena_do_nothing() {
    let mut arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    let memory = alloc(arena.allocator(), 10, 1).unwrap();
    assert!(arena.reset(ResetMode::FreeAll));
    // SAFETY: the block no longer exists, so this breaks clause live-block; but the arena only compares addresses.
    unsafe {
        assert!(!arena.allocator().raw_resize(memory, Alignment::_1, 5, 0));
        assert_eq!(arena.allocator().raw_remap(memory, Alignment::_1, 5, 0), None);
        arena.allocator().raw_free(memory, Alignment::_1, 0);
    }
    assert_eq!(arena.query_capacity(), 0);
}

/// AL-01, AL-06: a length of 0, one that overflows, and an alignment out of range give null.
#[rstest]
#[case(0, 0)]
#[case(usize::MAX, 0)]
#[case(usize::MAX - 40, 0)]
#[case(usize::MAX / 3 * 2, 0)]
#[case(1, usize::BITS as u8 - 1)]
#[case(usize::MAX, usize::BITS as u8 - 1)]
fn impossible_requests_are_null(#[case] len: usize, #[case] log2: u8) {
    let child = ScriptedChild::new(true);
    let arena = SharedArenaAllocator::init(child.allocator());
    let alignment = Alignment::from_log2(log2).unwrap();
    for _ in 0..3 {
        // SAFETY: this allocator accepts any length.
        assert_eq!(unsafe { arena.allocator().raw_alloc(len, alignment, 0) }, None);
        assert!(alloc(arena.allocator(), 30, 8).is_some());
    }
}

/// AL-01: an alignment from C that is out of range gives null.
#[test]
fn invalid_alignment_returns_null() {
    let arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    let handle = arena.allocator();
    let alloc_with_log2 = |log2: u8| {
        // SAFETY: the same function, as declared in C; an alignment is one byte.
        let alloc: unsafe extern "C" fn(*mut (), usize, u8, usize) -> *mut u8 =
            unsafe { std::mem::transmute(handle.vtable().alloc) };
        // SAFETY: clause no-overflow.
        unsafe { alloc(handle.ptr(), 8, log2, 0) }
    };
    assert!(alloc_with_log2(usize::BITS as u8).is_null());
    assert!(alloc_with_log2(255).is_null());
    assert!(!alloc_with_log2(3).is_null());
}

/// TR-44: however many requests fail, the index does not wrap, and no block is handed out twice.
///
/// In fast modes Zig 0.17.1 wraps: over a buffer of 4096 bytes, the twelfth such request succeeds.
#[test]
fn failed_requests_do_not_wrap_the_index() {
    let mut buffer = [const { MaybeUninit::uninit() }; 4096];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let arena = SharedArenaAllocator::init(fixed_buffer.thread_safe_allocator());
    let first = alloc(arena.allocator(), 16, 1).unwrap();
    let mut blocks = vec![first];
    for n in 0..if cfg!(miri) { 30 } else { 200 } {
        let huge = usize::MAX / 8 - 200 + n * 13;
        assert_eq!(alloc(arena.allocator(), huge, 1 << (n % 5)), None);
        blocks.extend(alloc(arena.allocator(), 8, 1));
        blocks.extend(alloc(arena.allocator(), 8, 64));
    }
    assert!(blocks.len() > 1);
    assert_disjoint(&blocks);
}

/// TR-42, AL-10, AL-12: the last block grows into the rest of the node, shrinks, and is freed; others only shrink.
#[test]
fn resize_and_free_of_last_and_other_blocks() {
    let mut buffer = [const { MaybeUninit::uninit() }; 500];
    let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let mut arena = SharedArenaAllocator::init(fixed_buffer.thread_safe_allocator());
    let handle = arena.allocator();
    let resize = |memory: NonNull<[u8]>, len| {
        // SAFETY: `memory` is a live block of alignment 1.
        unsafe { handle.raw_resize(memory, Alignment::_1, len, 0) }
            .then(|| NonNull::slice_from_raw_parts(memory.cast::<u8>(), len))
    };
    // The node has room for 188 bytes: (24 + 1 + 100 + 16) and half of that, less 24, even.
    let first = alloc(handle, 100, 1).unwrap();
    let second = alloc(handle, 40, 1).unwrap();
    assert_eq!(resize(first, 101), None);
    let first = resize(first, 99).unwrap();
    assert_eq!(resize(first, 100), None);
    let second = resize(second, 50).unwrap();
    let room = if cfg!(target_pointer_width = "64") { 88 } else { 82 };
    assert_eq!(resize(second, room + 1), None);
    let second = resize(second, room).unwrap();
    let second = resize(second, 10).unwrap();
    let third = alloc(handle, 1, 1).unwrap();
    assert_eq!(third.addr().get(), second.addr().get() + 10);
    // SAFETY: live blocks, not used afterwards.
    unsafe { handle.raw_free(third, Alignment::_1, 0) };
    let third = alloc(handle, 5, 1).unwrap();
    assert_eq!(third.addr().get(), second.addr().get() + 10);
    // Out of order: the bytes are not given back.
    // SAFETY: a live block, not used afterwards.
    unsafe { handle.raw_free(second, Alignment::_1, 0) };
    let fourth = alloc(handle, 1, 1).unwrap();
    assert_eq!(fourth.addr().get(), third.addr().get() + 5);
    assert_eq!(arena.query_capacity(), 100 + room);
}

/// AL-11: `remap` never moves.
#[test]
fn remap_never_moves() {
    let arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    let handle = arena.allocator();
    let memory = alloc(handle, 10, 1).unwrap();
    // SAFETY: a live block.
    unsafe {
        assert_eq!(handle.raw_remap(memory, Alignment::_1, 1_000_000, 0), None);
        assert_eq!(handle.raw_remap(memory, Alignment::_1, 12, 0), Some(memory.cast()));
        let memory = NonNull::slice_from_raw_parts(memory.cast(), 12);
        alloc(handle, 1, 1).unwrap();
        assert_eq!(handle.raw_remap(memory, Alignment::_1, 13, 0), None);
        assert_eq!(handle.raw_remap(memory, Alignment::_1, 11, 0), Some(memory.cast()));
    }
}

/// TR-44: the index of the newest node can point past the node's end, exactly to the end of a block of another node.
/// Freeing that block moves the index, but not into the node.
#[test]
fn index_past_the_end_claims_no_block_of_another_node() {
    let mut buffer = [const { MaybeUninit::uninit() }; 4096];
    let (low, high) = buffer.split_at_mut(2048);
    let refuse = AtomicBool::new(false);
    let mut children = [FixedBufferAllocator::init(low), FixedBufferAllocator::init(high)];
    // The first node is in the upper half, the second one in the lower half.
    let [low, high] = &mut children;
    let two = TwoHalves {
        handles: [high.thread_safe_allocator(), low.thread_safe_allocator()],
        turn: AtomicUsize::new(0),
        refuse,
    };
    let arena = SharedArenaAllocator::init(two.allocator());
    let handle = arena.allocator();
    let upper = alloc(handle, 10, 1).unwrap();
    let lower = alloc(handle, 1200, 1).unwrap();
    assert!(lower.addr() < upper.addr());
    two.refuse.store(true, Ordering::Relaxed);
    // The distance from the end of `lower` to the end of `upper`, in one request.
    let missing = upper.addr().get() + 10 - (lower.addr().get() + 1200);
    assert_eq!(alloc(handle, missing, 1), None);
    let bytes = lower.cast::<[u8; 1200]>();
    // SAFETY: live blocks; `upper` is not used after it is freed.
    unsafe {
        bytes.write([7; 1200]);
        // It appears to be the last block, and there is no room to grow.
        assert!(!handle.raw_resize(upper, Alignment::_1, 11, 0));
        handle.raw_free(upper, Alignment::_1, 0);
    }
    // The index is now at the start of `upper`, still past the node's end.
    assert_eq!(alloc(handle, 1, 1), None);
    // SAFETY: a live block.
    assert_eq!(unsafe { bytes.read() }, [7; 1200]);
}

/// Serves the first request from one half and all others from the other.
struct TwoHalves<'b> {
    handles: [SyncAllocator<'b>; 2],
    turn: AtomicUsize,
    refuse: AtomicBool,
}

impl TwoHalves<'_> {
    const VTABLE: VTable = VTable {
        alloc: Self::alloc,
        resize: zigalloc::no_resize,
        remap: zigalloc::no_remap,
        free: zigalloc::no_free,
    };

    fn allocator(&self) -> SyncAllocator<'_> {
        // SAFETY: both halves keep the contract, and nothing is freed.
        unsafe { SyncAllocator::from_state(self, &Self::VTABLE) }
    }

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if this.refuse.load(Ordering::Relaxed) {
            return None;
        }
        let turn = this.turn.fetch_add(1, Ordering::Relaxed).min(1);
        // SAFETY: `len` is not zero, by our caller.
        unsafe { this.handles[turn].raw_alloc(len, alignment, 0) }
    }
}

/// TR-71: with small requests between them, each failed request makes the next node half as large again. The
/// single-threaded arena loses nothing, and a reset recovers everything.
#[test]
fn failed_requests_enlarge_the_next_node() {
    const FAILURES: i32 = 10;
    let mut buffer = [const { MaybeUninit::uninit() }; 1 << 16];
    let mut buffer = FixedBufferAllocator::init(&mut buffer);
    let buffer = buffer.thread_safe_allocator();
    let child =
        TwoHalves { handles: [buffer, buffer], turn: AtomicUsize::new(0), refuse: AtomicBool::new(false) };
    let small_and_large = |allocator: Allocator<'_>| {
        for _ in 0..FAILURES {
            // SAFETY: the lengths are not zero.
            unsafe {
                assert!(allocator.raw_alloc(1, Alignment::_1, 0).is_some());
                child.refuse.store(true, Ordering::Relaxed);
                assert!(allocator.raw_alloc(1 << 20, Alignment::_1, 0).is_none());
                child.refuse.store(false, Ordering::Relaxed);
            }
        }
    };
    let mut shared = SharedArenaAllocator::init(child.allocator());
    assert!(alloc(shared.allocator(), 1, 1).is_some());
    let at_first = shared.query_capacity();
    small_and_large(shared.allocator().as_allocator());
    let grown = shared.query_capacity() as f64 / at_first as f64;
    assert!(grown > 1.5f64.powi(FAILURES - 1), "{grown}");
    assert!(shared.reset(ResetMode::FreeAll));
    assert!(alloc(shared.allocator(), 1, 1).is_some());
    assert_eq!(shared.query_capacity(), at_first);

    let single = ArenaAllocator::init(child.allocator());
    assert!(single.allocator().alloc::<u8>(1).is_ok());
    let at_first = single.query_capacity();
    small_and_large(single.allocator());
    assert_eq!(single.query_capacity(), at_first);
}

/// AL-13: a state can be taken out and put back; dropping the arena frees both lists.
#[test]
fn state_can_be_promoted() {
    let mut ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        let locked = ThreadSafeAllocator::new(&mut ledger);
        let arena = SharedArenaAllocator::init(locked.allocator());
        let memory = arena.allocator().create_with(5u32).unwrap();
        let state = arena.into_state();
        // SAFETY: the same child.
        let mut arena = unsafe { state.promote(locked.allocator()) };
        // SAFETY: the block is live.
        assert_eq!(unsafe { memory.read() }, 5);
        assert!(arena.query_capacity() > 0);
        arena.deinit();
        // SAFETY: a new state.
        let mut empty = unsafe { State::default().promote(locked.allocator()) };
        assert_eq!(empty.query_capacity(), 0);
    }
    ledger.assert_no_leaks();
}

/// The counterpart of Zig's test of this name.
#[test]
fn reset_with_preheating() {
    let mut ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        let locked = ThreadSafeAllocator::new(&mut ledger);
        let mut arena = SharedArenaAllocator::init(locked.allocator());
        let mut random = Random::new(1);
        for _ in 0..if cfg!(miri) { 5 } else { 25 } {
            assert!(arena.reset(ResetMode::RetainCapacity));
            let total = random.within(256..=16384);
            let mut allocated = 0;
            while allocated < total {
                let len = random.within(16..=256);
                let memory = alloc(arena.allocator(), len, 32).unwrap();
                assert!(Alignment::_32.check(memory.addr().get()));
                allocated += len;
            }
        }
    }
    ledger.assert_no_leaks();
}

/// AL-14: the counterpart of Zig's test of this name.
#[test]
fn reset_while_retaining_a_buffer() {
    let mut ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let mut arena;
    {
        let locked = ThreadSafeAllocator::new(&mut ledger);
        arena = SharedArenaAllocator::init(locked.allocator());
        alloc(arena.allocator(), 1, 1).unwrap();
        let one_node = arena.query_capacity();
        while arena.query_capacity() == one_node {
            alloc(arena.allocator(), 1000, 1).unwrap();
        }
        assert!(arena.reset(ResetMode::RetainWithLimit(2)));
        assert_eq!(arena.query_capacity(), 2);
        arena.deinit();
    }
    ledger.assert_no_leaks();
}

/// T1, T2, T3, T4: Zig's four conformance functions, over the page allocator as in Zig.
#[test]
fn passes_zigs_conformance_functions() {
    let arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    let allocator = arena.allocator();
    testing::test_allocator(*allocator);
    testing::test_allocator_aligned(*allocator);
    testing::test_allocator_large_alignment(*allocator);
    testing::test_allocator_aligned_shrink(*allocator);
}

/// AL-06: the whole contract, over a child that checks it too.
#[test]
fn keeps_the_contract_with_its_child() {
    let mut ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        let locked = ThreadSafeAllocator::new(&mut ledger);
        let arena = SharedArenaAllocator::init(locked.allocator());
        let config = StrictConfig {
            huge_lengths: !cfg!(any(miri, target_arch = "wasm32")),
            ..StrictConfig::default()
        };
        testing::test_allocator_strict_with(*arena.allocator(), &config);
    }
    ledger.assert_no_leaks();
}
