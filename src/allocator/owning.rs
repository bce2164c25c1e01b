//! Handles that own their allocator.

use alloc::rc::Rc;
use alloc::sync::Arc;
use core::fmt;

use super::{Allocator, AsAllocator};

/// A handle that keeps its allocator alive: an [`Rc`] or an [`Arc`] of it.
///
/// An [`Allocator`] borrows its allocator, so what stores the handle cannot outlive it, nor stand in one struct with it.
/// An `OwningHandle` has no lifetime. It implements the container traits of [`adapters`](crate::adapters), so a
/// container owns its arena, together with every other container that has a clone of the handle. The last of them frees
/// the arena.
///
/// It is one word, and cloning it counts up. `Rc` is for one thread. A handle with an `Arc` can be sent to another if
/// its allocator is `Send` and `Sync`, as a [`SharedArenaAllocator`](crate::heap::SharedArenaAllocator), a
/// [`DebugAllocator`](crate::heap::DebugAllocator) over a `SyncAllocator` and an arena in an
/// [`OwnedThreadSafeAllocator`](crate::OwnedThreadSafeAllocator) are.
///
/// (The traits are not implemented for `Rc` and `Arc` themselves, because Rust does not allow a crate to implement
/// another's trait for a type of a third.)
///
/// # An arena and what lives in it in one struct
///
/// Zig's `std.json.Parsed` stores a pointer to an arena beside the value that was allocated in it. Here the value's
/// containers have clones of the handle. The struct has no lifetime and no `unsafe`, and it can be moved:
///
#[cfg_attr(all(feature = "std", feature = "allocator-api2-02"), doc = "```")]
#[cfg_attr(not(all(feature = "std", feature = "allocator-api2-02")), doc = "```ignore")]
/// use std::rc::Rc;
/// use allocator_api2_02::vec::Vec;
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::{OwningHandle, SyncAllocator};
///
/// type Arena = OwningHandle<Rc<ArenaAllocator<SyncAllocator<'static>>>>;
///
/// enum Value {
///     Number(f64),
///     List(Vec<Value, Arena>),
/// }
///
/// struct Parsed {
///     value: Value,
///     arena: Arena,
/// }
///
/// fn parse(text: &str) -> Result<Parsed, std::num::ParseFloatError> {
///     let arena = OwningHandle::new(Rc::new(ArenaAllocator::init(PAGE_ALLOCATOR)));
///     let mut list = Vec::new_in(arena.clone());
///     for number in text.split(',') {
///         list.push(Value::Number(number.trim().parse()?)); // an error frees the arena
///     }
///     Ok(Parsed { value: Value::List(list), arena })
/// }
///
/// let parsed = Box::new(parse("1, 2.5, 4")?); // moved
/// let Value::List(list) = &parsed.value else { panic!() };
/// assert!(matches!(list[1], Value::Number(2.5)));
/// assert!(parsed.arena.get().query_capacity() > 0);
/// # Ok::<(), std::num::ParseFloatError>(())
/// ```
///
/// The destructor of the value still runs, element by element; to skip it, store the value in a `ManuallyDrop`: its
/// blocks are freed with the arena.
///
/// Not in Zig, where the programmer keeps the arena alive.
///
/// The arena is freed with the last clone:
///
/// ```
/// use std::rc::{Rc, Weak};
/// use zigalloc::{AsAllocator, OwningHandle, SyncAllocator, heap::ArenaAllocator};
///
/// let arena = Rc::new(ArenaAllocator::init(SyncAllocator::FAILING));
/// let watch: Weak<_> = Rc::downgrade(&arena);
/// let (first, second) = (OwningHandle::new(arena.clone()), OwningHandle::new(arena));
/// drop(first);
/// assert!(watch.upgrade().is_some());
/// assert!(second.allocator().alloc::<u8>(1).is_err(), "its child refuses everything");
/// drop(second);
/// assert!(watch.upgrade().is_none());
/// assert_eq!(size_of::<OwningHandle<Rc<ArenaAllocator<SyncAllocator<'_>>>>>(), size_of::<usize>());
/// ```
#[derive(Clone)]
pub struct OwningHandle<P> {
    owner: P,
}

/// A pointer that an [`OwningHandle`] can hold: an `Rc` or an `Arc` of an allocator.
///
/// The trait is sealed. What its implementers have in common is that the allocator does not move, is shared with all
/// clones, and cannot be borrowed exclusively while there is another clone.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::rc::Rc;
/// use zigalloc::heap::PageAllocator;
/// use zigalloc::{AllocatorOwner, AsAllocator, OwningHandle};
///
/// /// Whether an owner's allocator has a block of `len` bytes.
/// fn serves<P: AllocatorOwner>(handle: &OwningHandle<P>, len: usize) -> bool {
///     let memory = handle.allocator().alloc::<u8>(len);
///     // SAFETY: a live block, not used afterwards.
///     memory.map(|memory| unsafe { handle.allocator().free(memory) }).is_ok()
/// }
/// assert!(serves(&OwningHandle::new(Rc::new(PageAllocator)), 100));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not own an allocator that it shares with its clones",
    label = "not an `Rc` or an `Arc` of an allocator",
    note = "write `OwningHandle::new(Rc::new(allocator))`, or `Arc` for several threads"
)]
pub trait AllocatorOwner: Clone + sealed::Sealed {
    /// The allocator's type.
    type Target: AsAllocator;

    /// The allocator.
    #[doc(hidden)]
    fn target(&self) -> &Self::Target;
}

impl<A: AsAllocator> AllocatorOwner for Rc<A> {
    type Target = A;

    #[inline(always)]
    fn target(&self) -> &A {
        self
    }
}

impl<A: AsAllocator> AllocatorOwner for Arc<A> {
    type Target = A;

    #[inline(always)]
    fn target(&self) -> &A {
        self
    }
}

mod sealed {
    use super::{Arc, Rc};

    pub trait Sealed {}
    impl<A> Sealed for Rc<A> {}
    impl<A> Sealed for Arc<A> {}
}

impl<P: AllocatorOwner> OwningHandle<P> {
    /// Makes a handle of an `Rc` or an `Arc`, which may have other clones.
    ///
    /// Containers in several threads that own one arena:
    ///
    #[cfg_attr(all(feature = "std", feature = "allocator-api2-02"), doc = "```")]
    #[cfg_attr(not(all(feature = "std", feature = "allocator-api2-02")), doc = "```ignore")]
    /// use std::sync::Arc;
    /// use hashbrown::HashMap;
    /// use zigalloc::OwningHandle;
    /// use zigalloc::heap::{PAGE_ALLOCATOR, SharedArenaAllocator};
    ///
    /// let arena = OwningHandle::new(Arc::new(SharedArenaAllocator::init(PAGE_ALLOCATOR)));
    /// let maps = [1, 2, 3].map(|n| {
    ///     let mut map = HashMap::new_in(arena.clone());
    ///     std::thread::spawn(move || {
    ///         map.insert(n, n * n);
    ///         map
    ///     })
    /// });
    /// drop(arena);
    /// let sum: i32 = maps.into_iter().flat_map(|thread| thread.join().unwrap().into_values()).sum();
    /// assert_eq!(sum, 14);
    /// ```
    #[must_use]
    #[inline]
    pub const fn new(owner: P) -> OwningHandle<P> {
        OwningHandle { owner }
    }

    /// The allocator.
    ///
    /// ```
    /// # use std::rc::Rc;
    /// # use zigalloc::{OwningHandle, SyncAllocator, heap::ArenaAllocator};
    /// let arena = OwningHandle::new(Rc::new(ArenaAllocator::init(SyncAllocator::FAILING)));
    /// assert_eq!(arena.get().query_capacity(), 0);
    /// ```
    #[must_use]
    #[inline]
    pub fn get(&self) -> &P::Target {
        self.owner.target()
    }

    /// Returns the `Rc` or `Arc`. If it has no other clones, `get_mut` and `try_unwrap` give exclusive access: every
    /// container in the allocator has a clone, so there is none.
    ///
    #[cfg_attr(all(feature = "std", feature = "allocator-api2-02"), doc = "```")]
    #[cfg_attr(not(all(feature = "std", feature = "allocator-api2-02")), doc = "```ignore")]
    /// # use std::rc::Rc;
    /// # use zigalloc::{OwningHandle, heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode}};
    /// let arena = OwningHandle::new(Rc::new(ArenaAllocator::init(PAGE_ALLOCATOR)));
    /// let number = allocator_api2_02::boxed::Box::new_in(42, arena.clone());
    /// let mut owner = arena.into_inner();
    /// assert!(Rc::get_mut(&mut owner).is_none());
    /// drop(number);
    /// let arena = Rc::get_mut(&mut owner).expect("nothing is left in the arena");
    /// assert!(arena.reset(ResetMode::RetainCapacity));
    /// ```
    #[must_use]
    #[inline]
    pub fn into_inner(self) -> P {
        self.owner
    }
}

// SAFETY: 1. The owner keeps the allocator where it is, and its handle keeps the contract while `self` is borrowed. 2.
// If `Rc` or `Arc` is `Send` (the latter is if the allocator is `Send` and `Sync`), any thread may call the allocator at
// any time. 3. `Sync` requires the same. 4. The handles are made from one allocator, which is not borrowed exclusively
// while this owner exists.
unsafe impl<P: AllocatorOwner> AsAllocator for OwningHandle<P> {
    #[inline(always)]
    fn allocator(&self) -> Allocator<'_> {
        self.owner.target().allocator()
    }
}

/// Shows the allocator's handle.
impl<P: AllocatorOwner> fmt::Debug for OwningHandle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwningHandle").field(&self.allocator()).finish()
    }
}
