//! The free blocks of one thread, and of all.

use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use crossbeam::utils::CachePadded;

use super::stack::{Entry, Stack};
use super::{CARRIER_CLASS, CLASS_COUNT, SLAB_ALIGNMENT, SLAB_LEN, block_len};
use crate::heap::PageAllocator;

/// A free block: a link to the next one of its chain, or null.
#[repr(C)]
pub(super) struct Block {
    next: *mut Block,
}

/// How many blocks of a class are a batch: the contents of a slab, but not too many.
const fn batch_len(class: usize) -> usize {
    let per_slab = SLAB_LEN / block_len(class);
    if per_slab < 256 { per_slab } else { 256 }
}

/// How many fresh blocks are chained at once. Not more than a page of them, since chaining writes to
/// them, and memory that nobody asked for should not be touched.
const fn chunk_len(class: usize) -> usize {
    let per_page = 4096 / block_len(class);
    if per_page == 0 {
        1
    } else if per_page < batch_len(class) {
        per_page
    } else {
        batch_len(class)
    }
}

/// How many classes there are, with that of the carriers.
const BIN_COUNT: usize = CLASS_COUNT + 1;

/// Whether the blocks of a class have room for an [`Entry`]. Those of class 0 do not.
const fn has_room_for_entry(class: usize) -> bool {
    block_len(class) >= size_of::<Entry>()
}

const _: () = {
    let mut class = 0;
    while class < BIN_COUNT {
        assert!(has_room_for_entry(class) == (class != 0));
        // The rest of a slab is a number of chunks, so it has room for an entry.
        assert!((SLAB_LEN / block_len(class)) % chunk_len(class) == 0);
        assert!(chunk_len(class) * block_len(class) >= size_of::<Entry>());
        // With room for one block only, `loaded` would go to the depot at every second call.
        assert!(batch_len(class) >= 2);
        class += 1;
    }
};

/// What all threads share: a depot for each class.
pub(super) struct Shared {
    depots: [CachePadded<Depot>; BIN_COUNT],
    slabs: AtomicUsize,
    /// Whether to pretend that there is no memory left.
    #[cfg(test)]
    pub(super) exhausted: core::sync::atomic::AtomicBool,
}

struct Depot {
    batches: Stack,
    /// Rests of slabs, of threads that have ended.
    fresh: Stack,
}

impl Shared {
    pub(super) const fn new() -> Shared {
        Shared {
            depots: [const { CachePadded::new(Depot { batches: Stack::new(), fresh: Stack::new() }) };
                BIN_COUNT],
            slabs: AtomicUsize::new(0),
            #[cfg(test)]
            exhausted: core::sync::atomic::AtomicBool::new(false),
        }
    }

    pub(super) fn slab_bytes(&self) -> usize {
        self.slabs.load(Ordering::Relaxed) * SLAB_LEN
    }

    /// Null if there is no memory.
    fn map_slab(&self) -> *mut u8 {
        #[cfg(test)]
        if self.exhausted.load(Ordering::Relaxed) {
            return ptr::null_mut();
        }
        let slab = nullable(PageAllocator::map(SLAB_LEN, SLAB_ALIGNMENT));
        if !slab.is_null() {
            self.slabs.fetch_add(1, Ordering::Relaxed);
        }
        slab
    }

    /// Locks a class's depot, as a thread does that disappears in the middle of a call.
    #[cfg(test)]
    pub(super) fn abandon(&self, class: usize) {
        self.depots[class].batches.abandon();
    }
}

/// The free blocks of one thread.
///
/// It has no destructor; [`close`](Self::close) is its end. Then, and before [`open`](Self::open), it
/// has no block and no room, so that [`pop`](Self::pop) and [`push`](Self::push) fail.
pub(super) struct Local {
    bins: [Bin; BIN_COUNT],
}

/// The free blocks of one class. In a chain are free blocks of the class, which nobody else has.
struct Bin {
    loaded: Cell<*mut Block>,
    /// How many blocks `free` may put in front of `loaded`. With the number of blocks in it, that is a
    /// batch at most. It is less where a chain was taken that could have been shorter than a batch:
    /// nobody counts.
    room: Cell<usize>,
    spare: Cell<*mut Block>,
    /// The rest of a slab, which nobody else has; or, where its address is a multiple of the length of
    /// a slab, the end of one or null, and there is no rest.
    fresh: Cell<*mut u8>,
}

impl Local {
    pub(super) const fn new() -> Local {
        Local {
            bins: [const {
                Bin {
                    loaded: Cell::new(ptr::null_mut()),
                    room: Cell::new(0),
                    spare: Cell::new(ptr::null_mut()),
                    fresh: Cell::new(ptr::null_mut()),
                }
            }; BIN_COUNT],
        }
    }

    /// Makes room for blocks.
    pub(super) fn open(&self) {
        for (class, bin) in self.bins.iter().enumerate() {
            bin.room.set(batch_len(class));
        }
    }

    /// Gives everything away, to the depots.
    pub(super) fn close(&self, shared: &Shared) {
        // Upwards, since class 0 needs carriers, which are the last class. If there is no memory for
        // these, blocks of class 0, two batches as a rule, are lost.
        for (class, bin) in self.bins.iter().enumerate() {
            bin.room.set(0);
            for chain in [take_chain(&bin.spare), take_chain(&bin.loaded)] {
                if !chain.is_null() {
                    self.give(shared, class, chain);
                }
            }
            let fresh = bin.fresh.replace(ptr::null_mut());
            if fresh.addr() % SLAB_LEN != 0 {
                // SAFETY: it is ours, and at least a chunk.
                unsafe { shared.depots[class].fresh.push(fresh.cast()) };
            }
        }
    }

    /// Takes the first block of `loaded`, or null.
    #[inline(always)]
    pub(super) fn pop(&self, class: usize) -> *mut u8 {
        let bin = &self.bins[class];
        let block = bin.loaded.get();
        if !block.is_null() {
            // SAFETY: what is in a chain is a free block, and ours.
            bin.loaded.set(unsafe { (*block).next });
            bin.room.set(bin.room.get() + 1);
        }
        block.cast()
    }

    /// Puts a block in front of `loaded`, or returns false if there is no room.
    ///
    /// # Safety
    /// As [`free`](Self::free).
    #[inline(always)]
    pub(super) unsafe fn push(&self, class: usize, memory: *mut u8) -> bool {
        let bin = &self.bins[class];
        let room = bin.room.get();
        if room == 0 {
            return false;
        }
        let block: *mut Block = memory.cast();
        // SAFETY: the caller gives us the block, which is at least a word, and aligned to its length.
        unsafe { block.write(Block { next: bin.loaded.get() }) };
        bin.loaded.set(block);
        bin.room.set(room - 1);
        true
    }

    /// Takes a block, from wherever there is one. Null if there is no memory.
    pub(super) fn alloc(&self, shared: &Shared, class: usize) -> *mut u8 {
        let bin = &self.bins[class];
        if bin.loaded.get().is_null() {
            let spare = take_chain(&bin.spare);
            let (chain, room) = if !spare.is_null() {
                (spare, 0)
            } else {
                match self.take(shared, class) {
                    batch if !batch.is_null() => (batch, 0),
                    _ => (self.cut(shared, class), batch_len(class) - chunk_len(class)),
                }
            };
            if chain.is_null() {
                return ptr::null_mut();
            }
            bin.loaded.set(chain);
            bin.room.set(room);
        }
        self.pop(class)
    }

    /// Puts a block in front of `loaded`, after making room if there is none.
    ///
    /// # Safety
    /// `memory` is a block of the class, and the caller gives it away. `self` is open.
    pub(super) unsafe fn free(&self, shared: &Shared, class: usize, memory: *mut u8) {
        let bin = &self.bins[class];
        if bin.room.get() == 0 {
            let spare = take_chain(&bin.spare);
            if spare.is_null() || self.give(shared, class, spare) {
                bin.spare.set(take_chain(&bin.loaded));
            } else {
                // No memory for a carrier: both chains stay, and `loaded` becomes longer.
                bin.spare.set(spare);
            }
            bin.room.set(batch_len(class));
        }
        // SAFETY: the caller's promise.
        let pushed = unsafe { self.push(class, memory) };
        debug_assert!(pushed, "SmpAllocator: there is room now");
    }

    /// Gives a chain, which is ours and not empty, to the depot. False if there is no memory to do so.
    fn give(&self, shared: &Shared, class: usize, chain: *mut Block) -> bool {
        let entry: *mut Entry = if has_room_for_entry(class) {
            chain.cast()
        } else {
            let carrier: *mut Entry = self.alloc(shared, CARRIER_CLASS).cast();
            if carrier.is_null() {
                return false;
            }
            // SAFETY: a block of its class has room for an entry.
            unsafe { (&raw mut (*carrier).block.next).write(chain) };
            carrier
        };
        // SAFETY: the entry is ours, the chain hangs on it, and both are given away here.
        unsafe { shared.depots[class].batches.push(entry) };
        true
    }

    /// Takes a chain from the depot, or null.
    fn take(&self, shared: &Shared, class: usize) -> *mut Block {
        let entry = shared.depots[class].batches.pop();
        if has_room_for_entry(class) || entry.is_null() {
            return entry.cast();
        }
        // SAFETY: `give` has put the chain there, and the entry is ours now. It is a block of its class.
        unsafe {
            let chain = (*entry).block.next;
            self.free(shared, CARRIER_CLASS, entry.cast());
            chain
        }
    }

    /// A chain of fresh blocks, in the order of their addresses. Null if there is no memory.
    fn cut(&self, shared: &Shared, class: usize) -> *mut Block {
        let bin = &self.bins[class];
        let mut fresh = bin.fresh.get();
        if fresh.addr() % SLAB_LEN == 0 {
            fresh = shared.depots[class].fresh.pop().cast();
            if fresh.is_null() {
                fresh = shared.map_slab();
            }
            if fresh.is_null() {
                return fresh.cast();
            }
        }
        let (len, count) = (block_len(class), chunk_len(class));
        let first: *mut Block = fresh.cast();
        for i in 1..=count {
            // SAFETY: the rest of a slab has at least `count` blocks, so the sum is in it or its end.
            let end = unsafe { fresh.add(len) };
            let next = if i < count { end.cast() } else { ptr::null_mut() };
            // SAFETY: the block is ours, at least a word, and aligned to its length.
            unsafe { fresh.cast::<Block>().write(Block { next }) };
            fresh = end;
        }
        bin.fresh.set(fresh);
        first
    }
}

/// What was in the cell, which is empty afterwards.
fn take_chain(cell: &Cell<*mut Block>) -> *mut Block {
    cell.replace(ptr::null_mut())
}
