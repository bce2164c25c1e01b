//! The pages of small blocks: where everything is in one, and how it is read and written.

mod bucket;
mod geometry;

pub(super) use bucket::{Bucket, Event};
pub(super) use geometry::{Geometry, MAX_CLASSES, WORD};
