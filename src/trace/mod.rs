//! Allocators that record what a program asks of its allocator.
//!
//! Both wrap a child, pass every call on to it unchanged, and return its result. Put one wherever you want
//! to look: above an allocator to see its callers' requests, below it to see its own.
//!
//! | | shows |
//! |---|---|
//! | [`CountingAllocator`] | the number of calls, the memory in use, and its peak |
//! | [`LoggingAllocator`] | each call, on a line of its own |

pub mod counting;
pub mod logging;

pub use counting::{Calls, CountingAllocator, Counts};
#[cfg(feature = "std")]
pub use logging::IoSink;
#[cfg(feature = "log")]
pub use logging::LogSink;
pub use logging::{FmtSink, LoggedCall, LoggingAllocator, Sink};
