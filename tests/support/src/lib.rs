//! What the tests, benchmarks, examples and tools of `zigalloc` share, a module for each topic.
//!
//! The library's unit tests cannot use this crate, which depends on the library: its `Allocator` would be a different
//! type. `src/test_support.rs` includes the sources of `process` and `random`, which use no types of the library.

mod block;
mod bump;
mod exercise;
mod filled;
mod process;
mod random;
mod recorded;
mod recorder;

pub use block::{Sent, alignment_from_c, block};
pub use bump::{BUMP_ALIGNMENT, Bump};
pub use exercise::{keeps_contents, run_random_program};
pub use filled::Filled;
pub use process::{
    alone, assert_aborted, end_process, has_aborted, in_child, in_emulator, run_alone, this_program,
};
pub use random::{Random, seeds};
pub use recorded::{Hash, Lcg};
pub use recorder::{Call, Recorder, text};
