//! The options and the reports, from the side of Rust. What each option does is tested in Rust and in C.

use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use super::options::{NO_FRAMES, NO_LEAK_REPORTS};
use super::report::zigalloc_debug_report_text;
use super::*;
use crate::capi::failing_at::*;
use crate::capi::tests::{EIGHT, alloc, raw, with_ledger};

/// What a report function has been told: how often, and the last of it.
#[derive(Default)]
struct Told {
    count: usize,
    kind: c_int,
    operation: c_int,
    address: usize,
    lens: (usize, usize),
    frames: usize,
    text: std::string::String,
    /// Used in the middle of a report.
    allocator: Option<Allocator<'static>>,
}

/// Notes a report in the `Told` at `user_data`.
unsafe extern "C" fn note_report(user_data: *mut c_void, report: *const RawReport) {
    // SAFETY: the tests pass a `Told` that nothing else uses during the call, and the report is alive.
    unsafe {
        let told = &mut *user_data.cast::<Told>();
        let RawReport { kind, operation, address, len, recorded_len, allocation, .. } = *report;
        told.count += 1;
        (told.kind, told.operation, told.address) = (kind, operation, address);
        told.lens = (len, recorded_len);
        told.frames = allocation.count;
        assert_eq!((*report).size, size_of::<RawReport>());
        let addresses = core::slice::from_raw_parts(allocation.addresses, allocation.count);
        assert!(addresses.iter().all(|&address| address != 0));
        let mut text = [0_u8; 1000];
        let len = zigalloc_debug_report_text(report, text.as_mut_ptr().cast(), text.len());
        assert_eq!(zigalloc_debug_report_text(report, ptr::null_mut(), 0), len);
        let mut short = [1_u8; 5];
        assert_eq!(zigalloc_debug_report_text(report, short.as_mut_ptr().cast(), short.len()), len);
        assert_eq!(&short, b"Debu\0");
        told.text = core::ffi::CStr::from_bytes_until_nul(&text).unwrap().to_str().unwrap().into();
        assert_eq!(told.text.len(), len.min(text.len() - 1));
        if let Some(allocator) = told.allocator {
            let memory = allocator.raw_alloc(10, EIGHT, 0).expect("there is room");
            allocator.raw_free(NonNull::slice_from_raw_parts(memory, 10), EIGHT, 0);
        }
    }
}

/// The options of a C program that sets `change` of them.
fn debug_options(told: *mut Told, change: impl FnOnce(&mut Options)) -> Options {
    // SAFETY: all bytes zero are valid, as its documentation says.
    let mut options: Options = unsafe { core::mem::zeroed() };
    options.size = size_of::<Options>();
    options.report = Some(note_report);
    options.user_data = told.cast();
    change(&mut options);
    options
}

/// Each allocator tells its own function, with its own data.
#[test]
fn mistakes_are_told_with_the_user_data_and_counted() {
    let (mut first, mut second) = (Told::default(), Told::default());
    let (first, second) = (&raw mut first, &raw mut second);
    with_ledger(|child| {
        // SAFETY: used as the header says, but for the mistakes, which are found. Both `Told`s are used by one
        // call at a time.
        unsafe {
            let options = [debug_options(first, |_| ()), debug_options(second, |_| ())];
            let [one, two] = [0, 1].map(|i| zigalloc_debug_create_with(child, &options[i]));
            let (a, b) = (zigalloc_debug_allocator(one), zigalloc_debug_allocator(two));
            (*first).allocator = Some(a);
            let memory = a.raw_alloc(10, EIGHT, 0).expect("there is room");
            let leak = b.raw_alloc(20, EIGHT, 1).expect("there is room");
            let block = NonNull::slice_from_raw_parts(memory, 10);
            a.raw_free(block, EIGHT, 0);
            a.raw_free(block, EIGHT, 0);
            assert_eq!(((*first).count, (*first).kind, (*first).operation), (1, 0, 3));
            assert_eq!(((*first).address, (*first).lens.0), (memory.addr().get(), 10));
            assert!((*first).text.starts_with("DebugAllocator: double free: the 10 bytes at 0x"));
            assert_eq!((zigalloc_debug_count(one, 0), zigalloc_debug_total_count(one)), (1, 1));
            assert_eq!((zigalloc_debug_count(two, 0), zigalloc_debug_total_count(two)), (0, 0));

            assert_eq!(zigalloc_debug_detect_leaks(two), 1);
            assert_eq!(((*second).count, (*second).kind, (*second).operation), (1, 6, 4));
            assert_eq!(((*second).address, (*second).lens.1), (leak.addr().get(), 20));
            assert!((*second).frames > 0);
            assert_eq!((zigalloc_debug_count(two, 6), zigalloc_debug_total_count(two)), (1, 1));
            assert_eq!((zigalloc_debug_destroy(one), zigalloc_debug_destroy(two)), (0, 1));
            assert_eq!(((*first).count, (*second).count), (1, 2));
        }
    });
}

/// Options that are not known to an older program have their defaults; nor is more read than its struct has.
#[test]
fn short_options_are_followed_by_defaults() {
    let mut told = Told::default();
    let options = debug_options(&raw mut told, |options| {
        options.size = core::mem::offset_of!(Options, stack_trace_frames);
    });
    // As many words as the program has, and no more.
    let mut words = [MaybeUninit::<*mut ()>::uninit(); 3];
    assert_eq!(size_of_val(&words), options.size);
    with_ledger(|child| {
        // SAFETY: the words are copied with what pointers there are among them. Used as the header says.
        unsafe {
            words.as_mut_ptr().copy_from_nonoverlapping((&raw const options).cast(), words.len());
            let debug = zigalloc_debug_create_with(child, words.as_ptr().cast());
            alloc(zigalloc_debug_allocator(debug), 100);
            assert_eq!(zigalloc_debug_destroy(debug), 1);

            let debug = zigalloc_debug_create_with(child, ptr::null());
            assert_eq!(zigalloc_debug_total_requested_bytes(debug), 0);
            assert!(get(debug, "").config().skip_frames.is_empty());
            zigalloc_debug_flush_retained_metadata(debug);
            assert_eq!(zigalloc_debug_destroy(debug), 0);
        }
    });
    assert_eq!(told.count, 1);
}

/// Every option arrives.
#[test]
fn options_are_those_of_the_configuration() {
    let mut told = Told::default();
    let told = &raw mut told;
    let with = |change: fn(&mut Options)| debug_options(told, change).config(&["a"]);
    let base = with(|_| ());
    assert!(base.safety && base.thread_safe && base.stack_trace_frames > 0 && base.page_size > 0);
    assert_eq!(with(|o| o.stack_trace_frames = NO_FRAMES).stack_trace_frames, 0);
    assert_eq!(with(|o| o.stack_trace_frames = 32).stack_trace_frames, 32);
    assert_eq!(with(|o| o.quarantine = 5).quarantine, 5);
    assert_eq!(with(|o| o.page_size = 4096).page_size, 4096);
    assert_eq!(with(|o| o.canary = 7).canary, 7);
    assert_eq!((base.leak_limit, with(|o| o.leak_limit = 7).leak_limit), (100, 7));
    assert_eq!(with(|o| o.leak_limit = usize::MAX).leak_limit, usize::MAX);
    assert_eq!(with(|o| o.leak_limit = NO_LEAK_REPORTS).leak_limit, 0);
    assert_eq!(base.skip_frames, ["a"]);
    assert!(base.group_leaks && !with(|o| o.ungrouped_leaks = 1).group_leaks);
    assert!(!with(|o| o.no_safety = 1).safety);
    assert!(!with(|o| o.single_threaded = 1).thread_safe);
    assert!(base.keep_empty_pages && !with(|o| o.free_empty_pages = 1).keep_empty_pages);
    // One change each, and in no other field than its own.
    let flags = |config: &crate::heap::DebugConfig| {
        [
            config.enable_memory_limit,
            config.never_unmap,
            config.retain_metadata,
            config.resize_stack_traces,
            config.verbose_log,
        ]
    };
    let changes: [fn(&mut Options); 6] = [
        |o| o.enable_memory_limit = 1,
        |o| o.never_unmap = 1,
        |o| o.retain_metadata = 1,
        |o| o.resize_stack_traces = 1,
        // C's `true` is any byte but 0 here.
        |o| o.verbose_log = 2,
        |o| o.requested_memory_limit = 1,
    ];
    assert_eq!(flags(&base), [false; 5]);
    for (index, change) in changes.into_iter().enumerate() {
        let mut expected = [false; 5];
        expected[index % 5] = true;
        assert_eq!(flags(&with(change)), expected, "{index}");
    }
}

/// The list is copied into memory of the child, and freed; if there is no memory, no allocator is created.
#[test]
fn names_are_copied() {
    let mut told = Told::default();
    let told = &raw mut told;
    with_ledger(|child| {
        for (names, expected) in [(&[][..], &[][..]), (&[c"list", c"\u{e4}::x"], &["list", "\u{e4}::x"])] {
            // They do not live on.
            for allocations in 0..5 {
                let texts: std::vec::Vec<std::ffi::CString> = names.iter().map(|&name| name.into()).collect();
                let list: std::vec::Vec<_> = texts.iter().map(|text| text.as_ptr()).collect();
                let options = debug_options(told, |options| {
                    (options.skip_frames, options.skip_frames_count) = (list.as_ptr(), list.len());
                });
                // SAFETY: used as the header says, and destroyed in reverse order.
                unsafe {
                    let failing_at = zigalloc_failing_at_create(child, allocations, usize::MAX);
                    let a = zigalloc_failing_at_allocator(failing_at);
                    let handle = raw(a);
                    let debug = zigalloc_debug_create_with(handle, &options);
                    drop((texts, list));
                    // Two for the list, unless it is empty, and one for the allocator.
                    assert_eq!(debug.is_null(), allocations < if names.is_empty() { 1 } else { 3 });
                    if !debug.is_null() {
                        assert_eq!(get(debug, "").config().skip_frames, expected);
                        zigalloc_debug_destroy(debug);
                    }
                    zigalloc_failing_at_destroy(failing_at);
                }
            }
        }
    });
}

#[test]
fn requested_bytes_are_limited() {
    let mut told = Told::default();
    let options = debug_options(&raw mut told, |options| options.requested_memory_limit = 1000);
    with_ledger(|child| {
        // SAFETY: used as the header says.
        unsafe {
            let debug = zigalloc_debug_create_with(child, &options);
            let a = zigalloc_debug_allocator(debug);
            let block = NonNull::slice_from_raw_parts(a.raw_alloc(600, EIGHT, 0).unwrap(), 600);
            assert!(a.raw_alloc(401, EIGHT, 0).is_none());
            zigalloc_debug_set_requested_memory_limit(debug, 1200);
            let other = NonNull::slice_from_raw_parts(a.raw_alloc(600, EIGHT, 0).unwrap(), 600);
            assert_eq!(zigalloc_debug_total_requested_bytes(debug), 1200);
            a.raw_free(block, EIGHT, 0);
            a.raw_free(other, EIGHT, 0);
            assert_eq!((zigalloc_debug_total_count(debug), zigalloc_debug_destroy(debug)), (0, 0));
        }
    });
}
