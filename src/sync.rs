//! The atomics and cells of the lock-free code: `core`'s, or loom's under the model checker.
//!
//! `.ci/check --only loom` runs the models.

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
