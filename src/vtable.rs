//! The raw layer: a table of four C functions, and the contract that they keep.
//!
//! A Zig `std.mem.Allocator` is a pointer to an allocator's state and a pointer to a table of functions that know what
//! the state is. Code that holds the pair can call any allocator without being compiled for it. The pair is
//! [`Allocator`](crate::Allocator); this file is the table, laid out so that C and Zig programs read the same bytes:
//!
//! ```text
//!   Allocator (2 words)            VTable (4 words, 'static)
//!   ┌────────┬────────┐            ┌────────┬────────┬────────┬────────┐
//!   │  ptr   │ vtable ├───────────▶│ alloc  │ resize │ remap  │  free  │
//!   └───┬────┴────────┘            └────────┴────────┴────────┴────────┘
//!       │                              each is called with ptr first
//!       ▼
//!   the allocator's state, known only to the functions
//! ```
//!
//! Every allocator of this crate that has state has the same form: a constant [`VTable`] of four functions that are associated
//! functions of its type, a method `allocator` that pairs `&self` with the table, and in each function one call of
//! [`state`] that turns the context pointer back into `&Self`. The example on [`VTable`] is a whole allocator.
//!
//! Ports `std.mem.Allocator.VTable` of Zig 0.15.2 with its refusing functions, and `noAlloc` of 0.16.

use core::ptr::NonNull;

use crate::alignment::Alignment;

/// The four functions of an allocator.
///
/// # The contract of an allocator
///
/// The contract is stated here and nowhere else; all other documentation cites its clauses by name.
///
/// A *block* is what one successful `alloc` returned: an address, a length in bytes and an alignment. It is
/// *live* until it is freed. Its *matching length* is the length requested by the last successful `alloc`, `resize` or
/// `remap`; its *matching alignment* is always that of `alloc`. A *child* is an allocator that
/// another allocator gets its memory from.
///
/// ## What the caller guarantees
///
/// 1. <a id="context"></a>**context**: `ctx` is the `ptr` of an [`Allocator`](crate::Allocator) whose `vtable` is this
///    table.
/// 2. <a id="non-zero"></a>**non-zero**: `len`, `memory_len` and `new_len` are in bytes and greater than zero. The
///    typed functions handle zero lengths themselves; raw calls must not pass one.
/// 3. <a id="live-block"></a>**live-block**: `memory`, `memory_len` and `alignment` are those of a live block of this
///    allocator, with matching length and matching alignment, and `memory` is derived from the pointer that the
///    allocator returned.
/// 4. <a id="dead-pointer"></a>**dead-pointer**: After `free`, or after a `remap` that returned a pointer, the old
///    pointer is not used. After a successful `resize` or `remap` to a smaller length, the bytes past it are not used.
/// 5. <a id="one-thread"></a>**one-thread**: Calls come from one thread at a time, and a handle does not leave its
///    thread, unless the handle is a [`SyncAllocator`](crate::SyncAllocator).
/// 6. <a id="return-address"></a>**return-address**: `ret_addr` may be any value; it is used in reports only. 0 means
///    "not provided".
///
/// ## What the functions guarantee
///
/// 7. <a id="new-block"></a>**new-block**: `alloc` returns null, or the address of `len` bytes that are valid for reads
///    and writes, aligned as requested, and not part of any other live block or of anything else in use. Their content
///    is unspecified and may be uninitialised. No block is longer than `isize::MAX` bytes.
/// 8. <a id="in-place"></a>**in-place**: `resize` returns true if the block now has `new_len` bytes at the same
///    address, and false if nothing has changed. It may refuse any request, even to shrink.
/// 9. <a id="moved-block"></a>**moved-block**: `remap` returns the address of `new_len` bytes that satisfy new-block
///    and begin with the old content, up to the shorter of the two lengths. The address may be the old one; the old
///    block is dead either way. Or it returns null and changes nothing: the allocator has no better way than for the
///    caller to allocate, copy and free. The result has provenance over all `new_len` bytes. Do not derive it from
///    `memory`, whose provenance may be narrower (after a `Box`, for example).
/// 10. <a id="no-fail"></a>**no-fail**: `free` frees the block and cannot fail.
/// 11. <a id="validity"></a>**validity**: A block stays valid until it is freed, or until a call that borrows the
///     allocator's state exclusively changes it (a reset, its drop), or until an `unsafe` call that states which
///     blocks it frees (`ArenaAllocator::rewind`).
/// 12. <a id="no-overflow"></a>**no-overflow**: A request that cannot be served returns null or false, however large
///     its length or alignment. No arithmetic wraps, and an alignment that is not [valid](Alignment::is_valid) is never
///     used.
/// 13. <a id="copies"></a>**copies**: A bitwise copy of a handle is the same allocator: a block from one may be freed
///     through the other.
/// 14. <a id="no-unwind"></a>**no-unwind**: No function unwinds. `extern "C"` turns a panic into an abort.
/// 15. <a id="no-reentry"></a>**no-reentry**: No function calls back into an allocator that is calling it, directly or
///     through others. A callback that a program installs in an allocator (a `Sink`, a report function) counts as part
///     of that allocator: it must not call the allocators that wrap it. The callback's own page states whether it may
///     call the allocator that it is installed in.
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
/// Zig's `memory: []u8` is flattened to a pointer and a length, because C has no slices. `Option<NonNull<u8>>` is
/// Zig's `?[*]u8`: a pointer that may be null, with C's ABI. `memory` stays a plain pointer, because a buggy C
/// caller may pass NULL, which a debug allocator reports.
///
/// Make the table a `const` of your type and pass `&Self::VTABLE`, which is promoted to a static. Unlike the content of
/// a `static`, it is visible to crates that use yours, so calls through a handle that the compiler can see
/// become direct calls.
///
/// Ports `std.mem.Allocator.VTable` of Zig 0.15.2.
///
/// # Example
///
/// An allocator written from scratch:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::cell::Cell;
/// use std::ptr::NonNull;
/// use zigalloc::{Alignment, Allocator, VTable, block, state};
///
/// /// Counts live blocks; a child serves the requests.
/// struct Counting<'c> {
///     child_allocator: Allocator<'c>,
///     live: Cell<usize>,
/// }
///
/// impl<'c> Counting<'c> {
///     const VTABLE: VTable = VTable {
///         alloc: Self::alloc,
///         resize: zigalloc::no_resize,
///         remap: zigalloc::no_remap,
///         free: Self::free,
///     };
///
///     fn allocator(&self) -> Allocator<'_> {
///         // SAFETY: the table's functions keep the contract because the child does.
///         unsafe { Allocator::from_state(self, &Self::VTABLE) }
///     }
///
///     unsafe extern "C" fn alloc(
///         ctx: *mut (), len: usize, alignment: Alignment, ret_addr: usize,
///     ) -> Option<NonNull<u8>> {
///         // SAFETY: `ctx` is the `&Self` that `allocator` passed.
///         let this = unsafe { state::<Self>(ctx) };
///         // SAFETY: `len` is not zero, by our caller. Neither this handle nor the child's leaves its thread.
///         let memory = unsafe { this.child_allocator.raw_alloc(len, alignment, ret_addr) };
///         this.live.set(this.live.get() + usize::from(memory.is_some()));
///         memory
///     }
///
///     unsafe extern "C" fn free(
///         ctx: *mut (), memory: *mut u8, memory_len: usize, alignment: Alignment, ret_addr: usize,
///     ) {
///         // SAFETY: `ctx` is the `&Self` that `allocator` passed.
///         let this = unsafe { state::<Self>(ctx) };
///         this.live.set(this.live.get() - 1);
///         // SAFETY: the address of a live block is not null.
///         let memory = unsafe { block(memory, memory_len) };
///         // SAFETY: a live block of the child, with matching length and alignment; one thread, as above.
///         unsafe { this.child_allocator.raw_free(memory, alignment, ret_addr) };
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
///
/// A table whose functions are another's, except one. It needs no state, since the child's context is passed on:
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::ptr::NonNull;
/// use zigalloc::{Alignment, Allocator, VTable, heap::PAGE_ALLOCATOR};
///
/// const PAGES: &VTable = PAGE_ALLOCATOR.as_allocator().vtable();
///
/// /// Refuses blocks above 1 MiB.
/// unsafe extern "C" fn small_alloc(ctx: *mut (), len: usize, alignment: Alignment, ra: usize) -> Option<NonNull<u8>> {
///     if len > 1 << 20 {
///         return None;
///     }
///     // SAFETY: the same context, and a length that is not zero, by our caller.
///     unsafe { (PAGES.alloc)(ctx, len, alignment, ra) }
/// }
/// const SMALL: VTable = VTable { alloc: small_alloc, ..*PAGES };
///
/// // SAFETY: the page allocator's context, and its functions or one that may refuse.
/// let allocator = unsafe { Allocator::from_raw_parts(PAGE_ALLOCATOR.ptr(), &SMALL) };
/// assert!(allocator.alloc::<u8>((1 << 20) + 1).is_err());
/// let memory = allocator.alloc::<u8>(1 << 20)?;
/// unsafe { allocator.free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VTable {
    /// Allocates `len` bytes aligned to `alignment`, or returns null. Bound by clauses context, non-zero,
    /// one-thread, return-address, new-block, no-overflow, no-unwind and no-reentry.
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{Alignment, heap::FixedBufferAllocator};
    /// let mut buffer = [MaybeUninit::uninit(); 200];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let (ctx, vtable) = (fixed_buffer.allocator().ptr(), fixed_buffer.allocator().vtable());
    ///
    /// // SAFETY: the table's own context; the length is not zero.
    /// let line = unsafe { (vtable.alloc)(ctx, 1, Alignment::_64, 0) };
    /// assert!(line.is_some_and(|line| line.addr().get() % 64 == 0));
    /// // SAFETY: the same. No request is too large to be refused.
    /// assert!(unsafe { (vtable.alloc)(ctx, usize::MAX, Alignment::MAX, 0) }.is_none());
    /// ```
    pub alloc: unsafe extern "C" fn(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>>,

    /// Changes the length of a block without moving it, or returns false. Bound by clauses context to
    /// return-address, in-place, no-overflow, no-unwind and no-reentry.
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{Alignment, heap::FixedBufferAllocator};
    /// # let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let (ctx, vtable) = (fixed_buffer.allocator().ptr(), fixed_buffer.allocator().vtable());
    /// // SAFETY: the table's own context; the length is not zero.
    /// let memory = unsafe { (vtable.alloc)(ctx, 60, Alignment::_1, 0) }.unwrap().as_ptr();
    ///
    /// // SAFETY: a live block of 60 bytes; nothing changes.
    /// assert!(!unsafe { (vtable.resize)(ctx, memory, 60, Alignment::_1, 101, 0) });
    /// // SAFETY: the same block, so the length is still 60.
    /// assert!(unsafe { (vtable.resize)(ctx, memory, 60, Alignment::_1, 100, 0) });
    /// // SAFETY: now it is 100.
    /// unsafe { (vtable.free)(ctx, memory, 100, Alignment::_1, 0) };
    /// assert_eq!(fixed_buffer.end_index(), 0);
    /// ```
    pub resize: unsafe extern "C" fn(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool,

    /// Changes the length of a block, which may move, or returns null. Bound by clauses context to
    /// return-address, moved-block, no-overflow, no-unwind and no-reentry.
    ///
    /// The caller that gets null still has its block:
    ///
    /// ```
    /// # use std::mem::MaybeUninit;
    /// # use zigalloc::{Alignment, heap::FixedBufferAllocator};
    /// # let mut buffer = [MaybeUninit::uninit(); 100];
    /// let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
    /// let (ctx, vtable) = (fixed_buffer.allocator().ptr(), fixed_buffer.allocator().vtable());
    /// // SAFETY: the table's own context; the lengths are not zero.
    /// let first = unsafe { (vtable.alloc)(ctx, 10, Alignment::_1, 0) }.unwrap();
    /// // SAFETY: the same.
    /// let last = unsafe { (vtable.alloc)(ctx, 10, Alignment::_1, 0) }.unwrap();
    ///
    /// // SAFETY: a live block of 10 bytes, which cannot grow and does not move.
    /// assert_eq!(unsafe { (vtable.remap)(ctx, first.as_ptr(), 10, Alignment::_1, 20, 0) }, None);
    /// // SAFETY: a live block at the end, which can.
    /// assert_eq!(unsafe { (vtable.remap)(ctx, last.as_ptr(), 10, Alignment::_1, 20, 0) }, Some(last));
    /// ```
    pub remap: unsafe extern "C" fn(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>>,

    /// Frees a block. Bound by clauses context to return-address, no-fail, no-unwind and no-reentry.
    ///
    /// The length and the alignment are those of the block, since many allocators store neither:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{Alignment, SlicePtr, heap::SMP_ALLOCATOR};
    /// let numbers = SMP_ALLOCATOR.alloc::<u32>(10)?;
    /// let (ctx, vtable) = (SMP_ALLOCATOR.ptr(), SMP_ALLOCATOR.vtable());
    /// let (address, len) = (numbers.bytes().cast::<u8>().as_ptr(), numbers.bytes().len());
    /// assert_eq!(len, 40, "bytes, not elements");
    /// // SAFETY: a live block of 40 bytes with the alignment of `u32`, not used afterwards.
    /// unsafe { (vtable.free)(ctx, address, len, Alignment::of::<u32>(), 0) };
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    pub free: unsafe extern "C" fn(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ),
}

// The layout of the C struct.
const _: () = {
    const WORD: usize = size_of::<usize>();
    assert!(size_of::<VTable>() == 4 * WORD && align_of::<VTable>() == align_of::<usize>());
    assert!(core::mem::offset_of!(VTable, alloc) == 0);
    assert!(core::mem::offset_of!(VTable, resize) == WORD);
    assert!(core::mem::offset_of!(VTable, remap) == 2 * WORD);
    assert!(core::mem::offset_of!(VTable, free) == 3 * WORD);
};

/// Turns the context argument of a table's function back into the allocator's state. This is the only cast that an
/// allocator's function needs.
///
/// # Safety
///
/// `ctx` was made from a `&T`, such as the one passed to [`Allocator::from_state`](crate::Allocator::from_state),
/// whose borrow lasts for all of `'s`. In a function of a table, the [context](VTable#context) clause guarantees
/// this: the caller passes the handle's own `ptr`.
///
/// ```
/// let number = 42;
/// let ctx = (&raw const number).cast_mut().cast();
/// // SAFETY: the address of a live `u32`.
/// assert_eq!(*unsafe { zigalloc::state::<u32>(ctx) }, 42);
/// ```
///
/// A state that changes has a `Cell` (or an atomic), since any number of handles share it:
///
/// ```
/// use std::cell::Cell;
/// use zigalloc::state;
///
/// extern "C" fn count_call(ctx: *mut ()) -> usize {
///     // SAFETY: `ctx` is the address of the live `Cell` below.
///     let calls = unsafe { state::<Cell<usize>>(ctx) };
///     calls.set(calls.get() + 1);
///     calls.get()
/// }
///
/// let calls = Cell::new(0usize);
/// let ctx = (&raw const calls).cast_mut().cast();
/// assert_eq!((count_call(ctx), count_call(ctx), calls.get()), (1, 2, 2));
/// ```
#[must_use]
#[inline(always)]
pub const unsafe fn state<'s, T>(ctx: *mut ()) -> &'s T {
    // SAFETY: `ctx` is the address of a `T` that is borrowed as shared for `'s`.
    unsafe { &*ctx.cast_const().cast::<T>() }
}

/// Joins the two arguments that describe a block into the slice pointer that the `raw_*` methods take.
///
/// # Safety
/// `memory` is not null, which the [live-block](VTable#live-block) clause implies.
///
/// ```
/// let mut byte = 7;
/// // SAFETY: the address of a variable is not null.
/// let memory = unsafe { zigalloc::block(&mut byte, 1) };
/// assert_eq!(memory.len(), 1);
/// ```
#[must_use]
#[inline(always)]
pub const unsafe fn block(memory: *mut u8, memory_len: usize) -> NonNull<[u8]> {
    // SAFETY: `memory` is not null, by our caller.
    let memory = unsafe { NonNull::new_unchecked(memory) };
    NonNull::slice_from_raw_parts(memory, memory_len)
}

// ---- entries that refuse ----

/// A table entry for an allocator that never allocates: returns null.
///
/// Ports `std.mem.Allocator.noAlloc` of Zig 0.16.
///
/// # Safety
/// Safe for any arguments; it is `unsafe` only to match the table's type.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{Allocator, Error, VTable, heap::PAGE_ALLOCATOR, no_alloc};
///
/// /// The page allocator, which still frees its blocks but makes no new ones.
/// const CLOSED: VTable = VTable { alloc: no_alloc, ..*PAGE_ALLOCATOR.as_allocator().vtable() };
///
/// let memory = PAGE_ALLOCATOR.alloc::<u8>(100)?;
/// // SAFETY: the page allocator's own context; only `alloc` is replaced, by one that may refuse.
/// let closed = unsafe { Allocator::from_raw_parts(PAGE_ALLOCATOR.ptr(), &CLOSED) };
/// assert_eq!(closed.alloc::<u8>(100), Err(Error::OutOfMemory));
/// // SAFETY: a live block of the page allocator, whose `free` this is.
/// unsafe { closed.free(memory) };
/// # Ok::<(), Error>(())
/// ```
#[doc(alias = "noAlloc")]
#[inline]
pub unsafe extern "C" fn no_alloc(
    _ctx: *mut (),
    _len: usize,
    _alignment: Alignment,
    _ret_addr: usize,
) -> Option<NonNull<u8>> {
    None
}

/// A table entry for an allocator that never resizes in place: returns false.
///
/// Ports `std.mem.Allocator.noResize` of Zig 0.15.2.
///
/// # Safety
/// Safe for any arguments; it is `unsafe` only to match the table's type.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{Allocator, VTable, heap::PAGE_ALLOCATOR, no_resize};
///
/// /// The page allocator without `resize`, to test that a program copes.
/// const FIXED: VTable = VTable { resize: no_resize, ..*PAGE_ALLOCATOR.as_allocator().vtable() };
///
/// // SAFETY: the page allocator's own context; only `resize` is replaced, by one that may refuse.
/// let allocator = unsafe { Allocator::from_raw_parts(PAGE_ALLOCATOR.ptr(), &FIXED) };
/// let memory = allocator.alloc::<u8>(100)?;
/// assert!(!unsafe { allocator.resize(memory, 50) });
/// unsafe { allocator.free(memory) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
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

/// A table entry for an allocator that cannot move a block better than its caller can: returns null.
///
/// Ports `std.mem.Allocator.noRemap` of Zig 0.15.2.
///
/// # Safety
/// Safe for any arguments; it is `unsafe` only to match the table's type.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::{Allocator, VTable, heap::PAGE_ALLOCATOR, no_remap};
///
/// const COPIED: VTable = VTable { remap: no_remap, ..*PAGE_ALLOCATOR.as_allocator().vtable() };
///
/// // SAFETY: the page allocator's own context; only `remap` is replaced, by one that may refuse.
/// let allocator = unsafe { Allocator::from_raw_parts(PAGE_ALLOCATOR.ptr(), &COPIED) };
/// let old = allocator.dupe(&[1, 2, 3])?;
/// // `realloc` allocates, copies and frees instead.
/// let new = unsafe { allocator.realloc(old, 4) }?;
/// assert_ne!(new.addr(), old.addr());
/// assert_eq!(unsafe { &new.as_ref()[..3] }, [1, 2, 3]);
/// unsafe { allocator.free(new) };
/// # Ok::<(), zigalloc::Error>(())
/// ```
#[doc(alias = "noRemap")]
#[inline]
pub unsafe extern "C" fn no_remap(
    _ctx: *mut (),
    _memory: *mut u8,
    _memory_len: usize,
    _alignment: Alignment,
    _new_len: usize,
    _ret_addr: usize,
) -> Option<NonNull<u8>> {
    None
}

/// A table entry for an allocator that does not free individual blocks: does nothing.
///
/// Ports `std.mem.Allocator.noFree` of Zig 0.15.2.
///
/// # Safety
/// Safe for any arguments; it is `unsafe` only to match the table's type.
///
#[cfg_attr(feature = "std", doc = "```")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use std::ptr::NonNull;
/// use zigalloc::{Alignment, Allocator, VTable, no_free, no_remap, no_resize, state};
/// # use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
///
/// /// Passes a request on to the allocator that is the state.
/// unsafe extern "C" fn alloc(ctx: *mut (), len: usize, alignment: Alignment, ra: usize) -> Option<NonNull<u8>> {
///     // SAFETY: `ctx` is the `&Allocator` below.
///     let child = unsafe { state::<Allocator<'_>>(ctx) };
///     // SAFETY: the length is not zero, by our caller. Neither handle leaves its thread.
///     unsafe { child.raw_alloc(len, alignment, ra) }
/// }
/// const KEEPS: VTable = VTable { alloc, resize: no_resize, remap: no_remap, free: no_free };
///
/// let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
/// let child = arena.allocator();
/// // SAFETY: the child makes the blocks, and they live as long as the arena.
/// let allocator = unsafe { Allocator::from_state(&child, &KEEPS) };
/// let first = allocator.create_with(1)?;
/// unsafe { allocator.destroy(first) };
/// // The arena alone would use the memory of its last block again.
/// assert_ne!(allocator.create_with(2)?, first);
/// # Ok::<(), zigalloc::Error>(())
/// ```
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

/// The table of [`Allocator::FAILING`](crate::Allocator::FAILING). `alloc` never makes a block, so only a breach of the
/// contract reaches the other functions; they abort.
pub(crate) const FAILING: VTable =
    VTable { alloc: no_alloc, resize: unreachable_resize, remap: unreachable_remap, free: unreachable_free };

unsafe extern "C" fn unreachable_resize(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    _new_len: usize,
    _ret_addr: usize,
) -> bool {
    unreachable!(
        "Allocator::FAILING: resize of a block it never allocated ({memory_len} bytes at {memory:?})"
    )
}

unsafe extern "C" fn unreachable_remap(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    _new_len: usize,
    _ret_addr: usize,
) -> Option<NonNull<u8>> {
    unreachable!("Allocator::FAILING: remap of a block it never allocated ({memory_len} bytes at {memory:?})")
}

unsafe extern "C" fn unreachable_free(
    _ctx: *mut (),
    memory: *mut u8,
    memory_len: usize,
    _alignment: Alignment,
    _ret_addr: usize,
) {
    unreachable!("Allocator::FAILING: free of a block it never allocated ({memory_len} bytes at {memory:?})")
}
