//! The steps of a program, and the steps on blocks.

use std::ptr::NonNull;

use zigalloc::{Alignment, Allocator};

use crate::log::{Log, Owner};
use crate::node::Node;
use crate::probe::Probe;
use crate::program::{Change, Program, Shape, Step};
use crate::reports;
use crate::shadow::{self, Block};
use crate::wholes::is_resettable;
use crate::world::{Level, World};

impl World {
    /// Returns the level for a number; most numbers mean the highest.
    fn level(&self, at: u8) -> usize {
        if at < 160 { self.levels.len() - 1 } else { usize::from(at) % self.levels.len() }
    }

    /// Returns the level for a number among those with a kind of allocator, if there is one.
    fn level_with(&self, at: u8, is_one: impl Fn(&Level) -> bool) -> Option<usize> {
        let levels: Vec<usize> =
            (1..self.levels.len()).filter(|&level| is_one(&self.levels[level])).collect();
        levels.get(Self::pick(at, levels.len())?).copied()
    }

    fn debug_level(&self, at: u8) -> Option<usize> {
        self.level_with(at, |level| matches!(level.node, Some(Node::Debug(_))))
    }

    fn arena_level(&self, at: u8) -> Option<usize> {
        self.level_with(at, |level| matches!(level.node, Some(Node::Arena(_))))
    }

    /// Picks one of `count` things; the last is the most interesting.
    fn pick(number: u8, count: usize) -> Option<usize> {
        if count == 0 {
            return None;
        }
        Some(if number >= 128 { count - 1 } else { usize::from(number) % count })
    }

    pub(crate) fn step(&mut self, step: Step, program: &Program) {
        self.refresh();
        match step {
            Step::Alloc { at, shape, len, alignment_log2 } => {
                let log2 = if alignment_log2 > 250 { 6 + alignment_log2 % 12 } else { alignment_log2 % 7 };
                self.alloc(self.level(at), shape, len.bytes(), Alignment::from_log2(log2).unwrap());
            }
            Step::Change { block, how, len } => self.change(block, how, len.bytes()),
            Step::Empty { block, how } => self.empty(block, how),
            Step::Free { block } => {
                if let Some(index) = Self::pick(block, self.blocks.len()) {
                    self.free(index);
                }
            }
            Step::Huge { at, block, how, subtract, alignment_log2 } => {
                self.huge(self.level(at), block, how, subtract, alignment_log2);
            }
            Step::Zero { at, len } => {
                zero(&self.log, self.handle(self.level(at)).as_allocator(), len.bytes())
            }
            Step::Reset { at, mode } => {
                if let Some(level) = self.level_with(at, is_resettable) {
                    self.reset(level, mode.into(), program);
                }
            }
            Step::Promote { at } => {
                let is_arena =
                    |level: &Level| matches!(level.node, Some(Node::Arena(_) | Node::SharedArena(_)));
                if let Some(level) = self.level_with(at, is_arena) {
                    self.promote(level);
                }
            }
            Step::Checkpoint { at, scope } => {
                if let Some(level) = self.arena_level(at) {
                    self.checkpoint(level, scope, program);
                }
            }
            Step::Rewind { at } => {
                if let Some(level) = self.level_with(at, |level| !level.marks.is_empty()) {
                    self.rewind(level, program);
                }
            }
            Step::Rebuild { at } => self.rebuild(self.level(at), program),
            Step::Flush { at } => self.flush(self.debug_level(at).unwrap_or(0)),
            Step::Limit { at, more } => self.limit(self.debug_level(at).unwrap_or(0), more),
            Step::DetectLeaks { at } => self.detect_leaks(self.debug_level(at).unwrap_or(0)),
            Step::Misuse { at, block, kind, via, n } => {
                self.misuse(self.debug_level(at).unwrap_or(0), block, kind, via, n);
            }
            Step::NewPool { at, kind } if self.pools.len() < 4 => self.new_pool(kind, self.level(at)),
            Step::NewPool { .. } => {}
            Step::Create { pool } => {
                if self.pools.is_empty() {
                    self.new_pool(pool, self.levels.len() - 1);
                }
                let byte = self.random.below(256) as u8;
                self.with_pool(pool, |pool, log, probe| pool.create(log, probe, byte));
            }
            Step::Destroy { pool, item } => self.with_pool(pool, |pool, log, _| pool.destroy(log, item)),
            Step::Preheat { pool, count } => {
                self.with_pool(pool, |pool, log, _| pool.preheat(log, usize::from(count % 20)));
            }
            Step::ResetPool { pool, mode } => {
                self.with_pool(pool, |pool, log, _| pool.reset(log, mode.into()));
            }
            Step::PanickingBox { pool } => self.with_pool(pool, |pool, log, _| pool.panicking_box(log)),
            Step::EndPool { pool } => {
                if let Some(index) = Self::pick(pool, self.pools.len()) {
                    let pool = self.pools.swap_remove(index);
                    let probe = self.levels[pool.level].probe.get();
                    pool.end(&self.log, probe);
                }
            }
        }
        self.check_debug();
    }

    fn with_pool(&mut self, pool: u8, work: impl FnOnce(&mut crate::pool::Pool, &Log, &Probe)) {
        if let Some(index) = Self::pick(pool, self.pools.len()) {
            let pool = &mut self.pools[index];
            let probe = self.levels[pool.level].probe.get();
            work(pool, &self.log, probe);
        }
    }

    /// Checks that no false report was made, and that the counted bytes are right.
    fn check_debug(&self) {
        let told = reports::take();
        if !told.is_empty() {
            self.log.fail(format_args!("there was no mistake, and reported were {told:x?}"));
        }
        for level in 1..self.levels.len() {
            let Some(debug) = self.debug(level) else { continue };
            let (counted, live) =
                (debug.total_requested_bytes(), self.levels[level].probe.get().live_bytes());
            if debug.config().enable_memory_limit && counted != live {
                self.log.fail(format_args!(
                    "DebugAllocator: {counted} bytes are counted as requested, and {live} are live"
                ));
            }
        }
    }

    fn alloc(&mut self, level: usize, shape: Shape, len: usize, alignment: Alignment) {
        let handle = self.handle(level);
        let log = self.log.clone();
        let new = log.on_behalf(Owner::User, || shadow::alloc(handle.as_allocator(), shape, len, alignment));
        let Some((memory, len, alignment)) = new else { return log.reach("a block that is refused") };
        if log.has_failed() {
            return;
        }
        if !shadow::is_undefined(memory, len, shape) {
            log.fail(format_args!("{shape:?} of {len} bytes: new memory is not undefined"));
        }
        let block = Block { id: self.next_id, born: self.next_id, level, memory, len, alignment, shape };
        self.next_id += 1;
        block.fill();
        self.blocks.push(block);
    }

    fn change(&mut self, block: u8, how: Change, new_len: usize) {
        let Some(index) = Self::pick(block, self.blocks.len()) else { return };
        let block = self.blocks[index];
        self.check_block(&block, block.len);
        let handle = self.handle(block.level);
        // SAFETY: a live block.
        let changed =
            self.log.on_behalf(Owner::User, || unsafe { block.change(handle.as_allocator(), how, new_len) });
        if self.log.has_failed() {
            return;
        }
        let Some((memory, len)) = changed else {
            self.log.reach("a change that is refused");
            return self.check_block(&block, block.len);
        };
        self.log.reach(match (memory == block.memory, len > block.len) {
            (true, true) => "a block that grows in place",
            (true, false) => "a block that shrinks in place",
            (false, true) => "a block that grows and moves",
            (false, false) => "a block that shrinks and moves",
        });
        let mut new = Block { memory, len, ..block };
        if block.shape == Shape::Sentinel {
            new.shape = Shape::Raw;
        }
        if memory != block.memory {
            new.born = self.next_id;
            self.next_id += 1;
            self.levels[block.level].freed.push((block, false));
        }
        self.check_block(&new, block.len);
        new.fill();
        self.blocks[index] = new;
    }

    /// Resizes a typed block to zero, which frees it.
    fn empty(&mut self, block: u8, how: Change) {
        let Some(index) = Self::pick(block, self.blocks.len()) else { return };
        let block = self.blocks[index];
        if matches!(block.shape, Shape::Raw | Shape::Sentinel) {
            return;
        }
        self.blocks.swap_remove(index);
        let handle = self.handle(block.level);
        let log = self.log.clone();
        // SAFETY: a live block, which is no longer in the list.
        let changed = log.on_behalf(Owner::User, || unsafe { block.change(handle.as_allocator(), how, 0) });
        if changed.map(|(_, len)| len) != Some(0) {
            log.fail(format_args!("{how:?} of {:?} to 0: {changed:?}", block.shape));
        }
        self.levels[block.level].freed.push((block, true));
    }

    /// Makes an impossible request.
    fn huge(&mut self, level: usize, block: u8, how: Option<Change>, subtract: u16, log2: u8) {
        let top = if log2 & 1 == 0 { usize::MAX } else { isize::MAX as usize + (1 << 20) };
        let len = top - usize::from(subtract);
        let log = self.log.clone();
        let handle = self.handle(level);
        let Some(how) = how else {
            // SAFETY: the length is not zero. `Alignment` is a transparent byte that may have any value.
            let memory = unsafe {
                let alignment = if log2 & 2 == 0 {
                    Alignment::from_log2(log2 % 64).unwrap()
                } else {
                    std::mem::transmute::<u8, Alignment>(log2 | 64)
                };
                let len = if log2 & 2 == 0 { len } else { 1 + usize::from(subtract) };
                handle.raw_alloc(len, alignment, 0)
            };
            if memory.is_some() {
                log.fail(format_args!("{len} bytes, aligned to 2^{log2}, are served"));
            }
            return;
        };
        let Some(index) = Self::pick(block, self.blocks.len()) else { return };
        let block = self.blocks[index];
        let raw =
            Block { shape: if block.shape == Shape::Sentinel { Shape::Raw } else { block.shape }, ..block };
        let handle = self.handle(block.level);
        // SAFETY: a live block.
        let changed = log.on_behalf(Owner::User, || unsafe {
            if raw.shape == Shape::Words && how == Change::Realloc {
                // So many that the byte count overflows.
                let words = NonNull::slice_from_raw_parts(raw.memory.cast::<u64>(), raw.len / 8);
                return handle.realloc(words, len).ok().map(|memory| (memory.cast::<u8>(), len));
            }
            raw.change(handle.as_allocator(), how, len)
        });
        if let Some((_, len)) = changed {
            log.fail(format_args!("{how:?} of {} to {len} bytes is served", block.len));
        }
        self.check_block(&block, block.len);
    }
}

/// Makes requests of zero bytes: none may reach the vtable, where the probe would report it.
fn zero(log: &Log, allocator: Allocator<'_>, n: usize) {
    // SAFETY: the blocks have no bytes.
    unsafe {
        let (Ok(empty), Ok(units), Ok(unit)) =
            (allocator.alloc::<u32>(0), allocator.alloc::<()>(n), allocator.create::<[u64; 0]>())
        else {
            return log.fail("nothing was asked for, and refused");
        };
        assert!(empty.is_empty() && !allocator.resize(empty, n) && allocator.resize(empty, 0));
        assert!(allocator.remap(empty, n).is_none());
        assert_eq!(allocator.remap(empty, 0).map(NonNull::len), Some(0));
        assert_eq!(allocator.realloc(empty, 0).map(NonNull::len), Ok(0));
        assert!(allocator.resize(units, 2 * n));
        assert_eq!(allocator.realloc(units, 3).map(NonNull::len), Ok(3));
        allocator.free(empty);
        allocator.free(units);
        allocator.destroy(unit);
        if let Ok(copy) = allocator.dupe::<u8>(&[]) {
            allocator.free(copy);
        }
        if let Ok(aligned) = allocator.aligned_alloc::<u8, 4096>(0) {
            assert_eq!(aligned.as_ptr().addr() % 4096, 0);
            allocator.free(aligned);
        }
    }
}
