//! Zig's allocator interface for Rust: an explicit, C-compatible vtable, and the allocators of Zig's `std.heap`.
//!
//! An [`Allocator`] is two words: a pointer to an allocator's state, and a pointer to a table of four C functions,
//! `alloc`, `resize`, `remap` and `free`. It is a value, not a type parameter: a function that takes one works with
//! every allocator and is compiled once, and C and Zig read the same two words.
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
//! In Rust, where `unsafe` marks the one obligation that no compiler can check:
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
//! # The trip of one call
//!
//! This is what the fourth line does, from the typed call to the operating system. Each row is one function; it knows
//! the allocator below it only as two words.
//!
//! ```text
//!  allocator.alloc::<u8>(100)                     interface/slices.rs   100 elements of 1 byte are 100 bytes
//!      │                                                                takes the caller's address; null becomes Error
//!      ▼
//!  raw_alloc(100, 2^0, ret_addr)                  allocator.rs          (vtable.alloc)(ptr, …): one indirect call
//!      │
//!      ▼
//!  ThreadSafeAllocator's alloc(ctx, 100, 2^0, …)  thread_safe.rs        state::<Self>(ctx); locks the mutex
//!      │  child_allocator.raw_alloc                                     same arguments, same return address
//!      ▼
//!  ArenaAllocator's alloc(ctx, 100, 2^0, …)       heap/arena.rs         room in the newest node? bump end_index, done
//!      │  child_allocator.raw_alloc                                     no: a new node, 1.5 times what is needed
//!      ▼
//!  PageAllocator's alloc(ctx, 199, 2^3, …)        heap/page_allocator.rs  rounds up to pages; os/: mmap
//! ```
//!
//! [`VTable`] states the contract that each of these calls keeps, and shows an allocator written from scratch.
//!
//! # Where to start
//!
//! - To **port Zig code**: [`guide::porting`] shows it line by line. Names are Zig's in snake case, and searching this
//!   documentation for a Zig name (`rawAlloc`, `page_allocator`, `errdefer`) finds its counterpart. [`interface`] has a
//!   table of every empty and zero case; [`guide::differences`] lists every deliberate difference.
//! - To **use Zig's containers**, lists, maps and queues: [`collections`].
//! - To **pass allocators over FFI**: [`VTable`] has the layout, the C declarations and the contract that both sides
//!   keep; [`guide::ffi`], [`guide::c`] and [`guide::zig`] show whole programs.
//! - To **learn**: the chapters of the [`guide`] go from two words to lock-free arenas, with pictures and exercises. Each
//!   file of [`heap`] explains one allocator; [`heap::fixed_buffer`] is the simplest, [`heap::arena`] the most used, and
//!   [`thread_safe`] shows how one allocator wraps another.
//! - To **test** code that allocates: [`testing`] has an allocator that fails on demand, a check that makes each
//!   allocation fail in turn, and a conformance kit for your own allocator.
//! - To **trace** what a program allocates: [`trace`] counts calls or logs them.
//!
//! # Safety
//!
//! Allocating is safe. `free`, `resize` and `realloc` are `unsafe`: the caller must pass a live block of this
//! allocator. A handle borrows its allocator, so using a handle to a dropped, moved or reset arena does not compile.
//! [`SyncAllocator`] states in its type what Zig states in comments: any thread may call it.
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, ResetMode};
//! use zigalloc::{Allocator, Error};
//!
//! /// Safe, and for every allocator. The caller's allocator decides when the text is freed.
//! fn shout<'a>(allocator: Allocator<'a>, text: &str) -> Result<&'a mut str, Error> {
//!     let copy = allocator.dupe_str(text)?;
//!     // SAFETY: initialised by `dupe_str`. It is not freed, so it is live as long as the allocator is borrowed.
//!     let copy = unsafe { &mut *copy.as_ptr() };
//!     copy.make_ascii_uppercase();
//!     Ok(copy)
//! }
//!
//! let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
//! assert_eq!(shout(arena.allocator(), "zig")?, "ZIG");
//! assert!(arena.reset(ResetMode::RetainCapacity)); // would not compile if the text were used below
//! assert_eq!(shout(Allocator::FAILING, "zig"), Err(Error::OutOfMemory));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Features
//!
//! | feature | | what it adds |
//! |---|---|---|
//! | `std` | default | the allocators that need an operating system; [`ThreadSafeAllocator`] |
//! | `alloc` | with `std` | [`heap::RUST_ALLOCATOR`], and the parts of [`testing`] that keep records on the global heap |
//! | `allocator-api2-02` | default | the `Allocator` trait of allocator-api2 0.2, which hashbrown and others take: handles implement it, and its implementers become handles |
//! | `allocator-api2-04` | | the same for version 0.4, a separate trait |
//! | `nightly` | | the same for `core::alloc::Allocator`, which nightly's `Vec` and `Box` take |
//! | `collections` | default | [`collections`]: Zig's lists, maps and queues; blocks that free themselves (`Allocator::create_owned`); needs the crate `alloc` |
//! | `capi` | | the functions of `include/zigalloc.h`; see [`guide::c`] |
//! | `backtrace` | | reports name the function, file and line of a return address |
//! | `lock_api` | | `LockedAllocator`: a lock of your choice around an allocator; needs no operating system |
//! | `log` | | `trace::LogSink`: writes each call to the program's logger, through the crate `log` |
//!
//! `backtrace` and `capi` enable `std`. Without features the crate is `no_std` and has everything that the table does
//! not name: the interface, the fixed buffer (alone or with a fallback), both arenas, the memory pools,
//! `SbrkAllocator`, the [`adapters`] of `GlobalAlloc`, [`mem`], [`trace`], and the parts of [`testing`] that keep no
//! records; `examples/firmware` in the repository is such a program. The target needs word-sized atomic
//! compare-and-swap, which a Cortex-M0 and RV32I lack.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(feature = "nightly", feature(allocator_api))]
// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs)]
// Tests make many calls that are unsafe for one reason.
#![cfg_attr(not(test), warn(clippy::multiple_unsafe_ops_per_block))]
// Without some features, and on some systems, items that the documentation links to do not exist.
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
pub mod allocator;
#[cfg(feature = "capi")]
#[doc(hidden)]
pub mod capi;
#[cfg(feature = "collections")]
pub mod collections;
mod error;
// The pages exist in the documentation and its tests only.
#[cfg(any(doc, all(doctest, feature = "std", feature = "allocator-api2-02")))]
pub mod guide;
pub mod heap;
pub mod interface;
pub mod mem;
mod os;
mod return_address;
pub mod slice;
mod symbol;
mod sync;
#[cfg(all(test, feature = "std"))]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod test_support;
pub mod testing;
#[cfg(any(feature = "std", feature = "lock_api"))]
pub mod thread_safe;
pub mod trace;
pub mod vtable;

pub use alignment::{Alignment, AlignmentError, CompareOperator};
pub use allocator::{Allocator, AsAllocator, Handle, Stateless, SyncAllocator, SyncHandle};
#[cfg(feature = "alloc")]
pub use allocator::{AllocatorOwner, OwningHandle};
#[doc(alias = "MemoryPoolError")]
pub use error::Error;
#[doc(alias = "@returnAddress")]
pub use return_address::return_address;
pub use slice::{AlignedPtr, AlignedSlice, ItemPtr, NoSentinel, Sentinel, SentinelSlice, SlicePtr};
#[cfg(feature = "lock_api")]
pub use thread_safe::LockedAllocator;
#[cfg(feature = "std")]
pub use thread_safe::{OwnedThreadSafeAllocator, ThreadSafeAllocator};
pub use vtable::{VTable, block, no_alloc, no_free, no_remap, no_resize, state};
