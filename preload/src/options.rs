//! The environment variable `ZIGALLOC`: an allocator, and options after commas.
//!
//! Nothing here allocates, since the program's first `malloc` leads here.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::output::refuse;

/// The allocator of the program's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A buffer, for calls that come too early.
    Early,
    Smp,
    Page,
    /// The next `malloc` in line.
    C,
    Debug,
    Counting,
    Logging,
    // `Safe` goes here: the name in `Kind::of`, its options below, and its allocator in `State::make`.
}

/// What serves an allocator that observes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    Smp,
    Page,
    C,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) kind: Kind,
    pub(crate) child: Child,
    /// The frames of a stack that a report shows.
    pub(crate) frames: usize,
    /// The most reports of leaks at the exit; 0 does not look for any.
    pub(crate) leaks: usize,
    /// Bytes of freed memory that the debug allocator keeps.
    pub(crate) quarantine: usize,
    /// SIGUSR1 writes the counts.
    pub(crate) signal: bool,
    /// The first mistake aborts.
    pub(crate) abort: bool,
    /// The file of a log.
    pub(crate) log_file: Option<&'static CStr>,
    /// The file for reports instead of the standard error.
    pub(crate) report_file: Option<&'static CStr>,
}

impl Options {
    pub(crate) const DEFAULT: Options = Options {
        kind: Kind::Smp,
        child: Child::Smp,
        frames: 6,
        leaks: 20,
        quarantine: 16 << 20,
        signal: false,
        abort: false,
        log_file: None,
        report_file: None,
    };

    /// Reads the variable's value. Ends the program if it has a mistake.
    pub(crate) fn parse(text: &[u8]) -> Options {
        let mut options = Options::DEFAULT;
        let mut parts = text.split(|&byte| byte == b',');
        let name = parts.next().unwrap_or_default();
        (options.kind, options.log_file) = kind_of(name);
        for part in parts {
            let (name, value) = split(part, b'=');
            match (name, value) {
                (b"child", Some(b"smp")) => options.child = Child::Smp,
                (b"child", Some(b"page")) => options.child = Child::Page,
                (b"child", Some(b"c")) => options.child = Child::C,
                (b"frames", Some(value)) => {
                    options.frames = number(part, value, zigalloc::heap::debug::MAX_STACK_TRACE_FRAMES)
                }
                (b"leaks", Some(b"no")) => options.leaks = 0,
                (b"leaks", Some(value)) => options.leaks = number(part, value, usize::MAX),
                (b"quarantine", Some(value)) => options.quarantine = number(part, value, usize::MAX),
                (b"report", Some(value)) => options.report_file = Some(kept(value)),
                (b"signal", None) => options.signal = true,
                (b"abort", None) => options.abort = true,
                _ => refuse(format_args!("\"{}\" is not an option", part.escape_ascii())),
            }
        }
        options
    }
}

fn kind_of(name: &[u8]) -> (Kind, Option<&'static CStr>) {
    match split(name, b':') {
        (b"smp" | b"", None) => (Kind::Smp, None),
        (b"page", None) => (Kind::Page, None),
        (b"c", None) => (Kind::C, None),
        (b"debug", None) => (Kind::Debug, None),
        (b"counting", None) => (Kind::Counting, None),
        (b"logging", Some(file)) => (Kind::Logging, Some(kept(file))),
        _ => refuse(format_args!(
            "\"{}\" is not smp, debug, c, page, counting or logging:FILE",
            name.escape_ascii()
        )),
    }
}

/// What is before and after the first separator.
fn split(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&byte| byte == separator) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

fn number(option: &[u8], digits: &[u8], max: usize) -> usize {
    let number = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    match number {
        Some(number) if number <= max => number,
        _ => refuse(format_args!("\"{}\": not a number of at most {max}", option.escape_ascii())),
    }
}

/// The file names, with a zero at the end: the value of the variable has none, and may change.
struct Names(UnsafeCell<[[u8; 4096]; 2]>);

// SAFETY: each name is written once, by the thread that `TAKEN` gives it to.
unsafe impl Sync for Names {}

static NAMES: Names = Names(UnsafeCell::new([[0; 4096]; 2]));
static TAKEN: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];

fn kept(name: &[u8]) -> &'static CStr {
    let place = TAKEN.iter().position(|taken| !taken.swap(true, Ordering::Relaxed));
    let Some(place) = place.filter(|_| name.len() < 4096 && !name.is_empty()) else {
        refuse(format_args!("\"{}\" is not a file", name.escape_ascii()));
    };
    // SAFETY: below 2.
    let bytes = unsafe { NAMES.0.get().cast::<[u8; 4096]>().add(place) };
    // SAFETY: this call has the place, and nothing else will.
    let bytes = unsafe { &mut *bytes };
    bytes[..name.len()].copy_from_slice(name);
    // The rest is zero.
    CStr::from_bytes_until_nul(bytes).unwrap_or_default()
}
