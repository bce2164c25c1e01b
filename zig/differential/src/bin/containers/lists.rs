//! Lists, queues and lists of fields.

use zigalloc::collections::{ArrayList, Fields, MultiArrayList, PriorityQueue};
use zigalloc_support::Random;

use super::{Memory, Number, OOM, or_oom};

pub(crate) fn list<T: Number>(memory: &mut Memory<'_>, steps: usize) {
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
pub(crate) struct Item {
    priority: u32,
    id: u32,
}

pub(crate) fn queue(memory: &mut Memory<'_>, steps: usize) {
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
pub(crate) struct Three {
    a: u8,
    b: u64,
    c: u16,
}
zigalloc::fields!(Three { a: u8 = 0, b: u64 = 1, c: u16 = 2 });

pub(crate) fn multi(memory: &mut Memory<'_>, steps: usize) {
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
