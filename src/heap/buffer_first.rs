//! An allocator that uses a buffer first, and then another allocator.
//!
//! ```text
//!   the buffer, yours                       the fallback's memory
//!   ├── block ──┤pad├── block ──┼─ free ─┤   ┌───────┐   ┌─────────┐
//!   0                       end_index  len   │ block │   │  block  │
//!                                            └───────┘   └─────────┘
//! ```
//!
//! There is no header: the address of a block tells which of the two it is from. So no block of the fallback may start
//! in the buffer. It can if the fallback gets its own memory from this allocator, as an arena over it does. Such a
//! block is freed to the fallback at once, and the request fails; if the fallback's `remap` moves a block into the
//! buffer, the old block no longer exists, and the process aborts.
//!
//! Ports `lib/std/heap/BufferFirstAllocator.zig` of Zig 0.17.1. (Up to 0.16 Zig had
//! [`StackFallbackAllocator`](super::StackFallbackAllocator) instead, whose buffer is a part of it.) See its
//! [differences](crate::guide::differences#buffers), and [threads and forks](super#threads-and-forks).

use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::fixed_buffer::FixedBufferAllocator;
use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, Handle};
use crate::vtable::{VTable, block, state};

/// Serves requests from a buffer while they fit, and from another allocator, the fallback, when they do not.
///
/// Use it for a function that mostly needs little memory: it then calls no general allocator, and still works when it
/// needs more. A request that fits costs no more than with a [`FixedBufferAllocator`]; any other is forwarded to the
/// fallback unchanged.
///
/// A block stays where it is: one in the buffer can grow there, and [`remap`](Allocator::remap) never moves it to the
/// fallback. [`realloc`](Allocator::realloc) does, as with any block that cannot grow in place.
///
/// `C` is the fallback's [`Handle`]: an [`Allocator`], a [`SyncAllocator`](crate::SyncAllocator), or a type such as
/// `PageAllocator`.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::mem::MaybeUninit;
/// use zigalloc::heap::{BufferFirstAllocator, PAGE_ALLOCATOR};
///
/// let mut buffer = [const { MaybeUninit::uninit() }; 100];
/// let buffer_first = BufferFirstAllocator::init(&mut buffer, PAGE_ALLOCATOR);
/// let allocator = buffer_first.allocator();
///
/// let small = allocator.alloc::<u8>(80)?;
/// let large = allocator.alloc::<u8>(80)?; // no room is left for it
/// assert!(buffer_first.fixed_buffer_allocator().owns_slice(small));
/// assert!(!buffer_first.fixed_buffer_allocator().owns_slice(large));
/// unsafe { allocator.free(large) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Ports `std.heap.BufferFirstAllocator` of Zig 0.17.1.
///
/// Counted, to choose the buffer's length: how many requests of a typical input reach the fallback?
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::mem::MaybeUninit;
/// use zigalloc::heap::{BufferFirstAllocator, PAGE_ALLOCATOR};
/// use zigalloc::trace::CountingAllocator;
/// use zigalloc::{Allocator, Error};
///
/// fn words(allocator: Allocator<'_>, text: &str) -> Result<usize, Error> {
///     let mut longest = 0;
///     for word in text.split(' ') {
///         longest = longest.max(allocator.dupe(word.as_bytes())?.len());
///     }
///     Ok(longest)
/// }
///
/// fn calls_of_fallback(buffer: &mut [MaybeUninit<u8>]) -> u64 {
///     let arena = zigalloc::heap::ArenaAllocator::init(PAGE_ALLOCATOR); // frees what `words` does not
///     let counting = CountingAllocator::init(arena.allocator());
///     let buffer_first = BufferFirstAllocator::init(buffer, counting.allocator());
///     words(buffer_first.allocator(), "a buffer first and then another").unwrap();
///     counting.snapshot().alloc.calls
/// }
///
/// assert_eq!(calls_of_fallback(&mut [MaybeUninit::uninit(); 8]), 4);
/// assert_eq!(calls_of_fallback(&mut [MaybeUninit::uninit(); 16]), 2);
/// assert_eq!(calls_of_fallback(&mut [MaybeUninit::uninit(); 32]), 0);
/// ```
#[doc(alias = "std.heap.BufferFirstAllocator")]
pub struct BufferFirstAllocator<'b, C: Handle> {
    fallback_allocator: C,
    fixed_buffer_allocator: FixedBufferAllocator<'b>,
}

impl<'b, C: Handle> BufferFirstAllocator<'b, C> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// An allocator over an empty `buffer` and a fallback.
    ///
    /// Requests that fit never reach the fallback:
    ///
    /// ```
    /// use std::mem::MaybeUninit;
    /// use zigalloc::{Allocator, heap::BufferFirstAllocator};
    ///
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let buffer_first = BufferFirstAllocator::init(&mut buffer, Allocator::FAILING);
    /// assert!(buffer_first.allocator().alloc::<u8>(100).is_ok());
    /// assert!(buffer_first.allocator().alloc::<u8>(1).is_err(), "the buffer is full, and the fallback has nothing");
    /// ```
    #[inline]
    pub const fn init(
        buffer: &'b mut [MaybeUninit<u8>],
        fallback_allocator: C,
    ) -> BufferFirstAllocator<'b, C> {
        let fixed_buffer_allocator = FixedBufferAllocator::init(buffer);
        BufferFirstAllocator { fallback_allocator, fixed_buffer_allocator }
    }

    /// A handle to this allocator. It can be taken any number of times, and resets nothing.
    ///
    /// A block that outgrows the buffer moves to the fallback:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::{BufferFirstAllocator, PAGE_ALLOCATOR};
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let buffer_first = BufferFirstAllocator::init(&mut buffer, PAGE_ALLOCATOR);
    /// let allocator = buffer_first.allocator();
    /// let text = allocator.dupe(b"grows")?;
    /// // SAFETY: a live block, not used afterwards.
    /// let text = unsafe { allocator.realloc(text, 1000) }?;
    /// assert!(!buffer_first.fixed_buffer_allocator().owns_slice(text));
    /// // SAFETY: the part of the new block that has been copied.
    /// assert!(unsafe { text.cast::<[u8; 5]>().read() } == *b"grows");
    /// # unsafe { allocator.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// `resize` and `remap` keep a block where it is, and `free` knows where it was:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{SlicePtr, heap::{BufferFirstAllocator, PAGE_ALLOCATOR}};
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let buffer_first = BufferFirstAllocator::init(&mut buffer, PAGE_ALLOCATOR);
    /// let allocator = buffer_first.allocator();
    /// let (small, large) = (allocator.alloc::<u8>(60)?, allocator.alloc::<u8>(60)?);
    /// // SAFETY: live blocks, used with their new lengths only.
    /// unsafe {
    ///     assert!(allocator.remap(small, 101).is_none(), "it would have to move to the fallback");
    ///     assert!(allocator.resize(small, 100) && allocator.resize(large, 4000));
    ///     allocator.free(large.with_len(4000));
    ///     allocator.free(small.with_len(100));
    /// }
    /// assert_eq!(buffer_first.fixed_buffer_allocator().end_index(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract, because the fixed buffer and the fallback do, and each block is
        // freed to the one that it is from.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// The buffer's allocator, which knows how much of the buffer is in use. Zig's field of that name.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::{BufferFirstAllocator, PAGE_ALLOCATOR};
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let buffer_first = BufferFirstAllocator::init(&mut buffer, PAGE_ALLOCATOR);
    /// buffer_first.allocator().alloc::<u8>(30)?;
    /// let fixed_buffer = buffer_first.fixed_buffer_allocator();
    /// assert_eq!(fixed_buffer.buffer().len() - fixed_buffer.end_index(), 70);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn fixed_buffer_allocator(&self) -> &FixedBufferAllocator<'b> {
        &self.fixed_buffer_allocator
    }

    /// Frees all blocks in the buffer. Those of the fallback remain valid: free them, or they leak.
    ///
    /// Zig's `fixed_buffer_allocator.reset()`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::{BufferFirstAllocator, PAGE_ALLOCATOR};
    /// let mut buffer = [const { MaybeUninit::uninit() }; 100];
    /// let mut buffer_first = BufferFirstAllocator::init(&mut buffer, PAGE_ALLOCATOR);
    /// buffer_first.allocator().alloc::<u8>(80)?;
    /// buffer_first.reset();
    /// assert_eq!(buffer_first.fixed_buffer_allocator().end_index(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn reset(&mut self) {
        self.fixed_buffer_allocator.reset();
    }

    /// Whether the block starts in the buffer. No block of the fallback that was handed out does.
    #[inline]
    fn is_inside(&self, memory: NonNull<[u8]>) -> bool {
        self.fixed_buffer_allocator.owns_ptr(memory.as_ptr().cast())
    }

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let buffer = this.fixed_buffer_allocator.allocator();
        // SAFETY: `len` is not zero, by our caller; the buffer is ours alone, and our handle is in its thread
        // (one-thread).
        let inside = unsafe { buffer.raw_alloc(len, alignment, ret_addr) };
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
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        if this.is_inside(memory) {
            let buffer = this.fixed_buffer_allocator.allocator();
            // SAFETY: a live block of the buffer, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
            unsafe { buffer.raw_resize(memory, alignment, new_len, ret_addr) }
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
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        if this.is_inside(memory) {
            let buffer = this.fixed_buffer_allocator.allocator();
            // SAFETY: a live block of the buffer, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
            return unsafe { buffer.raw_remap(memory, alignment, new_len, ret_addr) };
        }
        let fallback = this.fallback_allocator.as_allocator();
        // SAFETY: a live block of the fallback, and `new_len` is not zero, by our caller; one thread, as in `alloc`.
        let moved = unsafe { fallback.raw_remap(memory, alignment, new_len, ret_addr) }?;
        // The old block no longer exists, so it is too late to refuse.
        assert!(
            !this.is_inside(NonNull::slice_from_raw_parts(moved, new_len)),
            "BufferFirstAllocator: the fallback's remap moved a block of {} bytes from {:?} to {moved:?}, into the \
             buffer of {} bytes",
            memory.len(),
            memory.cast::<u8>(),
            this.fixed_buffer_allocator.buffer().len()
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
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        if this.is_inside(memory) {
            let buffer = this.fixed_buffer_allocator.allocator();
            // SAFETY: a live block of the buffer, not used afterwards, by our caller; one thread, as in `alloc`.
            unsafe { buffer.raw_free(memory, alignment, ret_addr) };
        } else {
            let fallback = this.fallback_allocator.as_allocator();
            // SAFETY: a live block of the fallback, not used afterwards, by our caller; one thread, as in `alloc`.
            unsafe { fallback.raw_free(memory, alignment, ret_addr) };
        }
    }
}

// SAFETY: 1. See `allocator`. 2. The fixed buffer is its own, and the fallback is a handle: if it is `Send`, any thread
// may call it. 3. It is not `Sync`. 4. All handles have the same state, `self`, and table.
unsafe impl<C: Handle> AsAllocator for BufferFirstAllocator<'_, C> {
    fn allocator(&self) -> Allocator<'_> {
        BufferFirstAllocator::allocator(self)
    }
}

impl<C: Handle> fmt::Debug for BufferFirstAllocator<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferFirstAllocator")
            .field("fallback_allocator", &self.fallback_allocator)
            .field("fixed_buffer_allocator", &self.fixed_buffer_allocator)
            .finish()
    }
}
