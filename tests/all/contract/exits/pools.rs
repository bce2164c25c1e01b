//! Pools and boxes in them.

use std::ptr::NonNull;

use zigalloc::SyncAllocator;
use zigalloc::heap::{MemoryPool, MemoryPoolExtra, PoolBox, ResetMode};

use super::Kind;
use super::arenas::mode;
use super::child::Child;

pub(super) fn make(kind: &str, child: &'static Child) -> Option<Box<dyn Kind>> {
    let handle = child.allocator();
    Some(match kind {
        "pool" => Box::new(Pool::<true> { pool: MemoryPoolExtra::init(handle), handle, items: Vec::new() }),
        "preheated_pool" => {
            Box::new(Pool::<false> { pool: MemoryPoolExtra::init(handle), handle, items: Vec::new() })
        }
        // Leaked: boxes borrow their pool.
        "pool_box" => {
            Box::new(Boxes { pool: Box::leak(Box::new(MemoryPool::init(handle))), boxes: Vec::new(), child })
        }
        _ => return None,
    })
}

type Item = [usize; 8];

struct Pool<const GROWABLE: bool> {
    pool: MemoryPoolExtra<Item, 0, GROWABLE, SyncAllocator<'static>>,
    handle: SyncAllocator<'static>,
    /// Live items; each word holds the item's address.
    items: Vec<NonNull<Item>>,
}

impl<const GROWABLE: bool> Pool<GROWABLE> {
    fn create(&mut self) -> bool {
        let Ok(item) = self.pool.create() else { return false };
        // SAFETY: a new item, which only the list refers to.
        unsafe { item.write([item.addr().get(); 8]) };
        self.items.push(item);
        true
    }

    #[track_caller]
    fn check(&self) {
        for item in &self.items {
            // SAFETY: a live item, which `create` has written to.
            assert_eq!(unsafe { item.read() }, [item.addr().get(); 8]);
        }
    }

    fn destroy(&mut self, count: usize) {
        for item in self.items.drain(..count) {
            // SAFETY: a live item of this pool, which is not used afterwards.
            unsafe { self.pool.destroy(item) };
        }
    }
}

impl<const GROWABLE: bool> Kind for Pool<GROWABLE> {
    fn prepare(&mut self) {
        self.pool.preheat(60).expect("memory");
        (0..60).for_each(|_| assert!(self.create()));
        self.destroy(30);
    }

    fn run(&mut self, operation: &str) {
        match operation {
            "create" => (0..200).for_each(|_| assert!(self.create())),
            "create_box" => (0..200).for_each(|_| {
                PoolBox::leak(self.pool.create_box([0; 8]).expect("memory"));
            }),
            "preheat" => self.pool.preheat(200).expect("memory"),
            "replace" => {
                self.items.clear();
                self.pool = MemoryPoolExtra::init(self.handle);
            }
            reset => {
                self.items.clear();
                _ = self.pool.reset(mode(reset));
                // Use each item at once, so that the optimiser sees all of it.
                _ = self.pool.preheat(10);
                (0..10).for_each(|_| _ = self.create());
            }
        }
    }

    fn use_in_destructor(&mut self) {
        // The items on the list, and more if there is memory.
        for _ in 0..100 {
            self.create();
        }
        self.check();
        drop(self.pool.create_box([1; 8]));
        self.destroy(self.items.len() / 2);
        self.check();
        self.destroy(self.items.len());
        _ = self.pool.preheat(5);
        _ = self.pool.reset(ResetMode::RetainCapacity);
        self.pool.preheat(5).expect("memory, as no call is in progress after a reset");
        assert!(self.create());
        self.check();
    }
}

struct Boxes {
    pool: &'static MemoryPool<String, SyncAllocator<'static>>,
    boxes: Vec<PoolBox<'static, String>>,
    child: &'static Child,
}

impl Boxes {
    fn push(&mut self, count: usize) {
        for n in 0..count {
            self.boxes.extend(self.pool.create_box(n.to_string()));
        }
    }
}

impl Kind for Boxes {
    fn prepare(&mut self) {
        self.push(50);
        self.boxes.truncate(25);
    }

    fn run(&mut self, _create_box: &str) {
        self.push(200);
    }

    fn use_in_destructor(&mut self) {
        assert!(self.boxes.iter().take(25).enumerate().all(|(n, text)| **text == n.to_string()));
        self.boxes.truncate(10);
        self.push(30);
        assert!(self.boxes.iter().take(10).enumerate().all(|(n, text)| **text == n.to_string()));
        assert!(self.boxes.len() >= 25, "dropped items can be reused");
        // The pool is leaked, and so are its nodes.
        self.child.forget_leaks();
    }
}
