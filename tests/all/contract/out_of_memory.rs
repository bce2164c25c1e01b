//! Every allocator with a child, when the child runs out of memory at each single call: no block is lost or leaked,
//! and the allocator is usable afterwards.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use rstest::rstest;
use zigalloc::heap::{
    ArenaAllocator, BufferFirstAllocator, Check, DebugAllocator, DebugConfig, PAGE_ALLOCATOR, SafeAllocator,
    SafeOptions, SharedArenaAllocator, stack_fallback,
};
use zigalloc::testing::{
    FailingAllocator, FailingConfig, LedgerAllocator, check_all_allocation_failures, validation_wrap,
};
use zigalloc::trace::{CountingAllocator, FmtSink, LoggingAllocator};
use zigalloc::{Allocator, Error, SyncAllocator, ThreadSafeAllocator};

/// Makes an allocator over the child, calls the function with its handle, and drops it.
type Wrapper = fn(Allocator<'_>, &mut dyn FnMut(Allocator<'_>));

/// # Safety
/// Only this thread uses the handle.
unsafe fn sync(child: Allocator<'_>) -> SyncAllocator<'_> {
    // SAFETY: one thread uses the handle, by our caller.
    unsafe { SyncAllocator::new_unchecked(child) }
}

fn arena(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    body(ArenaAllocator::init(child).allocator());
}

fn scope_of_an_arena(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    let mut arena = ArenaAllocator::init(child);
    body(arena.scope().allocator());
}

fn shared_arena(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    // SAFETY: this test has one thread.
    body(*SharedArenaAllocator::init(unsafe { sync(child) }).allocator());
}

fn thread_safe(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    // SAFETY: the child is used through the lock only.
    body(*unsafe { ThreadSafeAllocator::from_child(child) }.allocator());
}

fn thread_safe_over_arena(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    // SAFETY: this test has one thread.
    let mut arena = ArenaAllocator::init(unsafe { sync(child) });
    body(*ThreadSafeAllocator::new(&mut arena).allocator());
}

fn buffer_first(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    let mut buffer = [const { MaybeUninit::uninit() }; 100];
    body(BufferFirstAllocator::init(&mut buffer, child).allocator());
}

fn stack_fallback_of_100(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    body(stack_fallback::<100, _>(child).allocator());
}

fn debug(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    const CONFIG: DebugConfig = DebugConfig { safety: true, ..DebugConfig::DEFAULT };
    let debug = DebugAllocator::with_config(child, CONFIG);
    body(debug.allocator());
    assert!(debug.first_report().is_none());
    assert_eq!(debug.deinit(), Check::Ok);
}

fn safe(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    const OPTIONS: SafeOptions =
        SafeOptions { check_write_after_free: true, bucket_size_log2: 9, ..SafeOptions::DEFAULT };
    let safe = SafeAllocator::init(child, OPTIONS);
    body(safe.allocator());
    assert!(safe.first_report().is_none());
    assert_eq!(safe.deinit(), 0);
}

fn validation(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    body(validation_wrap(child).allocator());
}

fn counting(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    let counting = CountingAllocator::init(child);
    body(counting.allocator());
    assert_eq!(counting.snapshot().live_bytes, 0);
}

fn logging(child: Allocator<'_>, body: &mut dyn FnMut(Allocator<'_>)) {
    body(LoggingAllocator::init(child, FmtSink(String::new())).allocator());
}

/// Every item of a block is written and checked; under Miri, which is slow, a sample.
const STEP: usize = if cfg!(miri) { 50 } else { 1 };

/// A block with contents, freed on drop.
struct Block<'a> {
    allocator: Allocator<'a>,
    memory: NonNull<[u32]>,
    first: u32,
}

impl<'a> Block<'a> {
    fn new(allocator: Allocator<'a>, len: usize, first: u32) -> Result<Block<'a>, Error> {
        let block = Block { allocator, memory: allocator.alloc(len)?, first };
        block.fill(0);
        Ok(block)
    }

    fn fill(&self, from: usize) {
        for i in (from.next_multiple_of(STEP)..self.memory.len()).step_by(STEP) {
            // SAFETY: inside the block.
            unsafe { self.memory.cast::<u32>().add(i).write(self.first + i as u32) };
        }
    }

    fn grow(&mut self, len: usize) -> Result<(), Error> {
        let old_len = self.memory.len();
        // SAFETY: a live block of this allocator.
        self.memory = unsafe { self.allocator.realloc(self.memory, len)? };
        self.fill(old_len);
        Ok(())
    }

    #[track_caller]
    fn check(&self) {
        for i in (0..self.memory.len()).step_by(STEP) {
            // SAFETY: inside the block, and written.
            let value = unsafe { self.memory.cast::<u32>().add(i).read() };
            assert_eq!(value, self.first + i as u32, "item {i} of {}", self.memory.len());
        }
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // SAFETY: a live block of this allocator.
        unsafe { self.allocator.free(self.memory) };
    }
}

/// Blocks of many lengths that grow; some are freed early.
fn program(allocator: Allocator<'_>) -> Result<(), Error> {
    let mut blocks = Vec::new();
    for n in 1..=if cfg!(miri) { 3 } else { 6 } {
        blocks.push(Block::new(allocator, 1 << n, n << 20)?);
        let middle = blocks.len() / 2;
        let result = blocks[middle].grow(3 << n);
        blocks.iter().for_each(Block::check);
        result?;
        if n % 3 == 0 {
            blocks.remove(0);
        }
    }
    // More than a page of the debug allocator.
    blocks.push(Block::new(allocator, 10_000, 1)?);
    blocks.iter().for_each(Block::check);
    Ok(())
}

/// TE-05, TR-71: allocation n of the child and all later ones fail, for every n. Live blocks are untouched, the child
/// gets all its blocks back, and the allocator works again once the child has memory.
#[rstest]
#[case::arena(arena)]
#[case::scope_of_an_arena(scope_of_an_arena)]
#[case::shared_arena(shared_arena)]
#[case::thread_safe(thread_safe)]
#[case::thread_safe_over_arena(thread_safe_over_arena)]
#[case::buffer_first(buffer_first)]
#[case::stack_fallback(stack_fallback_of_100)]
#[case::debug(debug)]
#[case::safe(safe)]
#[case::validation(validation)]
#[case::counting(counting)]
#[case::logging(logging)]
fn child_out_of_memory_loses_nothing(#[case] wrapper: Wrapper, #[values(false, true)] resizes: bool) {
    if cfg!(miri) && resizes {
        eprintln!("skipped: too slow under Miri, and little different");
        return;
    }
    let resize_fail_index = if resizes { usize::MAX } else { 0 };
    let mut n = 0;
    loop {
        let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
        let config = FailingConfig { resize_fail_index, ..FailingConfig::default() };
        let failing = FailingAllocator::init(ledger.allocator(), config);
        let mut failed = false;
        wrapper(failing.allocator(), &mut |allocator| {
            let before = Block::new(allocator, 10, 7).unwrap();
            failing.set_fail_index(failing.alloc_index() + n);
            failed = program(allocator).is_err();
            before.check();
            failing.set_fail_index(usize::MAX);
            program(allocator).unwrap();
            before.check();
        });
        assert_eq!(failed, failing.has_induced_failure(), "allocation {n}: only a failure is a failure");
        ledger.assert_no_leaks();
        if !failed {
            break;
        }
        // Each place takes long under Miri, and there are more than ten.
        n += if cfg!(miri) { 4 } else { 1 };
    }
    // If the child can grow in place, as pages sometimes do, an arena may never request a second block.
    assert!(resizes || n >= 2, "the child was asked {n} times only");
}

/// The same with the public check, which also detects swallowed errors.
#[rstest]
#[case::arena(arena)]
#[case::shared_arena(shared_arena)]
#[case::thread_safe(thread_safe)]
#[cfg_attr(miri, ignore = "to save time: Miri tests the parts of this stack in other cases")]
#[case::thread_safe_over_arena(thread_safe_over_arena)]
#[case::buffer_first(buffer_first)]
#[cfg_attr(miri, ignore = "to save time: the case before it is nearly the same")]
#[case::stack_fallback(stack_fallback_of_100)]
#[case::debug(debug)]
#[case::safe(safe)]
#[case::counting(counting)]
#[cfg_attr(miri, ignore = "to save time: the case before it is nearly the same")]
#[case::logging(logging)]
fn every_child_failure_is_passed_on(#[case] wrapper: Wrapper) {
    check_all_allocation_failures(*PAGE_ALLOCATOR, |child| {
        let mut result = Ok(());
        wrapper(child, &mut |allocator| result = program(allocator));
        result
    })
    .unwrap();
}
