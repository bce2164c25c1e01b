//! The `Allocator` trait of the nightly compiler, in both directions.
//!
//! It is `core::alloc::Allocator`, which the standard library's own `Vec`, `Box`, `Rc` and maps take. It is
//! unstable, and so is this module: it follows the compiler's newest version of the trait.
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! #![feature(allocator_api)]
//!
//! use std::collections::VecDeque;
//! use zigalloc::adapters::nightly::FromAllocator;
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
//!
//! // A container of the standard library in an arena.
//! let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
//! let mut numbers = VecDeque::new_in(arena.allocator());
//! numbers.extend([1, 2, 3]);
//! assert!(arena.query_capacity() > 0);
//!
//! // An allocator of the standard library.
//! const SYSTEM: FromAllocator<std::alloc::System> = FromAllocator::new(std::alloc::System);
//! let memory = SYSTEM.allocator().dupe(numbers.make_contiguous())?;
//! assert_eq!(unsafe { memory.as_ref() }, [1, 2, 3]);
//! unsafe { SYSTEM.allocator().free(memory) };
//! # Ok::<(), zigalloc::Error>(())
//! ```
//!
//! How its calls become those of the vtable is in [`adapters`](super).

use core::alloc as api;

#[path = "allocator_trait.rs"]
#[allow(clippy::duplicate_mod, reason = "the same text for another trait")]
mod allocator_trait;

pub use allocator_trait::FromAllocator;
