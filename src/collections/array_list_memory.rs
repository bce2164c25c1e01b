//! What of an [`ArrayList`] allocates or frees without adding elements.

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

    /// Ends the list: drops the elements and frees the memory. Dropping a managed list does the same.
    ///
    /// Ports `deinit`.
    #[inline]
    pub fn deinit(mut self) {
        self.clear_and_free();
    }

    /// The allocator.
    #[inline]
    pub fn allocator(&self) -> &A {
        self.vec().allocator()
    }

    /// Room for `new_capacity` elements, and some more if the list must grow.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacity`.
    #[doc(alias = "ensureTotalCapacity")]
    #[inline]
    pub fn ensure_total_capacity(&mut self, new_capacity: usize) -> Result<(), Error> {
        grow::ensure_total(self.vec_mut(), new_capacity)
    }

    /// Room for exactly `new_capacity` elements, unless there is more.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacityPrecise`.
    #[doc(alias = "ensureTotalCapacityPrecise")]
    #[inline]
    pub fn ensure_total_capacity_precise(&mut self, new_capacity: usize) -> Result<(), Error> {
        grow::ensure_precise(self.vec_mut(), new_capacity)
    }

    /// Room for `additional_count` elements more than there are.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureUnusedCapacity`.
    #[doc(alias = "ensureUnusedCapacity")]
    #[inline]
    pub fn ensure_unused_capacity(&mut self, additional_count: usize) -> Result<(), Error> {
        grow::ensure_unused(self.vec_mut(), additional_count)
    }

    /// Drops the elements from `new_len` on, and gives back their memory and what was not used. If that takes memory
    /// which there is not, the capacity stays.
    ///
    /// # Panics
    /// If `new_len` is above the length.
    ///
    /// Ports `shrinkAndFree`.
    #[doc(alias = "shrinkAndFree")]
    #[track_caller]
    pub fn shrink_and_free(&mut self, new_len: usize) {
        self.assert_range("ArrayList::shrink_and_free", 0, new_len);
        self.vec_mut().truncate(new_len);
        // The capacity is then what it was, which is right too.
        let _ = grow::shrink(self.vec_mut(), new_len);
    }

    /// Drops the elements and frees the memory.
    ///
    /// Ports `clearAndFree`.
    #[doc(alias = "clearAndFree")]
    pub fn clear_and_free(&mut self) {
        self.vec_mut().clear();
        // To free takes no memory, so it cannot fail.
        let freed = grow::shrink(self.vec_mut(), 0);
        debug_assert!(freed.is_ok());
    }

    /// The elements in a block of their own, of exactly their length. The list is empty then, without capacity.
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

    /// The elements and a sentinel in a block of exactly their length, which the caller frees. The list is empty then.
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

    /// A copy, in the same allocator, with the same capacity.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `clone`.
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
