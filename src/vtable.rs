//! The raw layer: a table of four C functions, and the contract that they keep.
//!
//! A Zig `std.mem.Allocator` is a pointer to an allocator's state and a pointer to a table of functions
//! that know what the state is. A program that holds the pair can use any allocator without being compiled
//! for it. The pair is [`Allocator`](crate::Allocator); this file is the table, laid out so that C and Zig
//! programs read the same bytes:
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
//! Every allocator of this crate has the same form: a constant [`VTable`] of four functions that are
//! associated functions of its type, a method `allocator` that puts `&self` beside the table, and in each
//! function one call of [`state`] that turns the context pointer back into `&Self`. The example on
//! [`VTable`] is a whole allocator.
//!
//! Ports `std.mem.Allocator.VTable` of Zig 0.15.2 with its refusing functions, and `noAlloc` of 0.16.

use core::ptr::NonNull;

use crate::alignment::Alignment;

/// The four functions of an allocator.
///
/// # The contract of an allocator
///
/// It is written once, here. Everything else refers to its clauses by name or number.
///
/// A *block* is what one successful `alloc` returned: an address, a length in bytes and an alignment. It is
/// *live* until it is freed. Its *matching length* is the one that the last successful `alloc`, `resize` or
/// `remap` asked for; its *matching alignment* is always that of `alloc`. A *child* is an allocator that
/// another allocator gets its memory from.
///
/// ## What the caller guarantees
///
/// 1. <a id="context"></a>**context**: `ctx` is the `ptr` that stands beside this table in an
///    [`Allocator`](crate::Allocator).
/// 2. <a id="non-zero"></a>**non-zero**: `len`, `memory_len` and `new_len` are in bytes and greater than zero. The
///    typed functions handle zero lengths themselves; raw calls must not pass one.
/// 3. <a id="live-block"></a>**live-block**: `memory`, `memory_len` and `alignment` are those of a live block of this
///    allocator, with matching length and matching alignment, and `memory` is derived from the pointer that the
///    allocator returned.
/// 4. <a id="dead-pointer"></a>**dead-pointer**: After `free`, or after a `remap` that returned a pointer, the old
///    pointer is not used. After a successful `resize` or `remap` to a smaller length, the bytes past it are not used.
/// 5. <a id="one-thread"></a>**one-thread**: Calls come from one thread at a time, and a handle does not leave its
///    thread, unless the handle is a [`SyncAllocator`](crate::SyncAllocator).
/// 6. <a id="return-address"></a>**return-address**: `ret_addr` can be anything; it is shown to humans. 0 means "not
///    provided".
///
/// ## What the functions guarantee
///
/// 7. <a id="new-block"></a>**new-block**: `alloc` returns null, or the address of `len` bytes that are valid for reads
///    and writes, aligned as requested, and not part of any other live block or of anything else in use. Their content
///    is unspecified and may be uninitialised. No block is longer than `isize::MAX` bytes.
/// 8. <a id="in-place"></a>**in-place**: `resize` returns true if the block now has `new_len` bytes at the same
///    address, and false if nothing has changed. It may refuse any request, even to shrink.
/// 9. <a id="moved-block"></a>**moved-block**: `remap` returns the address of `new_len` bytes that are as new-block says
///    and begin with the old content, up to the smaller of both lengths; it may be the old address. The old block is then
///    dead. Or it returns null, and nothing has changed: the caller should allocate, copy and free, since the allocator
///    has no better way. The result has provenance over all `new_len` bytes. Do not derive it from `memory`, whose
///    provenance may be narrower (after a `Box`, for example).
/// 10. <a id="no-fail"></a>**no-fail**: `free` ends a block. It cannot fail.
/// 11. <a id="validity"></a>**validity**: Blocks stay valid until they are freed, or until the allocator's state is
///     changed by a call that borrows it exclusively (a reset, its drop), or by an `unsafe` one that states which
///     blocks it ends (`ArenaAllocator::rewind`).
/// 12. <a id="no-overflow"></a>**no-overflow**: A request that cannot be served, however large its length or alignment,
///     is null or false: no arithmetic wraps, and an alignment that is not [valid](Alignment::is_valid) is never used.
/// 13. <a id="copies"></a>**copies**: A bitwise copy of a handle is the same allocator: a block from one may be freed
///     through the other.
/// 14. <a id="no-unwind"></a>**no-unwind**: No function unwinds. `extern "C"` turns a panic into an abort.
/// 15. <a id="no-reentry"></a>**no-reentry**: No function calls back into an allocator that is calling it, directly or
///     through others. What a program gives an allocator to call (a `Sink`, a report function) is part of that
///     allocator here: it must not call those above. Its own page states whether it may call that allocator itself.
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
/// Zig's `?[*]u8`: a pointer that may be null, and the same ABI as C's. `memory` stays a plain pointer, since a C
/// caller's mistake may be NULL, which a debug allocator reports.
///
/// A table is best a `const` of your type, used by reference: `&Self::VTABLE` is promoted to a static. Unlike that
/// of a `static`, its content is known to crates that use yours, so calls through a handle that the compiler can see
/// become direct calls.
///
/// Ports `std.mem.Allocator.VTable` of Zig 0.15.2.
///
/// # Example
///
/// An allocator from scratch:
///
/// ```
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
///         // SAFETY: the functions of the table keep the contract, because the child does.
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
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VTable {
    /// Returns `len` bytes aligned to `alignment`, or null. Clauses context, non-zero,
    /// one-thread, return-address, new-block, no-overflow, no-unwind and no-reentry.
    pub alloc: unsafe extern "C" fn(
        ctx: *mut (),
        len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ) -> Option<NonNull<u8>>,

    /// Changes the length of a block without moving it, or returns false. Clauses context to
    /// return-address, in-place, no-overflow, no-unwind and no-reentry.
    pub resize: unsafe extern "C" fn(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> bool,

    /// Changes the length of a block and may move it, or returns null. Clauses context to
    /// return-address, moved-block, no-overflow, no-unwind and no-reentry.
    pub remap: unsafe extern "C" fn(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        new_len: usize,
        ret_addr: usize,
    ) -> Option<NonNull<u8>>,

    /// Ends a block. Clauses context to
    /// return-address, no-fail, no-unwind and no-reentry.
    pub free: unsafe extern "C" fn(
        ctx: *mut (),
        memory: *mut u8,
        memory_len: usize,
        alignment: Alignment,
        ret_addr: usize,
    ),
}

// The C struct, word for word.
const _: () = {
    const WORD: usize = size_of::<usize>();
    assert!(size_of::<VTable>() == 4 * WORD && align_of::<VTable>() == align_of::<usize>());
    assert!(core::mem::offset_of!(VTable, alloc) == 0);
    assert!(core::mem::offset_of!(VTable, resize) == WORD);
    assert!(core::mem::offset_of!(VTable, remap) == 2 * WORD);
    assert!(core::mem::offset_of!(VTable, free) == 3 * WORD);
};

/// The state that the context argument of a table's function points to. The only cast of an allocator's function.
///
/// # Safety
///
/// `ctx` comes from a `&'s T`, such as the one that [`Allocator::from_state`](crate::Allocator::from_state) got,
/// and that borrow lasts for all of `'s`. In a function of a table this is the [context](VTable#context)
/// clause: its caller passes the `ptr` that stands beside the table.
///
/// ```
/// let number = 42;
/// let ctx = (&raw const number).cast_mut().cast();
/// // SAFETY: the address of a `u32` that lives.
/// assert_eq!(*unsafe { zigalloc::state::<u32>(ctx) }, 42);
/// ```
#[must_use]
#[inline(always)]
pub const unsafe fn state<'s, T>(ctx: *mut ()) -> &'s T {
    // SAFETY: `ctx` is the address of a `T` that is borrowed as shared for `'s`.
    unsafe { &*ctx.cast_const().cast::<T>() }
}

/// The two arguments that describe a block to a table's function, as the slice pointer that the `raw_*` methods take.
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
    // SAFETY: `memory` is not null.
    let memory = unsafe { NonNull::new_unchecked(memory) };
    NonNull::slice_from_raw_parts(memory, memory_len)
}

// ---- refusing entries ----

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
) -> Option<NonNull<u8>> {
    None
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

/// An entry for tables of allocators that cannot move a block better than their caller can: returns null.
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
) -> Option<NonNull<u8>> {
    None
}

/// An entry for tables of allocators that do not free single blocks: does nothing.
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

/// The table of [`Allocator::FAILING`](crate::Allocator::FAILING). It never makes a block, so the other functions are
/// only reached by a breach of the contract; they abort.
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
