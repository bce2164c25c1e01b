//! [`Deque`]: a double-ended queue.

use core::fmt;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr;

use allocator_api2_02::alloc as api;
use allocator_api2_02::vec::Vec;

use super::grow;
use super::slot::Slot;
use super::store::{Allocates, Owned, Sealed as _, Store, Unbound};
use super::unmanaged_map::{BoundSlot, Slots};
use crate::allocator::Allocator;
use crate::error::Error;

/// A double-ended queue in a ring buffer: Zig 0.16's `std.Deque(T)`. Zig 0.15.2 has none.
///
/// The ring is the block of an allocator-api2 `Vec`. [`DequeUnmanaged`] is the deque without an allocator, like Zig's;
/// while it is bound to one it has the methods of this page.
///
/// # Guarantees
///
/// - A method that returns an error has no visible effect.
/// - Capacities are Zig's: exactly n elements after `init_capacity(n)`. The deque grows to one and a half times what is
///   needed, plus a cache line's worth of elements.
/// - Dropping the deque drops the elements and frees the memory; dropping one that is unmanaged does nothing.
///
/// # Differences from Zig
///
/// | Zig 0.16 | here |
/// |---|---|
/// | `front`, `back`, `at` copy the element | they return a reference; `at_mut` and so on are `atPtr` |
/// | `initBuffer` | none: bind it to a [`FixedBufferAllocator`](crate::heap::FixedBufferAllocator) |
///
/// Ports `std.Deque` of Zig 0.16.0.
///
/// ```
/// use zigalloc::collections::Deque;
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let mut deque = Deque::init(arena.allocator());
/// deque.push_back(2)?;
/// deque.push_back(3)?;
/// deque.push_front(1)?;
/// assert_eq!((deque.pop_front(), deque.pop_back(), deque.len()), (Some(1), Some(3), 1));
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub struct Deque<'a, T, A = Allocator<'a>, S = Owned<DequeParts<T, A>>>
where
    A: api::Allocator,
    S: Store<DequeParts<T, A>>,
{
    store: S,
    handle: PhantomData<(&'a (), T, A)>,
}

/// A [`Deque`] without an allocator or a lifetime, as [`ArrayListUnmanaged`](super::ArrayListUnmanaged) is for lists.
///
/// ```
/// use zigalloc::collections::DequeUnmanaged;
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let mut deque = DequeUnmanaged::new();
/// // SAFETY: the page allocator, here and below, which is always there.
/// unsafe { deque.with(PAGE_ALLOCATOR) }.push_back(1)?;
/// assert_eq!(deque.pop_front(), Some(1));
/// unsafe { deque.with(PAGE_ALLOCATOR) }.deinit();
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub type DequeUnmanaged<T> = Deque<'static, T, Slot, Unbound<DequeParts<T, Slot>>>;

/// A [`DequeUnmanaged`] that is bound to an allocator.
pub type BoundDeque<'l, T> = Deque<'l, T, Slot, BoundSlot<'l, DequeParts<T, Slot>>>;

/// The parts of a [`Deque`]. Opaque.
pub struct DequeParts<T, A: api::Allocator> {
    /// The ring. The vector's length is its capacity (but for elements of 0 bytes), since growth need not preserve what
    /// is beyond the length. `MaybeUninit` needs no initialisation.
    ring: Vec<MaybeUninit<T>, A>,
    /// The place of the first element: below the capacity, or 0.
    head: usize,
    /// The number of elements, from `head` on and then from the ring's start. At most the capacity.
    len: usize,
}

impl<T, A: api::Allocator> DequeParts<T, A> {
    const fn new(ring: Vec<MaybeUninit<T>, A>) -> DequeParts<T, A> {
        DequeParts { ring, head: 0, len: 0 }
    }

    #[inline(always)]
    fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// The place in the ring of the element at `index`, which is at most the capacity.
    #[inline(always)]
    fn place(&self, index: usize) -> usize {
        let after_head = self.capacity() - self.head;
        if index < after_head { self.head + index } else { index - after_head }
    }

    /// The address of a place of the ring.
    #[inline(always)]
    fn at(&self, place: usize) -> *mut T {
        self.ring.as_ptr().cast_mut().cast::<T>().wrapping_add(place)
    }

    /// The elements in two pieces, the first from the head on: start and length of each.
    #[inline]
    fn pieces(&self) -> [(*mut T, usize); 2] {
        let first = self.len.min(self.capacity() - self.head);
        [(self.at(self.head), first), (self.at(0), self.len - first)]
    }

    fn clear(&mut self) {
        /// Drops a piece, also if dropping the other one panics.
        struct Piece<T>(*mut T, usize);
        impl<T> Drop for Piece<T> {
            fn drop(&mut self) {
                // SAFETY: elements that the deque had, each once.
                unsafe { ptr::slice_from_raw_parts_mut(self.0, self.1).drop_in_place() };
            }
        }
        let [first, second] = self.pieces();
        // Before elements are dropped, which may panic or exit the process.
        (self.head, self.len) = (0, 0);
        let _second = Piece(second.0, second.1);
        drop(Piece(first.0, first.1));
    }

    /// Ensures room for `capacity` elements in total, growing to exactly that.
    fn ensure_precise(&mut self, capacity: usize) -> Result<(), Error> {
        let old_capacity = self.capacity();
        if old_capacity >= capacity {
            return Ok(());
        }
        self.ring.try_reserve_exact(capacity - self.ring.len())?;
        let new_capacity = self.capacity();
        // SAFETY: the capacity; a `MaybeUninit` may be uninitialised.
        unsafe { self.ring.set_len(new_capacity) };
        let first = old_capacity - self.head;
        if first < self.len {
            // The elements go on at the start of the ring: the shorter piece moves, the second to the end of the first
            // if there is room, else the first to the new end.
            let second = self.len - first;
            if first > second && new_capacity - old_capacity > second {
                // SAFETY: the second piece, and unused places of the ring after the first one.
                unsafe { self.at(old_capacity).copy_from_nonoverlapping(self.at(0), second) };
            } else {
                let head = new_capacity - first;
                // SAFETY: the first piece, and the last places of the ring, which are its own or unused.
                unsafe { self.at(head).copy_from(self.at(self.head), first) };
                self.head = head;
            }
        }
        Ok(())
    }
}

impl<T, A: api::Allocator> Drop for DequeParts<T, A> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl<T, A: api::Allocator> fmt::Debug for DequeParts<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DequeParts").finish_non_exhaustive()
    }
}

impl<T> Slots for DequeParts<T, Slot> {
    fn slots(&self) -> impl Iterator<Item = &Slot> {
        core::iter::once(self.ring.allocator())
    }
}

impl<T> DequeUnmanaged<T> {
    /// An empty deque without memory. Zig: `.empty`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let deque = zigalloc::collections::DequeUnmanaged::<u8>::new();
    /// assert_eq!(deque.capacity(), 0);
    /// ```
    #[must_use]
    pub const fn new() -> DequeUnmanaged<T> {
        let parts = DequeParts::new(Vec::new_in(Slot::empty()));
        Deque { store: Unbound(ManuallyDrop::new(parts)), handle: PhantomData }
    }

    /// Binds the deque to its allocator until the result is dropped.
    ///
    /// # Safety
    /// As [`HashMapUnmanaged::with`](super::HashMapUnmanaged::with).
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = zigalloc::collections::DequeUnmanaged::new();
    /// // SAFETY: always this allocator, which is never gone.
    /// unsafe { deque.with(PAGE_ALLOCATOR) }.push_back(1)?;
    /// assert_eq!(deque.front(), Some(&1));
    /// // SAFETY: as above.
    /// unsafe { deque.with(PAGE_ALLOCATOR) }.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub unsafe fn with<'l>(&'l mut self, allocator: impl Into<Allocator<'l>>) -> BoundDeque<'l, T> {
        // SAFETY: the allocator is that of the deque's block, by our caller.
        let store = unsafe { BoundSlot::new(self.store.get_mut(), allocator.into()) };
        Deque { store, handle: PhantomData }
    }
}

impl<T> Default for DequeUnmanaged<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, T, A: api::Allocator> Deque<'a, T, A> {
    /// Creates an empty deque, without allocating.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let deque = Deque::<u8, _>::init(PAGE_ALLOCATOR);
    /// assert_eq!(deque.capacity(), 0);
    /// ```
    pub const fn init(allocator: A) -> Deque<'a, T, A> {
        Deque { store: Owned(DequeParts::new(Vec::new_in(allocator))), handle: PhantomData }
    }

    /// Creates an empty deque with a capacity of exactly `capacity` elements.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `initCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let deque = Deque::<u8, _>::init_capacity(PAGE_ALLOCATOR, 10)?;
    /// assert_eq!(deque.capacity(), 10);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "initCapacity")]
    pub fn init_capacity(allocator: A, capacity: usize) -> Result<Deque<'a, T, A>, Error> {
        let mut deque = Deque::init(allocator);
        deque.ensure_total_capacity_precise(capacity)?;
        Ok(deque)
    }
}

impl<T, A: api::Allocator, S: Allocates<DequeParts<T, A>>> Deque<'_, T, A, S> {
    /// Drops the elements and frees the memory, as dropping a managed deque does.
    ///
    /// Ports `deinit`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// deque.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn deinit(mut self) {
        let parts = self.store.get_mut();
        parts.clear();
        parts.ring.clear();
        // Freeing cannot fail.
        let _ = grow::shrink(&mut parts.ring, 0);
    }

    /// Ensures room for `new_capacity` elements in total. If the deque grows, it gets room for half as many again.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::<u64, _>::init(PAGE_ALLOCATOR);
    /// deque.ensure_total_capacity(10)?;
    /// assert!(deque.capacity() > 15); // 10, half of it, and a cache line's worth
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureTotalCapacity")]
    pub fn ensure_total_capacity(&mut self, new_capacity: usize) -> Result<(), Error> {
        if self.capacity() >= new_capacity {
            return Ok(());
        }
        // That of 0.16, which does not depend on the old one.
        let capacity = new_capacity.saturating_add(new_capacity / 2 + grow::init_capacity::<T>());
        self.store.get_mut().ensure_precise(capacity)
    }

    /// Ensures room for `new_capacity` elements in total. If the deque grows, it grows to exactly that.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureTotalCapacityPrecise`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::<u64, _>::init(PAGE_ALLOCATOR);
    /// deque.ensure_total_capacity_precise(10)?;
    /// assert_eq!(deque.capacity(), 10);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureTotalCapacityPrecise")]
    pub fn ensure_total_capacity_precise(&mut self, new_capacity: usize) -> Result<(), Error> {
        self.store.get_mut().ensure_precise(new_capacity)
    }

    /// Ensures room for `additional_count` more elements, as [`ensure_total_capacity`](Self::ensure_total_capacity).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `ensureUnusedCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// deque.ensure_unused_capacity(100)?;
    /// assert!(deque.capacity() >= 102);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "ensureUnusedCapacity")]
    #[inline]
    pub fn ensure_unused_capacity(&mut self, additional_count: usize) -> Result<(), Error> {
        let minimum = self.len().checked_add(additional_count).ok_or(Error::OutOfMemory)?;
        self.ensure_total_capacity(minimum)
    }

    /// Adds an element at the front.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], in which case the element is dropped.
    ///
    /// Ports `pushFront`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// deque.push_front(0)?;
    /// assert!(deque.iterator().eq(&[0, 1, 2]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "pushFront")]
    #[inline]
    pub fn push_front(&mut self, item: T) -> Result<(), Error> {
        self.ensure_unused_capacity(1)?;
        self.push_front_assume_capacity(item);
        Ok(())
    }

    /// Adds an element at the back.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], in which case the element is dropped.
    ///
    /// Ports `pushBack`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// deque.push_back(3)?;
    /// assert!(deque.iterator().eq(&[1, 2, 3]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "pushBack")]
    #[inline]
    pub fn push_back(&mut self, item: T) -> Result<(), Error> {
        self.ensure_unused_capacity(1)?;
        self.push_back_assume_capacity(item);
        Ok(())
    }

    /// Adds the elements of a slice at the front, in their order.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `pushFrontSlice`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[3])?;
    /// deque.push_front_slice(&[1, 2])?;
    /// assert!(deque.iterator().eq(&[1, 2, 3]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "pushFrontSlice")]
    pub fn push_front_slice(&mut self, items: &[T]) -> Result<(), Error>
    where
        T: Copy,
    {
        self.ensure_unused_capacity(items.len())?;
        items.iter().rev().for_each(|&item| self.push_front_assume_capacity(item));
        Ok(())
    }

    /// Adds the elements of a slice at the back, in their order.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    ///
    /// Ports `pushBackSlice`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1])?;
    /// deque.push_back_slice(&[2, 3])?;
    /// assert!(deque.iterator().eq(&[1, 2, 3]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "pushBackSlice")]
    pub fn push_back_slice(&mut self, items: &[T]) -> Result<(), Error>
    where
        T: Copy,
    {
        self.ensure_unused_capacity(items.len())?;
        items.iter().for_each(|&item| self.push_back_assume_capacity(item));
        Ok(())
    }
}

impl<T, A: api::Allocator, S: Store<DequeParts<T, A>>> Deque<'_, T, A, S> {
    /// The number of elements.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// assert_eq!(deque.len(), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.store.get().len
    }

    /// Returns whether there are no elements.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let deque = Deque::<u8, _>::init(PAGE_ALLOCATOR);
    /// assert!(deque.is_empty());
    /// ```
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of elements that fit without allocating; `usize::MAX` for elements of 0 bytes.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let deque = Deque::<u8, _>::init_capacity(PAGE_ALLOCATOR, 10)?;
    /// assert_eq!(deque.capacity(), 10);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn capacity(&self) -> usize {
        self.store.get().capacity()
    }

    #[inline(always)]
    #[track_caller]
    fn assert_room(&self, function: &str) {
        let (len, capacity) = (self.len(), self.capacity());
        if len == capacity {
            grow::panic_capacity(function, 1, len, capacity);
        }
    }

    /// Adds an element at the front without allocating.
    ///
    /// # Panics
    /// If the capacity is used up.
    ///
    /// Ports `pushFrontAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init_capacity(PAGE_ALLOCATOR, 1)?;
    /// deque.push_front_assume_capacity(7);
    /// assert_eq!(deque.front(), Some(&7));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "pushFrontAssumeCapacity")]
    #[inline]
    #[track_caller]
    pub fn push_front_assume_capacity(&mut self, item: T) {
        self.assert_room("Deque::push_front_assume_capacity");
        let parts = self.store.get_mut();
        let head = if parts.head == 0 { parts.capacity() - 1 } else { parts.head - 1 };
        // SAFETY: a place of the ring before the first element, which is not one of the others: the ring is not full.
        unsafe { parts.at(head).write(item) };
        (parts.head, parts.len) = (head, parts.len + 1);
    }

    /// Adds an element at the back without allocating.
    ///
    /// # Panics
    /// If the capacity is used up.
    ///
    /// Ports `pushBackAssumeCapacity`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init_capacity(PAGE_ALLOCATOR, 1)?;
    /// deque.push_back_assume_capacity(7);
    /// assert_eq!(deque.back(), Some(&7));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "pushBackAssumeCapacity")]
    #[inline]
    #[track_caller]
    pub fn push_back_assume_capacity(&mut self, item: T) {
        self.assert_room("Deque::push_back_assume_capacity");
        let parts = self.store.get_mut();
        // SAFETY: a place of the ring after the last element, which is not one of the others: the ring is not full.
        unsafe { parts.at(parts.place(parts.len)).write(item) };
        parts.len += 1;
    }

    /// Adds an element at the front without allocating, or fails.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the capacity is used up.
    ///
    /// Ports `pushFrontBounded`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init_capacity(PAGE_ALLOCATOR, 1)?;
    /// assert!(deque.push_front_bounded(7).is_ok() && deque.push_front_bounded(8).is_err());
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "pushFrontBounded")]
    pub fn push_front_bounded(&mut self, item: T) -> Result<(), Error> {
        if self.len() == self.capacity() {
            return Err(Error::OutOfMemory);
        }
        self.push_front_assume_capacity(item);
        Ok(())
    }

    /// Adds an element at the back without allocating, or fails.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the capacity is used up.
    ///
    /// Ports `pushBackBounded`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init_capacity(PAGE_ALLOCATOR, 1)?;
    /// assert!(deque.push_back_bounded(7).is_ok() && deque.push_back_bounded(8).is_err());
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "pushBackBounded")]
    pub fn push_back_bounded(&mut self, item: T) -> Result<(), Error> {
        if self.len() == self.capacity() {
            return Err(Error::OutOfMemory);
        }
        self.push_back_assume_capacity(item);
        Ok(())
    }

    /// Removes and returns the first element, or returns `None` if there is none.
    ///
    /// Ports `popFront`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// assert_eq!(deque.pop_front(), Some(1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "popFront")]
    #[inline]
    pub fn pop_front(&mut self) -> Option<T> {
        let parts = self.store.get_mut();
        if parts.len == 0 {
            return None;
        }
        // SAFETY: the first element, which leaves the deque in the next line.
        let item = unsafe { parts.at(parts.head).read() };
        (parts.head, parts.len) = (parts.place(1), parts.len - 1);
        Some(item)
    }

    /// Removes and returns the last element, or returns `None` if there is none.
    ///
    /// Ports `popBack`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// assert_eq!(deque.pop_back(), Some(2));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "popBack")]
    #[inline]
    pub fn pop_back(&mut self) -> Option<T> {
        let parts = self.store.get_mut();
        parts.len = parts.len.checked_sub(1)?;
        // SAFETY: the last element, which is one no more.
        Some(unsafe { parts.at(parts.place(parts.len)).read() })
    }

    /// Drops all elements and keeps the capacity. Not in Zig.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// deque.clear_retaining_capacity();
    /// assert!(deque.is_empty() && deque.capacity() >= 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn clear_retaining_capacity(&mut self) {
        self.store.get_mut().clear();
    }

    /// The first element, or `None` if there is none.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// assert_eq!(deque.front(), Some(&1));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn front(&self) -> Option<&T> {
        self.get(0)
    }

    /// The last element, or `None` if there is none.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// assert_eq!(deque.back(), Some(&2));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn back(&self) -> Option<&T> {
        self.get(self.len().checked_sub(1)?)
    }

    /// The element at an index from the front, or `None`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// assert_eq!((deque.get(1), deque.get(2)), (Some(&2), None));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        let parts = self.store.get();
        // SAFETY: below the length, so an element, which is borrowed as `self` is.
        (index < parts.len).then(|| unsafe { &*parts.at(parts.place(index)) })
    }

    /// The element at an index from the front, mutably, or `None`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// *deque.get_mut(1).unwrap() = 7;
    /// assert_eq!(deque.back(), Some(&7));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let parts = self.store.get_mut();
        // SAFETY: below the length, so an element, which is borrowed as `self` is.
        (index < parts.len).then(|| unsafe { &mut *parts.at(parts.place(index)) })
    }

    /// The element at an index from the front.
    ///
    /// # Panics
    /// If the index is not below the length.
    ///
    /// Ports `at`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// assert_eq!(*deque.at(1), 2);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[track_caller]
    pub fn at(&self, index: usize) -> &T {
        match self.get(index) {
            Some(item) => item,
            None => grow::panic_index("Deque::at", index, self.len()),
        }
    }

    /// The element at an index from the front, mutably.
    ///
    /// # Panics
    /// If the index is not below the length.
    ///
    /// Ports `atPtr`.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// *deque.at_mut(0) = 7;
    /// assert_eq!(deque.front(), Some(&7));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "atPtr")]
    #[track_caller]
    pub fn at_mut(&mut self, index: usize) -> &mut T {
        let len = self.len();
        match self.get_mut(index) {
            Some(item) => item,
            None => grow::panic_index("Deque::at_mut", index, len),
        }
    }

    /// The elements as two slices: from the front to the end of the ring, and the rest from its start.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[2, 3])?;
    /// deque.push_front(1)?;
    /// assert_eq!(deque.as_slices(), (&[1][..], &[2, 3][..]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn as_slices(&self) -> (&[T], &[T]) {
        // SAFETY: the two pieces have all elements, which are borrowed as `self` is.
        let [first, second] =
            self.store.get().pieces().map(|(start, len)| unsafe { core::slice::from_raw_parts(start, len) });
        (first, second)
    }

    /// Iterates over the elements from front to back.
    ///
    /// ```
    /// # use zigalloc::{collections::Deque, heap::PAGE_ALLOCATOR};
    /// let mut deque = Deque::init(PAGE_ALLOCATOR);
    /// deque.push_back_slice(&[1, 2])?;
    /// assert_eq!(deque.iterator().rev().copied().collect::<Vec<_>>(), [2, 1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub fn iterator(&self) -> impl DoubleEndedIterator<Item = &T> {
        let (first, second) = self.as_slices();
        first.iter().chain(second)
    }
}

impl<T: fmt::Debug, A: api::Allocator, S: Store<DequeParts<T, A>>> fmt::Debug for Deque<'_, T, A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iterator()).finish()
    }
}
