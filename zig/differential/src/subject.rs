//! The allocators that programs run on.

use std::ptr::NonNull;

use zigalloc::heap::{
    ArenaAllocator, BufferFirstAllocator, FixedBufferAllocator, MemoryPoolExtra, ResetMode, SafeAllocator,
    SafeOptions, SharedArenaAllocator,
};
use zigalloc::{
    Alignment, Allocator, Handle, SyncAllocator, ThreadSafeAllocator, VTable, no_remap, no_resize, state,
};

pub(crate) trait Subject {
    /// Uses a handle.
    fn with<R>(&mut self, f: impl FnOnce(Allocator<'_>) -> R) -> R;

    /// Resets the allocator, and returns the result if there is one.
    fn reset(&mut self, mode: ResetMode) -> Option<bool>;

    /// Prints state that no call returns: the capacity of an arena, the end of a buffer.
    fn say_state(&mut self);

    /// Takes an arena apart and reassembles it.
    fn promote(&mut self) {}

    /// Allocates memory for `count` items, and returns whether that succeeded.
    fn preheat(&mut self, _count: usize) -> Option<bool> {
        None
    }

    /// Prints the metadata after a block.
    fn say_block(&mut self, _memory: NonNull<[u8]>) {}

    /// Prints what the end of the allocator returns.
    fn say_end(&mut self) {}

    /// Prints whether a fixed buffer owns the address `reach` bytes after the start of a block, whether it owns the
    /// first `reach` bytes, and whether the block is the last.
    fn owns(&mut self, _memory: NonNull<[u8]>, _reach: usize) {}
}

pub(crate) struct Fixed<'b> {
    pub(crate) fixed: FixedBufferAllocator<'b>,
    /// Whether to use the thread-safe handle.
    pub(crate) shared: bool,
}

impl Subject for Fixed<'_> {
    fn with<R>(&mut self, f: impl FnOnce(Allocator<'_>) -> R) -> R {
        f(if self.shared {
            self.fixed.thread_safe_allocator().as_allocator()
        } else {
            self.fixed.allocator()
        })
    }

    fn reset(&mut self, _mode: ResetMode) -> Option<bool> {
        self.fixed.reset();
        None
    }

    fn say_state(&mut self) {
        say!(" end {}", self.fixed.end_index());
    }

    fn owns(&mut self, memory: NonNull<[u8]>, reach: usize) {
        let begin = memory.cast::<u8>();
        say!(" {}", self.fixed.owns_ptr(begin.as_ptr().wrapping_add(reach)));
        say!(" {}", self.fixed.owns_slice(NonNull::slice_from_raw_parts(begin, reach)));
        say!(" {}", self.fixed.is_last_allocation(memory));
    }
}

/// A lock around a subject.
pub(crate) struct Locked<S>(pub(crate) S);

impl<S: Subject> Subject for Locked<S> {
    fn with<R>(&mut self, f: impl FnOnce(Allocator<'_>) -> R) -> R {
        self.0.with(|allocator| {
            // SAFETY: `f` gets only the wrapper's handle.
            let locked = unsafe { ThreadSafeAllocator::from_child(allocator) };
            f(locked.allocator().as_allocator())
        })
    }

    fn reset(&mut self, mode: ResetMode) -> Option<bool> {
        self.0.reset(mode)
    }

    fn say_state(&mut self) {
        self.0.say_state();
    }

    fn promote(&mut self) {
        self.0.promote();
    }

    fn owns(&mut self, memory: NonNull<[u8]>, reach: usize) {
        self.0.owns(memory, reach);
    }
}

pub(crate) struct Arena<'f, 'b, C: Handle> {
    /// Always `Some` between two calls.
    arena: Option<ArenaAllocator<C>>,
    child: C,
    /// The buffer that the child allocates from, if any.
    fixed: Option<&'f FixedBufferAllocator<'b>>,
}

impl<'f, 'b, C: Handle> Arena<'f, 'b, C> {
    pub(crate) fn over(child: C, fixed: Option<&'f FixedBufferAllocator<'b>>) -> Arena<'f, 'b, C> {
        Arena { arena: Some(ArenaAllocator::init(child)), child, fixed }
    }

    fn arena(&mut self) -> &mut ArenaAllocator<C> {
        self.arena.as_mut().expect("always `Some` between two calls")
    }
}

impl<C: Handle> Subject for Arena<'_, '_, C> {
    fn with<R>(&mut self, f: impl FnOnce(Allocator<'_>) -> R) -> R {
        f(self.arena().allocator())
    }

    fn reset(&mut self, mode: ResetMode) -> Option<bool> {
        Some(self.arena().reset(mode))
    }

    fn say_state(&mut self) {
        say!(" cap {}", self.arena().query_capacity());
        if let Some(fixed) = self.fixed {
            say!(" end {}", fixed.end_index());
        }
    }

    fn promote(&mut self) {
        let state = self.arena.take().expect("always `Some` between two calls").into_state();
        // SAFETY: the same child.
        self.arena = Some(unsafe { state.promote(self.child) });
    }
}

pub(crate) struct SharedArena<'c> {
    /// Always `Some` between two calls.
    arena: Option<SharedArenaAllocator<'c>>,
    child: SyncAllocator<'c>,
}

impl<'c> SharedArena<'c> {
    pub(crate) fn over(child: SyncAllocator<'c>) -> SharedArena<'c> {
        SharedArena { arena: Some(SharedArenaAllocator::init(child)), child }
    }

    fn arena(&mut self) -> &mut SharedArenaAllocator<'c> {
        self.arena.as_mut().expect("always `Some` between two calls")
    }
}

impl Subject for SharedArena<'_> {
    fn with<R>(&mut self, f: impl FnOnce(Allocator<'_>) -> R) -> R {
        f(self.arena().allocator().as_allocator())
    }

    fn reset(&mut self, mode: ResetMode) -> Option<bool> {
        Some(self.arena().reset(mode))
    }

    fn say_state(&mut self) {
        say!(" cap {}", self.arena().query_capacity());
    }

    fn promote(&mut self) {
        let state = self.arena.take().expect("always `Some` between two calls").into_state();
        // SAFETY: the same child.
        self.arena = Some(unsafe { state.promote(self.child) });
    }
}

pub(crate) struct BufferFirst<'b, C: Handle>(pub(crate) BufferFirstAllocator<'b, C>);

impl<C: Handle> Subject for BufferFirst<'_, C> {
    fn with<R>(&mut self, f: impl FnOnce(Allocator<'_>) -> R) -> R {
        f(self.0.allocator())
    }

    fn reset(&mut self, _mode: ResetMode) -> Option<bool> {
        self.0.reset();
        None
    }

    fn say_state(&mut self) {
        say!(" end {}", self.0.fixed_buffer_allocator().end_index());
    }
}

pub(crate) struct Safe<'c> {
    /// Always `Some` between two calls.
    safe: Option<SafeAllocator<Allocator<'c>>>,
    child: Allocator<'c>,
    options: SafeOptions,
}

impl<'c> Safe<'c> {
    pub(crate) fn over(child: Allocator<'c>, options: SafeOptions) -> Safe<'c> {
        // Zig's side is built in a safe mode.
        let options = SafeOptions { stack_trace_frames: 0, safe_mode_footers: true, ..options };
        Safe { safe: Some(SafeAllocator::init(child, options)), child, options }
    }
}

impl Subject for Safe<'_> {
    fn with<R>(&mut self, f: impl FnOnce(Allocator<'_>) -> R) -> R {
        f(self.safe.as_ref().expect("always `Some` between two calls").allocator())
    }

    fn reset(&mut self, _mode: ResetMode) -> Option<bool> {
        self.say_end();
        self.safe = Some(SafeAllocator::init(self.child, self.options));
        None
    }

    fn say_state(&mut self) {}

    fn say_block(&mut self, memory: NonNull<[u8]>) {
        let footer =
            memory.as_ptr().cast::<u8>().wrapping_add(memory.len().next_multiple_of(8)).cast::<u64>();
        // SAFETY: a footer of a word or, if it is extended, three is after each block, and is written.
        let word = |index| unsafe { footer.add(index).read() };
        say!(" {:x}", word(0));
        if word(0) >> 48 & 0x1FFF >= 8176 {
            say!(",{:x},{:x}", word(1), word(2));
        }
    }

    fn say_end(&mut self) {
        let safe = self.safe.take().expect("always `Some` between two calls");
        // The child prints too.
        let leaks = safe.deinit_log(false);
        say!(" {leaks}");
    }
}

/// A pool as an allocator whose blocks are items, whatever length and alignment is requested.
pub(crate) struct Pool<T, const ALIGN: usize, const GROWABLE: bool, C: Handle>(
    pub(crate) MemoryPoolExtra<T, ALIGN, GROWABLE, C>,
);

impl<T, const ALIGN: usize, const GROWABLE: bool, C: Handle> Pool<T, ALIGN, GROWABLE, C> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: no_resize, remap: no_remap, free: Self::free };

    unsafe extern "C" fn alloc(
        ctx: *mut (),
        _len: usize,
        _alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `with` passes the address of a pool that it borrows.
        let this = unsafe { state::<Self>(ctx) };
        this.0.create().ok().map(NonNull::cast)
    }

    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        _memory_len: usize,
        _alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: `with` passes the address of a pool that it borrows.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of an item is not null.
        let item = unsafe { NonNull::new_unchecked(memory.cast()) };
        // SAFETY: an item of this pool, not used afterwards, by our caller.
        unsafe { this.0.destroy(item) };
    }
}

impl<T, const ALIGN: usize, const GROWABLE: bool, C: Handle> Subject for Pool<T, ALIGN, GROWABLE, C> {
    fn with<R>(&mut self, f: impl FnOnce(Allocator<'_>) -> R) -> R {
        // SAFETY: an item may be shorter than the block, but the steps never access blocks; they only resize them,
        // which fails, and free them.
        f(unsafe { Allocator::from_state(self, &Self::VTABLE) })
    }

    fn reset(&mut self, mode: ResetMode) -> Option<bool> {
        Some(self.0.reset(mode))
    }

    fn say_state(&mut self) {}

    fn preheat(&mut self, count: usize) -> Option<bool> {
        Some(self.0.preheat(count).is_ok())
    }
}
