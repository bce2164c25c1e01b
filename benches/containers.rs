//! `cargo bench --bench containers`: this crate's containers beside the library underneath, in pairs.
//!
//! Both sides do the same work on the same allocator. A ratio above 1 is the layer's cost.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::hint::black_box;

use allocator_api2_02::vec::Vec as ApiVec;
use criterion::Criterion;
use zigalloc::collections::{ArrayList, AutoHashMap, Natural, PriorityQueue};
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode, SMP_ALLOCATOR};

#[path = "allocators/pairs.rs"]
#[allow(dead_code, reason = "the rows of threads are the other bench's")]
mod pairs;

use pairs::{Pairs, time};

const COUNT: u32 = 10_000;

/// The hasher that the maps of this crate use, for hashbrown's.
type Hasher = foldhash::fast::FixedState;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut pairs = Pairs::default();
    lists(&mut criterion, &mut pairs);
    maps(&mut criterion, &mut pairs);
    queues(&mut criterion, &mut pairs);
    criterion.final_summary();
    pairs.print();
}

fn lists(criterion: &mut Criterion, pairs: &mut Pairs) {
    let allocator = *SMP_ALLOCATOR;
    let mut list = ArrayList::<u32>::init_capacity(allocator, COUNT as usize).unwrap();
    let mut vec = ApiVec::<u32, _>::with_capacity_in(COUNT as usize, allocator);
    pairs.row(
        criterion,
        "list: append 10000 in capacity, Vec::push",
        |iterations| {
            time(iterations, || {
                list.clear_retaining_capacity();
                (0..COUNT).for_each(|n| list.append(black_box(n)).unwrap());
            })
        },
        |iterations| {
            time(iterations, || {
                vec.clear();
                (0..COUNT).for_each(|n| vec.push(black_box(n)));
            })
        },
    );
    pairs.row(
        criterion,
        "list: grow to 10000 by append, Vec::push",
        |iterations| {
            time(iterations, || {
                let mut list = ArrayList::<u32>::init(allocator);
                (0..COUNT).for_each(|n| list.append(black_box(n)).unwrap());
                black_box(&list);
            })
        },
        |iterations| {
            time(iterations, || {
                let mut vec = ApiVec::<u32, _>::new_in(allocator);
                (0..COUNT).for_each(|n| vec.push(black_box(n)));
                black_box(&vec);
            })
        },
    );
    let text = *b"some text of bytes";
    pairs.row(
        criterion,
        "list: append_slice of 18 bytes, 1000 times, Vec::extend_from_slice",
        |iterations| {
            time(iterations, || {
                let mut list = ArrayList::<u8>::init(allocator);
                (0..1000).for_each(|_| list.append_slice(black_box(&text)).unwrap());
                black_box(&list);
            })
        },
        |iterations| {
            time(iterations, || {
                let mut vec = ApiVec::<u8, _>::new_in(allocator);
                (0..1000).for_each(|_| vec.extend_from_slice(black_box(&text)));
                black_box(&vec);
            })
        },
    );
}

fn maps(criterion: &mut Criterion, pairs: &mut Pairs) {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let mut other_arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    pairs.row(
        criterion,
        "map in an arena: put 10000, hashbrown's insert",
        |iterations| {
            time(iterations, || {
                let _ = arena.reset(ResetMode::RetainCapacity);
                let mut map = AutoHashMap::<u32, u32>::init(arena.allocator());
                (0..COUNT).for_each(|n| map.put(black_box(n), n).unwrap());
                black_box(&map);
            })
        },
        |iterations| {
            time(iterations, || {
                let _ = other_arena.reset(ResetMode::RetainCapacity);
                let mut map = hashbrown::HashMap::with_hasher_in(Hasher::default(), other_arena.allocator());
                (0..COUNT).for_each(|n| {
                    map.insert(black_box(n), n);
                });
                black_box(&map);
            })
        },
    );
    let _ = arena.reset(ResetMode::RetainCapacity);
    let mut map = AutoHashMap::<u32, u32>::init(arena.allocator());
    let mut other = hashbrown::HashMap::with_hasher_in(Hasher::default(), arena.allocator());
    for n in 0..COUNT {
        map.put(n, n).unwrap();
        other.insert(n, n);
    }
    pairs.row(
        criterion,
        "map in an arena: get 10000, hashbrown's get",
        |iterations| {
            time(iterations, || {
                (0..COUNT).for_each(|n| {
                    black_box(map.get(&black_box(n)));
                });
            })
        },
        |iterations| {
            time(iterations, || {
                (0..COUNT).for_each(|n| {
                    black_box(other.get(&black_box(n)));
                });
            })
        },
    );
    pairs.row(
        criterion,
        "map in an arena: get_or_put 10000 that are there, hashbrown's entry",
        |iterations| {
            time(iterations, || {
                (0..COUNT).for_each(|n| *map.get_or_put(black_box(n)).unwrap().value_ptr += 1);
            })
        },
        |iterations| {
            time(iterations, || {
                (0..COUNT).for_each(|n| *other.entry(black_box(n)).or_insert(0) += 1);
            })
        },
    );
}

fn queues(criterion: &mut Criterion, pairs: &mut Pairs) {
    let mut queue = PriorityQueue::<u64, Natural>::init(*SMP_ALLOCATOR, Natural);
    let mut heap = BinaryHeap::new();
    let number = |n: u32| u64::from(n.wrapping_mul(2_654_435_761));
    pairs.row(
        criterion,
        "priority queue: add and remove 10000, std's BinaryHeap",
        |iterations| {
            time(iterations, || {
                (0..COUNT).for_each(|n| queue.add(number(n)).unwrap());
                (0..COUNT).for_each(|_| {
                    black_box(queue.remove());
                });
            })
        },
        |iterations| {
            time(iterations, || {
                (0..COUNT).for_each(|n| heap.push(Reverse(number(n))));
                (0..COUNT).for_each(|_| {
                    black_box(heap.pop());
                });
            })
        },
    );
    let compare = |a: &(u32, u32), b: &(u32, u32)| -> Ordering { a.0.cmp(&b.0) };
    let mut queue = PriorityQueue::<(u32, u32), _>::init(*SMP_ALLOCATOR, compare);
    let mut sum = 0;
    pairs.row(
        criterion,
        "priority queue: a closure that compares keys, std's BinaryHeap",
        |iterations| {
            time(iterations, || {
                (0..COUNT).for_each(|n| queue.add((number(n) as u32, n)).unwrap());
                while let Some((key, _)) = queue.remove_or_null() {
                    sum += u64::from(key);
                }
            })
        },
        |iterations| {
            let mut heap = BinaryHeap::new();
            time(iterations, || {
                (0..COUNT).for_each(|n| heap.push(ByKey(number(n) as u32, n)));
                while let Some(ByKey(key, _)) = heap.pop() {
                    black_box(key);
                }
            })
        },
    );
    black_box(sum);
}

/// Ordered by its first number, the least last.
struct ByKey(u32, #[allow(dead_code, reason = "what is carried")] u32);

impl PartialEq for ByKey {
    fn eq(&self, other: &ByKey) -> bool {
        self.0 == other.0
    }
}
impl Eq for ByKey {}
impl PartialOrd for ByKey {
    fn partial_cmp(&self, other: &ByKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for ByKey {
    fn cmp(&self, other: &ByKey) -> Ordering {
        other.0.cmp(&self.0)
    }
}
