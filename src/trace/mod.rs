//! Allocators that record what a program asks of its allocator.
//!
//! Both wrap a child, pass every call on to it unchanged, and return its result. Put one wherever you want
//! to look: above an allocator to see its callers' requests, below it to see its own.
//!
//! | | shows |
//! |---|---|
//! | [`CountingAllocator`] | the number of calls, the memory in use, and its peak |
//! | [`LoggingAllocator`] | each call, on a line of its own |
//!
//! What callers ask of an arena, and what the arena asks of its child:
//!
#![cfg_attr(feature = "std", doc = "```")]
#![cfg_attr(not(feature = "std"), doc = "```ignore")]
//! use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
//! use zigalloc::trace::CountingAllocator;
//!
//! let below = CountingAllocator::init(PAGE_ALLOCATOR);
//! let arena = ArenaAllocator::init(below.allocator());
//! let above = CountingAllocator::init(arena.allocator());
//! for _ in 0..1000 {
//!     above.allocator().alloc::<u8>(10)?;
//! }
//! assert_eq!(above.snapshot().alloc.calls, 1000);
//! assert!(below.snapshot().alloc.calls < 20);
//! assert!(below.snapshot().live_bytes >= above.snapshot().live_bytes);
//! # Ok::<(), zigalloc::Error>(())
//! ```
//!
//! A log and its counts agree, and refused calls are in both:
//!
//! ```
//! use zigalloc::heap::FixedBufferAllocator;
//! use zigalloc::trace::{CountingAllocator, FmtSink, LoggingAllocator};
//! # use std::mem::MaybeUninit;
//!
//! let mut buffer = [MaybeUninit::uninit(); 64];
//! let fixed_buffer = FixedBufferAllocator::init(&mut buffer);
//! let logging = LoggingAllocator::init(fixed_buffer.allocator(), FmtSink(String::new()));
//! let counting = CountingAllocator::init(logging.allocator());
//! for len in [32, 64, 16] {
//!     _ = counting.allocator().alloc::<u8>(len);
//! }
//! let counts = counting.snapshot();
//! let lines = logging.into_sink().0;
//! assert_eq!(lines.lines().count() as u64, counts.alloc.calls);
//! assert_eq!(lines.lines().filter(|line| line.contains(": null")).count() as u64, counts.alloc.refused);
//! assert_eq!((counts.alloc.calls, counts.alloc.refused), (3, 1));
//! ```

pub mod counting;
pub mod logging;

pub use counting::{Calls, CountingAllocator, Counts};
#[cfg(feature = "std")]
pub use logging::IoSink;
#[cfg(feature = "log")]
pub use logging::LogSink;
pub use logging::{FmtSink, LoggedCall, LoggingAllocator, Sink};
