//! An allocator that contains a buffer, on the stack if it is a local variable, and has a fallback.
//!
//! ```text
//!   ┌─ StackFallbackAllocator<N, C> ──────────────────────────┐
//!   │ buffer: N bytes                   │ end_index │ fallback │
//!   │ ├─ block ─┤├─ block ─┼── free ──┤ │           │          │
//!   └─────────────────────────────────────────────────────────┘
//! ```
//!
//! Each call puts a [`FixedBufferAllocator`] over the buffer where it is now. The address of a block tells where it is
//! from; [`buffer_first`](super::buffer_first) describes what happens to a block of the fallback that starts in the
//! buffer.
//!
//! Ports `StackFallbackAllocator` and `stackFallback` of `lib/std/heap.zig` of Zig 0.15.2. (Zig 0.17 has
//! [`BufferFirstAllocator`](super::BufferFirstAllocator) instead.) See its
//! [differences](crate::guide::differences#buffers), and [threads and forks](super#threads-and-forks).

use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::marker::PhantomPinned;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::fixed_buffer::FixedBufferAllocator;
use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, Handle};
use crate::vtable::{VTable, block, state};

/// Serves requests from a buffer of `N` bytes inside it while they fit, and from another allocator, the fallback, when
/// they do not.
///
/// [`stack_fallback`] creates one. Use it as a local variable, for a function that mostly needs little memory. Requests
/// that fit do not call the fallback. A block stays where it is: [`remap`](Allocator::remap) never moves one from
/// the buffer to the fallback; [`realloc`](Allocator::realloc) does if it cannot grow in place.
///
/// Blocks in the buffer end when the allocator is moved or dropped. A handle borrows it, so a container with one
/// keeps it in place; if all you have is a raw pointer, keep it in place yourself.
///
/// `C` is the fallback's [`Handle`]: an [`Allocator`], a [`SyncAllocator`](crate::SyncAllocator), or a type such as
/// `PageAllocator`.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{PAGE_ALLOCATOR, stack_fallback};
///
/// let stack_allocator = stack_fallback::<4096, _>(PAGE_ALLOCATOR);
/// let allocator = stack_allocator.get();
///
/// let small = allocator.dupe(b"a few bytes")?;
/// let large = allocator.alloc::<u8>(100_000)?;
/// assert_eq!(stack_allocator.end_index(), 11, "only the first is in the buffer");
/// unsafe { allocator.free(large) };
/// unsafe { allocator.free(small) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Ports `std.heap.StackFallbackAllocator` of Zig 0.15.2.
///
/// A list that is short most of the time, sorted in a copy on the stack:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{PAGE_ALLOCATOR, stack_fallback};
/// use zigalloc::trace::CountingAllocator;
/// use zigalloc::{Allocator, Error, SlicePtr};
///
/// fn distinct(numbers: &[u32], fallback: Allocator<'_>) -> Result<usize, Error> {
///     let stack_allocator = stack_fallback::<256, _>(fallback);
///     let copy = stack_allocator.get().dupe(numbers)?;
///     // SAFETY: initialised by `dupe`; nothing else uses it.
///     let sorted = unsafe { copy.as_mut_slice() };
///     sorted.sort_unstable();
///     let count = sorted.chunk_by(|a, b| a == b).count();
///     // SAFETY: a live block, not used afterwards.
///     unsafe { stack_allocator.get().free(copy) };
///     Ok(count)
/// }
///
/// let fallback = CountingAllocator::init(*PAGE_ALLOCATOR);
/// assert_eq!(distinct(&[3, 1, 3], fallback.allocator())?, 2);
/// assert_eq!(fallback.snapshot().alloc.calls, 0);
/// assert_eq!(distinct(&[7; 1000], fallback.allocator())?, 1);
/// assert_eq!((fallback.snapshot().alloc.calls, fallback.snapshot().live_bytes), (1, 0));
/// # Ok::<(), Error>(())
/// ```
///
/// While a handle is in use, it cannot be moved:
///
/// ```compile_fail,E0505
/// # use zigalloc::heap::{PAGE_ALLOCATOR, stack_fallback};
/// let state = stack_fallback::<64, _>(PAGE_ALLOCATOR);
/// let allocator = state.get();
/// let moved = Box::new(state);
/// let memory = allocator.alloc::<u8>(10);
/// ```
#[doc(alias = "std.heap.StackFallbackAllocator")]
pub struct StackFallbackAllocator<const N: usize, C: Handle> {
    buffer: UnsafeCell<[MaybeUninit<u8>; N]>,
    /// How many bytes of the buffer are in use. Never more than `N`.
    end_index: Cell<usize>,
    fallback_allocator: C,
    /// Blocks point into the buffer. An exclusive reference to a type that is not `Unpin` does not assert that there
    /// are no other pointers to its bytes, so blocks survive `ThreadSafeAllocator::new`.
    _pinned: PhantomPinned,
}

/// A [`StackFallbackAllocator`] with an empty buffer of `N` bytes.
///
/// The type of the fallback is the second parameter: `stack_fallback::<4096, _>(fallback)`.
///
/// Ports `std.heap.stackFallback` of Zig 0.15.2.
///
/// A function that uses the fallback for long names only:
///
/// ```
/// use std::ffi::CStr;
/// use zigalloc::{Allocator, Error, heap::stack_fallback};
///
/// /// Calls `open` with the name as C takes it.
/// fn with_c_name(name: &str, fallback: Allocator<'_>, open: impl Fn(&CStr) -> bool) -> Result<bool, Error> {
///     let stack_allocator = stack_fallback::<64, _>(fallback);
///     let allocator = stack_allocator.get();
///     let name = allocator.dupe_z(name.as_bytes())?;
///     // SAFETY: a live block that ends with its sentinel; `as_ptr` reaches all of it.
///     let opened = open(unsafe { CStr::from_ptr(name.as_ptr().cast()) });
///     // SAFETY: a live block, not used afterwards.
///     unsafe { allocator.free(name) };
///     Ok(opened)
/// }
///
/// // A short name needs no memory of the fallback.
/// assert_eq!(with_c_name("a.txt", Allocator::FAILING, |name| name == c"a.txt"), Ok(true));
/// ```
///
/// Its size is the buffer's, an index and the fallback's handle. Of `N`, no bytes are lost to headers:
///
/// ```
/// # use zigalloc::{Allocator, heap::{StackFallbackAllocator, stack_fallback}};
/// let state = stack_fallback::<64, _>(Allocator::FAILING);
/// assert!(state.get().alloc::<u8>(64).is_ok());
/// assert!(state.get().alloc::<u8>(1).is_err());
/// assert_eq!(size_of::<StackFallbackAllocator<64, Allocator<'_>>>(), 64 + 3 * size_of::<usize>());
/// ```
#[doc(alias = "stackFallback")]
#[inline]
pub const fn stack_fallback<const N: usize, C: Handle>(
    fallback_allocator: C,
) -> StackFallbackAllocator<N, C> {
    StackFallbackAllocator {
        buffer: UnsafeCell::new([const { MaybeUninit::uninit() }; N]),
        end_index: Cell::new(0),
        fallback_allocator,
        _pinned: PhantomPinned,
    }
}

impl<const N: usize, C: Handle> StackFallbackAllocator<N, C> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// A handle to this allocator. It can be taken any number of times, and resets nothing.
    ///
    /// Ports `get` of Zig 0.15.2, which empties the buffer and must not be called twice.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, stack_fallback};
    /// let state = stack_fallback::<64, _>(PAGE_ALLOCATOR);
    /// state.get().alloc::<u8>(10)?;
    /// // Zig's would make the buffer empty.
    /// state.get().alloc::<u8>(10)?;
    /// assert_eq!(state.end_index(), 20);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn get(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract, because a fixed buffer and the fallback do, and each block is
        // freed to the one that it is from. The handle borrows `self`, so the buffer stays in its place.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// [`get`](Self::get) by the name that it has for all other allocators.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, stack_fallback};
    /// // An arena that makes no call of the page allocator until it needs more than 1000 bytes.
    /// let state = stack_fallback::<1000, _>(PAGE_ALLOCATOR);
    /// let arena = ArenaAllocator::init(state.allocator());
    /// let memory = arena.allocator().alloc::<u8>(100)?;
    /// assert!(state.owns_ptr(memory.as_ptr().cast()));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn allocator(&self) -> Allocator<'_> {
        self.get()
    }

    /// Frees all blocks in the buffer. Those of the fallback remain valid: free them, or they leak.
    ///
    /// Zig's `fixed_buffer_allocator.reset()`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, stack_fallback};
    /// let mut state = stack_fallback::<64, _>(PAGE_ALLOCATOR);
    /// state.get().alloc::<u8>(64)?;
    /// state.reset();
    /// assert_eq!(state.end_index(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// In a loop, so that each round has the buffer for itself:
    ///
    /// ```
    /// # use zigalloc::{Allocator, heap::stack_fallback};
    /// let mut state = stack_fallback::<64, _>(Allocator::FAILING);
    /// for _round in 0..10 {
    ///     // Two blocks, of which the first is never freed: without the reset, the second round would fail.
    ///     state.get().alloc::<u8>(30)?;
    ///     let last = state.get().alloc::<u8>(30)?;
    ///     unsafe { state.get().free(last) };
    ///     assert_eq!(state.end_index(), 30);
    ///     state.reset();
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn reset(&mut self) {
        self.end_index.set(0);
    }

    /// How many bytes of the buffer are in use, padding and freed blocks in the middle included.
    /// Zig's `fixed_buffer_allocator.end_index`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, stack_fallback};
    /// let state = stack_fallback::<64, _>(PAGE_ALLOCATOR);
    /// state.get().alloc::<u8>(10)?;
    /// assert_eq!(state.end_index(), 10);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn end_index(&self) -> usize {
        self.end_index.get()
    }

    /// Whether `ptr` points into the buffer; its end is not part of it. Zig's
    /// `fixed_buffer_allocator.ownsPtr`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, stack_fallback};
    /// let state = stack_fallback::<64, _>(PAGE_ALLOCATOR);
    /// let inside = state.get().create_with(1u8)?;
    /// assert!(state.owns_ptr(inside.as_ptr()));
    /// assert!(!state.owns_ptr(&1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A test that the common case needs no fallback:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Allocator, heap::{ArenaAllocator, PAGE_ALLOCATOR, stack_fallback}};
    /// let state = stack_fallback::<32, _>(PAGE_ALLOCATOR);
    /// let [short, long] = ["short", "a text of more than thirty-two bytes"].map(|text| state.get().dupe_str(text));
    /// let (short, long) = (short?, long?);
    /// assert!(state.owns_ptr(short.as_ptr().cast()) && !state.owns_ptr(long.as_ptr().cast()));
    /// // SAFETY: live blocks, each of which goes back to where it is from.
    /// unsafe { state.get().free(long) };
    /// unsafe { state.get().free(short) };
    /// assert_eq!(state.end_index(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ownsPtr")]
    #[inline]
    pub fn owns_ptr(&self, ptr: *const u8) -> bool {
        ptr.addr().wrapping_sub(self.buffer.get().addr()) < N
    }

    /// Calls a function of a fixed buffer over the buffer where it is now, with the current `end_index`.
    ///
    /// # Safety
    /// `call` does not use this allocator in another way.
    #[inline(always)]
    unsafe fn with_fixed_buffer<R>(&self, call: impl FnOnce(Allocator<'_>) -> R) -> R {
        let begin = NonNull::from(&self.buffer).cast::<u8>();
        let buffer = NonNull::slice_from_raw_parts(begin, N);
        // SAFETY: the buffer is in a cell, and borrowed with `self`. Only here are its bytes handed out, by one call
        // at a time, by our caller. At most `N` of them are in use.
        let fixed_buffer = unsafe { FixedBufferAllocator::from_raw_parts(buffer, self.end_index.get()) };
        let result = call(fixed_buffer.allocator());
        self.end_index.set(fixed_buffer.end_index());
        result
    }

    /// Whether the block starts in the buffer. No block of the fallback that was handed out does.
    #[inline]
    fn is_inside(&self, memory: NonNull<[u8]>) -> bool {
        self.owns_ptr(memory.as_ptr().cast())
    }

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `get` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: `len` is not zero, by our caller; the fixed buffer is made here, in this thread (one-thread).
        let alloc = |buffer: Allocator<'_>| unsafe { buffer.raw_alloc(len, alignment, ret_addr) };
        // SAFETY: a fixed buffer calls nothing else.
        let inside = unsafe { this.with_fixed_buffer(alloc) };
        if inside.is_some() {
            return inside;
        }
        let fallback = this.fallback_allocator.as_allocator();
        // SAFETY: `len` is not zero, by our caller; the fallback's handle is in our thread, with ours (one-thread).
        let memory = unsafe { fallback.raw_alloc(len, alignment, ret_addr) }?;
        let block = NonNull::slice_from_raw_parts(memory, len);
        if this.is_inside(block) {
            // SAFETY: a new block of the fallback, which nothing has used; one thread, as above.
            unsafe { fallback.raw_free(block, alignment, ret_addr) };
            return None;
        }
        Some(memory)
    }

    #[inline]
    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `get` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        if this.is_inside(memory) {
            // SAFETY: a live block of the buffer, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
            let resize =
                |buffer: Allocator<'_>| unsafe { buffer.raw_resize(memory, alignment, new_len, ret_addr) };
            // SAFETY: a fixed buffer calls nothing else.
            unsafe { this.with_fixed_buffer(resize) }
        } else {
            let fallback = this.fallback_allocator.as_allocator();
            // SAFETY: a live block of the fallback, and `new_len` is not zero, by our caller; one thread, as in
            // `alloc`.
            unsafe { fallback.raw_resize(memory, alignment, new_len, ret_addr) }
        }
    }

    #[inline]
    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `get` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        if this.is_inside(memory) {
            // SAFETY: a live block of the buffer, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
            let remap =
                |buffer: Allocator<'_>| unsafe { buffer.raw_remap(memory, alignment, new_len, ret_addr) };
            // SAFETY: a fixed buffer calls nothing else.
            return unsafe { this.with_fixed_buffer(remap) };
        }
        let fallback = this.fallback_allocator.as_allocator();
        // SAFETY: a live block of the fallback, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
        let moved = unsafe { fallback.raw_remap(memory, alignment, new_len, ret_addr) }?;
        // The old block is gone, so it is too late to refuse.
        assert!(
            !this.is_inside(NonNull::slice_from_raw_parts(moved, new_len)),
            "StackFallbackAllocator: the fallback's remap moved a block of {} bytes from {:?} to {moved:?}, into the \
             buffer of {} bytes",
            memory.len(),
            memory.cast::<u8>(),
            N
        );
        Some(moved)
    }

    #[inline]
    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `get` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        if this.is_inside(memory) {
            // SAFETY: a live block of the buffer, not used afterwards, by our caller; one thread, as in `alloc`.
            let free = |buffer: Allocator<'_>| unsafe { buffer.raw_free(memory, alignment, ret_addr) };
            // SAFETY: a fixed buffer calls nothing else.
            unsafe { this.with_fixed_buffer(free) };
        } else {
            let fallback = this.fallback_allocator.as_allocator();
            // SAFETY: a live block of the fallback, not used afterwards, by our caller; one thread, as in `alloc`.
            unsafe { fallback.raw_free(memory, alignment, ret_addr) };
        }
    }
}

// SAFETY: 1. See `get`. 2. The buffer is its own, and the fallback is a handle: if it is `Send`, any thread may call
// it. 3. It is not `Sync`. 4. All handles have the same state, `self`, and table.
unsafe impl<const N: usize, C: Handle> AsAllocator for StackFallbackAllocator<N, C> {
    fn allocator(&self) -> Allocator<'_> {
        self.get()
    }
}

impl<const N: usize, C: Handle> fmt::Debug for StackFallbackAllocator<N, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackFallbackAllocator")
            .field("end_index", &self.end_index.get())
            .field("len", &N)
            .field("fallback_allocator", &self.fallback_allocator)
            .finish_non_exhaustive()
    }
}
