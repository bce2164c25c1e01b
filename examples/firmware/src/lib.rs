//! The logic of the firmware: it reads sensors and keeps the last few readings of each.
//!
//! All memory comes from one buffer. A fixed buffer allocator divides it; a counting allocator above that
//! measures how much the program needs, which helps to choose the chip; a pool holds the readings, which come
//! and go one by one; and an arena holds the data of one report, which is freed all at once.
//!
//! The program does not panic or stop when memory runs out: a reading that does not fit is dropped, a report
//! that does not fit is skipped, and both are counted. Only the memory that is allocated at the start must fit.

#![no_std]

use core::fmt::{self, Write};
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, MemoryPoolExtra, ResetMode};
use zigalloc::trace::CountingAllocator;
use zigalloc::{Allocator, Error};

/// The maximum number of sensors.
pub const CHANNELS: usize = 3;
/// The number of readings that a channel keeps.
pub const KEPT: usize = 8;
/// The total number of readings that fit: enough for two channels. The third sensor is rarely plugged in, and
/// then uses the readings that the others leave.
pub const READINGS: usize = 2 * KEPT;

/// The maximum length of a report: the brackets, and ten digits, a comma and a space for each reading.
const LONGEST: usize = CHANNELS * 2 + READINGS * 12;

/// An event from the sensors.
#[derive(Clone, Copy, Debug)]
pub enum Sample {
    /// A channel has measured a value.
    Value(usize, u32),
    /// A channel's sensor was unplugged, so its readings are no longer valid.
    Unplugged(usize),
}

/// One reading, and the one before it on its channel.
struct Reading {
    value: u32,
    previous: Option<NonNull<Reading>>,
}

/// A pool that does not grow: memory for [`READINGS`] readings is allocated at the start.
type Readings<'a> = MemoryPoolExtra<Reading, 0, false, Allocator<'a>>;

/// The result of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    /// The last report for which there was memory.
    pub report: Text,
    /// The number of reports for which there was none.
    pub skipped: usize,
    /// The number of readings for which there was no room.
    pub dropped: usize,
    /// The most bytes of the buffer that were in use at once.
    pub peak: usize,
}

/// A report. It contains its text, because it outlives the arena.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Text {
    const EMPTY: Text = Text { bytes: [0; LONGEST], len: 0 };

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

/// Processes `samples` and writes a report after each, using only `memory`.
///
/// # Errors
/// If `memory` is too small for [`READINGS`] readings.
pub fn run(
    memory: &mut [MaybeUninit<u8>],
    samples: impl IntoIterator<Item = Sample>,
) -> Result<Summary, Error> {
    let fixed_buffer = FixedBufferAllocator::init(memory);
    let counting = CountingAllocator::init(fixed_buffer.allocator());
    let readings = Readings::init_preheated(counting.allocator(), READINGS)?;
    let mut scratch = ArenaAllocator::init(counting.allocator());
    let mut channels = [None; CHANNELS];
    let mut summary = Summary { report: Text::EMPTY, skipped: 0, dropped: 0, peak: 0 };
    for sample in samples {
        let (Sample::Value(channel, _) | Sample::Unplugged(channel)) = sample;
        let Some(newest) = channels.get_mut(channel) else { continue };
        match sample {
            // SAFETY: each channel's readings are live, and belong to no other channel.
            Sample::Value(_, value) => match unsafe { keep(&readings, newest, value) } {
                Ok(()) => {}
                Err(Error::OutOfMemory) => summary.dropped += 1,
            },
            // SAFETY: each channel's readings are live, and belong to no other channel.
            Sample::Unplugged(_) => unsafe { forget(&readings, newest, 0) },
        }
        // SAFETY: each channel's readings are live, and belong to no other channel.
        match unsafe { describe(&channels, scratch.allocator()) } {
            Ok(report) => summary.report = report,
            Err(Error::OutOfMemory) => summary.skipped += 1,
        }
        // Keep the memory of the report in the arena, for the next report. If the fixed buffer cannot make
        // one block of it, the arena keeps less and allocates again.
        _ = scratch.reset(ResetMode::RetainCapacity);
    }
    summary.peak = counting.snapshot().peak_live_bytes;
    Ok(summary)
}

/// Adds a reading to a channel, replacing its oldest if it has [`KEPT`]. If there is no memory, nothing changes:
/// a channel that frees its oldest reading can reuse that memory.
///
/// # Safety
/// `newest` and the readings before it are live readings of the pool, and nothing else uses them.
unsafe fn keep(
    readings: &Readings<'_>,
    newest: &mut Option<NonNull<Reading>>,
    value: u32,
) -> Result<(), Error> {
    // SAFETY: the channel's readings are live and not used elsewhere, by our caller.
    unsafe { forget(readings, newest, KEPT - 1) };
    let reading = readings.create()?;
    // SAFETY: the pool returned memory for one reading.
    unsafe { reading.write(Reading { value, previous: *newest }) };
    *newest = Some(reading);
    Ok(())
}

/// Frees all readings of a channel except the newest `kept`.
///
/// # Safety
/// `newest` and the readings before it are live readings of the pool, and nothing else uses them.
unsafe fn forget(readings: &Readings<'_>, newest: &mut Option<NonNull<Reading>>, kept: usize) {
    let mut link = newest;
    for _ in 0..kept {
        let Some(reading) = link else { return };
        // SAFETY: a live reading that nothing else uses, by our caller.
        link = unsafe { &mut reading.as_mut().previous };
    }
    let mut old = link.take();
    while let Some(reading) = old {
        // SAFETY: a live reading of the pool, by our caller; the list no longer contains it.
        unsafe {
            old = reading.as_ref().previous;
            readings.destroy(reading);
        }
    }
}

/// Writes each channel's readings in sorted order. Uses `scratch` for temporary memory.
///
/// # Safety
/// The channels' readings are live.
unsafe fn describe(
    channels: &[Option<NonNull<Reading>>; CHANNELS],
    scratch: Allocator<'_>,
) -> Result<Text, Error> {
    let mut report = Text::EMPTY;
    for newest in channels {
        // SAFETY: all readings of the channel are live, by our caller.
        let readings = || core::iter::successors(*newest, |reading| unsafe { reading.as_ref().previous });
        let values = scratch.alloc::<u32>(readings().count())?;
        for (index, reading) in readings().enumerate() {
            // SAFETY: `values` has an element for each reading; the reading is live.
            unsafe { values.cast::<u32>().add(index).write(reading.as_ref().value) };
        }
        // SAFETY: every value has been written, and nothing else refers to the memory.
        let values = unsafe { &mut *values.as_ptr() };
        values.sort_unstable();
        // Always fits: the pool has at most `READINGS` readings.
        let _ = write!(report, "{values:?}");
    }
    Ok(report)
}
