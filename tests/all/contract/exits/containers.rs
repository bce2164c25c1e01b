//! Containers whose allocator calls safe code: the sink of a logging allocator, which exits at each line.

use std::fmt;

use allocator_api2_02::vec::Vec;
use hashbrown::{DefaultHashBuilder, HashMap};
use zigalloc::Allocator;
use zigalloc::testing::{FailingAllocator, FailingConfig};
use zigalloc::trace::{LoggedCall, LoggingAllocator, Sink};

use super::Kind;
use super::child::{Child, STEP};

pub(super) fn make(kind: &str, child: &'static Child) -> Option<Box<dyn Kind>> {
    // A block that grows is remapped, or copied into a new one if that is refused.
    let resize_fail_index = match kind {
        "remapped_container" => usize::MAX,
        "copied_container" => 0,
        _ => return None,
    };
    let config = FailingConfig { resize_fail_index, ..FailingConfig::default() };
    let memory = Box::leak(Box::new(FailingAllocator::init(Child::leak().allocator(), config)));
    let logging = Box::leak(Box::new(LoggingAllocator::init(memory.allocator(), Exits(child))));
    let allocator = logging.allocator();
    Some(Box::new(Containers { list: Vec::new_in(allocator), map: HashMap::new_in(allocator) }))
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
}

/// How many elements are more than one [`STEP`] of the child, so that the block moves when it grows.
const MANY: usize = STEP / size_of::<String>() + 1;

impl Containers {
    fn push(&mut self, count: usize) {
        for _ in 0..count {
            self.list.push(self.list.len().to_string());
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
        drop(std::mem::replace(self, Containers { list, map }));
    }

    fn use_in_destructor(&mut self) {
        self.check();
        self.push(MANY);
        self.insert(MANY);
        self.check();
    }
}
