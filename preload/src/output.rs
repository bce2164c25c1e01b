//! Writing lines to a file descriptor, without allocating.

use core::ffi::{CStr, c_int};
use core::fmt::{self, Write as _};

/// A line of at most 1,000 bytes; the rest is lost.
struct Line {
    bytes: [u8; 1000],
    len: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.len..999];
        let len = text.len().min(room.len());
        room[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len += len;
        Ok(())
    }
}

/// Writes a line, in one system call, so that the lines of several threads and processes stay whole.
pub(crate) fn line(file: c_int, text: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 1000], len: 0 };
    // A line that is too long is cut.
    let _ = line.write_fmt(text);
    line.bytes[line.len] = b'\n';
    write(file, &line.bytes[..=line.len]);
}

/// Writes all bytes, or as many as the file takes.
pub(crate) fn write(file: c_int, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the bytes are readable.
        let written = unsafe { libc::write(file, bytes.as_ptr().cast(), bytes.len()) };
        if written <= 0 {
            return;
        }
        bytes = &bytes[(written as usize).min(bytes.len())..];
    }
}

/// The standard error, under a number that a program that closes its own does not touch.
pub(crate) fn standard_error() -> c_int {
    // SAFETY: no preconditions.
    let copy = unsafe { libc::fcntl(2, libc::F_DUPFD_CLOEXEC, 400) };
    if copy < 0 { 2 } else { copy }
}

/// Opens a file to append to. It stays open in processes that this one forks, and not in programs that it executes.
pub(crate) fn open(name: &CStr) -> Option<c_int> {
    // SAFETY: a string that ends with a zero.
    let file = unsafe {
        libc::open(name.as_ptr(), libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC, 0o644)
    };
    if file < 0 {
        return None;
    }
    // SAFETY: no preconditions.
    let high = unsafe { libc::fcntl(file, libc::F_DUPFD_CLOEXEC, 400) };
    if high < 0 {
        return Some(file);
    }
    // SAFETY: the descriptor is not used afterwards.
    unsafe { libc::close(file) };
    Some(high)
}

/// Ends the program with a message about the environment variable.
pub(crate) fn refuse(text: fmt::Arguments<'_>) -> ! {
    line(2, format_args!("zigalloc: ZIGALLOC: {text}"));
    // SAFETY: no preconditions.
    unsafe { libc::_exit(2) }
}
