//! A debug allocator under the `#[global_allocator]` of a process that forks while its threads allocate. The child
//! has one thread, and no lock is held by a missing thread: it allocates, frees, and exits.
#![cfg(all(unix, feature = "std", not(miri)))]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::debug::Report;
use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR, SMP_ALLOCATOR};
use zigalloc::{SyncAllocator, ThreadSafeAllocator};

static DEBUG: DebugAllocator<SyncAllocator<'static>> = DebugAllocator::with_config(
    PAGE_ALLOCATOR,
    DebugConfig { safety: true, stack_trace_frames: 1, report, ..DebugConfig::DEFAULT },
);

/// No reports, not even in the child: it knows the blocks of its parent.
fn report(report: &Report) {
    REPORTS.fetch_add(1, Ordering::Relaxed);
    eprintln!("{report}");
}

static REPORTS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: its lock does not allocate, and its child uses the operating system.
#[global_allocator]
static GLOBAL: GlobalAllocator = unsafe { GlobalAllocator::new(DEBUG.allocator()) };

/// Allocates small blocks, large ones, and some that grow.
fn work(rounds: usize) {
    for round in 0..rounds {
        let mut map = BTreeMap::new();
        for n in 0..20 {
            map.insert(n, vec![round as u8; 1 << (n % 18)]);
        }
        map.retain(|n, bytes| n % 3 == 0 || bytes.iter().all(|&byte| byte == round as u8));
        assert_eq!(map.len(), 20);
    }
}

/// Runs a function in a child process; returns whether it succeeded within the time limit, after which it counts as
/// hanging.
fn in_child(seconds: u32, run: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child only allocates, which is under test, and takes no lock that another thread may hold.
    unsafe { zigalloc_support::in_child(seconds, || i32::from(!run())) }.success()
}

/// Runs a function while other threads allocate.
fn beside_threads(threads: usize, run: impl FnOnce()) {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    work(1);
                }
            });
        }
        // The threads stop even if `run` panics.
        struct Done<'d>(&'d AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _done = Done(&is_done);
        run();
    });
}

/// A single test, because a fork affects the whole process.
#[test]
fn forks_while_threads_allocate() {
    let before = vec![7_u8; 100_000];
    beside_threads(3, || {
        for n in 0..150 {
            let survives = in_child(30, || {
                work(3);
                // Frees a block of the parent, and forks again.
                let ends = n % 10 != 0
                    || in_child(30, || {
                        work(2);
                        true
                    });
                before.iter().all(|&byte| byte == 7) && ends && REPORTS.load(Ordering::Relaxed) == 0
            });
            assert!(survives, "fork {n}: the child hangs, or its memory has changed");
        }
        // Threads that fork at the same time.
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    (0..10).for_each(|_| {
                        assert!(in_child(30, || {
                            work(1);
                            true
                        }))
                    })
                });
            }
        });
    });
    work(10);
    assert_eq!(REPORTS.load(Ordering::Relaxed), 0);

    what_other_allocators_do();
    a_fork_is_no_call_in_progress();
}

/// Allocators of one thread, and those that are dropped, are not in the middle of a call because another thread forks.
fn a_fork_is_no_call_in_progress() {
    static LEAKS: AtomicUsize = AtomicUsize::new(0);
    fn count(_: &Report) {
        LEAKS.fetch_add(1, Ordering::Relaxed);
    }
    const ALLOCATORS: usize = 2000;
    let config = DebugConfig {
        safety: true,
        stack_trace_frames: 0,
        thread_safe: false,
        report: count,
        ..DebugConfig::DEFAULT
    };
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                assert!(in_child(30, || true));
            }
        });
        for _ in 0..ALLOCATORS {
            let debug = DebugAllocator::with_config(*PAGE_ALLOCATOR, config);
            debug.allocator().alloc::<u8>(10).unwrap();
            drop(debug);
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert_eq!(
        LEAKS.load(Ordering::Relaxed),
        ALLOCATORS,
        "each leak is reported when its allocator is dropped"
    );
}

/// As documented: the page and SMP allocators work in the child, and a `ThreadSafeAllocator` whose lock was held does
/// not.
fn what_other_allocators_do() {
    let pages = |allocator: SyncAllocator<'_>| {
        (1..=50).all(|n| {
            let Ok(memory) = allocator.alloc::<u8>(n * 100) else { return false };
            // SAFETY: a live block.
            unsafe { allocator.free(memory) };
            true
        })
    };
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    pages(SMP_ALLOCATOR);
                }
            });
        }
        for _ in 0..50 {
            assert!(in_child(30, || pages(SMP_ALLOCATOR) && pages(PAGE_ALLOCATOR)));
        }
        is_done.store(true, Ordering::Relaxed);
    });

    // A child of the lock that blocks until it is told to return.
    static STATE: AtomicUsize = AtomicUsize::new(0);
    struct Slow;
    impl zigalloc::trace::Sink for Slow {
        fn write(&mut self, _: &zigalloc::trace::LoggedCall) -> std::fmt::Result {
            if STATE.load(Ordering::Relaxed) == 2 {
                return Ok(());
            }
            STATE.store(1, Ordering::Relaxed);
            while STATE.load(Ordering::Relaxed) != 2 {
                thread::yield_now();
            }
            Ok(())
        }
    }
    let logging = zigalloc::trace::LoggingAllocator::init(*PAGE_ALLOCATOR, Slow);
    // SAFETY: the page allocator is thread-safe, and the sink is used under the lock alone.
    let locked = unsafe { ThreadSafeAllocator::from_child(logging.allocator()) };
    thread::scope(|scope| {
        scope.spawn(|| pages(locked.allocator()));
        while STATE.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        let hangs = !in_child(1, || pages(locked.allocator()));
        STATE.store(2, Ordering::Relaxed);
        assert!(hangs, "the lock was held by a thread that the child does not have");
    });
}
