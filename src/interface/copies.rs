//! Copies of slices.

use core::ptr::NonNull;

use crate::allocator::Allocator;
use crate::error::Error;
use crate::return_address::return_address;
use crate::slice::{Sentinel, SentinelSlice};

impl Allocator<'_> {
    /// Copies a slice into new memory.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `dupe` of Zig 0.15.2, which passes the vtable an address inside std; this one passes the caller's.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let copy = PAGE_ALLOCATOR.dupe(&[1, 2, 3])?;
    /// assert_eq!(unsafe { copy.as_ref() }, [1, 2, 3]);
    /// unsafe { PAGE_ALLOCATOR.free(copy) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// The copy is independent of the original, and an empty one allocates nothing:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Allocator, SlicePtr, heap::SMP_ALLOCATOR};
    /// let mut scores = [3, 1, 2];
    /// let sorted = SMP_ALLOCATOR.dupe(&scores)?;
    /// // SAFETY: `dupe` initialised the copy, which nothing else uses.
    /// unsafe { sorted.as_mut_slice() }.sort();
    /// scores[0] = 7;
    /// assert_eq!(unsafe { sorted.as_slice() }, [1, 2, 3]);
    /// unsafe { SMP_ALLOCATOR.free(sorted) };
    ///
    /// assert!(Allocator::FAILING.dupe::<u32>(&[]).is_ok());
    /// assert!(Allocator::FAILING.dupe(&[7]).is_err());
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn dupe<T: Copy>(self, m: &[T]) -> Result<NonNull<[T]>, Error> {
        let copy = self.alloc_advanced_with_ret_addr::<T, 0>(m.len(), return_address())?.as_non_null();
        // SAFETY: new memory of the same length.
        unsafe { copy.cast::<T>().as_ptr().copy_from_nonoverlapping(m.as_ptr(), m.len()) };
        Ok(copy)
    }

    /// Copies a string into new memory. Not in Zig, whose strings are slices of bytes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let copy = PAGE_ALLOCATOR.dupe_str("zig")?;
    /// assert_eq!(unsafe { copy.as_ref() }, "zig");
    /// unsafe { PAGE_ALLOCATOR.free(copy) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A struct with several texts frees the first if there is no memory for the second:
    ///
    /// ```
    /// use std::mem::MaybeUninit;
    /// use std::ptr::NonNull;
    /// use zigalloc::{Allocator, Error, heap::FixedBufferAllocator};
    ///
    /// struct Entry {
    ///     key: NonNull<str>,
    ///     value: NonNull<str>,
    /// }
    ///
    /// fn entry(allocator: Allocator<'_>, key: &str, value: &str) -> Result<Entry, Error> {
    ///     let key = allocator.dupe_str(key)?;
    ///     // SAFETY: a live block, not used afterwards: Zig's `errdefer`.
    ///     let value = allocator.dupe_str(value).inspect_err(|_| unsafe { allocator.free(key) })?;
    ///     Ok(Entry { key, value })
    /// }
    ///
    /// let mut buffer = [MaybeUninit::uninit(); 16];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// assert!(entry(fixed_buffer.allocator(), "language", "a long value").is_err());
    /// assert_eq!(fixed_buffer.end_index(), 0, "the key was freed");
    /// let entry = entry(fixed_buffer.allocator(), "language", "zig")?;
    /// assert_eq!(unsafe { (entry.key.as_ref(), entry.value.as_ref()) }, ("language", "zig"));
    /// # Ok::<(), Error>(())
    /// ```
    #[inline(always)]
    pub fn dupe_str(self, m: &str) -> Result<NonNull<str>, Error> {
        let copy = self.alloc_advanced_with_ret_addr::<u8, 0>(m.len(), return_address())?.as_non_null();
        // SAFETY: new memory of the same length.
        unsafe { copy.cast::<u8>().as_ptr().copy_from_nonoverlapping(m.as_ptr(), m.len()) };
        // SAFETY: the pointer is not null. A `str` has the layout of a byte slice, and these bytes are UTF-8.
        Ok(unsafe { NonNull::new_unchecked(copy.as_ptr() as *mut str) })
    }

    /// Copies a slice and appends `T::default()` as a sentinel. For integers that is 0, so a copy of bytes is a C
    /// string. For another sentinel use [`dupe_sentinel`](Self::dupe_sentinel).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `dupeZ` of Zig 0.15.2, which accepts only element types that have a 0; later releases have only
    /// `dupeSentinel`.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
    /// assert_eq!((text.len(), unsafe { text.sentinel_ptr().read() }), (3, 0));
    /// unsafe { PAGE_ALLOCATOR.free(text) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// The sentinel is the default of any type, and bytes are a C string:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{SlicePtr, heap::SMP_ALLOCATOR};
    /// let name = SMP_ALLOCATOR.dupe_z("größe".as_bytes())?;
    /// // SAFETY: seven bytes and a zero, which live until they are freed.
    /// assert_eq!(unsafe { name.as_c_str() }.to_str(), Ok("größe"));
    /// let flags = SMP_ALLOCATOR.dupe_z(&[true, true])?;
    /// assert_eq!((flags.bytes().len(), unsafe { flags.sentinel_ptr().read() }), (3, false));
    /// unsafe { SMP_ALLOCATOR.free(flags) };
    /// unsafe { SMP_ALLOCATOR.free(name) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "dupeZ")]
    #[inline(always)]
    pub fn dupe_z<T: Copy + Default>(self, m: &[T]) -> Result<SentinelSlice<T>, Error> {
        self.dupe_sentinel_with_ret_addr(m, T::default(), return_address())
    }

    /// Copies a slice and appends a sentinel.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `dupeSentinel` of Zig 0.17.1.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::PAGE_ALLOCATOR;
    /// let copy = PAGE_ALLOCATOR.dupe_sentinel(&[1, 2, 3], -1)?;
    /// assert_eq!((copy.len(), unsafe { copy.sentinel_ptr().read() }), (3, -1));
    /// unsafe { PAGE_ALLOCATOR.free(copy) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A loop that needs no length, since the end is in memory:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::SMP_ALLOCATOR;
    /// let steps = SMP_ALLOCATOR.dupe_sentinel(&[5i32, 10, 15], -1)?;
    /// let (mut sum, mut next) = (0, steps.as_ptr());
    /// // SAFETY: the loop ends at the sentinel.
    /// while let step @ 0.. = unsafe { next.read() } {
    ///     sum += step;
    ///     next = unsafe { next.add(1) };
    /// }
    /// assert_eq!((sum, next), (30, steps.sentinel_ptr()));
    /// unsafe { SMP_ALLOCATOR.free(steps) };
    ///
    /// // Of nothing, the sentinel remains, in a block of one element.
    /// let none = SMP_ALLOCATOR.dupe_sentinel(&[], -1)?;
    /// assert_eq!(unsafe { none.as_ptr().read() }, -1);
    /// unsafe { SMP_ALLOCATOR.free(none) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "dupeSentinel")]
    #[inline(always)]
    pub fn dupe_sentinel<T: Copy>(self, m: &[T], sentinel: T) -> Result<SentinelSlice<T>, Error> {
        self.dupe_sentinel_with_ret_addr(m, sentinel, return_address())
    }

    #[inline(always)]
    fn dupe_sentinel_with_ret_addr<T: Copy>(
        self,
        m: &[T],
        sentinel: T,
        return_address: usize,
    ) -> Result<SentinelSlice<T>, Error> {
        let copy =
            self.alloc_with_options_ret_addr::<T, 0, _>(m.len(), Sentinel(sentinel), return_address)?;
        // SAFETY: new memory for `m.len()` elements and the sentinel.
        unsafe { copy.as_ptr().copy_from_nonoverlapping(m.as_ptr(), m.len()) };
        Ok(copy)
    }
}
