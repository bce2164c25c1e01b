//! Methods of [`ArrayList`] that add elements.

use core::fmt;

use allocator_api2_02::alloc as api;
use allocator_api2_02::vec::Vec;

use super::array_list::ArrayList;
use super::grow;
use super::store::{Allocates, Store};
use crate::error::Error;

impl<T, A: api::Allocator, S: Allocates<Vec<T, A>>> ArrayList<'_, T, A, S> {
    /// Appends an element.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], in which case the element is dropped.
    ///
    /// Ports `append`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append(1)?;
    /// list.append(2)?;
    /// assert_eq!(*list, [1, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn append(&mut self, item: T) -> Result<(), Error> {
        grow::ensure_one(self.vec_mut())?;
        // SAFETY: there is room for one more.
        unsafe { push_unchecked(self.vec_mut(), item) };
        Ok(())
    }

    /// Appends `T::default()` and returns a reference to it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `addOne`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// *list.add_one()? = 7;
    /// assert_eq!(*list, [7]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "addOne")]
    #[inline]
    pub fn add_one(&mut self) -> Result<&mut T, Error>
    where
        T: Default,
    {
        Ok(&mut self.add_many_as_slice(1)?[0])
    }

    /// Inserts an element at index `i`, shifting those after it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], in which case the element is dropped.
    ///
    /// # Panics
    /// If `i` is above the length.
    ///
    /// Ports `insert`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// list.insert(1, 7)?;
    /// assert_eq!(*list, [1, 7, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn insert(&mut self, i: usize, item: T) -> Result<(), Error> {
        self.assert_range("ArrayList::insert", i, 0);
        grow::ensure_unused(self.vec_mut(), 1)?;
        self.vec_mut().insert(i, item);
        Ok(())
    }

    /// Appends `n` elements of `T::default()` and returns them.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `addManyAsSlice`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.add_many_as_slice(3)?[1] = 7;
    /// assert_eq!(*list, [0, 7, 0]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "addManyAsSlice")]
    pub fn add_many_as_slice(&mut self, n: usize) -> Result<&mut [T], Error>
    where
        T: Default,
    {
        grow::ensure_unused(self.vec_mut(), n)?;
        Ok(self.fill_up(n))
    }

    /// Appends `N` elements of `T::default()` and returns them as an array.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `addManyAsArray`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// *list.add_many_as_array()? = [1, 2, 3];
    /// assert_eq!(*list, [1, 2, 3]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "addManyAsArray")]
    pub fn add_many_as_array<const N: usize>(&mut self) -> Result<&mut [T; N], Error>
    where
        T: Default,
    {
        match self.add_many_as_slice(N)?.try_into() {
            Ok(array) => Ok(array),
            Err(_) => unreachable!("the slice has N elements"),
        }
    }

    /// Inserts `count` elements of `T::default()` at `index` and returns them.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If `index` is above the length.
    ///
    /// Ports `addManyAt`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// list.add_many_at(1, 2)?.fill(7);
    /// assert_eq!(*list, [1, 7, 7, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "addManyAt")]
    #[track_caller]
    pub fn add_many_at(&mut self, index: usize, count: usize) -> Result<&mut [T], Error>
    where
        T: Default,
    {
        self.assert_range("ArrayList::add_many_at", index, 0);
        self.add_many_as_slice(count)?;
        self.vec_mut()[index..].rotate_right(count);
        Ok(&mut self.vec_mut()[index..index + count])
    }

    /// Appends the elements of a slice.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `appendSlice`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(b"zig")?;
    /// assert_eq!(*list, *b"zig");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "appendSlice")]
    #[inline]
    pub fn append_slice(&mut self, items: &[T]) -> Result<(), Error>
    where
        T: Copy,
    {
        grow::ensure_unused(self.vec_mut(), items.len())?;
        // SAFETY: the line above made room for the items.
        unsafe { extend_unchecked(self.vec_mut(), items) };
        Ok(())
    }

    /// Appends `n` clones of a value.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `appendNTimes`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_n_times(b'-', 3)?;
    /// assert_eq!(*list, *b"---");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "appendNTimes")]
    #[inline]
    pub fn append_n_times(&mut self, value: T, n: usize) -> Result<(), Error>
    where
        T: Clone,
    {
        grow::ensure_unused(self.vec_mut(), n)?;
        let len = self.vec().len();
        self.vec_mut().resize(len + n, value);
        Ok(())
    }

    /// Sets the length to `new_len`: drops the elements after it, or appends clones of `value`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `resize`, whose new elements are undefined.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// list.resize(4, 7)?;
    /// assert_eq!(*list, [1, 2, 7, 7]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn resize(&mut self, new_len: usize, value: T) -> Result<(), Error>
    where
        T: Clone,
    {
        grow::ensure_total(self.vec_mut(), new_len)?;
        self.vec_mut().resize(new_len, value);
        Ok(())
    }

    /// Inserts the elements of a slice at `index`, shifting those after it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If `index` is above the length.
    ///
    /// Ports `insertSlice`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// list.insert_slice(1, &[7, 8])?;
    /// assert_eq!(*list, [1, 7, 8, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "insertSlice")]
    #[track_caller]
    pub fn insert_slice(&mut self, index: usize, items: &[T]) -> Result<(), Error>
    where
        T: Copy,
    {
        self.assert_range("ArrayList::insert_slice", index, 0);
        grow::ensure_unused(self.vec_mut(), items.len())?;
        self.insert_slice_in_capacity(index, items);
        Ok(())
    }

    /// Replaces `len` elements from `start` on by the elements of a slice, of any length.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If the range is not in the list.
    ///
    /// Ports `replaceRange`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut text = ArrayList::from_owned_slice(PAGE_ALLOCATOR.dupe_owned(b"a cat sat")?);
    /// text.replace_range(2, 3, b"horse")?;
    /// assert_eq!(*text, *b"a horse sat");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "replaceRange")]
    #[track_caller]
    pub fn replace_range(&mut self, start: usize, len: usize, new_items: &[T]) -> Result<(), Error>
    where
        T: Copy,
    {
        self.assert_range("ArrayList::replace_range", start, len);
        grow::ensure_unused(self.vec_mut(), new_items.len().saturating_sub(len))?;
        self.replace_in_capacity(start, len, new_items);
        Ok(())
    }
}

// ---- within the capacity ----

impl<T, A: api::Allocator, S: Store<Vec<T, A>>> ArrayList<'_, T, A, S> {
    /// Appends an element without allocating.
    ///
    /// # Panics
    /// If the capacity is used up.
    ///
    /// Ports `appendAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init_capacity(PAGE_ALLOCATOR, 1)?;
    /// list.append_assume_capacity(7);
    /// assert_eq!(*list, [7]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "appendAssumeCapacity")]
    #[inline]
    #[track_caller]
    pub fn append_assume_capacity(&mut self, item: T) {
        self.assert_capacity("ArrayList::append_assume_capacity", 1);
        // SAFETY: there is room for one more.
        unsafe { push_unchecked(self.vec_mut(), item) };
    }

    /// Appends an element without allocating, or fails.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the capacity is used up.
    ///
    /// Ports `appendBounded`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init_capacity(PAGE_ALLOCATOR, 1)?;
    /// assert!(list.append_bounded(7).is_ok() && list.append_bounded(8).is_err());
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "appendBounded")]
    #[inline]
    pub fn append_bounded(&mut self, item: T) -> Result<(), Error> {
        self.vec_mut().push_within_capacity(item).map_err(|_| Error::OutOfMemory)
    }

    /// Appends `T::default()` without allocating and returns a reference to it.
    ///
    /// # Panics
    /// If the capacity is used up.
    ///
    /// Ports `addOneAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init_capacity(PAGE_ALLOCATOR, 1)?;
    /// *list.add_one_assume_capacity() = 7;
    /// assert_eq!(*list, [7]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "addOneAssumeCapacity")]
    #[track_caller]
    pub fn add_one_assume_capacity(&mut self) -> &mut T
    where
        T: Default,
    {
        self.assert_capacity("ArrayList::add_one_assume_capacity", 1);
        &mut self.fill_up(1)[0]
    }

    /// Inserts an element at index `i` without allocating.
    ///
    /// # Panics
    /// If the capacity is used up, or `i` is above the length.
    ///
    /// Ports `insertAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init_capacity(PAGE_ALLOCATOR, 2)?;
    /// list.insert_assume_capacity(0, 1);
    /// list.insert_assume_capacity(0, 2);
    /// assert_eq!(*list, [2, 1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "insertAssumeCapacity")]
    #[inline]
    #[track_caller]
    pub fn insert_assume_capacity(&mut self, i: usize, item: T) {
        self.assert_range("ArrayList::insert_assume_capacity", i, 0);
        self.assert_capacity("ArrayList::insert_assume_capacity", 1);
        self.vec_mut().insert(i, item);
    }

    /// Inserts an element at index `i` without allocating, or fails.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the capacity is used up.
    ///
    /// # Panics
    /// If `i` is above the length.
    ///
    /// Ports `insertBounded`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init_capacity(PAGE_ALLOCATOR, 1)?;
    /// assert!(list.insert_bounded(0, 7).is_ok() && list.insert_bounded(0, 8).is_err());
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "insertBounded")]
    #[track_caller]
    pub fn insert_bounded(&mut self, i: usize, item: T) -> Result<(), Error> {
        self.assert_range("ArrayList::insert_bounded", i, 0);
        if self.vec().len() == self.vec().capacity() {
            return Err(Error::OutOfMemory);
        }
        self.vec_mut().insert(i, item);
        Ok(())
    }

    /// Adds `n` times `T::default()` at the end, where there is room, and returns them.
    fn fill_up(&mut self, n: usize) -> &mut [T]
    where
        T: Default,
    {
        let vec = self.vec_mut();
        let len = vec.len();
        // One after the other: if `default` panics, those before it are elements.
        vec.resize_with(len + n, T::default);
        &mut vec[len..]
    }

    /// Appends `n` elements of `T::default()` without allocating and returns them.
    ///
    /// # Panics
    /// If the capacity does not suffice.
    ///
    /// Ports `addManyAsSliceAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init_capacity(PAGE_ALLOCATOR, 3)?;
    /// list.add_many_as_slice_assume_capacity(3)[2] = 7;
    /// assert_eq!(*list, [0, 0, 7]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "addManyAsSliceAssumeCapacity")]
    #[track_caller]
    pub fn add_many_as_slice_assume_capacity(&mut self, n: usize) -> &mut [T]
    where
        T: Default,
    {
        self.assert_capacity("ArrayList::add_many_as_slice_assume_capacity", n);
        self.fill_up(n)
    }

    /// Appends `T::default()` until the length is the capacity.
    ///
    /// Ports `expandToCapacity`.
    ///
    /// # Panics
    /// If the elements have no size: the capacity is `usize::MAX`, and the list would never be full.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::<u8, _>::init_capacity(PAGE_ALLOCATOR, 5)?;
    /// list.expand_to_capacity();
    /// assert_eq!(*list, [0; 5]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "expandToCapacity")]
    #[track_caller]
    pub fn expand_to_capacity(&mut self)
    where
        T: Default,
    {
        assert!(size_of::<T>() != 0, "ArrayList::expand_to_capacity: elements of 0 bytes; the least is 1");
        let unused = self.vec().capacity() - self.vec().len();
        self.fill_up(unused);
    }

    /// Appends the elements of a slice without allocating.
    ///
    /// # Panics
    /// If the capacity does not suffice.
    ///
    /// Ports `appendSliceAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init_capacity(PAGE_ALLOCATOR, 3)?;
    /// list.append_slice_assume_capacity(b"zig");
    /// assert_eq!(*list, *b"zig");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "appendSliceAssumeCapacity")]
    #[inline]
    #[track_caller]
    pub fn append_slice_assume_capacity(&mut self, items: &[T])
    where
        T: Copy,
    {
        self.assert_capacity("ArrayList::append_slice_assume_capacity", items.len());
        // SAFETY: the line above checked that there is room for the items.
        unsafe { extend_unchecked(self.vec_mut(), items) };
    }

    /// Appends the elements of a slice without allocating, or fails.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the capacity does not suffice, in which case nothing is appended.
    ///
    /// Ports `appendSliceBounded`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init_capacity(PAGE_ALLOCATOR, 3)?;
    /// assert!(list.append_slice_bounded(b"rust").is_err() && list.append_slice_bounded(b"zig").is_ok());
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "appendSliceBounded")]
    pub fn append_slice_bounded(&mut self, items: &[T]) -> Result<(), Error>
    where
        T: Copy,
    {
        if items.len() > self.vec().capacity() - self.vec().len() {
            return Err(Error::OutOfMemory);
        }
        // SAFETY: there is room for the items, as the check above found.
        unsafe { extend_unchecked(self.vec_mut(), items) };
        Ok(())
    }

    /// Appends `n` clones of a value without allocating.
    ///
    /// # Panics
    /// If the capacity does not suffice.
    ///
    /// Ports `appendNTimesAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init_capacity(PAGE_ALLOCATOR, 3)?;
    /// list.append_n_times_assume_capacity(b'-', 3);
    /// assert_eq!(*list, *b"---");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "appendNTimesAssumeCapacity")]
    #[track_caller]
    pub fn append_n_times_assume_capacity(&mut self, value: T, n: usize)
    where
        T: Clone,
    {
        self.assert_capacity("ArrayList::append_n_times_assume_capacity", n);
        let len = self.vec().len();
        self.vec_mut().resize(len + n, value);
    }

    fn insert_slice_in_capacity(&mut self, index: usize, items: &[T])
    where
        T: Copy,
    {
        let vec = self.vec_mut();
        let len = vec.len();
        debug_assert!(items.len() <= vec.capacity() - len && index <= len);
        // SAFETY: `index` is not above `len`.
        let at = unsafe { vec.as_mut_ptr().add(index) };
        // SAFETY: there is room for `items` more.
        let moved = unsafe { at.add(items.len()) };
        // SAFETY: the elements from `index` on, and room for them after the gap.
        unsafe { at.copy_to(moved, len - index) };
        // SAFETY: the gap, which `items`, borrowed by the caller, are not in. Elements are `Copy`: nothing is dropped.
        unsafe { at.copy_from_nonoverlapping(items.as_ptr(), items.len()) };
        // SAFETY: the elements up to the new length are initialised: the gap is filled.
        unsafe { vec.set_len(len + items.len()) };
    }

    /// [`replace_range`](Self::replace_range) without allocating.
    ///
    /// # Panics
    /// If the capacity does not suffice, or the range is not in the list.
    ///
    /// Ports `replaceRangeAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init_capacity(PAGE_ALLOCATOR, 4)?;
    /// list.append_slice_assume_capacity(&[1, 2, 3]);
    /// list.replace_range_assume_capacity(0, 2, &[7, 8, 9]);
    /// assert_eq!(*list, [7, 8, 9, 3]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "replaceRangeAssumeCapacity")]
    #[track_caller]
    pub fn replace_range_assume_capacity(&mut self, start: usize, len: usize, new_items: &[T])
    where
        T: Copy,
    {
        self.assert_range("ArrayList::replace_range_assume_capacity", start, len);
        let additional = new_items.len().saturating_sub(len);
        self.assert_capacity("ArrayList::replace_range_assume_capacity", additional);
        self.replace_in_capacity(start, len, new_items);
    }

    fn replace_in_capacity(&mut self, start: usize, len: usize, new_items: &[T])
    where
        T: Copy,
    {
        let both = len.min(new_items.len());
        self.vec_mut()[start..start + both].copy_from_slice(&new_items[..both]);
        self.insert_slice_in_capacity(start + both, &new_items[both..]);
        // The rest of the old range follows the new one.
        self.vec_mut().drain(start + new_items.len()..start + new_items.len() + (len - both));
    }
}

// ---- text ----

impl<A: api::Allocator, S: Allocates<Vec<u8, A>>> ArrayList<'_, u8, A, S> {
    /// Formats to the end of the list.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], in which case nothing is appended.
    ///
    /// # Panics
    /// As `format!` does, if a `Display` implementation returns an error of its own.
    ///
    /// Ports `print`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut text = ArrayList::init(PAGE_ALLOCATOR);
    /// text.print(format_args!("{}+{}", 1, 2))?;
    /// text.print(format_args!("={}", 3))?;
    /// assert_eq!(*text, *b"1+2=3");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[track_caller]
    pub fn print(&mut self, args: fmt::Arguments<'_>) -> Result<(), Error> {
        let len = self.vec().len();
        let mut writer = Writer { list: self, failed: false };
        let result = fmt::write(&mut writer, args);
        let failed = writer.failed;
        if failed || result.is_err() {
            self.vec_mut().truncate(len);
        }
        match result {
            // A `Display` implementation may ignore the error: then text is missing.
            _ if failed => Err(Error::OutOfMemory),
            Ok(()) => Ok(()),
            Err(fmt::Error) => panic!("ArrayList::print: a Display implementation returned an error"),
        }
    }

    /// Returns a writer that appends to the list: `core::fmt::Write`, and with the feature `std` also
    /// `std::io::Write`.
    ///
    /// Ports `writer`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// use std::io::Write;
    ///
    /// let mut text = ArrayList::init(PAGE_ALLOCATOR);
    /// write!(text.writer(), "{:03}", 7)?;
    /// assert_eq!(*text, *b"007");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn writer(&mut self) -> Writer<'_, Self> {
        Writer { list: self, failed: false }
    }
}

/// Appends what is written to an `ArrayList<u8>`; made by [`writer`](ArrayList::writer).
///
/// Out of memory is `fmt::Error` to `core::fmt::Write`, and an error of the kind `OutOfMemory` to `std::io::Write`.
///
/// ```
/// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
/// use std::fmt::Write;
///
/// let mut text = ArrayList::init(PAGE_ALLOCATOR);
/// write!(text.writer(), "{:03}", 7).unwrap();
/// assert_eq!(*text, *b"007");
/// ```
#[derive(Debug)]
pub struct Writer<'l, L> {
    list: &'l mut L,
    failed: bool,
}

impl<A: api::Allocator, S: Allocates<Vec<u8, A>>> fmt::Write for Writer<'_, ArrayList<'_, u8, A, S>> {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.list.append_slice(text.as_bytes()).map_err(|Error::OutOfMemory| {
            self.failed = true;
            fmt::Error
        })
    }
}

#[cfg(feature = "std")]
impl<A: api::Allocator, S: Allocates<Vec<u8, A>>> std::io::Write for Writer<'_, ArrayList<'_, u8, A, S>> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.list.append_slice(bytes).map_err(|_| std::io::ErrorKind::OutOfMemory)?;
        Ok(bytes.len())
    }

    #[inline]
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// # Safety
/// There is room for one more element.
#[inline(always)]
unsafe fn push_unchecked<T, A: api::Allocator>(vec: &mut Vec<T, A>, item: T) {
    let len = vec.len();
    debug_assert!(len < vec.capacity());
    // SAFETY: there is room for one more, by our caller.
    let end = unsafe { vec.as_mut_ptr().add(len) };
    // SAFETY: the unused place at the end.
    unsafe { end.write(item) };
    // SAFETY: the element at the old length is written.
    unsafe { vec.set_len(len + 1) };
}

/// # Safety
/// There is room for the items.
#[inline(always)]
unsafe fn extend_unchecked<T: Copy, A: api::Allocator>(vec: &mut Vec<T, A>, items: &[T]) {
    let len = vec.len();
    debug_assert!(items.len() <= vec.capacity() - len);
    // SAFETY: there is room for `items`, by our caller.
    let end = unsafe { vec.as_mut_ptr().add(len) };
    // SAFETY: unused places; the items are borrowed, so they are not in the vector, which is borrowed exclusively.
    unsafe { end.copy_from_nonoverlapping(items.as_ptr(), items.len()) };
    // SAFETY: the elements from the old length on are written.
    unsafe { vec.set_len(len + items.len()) };
}
