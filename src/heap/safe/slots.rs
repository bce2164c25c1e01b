//! SA-10: the slots, of which a thread holds one during a call.
//!
//! A thread tries to lock the slot that it had before. If another thread holds it, it moves on to the next, and in a
//! circle over as many slots as there are processors. Which slot a thread had is the same for all allocators of the
//! process. If it finds none for a while, it goes on to those above: a slot stays locked for ever if the child exits the
//! process in mid-call, or in the child process of a fork.

use core::cell::{Cell, UnsafeCell};
use core::ops::{Deref, DerefMut};
use core::panic::{RefUnwindSafe, UnwindSafe};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::entries::Entries;

/// How many slots an allocator has.
pub(super) const SLOTS: usize = 128;

/// How many slots threads use; 0 before the first time that a thread finds its slot locked.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    /// The slot that this thread had last.
    static INDEX: Cell<usize> = const { Cell::new(0) };
}

/// On cache lines of its own.
#[repr(align(128))]
struct Slot {
    is_locked: AtomicBool,
    entries: UnsafeCell<Entries>,
}

pub(super) struct Slots {
    slots: [Slot; SLOTS],
}

// SAFETY: the entries of a slot are used by the thread that has locked it; what their pointers refer to is in blocks of
// the child, and used as `Entry` and `Bucket` say.
unsafe impl Sync for Slots {}
// SAFETY: as above; nothing belongs to a thread.
unsafe impl Send for Slots {}

// Like a mutex whose poison is ignored: the functions of a table do not unwind.
impl UnwindSafe for Slots {}
impl RefUnwindSafe for Slots {}

/// The right to use a slot. Dropping it unlocks the slot.
pub(super) struct Held<'s>(&'s Slot);

impl Slots {
    pub(super) const fn new() -> Slots {
        Slots { slots: [const { Slot::new() }; SLOTS] }
    }

    /// The slot that this thread had last, if no other thread holds it.
    #[inline(always)]
    pub(super) fn try_take(&self) -> Option<Held<'_>> {
        self.slots[INDEX.get() % SLOTS].try_lock()
    }

    #[inline(always)]
    pub(super) fn take(&self) -> Held<'_> {
        self.try_take().unwrap_or_else(|| self.take_another())
    }

    #[cold]
    fn take_another(&self) -> Held<'_> {
        let limit = limit();
        let mut looks = 0;
        loop {
            // After two circles, those above too: some slot may be locked for ever.
            let within = if looks < 2 * limit { limit } else { SLOTS };
            let index = INDEX.get() + 1;
            let index = if index < within { index } else { 0 };
            INDEX.set(index);
            if let Some(held) = self.slots[index].try_lock() {
                return held;
            }
            looks += 1;
            if looks % within == 0 {
                std::thread::yield_now();
            }
        }
    }

    /// Calls `each` with every slot that is not locked, in order. A locked one is in the middle of a call that never
    /// returned, since the child exited the process: what it refers to leaks.
    pub(super) fn for_each(&mut self, mut each: impl FnMut(&mut Entries)) {
        for slot in &mut self.slots {
            if !*slot.is_locked.get_mut() {
                each(slot.entries.get_mut());
            }
        }
    }

    /// As [`for_each`](Self::for_each), with a shared borrow; slots that other threads hold are left out.
    pub(super) fn visit(&self, mut each: impl FnMut(&Entries)) {
        self.slots.iter().filter_map(Slot::try_lock).for_each(|held| each(&held));
    }

    /// Locks this thread's slot, as a call that never returns does.
    #[cfg(test)]
    pub(super) fn abandon(&self) {
        core::mem::forget(self.take());
    }
}

impl Slot {
    const fn new() -> Slot {
        Slot { is_locked: AtomicBool::new(false), entries: UnsafeCell::new(Entries::new()) }
    }

    #[inline(always)]
    fn try_lock(&self) -> Option<Held<'_>> {
        let locked = self.is_locked.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        locked.is_ok().then(|| Held(self))
    }
}

impl Deref for Held<'_> {
    type Target = Entries;

    #[inline(always)]
    fn deref(&self) -> &Entries {
        // SAFETY: the slot is locked by this value.
        unsafe { &*self.0.entries.get() }
    }
}

impl DerefMut for Held<'_> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Entries {
        // SAFETY: the slot is locked by this value, which is borrowed exclusively.
        unsafe { &mut *self.0.entries.get() }
    }
}

impl Drop for Held<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.is_locked.store(false, Ordering::Release);
    }
}

#[cold]
fn limit() -> usize {
    let known = LIMIT.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let limit = processors().clamp(1, SLOTS);
    match LIMIT.compare_exchange(0, limit, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => limit,
        Err(other) => other,
    }
}

/// `available_parallelism` reads files on Linux, for which it allocates; the global heap may be built on the allocator
/// that is asking.
#[cfg(all(unix, not(miri)))]
fn processors() -> usize {
    // SAFETY: it has no conditions.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    usize::try_from(count).unwrap_or(1)
}

#[cfg(not(all(unix, not(miri))))]
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SA-10: a thread gets another slot if its own is held, and more than there are processors if all those are.
    #[test]
    fn held_slots_are_passed_over() {
        let mut slots = Slots::new();
        let held: std::vec::Vec<_> = (0..SLOTS - 1).map(|_| slots.take()).collect();
        let places = |held: &Held<'_>| core::ptr::from_ref(held.0).addr();
        let mut all: std::vec::Vec<_> = held.iter().map(places).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), SLOTS - 1);
        drop(held);
        // One that is never released.
        slots.abandon();
        assert!(slots.try_take().is_none());
        drop(slots.take());
        let mut count = 0;
        slots.visit(|_| count += 1);
        slots.for_each(|_| count += 1);
        assert_eq!(count, 2 * (SLOTS - 1));
    }
}
