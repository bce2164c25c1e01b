//! What has gone wrong in a run, and who is calling.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

/// Whose block it is that a level hands out.
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
/// The functions of a table must not unwind. So what is found in one is written down here, and the program ends
/// when the call is over: it can be shrunk then.
pub(crate) struct Log {
    failure: RefCell<Option<String>>,
    owner: Cell<Owner>,
    /// The next free of a block of the program is by a typed function, which fills the memory.
    pub(crate) filled: Cell<bool>,
    reached: RefCell<Reached>,
}

/// How often a run came to something that programs are there to come to.
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

    /// Writes a failure down, unless there is an earlier one, of which this may be a consequence.
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

    /// Blocks that are asked for in `call` are the owner's; those asked for in calls that these make are not.
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
