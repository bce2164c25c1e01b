//! Zig's containers above the sink of a logging allocator, which exits at each line, and with elements whose destructor
//! and comparison exit.

use std::cmp::Ordering;
use std::mem::replace;

use zigalloc::Allocator;
use zigalloc::collections::{
    ArrayList, ArrayListUnmanaged, AutoArrayHashMap, AutoHashMap, AutoHashMapUnmanaged, BufMap, Compare,
    Deque, MultiArrayList, PriorityQueue,
};

use super::Kind;
use super::child::{Child, STEP};
use super::containers::logging;

pub(super) fn make(kind: &str, child: &'static Child) -> Option<Box<dyn Kind>> {
    let allocator = match kind {
        "remapped_collections" => logging(child, usize::MAX),
        "copied_collections" => logging(child, 0),
        _ => return None,
    };
    Some(Box::new(Collections::new(allocator, child)))
}

/// An element with memory of its own. Its destructor counts as a call of the child.
struct Item {
    number: usize,
    text: String,
    child: &'static Child,
    /// Makes few elements fill a [`STEP`], since each of them makes rows.
    _weight: [usize; 20],
}

impl Drop for Item {
    fn drop(&mut self) {
        self.child.tick();
    }
}

/// Each comparison counts as a call of the child.
struct Reversed(&'static Child);

impl Compare<Item> for Reversed {
    fn compare(&self, a: &Item, b: &Item) -> Ordering {
        self.0.tick();
        b.number.cmp(&a.number)
    }
}

struct Collections {
    allocator: Allocator<'static>,
    child: &'static Child,
    list: ArrayList<'static, Item>,
    unmanaged: ArrayListUnmanaged<Item>,
    deque: Deque<'static, Item>,
    fields: MultiArrayList<'static, (u16, Item)>,
    map: AutoHashMap<'static, usize, Item>,
    unmanaged_map: AutoHashMapUnmanaged<usize, Item>,
    array_map: AutoArrayHashMap<'static, usize, Item>,
    queue: PriorityQueue<'static, Item, Reversed>,
    strings: BufMap<'static>,
}

/// More elements than one [`STEP`] of the child has room for, so that a block moves when it grows.
const MANY: usize = STEP / size_of::<Item>() + 1;

impl Collections {
    fn new(allocator: Allocator<'static>, child: &'static Child) -> Collections {
        Collections {
            allocator,
            child,
            list: ArrayList::init(allocator),
            unmanaged: ArrayListUnmanaged::EMPTY,
            deque: Deque::init(allocator),
            fields: MultiArrayList::init(allocator),
            map: AutoHashMap::init(allocator),
            unmanaged_map: AutoHashMapUnmanaged::new(),
            array_map: AutoArrayHashMap::init(allocator),
            queue: PriorityQueue::init(allocator, Reversed(child)),
            strings: BufMap::init(allocator),
        }
    }

    fn item(&self, number: usize) -> Item {
        Item { number, text: number.to_string(), child: self.child, _weight: [0; 20] }
    }

    /// Adds elements to each, some at the deque's front, so that its ring wraps.
    fn grow(&mut self, count: usize) {
        for _ in 0..count {
            let item = self.item(self.list.len());
            self.list.append(item).unwrap();
            let item = self.item(self.unmanaged.len());
            // SAFETY: always this allocator, which is never dropped.
            unsafe { self.unmanaged.with(self.allocator) }.append(item).unwrap();
            let item = self.item(self.deque.len());
            if item.number % 3 == 0 { self.deque.push_front(item) } else { self.deque.push_back(item) }
                .unwrap();
            let item = self.item(self.fields.len());
            self.fields.append((item.number as u16, item)).unwrap();
            let item = self.item(self.map.count());
            self.map.put(item.number, item).unwrap();
            let item = self.item(self.unmanaged_map.count());
            // SAFETY: as above.
            unsafe { self.unmanaged_map.with(self.allocator) }.put(item.number, item).unwrap();
            let item = self.item(self.array_map.count());
            self.array_map.put(item.number, item).unwrap();
            let text = self.strings.count().to_string();
            self.strings.put(&text, &text).unwrap();
        }
    }

    #[track_caller]
    fn check(&self) {
        let is_whole = |item: &Item| item.text == item.number.to_string();
        assert!(self.list.iter().enumerate().all(|(n, item)| is_whole(item) && item.number == n), "the list");
        assert!(self.unmanaged.iter().all(is_whole), "the unmanaged list");
        assert!(self.deque.iterator().all(is_whole), "the deque");
        let (numbers, items) = (self.fields.items::<0>(), self.fields.items::<1>());
        assert!(
            numbers.iter().zip(items).all(|(n, item)| is_whole(item) && item.number == usize::from(*n)),
            "the fields"
        );
        assert!(self.map.iter().all(|(n, item)| is_whole(item) && item.number == *n), "the map");
        assert!(
            self.unmanaged_map.iter().all(|(n, item)| is_whole(item) && item.number == *n),
            "the unmanaged map"
        );
        assert!(self.array_map.iter().all(|(n, item)| is_whole(item) && item.number == *n), "the array map");
        assert!(self.queue.items().iter().all(is_whole), "the queue");
        assert!(self.strings.iterator().all(|(key, value)| key == value), "the strings");
    }

    fn clear(&mut self) {
        self.list.clear_retaining_capacity();
        self.unmanaged.clear_retaining_capacity();
        self.deque.clear_retaining_capacity();
        self.fields.clear_retaining_capacity();
        self.map.clear_retaining_capacity();
        self.unmanaged_map.clear_retaining_capacity();
        self.array_map.clear_retaining_capacity();
        self.queue.clear_retaining_capacity();
    }

    /// What dropping leaves to the program.
    fn free_unmanaged(&mut self) {
        // SAFETY: always this allocator, which is never dropped.
        unsafe { self.unmanaged.with(self.allocator) }.deinit();
        // SAFETY: as above.
        unsafe { self.unmanaged_map.with(self.allocator) }.deinit();
    }
}

impl Kind for Collections {
    fn prepare(&mut self) {
        self.grow(10);
        for number in [3, 1, 4, 1, 5, 9, 2, 6] {
            let item = self.item(number);
            self.queue.add(item).unwrap();
        }
    }

    fn run(&mut self, operation: &str) {
        match operation {
            "grow" => self.grow(2 * MANY),
            "shrink" => {
                self.list.ensure_total_capacity_precise(3 * MANY).unwrap();
                self.list.shrink_and_free(5);
                self.fields.ensure_total_capacity(3 * MANY).unwrap();
                self.fields.shrink_and_free(5);
                self.array_map.ensure_total_capacity(3 * MANY).unwrap();
                self.array_map.shrink_and_free(5);
                self.queue.ensure_total_capacity(3 * MANY).unwrap();
                self.queue.shrink_and_free(8);
            }
            "free" => {
                self.list.clear_and_free();
                self.fields.clear_and_free();
                self.map.clear_and_free();
                self.array_map.clear_and_free();
                self.queue.clear_and_free();
                self.strings.put("0", "0").unwrap();
                self.strings.remove("1");
            }
            "clear" => {
                self.list.shrink_retaining_capacity(7);
                self.list.ordered_remove_many(&[6]);
                self.fields.shrink_retaining_capacity(7);
                self.array_map.shrink_retaining_capacity(7);
                self.clear();
            }
            "compare" => {
                let item = self.item(10);
                self.queue.add(item).unwrap();
                drop((self.queue.remove(), self.queue.remove_index(2)));
                let (old, new) = (self.item(3), self.item(0));
                drop(self.queue.update(&old, new));
                let order = Reversed(self.child);
                self.array_map.sort(|a, b| order.compare(a.1, b.1)).unwrap();
            }
            _ => {
                let owned = self.list.to_owned_slice().unwrap();
                drop(owned);
                drop(self.allocator.alloc_with(5, |number| self.item(number)).unwrap());
            }
        }
        self.check();
        self.free_unmanaged();
        // Taken out first, as in `containers`.
        drop(replace(self, Collections::new(self.allocator, self.child)));
    }

    fn use_in_destructor(&mut self) {
        self.check();
        self.grow(MANY);
        self.check();
    }
}
