use zigalloc::Error;
use zigalloc::collections::{BufMap, BufSet};

use super::{checked, fails_without_effect};

#[test]
fn buf_map() -> Result<(), Error> {
    checked(|allocator| {
        let mut map = BufMap::init(allocator);
        map.put("x", "1")?;
        assert_eq!((map.get("x"), map.count()), (Some(&b"1"[..]), 1));
        map.put("x", "2")?;
        assert_eq!((map.get("x"), map.count()), (Some(&b"2"[..]), 1));
        assert!(map.remove("x") && !map.remove("x"));
        assert_eq!((map.get("x"), map.count()), (None, 0));

        map.put_move(allocator.dupe_owned(b"k")?, allocator.dupe_owned(b"v1")?)?;
        map.put_move(allocator.dupe_owned(b"k")?, allocator.dupe_owned(b"v2")?)?;
        assert_eq!((map.get("k"), map.count()), (Some(&b"v2"[..]), 1));
        *map.get_ptr("k").unwrap() = allocator.dupe_owned(b"v3")?;
        assert_eq!(map.iterator().collect::<Vec<_>>(), [(&b"k"[..], &b"v3"[..])]);
        Ok(())
    })
}

#[test]
fn buf_set() -> Result<(), Error> {
    checked(|allocator| {
        let mut set = BufSet::init(allocator);
        set.insert("x")?;
        set.insert(b"x")?;
        assert_eq!(set.count(), 1);
        (0..20).try_for_each(|n| set.insert(format!("{n}")))?;
        let copy = set.clone()?;
        assert!(set.remove("x") && !set.contains("x") && copy.contains("x"));
        assert_eq!((set.count(), copy.count(), set.iterator().count()), (20, 21, 20));
        Ok(())
    })
}

#[test]
fn out_of_memory_changes_nothing() {
    type Map = BufMap<'static>;
    let build = |allocator| {
        let mut map = Map::init(allocator);
        ["a", "b", "c"].into_iter().for_each(|key| map.put(key, "old").unwrap());
        map
    };
    let look = |map: &Map| ["a", "b", "c", "d"].map(|key| map.get(key).map(<[u8]>::to_vec));
    assert_eq!(fails_without_effect(build, look, |map| map.put("a", "new")), 1, "the value");
    assert_eq!(
        fails_without_effect(build, look, |map| map.put("d", "new")),
        3,
        "the value, the table, the key"
    );
    type Set = BufSet<'static>;
    let build = |allocator| {
        let mut set = Set::init(allocator);
        ["a", "b", "c"].into_iter().for_each(|key| set.insert(key).unwrap());
        set
    };
    let look = |set: &Set| ["a", "b", "c", "d"].map(|key| set.contains(key));
    assert_eq!(fails_without_effect(build, look, |set| set.insert("a")), 0);
    assert_eq!(fails_without_effect(build, look, |set| set.insert("d")), 2, "the table, the key");
    assert_eq!(fails_without_effect(build, look, |set| set.clone().map(drop)), 4, "the table, three keys");
}
