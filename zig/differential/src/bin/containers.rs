//! This crate's side of `cargo xtask differential --containers`: runs random programs on this crate's containers and
//! prints what each step did. `../../containers.zig` is the other side, step for step. Arguments: the first seed, and
//! how many.

use std::fmt::Write as _;
use std::mem::MaybeUninit;

use zigalloc::collections::{
    ArrayHashMap, AutoContext, HashContext, HashMap, MultiArrayList, PriorityQueue, StringContext,
};
use zigalloc::collections::{ArrayList, Fields};
use zigalloc::heap::{FixedBufferAllocator, PAGE_ALLOCATOR};
use zigalloc::testing::{FailingAllocator, FailingConfig};
use zigalloc::{Allocator, Error};

struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }
}

/// A result that is an error is the greatest number.
const OOM: usize = usize::MAX;

fn or_oom<T, E>(result: Result<T, E>) -> usize {
    result.map_or(OOM, |_| 0)
}

/// What the program has printed.
struct Output(String);

impl Output {
    fn say(&mut self, name: &str, result: usize) {
        self.put(format_args!("{name} {result}"));
    }

    fn put(&mut self, args: std::fmt::Arguments<'_>) {
        self.0.write_fmt(args).expect("a String takes any text");
    }
}

struct Memory<'m> {
    failing: &'m FailingAllocator<Allocator<'m>>,
    random: Random,
    refuses: bool,
    out: Output,
}

impl Memory<'_> {
    /// Now and then the next allocation will fail, or the one after it.
    fn maybe_fail(&mut self) {
        let fail_index = match self.random.below(4) {
            0 => self.failing.alloc_index() + self.random.below(2),
            _ => OOM,
        };
        self.failing.set_fail_index(fail_index);
    }

    fn end(&mut self) {
        self.failing.set_fail_index(OOM);
        let failing = self.failing;
        self.out.put(format_args!(
            " | {} {} {}\n",
            failing.alloc_index(),
            failing.allocated_bytes(),
            failing.freed_bytes()
        ));
    }
}

trait Number: Copy + std::fmt::Display {
    fn from(number: usize) -> Self;
    fn to(self) -> usize;
}

macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl Number for $type {
            fn from(number: usize) -> $type {
                number as $type
            }
            fn to(self) -> usize {
                self as usize
            }
        })*
    };
}
numbers!(u8, u32, u64, u128);

fn list<T: Number>(memory: &mut Memory<'_>, steps: usize) {
    let mut items = ArrayList::<T>::init(memory.failing.allocator());
    for _ in 0..steps {
        let value = memory.random.below(100);
        let len = items.len();
        let slice: Vec<T> = {
            let count = memory.random.below(20);
            (0..count).map(|_| T::from(memory.random.below(100))).collect()
        };
        let at = memory.random.below(len + 1);
        memory.maybe_fail();
        let choice = memory.random.below(19);
        let refuses = memory.refuses;
        let value_t = T::from(value);
        let (name, result) = match choice {
            0 | 1 => ("append", or_oom(items.append(value_t))),
            2 => ("appendSlice", or_oom(items.append_slice(&slice))),
            3 => ("insert", or_oom(items.insert(at, value_t))),
            4 => ("insertSlice", or_oom(items.insert_slice(at, &slice))),
            5 => ("appendNTimes", or_oom(items.append_n_times(value_t, slice.len()))),
            6 => ("orderedRemove", if at < len { items.ordered_remove(at).to() } else { OOM }),
            7 => ("swapRemove", if at < len { items.swap_remove(at).to() } else { OOM }),
            8 => ("pop", items.pop().map_or(OOM, T::to)),
            9 => {
                items.shrink_retaining_capacity(at);
                ("shrinkRetainingCapacity", at)
            }
            10 => {
                if !refuses || at != items.capacity() {
                    items.shrink_and_free(at);
                }
                ("shrinkAndFree", at)
            }
            11 => {
                if value > 50 {
                    items.clear_and_free()
                } else {
                    items.clear_retaining_capacity()
                }
                ("clear", 0)
            }
            12 => ("ensureTotalCapacity", or_oom(items.ensure_total_capacity(value))),
            13 => ("ensureTotalCapacityPrecise", or_oom(items.ensure_total_capacity_precise(value))),
            14 => ("ensureUnusedCapacity", or_oom(items.ensure_unused_capacity(slice.len()))),
            15 => {
                memory.failing.set_fail_index(OOM);
                let count = memory.random.below(len - at + 1);
                ("replaceRange", or_oom(items.replace_range(at, count, &slice)))
            }
            16 if !refuses || len != items.capacity() => {
                ("toOwnedSlice", items.to_owned_slice().map_or(OOM, |owned| owned.len()))
            }
            16 => ("toOwnedSlice", 0),
            17 => ("clone", items.clone().map_or(OOM, |copy| copy.capacity())),
            18 => {
                let count = len.min(3);
                let mut indexes: Vec<usize> = (0..count).map(|_| memory.random.below(len)).collect();
                indexes.sort_unstable();
                items.ordered_remove_many(&indexes);
                ("orderedRemoveMany", count)
            }
            _ => unreachable!(),
        };
        memory.out.say(name, result);
        memory.out.put(format_args!(" : {} {} :", items.len(), items.capacity()));
        items.iter().for_each(|item| memory.out.put(format_args!(" {item}")));
        memory.end();
    }
}

#[derive(Clone, Copy)]
struct Item {
    priority: u32,
    id: u32,
}

fn queue(memory: &mut Memory<'_>, steps: usize) {
    let compare = |a: &Item, b: &Item| a.priority.cmp(&b.priority);
    let mut items = PriorityQueue::<Item, _>::init(memory.failing.allocator(), compare);
    let mut id = 0;
    for _ in 0..steps {
        let count = memory.random.below(20);
        let mut next = |random: &mut Random| {
            id += 1;
            Item { priority: random.below(8) as u32, id }
        };
        let slice: Vec<Item> = (0..count).map(|_| next(&mut memory.random)).collect();
        let value = next(&mut memory.random);
        let at = memory.random.below(items.count() + 1);
        memory.maybe_fail();
        let choice = memory.random.below(10);
        let (name, result) = match choice {
            0..=2 => ("add", or_oom(items.add(value))),
            3 => ("addSlice", or_oom(items.add_slice(&slice))),
            4 | 5 => ("remove", items.remove_or_null().map_or(OOM, |item| item.id as usize)),
            6 => ("removeIndex", if at < items.count() { items.remove_index(at).id as usize } else { OOM }),
            7 => {
                let elem = Item { priority: value.priority ^ 1, id: 0 };
                ("update", or_oom(items.update(&elem, value)))
            }
            8 => ("ensureTotalCapacity", or_oom(items.ensure_total_capacity(slice.len() * 3))),
            9 => {
                let capacity = items.count() + memory.random.below(items.capacity() - items.count() + 1);
                if !memory.refuses || capacity != items.capacity() {
                    items.shrink_and_free(capacity);
                }
                ("shrinkAndFree", capacity)
            }
            _ => unreachable!(),
        };
        memory.out.say(name, result);
        memory.out.put(format_args!(" : {} {} :", items.count(), items.capacity()));
        items.items().iter().for_each(|item| memory.out.put(format_args!(" {}", item.id)));
        memory.end();
    }
    while let Some(item) = items.remove_or_null() {
        memory.out.put(format_args!(" {}", item.id));
    }
    memory.out.put(format_args!("\n"));
}

#[derive(Clone, Copy)]
struct Three {
    a: u8,
    b: u64,
    c: u16,
}
zigalloc::fields!(Three { a: u8 = 0, b: u64 = 1, c: u16 = 2 });

fn multi(memory: &mut Memory<'_>, steps: usize) {
    const { assert!(Three::FIELDS.len() == 3) };
    let mut items = MultiArrayList::<Three>::init(memory.failing.allocator());
    for _ in 0..steps {
        let a = memory.random.below(100) as u8;
        let b = memory.random.below(100) as u64;
        let c = memory.random.below(100) as u16;
        let value = Three { a, b, c };
        let at = memory.random.below(items.len() + 1);
        memory.maybe_fail();
        let inside = at < items.len();
        let (name, result) = match memory.random.below(9) {
            0..=2 => ("append", or_oom(items.append(value))),
            3 => ("insert", or_oom(items.insert(at, value))),
            4 if inside => {
                items.ordered_remove(at);
                ("orderedRemove", at)
            }
            4 => ("orderedRemove", OOM),
            5 if inside => {
                items.swap_remove(at);
                ("swapRemove", at)
            }
            5 => ("swapRemove", OOM),
            6 => ("pop", items.pop().map_or(OOM, |item| item.b as usize)),
            7 => ("ensureTotalCapacity", or_oom(items.ensure_total_capacity(a.into()))),
            8 => {
                items.shrink_and_free(at);
                ("shrinkAndFree", at)
            }
            _ => unreachable!(),
        };
        memory.out.say(name, result);
        memory.out.put(format_args!(" : {} {} :", items.len(), items.capacity()));
        for ((a, b), c) in items.items::<0>().iter().zip(items.items::<1>()).zip(items.items::<2>()) {
            memory.out.put(format_args!(" {a}/{b}/{c}"));
        }
        if items.capacity() > 0 {
            // The most aligned field is first.
            let base = items.items::<1>().as_ptr().addr();
            let a = items.items::<0>().as_ptr().addr() - base;
            let c = items.items::<2>().as_ptr().addr() - base;
            memory.out.put(format_args!(" @ {a} 0 {c}"));
        }
        memory.end();
    }
}

/// The keys of maps: numbers, or strings of them.
trait Key: Copy {
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

fn hash_map<K: Key, C: HashContext<K, K> + Default>(
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

fn array_map<K: Key, C: HashContext<K, K> + Default>(
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

#[repr(align(64))]
struct Area([MaybeUninit<u8>; 1 << 20]);

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let (first, count) = (args.next().unwrap_or(0), args.next().unwrap_or(1));
    let steps = 80;
    let mut area: Box<Area> = Box::new(Area([MaybeUninit::uninit(); 1 << 20]));
    for seed in first..first + count {
        let fixed = FixedBufferAllocator::init(&mut area.0);
        let mut random = Random::new(seed);
        let refuses = random.below(2) == 0;
        let config =
            FailingConfig { resize_fail_index: if refuses { 0 } else { OOM }, ..FailingConfig::default() };
        let failing = FailingAllocator::init(fixed.allocator(), config);
        let mut memory = Memory { failing: &failing, random, refuses, out: Output(String::new()) };
        match seed % 11 {
            0 => list::<u8>(&mut memory, steps),
            1 => list::<u32>(&mut memory, steps),
            2 => list::<u64>(&mut memory, steps),
            3 => list::<u128>(&mut memory, steps),
            4 | 5 => queue(&mut memory, steps),
            6 => multi(&mut memory, steps),
            7 => hash_map::<u32, AutoContext>(&mut memory, steps)?,
            8 => hash_map::<&[u8], StringContext>(&mut memory, steps)?,
            9 => array_map::<u32, AutoContext>(&mut memory, steps)?,
            10 => array_map::<&[u8], StringContext>(&mut memory, steps)?,
            _ => unreachable!(),
        }
        print!("program {seed}\n{}", memory.out.0);
    }
    Ok(())
}
