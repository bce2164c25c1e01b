//! Allocators whose blocks are the child's, and those with a lock. All are used through a handle.

use std::mem::MaybeUninit;
use std::ptr::NonNull;

#[cfg(feature = "lock_api")]
use zigalloc::LockedAllocator;
#[cfg(feature = "allocator-api2-02")]
use zigalloc::adapters::allocator_api2_02::FromAllocator;
use zigalloc::heap::debug::ReportKind;
use zigalloc::heap::{
    BufferFirstAllocator, DebugAllocator, DebugConfig, RUST_ALLOCATOR, SafeAllocator, SafeOptions, Sbrk,
    SbrkAllocator, StackFallbackAllocator, stack_fallback,
};
use zigalloc::testing::{
    FailingAllocator, FailingConfig, LedgerAllocator, UnreliableAllocator, UnreliableConfig,
    ValidationAllocator, validation_wrap,
};
use zigalloc::trace::{CountingAllocator, FmtSink, LoggingAllocator};
use zigalloc::{Alignment, AsAllocator, SyncAllocator, ThreadSafeAllocator};

use super::Kind;
use super::child::{Block, Child, fill_some};

pub(super) fn make(kind: &str, child: &'static Child) -> Option<Box<dyn Kind>> {
    let allocator = child.allocator();
    Some(match kind {
        // Longer than the blocks below, the first of which fit into it.
        "buffer_first" => {
            let buffer = Box::leak(Box::new([MaybeUninit::uninit(); 4000]));
            new(BufferFirstAllocator::init(buffer, allocator))
        }
        "stack_fallback" => new::<StackFallbackAllocator<4000, _>>(stack_fallback(allocator)),
        "counting" => new(CountingAllocator::init(allocator)),
        "logging" => new(LoggingAllocator::init(allocator, FmtSink(String::new()))),
        "failing" => new(FailingAllocator::init(allocator, FailingConfig::default())),
        "unreliable" => {
            let moves =
                UnreliableConfig { refuse_alloc: 0, refuse_resize: 0, refuse_remap: 0, ..Default::default() };
            new(UnreliableAllocator::init(allocator, UnreliableConfig { move_remap: 100, ..moves }))
        }
        "validation" => new::<ValidationAllocator<SyncAllocator<'static>>>(validation_wrap(allocator)),
        "ledger" => new(LedgerAllocator::init(allocator)),
        #[cfg(feature = "allocator-api2-02")]
        "from_allocator" => new(FromAllocator::new(allocator)),
        "debug" => debug(allocator, DebugConfig::DEFAULT),
        "retaining_debug" => {
            debug(allocator, DebugConfig { retain_metadata: true, quarantine: 5000, ..DebugConfig::DEFAULT })
        }
        "safe" => safe(allocator, SafeOptions { stack_trace_frames: 0, ..SafeOptions::DEFAULT }),
        "traced_safe" => safe(
            allocator,
            SafeOptions { stack_trace_frames: 1, bucket_size_log2: 9, ..SafeOptions::DEFAULT },
        ),
        // SAFETY: nothing else uses the child.
        "thread_safe" => locked(unsafe { ThreadSafeAllocator::from_child(*allocator) }),
        #[cfg(feature = "lock_api")]
        "locked" => {
            // SAFETY: nothing else uses the child.
            locked(unsafe { LockedAllocator::<parking_lot::RawMutex>::from_child(*allocator) })
        }
        "sbrk" => locked(SbrkAllocator::init(Source(child))),
        _ => return None,
    })
}

struct Handle<A> {
    allocator: A,
    blocks: Vec<Block>,
    /// A call that does not return leaves the lock taken, and the next one would wait forever. The destructor can
    /// then only drop the allocator.
    has_lock: bool,
    /// Replaces the allocator by a new one.
    replace: fn(&mut A),
    flush: fn(&A),
}

fn new<A: AsAllocator + 'static>(allocator: A) -> Box<dyn Kind> {
    Box::new(Handle { allocator, blocks: Vec::new(), has_lock: false, replace: |_| (), flush: |_| () })
}

fn locked<A: AsAllocator + 'static>(allocator: A) -> Box<dyn Kind> {
    Box::new(Handle { allocator, blocks: Vec::new(), has_lock: true, replace: |_| (), flush: |_| () })
}

fn debug(child: SyncAllocator<'static>, config: DebugConfig) -> Box<dyn Kind> {
    // The blocks that a row leaves would be reported as leaks.
    let config = DebugConfig { safety: false, ..config };
    Box::new(Handle {
        allocator: DebugAllocator::with_config(child, config),
        blocks: Vec::new(),
        has_lock: true,
        replace: |debug| {
            let config = DebugConfig { ..*debug.config() };
            *debug = DebugAllocator::with_config(zigalloc::heap::RUST_ALLOCATOR, config);
        },
        flush: DebugAllocator::flush_retained_metadata,
    })
}

/// It can be used in the destructor: a call that does not return leaves one of its slots locked, and others are used.
fn safe(child: SyncAllocator<'static>, options: SafeOptions) -> Box<dyn Kind> {
    // The blocks that a row leaves are leaks.
    let options = SafeOptions { report: |report| assert_eq!(report.kind, ReportKind::Leak), ..options };
    Box::new(Handle {
        allocator: SafeAllocator::init(child, options),
        blocks: Vec::new(),
        has_lock: false,
        replace: |safe| *safe = SafeAllocator::init(RUST_ALLOCATOR, *safe.options()),
        flush: |_| (),
    })
}

const LENS: &[usize] = &[1500, 2000, 3000, 20_000, 70_000, 50_000];

impl<A: AsAllocator> Handle<A> {
    fn free_all(&mut self) {
        for block in self.blocks.drain(..) {
            // SAFETY: a live block.
            unsafe { self.allocator.allocator().free(block.memory) };
        }
    }
}

impl<A: AsAllocator> Kind for Handle<A> {
    fn prepare(&mut self) {
        assert_eq!(fill_some(self.allocator.allocator(), LENS, &mut self.blocks), LENS.len());
    }

    fn run(&mut self, operation: &str) {
        // An operation is about to change the last block, so not even a destructor may use it.
        let mut take = || self.blocks.pop().expect("a block").memory;
        let allocator = self.allocator.allocator();
        match operation {
            "alloc" | "large" => _ = fill_some(allocator, &[9000, 70_000], &mut self.blocks),
            "small" => (0..40).for_each(|n| _ = fill_some(allocator, &[1 << (n % 10)], &mut self.blocks)),
            "resize" => {
                let memory = take();
                // SAFETY: a live block, which is no longer in the list.
                unsafe {
                    let longer = slice(memory, 50_100);
                    assert!(allocator.resize(memory, longer.len()) && allocator.resize(longer, memory.len()));
                    self.blocks.push(Block::fill(memory, 1));
                }
            }
            "remap" => {
                let memory = take();
                // SAFETY: as above.
                unsafe {
                    let moved = allocator.realloc(memory, 90_000).expect("memory");
                    self.blocks.push(Block::fill(moved, 1));
                }
            }
            "free" => (0..3).for_each(|_| {
                let memory = take();
                // SAFETY: as above.
                unsafe { allocator.free(memory) };
            }),
            "kept" => {
                // The empty pages are kept, until a request is refused, and then again until they are flushed.
                for _ in 0..2 {
                    let first = self.blocks.len();
                    (0..10).for_each(|n| _ = fill_some(allocator, &[1 << n], &mut self.blocks));
                    for block in self.blocks.drain(first..) {
                        // SAFETY: a live block, which is no longer in the list.
                        unsafe { allocator.free(block.memory) };
                    }
                    assert!(allocator.alloc::<u8>(usize::MAX / 2 + 1).is_err());
                }
                (self.flush)(&self.allocator);
            }
            "flush" => {
                let last = take();
                // SAFETY: as above.
                unsafe { allocator.free(last) };
                (self.flush)(&self.allocator);
            }
            _ => {
                self.blocks.clear();
                (self.replace)(&mut self.allocator);
            }
        }
        if self.has_lock {
            self.free_all();
        }
    }

    fn use_in_destructor(&mut self) {
        self.blocks.iter().for_each(Block::check);
        if self.has_lock {
            return;
        }
        assert_eq!(fill_some(self.allocator.allocator(), LENS, &mut self.blocks), LENS.len());
        self.blocks.iter().for_each(Block::check);
        self.free_all();
    }
}

fn slice(memory: NonNull<[u8]>, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(memory.cast(), len)
}

/// Big pages of the child, which are never freed.
struct Source(&'static Child);

// SAFETY: 1. Blocks of the child are disjoint and stay. 2. They have the requested alignment. 3. The pointer is that
// of the block; the block is leaked, so its provenance is exposed. 4. The child calls nothing above it.
unsafe impl Sbrk for Source {
    const SLAB_LEN: usize = 64 << 10;

    fn sbrk(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: the length is not zero.
        let memory = unsafe { self.0.allocator().raw_alloc(bytes, Alignment::from_byte_units(64 << 10), 0) }?;
        memory.as_ptr().expose_provenance();
        self.0.forget_leaks();
        Some(memory)
    }

    unsafe fn whole(&self, memory: NonNull<u8>) -> NonNull<u8> {
        NonNull::new(std::ptr::with_exposed_provenance_mut(memory.addr().get())).expect("a block")
    }
}

// SAFETY: one thread uses it.
unsafe impl Send for Source {}
