//! What the firmware does: it reads a sensor, and keeps for each channel the last few readings.
//!
//! All memory is one buffer. A fixed buffer hands it out; a counter above it tells how much of it the program
//! needs, which is what one wants to know before choosing the chip; a pool has the readings, which
//! come and go one by one; and an arena has what lives for one report, all of which goes at once.
//!
//! Nothing here panics when memory runs out: a reading that does not fit is dropped, and counted.

#![no_std]

use core::fmt::{self, Write};
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, MemoryPoolExtra, ResetMode};
use zigalloc::trace::CountingAllocator;
use zigalloc::{Allocator, Error};

/// How many readings a channel keeps.
const KEPT: usize = 4;
/// How many readings there is room for.
const READINGS: usize = 16;

/// One reading, and the one before it on its channel.
struct Reading {
    value: u32,
    previous: Option<NonNull<Reading>>,
}

/// A pool that does not grow: that there is room for [`READINGS`] is settled at the start.
type Readings<'a> = MemoryPoolExtra<Reading, 0, false, Allocator<'a>>;

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    /// The last report.
    pub report: Text,
    /// Readings for which there was no room.
    pub dropped: usize,
    /// How much of the buffer was in use at most, in bytes.
    pub peak: usize,
}

/// A report, in a buffer of its own, since it outlives the arena.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; 64],
    len: usize,
}

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or("")
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// Takes `samples`, pairs of a channel (0 or 1) and a value, with no other memory than `memory`.
///
/// # Errors
/// If there is not even room to begin.
pub fn run(
    memory: &mut [MaybeUninit<u8>],
    samples: impl IntoIterator<Item = (usize, u32)>,
) -> Result<Summary, Error> {
    let fixed_buffer = FixedBufferAllocator::init(memory);
    let counting = CountingAllocator::init(fixed_buffer.allocator());
    let readings = Readings::init_preheated(counting.allocator(), READINGS)?;
    let mut scratch = ArenaAllocator::init(counting.allocator());
    let mut channels = [None; 2];
    let mut report = Text { bytes: [0; 64], len: 0 };
    let mut dropped = 0;
    for (channel, value) in samples {
        let Some(newest) = channels.get_mut(channel) else { continue };
        match readings.create() {
            // SAFETY: the pool gives out memory for one reading.
            Ok(reading) => unsafe {
                reading.write(Reading { value, previous: *newest });
                *newest = Some(reading);
                forget_old(&readings, reading);
            },
            Err(Error::OutOfMemory) => dropped += 1,
        }
        report.len = 0;
        for newest in channels {
            // SAFETY: each channel's readings are live.
            unsafe { describe(newest, scratch.allocator(), &mut report)? };
        }
        // The memory of the report stays with the arena, for the next one.
        scratch.reset(ResetMode::RetainCapacity);
    }
    Ok(Summary { report, dropped, peak: counting.snapshot().peak_live_bytes })
}

/// Gives back what a channel has beyond the newest [`KEPT`].
///
/// # Safety
/// `newest` and those before it are live readings of the pool, which nobody else uses.
unsafe fn forget_old(readings: &Readings<'_>, newest: NonNull<Reading>) {
    let mut last = newest;
    // SAFETY: the caller's promise. What is given back is no longer in the list.
    unsafe {
        for _ in 1..KEPT {
            let Some(previous) = last.as_ref().previous else { return };
            last = previous;
        }
        while let Some(old) = last.as_ref().previous {
            last.as_mut().previous = old.as_ref().previous;
            readings.destroy(old);
        }
    }
}

/// Writes a channel's readings, sorted, for which it needs memory for a moment.
///
/// # Safety
/// `newest` and those before it are live readings.
unsafe fn describe(
    newest: Option<NonNull<Reading>>,
    scratch: Allocator<'_>,
    report: &mut Text,
) -> Result<(), Error> {
    // SAFETY: the caller's promise, for all of them.
    let readings = || core::iter::successors(newest, |reading| unsafe { reading.as_ref().previous });
    let values = scratch.alloc::<u32>(readings().count())?;
    for (index, reading) in readings().enumerate() {
        // SAFETY: there is a value for each reading; the reading is live.
        unsafe { values.cast::<u32>().add(index).write(reading.as_ref().value) };
    }
    // SAFETY: every value has been written, and nobody else has the memory.
    let values = unsafe { &mut *values.as_ptr() };
    values.sort_unstable();
    // A report that is too long ends early.
    let _ = write!(report, "{values:?}");
    Ok(())
}
