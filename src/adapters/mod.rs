//! Other crates' allocator traits, spoken by the handles of this one.

#[cfg(feature = "allocator-api2")]
pub mod allocator_api2;
