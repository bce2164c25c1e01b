//! Checkpoints and scopes of `ArenaAllocator`. They are not in Zig, so they have no entries in the surface.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use rstest::rstest;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use zigalloc::heap::arena::{Scope, State};
use zigalloc::heap::{ArenaAllocator, ResetMode};
use zigalloc::{Alignment, Allocator, SyncAllocator};
use zigalloc_support::{Bump, Filled, Random, Recorder, run_random_program, seeds, text};

/// Allocates a block with alignment 1, filled with bytes that start with `tag`.
fn filled(allocator: Allocator<'_>, len: usize, tag: u8) -> Filled {
    // SAFETY: no length in these tests is zero.
    let ptr = unsafe { allocator.raw_alloc(len, Alignment::_1, 0) }.expect("memory");
    // SAFETY: a new block; it is checked while the arena has it.
    unsafe { Filled::new(NonNull::slice_from_raw_parts(ptr, len), Alignment::_1, tag) }
}

/// Allocates a block with alignment 1 and writes to both ends.
fn taken(allocator: Allocator<'_>, len: usize) -> NonNull<[u8]> {
    // SAFETY: no length in these tests is zero, and the block has this length.
    unsafe {
        let ptr = allocator.raw_alloc(len, Alignment::_1, 0).expect("memory");
        ptr.write(1);
        ptr.add(len - 1).write(2);
        NonNull::slice_from_raw_parts(ptr, len)
    }
}

/// Returns the offset at which the arena's next block would start.
fn next_offset(allocator: Allocator<'_>, bump: &Bump) -> usize {
    // SAFETY: the length is not zero, and the block is freed at once.
    unsafe {
        let ptr = allocator.raw_alloc(1, Alignment::_1, 0).expect("memory");
        allocator.raw_free(NonNull::slice_from_raw_parts(ptr, 1), Alignment::_1, 0);
        ptr.addr().get() - bump.base()
    }
}

/// Older contents remain, inner scopes end before outer ones, and each end restores the offset.
#[test]
fn nested_scopes_keep_older_blocks() {
    let bump = Bump::new(0, 1 << 16);
    let mut arena = ArenaAllocator::init(bump.allocator());
    let oldest = filled(arena.allocator(), 100, 1);
    let before = next_offset(arena.allocator(), &bump);
    {
        let mut outer = arena.scope();
        assert_eq!(next_offset(outer.allocator(), &bump), before);
        let old = filled(outer.allocator(), 10, 2);
        let in_outer = next_offset(outer.allocator(), &bump);
        for round in 0..3 {
            let mut inner = outer.scope();
            // The first rounds fit; the last needs nodes.
            let new = filled(inner.allocator(), 20 << (4 * round), 3);
            {
                let innermost = inner.scope();
                taken(innermost.allocator(), 5000);
            }
            new.check();
            drop(inner);
            oldest.check();
            old.check();
            assert_eq!(next_offset(outer.allocator(), &bump), in_outer, "round {round}");
        }
    }
    oldest.check();
    assert_eq!(next_offset(arena.allocator(), &bump), before);
    drop(arena);
    assert_eq!(bump.live(), 0);
}

/// Added nodes are freed, newest first and whole, but for the largest, which is kept.
#[test]
fn newer_nodes_are_freed_newest_first() {
    let bump = Bump::new(0, 1 << 18);
    let recorder = Recorder::new(bump.allocator());
    let mut arena = ArenaAllocator::init(recorder.allocator());
    filled(arena.allocator(), 100, 1);
    let (capacity, next) = (arena.query_capacity(), next_offset(arena.allocator(), &bump));
    recorder.take();

    let scope = arena.scope();
    for n in [1, 2, 4] {
        taken(scope.allocator(), n * 5000);
    }
    assert!(scope.query_capacity() > capacity + 30_000);
    let calls = text(&recorder.take(), bump.base());
    let allocated: Vec<&str> =
        calls.split(", ").filter_map(|call| call.strip_prefix("alloc ")?.split(' ').next()).collect();
    assert_eq!(allocated.len(), 3, "{calls}");
    drop(scope);
    let freed = text(&recorder.take(), bump.base());
    let expected: Vec<String> = allocated[..2].iter().rev().map(|len| format!("free {len}")).collect();
    assert_eq!(freed, expected.join(", "));
    let kept: usize = allocated[2].parse().unwrap();
    assert_eq!(arena.query_capacity(), capacity + kept - 2 * size_of::<usize>());
    assert_eq!(next_offset(arena.allocator(), &bump), next);
    assert_eq!(text(&recorder.take(), 0), "", "there was room");
}

/// A scope that fits into the newest node, or allocates nothing, does not call the child. Neither does one for which
/// room was made before.
#[test]
fn scopes_that_fit_do_not_call_the_child() {
    let bump = Bump::new(0, 1 << 18);
    let recorder = Recorder::new(bump.allocator());
    let mut arena = ArenaAllocator::init(recorder.allocator());
    drop(arena.scope());
    assert_eq!(text(&recorder.take(), 0), "", "an empty arena stays empty");

    let room = taken(arena.allocator(), 10_000);
    // SAFETY: a live block.
    unsafe { arena.allocator().raw_free(room, Alignment::_1, 0) };
    recorder.take();
    let mut places = Vec::new();
    for _ in 0..5 {
        let scope = arena.scope();
        places.push([100, 1000, 8900].map(|len| taken(scope.allocator(), len)));
    }
    assert_eq!(text(&recorder.take(), 0), "");
    assert!(places.iter().all(|blocks| *blocks == places[0]), "each round has the same addresses");
}

/// A scope that starts with an empty arena leaves it with its largest node, and no blocks.
#[test]
fn scope_of_empty_arena_leaves_one_node() {
    let bump = Bump::new(0, 1 << 16);
    let mut arena = ArenaAllocator::init(bump.allocator());
    let mut first = None;
    for _ in 0..3 {
        let scope = arena.scope();
        let small = filled(scope.allocator(), 10, 1);
        let large = taken(scope.allocator(), 5000);
        assert_eq!(bump.live(), if first.is_none() { 2 } else { 1 });
        first = first.or(Some(large));
        small.check();
        drop(scope);
        assert_eq!(bump.live(), 1);
        assert!((5000..10_000).contains(&arena.query_capacity()));
    }
    let again = filled(arena.allocator(), 10, 1);
    assert_eq!(again.memory().cast::<u8>(), first.unwrap().cast(), "the first block of the node");
    assert!(arena.reset(ResetMode::RetainCapacity));
}

/// Scopes that begin at a node's end, so that each needs another node: after the first, none calls the child, and every
/// one has the same addresses. They are scopes of the arena, or nested in another one.
#[rstest]
fn scopes_at_the_end_of_a_node_keep_one(#[values(false, true)] inner: bool) {
    let bump = Bump::new(0, 1 << 20);
    let recorder = Recorder::new(bump.allocator());
    let mut arena = ArenaAllocator::init(recorder.allocator());
    let old = filled(arena.allocator(), 100, 1);
    let room = arena.query_capacity() - 100;
    filled(arena.allocator(), room, 2);
    let (capacity, live) = (arena.query_capacity(), bump.live());
    let mut outer = arena.scope();
    let mut first = None;
    for round in 0..10 {
        if round == 1 {
            recorder.take();
        }
        let places = if inner {
            let scope = outer.scope();
            [1000, 16, 40].map(|len| taken(scope.allocator(), len))
        } else {
            drop(outer);
            outer = arena.scope();
            [1000, 16, 40].map(|len| taken(outer.allocator(), len))
        };
        assert_eq!(*first.get_or_insert(places), places, "round {round}");
    }
    drop(outer);
    assert_eq!(text(&recorder.take(), 0), "");
    assert_eq!(bump.live(), live + 1);
    assert!(arena.query_capacity() > capacity + 1000);
    old.check();
    drop(arena);
    assert_eq!(bump.live(), 0);
}

/// A block that does not fit into the spare node: it is freed before the child is asked for a larger one, which is
/// then spare.
#[test]
fn spare_node_that_is_too_small_is_replaced() {
    let bump = Bump::new(0, 1 << 20);
    let recorder = Recorder::new(bump.allocator());
    let mut arena = ArenaAllocator::init(recorder.allocator());
    let old = filled(arena.allocator(), 100, 1);
    let next = next_offset(arena.allocator(), &bump);
    taken(arena.scope().allocator(), 1000);
    let calls = text(&recorder.take(), bump.base());
    let spare = calls.rsplit("alloc ").next().and_then(|call| call.split(' ').next()).unwrap();

    let scope = arena.scope();
    taken(scope.allocator(), 20_000);
    let calls = text(&recorder.take(), bump.base());
    let calls: Vec<&str> = calls.split(", ").collect();
    assert!(calls[0].starts_with("resize"), "the newest node is grown, if possible: {calls:?}");
    assert_eq!(calls[1], format!("free {spare}"));
    assert!(calls[2].starts_with("alloc ") && calls.len() == 3, "{calls:?}");
    drop(scope);
    taken(arena.scope().allocator(), 20_000);
    assert_eq!(text(&recorder.take(), 0), "");
    assert_eq!(next_offset(arena.allocator(), &bump), next);
    old.check();
}

/// The arena itself uses the spare node as well, and is then an arena with one node more.
#[test]
fn spare_node_is_used_outside_of_scopes() {
    let bump = Bump::new(0, 1 << 20);
    let recorder = Recorder::new(bump.allocator());
    let mut arena = ArenaAllocator::init(recorder.allocator());
    let old = filled(arena.allocator(), 10, 1);
    taken(arena.scope().allocator(), 5000);
    let capacity = arena.query_capacity();
    recorder.take();
    let new = filled(arena.allocator(), 4000, 2);
    let more = filled(arena.allocator(), 1000, 3);
    assert_eq!(text(&recorder.take(), 0), "");
    assert_eq!(arena.query_capacity(), capacity);
    // A scope above it leaves it as it is.
    taken(arena.scope().allocator(), 50_000);
    [old, new, more].iter().for_each(Filled::check);
    assert_eq!(bump.live(), 3);
}

/// Each end of an arena's life, and its resets, return a spare node, or use it.
#[rstest]
#[case("drop", 0)]
#[case("promote", 0)]
#[case("free all", 0)]
#[case("retain capacity", 1)]
#[case("retain with limit", 1)]
fn spare_node_is_returned(#[case] end: &str, #[case] live: usize) {
    let bump = Bump::new(0, 1 << 16);
    {
        let mut arena = ArenaAllocator::init(bump.allocator());
        taken(arena.allocator(), 100);
        taken(arena.scope().allocator(), 5000);
        let capacity = arena.query_capacity();
        assert_eq!(bump.live(), 2);
        match end {
            "drop" => drop(arena),
            "promote" => {
                let state = arena.into_state();
                assert_eq!(bump.live(), 2, "nothing was freed");
                // SAFETY: the same child.
                let arena = unsafe { state.promote(bump.allocator()) };
                assert_eq!(arena.query_capacity(), capacity);
                drop(arena);
            }
            "free all" => assert!(arena.reset(ResetMode::FreeAll)),
            "retain capacity" => {
                assert!(arena.reset(ResetMode::RetainCapacity));
                assert_eq!(arena.query_capacity(), capacity);
                taken(arena.allocator(), capacity);
            }
            _ => {
                assert!(arena.reset(ResetMode::RetainWithLimit(200)));
                assert_eq!(arena.query_capacity(), 200);
            }
        }
        if live == 1 {
            assert_eq!(bump.live(), 1);
        }
    }
    assert_eq!(bump.live(), 0);
}

/// A node that the child has enlarged stays larger; the next block starts at the same offset as before.
#[test]
fn grown_node_stays_longer() {
    let bump = Bump::new(0, 1 << 16);
    bump.grants_growth.set(true);
    let recorder = Recorder::new(bump.allocator());
    let mut arena = ArenaAllocator::init(recorder.allocator());
    let old = filled(arena.allocator(), 100, 1);
    let (capacity, next) = (arena.query_capacity(), next_offset(arena.allocator(), &bump));
    let scope = arena.scope();
    taken(scope.allocator(), 3000);
    let grown = scope.query_capacity();
    drop(scope);
    assert!(grown > capacity);
    assert_eq!((arena.query_capacity(), next_offset(arena.allocator(), &bump)), (grown, next));

    // Also shows that the node's length is recorded: it is freed with it, and can be filled again.
    recorder.take();
    taken(arena.allocator(), 2900);
    assert_eq!(text(&recorder.take(), 0), "");
    old.check();
    drop(arena);
    assert_eq!(bump.live(), 0);
}

/// What a scope does to an older block: a freed block stays freed but its memory is not reused; a grown block has its
/// old length again; a shrunk block stays short.
#[test]
fn older_blocks_stay_freed_or_shrunk_after_a_scope() {
    let bump = Bump::new(0, 1 << 16);
    let mut arena = ArenaAllocator::init(bump.allocator());
    // SAFETY: each block is live, and passed with the length that it has by the documentation of `scope`.
    unsafe {
        let first = filled(arena.allocator(), 10, 1);
        let mut last = filled(arena.allocator(), 10, 2);
        let next = next_offset(arena.allocator(), &bump);

        // It grows; after it, nothing may be lost or overlap.
        let scope = arena.scope();
        assert!(scope.allocator().raw_resize(last.memory(), Alignment::_1, 15, 0));
        drop(scope);
        last.check();
        let behind = filled(arena.allocator(), 3, 3);
        assert_eq!(behind.memory().addr().get() - bump.base(), next);
        last.check();
        arena.allocator().raw_free(behind.memory(), Alignment::_1, 0);

        // It shrinks.
        let scope = arena.scope();
        assert!(scope.allocator().raw_resize(last.memory(), Alignment::_1, 4, 0));
        filled(scope.allocator(), 2, 4);
        drop(scope);
        assert_eq!(next_offset(arena.allocator(), &bump), next);
        last.resized(last.memory().cast(), 4);
        last.check();

        // It is freed.
        let scope = arena.scope();
        scope.allocator().raw_free(first.memory(), Alignment::_1, 0);
        drop(scope);
        assert_eq!(next_offset(arena.allocator(), &bump), next);
        last.check();
    }
}

/// TR-24: a panic ends the scopes that it unwinds through.
#[test]
fn scopes_rewind_on_panic() {
    let bump = Bump::new(0, 1 << 16);
    let mut arena = ArenaAllocator::init(bump.allocator());
    let old = filled(arena.allocator(), 10, 1);
    let (capacity, next, live) = (arena.query_capacity(), next_offset(arena.allocator(), &bump), bump.live());
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let mut scope = arena.scope();
        taken(scope.allocator(), 1000);
        let inner = scope.scope();
        taken(inner.allocator(), 5000);
        std::panic::resume_unwind(Box::new("the program's own"));
    }));
    assert_eq!(*panic.unwrap_err().downcast::<&str>().unwrap(), "the program's own");
    old.check();
    assert_eq!((next_offset(arena.allocator(), &bump), bump.live()), (next, live + 1));
    assert!(arena.query_capacity() > capacity + 5000, "the largest node is kept");
}

/// Out of memory inside a scope loses nothing: smaller requests still succeed, and the scope ends as usual.
#[test]
fn out_of_memory_in_a_scope_loses_nothing() {
    let bump = Bump::new(0, 4000);
    let mut arena = ArenaAllocator::init(bump.allocator());
    let old = filled(arena.allocator(), 10, 1);
    let next = next_offset(arena.allocator(), &bump);
    let scope = arena.scope();
    let new = filled(scope.allocator(), 100, 2);
    // SAFETY: the length is not zero.
    assert_eq!(unsafe { scope.allocator().raw_alloc(10_000, Alignment::_1, 0) }, None);
    filled(scope.allocator(), 10, 3);
    new.check();
    drop(scope);
    old.check();
    assert_eq!((bump.live(), next_offset(arena.allocator(), &bump)), (2, next));
}

/// Scopes in a program in which each request of the child fails in turn: every error is returned, nothing leaks, and
/// no node is freed twice or with a wrong length.
#[cfg(feature = "std")]
#[test]
fn every_failing_allocation_in_a_scope_is_returned() {
    use zigalloc::heap::PAGE_ALLOCATOR;
    use zigalloc::testing::{LedgerAllocator, check_all_allocation_failures};

    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    let runs = std::cell::Cell::new(0);
    check_all_allocation_failures(ledger.allocator(), |child| {
        runs.set(runs.get() + 1);
        let mut arena = ArenaAllocator::init(child);
        let kept = arena.allocator().create_with(7_u64)?;
        for round in 0..3 {
            let mut scope = arena.scope();
            let outer = scope.allocator().create_with(round)?;
            {
                let inner = scope.scope();
                inner.allocator().alloc::<u8>(2000)?;
                inner.allocator().alloc::<u64>(2000 << (2 * round))?;
            }
            scope.allocator().alloc::<u8>(300)?;
            // SAFETY: it is live.
            assert_eq!(unsafe { outer.read() }, round);
        }
        // SAFETY: it is live.
        assert_eq!(unsafe { kept.read() }, 7);
        arena.allocator().alloc::<u8>(5000)?;
        Ok::<(), zigalloc::Error>(())
    })
    .unwrap();
    ledger.assert_no_leaks();
    assert!(runs.get() > 5, "{} runs", runs.get());
}

/// Random scopes in the life of an arena: blocks keep their contents, and after each scope the next block begins where it
/// would have begun before. The child has at most one more block then, and if that is used, it is not forgotten.
#[rstest]
fn scopes_leave_no_trace(#[values(false, true)] grants_growth: bool) {
    (1..=seeds(3)).for_each(|seed| scopes_of_a_program_leave_no_trace(seed, grants_growth));
}

fn scopes_of_a_program_leave_no_trace(seed: u64, grants_growth: bool) {
    let bump = Bump::new(0, 4 << 20);
    bump.grants_growth.set(grants_growth);
    let mut arena = ArenaAllocator::init(bump.allocator());
    let (mut random, mut inside) = (Random::new(seed), Random::new(seed + 100));
    let mut blocks = Vec::new();
    for step in 0..if cfg!(miri) { 8 } else { 60 } {
        blocks.push(filled(arena.allocator(), random.within(1..=300), step));
        // So that there is room for the block that `next_offset` makes.
        let room = taken(arena.allocator(), 1);
        // SAFETY: a live block.
        unsafe { arena.allocator().raw_free(room, Alignment::_1, 0) };
        let before = (next_offset(arena.allocator(), &bump), bump.live());
        {
            let mut scope = arena.scope();
            run_random_program(scope.allocator(), &mut inside, 10);
            let innermost = scope.scope();
            assert!(run_random_program(innermost.allocator(), &mut inside, 10) > 0);
        }
        assert!(bump.live() <= before.1 + 1);
        assert_eq!(next_offset(arena.allocator(), &bump), before.0);
    }
    blocks.iter().for_each(Filled::check);
    drop(arena);
    assert_eq!(bump.live(), 0);
}

/// A leaked scope rewinds nothing; the enclosing scope does.
#[test]
fn leaked_scope_keeps_its_blocks() {
    let bump = Bump::new(0, 1 << 16);
    let mut arena = ArenaAllocator::init(bump.allocator());
    let mut outer = arena.scope();
    let inner = outer.scope();
    let block = filled(inner.allocator(), 1000, 1);
    mem::forget(inner);
    taken(outer.allocator(), 1000);
    block.check();
    assert_eq!(bump.live(), 2);
    drop(outer);
    assert_eq!(bump.live(), 1, "the larger node");
}

/// The raw form: older handles stay valid; several checkpoints are used one after another, and one twice.
#[test]
fn checkpoint_can_be_rewound_to_twice() {
    let bump = Bump::new(0, 1 << 18);
    let arena = ArenaAllocator::init(bump.allocator());
    let allocator = arena.allocator();
    let empty = arena.checkpoint();
    let old = filled(allocator, 100, 1);
    let first = arena.checkpoint();
    let in_first = next_offset(allocator, &bump);
    for _ in 0..2 {
        let between = filled(allocator, 300, 2);
        let second = arena.checkpoint();
        let in_second = next_offset(allocator, &bump);
        for _ in 0..2 {
            taken(allocator, 6000);
            // SAFETY: the checkpoint is newer than the last one rewound to; no newer block is used.
            unsafe { arena.rewind(second) };
            between.check();
            assert_eq!(next_offset(allocator, &bump), in_second);
        }
        // SAFETY: the checkpoint is older than all those rewound to; no newer block is used afterwards, `second`
        // included.
        unsafe { arena.rewind(first) };
        old.check();
        assert_eq!(next_offset(allocator, &bump), in_first);
    }
    // SAFETY: no block is used afterwards.
    unsafe { arena.rewind(empty) };
    assert_eq!(bump.live(), 1, "the largest node");
}

/// A checkpoint stays valid when the arena is converted to its state and back.
#[test]
fn checkpoint_survives_into_state_and_promote() {
    let bump = Bump::new(0, 1 << 16);
    let arena = ArenaAllocator::init(bump.allocator());
    let old = filled(arena.allocator(), 100, 1);
    let checkpoint = arena.checkpoint();
    taken(arena.allocator(), 5000);
    let state: State = arena.into_state();
    // SAFETY: the same child.
    let arena = unsafe { state.promote(bump.allocator()) };
    // SAFETY: the newer block is not used afterwards.
    unsafe { arena.rewind(checkpoint) };
    old.check();
    assert_eq!(bump.live(), 2, "the newer node is spare");
}

/// In debug builds, a checkpoint whose node was freed, or is spare, is detected before anything is freed.
#[rstest]
#[cfg_attr(not(debug_assertions), ignore = "only builds with debug assertions check this")]
fn stale_checkpoint_panics(#[values(false, true)] spare: bool) {
    let bump = Bump::new(0, 1 << 16);
    let arena = ArenaAllocator::init(bump.allocator());
    filled(arena.allocator(), 10, 1);
    let old = arena.checkpoint();
    filled(arena.allocator(), 100, 1);
    let mut stale = arena.checkpoint();
    filled(arena.allocator(), 1000, 1);
    if spare {
        stale = arena.checkpoint();
    }
    // SAFETY: the blocks are not used afterwards.
    unsafe { arena.rewind(old) };
    // SAFETY: none: the test is that it panics, which it does before it changes anything.
    let panic = catch_unwind(AssertUnwindSafe(|| unsafe { arena.rewind(stale) })).unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    assert!(message.starts_with("ArenaAllocator::rewind: Checkpoint { first: Some(0x"), "{message}");
    assert!(message.contains("freed since"), "{message}");
    assert_eq!(bump.live(), 2);
}

// A scope moves to another thread if its arena does, and one thread at a time uses it.
assert_impl_all!(Scope<'static, SyncAllocator<'static>>: Send, zigalloc::AsAllocator);
assert_not_impl_any!(Scope<'static, SyncAllocator<'static>>: Sync, Clone);
assert_not_impl_any!(Scope<'static, Allocator<'static>>: Send, Sync);

/// A lock around a scope: threads share it, and its end frees what they allocated.
#[cfg(feature = "std")]
#[test]
fn lock_around_a_scope_is_shared_by_threads() {
    use zigalloc::ThreadSafeAllocator;
    use zigalloc::heap::PAGE_ALLOCATOR;

    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let kept = arena.allocator().create_with(1).unwrap();
    let capacity = arena.query_capacity();
    {
        let mut scope = arena.scope();
        let lock = ThreadSafeAllocator::new(&mut scope);
        let allocator = lock.allocator();
        std::thread::scope(|threads| {
            for n in 1..=3 {
                threads.spawn(move || allocator.alloc::<u8>(n * 3000).unwrap().len());
            }
        });
    }
    // SAFETY: it is from before the scope.
    assert_eq!(unsafe { kept.read() }, 1);
    assert!(arena.query_capacity() >= capacity);
}
