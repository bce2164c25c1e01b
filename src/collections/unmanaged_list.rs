//! [`ArrayListUnmanaged`]: a list without an allocator.

use core::fmt;
use core::mem::{self, ManuallyDrop};

use allocator_api2_02::alloc as api;
use allocator_api2_02::vec::Vec;

use super::array_list::ArrayList;
use super::no_allocator::NoAllocator;
use super::store::{Allocates, Sealed, Unbound};
use crate::allocator::Allocator;

/// A growable list without an allocator or a lifetime, three words long: Zig 0.15's `std.ArrayList(T)`.
///
/// It can be a field beside the arena that its elements are in. [`with`](Self::with) binds it to an allocator for as
/// long as the result lives: an [`ArrayList`] with all its methods. Methods that neither allocate nor free need no
/// binding: the list dereferences to a slice, and has `pop`, `append_assume_capacity` and so on.
///
/// # Guarantees
///
/// Those of [`ArrayList`], except that dropping does nothing, as in Zig, since there is no allocator. Either bind the
/// list and call [`deinit`](ArrayList::deinit), or let the arena free it, which does not drop the elements.
///
/// # Why `with` is unsafe
///
/// The allocator must be the same each time, and the list's block still live. No type expresses either, and comparing
/// handles would not check it: an arena that was reset, or a new one at the same address, has the same two words. So
/// the program states it, once, where the two fields meet. Everything else is safe. Even `mem::swap` of two bound
/// lists is: it swaps what they are bound to as well.
///
/// Ports `std.ArrayList` (`std.array_list.Aligned`) of Zig 0.15.2.
///
/// ```
/// use zigalloc::Error;
/// use zigalloc::collections::{ArrayListUnmanaged, BoundArrayList};
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::SyncAllocator;
///
/// struct Parser {
///     arena: ArenaAllocator<SyncAllocator<'static>>,
///     lines: ArrayListUnmanaged<u32>,
/// }
///
/// impl Parser {
///     /// The one `unsafe` block: every change goes through here.
///     fn lines(&mut self) -> BoundArrayList<'_, u32> {
///         // SAFETY: always this arena, which is never reset; it is private, and ends with the list.
///         unsafe { self.lines.with(self.arena.allocator()) }
///     }
///
///     fn parse(&mut self, text: &str) -> Result<(), Error> {
///         for line in text.lines() {
///             self.lines().append(line.len() as u32)?;
///         }
///         Ok(())
///     }
/// }
///
/// let mut parser = Parser { arena: ArenaAllocator::init(PAGE_ALLOCATOR), lines: ArrayListUnmanaged::EMPTY };
/// parser.parse("one\nthree")?;
/// assert_eq!(*parser.lines, [3, 5]);
/// # Ok::<(), Error>(())
/// ```
pub type ArrayListUnmanaged<T> = ArrayList<'static, T, NoAllocator, Unbound<Vec<T, NoAllocator>>>;

/// An [`ArrayListUnmanaged`] that is bound to an allocator: what [`with`](ArrayListUnmanaged::with) returns.
pub type BoundArrayList<'l, T, A = Allocator<'l>> = ArrayList<'l, T, A, Bound<'l, T, A>>;

impl<T> ArrayListUnmanaged<T> {
    /// A list without elements and without memory.
    ///
    /// Ports `empty`.
    pub const EMPTY: ArrayListUnmanaged<T> =
        ArrayList::from_store(Unbound(ManuallyDrop::new(Vec::new_in(NoAllocator))));

    /// An empty list without memory: [`EMPTY`](Self::EMPTY).
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayListUnmanaged, heap::PAGE_ALLOCATOR};
    /// let list = ArrayListUnmanaged::<u8>::new();
    /// assert_eq!(list.capacity(), 0);
    /// ```
    #[must_use]
    #[inline]
    pub const fn new() -> ArrayListUnmanaged<T> {
        ArrayListUnmanaged::EMPTY
    }

    /// Binds the list to its allocator until the result is dropped.
    ///
    /// If the result is leaked (`mem::forget`), this list is empty, and its elements and block leak.
    ///
    /// # Safety
    /// - If the list has a block, it is from `allocator`: the same handle, or another handle to the same state.
    /// - Its blocks stay valid while the list uses them: the allocator is not dropped or reset before the last use of
    ///   the list. (Dropping the list is no use.)
    ///
    /// Zig passes the allocator to each function.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayListUnmanaged, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayListUnmanaged::EMPTY;
    /// // SAFETY: always this allocator, which is never gone.
    /// unsafe { list.with(PAGE_ALLOCATOR) }.append(1)?;
    /// assert_eq!(*list, [1]);
    /// // SAFETY: as above.
    /// unsafe { list.with(PAGE_ALLOCATOR) }.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub unsafe fn with<A: api::Allocator>(&mut self, allocator: A) -> BoundArrayList<'_, T, A> {
        // SAFETY: the allocator is that of the list's block, by our caller.
        ArrayList::from_store(unsafe { self.bind(allocator) })
    }

    /// # Safety
    /// As [`with`](Self::with).
    #[inline]
    unsafe fn bind<A: api::Allocator>(&mut self, allocator: A) -> Bound<'_, T, A> {
        let home = self.vec_mut();
        let (ptr, len, capacity, _) =
            mem::replace(home, Vec::new_in(NoAllocator)).into_raw_parts_with_alloc();
        // SAFETY: the parts of a vector, whose allocator this is.
        let vec = unsafe { Vec::from_raw_parts_in(ptr, len, capacity, allocator) };
        Bound { vec: ManuallyDrop::new(vec), home }
    }

    /// Moves the elements and their block to a managed list. This list is empty afterwards.
    ///
    /// # Safety
    /// As [`with`](Self::with), where the list is the result.
    ///
    /// Ports `toManaged`.
    ///
    /// ```
    /// # use zigalloc::{collections::ArrayListUnmanaged, heap::PAGE_ALLOCATOR};
    /// let mut list = ArrayListUnmanaged::EMPTY;
    /// // SAFETY: always this allocator, which is never gone.
    /// unsafe { list.with(PAGE_ALLOCATOR) }.append(1)?;
    /// // SAFETY: as above.
    /// let managed = unsafe { list.to_managed(PAGE_ALLOCATOR) };
    /// assert_eq!((&*managed, list.len()), (&[1][..], 0));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "toManaged")]
    pub unsafe fn to_managed<'a, A: api::Allocator>(&mut self, allocator: A) -> ArrayList<'a, T, A> {
        // SAFETY: the allocator is that of the list's block, by our caller.
        let mut bound = unsafe { self.bind(allocator) };
        // SAFETY: the vector is not used any more: `bound` is forgotten, and the list in its place is empty.
        let vec = unsafe { ManuallyDrop::take(&mut bound.vec) };
        mem::forget(bound);
        ArrayList::from_vec(vec)
    }
}

impl<T> Default for ArrayListUnmanaged<T> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The store of a bound list; see [`ArrayListUnmanaged::with`]. Dropping it moves the list back.
pub struct Bound<'l, T, A: api::Allocator> {
    vec: ManuallyDrop<Vec<T, A>>,
    home: &'l mut Vec<T, NoAllocator>,
}

impl<T, A: api::Allocator> Allocates<Vec<T, A>> for Bound<'_, T, A> {}

// SAFETY: the field, which is private.
unsafe impl<T, A: api::Allocator> Sealed<Vec<T, A>> for Bound<'_, T, A> {
    #[inline(always)]
    fn get(&self) -> &Vec<T, A> {
        &self.vec
    }
    #[inline(always)]
    fn get_mut(&mut self) -> &mut Vec<T, A> {
        &mut self.vec
    }
}

impl<T, A: api::Allocator> Drop for Bound<'_, T, A> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it is not used any more.
        let vec = unsafe { ManuallyDrop::take(&mut self.vec) };
        let (ptr, len, capacity, _allocator) = vec.into_raw_parts_with_alloc();
        // SAFETY: the parts of a vector; `NoAllocator` takes any block.
        *self.home = unsafe { Vec::from_raw_parts_in(ptr, len, capacity, NoAllocator) };
    }
}

impl<T: fmt::Debug, A: api::Allocator> fmt::Debug for Bound<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bound").field(&self.vec.as_slice()).finish()
    }
}
