//! The probe on top of every level: a ledger that knows the level below and the one above.
//!
//! It checks each call against the [contract](zigalloc::VTable#the-contract-of-an-allocator), and what neither side
//! can check alone: that a block lies inside live memory of the level below, and that no memory is freed that
//! contains a block of the level above.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::rc::Rc;

use zigalloc::Alignment;

use crate::log::{Log, Owner};
use crate::table::{Functions, Handle};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) memory: NonNull<u8>,
    pub(crate) len: usize,
    pub(crate) alignment: Alignment,
    pub(crate) owner: Owner,
}

pub(crate) struct Probe {
    log: Rc<Log>,
    pub(crate) name: String,
    /// The allocator under test. Its handle is taken again before each step: copies of a handle, and handles taken at
    /// different times, are the same allocator (clause copies).
    pub(crate) real: Cell<Handle>,
    /// The probe of the level below, the source of all memory.
    below: Option<NonNull<Probe>>,
    pub(crate) above: Cell<Option<NonNull<Probe>>>,
    /// Memory inside the allocator itself: address and length.
    pub(crate) own: Cell<Option<(usize, usize)>>,
    /// The maximum number of calls of the level below in one call. An allocator that looks for room at an address and
    /// does not use it makes more.
    pub(crate) most_calls: Cell<usize>,
    calls: Cell<usize>,
    live: RefCell<BTreeMap<usize, Entry>>,
    busy: Cell<bool>,
}

impl Probe {
    pub(crate) fn new(log: Rc<Log>, name: String, real: Handle, below: Option<&Probe>) -> Probe {
        Probe {
            log,
            name,
            real: Cell::new(real),
            below: below.map(NonNull::from),
            above: Cell::new(None),
            own: Cell::new(None),
            most_calls: Cell::new(usize::MAX),
            calls: Cell::new(0),
            live: RefCell::default(),
            busy: Cell::new(false),
        }
    }

    fn below(&self) -> Option<&Probe> {
        // SAFETY: levels end from highest to lowest, so the one below exists; it is only borrowed shared.
        self.below.map(|probe| unsafe { probe.as_ref() })
    }

    /// Returns whether a call of the allocator is in progress.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.get()
    }

    pub(crate) fn live(&self) -> Vec<(usize, Entry)> {
        self.live.borrow().iter().map(|(&address, &entry)| (address, entry)).collect()
    }

    pub(crate) fn live_count(&self) -> usize {
        self.live.borrow().len()
    }

    pub(crate) fn live_bytes(&self) -> usize {
        self.live.borrow().values().map(|entry| entry.len).sum()
    }

    /// Removes a block that ended otherwise than by `free`.
    pub(crate) fn forget(&self, address: usize) -> Option<Entry> {
        self.live.borrow_mut().remove(&address)
    }

    /// Sets the length of a block that changed otherwise than by a call: by a rewind.
    pub(crate) fn set_len(&self, address: usize, len: usize) {
        if let Some(entry) = self.live.borrow_mut().get_mut(&address) {
            entry.len = len;
        }
    }

    /// Returns whether all these bytes are part of one live block, or of the allocator's own memory.
    pub(crate) fn contains(&self, address: usize, len: usize) -> bool {
        let is_in = |start: usize, size: usize| {
            address >= start && address - start <= size && len <= size - (address - start)
        };
        let live = self.live.borrow();
        let block = live.range(..=address).next_back();
        block.is_some_and(|(&start, entry)| is_in(start, entry.len))
    }

    /// Returns the live block that contains one of these bytes.
    fn overlap(&self, address: usize, len: usize) -> Option<(usize, usize)> {
        let live = self.live.borrow();
        let (&start, entry) = live.range(..address.saturating_add(len)).next_back()?;
        (start.saturating_add(entry.len) > address).then_some((start, entry.len))
    }

    fn fail(&self, call: &str, what: impl std::fmt::Display) {
        self.log.fail(format_args!("{}: {call}: {what}", self.name));
    }

    /// Records a block that the allocator has handed out.
    fn insert(&self, call: &str, entry: Entry) {
        let Entry { memory, len, alignment, .. } = entry;
        let address = memory.addr().get();
        if !alignment.is_valid() || !alignment.check(address) {
            self.fail(call, format_args!("clause new-block: {address:#x} is not aligned to {alignment:?}"));
        } else if len > isize::MAX as usize || address.checked_add(len).is_none() {
            self.fail(call, format_args!("clause no-overflow: {len} bytes at {address:#x}"));
        } else if let Some((start, size)) = self.overlap(address, len) {
            let what =
                format_args!("clause new-block: {len} bytes at {address:#x} overlap {size} at {start:#x}");
            self.fail(call, what);
        } else {
            let is_own = self.own.get().is_some_and(|(start, size)| {
                address >= start && address - start <= size && len <= size - (address - start)
            });
            if !is_own && self.below().is_some_and(|below| !below.contains(address, len)) {
                let what = format_args!("{len} bytes at {address:#x} are not in one block of what is below");
                self.fail(call, what);
            }
        }
        self.live.borrow_mut().insert(address, entry);
    }

    /// Takes the live block that a caller passes, which is not live during the call; `None` if there is no such block.
    fn take(&self, call: &str, memory: NonNull<[u8]>, alignment: Alignment) -> Option<Entry> {
        let address = memory.addr().get();
        let entry = self.live.borrow().get(&address).copied();
        let Some(entry) = entry else {
            self.fail(call, format_args!("clause live-block: there is no block at {address:#x}"));
            return None;
        };
        if entry.len != memory.len() || entry.alignment != alignment {
            let given = (memory.len(), alignment);
            let what = format_args!(
                "clause live-block: {given:?} for a block with {:?}",
                (entry.len, entry.alignment)
            );
            self.fail(call, what);
            return None;
        }
        self.live.borrow_mut().remove(&address)
    }

    /// Checks memory that is freed: none of it may be in use above.
    fn ends(&self, call: &str, address: usize, len: usize) {
        // SAFETY: as in `below`: this is set to `None` before the level above ends.
        let Some(above) = self.above.get().map(|probe| unsafe { probe.as_ref() }) else { return };
        if let Some((start, size)) = above.overlap(address, len) {
            let what = format_args!(
                "{len} bytes at {address:#x} are given back, of which {} has {size} at {start:#x}",
                above.name
            );
            self.fail(call, what);
        }
    }

    /// Calls the allocator, on its own behalf, unless a call is in progress.
    fn call<R>(&self, name: &str, refused: R, call: impl FnOnce(Handle) -> R) -> R {
        self.calls.set(self.calls.get() + 1);
        if self.busy.replace(true) {
            self.fail(name, "clause no-reentry: called back in the middle of a call");
            return refused;
        }
        let calls = self.below().map_or(0, |below| below.calls.get());
        let result = self.log.on_behalf(Owner::Layer, || call(self.real.get()));
        self.busy.set(false);
        let calls = self.below().map_or(0, |below| below.calls.get()) - calls;
        if calls > self.most_calls.get() {
            let most = self.most_calls.get();
            self.fail(
                name,
                format_args!("{calls} calls of what is below for one; at most {most} are needed"),
            );
        }
        result
    }
}

/// The byte that fills memory which a typed function frees.
const UNDEFINED: u8 = 0xAA;

impl Functions for Probe {
    fn alloc(&self, len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        if len == 0 {
            self.fail("alloc", "clause non-zero: a length of 0");
            return None;
        }
        let owner = self.log.owner();
        // SAFETY: the length is not zero, and there is one thread.
        let memory = self.call("alloc", None, |real| unsafe { real.raw_alloc(len, alignment, ret_addr) })?;
        self.insert("alloc", Entry { memory, len, alignment, owner });
        Some(memory)
    }

    fn resize(&self, memory: NonNull<[u8]>, alignment: Alignment, new_len: usize, ret_addr: usize) -> bool {
        if new_len == 0 {
            self.fail("resize", "clause non-zero: a length of 0");
            return false;
        }
        let Some(entry) = self.take("resize", memory, alignment) else { return false };
        // SAFETY: a live block with matching length and alignment.
        let resized = self
            .call("resize", false, |real| unsafe { real.raw_resize(memory, alignment, new_len, ret_addr) });
        let len = if resized { new_len } else { entry.len };
        self.insert("resize", Entry { len, ..entry });
        if len < entry.len {
            self.ends("resize", memory.addr().get() + len, entry.len - len);
        }
        resized
    }

    fn remap(
        &self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        if new_len == 0 {
            self.fail("remap", "clause non-zero: a length of 0");
            return None;
        }
        let entry = self.take("remap", memory, alignment)?;
        // SAFETY: a live block with matching length and alignment.
        let remapped =
            self.call("remap", None, |real| unsafe { real.raw_remap(memory, alignment, new_len, ret_addr) });
        let address = memory.addr().get();
        match remapped {
            None => self.insert("remap", entry),
            Some(new) => {
                self.insert("remap", Entry { memory: new, len: new_len, ..entry });
                if new != memory.cast() {
                    self.ends("remap", address, entry.len);
                } else if new_len < entry.len {
                    self.ends("remap", address + new_len, entry.len - new_len);
                }
            }
        }
        remapped
    }

    fn free(&self, memory: NonNull<[u8]>, alignment: Alignment, ret_addr: usize) {
        let Some(entry) = self.take("free", memory, alignment) else { return };
        if entry.owner == Owner::User && self.log.filled.replace(false) {
            // SAFETY: a live block, all of which the typed function has written.
            let ends =
                unsafe { [memory.cast::<u8>().read(), memory.cast::<u8>().add(memory.len() - 1).read()] };
            if ends != [UNDEFINED; 2] {
                self.fail("free", "the typed function has not made the memory undefined");
            }
        }
        self.ends("free", memory.addr().get(), memory.len());
        if self.log.has_failed() {
            // Continuing would be undefined behaviour.
            return;
        }
        // SAFETY: a live block with matching length and alignment.
        self.call("free", (), |real| unsafe { real.raw_free(memory, alignment, ret_addr) });
    }
}
