//! Maps.

use zigalloc::Error;
use zigalloc::collections::{ArrayHashMap, HashContext, HashMap};
use zigalloc::heap::PAGE_ALLOCATOR;

use super::{Memory, OOM};

/// The keys of maps: numbers, or strings of them.
pub(crate) trait Key: Copy {
    fn of(number: usize) -> Self;
    fn number(self) -> usize;
}

impl Key for u32 {
    fn of(number: usize) -> u32 {
        number as u32
    }
    fn number(self) -> usize {
        self as usize
    }
}

impl Key for &'static [u8] {
    fn of(number: usize) -> &'static [u8] {
        static NAMES: std::sync::LazyLock<Vec<String>> =
            std::sync::LazyLock::new(|| (0..64).map(|n| format!("key{n}")).collect());
        NAMES[number].as_bytes()
    }
    fn number(self) -> usize {
        std::str::from_utf8(&self[3..]).ok().and_then(|number| number.parse().ok()).expect("a key")
    }
}

pub(crate) fn hash_map<K: Key, C: HashContext<K, K> + Default>(
    memory: &mut Memory<'_>,
    steps: usize,
) -> Result<(), Error> {
    let mut map = HashMap::<K, u32, C>::init(*PAGE_ALLOCATOR);
    for _ in 0..steps {
        let key = K::of(memory.random.below(64));
        let value = memory.random.below(1000) as u32;
        let kv = |kv: zigalloc::collections::KV<K, u32>| kv.key.number() * 1000 + kv.value as usize;
        let (name, result) = match memory.random.below(11) {
            0 | 1 => {
                map.put(key, value)?;
                ("put", 0)
            }
            2 | 3 => ("fetchPut", map.fetch_put(key, value)?.map_or(OOM, kv)),
            4 => {
                let gop = map.get_or_put(key)?;
                if !gop.found_existing {
                    *gop.value_ptr = 0;
                }
                *gop.value_ptr += 1;
                ("getOrPut", gop.found_existing.into())
            }
            5 => ("getOrPutValue", *map.get_or_put_value(key, value)?.value_ptr as usize),
            6 => ("get", map.get(&key).map_or(OOM, |value| *value as usize)),
            7 => ("remove", map.remove(&key).into()),
            8 => ("fetchRemove", map.fetch_remove(&key).map_or(OOM, kv)),
            9 => {
                if let Some(ptr) = map.get_ptr(&key) {
                    *ptr = value;
                }
                ("contains", map.contains(&key).into())
            }
            10 if value < 100 => {
                if value < 50 {
                    map.clear_retaining_capacity()
                } else {
                    map.clear_and_free()
                }
                ("clear", 0)
            }
            10 if !map.contains(&key) => {
                map.put_no_clobber(key, value)?;
                ("putNoClobber", 0)
            }
            10 => ("getKey", map.get_key(&key).expect("it is there").number()),
            _ => unreachable!(),
        };
        memory.out.say(name, result);
        let entry = |(key, value): (&K, &u32)| (key.number() + 1) * 1_000_003 * (*value as usize + 1);
        let sum: usize = map.iter().map(entry).sum();
        memory.out.put(format_args!(" : {} {sum}\n", map.count()));
    }
    Ok(())
}

pub(crate) fn array_map<K: Key, C: HashContext<K, K> + Default>(
    memory: &mut Memory<'_>,
    steps: usize,
) -> Result<(), Error> {
    let mut map = ArrayHashMap::<K, u32, C>::init(*PAGE_ALLOCATOR);
    for _ in 0..steps {
        let key = K::of(memory.random.below(64));
        let value = memory.random.below(1000) as u32;
        let at = memory.random.below(map.count() + 1);
        let inside = at < map.count();
        let kv = |kv: zigalloc::collections::KV<K, u32>| kv.key.number() * 1000 + kv.value as usize;
        let (name, result) = match memory.random.below(16) {
            0 | 1 => {
                map.put(key, value)?;
                ("put", 0)
            }
            2 | 3 => ("fetchPut", map.fetch_put(key, value)?.map_or(OOM, kv)),
            4 | 5 => {
                let gop = map.get_or_put(key)?;
                if !gop.found_existing {
                    *gop.value_ptr = 0;
                }
                *gop.value_ptr += 1;
                ("getOrPut", gop.index * 2 + usize::from(gop.found_existing))
            }
            6 => ("getOrPutValue", *map.get_or_put_value(key, value)?.value_ptr as usize),
            7 => ("getIndex", map.get_index(&key).unwrap_or(OOM)),
            8 => ("swapRemove", map.swap_remove(&key).into()),
            9 => ("orderedRemove", map.ordered_remove(&key).into()),
            10 => ("fetchSwapRemove", map.fetch_swap_remove(&key).map_or(OOM, kv)),
            11 => ("fetchOrderedRemove", map.fetch_ordered_remove(&key).map_or(OOM, kv)),
            12 if inside => {
                if value < 500 {
                    map.swap_remove_at(at)
                } else {
                    map.ordered_remove_at(at)
                };
                ("removeAt", at)
            }
            12 => ("pop", map.pop().map_or(OOM, kv)),
            13 => {
                map.sort(|(_, a), (_, b)| (a % 4).cmp(&(b % 4)))?;
                ("sort", 0)
            }
            14 if inside && !map.contains(&key) => {
                map.set_key(at, key)?;
                ("setKey", at)
            }
            14 => ("setKey", OOM),
            15 if value < 200 => {
                map.shrink_retaining_capacity(at);
                ("shrinkRetainingCapacity", at)
            }
            15 => ("contains", map.contains(&key).into()),
            _ => unreachable!(),
        };
        memory.out.say(name, result);
        memory.out.put(format_args!(" : {} :", map.count()));
        map.iter().for_each(|(key, value)| memory.out.put(format_args!(" {}={value}", key.number())));
        for (i, key) in map.keys().iter().enumerate() {
            assert_eq!(map.get_index(key), Some(i), "a key is not found");
        }
        memory.out.put(format_args!("\n"));
    }
    Ok(())
}
