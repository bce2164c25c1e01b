//! `zigalloc::testing`.

mod check_failures;
mod check_handles;
mod failing;
#[cfg(feature = "std")]
mod unreliable;
mod validation;
