//! Tests with pools of their own. (In Miri and on systems that do not take memory back, none is returned.)

use core::cell::Cell;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::vec::Vec;

use rstest::rstest;

use super::chunk::{ALL_UNITS, CHUNK_LEN, ChunkRef, UNIT};
use super::{EXCHANGE_FROM, MAX_ALIGNMENT, MAX_UNITS, POOL_COUNT, Pools};
use crate::alignment::Alignment;
use crate::os;
use crate::test_support::Random;

const NO_LIMIT: usize = usize::MAX;
const NEVER: usize = usize::MAX;

/// The pool of one thread.
struct Thread<'p> {
    pools: &'p Pools,
    home: Cell<usize>,
}

/// A live block.
#[derive(Debug)]
struct Block {
    memory: NonNull<u8>,
    len: usize,
}

// SAFETY: any thread may use and free a block.
unsafe impl Send for Block {}

impl Block {
    fn units(&self) -> usize {
        self.len.div_ceil(UNIT)
    }

    fn slice(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.memory, self.len)
    }

    /// Its first and last byte.
    fn ends(&self) -> [NonNull<u8>; 2] {
        // SAFETY: the block has this many bytes.
        [self.memory, unsafe { self.memory.add(self.len - 1) }]
    }

    fn tag(&self) -> u8 {
        (self.memory.addr().get() / UNIT) as u8 | 1
    }

    fn write(&self) {
        // SAFETY: bytes of a live block.
        self.ends().iter().for_each(|end| unsafe { end.write(self.tag()) });
    }

    fn check(&self) {
        // SAFETY: bytes of a live block, which `write` has written.
        self.ends().iter().for_each(|end| assert_eq!(unsafe { end.read() }, self.tag()));
    }
}

impl<'p> Thread<'p> {
    fn new(pools: &'p Pools) -> Thread<'p> {
        Thread { pools, home: Cell::new(0) }
    }

    fn try_alloc(&self, len: usize, alignment: usize) -> Option<Block> {
        let memory = self.pools.alloc(&self.home, len, Alignment::from_byte_units(alignment))?;
        assert_eq!(memory.addr().get() % alignment.max(UNIT), 0);
        assert!(self.pools.owns(memory));
        Some(Block { memory, len })
    }

    fn alloc(&self, units: usize) -> Block {
        let block = self.try_alloc(units * UNIT, 1).unwrap();
        block.write();
        block
    }

    fn zeroed(&self, len: usize) -> Block {
        let memory = self.pools.alloc_zeroed(&self.home, len, Alignment::_1).unwrap();
        let block = Block { memory, len };
        // A sample.
        for at in (0..len).step_by(if cfg!(miri) { 4999 } else { 61 }) {
            // SAFETY: a byte of the block, which is initialised.
            assert_eq!(unsafe { memory.add(at).read() }, 0, "byte {at} of {len}");
        }
        block
    }

    fn free(&self, block: Block) {
        block.check();
        self.free_unchecked(block);
    }

    fn free_unchecked(&self, block: Block) {
        // SAFETY: a live block, freed once, since `Block` is not `Copy`.
        unsafe { self.pools.free(block.slice()) };
    }

    fn resize(&self, block: &mut Block, len: usize) -> bool {
        // SAFETY: a live block, used with its new length only.
        let resized = unsafe { self.pools.resize(block.slice(), len) };
        if resized {
            block.len = len;
        }
        resized
    }
}

/// Checks all pools.
fn check<'b>(pools: &Pools, live: impl IntoIterator<Item = &'b Block>) {
    let mut by_pool = [const { BTreeMap::new() }; POOL_COUNT];
    for block in live {
        // SAFETY: a live block in a chunk.
        let pool = unsafe { ChunkRef::pool_of(block.memory) };
        assert_eq!(by_pool[pool].insert(block.memory.addr().get(), block.units()), None);
    }
    for (pool, live) in pools.pools.iter().zip(&by_pool) {
        pool.try_with(|spans| spans.check(live)).unwrap();
    }
}

/// Returns chunks, so that Miri finds no leak.
fn end(pools: &Pools) {
    check(pools, []);
    pools.trim();
    if !os::CAN_DISCARD {
        // Used chunks stay: what cannot be discarded is not known to be unused.
        return;
    }
    assert_eq!(pools.kept_bytes(), 0);
    assert!(pools.pools.iter().all(|pool| pool.has_nothing()));
}

/// A random program: blocks are disjoint, aligned, of their length, zero if requested, and keep their content; the
/// records are those of the live blocks after each step.
#[rstest]
#[case(1, NO_LIMIT, 2 * MAX_UNITS / 100)]
#[case(2, 0, 20)]
#[case(3, CHUNK_LEN / 4, MAX_UNITS)]
#[case(4, CHUNK_LEN / 8, 40)]
fn random_program_keeps_records_and_contents(
    #[case] seed: u64,
    #[case] limit: usize,
    #[case] longest: usize,
) {
    static POOLS: [Pools; 4] = [const { Pools::new(0, NEVER) }; 4];
    let pools = &POOLS[seed as usize - 1];
    pools.set_limit(limit);
    let (thread, mut random) = (Thread::new(pools), Random::new(seed));
    let mut live: Vec<Block> = Vec::new();
    let steps = if cfg!(miri) { 40 } else { 1500 };
    let mut target = 20;
    for step in 0..steps {
        let most = 1 + random.below(longest);
        let units = 1 + random.below(most);
        let len = units * UNIT - random.below(UNIT);
        match random.below(8) {
            0 if !live.is_empty() => {
                let index = random.below(live.len());
                let block = &mut live[index];
                block.check();
                let old = block.len;
                let resized = thread.resize(block, len);
                assert!(resized || len > old, "a block can be shortened");
                block.write();
            }
            1 => {
                let block = thread.zeroed(len);
                block.write();
                live.push(block);
            }
            2 => {
                let log2 = random.below(MAX_ALIGNMENT.ilog2() as usize + 1);
                let block = thread.try_alloc(len, 1 << log2).unwrap();
                block.write();
                live.push(block);
            }
            3 if random.chance(8) => pools.end_period(),
            4 if random.chance(8) => _ = pools.trim(),
            _ if live.len() < target => live.push(thread.alloc(units)),
            _ => {
                let index = random.below(live.len());
                thread.free(live.swap_remove(index));
                if live.len() + 10 < target || live.is_empty() {
                    target = 1 + random.below(60);
                }
            }
        }
        if live.len() > target + 20 {
            live.drain(10..).for_each(|block| thread.free(block));
        }
        if os::CAN_DISCARD {
            assert!(pools.kept_bytes() <= limit, "step {step}: {} bytes are kept", pools.kept_bytes());
        }
        if step % 8 == 0 {
            check(pools, &live);
        }
    }
    live.into_iter().for_each(|block| thread.free(block));
    end(pools);
}

/// A block that is freed is allocated next, and merged with its neighbours.
#[test]
fn freed_spans_are_reused_and_merged() {
    static POOLS: Pools = Pools::new(NO_LIMIT, NEVER);
    let thread = Thread::new(&POOLS);
    let [a, b, c, d] = [10, 20, 30, 1].map(|units| thread.alloc(units));
    let (start, address) = (a.memory, b.memory);
    assert_eq!(b.memory.addr().get() - a.memory.addr().get(), 10 * UNIT, "in a row");
    thread.free(b);
    let b = thread.alloc(20);
    assert_eq!(b.memory, address);
    thread.free(a);
    thread.free(c);
    check(&POOLS, [&b, &d]);
    thread.free(b);
    let all = thread.alloc(60);
    assert_eq!(all.memory, start, "the three are one");
    assert_eq!(POOLS.kept_bytes(), 0);
    thread.free(all);
    thread.free(d);
    end(&POOLS);
}

/// A block grows in place up to the next block, and can be shortened.
#[test]
fn blocks_grow_into_free_neighbours() {
    static POOLS: Pools = Pools::new(NO_LIMIT, NEVER);
    let thread = Thread::new(&POOLS);
    let (mut a, b, c) = (thread.alloc(10), thread.alloc(10), thread.alloc(1));
    assert!(!thread.resize(&mut a, 11 * UNIT));
    assert!(thread.resize(&mut a, 9 * UNIT + 1) && thread.resize(&mut a, 10 * UNIT), "in its last unit");
    thread.free(b);
    assert!(thread.resize(&mut a, 15 * UNIT) && thread.resize(&mut a, 20 * UNIT));
    assert!(!thread.resize(&mut a, 21 * UNIT), "another block is there");
    check(&POOLS, [&a, &c]);
    assert!(thread.resize(&mut a, 1));
    let b = thread.alloc(19);
    assert_eq!(b.memory.addr().get(), a.memory.addr().get() + UNIT);
    assert!(!thread.resize(&mut a, (MAX_UNITS + 1) * UNIT) && !thread.resize(&mut a, usize::MAX));
    [a, b, c].into_iter().for_each(|block| thread.free_unchecked(block));
    end(&POOLS);
}

/// What is not from chunks.
#[rstest]
#[case::empty(0, 1)]
#[case::long(MAX_UNITS * UNIT + 1, 1)]
#[case::longest(usize::MAX, 1)]
#[case::strict(1, 2 * MAX_ALIGNMENT)]
#[case::strictest(1, 1 << (usize::BITS - 1))]
fn long_and_strictly_aligned_blocks_are_refused(#[case] len: usize, #[case] alignment: usize) {
    static POOLS: Pools = Pools::new(NO_LIMIT, NEVER);
    assert!(Thread::new(&POOLS).try_alloc(len, alignment).is_none());
}

#[test]
fn longest_and_most_aligned_blocks_fit() {
    static POOLS: Pools = Pools::new(NO_LIMIT, NEVER);
    let thread = Thread::new(&POOLS);
    let a = thread.try_alloc(MAX_UNITS * UNIT, MAX_ALIGNMENT).unwrap();
    let b = thread.try_alloc(MAX_UNITS * UNIT, 1).unwrap();
    let c = thread.try_alloc(1, MAX_ALIGNMENT).unwrap();
    check(&POOLS, [&a, &b, &c]);
    [a, b, c].into_iter().for_each(|block| thread.free_unchecked(block));
    end(&POOLS);
}

/// Above the limit memory is returned, and below it none is.
#[test]
#[cfg_attr(any(miri, not(unix)), ignore = "memory is not returned on this system")]
fn kept_memory_has_a_limit() {
    static POOLS: Pools = Pools::new(100 * UNIT, NEVER);
    let thread = Thread::new(&POOLS);
    let blocks: Vec<_> = (0..50).flat_map(|_| [thread.alloc(10), thread.alloc(1)]).collect();
    for (n, block) in blocks.into_iter().enumerate() {
        if n % 2 == 0 {
            thread.free(block);
            assert!(POOLS.kept_bytes() <= 100 * UNIT);
            assert!(n / 2 + 1 > 10 || POOLS.kept_bytes() == 10 * (n / 2 + 1) * UNIT);
        }
    }
    assert!(POOLS.kept_bytes() >= 70 * UNIT, "three quarters stay");
    POOLS.set_limit(0);
    thread.free(thread.alloc(1));
    assert_eq!(POOLS.kept_bytes(), 0);
}

/// Memory that is not used for a period is returned, from the end of a span; what is used again and again stays.
#[test]
#[cfg_attr(any(miri, not(unix)), ignore = "memory is not returned on this system")]
fn memory_that_is_not_used_is_returned_after_a_period() {
    static POOLS: Pools = Pools::new(NO_LIMIT, NEVER);
    let thread = Thread::new(&POOLS);
    thread.free(thread.alloc(100));
    POOLS.end_period();
    assert_eq!(POOLS.kept_bytes(), 100 * UNIT, "it has been used in this period");
    for _ in 0..3 {
        thread.free(thread.alloc(30));
    }
    POOLS.end_period();
    assert_eq!(POOLS.kept_bytes(), 30 * UNIT);
    let block = thread.alloc(30);
    assert_eq!(POOLS.kept_bytes(), 0, "the part that stayed is allocated first");
    thread.free(block);
    POOLS.end_period();
    POOLS.end_period();
    assert_eq!(POOLS.kept_bytes(), 0);
    end(&POOLS);
}

/// By the clock, at some call after the period.
#[test]
#[cfg_attr(any(miri, not(unix)), ignore = "memory is not returned on this system")]
fn periods_end_by_the_clock() {
    static POOLS: Pools = Pools::new(NO_LIMIT, NEVER);
    POOLS.set_period(20);
    let thread = Thread::new(&POOLS);
    thread.free(thread.alloc(MAX_UNITS.min(1000)));
    let start = std::time::Instant::now();
    while POOLS.kept_bytes() > UNIT {
        assert!(start.elapsed().as_secs() < 60, "{} bytes are kept", POOLS.kept_bytes());
        thread::sleep(core::time::Duration::from_millis(1));
        thread.free(thread.alloc(1));
    }
    assert!(start.elapsed().as_millis() >= 20 - 8, "not before a period has passed, by a coarse clock");
}

/// `trim` returns all free memory, and unmaps chunks without blocks; the pools stay usable.
#[test]
#[cfg_attr(any(miri, not(unix)), ignore = "memory is not returned on this system")]
fn trim_returns_what_is_free() {
    static POOLS: Pools = Pools::new(NO_LIMIT, NEVER);
    let thread = Thread::new(&POOLS);
    let (a, b, c) = (thread.alloc(MAX_UNITS), thread.alloc(MAX_UNITS), thread.alloc(10));
    let [first, second] = [a.memory, b.memory];
    assert!(first.addr().get() / CHUNK_LEN != second.addr().get() / CHUNK_LEN);
    thread.free(b);
    thread.free(a);
    assert_eq!(POOLS.kept_bytes(), 2 * MAX_UNITS * UNIT);
    assert_eq!(POOLS.trim(), 2 * MAX_UNITS * UNIT);
    assert_eq!((POOLS.kept_bytes(), POOLS.trim()), (0, 0));
    // `c` is in the chunk of `a` or of `b`; the other one is gone.
    assert!([first, second].into_iter().filter(|memory| POOLS.owns(*memory)).count() == 1);
    c.check();
    let again = thread.zeroed(MAX_UNITS * UNIT);
    again.write();
    thread.free(c);
    thread.free(again);
    end(&POOLS);
    assert!(!POOLS.owns(first) && !POOLS.owns(second), "no chunk is left");
}

/// Zeroed blocks are zero wherever they are cut: from new memory, from used, and from both.
#[rstest]
#[case(3, 5)]
#[case(5, 3)]
#[case(EXCHANGE_FROM / UNIT, EXCHANGE_FROM / UNIT)]
#[case(EXCHANGE_FROM / UNIT + 3, 2 * EXCHANGE_FROM / UNIT)]
#[cfg_attr(miri, ignore = "the random programs do the same with shorter blocks")]
fn zeroed_blocks_are_zero(#[case] used: usize, #[case] zeroed: usize) {
    static POOLS: Pools = Pools::new(NO_LIMIT, NEVER);
    let thread = Thread::new(&POOLS);
    // A block of another test makes the next one begin elsewhere.
    let dirty = thread.alloc(used);
    // SAFETY: all of the block.
    unsafe { dirty.memory.write_bytes(0xaa, dirty.len) };
    thread.free_unchecked(dirty);
    for len in [zeroed * UNIT, zeroed * UNIT - 5, UNIT + 1] {
        let block = thread.zeroed(len.min(MAX_UNITS * UNIT));
        // SAFETY: all of the block.
        unsafe { block.memory.write_bytes(0xbb, block.units() * UNIT) };
        thread.free_unchecked(block);
    }
}

/// Without memory for another chunk, there is no block, and what is there can be used.
#[test]
fn refused_chunk_leaves_the_others_usable() {
    static POOLS: Pools = Pools::new(NO_LIMIT, NEVER);
    let thread = Thread::new(&POOLS);
    POOLS.exhausted.store(true, Ordering::Relaxed);
    assert!(thread.try_alloc(UNIT, 1).is_none());
    POOLS.exhausted.store(false, Ordering::Relaxed);
    let first = thread.alloc(MAX_UNITS);
    POOLS.exhausted.store(true, Ordering::Relaxed);
    assert!(thread.try_alloc(MAX_UNITS * UNIT, 1).is_none());
    let rest = thread.alloc(ALL_UNITS - MAX_UNITS);
    assert!(thread.try_alloc(UNIT, 1).is_none());
    thread.free(first);
    let first = thread.alloc(MAX_UNITS);
    check(&POOLS, [&first, &rest]);
    POOLS.exhausted.store(false, Ordering::Relaxed);
    let more = thread.alloc(1);
    [first, rest, more].into_iter().for_each(|block| thread.free(block));
    end(&POOLS);
}

/// If a thread disappears while it holds a lock, as in a forked child, others use the other pools, and what they free is
/// left for the next holder. If all locks are held, there is no block.
#[test]
fn abandoned_pools_block_no_thread() {
    static POOLS: Pools = Pools::new(NO_LIMIT, NEVER);
    let thread = Thread::new(&POOLS);
    let mut block = thread.alloc(10);
    POOLS.pools[0].abandon();
    assert!(!thread.resize(&mut block, 20 * UNIT) && thread.resize(&mut block, 5 * UNIT));
    thread.free_unchecked(block);
    let other = thread.alloc(10);
    assert_eq!(thread.home.get(), 1);
    POOLS.trim();
    thread.free(other);
    POOLS.pools[1..].iter().for_each(|pool| pool.abandon());
    assert!(thread.try_alloc(UNIT, 1).is_none());
}

/// What was left while another thread held the lock is free afterwards.
#[test]
fn blocks_left_for_the_holder_are_taken_back() {
    static POOLS: Pools = Pools::new(NO_LIMIT, NEVER);
    let thread = Thread::new(&POOLS);
    let blocks = [3, 5, 1].map(|units| thread.alloc(units));
    POOLS.pools[0].try_with(|_| blocks.into_iter().for_each(|block| thread.free(block))).unwrap();
    check(&POOLS, []);
    thread.alloc(9).check();
}

/// Threads exchange blocks: no two own a block at once, and (in Miri) no access races.
#[test]
fn many_seeds_threads_exchange_blocks() {
    static POOLS: Pools = Pools::new(20 * UNIT, NEVER);
    const THREADS: usize = 3;
    let rounds = if cfg!(miri) { 6 } else { 5000 };
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::sync_channel::<Block>(8)).unzip();
    thread::scope(|scope| {
        for (id, receiver) in receivers.into_iter().enumerate() {
            let next = senders[(id + 1) % THREADS].clone();
            scope.spawn(move || {
                let (thread, mut random) = (Thread::new(&POOLS), Random::new(id as u64));
                for _ in 0..rounds {
                    let block = thread.alloc(random.within(1..=30));
                    if let Err(mpsc::TrySendError::Full(block)) = next.try_send(block) {
                        thread.free(block);
                    }
                    receiver.try_iter().for_each(|block| thread.free(block));
                }
                drop(next);
                receiver.iter().for_each(|block| thread.free(block));
            });
        }
        drop(senders);
    });
    end(&POOLS);
}
