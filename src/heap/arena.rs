//! An allocator whose blocks are freed all at once.
//!
//! # Layout
//!
//! The arena is its child's handle and a [`State`] of two words: a list of nodes, newest first, and how much of the
//! newest is in use. A node is the header of a block from the child: two words, 16 bytes in this picture, 8 on 32-bit
//! targets.
//!
//! ```text
//!   first ──▶ ┌──────┬──────┬───────────┬───┬──────────┬───────────────┐
//!             │ size │ next │   block   │pad│  block   │     free      │
//!             └──────┴──┬───┴───────────┴───┴──────────┴───────────────┘
//!                       │   0                          end_index       size - 16
//!                       ▼
//!             ┌──────┬──────┬──────────────────────────────────────────┐
//!             │ size │ null │  blocks, then an unused tail             │
//!             └──────┴──────┴──────────────────────────────────────────┘
//! ```
//!
//! `alloc` moves `end_index` past the padding and the block. When a request does not fit, the arena takes the spare node
//! that a [`scope`](ArenaAllocator::scope) has left, if there is one and the request fits there. Otherwise it asks the
//! child to [`resize`](crate::VTable::resize) the newest node to exactly what is needed, and takes a new node only if
//! that fails. A new node has room for the request, its alignment and the previous node, and half of that again. If the
//! child refuses that, the arena asks once more, for room for this request alone:
//!
//! ```text
//!   wanted = previous capacity + request + alignment + header + 16
//!   size   = wanted + wanted / 2
//!   or     = header + the most padding that the alignment can need + request
//! ```
//!
//! A child may exit the process, and destructors of thread-local values may then use this arena or drop it. So the list
//! is valid whenever the child is called: it is empty, headed by a marker node of zero capacity, or (in `rewind`)
//! already rewound.
//!
//! Ports `lib/std/heap/arena_allocator.zig` of Zig 0.15.2, the single-threaded one. (Zig 0.16 made the arena lock-free:
//! [`SharedArenaAllocator`](super::SharedArenaAllocator).) See its [differences](crate::guide::differences#arenas), and
//! [threads and forks](super#threads-and-forks).

mod checkpoint;
mod child;
mod node;
mod spare;

use core::cell::Cell;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

pub use checkpoint::{Checkpoint, Scope};
use node::{NODE_SIZE, Node, is_last, place};

use crate::alignment::Alignment;
use crate::allocator::{Allocator, AsAllocator, Handle};
use crate::vtable::{VTable, state};

/// An allocator whose blocks are freed all at once.
///
/// Allocating adds to an index and compares; memory comes from the child in blocks that grow by half. Freeing a block
/// does nothing, unless it is the last one, which can also be resized in place. All memory returns to the child by
/// [`reset`](Self::reset), [`deinit`](Self::deinit) or drop, and the newest part of it at the end of a
/// [`scope`](Self::scope). Destructors of what is in the blocks do not run.
///
/// Use it for work whose allocations end together: a request, a frame, a pass of a compiler. For several threads, put
/// a [`ThreadSafeAllocator`](crate::ThreadSafeAllocator) around it, or use a
/// [`SharedArenaAllocator`](super::SharedArenaAllocator).
///
/// `C` is the child's [`Handle`]: an [`Allocator`], a [`SyncAllocator`](crate::SyncAllocator), or a type such as
/// `PageAllocator`. The arena's own handles are for one thread. It is `Send` unless the child is an `Allocator`.
///
/// After a `fork` in the arena's thread, the child process has a working copy of it. If another thread was in the
/// middle of a call, the copy is in whatever state that call had left it, and must not be used.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
///
/// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// for round in 0..3 {
///     let allocator = arena.allocator();
///     for n in 1..100 {
///         allocator.alloc::<u64>(n)?; // the reset frees these
///     }
///     assert!(arena.reset(ResetMode::RetainCapacity));
/// }
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Ports `std.heap.ArenaAllocator` of Zig 0.15.2.
///
/// A server that handles each request in an arena. Nothing is freed one by one, and after the first request nothing is
/// asked of the child:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
/// use zigalloc::trace::CountingAllocator;
/// use zigalloc::{Allocator, Error, SlicePtr};
///
/// /// The response lives as long as the arena is not reset.
/// fn respond<'a>(arena: Allocator<'a>, request: &str) -> Result<&'a [u8], Error> {
///     let (method, path) = request.split_once(' ').unwrap_or(("GET", request));
///     let name = arena.dupe_str(path.trim_start_matches('/'))?;
///     // SAFETY: the copy is live and initialised, and so is the text. Both last for the borrow of the arena.
///     unsafe { Ok(arena.print(format_args!("{method}: {}", name.as_ref()))?.as_slice()) }
/// }
///
/// let below = CountingAllocator::init(PAGE_ALLOCATOR);
/// let mut arena = ArenaAllocator::init(below.allocator());
/// for (request, response) in [("GET /index", &b"GET: index"[..]), ("PUT /a", b"PUT: a"), ("/b", b"GET: b")] {
///     assert_eq!(respond(arena.allocator(), request)?, response);
///     assert!(arena.reset(ResetMode::RetainCapacity));
/// }
/// assert_eq!(below.snapshot().alloc.calls, 1);
/// # Ok::<(), Error>(())
/// ```
///
/// What an arena never does: it does not reuse the memory of a block that is not the last.
///
/// ```
/// # use std::mem::MaybeUninit;
/// # use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator};
/// let mut buffer = [MaybeUninit::uninit(); 1000];
/// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let arena = ArenaAllocator::init(fixed_buffer.allocator());
/// let allocator = arena.allocator();
/// let (first, second) = (allocator.alloc::<u8>(100)?, allocator.alloc::<u8>(100)?);
/// // SAFETY: live blocks, not used afterwards.
/// unsafe { allocator.free(first) };
/// assert_ne!(allocator.alloc::<u8>(100)?.addr(), first.addr());
/// unsafe { allocator.free(second) };
/// assert_ne!(allocator.alloc::<u8>(100)?.addr(), second.addr(), "it was not the last any more");
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.ArenaAllocator")]
pub struct ArenaAllocator<C: Handle> {
    child_allocator: C,
    state: State,
}

/// An arena without its child's handle, to store many arenas over one child.
///
/// Dropping a state that has nodes leaks them. It is not the [`State`](super::shared_arena::State) of the shared arena.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let memory = arena.allocator().create_with(42)?;
/// let state = arena.into_state();
/// // SAFETY: the same child.
/// let arena = unsafe { state.promote(PAGE_ALLOCATOR) };
/// assert_eq!(unsafe { memory.read() }, 42);
/// # drop(arena);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Two words for each document instead of four, when thousands share one child:
///
/// ```
/// # use zigalloc::{SyncAllocator, heap::{ArenaAllocator, arena::State}};
/// assert_eq!(size_of::<State>(), 2 * size_of::<usize>());
/// assert_eq!(size_of::<ArenaAllocator<SyncAllocator<'_>>>(), 4 * size_of::<usize>());
/// ```
#[doc(alias = "std.heap.ArenaAllocator.State")]
#[derive(Debug, Default)]
pub struct State {
    /// The newest node. Each node is a live block of the child, as long as its header says; the head may be the mark of
    /// a call.
    first: Cell<Option<NonNull<Node>>>,
    /// How many bytes after the newest node's header are in use: at most its size less that of the header.
    end_index: Cell<usize>,
}

const _: () = assert!(size_of::<State>() == 2 * size_of::<usize>());

/// What [`ArenaAllocator::reset`] does with the memory.
///
/// The capacity that each mode leaves, after one block of 5000 bytes:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
///
/// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let mut capacity_after = |mode| {
///     arena.allocator().alloc::<u8>(5000)?;
///     assert!(arena.reset(mode));
///     Ok::<usize, zigalloc::Error>(arena.query_capacity())
/// };
/// assert!(capacity_after(ResetMode::RetainCapacity)? >= 5000);
/// assert_eq!(capacity_after(ResetMode::RetainWithLimit(1000))?, 1000);
/// assert_eq!(capacity_after(ResetMode::FreeAll)?, 0);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A program that keeps what most rounds need, and gives back what one large round needed:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::{heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode}, trace::CountingAllocator};
/// let below = CountingAllocator::init(PAGE_ALLOCATOR);
/// let mut arena = ArenaAllocator::init(below.allocator());
/// for len in [1000, 1_000_000, 1000] {
///     arena.allocator().alloc::<u8>(len)?;
///     assert!(arena.reset(ResetMode::RetainWithLimit(8192)));
///     assert!(below.snapshot().live_bytes < 10_000);
/// }
/// assert!(below.snapshot().peak_live_bytes > 1_000_000);
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetMode {
    /// Returns all memory to the child.
    FreeAll,
    /// Keeps the capacity, in one node, so that the same work again does not call the child.
    RetainCapacity,
    /// As `RetainCapacity`, but keeps a capacity of at most this many bytes.
    RetainWithLimit(usize),
}

// SAFETY: the nodes are blocks of the child, which may be used from the other thread if its handle may; the handles
// that reach the state borrow the arena, so there are none when it moves.
unsafe impl<C: Handle + Send> Send for ArenaAllocator<C> {}

impl State {
    /// The state of an arena without nodes.
    #[allow(clippy::declare_interior_mutable_const, reason = "each use is a new state, as intended")]
    pub(crate) const EMPTY: State = State { first: Cell::new(None), end_index: Cell::new(0) };

    /// Makes another node the newest, of which `end_index` bytes are in use.
    ///
    /// The writes are volatile because the arena may be borrowed exclusively. The compiler may then assume that the
    /// child does not look at the arena, and leave out a write that is followed by another after the call. But the
    /// child may exit the process, and a thread-local destructor then finds the arena as it is in the middle of the
    /// call.
    ///
    /// # Safety
    /// `first` is a list of nodes, each a live block of the child that begins with its header, or the mark of a call,
    /// which is taken out of the list before it ends. `end_index` is at most the newest node's length less that of a
    /// header.
    #[inline]
    unsafe fn set(&self, first: Option<NonNull<Node>>, end_index: usize) {
        // SAFETY: a cell can be written to through a shared reference, and has no destructor to run.
        unsafe { self.first.as_ptr().write_volatile(first) };
        // SAFETY: a cell can be written to through a shared reference, and has no destructor to run.
        unsafe { self.end_index.as_ptr().write_volatile(end_index) };
    }

    /// An arena with this state.
    ///
    /// # Safety
    /// The state is new, or `child_allocator` is the child of the arena that it is from, and the nodes are still live
    /// blocks of that child: it has not been reset, dropped or replaced since.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{PAGE_ALLOCATOR, arena::State};
    /// // SAFETY: a new state, which is that of an empty arena.
    /// let arena = unsafe { State::default().promote(PAGE_ALLOCATOR) };
    /// assert_eq!(arena.query_capacity(), 0);
    /// ```
    ///
    /// A document with its memory, freed by a destructor that knows the child:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::ptr::NonNull;
    /// use zigalloc::heap::{ArenaAllocator, SMP_ALLOCATOR, arena::State};
    /// use zigalloc::{Error, SlicePtr};
    ///
    /// struct Document {
    ///     lines: NonNull<[NonNull<str>]>,
    ///     memory: State,
    /// }
    ///
    /// impl Document {
    ///     fn parse(text: &str) -> Result<Document, Error> {
    ///         let arena = ArenaAllocator::init(SMP_ALLOCATOR); // an early return frees it
    ///         let lines = arena.allocator().alloc::<NonNull<str>>(text.lines().count())?;
    ///         // SAFETY: a new block, which nothing else uses.
    ///         for (slot, line) in unsafe { lines.as_maybe_uninit() }.iter_mut().zip(text.lines()) {
    ///             slot.write(arena.allocator().dupe_str(line)?);
    ///         }
    ///         Ok(Document { lines, memory: arena.into_state() })
    ///     }
    ///
    ///     fn line(&self, n: usize) -> Option<&str> {
    ///         // SAFETY: all lines are initialised, and live as long as the document.
    ///         unsafe { self.lines.as_slice().get(n).map(|line| line.as_ref()) }
    ///     }
    /// }
    ///
    /// impl Drop for Document {
    ///     fn drop(&mut self) {
    ///         // SAFETY: the child that the state is from.
    ///         drop(unsafe { std::mem::take(&mut self.memory).promote(SMP_ALLOCATOR) });
    ///     }
    /// }
    ///
    /// let document = Document::parse("title\n\nbody")?;
    /// assert_eq!([0, 1, 2, 3].map(|n| document.line(n)), [Some("title"), Some(""), Some("body"), None]);
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub unsafe fn promote<C: Handle>(self, child_allocator: C) -> ArenaAllocator<C> {
        ArenaAllocator { child_allocator, state: self }
    }
}

impl<C: Handle> ArenaAllocator<C> {
    const VTABLE: VTable =
        VTable { alloc: Self::alloc, resize: Self::resize, remap: Self::remap, free: Self::free };

    /// An empty arena. It calls the child on first use.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// assert_eq!(arena.query_capacity(), 0);
    /// ```
    ///
    /// As it is a constant function, a thread can have an arena:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::cell::RefCell;
    /// use zigalloc::SyncAllocator;
    /// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
    ///
    /// thread_local! {
    ///     static SCRATCH: RefCell<ArenaAllocator<SyncAllocator<'static>>> =
    ///         const { RefCell::new(ArenaAllocator::init(PAGE_ALLOCATOR)) };
    /// }
    ///
    /// fn digits(number: u128) -> usize {
    ///     SCRATCH.with_borrow_mut(|arena| {
    ///         let len = arena.allocator().print(format_args!("{number}")).map_or(0, |text| text.len());
    ///         _ = arena.reset(ResetMode::RetainCapacity);
    ///         len
    ///     })
    /// }
    ///
    /// assert_eq!((digits(7), digits(u128::MAX)), (1, 39));
    /// ```
    #[inline]
    pub const fn init(child_allocator: C) -> ArenaAllocator<C> {
        let state = State { first: Cell::new(None), end_index: Cell::new(0) };
        ArenaAllocator { child_allocator, state }
    }

    /// A handle to this arena.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let number = arena.allocator().create_with(42)?;
    /// assert_eq!(unsafe { number.read() }, 42);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// While a handle is in use, the arena cannot be reset:
    ///
    /// ```compile_fail,E0502
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
    /// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let allocator = arena.allocator();
    /// _ = arena.reset(ResetMode::FreeAll);
    /// let memory = allocator.alloc::<u8>(100);
    /// ```
    ///
    /// The last block grows in place, others do not:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{SlicePtr, heap::{ArenaAllocator, PAGE_ALLOCATOR}};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let allocator = arena.allocator();
    /// let (first, last) = (allocator.alloc::<u64>(4)?, allocator.alloc::<u64>(4)?);
    /// // SAFETY: live blocks, used with their new lengths only.
    /// unsafe {
    ///     assert!(!allocator.resize(first, 5) && allocator.resize(first, 3));
    ///     assert!(allocator.resize(last, 6) && allocator.resize(last.with_len(6), 2));
    /// }
    /// // The next block begins where the last one ends now.
    /// assert_eq!(allocator.create_with(0u64)?.addr().get(), last.addr().get() + 2 * 8);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn allocator(&self) -> Allocator<'_> {
        // SAFETY: the functions keep the contract: blocks are disjoint parts of nodes, which are live blocks of the
        // child (new-block). What frees nodes needs `self` exclusively, which the handle borrows (validity).
        unsafe { Allocator::from_state(self, &Self::VTABLE) }
    }

    /// Frees all memory, as dropping the arena does.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// arena.allocator().alloc::<u8>(100)?;
    /// arena.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// It takes one call of the child for each node, however many blocks there are:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::{ArenaAllocator, PAGE_ALLOCATOR}, trace::CountingAllocator};
    /// let below = CountingAllocator::init(PAGE_ALLOCATOR);
    /// let arena = ArenaAllocator::init(below.allocator());
    /// for _ in 0..100 {
    ///     arena.allocator().create_with(0u64)?;
    /// }
    /// let nodes = below.snapshot().live_blocks;
    /// assert!(nodes < 10);
    /// arena.deinit();
    /// assert_eq!((below.snapshot().free, below.snapshot().live_bytes), (nodes, 0));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn deinit(self) {}

    /// The arena's two words without its child, for [`State::promote`]. Frees nothing.
    ///
    /// A value that owns its memory without storing a handle to the child:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::ptr::NonNull;
    /// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, arena::State};
    ///
    /// struct Document {
    ///     title: NonNull<[u8]>,
    ///     memory: State,
    /// }
    ///
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let title = arena.allocator().dupe(b"Title")?;
    /// let document = Document { title, memory: arena.into_state() };
    /// // SAFETY: the arena's blocks are live; `dupe` has initialised this one.
    /// assert_eq!(unsafe { document.title.as_ref() }, b"Title");
    /// // SAFETY: the same child.
    /// unsafe { document.memory.promote(PAGE_ALLOCATOR) }.deinit();
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use = "dropping the state leaks its nodes"]
    #[inline]
    pub fn into_state(self) -> State {
        let mut arena = ManuallyDrop::new(self);
        arena.abandon_call();
        State { first: arena.state.first.clone(), end_index: arena.state.end_index.clone() }
    }

    /// How many bytes the arena has for blocks, used or not: all nodes without their headers, including a spare one that
    /// a [scope](Self::scope) has left.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// arena.allocator().alloc::<u8>(100)?;
    /// assert!(arena.query_capacity() >= 100);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// It grows by the nodes, and not with each block:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// arena.allocator().alloc::<u8>(1000)?;
    /// let capacity = arena.query_capacity();
    /// arena.allocator().alloc::<u8>(100)?;
    /// assert_eq!(arena.query_capacity(), capacity, "the node had room");
    /// arena.allocator().alloc::<u8>(1_000_000)?;
    /// assert!(arena.query_capacity() >= capacity + 1_000_000);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "queryCapacity")]
    pub fn query_capacity(&self) -> usize {
        let mut capacity = 0;
        let mut next = self.state.first.get();
        while let Some(node) = next {
            // SAFETY: nodes of the list are live blocks that begin with their header.
            let header = unsafe { node.read() };
            capacity += header.size - NODE_SIZE;
            next = header.next();
        }
        capacity
    }

    /// Invalidates all blocks. `mode` decides what happens to the memory.
    ///
    /// Returns false if the child provided no block of the length that `mode` asks to keep. Even then the arena
    /// is empty and usable, with the capacity of its oldest node: less than asked for, or above the limit.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
    ///
    /// let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// arena.allocator().alloc::<u8>(5000)?;
    /// assert!(arena.reset(ResetMode::RetainWithLimit(1000)));
    /// assert_eq!(arena.query_capacity(), 1000);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// If the child refuses the one node of the whole capacity, what is left is usable:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, ResetMode};
    /// # use zigalloc::testing::{FailingAllocator, FailingConfig};
    /// let mut buffer = [MaybeUninit::uninit(); 10_000];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let config = FailingConfig { fail_index: 2, resize_fail_index: 0 };
    /// let failing = FailingAllocator::init(fixed_buffer.allocator(), config);
    /// let mut arena = ArenaAllocator::init(failing.allocator());
    /// arena.allocator().alloc::<u8>(100)?;
    /// arena.allocator().alloc::<u8>(1000)?; // a second node
    /// let capacity = arena.query_capacity();
    /// assert!(!arena.reset(ResetMode::RetainCapacity), "there is no third");
    /// assert!((100..capacity).contains(&arena.query_capacity()));
    /// arena.allocator().alloc::<u8>(100)?;
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use = "if the result is false, the arena has a different capacity than requested"]
    #[inline]
    pub fn reset(&mut self, mode: ResetMode) -> bool {
        self.abandon_call();
        // SAFETY: nodes of the list are live blocks that begin with their header.
        let has_one_node = |node: NonNull<Node>| unsafe { (*node.as_ptr()).next() }.is_none();
        // The common case in a loop: a single node, kept as it is.
        if mode == ResetMode::RetainCapacity && self.state.first.get().is_none_or(has_one_node) {
            self.state.end_index.set(0);
            return true;
        }
        self.reset_slow(mode)
    }

    fn reset_slow(&mut self, mode: ResetMode) -> bool {
        let capacity = match mode {
            ResetMode::FreeAll => 0,
            ResetMode::RetainCapacity => self.query_capacity(),
            ResetMode::RetainWithLimit(limit) => limit.min(self.query_capacity()),
        };
        // The list is empty while the child is called, and stays so if the child exits the process.
        let (nodes, oldest) = self.take_nodes();
        // With a capacity above 0 there are nodes, and the oldest is kept.
        let kept = oldest.filter(|_| capacity > 0);
        // SAFETY: nodes taken from the list. All blocks have ended, since handles borrow the arena.
        unsafe { self.free_nodes(nodes, kept) };
        let Some(oldest) = kept else { return true };
        // SAFETY: a node taken from the list and not freed; the capacity is above 0.
        let (node, kept_all) = unsafe { self.resize_empty(oldest, capacity + NODE_SIZE) };
        // SAFETY: a live block of the child with its header, whose `next` is `None`.
        unsafe { self.state.set(Some(node), 0) };
        kept_all
    }

    // ---- the functions of the table: called only through `VTABLE`, by a holder of a handle ----

    #[inline]
    unsafe extern "C" fn alloc(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        if !alignment.is_valid() {
            return None;
        }
        if let Some(node) = this.state.first.get() {
            let end_index = this.state.end_index.get();
            // SAFETY: the newest node is a live block that begins with its header, or the mark of a call.
            let room = unsafe { (*node.as_ptr()).size } - NODE_SIZE - end_index;
            let free = node.addr().get() + NODE_SIZE + end_index;
            let padding = free.wrapping_neg() & alignment.mask();
            let (needed, overflow) = padding.overflowing_add(len);
            if needed <= room && !overflow {
                this.state.end_index.set(end_index + needed);
                // SAFETY: the node has `room` bytes after `end_index`, and `padding` is at most that.
                return Some(unsafe { node.cast::<u8>().add(NODE_SIZE + end_index + padding) });
            }
        }
        this.alloc_slow(len, alignment)
    }

    /// The rest of `alloc`, if there is no node or the newest has no room.
    ///
    /// `extern "C"`, so that it cannot unwind and the fast path needs no stack frame to catch it.
    #[cold]
    extern "C" fn alloc_slow(&self, len: usize, alignment: Alignment) -> Option<NonNull<u8>> {
        let node = match self.state.first.get() {
            None => self.create_node(0, len, alignment)?,
            Some(node) => {
                // SAFETY: the newest node is a live block that begins with its header, or the mark of a call, which
                // lasts as long as the call.
                let size = unsafe { (*node.as_ptr()).size };
                if size == NODE_SIZE {
                    return None;
                }
                let (_, end) = place(node, self.state.end_index.get(), len, alignment)?;
                let bigger = end.checked_add(NODE_SIZE)?;
                // SAFETY: the newest node and no mark.
                if let Some(spare) = unsafe { self.use_spare(node, len, alignment) } {
                    spare
                // SAFETY: the newest node and no mark; the block does not fit in it as it is.
                } else if unsafe { self.grow_node(node, bigger) } {
                    node
                } else {
                    // SAFETY: the newest node and no mark.
                    unsafe { self.free_spare(node) };
                    self.create_node(size - NODE_SIZE, len, alignment)?
                }
            }
        };
        let (start, end) = place(node, self.state.end_index.get(), len, alignment)?;
        self.state.end_index.set(end);
        // SAFETY: the node was made or grown so that `end` is inside it: a new one has room for the length and for the
        // alignment's padding.
        Some(unsafe { node.cast::<u8>().add(NODE_SIZE + start) })
    }

    #[inline]
    unsafe extern "C" fn resize(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        // SAFETY: our caller passes what `remap` requires, which has the same clauses and never moves a block.
        unsafe { Self::remap(ctx, memory, memory_len, alignment, new_len, ret_addr) }.is_some()
    }

    /// Never moves a block. If the block grew, the result has provenance over all of it; that of `memory` may be narrower
    /// (after a `Box`).
    #[inline]
    unsafe extern "C" fn remap(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        new_len: usize,
        _ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        // SAFETY: the address of a live block (live-block).
        let same = unsafe { NonNull::new_unchecked(memory) };
        let node = this.state.first.get()?;
        let end_index = this.state.end_index.get();
        if !is_last(node, end_index, memory, memory_len) {
            return (new_len <= memory_len).then_some(same);
        }
        if new_len <= memory_len {
            this.state.end_index.set(end_index - (memory_len - new_len));
            return Some(same);
        }
        // SAFETY: the newest node is a live block that begins with its header, or the mark of a call.
        let capacity = unsafe { (*node.as_ptr()).size } - NODE_SIZE;
        let growth = new_len - memory_len;
        if growth > capacity - end_index {
            return None;
        }
        this.state.end_index.set(end_index + growth);
        Some(node.cast::<u8>().with_addr(same.addr()))
    }

    #[inline]
    unsafe extern "C" fn free(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        _alignment: Alignment,
        _ret_addr: usize,
    ) {
        // SAFETY: `ctx` is the `&Self` that `allocator` passed.
        let this = unsafe { state::<Self>(ctx) };
        let Some(node) = this.state.first.get() else { return };
        let end_index = this.state.end_index.get();
        if is_last(node, end_index, memory, memory_len) {
            this.state.end_index.set(end_index - memory_len);
        }
    }
}

/// A thread-local arena is dropped in the middle of a call of its child if the child exits the process
/// (`std::process::exit`). Its list is then unreliable, so its nodes leak.
impl<C: Handle> Drop for ArenaAllocator<C> {
    fn drop(&mut self) {
        let (nodes, _) = self.take_nodes();
        // SAFETY: nodes taken from the list. All blocks have ended, since handles borrow the arena.
        unsafe { self.free_nodes(nodes, None) };
    }
}

// SAFETY: 1. See `allocator`. 2. The state is the arena's own. If it is `Send`, its child is a `SyncHandle`, which
// any thread may call. 3. It is not `Sync`. 4. All handles have the same state, `self`, and table.
unsafe impl<C: Handle> AsAllocator for ArenaAllocator<C> {
    fn allocator(&self) -> Allocator<'_> {
        ArenaAllocator::allocator(self)
    }
}

impl<C: Handle> fmt::Debug for ArenaAllocator<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArenaAllocator")
            .field("child_allocator", &self.child_allocator)
            .field("end_index", &self.state.end_index.get())
            .finish_non_exhaustive()
    }
}
