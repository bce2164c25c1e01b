//! Methods of [`ArrayList`] that allocate or free without adding elements.

use core::mem;
use core::ptr::NonNull;

use allocator_api2_02::alloc as api;
use allocator_api2_02::boxed::Box;
use allocator_api2_02::vec::Vec;

use super::array_list::ArrayList;
use super::grow;
use super::store::Allocates;
use crate::error::Error;
use crate::slice::SentinelSlice;

impl<'l, T, A: api::Allocator, S: Allocates<Vec<T, A>>> ArrayList<'l, T, A, S> {
    pub(super) fn take_vec(&mut self) -> Vec<T, A>
    where
        A: Clone,
    {
        let empty = Vec::new_in(self.vec().allocator().clone());
        mem::replace(self.vec_mut(), empty)
    }

    /// Drops the elements and frees the memory, as dropping a managed list does.
    ///
    /// Ports `deinit`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// list.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn deinit(mut self) {
        self.clear_and_free();
    }

    /// The allocator.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let list = ArrayList::<u8, _>::init(PAGE_ALLOCATOR);
    /// let memory = list.allocator().dupe_owned(b"beside the list")?;
    /// assert_eq!(memory.len(), 15);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn allocator(&self) -> &A {
        self.vec().allocator()
    }

    /// Ensures room for `new_capacity` elements in total. If the list grows, it grows by at least half, so that
    /// repeated calls take linear time.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::<u64, _>::init(PAGE_ALLOCATOR);
    /// list.ensure_total_capacity(3)?;
    /// assert!(list.capacity() >= 3); // a cache line's worth
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureTotalCapacity")]
    #[inline]
    pub fn ensure_total_capacity(&mut self, new_capacity: usize) -> Result<(), Error> {
        grow::ensure_total(self.vec_mut(), new_capacity)
    }

    /// Ensures room for `new_capacity` elements in total. If the list grows, it grows to exactly that.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacityPrecise`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::<u64, _>::init(PAGE_ALLOCATOR);
    /// list.ensure_total_capacity_precise(3)?;
    /// assert_eq!(list.capacity(), 3);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureTotalCapacityPrecise")]
    #[inline]
    pub fn ensure_total_capacity_precise(&mut self, new_capacity: usize) -> Result<(), Error> {
        grow::ensure_precise(self.vec_mut(), new_capacity)
    }

    /// Ensures room for `additional_count` more elements, as [`ensure_total_capacity`](Self::ensure_total_capacity).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureUnusedCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// list.ensure_unused_capacity(100)?;
    /// assert!(list.capacity() >= 102);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureUnusedCapacity")]
    #[inline]
    pub fn ensure_unused_capacity(&mut self, additional_count: usize) -> Result<(), Error> {
        grow::ensure_unused(self.vec_mut(), additional_count)
    }

    /// Drops the elements from `new_len` on and shrinks the block to the rest. If the allocator cannot shrink it, the
    /// capacity stays.
    ///
    /// # Panics
    /// If `new_len` is above the length.
    ///
    /// Ports `shrinkAndFree`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2, 3])?;
    /// list.shrink_and_free(2);
    /// assert_eq!((&*list, list.capacity()), (&[1, 2][..], 2));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "shrinkAndFree")]
    #[track_caller]
    pub fn shrink_and_free(&mut self, new_len: usize) {
        self.assert_range("ArrayList::shrink_and_free", 0, new_len);
        self.vec_mut().truncate(new_len);
        // On failure the capacity stays.
        let _ = grow::shrink(self.vec_mut(), new_len);
    }

    /// Drops the elements and frees the memory.
    ///
    /// Ports `clearAndFree`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2, 3])?;
    /// list.clear_and_free();
    /// assert_eq!(list.capacity(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "clearAndFree")]
    pub fn clear_and_free(&mut self) {
        self.vec_mut().clear();
        // Freeing cannot fail.
        let freed = grow::shrink(self.vec_mut(), 0);
        debug_assert!(freed.is_ok());
    }

    /// Moves the elements to a box of exactly their length, in the same block if it can be shrunk. The list is empty
    /// afterwards.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], where the block cannot be made shorter without a copy.
    ///
    /// Ports `toOwnedSlice`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(b"zig")?;
    /// let text = list.to_owned_slice()?;
    /// assert_eq!(*text, *b"zig"); // a `Box`, which frees it
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "toOwnedSlice")]
    pub fn to_owned_slice(&mut self) -> Result<Box<[T], A>, Error>
    where
        A: Clone,
    {
        let len = self.vec().len();
        grow::shrink(self.vec_mut(), len)?;
        Ok(self.take_vec().into_boxed_slice())
    }

    /// Moves the elements and a sentinel to a block of exactly that length, which the caller frees. The list is empty
    /// afterwards.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `toOwnedSliceSentinel`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(b"zig")?;
    /// let text = list.to_owned_slice_sentinel(0)?;
    /// // SAFETY: initialised; then a live block that nothing uses afterwards.
    /// unsafe {
    ///     assert_eq!(text.as_c_str(), c"zig");
    ///     PAGE_ALLOCATOR.free(text);
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "toOwnedSliceSentinel")]
    pub fn to_owned_slice_sentinel(&mut self, sentinel: T) -> Result<SentinelSlice<T>, Error>
    where
        A: Clone,
    {
        let len = self.vec().len();
        let with_sentinel = len.checked_add(1).ok_or(Error::OutOfMemory)?;
        self.ensure_total_capacity_precise(with_sentinel)?;
        grow::shrink(self.vec_mut(), with_sentinel)?;
        self.vec_mut().push(sentinel);
        let (ptr, ..) = self.take_vec().into_raw_parts_with_alloc();
        // SAFETY: a vector's pointer is not null.
        Ok(SentinelSlice::from_raw_parts(unsafe { NonNull::new_unchecked(ptr) }, len))
    }

    /// Copies the list within its allocator, with the same capacity.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `clone`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// let copy = list.clone()?;
    /// assert_eq!((&*copy, copy.capacity()), (&*list, list.capacity()));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[expect(clippy::should_implement_trait, reason = "Zig's, which can fail")]
    pub fn clone(&self) -> Result<ArrayList<'l, T, A>, Error>
    where
        T: Clone,
        A: Clone,
    {
        let mut copy = ArrayList::init(self.allocator().clone());
        if size_of::<T>() != 0 {
            copy.ensure_total_capacity_precise(self.capacity())?;
        }
        copy.vec_mut().extend_from_slice(self.vec());
        Ok(copy)
    }
}
