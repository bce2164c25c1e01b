use zigalloc::Error;
use zigalloc::collections::{ArrayHashMap, AutoArrayHashMap, KV, StringArrayHashMap};

use super::{Counted, Live, Operation, assert_panics, checked, fails_without_effect, map_lens, times};

#[test]
fn basic_hash_map_usage() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoArrayHashMap::<i32, i32>::init(allocator);
        for (key, value) in [(1, 11), (2, 22), (3, 33), (4, 44), (5, 55)] {
            assert_eq!(map.fetch_put(key, value)?, None);
        }
        assert_eq!(map.fetch_put(5, 66)?, Some(KV { key: 5, value: 55 }));
        assert_eq!(map.fetch_put(5, 55)?, Some(KV { key: 5, value: 66 }));

        let gop = map.get_or_put(5)?;
        assert_eq!((gop.found_existing, *gop.value_ptr, gop.index), (true, 55, 4));
        *gop.value_ptr = 77;
        let gop = map.get_or_put(99)?;
        assert_eq!((gop.found_existing, gop.index), (false, 5));
        *gop.value_ptr = 42;
        assert_eq!(*map.get_or_put_value(5, 5)?.value_ptr, 77);
        assert_eq!(*map.get_or_put_value(100, 41)?.value_ptr, 41);

        assert_eq!((map.contains(&2), map.get_entry(&2).map(|entry| *entry.value_ptr)), (true, Some(22)));
        assert_eq!(map.get_index(&2), Some(1));
        assert_eq!(map.fetch_swap_remove(&2), Some(KV { key: 2, value: 22 }));
        assert_eq!((map.fetch_swap_remove(&2), map.swap_remove(&2)), (None, false));
        assert_eq!(map.get_entry(&2), None);
        assert_eq!(map.get(&2), None);
        assert_eq!(map.get_index(&100), Some(1), "the last one has taken its place");
        assert_eq!(map.get(&100), Some(&41));
        assert!(map.ordered_remove(&100) && !map.ordered_remove(&100));
        assert_eq!(map.keys(), [1, 3, 4, 5, 99]);
        assert!(map.swap_remove(&3));
        assert_eq!(map.keys(), [1, 99, 4, 5]);
        Ok(())
    })
}

#[test]
fn iterator_hash_map() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoArrayHashMap::<u32, u32>::init(allocator);
        for (key, value) in [(0, 11), (1, 22), (2, 33)] {
            map.put_no_clobber(key, value)?;
        }
        for (i, entry) in map.iterator().enumerate() {
            assert_eq!(*entry.key_ptr as usize, i);
            *entry.value_ptr += 1;
        }
        assert_eq!(map.values(), [12, 23, 34]);
        map.values_mut()[0] = 0;
        assert_eq!(map.get(&0), Some(&0));
        assert_panics("the key has an entry already", || map.put_no_clobber(1, 0));
        Ok(())
    })
}

#[test]
fn pop() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoArrayHashMap::<u32, u32>::init(allocator);
        for i in 0..9 {
            map.put(i, i)?;
        }
        for i in (0..9).rev() {
            assert_eq!((map.pop(), map.contains(&i)), (Some(KV { key: i, value: i }), false));
        }
        assert_eq!(map.pop(), None);
        Ok(())
    })
}

#[test]
fn shrink() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoArrayHashMap::<u32, u32>::init(allocator);
        for i in 0..100 {
            map.put(i, i * 10)?;
        }
        map.shrink_retaining_capacity(17);
        assert_eq!(map.count(), 17);
        (0..17).for_each(|i| assert_eq!(map.fetch_ordered_remove(&0).is_some(), i == 0));
        map.put(17, 0)?;
        map.shrink_and_free(15);
        assert_eq!((map.keys(), map.get(&17)), ((1..16).collect::<Vec<_>>().as_slice(), None));
        assert_panics("shrink_retaining_capacity: index 16 of a length of 15", || {
            map.shrink_retaining_capacity(16)
        });
        assert_panics("swap_remove_at: index 15", || map.swap_remove_at(15));
        assert_panics("ordered_remove_at: index 15", || map.ordered_remove_at(15));
        assert_eq!((map.swap_remove_at(0).key, map.ordered_remove_at(1).key), (1, 2));
        map.clear_and_free();
        assert_eq!((map.count(), map.capacity()), (0, 0));
        Ok(())
    })
}

/// Zig's "sort" and "reIndex": equal entries stay in their order, and all are found afterwards.
#[test]
fn sort() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoArrayHashMap::<u32, u32>::init(allocator);
        for i in 0..50 {
            map.put(i, i * 37 % 50)?;
        }
        map.sort(|(_, a), (_, b)| (a / 10).cmp(&(b / 10)))?;
        for pair in map.keys().windows(2).zip(map.values().windows(2)) {
            let ([key_a, key_b], [a, b]) = (pair.0, pair.1) else { unreachable!() };
            assert!((a / 10, key_a) < (b / 10, key_b));
        }
        (0..50).for_each(|i| assert_eq!(map.get(&i), Some(&(i * 37 % 50))));
        map.re_index()?;
        (0..50).for_each(|i| assert_eq!(map.get(&i), Some(&(i * 37 % 50))));
        Ok(())
    })
}

#[test]
fn set_key() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = AutoArrayHashMap::<u32, u32>::init(allocator);
        for i in 0..10 {
            map.put(i, i)?;
        }
        for round in 0..100 {
            let new = 100 + round;
            let old = map.set_key(3, new)?;
            assert_eq!((map.get_index(&old), map.get_index(&new), map.count()), (None, Some(3), 10));
        }
        assert_eq!(map.set_key(3, 199)?, 199, "the same key again");
        assert_eq!(map.get_index(&199), Some(3));
        assert!(map.swap_remove(&199) && !map.contains(&199));
        Ok(())
    })
}

#[test]
fn assume_capacity() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = StringArrayHashMap::<u32>::init(allocator);
        assert_panics("the map is full, at its capacity of 0", || map.put_assume_capacity(b"a", 1));
        map.ensure_total_capacity(2)?;
        assert_eq!(map.fetch_put_assume_capacity(b"a", 1), None);
        map.put_assume_capacity(b"a", 2);
        assert!(!map.get_or_put_assume_capacity(b"b").found_existing);
        assert_panics("the key has an entry already", || map.put_assume_capacity_no_clobber(b"a", 1));
        assert_eq!((map.get("a"), map.get("b"), map.get_key(b"b")), (Some(&2), Some(&0), Some(&&b"b"[..])));
        let copy = map.clone()?;
        let taken = map.take();
        assert_eq!((copy.keys(), taken.values(), map.count()), (taken.keys(), copy.values(), 0));
        Ok(())
    })
}

#[test]
fn out_of_memory_changes_nothing() {
    type Map = AutoArrayHashMap<'static, u64, u8>;
    let full = |allocator| {
        let mut map = Map::init(allocator);
        (0..28).for_each(|i| map.put(i, i as u8).unwrap());
        map.shrink_and_free(28);
        map
    };
    let look =
        |map: &Map| (map.keys().to_vec(), map.values().to_vec(), map.get_index(&27), map.get_index(&100));
    let operations: [(&str, Operation<Map>); 6] = [
        ("put", |map| map.put(100, 1)),
        ("fetch_put", |map| map.fetch_put(100, 1).map(drop)),
        ("get_or_put", |map| map.get_or_put(100).map(drop)),
        ("get_or_put_with", |map| map.get_or_put_with(100, |_| Ok::<_, Error>(1)).map(drop)),
        ("clone", |map| map.clone().map(drop)),
        ("sort", |map| map.sort(|_, _| std::cmp::Ordering::Equal)),
    ];
    for (name, operation) in operations {
        let failures = fails_without_effect(full, look, operation);
        assert_eq!(failures, if name == "sort" { 1 } else { 3 }, "{name}: one for each part");
    }
    assert_eq!(fails_without_effect(full, look, |map| map.put(27, 7)), 0);
}

#[test]
fn panics_in_hash_and_eq() -> Result<(), Error> {
    checked(|allocator| {
        for panic_in in (0..60).step_by(if cfg!(miri) { 7 } else { 1 }) {
            let live = Live::default();
            let mut map: ArrayHashMap<'_, Counted<'_>, u32> = ArrayHashMap::init(allocator);
            live.panic_in.set(Some(panic_in));
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for number in 0..12 {
                    map.put(live.item(number), number)?;
                }
                map.swap_remove(&live.item(3));
                map.ordered_remove(&live.item(5));
                map.sort(|a, b| b.1.cmp(a.1))?;
                map.clone().map(drop)
            }));
            live.panic_in.set(None);
            assert!(result.is_err());
            assert_eq!((live.count.get(), map.values().len()), (map.count(), map.count()));
            map.re_index()?;
            for i in 0..map.count() {
                assert_eq!(map.get_index(&map.keys()[i]), Some(i));
            }
            drop(map);
            assert_eq!(live.count.get(), 0);
        }
        Ok(())
    })
}

/// Removals do not take the room that was ensured, and replacing entries takes no memory.
#[test]
fn assumed_capacity_outlasts_removals() -> Result<(), Error> {
    checked(|allocator| {
        for &len in map_lens() {
            let mut map = AutoArrayHashMap::init(allocator);
            map.ensure_total_capacity(len)?;
            (0..len).for_each(|i| map.put_assume_capacity_no_clobber(i, i));
            let capacity = map.capacity();
            let end = len + times(20 * len);
            for i in len..end {
                assert!(map.swap_remove(&(i - len)));
                map.put_assume_capacity(i, i);
            }
            assert_eq!((map.count(), map.capacity().max(capacity)), (len, capacity));
            assert!((end - len..end).all(|i| map.get(&i) == Some(&i)));
        }
        Ok(())
    })
}
