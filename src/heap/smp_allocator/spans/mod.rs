//! Large blocks: spans of whole pages, cut from chunks.
//!
//! A *chunk* is a mapping of 64 MiB (4 MiB on 32-bit systems), aligned to its length. A *span* is a run of its *units*,
//! which are pages (of the largest size that the target has). A free span is merged with free neighbours at once and
//! is in a list of spans of about its length:
//!
//! ```text
//!   a chunk   ┌────────┬─────────┬──────┬───────────┬──────┬──────────────────────────┐
//!             │ header │ block   │ free │ block     │ free │ never used               │
//!             └────────┴─────────┴──────┴───────────┴──────┴──────────────────────────┘
//!                                    ▲                  └── one free span ────────────┘
//!   a bin     ● ── other spans ── ◀──┘
//! ```
//!
//! The header has a record for each unit (the length of the free span that starts or ends with it, and its neighbours in
//! the list) and a bit that says whether the unit has been written to since the system zeroed it. So nothing is written
//! to free pages, and memory that was never used, or was given back, is known to be zero.
//!
//! # Pools
//!
//! Chunks belong to one of [`POOL_COUNT`] pools, each with a lock. A thread uses the pool that it used last. If another
//! thread holds its lock, it tries the next pool, and stays there. A block is freed to the pool that it is from; if its
//! lock is held, the block is left on a stack, for the next thread that acquires the lock. So no call waits for
//! another thread. If all locks are held on several attempts, with a `yield_now` in between, a block is not from a
//! chunk: the caller maps pages for it. A [`Directory`] tells which blocks are from chunks.
//!
//! The lock is held for some dozen instructions, or while the system maps a chunk or takes memory back.
//!
//! # Memory that is kept
//!
//! Units that were used and are free have memory. It is given back (`madvise`) when
//!
//! - all pools together have more than the limit: then a quarter of the limit and what is above, of the longest spans,
//!   is returned;
//! - it has not been used for a period: when a large block is freed, and a period has passed since this was last done,
//!   each pool returns as much as it has had all the time since then;
//! - [`trim`](Pools::trim) is called, which also unmaps the chunks without blocks. Otherwise a pool keeps one of those.

mod bins;
mod chunk;
mod directory;
mod lock;
mod pool;
// Elsewhere there are no chunks, or they have too few units for these lengths.
#[cfg(all(test, not(target_family = "wasm")))]
mod tests;

use core::cell::Cell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crossbeam::utils::CachePadded;

use self::chunk::{ALL_UNITS, CHUNK_LEN, ChunkRef, UNIT, UNITS};
use self::directory::Directory;
use self::lock::Pool;
use self::pool::{Request, Spans, Taken};
use crate::alignment::Alignment;
use crate::heap::whole_block;
use crate::os;

/// The number of pools.
const POOL_COUNT: usize = if cfg!(target_pointer_width = "64") { 16 } else { 4 };
/// How often a thread tries all pools.
const ROUNDS: usize = 4;
/// The longest block in units, and the strictest alignment in bytes, that are from chunks.
const MAX_UNITS: usize = UNITS / 2;
const MAX_ALIGNMENT: usize = CHUNK_LEN / 16;
const _: () = assert!(MAX_UNITS + MAX_ALIGNMENT / UNIT <= ALL_UNITS);

/// From this many bytes on, memory that must be zero is exchanged for new pages, not written to. A page that is used
/// then costs about twice as much, one that is not used nothing.
const EXCHANGE_FROM: usize = 1 << 20;

/// Whether it is known which memory of a chunk is zero.
const KNOWS_ZEROS: bool = os::NEW_PAGES_ARE_ZERO && os::DISCARDED_PAGES_ARE_ZERO;

/// All pools of the process.
pub(super) struct Pools {
    pools: [CachePadded<Pool>; POOL_COUNT],
    directory: Directory,
    /// How many bytes that are free may have memory.
    limit: AtomicUsize,
    /// A period in milliseconds.
    period: AtomicUsize,
    /// Whether new chunks ask for huge pages.
    wants_huge_pages: AtomicBool,
    /// When a period last began, on the system's clock, in milliseconds.
    began: AtomicUsize,
    /// Simulates that no memory is left.
    #[cfg(test)]
    exhausted: AtomicBool,
}

impl Pools {
    pub(super) const fn new(limit: usize, period: usize) -> Pools {
        Pools {
            pools: [const { CachePadded::new(Pool::new()) }; POOL_COUNT],
            directory: Directory::new(),
            limit: AtomicUsize::new(limit),
            period: AtomicUsize::new(period),
            wants_huge_pages: AtomicBool::new(false),
            began: AtomicUsize::new(0),
            #[cfg(test)]
            exhausted: AtomicBool::new(false),
        }
    }

    /// Allocates a block. `None` if it is too long for a chunk, other threads hold all locks, or there is no memory.
    ///
    /// `home` is the thread's pool.
    pub(super) fn alloc(&self, home: &Cell<usize>, len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        Some(self.take(home, request(len, alignment)?)?.memory)
    }

    /// Allocates a block whose bytes are zero. `None` as for [`alloc`](Self::alloc).
    pub(super) fn alloc_zeroed(
        &self,
        home: &Cell<usize>,
        len: usize,
        alignment: Alignment,
    ) -> Option<NonNull<u8>> {
        let request = request(len, alignment)?;
        let fresh = KNOWS_ZEROS && len >= EXCHANGE_FROM;
        let Taken { memory, used } = self.take(home, Request { fresh, ..request })?;
        let (start, end) = if KNOWS_ZEROS { (used.start, used.end.min(len)) } else { (0, len) };
        if start >= end {
            return Some(memory);
        }
        // SAFETY: `start` is below the block's length.
        let rest = unsafe { memory.add(start) };
        if KNOWS_ZEROS && end - start >= EXCHANGE_FROM {
            // SAFETY: whole units of the block, which is new.
            if unsafe { os::discard(rest, used.end - start) } {
                return Some(memory);
            }
        }
        // SAFETY: the block has these bytes.
        unsafe { rest.write_bytes(0, end - start) };
        Some(memory)
    }

    /// Whether a live block is from a chunk, so that the functions below take it.
    #[inline]
    pub(super) fn owns(&self, block: NonNull<u8>) -> bool {
        self.directory.contains(block.addr().get())
    }

    /// Frees a block.
    ///
    /// # Safety
    /// `memory` is a live block that these pools [own](Self::owns), with its length, not used afterwards.
    pub(super) unsafe fn free(&self, memory: NonNull<[u8]>) {
        let units = memory.len().div_ceil(UNIT);
        // SAFETY: all units of a live block, not used afterwards, by our caller.
        unsafe { self.give(whole_block(memory.cast()), units) };
    }

    /// Changes the length of a block in place, or returns false.
    ///
    /// # Safety
    /// `memory` is a live block that these pools [own](Self::owns), with its length. If the result is true, the bytes
    /// after `new_len` are not used.
    pub(super) unsafe fn resize(&self, memory: NonNull<[u8]>, new_len: usize) -> bool {
        let block = whole_block(memory.cast());
        let (units, new_units) = (memory.len().div_ceil(UNIT), new_len.div_ceil(UNIT));
        if new_units > MAX_UNITS || new_units == 0 {
            return false;
        }
        if new_units < units {
            // SAFETY: `new_units` is below the block's length.
            let rest = unsafe { block.add(new_units * UNIT) };
            // SAFETY: the last units of a live block, not used afterwards, by our caller.
            unsafe { self.give(rest, units - new_units) };
        }
        if new_units <= units {
            return true;
        }
        // SAFETY: a live block in a chunk, by our caller.
        let pool = &self.pools[unsafe { ChunkRef::pool_of(block) }];
        for round in 0..ROUNDS {
            if round != 0 {
                thread::yield_now();
            }
            let grown = pool.try_with(|spans| {
                // SAFETY: a live block in a chunk of this pool, whose lock this thread holds.
                let (chunk, start) = unsafe { ChunkRef::of_block(block) };
                // SAFETY: the end of a span that was taken.
                unsafe { spans.grow(chunk, start + units, new_units - units) }
            });
            if let Some(grown) = grown {
                return grown;
            }
        }
        false
    }

    /// How many bytes are free and have memory.
    pub(super) fn kept_bytes(&self) -> usize {
        self.pools.iter().map(|pool| pool.kept()).sum::<usize>() * UNIT
    }

    /// Sets how many bytes that are free may have memory.
    pub(super) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Sets the period after which free memory is returned, in milliseconds; `usize::MAX` for never.
    pub(super) fn set_period(&self, milliseconds: usize) {
        self.period.store(milliseconds, Ordering::Relaxed);
    }

    /// Sets whether new chunks ask for huge pages.
    pub(super) fn set_huge_pages(&self, wants: bool) {
        self.wants_huge_pages.store(wants, Ordering::Relaxed);
    }

    /// Returns all free memory to the system, and unmaps all chunks without blocks, except those of pools whose lock
    /// other threads hold. Returns how many bytes of memory were returned.
    pub(super) fn trim(&self) -> usize {
        let trim = |spans: &mut Spans| {
            let before = spans.kept();
            spans.keep_at_most(0);
            spans.remove_chunks(0, |chunk| self.unmap_chunk(chunk));
            before - spans.kept()
        };
        let mut units = 0;
        for pool in &self.pools {
            for round in 0..ROUNDS {
                if round != 0 {
                    thread::yield_now();
                }
                if let Some(returned) = pool.try_with(trim) {
                    units += returned;
                    break;
                }
            }
        }
        units * UNIT
    }

    fn take(&self, home: &Cell<usize>, request: Request) -> Option<Taken> {
        let first = home.get();
        let mut is_refused = false;
        for round in 0..ROUNDS {
            if round != 0 {
                thread::yield_now();
            }
            for n in 0..POOL_COUNT {
                let index = (first + n) % POOL_COUNT;
                let taken = self.pools[index].try_with(|spans| {
                    spans.take(request).or_else(|| {
                        spans.add_chunk(self.map_chunk(index)?);
                        spans.take(request)
                    })
                });
                match taken {
                    Some(Some(taken)) => {
                        home.set(index);
                        return Some(taken);
                    }
                    // The system refuses a chunk, but another pool may have room.
                    Some(None) => is_refused = true,
                    None => {}
                }
            }
            if is_refused {
                return None;
            }
        }
        None
    }

    /// # Safety
    /// `block` is the start of `units` units that were taken, not used afterwards, with the provenance of the chunk.
    unsafe fn give(&self, block: NonNull<u8>, units: usize) {
        // SAFETY: a live block in a chunk, by our caller.
        let pool = &self.pools[unsafe { ChunkRef::pool_of(block) }];
        let given = pool.try_with(|spans| {
            // SAFETY: a live block in a chunk of this pool, whose lock this thread holds.
            let (chunk, start) = unsafe { ChunkRef::of_block(block) };
            // SAFETY: units that were taken, not used afterwards, by our caller.
            unsafe { spans.give(chunk, start..start + units) };
            self.respect_limit(pool, spans);
        });
        if given.is_none() {
            // SAFETY: the same units, which were not given.
            unsafe { pool.leave(block, units) };
        }
        self.return_unused();
    }

    /// Returns memory of this pool if all pools together have more than the limit.
    fn respect_limit(&self, pool: &Pool, spans: &mut Spans) {
        let (kept, limit) = (spans.kept(), self.limit.load(Ordering::Relaxed) / UNIT);
        if kept <= limit / POOL_COUNT {
            return;
        }
        let all = self.pools.iter().map(|pool| pool.kept()).sum::<usize>() - pool.kept() + kept;
        if all > limit {
            spans.keep_at_most(kept.saturating_sub(all - limit + limit / 4));
        }
    }

    /// If a period has passed, returns the memory that was not used in it.
    fn return_unused(&self) {
        let (now, period) = (os::milliseconds(), self.period.load(Ordering::Relaxed));
        let began = self.began.load(Ordering::Relaxed);
        if now.wrapping_sub(began) < period || period == usize::MAX {
            return;
        }
        // One thread does it.
        if self.began.compare_exchange(began, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.end_period();
        }
    }

    #[cold]
    fn end_period(&self) {
        for pool in self.pools.iter().filter(|pool| !pool.has_nothing()) {
            let _ = pool.try_with(|spans| {
                spans.decay();
                spans.remove_chunks(1, |chunk| self.unmap_chunk(chunk));
            });
        }
    }

    #[cold]
    fn map_chunk(&self, pool: usize) -> Option<ChunkRef> {
        #[cfg(test)]
        if self.exhausted.load(Ordering::Relaxed) {
            return None;
        }
        let chunk = ChunkRef::map(pool, self.wants_huge_pages.load(Ordering::Relaxed))?;
        if self.directory.add(chunk.address()) {
            return Some(chunk);
        }
        // SAFETY: a new chunk, which nothing uses.
        unsafe { chunk.unmap() };
        None
    }

    fn unmap_chunk(&self, chunk: ChunkRef) {
        self.directory.remove(chunk.address());
        // SAFETY: the pool has removed the chunk, which has no blocks.
        unsafe { chunk.unmap() };
    }
}

/// What to take for a block; `None` if it is not from a chunk.
fn request(len: usize, alignment: Alignment) -> Option<Request> {
    let units = len.div_ceil(UNIT);
    let fits = alignment.is_valid()
        && (1..=MAX_UNITS).contains(&units)
        && alignment.to_byte_units() <= MAX_ALIGNMENT;
    fits.then(|| Request { units, alignment: (alignment.to_byte_units() / UNIT).max(1), fresh: false })
}
