//! `zigalloc::trace`.

mod counting;
mod logging;
