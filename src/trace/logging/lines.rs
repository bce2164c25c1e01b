//! The sink, and the line that it has not received yet.

use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr;

use super::{LoggedCall, Sink};

/// When dropped, it writes the waiting line.
pub(super) struct Lines<S: Sink> {
    pub(super) sink: S,
    /// The line of the last call, if that has resized a block.
    pub(super) waiting: Option<LoggedCall>,
}

impl<S: Sink> Lines<S> {
    pub(super) const fn new(sink: S) -> Lines<S> {
        Lines { sink, waiting: None }
    }

    /// Nothing waits while the sink is writing, even if that does not return.
    pub(super) fn write_waiting(&mut self) -> fmt::Result {
        self.waiting.take().map_or(Ok(()), |call| self.sink.write(&call))
    }

    pub(super) fn into_sink(self) -> S {
        let lines = ManuallyDrop::new(self);
        // SAFETY: valid for reads. The field is not used again, since `lines` is not dropped.
        unsafe { ptr::read(&raw const lines.sink) }
    }
}

impl<S: Sink> Drop for Lines<S> {
    fn drop(&mut self) {
        // `lost_lines` cannot be called any more.
        let _ = self.write_waiting();
    }
}
