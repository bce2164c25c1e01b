//! `testing::with_allocator`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rstest::rstest;
use zigalloc::testing::with_allocator;
use zigalloc::{Error, SyncAllocator};

use super::*;

/// What a test panics with.
fn failure<T>(test: impl FnOnce(SyncAllocator<'_>) -> T) -> Option<String> {
    let failed = catch_unwind(AssertUnwindSafe(|| with_allocator(test))).err()?;
    Some(*failed.downcast::<String>().expect("the message has values in it"))
}

/// TE-01, TE-02: what the test returns is returned, with `?` inside and outside.
#[test]
fn a_good_test() -> Result<(), Error> {
    let length = with_allocator(|allocator| {
        let text = allocator.dupe(b"hello")?;
        let length = text.len();
        // SAFETY: it is freed once.
        unsafe { allocator.free(text) };
        Ok::<_, Error>(length)
    })?;
    assert_eq!(length, 5);
    Ok(())
}

/// TE-01, TE-02: a leak fails the test, and the message has the block.
#[test]
fn a_leak() {
    let text = failure(|allocator| allocator.alloc::<u8>(123).map(address)).unwrap();
    assert!(text.starts_with("with_allocator: 1 mistake: DebugAllocator: leak: 123 bytes at 0x"), "{text}");
    #[cfg(all(feature = "backtrace", not(miri)))]
    assert!(text.contains("a_leak") && text.contains("with_allocator.rs:"), "{text}");
}

/// TE-01: and so does anything else, even if all is freed.
#[rstest]
#[cfg_attr(miri, ignore = "to save time: Miri makes these mistakes in the tests in `heap::debug`")]
fn a_mistake(
    #[values("double free", "wrong length", "wrong alignment", "overrun", "invalid free")] mistake: &str,
) {
    let text = failure(|allocator| {
        let a = *allocator;
        let memory = alloc(a, 10, 8);
        match mistake {
            "double free" => free(a, memory, 8),
            "wrong length" => return free(a, block(memory.cast(), 9), 8),
            "wrong alignment" => return free(a, memory, 1),
            // SAFETY: it is a mistake, but the slot has 16 bytes.
            "overrun" => unsafe { memory.cast::<u8>().add(10).write(1) },
            _ => free(a, block(NonNull::dangling(), 10), 1),
        }
        free(a, memory, 8);
    });
    let text = text.unwrap();
    assert!(text.starts_with(&format!("with_allocator: 1 mistake: DebugAllocator: {mistake}")), "{text}");
}

#[test]
fn several_mistakes() {
    let text = failure(|allocator| {
        alloc(*allocator, 1, 1);
        alloc(*allocator, 2, 1);
        free(*allocator, block(NonNull::dangling(), 10), 1);
    });
    assert!(text.unwrap().starts_with("with_allocator: 3 mistakes; the first: DebugAllocator: invalid free"));
}

/// The test's own panic is what comes out, not the leaks that it causes.
#[test]
#[should_panic = "the test's own"]
fn a_panic() {
    with_allocator(|allocator| {
        alloc(*allocator, 1, 1);
        panic!("the test's own");
    });
}

/// TE-02: each has its own, at the same time; the handle goes to threads.
#[rstest]
fn many_at_once(#[values(1, 2, 3, 4)] n: usize) {
    with_allocator(|allocator| {
        std::thread::scope(|scope| {
            for len in 1..=n {
                scope.spawn(move || free(*allocator, alloc(*allocator, len, 1), 1));
            }
        });
    });
}
