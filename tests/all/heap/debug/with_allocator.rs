//! `testing::with_allocator`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rstest::rstest;
use zigalloc::testing::with_allocator;
use zigalloc::{Error, SyncAllocator};

use super::*;

/// Returns the message of a failing test.
fn failure<T>(test: impl FnOnce(SyncAllocator<'_>) -> T) -> Option<String> {
    let failed = catch_unwind(AssertUnwindSafe(|| with_allocator(test))).err()?;
    Some(*failed.downcast::<String>().expect("the message has values in it"))
}

/// TE-01, TE-02: the test's result is returned, with `?` inside and outside.
#[test]
fn passing_test_returns_its_result() -> Result<(), Error> {
    let length = with_allocator(|allocator| {
        let text = allocator.dupe(b"hello")?;
        let length = text.len();
        // SAFETY: freed once.
        unsafe { allocator.free(text) };
        Ok::<_, Error>(length)
    })?;
    assert_eq!(length, 5);
    Ok(())
}

/// TE-01, TE-02: a leak fails the test, and the message identifies the block.
#[test]
fn leak_panics_with_its_trace() {
    let text = failure(|allocator| allocator.alloc::<u8>(123).map(address)).unwrap();
    assert!(text.starts_with("with_allocator: 1 mistake: DebugAllocator: leak: 123 bytes at 0x"), "{text}");
    #[cfg(all(feature = "backtrace", not(miri)))]
    assert!(text.contains("leak_panics_with_its_trace") && text.contains("with_allocator.rs:"), "{text}");
}

/// TE-01: so does any other error, even if everything is freed.
#[rstest]
#[cfg_attr(miri, ignore = "to save time: Miri makes these mistakes in the tests in `heap::debug`")]
fn each_mistake_panics(
    #[values("double free", "wrong length", "wrong alignment", "overrun", "invalid free")] mistake: &str,
) {
    let text = failure(|allocator| {
        let a = *allocator;
        let memory = alloc(a, 10, 8);
        match mistake {
            "double free" => free(a, memory, 8),
            "wrong length" => return free(a, block(memory.cast(), 9), 8),
            "wrong alignment" => return free(a, memory, 1),
            // SAFETY: an error, but the slot has 16 bytes.
            "overrun" => unsafe { memory.cast::<u8>().add(10).write(1) },
            _ => free(a, block(NonNull::dangling(), 10), 1),
        }
        free(a, memory, 8);
    });
    let text = text.unwrap();
    assert!(text.starts_with(&format!("with_allocator: 1 mistake: DebugAllocator: {mistake}")), "{text}");
}

#[test]
fn several_mistakes_panic_once() {
    let text = failure(|allocator| {
        alloc(*allocator, 1, 1);
        alloc(*allocator, 2, 1);
        free(*allocator, block(NonNull::dangling(), 10), 1);
    });
    assert!(text.unwrap().starts_with("with_allocator: 3 mistakes; the first: DebugAllocator: invalid free"));
}

/// The test's own panic is propagated, not the leaks that it causes.
#[test]
#[should_panic = "the test's own"]
fn own_panic_is_propagated() {
    with_allocator(|allocator| {
        alloc(*allocator, 1, 1);
        panic!("the test's own");
    });
}

/// TE-02: concurrent tests have separate allocators; the handle can be sent to threads.
#[rstest]
fn many_at_once_do_not_interfere(#[values(1, 2, 3, 4)] n: usize) {
    with_allocator(|allocator| {
        std::thread::scope(|scope| {
            for len in 1..=n {
                scope.spawn(move || free(*allocator, alloc(*allocator, len, 1), 1));
            }
        });
    });
}
