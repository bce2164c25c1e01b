//! What makes an [`ArrayList`] longer.

use core::fmt;

use allocator_api2_02::alloc as api;
use allocator_api2_02::vec::Vec;

use super::array_list::ArrayList;
use super::grow;
use super::store::{Allocates, Store};
use crate::error::Error;

impl<T, A: api::Allocator, S: Allocates<Vec<T, A>>> ArrayList<'_, T, A, S> {
    /// Adds an element at the end.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the element is dropped then.
    ///
    /// Ports `append`.
    #[inline]
    pub fn append(&mut self, item: T) -> Result<(), Error> {
        grow::ensure_unused(self.vec_mut(), 1)?;
        // SAFETY: there is room for one more.
        unsafe { push_unchecked(self.vec_mut(), item) };
        Ok(())
    }

    /// Adds `T::default()` at the end, and returns where it is.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `addOne`.
    #[doc(alias = "addOne")]
    #[inline]
    pub fn add_one(&mut self) -> Result<&mut T, Error>
    where
        T: Default,
    {
        Ok(&mut self.add_many_as_slice(1)?[0])
    }

    /// Puts an element at index `i`; those from there on move down.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the element is dropped then.
    ///
    /// # Panics
    /// If `i` is above the length.
    ///
    /// Ports `insert`.
    #[inline]
    #[track_caller]
    pub fn insert(&mut self, i: usize, item: T) -> Result<(), Error> {
        self.assert_range("ArrayList::insert", i, 0);
        grow::ensure_unused(self.vec_mut(), 1)?;
        self.vec_mut().insert(i, item);
        Ok(())
    }

    /// Adds `n` times `T::default()` at the end, and returns them.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `addManyAsSlice`.
    #[doc(alias = "addManyAsSlice")]
    pub fn add_many_as_slice(&mut self, n: usize) -> Result<&mut [T], Error>
    where
        T: Default,
    {
        grow::ensure_unused(self.vec_mut(), n)?;
        Ok(self.fill_up(n))
    }

    /// Adds `N` times `T::default()` at the end, and returns them.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `addManyAsArray`.
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

    /// Puts `count` times `T::default()` at `index`, and returns them.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If `index` is above the length.
    ///
    /// Ports `addManyAt`.
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

    /// Adds a slice at the end.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `appendSlice`.
    #[doc(alias = "appendSlice")]
    #[inline]
    pub fn append_slice(&mut self, items: &[T]) -> Result<(), Error>
    where
        T: Copy,
    {
        grow::ensure_unused(self.vec_mut(), items.len())?;
        // SAFETY: there is room.
        unsafe { extend_unchecked(self.vec_mut(), items) };
        Ok(())
    }

    /// Adds a value `n` times at the end.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `appendNTimes`.
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

    /// Makes the list `new_len` elements long: drops those beyond, or adds copies of `value`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `resize`, whose new elements are undefined.
    pub fn resize(&mut self, new_len: usize, value: T) -> Result<(), Error>
    where
        T: Clone,
    {
        grow::ensure_total(self.vec_mut(), new_len)?;
        self.vec_mut().resize(new_len, value);
        Ok(())
    }

    /// Puts a slice at `index`; the elements from there on move down.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If `index` is above the length.
    ///
    /// Ports `insertSlice`.
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

    /// Replaces `len` elements from `start` on by a slice of any length.
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

// ---- where there is room ----

impl<T, A: api::Allocator, S: Store<Vec<T, A>>> ArrayList<'_, T, A, S> {
    /// [`append`](Self::append) where there is room.
    ///
    /// # Panics
    /// If there is none.
    ///
    /// Ports `appendAssumeCapacity`.
    #[doc(alias = "appendAssumeCapacity")]
    #[inline]
    #[track_caller]
    pub fn append_assume_capacity(&mut self, item: T) {
        self.assert_capacity("ArrayList::append_assume_capacity", 1);
        // SAFETY: there is room for one more.
        unsafe { push_unchecked(self.vec_mut(), item) };
    }

    /// [`append`](Self::append) that does not allocate.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if there is no room.
    ///
    /// Ports `appendBounded`.
    #[doc(alias = "appendBounded")]
    #[inline]
    pub fn append_bounded(&mut self, item: T) -> Result<(), Error> {
        self.vec_mut().push_within_capacity(item).map_err(|_| Error::OutOfMemory)
    }

    /// [`add_one`](Self::add_one) where there is room.
    ///
    /// # Panics
    /// If there is none.
    ///
    /// Ports `addOneAssumeCapacity`.
    #[doc(alias = "addOneAssumeCapacity")]
    #[track_caller]
    pub fn add_one_assume_capacity(&mut self) -> &mut T
    where
        T: Default,
    {
        self.assert_capacity("ArrayList::add_one_assume_capacity", 1);
        &mut self.fill_up(1)[0]
    }

    /// [`insert`](Self::insert) where there is room.
    ///
    /// # Panics
    /// If there is none, or `i` is above the length.
    ///
    /// Ports `insertAssumeCapacity`.
    #[doc(alias = "insertAssumeCapacity")]
    #[inline]
    #[track_caller]
    pub fn insert_assume_capacity(&mut self, i: usize, item: T) {
        self.assert_range("ArrayList::insert_assume_capacity", i, 0);
        self.assert_capacity("ArrayList::insert_assume_capacity", 1);
        self.vec_mut().insert(i, item);
    }

    /// [`insert`](Self::insert) that does not allocate.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if there is no room.
    ///
    /// # Panics
    /// If `i` is above the length.
    ///
    /// Ports `insertBounded`.
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

    /// [`add_many_as_slice`](Self::add_many_as_slice) where there is room.
    ///
    /// # Panics
    /// If there is not enough.
    ///
    /// Ports `addManyAsSliceAssumeCapacity`.
    #[doc(alias = "addManyAsSliceAssumeCapacity")]
    #[track_caller]
    pub fn add_many_as_slice_assume_capacity(&mut self, n: usize) -> &mut [T]
    where
        T: Default,
    {
        self.assert_capacity("ArrayList::add_many_as_slice_assume_capacity", n);
        self.fill_up(n)
    }

    /// Makes the length the capacity, with `T::default()` as the new elements.
    ///
    /// Ports `expandToCapacity`.
    ///
    /// # Panics
    /// If the elements have no size: the capacity is `usize::MAX`, and the list would never be full.
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

    /// [`append_slice`](Self::append_slice) where there is room.
    ///
    /// # Panics
    /// If there is not enough.
    ///
    /// Ports `appendSliceAssumeCapacity`.
    #[doc(alias = "appendSliceAssumeCapacity")]
    #[inline]
    #[track_caller]
    pub fn append_slice_assume_capacity(&mut self, items: &[T])
    where
        T: Copy,
    {
        self.assert_capacity("ArrayList::append_slice_assume_capacity", items.len());
        // SAFETY: there is room.
        unsafe { extend_unchecked(self.vec_mut(), items) };
    }

    /// [`append_slice`](Self::append_slice) that does not allocate.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if there is not enough room; nothing is added then.
    ///
    /// Ports `appendSliceBounded`.
    #[doc(alias = "appendSliceBounded")]
    pub fn append_slice_bounded(&mut self, items: &[T]) -> Result<(), Error>
    where
        T: Copy,
    {
        if items.len() > self.vec().capacity() - self.vec().len() {
            return Err(Error::OutOfMemory);
        }
        // SAFETY: there is room.
        unsafe { extend_unchecked(self.vec_mut(), items) };
        Ok(())
    }

    /// [`append_n_times`](Self::append_n_times) where there is room.
    ///
    /// # Panics
    /// If there is not enough.
    ///
    /// Ports `appendNTimesAssumeCapacity`.
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
        // SAFETY: the gap is filled.
        unsafe { vec.set_len(len + items.len()) };
    }

    /// [`replace_range`](Self::replace_range) where there is room.
    ///
    /// # Panics
    /// If there is not enough, or the range is not in the list.
    ///
    /// Ports `replaceRangeAssumeCapacity`.
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
    /// [`Error::OutOfMemory`]; the list has none of the text then.
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

    /// A writer to the end of the list: for `write!`, and with the feature `std` for all that takes a
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

/// Writes to the end of an `ArrayList<u8>`; [`writer`](ArrayList::writer) makes it.
///
/// Out of memory is `fmt::Error` to `core::fmt::Write`, and an error of the kind `OutOfMemory` to `std::io::Write`.
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
