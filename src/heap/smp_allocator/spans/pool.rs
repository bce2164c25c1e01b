//! The free spans of one pool: taking, giving back, growing, and returning memory to the system.

use core::ops::Range;
use core::ptr::NonNull;

use super::bins::{Bins, bin_of};
use super::chunk::{ALL_UNITS, ChunkRef, HEADER_UNITS, UNIT, UNITS, Unit};
use crate::os;

/// How many spans of a bin are looked at if the bin has spans that are too short.
const LOOKS: usize = 8;

/// A span that was taken.
#[derive(Debug, PartialEq)]
pub(super) struct Taken {
    pub(super) memory: NonNull<u8>,
    /// The bytes outside this range are zero, where the system's pages are.
    pub(super) used: Range<usize>,
}

/// What is requested.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) units: usize,
    /// A power of two of units.
    pub(super) alignment: usize,
    /// Whether memory that was never used is preferred.
    pub(super) fresh: bool,
}

/// The chunks and free spans of a pool.
///
/// A free span is in a list of one of two sets of [`Bins`]: those with used units, which are preferred, and those
/// without. Neighbouring free spans are merged at once, so the units next to a free span are in use.
pub(super) struct Spans {
    used: Bins,
    unused: Bins,
    chunks: Option<ChunkRef>,
    /// How many units of all free spans are used: what the pool keeps from the system.
    kept: usize,
    /// The least that `kept` has been since the last call of [`decay`](Self::decay).
    least_kept: usize,
}

// SAFETY: a pool owns its chunks, and memory belongs to no thread.
unsafe impl Send for Spans {}

impl Spans {
    pub(super) const fn new() -> Spans {
        Spans { used: Bins::new(), unused: Bins::new(), chunks: None, kept: 0, least_kept: 0 }
    }

    /// How many units of free spans are used.
    pub(super) fn kept(&self) -> usize {
        self.kept
    }

    /// Adds a new chunk of this pool.
    pub(super) fn add_chunk(&mut self, chunk: ChunkRef) {
        chunk.next().set(self.chunks);
        self.chunks = Some(chunk);
        self.insert(chunk, HEADER_UNITS..UNITS, 0);
    }

    /// Takes a span; `None` if no free span is long enough.
    pub(super) fn take(&mut self, request: Request) -> Option<Taken> {
        let Request { units, alignment, fresh } = request;
        let least = units + (alignment - 1);
        let first = |bins: &Bins| find(bins, least);
        let found = if fresh {
            first(&self.unused).or_else(|| first(&self.used))
        } else {
            first(&self.used).or_else(|| first(&self.unused))
        };
        // SAFETY: a free span of this pool, whose lock our caller holds.
        let (chunk, start) = unsafe { ChunkRef::of_unit(found?) };
        let (span, span_used) = self.remove(chunk, start);
        // The chunk is aligned to more than any request.
        let start = start.next_multiple_of(alignment);
        let block = start..start + units;
        let head = span.start..block.start;
        let head_used = if head.is_empty() { 0 } else { chunk.count_used(head.clone()) };
        let (block_used, used) = self.mark_block(chunk, block.clone());
        self.insert(chunk, head, head_used);
        self.insert(chunk, block.end..span.end, span_used - head_used - block_used);
        let offset = |index: usize| (index - block.start) * UNIT;
        let used = if used.is_empty() { 0..0 } else { offset(used.start)..offset(used.end) };
        Some(Taken { memory: chunk.memory(block.start), used })
    }

    /// Frees a span.
    ///
    /// # Safety
    /// The units were taken, and nothing uses them afterwards.
    pub(super) unsafe fn give(&mut self, chunk: ChunkRef, units: Range<usize>) {
        let (mut span, mut used) = (units.clone(), units.len());
        debug_assert!(
            span.start >= HEADER_UNITS && span.end <= UNITS && !span.is_empty(),
            "SmpAllocator: no block has these units: {span:?}"
        );
        self.kept += used;
        // The header's last unit is never free.
        let before = usize::from(chunk.unit(span.start - 1).len.get());
        if before != 0 {
            let (free, free_used) = self.remove(chunk, span.start - before);
            span.start = free.start;
            used += free_used;
        }
        if let Some(free) = self.free_at(chunk, span.end) {
            let (free, free_used) = self.remove(chunk, free);
            span.end = free.end;
            used += free_used;
        }
        self.insert(chunk, span, used);
    }

    /// Adds units to the end of a span, if they are free.
    ///
    /// # Safety
    /// The span was taken, and is at most [`UNITS`] − `more` units long.
    pub(super) unsafe fn grow(&mut self, chunk: ChunkRef, end: usize, more: usize) -> bool {
        let Some(start) = self.free_at(chunk, end) else { return false };
        if usize::from(chunk.unit(start).len.get()) < more {
            return false;
        }
        let (span, span_used) = self.remove(chunk, start);
        let (block_used, _) = self.mark_block(chunk, start..start + more);
        self.insert(chunk, start + more..span.end, span_used - block_used);
        true
    }

    /// Returns the memory of free units to the system, those of the longest spans first, until at most `most` units
    /// are kept. Returns false if the system refuses.
    pub(super) fn keep_at_most(&mut self, most: usize) -> bool {
        while self.kept > most {
            let Some(first) = self.used.first_of_last() else { return false };
            // SAFETY: a free span of this pool, whose lock our caller holds.
            let (chunk, start) = unsafe { ChunkRef::of_unit(first) };
            let (span, mut span_used) = self.remove(chunk, start);
            let mut is_refused = false;
            // From the end, since spans are taken from the start.
            while let Some(run) = chunk.last_used(span.clone()) {
                let excess = self.kept.saturating_sub(most);
                if excess == 0 {
                    break;
                }
                let run = run.end - run.len().min(excess)..run.end;
                // SAFETY: whole pages of the chunk, which are free.
                is_refused = !unsafe { os::discard(chunk.memory(run.start), run.len() * UNIT) };
                if is_refused {
                    break;
                }
                self.kept -= run.len();
                span_used -= run.len();
                chunk.mark_unused(run);
            }
            self.insert(chunk, span, span_used);
            if is_refused {
                return false;
            }
        }
        self.least_kept = self.least_kept.min(self.kept);
        true
    }

    /// Returns to the system what has been kept, and not been taken, since the last call.
    pub(super) fn decay(&mut self) {
        self.keep_at_most(self.kept - self.least_kept);
        self.least_kept = self.kept;
    }

    /// Removes the chunks that have no block and no used unit, except `spare` of them, and calls `unmap` with each.
    pub(super) fn remove_chunks(&mut self, mut spare: usize, mut unmap: impl FnMut(ChunkRef)) {
        let mut rest = self.chunks.take();
        while let Some(chunk) = rest {
            rest = chunk.next().get();
            let first = chunk.unit(HEADER_UNITS);
            let is_empty = usize::from(first.len.get()) == ALL_UNITS && first.used.get() == 0;
            if is_empty && spare == 0 {
                self.remove(chunk, HEADER_UNITS);
                unmap(chunk);
            } else {
                spare -= usize::from(is_empty);
                chunk.next().set(self.chunks);
                self.chunks = Some(chunk);
            }
        }
    }

    /// The free span that begins with this unit, if there is one.
    fn free_at(&self, chunk: ChunkRef, index: usize) -> Option<usize> {
        (index < UNITS && chunk.unit(index).len.get() != 0).then_some(index)
    }

    /// Marks what is taken. Returns how many units of it were used, and between which.
    fn mark_block(&mut self, chunk: ChunkRef, block: Range<usize>) -> (usize, Range<usize>) {
        let (count, used) = chunk.mark_used(block);
        self.kept -= count;
        self.least_kept = self.least_kept.min(self.kept);
        (count, used)
    }

    /// Adds a free span to its list. An empty one is ignored.
    fn insert(&mut self, chunk: ChunkRef, span: Range<usize>, used: usize) {
        if span.is_empty() {
            return;
        }
        let len = span.len() as u16;
        chunk.unit(span.end - 1).len.set(len);
        let (unit, this) = (chunk.unit(span.start), chunk.unit_ptr(span.start));
        let (bins, bin) = (self.bins(used), bin_of(span.len()));
        let after = bins.first(bin);
        unit.len.set(len);
        unit.index.set(span.start as u16);
        unit.used.set(used as u16);
        unit.before.set(None);
        unit.after.set(after);
        if let Some(after) = after {
            // SAFETY: the first unit of a free span of this pool, whose lock our caller holds.
            unsafe { after.as_ref() }.before.set(Some(this));
        }
        bins.set_first(bin, Some(this));
    }

    /// Removes a free span, which begins with this unit, from its list. Returns its units and how many are used.
    fn remove(&mut self, chunk: ChunkRef, start: usize) -> (Range<usize>, usize) {
        let unit = chunk.unit(start);
        let (len, used) = (usize::from(unit.len.get()), usize::from(unit.used.get()));
        let (before, after) = (unit.before.get(), unit.after.get());
        unit.len.set(0);
        chunk.unit(start + len - 1).len.set(0);
        if let Some(after) = after {
            // SAFETY: the first unit of a free span of this pool, whose lock our caller holds.
            unsafe { after.as_ref() }.before.set(before);
        }
        match before {
            // SAFETY: the same.
            Some(before) => unsafe { before.as_ref() }.after.set(after),
            None => self.bins(used).set_first(bin_of(len), after),
        }
        (start..start + len, used)
    }

    /// The set of lists that a span with so many used units is in.
    fn bins(&mut self, used: usize) -> &mut Bins {
        if used == 0 { &mut self.unused } else { &mut self.used }
    }
}

/// A free span of at least this many units: one of the first of its own bin, or else any of the next bin that has one.
fn find(bins: &Bins, units: usize) -> Option<NonNull<Unit>> {
    if units > ALL_UNITS {
        return None;
    }
    let bin = bin_of(units);
    let mut next = bins.first(bin);
    for _ in 0..LOOKS {
        let Some(unit) = next else { break };
        // SAFETY: the first unit of a free span of this pool, whose lock our caller holds.
        let span = unsafe { unit.as_ref() };
        if usize::from(span.len.get()) >= units {
            return Some(unit);
        }
        next = span.after.get();
    }
    bins.first_after(bin)
}

#[cfg(test)]
impl Spans {
    /// Checks all records against the live blocks of this pool, given by their addresses and units.
    pub(super) fn check(&self, live: &std::collections::BTreeMap<usize, usize>) {
        let (mut kept, mut seen, mut free) = (0, 0, 0);
        let mut chunks = self.chunks;
        while let Some(chunk) = chunks {
            chunks = chunk.next().get();
            let mut at = HEADER_UNITS;
            let mut was_free = false;
            while at < UNITS {
                let address = chunk.memory(at).addr().get();
                let len = usize::from(chunk.unit(at).len.get());
                if let Some(&units) = live.get(&address) {
                    assert_eq!(chunk.count_used(at..at + units), units, "all of a block counts as used");
                    (at..at + units).for_each(|unit| assert_eq!(chunk.unit(unit).len.get(), 0));
                    (seen, was_free) = (seen + 1, false);
                    at += units;
                    continue;
                }
                assert!(len != 0 && !was_free, "free neighbours are merged");
                assert_eq!(usize::from(chunk.unit(at + len - 1).len.get()), len);
                (at + 1..at + len - 1).for_each(|unit| assert_eq!(chunk.unit(unit).len.get(), 0));
                let used = chunk.count_used(at..at + len);
                assert_eq!(usize::from(chunk.unit(at).used.get()), used);
                let bins = if used == 0 { &self.unused } else { &self.used };
                let mut next = bins.first(bin_of(len));
                while next.is_some_and(|unit| unit != chunk.unit_ptr(at)) {
                    // SAFETY: a free span of this pool, whose lock the caller holds.
                    next = unsafe { next.unwrap().as_ref() }.after.get();
                }
                assert!(next.is_some(), "a free span is in the list of its length");
                (kept, free, was_free) = (kept + used, free + 1, true);
                at += len;
            }
            assert_eq!(at, UNITS);
        }
        assert_eq!((kept, seen), (self.kept, live.len()));
        let lists = [&self.used, &self.unused].map(|bins| {
            (0..super::bins::BIN_COUNT)
                .map(|bin| {
                    let next = |unit: &NonNull<Unit>| {
                        // SAFETY: a free span of this pool, whose lock the caller holds.
                        unsafe { unit.as_ref() }.after.get()
                    };
                    core::iter::successors(bins.first(bin), next).count()
                })
                .sum::<usize>()
        });
        assert_eq!(lists.iter().sum::<usize>(), free, "nothing else is in a list");
    }
}
