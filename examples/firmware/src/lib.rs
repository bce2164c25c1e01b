//! What the firmware does: it reads sensors, and keeps of each the last few readings.
//!
//! All memory is one buffer. A fixed buffer hands it out; a counter above it tells how much of it the program
//! needs, which is what one wants to know before choosing the chip; a pool has the readings, which
//! come and go one by one; and an arena has what lives for one report, all of which goes at once.
//!
//! Nothing here panics or ends when memory runs out: a reading that does not fit is dropped, a report that
//! does not fit is skipped, and both are counted. Only what there is at the start must fit.

#![no_std]

use core::fmt::{self, Write};
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use zigalloc::heap::{ArenaAllocator, FixedBufferAllocator, MemoryPoolExtra, ResetMode};
use zigalloc::trace::CountingAllocator;
use zigalloc::{Allocator, Error};

/// How many sensors can be plugged in.
pub const CHANNELS: usize = 3;
/// How many readings a channel keeps.
pub const KEPT: usize = 8;
/// How many readings there is room for: two channels' worth, as the third is seldom plugged in, and then
/// makes do with what the others leave.
pub const READINGS: usize = 2 * KEPT;

/// How long a report can be: the brackets, and for each reading ten digits, a comma and a space.
const LONGEST: usize = CHANNELS * 2 + READINGS * 12;

/// What comes from the sensors.
#[derive(Clone, Copy, Debug)]
pub enum Sample {
    /// A channel has measured a value.
    Value(usize, u32),
    /// A channel's sensor is no longer there, so its readings say nothing.
    Unplugged(usize),
}

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
    /// The last report for which there was memory.
    pub report: Text,
    /// Reports for which there was none.
    pub skipped: usize,
    /// Readings for which there was no room.
    pub dropped: usize,
    /// How much of the buffer was in use at most, in bytes.
    pub peak: usize,
}

/// A report, in a buffer of its own, since it outlives the arena.
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

/// Takes `samples`, and makes a report after each, with no other memory than `memory`.
///
/// # Errors
/// If there is not even room to begin: for [`READINGS`] readings.
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
            // SAFETY: each channel's readings are live, and its own.
            Sample::Value(_, value) => match unsafe { keep(&readings, newest, value) } {
                Ok(()) => {}
                Err(Error::OutOfMemory) => summary.dropped += 1,
            },
            // SAFETY: as above.
            Sample::Unplugged(_) => unsafe { forget(&readings, newest, 0) },
        }
        // SAFETY: as above.
        match unsafe { describe(&channels, scratch.allocator()) } {
            Ok(report) => summary.report = report,
            Err(Error::OutOfMemory) => summary.skipped += 1,
        }
        // The memory of the report stays with the arena, for the next one. If the fixed buffer cannot make
        // one block of it, the arena has less to begin with, and asks again.
        _ = scratch.reset(ResetMode::RetainCapacity);
    }
    summary.peak = counting.snapshot().peak_live_bytes;
    Ok(summary)
}

/// Adds a reading to a channel, in place of its oldest if it has [`KEPT`]. Without memory all stays as it was:
/// a channel that gives one back gets that one again.
///
/// # Safety
/// `newest` and those before it are live readings of the pool, which nobody else uses.
unsafe fn keep(
    readings: &Readings<'_>,
    newest: &mut Option<NonNull<Reading>>,
    value: u32,
) -> Result<(), Error> {
    // SAFETY: the caller's promise.
    unsafe { forget(readings, newest, KEPT - 1) };
    let reading = readings.create()?;
    // SAFETY: the pool gives out memory for one reading.
    unsafe { reading.write(Reading { value, previous: *newest }) };
    *newest = Some(reading);
    Ok(())
}

/// Gives back what a channel has beyond the newest `kept`.
///
/// # Safety
/// `newest` and those before it are live readings of the pool, which nobody else uses.
unsafe fn forget(readings: &Readings<'_>, newest: &mut Option<NonNull<Reading>>, kept: usize) {
    let mut link = newest;
    for _ in 0..kept {
        let Some(reading) = link else { return };
        // SAFETY: the caller's promise.
        link = unsafe { &mut reading.as_mut().previous };
    }
    let mut old = link.take();
    while let Some(reading) = old {
        // SAFETY: the caller's promise. The reading is no longer in the list.
        unsafe {
            old = reading.as_ref().previous;
            readings.destroy(reading);
        }
    }
}

/// Writes each channel's readings, sorted, for which it needs memory for a moment.
///
/// # Safety
/// The channels' readings are live.
unsafe fn describe(
    channels: &[Option<NonNull<Reading>>; CHANNELS],
    scratch: Allocator<'_>,
) -> Result<Text, Error> {
    let mut report = Text::EMPTY;
    for newest in channels {
        // SAFETY: the caller's promise, for all of them.
        let readings = || core::iter::successors(*newest, |reading| unsafe { reading.as_ref().previous });
        let values = scratch.alloc::<u32>(readings().count())?;
        for (index, reading) in readings().enumerate() {
            // SAFETY: there is a value for each reading; the reading is live.
            unsafe { values.cast::<u32>().add(index).write(reading.as_ref().value) };
        }
        // SAFETY: every value has been written, and nobody else has the memory.
        let values = unsafe { &mut *values.as_ptr() };
        values.sort_unstable();
        // It fits: a report has no more readings than there are.
        let _ = write!(report, "{values:?}");
    }
    Ok(report)
}
