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

/// Added nodes are freed, newest first and whole, and the capacity is as before.
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
    let expected: Vec<String> = allocated.iter().rev().map(|len| format!("free {len}")).collect();
    assert_eq!(freed, expected.join(", "));
    assert_eq!(arena.query_capacity(), capacity);
    assert_eq!(next_offset(arena.allocator(), &bump), next);
    assert_eq!(text(&recorder.take(), 0), "", "there was room");
}

/// A scope that fits into the newest node, or allocates nothing, does not call the child. Neither does one for which
/// room was made, as the documentation recommends.
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

/// A scope that starts with an empty arena leaves it empty.
#[test]
fn scope_of_empty_arena_leaves_it_empty() {
    let bump = Bump::new(0, 1 << 16);
    let mut arena = ArenaAllocator::init(bump.allocator());
    for _ in 0..3 {
        let scope = arena.scope();
        filled(scope.allocator(), 10, 1);
        taken(scope.allocator(), 5000);
        assert!(bump.live() > 1);
        drop(scope);
        assert_eq!((bump.live(), arena.query_capacity()), (0, 0));
    }
    filled(arena.allocator(), 10, 1);
    assert!(arena.reset(ResetMode::RetainCapacity));
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
    assert_eq!(
        (arena.query_capacity(), next_offset(arena.allocator(), &bump), bump.live()),
        (capacity, next, live)
    );
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
    assert_eq!((bump.live(), next_offset(arena.allocator(), &bump)), (1, next));
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
                inner.allocator().alloc::<u64>(2000 << round)?;
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
    assert!(runs.get() > 8, "{} runs", runs.get());
}

/// The same arena with and without random scopes: blocks keep their contents, and if the child enlarges no node, the
/// arena uses exactly the same memory.
#[rstest]
fn scopes_leave_no_trace(#[values(false, true)] grants_growth: bool) {
    (1..=seeds(3)).for_each(|seed| scopes_of_a_program_leave_no_trace(seed, grants_growth));
}

fn scopes_of_a_program_leave_no_trace(seed: u64, grants_growth: bool) {
    let capacities = |scopes: bool| {
        let bump = Bump::new(0, 1 << 20);
        bump.grants_growth.set(grants_growth);
        let mut arena = ArenaAllocator::init(bump.allocator());
        let (mut random, mut inside) = (Random::new(seed), Random::new(seed + 100));
        let mut blocks = Vec::new();
        let mut capacities = Vec::new();
        for step in 0..if cfg!(miri) { 8 } else { 60 } {
            blocks.push(filled(arena.allocator(), random.within(1..=300), step));
            capacities.push(arena.query_capacity());
            if scopes {
                let mut scope = arena.scope();
                run_random_program(scope.allocator(), &mut inside, 10);
                let innermost = scope.scope();
                assert!(run_random_program(innermost.allocator(), &mut inside, 10) > 0);
            }
        }
        blocks.iter().for_each(Filled::check);
        drop(arena);
        assert_eq!(bump.live(), 0);
        capacities
    };
    let (without, with) = (capacities(false), capacities(true));
    assert!(grants_growth || without == with, "{without:?} {with:?}");
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
    assert_eq!((bump.live(), arena.query_capacity()), (0, 0));
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
    assert_eq!(bump.live(), 0);
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
    assert_eq!(bump.live(), 1);
}

/// In debug builds, a checkpoint whose node was freed is detected before anything is freed.
#[test]
#[cfg_attr(not(debug_assertions), ignore = "only builds with debug assertions check this")]
fn stale_checkpoint_panics() {
    let bump = Bump::new(0, 1 << 16);
    let arena = ArenaAllocator::init(bump.allocator());
    let empty = arena.checkpoint();
    filled(arena.allocator(), 100, 1);
    let stale = arena.checkpoint();
    // SAFETY: the block is not used afterwards.
    unsafe { arena.rewind(empty) };
    filled(arena.allocator(), 100, 1);
    // SAFETY: none: the test is that it panics, which it does before it changes anything.
    let panic = catch_unwind(AssertUnwindSafe(|| unsafe { arena.rewind(stale) })).unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    assert!(message.starts_with("ArenaAllocator::rewind: Checkpoint { first: Some(0x"), "{message}");
    assert!(message.contains("freed since"), "{message}");
    assert_eq!(bump.live(), 1);
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
