//! Zig's containers. Each type has a file; what is the same for all is here.

mod array_hash_map;
mod array_list;
mod buf;
mod deque;
mod errors;
mod fixed_capacity;
mod hash_map;
mod linked_list;
mod multi_array_list;
mod owned;
mod panics;
mod priority_queue;
mod unmanaged;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::{FailingAllocator, FailingConfig, with_allocator};
use zigalloc::{Allocator, Error};

/// Runs a test on an allocator that sees leaks and wrong frees.
#[track_caller]
fn checked(test: impl FnOnce(Allocator<'_>) -> Result<(), Error>) -> Result<(), Error> {
    with_allocator(|allocator| test(*allocator))
}

/// A number of repetitions, a tenth of it in Miri, which is slow.
fn times(number: usize) -> usize {
    if cfg!(miri) { number / 10 } else { number }
}

/// Numbers of entries: few, and those at which hashbrown's table is full.
fn map_lens() -> &'static [usize] {
    if cfg!(miri) { &[3, 14] } else { &[3, 7, 14, 28, 112] }
}

/// What is done to a container.
type Operation<C> = fn(&mut C) -> Result<(), Error>;

/// Runs an operation on a container that `build` makes, with the n-th allocation of the operation failing, for each n
/// until it succeeds. Where it fails, what `look` sees is what it was before; at the end all is freed. Returns how
/// often it failed.
#[track_caller]
fn fails_without_effect<C, R: PartialEq + std::fmt::Debug>(
    build: impl Fn(Allocator<'static>) -> C,
    look: impl Fn(&C) -> R,
    operation: impl Fn(&mut C) -> Result<(), Error>,
) -> usize {
    for n in 0..100 {
        // `resize` and `remap` fail too, so growing is an allocation.
        let config = FailingConfig { resize_fail_index: 0, ..FailingConfig::default() };
        let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
        let failing = FailingAllocator::init(arena.allocator(), config);
        // SAFETY: the container is dropped before the allocator is, below.
        let allocator =
            unsafe { Allocator::from_raw_parts(failing.allocator().ptr(), failing.allocator().vtable()) };
        let mut container = build(allocator);
        let before = look(&container);
        failing.set_fail_index(failing.alloc_index() + n);
        let result = operation(&mut container);
        failing.set_fail_index(usize::MAX);
        if result.is_err() {
            assert_eq!(look(&container), before, "after allocation {n} failed");
            // It works as before.
            operation(&mut container).expect("there is memory now");
        }
        drop(container);
        assert_eq!(failing.allocated_bytes(), failing.freed_bytes(), "allocation {n} failed");
        if result.is_ok() {
            return n;
        }
    }
    panic!("the operation never succeeds");
}

/// Asserts that `f` panics with a message that has `message` in it.
#[track_caller]
fn assert_panics<R>(message: &str, f: impl FnOnce() -> R) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(f()))) else {
        panic!("no panic; expected {message:?}")
    };
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    assert!(text.is_some_and(|text| text.contains(message)), "{text:?} does not have {message:?}");
}

/// Counts how many of it are alive, and panics in `drop`, `clone` or a comparison on request.
#[derive(Debug)]
struct Counted<'c> {
    number: u32,
    live: &'c Live,
}

#[derive(Debug, Default)]
struct Live {
    count: Cell<usize>,
    /// How many more comparisons, clones or hashes there are until one panics.
    panic_in: Cell<Option<usize>>,
    /// The number of the item whose destructor panics, once.
    panic_in_drop_of: Cell<Option<u32>>,
}

impl Live {
    fn item(&self, number: u32) -> Counted<'_> {
        self.count.set(self.count.get() + 1);
        Counted { number, live: self }
    }

    fn tick(&self) {
        if let Some(left) = self.panic_in.get() {
            self.panic_in.set(left.checked_sub(1));
            assert!(left > 0, "planned panic");
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.live.count.set(self.live.count.get() - 1);
        if self.live.panic_in_drop_of.get() == Some(self.number) {
            self.live.panic_in_drop_of.set(None);
            panic!("planned panic");
        }
    }
}

impl Clone for Counted<'_> {
    fn clone(&self) -> Self {
        self.live.tick();
        self.live.item(self.number)
    }
}

impl PartialEq for Counted<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.live.tick();
        self.number == other.number
    }
}
impl Eq for Counted<'_> {}

impl std::hash::Hash for Counted<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.live.tick();
        // Few hashes, so that keys are compared.
        (self.number % 4).hash(state);
    }
}
