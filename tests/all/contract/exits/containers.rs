//! Containers whose allocator calls safe code: the sink of a logging allocator, which exits at each line.

use std::fmt;

use allocator_api2_02::vec::Vec;
use hashbrown::{DefaultHashBuilder, HashMap};
use zigalloc::Allocator;
use zigalloc::heap::{DebugAllocator, DebugConfig};
use zigalloc::testing::{FailingAllocator, FailingConfig};
use zigalloc::trace::{LoggedCall, LoggingAllocator, Sink};

use super::Kind;
use super::child::{Child, STEP};

pub(super) fn make(kind: &str, child: &'static Child) -> Option<Box<dyn Kind>> {
    // A block that grows is remapped, or copied into a new one if that is refused.
    let (resize_fail_index, has_quarantine) = match kind {
        "remapped_container" => (usize::MAX, false),
        "copied_container" => (0, false),
        "remapped_quarantine" => (usize::MAX, true),
        "copied_quarantine" => (0, true),
        _ => return None,
    };
    let mut allocator = logging(child, resize_fail_index);
    if has_quarantine {
        // The process exits in its calls, so its lock stays taken.
        let config = DebugConfig { quarantine: HELD, safety: false, ..DebugConfig::DEFAULT };
        allocator = Box::leak(Box::new(DebugAllocator::with_config(allocator, config))).allocator();
        // Its blocks stay.
        child.forget_leaks();
    }
    Some(Box::new(Containers {
        list: Vec::new_in(allocator),
        map: HashMap::new_in(allocator),
        has_lock: has_quarantine,
    }))
}

/// An allocator whose lines count as calls of a child. It refuses to resize from that call on.
pub(super) fn logging(child: &'static Child, resize_fail_index: usize) -> Allocator<'static> {
    let config = FailingConfig { resize_fail_index, ..FailingConfig::default() };
    let memory = Box::leak(Box::new(FailingAllocator::init(Child::leak().allocator(), config)));
    Box::leak(Box::new(LoggingAllocator::init(memory.allocator(), Exits(child)))).allocator()
}

/// Each line counts as a call of a child, which may exit.
struct Exits(&'static Child);

impl Sink for Exits {
    fn write(&mut self, _: &LoggedCall) -> fmt::Result {
        self.0.tick();
        Ok(())
    }
}

/// Their elements are checked and dropped, so the blocks must be live whenever the process exits.
struct Containers {
    list: Vec<String, Allocator<'static>>,
    map: HashMap<usize, String, DefaultHashBuilder, Allocator<'static>>,
    /// As for the other handles.
    has_lock: bool,
}

/// How many bytes of freed blocks are in quarantine: less than a page of small blocks.
const HELD: usize = 100_000;

/// How many elements are more than one [`STEP`] of the child, so that the block moves when it grows.
const MANY: usize = STEP / size_of::<String>() + 1;

impl Containers {
    fn push(&mut self, count: usize) {
        for _ in 0..count {
            self.list.push(self.list.len().to_string());
        }
    }

    /// Fills the quarantine, so that the next block that is freed, of any length, drives the oldest one out.
    fn fill_quarantine(&self) {
        for len in std::iter::once(HELD - 1).chain([HELD + 1; 15]) {
            drop(Vec::<u8, _>::with_capacity_in(len, *self.list.allocator()));
        }
    }

    fn insert(&mut self, count: usize) {
        for _ in 0..count {
            self.map.insert(self.map.len(), self.map.len().to_string());
        }
    }

    #[track_caller]
    fn check(&self) {
        assert!(self.list.iter().enumerate().all(|(n, text)| *text == n.to_string()), "the list has changed");
        assert!(self.map.iter().all(|(n, text)| *text == n.to_string()), "the map has changed");
    }
}

impl Kind for Containers {
    fn prepare(&mut self) {
        self.push(10);
        self.insert(10);
        if self.has_lock {
            self.fill_quarantine();
        }
    }

    fn run(&mut self, operation: &str) {
        match operation {
            "push" => self.push(10 * MANY),
            "append" => {
                self.list.reserve_exact(3);
                self.push(1);
                self.list.reserve_exact(10 * MANY);
                self.push(1);
            }
            "large" => {
                self.list.reserve_exact(HELD / size_of::<String>());
                self.fill_quarantine();
                self.list.reserve_exact(2 * HELD / size_of::<String>());
                self.fill_quarantine();
                self.list.shrink_to(HELD / size_of::<String>());
                self.push(1);
            }
            "shrink" => {
                self.list.reserve_exact(10 * MANY);
                self.list.shrink_to_fit();
                self.push(1);
            }
            _ => {
                self.insert(10 * MANY);
                self.map.retain(|&n, _| n < 5);
                self.map.shrink_to_fit();
            }
        }
        self.check();
        // Taken out first: what is dropped in place when the process exits would be dropped again, without any
        // allocator too.
        let (list, map) = (Vec::new_in(*self.list.allocator()), HashMap::new_in(*self.map.allocator()));
        drop(std::mem::replace(self, Containers { list, map, has_lock: self.has_lock }));
    }

    fn use_in_destructor(&mut self) {
        self.check();
        if self.has_lock {
            let (list, map) = (Vec::new_in(*self.list.allocator()), HashMap::new_in(*self.map.allocator()));
            std::mem::forget(std::mem::replace(self, Containers { list, map, has_lock: true }));
            return;
        }
        self.push(MANY);
        self.insert(MANY);
        self.check();
    }
}
