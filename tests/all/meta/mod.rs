//! Tests of the sources and their documentation.

mod documents;
mod guide;
mod layers;
#[cfg(feature = "std")]
mod panic_place;
mod zig_names;
