//! The debug allocator.

use core::ffi::c_int;
use core::mem::transmute;
use core::ptr;

use super::{Owned, RawAllocator, fatal};
use crate::allocator::Allocator;
use crate::heap::debug::{Foreign, Report, ReportKind};
use crate::heap::{DebugAllocator, DebugConfig};

pub mod names;
pub mod options;
pub mod report;
#[cfg(test)]
#[allow(
    clippy::multiple_unsafe_ops_per_block,
    reason = "a test calls many C functions, all of them as the header says"
)]
mod tests;

use names::Names;
use options::{Options, ReportFunction};
use report::{KINDS, RawReport};

pub type Debug = Owned<State>;

/// A debug allocator, and what its options point to.
#[derive(Debug)]
pub struct State {
    debug: DebugAllocator<Allocator<'static>>,
    names: Option<Names>,
}

/// # Safety
/// `debug` is null, or alive.
unsafe fn get<'a>(debug: *const Debug, function: &str) -> &'a DebugAllocator<Allocator<'static>> {
    // SAFETY: `debug` is null or alive, by our caller; only `destroy` accesses the state exclusively.
    unsafe { &Owned::get(debug, function).debug }
}

/// All checks are on, however the library was compiled: a C program creates the allocator when it wants them. The Rust
/// libraries that the default list skips are not used by C programs, which may have directories of the same names; and
/// with one frame, an empty list saves walking the stack.
const CONFIG: DebugConfig = DebugConfig {
    safety: true,
    skip_frames: &[],
    stack_trace_frames: if cfg!(feature = "backtrace") { 6 } else { 1 },
    ..DebugConfig::DEFAULT
};

/// # Safety
/// `child` is an allocator that outlives the debug allocator and is not reset before that is destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_create(child: RawAllocator) -> *mut Debug {
    // SAFETY: `child` is as required here, and there are no options.
    unsafe { create(child, ptr::null(), "zigalloc_debug_create") }
}

/// # Safety
/// `child` is an allocator that outlives the debug allocator and is not reset before that is destroyed. `options` is
/// null or valid for reads of as many bytes as its field `size` says. `options->skip_frames` is null or points to
/// `options->skip_frames_count` strings. For as long as the allocator exists, `options->report` is null or may be
/// called with `options->user_data` and any report, from every thread that uses the allocator, also by several at once;
/// it does not unwind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_create_with(
    child: RawAllocator,
    options: *const Options,
) -> *mut Debug {
    // SAFETY: `child` and `options` are as required here.
    unsafe { create(child, options, "zigalloc_debug_create_with") }
}

/// # Safety
/// As for [`zigalloc_debug_create_with`].
unsafe fn create(child: RawAllocator, options: *const Options, function: &str) -> *mut Debug {
    // SAFETY: `child` is an allocator, or has NULL instead of a function, which `check` rejects.
    let child = unsafe { child.check(function, "child") };
    // SAFETY: `options` is null or valid for as many bytes as it says, by our caller.
    let options = unsafe { Options::read(options, function) };
    let listener = options.report.map(|report| Foreign {
        // SAFETY: function pointers have one size; `tell` undoes it before the call.
        function: unsafe { transmute::<ReportFunction, unsafe extern "C" fn()>(report) },
        user_data: options.user_data,
        call: tell,
    });
    let mut names = None;
    if !options.skip_frames.is_null() || options.skip_frames_count != 0 {
        // SAFETY: `skip_frames` points to `skip_frames_count` strings, by our caller.
        names = unsafe { Names::copy(options.skip_frames, options.skip_frames_count, child, function) };
        if names.is_none() {
            return ptr::null_mut();
        }
    }
    // SAFETY: the names are freed after the allocator that uses the list.
    let skip_frames = names.map_or(CONFIG.skip_frames, |names| unsafe { names.list() });
    // SAFETY: the function may be called with any report, by every thread that uses the allocator, by our caller.
    let debug =
        unsafe { DebugAllocator::with_listener(child, options.config(skip_frames), listener, "options->") };
    let debug = debug.unwrap_or_else(|message| fatal(function, message.as_str()));
    if options.requested_memory_limit != 0 {
        debug.set_requested_memory_limit(options.requested_memory_limit);
    }
    let created = Owned::create(child, State { debug, names });
    if let Some(names) = names.filter(|_| created.is_null()) {
        // SAFETY: `create` has dropped the debug allocator, and has returned.
        unsafe { names.free() };
    }
    created
}

/// Calls the C function with the report as C reads it.
///
/// # Safety
/// `listener` is from [`create`].
unsafe fn tell(listener: Foreign, report: &Report) {
    let raw = RawReport::new(report);
    // SAFETY: the function has this type: `create` made the pointer from one.
    let function = unsafe { transmute::<unsafe extern "C" fn(), ReportFunction>(listener.function) };
    // SAFETY: the caller of `create` allows the call, with this data. The report is alive until it returns.
    unsafe { function(listener.user_data, &raw) };
}

/// # Safety
/// `debug` is alive. If more than one thread uses the handle, the child is for any number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_allocator(debug: *mut Debug) -> Allocator<'static> {
    // SAFETY: `debug` is from `create` and not destroyed, by our caller; `get` rejects null.
    let state = unsafe { get(debug, "zigalloc_debug_allocator") };
    // SAFETY: `debug` is not null, so it is from `create`; the handle is to its state.
    unsafe { Owned::detach(debug, state.allocator()) }
}

/// # Safety
/// `debug` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_count(debug: *const Debug, kind: c_int) -> usize {
    const NAME: &str = "zigalloc_debug_count";
    // SAFETY: `debug` is from `create` and not destroyed, by our caller; `get` rejects null.
    let debug = unsafe { get(debug, NAME) };
    match usize::try_from(kind).ok().and_then(|kind| KINDS.get(kind)) {
        Some(&kind) => debug.count(kind),
        None => fatal(NAME, format_args!("there is no kind {kind}; the last is {}", KINDS.len() - 1)),
    }
}

/// # Safety
/// `debug` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_total_count(debug: *const Debug) -> usize {
    // SAFETY: `debug` is from `create` and not destroyed, by our caller; `get` rejects null.
    let debug = unsafe { get(debug, "zigalloc_debug_total_count") };
    // What `MoreLeaks` counts are leaks too.
    KINDS.iter().filter(|&&kind| kind != ReportKind::MoreLeaks).map(|&kind| debug.count(kind)).sum()
}

/// # Safety
/// `debug` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_total_requested_bytes(debug: *const Debug) -> usize {
    // SAFETY: `debug` is from `create` and not destroyed, by our caller; `get` rejects null.
    unsafe { get(debug, "zigalloc_debug_total_requested_bytes") }.total_requested_bytes()
}

/// # Safety
/// `debug` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_set_requested_memory_limit(debug: *const Debug, bytes: usize) {
    const NAME: &str = "zigalloc_debug_set_requested_memory_limit";
    // SAFETY: `debug` is from `create` and not destroyed, by our caller; `get` rejects null.
    let debug = unsafe { get(debug, NAME) };
    if !debug.config().enable_memory_limit {
        fatal(
            NAME,
            format_args!("a limit of {bytes} bytes has no effect, as enable_memory_limit was not set"),
        );
    }
    debug.set_requested_memory_limit(bytes);
}

/// # Safety
/// `debug` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_flush_retained_metadata(debug: *const Debug) {
    // SAFETY: `debug` is from `create` and not destroyed, by our caller; `get` rejects null.
    unsafe { get(debug, "zigalloc_debug_flush_retained_metadata") }.flush_retained_metadata();
}

/// # Safety
/// `debug` is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_detect_leaks(debug: *const Debug) -> usize {
    // SAFETY: `debug` is from `create` and not destroyed, by our caller; `get` rejects null.
    unsafe { get(debug, "zigalloc_debug_detect_leaks") }.detect_leaks()
}

/// # Safety
/// `debug` is alive or null. Neither it, nor a handle to it, nor its blocks are used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zigalloc_debug_destroy(debug: *mut Debug) -> usize {
    if debug.is_null() {
        return 0;
    }
    // SAFETY: `debug` is not null, from `create` and not destroyed, by our caller.
    let leaks = unsafe { get(debug, "zigalloc_debug_destroy") }.detect_leaks();
    // SAFETY: alive, not null, and not used afterwards.
    let State { debug, names } = unsafe { Owned::into_inner(debug) };
    // The leaks have been reported already.
    debug.deinit_without_leak_checks();
    if let Some(names) = names {
        // SAFETY: the allocator that used the list is gone.
        unsafe { names.free() };
    }
    leaks
}
