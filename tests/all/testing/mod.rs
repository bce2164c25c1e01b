//! `zigalloc::testing`.

mod check_failures;
mod failing;
mod validation;
