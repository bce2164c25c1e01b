//! A child that exits the process in the middle of a call. Destructors of thread-locals then run, with the allocator
//! above in the state in which it called the child. Safe code in such a destructor must not use freed memory.
//!
//! The table has every kind of allocator with a child, the operations on it, and each call of the child that an
//! operation makes: before the child has done anything, and after it is done. Each row is a process of its own, forked
//! from one per operation, since starting the test program takes longer than a row. It exits with [`DESTROYED`] on
//! success: a ledger below aborts on a double free, freed memory is overwritten, and blocks are compared with what was
//! written to them. The sink of a `LoggingAllocator` is safe code, so containers directly above one have rows too.
//!
//! `.ci/asan` runs the same under AddressSanitizer. Types without a child, or whose child is not the user's code
//! (pages, C, SMP, fixed buffers), have no rows.

mod arenas;
#[cfg(feature = "capi")]
mod capi;
mod child;
#[cfg(feature = "collections")]
mod collections;
#[cfg(feature = "allocator-api2-02")]
mod containers;
mod handles;
mod pools;
#[cfg(feature = "collections")]
mod rehash;

use std::cell::RefCell;
use std::panic::catch_unwind;

use rstest::rstest;

use self::child::{Child, Moment};
use zigalloc_support::{alone, end_process, in_child, run_alone};

/// The code with which the child exits. The thread-local's destructor replaces it.
const EXIT_CODE: i32 = 41;
/// The code of a process whose destructor has run, and of one whose operation has completed.
const DESTROYED: i32 = 42;
const COMPLETED: i32 = 0;
/// What the process of an operation prints with the number of its rows.
const ROWS: &str = "rows in which the child exits: ";

/// An allocator that a thread-local owns.
pub(crate) trait Kind {
    /// Prepares a state in which something can be lost.
    fn prepare(&mut self);

    /// Runs an operation of this kind, which calls the child.
    fn run(&mut self, operation: &str);

    /// Uses the allocator as safe code in a destructor can: allocates, writes, reads, frees.
    fn use_in_destructor(&mut self);
}

/// In seconds.
const TIME_LIMIT: u32 = 60;

struct Owner {
    kind: Box<dyn Kind>,
    /// Dropped last.
    _end: End,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.kind.use_in_destructor();
    }
}

/// Ends the process with [`DESTROYED`] if it is exiting: what was dropped before has not crashed.
struct End(&'static Child);

impl Drop for End {
    fn drop(&mut self) {
        if self.0.is_exiting() {
            end_process(DESTROYED);
        }
    }
}

thread_local! {
    static OWNER: RefCell<Option<Owner>> = const { RefCell::new(None) };
}

/// Expands a list of words to operations.
fn operations(words: &str) -> impl Iterator<Item = &str> {
    words.split(", ").flat_map(|word| match word {
        "resets" => vec!["reset free_all", "reset retain_capacity", "reset retain_with_limit"],
        "calls" => vec!["alloc", "resize", "remap", "free"],
        operation => vec![operation],
    })
}

/// The rows of a kind: for each operation, one for each call of the child until it needs no more.
#[rstest]
#[case::arena("arena", "grow, new node, second attempt, scope, spare, rewind, replace, resets")]
#[case::arena_over_arena("arena_over_arena", "new node, scope, spare")]
#[case::scope("scope", "grow, new node")]
#[case::shared_arena("shared_arena", "grow, new node, second attempt, free node, replace, resets")]
#[case::pool("pool", "create, create_box, preheat, replace, resets")]
#[case::preheated_pool("preheated_pool", "preheat, replace, resets")]
#[case::pool_box("pool_box", "create_box")]
#[case::buffer_first("buffer_first", "calls")]
#[case::stack_fallback("stack_fallback", "calls")]
#[case::counting("counting", "calls")]
#[case::logging("logging", "calls")]
#[cfg_attr(
    feature = "allocator-api2-02",
    case::remapped_container("remapped_container", "push, append, shrink, map")
)]
#[cfg_attr(
    feature = "allocator-api2-02",
    case::copied_container("copied_container", "push, append, shrink, map")
)]
#[cfg_attr(
    feature = "allocator-api2-02",
    case::remapped_quarantine("remapped_quarantine", "push, append, shrink, map, large")
)]
#[cfg_attr(
    feature = "allocator-api2-02",
    case::copied_quarantine("copied_quarantine", "push, append, shrink, map, large")
)]
#[cfg_attr(
    feature = "collections",
    case::remapped_collections("remapped_collections", "grow, shrink, free, clear, compare, owned")
)]
#[cfg_attr(
    feature = "collections",
    case::copied_collections("copied_collections", "grow, shrink, free, clear, compare, owned")
)]
#[cfg_attr(feature = "collections", case::rehashed_map("rehashed_map", "put, assume"))]
#[case::failing("failing", "calls")]
#[case::unreliable("unreliable", "calls")]
#[case::validation("validation", "calls")]
#[case::ledger("ledger", "calls")]
#[cfg_attr(feature = "allocator-api2-02", case::from_allocator("from_allocator", "alloc, remap, free"))]
#[case::debug("debug", "calls, small, kept, flush, replace")]
#[case::retaining_debug("retaining_debug", "calls, small, kept, flush, replace")]
#[case::safe("safe", "calls, small, replace")]
#[case::traced_safe("traced_safe", "calls, small, replace")]
#[case::thread_safe("thread_safe", "calls")]
#[cfg_attr(feature = "lock_api", case::locked("locked", "calls"))]
#[case::sbrk("sbrk", "small, large")]
#[cfg_attr(feature = "capi", case::c_pool("c_pool", "alloc, preheat, resets"))]
#[cfg_attr(feature = "capi", case::c_arena("c_arena", "new node, resets"))]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
#[cfg_attr(
    not(all(target_os = "linux", target_env = "gnu")),
    ignore = "on this system, `exit` need not run the destructors of thread-local values"
)]
fn no_freed_memory_is_used(#[case] kind: &str, #[case] words: &str) {
    for operation in operations(words) {
        let output = run_alone("contract::exits::row_process", &format!("{kind}/{operation}"));
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{kind}/{operation}: {}\n{out}\n{err}", output.status);
        let rows = out.split_once(ROWS).and_then(|(_, rest)| rest.lines().next()?.parse::<usize>().ok());
        assert!(rows > Some(0), "{kind}: {operation} has not called the child\n{out}");
    }
}

/// The process of an operation, which forks one for each row. Does nothing when run as an ordinary test.
#[test]
fn row_process() {
    let Some(case) = alone() else { return };
    let (kind, operation) = case.split_once('/').expect("two words");
    // Once without an exit, which also loads the symbols that a log needs, once instead of in each row.
    assert_eq!(run_row(kind, operation, usize::MAX, Moment::Before), COMPLETED, "{case}");
    let mut rows = 0;
    for moment in [Moment::Before, Moment::After] {
        for call in 1.. {
            // SAFETY: the other thread of this process waits for this one, and holds no lock meanwhile.
            let status = unsafe { in_child(TIME_LIMIT, || run_row(kind, operation, call, moment)) };
            match status.code() {
                Some(COMPLETED) => break,
                Some(DESTROYED) => rows += 1,
                _ => panic!(
                    "{case}, {moment:?} call {call}: {status}; {EXIT_CODE}: the destructor has not run"
                ),
            }
        }
    }
    println!("{ROWS}{rows}");
}

/// Runs an operation, in which the child exits at a call.
fn run_row(kind: &str, operation: &str, call: usize, moment: Moment) -> i32 {
    let row = || {
        let child = Child::leak();
        OWNER.set(Some(Owner { kind: make(kind, child), _end: End(child) }));
        OWNER.with_borrow_mut(|owner| {
            let kind = &mut owner.as_mut().expect("it has just been set").kind;
            kind.prepare();
            child.exit_at(call, moment);
            kind.run(operation);
            child.exit_no_more();
        });
        OWNER.set(None);
        child.assert_no_leaks();
    };
    // The process of the row must not return from the test.
    if catch_unwind(row).is_ok() { COMPLETED } else { 101 }
}

fn make(kind: &str, child: &'static Child) -> Box<dyn Kind> {
    arenas::make(kind, child)
        .or_else(|| pools::make(kind, child))
        .or_else(|| handles::make(kind, child))
        .or_else(|| {
            #[cfg(feature = "allocator-api2-02")]
            return containers::make(kind, child);
            #[cfg(not(feature = "allocator-api2-02"))]
            None
        })
        .or_else(|| {
            #[cfg(feature = "collections")]
            return collections::make(kind, child).or_else(|| rehash::make(kind, child));
            #[cfg(not(feature = "collections"))]
            None
        })
        .or_else(|| {
            #[cfg(feature = "capi")]
            return capi::make(kind, child);
            #[cfg(not(feature = "capi"))]
            None
        })
        .unwrap_or_else(|| panic!("there is no kind {kind:?}"))
}

/// Checks that AddressSanitizer is active and finds what the table looks for. `.ci/asan` runs it too.
#[test]
#[ignore = "it needs AddressSanitizer: run .ci/asan"]
fn planted_use_after_free_is_detected() {
    if alone().is_none() {
        let output = run_alone("contract::exits::planted_process", "planted");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{}\n{err}", output.status);
        assert!(err.contains("AddressSanitizer: heap-use-after-free"), "{err}");
    }
}

/// The process of the test above: a destructor that reads freed memory.
#[test]
fn planted_process() {
    struct Reads(std::ptr::NonNull<[u8]>);
    impl Drop for Reads {
        fn drop(&mut self) {
            // SAFETY: none. This is the error to be found.
            std::hint::black_box(unsafe { self.0.cast::<u8>().read() });
        }
    }
    thread_local!(static READS: RefCell<Option<Reads>> = const { RefCell::new(None) });
    if alone().as_deref() != Some("planted") {
        return;
    }
    let child = Child::leak();
    let allocator = child.allocator();
    let memory = allocator.alloc::<u8>(100).expect("memory");
    READS.set(Some(Reads(memory)));
    child.exit_at(1, Moment::After);
    // SAFETY: a live block, which the destructor reads after it is freed: see above.
    unsafe { allocator.free(memory) };
    unreachable!("the child has not exited");
}
