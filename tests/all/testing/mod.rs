//! `zigalloc::testing`.

mod check_failures;
mod check_handles;
mod failing;
mod unreliable;
mod validation;
