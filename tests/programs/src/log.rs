//! The failures of a run, and the current caller.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

/// The owner of the blocks that a level hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The allocator on top of the level.
    Layer,
    /// The program.
    User,
    /// A pool on top of the level, by its number.
    Pool(usize),
}

/// Shared by everything in one run.
///
/// The functions of a vtable must not unwind. So a failure in one is recorded here, and the program ends when the
/// call returns: then it can be shrunk.
pub(crate) struct Log {
    failure: RefCell<Option<String>>,
    owner: Cell<Owner>,
    /// The program's next free of a block is by a typed function, which fills the memory.
    pub(crate) filled: Cell<bool>,
    reached: RefCell<Reached>,
}

/// How often a run reached each state that programs should reach.
pub type Reached = BTreeMap<&'static str, u64>;

impl Log {
    pub(crate) fn new() -> Log {
        Log {
            failure: RefCell::new(None),
            owner: Cell::new(Owner::Layer),
            filled: Cell::new(false),
            reached: RefCell::default(),
        }
    }

    /// Records a failure, unless there is an earlier one that may have caused it.
    pub(crate) fn fail(&self, text: impl fmt::Display) {
        self.failure.borrow_mut().get_or_insert_with(|| text.to_string());
    }

    pub(crate) fn reach(&self, what: &'static str) {
        *self.reached.borrow_mut().entry(what).or_default() += 1;
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    pub(crate) fn result(&self) -> Result<Reached, String> {
        self.failure.borrow().clone().map_or_else(|| Ok(self.reached.borrow().clone()), Err)
    }

    /// Blocks requested in `call` belong to `owner`; blocks requested by calls that these make do not.
    pub(crate) fn on_behalf<R>(&self, owner: Owner, call: impl FnOnce() -> R) -> R {
        let before = self.owner.replace(owner);
        let result = call();
        self.owner.set(before);
        result
    }

    pub(crate) fn owner(&self) -> Owner {
        self.owner.get()
    }
}
