//! The pages of small blocks: where everything is in a page, and how it is read and written.

mod bucket;
mod geometry;
mod slack;
mod slot;

pub(super) use bucket::Bucket;
pub(super) use geometry::{Geometry, MAX_CLASSES, WORD};
pub(super) use slot::{Event, Slot};
