//! The nightly compiler's trait, in both directions, and the standard library's containers.
#![cfg(all(feature = "std", feature = "nightly"))]

use std::collections::{BinaryHeap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::{alloc as api, boxed, vec};

use zigalloc::adapters::nightly::FromAllocator;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, SMP_ALLOCATOR};
use zigalloc::testing::LedgerAllocator;

#[path = "from_trait.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests for another trait")]
mod from_trait;
#[path = "owning.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests for another trait")]
mod owning;
#[path = "to_trait.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests for another trait")]
mod to_trait;

#[test]
fn containers_of_the_standard_library() {
    let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    {
        let allocator = ledger.allocator();
        let mut heap = BinaryHeap::new_in(allocator);
        let mut deque = VecDeque::new_in(allocator);
        for n in 0..100u32 {
            heap.push(Rc::new_in(n, allocator));
            deque.push_front(n);
        }
        let largest = heap.peek().map(Rc::clone).unwrap();
        drop(heap);
        assert_eq!((*largest, deque[0]), (99, 99));
        deque.truncate(3);
        deque.shrink_to_fit();
        assert_eq!(deque, [99, 98, 97]);
    }
    ledger.assert_no_leaks();
}

#[test]
fn arc_crosses_threads() {
    let text = Arc::new_in([1u8, 2, 3], SMP_ALLOCATOR);
    let threads: Vec<_> = (0..3)
        .map(|n| {
            let text = Arc::clone(&text);
            std::thread::spawn(move || text[n])
        })
        .collect();
    drop(text);
    let sum: u8 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(sum, 6);
}

/// A container of the standard library, in an arena, over an allocator of the standard library.
#[test]
fn adapters_compose_in_both_directions() {
    let adapter = FromAllocator::new(std::alloc::System);
    let arena = ArenaAllocator::init(adapter.allocator());
    let mut lines = Vec::new_in(arena.allocator());
    lines.extend((0..50).map(|n| boxed::Box::new_in(n, arena.allocator())));
    assert_eq!(lines.iter().map(|n| **n).sum::<i32>(), 49 * 25);
}
