//! Allocator handles: an allocator's state and its table, as a value.
//!
//! An [`Allocator`] is for one thread; a [`SyncAllocator`] is the same two words with the guarantee that any
//! thread may call it. Types that hand out handles implement [`AsAllocator`]; wrappers are generic over
//! [`Handle`], the two kinds of handle.
//!
//! The `raw_*` methods here call the table directly, for code that implements allocators. The typed
//! functions (`create`, `alloc`, `free` …) are in [`interface`](crate::interface).
//!
//! Ports the fields and the `raw*` functions of `std.mem.Allocator` of Zig 0.15.2, and `failing` of 0.16.

#[cfg(feature = "alloc")]
mod owning;
pub(crate) mod stateless;

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{self, NonNull};

#[cfg(feature = "alloc")]
pub use self::owning::{AllocatorOwner, OwningHandle};
pub use self::stateless::Stateless;
use crate::alignment::Alignment;
use crate::symbol::Function;
use crate::vtable::{self, VTable};

/// A handle to any allocator, as two words: its state and its functions.
///
/// A handle is `Copy`, as in Zig; all copies are the same allocator. The lifetime `'a` is the borrow of
/// the state: a handle to an arena cannot outlive the arena, and the arena cannot be moved or reset
/// while a handle exists. `Allocator` is neither `Send` nor `Sync`; use [`SyncAllocator`] across threads.
///
/// Allocating is safe and returns raw pointers, as in Zig. `free`, `resize` and `realloc` are `unsafe`: the caller
/// must pass a live block of this allocator. [`interface`](crate::interface) has a table of every zero and empty
/// case. Handles cannot be compared, since the `ptr` of a stateless allocator is meaningless.
///
/// Ports `std.mem.Allocator` of Zig 0.15.2; in C it is `struct { void *ctx; const VTable *vtable; }`.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{heap, Allocator, Error};
///
/// fn greeting<'a>(allocator: Allocator<'a>) -> Result<std::ptr::NonNull<[u8]>, Error> {
///     allocator.dupe(b"hello")
/// }
///
/// # fn main() -> Result<(), Error> {
/// let arena = heap::ArenaAllocator::init(heap::PAGE_ALLOCATOR);
/// let memory = greeting(arena.allocator())?;
/// // SAFETY: the arena is alive, and `dupe` initialised every byte.
/// assert_eq!(unsafe { memory.as_ref() }, b"hello");
/// # Ok(())
/// # }
/// ```
///
/// A container stores the handle and frees through it, as in Zig:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::ptr::NonNull;
/// use zigalloc::{Allocator, Error, heap::PAGE_ALLOCATOR};
///
/// struct Name<'a> {
///     text: NonNull<str>,
///     allocator: Allocator<'a>,
/// }
///
/// impl<'a> Name<'a> {
///     fn init(allocator: Allocator<'a>, text: &str) -> Result<Name<'a>, Error> {
///         Ok(Name { text: allocator.dupe_str(text)?, allocator })
///     }
///
///     fn as_str(&self) -> &str {
///         // SAFETY: a live block, initialised by `dupe_str`.
///         unsafe { self.text.as_ref() }
///     }
/// }
///
/// impl Drop for Name<'_> {
///     fn drop(&mut self) {
///         // SAFETY: a live block of this allocator, not used afterwards.
///         unsafe { self.allocator.free(self.text) };
///     }
/// }
///
/// let name = Name::init(*PAGE_ALLOCATOR, "zig")?;
/// assert_eq!(name.as_str(), "zig");
/// assert!(Name::init(Allocator::FAILING, "zig").is_err());
/// # Ok::<(), Error>(())
/// ```
///
/// One function, compiled once, whatever the allocator. The caller decides what freeing means:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::mem::MaybeUninit;
/// use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, PAGE_ALLOCATOR, SMP_ALLOCATOR};
/// use zigalloc::{Allocator, Error};
///
/// fn sum_of_squares(allocator: Allocator<'_>, n: u64) -> Result<u64, Error> {
///     let squares = allocator.alloc::<u64>(n as usize)?;
///     // SAFETY: a new block for `n` numbers, all of which are written before they are read.
///     let sum = unsafe {
///         for i in 0..n {
///             squares.cast::<u64>().add(i as usize).write(i * i);
///         }
///         squares.as_ref().iter().sum()
///     };
///     // SAFETY: a live block, not used afterwards.
///     unsafe { allocator.free(squares) };
///     Ok(sum)
/// }
///
/// let mut buffer = [MaybeUninit::uninit(); 100];
/// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// for allocator in [fixed_buffer.allocator(), arena.allocator(), *SMP_ALLOCATOR] {
///     assert_eq!(sum_of_squares(allocator, 10)?, 285);
/// }
/// assert_eq!(sum_of_squares(fixed_buffer.allocator(), 20), Err(Error::OutOfMemory), "160 bytes do not fit");
/// # Ok::<(), Error>(())
/// ```
///
/// The lifetime keeps a handle from outliving its allocator:
///
/// ```compile_fail,E0597
/// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// let allocator;
/// {
///     let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
///     allocator = arena.allocator();
/// }
/// let memory = allocator.alloc::<u8>(100);
/// ```
#[doc(alias = "std.mem.Allocator")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Allocator<'a> {
    ptr: *mut (),
    vtable: &'static VTable,
    state: PhantomData<&'a ()>,
}

/// A handle that any thread may call: an [`Allocator`] that is `Send` and `Sync`.
///
/// It dereferences to [`Allocator`] and so has all its methods. Thread-safe allocators return it from their
/// `allocator` method or are constants of this type: the page allocator, the C allocator, a
/// [`ThreadSafeAllocator`](crate::ThreadSafeAllocator). A wrapper over a `SyncAllocator` is itself `Send`.
///
/// Not in Zig, where a comment says which allocators are thread-safe.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::PAGE_ALLOCATOR;
///
/// let memory = PAGE_ALLOCATOR.create_with(1u32)?;
/// let address = memory.addr();
/// std::thread::spawn(move || {
///     assert_eq!(PAGE_ALLOCATOR.create_with(2u32).is_ok(), address.get() > 0);
/// })
/// .join()
/// .unwrap();
/// unsafe { PAGE_ALLOCATOR.destroy(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
///
/// A struct that is shared by threads stores it. A function that needs one thread at a time takes an [`Allocator`], and
/// gets it by `*`:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{Allocator, Error, SyncAllocator, heap::SMP_ALLOCATOR};
///
/// struct Names<'a> {
///     allocator: SyncAllocator<'a>,
/// }
///
/// fn name(allocator: Allocator<'_>, number: usize) -> Result<usize, Error> {
///     let text = allocator.print(format_args!("worker {number}"))?;
///     let len = text.len();
///     // SAFETY: a live block, not used afterwards.
///     unsafe { allocator.free(text) };
///     Ok(len)
/// }
///
/// let names = Names { allocator: SMP_ALLOCATOR };
/// std::thread::scope(|scope| {
///     let threads = [9, 10].map(|number| scope.spawn({ let names = &names; move || name(*names.allocator, number) }));
///     assert_eq!(threads.map(|thread| thread.join().unwrap()), [Ok(8), Ok(9)]);
/// });
/// ```
///
/// A plain handle stays in its thread:
///
/// ```compile_fail,E0277
/// # use zigalloc::{Allocator, heap::PAGE_ALLOCATOR};
/// let allocator: Allocator<'static> = *PAGE_ALLOCATOR;
/// std::thread::spawn(move || allocator.alloc::<u8>(100).is_ok());
/// ```
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct SyncAllocator<'a>(Allocator<'a>);

// The layout of the C struct.
const _: () = {
    const WORD: usize = size_of::<usize>();
    assert!(size_of::<Allocator<'_>>() == 2 * WORD && align_of::<Allocator<'_>>() == align_of::<usize>());
    assert!(core::mem::offset_of!(Allocator<'_>, ptr) == 0);
    assert!(core::mem::offset_of!(Allocator<'_>, vtable) == WORD);
    assert!(size_of::<Option<Allocator<'_>>>() == 2 * WORD, "the table is never null");
    assert!(size_of::<SyncAllocator<'_>>() == 2 * WORD);
    assert!(size_of::<Option<SyncAllocator<'_>>>() == 2 * WORD);
};

impl<'a> Allocator<'a> {
    /// An allocator that always fails. Allocating zero bytes still succeeds, since it does not reach the allocator.
    /// `FAILING` never makes a block, so its other functions abort.
    ///
    /// Ports `std.mem.Allocator.failing`, which is new in Zig 0.16.
    ///
    /// ```
    /// use zigalloc::Allocator;
    ///
    /// assert!(Allocator::FAILING.alloc::<u8>(123).is_err());
    /// assert!(Allocator::FAILING.alloc::<u8>(0).is_ok());
    /// ```
    ///
    /// A function that must not allocate is tested with it:
    ///
    /// ```
    /// # use zigalloc::{Allocator, Error};
    /// /// Numbers up to 9 have constant names.
    /// fn digit(allocator: Allocator<'_>, number: usize) -> Result<&'static [u8], Error> {
    ///     match number {
    ///         0..10 => Ok(&b"0123456789"[number..number + 1]),
    ///         _ => allocator.print(format_args!("{number}")).map(|text| unsafe { &*text.as_ptr() }),
    ///     }
    /// }
    ///
    /// assert_eq!(digit(Allocator::FAILING, 7), Ok(&b"7"[..]));
    /// assert_eq!(digit(Allocator::FAILING, 10), Err(Error::OutOfMemory));
    /// ```
    #[doc(alias = "failing")]
    pub const FAILING: Allocator<'static> = SyncAllocator::FAILING.0;

    /// Makes a handle to an allocator whose state is a Rust value. An allocator's `allocator` method calls this, and
    /// the functions of its table get the state back with [`state`](crate::state).
    ///
    /// The example of [`VTable`] shows a whole allocator.
    ///
    /// # Safety
    ///
    /// As [`from_raw_parts`](Self::from_raw_parts), with the address of `state` as `ptr`. `vtable`'s functions access
    /// it as a shared `&T`.
    ///
    /// ```
    /// use zigalloc::{Allocator, VTable, no_alloc, no_free, no_remap, no_resize};
    ///
    /// const REFUSES: VTable = VTable { alloc: no_alloc, resize: no_resize, remap: no_remap, free: no_free };
    /// let state = 7u8;
    /// // SAFETY: the functions never read the state and never make a block.
    /// let allocator = unsafe { Allocator::from_state(&state, &REFUSES) };
    /// assert!(allocator.alloc::<u8>(1).is_err());
    /// ```
    #[must_use]
    #[inline(always)]
    pub const unsafe fn from_state<T>(state: &'a T, vtable: &'static VTable) -> Allocator<'a> {
        // SAFETY: the functions of `vtable` keep the contract with a pointer to `state` as context, while `'a` lasts,
        // by our caller.
        unsafe { Allocator::from_raw_parts(ptr::from_ref(state).cast_mut().cast(), vtable) }
    }

    /// Makes a handle from its two words, for an allocator that has no state or whose state is not a Rust value.
    ///
    /// # Safety
    ///
    /// - `vtable`'s functions, called with `ptr`, keep clauses new-block to no-reentry of the
    ///   [contract](VTable#the-contract-of-an-allocator) for all of the lifetime `'a`, provided that their callers keep
    ///   clauses context to return-address.
    /// - Code that makes handles to one state in several threads, or lets safe code do so, ensures that their calls
    ///   together keep the [one-thread](VTable#one-thread) clause.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::{Allocator, VTable, heap::PAGE_ALLOCATOR};
    ///
    /// /// A C struct with a handle's two words: `struct { void *ctx; const VTable *vtable; }`.
    /// #[repr(C)]
    /// struct FromC {
    ///     ctx: *mut (),
    ///     vtable: &'static VTable,
    /// }
    ///
    /// let from_c = FromC { ctx: PAGE_ALLOCATOR.ptr(), vtable: PAGE_ALLOCATOR.vtable() };
    /// // SAFETY: the words of an allocator that lasts as long as the program and that any thread may call.
    /// let allocator: Allocator<'static> = unsafe { Allocator::from_raw_parts(from_c.ctx, from_c.vtable) };
    /// let number = allocator.create_with(42)?;
    /// assert_eq!(unsafe { number.read() }, 42);
    /// unsafe { allocator.destroy(number) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const unsafe fn from_raw_parts(ptr: *mut (), vtable: &'static VTable) -> Allocator<'a> {
        Allocator { ptr, vtable, state: PhantomData }
    }

    /// The state, which is the context argument of every call. It may be null or dangling; do not compare it.
    ///
    /// ```
    /// # use zigalloc::{Allocator, VTable, no_alloc, no_free, no_remap, no_resize};
    /// # const REFUSES: VTable = VTable { alloc: no_alloc, resize: no_resize, remap: no_remap, free: no_free };
    /// let state = 7u8;
    /// // SAFETY: the functions never read the state and never make a block.
    /// let allocator = unsafe { Allocator::from_state(&state, &REFUSES) };
    /// // SAFETY: the address of `state`.
    /// assert_eq!(*unsafe { zigalloc::state::<u8>(allocator.ptr()) }, 7);
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn ptr(self) -> *mut () {
        self.ptr
    }

    /// The table of functions.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::{Alignment, Error, heap::PAGE_ALLOCATOR};
    ///
    /// // In C: `allocator.vtable->alloc(allocator.ctx, 100, 3, 0)`, and then `free` in the same way.
    /// let (ctx, vtable) = (PAGE_ALLOCATOR.ptr(), PAGE_ALLOCATOR.vtable());
    /// // SAFETY: the table's own context; the length is not zero.
    /// let memory = unsafe { (vtable.alloc)(ctx, 100, Alignment::_8, 0) }.ok_or(Error::OutOfMemory)?;
    /// assert_eq!(memory.addr().get() % 8, 0);
    /// // SAFETY: a live block with its length and alignment, not used afterwards.
    /// unsafe { (vtable.free)(ctx, memory.as_ptr(), 100, Alignment::_8, 0) };
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn vtable(self) -> &'static VTable {
        self.vtable
    }

    /// Calls [`VTable::alloc`]. Meant for implementing allocators; programs call [`alloc`](Self::alloc).
    ///
    /// Returns `len` bytes aligned to `alignment`, or `None`. Unlike `alloc`, it never fills the memory with 0xAA.
    ///
    /// # Safety
    /// - `len` is not zero ([non-zero](VTable#non-zero)).
    /// - No other thread is calling this allocator ([one-thread](VTable#one-thread)), unless the handle is from a
    ///   [`SyncAllocator`].
    ///
    /// Ports `std.mem.Allocator.rawAlloc` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Alignment, heap::PAGE_ALLOCATOR, return_address};
    /// # use std::ptr::NonNull;
    /// // SAFETY: the length is not zero.
    /// let ptr = unsafe { PAGE_ALLOCATOR.raw_alloc(100, Alignment::_8, return_address()) }.unwrap();
    /// assert!(Alignment::_8.check_ptr(ptr.as_ptr()));
    /// # let memory = NonNull::slice_from_raw_parts(ptr, 100);
    /// # unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_8, 0) };
    /// ```
    ///
    /// A null result is the only failure, and an allocator answers every request, however large:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{Alignment, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let allocator = fixed_buffer.allocator();
    /// for (len, alignment) in [(101, Alignment::_1), (usize::MAX, Alignment::_1), (1, Alignment::MAX)] {
    ///     // SAFETY: the length is not zero.
    ///     assert!(unsafe { allocator.raw_alloc(len, alignment, 0) }.is_none());
    /// }
    /// assert_eq!(fixed_buffer.end_index(), 0, "a refused request changes nothing");
    /// ```
    #[doc(alias = "rawAlloc")]
    #[must_use = "a block without a pointer to it is never freed"]
    #[inline(always)]
    pub unsafe fn raw_alloc(self, len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        // SAFETY: `ptr` is the context of `vtable`; `len` is not zero, by our caller.
        unsafe { (self.vtable.alloc)(self.ptr, len, alignment, ret_addr) }
    }

    /// Calls [`VTable::resize`]: changes the length of a block in place, or returns false and changes nothing.
    ///
    /// # Safety
    /// - `memory` and `alignment` match a live block of this allocator ([live-block](VTable#live-block)).
    /// - `new_len` (bytes) is not zero ([non-zero](VTable#non-zero)).
    /// - After a call that shrinks the block and returns true, the bytes past `new_len` are not used
    ///   ([dead-pointer](VTable#dead-pointer)).
    /// - No other thread is calling this allocator, as for [`raw_alloc`](Self::raw_alloc).
    ///
    /// Ports `std.mem.Allocator.rawResize` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Alignment, heap::PAGE_ALLOCATOR, return_address};
    /// # use std::ptr::NonNull;
    /// # let ptr = unsafe { PAGE_ALLOCATOR.raw_alloc(100, Alignment::_8, return_address()) }.unwrap();
    /// # let memory = NonNull::slice_from_raw_parts(ptr, 100);
    /// // SAFETY: a live block of 100 bytes. Its page has room for 200.
    /// assert!(unsafe { PAGE_ALLOCATOR.raw_resize(memory, Alignment::_8, 200, return_address()) });
    /// let memory = NonNull::slice_from_raw_parts(ptr, 200);
    /// # unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_8, 0) };
    /// ```
    ///
    /// A wrapper records the new length only if the child has agreed:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use std::ptr::NonNull;
    /// # use zigalloc::{Alignment, Allocator};
    /// /// # Safety
    /// /// `memory` is a live block of `child` with alignment 1; `new_len` is not zero, and its length after `true`.
    /// unsafe fn resize(child: Allocator<'_>, live_bytes: &mut usize, memory: NonNull<[u8]>, new_len: usize) -> bool {
    ///     // SAFETY: this function's own requirements.
    ///     let resized = unsafe { child.raw_resize(memory, Alignment::_1, new_len, 0) };
    ///     if resized {
    ///         *live_bytes = *live_bytes - memory.len() + new_len;
    ///     }
    ///     resized
    /// }
    ///
    /// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let memory = arena.allocator().alloc::<u8>(100)?;
    /// let mut live_bytes = 100;
    /// // SAFETY: a live block of the arena; only a shorter one is used afterwards.
    /// assert!(!unsafe { resize(arena.allocator(), &mut live_bytes, memory, usize::MAX) });
    /// assert_eq!(live_bytes, 100);
    /// // SAFETY: the same.
    /// assert!(unsafe { resize(arena.allocator(), &mut live_bytes, memory, 40) });
    /// assert_eq!(live_bytes, 40);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "rawResize")]
    #[must_use = "if the result is false, the block has its old length"]
    #[inline(always)]
    pub unsafe fn raw_resize(
        self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool {
        let (ptr, len) = (memory.cast().as_ptr(), memory.len());
        // SAFETY: `ptr` is the context of `vtable`; `memory` is a live block and `new_len` is not zero, by our caller.
        unsafe { (self.vtable.resize)(self.ptr, ptr, len, alignment, new_len, ret_addr) }
    }

    /// Calls [`VTable::remap`]: changes the length of a block, which may move, or returns `None` and changes nothing.
    ///
    /// # Safety
    /// As [`raw_resize`](Self::raw_resize). After `Some`, the old pointer is not used.
    ///
    /// Ports `std.mem.Allocator.rawRemap` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Alignment, heap::PAGE_ALLOCATOR, return_address};
    /// # use std::ptr::NonNull;
    /// # let ptr = unsafe { PAGE_ALLOCATOR.raw_alloc(100, Alignment::_8, return_address()) }.unwrap();
    /// # let memory = NonNull::slice_from_raw_parts(ptr, 100);
    /// // SAFETY: a live block of 100 bytes. Its page has room for 200.
    /// let moved = unsafe { PAGE_ALLOCATOR.raw_remap(memory, Alignment::_8, 200, return_address()) };
    /// let memory = NonNull::slice_from_raw_parts(moved.unwrap(), 200);
    /// # unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_8, 0) };
    /// ```
    ///
    /// Without a better way than to copy, the result is `None`, and the block is as it was:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{Alignment, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let memory = fixed_buffer.allocator().dupe(b"first")?;
    /// let _last = fixed_buffer.allocator().dupe(b"last")?;
    /// // SAFETY: a live block of 5 bytes, in front of another.
    /// assert!(unsafe { fixed_buffer.allocator().raw_remap(memory, Alignment::_1, 6, 0) }.is_none());
    /// assert_eq!(unsafe { memory.as_ref() }, b"first");
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[doc(alias = "rawRemap")]
    #[must_use = "if the result is `Some`, the block has moved there and the old pointer is dead"]
    #[inline(always)]
    pub unsafe fn raw_remap(
        self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let (ptr, len) = (memory.cast().as_ptr(), memory.len());
        // SAFETY: `ptr` is the context of `vtable`; `memory` is a live block and `new_len` is not zero, by our caller.
        unsafe { (self.vtable.remap)(self.ptr, ptr, len, alignment, new_len, ret_addr) }
    }

    /// Calls [`VTable::free`]: frees a block.
    ///
    /// # Safety
    /// - `memory` and `alignment` match a live block of this allocator ([live-block](VTable#live-block)), and the block
    ///   is not used afterwards ([dead-pointer](VTable#dead-pointer)).
    /// - No other thread is calling this allocator, as for [`raw_alloc`](Self::raw_alloc).
    ///
    /// Ports `std.mem.Allocator.rawFree` of Zig 0.15.2.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Alignment, heap::PAGE_ALLOCATOR, return_address};
    /// # use std::ptr::NonNull;
    /// # let ptr = unsafe { PAGE_ALLOCATOR.raw_alloc(100, Alignment::_8, return_address()) }.unwrap();
    /// let memory = NonNull::slice_from_raw_parts(ptr, 100);
    /// // SAFETY: a live block of 100 bytes, not used afterwards.
    /// unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_8, return_address()) };
    /// ```
    #[doc(alias = "rawFree")]
    #[inline(always)]
    pub unsafe fn raw_free(self, memory: NonNull<[u8]>, alignment: Alignment, ret_addr: usize) {
        let (ptr, len) = (memory.cast().as_ptr(), memory.len());
        // SAFETY: `ptr` is the context of `vtable`; `memory` is a live block, not used afterwards, by our caller.
        unsafe { (self.vtable.free)(self.ptr, ptr, len, alignment, ret_addr) }
    }
}

impl<'a> SyncAllocator<'a> {
    /// [`Allocator::FAILING`] as a thread-safe handle.
    ///
    /// ```
    /// use zigalloc::{SyncAllocator, heap::ArenaAllocator};
    ///
    /// // An arena whose child is thread-safe may move to another thread.
    /// let arena = ArenaAllocator::init(SyncAllocator::FAILING);
    /// let failed = std::thread::spawn(move || arena.allocator().alloc::<u8>(1).is_err());
    /// assert!(failed.join().unwrap());
    /// ```
    pub const FAILING: SyncAllocator<'static> =
        // SAFETY: `alloc` never makes a block, so the contract forbids calls of the others. None uses state.
        unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &vtable::FAILING) };

    /// [`Allocator::from_state`] for a thread-safe allocator.
    ///
    /// # Safety
    ///
    /// As [`from_raw_parts`](Self::from_raw_parts), with `ptr` as the address of `state`.
    ///
    /// ```
    /// use std::ptr::NonNull;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use zigalloc::{Alignment, SyncAllocator, VTable, no_free, no_remap, no_resize, state};
    ///
    /// /// Refuses every request, and counts them.
    /// unsafe extern "C" fn alloc(ctx: *mut (), _: usize, _: Alignment, _: usize) -> Option<NonNull<u8>> {
    ///     // SAFETY: `ctx` is the `&AtomicUsize` below.
    ///     unsafe { state::<AtomicUsize>(ctx) }.fetch_add(1, Ordering::Relaxed);
    ///     None
    /// }
    /// const COUNTS: VTable = VTable { alloc, resize: no_resize, remap: no_remap, free: no_free };
    ///
    /// let requests = AtomicUsize::new(0);
    /// // SAFETY: no block is ever made, and the state is an atomic.
    /// let allocator = unsafe { SyncAllocator::from_state(&requests, &COUNTS) };
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| assert!(allocator.alloc::<u8>(1).is_err()));
    ///     scope.spawn(|| assert!(allocator.alloc::<u8>(2).is_err()));
    /// });
    /// assert_eq!(requests.into_inner(), 2);
    /// ```
    #[must_use]
    #[inline(always)]
    pub const unsafe fn from_state<T>(state: &'a T, vtable: &'static VTable) -> SyncAllocator<'a> {
        // SAFETY: the functions of `vtable` keep the contract with a pointer to `state` as context, in any thread,
        // while `'a` lasts, by our caller.
        unsafe { SyncAllocator::from_raw_parts(ptr::from_ref(state).cast_mut().cast(), vtable) }
    }

    /// A thread-safe handle from its two words.
    ///
    /// # Safety
    ///
    /// As [`Allocator::from_raw_parts`], but without the [one-thread](VTable#one-thread) clause: any thread may call
    /// the functions, several threads at once, and one thread may resize and free a block from another.
    ///
    /// ```
    /// use std::alloc::{alloc, dealloc};
    /// use std::ptr::{self, NonNull};
    /// use zigalloc::{Alignment, SyncAllocator, VTable, no_remap, no_resize};
    ///
    /// /// Rust's global allocator, which needs no state; a simpler `heap::RUST_ALLOCATOR`.
    /// const GLOBAL: SyncAllocator<'static> =
    ///     // SAFETY: the functions keep the contract, from any thread, because the global allocator does.
    ///     unsafe { SyncAllocator::from_raw_parts(ptr::null_mut(), &VTABLE) };
    /// const VTABLE: VTable =
    ///     VTable { alloc: global_alloc, resize: no_resize, remap: no_remap, free: global_free };
    ///
    /// unsafe extern "C" fn global_alloc(
    ///     _ctx: *mut (), len: usize, alignment: Alignment, _ret_addr: usize,
    /// ) -> Option<NonNull<u8>> {
    ///     if !alignment.is_valid() {
    ///         return None;
    ///     }
    ///     let layout = alignment.to_layout(len).ok()?;
    ///     // SAFETY: the length is not zero, by our caller.
    ///     NonNull::new(unsafe { alloc(layout) })
    /// }
    ///
    /// unsafe extern "C" fn global_free(
    ///     _ctx: *mut (), memory: *mut u8, len: usize, alignment: Alignment, _ret_addr: usize,
    /// ) {
    ///     let layout = alignment.to_layout(len).expect("the layout that the block was allocated with");
    ///     // SAFETY: a live block with this layout, not used afterwards, by our caller.
    ///     unsafe { dealloc(memory, layout) };
    /// }
    ///
    /// let memory = GLOBAL.dupe(&[1, 2, 3])?;
    /// assert_eq!(unsafe { memory.as_ref() }, [1, 2, 3]);
    /// unsafe { GLOBAL.free(memory) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const unsafe fn from_raw_parts(ptr: *mut (), vtable: &'static VTable) -> SyncAllocator<'a> {
        // SAFETY: this function requires everything that `Allocator::from_raw_parts` does.
        SyncAllocator(unsafe { Allocator::from_raw_parts(ptr, vtable) })
    }

    /// Asserts that an allocator is thread-safe. For handles from code whose types do not say so, such as C.
    ///
    /// # Safety
    ///
    /// Any thread may call the functions of `allocator`, several threads at once, and one thread may resize and free a
    /// block from another.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::{Allocator, SyncAllocator, heap::PAGE_ALLOCATOR};
    ///
    /// /// A function of a C library, whose header says that any thread may call the allocator.
    /// extern "C" fn library_allocator() -> Allocator<'static> {
    ///     *PAGE_ALLOCATOR
    /// }
    ///
    /// // SAFETY: the header says so.
    /// let allocator = unsafe { SyncAllocator::new_unchecked(library_allocator()) };
    /// let made = std::thread::spawn(move || {
    ///     let number = allocator.create_with(42)?;
    ///     // SAFETY: a live block, not used afterwards.
    ///     unsafe { allocator.destroy(number) };
    ///     Ok::<(), zigalloc::Error>(())
    /// });
    /// assert_eq!(made.join().unwrap(), Ok(()));
    /// ```
    ///
    /// It is the same two words:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Allocator, SyncAllocator, heap::PAGE_ALLOCATOR};
    /// // SAFETY: the page allocator, which any thread may call.
    /// let allocator = unsafe { SyncAllocator::new_unchecked(*PAGE_ALLOCATOR) };
    /// assert!(std::ptr::eq(allocator.vtable(), PAGE_ALLOCATOR.vtable()));
    /// assert_eq!(size_of::<SyncAllocator<'_>>(), size_of::<Allocator<'_>>());
    /// assert_eq!(size_of::<Option<SyncAllocator<'_>>>(), 2 * size_of::<usize>(), "the table's address is never null");
    /// ```
    #[must_use]
    #[inline(always)]
    pub const unsafe fn new_unchecked(allocator: Allocator<'a>) -> SyncAllocator<'a> {
        SyncAllocator(allocator)
    }

    /// Returns the same allocator as an [`Allocator`]. `Deref` and `Into` do the same.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::{Allocator, heap::PAGE_ALLOCATOR};
    ///
    /// let allocator: Allocator<'static> = PAGE_ALLOCATOR.as_allocator();
    /// assert!(allocator.alloc::<u8>(100).is_ok());
    /// ```
    ///
    /// A list of handles of both kinds:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Allocator, heap::{ArenaAllocator, PAGE_ALLOCATOR, SMP_ALLOCATOR}};
    /// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    /// let allocators: [Allocator<'_>; 3] = [arena.allocator(), PAGE_ALLOCATOR.as_allocator(), SMP_ALLOCATOR.into()];
    /// for allocator in allocators {
    ///     let number = allocator.create_with(42)?;
    ///     unsafe { allocator.destroy(number) };
    /// }
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline(always)]
    pub const fn as_allocator(self) -> Allocator<'a> {
        self.0
    }
}

// SAFETY: every constructor (`from_state`, `from_raw_parts`, `new_unchecked`) requires that any thread may call the
// functions, so the handle may move to another thread.
unsafe impl Send for SyncAllocator<'_> {}
// SAFETY: a shared reference only gives out copies of the handle, each of which may be sent to another thread.
unsafe impl Sync for SyncAllocator<'_> {}

impl<'a> Deref for SyncAllocator<'a> {
    type Target = Allocator<'a>;

    #[inline(always)]
    fn deref(&self) -> &Allocator<'a> {
        &self.0
    }
}

impl<'a> From<SyncAllocator<'a>> for Allocator<'a> {
    #[inline(always)]
    fn from(allocator: SyncAllocator<'a>) -> Allocator<'a> {
        allocator.0
    }
}

/// Shows the state's address and the table's `alloc` function, which identifies the kind of allocator. With the
/// feature `backtrace`, in a program with symbols, the function is shown by name
/// (`zigalloc::heap::arena::ArenaAllocator<C>::alloc`), otherwise by address. Looking up the name takes time and
/// allocates from the global heap.
///
/// Do not identify a kind by comparing addresses: a program may contain several copies of one table or function, and
/// the compiler may merge functions with equal code.
impl fmt::Debug for Allocator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.debug("Allocator", f)
    }
}

/// As for [`Allocator`].
impl fmt::Debug for SyncAllocator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug("SyncAllocator", f)
    }
}

impl Allocator<'_> {
    fn debug(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alloc = Function(self.vtable.alloc as *const ());
        f.debug_struct(name).field("ptr", &self.ptr).field("alloc", &alloc).finish_non_exhaustive()
    }
}

/// A type that hands out handles to an allocator that it owns or borrows: Zig's convention of an `allocator()`
/// method, as a trait.
///
/// [`ThreadSafeAllocator::new`](crate::ThreadSafeAllocator::new) and
/// [`ValidationAllocator`](crate::testing::ValidationAllocator) take any such type.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::{AsAllocator, Error};
///
/// fn digits(of: &impl AsAllocator, number: u32) -> Result<usize, Error> {
///     let text = of.allocator().print(format_args!("{number}"))?;
///     let len = text.len();
///     // SAFETY: a live block, not used afterwards.
///     unsafe { of.allocator().free(text) };
///     Ok(len)
/// }
///
/// assert_eq!(digits(&ArenaAllocator::init(PAGE_ALLOCATOR), 2048)?, 4);
/// assert_eq!(digits(&PAGE_ALLOCATOR, 7)?, 1);
/// # Ok::<(), Error>(())
/// ```
///
/// # Safety
///
/// 1. The handle keeps the [contract](VTable#the-contract-of-an-allocator) for as long as `self` is borrowed.
/// 2. If the type is `Send`: handles made from a `&mut self` are, for that borrow, the only way to the state, or the
///    state belongs to an allocator that any thread may call at any time. The handles may then be called from any
///    thread, one thread at a time.
/// 3. If the type is `Sync`: any thread may call the handles, several threads at the same time.
/// 4. All handles made from one `self`, at once or one after another, are the same allocator
///    ([copies](VTable#copies)) until `self` is moved or a call that borrows it exclusively changes it. So a block stays
///    valid while no handle exists.
///
/// A type that merely stores an `Allocator` satisfies 2 and 3 by being neither `Send` nor `Sync`.
///
/// An allocator over another, generic over how it has it: by value, or as a handle.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::{AsAllocator, Error, SyncAllocator};
///
/// struct Interned<A: AsAllocator> {
///     allocator: A,
///     names: Vec<*const str>,
/// }
///
/// impl<A: AsAllocator> Interned<A> {
///     /// The one copy of a name.
///     fn intern(&mut self, name: &str) -> Result<*const str, Error> {
///         // SAFETY: the copies are live for as long as the allocator.
///         if let Some(known) = self.names.iter().find(|known| unsafe { &***known } == name) {
///             return Ok(*known);
///         }
///         let copy = self.allocator.allocator().dupe_str(name)?.as_ptr().cast_const();
///         self.names.push(copy);
///         Ok(copy)
///     }
/// }
///
/// let mut interned = Interned { allocator: ArenaAllocator::init(PAGE_ALLOCATOR), names: vec![] };
/// assert_eq!(interned.intern("zig")?, interned.intern("zig")?);
/// assert_ne!(interned.intern("rust")?, interned.intern("zig")?);
/// let mut failing = Interned { allocator: SyncAllocator::FAILING, names: vec![] };
/// assert_eq!(failing.intern("zig"), Err(Error::OutOfMemory));
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `allocator()` that returns a handle",
    label = "not an allocator, nor a handle to one",
    note = "pass the allocator by value, or its handle: write `.allocator()`"
)]
pub unsafe trait AsAllocator {
    /// Returns a handle to this allocator, which borrows it.
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
    /// use zigalloc::{Allocator, AsAllocator, SyncAllocator, ThreadSafeAllocator};
    ///
    /// /// What belongs to one request.
    /// struct Request {
    ///     arena: ArenaAllocator<SyncAllocator<'static>>,
    /// }
    ///
    /// // SAFETY: 1, 2 and 4 hold for the arena, and a handle reaches nothing else. 3: the type is not `Sync`.
    /// unsafe impl AsAllocator for Request {
    ///     fn allocator(&self) -> Allocator<'_> {
    ///         self.arena.allocator()
    ///     }
    /// }
    ///
    /// let mut request = Request { arena: ArenaAllocator::init(PAGE_ALLOCATOR) };
    /// let shared = ThreadSafeAllocator::new(&mut request);
    /// assert!(shared.allocator().alloc::<u8>(100).is_ok());
    /// ```
    fn allocator(&self) -> Allocator<'_>;
}

// SAFETY: 1. A handle keeps the contract while it exists. 2. and 3. `Allocator` is neither `Send` nor `Sync`. 4. Copies
// of a handle are the same allocator.
unsafe impl AsAllocator for Allocator<'_> {
    #[inline(always)]
    fn allocator(&self) -> Allocator<'_> {
        *self
    }
}

// SAFETY: 1. A handle keeps the contract while it exists. 2. and 3. Any thread may call this one at any time. 4. Copies
// of a handle are the same allocator.
unsafe impl AsAllocator for SyncAllocator<'_> {
    #[inline(always)]
    fn allocator(&self) -> Allocator<'_> {
        self.0
    }
}

/// The two kinds of handle that a wrapper can have as its child: [`Allocator`] and [`SyncAllocator`].
///
/// A wrapper such as `ArenaAllocator<C>` is generic over its child's handle so that it is
/// `Send` exactly if the handle is. The trait is sealed.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::{Handle, SyncAllocator};
///
/// /// Generic over the child's handle, and therefore `Send` if that is.
/// struct Request<C: Handle> {
///     arena: ArenaAllocator<C>,
/// }
///
/// fn send<T: Send>(value: T) -> T {
///     value
/// }
/// let request: Request<SyncAllocator<'_>> = send(Request { arena: ArenaAllocator::init(PAGE_ALLOCATOR) });
/// assert!(request.arena.allocator().alloc::<u8>(100).is_ok());
/// ```
///
/// A wrapper keeps the kind of its child's handle, and with it whether it is `Send`:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
/// use zigalloc::{Handle, SyncAllocator};
///
/// struct Session<C: Handle> {
///     arena: ArenaAllocator<C>,
///     name: &'static str,
/// }
///
/// fn is_send<T: Send>(_: &T) {}
///
/// let session: Session<SyncAllocator<'static>> = Session { arena: ArenaAllocator::init(PAGE_ALLOCATOR), name: "a" };
/// is_send(&session); // it would not compile with `*PAGE_ALLOCATOR`
/// let thread = std::thread::spawn(move || session.arena.allocator().dupe_str(session.name).is_ok());
/// assert!(thread.join().unwrap());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handle to an allocator",
    label = "not an `Allocator` or a `SyncAllocator`",
    note = "write `.allocator()` for the handle to an allocator, or `*` before a reference to a handle"
)]
pub trait Handle: Copy + fmt::Debug + sealed::Sealed {
    /// Returns the handle as an [`Allocator`].
    ///
    /// ```
    /// use std::mem::MaybeUninit;
    /// use std::ptr::NonNull;
    /// use zigalloc::{Handle, heap::FixedBufferAllocator};
    ///
    /// /// A slice that is freed with the handle that it stores, of either kind.
    /// struct Slice<C: Handle> {
    ///     memory: NonNull<[u8]>,
    ///     allocator: C,
    /// }
    /// impl<C: Handle> Drop for Slice<C> {
    ///     fn drop(&mut self) {
    ///         // SAFETY: a live block of this allocator, not used afterwards.
    ///         unsafe { self.allocator.as_allocator().free(self.memory) };
    ///     }
    /// }
    ///
    /// let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed = FixedBufferAllocator::init(&mut buffer);
    /// let allocator = fixed.allocator();
    /// drop(Slice { memory: allocator.alloc(60)?, allocator });
    /// assert_eq!(fixed.end_index(), 0);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    fn as_allocator(&self) -> Allocator<'_>;
}

impl Handle for Allocator<'_> {
    #[inline(always)]
    fn as_allocator(&self) -> Allocator<'_> {
        *self
    }
}

impl Handle for SyncAllocator<'_> {
    #[inline(always)]
    fn as_allocator(&self) -> Allocator<'_> {
        self.0
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Allocator<'_> {}
    impl Sealed for super::SyncAllocator<'_> {}
}
