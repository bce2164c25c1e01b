//! Recording what an allocator does, and showing it.
//!
//! Both allocators here stand between a program and some allocator, pass every call on as it is, and pass
//! every result back. Put one where you want to look.
//!
//! | | shows |
//! |---|---|
//! | [`CountingAllocator`] | how many calls there were, how much memory is in use, and how much it was at most |
//! | [`LoggingAllocator`] | each call, in a line of its own |

pub mod counting;
pub mod logging;

pub use counting::{Calls, CountingAllocator, Counts};
#[cfg(feature = "std")]
pub use logging::IoSink;
#[cfg(feature = "log")]
pub use logging::LogSink;
pub use logging::{FmtSink, LoggedCall, LoggingAllocator, Sink};
