//! A running program: the levels, the blocks, and how they end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::rc::Rc;

use zigalloc::heap::debug::ReportKind;
use zigalloc::heap::{C_ALLOCATOR, Check, PAGE_ALLOCATOR, RAW_C_ALLOCATOR, RUST_ALLOCATOR, SMP_ALLOCATOR};
use zigalloc::{Alignment, Allocator};
use zigalloc_support::Random;

use crate::chaos::Chaos;
use crate::log::{Log, Owner, Reached};
use crate::node::{Mark, Node, Own, buffer_of};
use crate::own_heap::OwnHeap;
use crate::pool::Pool;
use crate::probe::Probe;
use crate::program::{Layer, Program, Source};
use crate::reports;
use crate::shadow::Block;
use crate::table::{self, Handle};

/// A checkpoint, and the state of its level's blocks at that time.
pub(crate) struct Checkpointed {
    /// Blocks from this one on are newer.
    pub(crate) next_id: u64,
    pub(crate) lengths: HashMap<u64, usize>,
}

/// An allocator with the probe on top of it. The lowest is the child, which has no node.
pub(crate) struct Level {
    pub(crate) probe: Own<Probe>,
    pub(crate) node: Option<Node>,
    layer: Option<Layer>,
    buffer: Option<(NonNull<[u8]>, Alignment)>,
    /// As many as in `checkpoints`.
    pub(crate) marks: Vec<Mark>,
    pub(crate) checkpoints: Vec<Checkpointed>,
    /// Freed blocks of a debug allocator, and whether a double free must be recognised as such.
    pub(crate) freed: Vec<(Block, bool)>,
}

pub(crate) struct World {
    pub(crate) log: Rc<Log>,
    own_heap: Own<OwnHeap>,
    source: Own<Probe>,
    chaos: Own<Chaos>,
    pub(crate) levels: Vec<Level>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) pools: Vec<Pool>,
    next_pool: usize,
    pub(crate) next_id: u64,
    pub(crate) random: Random,
}

impl World {
    pub(crate) fn new(program: &Program) -> World {
        let log = Rc::new(Log::new());
        reports::take();
        let seed = program.child.seed;
        let guarded = program.source == Source::Guarded;
        let own_heap = Own::new(OwnHeap::new(log.clone(), guarded, seed));
        let source = match program.source {
            // SAFETY: it ends with the world and keeps the contract.
            Source::Own | Source::Guarded => unsafe { table::handle(own_heap.get()) },
            Source::Page => PAGE_ALLOCATOR,
            Source::C => C_ALLOCATOR,
            Source::RawC => RAW_C_ALLOCATOR,
            Source::Smp => SMP_ALLOCATOR,
            Source::Rust => RUST_ALLOCATOR,
        };
        let source = Own::new(Probe::new(log.clone(), format!("{:?}", program.source), source, None));
        let chaos = Own::new(Chaos {
            plan: program.child,
            // SAFETY: a probe keeps the contract and ends with the world.
            source: unsafe { table::handle(source.get()) },
            log: log.clone(),
            random: RefCell::new(Random::new(seed)),
            caller: Cell::new(None),
        });
        // SAFETY: the child keeps the contract and ends with the world.
        let child = unsafe { table::handle(chaos.get()) };
        let probe = Own::new(Probe::new(log.clone(), "the child".to_owned(), child, Some(source.get())));
        source.get().above.set(Some(NonNull::from(probe.get())));
        let lowest = Level {
            probe,
            node: None,
            layer: None,
            buffer: None,
            marks: Vec::new(),
            checkpoints: Vec::new(),
            freed: Vec::new(),
        };
        let random = Random::new(seed ^ 1);
        let (blocks, pools) = (Vec::new(), Vec::new());
        World {
            log,
            own_heap,
            source,
            chaos,
            levels: vec![lowest],
            blocks,
            pools,
            next_pool: 0,
            next_id: 0,
            random,
        }
    }

    /// Returns the handle for the program and the level above: the probe's.
    pub(crate) fn handle(&self, level: usize) -> Handle {
        // SAFETY: a probe keeps the contract and ends after the levels above.
        unsafe { table::handle(self.levels[level].probe.get()) }
    }

    /// Adds an allocator on top.
    pub(crate) fn push(&mut self, layer: Layer) {
        let below = self.levels.len() - 1;
        let child = self.handle(below);
        let mut buffer = None;
        let mut usable = None;
        if let Some((len, alignment, skip)) = buffer_of(layer) {
            // SAFETY: the length is not zero.
            if let Some(memory) = unsafe { child.raw_alloc(len, alignment, 0) } {
                buffer = Some((NonNull::slice_from_raw_parts(memory, len), alignment));
                // SAFETY: at most the length is left out.
                usable = Some(NonNull::slice_from_raw_parts(unsafe { memory.add(skip) }, len - skip));
            }
        }
        let mut node = Node::new(layer, child, usable);
        let handle = node.handle(&[]);
        let name = format!("level {} ({layer:?})", below + 1);
        let probe =
            Own::new(Probe::new(self.log.clone(), name, handle, Some(self.levels[below].probe.get())));
        probe.get().own.set(node.own_memory());
        probe.get().most_calls.set(node.most_calls());
        self.levels[below].probe.get().above.set(Some(NonNull::from(probe.get())));
        if below == 0 && matches!(node, Node::Arena(_)) {
            self.chaos.get().caller.set(Some(NonNull::from(probe.get())));
        }
        self.levels.push(Level {
            probe,
            node: Some(node),
            layer: Some(layer),
            buffer,
            marks: Vec::new(),
            checkpoints: Vec::new(),
            freed: Vec::new(),
        });
    }

    /// Takes every handle again.
    pub(crate) fn refresh(&mut self) {
        for level in &mut self.levels {
            if let Some(node) = &mut level.node {
                let handle = node.handle(&level.marks);
                level.probe.get().real.set(handle);
            }
        }
    }

    pub(crate) fn new_pool(&mut self, kind: u8, level: usize) {
        self.pools.push(Pool::new(kind, level, self.next_pool, self.handle(level)));
        self.next_pool += 1;
    }

    /// Frees a block of the program.
    pub(crate) fn free(&mut self, index: usize) {
        let block = self.blocks.swap_remove(index);
        self.check_block(&block, block.len);
        self.log
            .filled
            .set(cfg!(debug_assertions) && !cfg!(miri) && block.shape != crate::program::Shape::Raw);
        let handle = self.handle(block.level);
        // SAFETY: a live block, which is no longer in the list.
        unsafe { block.free(handle.as_allocator()) };
        self.log.filled.set(false);
        self.levels[block.level].freed.push((block, true));
    }

    pub(crate) fn check_block(&self, block: &Block, old_len: usize) {
        if let Err(what) = block.check(old_len) {
            self.log.fail(what);
        }
    }

    /// Drops the program's blocks of a level without freeing them.
    pub(crate) fn drop_blocks(&mut self, level: usize, which: impl Fn(&Level, &Block) -> bool) {
        let ended: Vec<Block> = self
            .blocks
            .iter()
            .filter(|block| block.level == level && which(&self.levels[level], block))
            .copied()
            .collect();
        for block in &ended {
            self.check_block(block, block.len);
            self.levels[level].probe.get().forget(block.memory.addr().get());
        }
        self.blocks.retain(|block| !ended.iter().any(|ended| ended.id == block.id));
    }

    fn free_blocks(&mut self, level: usize) {
        while let Some(index) = self.blocks.iter().rposition(|block| block.level == level) {
            self.free(index);
        }
    }

    pub(crate) fn end_pools(&mut self, level: usize) {
        let (ended, rest) = std::mem::take(&mut self.pools).into_iter().partition(|pool| pool.level == level);
        self.pools = rest;
        let probe = self.levels[level].probe.get();
        Vec::into_iter(ended).for_each(|pool: Pool| pool.end(&self.log, probe));
    }

    /// Ends the levels above `level`, from the highest down.
    pub(crate) fn end_above(&mut self, level: usize) {
        while self.levels.len() > level + 1 && !self.log.has_failed() {
            self.end_highest();
        }
    }

    /// Ends them and makes them again.
    pub(crate) fn rebuild(&mut self, level: usize, program: &Program) {
        self.end_above(level);
        let layers: Vec<Layer> = program.layers.iter().take(crate::program::MAX_LAYERS).copied().collect();
        for layer in layers.into_iter().skip(self.levels.len() - 1) {
            if self.log.has_failed() {
                return;
            }
            self.push(layer);
        }
    }

    fn end_highest(&mut self) {
        let highest = self.levels.len() - 1;
        self.refresh();
        self.end_pools(highest);
        let lazy = self.random.chance(128);
        let node = self.levels[highest].node.as_ref();
        let ends_blocks = node.is_some_and(Node::ends_blocks);
        let leaks = matches!(node, Some(Node::Debug(_)));
        if ends_blocks && lazy {
            self.drop_blocks(highest, |_, _| true);
        } else if !(leaks && lazy) {
            self.free_blocks(highest);
        }
        if self.log.has_failed() {
            return;
        }
        let left = self.levels[highest].probe.get().live_count();
        self.drop_blocks(highest, |_, _| true);
        if highest == 1 {
            self.chaos.get().caller.set(None);
        }
        let Some(mut level) = self.levels.pop() else { return };
        let below = &self.levels[highest - 1];
        below.probe.get().above.set(None);
        while let Some(mark) = level.marks.pop() {
            if let Mark::Scope(scope) = mark {
                drop(scope.end());
            }
        }
        let keeps = matches!(level.layer, Some(Layer::Debug(options)) if options.never_unmap && !options.retain_metadata);
        if let Some(node) = level.node {
            end_node(node, left, &self.log, &mut self.random);
        }
        if let Some((memory, alignment)) = level.buffer {
            // SAFETY: the block that `push` allocated, not used afterwards.
            unsafe { self.handle(highest - 1).raw_free(memory, alignment, 0) };
        }
        let below = self.levels[highest - 1].probe.get();
        let left: Vec<_> =
            below.live().into_iter().filter(|(_, entry)| entry.owner == Owner::Layer).collect();
        if !left.is_empty() && !keeps {
            self.log.fail(format_args!(
                "{}: at its end, {} blocks of what is below leak, the first at {:#x}",
                level.probe.get().name,
                left.len(),
                left[0].0
            ));
        }
        // Blocks that a debug allocator with `never_unmap` has kept, which nothing uses.
        if keeps && !left.is_empty() {
            self.log.reach("memory that is never unmapped");
        }
        for (address, entry) in left.iter().filter(|_| keeps) {
            below.forget(*address);
            let memory = NonNull::slice_from_raw_parts(entry.memory, entry.len);
            // SAFETY: a live block of the level below that was kept, and that nothing uses.
            unsafe { below.real.get().raw_free(memory, entry.alignment, 0) };
        }
        drop(level.probe.end());
    }

    /// Ends everything, and checks for leaks.
    pub(crate) fn end(mut self) -> Result<Reached, String> {
        self.end_above(0);
        if !self.log.has_failed() {
            self.end_pools(0);
            self.free_blocks(0);
            let left = self.levels[0].probe.get().live_count() + self.source.get().live_count();
            if left > 0 {
                self.log.fail(format_args!("{left} blocks of the child leak"));
            }
        }
        // After a failure nothing is certain any more, so everything is left as it is.
        self.log.result()?;
        let World { log, own_heap, source, chaos, levels, .. } = self;
        levels.into_iter().for_each(|level| drop(level.probe.end()));
        drop(chaos.end());
        drop(source.end());
        let heap = own_heap.end();
        heap.end();
        log.result()
    }
}

/// Ends an allocator that has `live` blocks.
fn end_node(node: Node, live: usize, log: &Log, random: &mut Random) {
    match node {
        Node::Debug(debug) => end_debug(debug.end(), live, log, random),
        Node::Arena(arena) => arena.end().deinit(),
        Node::SharedArena(arena) => arena.end().deinit(),
        Node::FixedBuffer(buffer, _) => drop(buffer.end()),
        Node::BufferFirst(first) => drop(first.end()),
        Node::StackFallback(fallback) => drop(fallback.end()),
        Node::ThreadSafe(lock) => drop(lock.end()),
        Node::Locked(lock) => drop(lock.end()),
        Node::Counting(counting) => {
            let counts = counting.end().snapshot();
            if (counts.live_blocks, counts.live_bytes) != (0, 0) {
                log.fail(format_args!("CountingAllocator: {counts:?}, and there are no blocks"));
            }
        }
        Node::Logging(logging) => {
            let logging = logging.end();
            if logging.lost_lines() > 0 {
                log.fail("LoggingAllocator: lines are lost");
            }
        }
        Node::Validation(validation) => drop(validation.end()),
        Node::Ledger(ledger) => {
            if ledger.end().live() > 0 {
                log.fail("LedgerAllocator: there are no blocks, and its ledger has some");
            }
        }
        Node::Failing(failing) => {
            let failing = failing.end();
            if failing.allocated_bytes() != failing.freed_bytes() {
                log.fail("FailingAllocator: bytes are allocated, and there are no blocks");
            }
        }
        Node::Sbrk(sbrk) => drop(sbrk.end().into_source()),
        Node::Adapter(adapter) => drop(adapter.end().into_inner()),
    }
}

/// Ends a debug allocator: each live block is a leak, and with safety it is reported. All memory is then freed, even
/// if the report function panics.
fn end_debug(debug: zigalloc::heap::DebugAllocator<Handle>, live: usize, log: &Log, random: &mut Random) {
    let safety = debug.config().safety;
    let expected = if live > 0 && safety { Check::Leak } else { Check::Ok };
    if live > 0 && safety {
        log.reach("a leak");
    }
    match random.below(3) {
        0 => {
            reports::panic_at_leak(true);
            if catch_unwind(AssertUnwindSafe(|| drop(debug))).is_err() {
                log.reach("a report that panics");
            }
            reports::panic_at_leak(false);
        }
        1 => debug.deinit_without_leak_checks(),
        _ => {
            let check = debug.deinit();
            if check != expected {
                log.fail(format_args!("DebugAllocator::deinit: {check:?} with {live} live blocks"));
            }
        }
    }
    if reports::take().iter().any(|told| told.kind != ReportKind::Leak || live == 0) {
        log.fail("DebugAllocator: its end reports what has not happened");
    }
}

/// Returns the allocator itself, for calls that the probe would reject.
pub(crate) fn real(level: &Level) -> Allocator<'static> {
    level.probe.get().real.get().as_allocator()
}
