//! Zig's allocator interface as an explicit C-ABI vtable, and Zig's `std.heap` behind it.
//!
//! An [`Allocator`] is two words: a pointer to some allocator's state, and a pointer to a table of
//! four C functions, `alloc`, `resize`, `remap` and `free`. It is a value, not a type parameter: a
//! function that takes one works with every allocator, is compiled once, and can be called from C
//! and Zig, which read the same two words.
//!
//! In Zig:
//!
//! ```zig
//! var arena = std.heap.ArenaAllocator.init(std.heap.page_allocator);
//! var thread_safe_arena = ThreadSafeAllocator{ .child_allocator = arena.allocator() };
//! const allocator = thread_safe_arena.allocator();
//! const memory = try allocator.alloc(u8, 100);
//! defer allocator.free(memory);
//! ```
//!
//! In Rust, with `unsafe` only where Zig's `free` has an obligation that no compiler can check:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! # use scopeguard::defer;
//! # use zigalloc::{heap, heap::ArenaAllocator, ThreadSafeAllocator};
//! # fn main() -> Result<(), zigalloc::Error> {
//! let mut arena = ArenaAllocator::init(heap::PAGE_ALLOCATOR);
//! let thread_safe_arena = ThreadSafeAllocator::new(&mut arena);   // exclusive borrow: the lock is the only way in
//! let allocator = thread_safe_arena.allocator();                  // SyncAllocator: Copy + Send + Sync
//! let memory = allocator.alloc::<u8>(100)?;
//! defer! { unsafe { allocator.free(memory) } }                    // scopeguard's defer!
//! # Ok(())
//! # }
//! ```
//!
//! # Where to begin
//!
//! - To **port Zig code**: the names are Zig's in snake case, and searching this documentation for
//!   a Zig name (`rawAlloc`, `page_allocator`) finds its counterpart. [`interface`] explains the
//!   functions and tables every empty and zero case; `docs/differences.md` lists what is different on
//!   purpose.
//! - To **pass allocators over FFI**: [`VTable`] has the layout, the C declarations, the contract that
//!   both sides keep, and an allocator written from scratch.
//! - To **learn**: each file of [`heap`] explains one allocator. [`heap::fixed_buffer`] is the
//!   simplest, [`heap::arena`] the most used, [`thread_safe`] shows how allocators wrap each other.
//! - To **test** code that allocates: [`testing`] has an allocator that fails on demand, a check of
//!   every place where memory can run out, and the conformance kit for your own allocator.
//! - To **see** what a program asks of its allocator: [`trace`] counts the calls, or writes them down.
//!
//! # Safety in two sentences
//!
//! Allocating is safe; giving memory back, and using it, is `unsafe`, as raw pointers always are. A
//! handle borrows its allocator, so that a handle to a dead, moved or reset arena does not compile,
//! and [`SyncAllocator`] says in its type what Zig says in comments: any thread may call it.
//!
//! # Features
//!
//! | feature | | what it adds |
//! |---|---|---|
//! | `std` | default | the allocators that need an operating system; [`ThreadSafeAllocator`] |
//! | `alloc` | with `std` | [`heap::RUST_ALLOCATOR`], and the parts of [`testing`] that keep books on the global heap |
//! | `allocator-api2` | default | handles implement the `Allocator` trait of allocator-api2 0.2, which hashbrown's and others' containers take; and allocators that implement it become handles |
//! | `allocator-api2-04` | | the same for version 0.4, which is another trait |
//! | `nightly` | | the same for `core::alloc::Allocator`, which the nightly compiler's `Vec` and `Box` take |
//! | `capi` | | the functions of `include/zigalloc.h`; see `docs/c.md` |
//! | `backtrace` | | reports name the function, file and line of a return address |
//! | `lock_api` | | `LockedAllocator`: a lock of your choice around an allocator; needs no operating system |
//! | `log` | | `trace::LogSink`: each call in the program's log, by the crate `log` |
//!
//! `backtrace` and `capi` turn `std` on. Without features the crate is `no_std`, and everything is there but what the
//! table names: the interface, the fixed buffer alone and with a fallback, both arenas, the memory pools,
//! `SbrkAllocator`, [`adapters`] of `GlobalAlloc`, [`mem`], [`trace`], and of [`testing`] what keeps no books. The target
//! needs atomic compare-and-swap of a word, which a Cortex-M0 and RV32I lack.
//! `examples/firmware` in the repository is such a program.
//!
//! [`prelude`] has the names that most programs use, for `use zigalloc::prelude::*`.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(feature = "nightly", feature(allocator_api))]
// What needs a feature says so on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs)]
// Without features, and on other systems, not everything is there that is spoken of.
#![cfg_attr(
    not(all(feature = "std", target_os = "linux", target_env = "gnu")),
    allow(rustdoc::broken_intra_doc_links)
)]

#[cfg(not(target_has_atomic = "ptr"))]
compile_error!("zigalloc needs a target with atomic compare-and-swap of a word");

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod adapters;
pub mod alignment;
#[cfg(feature = "capi")]
#[doc(hidden)]
pub mod capi;
mod error;
pub mod heap;
pub mod interface;
#[cfg(feature = "lock_api")]
pub mod locked;
pub mod mem;
pub mod prelude;
mod return_address;
pub mod slice;
mod sync;
pub mod testing;
#[cfg(feature = "std")]
pub mod thread_safe;
pub mod trace;
pub mod vtable;

pub use alignment::{Alignment, AlignmentError, CompareOperator};
pub use error::Error;
#[cfg(feature = "lock_api")]
pub use locked::LockedAllocator;
pub use return_address::return_address;
pub use slice::{AlignedPtr, AlignedSlice, Allocation, NoSentinel, Sentinel, SentinelSlice, SingleItem};
#[cfg(feature = "std")]
pub use thread_safe::ThreadSafeAllocator;
pub use vtable::{
    Allocator, AllocatorState, ChildAllocator, SyncAllocator, VTable, no_alloc, no_free, no_remap, no_resize,
};

/// What this page has in Rust is compiled as tests.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../docs/ffi.md")]
struct Examples;
