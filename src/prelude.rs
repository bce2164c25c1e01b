//! The names that most programs use.
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use zigalloc::prelude::*;
//!
//! fn greeting(allocator: Allocator<'_>) -> Result<String, Error> {
//!     let memory = allocator.dupe_str("hello")?;
//!     // SAFETY: a live block, which nothing uses afterwards.
//!     unsafe {
//!         let text = memory.as_ref().to_owned();
//!         allocator.free(memory);
//!         Ok(text)
//!     }
//! }
//!
//! let mut arena = heap::ArenaAllocator::init(heap::PAGE_ALLOCATOR);
//! let locked = ThreadSafeAllocator::new(&mut arena);
//! assert_eq!(greeting(locked.allocator().get()).unwrap(), "hello");
//! ```

//! What the typed functions return, too, so that a type can be written down:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use zigalloc::prelude::*;
//!
//! /// Zig: `name: [:0]u8`, `line: []align(64) u8`.
//! struct Entry {
//!     name: SentinelSlice<u8>,
//!     line: AlignedSlice<u8, 64>,
//! }
//!
//! fn entry(gpa: Allocator<'_>, name: &[u8]) -> Result<Entry, Error> {
//!     let name = gpa.dupe_z(name)?;
//!     let line = gpa.aligned_alloc(100).inspect_err(|_| unsafe { gpa.free(name) })?;
//!     Ok(Entry { name, line })
//! }
//!
//! let Entry { name, line } = entry(*heap::PAGE_ALLOCATOR, b"zig")?;
//! assert_eq!((name.len(), line.len(), line.as_ptr().addr() % 64), (3, 100, 0));
//! unsafe { heap::PAGE_ALLOCATOR.free(name) };
//! unsafe { heap::PAGE_ALLOCATOR.free(line) };
//! # Ok::<(), Error>(())
//! ```

#[cfg(feature = "lock_api")]
pub use crate::LockedAllocator;
#[cfg(feature = "std")]
pub use crate::ThreadSafeAllocator;
pub use crate::heap;
pub use crate::{
    AlignedPtr, AlignedSlice, Alignment, Allocation, Allocator, AllocatorState, ChildAllocator, Error,
    NoSentinel, Sentinel, SentinelSlice, SyncAllocator, VTable, return_address,
};
