//! The atomics and cells of the lock-free code: `core`'s, or loom's when it is being modelled.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --test loom` runs the model.

#[cfg(not(loom))]
pub(crate) use core::{
    cell::Cell,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};
#[cfg(loom)]
pub(crate) use loom::{
    cell::Cell,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};
