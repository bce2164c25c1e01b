//! The allocators of a program, each behind a pointer that never moves.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

use zigalloc::adapters::allocator_api2_02::FromAllocator;
use zigalloc::heap::arena::Checkpoint;
use zigalloc::heap::{
    ArenaAllocator, BufferFirstAllocator, DebugAllocator, DebugConfig, FixedBufferAllocator, SbrkAllocator,
    SharedArenaAllocator, StackFallbackAllocator, stack_fallback,
};
use zigalloc::testing::{FailingAllocator, FailingConfig, LedgerAllocator, ValidationAllocator};
use zigalloc::trace::{CountingAllocator, FmtSink, LoggingAllocator};
use zigalloc::{Alignment, AsAllocator, LockedAllocator, SyncAllocator, ThreadSafeAllocator};

use crate::program::{DebugOptions, Layer};
use crate::table::Handle;

/// A value with a fixed address. Unlike a `Box`, it does not require that all access is through it.
pub(crate) struct Own<T>(NonNull<T>);

impl<T> Own<T> {
    pub(crate) fn new(value: T) -> Own<T> {
        Own(NonNull::from(Box::leak(Box::new(value))))
    }

    pub(crate) fn get(&self) -> &'static T {
        // SAFETY: it exists until `end`, after which the model uses no reference from here.
        unsafe { self.0.as_ref() }
    }

    /// Borrows it exclusively: the model uses no other reference and no handle at the same time.
    pub(crate) fn get_mut(&mut self) -> &'static mut T {
        // SAFETY: it exists until `end`, and the model uses no other reference at the same time.
        unsafe { self.0.as_mut() }
    }

    pub(crate) fn end(self) -> T {
        // SAFETY: from a box, and not used afterwards.
        *unsafe { Box::from_raw(self.0.as_ptr()) }
    }
}

type Scope = zigalloc::heap::arena::Scope<'static, Handle>;

/// What a rewind restores: a checkpoint, or the end of a scope.
pub(crate) enum Mark {
    Checkpoint(Checkpoint),
    Scope(Own<Scope>),
}

pub(crate) const STACK: usize = 256;

pub(crate) enum Node {
    Arena(Own<ArenaAllocator<Handle>>),
    SharedArena(Own<SharedArenaAllocator<'static>>),
    FixedBuffer(Own<FixedBufferAllocator<'static>>, bool),
    BufferFirst(Own<BufferFirstAllocator<'static, Handle>>),
    StackFallback(Own<StackFallbackAllocator<STACK, Handle>>),
    ThreadSafe(Own<ThreadSafeAllocator<'static>>),
    Locked(Own<LockedAllocator<'static, parking_lot::RawMutex>>),
    Debug(Own<DebugAllocator<Handle>>),
    Counting(Own<CountingAllocator<Handle>>),
    Logging(Own<LoggingAllocator<Handle, FmtSink<Lines>>>),
    Validation(Own<ValidationAllocator<Handle>>),
    Ledger(Own<LedgerAllocator<Handle>>),
    Failing(Own<FailingAllocator<Handle>>),
    Sbrk(Own<SbrkAllocator<FixedBufferAllocator<'static>>>),
    Adapter(Own<FromAllocator<Handle>>),
}

/// A text of which only the number of lines is kept.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) usize);

impl std::fmt::Write for Lines {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.bytes().filter(|&byte| byte == b'\n').count();
        Ok(())
    }
}

/// Returns the length and alignment of the block that a layer uses as its buffer, and how many bytes of it are left
/// out.
pub(crate) fn buffer_of(layer: Layer) -> Option<(usize, Alignment, usize)> {
    match layer {
        Layer::FixedBuffer { len, skip, .. } | Layer::BufferFirst { len, skip } => {
            let skip = usize::from(skip % 64);
            Some((skip + 1 + usize::from(len) % 8192, Alignment::_1, skip))
        }
        Layer::Sbrk { pages, skip } => {
            let skip = usize::from(skip);
            Some((skip + usize::from(1 + pages % 6) * (64 << 10), Alignment::_16, skip))
        }
        _ => None,
    }
}

fn debug_config(options: DebugOptions) -> DebugConfig {
    DebugConfig {
        stack_trace_frames: usize::from(options.frames % 4),
        enable_memory_limit: options.enable_memory_limit,
        safety: options.safety,
        thread_safe: options.thread_safe,
        never_unmap: options.never_unmap,
        quarantine: usize::from(options.quarantine) << 14,
        // Half of the time.
        keep_empty_pages: options.quarantine % 2 == 0,
        retain_metadata: options.retain_metadata,
        resize_stack_traces: options.resize_stack_traces,
        page_size: 1 << (12 + options.page_size % if cfg!(miri) { 3 } else { 7 }),
        report: crate::reports::tell,
        ..DebugConfig::DEFAULT
    }
}

impl Node {
    /// Makes an allocator over a child, and for some kinds over a block of it.
    pub(crate) fn new(layer: Layer, child: Handle, buffer: Option<NonNull<[u8]>>) -> Node {
        let buffer = || -> &'static mut [MaybeUninit<u8>] {
            let Some(memory) = buffer else { return &mut [] };
            // SAFETY: a block of the level below, which lives as long as the node and is used only by it.
            unsafe { std::slice::from_raw_parts_mut(memory.cast().as_ptr(), memory.len()) }
        };
        match layer {
            Layer::Arena => Node::Arena(Own::new(ArenaAllocator::init(child))),
            Layer::SharedArena => Node::SharedArena(Own::new(SharedArenaAllocator::init(child))),
            Layer::FixedBuffer { thread_safe, .. } => {
                Node::FixedBuffer(Own::new(FixedBufferAllocator::init(buffer())), thread_safe)
            }
            Layer::BufferFirst { .. } => {
                Node::BufferFirst(Own::new(BufferFirstAllocator::init(buffer(), child)))
            }
            Layer::StackFallback => Node::StackFallback(Own::new(stack_fallback(child))),
            Layer::ThreadSafe => {
                // SAFETY: there is one thread.
                Node::ThreadSafe(Own::new(unsafe { ThreadSafeAllocator::from_child(child.as_allocator()) }))
            }
            Layer::Locked => {
                // SAFETY: there is one thread.
                Node::Locked(Own::new(unsafe { LockedAllocator::from_child(child.as_allocator()) }))
            }
            Layer::Debug(options) => {
                Node::Debug(Own::new(DebugAllocator::with_config(child, debug_config(options))))
            }
            Layer::Counting => Node::Counting(Own::new(CountingAllocator::init(child))),
            Layer::Logging => {
                Node::Logging(Own::new(LoggingAllocator::init(child, FmtSink(Lines::default()))))
            }
            Layer::Validation => Node::Validation(Own::new(ValidationAllocator::init(child))),
            Layer::Ledger => Node::Ledger(Own::new(LedgerAllocator::init(child))),
            Layer::Failing { fail_index, resize_fail_index } => {
                let index = |index: u8| if index == 0 { usize::MAX } else { usize::from(index) };
                let config = FailingConfig {
                    fail_index: index(fail_index),
                    resize_fail_index: index(resize_fail_index),
                };
                Node::Failing(Own::new(FailingAllocator::init(child, config)))
            }
            Layer::Sbrk { .. } => {
                Node::Sbrk(Own::new(SbrkAllocator::init(FixedBufferAllocator::init(buffer()))))
            }
            Layer::Adapter => Node::Adapter(Own::new(FromAllocator::new(child))),
        }
    }

    /// Returns a new handle; `marks` are those of an arena, whose scopes have their own handles.
    pub(crate) fn handle(&mut self, marks: &[Mark]) -> Handle {
        let plain = match self {
            Node::Arena(arena) => match marks.last() {
                Some(Mark::Scope(scope)) => scope.get().allocator(),
                _ => arena.get().allocator(),
            },
            Node::SharedArena(arena) => return arena.get().allocator(),
            // The shared flavour borrows the buffer exclusively, so that this one is not used beside it.
            Node::FixedBuffer(buffer, true) => return buffer.get_mut().thread_safe_allocator(),
            Node::FixedBuffer(buffer, false) => buffer.get().allocator(),
            Node::BufferFirst(first) => first.get().allocator(),
            Node::StackFallback(fallback) => fallback.get().get(),
            Node::ThreadSafe(lock) => return lock.get().allocator(),
            Node::Locked(lock) => return lock.get().allocator(),
            Node::Debug(debug) => AsAllocator::allocator(debug.get()),
            Node::Counting(counting) => return counting.get().allocator(),
            Node::Logging(logging) => AsAllocator::allocator(logging.get()),
            Node::Validation(validation) => validation.get().allocator(),
            Node::Ledger(ledger) => ledger.get().allocator(),
            Node::Failing(failing) => failing.get().allocator(),
            Node::Sbrk(sbrk) => return sbrk.get().allocator(),
            Node::Adapter(adapter) => return adapter.get().thread_safe_allocator(),
        };
        // SAFETY: there is one thread.
        unsafe { SyncAllocator::new_unchecked(plain) }
    }

    /// Returns the memory inside the allocator itself.
    pub(crate) fn own_memory(&self) -> Option<(usize, usize)> {
        let Node::StackFallback(fallback) = self else { return None };
        let address = std::ptr::from_ref(fallback.get()).addr();
        Some((address, size_of::<StackFallbackAllocator<STACK, Handle>>()))
    }

    /// Returns how many calls of the child one call needs at most.
    pub(crate) fn most_calls(&self) -> usize {
        match self {
            Node::FixedBuffer(..) | Node::Sbrk(_) => 0,
            // Enlarge the newest node; otherwise free the spare one; then a new node; otherwise a smaller one.
            Node::Arena(_) => 4,
            // Without a spare node, but a free one is enlarged in between.
            Node::SharedArena(_) => 4,
            // Remap; otherwise allocate a new block and free the old one.
            Node::Adapter(_) => 3,
            // Tables grow, quarantines are emptied, and kept pages are freed.
            Node::Debug(_) => 64,
            _ => 1,
        }
    }

    /// Returns whether unfreed blocks end with the allocator or its reset.
    pub(crate) fn ends_blocks(&self) -> bool {
        matches!(self, Node::Arena(_) | Node::SharedArena(_) | Node::FixedBuffer(..) | Node::Sbrk(_))
    }

    /// Returns whether the block is in a buffer, not forwarded from below.
    pub(crate) fn is_in_buffer(&self, memory: NonNull<u8>) -> bool {
        match self {
            Node::BufferFirst(first) => first.get().fixed_buffer_allocator().owns_ptr(memory.as_ptr()),
            Node::StackFallback(fallback) => fallback.get().owns_ptr(memory.as_ptr()),
            _ => self.ends_blocks(),
        }
    }
}
