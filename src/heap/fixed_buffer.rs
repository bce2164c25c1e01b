//! A bump allocator over a buffer.
//!
//! ```text
//!   buffer                      end_index                 len
//!   ├── block ──┤pad├── block ──┼──────── free ───────────┤
//! ```
//!
//! There is no header and no list; the only state is an index. An allocation moves it to the next aligned *address*
//! and then past the block. Padding is not recorded, so after a padded block is freed, the block before it is no
//! longer recognised as the last one (see [`is_last_allocation`](FixedBufferAllocator::is_last_allocation)).
//!
//! The thread-safe flavour moves the index by compare-and-swap and never waits. Growing the index is an acquire
//! operation and giving bytes back is a release operation, so the previous owner's last use of a byte happens-before
//! its reuse.
//!
//! Ports `lib/std/heap/FixedBufferAllocator.zig` of Zig 0.15.2. See its
//! [differences](crate::guide::differences#buffers), and [threads and forks](super#threads-and-forks).

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, SyncAllocator};
use crate::vtable::{VTable, block, state};

/// A bump allocator over a buffer. It needs no operating system.
///
/// Allocating is an addition and a comparison. When the buffer is full, allocation fails and changes nothing. The
/// last block can grow, shrink and be freed. Any other block can only shrink, and freeing it has no effect until
/// [`reset`](Self::reset) frees all blocks at once. The allocator is `Send` but not `Sync`; to share it between
/// threads, use [`thread_safe_allocator`](Self::thread_safe_allocator).
///
/// Use it for memory with a known upper bound (a request, a frame, a parser's scratch space), on the stack, in a static
/// or on a microcontroller.
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
///
/// The last block grows in place:
///
/// ```
/// # use std::mem::MaybeUninit;
/// # use zigalloc::heap::FixedBufferAllocator;
/// let mut buffer = [const { MaybeUninit::uninit() }; 100];
/// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let memory = fixed_buffer.allocator().alloc::<u8>(40)?;
/// assert!(unsafe { fixed_buffer.allocator().resize(memory, 100) });
/// assert_eq!(fixed_buffer.end_index(), 100);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Ports `std.heap.FixedBufferAllocator` of Zig 0.15.2.
///
/// On a microcontroller, the heap is a static, and a function gets its scratch space from it:
///
/// ```
/// use std::mem::MaybeUninit;
/// use zigalloc::heap::FixedBufferAllocator;
/// use zigalloc::{Allocator, Error, SlicePtr};
///
/// /// The average of the values without the highest and the lowest.
/// fn trimmed_mean(scratch: Allocator<'_>, values: &[u8]) -> Result<u8, Error> {
///     let copy = scratch.dupe(values)?;
///     // SAFETY: initialised by `dupe`; nothing else uses it.
///     let sorted = unsafe { copy.as_mut_slice() };
///     sorted.sort_unstable();
///     let middle = &sorted[1..sorted.len() - 1];
///     let mean = middle.iter().map(|value| u32::from(*value)).sum::<u32>() / middle.len() as u32;
///     // SAFETY: a live block, not used afterwards. As the last one, it makes room again.
///     unsafe { scratch.free(copy) };
///     Ok(mean as u8)
/// }
///
/// static mut SCRATCH: [MaybeUninit<u8>; 64] = [MaybeUninit::uninit(); 64];
/// // SAFETY: nothing else uses it.
/// let fixed_buffer = FixedBufferAllocator::init(unsafe { &mut *(&raw mut SCRATCH) });
/// assert_eq!(trimmed_mean(fixed_buffer.allocator(), &[250, 20, 22, 24, 0]), Ok(22));
/// assert_eq!(fixed_buffer.end_index(), 0);
/// assert_eq!(trimmed_mean(fixed_buffer.allocator(), &[0; 100]), Err(Error::OutOfMemory));
/// ```
///
/// The padding before an aligned block is not given back when the block is freed:
///
/// ```
/// # use std::mem::MaybeUninit;
/// # use zigalloc::heap::FixedBufferAllocator;
/// #[repr(align(16))]
/// struct Buffer([MaybeUninit<u8>; 64]);
/// let mut buffer = Buffer([MaybeUninit::uninit(); 64]);
/// let fixed_buffer = FixedBufferAllocator::init(&mut buffer.0);
/// let byte = fixed_buffer.allocator().create_with(1u8)?;
/// let line = fixed_buffer.allocator().aligned_create::<[u8; 8], 16>()?;
/// assert_eq!(fixed_buffer.end_index(), 24, "1 byte, 15 of padding, and 8");
/// // SAFETY: live blocks, not used afterwards.
/// unsafe { fixed_buffer.allocator().destroy(line) };
/// assert_eq!(fixed_buffer.end_index(), 16);
/// unsafe { fixed_buffer.allocator().destroy(byte) };
/// assert_eq!(fixed_buffer.end_index(), 16, "the byte does not end there");
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.FixedBufferAllocator")]
pub struct FixedBufferAllocator<'b> {
    /// The number of bytes in use, at most `len`.
    end_index: Cell<usize>,
    /// Valid for reads and writes of `len` bytes for `'b`, and accessed through this allocator alone.
    buffer: NonNull<u8>,
    len: usize,
    borrow: PhantomData<&'b mut [MaybeUninit<u8>]>,
}

// SAFETY: the buffer is borrowed exclusively. Handles that change `end_index` borrow the allocator, so it can move to
// another thread only when no handle exists.
unsafe impl Send for FixedBufferAllocator<'_> {}

// The thread-safe flavour accesses the same word as an atomic.
const _: () = assert!(align_of::<Cell<usize>>() == align_of::<AtomicUsize>());

impl<'b> FixedBufferAllocator<'b> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    const THREAD_SAFE_VTABLE: VTable = VTable {
        alloc: Self::thread_safe_alloc,
        resize: Self::thread_safe_resize,
        remap: Self::thread_safe_remap,
        free: Self::thread_safe_free,
    };

    /// Creates an empty allocator over `buffer`.
    ///
    /// The buffer can be a local array, a static, or memory that a linker script reserves:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// assert_eq!((fixed_buffer.end_index(), fixed_buffer.buffer().len()), (0, 100));
    /// ```
    ///
    /// A buffer of another allocator; an empty one serves requests of no bytes only:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{SlicePtr, heap::{FixedBufferAllocator, PAGE_ALLOCATOR}};
    /// let pages = PAGE_ALLOCATOR.alloc::<u8>(10_000)?;
    /// {
    ///     // SAFETY: a new block, which nothing else uses.
    ///     let fixed_buffer = FixedBufferAllocator::init(unsafe { pages.as_maybe_uninit() });
    ///     assert_eq!(fixed_buffer.allocator().alloc::<u8>(10_000)?.addr(), pages.addr());
    /// }
    /// unsafe { PAGE_ALLOCATOR.free(pages) };
    ///
    /// let empty = FixedBufferAllocator::init(&mut []);
    /// assert!(empty.allocator().alloc::<u8>(0).is_ok() && empty.allocator().alloc::<u8>(1).is_err());
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn init(buffer: &'b mut [MaybeUninit<u8>]) -> FixedBufferAllocator<'b> {
        let len = buffer.len();
        // SAFETY: a reference is not null.
        let buffer = unsafe { NonNull::new_unchecked(buffer.as_mut_ptr().cast()) };
        FixedBufferAllocator { end_index: Cell::new(0), buffer, len, borrow: PhantomData }
    }

    /// Creates an allocator over a buffer given by pointer, of which the first `end_index` bytes are in use.
    ///
    /// # Safety
    /// `buffer` is valid for reads and writes for `'b`. While this allocator is in use, nothing else hands out bytes
    /// of it. `end_index` is at most the buffer's length.
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

    /// Returns a handle for one thread.
    ///
    /// A function that takes a buffer as scratch space, and reports when it is too small:
    ///
    /// ```
    /// use std::mem::MaybeUninit;
    /// use zigalloc::{Error, heap::FixedBufferAllocator};
    ///
    /// fn is_palindrome(word: &str, scratch: &mut [MaybeUninit<u8>]) -> Result<bool, Error> {
    ///     let fixed_buffer = FixedBufferAllocator::init(scratch);
    ///     let reversed = fixed_buffer.allocator().dupe(word.as_bytes())?;
    ///     // SAFETY: a live block, initialised, with no other reference to it.
    ///     unsafe { &mut *reversed.as_ptr() }.reverse();
    ///     // SAFETY: the same.
    ///     Ok(unsafe { reversed.as_ref() } == word.as_bytes())
    /// }
    ///
    /// assert_eq!(is_palindrome("rotor", &mut [MaybeUninit::uninit(); 16]), Ok(true));
    /// assert_eq!(is_palindrome("rotor", &mut [MaybeUninit::uninit(); 4]), Err(Error::OutOfMemory));
    /// ```
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract: blocks are disjoint parts of the buffer below `end_index`, and
        // `reset` needs `self` exclusively while the handle borrows it.
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// Returns a lock-free handle for any number of threads.
    ///
    /// The handle borrows the allocator exclusively, because it must not be mixed with
    /// [`allocator`](Self::allocator). In Zig, a comment states this rule.
    ///
    /// Ports `FixedBufferAllocator.threadSafeAllocator` of Zig 0.15.2, with `resize`, `remap` and `free` of 0.17.1.
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
    ///
    /// It is for one kind of handle at a time:
    ///
    /// ```compile_fail,E0502
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// # let mut buffer = [MaybeUninit::uninit(); 100];
    /// let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let shared = fixed_buffer.thread_safe_allocator();
    /// let plain = fixed_buffer.allocator(); // would move the index without an atomic
    /// assert!(shared.alloc::<u8>(1).is_ok());
    /// ```
    ///
    /// When threads ask for more than there is, some get nothing, and no byte is given twice:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let allocator = fixed_buffer.thread_safe_allocator();
    /// let served = std::thread::scope(|scope| {
    ///     let threads = [0; 4].map(|_| scope.spawn(move || allocator.alloc::<u8>(30).is_ok()));
    ///     threads.map(|thread| thread.join().unwrap()).into_iter().filter(|served| *served).count()
    /// });
    /// assert_eq!((served, fixed_buffer.end_index()), (3, 90));
    /// ```
    #[doc(alias = "threadSafeAllocator")]
    #[inline]
    pub const fn thread_safe_allocator(&mut self) -> SyncAllocator<'_> {
        // SAFETY: the functions keep the contract from any thread: they change `end_index` by compare-and-swap only,
        // and the exclusive borrow rules out every other access.
        unsafe { SyncAllocator::from_state(self, &Self::THREAD_SAFE_VTABLE) }
    }

    /// Frees all blocks. The next block starts at the beginning of the buffer.
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// fixed_buffer.allocator().alloc::<u8>(10)?;
    /// fixed_buffer.reset();
    /// assert_eq!(fixed_buffer.end_index(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// The same buffer for message after message:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{Error, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 16];
    /// let mut fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let mut sent = vec![];
    /// for reading in [3, 12, -40] {
    ///     let message = fixed_buffer.allocator().print(format_args!("{reading} C"))?;
    ///     // SAFETY: initialised, and copied before the reset.
    ///     sent.extend_from_slice(unsafe { message.as_ref() });
    ///     fixed_buffer.reset();
    /// }
    /// assert_eq!(sent, b"3 C12 C-40 C");
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn reset(&mut self) {
        self.end_index.set(0);
    }

    /// Returns the number of bytes in use, including padding and freed blocks that are not the last. Zig's field
    /// `end_index`.
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let allocator = fixed_buffer.allocator();
    /// let (first, last) = (allocator.alloc::<u8>(10)?, allocator.alloc::<u8>(20)?);
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { allocator.free(first) };
    /// assert_eq!(fixed_buffer.end_index(), 30, "a block that is not the last stays in use");
    /// // SAFETY: the same.
    /// unsafe { allocator.free(last) };
    /// assert_eq!(fixed_buffer.end_index(), 10);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// To free everything after a point, note the last block's end, and free in reverse order:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let _kept = fixed_buffer.allocator().alloc::<u8>(10)?;
    /// let mark = fixed_buffer.end_index();
    /// let temporary = [fixed_buffer.allocator().alloc::<u8>(20)?, fixed_buffer.allocator().alloc::<u8>(30)?];
    /// for block in temporary.into_iter().rev() {
    ///     // SAFETY: a live block, not used afterwards.
    ///     unsafe { fixed_buffer.allocator().free(block) };
    /// }
    /// assert_eq!(fixed_buffer.end_index(), mark);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn end_index(&self) -> usize {
        self.end_index.get()
    }

    /// Returns the whole buffer. Zig's field `buffer`.
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let memory = fixed_buffer.allocator().alloc::<u8>(40)?;
    /// assert_eq!(fixed_buffer.buffer().addr(), memory.addr(), "the first block is at its start");
    /// assert_eq!(fixed_buffer.buffer().len() - fixed_buffer.end_index(), 60, "bytes left");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn buffer(&self) -> NonNull<[u8]> {
        NonNull::slice_from_raw_parts(self.buffer, self.len)
    }

    /// Returns whether `ptr` points into the buffer. The one-past-the-end address is outside it.
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
    ///
    /// The first byte after the buffer is not part of it:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::FixedBufferAllocator;
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let start: *const u8 = fixed_buffer.buffer().as_ptr().cast();
    /// assert!(fixed_buffer.owns_ptr(start) && fixed_buffer.owns_ptr(start.wrapping_add(99)));
    /// assert!(!fixed_buffer.owns_ptr(start.wrapping_add(100)) && !fixed_buffer.owns_ptr(std::ptr::null()));
    /// ```
    #[doc(alias = "ownsPtr")]
    pub fn owns_ptr(&self, ptr: *const u8) -> bool {
        ptr.addr().wrapping_sub(self.buffer.addr().get()) < self.len
    }

    /// Returns whether all of `slice` lies in the buffer.
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
    ///
    /// To free a block of either of two allocators, without a note of which it is:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::{mem::MaybeUninit, ptr::NonNull};
    /// # use zigalloc::{Error, heap::{FixedBufferAllocator, SMP_ALLOCATOR}};
    /// /// # Safety
    /// /// A live block of one of the two, not used afterwards.
    /// unsafe fn free(fixed_buffer: &FixedBufferAllocator<'_>, block: NonNull<[u8]>) -> &'static str {
    ///     if fixed_buffer.owns_slice(block) {
    ///         // SAFETY: this function's own requirement.
    ///         unsafe { fixed_buffer.allocator().free(block) };
    ///         "buffer"
    ///     } else {
    ///         // SAFETY: the same.
    ///         unsafe { SMP_ALLOCATOR.free(block) };
    ///         "heap"
    ///     }
    /// }
    ///
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let blocks = [fixed_buffer.allocator().alloc::<u8>(10)?, SMP_ALLOCATOR.alloc::<u8>(10)?];
    /// assert_eq!(blocks.map(|block| unsafe { free(&fixed_buffer, block) }), ["buffer", "heap"]);
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias = "ownsSlice")]
    pub fn owns_slice(&self, slice: NonNull<[u8]>) -> bool {
        let offset = slice.addr().get().wrapping_sub(self.buffer.addr().get());
        offset <= self.len && slice.len() <= self.len - offset
    }

    /// Returns whether `buf` ends where the used part of the buffer ends.
    ///
    /// False negatives are possible: freeing a padded block does not give back its padding, so the block before it
    /// then ends below `end_index`.
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
    ///
    /// A builder that extends its text only while that is cheap:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{SlicePtr, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let text = fixed_buffer.allocator().dupe(b"zig")?;
    /// assert!(fixed_buffer.is_last_allocation(text));
    /// // SAFETY: a live block, used with its new length afterwards.
    /// let grown = unsafe { fixed_buffer.allocator().remap(text, 6) }.unwrap();
    /// assert!(fixed_buffer.is_last_allocation(grown) && !fixed_buffer.is_last_allocation(text));
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

    /// Returns the end index of a block of `len` bytes placed after `end_index`, or `None` if it does not fit. The
    /// block starts `len` bytes below that.
    #[inline]
    fn end_of_next(&self, end_index: usize, len: usize, alignment: Alignment) -> Option<usize> {
        if !alignment.is_valid() {
            return None;
        }
        // The distance to the next multiple of the alignment, modulo the size of the address space. If the address space ends first, the
        // distance exceeds the rest of the buffer, so the comparison below refuses it.
        let address = self.buffer.addr().get() + end_index;
        let padding = address.wrapping_neg() & alignment.mask();
        // Both terms are at most `isize::MAX` (the buffer is a Rust slice), so only `len` can make the sum overflow.
        let end = (end_index + padding).checked_add(len)?;
        (end <= self.len).then_some(end)
    }

    /// Returns a pointer to the byte at `index`, with the provenance of the whole buffer.
    ///
    /// # Safety
    /// `index` is at most the buffer's length.
    #[inline]
    unsafe fn at(&self, index: usize) -> NonNull<u8> {
        // SAFETY: the index is at most the buffer's length, by our caller.
        unsafe { self.buffer.add(index) }
    }

    /// Recovers the pointer that `alloc` returned for the block at `memory`. The caller's pointer may not cover a
    /// block that has grown, or one that a `Box` has held.
    #[inline]
    fn whole(&self, memory: NonNull<[u8]>) -> NonNull<u8> {
        self.buffer.with_addr(memory.addr())
    }

    /// Resizes the last block by moving the end index; for any other block, succeeds only if it does not grow.
    ///
    /// # Safety
    /// `memory` is a live block of this allocator, and its bytes past `new_len` are not used again.
    #[inline]
    unsafe fn set_len(&self, memory: NonNull<[u8]>, new_len: usize) -> bool {
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
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let end = this.end_of_next(this.end_index.get(), len, alignment)?;
        this.end_index.set(end);
        // SAFETY: `end` is at most the buffer's length, and at least `len`.
        Some(unsafe { this.at(end - len) })
    }

    #[inline]
    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> bool {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, by our caller, who does not use the bytes cut off.
        unsafe { this.set_len(memory, new_len) }
    }

    #[inline]
    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, by our caller, who does not use the bytes cut off.
        unsafe { this.set_len(memory, new_len) }.then(|| this.whole(memory))
    }

    #[inline]
    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        debug_assert!(
            this.owns_slice(memory),
            "FixedBufferAllocator: the block {memory:?} is not from this buffer"
        );
        if this.is_last_allocation(memory) {
            this.end_index.set(this.end_index.get() - memory_len);
        }
    }

    // ---- the thread-safe flavour ----

    /// Views the index as an atomic.
    ///
    /// # Safety
    /// Every other access during the borrow is atomic. This holds in the functions of the thread-safe table, whose
    /// handles borrow the allocator exclusively.
    #[inline]
    unsafe fn shared_end_index(&self) -> &AtomicUsize {
        // SAFETY: the word's address is valid, and all accesses to it are atomic, by our caller.
        unsafe { AtomicUsize::from_ptr(self.end_index.as_ptr()) }
    }

    /// Does what [`set_len`](Self::set_len) does, from any thread.
    ///
    /// # Safety
    /// As for `set_len`; the handle is one from [`thread_safe_allocator`](Self::thread_safe_allocator).
    #[inline]
    unsafe fn shared_set_len(&self, memory: NonNull<[u8]>, new_len: usize) -> bool {
        // SAFETY: our caller's handle is thread-safe.
        let index = unsafe { self.shared_end_index() };
        let end_index = index.load(Ordering::Relaxed);
        if !self.is_last(memory, end_index) {
            return new_len <= memory.len();
        }
        if new_len <= memory.len() {
            // If another thread has allocated after this block since the load, shrinking still succeeds, but the
            // bytes stay unused until the reset.
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
    unsafe extern "C" fn thread_safe_alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `thread_safe_allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: this is a function of the thread-safe table.
        let index = unsafe { this.shared_end_index() };
        let mut end_index = index.load(Ordering::Relaxed);
        loop {
            let end = this.end_of_next(end_index, len, alignment)?;
            match index.compare_exchange_weak(end_index, end, Ordering::Acquire, Ordering::Relaxed) {
                // SAFETY: `end` is at most the buffer's length, and at least `len`.
                Ok(_) => return Some(unsafe { this.at(end - len) }),
                Err(current) => end_index = current,
            }
        }
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
        // SAFETY: `ctx` is the `&Self` that `thread_safe_allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, by our caller, who does not use the bytes cut off; this is the thread-safe table.
        unsafe { this.shared_set_len(memory, new_len) }
    }

    #[inline]
    unsafe extern "C" fn thread_safe_remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `thread_safe_allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: a live block, by our caller, who does not use the bytes cut off; this is the thread-safe table.
        unsafe { this.shared_set_len(memory, new_len) }.then(|| this.whole(memory))
    }

    #[inline]
    unsafe extern "C" fn thread_safe_free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `thread_safe_allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(memory, memory_len) };
        // SAFETY: this is a function of the thread-safe table.
        let index = unsafe { this.shared_end_index() };
        let end_index = index.load(Ordering::Relaxed);
        if this.is_last(memory, end_index) {
            let end = end_index - memory_len;
            let _ = index.compare_exchange(end_index, end, Ordering::Release, Ordering::Relaxed);
        }
    }
}

// SAFETY: 1. See `allocator`. 2. The state is the index and an exclusively borrowed buffer, so only handles made from
// `self` reach it. 3. It is not `Sync`. 4. All handles from `allocator` have the same state, `self`, and table.
unsafe impl AsAllocator for FixedBufferAllocator<'_> {
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
