//! Pools, through their own interface, and the expected state of their items.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use zigalloc::heap::{MemoryPoolExtra, PoolBox, ResetMode};

use crate::log::{Log, Owner};
use crate::probe::Probe;
use crate::reports::Bang;
use crate::table::Handle;

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

/// `N` bytes whose destructor panics on request.
pub(crate) struct Item<const N: usize>([u8; N]);

impl<const N: usize> Drop for Item<N> {
    fn drop(&mut self) {
        if ARMED.take() {
            resume_unwind(Box::new(Bang));
        }
    }
}

/// A pool of items of any length.
trait Items {
    fn create(&self) -> Option<NonNull<u8>>;
    /// # Safety
    /// As for [`MemoryPoolExtra::destroy`].
    unsafe fn destroy(&self, item: NonNull<u8>);
    fn preheat(&self, count: usize) -> bool;
    fn reset(&mut self, mode: ResetMode) -> bool;
    /// The address of a value in a box, and whether its destructor, which panics, ran.
    fn panicking_box(&self) -> Option<(NonNull<u8>, bool)>;
    fn len(&self) -> usize;
    fn alignment(&self) -> zigalloc::Alignment;
    fn is_growable(&self) -> bool;
}

impl<const N: usize, const ALIGN: usize, const GROWABLE: bool> Items
    for MemoryPoolExtra<Item<N>, ALIGN, GROWABLE, Handle>
{
    fn create(&self) -> Option<NonNull<u8>> {
        MemoryPoolExtra::create(self).ok().map(NonNull::cast)
    }

    unsafe fn destroy(&self, item: NonNull<u8>) {
        // SAFETY: as required of our caller.
        unsafe { MemoryPoolExtra::destroy(self, item.cast()) };
    }

    fn preheat(&self, count: usize) -> bool {
        MemoryPoolExtra::preheat(self, count).is_ok()
    }

    fn reset(&mut self, mode: ResetMode) -> bool {
        MemoryPoolExtra::reset(self, mode)
    }

    fn panicking_box(&self) -> Option<(NonNull<u8>, bool)> {
        let value: PoolBox<'_, Item<N>> = self.create_box(Item([7; N])).ok()?;
        let place = NonNull::from(&value.0).cast();
        ARMED.set(true);
        let heard = catch_unwind(AssertUnwindSafe(|| drop(value))).is_err();
        ARMED.set(false);
        Some((place, heard))
    }

    fn len(&self) -> usize {
        Self::ITEM_SIZE
    }

    fn alignment(&self) -> zigalloc::Alignment {
        Self::ITEM_ALIGNMENT
    }

    fn is_growable(&self) -> bool {
        GROWABLE
    }
}

/// A pool on top of a level.
pub(crate) struct Pool {
    items: Box<dyn Items>,
    pub(crate) level: usize,
    pub(crate) number: usize,
    /// The live items and the byte that fills each.
    live: Vec<(NonNull<u8>, u8)>,
    /// The freed items, in the order in which they were freed.
    given_back: Vec<NonNull<u8>>,
    /// The minimum number of items that need no call of the child.
    ready: usize,
}

impl Pool {
    pub(crate) fn new(kind: u8, level: usize, number: usize, child: Handle) -> Pool {
        let items: Box<dyn Items> = match kind % 5 {
            0 => Box::new(MemoryPoolExtra::<Item<1>, 0, true, _>::init(child)),
            1 => Box::new(MemoryPoolExtra::<Item<40>, 0, true, _>::init(child)),
            2 => Box::new(MemoryPoolExtra::<Item<100>, 64, true, _>::init(child)),
            3 => Box::new(MemoryPoolExtra::<Item<12>, 0, false, _>::init(child)),
            _ => Box::new(MemoryPoolExtra::<Item<700>, 16, false, _>::init(child)),
        };
        Pool { items, level, number, live: Vec::new(), given_back: Vec::new(), ready: 0 }
    }

    fn fail(&self, log: &Log, what: impl std::fmt::Display) {
        log.fail(format_args!("pool of {} bytes on level {}: {what}", self.items.len(), self.level));
    }

    fn owner(&self) -> Owner {
        Owner::Pool(self.number)
    }

    /// Creates an item, which must be the last one freed, or else new memory.
    pub(crate) fn create(&mut self, log: &Log, probe: &Probe, byte: u8) {
        let item = log.on_behalf(self.owner(), || self.items.create());
        let expected = self.given_back.pop();
        let Some(item) = item else {
            if expected.is_some() || self.ready > 0 {
                self.fail(log, "out of memory, with items that are free");
            }
            return;
        };
        log.reach(if expected.is_some() { "an item for the second time" } else { "a new item" });
        if expected.is_some_and(|expected| expected != item) {
            self.fail(log, "not the item that was given back last");
        }
        if expected.is_none() && self.ready == 0 && !self.items.is_growable() {
            self.fail(log, "an item, and none is free");
        }
        self.ready = self.ready.saturating_sub(1);
        let (address, len) = (item.addr().get(), self.items.len());
        if !self.items.alignment().check(address) || !probe.contains(address, len) {
            return self.fail(log, format_args!("{address:#x} is misaligned, or not in the pool's memory"));
        }
        if self.live.iter().any(|(other, _)| other.addr().get().abs_diff(address) < len) {
            return self.fail(log, format_args!("{address:#x} overlaps a live item"));
        }
        // SAFETY: an item of that length.
        unsafe { item.write_bytes(byte, len) };
        self.live.push((item, byte));
    }

    fn check_item(&self, log: &Log, (item, byte): (NonNull<u8>, u8)) {
        // SAFETY: a live item, which `create` has written.
        let bytes = unsafe { std::slice::from_raw_parts(item.as_ptr(), self.items.len()) };
        if bytes.iter().any(|&found| found != byte) {
            self.fail(log, "a live item was written to");
        }
    }

    pub(crate) fn destroy(&mut self, log: &Log, item: u8) {
        if self.live.is_empty() {
            return;
        }
        let item = self.live.swap_remove(usize::from(item) % self.live.len());
        self.check_item(log, item);
        // SAFETY: a live item of this pool.
        unsafe { self.items.destroy(item.0) };
        self.given_back.push(item.0);
        self.ready += 1;
    }

    pub(crate) fn preheat(&mut self, log: &Log, count: usize) {
        if log.on_behalf(self.owner(), || self.items.preheat(count)) {
            // The new ones come first, in an order that is unknown here.
            self.ready += count;
            self.given_back.clear();
        } else {
            // It keeps the items that it could make.
            self.ready = 0;
            self.given_back.clear();
            self.end_items(log);
            let _ = log.on_behalf(self.owner(), || self.items.reset(ResetMode::FreeAll));
        }
    }

    fn end_items(&mut self, log: &Log) {
        for item in std::mem::take(&mut self.live) {
            self.check_item(log, item);
        }
    }

    pub(crate) fn reset(&mut self, log: &Log, mode: ResetMode) {
        if !self.given_back.is_empty() {
            log.reach("a reset of a pool with free items");
        }
        self.end_items(log);
        self.given_back.clear();
        self.ready = 0;
        let _ = log.on_behalf(self.owner(), || self.items.reset(mode));
    }

    /// Drops a box whose value's destructor panics: its item is still freed.
    pub(crate) fn panicking_box(&mut self, log: &Log) {
        let Some((place, heard)) = log.on_behalf(self.owner(), || self.items.panicking_box()) else { return };
        log.reach("a box whose value panics");
        if !heard {
            self.fail(log, "the value of a box was not dropped");
        }
        let expected = self.given_back.pop();
        if expected.is_some_and(|expected| expected != place) {
            self.fail(log, "not the item that was given back last, for a box");
        }
        self.given_back.push(place);
        self.ready = self.ready.max(1);
    }

    /// Ends the pool; it returns all memory to its child.
    pub(crate) fn end(mut self, log: &Log, probe: &Probe) {
        self.end_items(log);
        let owner = self.owner();
        let (level, len) = (self.level, self.items.len());
        drop(self);
        let left = probe.live().iter().filter(|(_, entry)| entry.owner == owner).count();
        if left > 0 {
            log.fail(format_args!("pool of {len} bytes on level {level}: {left} blocks of the child leak"));
        }
    }
}
