//! Caches of a fixed capacity: after a reservation, maps with no more entries than that need no memory.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rstest::rstest;
use zigalloc::collections::{
    ArrayHashMap, ArrayHashMapUnmanaged, AutoArrayHashMap, AutoHashMap, HashContext, HashMap,
    HashMapUnmanaged,
};
use zigalloc::heap::PAGE_ALLOCATOR;
use zigalloc::testing::{FailingAllocator, FailingConfig};
use zigalloc::{Allocator, Error, SyncAllocator};
use zigalloc_support::Random;

use super::{Counted, Live, assert_panics};

type Failing = FailingAllocator<SyncAllocator<'static>>;

/// The capacities: all small ones, and some near those at which hashbrown's table is full.
fn capacities() -> Vec<usize> {
    if cfg!(miri) { vec![3, 14] } else { (1..=60).chain([111, 112, 113, 224, 225, 448]).collect() }
}

/// Consecutive keys are side by side in the table. That is a run without a free place, in which each removal leaves a
/// place that no other hash can use, so that tables are rehashed often.
#[derive(Clone, Copy, Default)]
struct Sequential;

impl HashContext<u64, u64> for Sequential {
    fn hash(&self, key: &u64) -> u64 {
        *key
    }
    fn eql(&self, a: &u64, b: &u64) -> bool {
        a == b
    }
}

impl HashContext<Counted<'_>, Counted<'_>> for Sequential {
    fn hash(&self, key: &Counted<'_>) -> u64 {
        key.live.tick();
        key.number.into()
    }
    fn eql(&self, a: &Counted<'_>, b: &Counted<'_>) -> bool {
        a.number == b.number
    }
}

/// What a step puts, and in which way.
#[derive(Clone, Copy)]
struct Put {
    key: u64,
    value: usize,
    way: usize,
}

/// Runs a cache of each capacity: `reserve` makes it, then the allocator refuses everything, and random entries are
/// removed and put, mostly at the full count.
fn run_caches<M>(
    reserve: impl Fn(&Failing, usize) -> M,
    put: impl Fn(&mut M, &Failing, Put),
    remove: impl Fn(&mut M, u64, usize) -> Option<usize>,
    look: impl Fn(&M, u64) -> Option<usize>,
    size: impl Fn(&M) -> (usize, usize),
    end: impl Fn(M, &Failing),
) {
    for capacity in capacities() {
        let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
        let mut map = reserve(&failing, capacity);
        let (allocations, bytes) = (failing.alloc_index(), failing.allocated_bytes());
        failing.set_fail_index(allocations);
        failing.set_resize_fail_index(0);
        let (mut random, mut next) = (Random::new(capacity as u64), 0);
        let mut model: VecDeque<(u64, usize)> = VecDeque::new();
        let steps = if cfg!(miri) { capacity + 10 } else { 8 * capacity + 200 };
        for step in 0..steps {
            if model.len() == capacity || (model.len() > 1 && random.below(8) == 0) {
                for _ in 0..1 + random.below(model.len().min(3)) {
                    // The oldest entry, or any.
                    let victim = if capacity % 2 == 0 { 0 } else { random.below(model.len()) };
                    let (key, value) = model.remove(victim).expect("it is below the length");
                    assert_eq!(remove(&mut map, key, step), Some(value), "capacity {capacity}, step {step}");
                    assert_eq!(look(&map, key), None);
                }
            }
            while model.len() < capacity {
                put(&mut map, &failing, Put { key: next, value: step, way: next as usize % 5 });
                model.push_back((next, step));
                next += 1;
                if random.below(16) == 0 {
                    break;
                }
            }
            let (count, at_least) = size(&map);
            assert!(count == model.len() && at_least >= capacity, "capacity {capacity}: {at_least}");
        }
        assert!(model.iter().all(|&(key, value)| look(&map, key) == Some(value)), "capacity {capacity}");
        assert_eq!((failing.alloc_index(), failing.allocated_bytes()), (allocations, bytes));
        end(map, &failing);
        assert_eq!(failing.freed_bytes(), bytes);
    }
}

/// Puts a new entry in one of five ways into something with a map's methods; two are without an allocator.
macro_rules! put {
    ($unbound:expr, $bound:expr, $put:expr) => {{
        let Put { key, value, way } = $put;
        match way {
            0 => $unbound.put_assume_capacity(key, value),
            1 => *$unbound.get_or_put_assume_capacity(key).value_ptr = value,
            2 => assert_eq!($bound.fetch_put(key, value).unwrap(), None),
            3 => *$bound.get_or_put(key).unwrap().value_ptr = value,
            _ => $bound.put_no_clobber(key, value).unwrap(),
        }
    }};
}

#[test]
fn a_full_hash_map_needs_no_memory() {
    type Map = HashMap<'static, u64, usize, Sequential>;
    run_caches(
        |failing, capacity| {
            let mut map = Map::init(unbound(failing));
            map.ensure_total_capacity(capacity).unwrap();
            map
        },
        |map, _, new| put!(map, map, new),
        |map, key, _| map.fetch_remove(&key).map(|kv| kv.value),
        |map, key| map.get(&key).copied(),
        |map| (map.count(), map.capacity()),
        |map, _| drop(map),
    );
}

#[test]
fn a_full_array_hash_map_needs_no_memory() {
    type Map = ArrayHashMap<'static, u64, usize, Sequential>;
    run_caches(
        |failing, capacity| {
            let mut map = Map::init(unbound(failing));
            map.ensure_unused_capacity(capacity).unwrap();
            map
        },
        |map, _, new| put!(map, map, new),
        |map, key, step| {
            // A key that changes is a removal and an insertion too.
            let i = map.get_index(&key)?;
            let other = key | 1 << 63;
            assert_eq!(map.set_key(i, other), Ok(key));
            if step % 16 > 0 { map.fetch_swap_remove(&other) } else { map.fetch_ordered_remove(&other) }
                .map(|kv| kv.value)
        },
        |map, key| map.get(&key).copied(),
        |map| (map.count(), map.capacity()),
        |map, _| drop(map),
    );
}

#[test]
fn full_unmanaged_maps_need_no_memory() {
    type Maps = (HashMapUnmanaged<u64, usize, Sequential>, ArrayHashMapUnmanaged<u64, usize, Sequential>);
    run_caches(
        |failing, capacity| {
            let mut maps = Maps::default();
            // SAFETY: always this allocator, here and below, which is dropped after the last use of the maps.
            unsafe { maps.0.with(failing.allocator()) }.ensure_total_capacity(capacity).unwrap();
            // SAFETY: as above.
            unsafe { maps.1.with(failing.allocator()) }.ensure_total_capacity(capacity).unwrap();
            maps
        },
        |maps, failing, new| {
            // SAFETY: as above.
            put!(maps.0, unsafe { maps.0.with(failing.allocator()) }, new);
            // SAFETY: as above.
            put!(maps.1, unsafe { maps.1.with(failing.allocator()) }, new);
        },
        |maps, key, _| {
            let value = maps.0.fetch_remove(&key)?.value;
            assert_eq!(maps.1.fetch_swap_remove(&key)?.value, value);
            Some(value)
        },
        |maps, key| {
            assert_eq!(maps.0.get(&key), maps.1.get(&key));
            maps.0.get(&key).copied()
        },
        |maps| (maps.0.count(), maps.0.capacity().min(maps.1.capacity())),
        |mut maps, failing| {
            // SAFETY: as above.
            unsafe { maps.0.with(failing.allocator()) }.deinit();
            // SAFETY: as above.
            unsafe { maps.1.with(failing.allocator()) }.deinit();
        },
    );
}

/// A handle without the allocator's lifetime, for maps that are dropped before it.
fn unbound(failing: &Failing) -> Allocator<'static> {
    let handle = failing.allocator();
    // SAFETY: `run_caches` drops each map before its allocator.
    unsafe { Allocator::from_raw_parts(handle.ptr(), handle.vtable()) }
}

/// A reservation for fewer entries than there are holds once there are fewer.
#[test]
fn reserving_less_than_the_count_holds_later() -> Result<(), Error> {
    let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    let mut map = AutoHashMap::<u32, u32>::init(failing.allocator());
    (0..56).try_for_each(|n| map.put(n, n))?;
    map.ensure_total_capacity(50)?;
    failing.set_fail_index(failing.alloc_index());
    assert_eq!(map.ensure_unused_capacity(0), Ok(()));
    (0..7).for_each(|n| assert!(map.remove(&n)));
    for n in 56..1000 {
        map.put_assume_capacity(n, n);
        assert!(map.remove(&(n - 49)));
    }
    Ok(())
}

#[test]
fn a_reservation_that_fails_changes_nothing() -> Result<(), Error> {
    let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    let mut map = AutoHashMap::<u32, u32>::init(failing.allocator());
    let mut array_map = AutoArrayHashMap::<u32, u32>::init(failing.allocator());
    map.ensure_total_capacity(28)?;
    array_map.ensure_total_capacity(28)?;
    map.put(1, 1)?;
    array_map.put(1, 1)?;
    let capacities = (map.capacity(), array_map.capacity());
    failing.set_fail_index(failing.alloc_index());
    failing.set_resize_fail_index(0);
    for many in [1000, usize::MAX / 2, usize::MAX] {
        assert_eq!(map.ensure_total_capacity(many), Err(Error::OutOfMemory));
        assert_eq!(map.ensure_unused_capacity(many), Err(Error::OutOfMemory));
        assert_eq!(array_map.ensure_total_capacity(many), Err(Error::OutOfMemory));
        assert_eq!(array_map.ensure_unused_capacity(many), Err(Error::OutOfMemory));
    }
    assert_eq!((map.capacity(), array_map.capacity()), capacities);
    assert_eq!((map.get(&1), array_map.get(&1)), (Some(&1), Some(&1)));
    (2..).take(capacities.0 - 1).for_each(|n| map.put_assume_capacity(n, n));
    assert_panics("the map is full, at its capacity of", || map.put_assume_capacity(0, 0));
    Ok(())
}

/// A hash that panics while a full table is rehashed in place: a `HashMap` may lose entries, which are dropped, and an
/// `ArrayHashMap`, whose index has the hashes, loses none. Both can be used.
#[rstest]
#[case::assume_capacity(true)]
#[case::put(false)]
fn a_hash_that_panics_in_a_rehash_leaves_a_usable_map(#[case] assume: bool) -> Result<(), Error> {
    const CAPACITY: u32 = 28;
    let mut has_lost = false;
    for panic_in in (0..CAPACITY as usize - 2).step_by(if cfg!(miri) { 9 } else { 1 }) {
        let (live, array_live) = (Live::default(), Live::default());
        let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
        let mut map: HashMap<'_, Counted<'_>, u32, Sequential> = HashMap::init(failing.allocator());
        let mut array_map: ArrayHashMap<'_, Counted<'_>, u32, Sequential> =
            ArrayHashMap::init(failing.allocator());
        map.ensure_total_capacity(CAPACITY as usize)?;
        array_map.ensure_total_capacity(CAPACITY as usize)?;
        failing.set_fail_index(failing.alloc_index());
        let mut next = 0;
        // Only a rehash hashes more than the two keys of a step.
        let result = catch_unwind(AssertUnwindSafe(|| {
            loop {
                live.panic_in.set(Some(2 + panic_in));
                let key = live.item(next);
                if assume {
                    map.put_assume_capacity(key, next)
                } else {
                    map.put(key, next).unwrap()
                }
                live.panic_in.set(None);
                array_map.put_assume_capacity(array_live.item(next), next);
                next += 1;
                if next >= CAPACITY {
                    map.remove(&live.item(next - CAPACITY));
                    array_map.swap_remove(&array_live.item(next - CAPACITY));
                }
                assert!(next < 10_000);
            }
        }));
        live.panic_in.set(None);
        assert!(result.is_err() && next < 9_999, "the hash did not panic");
        assert_eq!(live.count.get(), map.count(), "each entry is in the map or dropped");
        has_lost |= map.count() < CAPACITY as usize - 1;
        assert!(map.iter().all(|(key, value)| map.get(key) == Some(value)));
        for n in 0..if cfg!(miri) { 40 } else { 1000 } {
            if map.count() == CAPACITY as usize {
                let victim = map.key_iterator().next().expect("it is full").number;
                assert!(map.remove(&live.item(victim)));
            }
            map.put_assume_capacity(live.item(next + n), next + n);
        }
        assert_eq!(array_map.count(), CAPACITY as usize - 1);
        assert!(array_map.iter().all(|(key, value)| array_map.get(key) == Some(value)));
        drop((map, array_map));
        assert_eq!((live.count.get(), array_live.count.get()), (0, 0));
    }
    assert!(has_lost, "no hash panicked in a rehash");
    Ok(())
}
