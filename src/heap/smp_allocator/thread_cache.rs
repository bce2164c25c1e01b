//! The free blocks of one thread, and the depots that all threads share.

use core::cell::Cell;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use crossbeam::utils::CachePadded;

use super::large;
use super::stack::{Stack, StackNode};
use super::{CARRIER_CLASS, CLASS_COUNT, SLAB_ALIGNMENT, SLAB_LEN, block_len};

/// A free block, which links to the next one of its chain.
#[repr(C)]
pub(super) struct Block {
    next: Chain,
}

/// A chain of free blocks of one class, given by its first block; `None` if empty.
type Chain = Option<NonNull<Block>>;

/// The number of blocks in a batch: as many as a slab has, within a limit.
const fn batch_len(class: usize) -> usize {
    let per_slab = SLAB_LEN / block_len(class);
    if per_slab < 256 { per_slab } else { 256 }
}

/// The number of fresh blocks chained at once: at most a page of them, since chaining writes to them, and memory that
/// was not requested should not be touched.
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

/// The number of classes, including the carriers'.
const BIN_COUNT: usize = CLASS_COUNT + 1;

/// Returns whether the blocks of a class have room for an [`StackNode`]. Those of class 0 do not.
const fn has_room_for_node(class: usize) -> bool {
    block_len(class) >= size_of::<StackNode>()
}

const _: () = {
    let mut class = 0;
    while class < BIN_COUNT {
        assert!(has_room_for_node(class) == (class != 0));
        // The rest of a slab is a whole number of chunks, so it has room for an entry.
        assert!((SLAB_LEN / block_len(class)) % chunk_len(class) == 0);
        assert!(chunk_len(class) * block_len(class) >= size_of::<StackNode>());
        // With batches of one block, `loaded` would go to the depot on every second call.
        assert!(batch_len(class) >= 2);
        class += 1;
    }
};

/// The state that all threads share: a depot for each class.
pub(super) struct Depots {
    depots: [CachePadded<Depot>; BIN_COUNT],
    slabs: AtomicUsize,
    /// Simulates that no memory is left.
    #[cfg(test)]
    pub(super) exhausted: core::sync::atomic::AtomicBool,
}

struct Depot {
    batches: Stack,
    /// Rests of slabs, from threads that have exited.
    fresh: Stack,
}

impl Depots {
    pub(super) const fn new() -> Depots {
        Depots {
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

    /// Maps a new slab, or returns `None` if there is no memory.
    fn map_slab(&self) -> Option<NonNull<u8>> {
        #[cfg(test)]
        if self.exhausted.load(Ordering::Relaxed) {
            return None;
        }
        let slab = large::map_pages(SLAB_LEN, SLAB_ALIGNMENT)?;
        self.slabs.fetch_add(1, Ordering::Relaxed);
        Some(slab)
    }

    /// Locks a class's depot, as a thread does that disappears in the middle of a call.
    #[cfg(test)]
    pub(super) fn abandon(&self, class: usize) {
        self.depots[class].batches.abandon();
    }
}

/// The free blocks of one thread.
///
/// It has no destructor; call [`close`](Self::close) instead. Before [`open`](Self::open) and after `close`, it has
/// no blocks and no room, so [`pop`](Self::pop) and [`push`](Self::push) fail.
pub(super) struct ThreadCache {
    bins: [Bin; BIN_COUNT],
}

/// The free blocks of one class. Those in its chains, and the rest of a slab, belong to this bin alone.
struct Bin {
    loaded: Cell<Chain>,
    /// How many blocks `free` may put in front of `loaded`. Together with the blocks in `loaded` this is at most a
    /// batch. It is less if `loaded` was taken from elsewhere and may be shorter than a batch: blocks are not
    /// counted.
    room: Cell<usize>,
    spare: Cell<Chain>,
    /// The rest of a slab. At a multiple of the slab length, the address is null or the end of a slab, and there is
    /// no rest.
    fresh: Cell<*mut u8>,
}

impl ThreadCache {
    pub(super) const fn new() -> ThreadCache {
        ThreadCache {
            bins: [const {
                Bin {
                    loaded: Cell::new(None),
                    room: Cell::new(0),
                    spare: Cell::new(None),
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

    /// Gives all blocks to the depots.
    pub(super) fn close(&self, shared: &Depots) {
        // In ascending order: class 0 needs carriers, which are the last class. Without memory for carriers, the
        // blocks of class 0 (usually two batches) are lost.
        for (class, bin) in self.bins.iter().enumerate() {
            bin.room.set(0);
            for chain in [bin.spare.take(), bin.loaded.take()].into_iter().flatten() {
                // SAFETY: a chain of this class, which is no longer in any cell.
                unsafe { self.give(shared, class, chain) };
            }
            if let Some(rest) = rest_of_slab(bin.fresh.replace(ptr::null_mut())) {
                // SAFETY: the rest of a slab is at least a chunk, and is no longer in any cell.
                unsafe { shared.depots[class].fresh.push(rest.cast()) };
            }
        }
    }

    /// Takes the first block of `loaded`; `None` if `loaded` is empty.
    #[inline(always)]
    pub(super) fn pop(&self, class: usize) -> Option<NonNull<u8>> {
        let bin = &self.bins[class];
        let block = bin.loaded.get()?;
        // SAFETY: a block in a chain is free, holds its link, and belongs to this thread.
        bin.loaded.set(unsafe { block.read() }.next);
        bin.room.set(bin.room.get() + 1);
        Some(block.cast())
    }

    /// Puts a block in front of `loaded`, or returns false if there is no room.
    ///
    /// # Safety
    /// `memory` is a block of the class. If the result is true, it is not used afterwards.
    #[inline(always)]
    pub(super) unsafe fn push(&self, class: usize, memory: NonNull<u8>) -> bool {
        let bin = &self.bins[class];
        let room = bin.room.get();
        if room == 0 {
            return false;
        }
        let block = memory.cast::<Block>();
        // SAFETY: the block is ours now. It is at least a word, and aligned to its length.
        unsafe { block.write(Block { next: bin.loaded.get() }) };
        bin.loaded.set(Some(block));
        bin.room.set(room - 1);
        true
    }

    /// Allocates a block from the chains, the depot or a slab; `None` if there is no memory.
    pub(super) fn alloc(&self, shared: &Depots, class: usize) -> Option<NonNull<u8>> {
        let bin = &self.bins[class];
        if bin.loaded.get().is_none() {
            let (chain, room) = match bin.spare.take().or_else(|| self.take(shared, class)) {
                Some(batch) => (batch, 0),
                None => (self.cut(shared, class)?, batch_len(class) - chunk_len(class)),
            };
            bin.loaded.set(Some(chain));
            bin.room.set(room);
        }
        self.pop(class)
    }

    /// Puts a block in front of `loaded`, after making room if necessary.
    ///
    /// # Safety
    /// `memory` is a block of the class, and not used afterwards. `self` is open.
    pub(super) unsafe fn free(&self, shared: &Depots, class: usize, memory: NonNull<u8>) {
        let bin = &self.bins[class];
        if bin.room.get() == 0 {
            match bin.spare.take() {
                // SAFETY: a chain of this class, which is no longer in any cell.
                Some(spare) if !unsafe { self.give(shared, class, spare) } => {
                    // No memory for a carrier: both chains stay, and `loaded` becomes longer.
                    bin.spare.set(Some(spare));
                }
                _ => bin.spare.set(bin.loaded.take()),
            }
            bin.room.set(batch_len(class));
        }
        // SAFETY: a block of the class, not used afterwards, by our caller.
        let pushed = unsafe { self.push(class, memory) };
        debug_assert!(pushed, "SmpAllocator: there is room now");
    }

    /// Gives a chain to the depot, or returns false if there is no memory for a carrier.
    ///
    /// # Safety
    /// `chain` consists of free blocks of the class. If the result is true, they are not used afterwards.
    unsafe fn give(&self, shared: &Depots, class: usize, chain: NonNull<Block>) -> bool {
        let entry: NonNull<StackNode> = if has_room_for_node(class) {
            chain.cast()
        } else {
            let Some(carrier) = self.alloc(shared, CARRIER_CLASS) else { return false };
            // SAFETY: the carrier is ours, and a block of its class has room for an entry, which starts with a block.
            unsafe { carrier.cast::<Block>().write(Block { next: Some(chain) }) };
            carrier.cast()
        };
        // SAFETY: the first block of the chain, or a carrier; either has room for an entry, and is not used until it is
        // popped.
        unsafe { shared.depots[class].batches.push(entry) };
        true
    }

    /// Takes a chain from the depot; `None` if the depot has none.
    fn take(&self, shared: &Depots, class: usize) -> Chain {
        let entry = shared.depots[class].batches.pop()?;
        if has_room_for_node(class) {
            return Some(entry.cast());
        }
        // SAFETY: `give` wrote the chain there, and the entry is ours now.
        let carried = unsafe { entry.cast::<Block>().read() };
        // SAFETY: a block of the carriers' class, not used afterwards; `self` is open.
        unsafe { self.free(shared, CARRIER_CLASS, entry.cast()) };
        carried.next
    }

    /// Cuts a chain of fresh blocks, in ascending order of address. `None` if there is no memory.
    fn cut(&self, shared: &Depots, class: usize) -> Chain {
        let bin = &self.bins[class];
        let first = rest_of_slab(bin.fresh.get())
            .or_else(|| shared.depots[class].fresh.pop().map(NonNull::cast))
            .or_else(|| shared.map_slab())?;
        let (len, count) = (block_len(class), chunk_len(class));
        let mut fresh = first;
        for i in 1..=count {
            // SAFETY: the rest of a slab has at least `count` blocks, so the sum is inside it or at its end.
            let end = unsafe { fresh.add(len) };
            let next = (i < count).then(|| end.cast());
            // SAFETY: the block is ours, at least a word, and aligned to its length.
            unsafe { fresh.cast::<Block>().write(Block { next }) };
            fresh = end;
        }
        bin.fresh.set(fresh.as_ptr());
        Some(first.cast())
    }
}

/// Returns the rest of a slab, or `None` if there is none: see [`Bin::fresh`].
fn rest_of_slab(fresh: *mut u8) -> Option<NonNull<u8>> {
    NonNull::new(fresh).filter(|fresh| fresh.addr().get() % SLAB_LEN != 0)
}
