//! A child that keeps the contract and is as difficult as the contract allows.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::rc::Rc;

use zigalloc::Alignment;
use zigalloc_support::Random;

use crate::log::Log;
use crate::probe::Probe;
use crate::program::Child;
use crate::table::{Functions, Handle};

pub(crate) struct Chaos {
    pub(crate) plan: Child,
    pub(crate) source: Handle,
    pub(crate) log: Rc<Log>,
    pub(crate) random: RefCell<Random>,
    /// The probe of the arena on top, which is asked for memory during its calls of this child. It must refuse then.
    pub(crate) caller: Cell<Option<NonNull<Probe>>>,
}

impl Chaos {
    fn chance(&self, chances: u8) -> bool {
        self.random.borrow_mut().chance(chances)
    }

    fn call_back(&self) {
        // SAFETY: this is set to `None` before the level of the arena ends.
        let Some(caller) = self.caller.get().map(|probe| unsafe { probe.as_ref() }) else { return };
        if !self.plan.calls_back || !caller.is_busy() {
            return;
        }
        self.log.reach("a call back");
        // SAFETY: the length is not zero. (It breaks clause no-reentry, which the arena tolerates.)
        if unsafe { caller.real.get().raw_alloc(1, Alignment::_1, 0) }.is_some() {
            self.log.fail("an arena that is calling its child has handed out a block");
        }
    }
}

impl Functions for Chaos {
    fn alloc(&self, len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        self.call_back();
        if self.chance(self.plan.refuse) {
            return None;
        }
        // SAFETY: the source is below a probe, which checks everything.
        unsafe { self.source.raw_alloc(len, alignment, ret_addr) }
    }

    fn resize(&self, memory: NonNull<[u8]>, alignment: Alignment, new_len: usize, ret_addr: usize) -> bool {
        self.call_back();
        // SAFETY: the source is below a probe, which checks everything.
        !self.chance(self.plan.refuse_resize)
            && unsafe { self.source.raw_resize(memory, alignment, new_len, ret_addr) }
    }

    fn remap(
        &self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        if self.chance(self.plan.refuse_remap) {
            return None;
        }
        if !self.chance(self.plan.moves) {
            // SAFETY: the source is below a probe, which checks everything.
            return unsafe { self.source.raw_remap(memory, alignment, new_len, ret_addr) };
        }
        // SAFETY: the source is below a probe, which checks everything; the blocks are a new one, and one that the
        // probe on top of this child has found to be live.
        unsafe {
            let new = self.source.raw_alloc(new_len, alignment, ret_addr)?;
            new.copy_from_nonoverlapping(memory.cast(), memory.len().min(new_len));
            self.source.raw_free(memory, alignment, ret_addr);
            Some(new)
        }
    }

    fn free(&self, memory: NonNull<[u8]>, alignment: Alignment, ret_addr: usize) {
        // SAFETY: the source is below a probe, which checks everything.
        unsafe { self.source.raw_free(memory, alignment, ret_addr) };
    }
}
