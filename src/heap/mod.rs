//! The allocators of Zig's `std.heap`, one file or directory each.
//!
//! An allocator that takes a child takes the handle of any other. Here is a debug allocator over the operating system's
//! pages, and an arena over that:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use zigalloc::heap::{ArenaAllocator, Check, DebugAllocator, PAGE_ALLOCATOR};
//!
//! let debug = DebugAllocator::init(PAGE_ALLOCATOR);
//! let arena = ArenaAllocator::init(debug.allocator());
//! let text = arena.allocator().print(format_args!("{} + {}", 1, 2))?;
//! assert_eq!(unsafe { text.as_ref() }, b"1 + 2");
//! arena.deinit();
//! assert_eq!(debug.deinit(), Check::Ok, "the arena has freed what it took");
//! # Ok::<(), zigalloc::Error>(())
//! ```
//!
//! Which one? The same function over several of them, each counted:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use std::mem::MaybeUninit;
//! use zigalloc::heap::{ArenaAllocator, BufferFirstAllocator, PAGE_ALLOCATOR, SMP_ALLOCATOR};
//! use zigalloc::trace::CountingAllocator;
//! use zigalloc::{Allocator, Error};
//!
//! /// A hundred short texts, each freed before the next.
//! fn work(allocator: Allocator<'_>) -> Result<(), Error> {
//!     for n in 0..100 {
//!         let text = allocator.print(format_args!("{n}"))?;
//!         // SAFETY: a live block, not used afterwards.
//!         unsafe { allocator.free(text) };
//!     }
//!     Ok(())
//! }
//!
//! let below = CountingAllocator::init(SMP_ALLOCATOR);
//! let calls = || below.snapshot().alloc.calls;
//!
//! // A general allocator gets every request.
//! work(*below.allocator())?;
//! assert!(calls() >= 100);
//!
//! // An arena asks it for one node.
//! let before = calls();
//! work(ArenaAllocator::init(below.allocator()).allocator())?;
//! assert_eq!(calls() - before, 1);
//!
//! // A buffer of 200 bytes, with the allocator as the fallback, asks it for nothing.
//! let (mut buffer, before) = ([MaybeUninit::uninit(); 200], calls());
//! work(BufferFirstAllocator::init(&mut buffer, below.allocator()).allocator())?;
//! assert_eq!((calls() - before, below.snapshot().live_bytes), (0, 0));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Threads and forks
//!
//! After a `fork`, the child process has a copy of each allocator but only one thread, so a call that another thread was
//! in never ends there.
//!
//! | allocator | threads | in the child process of a `fork` |
//! |---|---|---|
//! | [`ArenaAllocator`], [`MemoryPool`], [`FixedBufferAllocator`], [`BufferFirstAllocator`], [`StackFallbackAllocator`] | one at a time; `Send` if the child's handle is | works, but must not be used if another thread was in a call |
//! | [`thread_safe_allocator`](FixedBufferAllocator::thread_safe_allocator) of a fixed buffer | any | works: its state is one word; blocks of other threads are never freed |
//! | [`SharedArenaAllocator`] | any | works; what another thread was taking or resizing is lost until a reset |
//! | `PAGE_ALLOCATOR` | any | works: it needs no lock (except where pages come from Rust's heap, as under Miri) |
//! | `C_ALLOCATOR`, `RAW_C_ALLOCATOR` | any | works if `malloc` does: not required by POSIX, but glibc, musl, macOS and the BSDs take its locks for the fork |
//! | `RUST_ALLOCATOR` | any | works if the global allocator does, by default `malloc` |
//! | `SMP_ALLOCATOR` | any | works; see [there](smp_allocator) |
//! | `DebugAllocator` | any, one at a time | works on Unix: a fork waits for its lock; see [there](debug) |
//! | [`SbrkAllocator`], `ThreadSafeAllocator` | any, one at a time | hangs if another thread was in a call: do not use it before `exec` |
//!
//! An allocator over a child needs one that works there too.
//!
//! # Children
//!
//! An allocator assumes nothing of its child but the [contract](crate::VTable#the-contract-of-an-allocator). Locks and
//! fallbacks pass on the caller's arguments, return address included. Arenas, also those of pools, request nodes that
//! are aligned to a word, with a return address in their own code, since a node serves many callers.

pub mod arena;
pub mod buffer_first;
#[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
pub mod c_allocator;
#[cfg(feature = "std")]
pub mod debug;
pub mod fixed_buffer;
pub mod memory_pool;
#[cfg(feature = "std")]
pub mod page_allocator;
#[cfg(feature = "std")]
mod report;
#[cfg(feature = "alloc")]
pub mod rust_allocator;
#[cfg(feature = "std")]
pub mod safe;
pub mod sbrk_allocator;
pub mod shared_arena;
#[cfg(feature = "std")]
pub mod smp_allocator;
pub mod stack_fallback;

#[cfg(feature = "std")]
use core::ptr::{self, NonNull};

pub use arena::{ArenaAllocator, ResetMode};
pub use buffer_first::BufferFirstAllocator;
#[cfg(all(feature = "std", any(unix, windows, target_os = "wasi")))]
pub use c_allocator::{C_ALLOCATOR, CAllocator, RAW_C_ALLOCATOR, RawCAllocator};
#[cfg(feature = "std")]
pub use debug::{Check, DebugAllocator, DebugConfig};
pub use fixed_buffer::FixedBufferAllocator;
pub use memory_pool::{MemoryPool, MemoryPoolAligned, MemoryPoolExtra, MemoryPoolUnmanaged, PoolBox};
#[cfg(feature = "std")]
pub use page_allocator::{PAGE_ALLOCATOR, PageAllocator};
#[cfg(feature = "alloc")]
pub use rust_allocator::{RUST_ALLOCATOR, RustAllocator};
#[cfg(feature = "std")]
pub use safe::{SafeAllocator, SafeOptions};
#[cfg(all(target_arch = "wasm32", not(target_os = "emscripten")))]
pub use sbrk_allocator::MemoryGrow;
#[cfg(all(feature = "std", target_os = "linux", target_env = "gnu"))]
pub use sbrk_allocator::ProcessBreak;
pub use sbrk_allocator::{Sbrk, SbrkAllocator};
pub use shared_arena::SharedArenaAllocator;
#[cfg(feature = "std")]
pub use smp_allocator::{SMP_ALLOCATOR, SmpAllocator};
pub use stack_fallback::{StackFallbackAllocator, stack_fallback};

#[cfg(feature = "std")]
#[doc(alias = "queryPageSize")]
pub use crate::os::page_size::default_query_page_size;
#[cfg(feature = "std")]
pub use crate::os::page_size::page_size;
pub use crate::os::page_size::{PAGE_SIZE_MAX, PAGE_SIZE_MIN};
#[cfg(feature = "lock_api")]
pub use crate::thread_safe::LockedAllocator;
#[cfg(feature = "std")]
pub use crate::thread_safe::{OwnedThreadSafeAllocator, ThreadSafeAllocator};

/// Recovers a pointer to the whole block from a pointer whose provenance is narrower: one made from a reference, or
/// one that a `Box` has held.
///
/// The block's memory must have been exposed (`expose_provenance`). This serves memory from outside Rust, for which
/// this crate keeps no pointer to derive from, and compiles to no instructions. Miri's strict mode has no exposed
/// provenance and cannot be told apart from its other mode, so under Miri the pointer is returned unchanged.
#[cfg(feature = "std")]
#[inline(always)]
fn whole_block(memory: NonNull<u8>) -> NonNull<u8> {
    if cfg!(miri) {
        return memory;
    }
    let whole = ptr::with_exposed_provenance_mut(memory.addr().get());
    // SAFETY: a block's address is not 0.
    unsafe { NonNull::new_unchecked(whole) }
}
