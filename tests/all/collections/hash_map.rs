use zigalloc::Error;
use zigalloc::collections::{
    AutoArrayHashMap, AutoContext, AutoHashMap, AutoHashMapUnmanaged, Box, Entry, HashContext, HashMap, KV,
    StringHashMap,
};
use zigalloc::heap::PAGE_ALLOCATOR;
use zigalloc::testing::{FailingAllocator, FailingConfig};

use super::{Counted, Live, Operation, assert_panics, checked, fails_without_effect, map_lens, times};

/// Zig's "basic usage".
#[test]
fn basic_usage() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoHashMap::<u32, u32>::init(allocator);
        const COUNT: u32 = 5;
        let total: u32 = (0..COUNT).sum();
        for i in 0..COUNT {
            map.put(i, i)?;
        }
        let sum: u32 = map.iterator().map(|entry| *entry.key_ptr).sum();
        assert_eq!(sum, total);
        assert_eq!((0..COUNT).map(|i| *map.get(&i).unwrap()).sum::<u32>(), total);
        Ok(())
    })
}

#[test]
fn ensure_total_capacity() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoHashMap::<i32, i32>::init(allocator);
        map.ensure_total_capacity(20)?;
        let capacity = map.capacity();
        assert!(capacity >= 20);
        (0..20).for_each(|i| assert!(map.fetch_put_assume_capacity(i, i + 10).is_none()));
        assert_eq!(map.capacity(), capacity, "it was enough");
        Ok(())
    })
}

#[test]
fn clear_retaining_capacity() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoHashMap::<u32, u32>::init(allocator);
        map.clear_retaining_capacity();
        map.put(1, 1)?;
        assert_eq!((map.get(&1), map.count()), (Some(&1), 1));
        map.clear_retaining_capacity();
        map.put_assume_capacity(1, 1);
        let capacity = map.capacity();
        map.clear_retaining_capacity();
        assert_eq!((map.count(), map.capacity(), map.contains(&1)), (0, capacity, false));
        map.clear_and_free();
        assert_eq!(map.capacity(), 0);
        Ok(())
    })
}

#[test]
fn remove() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoHashMap::<u32, u32>::init(allocator);
        for i in 0..16 {
            map.put(i, i)?;
        }
        (0..16).filter(|i| i % 3 == 0).for_each(|i| assert!(map.remove(&i)));
        assert_eq!(map.count(), 10);
        (0..16).for_each(|i| assert_eq!(map.contains(&i), i % 3 != 0));
        assert!(!map.remove(&100));
        assert_eq!(map.fetch_remove(&1), Some(KV { key: 1, value: 1 }));
        assert_eq!(map.fetch_remove(&1), None);
        Ok(())
    })
}

/// Zig's "multiple removes on same metadata", "put and remove loop in random order": a map with many removals finds all
/// that is there, and does not grow for ever.
#[test]
fn put_and_remove_loop() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoHashMap::<u32, u32>::init(allocator);
        let rounds = if cfg!(miri) { 5 } else { 100 };
        for round in 0..rounds {
            (0..32).try_for_each(|i| map.put(i * 7 % 32, round))?;
            assert_eq!(map.count(), 32);
            (0..32).for_each(|i| assert!(map.remove(&(i * 5 % 32))));
        }
        assert!(map.is_empty_table() && map.capacity() < 128);
        Ok(())
    })
}

trait IsEmptyTable {
    fn is_empty_table(&self) -> bool;
}
impl<K, V> IsEmptyTable for AutoHashMap<'_, K, V> {
    fn is_empty_table(&self) -> bool {
        self.count() == 0 && self.iter().next().is_none()
    }
}

#[test]
fn get_or_put() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoHashMap::<u32, u32>::init(allocator);
        for i in 0..10 {
            map.put(i * 2, 2)?;
        }
        for i in 0..20 {
            let gop = map.get_or_put_value(i, 1)?;
            assert_eq!(gop, Entry { key_ptr: &i, value_ptr: &mut (2 - i % 2) });
        }
        let gop = map.get_or_put(100)?;
        assert!(!gop.found_existing && *gop.key_ptr == 100 && *gop.value_ptr == 0);
        *gop.value_ptr = 5;
        let gop = map.get_or_put(100)?;
        assert!(gop.found_existing && *gop.value_ptr == 5);
        // A closure that fails leaves no entry.
        let failed = map.get_or_put_with(101, |_| Err::<u32, Error>(Error::OutOfMemory));
        assert_eq!(failed.unwrap_err(), Error::OutOfMemory);
        assert!(!map.contains(&101));
        assert!(map.get_or_put_with(100, |_| Err::<u32, Error>(Error::OutOfMemory))?.found_existing);
        Ok(())
    })
}

/// Zig's "put", "fetchPut", "putAssumeCapacity".
#[test]
fn put() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoHashMap::<&str, u32>::init(allocator);
        assert_eq!(map.fetch_put("a", 1)?, None);
        assert_eq!(map.fetch_put("a", 2)?, Some(KV { key: "a", value: 1 }));
        map.put_no_clobber("b", 3)?;
        assert_panics("HashMap::put_no_clobber: the key has an entry already", || map.put_no_clobber("b", 4));
        assert_panics("put_assume_capacity_no_clobber", || map.put_assume_capacity_no_clobber("b", 4));
        assert_eq!((map.get("a"), map.get("b"), map.count()), (Some(&2), Some(&3), 2));
        *map.get_ptr("a").unwrap() += 5;
        *map.get_entry("b").unwrap().value_ptr += 5;
        map.value_iterator().for_each(|value| *value *= 2);
        let mut values: Vec<_> = map.iter().map(|(key, value)| (*key, *value)).collect();
        values.sort_unstable();
        assert_eq!(values, [("a", 14), ("b", 16)]);
        assert_eq!(map.key_iterator().count(), 2);
        assert_eq!(format!("{:?}", map.get_key("a")), "Some(\"a\")");
        Ok(())
    })
}

#[test]
fn full_map_panics_where_capacity_is_assumed() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoHashMap::<usize, usize>::init(allocator);
        assert_panics("HashMap::put_assume_capacity: the map is full, at its capacity of 0", || {
            map.put_assume_capacity(0, 0)
        });
        map.ensure_unused_capacity(1)?;
        let capacity = map.capacity();
        (0..capacity).for_each(|i| map.put_assume_capacity(i, i));
        assert_panics("the map is full", || map.get_or_put_assume_capacity(capacity));
        map.put_assume_capacity(0, 1);
        assert!(map.get_or_put_assume_capacity(0).found_existing);
        assert_eq!(map.count(), capacity);
        Ok(())
    })
}

#[test]
fn string_hash_map() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = StringHashMap::<u32>::init(allocator);
        map.put(b"zig", 1)?;
        let text = String::from("zig");
        let bytes = *b"zig";
        assert!(
            map.contains("zig") && map.contains(&text) && map.contains(&bytes) && map.contains(&bytes[..])
        );
        assert_eq!(map.get(text.as_bytes()), Some(&1));
        let mut owned = StringHashMap::<u32, Box<[u8], _>>::init(allocator);
        for i in 0..20 {
            owned.put(allocator.dupe_owned(format!("key{i}").as_bytes())?, i)?;
        }
        assert_eq!(owned.get("key7"), Some(&7));
        assert!(owned.remove("key7") && !owned.contains("key7"));
        Ok(())
    })
}

/// Zig's "getOrPutAdapted", "ensureUnusedCapacity with adapted context": keys are numbers, what is looked up is text.
#[test]
fn adapted() -> Result<(), Error> {
    struct Digits;
    impl HashContext<str, u64> for Digits {
        fn hash(&self, key: &str) -> u64 {
            HashContext::<u64, u64>::hash(&AutoContext, &key.parse::<u64>().unwrap())
        }
        fn eql(&self, a: &str, b: &u64) -> bool {
            a.parse() == Ok(*b)
        }
    }
    checked(|allocator| {
        let mut map = AutoHashMap::<u64, u32>::init(allocator);
        let mut made = 0;
        for text in ["1", "10", "01", "1", "7"] {
            let gop = map.get_or_put_adapted(text, &Digits, || {
                made += 1;
                Ok::<_, Error>((text.parse().unwrap(), 0))
            })?;
            *gop.value_ptr += 1;
        }
        assert_eq!((made, map.get(&1), map.get_adapted("007", &Digits)), (3, Some(&3), Some(&1)));
        assert!(map.contains_adapted("10", &Digits) && !map.contains_adapted("11", &Digits));
        Ok(())
    })
}

#[test]
fn clone_and_take() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoHashMap::<u8, u8>::init(allocator);
        (0..10).try_for_each(|i| map.put(i, i * 10))?;
        let copy = map.clone()?;
        let taken = map.take();
        assert_eq!((map.count(), map.capacity()), (0, 0));
        map.put(0, 0)?;
        (0..10).for_each(|i| assert_eq!((copy.get(&i), taken.get(&i)), (Some(&(i * 10)), Some(&(i * 10)))));
        let mut entries: Vec<_> = taken.into_iter().collect();
        entries.sort_unstable();
        assert_eq!(entries[9], (9, 90));
        Ok(())
    })
}

#[test]
fn order_is_the_same_in_each_run() -> Result<(), Error> {
    let order = || -> Result<Vec<u32>, Error> {
        let mut map = AutoHashMap::<u32, ()>::init(PAGE_ALLOCATOR.as_allocator());
        (0..100).try_for_each(|i| map.put(i * i, ()))?;
        Ok(map.key_iterator().copied().collect())
    };
    assert_eq!(order()?, order()?);
    Ok(())
}

#[test]
fn out_of_memory_changes_nothing() {
    type Map = AutoHashMap<'static, u32, u32>;
    let full = |allocator| {
        let mut map = Map::init(allocator);
        map.ensure_total_capacity(10).unwrap();
        let capacity = map.capacity() as u32;
        (0..capacity).for_each(|i| map.put_assume_capacity(i, i));
        map
    };
    let look = |map: &Map| {
        let mut entries: Vec<_> = map.iter().map(|(key, value)| (*key, *value)).collect();
        entries.sort_unstable();
        (entries, map.capacity())
    };
    let operations: [(&str, Operation<Map>); 7] = [
        ("put", |map| map.put(100, 1)),
        ("put_no_clobber", |map| map.put_no_clobber(100 + map.count() as u32, 1)),
        ("fetch_put", |map| map.fetch_put(100, 1).map(drop)),
        ("get_or_put", |map| map.get_or_put(100).map(drop)),
        ("get_or_put_value", |map| map.get_or_put_value(100, 1).map(drop)),
        ("ensure_unused_capacity", |map| map.ensure_unused_capacity(1)),
        ("clone", |map| map.clone().map(drop)),
    ];
    for (name, operation) in operations {
        assert_eq!(fails_without_effect(full, look, operation), 1, "{name}");
    }
    // "If key exists this function cannot fail."
    let existing = |map: &mut Map| -> Result<(), Error> {
        map.put(1, 10)?;
        *map.get_or_put(2)?.value_ptr = 20;
        map.fetch_put(3, 30).map(drop)
    };
    assert_eq!(fails_without_effect(full, look, existing), 0);
    let too_many = AutoHashMap::<u64, u64>::init(*PAGE_ALLOCATOR).ensure_total_capacity(usize::MAX);
    assert_eq!(too_many, Err(Error::OutOfMemory));
}

/// A hash or a comparison that panics leaks nothing and leaves a map that works.
#[test]
fn panics_in_hash_and_eq() -> Result<(), Error> {
    checked(|allocator| {
        for panic_in in (0..40).step_by(if cfg!(miri) { 7 } else { 1 }) {
            let live = Live::default();
            let mut map: HashMap<'_, Counted<'_>, u32> = HashMap::init(allocator);
            live.panic_in.set(Some(panic_in));
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for number in 0..12 {
                    map.put(live.item(number), number)?;
                }
                map.remove(&live.item(3));
                map.clone().map(drop)
            }));
            live.panic_in.set(None);
            assert!(result.is_err());
            assert_eq!(live.count.get(), map.count());
            map.put(live.item(50), 1)?;
            assert_eq!(map.get(&live.item(50)), Some(&1));
            drop(map);
            assert_eq!(live.count.get(), 0);
        }
        Ok(())
    })
}

/// What it says fits without allocating. Removals may lower it, but not below what was reserved.
#[test]
fn capacity_is_what_fits_after_removals() -> Result<(), Error> {
    let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    let mut map = AutoHashMap::<usize, usize>::init(failing.allocator());
    let mut array_map = AutoArrayHashMap::<usize, usize>::init(failing.allocator());
    map.ensure_total_capacity(28)?;
    array_map.ensure_total_capacity(28)?;
    let most = map.capacity();
    assert!(most >= 56);
    failing.set_fail_index(failing.alloc_index());
    let (mut next, mut is_lower) = (0, false);
    for _ in 0..times(300) {
        while map.count() < map.capacity() {
            map.put_assume_capacity(next, next);
            if array_map.count() < array_map.capacity() {
                array_map.put_assume_capacity(next, next);
            }
            next += 1;
        }
        let victim = *map.key_iterator().next().expect("it is full");
        assert!(map.remove(&victim));
        array_map.swap_remove(&victim);
        is_lower |= map.capacity() < most;
        assert!(map.capacity() >= 28 && array_map.capacity() >= 28);
    }
    assert!(is_lower && map.iter().all(|(key, value)| key == value));
    Ok(())
}

/// Removals do not take the room that was ensured: a cache can replace entries for ever.
#[test]
fn assumed_capacity_outlasts_removals() -> Result<(), Error> {
    checked(|allocator| {
        for &len in map_lens() {
            let mut map = AutoHashMap::init(allocator);
            map.ensure_total_capacity(len)?;
            (0..len).for_each(|i| map.put_assume_capacity_no_clobber(i, i));
            let end = len + times(20 * len);
            for i in len..end {
                assert!(map.remove(&(i - len)));
                map.put_assume_capacity(i, i);
            }
            assert_eq!(map.count(), len);
            assert!((end - len..end).all(|i| map.get(&i) == Some(&i)));
        }
        Ok(())
    })
}

/// With room for twice the entries, this takes no memory, so it works in a map without an allocator.
#[test]
fn twice_the_room_is_rebuilt_in_place() -> Result<(), Error> {
    for &len in map_lens() {
        let mut map = AutoHashMapUnmanaged::new();
        // SAFETY: always this allocator, which is never gone.
        unsafe { map.with(PAGE_ALLOCATOR) }.ensure_total_capacity(2 * len)?;
        (0..len).for_each(|i| map.put_assume_capacity(i, i));
        let end = len + times(50 * len);
        for i in len..end {
            assert!(map.remove(&(i - len)));
            map.put_assume_capacity(i, i);
        }
        assert!((end - len..end).all(|i| map.get(&i) == Some(&i)));
        // SAFETY: as above.
        unsafe { map.with(PAGE_ALLOCATOR) }.deinit();
    }
    Ok(())
}
