//! The trait of allocator-api2 0.2, in both directions, and hashbrown's maps, which use it.
#![cfg(all(feature = "std", feature = "allocator-api2-02"))]

use std::cell::Cell;
use std::collections::HashMap as StdHashMap;
use std::mem::MaybeUninit;

use allocator_api2_02::{alloc as api, boxed, vec};
use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use zigalloc::adapters::allocator_api2_02::FromAllocator;
use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR, PageAllocator, RustAllocator};
use zigalloc::{Allocator, SyncAllocator, ThreadSafeAllocator};
use zigalloc_support::Recorder;

use self::to_trait::{Counted, MANY, ledger};

#[path = "from_trait.rs"]
mod from_trait;
#[path = "owning.rs"]
mod owning;
#[path = "to_trait.rs"]
mod to_trait;

assert_impl_all!(HashMap<u8, u8, (), SyncAllocator<'static>>: Send, Sync);
assert_not_impl_any!(HashMap<u8, u8, (), Allocator<'static>>: Send, Sync);

/// Fills a map, shrinks and drops it; every element is dropped once.
fn use_map<A: api::Allocator + Copy>(allocator: A) {
    let live = Cell::new(0);
    let mut map = HashMap::new_in(allocator);
    for key in 0..MANY {
        map.insert(key, boxed::Box::new_in(Counted::new(&live, 3 * key), allocator));
    }
    assert_eq!(live.get(), MANY as i32);
    map.retain(|key, _| key % 2 == 1);
    map.shrink_to_fit();
    assert_eq!(live.get(), MANY as i32 / 2);
    assert!(
        (0..MANY).all(|key| map.get(&key).map(|counted| counted.value) == (key % 2 == 1).then_some(3 * key))
    );
    // Another copy of the handle is the same allocator.
    let copy = map.iter().map(|(&key, counted)| (key, counted.value));
    let mut sorted = vec::Vec::new_in(allocator);
    sorted.extend(copy);
    sorted.sort_unstable();
    assert_eq!(sorted[..2], [(1, 3), (3, 9)]);
    drop(map);
    assert_eq!(live.get(), 0);
}

#[test]
fn map_works_in_an_arena() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let recorder = Recorder::new(arena.allocator());
    use_map(recorder.allocator());
    assert_eq!(ledger(&recorder.take()), StdHashMap::new());
}

#[test]
fn maps_in_one_arena_from_many_threads() {
    let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let thread_safe_arena = ThreadSafeAllocator::new(&mut arena);
    let allocator = thread_safe_arena.allocator();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4u32)
            .map(|thread| {
                scope.spawn(move || {
                    use_map(allocator);
                    let mut map = HashMap::new_in(allocator);
                    map.extend((0..MANY / 4).map(|key| (key, thread + key)));
                    map
                })
            })
            .collect();
        // Maps made by one thread are read and dropped by another.
        for (worker, thread) in workers.into_iter().zip(0..) {
            let map = worker.join().unwrap();
            assert!(map.len() == MANY as usize / 4 && map.iter().all(|(key, value)| *value == thread + key));
        }
    });
}

/// What builds a container has no handle to give it, only `Default`.
#[test]
fn maps_are_built_with_a_default_allocator() {
    type Map<V, A> = HashMap<String, V, DefaultHashBuilder, A>;
    type Set<A> = HashSet<u8, DefaultHashBuilder, A>;

    let map: Map<usize, PageAllocator> = ["a", "rose", "is"].map(|word| (word.to_owned(), word.len())).into();
    assert_eq!(map["rose"], 4);
    let map: Map<usize, PageAllocator> = map.into_iter().filter(|(_, len)| *len > 1).collect();
    assert_eq!((map.len(), map["is"]), (2, 2));
    let Map::<usize, PageAllocator> { .. } = Map::default();

    let text = r#"{"lines": [3, 1, 3], "words": [7]}"#;
    let parsed: Map<Set<RustAllocator>, RustAllocator> = serde_json::from_str(text).unwrap();
    assert_eq!(parsed["lines"], [1, 3].into_iter().collect::<Set<RustAllocator>>());
    assert_eq!(size_of_val(&parsed), size_of::<HashMap<String, (), DefaultHashBuilder>>());
}

#[test]
fn map_owns_its_arena() {
    use std::rc::Rc;
    use zigalloc::OwningHandle;

    let squares = || {
        let mut map = HashMap::new_in(OwningHandle::new(Rc::new(ArenaAllocator::init(PAGE_ALLOCATOR))));
        map.extend((0..MANY).map(|n| (n, u64::from(n) * 3)));
        map
    };
    let copy = squares().clone();
    assert!((0..MANY).all(|n| copy[&n] == u64::from(n) * 3));
}

#[test]
fn map_works_in_a_stateless_type() {
    use_map(PageAllocator);
    use_map(RustAllocator);
    if !cfg!(miri) {
        use_map(zigalloc::heap::SmpAllocator);
        use_map(zigalloc::heap::CAllocator);
    }
}

/// A table without memory returns an error, keeps its elements, and grows once there is memory again.
#[test]
fn map_out_of_memory_loses_nothing() {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    let allocator = fixed_buffer.allocator();
    let mut map = HashMap::new_in(allocator);
    let mut len = 0u32;
    while map.try_reserve(1).is_ok() {
        map.insert(len, u64::from(len) * 5);
        len += 1;
        assert!(len < 4096 / 12, "more than the buffer can hold");
    }
    assert!(len > 10);
    assert!(map.try_reserve(usize::MAX / 100).is_err());
    assert!((0..len).all(|key| map[&key] == u64::from(key) * 5));

    // The table is the last block, so its memory is reused, and this can be repeated.
    drop(map);
    let mut map: HashMap<u32, u32, _, _> = HashMap::new_in(allocator);
    assert!(map.try_reserve(100).is_ok());

    let mut map: HashMap<u8, u8, _, _> = HashMap::new_in(SyncAllocator::FAILING);
    assert!(map.try_reserve(1).is_err());
}

#[test]
fn bumpalo_conforms() {
    let mut bump = bumpalo::Bump::new();
    from_trait::kit(FromAllocator::new(&bump).allocator());
    from_trait::in_an_arena(FromAllocator::new(&bump).allocator());
    // Borrowed memory is free again.
    let full = bump.allocated_bytes();
    bump.reset();
    let empty = bump.allocated_bytes();
    assert!(empty < full, "{empty} of {full} bytes");
    from_trait::kit(FromAllocator::new(&bump).allocator());
}
