//! The raw layer: a table of four C functions, and the two-word handle that carries it.
//!
//! A Zig `std.mem.Allocator` is a pointer to some allocator's state and a pointer to a table of
//! functions that know what the state is. Nothing else is needed to allocate: a program that holds
//! the pair can use any allocator without being compiled for it. This file is that pair, laid out
//! so that C and Zig programs read the same bytes:
//!
//! ```text
//!   Allocator (2 words)            VTable (4 words, 'static)
//!   ┌────────┬────────┐            ┌────────┬────────┬────────┬────────┐
//!   │  ptr   │ vtable ├───────────▶│ alloc  │ resize │ remap  │  free  │
//!   └───┬────┴────────┘            └────────┴────────┴────────┴────────┘
//!       │                              each is called with ptr first
//!       ▼
//!   the allocator's state, known to the functions alone
//! ```
//!
//! [`Allocator`] may be used by one thread; [`SyncAllocator`] is the same pair with the promise
//! that any thread may call it. Zig says that in comments, Rust in the type.
//!
//! Ports `std.mem.Allocator`'s fields, `VTable` and `raw*` functions of Zig 0.15.2, and `noAlloc`
//! and `failing` of 0.16. The typed functions (`create`, `alloc`, `free` …) are in
//! [`interface`](crate::interface).

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;

use crate::alignment::Alignment;
use crate::testing::symbol::Function;

/// The four functions of an allocator.
///
/// # The contract of an allocator
///
/// It is written here once; everything else in this crate refers to its numbers.
///
/// **Terms.** A *block* is what one successful `alloc` returned: an address, a length and an
/// alignment. It is *live* from then on until it is freed. Its *matching length* is the length that
/// the last successful `alloc`, `resize` or `remap` asked for; its *matching alignment* is that
/// of `alloc`, for ever. A *child* is an allocator that another allocator gets its memory from.
///
/// **What callers promise.**
///
/// 1. The context argument is the `ptr` that stands beside this table in an [`Allocator`].
/// 2. `len`, `memory_len` and `new_len` are bytes and greater than zero. The typed functions never
///    pass a zero on; raw calls must not either.
/// 3. `memory`, `memory_len` and `alignment` are those of a live block of this allocator, with
///    matching length and matching alignment, and `memory` is derived from the pointer that the
///    allocator returned.
/// 4. After `free`, or after a `remap` that returned a pointer, nothing uses the old pointer. After
///    a successful `resize` or `remap` to a smaller length nothing uses the bytes behind it.
/// 5. Calls come from one thread at a time, and a handle does not leave its thread, unless the
///    handle is a [`SyncAllocator`].
/// 6. `ret_addr` can be anything; it is shown to humans. 0 means "not provided".
///
/// **What the functions promise.**
///
/// 7. `alloc` returns null, or the address of `len` bytes that are valid for reads and writes,
///    aligned as asked, and no part of any other live block or of anything else in use. Their
///    content is unspecified and may be uninitialised. No block is longer than `isize::MAX` bytes.
/// 8. `resize` returns true if the block now has `new_len` bytes at the same address, false if
///    nothing has changed. It may refuse anything, even to shrink.
/// 9. `remap` returns the address of `new_len` bytes that are as clause 7 says and begin with the
///    old content, up to the smaller of both lengths; it may be the old address. The old block is
///    gone then. Or it returns null, and nothing has changed: the caller should allocate, copy and
///    free by itself, since the allocator knows no better way. The pointer that it returns may access
///    all `new_len` bytes, which the caller's own may not (a `Box` narrows its pointer): so an
///    allocator derives it from a pointer of its own, or from the address if its memory is exposed.
/// 10. `free` ends a block. It cannot fail.
/// 11. Blocks stay valid until they are freed, or until the allocator's state is changed by a call
///     that borrows it exclusively (a reset, its end), or by an `unsafe` one that says which blocks it
///     ends (`ArenaAllocator::rewind`).
/// 12. A request that cannot be served, however large its length or alignment, is null or false:
///     no arithmetic wraps, and an alignment that is not [valid](Alignment::is_valid) is never used.
/// 13. A bitwise copy of the handle is the same allocator: a block from one may be freed by another.
/// 14. No function unwinds. `extern "C"` turns a panic into an abort.
/// 15. No function calls back into an allocator that is calling it, directly or through others. What a
///     program gives an allocator to be called (a `Sink`, a report function) is part of that allocator
///     here: it must not call those above. Whether it may call that allocator itself is written there.
///
/// # Layout
///
/// `#[repr(C)]`, four function pointers. In C:
///
/// ```c
/// void *(*alloc )(void *ctx, size_t len, uint8_t alignment_log2, uintptr_t ret_addr);
/// bool  (*resize)(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, size_t new_len, uintptr_t ret_addr);
/// void *(*remap )(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, size_t new_len, uintptr_t ret_addr);
/// void  (*free  )(void *ctx, void *memory, size_t memory_len, uint8_t alignment_log2, uintptr_t ret_addr);
/// ```
///
/// Zig's `memory: []u8` is flattened to a pointer and a length, because C has no slices.
///
/// A table is best a `const` of your type, used by reference: `&Self::VTABLE` is promoted to a
/// static, and unlike a `static` its content is known to crates that use yours, so that calls
/// through a handle that the compiler can see are direct calls.
///
/// Ports `std.mem.Allocator.VTable` of Zig 0.15.2.
///
/// ```
/// use std::cell::Cell;
/// use zigalloc::{Alignment, Allocator, VTable};
///
/// /// Counts the blocks that are live, and asks a child for everything.
/// struct Counting<'c> {
///     child_allocator: Allocator<'c>,
///     live: Cell<usize>,
/// }
///
/// impl<'c> Counting<'c> {
///     const VTABLE: VTable = VTable {
///         alloc: counting_alloc,
///         resize: zigalloc::no_resize,
///         remap: zigalloc::no_remap,
///         free: counting_free,
///     };
///
///     fn allocator(&self) -> Allocator<'_> {
///         // SAFETY: the functions below keep the contract, because the child does.
///         unsafe { Allocator::from_raw_parts((&raw const *self).cast_mut().cast(), &Self::VTABLE) }
///     }
/// }
///
/// unsafe extern "C" fn counting_alloc(
///     ctx: *mut (), len: usize, alignment: Alignment, ret_addr: usize,
/// ) -> *mut u8 {
///     // SAFETY: clause 1: `ctx` is the address that `allocator` took.
///     let this = unsafe { &*ctx.cast_const().cast::<Counting<'_>>() };
///     // SAFETY: the caller's promises are the child's.
///     let memory = unsafe { this.child_allocator.raw_alloc(len, alignment, ret_addr) };
///     this.live.set(this.live.get() + usize::from(memory.is_some()));
///     memory.map_or(std::ptr::null_mut(), |memory| memory.as_ptr())
/// }
///
/// unsafe extern "C" fn counting_free(
///     ctx: *mut (), memory: *mut u8, memory_len: usize, alignment: Alignment, ret_addr: usize,
/// ) {
///     // SAFETY: clause 1, as above.
///     let this = unsafe { &*ctx.cast_const().cast::<Counting<'_>>() };
///     this.live.set(this.live.get() - 1);
///     // SAFETY: the block is the child's (clause 3), and never null.
///     unsafe {
///         let memory = std::ptr::NonNull::new_unchecked(memory);
///         let memory = std::ptr::NonNull::slice_from_raw_parts(memory, memory_len);
///         this.child_allocator.raw_free(memory, alignment, ret_addr);
///     }
/// }
///
/// # fn main() -> Result<(), zigalloc::Error> {
/// let counting = Counting { child_allocator: *zigalloc::heap::PAGE_ALLOCATOR, live: Cell::new(0) };
/// let memory = counting.allocator().alloc::<u32>(10)?;
/// assert_eq!(counting.live.get(), 1);
/// unsafe { counting.allocator().free(memory) };
/// assert_eq!(counting.live.get(), 0);
/// # Ok(())
/// # }
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VTable {
    /// Returns `len` bytes aligned to `alignment`, or null. Clauses 1, 2, 5–7, 12, 14, 15.
    pub alloc:
        unsafe extern "C" fn(ctx: *mut (), len: usize, alignment: Alignment, ret_addr: usize) -> *mut u8,

    /// Changes the length of a block without moving it, or returns false. Clauses 1–6, 8, 12, 14, 15.
    pub resize: unsafe extern "C" fn(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool,

    /// Changes the length of a block and may move it, or returns null. Clauses 1–6, 9, 12, 14, 15.
    pub remap: unsafe extern "C" fn(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> *mut u8,

    /// Ends a block. Clauses 1–6, 10, 14, 15.
    pub free: unsafe extern "C" fn(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ),
}

/// Any allocator, as two words: its state and its functions.
///
/// A handle is `Copy`, as in Zig; copies are the same allocator. The lifetime `'a` is the borrow of
/// the state: a handle to an arena cannot outlive the arena, nor can the arena be moved or reset
/// while a handle exists. A handle stays in its thread; [`SyncAllocator`] is the one that does not
/// have to.
///
/// The functions that a program calls (`create`, `alloc`, `free` …) are on the page of this type and
/// explained in [`interface`](crate::interface). Handles are not compared: an allocator without
/// state has a pointer that means nothing.
///
/// Ports `std.mem.Allocator` of Zig 0.15.2; in C it is
/// `struct { void *ctx; const VTable *vtable; }`.
///
/// ```
/// use zigalloc::{heap, Allocator, Error};
///
/// fn greeting<'a>(allocator: Allocator<'a>) -> Result<std::ptr::NonNull<[u8]>, Error> {
///     allocator.dupe(b"hello")
/// }
///
/// # fn main() -> Result<(), Error> {
/// let arena = heap::ArenaAllocator::init(heap::PAGE_ALLOCATOR);
/// let memory = greeting(arena.allocator())?;
/// // SAFETY: the arena lives, and `dupe` has initialised every byte.
/// assert_eq!(unsafe { memory.as_ref() }, b"hello");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "std.mem.Allocator")]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Allocator<'a> {
    ptr: *mut (),
    vtable: &'static VTable,
    state: PhantomData<&'a ()>,
}

/// An allocator that any thread may call: an [`Allocator`] that is `Send` and `Sync`.
///
/// It dereferences to an [`Allocator`], so all its functions are here too. What is thread-safe by
/// itself (the page allocator, the C allocator, a [`ThreadSafeAllocator`](crate::ThreadSafeAllocator))
/// gives out this type, and what wraps one is `Send` because this is.
///
/// Not in Zig, where a comment says which allocators are thread-safe.
///
/// ```
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
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct SyncAllocator<'a>(Allocator<'a>);

// The C structs, word for word.
const _: () = {
    const WORD: usize = size_of::<usize>();
    assert!(size_of::<VTable>() == 4 * WORD && align_of::<VTable>() == align_of::<usize>());
    assert!(core::mem::offset_of!(VTable, alloc) == 0);
    assert!(core::mem::offset_of!(VTable, resize) == WORD);
    assert!(core::mem::offset_of!(VTable, remap) == 2 * WORD);
    assert!(core::mem::offset_of!(VTable, free) == 3 * WORD);
    assert!(size_of::<Allocator<'_>>() == 2 * WORD && align_of::<Allocator<'_>>() == align_of::<usize>());
    assert!(core::mem::offset_of!(Allocator<'_>, ptr) == 0);
    assert!(core::mem::offset_of!(Allocator<'_>, vtable) == WORD);
    assert!(size_of::<Option<Allocator<'_>>>() == 2 * WORD, "the table is never null");
    assert!(size_of::<SyncAllocator<'_>>() == 2 * WORD);
    assert!(size_of::<Option<SyncAllocator<'_>>>() == 2 * WORD);
};

impl<'a> Allocator<'a> {
    /// An allocator that always fails. Allocating zero bytes succeeds, as everywhere, since that
    /// asks no allocator; nothing can have come from this one, so its other functions abort.
    ///
    /// Ports `std.mem.Allocator.failing`, which is new in Zig 0.16.
    ///
    /// ```
    /// use zigalloc::Allocator;
    ///
    /// assert!(Allocator::FAILING.alloc::<u8>(123).is_err());
    /// assert!(Allocator::FAILING.alloc::<u8>(0).is_ok());
    /// ```
    #[doc(alias = "failing")]
    pub const FAILING: Allocator<'static> = SyncAllocator::FAILING.0;

    /// Makes a handle from an allocator's state and its functions.
    ///
    /// # Safety
    ///
    /// `vtable`'s functions, called with `ptr`, keep clauses 7 to 15 of the
    /// [contract](VTable#the-contract-of-an-allocator) as long as their callers keep clauses 1 to 6,
    /// for all of the lifetime `'a`. Whoever makes handles to one state in several threads, or lets safe
    /// code do so, sees to it that clause 5 is kept among them.
    #[must_use]
    #[inline(always)]
    pub const unsafe fn from_raw_parts(ptr: *mut (), vtable: &'static VTable) -> Allocator<'a> {
        Allocator { ptr, vtable, state: PhantomData }
    }

    /// The state: the context argument of every call. It may mean nothing; do not compare it.
    #[must_use]
    #[inline(always)]
    pub const fn ptr(self) -> *mut () {
        self.ptr
    }

    /// The functions.
    #[must_use]
    #[inline(always)]
    pub const fn vtable(self) -> &'static VTable {
        self.vtable
    }

    /// Calls [`VTable::alloc`]. For those who implement allocators; programs call
    /// [`alloc`](Self::alloc).
    ///
    /// `len` is bytes. The result is null (`None`) or aligned as asked. No memory is filled.
    ///
    /// # Safety
    /// Clauses 2 and 5 of the [contract](VTable#the-contract-of-an-allocator): `len` is not zero.
    ///
    /// Ports `std.mem.Allocator.rawAlloc` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::{Alignment, heap::PAGE_ALLOCATOR, return_address};
    /// # use std::ptr::NonNull;
    /// // SAFETY: the length is not zero.
    /// let ptr = unsafe { PAGE_ALLOCATOR.raw_alloc(100, Alignment::_8, return_address()) }.unwrap();
    /// assert!(Alignment::_8.check_ptr(ptr.as_ptr()));
    /// # let memory = NonNull::slice_from_raw_parts(ptr, 100);
    /// # unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_8, 0) };
    /// ```
    #[doc(alias = "rawAlloc")]
    #[must_use = "a block that nobody knows is never freed"]
    #[inline(always)]
    pub unsafe fn raw_alloc(self, len: usize, alignment: Alignment, ret_addr: usize) -> Option<NonNull<u8>> {
        // SAFETY: `ptr` stands beside `vtable` (clause 1), the rest is the caller's promise.
        NonNull::new(unsafe { (self.vtable.alloc)(self.ptr, len, alignment, ret_addr) })
    }

    /// Calls [`VTable::resize`]: changes the length of a block in place, or returns false.
    ///
    /// # Safety
    /// Clauses 2 to 5 of the [contract](VTable#the-contract-of-an-allocator): `memory` and
    /// `alignment` match a live block, `new_len` (bytes) is not zero.
    ///
    /// Ports `std.mem.Allocator.rawResize` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::{Alignment, heap::PAGE_ALLOCATOR, return_address};
    /// # use std::ptr::NonNull;
    /// # let ptr = unsafe { PAGE_ALLOCATOR.raw_alloc(100, Alignment::_8, return_address()) }.unwrap();
    /// # let memory = NonNull::slice_from_raw_parts(ptr, 100);
    /// // SAFETY: a live block of 100 bytes. One page is as good for 200.
    /// assert!(unsafe { PAGE_ALLOCATOR.raw_resize(memory, Alignment::_8, 200, return_address()) });
    /// let memory = NonNull::slice_from_raw_parts(ptr, 200);
    /// # unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_8, 0) };
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
        // SAFETY: `ptr` stands beside `vtable` (clause 1), the rest is the caller's promise.
        unsafe { (self.vtable.resize)(self.ptr, ptr, len, alignment, new_len, ret_addr) }
    }

    /// Calls [`VTable::remap`]: changes the length of a block that may move, or returns `None`.
    ///
    /// # Safety
    /// As [`raw_resize`](Self::raw_resize). If the result is `Some`, the old pointer is dead.
    ///
    /// Ports `std.mem.Allocator.rawRemap` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::{Alignment, heap::PAGE_ALLOCATOR, return_address};
    /// # use std::ptr::NonNull;
    /// # let ptr = unsafe { PAGE_ALLOCATOR.raw_alloc(100, Alignment::_8, return_address()) }.unwrap();
    /// # let memory = NonNull::slice_from_raw_parts(ptr, 100);
    /// // SAFETY: a live block of 100 bytes. One page is as good for 200.
    /// let moved = unsafe { PAGE_ALLOCATOR.raw_remap(memory, Alignment::_8, 200, return_address()) };
    /// let memory = NonNull::slice_from_raw_parts(moved.unwrap(), 200);
    /// # unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_8, 0) };
    /// ```
    #[doc(alias = "rawRemap")]
    #[must_use = "if the result is `Some`, the block is there and the old pointer is dead"]
    #[inline(always)]
    pub unsafe fn raw_remap(
        self,
        memory: NonNull<[u8]>,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>> {
        let (ptr, len) = (memory.cast().as_ptr(), memory.len());
        // SAFETY: `ptr` stands beside `vtable` (clause 1), the rest is the caller's promise.
        NonNull::new(unsafe { (self.vtable.remap)(self.ptr, ptr, len, alignment, new_len, ret_addr) })
    }

    /// Calls [`VTable::free`]: ends a block.
    ///
    /// # Safety
    /// Clauses 2 to 5 of the [contract](VTable#the-contract-of-an-allocator): `memory` and
    /// `alignment` match a live block, which nothing uses afterwards.
    ///
    /// Ports `std.mem.Allocator.rawFree` of Zig 0.15.2.
    ///
    /// ```
    /// # use zigalloc::{Alignment, heap::PAGE_ALLOCATOR, return_address};
    /// # use std::ptr::NonNull;
    /// # let ptr = unsafe { PAGE_ALLOCATOR.raw_alloc(100, Alignment::_8, return_address()) }.unwrap();
    /// let memory = NonNull::slice_from_raw_parts(ptr, 100);
    /// // SAFETY: a live block of 100 bytes, which nothing uses afterwards.
    /// unsafe { PAGE_ALLOCATOR.raw_free(memory, Alignment::_8, return_address()) };
    /// ```
    #[doc(alias = "rawFree")]
    #[inline(always)]
    pub unsafe fn raw_free(self, memory: NonNull<[u8]>, alignment: Alignment, ret_addr: usize) {
        let (ptr, len) = (memory.cast().as_ptr(), memory.len());
        // SAFETY: `ptr` stands beside `vtable` (clause 1), the rest is the caller's promise.
        unsafe { (self.vtable.free)(self.ptr, ptr, len, alignment, ret_addr) }
    }
}

impl<'a> SyncAllocator<'a> {
    /// [`Allocator::FAILING`], which any thread may share.
    pub const FAILING: SyncAllocator<'static> = {
        const VTABLE: VTable = VTable {
            alloc: no_alloc,
            resize: unreachable_resize,
            remap: unreachable_remap,
            free: unreachable_free,
        };
        // SAFETY: `no_alloc` never makes a block, so nothing can be passed to the other functions.
        // None of them has state.
        unsafe { SyncAllocator::from_raw_parts(core::ptr::null_mut(), &VTABLE) }
    };

    /// Makes a thread-safe handle from an allocator's state and its functions.
    ///
    /// # Safety
    ///
    /// As [`Allocator::from_raw_parts`], and without clause 5: the functions may be called from any
    /// thread, by several at once, and a block from one thread may be resized and freed by another.
    #[must_use]
    #[inline(always)]
    pub const unsafe fn from_raw_parts(ptr: *mut (), vtable: &'static VTable) -> SyncAllocator<'a> {
        // SAFETY: the caller's promise includes that of `Allocator::from_raw_parts`.
        SyncAllocator(unsafe { Allocator::from_raw_parts(ptr, vtable) })
    }

    /// Declares that an allocator is thread-safe, for handles from code that cannot say so by type.
    ///
    /// # Safety
    ///
    /// The functions behind `allocator` may be called from any thread, by several at once, and a
    /// block from one thread may be resized and freed by another.
    #[must_use]
    #[inline(always)]
    pub const unsafe fn new_unchecked(allocator: Allocator<'a>) -> SyncAllocator<'a> {
        SyncAllocator(allocator)
    }

    /// The same allocator, without the promise. Also by dereferencing and by `Into`.
    #[must_use]
    #[inline(always)]
    pub const fn get(self) -> Allocator<'a> {
        self.0
    }
}

// SAFETY: whoever made the handle promised that any thread may call the functions
// (`from_raw_parts`, `new_unchecked`), so it can move to another thread.
unsafe impl Send for SyncAllocator<'_> {}
// SAFETY: as above; a shared reference gives out copies of the handle, and copies are equivalent.
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

/// Shows the state's address and the function behind `alloc`, which tells the kind of allocator: with the
/// feature `backtrace`, and if the program has symbols, by its name (`arena_alloc`, with as much of its path
/// as the debug information has), else by its address. Finding the name takes time and memory of the global heap.
///
/// There is no cheaper way that is right: tables and functions of one kind exist several times in a program,
/// and the compiler may merge those that do the same, so that comparing addresses tells nothing.
impl fmt::Debug for Allocator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.debug("Allocator", f)
    }
}

/// As that of [`Allocator`].
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

/// What has an allocator to offer: Zig's habit of a method `allocator()`, as a trait.
///
/// [`ThreadSafeAllocator::new`](crate::ThreadSafeAllocator::new) and
/// [`ValidationAllocator`](crate::testing::ValidationAllocator) take any such type.
///
/// # Safety
///
/// 1. The handle keeps the [contract](VTable#the-contract-of-an-allocator) for as long as `self` is
///    borrowed.
/// 2. If the type is `Send`: as long as someone holds `&mut self` and makes handles from nothing
///    else, these handles are the only way to the state (it is `self`'s own, or that of others who
///    allow any thread at any time). Then the calls may come from any thread, one at a time.
/// 3. If the type is `Sync`: handles made in several threads may be used at once.
/// 4. All handles made from one `self` are the same allocator (clause 13), until `self` is changed by
///    something that borrows it exclusively.
///
/// A type that merely stores an `Allocator` keeps 2 and 3 by being neither `Send` nor `Sync`.
pub unsafe trait AllocatorState {
    /// A handle to this allocator, which borrows it.
    fn allocator(&self) -> Allocator<'_>;
}

// SAFETY: the handle is its own; it is not `Send`.
unsafe impl AllocatorState for Allocator<'_> {
    #[inline(always)]
    fn allocator(&self) -> Allocator<'_> {
        *self
    }
}

// SAFETY: the handle is its own, and any thread may call it at any time.
unsafe impl AllocatorState for SyncAllocator<'_> {
    #[inline(always)]
    fn allocator(&self) -> Allocator<'_> {
        self.0
    }
}

/// The two kinds of handle that a wrapper can have as its child: [`Allocator`] and
/// [`SyncAllocator`].
///
/// A wrapper such as `ArenaAllocator<C>` is generic over its child's handle only so that it is
/// `Send` exactly if the handle is. The trait is sealed.
pub trait ChildAllocator: Copy + fmt::Debug + sealed::Sealed {
    /// The handle, without the promise of thread safety.
    fn handle(&self) -> Allocator<'_>;
}

impl ChildAllocator for Allocator<'_> {
    #[inline(always)]
    fn handle(&self) -> Allocator<'_> {
        *self
    }
}

impl ChildAllocator for SyncAllocator<'_> {
    #[inline(always)]
    fn handle(&self) -> Allocator<'_> {
        self.0
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Allocator<'_> {}
    impl Sealed for super::SyncAllocator<'_> {}
}

/// The two arguments in which the table's functions get a block, as one.
///
/// # Safety
/// `memory` is not null, as clause 3 says.
#[inline(always)]
pub(crate) unsafe fn block(memory: *mut u8, memory_len: usize) -> NonNull<[u8]> {
    // SAFETY: the caller's promise.
    NonNull::slice_from_raw_parts(unsafe { NonNull::new_unchecked(memory) }, memory_len)
}

/// A result as the table's functions return it.
#[inline(always)]
pub(crate) fn nullable(memory: Option<NonNull<u8>>) -> *mut u8 {
    memory.map_or(core::ptr::null_mut(), NonNull::as_ptr)
}

// ---- the functions that refuse ----

/// An entry for tables of allocators that never allocate: returns null.
///
/// Ports `std.mem.Allocator.noAlloc` of Zig 0.16.
///
/// # Safety
/// Safe for any arguments; `unsafe` because the table's type is.
#[doc(alias = "noAlloc")]
#[inline]
pub unsafe extern "C" fn no_alloc(
    _ctx: *mut (),
    _len: usize,
    _alignment: Alignment,
    _ret_addr: usize,
) -> *mut u8 {
    core::ptr::null_mut()
}

/// An entry for tables of allocators that never resize in place: returns false.
///
/// Ports `std.mem.Allocator.noResize` of Zig 0.15.2.
///
/// # Safety
/// Safe for any arguments; `unsafe` because the table's type is.
#[doc(alias = "noResize")]
#[inline]
pub unsafe extern "C" fn no_resize(
    _ctx: *mut (),
    _memory: *mut u8,
    _memory_len: usize,
    _alignment: Alignment,
    _new_len: usize,
    _ret_addr: usize,
) -> bool {
    false
}

/// An entry for tables of allocators that know no better way to move than their callers: returns null.
///
/// Ports `std.mem.Allocator.noRemap` of Zig 0.15.2.
///
/// # Safety
/// Safe for any arguments; `unsafe` because the table's type is.
#[doc(alias = "noRemap")]
#[inline]
pub unsafe extern "C" fn no_remap(
    _ctx: *mut (),
    _memory: *mut u8,
    _memory_len: usize,
    _alignment: Alignment,
    _new_len: usize,
    _ret_addr: usize,
) -> *mut u8 {
    core::ptr::null_mut()
}

/// An entry for tables of allocators that free everything at once, later: does nothing.
///
/// Ports `std.mem.Allocator.noFree` of Zig 0.15.2.
///
/// # Safety
/// Safe for any arguments; `unsafe` because the table's type is.
#[doc(alias = "noFree")]
#[inline]
pub unsafe extern "C" fn no_free(
    _ctx: *mut (),
    _memory: *mut u8,
    _memory_len: usize,
    _alignment: Alignment,
    _ret_addr: usize,
) {
}

unsafe extern "C" fn unreachable_resize(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    _new_len: usize,
    _ret_addr: usize,
) -> bool {
    unreachable!(
        "Allocator::FAILING was asked to resize {memory_len} bytes at {memory:?}; it makes no blocks, so its limit is 0"
    )
}

unsafe extern "C" fn unreachable_remap(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    _new_len: usize,
    _ret_addr: usize,
) -> *mut u8 {
    unreachable!(
        "Allocator::FAILING was asked to remap {memory_len} bytes at {memory:?}; it makes no blocks, so its limit is 0"
    )
}

unsafe extern "C" fn unreachable_free(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    _ret_addr: usize,
) {
    unreachable!(
        "Allocator::FAILING was asked to free {memory_len} bytes at {memory:?}; it makes no blocks, so its limit is 0"
    )
}
