//! `testing::with_safe_allocator`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rstest::rstest;
use zigalloc::testing::with_safe_allocator;
use zigalloc::{Error, SyncAllocator};

use super::*;

/// Returns the message of a failing test.
fn failure<T>(test: impl FnOnce(SyncAllocator<'_>) -> T) -> Option<String> {
    let failed = catch_unwind(AssertUnwindSafe(|| with_safe_allocator(test))).err()?;
    Some(*failed.downcast::<String>().expect("the message has values in it"))
}

/// TE-01, TE-02: the test's result is returned, with `?` inside and outside.
#[test]
fn passing_test_returns_its_result() -> Result<(), Error> {
    let length = with_safe_allocator(|allocator| {
        let text = allocator.dupe(b"hello")?;
        let length = text.len();
        // SAFETY: freed once.
        unsafe { allocator.free(text) };
        Ok::<_, Error>(length)
    })?;
    assert_eq!(length, 5);
    Ok(())
}

/// TE-01, TE-02: each error fails the test, and the message has it.
#[rstest]
fn each_mistake_panics(
    #[values(
        "leak",
        "double free",
        "wrong length",
        "wrong alignment",
        "corruption",
        "write after free",
        "invalid free"
    )]
    mistake: &str,
) {
    let text = failure(|allocator| {
        let a = *allocator;
        let memory = alloc(a, 10, 8);
        match mistake {
            "leak" => return,
            "double free" => free(a, memory, 8),
            "wrong length" => return free(a, block(memory.cast(), 9), 8),
            "wrong alignment" => return free(a, memory, 1),
            "corruption" => {
                free(a, memory, 8);
                // SAFETY: an error, but the pointer may access the bucket.
                return unsafe { memory.cast::<u8>().add(17).write(1) };
            }
            "write after free" => {
                free(a, memory, 8);
                // SAFETY: an error, but the pointer may access the bucket.
                return unsafe { memory.cast::<u8>().write(1) };
            }
            _ => free(a, block(NonNull::dangling(), 10), 1),
        }
        free(a, memory, 8);
    });
    let text = text.unwrap();
    let begin = format!("with_safe_allocator: 1 mistake: SafeAllocator: {mistake}");
    assert!(text.starts_with(&begin), "{text}");
}
