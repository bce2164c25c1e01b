//! A map whose keys' hash exits the process while the table is rehashed in place.

use zigalloc::collections::{HashContext, HashMap};

use super::Kind;
use super::child::Child;

pub(super) fn make(kind: &str, child: &'static Child) -> Option<Box<dyn Kind>> {
    if kind != "rehashed_map" {
        return None;
    }
    Some(Box::new(Rehashed::new(child)))
}

/// What the map has room for.
const CAPACITY: usize = 28;

/// Each hash counts as a call of the child. Consecutive keys are side by side in the table, so that removals leave places
/// that no other hash can use.
#[derive(Clone, Copy)]
struct Sequential(&'static Child);

impl HashContext<usize, usize> for Sequential {
    fn hash(&self, key: &usize) -> u64 {
        self.0.tick();
        *key as u64
    }
    fn eql(&self, a: &usize, b: &usize) -> bool {
        a == b
    }
}

struct Rehashed {
    map: HashMap<'static, usize, String, Sequential>,
    next: usize,
    child: &'static Child,
}

impl Rehashed {
    fn new(child: &'static Child) -> Rehashed {
        Rehashed { map: HashMap::init_context(*child.allocator(), Sequential(child)), next: 0, child }
    }

    /// Removes the oldest entry of a full map and puts one.
    fn step(&mut self, assume: bool) {
        if self.map.count() == CAPACITY {
            assert!(self.map.remove(&(self.next - CAPACITY)));
        }
        let (key, text) = (self.next, self.next.to_string());
        if assume {
            self.map.put_assume_capacity(key, text)
        } else {
            self.map.put(key, text).unwrap()
        }
        self.next += 1;
    }

    fn check(&self) {
        let found = self.map.iter().inspect(|(key, text)| assert_eq!(key.to_string(), **text)).count();
        assert_eq!(found, self.map.count());
    }
}

impl Kind for Rehashed {
    /// The next step rehashes the table: a map on which the same was done has shown when.
    fn prepare(&mut self) {
        let mut other = Rehashed::new(self.child);
        other.map.ensure_total_capacity(CAPACITY).unwrap();
        self.map.ensure_total_capacity(CAPACITY).unwrap();
        loop {
            let before = self.child.calls();
            other.step(false);
            if self.child.calls() - before > 3 {
                break;
            }
            assert!(other.next < 100_000, "no step rehashes");
        }
        (1..other.next).for_each(|_| self.step(false));
    }

    fn run(&mut self, operation: &str) {
        let before = self.child.calls();
        self.step(operation == "assume");
        assert!(self.child.calls() - before > 3, "the step does not rehash");
        self.check();
    }

    fn use_in_destructor(&mut self) {
        self.check();
        (0..100).try_for_each(|number| self.map.put(1_000_000 + number, String::new())).unwrap();
    }
}
