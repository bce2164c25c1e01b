//! Rust's allocator traits, in both directions. `from_trait`, `to_trait` and `owning` are the same tests for each trait.

mod allocator_api2_02;
mod allocator_api2_04;
mod global_allocator;
#[cfg(feature = "std")]
mod malloc;
mod nightly;
