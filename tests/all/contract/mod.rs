//! Tests that apply to every allocator.

mod auto_traits;
mod conformance;
#[cfg(feature = "std")]
mod exits;
#[cfg(feature = "std")]
mod out_of_memory;
#[cfg(feature = "std")]
pub(crate) mod reentrance;
