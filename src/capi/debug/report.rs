//! A report of a debug allocator, as C gets it.

use core::ffi::{c_char, c_int, c_void};
use core::fmt::{self, Write as _};
use core::ptr;

use crate::capi::fatal;
use crate::heap::debug::{Operation, Report, ReportKind, Trace};

/// `zigalloc_trace`: addresses, the first of which is in the function that called.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RawTrace {
    pub addresses: *const usize,
    pub count: usize,
}

impl RawTrace {
    fn new(trace: &Trace) -> RawTrace {
        let addresses = trace.addresses();
        RawTrace { addresses: addresses.as_ptr(), count: addresses.len() }
    }
}

/// `zigalloc_debug_report`. Fields are added at the end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RawReport {
    pub size: usize,
    pub kind: c_int,
    pub operation: c_int,
    pub address: usize,
    pub len: usize,
    pub recorded_len: usize,
    pub inside: usize,
    pub overrun: usize,
    pub count: usize,
    pub total_len: usize,
    pub left_out: usize,
    pub site: RawTrace,
    pub allocation: RawTrace,
    pub first_free: RawTrace,
    /// The [`Report`].
    pub source: *const c_void,
    pub alignment_log2: u8,
    pub recorded_alignment_log2: u8,
}

/// In the order of the constants, which are 0, 1, 2 and so on.
pub(super) const KINDS: [ReportKind; 9] = [
    ReportKind::DoubleFree,
    ReportKind::InvalidFree,
    ReportKind::WrongLength,
    ReportKind::WrongAlignment,
    ReportKind::Overrun,
    ReportKind::Corruption,
    ReportKind::Leak,
    ReportKind::MoreLeaks,
    ReportKind::WriteAfterFree,
];

fn kind(kind: ReportKind) -> c_int {
    match kind {
        ReportKind::DoubleFree => 0,
        ReportKind::InvalidFree => 1,
        ReportKind::WrongLength => 2,
        ReportKind::WrongAlignment => 3,
        ReportKind::Overrun => 4,
        ReportKind::Corruption => 5,
        ReportKind::Leak => 6,
        ReportKind::MoreLeaks => 7,
        ReportKind::WriteAfterFree => 8,
    }
}

fn operation(operation: Operation) -> c_int {
    match operation {
        Operation::Alloc => 0,
        Operation::Resize => 1,
        Operation::Remap => 2,
        Operation::Free => 3,
        Operation::DetectLeaks => 4,
    }
}

impl RawReport {
    /// It points to `report`, which it must not outlive.
    pub(super) fn new(report: &Report) -> RawReport {
        RawReport {
            size: size_of::<RawReport>(),
            kind: kind(report.kind),
            operation: operation(report.operation),
            address: report.address,
            len: report.len,
            recorded_len: report.recorded_len.unwrap_or(usize::MAX),
            inside: report.inside.unwrap_or(0),
            overrun: report.overrun.unwrap_or(usize::MAX),
            count: report.count,
            total_len: match report.kind {
                ReportKind::Leak | ReportKind::MoreLeaks => report.total_len.unwrap_or(usize::MAX),
                _ => report.recorded_len.unwrap_or(usize::MAX),
            },
            left_out: report.left_out,
            site: RawTrace::new(&report.site),
            allocation: RawTrace::new(&report.allocation),
            first_free: RawTrace::new(&report.first_free),
            source: ptr::from_ref(report).cast(),
            alignment_log2: report.alignment.log2(),
            recorded_alignment_log2: report.recorded_alignment.map_or(u8::MAX, |alignment| alignment.log2()),
        }
    }
}

/// A text of C: what fits into the buffer, cut between characters, and the length of all of it.
struct Text {
    buffer: *mut u8,
    /// Bytes, without the one for the zero at the end.
    capacity: usize,
    written: usize,
    /// Of the whole text.
    len: usize,
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // After a piece that was cut, nothing fits.
        let room = if self.written == self.len { self.capacity - self.written } else { 0 };
        let mut fits = text.len().min(room);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        if fits > 0 {
            // SAFETY: at most `capacity`, the length of the buffer.
            let end = unsafe { self.buffer.add(self.written) };
            // SAFETY: at least `fits` bytes of the buffer are left after `end`.
            unsafe { end.copy_from_nonoverlapping(text.as_ptr(), fits) };
        }
        self.written += fits;
        self.len += text.len();
        Ok(())
    }
}

/// # Safety
/// `report` is null, or what a report function of a debug allocator got and has not returned from. `buffer` is
/// null or valid for writes of `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_report_text(
    report: *const RawReport,
    buffer: *mut c_char,
    len: usize,
) -> usize {
    const NAME: &str = "zigalloc_debug_report_text";
    if report.is_null() {
        fatal(NAME, "report is NULL");
    }
    if buffer.is_null() && len > 0 {
        fatal(NAME, format_args!("buffer is NULL but len is {len} bytes"));
    }
    // SAFETY: not null, so the argument of a report function that has not returned, by our caller.
    let source = unsafe { (*report).source };
    // SAFETY: it was made from a `Report`, which is alive as long as it is.
    let report = unsafe { &*source.cast::<Report>() };
    // The last byte is for the zero.
    let mut text = Text { buffer: buffer.cast(), capacity: len.saturating_sub(1), written: 0, len: 0 };
    let _ = write!(text, "{report}");
    if len > 0 {
        // SAFETY: of `len` bytes at most `len - 1` are written, so this is in the buffer.
        let end = unsafe { text.buffer.add(text.written) };
        // SAFETY: a byte of the buffer.
        unsafe { end.write(0) };
    }
    text.len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        for (capacity, expected) in [(7, "aäbc"), (5, "aäbc"), (4, "aäb"), (3, "aä"), (2, "a"), (0, "")] {
            let mut bytes = [b'!'; 8];
            let mut text = Text { buffer: bytes.as_mut_ptr(), capacity, written: 0, len: 0 };
            assert!(["aä", "b", "c"].iter().all(|piece| text.write_str(piece).is_ok()));
            assert_eq!((text.written, text.len), (expected.len(), 5), "{capacity}");
            assert_eq!(&bytes[..expected.len()], expected.as_bytes());
            assert!(bytes[expected.len()..].iter().all(|&byte| byte == b'!'));
        }
    }

    /// The constants of the header are the indices.
    #[test]
    fn kinds_are_numbered_in_order() {
        for (number, of) in KINDS.into_iter().enumerate() {
            assert_eq!(kind(of), number as c_int);
        }
    }
}
