//! [`ArrayList`]: a growable list.

use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use allocator_api2_02::alloc as api;
use allocator_api2_02::boxed::Box;
use allocator_api2_02::vec::Vec;

use super::grow;
use super::no_allocator::NoAllocator;
use super::store::{Owned, Store, Unbound};
use super::unmanaged_list::ArrayListUnmanaged;
use crate::allocator::Allocator;
use crate::error::Error;
use crate::slice::SentinelSlice;

/// A growable list that carries its allocator: Zig's managed list, `std.array_list.Managed(T)`.
///
/// A layer over allocator-api2's `Vec`, with Zig's names and growth, that returns an error where `Vec` aborts. It
/// dereferences to a slice, for indexing, iterating, sorting and searching. [`ArrayListUnmanaged`] is the list without
/// an allocator, Zig 0.15's `std.ArrayList(T)`. Bound to one, it is an `ArrayList` with another `S` and has the
/// methods of this page.
///
/// # Guarantees
///
/// - A method that returns an error has no visible effect: the elements, their addresses and the capacity stay.
/// - Capacities are Zig's: exactly n elements after `init_capacity(n)` and `ensure_total_capacity_precise(n)`. The list
///   grows by half plus a cache line's worth of elements, repeatedly until the request fits.
/// - Dropping the list drops the elements and frees the memory. [`to_owned_slice`](Self::to_owned_slice) leaves an
///   empty list, which frees nothing.
/// - `…_assume_capacity` panics in every build where Zig's safe modes do.
///
/// # Differences from Zig
///
/// | Zig 0.15.2 | here |
/// |---|---|
/// | new elements of `resize`, `addOne`, `addMany…`, `expandToCapacity` are undefined | they are clones of an argument, or `T::default()`; to skip writing them, use [`unused_capacity_slice`](Self::unused_capacity_slice) |
/// | `replaceRange` and `print` may write a part before memory runs out | they write all or nothing |
/// | `list.items` is a field | the list dereferences to the slice |
/// | slices are copied as bytes | methods that take a slice require `T: Copy` |
/// | `initBuffer` | none: bind the list to a [`FixedBufferAllocator`](crate::heap::FixedBufferAllocator) |
/// | over-aligned lists, `Aligned(T, alignment)` | none: align the element |
/// | the capacity for zero-sized elements is what was requested | it is always `usize::MAX` |
///
/// Ports `std.array_list.Managed` of Zig 0.15.2, and what `std.ArrayList` has beyond it.
///
/// ```
/// use zigalloc::collections::ArrayList;
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let mut list = ArrayList::init(arena.allocator());
/// list.append(1)?;
/// list.append_slice(&[2, 3, 4])?;
/// assert_eq!(list.ordered_remove(0), 1);
/// assert_eq!(list.swap_remove(0), 2);
/// assert_eq!(*list, [4, 3]);
/// let owned = list.to_owned_slice()?;
/// assert_eq!((&*owned, list.capacity()), (&[4, 3][..], 0));
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub struct ArrayList<'a, T, A = Allocator<'a>, S = Owned<Vec<T, A>>>
where
    A: api::Allocator,
    S: Store<Vec<T, A>>,
{
    store: S,
    handle: PhantomData<(&'a (), T, A)>,
}

impl<'a, T, A: api::Allocator> ArrayList<'a, T, A> {
    /// Creates an empty list, without allocating.
    ///
    /// Ports `init`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let list = ArrayList::<u8, _>::init(PAGE_ALLOCATOR);
    /// assert_eq!((list.len(), list.capacity()), (0, 0));
    /// ```
    #[inline]
    pub const fn init(allocator: A) -> ArrayList<'a, T, A> {
        ArrayList::from_vec(Vec::new_in(allocator))
    }

    /// Creates an empty list with a capacity of exactly `num` elements.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `initCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let list = ArrayList::<u8, _>::init_capacity(PAGE_ALLOCATOR, 10)?;
    /// assert_eq!((list.len(), list.capacity()), (0, 10));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "initCapacity")]
    #[inline]
    pub fn init_capacity(allocator: A, num: usize) -> Result<ArrayList<'a, T, A>, Error> {
        let mut list = ArrayList::init(allocator);
        list.ensure_total_capacity_precise(num)?;
        Ok(list)
    }

    /// Turns a box into a list with the same block. The capacity is the length.
    ///
    /// Ports `fromOwnedSlice`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let list = ArrayList::from_owned_slice(PAGE_ALLOCATOR.dupe_owned(&[1, 2, 3])?);
    /// assert_eq!((list.len(), list.capacity()), (3, 3));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "fromOwnedSlice")]
    #[inline]
    pub fn from_owned_slice(slice: Box<[T], A>) -> ArrayList<'a, T, A> {
        ArrayList::from_vec(slice.into_vec())
    }

    /// Turns a block with a sentinel into a list. The sentinel's place becomes unused capacity.
    ///
    /// # Safety
    /// `slice` is a live block of `allocator`, with initialised elements and no other owner.
    ///
    /// Ports `fromOwnedSliceSentinel`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let text = PAGE_ALLOCATOR.dupe_z(b"zig")?;
    /// // SAFETY: a live block of this allocator, with initialised elements and no other owner.
    /// let list = unsafe { ArrayList::from_owned_slice_sentinel(PAGE_ALLOCATOR, text) };
    /// assert_eq!((&*list, list.capacity()), (&b"zig"[..], 4));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "fromOwnedSliceSentinel")]
    pub unsafe fn from_owned_slice_sentinel(allocator: A, slice: SentinelSlice<T>) -> ArrayList<'a, T, A> {
        let (ptr, len) = (slice.as_ptr(), slice.len());
        // SAFETY: a block of `len + 1` elements of this allocator with `T`'s alignment; `len` of them are initialised.
        ArrayList::from_vec(unsafe { Vec::from_raw_parts_in(ptr, len, len + 1, allocator) })
    }

    /// Wraps a vector of allocator-api2.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// use zigalloc::collections::Vec;
    ///
    /// let list = ArrayList::from_vec(Vec::<u8, _>::new_in(PAGE_ALLOCATOR));
    /// assert!(list.is_empty());
    /// ```
    #[inline]
    pub const fn from_vec(vec: Vec<T, A>) -> ArrayList<'a, T, A> {
        ArrayList { store: Owned(vec), handle: PhantomData }
    }

    /// Returns the vector inside, for methods that this type lacks.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 1, 2])?;
    /// let mut vec = list.into_vec();
    /// vec.dedup();
    /// assert_eq!(vec, [1, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn into_vec(self) -> Vec<T, A> {
        self.store.0
    }

    /// Moves the elements and their block to an unmanaged list. This list is empty afterwards.
    ///
    /// The result has no destructor: bind it to the allocator again, or it leaks.
    ///
    /// # Safety
    /// The block stays valid while the result uses it: the allocator is not dropped or reset before the last use of the
    /// result, whose type does not have the allocator's lifetime. (Dropping the result is no use.)
    ///
    /// Ports `moveToUnmanaged`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// // SAFETY: this allocator is never gone.
    /// let mut unmanaged = unsafe { list.move_to_unmanaged() };
    /// assert_eq!((&*unmanaged, list.len()), (&[1, 2][..], 0));
    /// // SAFETY: the allocator that the block is from.
    /// unsafe { unmanaged.with(PAGE_ALLOCATOR) }.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// The elements can be read without a binding, so in safe code the result could outlive its arena:
    ///
    /// ```compile_fail,E0133
    /// # use zigalloc::{collections::ArrayList, heap::{ArenaAllocator, PAGE_ALLOCATOR}};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let mut list = ArrayList::init(arena.allocator());
    /// list.append(1)?;
    /// let unmanaged = list.move_to_unmanaged();
    /// drop(arena);
    /// assert_eq!(*unmanaged, [1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "moveToUnmanaged")]
    #[inline]
    pub unsafe fn move_to_unmanaged(&mut self) -> ArrayListUnmanaged<T>
    where
        A: Clone,
    {
        let (ptr, len, capacity, _allocator) = self.take_vec().into_raw_parts_with_alloc();
        // SAFETY: the parts of a vector, whose block stays valid by our caller; `NoAllocator` takes any block.
        let vec = unsafe { Vec::from_raw_parts_in(ptr, len, capacity, NoAllocator) };
        ArrayList::from_store(Unbound(ManuallyDrop::new(vec)))
    }
}

impl<T, A: api::Allocator, S: Store<Vec<T, A>>> ArrayList<'_, T, A, S> {
    #[inline(always)]
    pub(super) const fn from_store(store: S) -> Self {
        ArrayList { store, handle: PhantomData }
    }

    #[inline(always)]
    pub(super) fn vec(&self) -> &Vec<T, A> {
        self.store.get()
    }

    #[inline(always)]
    pub(super) fn vec_mut(&mut self) -> &mut Vec<T, A> {
        self.store.get_mut()
    }

    // ---- reading ----

    /// The elements as a slice: Zig's field `items`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// assert_eq!(list.items(), [1, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn items(&self) -> &[T] {
        self.vec()
    }

    /// The elements as a mutable slice.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// list.items_mut()[0] = 7;
    /// assert_eq!(*list, [7, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline(always)]
    pub fn items_mut(&mut self) -> &mut [T] {
        self.vec_mut()
    }

    /// The number of elements that fit without allocating; `usize::MAX` for elements of 0 bytes.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let list = ArrayList::<u8, _>::init_capacity(PAGE_ALLOCATOR, 10)?;
    /// assert_eq!(list.capacity(), 10);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn capacity(&self) -> usize {
        self.vec().capacity()
    }

    /// The last element.
    ///
    /// # Panics
    /// If the list is empty.
    ///
    /// Ports `getLast`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// assert_eq!(*list.get_last(), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "getLast")]
    #[inline]
    #[track_caller]
    pub fn get_last(&self) -> &T {
        match self.vec().last() {
            Some(last) => last,
            None => panic!("ArrayList::get_last: the list is empty"),
        }
    }

    /// The last element, or `None` if the list is empty.
    ///
    /// Ports `getLastOrNull`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let list = ArrayList::<u8, _>::init(PAGE_ALLOCATOR);
    /// assert_eq!(list.get_last_or_null(), None);
    /// ```
    #[doc(alias = "getLastOrNull")]
    #[inline]
    pub fn get_last_or_null(&self) -> Option<&T> {
        self.vec().last()
    }

    /// The whole block: the elements and the unused capacity after them.
    ///
    /// Ports `allocatedSlice`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::<u8, _>::init_capacity(PAGE_ALLOCATOR, 10)?;
    /// assert_eq!(list.allocated_slice().len(), 10);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "allocatedSlice")]
    #[inline]
    pub fn allocated_slice(&mut self) -> NonNull<[T]> {
        let (capacity, vec) = (self.capacity(), self.vec_mut());
        // SAFETY: a vector's pointer is not null.
        NonNull::slice_from_raw_parts(unsafe { NonNull::new_unchecked(vec.as_mut_ptr()) }, capacity)
    }

    /// The unused capacity. Elements written to it join the list through [`set_len`](Self::set_len).
    ///
    /// Ports `unusedCapacitySlice`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::<u8, _>::init_capacity(PAGE_ALLOCATOR, 10)?;
    /// list.append_assume_capacity(1);
    /// assert_eq!(list.unused_capacity_slice().len(), 9);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "unusedCapacitySlice")]
    #[inline]
    pub fn unused_capacity_slice(&mut self) -> &mut [MaybeUninit<T>] {
        self.vec_mut().spare_capacity_mut()
    }

    /// Sets the length, without dropping or writing elements. Zig: `list.items.len = len`.
    ///
    /// # Safety
    /// `len` is not above the capacity, and the elements up to there are initialised. Elements beyond it are
    /// not dropped.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::<u8, _>::init_capacity(PAGE_ALLOCATOR, 100)?;
    /// list.unused_capacity_slice()[0].write(1);
    /// // SAFETY: one element has been written.
    /// unsafe { list.set_len(1) };
    /// assert_eq!(*list, [1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity(), "ArrayList::set_len: {len} of {}", self.capacity());
        // SAFETY: the elements up to `len` are initialised and within the capacity, by our caller.
        unsafe { self.vec_mut().set_len(len) };
    }

    /// Panics unless there is room for `additional` more elements.
    #[inline(always)]
    #[track_caller]
    pub(super) fn assert_capacity(&self, function: &str, additional: usize) {
        let (len, capacity) = (self.vec().len(), self.vec().capacity());
        if additional > capacity - len {
            grow::panic_capacity(function, additional, len, capacity);
        }
    }

    /// Panics unless `range` is within the list.
    #[inline(always)]
    #[track_caller]
    pub(super) fn assert_range(&self, function: &str, start: usize, count: usize) {
        if start.checked_add(count).is_none_or(|end| end > self.vec().len()) {
            panic!("{function}: {count} elements from index {start} of a length of {}", self.vec().len());
        }
    }

    // ---- removing ----

    /// Removes and returns the last element, or returns `None` if the list is empty.
    ///
    /// Ports `pop`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2])?;
    /// assert_eq!((list.pop(), list.pop(), list.pop()), (Some(2), Some(1), None));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        self.vec_mut().pop()
    }

    /// Removes and returns the element at `i`, shifting those after it.
    ///
    /// # Panics
    /// If `i` is not below the length.
    ///
    /// Ports `orderedRemove`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2, 3])?;
    /// assert_eq!(list.ordered_remove(0), 1);
    /// assert_eq!(*list, [2, 3]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "orderedRemove")]
    #[inline]
    #[track_caller]
    pub fn ordered_remove(&mut self, i: usize) -> T {
        if i >= self.vec().len() {
            grow::panic_index("ArrayList::ordered_remove", i, self.vec().len());
        }
        self.vec_mut().remove(i)
    }

    /// Removes the elements at `sorted_indexes`, in one pass. The indices ascend and may repeat.
    ///
    /// # Panics
    /// If an index is below the one before it, or is not below the length. Nothing is removed then.
    ///
    /// Ports `orderedRemoveMany`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[10, 11, 12, 13])?;
    /// list.ordered_remove_many(&[0, 2]);
    /// assert_eq!(*list, [11, 13]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "orderedRemoveMany")]
    #[track_caller]
    pub fn ordered_remove_many(&mut self, sorted_indexes: &[usize]) {
        if let Some(pair) = sorted_indexes.windows(2).find(|pair| pair[0] > pair[1]) {
            panic!("ArrayList::ordered_remove_many: index {} is after {}", pair[1], pair[0]);
        }
        match sorted_indexes.last() {
            Some(&last) if last >= self.vec().len() => {
                grow::panic_index("ArrayList::ordered_remove_many", last, self.vec().len())
            }
            _ => {}
        }
        let (mut index, mut rest) = (0, sorted_indexes);
        self.vec_mut().retain(|_| {
            let removed = rest.first() == Some(&index);
            while rest.first() == Some(&index) {
                rest = &rest[1..];
            }
            index += 1;
            !removed
        });
    }

    /// Removes and returns the element at `i`, replacing it by the last one.
    ///
    /// # Panics
    /// If `i` is not below the length.
    ///
    /// Ports `swapRemove`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2, 3])?;
    /// assert_eq!(list.swap_remove(0), 1);
    /// assert_eq!(*list, [3, 2]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "swapRemove")]
    #[inline]
    #[track_caller]
    pub fn swap_remove(&mut self, i: usize) -> T {
        if i >= self.vec().len() {
            grow::panic_index("ArrayList::swap_remove", i, self.vec().len());
        }
        self.vec_mut().swap_remove(i)
    }

    /// Drops the elements from `new_len` on and keeps the capacity.
    ///
    /// # Panics
    /// If `new_len` is above the length.
    ///
    /// Ports `shrinkRetainingCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2, 3])?;
    /// list.shrink_retaining_capacity(1);
    /// assert_eq!(*list, [1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "shrinkRetainingCapacity")]
    #[inline]
    #[track_caller]
    pub fn shrink_retaining_capacity(&mut self, new_len: usize) {
        self.assert_range("ArrayList::shrink_retaining_capacity", 0, new_len);
        self.vec_mut().truncate(new_len);
    }

    /// Drops all elements and keeps the capacity.
    ///
    /// Ports `clearRetainingCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayList, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayList::init(PAGE_ALLOCATOR);
    /// list.append_slice(&[1, 2, 3])?;
    /// list.clear_retaining_capacity();
    /// assert!(list.is_empty() && list.capacity() >= 3);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "clearRetainingCapacity")]
    #[inline]
    pub fn clear_retaining_capacity(&mut self) {
        self.vec_mut().clear();
    }
}

impl<T, A: api::Allocator, S: Store<Vec<T, A>>> Deref for ArrayList<'_, T, A, S> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        self.vec()
    }
}

impl<T, A: api::Allocator, S: Store<Vec<T, A>>> DerefMut for ArrayList<'_, T, A, S> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        self.vec_mut()
    }
}

impl<T: fmt::Debug, A: api::Allocator, S: Store<Vec<T, A>>> fmt::Debug for ArrayList<'_, T, A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T, A: api::Allocator> IntoIterator for ArrayList<'_, T, A> {
    type Item = T;
    type IntoIter = allocator_api2_02::vec::IntoIter<T, A>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

impl<'r, T, A: api::Allocator, S: Store<Vec<T, A>>> IntoIterator for &'r ArrayList<'_, T, A, S> {
    type Item = &'r T;
    type IntoIter = core::slice::Iter<'r, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'r, T, A: api::Allocator, S: Store<Vec<T, A>>> IntoIterator for &'r mut ArrayList<'_, T, A, S> {
    type Item = &'r mut T;
    type IntoIter = core::slice::IterMut<'r, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}
