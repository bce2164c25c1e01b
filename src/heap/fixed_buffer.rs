//! A bump allocator over a buffer that you own.
//!
//! # Guarantees
//!
//! Memory comes from the buffer alone; when it is full, allocation fails and everything stays as it
//! was. Allocating is an addition and a comparison. The last block can grow, shrink and be freed;
//! any other block can shrink, and freeing it does nothing until [`reset`].
//!
//! # Layout
//!
//! ```text
//!   buffer                      end_index                 len
//!   ├── block ──┤pad├── block ──┼──────── free ───────────┤
//! ```
//!
//! There is no header and no list: the state is one index. An allocation moves it up to the next
//! aligned *address* and past the block. Padding is not remembered, so once a padded block is
//! freed, the block before it is no longer recognised as the last one (see
//! [`is_last_allocation`]).
//!
//! # Threads
//!
//! [`allocator`] is for one thread. [`thread_safe_allocator`] gives a handle for any number, which
//! moves the index by compare-and-swap and never waits. The two must not be mixed, so the second
//! borrows the allocator exclusively.
//!
//! The orders of memory: growing the index acquires, giving bytes back releases. So whoever gets
//! bytes that another thread has given back sees that thread's last use of them as past.
//!
//! After a `fork`, the child has a copy. That of the thread-safe flavour works on, whatever other threads were doing: the
//! index is one word, and the blocks of threads that the child does not have are never freed. The plain flavour's
//! works on if no other thread was in the middle of a call.
//!
//! # Differences from Zig
//!
//! A length so large that an index would overflow is "no memory"; Zig panics or wraps. The
//! thread-safe flavour can resize and free the last block, as in Zig 0.17.1; in 0.15.2 it only
//! allocates. The buffer is `MaybeUninit`, since what is written to a block may leave
//! uninitialised bytes in it.
//!
//! Ports `lib/std/heap/FixedBufferAllocator.zig` of Zig 0.15.2.
//!
//! [`reset`]: FixedBufferAllocator::reset
//! [`allocator`]: FixedBufferAllocator::allocator
//! [`thread_safe_allocator`]: FixedBufferAllocator::thread_safe_allocator
//! [`is_last_allocation`]: FixedBufferAllocator::is_last_allocation

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::alignment::Alignment;
use crate::vtable::{Allocator, AllocatorState, SyncAllocator, VTable, block};

/// A bump allocator over a buffer that you own; see the [module](self).
///
/// ```
/// use std::mem::MaybeUninit;
/// use zigalloc::{heap::FixedBufferAllocator, Error};
///
/// let mut buffer = [const { MaybeUninit::uninit() }; 100];
/// let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let memory = fixed_buffer.allocator().alloc::<u8>(60)?;
/// assert!(fixed_buffer.owns_slice(memory));
/// assert_eq!(fixed_buffer.allocator().alloc::<u8>(60).unwrap_err(), Error::OutOfMemory);
/// fixed_buffer.reset();
/// fixed_buffer.allocator().alloc::<u8>(60)?;
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "std.heap.FixedBufferAllocator")]
pub struct FixedBufferAllocator<'b> {
    /// How many bytes of the buffer are in use. Never more than `len`.
    end_index: Cell<usize>,
    /// Valid for reads and writes of `len` bytes for `'b`, and ours alone.
    buffer: NonNull<u8>,
    len: usize,
    borrow: PhantomData<&'b mut [MaybeUninit<u8>]>,
}

// SAFETY: the buffer is borrowed exclusively, and the handles that change `end_index` borrow the
// allocator, so it can only be moved to another thread when there are none.
unsafe impl Send for FixedBufferAllocator<'_> {}

// The thread-safe flavour reads the same index as an atomic one.
const _: () = assert!(align_of::<Cell<usize>>() == align_of::<AtomicUsize>());

impl<'b> FixedBufferAllocator<'b> {
    const VTABLE: VTable = VTable {
        alloc: fixed_buffer_alloc,
        resize: fixed_buffer_resize,
        remap: fixed_buffer_remap,
        free: fixed_buffer_free,
    };

    const THREAD_SAFE_VTABLE: VTable = VTable {
        alloc: thread_safe_alloc,
        resize: thread_safe_resize,
        remap: thread_safe_remap,
        free: thread_safe_free,
    };

    /// An empty allocator over `buffer`.
    #[inline]
    pub const fn init(buffer: &'b mut [MaybeUninit<u8>]) -> FixedBufferAllocator<'b> {
        let len = buffer.len();
        // SAFETY: a reference is not null.
        let buffer = unsafe { NonNull::new_unchecked(buffer.as_mut_ptr().cast()) };
        FixedBufferAllocator { end_index: Cell::new(0), buffer, len, borrow: PhantomData }
    }

    /// An allocator over a buffer that is not lent by a reference, of which `end_index` bytes are in use.
    ///
    /// # Safety
    /// `buffer` is valid for reads and writes for `'b`. As long as this allocator is in use, nothing else
    /// hands out bytes of it. `end_index` is at most its length.
    #[inline(always)]
    pub(super) const unsafe fn from_raw_parts(
        buffer: NonNull<[u8]>,
        end_index: usize,
    ) -> FixedBufferAllocator<'b> {
        FixedBufferAllocator {
            end_index: Cell::new(end_index),
            buffer: buffer.cast(),
            len: buffer.len(),
            borrow: PhantomData,
        }
    }

    /// A handle for one thread.
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract: blocks are disjoint parts of the buffer below
        // `end_index`. The handle borrows `self`, and `reset` needs `self` exclusively (clause 11).
        unsafe { Allocator::from_raw_parts(ptr::from_ref(self).cast_mut().cast(), &Self::VTABLE) }
    }

    /// A lock-free handle for any number of threads.
    ///
    /// Zig's `threadSafeAllocator`. It must not be mixed with [`allocator`](Self::allocator), which
    /// Zig asks for in a comment and this in its signature.
    ///
    /// ```
    /// use std::mem::MaybeUninit;
    /// use zigalloc::heap::FixedBufferAllocator;
    ///
    /// let mut buffer = [const { MaybeUninit::uninit() }; 4000];
    /// let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let allocator = fixed_buffer.thread_safe_allocator();
    /// std::thread::scope(|scope| {
    ///     for _ in 0..4 {
    ///         scope.spawn(move || allocator.alloc::<u8>(1000).unwrap().len());
    ///     }
    /// });
    /// assert_eq!(fixed_buffer.end_index(), 4000);
    /// ```
    #[doc(alias = "threadSafeAllocator")]
    #[inline]
    pub const fn thread_safe_allocator(&mut self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract from any thread: they change `end_index` by
        // compare-and-swap only, and the exclusive borrow keeps every other access away.
        unsafe { SyncAllocator::from_raw_parts(ptr::from_mut(self).cast(), &Self::THREAD_SAFE_VTABLE) }
    }

    /// Forgets all blocks: the next one is at the buffer's begin again.
    #[inline]
    pub fn reset(&mut self) {
        self.end_index.set(0);
    }

    /// How many bytes of the buffer are in use, padding and freed blocks in the middle included.
    /// Zig's field `end_index`.
    #[inline]
    pub fn end_index(&self) -> usize {
        self.end_index.get()
    }

    /// The whole buffer. Zig's field `buffer`.
    #[inline]
    pub fn buffer(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.buffer, self.len)
    }

    /// Whether `ptr` points into the buffer; its end is not part of it.
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let memory = fixed_buffer.allocator().alloc::<u8>(10)?;
    /// assert!(fixed_buffer.owns_ptr(memory.as_ptr().cast()));
    /// assert!(!fixed_buffer.owns_ptr(&7));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ownsPtr")]
    pub fn owns_ptr(&self, ptr: *const u8) -> bool {
        ptr.addr().wrapping_sub(self.buffer.addr().get()) < self.len
    }

    /// Whether all of `slice` is in the buffer.
    ///
    /// ```
    /// # use std::{mem::MaybeUninit, ptr::NonNull};
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let memory = fixed_buffer.allocator().alloc::<u8>(10)?;
    /// assert!(fixed_buffer.owns_slice(memory));
    /// assert!(!fixed_buffer.owns_slice(NonNull::slice_from_raw_parts(memory.cast(), 101)));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ownsSlice")]
    pub fn owns_slice(&self, slice: NonNull<[u8]>) -> bool {
        let offset = slice.addr().get().wrapping_sub(self.buffer.addr().get());
        offset <= self.len && slice.len() <= self.len - offset
    }

    /// Whether `buf` ends where the used part of the buffer ends.
    ///
    /// False negatives: when a padded block has been freed, the block before it ends below
    /// `end_index`, because the padding is not given back.
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let first = fixed_buffer.allocator().alloc::<u8>(10)?;
    /// let last = fixed_buffer.allocator().alloc::<u8>(10)?;
    /// assert!(!fixed_buffer.is_last_allocation(first) && fixed_buffer.is_last_allocation(last));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "isLastAllocation")]
    #[inline]
    pub fn is_last_allocation(&self, buf: NonNull<[u8]>) -> bool {
        self.is_last(buf, self.end_index.get())
    }

    #[inline]
    fn is_last(&self, buf: NonNull<[u8]>, end_index: usize) -> bool {
        buf.addr().get().wrapping_add(buf.len()) == self.buffer.addr().get() + end_index
    }

    /// The index behind a block of `len` bytes if `end_index` is in use, or `None` if it does not fit.
    /// The block begins `len` below.
    #[inline]
    fn end_of_next(&self, end_index: usize, len: usize, alignment: Alignment) -> Option<usize> {
        if !alignment.is_valid() {
            return None;
        }
        // The distance to the next multiple of the alignment, modulo 2^64: where the address space
        // ends first, it is larger than what is left of the buffer, so the comparison refuses it.
        let address = self.buffer.addr().get() + end_index;
        let padding = address.wrapping_neg() & alignment.mask();
        // Both are below 2^63 (the buffer is a Rust slice), so only `len` can make the sum overflow.
        let end = (end_index + padding).checked_add(len)?;
        (end <= self.len).then_some(end)
    }

    #[inline]
    fn alloc(&self, len: usize, alignment: Alignment) -> *mut u8 {
        let Some(end) = self.end_of_next(self.end_index.get(), len, alignment) else {
            return ptr::null_mut();
        };
        self.end_index.set(end);
        // SAFETY: `end - len` is an index into the buffer, or its end.
        unsafe { self.buffer.as_ptr().add(end - len) }
    }

    #[inline]
    fn resize(&self, memory: NonNull<[u8]>, new_len: usize) -> bool {
        debug_assert!(
            self.owns_slice(memory),
            "FixedBufferAllocator: the block {memory:?} is not from this buffer"
        );
        let end_index = self.end_index.get();
        if !self.is_last(memory, end_index) {
            return new_len <= memory.len();
        }
        if new_len <= memory.len() {
            self.end_index.set(end_index - (memory.len() - new_len));
            return true;
        }
        let growth = new_len - memory.len();
        if growth > self.len - end_index {
            return false;
        }
        self.end_index.set(end_index + growth);
        true
    }

    #[inline]
    fn free(&self, memory: NonNull<[u8]>) {
        debug_assert!(
            self.owns_slice(memory),
            "FixedBufferAllocator: the block {memory:?} is not from this buffer"
        );
        if self.is_last_allocation(memory) {
            self.end_index.set(self.end_index.get() - memory.len());
        }
    }

    /// The pointer that `alloc` returned for this address. The caller's own may reach no further than the
    /// block's old length (a `Box` narrows its pointer), and the block may have grown.
    #[inline]
    fn whole(&self, memory: *mut u8) -> *mut u8 {
        self.buffer.as_ptr().with_addr(memory.addr())
    }

    /// The index, for the thread-safe flavour.
    #[inline]
    fn shared_end_index(&self) -> &AtomicUsize {
        // SAFETY: the address is that of a word in a cell. Only the thread-safe handles get here, and
        // they borrow the allocator exclusively, so all accesses are atomic while they exist.
        unsafe { AtomicUsize::from_ptr(self.end_index.as_ptr()) }
    }

    #[inline]
    fn shared_alloc(&self, len: usize, alignment: Alignment) -> *mut u8 {
        let index = self.shared_end_index();
        let mut end_index = index.load(Ordering::Relaxed);
        loop {
            let Some(end) = self.end_of_next(end_index, len, alignment) else {
                return ptr::null_mut();
            };
            match index.compare_exchange_weak(end_index, end, Ordering::Acquire, Ordering::Relaxed) {
                // SAFETY: `end - len` is an index into the buffer, or its end.
                Ok(_) => return unsafe { self.buffer.as_ptr().add(end - len) },
                Err(current) => end_index = current,
            }
        }
    }

    #[inline]
    fn shared_resize(&self, memory: NonNull<[u8]>, new_len: usize) -> bool {
        let index = self.shared_end_index();
        let end_index = index.load(Ordering::Relaxed);
        if !self.is_last(memory, end_index) {
            return new_len <= memory.len();
        }
        if new_len <= memory.len() {
            // Where another thread has allocated behind the block meanwhile, the bytes stay unused
            // until the reset; to shrink succeeds all the same.
            let end = end_index - (memory.len() - new_len);
            let _ = index.compare_exchange(end_index, end, Ordering::Release, Ordering::Relaxed);
            return true;
        }
        let growth = new_len - memory.len();
        growth <= self.len - end_index
            && index
                .compare_exchange(end_index, end_index + growth, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    #[inline]
    fn shared_free(&self, memory: NonNull<[u8]>) {
        let index = self.shared_end_index();
        let end_index = index.load(Ordering::Relaxed);
        if self.is_last(memory, end_index) {
            let end = end_index - memory.len();
            let _ = index.compare_exchange(end_index, end, Ordering::Release, Ordering::Relaxed);
        }
    }
}

// SAFETY: 1. as `allocator` says. 2. The state is an index of its own and a buffer that it borrows
// exclusively, so handles made from `self` are the only way to it.
unsafe impl AllocatorState for FixedBufferAllocator<'_> {
    fn allocator(&self) -> Allocator<'_> {
        FixedBufferAllocator::allocator(self)
    }
}

impl fmt::Debug for FixedBufferAllocator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedBufferAllocator")
            .field("end_index", &self.end_index.get())
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

// ---- the functions of the tables ----

/// # Safety
/// Clause 1 of the contract: `ctx` is the address that `allocator` or `thread_safe_allocator` took,
/// whose borrow lasts.
#[inline(always)]
unsafe fn context<'s>(ctx: *mut ()) -> &'s FixedBufferAllocator<'s> {
    // SAFETY: the caller's promise; shared references are all that is ever made from it.
    unsafe { &*ctx.cast_const().cast() }
}

#[inline]
unsafe extern "C" fn fixed_buffer_alloc(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    _ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1 of the contract.
    unsafe { context(ctx) }.alloc(len, alignment)
}

#[inline]
unsafe extern "C" fn fixed_buffer_resize(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> bool {
    // SAFETY: clauses 1 and 3 of the contract.
    unsafe { context(ctx).resize(block(memory, memory_len), new_len) }
}

#[inline]
unsafe extern "C" fn fixed_buffer_remap(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clauses 1 and 3 of the contract.
    unsafe {
        let this = context(ctx);
        if this.resize(block(memory, memory_len), new_len) { this.whole(memory) } else { ptr::null_mut() }
    }
}

#[inline]
unsafe extern "C" fn fixed_buffer_free(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    _ret_addr: usize,
) {
    // SAFETY: clauses 1 and 3 of the contract.
    unsafe { context(ctx).free(block(memory, memory_len)) };
}

#[inline]
unsafe extern "C" fn thread_safe_alloc(
    ctx: *mut (),
    len: usize,
    alignment: Alignment,
    _ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clause 1 of the contract.
    unsafe { context(ctx) }.shared_alloc(len, alignment)
}

#[inline]
unsafe extern "C" fn thread_safe_resize(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> bool {
    // SAFETY: clauses 1 and 3 of the contract.
    unsafe { context(ctx).shared_resize(block(memory, memory_len), new_len) }
}

#[inline]
unsafe extern "C" fn thread_safe_remap(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    new_len: usize,
    _ret_addr: usize,
) -> *mut u8 {
    // SAFETY: clauses 1 and 3 of the contract.
    unsafe {
        let this = context(ctx);
        if this.shared_resize(block(memory, memory_len), new_len) {
            this.whole(memory)
        } else {
            ptr::null_mut()
        }
    }
}

#[inline]
unsafe extern "C" fn thread_safe_free(
    ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    _ret_addr: usize,
) {
    // SAFETY: clauses 1 and 3 of the contract.
    unsafe { context(ctx).shared_free(block(memory, memory_len)) };
}
