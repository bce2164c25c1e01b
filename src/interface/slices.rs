//! Allocating and freeing slices.

use core::ptr::NonNull;

use super::{highest, set_undefined};
use crate::alignment::Alignment;
use crate::allocator::Allocator;
use crate::error::Error;
use crate::return_address::return_address;
use crate::slice::{AlignedSlice, OptionalSentinel, Sentinel, SentinelSlice, SlicePtr};

impl Allocator<'_> {
    /// Allocates memory for `n` elements and leaves it uninitialised. [`free`](Self::free) frees it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], also if the size of `n` elements in bytes overflows `usize`.
    ///
    /// Ports `alloc` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let memory = PAGE_ALLOCATOR.alloc::<u32>(100)?;
    /// assert_eq!(memory.len(), 100);
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Without elements, or with elements that have no size, there is no block to free:
    ///
    /// ```
    /// # use zigalloc::{Allocator, Error};
    /// assert_eq!(Allocator::FAILING.alloc::<u64>(0)?.len(), 0);
    /// assert_eq!(Allocator::FAILING.alloc::<()>(1000)?.len(), 1000);
    /// assert_eq!(Allocator::FAILING.alloc::<u64>(1), Err(Error::OutOfMemory));
    /// // SAFETY: it has no bytes.
    /// unsafe { Allocator::FAILING.free(Allocator::FAILING.alloc::<()>(1000)?) };
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// A matrix in one block, which is written before it is read:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{SlicePtr, heap::SMP_ALLOCATOR};
    /// let (rows, columns) = (3, 4);
    /// let matrix = SMP_ALLOCATOR.alloc::<f32>(rows * columns)?;
    /// // SAFETY: a new block, which nothing else uses.
    /// for (i, cell) in unsafe { matrix.as_maybe_uninit() }.iter_mut().enumerate() {
    ///     cell.write((i / columns * 10 + i % columns) as f32);
    /// }
    /// // SAFETY: the loop has written every element.
    /// assert_eq!(unsafe { matrix.as_slice() }[2 * columns + 3], 23.0);
    /// unsafe { SMP_ALLOCATOR.free(matrix) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn alloc<T>(self, n: usize) -> Result<NonNull<[T]>, Error> {
        let slice = self.alloc_advanced_with_ret_addr::<T, 0>(n, return_address())?;
        Ok(slice.as_non_null())
    }

    /// Allocates memory for `n` elements with an alignment in bytes, which may be above or below `T`'s own.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    ///
    /// Ports `alignedAlloc` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let memory = PAGE_ALLOCATOR.aligned_alloc::<u8, 4096>(10)?;
    /// assert_eq!(memory.as_ptr().addr() % 4096, 0);
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Memory for vector instructions, which load 32 aligned bytes at a time:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{AlignedSlice, Allocator, Error, heap::SMP_ALLOCATOR};
    /// fn samples(allocator: Allocator<'_>, n: usize) -> Result<AlignedSlice<f32, 32>, Error> {
    ///     let samples = allocator.aligned_alloc::<f32, 32>(n.next_multiple_of(8))?;
    ///     // SAFETY: memory for that many; all bits 0 is the number 0.
    ///     unsafe { samples.as_ptr().write_bytes(0, samples.len()) };
    ///     Ok(samples)
    /// }
    ///
    /// let samples = samples(*SMP_ALLOCATOR, 100)?;
    /// assert_eq!(samples.len(), 104);
    /// assert!(samples.as_ptr().addr() % 32 == 0);
    /// // SAFETY: initialised above.
    /// assert_eq!(unsafe { samples.as_slice() }.iter().sum::<f32>(), 0.0);
    /// unsafe { SMP_ALLOCATOR.free(samples) };
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias = "alignedAlloc")]
    #[inline(always)]
    pub fn aligned_alloc<T, const ALIGN: usize>(self, n: usize) -> Result<AlignedSlice<T, ALIGN>, Error> {
        self.alloc_advanced_with_ret_addr(n, return_address())
    }

    /// Allocates memory for `n` elements followed by a sentinel, which is set to `sentinel`.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc), also if `n + 1` overflows, where Zig 0.15.2 panics.
    ///
    /// Ports `allocSentinel` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let memory = PAGE_ALLOCATOR.alloc_sentinel(10, 0u8)?;
    /// assert_eq!((memory.len(), unsafe { memory.sentinel_ptr().read() }), (10, 0));
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Only the sentinel is written. A C function fills the rest:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::ffi::{c_char, CStr};
    /// # use zigalloc::heap::SMP_ALLOCATOR;
    /// unsafe extern "C" {
    ///     fn strcpy(to: *mut c_char, from: *const c_char) -> *mut c_char;
    /// }
    ///
    /// let text = SMP_ALLOCATOR.alloc_sentinel(10, 0u8)?;
    /// # if cfg!(miri) { return Ok(()) }
    /// // SAFETY: ten bytes and a zero have room for six and a zero.
    /// unsafe { strcpy(text.as_ptr().cast(), c"zigzag".as_ptr()) };
    /// assert_eq!(unsafe { CStr::from_ptr(text.as_ptr().cast()) }, c"zigzag");
    /// assert_eq!(unsafe { text.sentinel_ptr().read() }, 0);
    /// unsafe { SMP_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// The sentinel needs memory, even if nothing else does, and counts in the length that must not overflow:
    ///
    /// ```
    /// # use zigalloc::{Allocator, Error};
    /// assert_eq!(Allocator::FAILING.alloc_sentinel(0, 0u8).map(|text| text.len()), Err(Error::OutOfMemory));
    /// assert_eq!(Allocator::FAILING.alloc_sentinel(usize::MAX, 0u8).map(|text| text.len()), Err(Error::OutOfMemory));
    /// ```
    #[doc(alias = "allocSentinel")]
    #[inline(always)]
    pub fn alloc_sentinel<T>(self, n: usize, sentinel: T) -> Result<SentinelSlice<T>, Error> {
        self.alloc_with_options_ret_addr(n, Sentinel(sentinel), return_address())
    }

    /// Allocates memory for `n` elements with an alignment in bytes (0: `T`'s own) and an optional sentinel. Both
    /// determine the type of the result.
    ///
    /// # Errors
    /// As [`alloc_sentinel`](Self::alloc_sentinel).
    ///
    /// Ports `allocWithOptions` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, NoSentinel, Sentinel, SentinelSlice};
    /// let line: SentinelSlice<u8, 64> = PAGE_ALLOCATOR.alloc_with_options(10, Sentinel(0))?;
    /// unsafe { PAGE_ALLOCATOR.free(line) };
    /// let plain = PAGE_ALLOCATOR.alloc_with_options::<u8, 0, _>(10, NoSentinel)?;
    /// unsafe { PAGE_ALLOCATOR.free(plain) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// Both arguments are visible in the type, and the block has room for the sentinel:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{AlignedSlice, NoSentinel, Sentinel, SentinelSlice, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 64];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let with: SentinelSlice<u16, 0> = fixed_buffer.allocator().alloc_with_options(7, Sentinel(0xFFFF))?;
    /// assert!((16..=17).contains(&fixed_buffer.end_index()), "eight elements, after a byte of padding at most");
    /// let without: AlignedSlice<u16, 1> = fixed_buffer.allocator().alloc_with_options(7, NoSentinel)?;
    /// assert_eq!(without.as_ptr().addr(), with.sentinel_ptr().addr() + 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "allocWithOptions")]
    #[inline(always)]
    pub fn alloc_with_options<T, const ALIGN: usize, S: OptionalSentinel<T, ALIGN>>(
        self,
        n: usize,
        sentinel: S,
    ) -> Result<S::Slice, Error> {
        self.alloc_with_options_ret_addr(n, sentinel, return_address())
    }

    /// [`alloc_with_options`](Self::alloc_with_options) with a given return address.
    ///
    /// # Errors
    /// As [`alloc_sentinel`](Self::alloc_sentinel).
    ///
    /// Ports `allocWithOptionsRetAddr` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, Allocator, Error, Sentinel, SentinelSlice};
    /// /// Allocates a line on behalf of the caller, whose address a leak report then names.
    /// fn line(allocator: Allocator<'_>, return_address: usize) -> Result<SentinelSlice<u8, 64>, Error> {
    ///     allocator.alloc_with_options_ret_addr(80, Sentinel(0), return_address)
    /// }
    ///
    /// let line = line(*PAGE_ALLOCATOR, zigalloc::return_address())?;
    /// assert_eq!((line.len(), line.as_ptr().addr() % 64), (80, 0));
    /// unsafe { PAGE_ALLOCATOR.free(line) };
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// The allocator gets the address as it is:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{NoSentinel, heap::PAGE_ALLOCATOR, testing::{FailingAllocator, FailingConfig}};
    /// let config = FailingConfig { fail_index: 0, ..FailingConfig::default() };
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, config);
    /// let caller = 0x1234;
    /// assert!(failing.allocator().alloc_with_options_ret_addr::<u8, 0, _>(80, NoSentinel, caller).is_err());
    /// assert_eq!(failing.return_address(), Some(caller));
    /// ```
    #[doc(alias = "allocWithOptionsRetAddr")]
    #[inline(always)]
    pub fn alloc_with_options_ret_addr<T, const ALIGN: usize, S: OptionalSentinel<T, ALIGN>>(
        self,
        n: usize,
        sentinel: S,
        return_address: usize,
    ) -> Result<S::Slice, Error> {
        let count = n.checked_add(S::COUNT).ok_or(Error::OutOfMemory)?;
        let slice = self.alloc_advanced_with_ret_addr::<T, ALIGN>(count, return_address)?;
        // SAFETY: the slice has room for `n + COUNT` elements.
        Ok(unsafe { sentinel.finish(slice.as_non_null_ptr(), n) })
    }

    /// [`aligned_alloc`](Self::aligned_alloc) with a given return address.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    ///
    /// Ports `allocAdvancedWithRetAddr` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, return_address};
    /// let memory = PAGE_ALLOCATOR.alloc_advanced_with_ret_addr::<u32, 64>(100, return_address())?;
    /// assert_eq!((memory.len(), memory.as_ptr().addr() % 64), (100, 0));
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "allocAdvancedWithRetAddr")]
    #[inline(always)]
    pub fn alloc_advanced_with_ret_addr<T, const ALIGN: usize>(
        self,
        n: usize,
        return_address: usize,
    ) -> Result<AlignedSlice<T, ALIGN>, Error> {
        let byte_count = size_of::<T>().checked_mul(n).ok_or(Error::OutOfMemory)?;
        let memory =
            self.alloc_bytes_aligned(AlignedSlice::<T, ALIGN>::ALIGNMENT, byte_count, return_address)?;
        Ok(AlignedSlice::from_raw_parts(memory.cast(), n))
    }

    /// Allocates `byte_count` bytes with an alignment known only at run time.
    ///
    /// Every typed function that allocates ends up here. [`raw_free`](Self::raw_free) frees the memory, unless
    /// `byte_count` was 0.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], also for an alignment that is not [valid](Alignment::is_valid).
    ///
    /// Ports `allocBytesAligned`, which is public since Zig 0.17.1 and takes a comptime alignment there.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::PAGE_ALLOCATOR, return_address, Alignment};
    /// # use std::ptr::NonNull;
    /// let memory = PAGE_ALLOCATOR.alloc_bytes_aligned(Alignment::_64, 100, return_address())?;
    /// let memory = NonNull::slice_from_raw_parts(memory, 100);
    /// unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_64, return_address()) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A record whose layout is known when the program runs:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::alloc::Layout;
    /// use std::ptr::NonNull;
    /// use zigalloc::{Alignment, Error, heap::SMP_ALLOCATOR, return_address};
    ///
    /// // A header, and then fields whose types a schema states.
    /// let mut layout = Layout::new::<u32>();
    /// let mut offsets = vec![];
    /// for field in [Layout::new::<u8>(), Layout::new::<u64>()] {
    ///     let (extended, offset) = layout.extend(field).map_err(|_| Error::OutOfMemory)?;
    ///     layout = extended;
    ///     offsets.push(offset);
    /// }
    /// let alignment = Alignment::from(layout);
    /// let record = SMP_ALLOCATOR.alloc_bytes_aligned(alignment, layout.size(), return_address())?;
    /// assert_eq!(offsets, [4, 8]);
    /// assert!(alignment >= Alignment::of::<u64>() && alignment.check(record.addr().get()));
    /// // SAFETY: a live block of this length and alignment, not used afterwards.
    /// unsafe { SMP_ALLOCATOR.raw_free(NonNull::slice_from_raw_parts(record, layout.size()), alignment, 0) };
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias = "allocBytesAligned")]
    #[inline(always)]
    pub fn alloc_bytes_aligned(
        self,
        alignment: Alignment,
        byte_count: usize,
        return_address: usize,
    ) -> Result<NonNull<u8>, Error> {
        if !alignment.is_valid() {
            return Err(Error::OutOfMemory);
        }
        if byte_count == 0 {
            return Ok(highest(alignment));
        }
        // SAFETY: the length is not zero. `Allocator` is not `Send`, so one thread uses this handle, or it is
        // thread-safe.
        let memory =
            unsafe { self.raw_alloc(byte_count, alignment, return_address) }.ok_or(Error::OutOfMemory)?;
        // SAFETY: new memory of this length.
        unsafe { set_undefined(NonNull::slice_from_raw_parts(memory, byte_count)) };
        Ok(memory)
    }

    /// Allocates memory for `n` elements and fills it with zero bytes. Not in Zig.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let memory = PAGE_ALLOCATOR.alloc_zeroed::<u32>(3)?;
    /// assert_eq!(unsafe { memory.as_ref() }, [0, 0, 0]);
    /// unsafe { PAGE_ALLOCATOR.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A table of optional pointers, all of which are `None`:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::ptr::NonNull;
    /// # use zigalloc::heap::SMP_ALLOCATOR;
    /// let buckets = SMP_ALLOCATOR.alloc_zeroed::<Option<NonNull<u8>>>(16)?;
    /// // SAFETY: zeros are `None`.
    /// assert!(unsafe { buckets.as_ref() }.iter().all(Option::is_none));
    /// unsafe { SMP_ALLOCATOR.free(buckets) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn alloc_zeroed<T>(self, n: usize) -> Result<NonNull<[T]>, Error> {
        let slice = self.alloc_advanced_with_ret_addr::<T, 0>(n, return_address())?.as_non_null();
        // SAFETY: new memory for `n` elements, or no bytes at all.
        unsafe { slice.cast::<T>().write_bytes(0, n) };
        Ok(slice)
    }

    /// Frees a slice without dropping its elements. Freeing an empty slice without a sentinel does nothing.
    ///
    /// # Safety
    /// - `memory` is a [live block](crate::VTable#live-block) of this allocator, or has no bytes.
    /// - Its type, alignment and sentinel included, is that of the last successful call that returned it (after a
    ///   `resize`, that of [`with_len`](SlicePtr::with_len)), and its length is the one requested in that call.
    /// - It is not used afterwards.
    ///
    /// Ports `free` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.dupe_str("zig")?;
    /// // SAFETY: a live block, not used afterwards.
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A block that was shortened in place is freed with its new length, and elements are not dropped:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::rc::Rc;
    /// # use zigalloc::{SlicePtr, heap::PAGE_ALLOCATOR, testing::LedgerAllocator};
    /// let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
    /// let shared = Rc::new(());
    /// let pointers = ledger.allocator().alloc::<Rc<()>>(4)?;
    /// // SAFETY: a new block, whose first element is written. The others are given back.
    /// unsafe { pointers.cast::<Rc<()>>().write(shared.clone()) };
    /// assert!(unsafe { ledger.allocator().resize(pointers, 1) });
    /// let pointers = pointers.with_len(1);
    /// // SAFETY: the element is initialised, and not used afterwards.
    /// unsafe { pointers.cast::<Rc<()>>().drop_in_place() };
    /// // The ledger would abort for the old length.
    /// unsafe { ledger.allocator().free(pointers) };
    /// ledger.assert_no_leaks();
    /// assert_eq!(Rc::strong_count(&shared), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn free<A: SlicePtr>(self, memory: A) {
        // SAFETY: `memory` is a live allocation of this allocator, not used afterwards, by our caller.
        unsafe { self.free_with_ret_addr(memory, return_address()) };
    }

    /// # Safety
    /// As [`free`](Self::free).
    #[inline(always)]
    pub(super) unsafe fn free_with_ret_addr<A: SlicePtr>(self, memory: A, return_address: usize) {
        let bytes = memory.bytes();
        if bytes.is_empty() {
            return;
        }
        // SAFETY: a live block, not used afterwards, by our caller.
        unsafe { set_undefined(bytes) };
        // SAFETY: the same block, with matching length and alignment. `Allocator` is not `Send`, so one thread uses
        // this handle, or it is thread-safe.
        unsafe { self.raw_free(bytes, A::ALIGNMENT, return_address) };
    }
}
