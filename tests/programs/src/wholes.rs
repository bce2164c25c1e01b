//! Steps on a whole allocator: resets, checkpoints and scopes, `into_state`, and queries of a debug allocator.

use zigalloc::Alignment;
use zigalloc::heap::ResetMode;
use zigalloc::heap::debug::ReportKind;

use crate::node::{Mark, Node, Own};
use crate::program::Program;
use crate::reports;
use crate::world::{Checkpointed, Level, World};

impl World {
    pub(crate) fn reset(&mut self, level: usize, mode: ResetMode, program: &Program) {
        use Node::{Arena, BufferFirst, FixedBuffer, SharedArena, StackFallback};
        self.end_above(level);
        self.end_pools(level);
        if self.log.has_failed() {
            return;
        }
        self.drop_blocks(level, |level, block| {
            level.node.as_ref().is_some_and(|node| node.is_in_buffer(block.memory))
        });
        let below = self.levels[level - 1].probe.get();
        let before = below.live().len();
        let log = self.log.clone();
        let fail = |what: String| log.fail(format_args!("reset({mode:?}) on level {level}: {what}"));
        let capacity = |reset: bool, old: usize, new: usize| {
            let kept = match mode {
                ResetMode::FreeAll => 0,
                ResetMode::RetainCapacity => old,
                ResetMode::RetainWithLimit(limit) => limit.min(old),
            };
            // The shared arena's nodes have an even length, and it has two lists.
            log.reach(if reset { "a reset" } else { "a reset that is refused" });
            if reset && (new > kept || kept - new > 2) {
                fail(format!("a capacity of {new} bytes, and of {old} bytes {kept} should be kept"));
            }
            if below.live().len() > before + 1 {
                fail("the child has more blocks than before".to_owned());
            }
        };
        match self.levels[level].node.as_mut() {
            Some(Arena(arena)) => {
                let arena = arena.get_mut();
                let old = arena.query_capacity();
                let reset = arena.reset(mode);
                capacity(reset, old, arena.query_capacity());
            }
            Some(SharedArena(arena)) => {
                let arena = arena.get_mut();
                let old = arena.query_capacity();
                let reset = arena.reset(mode);
                capacity(reset, old, arena.query_capacity());
            }
            Some(FixedBuffer(buffer, _)) => {
                buffer.get_mut().reset();
                if buffer.get().end_index() != 0 {
                    fail("the buffer is not empty".to_owned());
                }
            }
            Some(BufferFirst(first)) => first.get_mut().reset(),
            Some(StackFallback(fallback)) => fallback.get_mut().reset(),
            _ => {}
        }
        self.refresh();
        self.rebuild(level, program);
    }

    pub(crate) fn promote(&mut self, level: usize) {
        if self.levels[level].marks.iter().any(|mark| matches!(mark, Mark::Scope(_))) || level == 0 {
            return;
        }
        let child = self.handle(level - 1);
        let Some(node) = self.levels[level].node.take() else { return };
        let log = self.log.clone();
        let (node, same) = match node {
            Node::Arena(arena) => {
                log.reach("an arena promoted");
                let arena = arena.end();
                let old = arena.query_capacity();
                // SAFETY: the same child.
                let arena = unsafe { arena.into_state().promote(child) };
                let same = arena.query_capacity() == old;
                (Node::Arena(Own::new(arena)), same)
            }
            Node::SharedArena(arena) => {
                log.reach("a shared arena promoted");
                let mut arena = arena.end();
                let old = arena.query_capacity();
                // SAFETY: the same child.
                let mut arena = unsafe { arena.into_state().promote(child) };
                let same = arena.query_capacity() == old;
                (Node::SharedArena(Own::new(arena)), same)
            }
            node => (node, true),
        };
        if !same {
            self.log.fail("promote: another capacity");
        }
        self.levels[level].node = Some(node);
        self.refresh();
    }

    pub(crate) fn checkpoint(&mut self, level: usize, scope: bool, program: &Program) {
        if self.levels[level].marks.len() > 4 {
            return;
        }
        let scope = scope || matches!(self.levels[level].marks.last(), Some(Mark::Scope(_)));
        if scope {
            // A scope borrows the arena, and the level on top has an older handle.
            self.end_above(level);
            self.end_pools(level);
            if self.log.has_failed() {
                return;
            }
        }
        let state = &mut self.levels[level];
        let Some(Node::Arena(arena)) = state.node.as_mut() else { return };
        let mark = match state.marks.last_mut() {
            Some(Mark::Scope(outer)) => Mark::Scope(Own::new(outer.get_mut().scope())),
            _ if scope => Mark::Scope(Own::new(arena.get_mut().scope())),
            _ => Mark::Checkpoint(arena.get().checkpoint()),
        };
        state.marks.push(mark);
        let own = self.blocks.iter().filter(|block| block.level == level);
        let lengths = own.map(|block| (block.id, block.len)).collect();
        state.checkpoints.push(Checkpointed { next_id: self.next_id, lengths });
        self.refresh();
        self.rebuild(level, program);
    }

    pub(crate) fn rewind(&mut self, level: usize, program: &Program) {
        self.end_above(level);
        self.end_pools(level);
        if self.log.has_failed() {
            return;
        }
        let Some(Checkpointed { next_id, lengths }) = self.levels[level].checkpoints.pop() else { return };
        self.drop_blocks(level, |_, block| block.born >= next_id);
        for block in self.blocks.iter_mut().filter(|block| block.level == level) {
            let old = lengths.get(&block.id).copied().unwrap_or(block.len);
            if old < block.len {
                block.len = old;
                self.log.reach("a rewind that shortens a block");
                self.levels[level].probe.get().set_len(block.memory.addr().get(), old);
            }
        }
        let state = &mut self.levels[level];
        self.log.reach(match state.marks.last() {
            Some(Mark::Scope(_)) => "the end of a scope",
            _ => "a rewind",
        });
        match (state.marks.pop(), state.node.as_ref()) {
            (Some(Mark::Scope(scope)), _) => drop(scope.end()),
            // SAFETY: the last checkpoint, and everything newer has ended.
            (Some(Mark::Checkpoint(checkpoint)), Some(Node::Arena(arena))) => unsafe {
                arena.get().rewind(checkpoint);
            },
            _ => {}
        }
        for block in self.blocks.iter().filter(|block| block.level == level) {
            self.check_block(block, usize::MAX);
            block.fill();
        }
        self.refresh();
        self.rebuild(level, program);
    }

    pub(crate) fn flush(&mut self, level: usize) {
        let Some(debug) = self.debug(level) else { return };
        debug.flush_retained_metadata();
        self.log.reach("a flush");
        self.levels[level].freed.iter_mut().for_each(|(_, is_known)| *is_known = false);
    }

    pub(crate) fn limit(&mut self, level: usize, more: Option<u16>) {
        let Some(debug) = self.debug(level).filter(|debug| debug.config().enable_memory_limit) else {
            return;
        };
        let live = self.levels[level].probe.get().live_bytes();
        let limit = more.map_or(usize::MAX, |more| live + usize::from(more));
        debug.set_requested_memory_limit(limit);
        let len = limit.saturating_sub(live).saturating_add(1);
        // SAFETY: the length is not zero.
        if unsafe { self.handle(level).raw_alloc(len, Alignment::_1, 0) }.is_some() {
            self.log.fail(format_args!("DebugAllocator: {len} bytes are served beyond the limit of {limit}"));
        }
    }

    pub(crate) fn detect_leaks(&mut self, level: usize) {
        let Some(debug) = self.debug(level) else { return };
        let (found, live) = (debug.detect_leaks(), self.levels[level].probe.get().live_count());
        let told = reports::take();
        if live > 0 {
            self.log.reach("a search for leaks");
        }
        if found != live || told.iter().any(|told| told.kind != ReportKind::Leak) {
            self.log.fail(format_args!("detect_leaks: {found}, and {live} blocks are live"));
        }
    }
}

/// Returns whether a level has no checkpoints and scopes, which a reset would end.
pub(crate) fn is_resettable(level: &Level) -> bool {
    use Node::{Arena, BufferFirst, FixedBuffer, SharedArena, StackFallback};
    let is_kind = matches!(
        level.node,
        Some(Arena(_) | SharedArena(_) | FixedBuffer(..) | BufferFirst(_) | StackFallback(_))
    );
    is_kind && level.marks.is_empty()
}
