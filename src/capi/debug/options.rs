//! The options of a debug allocator, as C passes them.
//!
//! The struct can grow. It begins with its size, and 0 is the default of every field, so that a program which
//! was compiled before a field existed means the default. A program that is newer than the library may set a
//! field that the library lacks: that is a mistake, and all bytes beyond the known fields have to be 0. It is
//! the rule of Linux's `clone3` and `openat2`.

use core::ffi::{c_char, c_void};
use core::mem::{MaybeUninit, offset_of};
use core::ptr;

use super::report::RawReport;
use crate::capi::fatal;
use crate::heap::DebugConfig;

/// Who gets the reports.
pub type ReportFunction = unsafe extern "C" fn(user_data: *mut c_void, report: *const RawReport);

/// `ZIGALLOC_NO_FRAMES`: what `stack_trace_frames` is for none, since 0 is the default.
pub const NO_FRAMES: usize = usize::MAX;

/// `ZIGALLOC_NO_LEAK_REPORTS`: what `leak_limit` is for 0. As a limit, it is as good as none.
pub const NO_LEAK_REPORTS: usize = usize::MAX - 1;

/// `zigalloc_debug_options`. There is no padding in it, and any bytes are valid.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of the caller's struct.
    pub size: usize,
    pub report: Option<ReportFunction>,
    pub user_data: *mut c_void,
    pub stack_trace_frames: usize,
    pub requested_memory_limit: usize,
    pub quarantine: usize,
    pub page_size: usize,
    pub canary: usize,
    // C's `bool`: any byte but 0 is true.
    pub enable_memory_limit: u8,
    pub no_safety: u8,
    pub single_threaded: u8,
    pub never_unmap: u8,
    pub retain_metadata: u8,
    pub resize_stack_traces: u8,
    pub verbose_log: u8,
    pub ungrouped_leaks: u8,
    pub leak_limit: usize,
    pub skip_frames: *const *const c_char,
    pub skip_frames_count: usize,
    pub free_empty_pages: u8,
    /// For options of later versions.
    pub reserved: [u8; size_of::<usize>() - 1],
}

const _: () =
    assert!(offset_of!(Options, leak_limit) == offset_of!(Options, ungrouped_leaks) + 1, "no padding");
const _: () = assert!(
    size_of::<Options>() == offset_of!(Options, free_empty_pages) + size_of::<usize>(),
    "none at the end"
);

/// A size above this is no struct's: the field was not set.
const MAX_SIZE: usize = 4096;

impl Options {
    const DEFAULT: Options = Options {
        size: size_of::<Options>(),
        report: None,
        user_data: ptr::null_mut(),
        stack_trace_frames: 0,
        requested_memory_limit: 0,
        quarantine: 0,
        page_size: 0,
        canary: 0,
        enable_memory_limit: 0,
        no_safety: 0,
        single_threaded: 0,
        never_unmap: 0,
        retain_metadata: 0,
        resize_stack_traces: 0,
        verbose_log: 0,
        ungrouped_leaks: 0,
        leak_limit: 0,
        skip_frames: ptr::null(),
        skip_frames_count: 0,
        free_empty_pages: 0,
        reserved: [0; size_of::<usize>() - 1],
    };

    /// What is at `options`, as far as this library knows it.
    ///
    /// # Safety
    /// `options` is null or valid for reads of a `usize`, and of as many bytes as that says, if they are at
    /// most [`MAX_SIZE`].
    pub(super) unsafe fn read(options: *const Options, function: &str) -> Options {
        if options.is_null() {
            return Options::DEFAULT;
        }
        // SAFETY: the struct begins with its size.
        let size = unsafe { options.cast::<usize>().read() };
        if size == 0 || size % size_of::<usize>() != 0 || size > MAX_SIZE {
            fatal(
                function,
                format_args!(
                    "options->size is {size}; set it to sizeof(zigalloc_debug_options), which is {} here",
                    size_of::<Options>()
                ),
            );
        }
        let known = size.min(size_of::<Options>());
        let mut read = MaybeUninit::new(Options::DEFAULT);
        // SAFETY: both are valid for `known` bytes, and the copy is not the caller's struct.
        unsafe { options.cast::<u8>().copy_to_nonoverlapping(read.as_mut_ptr().cast(), known) };
        // SAFETY: every field has some value for any bytes, and those that are not copied have their default.
        let read = unsafe { read.assume_init() };
        let unknown = (offset_of!(Options, reserved)..size).find(|&i| {
            // SAFETY: an offset into the caller's struct, which has `size` bytes.
            let byte = unsafe { options.cast::<u8>().add(i) };
            // SAFETY: a byte of the caller's struct.
            unsafe { byte.read() != 0 }
        });
        if let Some(offset) = unknown {
            fatal(
                function,
                format_args!(
                    "options has a byte that is not 0 at offset {offset}, where version {} has no option",
                    env!("CARGO_PKG_VERSION")
                ),
            );
        }
        read
    }

    /// Without the function that gets the reports, and with the names that `skip_frames` is a list of.
    ///
    /// Every option of Rust is named here, so that none is forgotten.
    pub(super) fn config(&self, skip_frames: &'static [&'static str]) -> DebugConfig {
        let or = |value: usize, default: usize| if value == 0 { default } else { value };
        let base = super::CONFIG;
        DebugConfig {
            stack_trace_frames: match self.stack_trace_frames {
                NO_FRAMES => 0,
                frames => or(frames, base.stack_trace_frames),
            },
            enable_memory_limit: self.enable_memory_limit != 0 || self.requested_memory_limit != 0,
            safety: self.no_safety == 0,
            thread_safe: self.single_threaded == 0,
            never_unmap: self.never_unmap != 0,
            quarantine: self.quarantine,
            keep_empty_pages: self.free_empty_pages == 0,
            retain_metadata: self.retain_metadata != 0,
            verbose_log: self.verbose_log != 0,
            resize_stack_traces: self.resize_stack_traces != 0,
            canary: or(self.canary, base.canary),
            page_size: or(self.page_size, base.page_size),
            group_leaks: self.ungrouped_leaks == 0,
            leak_limit: match self.leak_limit {
                NO_LEAK_REPORTS => 0,
                limit => or(limit, base.leak_limit),
            },
            skip_frames,
            // Has no effect, so that C does not have it.
            backing_allocator_zeroes: base.backing_allocator_zeroes,
            report: base.report,
        }
    }
}
