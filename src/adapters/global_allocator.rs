//! An allocator of this crate as the `#[global_allocator]`.
//!
//! # Which allocators may be one
//!
//! The whole program allocates from it, the standard library included, and at odd times: while a thread
//! begins, while it ends, while a lock is made. So not every allocator will do that any thread may call.
//! One that allocates from the global allocator itself, as
//! [`RUST_ALLOCATOR`](crate::heap::RUST_ALLOCATOR) does, calls itself without end. One that locks a
//! [`std::sync::Mutex`](crate::thread_safe) may do so: on some systems the
//! mutex allocates. And neither can be told from others by the type of its handle.
//!
//! So the ones that are known to be right are constants ([`GlobalAllocator::SMP`] and others), and
//! [`GlobalAllocator::new`], which takes any handle, is `unsafe`:
//!
//! | | as the global allocator |
//! |---|---|
//! | [`SMP_ALLOCATOR`](crate::heap::SMP_ALLOCATOR) | [`GlobalAllocator::SMP`] |
//! | [`PAGE_ALLOCATOR`](crate::heap::PAGE_ALLOCATOR) | [`GlobalAllocator::PAGE`]; a page for every block |
//! | [`C_ALLOCATOR`](crate::heap::C_ALLOCATOR) | [`GlobalAllocator::C`] |
//! | a [fixed buffer](crate::heap::FixedBufferAllocator::thread_safe_allocator), lock-free | `new` |
//! | an [`SbrkAllocator`](crate::heap::SbrkAllocator) over a fixed buffer or `MemoryGrow` | `new`; over [`ProcessBreak`](crate::heap::ProcessBreak) in programs with one thread only |
//! | a [shared arena](crate::heap::SharedArenaAllocator) over one of these | `new` |
//! | [`RAW_C_ALLOCATOR`](crate::heap::RAW_C_ALLOCATOR) | `new`, but larger alignments than two words are no memory |
//! | a `LockedAllocator` (feature `lock_api`) with a lock that spins, over one of these or an arena in one | `new` |
//! | a [`DebugAllocator`](crate::heap::DebugAllocator) over one of these; its reports may allocate | `new` |
//! | a [`CountingAllocator`](crate::trace::CountingAllocator) over one of these | `new` |
//! | an allocator of yours | `new`, if it keeps what that asks for |
//! | [`ThreadSafeAllocator`](crate::ThreadSafeAllocator) or [`LoggingAllocator`](crate::trace::LoggingAllocator) over anything | never: it locks a mutex |
//! | [`RUST_ALLOCATOR`](crate::heap::RUST_ALLOCATOR), or anything over it | never: it would call itself |
//! | the allocators of [`testing`](crate::testing) that keep books | never: the books are on the global heap |
//!
//! # Panics
//!
//! A global allocator must not unwind. The functions of a vtable cannot: a panic in one ends the process
//! ([no-unwind](crate::VTable#no-unwind)).
//!
//! # Alignment
//!
//! A block has the alignment that it is asked for, and nothing asks for more than it needs, with one exception: the
//! standard library allocates the object of a panic with the alignment of a word, and the unwinder of LLVM, which
//! Rust uses on most systems but Linux with glibc and Windows, takes it to be aligned to two words, as C's `malloc`
//! would. There, all blocks are aligned to two words at least. (The standard library asks for it itself since
//! rust-lang/rust#161368.)
//!
//! Not in Zig, which has no global allocator.

use core::alloc::{GlobalAlloc, Layout, LayoutError};
use core::ptr::{self, NonNull};

use super::blocks;
use crate::allocator::SyncAllocator;
use crate::vtable::block;

/// What `#[global_allocator]` takes; see the [module](self).
///
#[cfg_attr(feature = "std", doc = "```standalone_crate")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::adapters::GlobalAllocator;
///
/// #[global_allocator]
/// static GLOBAL: GlobalAllocator = GlobalAllocator::SMP;
///
/// let numbers: Vec<u32> = (0..1000).collect();
/// assert_eq!(numbers.iter().sum::<u32>(), 499_500);
/// assert!(zigalloc::heap::SmpAllocator::slab_bytes() > 0);
/// ```
#[doc(alias = "GlobalAlloc")]
#[doc(alias = "global_allocator")]
#[derive(Clone, Copy, Debug)]
pub struct GlobalAllocator {
    /// Its functions do not allocate from the global allocator, nor lock what might.
    allocator: SyncAllocator<'static>,
}

impl GlobalAllocator {
    /// [`SMP_ALLOCATOR`](crate::heap::SMP_ALLOCATOR), the fast one for any number of threads.
    ///
    /// With a Rust before 1.93 on other systems than Linux with glibc, the standard library ends a program
    /// whose global allocator does as this one (see [its threads](crate::heap::smp_allocator#threads-and-their-end)).
    ///
    /// Where pages are not the operating system's, but from the heap (under Miri, and on systems that this
    /// crate does not know), this is the [`System`](std::alloc::System) allocator.
    #[cfg(feature = "std")]
    pub const SMP: GlobalAllocator = on_pages(crate::heap::SMP_ALLOCATOR);

    /// [`PAGE_ALLOCATOR`](crate::heap::PAGE_ALLOCATOR): at least a page and a system call for every block.
    /// That is slow, and finds bugs: memory that was freed is not there any more.
    ///
    /// A system has a limit of mappings (65,530 for a process on Linux, by default). Where that is reached, freed
    /// memory goes back, and its addresses [later](crate::heap::page_allocator#when-the-system-refuses).
    ///
    /// Where pages are not the operating system's, this is the [`System`](std::alloc::System) allocator too.
    #[cfg(feature = "std")]
    pub const PAGE: GlobalAllocator = on_pages(crate::heap::PAGE_ALLOCATOR);

    /// [`C_ALLOCATOR`](crate::heap::C_ALLOCATOR), the C library's `malloc` for every alignment.
    ///
    /// Under Miri it is the [`System`](std::alloc::System) allocator, which is the same to the program. (Miri
    /// does not let C's `free` end a block by a pointer that a `Box` has held.)
    #[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
    pub const C: GlobalAllocator =
        GlobalAllocator { allocator: if cfg!(miri) { SYSTEM } else { crate::heap::C_ALLOCATOR } };

    /// Any allocator that any thread may call.
    ///
    /// # Safety
    ///
    /// If it is installed as `#[global_allocator]`: the functions of `allocator`, those of its children
    /// included, do not allocate from the global allocator, directly or through something of the standard
    /// library, and wait for nothing that could wait for an allocation. In particular they lock no
    /// `std::sync::Mutex`, unless it allocates nothing on the system (a `DebugAllocator` locks one only there). (`std::thread_local!` is allowed, and what `GlobalAlloc`'s documentation lists
    /// beside it.)
    ///
    /// If something that keeps the program's blocks live ends them (an arena's `reset`), it is not used.
    ///
    #[cfg_attr(feature = "std", doc = "```standalone_crate")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::adapters::GlobalAllocator;
    /// use zigalloc::heap::{PAGE_ALLOCATOR, SharedArenaAllocator};
    ///
    /// static ARENA: SharedArenaAllocator<'static> = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    ///
    /// // SAFETY: the arena is lock-free, and its child asks the operating system. A static is never reset.
    /// #[cfg_attr(not(miri), global_allocator)]
    /// static GLOBAL: GlobalAllocator = unsafe { GlobalAllocator::new(ARENA.allocator()) };
    ///
    /// assert_eq!(format!("{}-{}", 1, 2), "1-2");
    /// ```
    #[must_use]
    #[inline]
    pub const unsafe fn new(allocator: SyncAllocator<'static>) -> GlobalAllocator {
        GlobalAllocator { allocator }
    }

    /// The allocator that the calls go to.
    #[must_use]
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'static> {
        self.allocator
    }
}

/// The system's own, for where another would call itself.
#[cfg(feature = "std")]
const SYSTEM: SyncAllocator<'static> =
    super::FromGlobalAlloc::from_ref(&std::alloc::System).thread_safe_allocator();

/// An allocator over pages, where pages do not come from the global heap or keep books there. It is so on
/// the systems that the page allocator knows; see its list.
#[cfg(feature = "std")]
const fn on_pages(allocator: SyncAllocator<'static>) -> GlobalAllocator {
    let pages_of_the_system = cfg!(all(
        not(any(miri, target_os = "emscripten", target_env = "newlib")),
        any(unix, windows, target_arch = "wasm32")
    ));
    GlobalAllocator { allocator: if pages_of_the_system { allocator } else { SYSTEM } }
}

/// The least alignment of a block, in bytes; see the [module](self#alignment).
const LEAST_ALIGNMENT: usize = if cfg!(any(
    all(target_os = "linux", target_env = "gnu"),
    windows,
    target_family = "wasm",
    target_os = "none"
)) {
    1
} else {
    2 * size_of::<usize>()
};

/// The layout of the block that serves a request for `layout`. It depends on nothing else.
#[inline]
fn widened(layout: Layout) -> Result<Layout, LayoutError> {
    layout.align_to(LEAST_ALIGNMENT)
}

/// [`widened`], for a live block.
///
/// # Safety
/// `layout` is that of a live block, so it was widened successfully when the block was allocated or reallocated.
#[inline]
unsafe fn live(layout: Layout) -> Layout {
    // SAFETY: it is `Ok`, by our caller.
    unsafe { widened(layout).unwrap_unchecked() }
}

// SAFETY: the contract of an allocator contains that of `GlobalAlloc`: blocks are disjoint, aligned, and
// valid until they are freed, from any thread; layouts are kept; nothing unwinds.
unsafe impl GlobalAlloc for GlobalAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Ok(layout) = widened(layout) else { return ptr::null_mut() };
        // SAFETY: the size is not zero, by our caller; the handle is a `SyncAllocator`.
        let memory = unsafe { self.allocator.raw_alloc(layout.size(), layout.into(), 0) };
        memory.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Ok(layout) = widened(layout) else { return ptr::null_mut() };
        let memory = blocks::allocate_zeroed(self.allocator.as_allocator(), layout, 0);
        memory.map_or(ptr::null_mut(), |memory| memory.cast().as_ptr())
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the layout of a live block.
        let layout = unsafe { live(layout) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(ptr, layout.size()) };
        // SAFETY: a live block with that layout, not used afterwards, by our caller; the handle is a `SyncAllocator`.
        unsafe { self.allocator.raw_free(memory, layout.into(), 0) };
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the layout of a live block.
        let layout = unsafe { live(layout) };
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else {
            return ptr::null_mut();
        };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { NonNull::new_unchecked(ptr) };
        // SAFETY: a live block with that layout, not used after success, by our caller.
        let memory =
            unsafe { blocks::reallocate(self.allocator.as_allocator(), memory, layout, new_layout, 0) };
        memory.map_or(ptr::null_mut(), |memory| memory.cast().as_ptr())
    }
}
