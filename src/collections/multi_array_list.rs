//! [`MultiArrayList`]: an array for each field. See the type.

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

/// A list of items that holds each field in an array of its own: Zig's `std.MultiArrayList(T)`.
///
/// One block has the arrays one after the other, the most aligned first, so there is no padding between items, and to
/// go through one field touches no other. Items are tuples, or structs declared with [`fields!`](crate::fields);
/// `list.items::<0>()` is Zig's `list.items(.first)`.
///
/// Neither allocator-api2 nor hashbrown has arrays side by side in one block, so the block is managed here.
///
/// [`MultiArrayListUnmanaged`] is the list without an allocator, as Zig's is; while it is bound to one it has all the
/// methods of this page.
///
/// # Guarantees
///
/// - A method that returns an error has changed nothing that can be seen.
/// - The layout of the block and the growth of the capacity are Zig's: by half and as many items as the largest field has
///   in a cache line.
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
#[doc(alias = "std.MultiArrayList")]
pub struct MultiArrayList<'a, T, A = Allocator<'a>, S = Owned<MultiParts<T, A>>>
where
    T: Fields,
    A: api::Allocator,
    S: Store<MultiParts<T, A>>,
{
    store: S,
    handle: PhantomData<(&'a (), T, A)>,
}

/// A [`MultiArrayList`] without an allocator and without a lifetime. See
/// [`ArrayListUnmanaged`](super::ArrayListUnmanaged), which is the same for lists.
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

/// What a [`MultiArrayList`] is made of. Opaque.
pub struct MultiParts<T: Fields, A: api::Allocator> {
    /// A block of `fields::layout::<T>(capacity)` of the allocator, if that has bytes; else dangling, with its alignment.
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

    /// The array of each field: where it begins, and what of the item it is.
    fn arrays(bytes: NonNull<u8>, capacity: usize) -> impl Iterator<Item = (*mut u8, fields::FieldLayout)> {
        let mut begin = bytes.as_ptr();
        fields::order::<T>().into_iter().take(T::FIELDS.len()).map(move |i| {
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

    /// Takes an item to pieces, into place `i`.
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

    /// The item at place `i`, put together.
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
            // SAFETY: places of the array.
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
    /// A list without items and without memory. Zig: `.empty`.
    #[must_use]
    pub const fn new() -> MultiArrayListUnmanaged<T> {
        let parts = MultiParts::new(Slot::empty());
        MultiArrayList { store: Unbound(ManuallyDrop::new(parts)), handle: PhantomData }
    }

    /// Binds the list to its allocator, until the result is dropped.
    ///
    /// # Safety
    /// As [`HashMapUnmanaged::with`](super::HashMapUnmanaged::with).
    pub unsafe fn with<'l>(&'l mut self, allocator: impl Into<Allocator<'l>>) -> BoundMultiArrayList<'l, T> {
        // SAFETY: the caller's facts.
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
    /// An empty list, which has no memory yet.
    pub const fn init(allocator: A) -> MultiArrayList<'a, T, A> {
        MultiArrayList { store: Owned(MultiParts::new(allocator)), handle: PhantomData }
    }
}

// ---- what needs no allocator ----

impl<T: Fields, A: api::Allocator, S: Store<MultiParts<T, A>>> MultiArrayList<'_, T, A, S> {
    /// How many items there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.store.get().len
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many items there is room for.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.store.get().capacity
    }

    /// The array of one field.
    ///
    /// Ports `items`.
    #[inline]
    pub fn items<const I: usize>(&self) -> &[<T as Field<I>>::Type]
    where
        T: Field<I>,
    {
        let parts = self.store.get();
        // SAFETY: the first `len` of the array, which the list's borrow keeps.
        unsafe { core::slice::from_raw_parts(parts.array::<I>(), parts.len) }
    }

    /// The array of one field, to be changed.
    #[inline]
    pub fn items_mut<const I: usize>(&mut self) -> &mut [<T as Field<I>>::Type]
    where
        T: Field<I>,
    {
        let parts = self.store.get_mut();
        // SAFETY: the first `len` of the array, which the list's exclusive borrow keeps.
        unsafe { core::slice::from_raw_parts_mut(parts.array::<I>(), parts.len) }
    }

    /// The arrays of two fields, to be changed at once. The same field twice does not compile.
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

    /// A copy of the item at an index.
    ///
    /// # Panics
    /// If the index is not below the length.
    ///
    /// Ports `get`.
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

    /// Replaces the item at an index, and returns the old one.
    ///
    /// # Panics
    /// If the index is not below the length.
    ///
    /// Ports `set`.
    #[track_caller]
    pub fn set(&mut self, index: usize, item: T) -> T {
        self.assert_index("MultiArrayList::set", index);
        let parts = self.store.get_mut();
        // SAFETY: an item, which the next line overwrites.
        let old = unsafe { parts.read(index) };
        // SAFETY: its place.
        unsafe { parts.write(index, item) };
        old
    }

    /// [`append`](MultiArrayList::append) where there is room.
    ///
    /// # Panics
    /// If there is none.
    ///
    /// Ports `appendAssumeCapacity`.
    #[doc(alias = "appendAssumeCapacity")]
    #[track_caller]
    pub fn append_assume_capacity(&mut self, item: T) {
        self.insert_in_capacity("MultiArrayList::append_assume_capacity", self.len(), item);
    }

    /// [`insert`](MultiArrayList::insert) where there is room.
    ///
    /// # Panics
    /// If there is none, or the index is above the length.
    ///
    /// Ports `insertAssumeCapacity`.
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

    /// Removes and returns the last item.
    ///
    /// Ports `pop`.
    pub fn pop(&mut self) -> Option<T> {
        let parts = self.store.get_mut();
        parts.len = parts.len.checked_sub(1)?;
        // SAFETY: the last item, which is one no more.
        Some(unsafe { parts.read(parts.len) })
    }

    /// Removes and returns the item at an index; those after it move up.
    ///
    /// # Panics
    /// If the index is not below the length.
    ///
    /// Ports `orderedRemove`, which returns nothing.
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

    /// Removes and returns the item at an index; the last one takes its place.
    ///
    /// # Panics
    /// If the index is not below the length.
    ///
    /// Ports `swapRemove`, which returns nothing.
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

    /// Drops the items from `new_len` on; the capacity stays.
    ///
    /// # Panics
    /// If `new_len` is above the length.
    ///
    /// Ports `shrinkRetainingCapacity`.
    #[doc(alias = "shrinkRetainingCapacity")]
    #[track_caller]
    pub fn shrink_retaining_capacity(&mut self, new_len: usize) {
        if new_len > self.len() {
            grow::panic_index("MultiArrayList::shrink_retaining_capacity", new_len, self.len());
        }
        self.store.get_mut().truncate(new_len);
    }

    /// Drops the items; the capacity stays.
    ///
    /// Ports `clearRetainingCapacity`.
    #[doc(alias = "clearRetainingCapacity")]
    pub fn clear_retaining_capacity(&mut self) {
        self.store.get_mut().truncate(0);
    }
}

// ---- what allocates or frees ----

impl<'l, T: Fields, A: api::Allocator, S: Allocates<MultiParts<T, A>>> MultiArrayList<'l, T, A, S> {
    /// How many items the first growth is for.
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

    /// Ends the list: drops the items and frees the memory. Dropping a managed list does the same.
    ///
    /// Ports `deinit`.
    pub fn deinit(mut self) {
        self.clear_and_free();
    }

    /// Drops the items and frees the memory.
    ///
    /// Ports `clearAndFree`.
    #[doc(alias = "clearAndFree")]
    pub fn clear_and_free(&mut self) {
        let parts = self.store.get_mut();
        parts.truncate(0);
        parts.free();
    }

    /// Room for `new_capacity` items, and some more if the list must grow.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacity`.
    #[doc(alias = "ensureTotalCapacity")]
    pub fn ensure_total_capacity(&mut self, new_capacity: usize) -> Result<(), Error> {
        if self.capacity() >= new_capacity {
            return Ok(());
        }
        let capacity = grow::grown(self.capacity(), new_capacity, Self::INIT_CAPACITY);
        self.store.get_mut().set_capacity(capacity)
    }

    /// Room for `additional_count` items more than there are.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureUnusedCapacity`.
    #[doc(alias = "ensureUnusedCapacity")]
    #[inline]
    pub fn ensure_unused_capacity(&mut self, additional_count: usize) -> Result<(), Error> {
        let minimum = self.len().checked_add(additional_count).ok_or(Error::OutOfMemory)?;
        self.ensure_total_capacity(minimum)
    }

    /// Room for exactly `new_capacity` items, in a new block.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// # Panics
    /// If it is below the length.
    ///
    /// Ports `setCapacity`.
    #[doc(alias = "setCapacity")]
    #[track_caller]
    pub fn set_capacity(&mut self, new_capacity: usize) -> Result<(), Error> {
        let len = self.len();
        assert!(new_capacity >= len, "MultiArrayList::set_capacity: {new_capacity} for {len} items");
        self.store.get_mut().set_capacity(new_capacity)
    }

    /// Adds an item at the end.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the item is dropped then.
    ///
    /// Ports `append`.
    #[inline]
    pub fn append(&mut self, item: T) -> Result<(), Error> {
        self.ensure_unused_capacity(1)?;
        self.append_assume_capacity(item);
        Ok(())
    }

    /// Puts an item at an index; those from there on move down.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the item is dropped then.
    ///
    /// # Panics
    /// If the index is above the length.
    ///
    /// Ports `insert`.
    #[track_caller]
    pub fn insert(&mut self, index: usize, item: T) -> Result<(), Error> {
        if index > self.len() {
            grow::panic_index("MultiArrayList::insert", index, self.len());
        }
        self.ensure_unused_capacity(1)?;
        self.insert_assume_capacity(index, item);
        Ok(())
    }

    /// Makes the list `new_len` items long: drops those beyond, or adds copies of `item`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `resize`, whose new items are undefined.
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

    /// Drops the items from `new_len` on, and moves the others to a block of that length. If there is no memory for it,
    /// the capacity stays.
    ///
    /// # Panics
    /// If `new_len` is above the length.
    ///
    /// Ports `shrinkAndFree`.
    #[doc(alias = "shrinkAndFree")]
    #[track_caller]
    pub fn shrink_and_free(&mut self, new_len: usize) {
        if new_len > self.len() {
            grow::panic_index("MultiArrayList::shrink_and_free", new_len, self.len());
        }
        let parts = self.store.get_mut();
        parts.truncate(new_len);
        // The capacity is then what it was, which is right too.
        let _ = parts.set_capacity(new_len);
    }

    /// A copy in another allocator, whose capacity is the length.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `clone`.
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
