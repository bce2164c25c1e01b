//! Items of one type, allocated and freed in a few instructions.
//!
//! A pool is an [`ArenaAllocator`] and the head of a list of the items that are not in use: the first word of each is
//! the link to the next. So an item takes at least a word and is aligned to at least a word
//! ([`ITEM_SIZE`](MemoryPoolExtra::ITEM_SIZE), [`ITEM_ALIGNMENT`](MemoryPoolExtra::ITEM_ALIGNMENT)), whatever its type:
//!
//! ```text
//!   free_list ───────────┐
//!                        ▼
//!   ┌─────────┬──────┬────────┬──────┬────────┬───────────────────┐
//!   │ arena's │ item │ link   │ item │ link   │ the arena's rest  │
//!   │ header  │      │        │      │  null  │                   │
//!   └─────────┴──────┴───┬────┴──────┴────────┴───────────────────┘
//!                        └──────────────▲
//! ```
//!
//! Ports `lib/std/heap/memory_pool.zig` of Zig 0.15.2, with the names that are new in 0.17.1. See its
//! [differences](crate::guide::differences#pools), and [threads and forks](super#threads-and-forks).

mod unmanaged;

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use super::arena::{ArenaAllocator, ResetMode};
use crate::alignment::Alignment;
use crate::allocator::Handle;
use crate::error::Error;
use crate::interface::set_undefined;
use crate::return_address::return_address;
use crate::slice::AlignedPtr;

pub use unmanaged::MemoryPoolUnmanaged;

/// A pool of items of type `T` with their natural alignment, that may grow.
///
/// [`create`](MemoryPoolExtra::create) returns the item that was freed last, or else new memory from an arena;
/// [`destroy`](MemoryPoolExtra::destroy) is two stores. Neither searches, and items do not move. Memory returns to the
/// child only by [`reset`](MemoryPoolExtra::reset), [`deinit`](MemoryPoolExtra::deinit) or drop; none of them drops the
/// items.
///
/// | | returns | freed by | for |
/// |---|---|---|---|
/// | [`create`](MemoryPoolExtra::create) | `NonNull<T>`, uninitialised | `unsafe` [`destroy`](MemoryPoolExtra::destroy), or dropping the pool | ported code, and graphs of raw pointers |
/// | [`create_box`](MemoryPoolExtra::create_box) | [`PoolBox`], a value that borrows the pool | dropping it, which drops the value | everything else |
///
/// `C` is the child's [`Handle`]: an [`Allocator`](crate::Allocator), a [`SyncAllocator`](crate::SyncAllocator), or a
/// type such as `PageAllocator`.
///
/// Ports `std.heap.MemoryPool` of Zig 0.15.2.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};
///
/// let pool = MemoryPool::init(PAGE_ALLOCATOR);
/// let one = pool.create()?;
/// unsafe { one.write(1u32) };
/// let address = one.addr();
/// unsafe { pool.destroy(one) };
/// assert_eq!(pool.create()?.addr(), address, "the item freed last is the next one");
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// The nodes of a binary tree. Removing a node frees its item for the next insertion, and dropping the pool frees the
/// tree, without a walk:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::ptr::NonNull;
/// use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};
/// use zigalloc::{Error, SyncAllocator};
///
/// type Link = Option<NonNull<Node>>;
///
/// struct Node {
///     key: u32,
///     left: Link,
///     right: Link,
/// }
///
/// struct Tree {
///     root: Link,
///     nodes: MemoryPool<Node, SyncAllocator<'static>>,
/// }
///
/// impl Tree {
///     /// Where the key is, or would be.
///     fn place(&mut self, key: u32) -> &mut Link {
///         let mut place = &mut self.root;
///         while let Some(node) = place {
///             // SAFETY: the tree's links are to items of its pool, each from one place.
///             let node = unsafe { node.as_mut() };
///             if node.key == key {
///                 break;
///             }
///             place = if key < node.key { &mut node.left } else { &mut node.right };
///         }
///         place
///     }
///
///     fn insert(&mut self, key: u32) -> Result<bool, Error> {
///         if self.place(key).is_some() {
///             return Ok(false);
///         }
///         let node = self.nodes.create()?;
///         // SAFETY: memory for a node.
///         unsafe { node.write(Node { key, left: None, right: None }) };
///         *self.place(key) = Some(node);
///         Ok(true)
///     }
/// }
///
/// let mut tree = Tree { root: None, nodes: MemoryPool::init(PAGE_ALLOCATOR) };
/// let inserted = [50, 20, 80, 20].map(|key| tree.insert(key));
/// assert_eq!(inserted, [Ok(true), Ok(true), Ok(true), Ok(false)]);
/// assert!(tree.place(80).is_some() && tree.place(30).is_none());
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "std.heap.MemoryPool")]
#[doc(alias = "memory_pool.Managed")]
pub type MemoryPool<T, C> = MemoryPoolExtra<T, 0, true, C>;

/// A pool of items that are aligned to `ALIGN` bytes.
///
/// Ports `std.heap.MemoryPoolAligned` of Zig 0.15.2, `memory_pool.Aligned` of 0.17.1.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{MemoryPoolAligned, PAGE_ALLOCATOR};
///
/// let pool = MemoryPoolAligned::<u64, 64, _>::init(PAGE_ALLOCATOR);
/// pool.create()?;
/// assert_eq!(pool.create()?.addr().get() % 64, 0);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// Buffers of a page each, for a device that takes no others:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{MemoryPoolAligned, PAGE_ALLOCATOR};
///
/// let pool = MemoryPoolAligned::<[u8; 4096], 4096, _>::init_preheated(PAGE_ALLOCATOR, 8)?;
/// let (first, second) = (pool.create()?, pool.create()?);
/// assert_eq!((first.addr().get() % 4096, second.addr().get() % 4096), (0, 0));
/// assert_ne!(first, second);
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "std.heap.MemoryPoolAligned")]
#[doc(alias = "memory_pool.Aligned")]
#[doc(alias = "memory_pool.AlignedManaged")]
pub type MemoryPoolAligned<T, const ALIGN: usize, C> = MemoryPoolExtra<T, ALIGN, true, C>;

/// A pool of items of type `T`, like [`MemoryPool`], with all of Zig's options.
///
/// - `ALIGN`, the alignment of items in bytes; 0 is the natural one. Items are aligned to at least a word.
/// - `GROWABLE`, whether `create` may allocate more memory. If not, there are only the items of
///   [`init_preheated`](Self::init_preheated) and [`preheat`](Self::preheat).
/// - `C`, the child's handle: [`Allocator`](crate::Allocator) or [`SyncAllocator`](crate::SyncAllocator).
///
/// Ports `std.heap.MemoryPoolExtra` of Zig 0.15.2, `memory_pool.Extra` of 0.17.1.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{Error, heap::{MemoryPoolExtra, PAGE_ALLOCATOR}};
///
/// let pool = MemoryPoolExtra::<u32, 0, false, _>::init_preheated(PAGE_ALLOCATOR, 2)?;
/// pool.create()?;
/// pool.create()?;
/// assert_eq!(pool.create().unwrap_err(), Error::OutOfMemory);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A fixed number of connections, all of whose memory is there when the program starts:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{MemoryPoolExtra, PAGE_ALLOCATOR, PoolBox};
/// use zigalloc::{Error, SyncAllocator};
///
/// struct Connection {
///     peer: u32,
/// }
///
/// type Pool = MemoryPoolExtra<Connection, 0, false, SyncAllocator<'static>>;
///
/// fn accept(pool: &Pool, peer: u32) -> Result<PoolBox<'_, Connection>, Error> {
///     pool.create_box(Connection { peer })
/// }
///
/// let pool = Pool::init_preheated(PAGE_ALLOCATOR, 2)?;
/// let (first, second) = (accept(&pool, 1)?, accept(&pool, 2)?);
/// assert!(accept(&pool, 3).is_err(), "both are in use");
/// drop(first);
/// assert_eq!(accept(&pool, 3)?.peer + second.peer, 5);
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "std.heap.MemoryPoolExtra")]
#[doc(alias = "memory_pool.Extra")]
#[doc(alias = "memory_pool.ExtraManaged")]
#[doc(alias = "MemoryPoolOptions")]
#[doc(alias = "Options")]
pub struct MemoryPoolExtra<T, const ALIGN: usize, const GROWABLE: bool, C: Handle> {
    /// Above the arena, so that it is empty when the arena frees its nodes: fields are dropped in this order.
    free_list: FreeList,
    arena: ArenaAllocator<C>,
    /// Nothing of type `T` is in the pool itself: it drops no items.
    items: PhantomData<fn() -> T>,
}

/// A pool's items that are not in use, the one freed last first.
///
/// Each of them is memory of the arena, `ITEM_SIZE` bytes aligned to `ITEM_ALIGNMENT`, that nothing else
/// uses, and begins with its link.
struct FreeList {
    first: Cell<Option<NonNull<Link>>>,
}

impl Drop for FreeList {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}

/// The first word of an item that is not in use. Zig's `Node`.
struct Link {
    next: Option<NonNull<Link>>,
}

// SAFETY: the arena may move to another thread if its child's handle may. The list is made of the arena's
// memory. Boxes borrow the pool, so there are none when it moves; raw items are raw pointers.
unsafe impl<T, const ALIGN: usize, const GROWABLE: bool, C: Handle + Send> Send
    for MemoryPoolExtra<T, ALIGN, GROWABLE, C>
{
}

impl FreeList {
    /// Forgets all items, before the arena calls the child with their memory. The child may exit the process, and
    /// a thread-local destructor then takes items.
    ///
    /// The write is volatile since the pool is borrowed exclusively: the compiler may assume that the child does not
    /// look at it, and leave out a write that is followed by another after the call, or by the pool's end.
    fn clear(&self) {
        // SAFETY: a cell can be written to through a shared reference, and has no destructor to run.
        unsafe { self.first.as_ptr().write_volatile(None) };
    }

    #[inline(always)]
    fn pop(&self) -> Option<NonNull<Link>> {
        let link = self.first.get()?;
        // SAFETY: an item of the list begins with its link.
        self.first.set(unsafe { (*link.as_ptr()).next });
        Some(link)
    }

    /// # Safety
    /// `link` points to all of an item of this pool. It is not on the list, and nothing uses it afterwards.
    #[inline(always)]
    #[track_caller]
    unsafe fn push(&self, link: NonNull<Link>) {
        debug_assert!(
            self.first.get() != Some(link),
            "MemoryPool: the item at {link:p} is destroyed twice in a row"
        );
        // SAFETY: an item has the size and the alignment of a link at least.
        unsafe { link.write(Link { next: self.first.get() }) };
        self.first.set(Some(link));
    }
}

impl<T, const ALIGN: usize, const GROWABLE: bool, C: Handle> MemoryPoolExtra<T, ALIGN, GROWABLE, C> {
    /// How many bytes an item takes: its size, and at least a word.
    ///
    /// ```
    /// # use zigalloc::{SyncAllocator, heap::MemoryPool};
    /// type Pool<T> = MemoryPool<T, SyncAllocator<'static>>;
    /// assert_eq!(Pool::<[u64; 5]>::ITEM_SIZE, 40);
    /// assert_eq!(Pool::<u8>::ITEM_SIZE, size_of::<usize>(), "room for the link of a free item");
    /// ```
    #[doc(alias = "item_size")]
    pub const ITEM_SIZE: usize =
        if size_of::<T>() > size_of::<Link>() { size_of::<T>() } else { size_of::<Link>() };

    /// What items are aligned to: `ALIGN`, or the natural alignment if that is 0, and at least a word.
    ///
    /// ```
    /// # use zigalloc::{Alignment, SyncAllocator, heap::{MemoryPool, MemoryPoolAligned}};
    /// type Child = SyncAllocator<'static>;
    /// assert_eq!(MemoryPool::<u8, Child>::ITEM_ALIGNMENT, Alignment::of::<usize>());
    /// assert_eq!(MemoryPoolAligned::<u8, 64, Child>::ITEM_ALIGNMENT, Alignment::_64);
    /// ```
    #[doc(alias = "item_alignment")]
    pub const ITEM_ALIGNMENT: Alignment = Alignment::of::<Link>().max(AlignedPtr::<T, ALIGN>::ALIGNMENT);

    /// An empty pool. It calls the child on first use.
    ///
    /// Ports `init` of Zig 0.15.2; `empty` of 0.17.1.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::{MemoryPool, PAGE_ALLOCATOR}, trace::CountingAllocator};
    /// let counting = CountingAllocator::init(PAGE_ALLOCATOR);
    /// let pool = MemoryPool::<u64, _>::init(counting.allocator());
    /// assert_eq!(counting.snapshot().alloc.calls, 0);
    /// pool.create()?;
    /// pool.create()?;
    /// assert_eq!(counting.snapshot().alloc.calls, 1, "both are in one block of the child");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub const fn init(child_allocator: C) -> Self {
        let free_list = FreeList { first: Cell::new(None) };
        MemoryPoolExtra { arena: ArenaAllocator::init(child_allocator), free_list, items: PhantomData }
    }

    /// A pool with memory for `initial_size` items.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the items allocated until then are freed.
    ///
    /// Ports `initPreheated` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::{MemoryPool, PAGE_ALLOCATOR}, trace::CountingAllocator};
    /// let counting = CountingAllocator::init(PAGE_ALLOCATOR);
    /// let pool = MemoryPool::<u64, _>::init_preheated(counting.allocator(), 100)?;
    /// let calls = counting.snapshot().alloc.calls;
    /// for _ in 0..100 {
    ///     pool.create()?;
    /// }
    /// assert_eq!(counting.snapshot().alloc.calls, calls, "the child was not called again");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A pool that may not grow never calls its child after this:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::{MemoryPoolExtra, PAGE_ALLOCATOR}, testing::{FailingAllocator, FailingConfig}};
    /// let failing = FailingAllocator::init(PAGE_ALLOCATOR, FailingConfig::default());
    /// let pool = MemoryPoolExtra::<u64, 0, false, _>::init_preheated(failing.allocator(), 3)?;
    /// failing.set_fail_index(0);
    /// let items = [pool.create()?, pool.create()?, pool.create()?];
    /// assert!(pool.create().is_err() && !failing.has_induced_failure());
    /// // SAFETY: an item of the pool, not used afterwards.
    /// unsafe { pool.destroy(items[1]) };
    /// assert_eq!(pool.create()?, items[1]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "initPreheated")]
    pub fn init_preheated(child_allocator: C, initial_size: usize) -> Result<Self, Error> {
        let pool = Self::init(child_allocator);
        pool.preheat(initial_size)?;
        Ok(pool)
    }

    /// [`init_preheated`](Self::init_preheated), by its name in Zig 0.17.1.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the items allocated until then are freed.
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{Error, heap::{FixedBufferAllocator, MemoryPool}};
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let pool = MemoryPool::<[u8; 64], _>::init_capacity(fixed_buffer.allocator(), 10);
    /// assert_eq!(pool.unwrap_err(), Error::OutOfMemory, "640 bytes do not fit");
    /// ```
    #[doc(alias = "initCapacity")]
    #[inline]
    pub fn init_capacity(child_allocator: C, num: usize) -> Result<Self, Error> {
        Self::init_preheated(child_allocator, num)
    }

    /// Frees all memory, as dropping the pool does. Values in it are not dropped.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::rc::Rc;
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};
    /// let shared = Rc::new(());
    /// let pool = MemoryPool::init(PAGE_ALLOCATOR);
    /// let item = pool.create()?;
    /// // SAFETY: memory for an `Rc`.
    /// unsafe { item.write(shared.clone()) };
    /// pool.deinit();
    /// assert_eq!(Rc::strong_count(&shared), 2, "the `Rc` in the pool was not dropped");
    /// # unsafe { Rc::decrement_strong_count(Rc::as_ptr(&shared)) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn deinit(self) {}

    /// Allocates `size` more items, so that as many calls of [`create`](Self::create) cannot fail. They return these
    /// items in reverse order.
    ///
    /// Each item is written to. From 1 GiB of new items on, the pool first allocates a third of that from the child in
    /// one piece, and frees it again (or extends its newest node by it, if the child can): the arena would request a
    /// node of at least that length before the end. So if the child's memory comes from a system that overcommits (as
    /// Linux does), an impossible number can be refused at once, before the system runs out of memory.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the pool keeps the items allocated until then. There are none if `size` items have more
    /// than `usize::MAX` bytes, or if the child refuses the third.
    ///
    /// Ports `preheat` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};
    /// let pool = MemoryPool::<[u64; 8], _>::init(PAGE_ALLOCATOR);
    /// pool.preheat(100)?;
    /// for _ in 0..100 {
    ///     assert!(pool.create().is_ok());
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A number that is impossible fails at once, and the pool stays as it was:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Error, heap::{MemoryPool, PAGE_ALLOCATOR}};
    /// let pool = MemoryPool::<[u8; 64], _>::init(PAGE_ALLOCATOR);
    /// assert_eq!(pool.preheat(usize::MAX), Err(Error::OutOfMemory));
    /// pool.preheat(2)?;
    /// let (last, first) = (pool.create()?, pool.create()?);
    /// assert!(last.addr() > first.addr(), "in reverse order");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn preheat(&self, size: usize) -> Result<(), Error> {
        if !self.arena.may_serve(size, Self::ITEM_SIZE) {
            return Err(Error::OutOfMemory);
        }
        for _ in 0..size {
            let link = self.alloc_new()?;
            // SAFETY: new memory for one item.
            unsafe { self.free_list.push(link) };
        }
        Ok(())
    }

    /// [`preheat`](Self::preheat), by its name in Zig 0.17.1.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; the pool keeps the items allocated until then.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{MemoryPoolExtra, PAGE_ALLOCATOR};
    /// let pool = MemoryPoolExtra::<u32, 0, false, _>::init(PAGE_ALLOCATOR);
    /// assert!(pool.create().is_err(), "this pool does not grow by itself");
    /// pool.add_capacity(1)?;
    /// pool.create()?;
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "addCapacity")]
    #[inline]
    pub fn add_capacity(&self, num: usize) -> Result<(), Error> {
        self.preheat(num)
    }

    /// Ends all items; what happens to the memory is the `mode`. Values are not dropped.
    ///
    /// Returns false if the child provided no block of the length that `mode` asks to keep. The pool is empty and
    /// usable then too, with the capacity of its arena's oldest node: less than asked for, or above the limit. No item
    /// is on the list afterwards, so a pool that may not grow has to be [preheated](Self::preheat) again.
    ///
    /// Ports `reset` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, ResetMode};
    /// let mut pool = MemoryPool::<u64, _>::init(PAGE_ALLOCATOR);
    /// for _ in 0..1000 {
    ///     pool.create()?;
    /// }
    /// assert!(pool.reset(ResetMode::RetainCapacity));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A pool for each level of a game. The next level takes the memory of the last one:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{heap::{MemoryPool, PAGE_ALLOCATOR, ResetMode}, trace::CountingAllocator};
    /// let below = CountingAllocator::init(PAGE_ALLOCATOR);
    /// let mut enemies = MemoryPool::<[f32; 4], _>::init(below.allocator());
    /// for enemies_in_level in [100, 80, 90] {
    ///     for _ in 0..enemies_in_level {
    ///         enemies.create()?;
    ///     }
    ///     assert!(enemies.reset(ResetMode::RetainCapacity));
    /// }
    /// let calls = below.snapshot().alloc.calls;
    /// enemies.preheat(90)?;
    /// assert_eq!(below.snapshot().alloc.calls, calls, "there was room for 100");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use = "if the result is false, the pool has another capacity than was asked for"]
    pub fn reset(&mut self, mode: ResetMode) -> bool {
        self.free_list.clear();
        self.arena.reset(mode)
    }

    /// Memory for one item, uninitialised: the one that was freed last, or a new one.
    ///
    /// It is valid until it is freed by [`destroy`](Self::destroy), or the pool is reset or dropped, whether the pool
    /// is moved or not. It is aligned to [`ITEM_ALIGNMENT`](Self::ITEM_ALIGNMENT), which is below the natural alignment
    /// if `ALIGN` is; then read and write it unaligned.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], also if no item is free and the pool may not grow. An item of a zero-sized type takes a
    /// word, and can fail too.
    ///
    /// Ports `create` of Zig 0.15.2.
    ///
    /// The nodes of a list; dropping the pool frees them all:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::ptr::NonNull;
    /// use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};
    ///
    /// struct Node {
    ///     number: u32,
    ///     next: Option<NonNull<Node>>,
    /// }
    ///
    /// let pool = MemoryPool::init(PAGE_ALLOCATOR);
    /// let mut first = None;
    /// for number in 0..3 {
    ///     let node = pool.create()?;
    ///     // SAFETY: memory for a node.
    ///     unsafe { node.write(Node { number, next: first }) };
    ///     first = Some(node);
    /// }
    ///
    /// // SAFETY: each is a node of the pool, which lives.
    /// let numbers = std::iter::successors(first, |node| unsafe { node.as_ref() }.next);
    /// assert!(numbers.map(|node| unsafe { node.as_ref() }.number).eq([2, 1, 0]));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// An item of a type without a size takes a word too, so items have different addresses:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Allocator, heap::{MemoryPool, PAGE_ALLOCATOR}};
    /// let pool = MemoryPool::<(), _>::init(PAGE_ALLOCATOR);
    /// assert_ne!(pool.create()?, pool.create()?);
    /// let failing = MemoryPool::<(), _>::init(Allocator::FAILING);
    /// assert!(failing.create().is_err());
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn create(&self) -> Result<NonNull<T>, Error> {
        let link = match self.free_list.pop() {
            Some(link) => link,
            None if GROWABLE => self.alloc_new()?,
            None => return Err(Error::OutOfMemory),
        };
        // SAFETY: memory for one item, which nothing uses.
        unsafe { set_undefined(NonNull::slice_from_raw_parts(link.cast(), size_of::<T>())) };
        Ok(link.cast())
    }

    /// Frees an item: it is the next one that [`create`](Self::create) returns. Does not drop the value.
    ///
    /// # Safety
    /// `item` was returned by [`create`](Self::create) of this pool, or by [`PoolBox::into_raw`] for one of its boxes.
    /// (A pointer made from a reference to the value does not do: its provenance may be narrower than the item.) The
    /// item has not been freed and the pool has not been reset since, and nothing uses the item afterwards.
    ///
    /// # Panics
    /// In builds with `debug_assertions`, if the same item is freed twice in a row. Items freed earlier are not
    /// checked.
    ///
    /// Ports `destroy` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};
    /// let pool = MemoryPool::<u64, _>::init(PAGE_ALLOCATOR);
    /// let item = pool.create()?;
    /// unsafe { pool.destroy(item) };
    /// assert_eq!(pool.create()?, item); // the same place again
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// The order is that of a stack:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};
    /// let pool = MemoryPool::<u64, _>::init(PAGE_ALLOCATOR);
    /// let items = [pool.create()?, pool.create()?, pool.create()?];
    /// for item in items {
    ///     // SAFETY: an item of this pool, freed once and not used afterwards.
    ///     unsafe { pool.destroy(item) };
    /// }
    /// assert_eq!([pool.create()?, pool.create()?, pool.create()?], [items[2], items[1], items[0]]);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub unsafe fn destroy(&self, item: NonNull<T>) {
        // SAFETY: an item of this pool, by a pointer to all of it, which nothing uses afterwards, by our caller.
        unsafe { destroy(&self.free_list, item) };
    }

    /// A value in the pool. Dropping the box drops the value and frees the item.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], as [`create`](Self::create); the value is dropped then.
    ///
    /// Not in Zig.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};
    /// let pool = MemoryPool::init(PAGE_ALLOCATOR);
    /// let mut text = pool.create_box(String::from("a"))?;
    /// text.push('b');
    /// assert_eq!(*text, "ab");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// An alignment below the natural one does not compile, since references need that:
    ///
    /// ```compile_fail,E0080
    /// # use zigalloc::heap::{MemoryPoolAligned, PAGE_ALLOCATOR};
    /// # #[repr(align(64))]
    /// # struct Line;
    /// let pool = MemoryPoolAligned::<Line, 16, _>::init(PAGE_ALLOCATOR);
    /// let line = pool.create_box(Line);
    /// ```
    ///
    /// If there is no item, the value is dropped, as it is with its box:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::rc::Rc;
    /// # use zigalloc::heap::{MemoryPoolExtra, PAGE_ALLOCATOR};
    /// let shared = Rc::new("value");
    /// let pool = MemoryPoolExtra::<_, 0, false, _>::init_preheated(PAGE_ALLOCATOR, 1)?;
    /// let first = pool.create_box(shared.clone())?;
    /// assert!(pool.create_box(shared.clone()).is_err());
    /// assert_eq!(Rc::strong_count(&shared), 2);
    /// drop(first);
    /// assert_eq!(Rc::strong_count(&shared), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A box cannot outlive its pool:
    ///
    /// ```compile_fail,E0597
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR};
    /// let number;
    /// {
    ///     let pool = MemoryPool::init(PAGE_ALLOCATOR);
    ///     number = pool.create_box(42).unwrap();
    /// }
    /// assert_eq!(*number, 42);
    /// ```
    #[inline]
    pub fn create_box(&self, value: T) -> Result<PoolBox<'_, T>, Error> {
        const {
            assert!(
                Self::ITEM_ALIGNMENT.to_byte_units() >= align_of::<T>(),
                "MemoryPool::create_box: ALIGN is below the type's natural alignment"
            );
        }
        let item = self.create()?;
        // SAFETY: memory for a `T`, with its alignment as asserted above.
        unsafe { item.write(value) };
        Ok(PoolBox { item, free_list: &self.free_list, value: PhantomData })
    }

    /// New memory from the arena, for one item.
    #[inline]
    fn alloc_new(&self) -> Result<NonNull<Link>, Error> {
        let arena = self.arena.allocator();
        // SAFETY: the size is at least a word; a pool is used by one thread at a time, as its arena is (one-thread).
        let memory = unsafe { arena.raw_alloc(Self::ITEM_SIZE, Self::ITEM_ALIGNMENT, return_address()) };
        Ok(memory.ok_or(Error::OutOfMemory)?.cast())
    }
}

/// Adds an item to its pool's list.
///
/// # Safety
/// `item` is an item of the pool whose list this is, by a pointer to all of it. It is not on the list, and nothing uses
/// it afterwards.
#[inline(always)]
#[track_caller]
unsafe fn destroy<T>(free_list: &FreeList, item: NonNull<T>) {
    // SAFETY: an item has at least the size of a `T`, and nothing uses it, by our caller.
    unsafe { set_undefined(NonNull::slice_from_raw_parts(item.cast(), size_of::<T>())) };
    // SAFETY: an item of the pool, by a pointer to all of it, which nothing uses.
    unsafe { free_list.push(item.cast()) };
}

impl<T, const ALIGN: usize, const GROWABLE: bool, C: Handle> fmt::Debug
    for MemoryPoolExtra<T, ALIGN, GROWABLE, C>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryPool")
            .field("arena", &self.arena)
            .field("item_size", &Self::ITEM_SIZE)
            .field("item_alignment", &Self::ITEM_ALIGNMENT)
            .field("growable", &GROWABLE)
            .finish_non_exhaustive()
    }
}

/// A value in a pool, and its only owner: the pool's `Box`. From [`MemoryPoolExtra::create_box`].
///
/// Dropping it drops the value and frees the item. It borrows the pool. It has associated functions instead of methods,
/// so that they do not hide the value's.
///
/// Not in Zig.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, PoolBox};
///
/// struct Tree<'p> {
///     children: Vec<PoolBox<'p, Tree<'p>>>,
/// }
///
/// let pool = MemoryPool::init(PAGE_ALLOCATOR);
/// let leaf = pool.create_box(Tree { children: vec![] })?;
/// let mut root = pool.create_box(Tree { children: vec![leaf] })?;
/// root.children.push(pool.create_box(Tree { children: vec![] })?);
/// assert_eq!(PoolBox::into_inner(root).children.len(), 2);
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// It is two words, prints what it holds, and is dropped in any order:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, PoolBox};
/// let pool = MemoryPool::init(PAGE_ALLOCATOR);
/// let (mut a, b) = (pool.create_box(1)?, pool.create_box(2)?);
/// *a += *b;
/// assert_eq!((a.to_string(), format!("{b:?}")), ("3".into(), "2".into()));
/// assert_eq!(size_of::<Option<PoolBox<'_, i32>>>(), 2 * size_of::<usize>());
/// let (first, second) = (&raw const *a, &raw const *b);
/// drop(a);
/// drop(b);
/// assert_eq!([pool.create()?, pool.create()?].map(|item| item.as_ptr().cast_const()), [second, first]);
/// # Ok::<(), zigalloc::Error>(())
/// ```
pub struct PoolBox<'p, T> {
    /// A value that belongs to the box, in an item of the pool that belongs to it too; the pointer is to all
    /// of the item.
    item: NonNull<T>,
    free_list: &'p FreeList,
    value: PhantomData<T>,
}

impl<'p, T> PoolBox<'p, T> {
    /// The value itself. Frees the item.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, PoolBox};
    /// let pool = MemoryPool::init(PAGE_ALLOCATOR);
    /// let text = pool.create_box(String::from("moved out"))?;
    /// let address = std::ptr::from_ref(&*text).addr();
    /// let text: String = PoolBox::into_inner(text);
    /// assert_eq!(text, "moved out");
    /// assert_eq!(pool.create()?.addr().get(), address, "the memory is free");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn into_inner(this: Self) -> T {
        let this = ManuallyDrop::new(this);
        // SAFETY: the box has a value and is not used again.
        let value = unsafe { this.item.read() };
        // SAFETY: the item of the box, which nothing uses now.
        unsafe { destroy(this.free_list, this.item) };
        value
    }

    /// The item, for [`destroy`](MemoryPoolExtra::destroy), which does not drop the value.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, PoolBox};
    /// let pool = MemoryPool::init(PAGE_ALLOCATOR);
    /// let item = PoolBox::into_raw(pool.create_box(7)?);
    /// assert_eq!(unsafe { item.read() }, 7);
    /// unsafe { pool.destroy(item) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// To keep an item whose address another language holds, and to end it later:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, PoolBox};
    /// # use std::{ptr::NonNull, rc::Rc};
    /// let pool = MemoryPool::init(PAGE_ALLOCATOR);
    /// let shared = Rc::new(());
    /// let handle: NonNull<Rc<()>> = PoolBox::into_raw(pool.create_box(shared.clone())?);
    /// assert_eq!(Rc::strong_count(&shared), 2);
    /// // SAFETY: an item of the pool with a value, which is dropped once and not used afterwards.
    /// unsafe {
    ///     handle.drop_in_place();
    ///     pool.destroy(handle);
    /// }
    /// assert_eq!(Rc::strong_count(&shared), 1);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use = "an item whose pointer is lost is not freed before the pool, and its value is never dropped"]
    #[inline]
    pub fn into_raw(this: Self) -> NonNull<T> {
        ManuallyDrop::new(this).item
    }

    /// A reference for as long as the pool is borrowed. The value is never dropped; its memory is freed with the pool.
    ///
    /// Items can refer to each other that way:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::cell::Cell;
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, PoolBox};
    /// struct Node<'p> {
    ///     other: Cell<Option<&'p Node<'p>>>,
    /// }
    ///
    /// let pool = MemoryPool::init(PAGE_ALLOCATOR);
    /// let one: &Node<'_> = PoolBox::leak(pool.create_box(Node { other: Cell::new(None) })?);
    /// let two: &Node<'_> = PoolBox::leak(pool.create_box(Node { other: Cell::new(Some(one)) })?);
    /// one.other.set(Some(two));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A value that lives as long as the pool, such as the configuration of a program:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Error, SyncAllocator};
    /// # use zigalloc::heap::{MemoryPool, PAGE_ALLOCATOR, PoolBox};
    /// struct Config {
    ///     verbose: bool,
    /// }
    ///
    /// fn configure<'p>(pool: &'p MemoryPool<Config, SyncAllocator<'static>>) -> Result<&'p Config, Error> {
    ///     let config = PoolBox::leak(pool.create_box(Config { verbose: false })?);
    ///     config.verbose = true;
    ///     Ok(config)
    /// }
    ///
    /// let pool = MemoryPool::init(PAGE_ALLOCATOR);
    /// let (one, two) = (configure(&pool)?, configure(&pool)?);
    /// assert!(one.verbose && two.verbose && !std::ptr::eq(one, two));
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[inline]
    pub fn leak(this: Self) -> &'p mut T {
        // SAFETY: a value that only this box has. Its memory is not on the list, and is valid as long as the
        // pool is borrowed.
        unsafe { PoolBox::into_raw(this).as_mut() }
    }
}

impl<T> Drop for PoolBox<'_, T> {
    #[inline]
    fn drop(&mut self) {
        /// Gives the item back, even if dropping the value panics.
        struct GiveBack<'a, T>(&'a FreeList, NonNull<T>);
        impl<T> Drop for GiveBack<'_, T> {
            #[inline]
            fn drop(&mut self) {
                // SAFETY: the item of a box that is dropped, and its value is gone.
                unsafe { destroy(self.0, self.1) };
            }
        }
        let give_back = GiveBack(self.free_list, self.item);
        // SAFETY: the box's value, which nothing uses afterwards.
        unsafe { give_back.1.drop_in_place() };
    }
}

impl<T> Deref for PoolBox<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the box has a value, which it lends as it is lent itself.
        unsafe { self.item.as_ref() }
    }
}

impl<T> DerefMut for PoolBox<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the box has a value, and is borrowed exclusively.
        unsafe { self.item.as_mut() }
    }
}

impl<T: fmt::Debug> fmt::Debug for PoolBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

impl<T: fmt::Display> fmt::Display for PoolBox<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}
