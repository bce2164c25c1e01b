//! Going back to an earlier state of an arena.

use core::fmt;
use core::ptr::NonNull;

use super::ArenaAllocator;
use super::node::{NODE_SIZE, Node};
use crate::allocator::{Allocator, AsAllocator, Handle};

/// The state of an arena at one moment, for [`ArenaAllocator::rewind`]: which node was the newest, and how much of it
/// was in use.
///
/// Not in Zig.
///
/// It is `Copy`, since a program may return to the same state more than once:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let empty = arena.checkpoint();
/// for n in 1..10 {
///     arena.allocator().alloc::<u64>(1000 * n)?;
///     // SAFETY: nothing uses the block any more.
///     unsafe { arena.rewind(empty) };
/// }
/// // The largest node is left, for the next blocks.
/// assert!(arena.query_capacity() >= 9000 * 8);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A parser that goes back to try another rule:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::{Error, SyncAllocator};
///
/// type Arena = ArenaAllocator<SyncAllocator<'static>>;
///
/// /// A list of numbers, or else a name. The numbers of a list that fails are given back.
/// fn parse<'t>(arena: &Arena, text: &'t str) -> Result<Result<usize, &'t str>, Error> {
///     let start = arena.checkpoint();
///     let mut count = 0;
///     for word in text.split(' ') {
///         match word.parse::<u64>() {
///             Ok(number) => _ = arena.allocator().create_with(number)?,
///             Err(_) => {
///                 // SAFETY: nothing uses the numbers.
///                 unsafe { arena.rewind(start) };
///                 return Ok(Err(text));
///             }
///         }
///         count += 1;
///     }
///     Ok(Ok(count))
/// }
///
/// let arena = Arena::init(PAGE_ALLOCATOR);
/// assert_eq!(parse(&arena, "1 2 three")?, Err("1 2 three"));
/// let next = arena.allocator().create::<u64>()?;
/// assert_eq!(parse(&arena, "1 2 3")?, Ok(3));
/// let after_three = arena.allocator().create::<u64>()?;
/// assert_eq!(after_three.addr().get() - next.addr().get(), 4 * 8, "the first two numbers take no room");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a checkpoint does nothing by itself; pass it to `rewind`"]
pub struct Checkpoint {
    pub(super) first: Option<NonNull<Node>>,
    pub(super) end_index: usize,
}

/// Rewinds an arena when it is dropped, to its state at the start of the scope; see [`ArenaAllocator::scope`].
///
/// It borrows the arena exclusively. [`allocator`](Scope::allocator) allocates within the scope, and
/// [`scope`](Scope::scope) begins a nested one. A panic ends the scope too, by dropping it. A scope that is leaked
/// (`mem::forget`) rewinds nothing; its blocks then live as long as those of the surrounding scope, or of the arena.
///
/// Not in Zig.
///
/// A handle ends with its scope:
///
/// ```compile_fail,E0505
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let scope = arena.scope();
/// let allocator = scope.allocator();
/// drop(scope);
/// allocator.alloc::<u8>(1).unwrap();
/// ```
///
/// While there is a scope, the arena itself cannot be used:
///
/// ```compile_fail,E0499
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
///
/// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let scope = arena.scope();
/// _ = arena.reset(ResetMode::FreeAll);
/// scope.allocator().alloc::<u8>(1).unwrap();
/// ```
///
/// An early return ends it like any value. So scratch memory of a function needs no `free`; the result is copied out
/// before:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::{Error, SlicePtr, SyncAllocator};
///
/// /// The median of some numbers, which are sorted in a copy.
/// fn median(arena: &mut ArenaAllocator<SyncAllocator<'_>>, numbers: &[i32]) -> Result<Option<i32>, Error> {
///     let scope = arena.scope();
///     let copy = scope.allocator().dupe(numbers)?;
///     // SAFETY: initialised by `dupe`; nothing else uses it.
///     let sorted = unsafe { copy.as_mut_slice() };
///     sorted.sort_unstable();
///     Ok(sorted.get(sorted.len() / 2).copied())
/// }
///
/// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// assert_eq!(median(&mut arena, &[5, 1, 4])?, Some(4));
/// assert_eq!(median(&mut arena, &[])?, None);
/// # Ok::<(), Error>(())
/// ```
#[must_use = "a scope that is dropped at once rewinds nothing"]
pub struct Scope<'a, C: Handle> {
    /// While it is borrowed, it is used only through handles, which only add nodes. So the checkpoint stays valid.
    arena: &'a mut ArenaAllocator<C>,
    checkpoint: Checkpoint,
}

// SAFETY: it is the arena, which may move to another thread, and a pointer to one of the arena's nodes.
unsafe impl<C: Handle + Send> Send for Scope<'_, C> {}

impl<C: Handle> ArenaAllocator<C> {
    /// The arena's present state, to [`rewind`](Self::rewind) to.
    ///
    /// A [`scope`](Self::scope) does the same and is safe, but handles made before it cannot be used after it begins.
    ///
    /// # Panics
    /// During a call of the arena: from code that its child calls, such as a [`Sink`](crate::trace::Sink). (The panic
    /// cannot unwind out of the arena's function, so it aborts the process.)
    ///
    /// Not in Zig.
    ///
    /// A function that allocates several blocks, or none:
    ///
    /// ```
    /// use std::mem::MaybeUninit;
    /// use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator};
    /// use zigalloc::{Error, Handle};
    ///
    /// fn copy_all<C: Handle>(arena: &ArenaAllocator<C>, words: &[&str]) -> Result<(), Error> {
    ///     let checkpoint = arena.checkpoint();
    ///     for word in words {
    ///         if let Err(error) = arena.allocator().dupe_str(word) {
    ///             // SAFETY: nothing uses the copies that were made.
    ///             unsafe { arena.rewind(checkpoint) };
    ///             return Err(error);
    ///         }
    ///     }
    ///     Ok(())
    /// }
    ///
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let arena = ArenaAllocator::init(fixed_buffer.allocator());
    /// assert_eq!(copy_all(&arena, &["word"; 50]), Err(Error::OutOfMemory));
    /// assert_eq!(copy_all(&arena, &["word"; 5]), Ok(()), "the memory is free again");
    /// ```
    #[inline]
    #[track_caller]
    pub fn checkpoint(&self) -> Checkpoint {
        assert!(!self.is_calling(), "ArenaAllocator::checkpoint: called from the arena's own child");
        Checkpoint { first: self.state.first.get(), end_index: self.state.end_index.get() }
    }

    /// Ends all blocks that were allocated since the checkpoint was made. Those from before stay.
    ///
    /// The effect is that of the end of a [`scope`](Self::scope). Handles from before remain valid, and so do
    /// containers with such a handle, if they have not allocated since.
    ///
    /// Not in Zig.
    ///
    /// # Panics
    /// During a call of the arena, as [`checkpoint`](Self::checkpoint).
    ///
    /// # Safety
    ///
    /// This borrows the arena shared, yet ends blocks: the exception in clause validity of the
    /// [contract](crate::VTable#the-contract-of-an-allocator). So the caller must ensure what the borrow does not:
    ///
    /// 1. The checkpoint is this arena's (taking it apart and [promoting](super::State::promote) the state makes no
    ///    difference). Since it was made, the arena has not been [reset](ArenaAllocator::reset), or rewound to an older
    ///    checkpoint; and no destructor has begun a [scope](Self::scope) in the middle of a call, which counts as a
    ///    reset.
    /// 2. Blocks that were allocated since are not used any more, nor passed to the arena again.
    /// 3. A block from before that has grown since has again the length that it had at the checkpoint: the bytes after
    ///    that are not used any more, and it is passed to the arena with that length.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    ///
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let allocator = arena.allocator();
    /// let kept = allocator.create_with(1)?;
    /// let checkpoint = arena.checkpoint();
    /// let first = allocator.alloc::<u8>(100)?;
    /// // SAFETY: the 100 bytes are not used afterwards.
    /// unsafe { arena.rewind(checkpoint) };
    /// assert_eq!(allocator.alloc::<u8>(100)?, first); // the same place again
    /// assert_eq!(unsafe { kept.read() }, 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[track_caller]
    pub unsafe fn rewind(&self, checkpoint: Checkpoint) {
        assert!(!self.is_calling(), "ArenaAllocator::rewind: called from the arena's own child");
        debug_assert!(
            self.knows(checkpoint),
            "ArenaAllocator::rewind: {checkpoint:?} is of another arena, or of nodes that were freed since"
        );
        // SAFETY: the checkpoint is this arena's and still valid, and newer blocks are not used, by our caller. No call
        // is in progress, as asserted.
        unsafe { self.return_to(checkpoint) };
    }

    /// Begins a scope, at whose end all blocks that were allocated in it are freed.
    ///
    /// When the scope is dropped, the arena is as it was:
    ///
    /// - Blocks from before remain valid, with the contents that they have then. One that was freed or shortened in the
    ///   scope stays so, but its memory is not used again before the arena is reset or rewound further. One that has
    ///   grown has its old length again.
    /// - The newest node from before is the newest again, and the next block begins where one would have begun before
    ///   the scope. If the child has extended that node, it keeps its new length.
    /// - Of the nodes that were added, the largest is kept, as a spare one. (If the arena was empty, it is then its only
    ///   node.) The others are freed to the child, newest first.
    ///
    /// A block that does not fit into the newest node is put into the spare one, whether in a scope or not. So a scope
    /// whose blocks fit into one node does not call the child if an earlier one was as large. If the block does not fit
    /// there either, the spare node is freed before the child is asked for a new one. It is also freed, or becomes a
    /// part of what is retained, by [`reset`](ArenaAllocator::reset), and freed on drop. The
    /// [capacity](ArenaAllocator::query_capacity) includes it, and so does [`into_state`](ArenaAllocator::into_state).
    ///
    /// # If the child exits the process
    /// Destructors of thread-local values may then run in the middle of a call of the arena, which does not return. A
    /// scope that begins there finds the arena empty, and one that ends there does nothing: the nodes from before leak,
    /// and blocks from before remain valid. Neither panics.
    ///
    /// Not in Zig.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    ///
    /// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let kept = arena.allocator().create_with(1)?;
    /// for round in 0..1000 {
    ///     let mut scope = arena.scope();
    ///     let text = scope.allocator().print(format_args!("round {round}"))?;
    ///     {
    ///         let inner = scope.scope();
    ///         inner.allocator().alloc::<u64>(10_000)?;
    ///     }
    ///     // SAFETY: `text` is of the outer scope, and initialised.
    ///     assert!(unsafe { text.as_ref() }.starts_with(b"round "));
    /// }
    /// assert_eq!(unsafe { kept.read() }, 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn scope(&mut self) -> Scope<'_, C> {
        self.abandon_call();
        let checkpoint = Checkpoint { first: self.state.first.get(), end_index: self.state.end_index.get() };
        Scope { arena: self, checkpoint }
    }

    /// Whether the checkpoint's node is one of the arena's, and long enough.
    fn knows(&self, checkpoint: Checkpoint) -> bool {
        let mut next = self.state.first.get();
        while let Some(node) = next {
            // SAFETY: nodes of the list are live blocks that begin with their header.
            let header = unsafe { node.read() };
            if checkpoint.first == next {
                return checkpoint.end_index <= header.size - NODE_SIZE;
            }
            next = match header.spare() {
                // SAFETY: as above. No valid checkpoint is of a spare node.
                Some(spare) => unsafe { (*spare.as_ptr()).next() },
                None => header.next(),
            };
        }
        checkpoint.first.is_none()
    }
}

impl<C: Handle> Scope<'_, C> {
    /// A handle to the arena. Blocks that it allocates are freed at the end of the scope.
    ///
    /// Blocks from before the scope are of the same allocator, so this handle can resize and free them.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let scope = arena.scope();
    /// let text = scope.allocator().print(format_args!("{} of {}", 1, 2))?;
    /// assert_eq!(unsafe { text.as_ref() }, b"1 of 2");
    /// drop(scope);
    /// let other = arena.allocator().alloc::<u8>(6)?;
    /// assert_eq!(other.addr(), text.addr(), "the text is gone");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn allocator(&self) -> Allocator<'_> {
        self.arena.allocator()
    }

    /// Begins a scope nested in this one.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let mut outer = arena.scope();
    /// let first = outer.allocator().create_with(1u64)?;
    /// for _ in 0..10 {
    ///     let inner = outer.scope();
    ///     inner.allocator().alloc::<u64>(1000)?;
    /// }
    /// // The next block follows `first` directly, since the inner scopes' memory is free again.
    /// let second = outer.allocator().create_with(2u64)?;
    /// assert_eq!(second.addr().get(), first.addr().get() + 8);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn scope(&mut self) -> Scope<'_, C> {
        if self.arena.is_calling() {
            // The arena is about to become empty, so that is the state to which this scope rewinds.
            self.checkpoint = Checkpoint { first: None, end_index: 0 };
        }
        self.arena.scope()
    }

    /// As [`ArenaAllocator::query_capacity`].
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let scope = arena.scope();
    /// assert_eq!(scope.query_capacity(), 0);
    /// scope.allocator().alloc::<u8>(1000)?;
    /// assert!(scope.query_capacity() >= 1000);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "queryCapacity")]
    pub fn query_capacity(&self) -> usize {
        self.arena.query_capacity()
    }
}

impl<C: Handle> Drop for Scope<'_, C> {
    fn drop(&mut self) {
        if self.arena.is_calling() {
            // The child exits the process, and the call does not return: see `ArenaAllocator::scope`.
            return;
        }
        // SAFETY: 1. The arena has been borrowed since the checkpoint was made, and a nested scope, which borrows this
        // one, only rewinds to a checkpoint of its own. 2. and 3. Handles to the arena borrow this scope, so there are
        // none left: their blocks have ended (validity), as `scope` says.
        unsafe { self.arena.rewind(self.checkpoint) };
    }
}

// SAFETY: 1. See `ArenaAllocator::allocator`; nodes are freed when the scope is dropped, so not while it is borrowed.
// 2. It borrows the arena exclusively, whose own proof holds if this is `Send`. 3. It is not `Sync`. 4. All handles are
// to the same arena.
unsafe impl<C: Handle> AsAllocator for Scope<'_, C> {
    fn allocator(&self) -> Allocator<'_> {
        Scope::allocator(self)
    }
}

impl<C: Handle> fmt::Debug for Scope<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("arena", &self.arena)
            .field("checkpoint", &self.checkpoint)
            .finish_non_exhaustive()
    }
}
