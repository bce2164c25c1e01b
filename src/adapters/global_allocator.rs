//! An allocator of this crate as the `#[global_allocator]`.
//!
//! # Why `new` is unsafe
//!
//! The whole program allocates from the global allocator, the standard library included, and at unusual moments: while
//! a thread starts or exits, while a lock is created. So thread safety alone does not qualify an allocator. One that
//! allocates from the global allocator itself, as [`RUST_ALLOCATOR`](crate::heap::RUST_ALLOCATOR) does, recurses
//! without end. One that locks a [`std::sync::Mutex`](crate::thread_safe) may do the same: on some systems the mutex
//! allocates. The type of a handle shows neither. So the allocators that are known to qualify are constants, and
//! [`GlobalAllocator::new`], which takes any handle, is `unsafe`.
//!
//! # Alignment
//!
//! A block has the alignment that is requested, and every caller requests what it needs, with one exception: the
//! standard library allocates a panic's exception object with the alignment of a word, but LLVM's unwinder, which
//! Rust uses on most systems except Linux with glibc and Windows, takes it to be aligned to two words, as C's `malloc`
//! would. On those systems every block is aligned to at least two words. (The standard library requests that alignment
//! itself since rust-lang/rust#161368.)
//!
//! Not in Zig, which has no global allocator.

use core::alloc::{GlobalAlloc, Layout, LayoutError};
use core::ptr::{self, NonNull};

use super::blocks;
use crate::alignment::Alignment;
use crate::allocator::SyncAllocator;
#[cfg(feature = "std")]
use crate::allocator::stateless::Stateless;
use crate::vtable::block;

/// An allocator of this crate as the `#[global_allocator]`.
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
///
/// # Which allocators qualify
///
/// | | as the global allocator |
/// |---|---|
/// | [`SMP_ALLOCATOR`](crate::heap::SMP_ALLOCATOR) | the type [`SmpAllocator`](crate::heap::SmpAllocator), or [`GlobalAllocator::SMP`] |
/// | [`PAGE_ALLOCATOR`](crate::heap::PAGE_ALLOCATOR) | [`PageAllocator`](crate::heap::PageAllocator), or [`GlobalAllocator::PAGE`]; at least a page for every block |
/// | [`C_ALLOCATOR`](crate::heap::C_ALLOCATOR) | [`CAllocator`](crate::heap::CAllocator), or [`GlobalAllocator::C`] |
/// | a [fixed buffer](crate::heap::FixedBufferAllocator::thread_safe_allocator), lock-free | [`new`](Self::new) |
/// | an [`SbrkAllocator`](crate::heap::SbrkAllocator) over a fixed buffer or `MemoryGrow` | `new`; over [`ProcessBreak`](crate::heap::ProcessBreak) in single-threaded programs only |
/// | a [shared arena](crate::heap::SharedArenaAllocator) over one of these | `new` |
/// | [`RAW_C_ALLOCATOR`](crate::heap::RAW_C_ALLOCATOR) | `new`, but alignments above two words return null |
/// | a `LockedAllocator` (feature `lock_api`) with a lock that spins, over one of these or an arena in one | `new` |
/// | a [`DebugAllocator`](crate::heap::DebugAllocator) over one of these; its reports may allocate | `new` |
/// | a [`CountingAllocator`](crate::trace::CountingAllocator) over one of these | `new` |
/// | an allocator of yours | `new`, if it meets its safety requirements |
/// | [`ThreadSafeAllocator`](crate::ThreadSafeAllocator) or [`LoggingAllocator`](crate::trace::LoggingAllocator) over anything | never: it locks a mutex |
/// | [`RUST_ALLOCATOR`](crate::heap::RUST_ALLOCATOR), or anything over it | never: it would call itself |
/// | the allocators of [`testing`](crate::testing) that keep records | never: the records are on the global heap |
///
/// A global allocator must not unwind. The functions of a vtable cannot: a panic in one aborts the process
/// ([no-unwind](crate::VTable#no-unwind)).
///
/// The types without state are global allocators themselves:
///
#[cfg_attr(feature = "std", doc = "```standalone_crate")]
#[cfg_attr(not(feature = "std"), doc = "```ignore")]
/// use zigalloc::heap::SmpAllocator;
///
/// #[global_allocator]
/// static GLOBAL: SmpAllocator = SmpAllocator;
///
/// let before = SmpAllocator::slab_bytes();
/// let texts: Vec<String> = (0..100).map(|n| n.to_string()).collect();
/// assert_eq!(texts.concat().len(), 190);
/// # if cfg!(miri) { return }
/// assert!(before > 0 && SmpAllocator::slab_bytes() >= before);
/// ```
#[doc(alias = "GlobalAlloc")]
#[doc(alias = "global_allocator")]
#[derive(Clone, Copy, Debug)]
pub struct GlobalAllocator {
    /// Its functions neither allocate from the global allocator nor lock anything that might.
    allocator: SyncAllocator<'static>,
    /// Allocates a block of zeros, if the allocator may know that memory is zero: its
    /// [`raw_alloc_zeroed`](crate::Stateless::raw_alloc_zeroed).
    zeroed: Option<ZeroedFn>,
}

/// The arguments and the safety requirement are those of [`raw_alloc_zeroed`](crate::Stateless::raw_alloc_zeroed).
type ZeroedFn = unsafe fn(usize, Alignment, usize) -> Option<NonNull<u8>>;

impl GlobalAllocator {
    /// [`SMP_ALLOCATOR`](crate::heap::SMP_ALLOCATOR), the fast choice for any number of threads.
    ///
    /// It needs Rust 1.93 on systems other than Linux with glibc: there, older standard libraries abort if a global
    /// allocator registers a thread-local destructor while another is being registered (see
    /// [its threads](crate::heap::smp_allocator#threads-and-their-end)).
    ///
    /// Where pages come from the heap and not from the operating system (under Miri, and on systems that this
    /// crate does not know), this is the [`System`](std::alloc::System) allocator.
    #[cfg(feature = "std")]
    pub const SMP: GlobalAllocator = on_pages::<crate::heap::SmpAllocator>();

    /// [`PAGE_ALLOCATOR`](crate::heap::PAGE_ALLOCATOR): at least a page and a system call for every block.
    /// It is slow, and it finds bugs: freed memory is no longer accessible.
    ///
    /// A system limits the number of mappings (65,530 per process on Linux, by default). At the limit, freed
    /// memory is returned, and its addresses [later](crate::heap::page_allocator#when-the-system-refuses).
    ///
    /// Where pages do not come from the operating system, this is the [`System`](std::alloc::System) allocator, as for
    /// [`SMP`](Self::SMP).
    ///
    /// ```standalone_crate
    /// use zigalloc::{adapters::GlobalAllocator, heap::page_size};
    ///
    /// #[global_allocator]
    /// static GLOBAL: GlobalAllocator = GlobalAllocator::PAGE;
    ///
    /// let text = String::from("a page of its own");
    /// # if cfg!(miri) { return }
    /// assert_eq!(text.as_ptr().addr() % page_size(), 0);
    /// ```
    #[cfg(feature = "std")]
    pub const PAGE: GlobalAllocator = on_pages::<crate::heap::PageAllocator>();

    /// [`C_ALLOCATOR`](crate::heap::C_ALLOCATOR), the C library's `malloc` for every alignment.
    ///
    /// Under Miri it is the [`System`](std::alloc::System) allocator, which behaves the same. (Miri
    /// does not let C's `free` free a block through a pointer that a `Box` has held.)
    ///
    /// On Unix, C code may free a `Box`:
    ///
    /// ```standalone_crate
    /// use std::ffi::c_void;
    /// use zigalloc::adapters::GlobalAllocator;
    ///
    /// #[global_allocator]
    /// static GLOBAL: GlobalAllocator = GlobalAllocator::C;
    ///
    /// # #[cfg(unix)] {
    /// unsafe extern "C" {
    ///     fn free(memory: *mut c_void);
    /// }
    ///
    /// let number = Box::into_raw(Box::new(42));
    /// // SAFETY: a block of `malloc`, not used afterwards.
    /// unsafe { free(number.cast()) };
    /// # }
    /// ```
    #[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
    pub const C: GlobalAllocator = if cfg!(miri) { SYSTEM } else { of_type::<crate::heap::CAllocator>() };

    /// Wraps any thread-safe allocator.
    ///
    /// # Safety
    ///
    /// If the result is installed as `#[global_allocator]`:
    ///
    /// - The functions of `allocator` and of its children do not allocate from the global allocator, directly or
    ///   through the standard library, and never wait for anything that could wait for an allocation. In particular
    ///   they lock no `std::sync::Mutex`, except on systems where it never allocates (a `DebugAllocator` locks one only
    ///   there). `std::thread_local!` is allowed, as is whatever else `GlobalAlloc`'s documentation lists beside it.
    /// - Nothing ends the program's live blocks early (such as an arena's `reset`).
    ///
    #[cfg_attr(feature = "std", doc = "```standalone_crate")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::adapters::GlobalAllocator;
    /// use zigalloc::heap::{PAGE_ALLOCATOR, SharedArenaAllocator};
    ///
    /// static ARENA: SharedArenaAllocator<'static> = SharedArenaAllocator::init(PAGE_ALLOCATOR);
    ///
    /// // SAFETY: the arena is lock-free, and its child calls only the operating system. A static is never reset.
    /// #[cfg_attr(not(miri), global_allocator)]
    /// static GLOBAL: GlobalAllocator = unsafe { GlobalAllocator::new(ARENA.allocator()) };
    ///
    /// assert_eq!(format!("{}-{}", 1, 2), "1-2");
    /// ```
    ///
    /// Counted, to see what a whole program allocates:
    ///
    #[cfg_attr(feature = "std", doc = "```standalone_crate")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use zigalloc::SyncAllocator;
    /// use zigalloc::adapters::GlobalAllocator;
    /// use zigalloc::heap::SMP_ALLOCATOR;
    /// use zigalloc::trace::CountingAllocator;
    ///
    /// static COUNTING: CountingAllocator<SyncAllocator<'static>> = CountingAllocator::init(SMP_ALLOCATOR);
    ///
    /// // SAFETY: the counter and its child call nothing that allocates, and nothing ends blocks early.
    /// #[cfg_attr(not(miri), global_allocator)]
    /// static GLOBAL: GlobalAllocator = unsafe { GlobalAllocator::new(COUNTING.allocator()) };
    ///
    /// let before = COUNTING.snapshot();
    /// let text = vec![0u8; 1000];
    /// # if cfg!(miri) { return }
    /// assert!(COUNTING.snapshot().live_bytes >= before.live_bytes + 1000);
    /// drop(text);
    /// assert_eq!(COUNTING.snapshot().live_bytes, before.live_bytes);
    /// ```
    #[must_use]
    #[inline]
    pub const unsafe fn new(allocator: SyncAllocator<'static>) -> GlobalAllocator {
        GlobalAllocator { allocator, zeroed: None }
    }

    /// Returns the allocator that serves the calls.
    ///
    /// An arena over the program's allocator:
    ///
    #[cfg_attr(feature = "std", doc = "```")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// # use zigalloc::{adapters::GlobalAllocator, heap::ArenaAllocator};
    /// static GLOBAL: GlobalAllocator = GlobalAllocator::SMP;
    ///
    /// let arena = ArenaAllocator::init(GLOBAL.allocator());
    /// let number = arena.allocator().create_with(42)?;
    /// assert_eq!(unsafe { number.read() }, 42);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    ///
    /// A `Box` of the program and a block of the handle are from one allocator:
    ///
    #[cfg_attr(feature = "std", doc = "```standalone_crate")]
    #[cfg_attr(not(feature = "std"), doc = "```ignore")]
    /// use std::ptr::NonNull;
    /// use zigalloc::adapters::GlobalAllocator;
    ///
    /// #[global_allocator]
    /// static GLOBAL: GlobalAllocator = GlobalAllocator::SMP;
    ///
    /// let text: NonNull<[u8]> = NonNull::from(Box::leak(vec![b'z'; 100].into_boxed_slice()));
    /// // SAFETY: a block of the global allocator of 100 bytes, not used afterwards.
    /// unsafe { GLOBAL.allocator().free(text) };
    ///
    ///
    /// let number = GLOBAL.allocator().create_with(42)?;
    /// // SAFETY: a block of the global allocator with the layout of the number, which the box owns from now on.
    /// let number = unsafe { Box::from_raw(number.as_ptr()) };
    /// assert_eq!(*number, 42);
    /// # Ok::<(), zigalloc::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub const fn allocator(&self) -> SyncAllocator<'static> {
        self.allocator
    }
}

/// The system's own allocator, for cases in which another would call itself.
#[cfg(feature = "std")]
const SYSTEM: GlobalAllocator = GlobalAllocator {
    allocator: super::FromGlobalAlloc::from_ref(&std::alloc::System).thread_safe_allocator(),
    zeroed: None,
};

/// The allocator of a type without state.
#[cfg(feature = "std")]
const fn of_type<S: Stateless>() -> GlobalAllocator {
    GlobalAllocator { allocator: S::ALLOCATOR, zeroed: Some(S::raw_alloc_zeroed) }
}

/// An allocator over pages if neither the pages nor records of them are on the global heap, which holds on the
/// systems that the page allocator knows; otherwise [`SYSTEM`].
#[cfg(feature = "std")]
const fn on_pages<S: Stateless>() -> GlobalAllocator {
    let pages_of_the_system = cfg!(all(
        not(any(miri, target_os = "emscripten", target_env = "newlib")),
        any(unix, windows, target_arch = "wasm32")
    ));
    if pages_of_the_system { of_type::<S>() } else { SYSTEM }
}

/// The minimum alignment of a block, in bytes; see the [module](self#alignment).
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

/// The layout of the block that serves a request for `layout`. It depends on `layout` alone.
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
    // SAFETY: it was `Ok` before, by our caller, and depends on `layout` alone.
    unsafe { widened(layout).unwrap_unchecked() }
}

// SAFETY: the contract of an allocator includes that of `GlobalAlloc`: blocks are disjoint, aligned, and
// valid until they are freed, from any thread; layouts are respected; nothing unwinds.
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
        let memory = match self.zeroed {
            // SAFETY: the size is not zero, by our caller.
            Some(zeroed) => unsafe { zeroed(layout.size(), layout.into(), 0) },
            None => {
                blocks::allocate_zeroed(self.allocator.as_allocator(), layout, 0).map(|memory| memory.cast())
            }
        };
        memory.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the layout of a live block, by our caller.
        let layout = unsafe { live(layout) };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { block(ptr, layout.size()) };
        // SAFETY: a live block with this layout, not used afterwards, by our caller; the handle is a `SyncAllocator`.
        unsafe { self.allocator.raw_free(memory, layout.into(), 0) };
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the layout of a live block, by our caller.
        let layout = unsafe { live(layout) };
        let Ok(new_layout) = Layout::from_size_align(new_size, layout.align()) else {
            return ptr::null_mut();
        };
        // SAFETY: the address of a live block is not null.
        let memory = unsafe { NonNull::new_unchecked(ptr) };
        // SAFETY: a live block with this layout, not used after success, by our caller.
        let memory =
            unsafe { blocks::reallocate(self.allocator.as_allocator(), memory, layout, new_layout, 0) };
        memory.map_or(ptr::null_mut(), |memory| memory.cast().as_ptr())
    }
}
