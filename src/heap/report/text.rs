//! A report as text.

use core::fmt;

use super::{Maker, Operation, Report, ReportKind};
use crate::alignment::Alignment;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { operation, address, len, .. } = *self;
        let bytes = |n: usize| if n == 1 { "byte" } else { "bytes" };
        let title = match operation {
            Operation::Free if self.kind == ReportKind::DoubleFree => "second free",
            Operation::Free => "free",
            Operation::Resize => "resize",
            Operation::Remap => "remap",
            Operation::Alloc => "allocation",
            Operation::DetectLeaks => "found by",
        };
        write!(f, "{}: ", self.maker.name())?;
        match self.kind {
            ReportKind::DoubleFree if operation == Operation::Free => {
                write!(f, "double free: the {len} {} at {address:#x} have been freed before", bytes(len))?;
            }
            ReportKind::DoubleFree => {
                write!(
                    f,
                    "{operation} after free: the {len} {} at {address:#x} have been freed",
                    bytes(len)
                )?;
            }
            ReportKind::InvalidFree => {
                write!(f, "invalid {operation}: {address:#x} is no live block of this allocator")?;
                if let Some(inside) = self.inside {
                    write!(f, ", but inside the one at {inside:#x}")?;
                }
            }
            ReportKind::WrongLength => {
                let recorded = self.recorded_len.unwrap_or(0);
                write!(
                    f,
                    "wrong length: {operation} of {len} {} at {address:#x}; the block has {recorded} {}",
                    bytes(len),
                    bytes(recorded)
                )?;
            }
            ReportKind::WrongAlignment => {
                let recorded = self.recorded_alignment.map_or(0, in_bytes);
                let passed = in_bytes(self.alignment);
                write!(
                    f,
                    "wrong alignment: {operation} of {len} {} at {address:#x}, aligned to {passed}; the block is \
                     aligned to {recorded}",
                    bytes(len)
                )?;
            }
            ReportKind::Overrun => {
                let len = self.recorded_len.unwrap_or(len);
                let index = self.overrun.unwrap_or(0);
                write!(
                    f,
                    "overrun: someone has written to byte {index} of the {len} {} at {address:#x}",
                    bytes(len)
                )?;
            }
            ReportKind::Corruption if self.maker == Maker::Safe => {
                write!(f, "corruption: the metadata after the block at {address:#x} has been overwritten")?;
            }
            ReportKind::Corruption => {
                write!(
                    f,
                    "corruption: someone has written over the metadata of the page at {address:#x}; this is \
                     the end of the program"
                )?;
            }
            ReportKind::WriteAfterFree => {
                let len = self.recorded_len.unwrap_or(0);
                let index = self.overrun.unwrap_or(0);
                write!(
                    f,
                    "write after free: byte {index} of the {len} {} at {address:#x} was written to after their free",
                    bytes(len)
                )?;
            }
            ReportKind::Leak => {
                f.write_str("leak: ")?;
                if self.count > 1 {
                    self.write_total(f)?;
                    f.write_str(", the first of ")?;
                }
                match self.recorded_len {
                    Some(len) => write!(f, "{len} {}", bytes(len))?,
                    None if self.count > 1 => f.write_str("them")?,
                    None => f.write_str("a block")?,
                }
                write!(f, " at {address:#x}")?;
                if let Some(alignment) = self.recorded_alignment {
                    write!(f, ", aligned to {}", in_bytes(alignment))?;
                }
            }
            ReportKind::MoreLeaks => {
                let reports = if self.left_out == 1 { "leak is" } else { "leaks are" };
                write!(f, "{} more {reports} left out (leak_limit): ", Thousands(self.left_out))?;
                return self.write_total(f);
            }
        }
        if operation != Operation::DetectLeaks {
            self.site.write(f, title)?;
        }
        match self.kind {
            ReportKind::InvalidFree if self.inside.is_none() => Ok(()),
            ReportKind::Corruption if self.maker == Maker::Debug => Ok(()),
            ReportKind::DoubleFree | ReportKind::WriteAfterFree => {
                let title = if self.kind == ReportKind::DoubleFree { "first free" } else { "free" };
                self.first_free.write(f, title)?;
                self.allocation.write(f, "allocation")
            }
            ReportKind::Leak if self.count > 1 => self.allocation.write(f, "allocated at"),
            _ => self.allocation.write(f, "allocation"),
        }
    }
}

impl Report {
    /// Blocks and bytes.
    fn write_total(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Thousands(self.count), if self.count == 1 { "block" } else { "blocks" })?;
        match self.total_len {
            Some(1) => f.write_str(", 1 byte"),
            Some(len) => write!(f, ", {} bytes", Thousands(len)),
            None => Ok(()),
        }
    }
}

/// A number with a comma before each three digits.
struct Thousands(usize);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return write!(f, "{}", self.0);
        }
        write!(f, "{},{:03}", Thousands(self.0 / 1000), self.0 % 1000)
    }
}

/// An alignment in bytes. C can pass one that does not exist; that is 0.
fn in_bytes(alignment: Alignment) -> usize {
    if alignment.is_valid() { alignment.to_byte_units() } else { 0 }
}
