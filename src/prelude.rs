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

#[cfg(feature = "std")]
pub use crate::ThreadSafeAllocator;
pub use crate::heap;
pub use crate::{Alignment, Allocation, Allocator, AllocatorState, ChildAllocator, Error, SyncAllocator};
