//! [`MultiArrayList`]: a struct of arrays.

use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit, replace};
use core::ptr::NonNull;

use allocator_api2_02::alloc as api;

use super::fields::{self, Field, Fields};
use super::grow;
use super::slot::Slot;
use super::store::{Allocates, Owned, Sealed as _, Store, Unbound};
use super::unmanaged_map::{BoundSlot, Slots};
use crate::allocator::Allocator;
use crate::error::Error;

/// A struct of arrays: a list that stores each field of its items in a separate array. Zig's `std.MultiArrayList(T)`.
///
/// All arrays are in one block, the most aligned first. So items have no padding, and iterating over one field does not
/// load the others. Items are tuples, or structs declared with [`fields!`](crate::fields); `list.items::<0>()` is Zig's
/// `list.items(.first)`.
///
/// No maintained library has this layout over an allocator, so the block is managed here.
///
/// [`MultiArrayListUnmanaged`] is the list without an allocator, like Zig's; while it is bound to one it has the
/// methods of this page.
///
/// # Guarantees
///
/// - A method that returns an error has no visible effect.
/// - The layout of the block and the capacities are Zig's: the list grows by half, plus as many items as a cache line
///   has values of the largest field.
/// - Dropping the list drops the items and frees the memory; dropping one that is unmanaged does nothing.
///
/// # Differences from Zig
///
/// | Zig 0.15.2 | here |
/// |---|---|
/// | a field by its name | by its index |
/// | tagged unions, `Slice`, `sort` | none |
/// | `set` overwrites | it returns the old item |
/// | new items of `resize`, `addOne` are undefined | they are a value that is passed; there is no `add_one` |
///
/// Ports `std.MultiArrayList` of Zig 0.15.2.
///
/// ```
/// use zigalloc::collections::MultiArrayList;
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let mut tokens: MultiArrayList<'_, (u8, u32)> = MultiArrayList::init(arena.allocator());
/// tokens.append((b'+', 0))?;
/// tokens.append((b'1', 2))?;
/// tokens.items_mut::<1>()[0] = 7;
/// assert_eq!((tokens.items::<0>(), tokens.get(0)), (&b"+1"[..], (b'+', 7)));
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub struct MultiArrayList<'a, T, A = Allocator<'a>, S = Owned<MultiParts<T, A>>>
where
    T: Fields,
    A: api::Allocator,
    S: Store<MultiParts<T, A>>,
{
    store: S,
    handle: PhantomData<(&'a (), T, A)>,
}

/// A [`MultiArrayList`] without an allocator or a lifetime, as [`ArrayListUnmanaged`](super::ArrayListUnmanaged) is for
/// lists.
///
/// ```
/// use zigalloc::collections::MultiArrayListUnmanaged;
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let mut list = MultiArrayListUnmanaged::<(u8, u64)>::new();
/// // SAFETY: the page allocator, here and below, which is always there.
/// unsafe { list.with(PAGE_ALLOCATOR) }.append((1, 2))?;
/// assert_eq!(list.items::<1>(), [2]);
/// unsafe { list.with(PAGE_ALLOCATOR) }.deinit();
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub type MultiArrayListUnmanaged<T> = MultiArrayList<'static, T, Slot, Unbound<MultiParts<T, Slot>>>;

/// A [`MultiArrayListUnmanaged`] that is bound to an allocator.
pub type BoundMultiArrayList<'l, T> = MultiArrayList<'l, T, Slot, BoundSlot<'l, MultiParts<T, Slot>>>;

/// The parts of a [`MultiArrayList`]. Opaque.
pub struct MultiParts<T: Fields, A: api::Allocator> {
    /// A block of `fields::layout::<T>(capacity)` of the allocator, if that has bytes; else dangling, with its
    /// alignment.
    bytes: NonNull<u8>,
    /// At most the capacity. The first `len` elements of each array are initialised, and make whole items.
    len: usize,
    capacity: usize,
    allocator: A,
    items: PhantomData<(T, T::Types)>,
}

// SAFETY: it owns its items and its allocator, as a vector does. `items` lends fields without their item, so they must
// be `Send` too: an item may be so by a promise about what it does with its fields.
unsafe impl<T: Fields<Types: Send> + Send, A: api::Allocator + Send> Send for MultiParts<T, A> {}
// SAFETY: as above, for shared references.
unsafe impl<T: Fields<Types: Sync> + Sync, A: api::Allocator + Sync> Sync for MultiParts<T, A> {}

impl<T: Fields, A: api::Allocator> MultiParts<T, A> {
    const fn new(allocator: A) -> MultiParts<T, A> {
        MultiParts { bytes: fields::dangling::<T>(), len: 0, capacity: 0, allocator, items: PhantomData }
    }

    /// The array of each field: its start, and the field.
    fn arrays(bytes: NonNull<u8>, capacity: usize) -> impl Iterator<Item = (*mut u8, fields::FieldLayout)> {
        let mut begin = bytes.as_ptr();
        const { fields::order::<T>() }.into_iter().take(T::FIELDS.len()).map(move |i| {
            let field = T::FIELDS[i];
            let array = begin;
            // Within the block, or at its end.
            begin = begin.wrapping_add(field.size * capacity);
            (array, field)
        })
    }

    /// The array of one field.
    #[inline]
    fn array<const I: usize>(&self) -> *mut <T as Field<I>>::Type
    where
        T: Field<I>,
    {
        let before = const { fields::bytes_before::<T, I>() };
        // The arrays before it are as aligned or more, and sizes are multiples of alignments: so it is aligned.
        self.bytes.as_ptr().wrapping_add(before * self.capacity).cast()
    }

    /// Writes the fields of an item to place `i`.
    ///
    /// # Safety
    /// `i` is below the capacity, and what is there is overwritten.
    unsafe fn write(&mut self, i: usize, item: T) {
        let item = ManuallyDrop::new(item);
        let from = (&raw const item).cast::<u8>();
        for (array, field) in Self::arrays(self.bytes, self.capacity) {
            // SAFETY: a place of the array.
            let place = unsafe { array.add(i * field.size) };
            // SAFETY: a field of the item.
            let from = unsafe { from.add(field.offset) };
            // SAFETY: `size` bytes at each, one in the block and one outside it.
            unsafe { place.copy_from_nonoverlapping(from, field.size) };
        }
    }

    /// Reads the fields of the item at place `i`.
    ///
    /// # Safety
    /// `i` is below the length; the item is used once.
    unsafe fn read(&self, i: usize) -> T {
        let mut item = MaybeUninit::<T>::uninit();
        let to = item.as_mut_ptr().cast::<u8>();
        for (array, field) in Self::arrays(self.bytes, self.capacity) {
            // SAFETY: a place of the array.
            let place = unsafe { array.add(i * field.size) };
            // SAFETY: a field of the item.
            let to = unsafe { to.add(field.offset) };
            // SAFETY: `size` bytes at each, one in the block and one outside it.
            unsafe { to.copy_from_nonoverlapping(place, field.size) };
        }
        // SAFETY: an item is its fields, and all have been written.
        unsafe { item.assume_init() }
    }

    /// Moves `count` places of each array from `from` to `to`.
    ///
    /// # Safety
    /// All are below the capacity.
    unsafe fn shift(&mut self, from: usize, to: usize, count: usize) {
        for (array, field) in Self::arrays(self.bytes, self.capacity) {
            let (from, to) = (array.wrapping_add(from * field.size), array.wrapping_add(to * field.size));
            // SAFETY: both ranges are places of this field's array, which has `capacity` of them.
            unsafe { to.copy_from(from, count * field.size) };
        }
    }

    fn truncate(&mut self, len: usize) {
        while self.len > len {
            self.len -= 1;
            // SAFETY: the last item, which is one no more.
            drop(unsafe { self.read(self.len) });
        }
    }

    /// A block for exactly `capacity` items, which is not below the length, with the items in it.
    fn set_capacity(&mut self, capacity: usize) -> Result<(), Error> {
        debug_assert!(capacity >= self.len);
        let layout = fields::layout::<T>(capacity)?;
        let bytes = if layout.size() == 0 {
            fields::dangling::<T>()
        } else {
            self.allocator.allocate(layout)?.cast::<u8>()
        };
        let new = Self::arrays(bytes, capacity);
        for ((from, field), (to, _)) in Self::arrays(self.bytes, self.capacity).zip(new) {
            // SAFETY: as many places of the old array and of the new one, which is in another block.
            unsafe { to.copy_from_nonoverlapping(from, self.len * field.size) };
        }
        // SAFETY: a block for `capacity` items, with those that there are.
        unsafe { self.replace_block(bytes, capacity) };
        Ok(())
    }

    /// Frees the block of a list without items.
    fn free(&mut self) {
        assert!(self.len == 0, "free: {} items are not dropped", self.len);
        // SAFETY: no items and no capacity.
        unsafe { self.replace_block(fields::dangling::<T>(), 0) };
    }

    /// Takes another block, then frees the old one. The list is right when its allocator is called, which may panic, or
    /// exit the process and run the destructor of a thread-local list.
    ///
    /// # Safety
    /// `bytes` is a block for `capacity` items (dangling if that has no bytes), and the first `len` of each array are
    /// the items.
    unsafe fn replace_block(&mut self, bytes: NonNull<u8>, capacity: usize) {
        // The layout exists, since the block does.
        let old_layout = fields::layout::<T>(self.capacity).unwrap_or(Layout::new::<()>());
        let old = replace(&mut self.bytes, bytes);
        self.capacity = capacity;
        if old_layout.size() != 0 {
            // SAFETY: a block of this allocator with its layout, which the list no longer has.
            unsafe { self.allocator.deallocate(old, old_layout) };
        }
    }
}

impl<T: Fields, A: api::Allocator> Drop for MultiParts<T, A> {
    fn drop(&mut self) {
        /// Drops the other items and frees the block if dropping an item panics.
        struct Free<'p, T: Fields, A: api::Allocator>(&'p mut MultiParts<T, A>);
        impl<T: Fields, A: api::Allocator> Drop for Free<'_, T, A> {
            fn drop(&mut self) {
                self.0.truncate(0);
                self.0.free();
            }
        }
        Free(self).0.truncate(0);
    }
}

impl<T: Fields, A: api::Allocator> fmt::Debug for MultiParts<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiParts").finish_non_exhaustive()
    }
}

impl<T: Fields> Slots for MultiParts<T, Slot> {
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        core::iter::once(&self.allocator)
    }
}

impl<T: Fields> MultiArrayListUnmanaged<T> {
    /// An empty list without memory. Zig: `.empty`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let list = zigalloc::collections::MultiArrayListUnmanaged::<(u8, u64)>::new();
    /// assert_eq!(list.capacity(), 0);
    /// ```
    #[must_use]
    pub const fn new() -> MultiArrayListUnmanaged<T> {
        let parts = MultiParts::new(Slot::empty());
        MultiArrayList { store: Unbound(ManuallyDrop::new(parts)), handle: PhantomData }
    }

    /// Binds the list to its allocator until the result is dropped.
    ///
    /// # Safety
    /// As [`HashMapUnmanaged::with`](super::HashMapUnmanaged::with).
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = zigalloc::collections::MultiArrayListUnmanaged::<(u8, u64)>::new();
    /// // SAFETY: always this allocator, which is never gone.
    /// unsafe { list.with(PAGE_ALLOCATOR) }.append((1, 2))?;
    /// assert_eq!(list.get(0), (1, 2));
    /// // SAFETY: as above.
    /// unsafe { list.with(PAGE_ALLOCATOR) }.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub unsafe fn with<'l>(&'l mut self, allocator: impl Into<Allocator<'l>>) -> BoundMultiArrayList<'l, T> {
        // SAFETY: the allocator is that of the list's block, by our caller.
        let store = unsafe { BoundSlot::new(self.store.get_mut(), allocator.into()) };
        MultiArrayList { store, handle: PhantomData }
    }
}

impl<T: Fields> Default for MultiArrayListUnmanaged<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, T: Fields, A: api::Allocator> MultiArrayList<'a, T, A> {
    /// Creates an empty list, without allocating.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// assert_eq!(list.capacity(), 0);
    /// ```
    pub const fn init(allocator: A) -> MultiArrayList<'a, T, A> {
        MultiArrayList { store: Owned(MultiParts::new(allocator)), handle: PhantomData }
    }
}

// ---- without an allocator ----

impl<T: Fields, A: api::Allocator, S: Store<MultiParts<T, A>>> MultiArrayList<'_, T, A, S> {
    /// The number of items.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// assert_eq!(list.len(), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.store.get().len
    }

    /// Returns whether there are no items.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// assert!(list.is_empty());
    /// ```
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of items that fit without allocating.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// assert!(list.capacity() >= 2); // as many as a cache line has values of the larger field
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn capacity(&self) -> usize {
        self.store.get().capacity
    }

    /// The array of one field.
    ///
    /// Ports `items`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// assert_eq!((list.items::<0>(), list.items::<1>()), (&[1, 2][..], &[10, 20][..]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn items<const I: usize>(&self) -> &[<T as Field<I>>::Type]
    where
        T: Field<I>,
    {
        let parts = self.store.get();
        // SAFETY: the first `len` of the array, which the list's borrow keeps.
        unsafe { core::slice::from_raw_parts(parts.array::<I>(), parts.len) }
    }

    /// The array of one field, mutably.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// list.items_mut::<1>().iter_mut().for_each(|number| *number += 1);
    /// assert_eq!(list.get(1), (2, 21));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn items_mut<const I: usize>(&mut self) -> &mut [<T as Field<I>>::Type]
    where
        T: Field<I>,
    {
        let parts = self.store.get_mut();
        // SAFETY: the first `len` of the array, which the list's exclusive borrow keeps.
        unsafe { core::slice::from_raw_parts_mut(parts.array::<I>(), parts.len) }
    }

    /// The arrays of two different fields, mutably.
    ///
    /// ```compile_fail,E0080
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// let (a, b) = list.items_mut_both::<0, 0>();
    /// ```
    pub fn items_mut_both<const I: usize, const J: usize>(
        &mut self,
    ) -> (&mut [<T as Field<I>>::Type], &mut [<T as Field<J>>::Type])
    where
        T: Field<I> + Field<J>,
    {
        const { assert!(I != J, "items_mut_both: the same field twice") };
        let parts = self.store.get_mut();
        // SAFETY: an array of the block, with `len` elements; the list is borrowed exclusively.
        let first = unsafe { core::slice::from_raw_parts_mut(parts.array::<I>(), parts.len) };
        // SAFETY: as above; the two arrays do not overlap.
        let second = unsafe { core::slice::from_raw_parts_mut(parts.array::<J>(), parts.len) };
        (first, second)
    }

    #[track_caller]
    fn assert_index(&self, function: &str, index: usize) {
        if index >= self.len() {
            grow::panic_index(function, index, self.len());
        }
    }

    /// Copies the item at an index.
    ///
    /// # Panics
    /// If the index is not below the length.
    ///
    /// Ports `get`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// assert_eq!(list.get(1), (2, 20));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn get(&self, index: usize) -> T
    where
        T: Copy,
    {
        self.assert_index("MultiArrayList::get", index);
        // SAFETY: an item; a copy can be used as often as one likes.
        unsafe { self.store.get().read(index) }
    }

    /// Replaces the item at an index and returns the old one.
    ///
    /// # Panics
    /// If the index is not below the length.
    ///
    /// Ports `set`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// assert_eq!(list.set(1, (3, 30)), (2, 20));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[track_caller]
    pub fn set(&mut self, index: usize, item: T) -> T {
        self.assert_index("MultiArrayList::set", index);
        let parts = self.store.get_mut();
        // SAFETY: an item, which the next line overwrites.
        let old = unsafe { parts.read(index) };
        // SAFETY: below the length, and the old item was read out of its place.
        unsafe { parts.write(index, item) };
        old
    }

    /// Appends an item without allocating.
    ///
    /// # Panics
    /// If the capacity is used up.
    ///
    /// Ports `appendAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.set_capacity(1)?;
    /// list.append_assume_capacity((1, 10));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "appendAssumeCapacity")]
    #[track_caller]
    pub fn append_assume_capacity(&mut self, item: T) {
        self.insert_in_capacity("MultiArrayList::append_assume_capacity", self.len(), item);
    }

    /// Inserts an item at an index without allocating.
    ///
    /// # Panics
    /// If the capacity is used up, or the index is above the length.
    ///
    /// Ports `insertAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.set_capacity(2)?;
    /// list.insert_assume_capacity(0, (1, 10));
    /// list.insert_assume_capacity(0, (2, 20));
    /// assert_eq!(list.items::<0>(), [2, 1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "insertAssumeCapacity")]
    #[track_caller]
    pub fn insert_assume_capacity(&mut self, index: usize, item: T) {
        self.insert_in_capacity("MultiArrayList::insert_assume_capacity", index, item);
    }

    #[track_caller]
    fn insert_in_capacity(&mut self, function: &str, index: usize, item: T) {
        let (len, capacity) = (self.len(), self.capacity());
        if len == capacity {
            grow::panic_capacity(function, 1, len, capacity);
        }
        if index > len {
            grow::panic_index(function, index, len);
        }
        let parts = self.store.get_mut();
        // SAFETY: there is room for one more.
        unsafe { parts.shift(index, index + 1, len - index) };
        // SAFETY: what was at `index` has moved.
        unsafe { parts.write(index, item) };
        parts.len = len + 1;
    }

    /// Removes and returns the last item, or returns `None` if there is none.
    ///
    /// Ports `pop`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// assert_eq!(list.pop(), Some((2, 20)));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn pop(&mut self) -> Option<T> {
        let parts = self.store.get_mut();
        parts.len = parts.len.checked_sub(1)?;
        // SAFETY: the last item, which is one no more.
        Some(unsafe { parts.read(parts.len) })
    }

    /// Removes and returns the item at an index, shifting those after it.
    ///
    /// # Panics
    /// If the index is not below the length.
    ///
    /// Ports `orderedRemove`, which returns nothing.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// list.append((3, 30))?;
    /// assert_eq!(list.ordered_remove(0), (1, 10));
    /// assert_eq!(list.items::<0>(), [2, 3]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "orderedRemove")]
    #[track_caller]
    pub fn ordered_remove(&mut self, index: usize) -> T {
        self.assert_index("MultiArrayList::ordered_remove", index);
        let parts = self.store.get_mut();
        // SAFETY: an item; the next line overwrites it, or it is the last one and leaves the length.
        let item = unsafe { parts.read(index) };
        // SAFETY: the items after it, which move to its place.
        unsafe { parts.shift(index + 1, index, parts.len - index - 1) };
        parts.len -= 1;
        item
    }

    /// Removes and returns the item at an index, replacing it by the last one.
    ///
    /// # Panics
    /// If the index is not below the length.
    ///
    /// Ports `swapRemove`, which returns nothing.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// list.append((3, 30))?;
    /// assert_eq!(list.swap_remove(0), (1, 10));
    /// assert_eq!(list.items::<0>(), [3, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "swapRemove")]
    #[track_caller]
    pub fn swap_remove(&mut self, index: usize) -> T {
        self.assert_index("MultiArrayList::swap_remove", index);
        let parts = self.store.get_mut();
        // SAFETY: an item; the next line overwrites it, or it is the last one and leaves the length.
        let item = unsafe { parts.read(index) };
        // SAFETY: the last item, which moves to its place.
        unsafe { parts.shift(parts.len - 1, index, 1) };
        parts.len -= 1;
        item
    }

    /// Drops the items from `new_len` on and keeps the capacity.
    ///
    /// # Panics
    /// If `new_len` is above the length.
    ///
    /// Ports `shrinkRetainingCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// list.shrink_retaining_capacity(1);
    /// assert_eq!(list.items::<0>(), [1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "shrinkRetainingCapacity")]
    #[track_caller]
    pub fn shrink_retaining_capacity(&mut self, new_len: usize) {
        if new_len > self.len() {
            grow::panic_index("MultiArrayList::shrink_retaining_capacity", new_len, self.len());
        }
        self.store.get_mut().truncate(new_len);
    }

    /// Drops all items and keeps the capacity.
    ///
    /// Ports `clearRetainingCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// list.clear_retaining_capacity();
    /// assert!(list.is_empty() && list.capacity() >= 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "clearRetainingCapacity")]
    pub fn clear_retaining_capacity(&mut self) {
        self.store.get_mut().truncate(0);
    }
}

// ---- with an allocator ----

impl<'l, T: Fields, A: api::Allocator, S: Allocates<MultiParts<T, A>>> MultiArrayList<'l, T, A, S> {
    /// The capacity after the first growth.
    const INIT_CAPACITY: usize = {
        let (mut n, mut max) = (0, 1);
        while n < T::FIELDS.len() {
            if T::FIELDS[n].size > max {
                max = T::FIELDS[n].size;
            }
            n += 1;
        }
        let items = crate::interface::writer::CACHE_LINE / max;
        if items == 0 { 1 } else { items }
    };

    /// Drops the items and frees the memory, as dropping a managed list does.
    ///
    /// Ports `deinit`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// list.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn deinit(mut self) {
        self.clear_and_free();
    }

    /// Drops the items and frees the memory.
    ///
    /// Ports `clearAndFree`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// list.clear_and_free();
    /// assert_eq!(list.capacity(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "clearAndFree")]
    pub fn clear_and_free(&mut self) {
        let parts = self.store.get_mut();
        parts.truncate(0);
        parts.free();
    }

    /// Ensures room for `new_capacity` items in total. If the list grows, it grows by at least half.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.ensure_total_capacity(9)?;
    /// assert!(list.capacity() >= 9);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureTotalCapacity")]
    pub fn ensure_total_capacity(&mut self, new_capacity: usize) -> Result<(), Error> {
        if self.capacity() >= new_capacity {
            return Ok(());
        }
        let capacity = grow::grown(self.capacity(), new_capacity, Self::INIT_CAPACITY);
        self.store.get_mut().set_capacity(capacity)
    }

    /// Ensures room for `additional_count` more items, as [`ensure_total_capacity`](Self::ensure_total_capacity).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureUnusedCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// list.ensure_unused_capacity(100)?;
    /// assert!(list.capacity() >= 102);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureUnusedCapacity")]
    #[inline]
    pub fn ensure_unused_capacity(&mut self, additional_count: usize) -> Result<(), Error> {
        let minimum = self.len().checked_add(additional_count).ok_or(Error::OutOfMemory)?;
        self.ensure_total_capacity(minimum)
    }

    /// Moves the items to a new block with a capacity of exactly `new_capacity` items.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If it is below the length.
    ///
    /// Ports `setCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// list.set_capacity(2)?;
    /// assert_eq!(list.capacity(), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "setCapacity")]
    #[track_caller]
    pub fn set_capacity(&mut self, new_capacity: usize) -> Result<(), Error> {
        let len = self.len();
        assert!(new_capacity >= len, "MultiArrayList::set_capacity: {new_capacity} for {len} items");
        self.store.get_mut().set_capacity(new_capacity)
    }

    /// Appends an item.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], in which case the item is dropped.
    ///
    /// Ports `append`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// assert_eq!(list.len(), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn append(&mut self, item: T) -> Result<(), Error> {
        self.ensure_unused_capacity(1)?;
        self.append_assume_capacity(item);
        Ok(())
    }

    /// Inserts an item at an index, shifting those after it.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], in which case the item is dropped.
    ///
    /// # Panics
    /// If the index is above the length.
    ///
    /// Ports `insert`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// list.insert(1, (7, 70))?;
    /// assert_eq!(list.items::<0>(), [1, 7, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[track_caller]
    pub fn insert(&mut self, index: usize, item: T) -> Result<(), Error> {
        if index > self.len() {
            grow::panic_index("MultiArrayList::insert", index, self.len());
        }
        self.ensure_unused_capacity(1)?;
        self.insert_assume_capacity(index, item);
        Ok(())
    }

    /// Sets the length to `new_len`: drops the items after it, or appends copies of `item`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `resize`, whose new items are undefined.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.resize(3, (7, 70))?;
    /// assert_eq!(list.items::<0>(), [1, 7, 7]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn resize(&mut self, new_len: usize, item: T) -> Result<(), Error>
    where
        T: Copy,
    {
        self.ensure_total_capacity(new_len)?;
        self.store.get_mut().truncate(new_len);
        while self.len() < new_len {
            self.append_assume_capacity(item);
        }
        Ok(())
    }

    /// Drops the items from `new_len` on and moves the rest to a block of exactly that capacity. If there is no memory
    /// for it, the capacity stays.
    ///
    /// # Panics
    /// If `new_len` is above the length.
    ///
    /// Ports `shrinkAndFree`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// list.shrink_and_free(1);
    /// assert_eq!((list.len(), list.capacity()), (1, 1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "shrinkAndFree")]
    #[track_caller]
    pub fn shrink_and_free(&mut self, new_len: usize) {
        if new_len > self.len() {
            grow::panic_index("MultiArrayList::shrink_and_free", new_len, self.len());
        }
        let parts = self.store.get_mut();
        parts.truncate(new_len);
        // On failure the capacity stays.
        let _ = parts.set_capacity(new_len);
    }

    /// Copies the list to an allocator. The copy's capacity is its length.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `clone`.
    ///
    /// ```
    /// # use zigalloc::{collections::MultiArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = MultiArrayList::<(u8, u64), _>::init(PAGE_ALLOCATOR);
    /// list.append((1, 10))?;
    /// list.append((2, 20))?;
    /// let copy = list.clone_with_allocator(PAGE_ALLOCATOR)?;
    /// assert_eq!((copy.items::<1>(), copy.capacity()), (&[10, 20][..], 2));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn clone_with_allocator<'b, B: api::Allocator>(
        &self,
        allocator: B,
    ) -> Result<MultiArrayList<'b, T, B>, Error>
    where
        T: Copy,
    {
        let mut copy = MultiArrayList::init(allocator);
        copy.set_capacity(self.len())?;
        (0..self.len()).for_each(|i| copy.append_assume_capacity(self.get(i)));
        Ok(copy)
    }
}

impl<T: Fields + Copy + fmt::Debug, A: api::Allocator, S: Store<MultiParts<T, A>>> fmt::Debug
    for MultiArrayList<'_, T, A, S>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..self.len()).map(|i| self.get(i))).finish()
    }
}
