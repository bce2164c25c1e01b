//! The options, one by one.

use zigalloc::heap::{Check, DebugAllocator, PAGE_ALLOCATOR, PAGE_SIZE_MAX};
use zigalloc::{AsAllocator, SyncAllocator};
use zigalloc_support::{Bump, Call, Recorder, alone, assert_aborted, run_alone, this_program};

use super::*;

/// TR-13, DC-01, DC-02, DC-03, DC-04, DC-06, DC-07, DC-08, DC-09, DC-10, DC-11, DC-12: the defaults are Zig's. (Without
/// the feature `backtrace`, one address is stored where Zig stores six.)
#[test]
fn defaults_are_zigs() {
    let config = DebugConfig::default();
    let frames = match (cfg!(debug_assertions), cfg!(feature = "backtrace")) {
        (true, true) => 6,
        (true, false) => 1,
        (false, _) => 0,
    };
    assert_eq!((config.stack_trace_frames, config.safety), (frames, cfg!(debug_assertions)));
    assert!(config.thread_safe && config.backing_allocator_zeroes);
    assert!(!config.enable_memory_limit && !config.never_unmap && !config.retain_metadata);
    assert!(!config.verbose_log && !config.resize_stack_traces && config.quarantine == 0);
    assert_eq!(config.canary, 0x9232_a6ff_85df_f10f_u64 as usize);
    let page_size = match cfg!(windows) || cfg!(target_family = "wasm") {
        true => 64 << 10,
        false => PAGE_SIZE_MAX.max(128 << 10),
    };
    assert_eq!(config.page_size, page_size);
}

/// A constant can hold an allocator, and the compiler checks its options.
#[test]
fn allocator_can_be_a_static() {
    static DEBUG: DebugAllocator<SyncAllocator<'static>> = DebugAllocator::init(PAGE_ALLOCATOR);
    let memory = DEBUG.allocator().create_with(1).unwrap();
    // SAFETY: freed once.
    unsafe { DEBUG.allocator().destroy(memory) };
    assert_eq!(DEBUG.detect_leaks(), 0);
}

/// DC-10: with the option, a resize replaces the allocation's trace.
#[rstest::rstest]
fn resize_stack_traces(#[values(true, false)] wanted: bool) {
    let config = DebugConfig { resize_stack_traces: wanted, page_size: 4096, ..CONFIG };
    let moves = Moves(*PAGE_ALLOCATOR);
    let debug = DebugAllocator::with_config(moves.allocator(), config);
    let a = debug.allocator();
    let (small, large) = (alloc(a, 20, 1), alloc(a, 5000, 1));
    assert!(resize(a, small, 1, 30));
    let large = block(remap(a, large, 1, 6000).unwrap(), 6000);
    debug.detect_leaks();
    let traces: Vec<_> = reports().iter().map(|leak| leak.allocation.addresses().to_vec()).collect();
    assert_eq!(traces, if wanted { [[0x4E512E], [0x4E3A9]] } else { [[0xA110C], [0xA110C]] });
    free(a, block(small.cast(), 30), 1);
    free(a, large, 1);
    assert_eq!(debug.deinit(), Check::Ok);
}

/// Blocks leave the quarantine, oldest first, when it has too many bytes or 16 newer blocks, and at the end.
#[test]
fn quarantine_frees_the_oldest_first() {
    let bump = Bump::new(0, 4 << 20);
    let recorder = Recorder::new(bump.allocator());
    let config = DebugConfig { quarantine: 20_000, keep_empty_pages: false, ..SMALL_PAGES };
    let debug = DebugAllocator::with_config(recorder.allocator(), config);
    let a = debug.allocator();
    let freed = |calls: Vec<Call>| -> Vec<usize> {
        let lengths = calls.iter().map(|call| match call {
            Call::Free { len, .. } => *len,
            other => panic!("{other:?}"),
        });
        lengths.collect()
    };
    let blocks = [10, 8000, 7000, 20_001, 9000].map(|len| alloc(a, len, 1));
    recorder.take();
    let mut given_back = Vec::new();
    for memory in blocks {
        free(a, memory, 1);
        given_back.push(freed(recorder.take()));
    }
    assert_eq!(given_back, [vec![], vec![], vec![], vec![20_001], vec![4096, 8000]]);
    // SAFETY: an error, but the memory does not yet belong to the child.
    unsafe { blocks[2].cast::<u8>().write(1) };
    free(a, blocks[2], 1);
    free(a, blocks[0], 1);
    assert_eq!(kinds(), [ReportKind::DoubleFree; 2]);

    let many: Vec<_> = (0..16).map(|_| alloc(a, 1100, 1)).collect();
    recorder.take();
    many.iter().for_each(|memory| free(a, *memory, 1));
    assert_eq!(freed(recorder.take()), [7000, 9000]);
    debug.detect_leaks();
    drop(debug);
    assert_eq!((bump.live(), reports().len()), (0, 0));
}

/// DC-08, DA-22: one line per call.
#[test]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn verbose_log() {
    if alone().is_none() {
        let output = run_alone("heap::debug::options::verbose_log", "yes");
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("DebugAllocator: ")).collect();
        let [alloc, resize, remap, free] = lines[..] else { panic!("{text}") };
        assert!(alloc.contains("alloc of 20 bytes, aligned to 2^3: Some(0x"), "{alloc}");
        assert!(
            resize.contains("resize of 20 bytes at 0x") && resize.contains(" to 30: Some(0x"),
            "{resize}"
        );
        assert!(remap.contains("remap of 30 bytes at 0x") && remap.contains(" to 40: None"), "{remap}");
        assert!(free.contains("free of 30 bytes at 0x"), "{free}");
        return;
    }
    let config = DebugConfig { verbose_log: true, ..CONFIG };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    let a = *debug.allocator();
    let memory = alloc(a, 20, 8);
    assert!(resize(a, memory, 8, 30));
    let memory = block(memory.cast(), 30);
    assert_eq!(remap(a, memory, 8, 40), None);
    free(a, memory, 8);
}

/// If standard error is closed, output is lost and the program continues: for a misuse, a leak, and every line of the
/// log.
#[test]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn unread_output_is_ignored() {
    use std::process::Stdio;
    if alone().is_none() {
        let mut child = this_program()
            .args(["--exact", "heap::debug::options::unread_output_is_ignored", "--nocapture"])
            .env("ZIGALLOC_TEST_CASE", "yes")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stderr.take());
        // It starts even when this end is already closed.
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        return;
    }
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let printed = std::panic::catch_unwind(|| eprintln!("is there anybody?"));
    assert!(printed.is_err() || !cfg!(unix), "the test tests nothing");
    let config = DebugConfig { safety: true, verbose_log: true, ..DebugConfig::DEFAULT };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    let a = *debug.allocator();
    free(a, alloc(a, 20, 8), 4);
    alloc(a, 20, 8);
    assert_eq!(debug.count(ReportKind::WrongAlignment), 1);
    assert_eq!(debug.deinit(), Check::Leak);
}

/// DC-04: without thread safety there is no thread-safe handle, and the plain one works.
#[test]
fn not_thread_safe_has_no_sync_handle() {
    let config = DebugConfig { thread_safe: false, ..CONFIG };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| debug.allocator().ptr()));
    let text = *refused.unwrap_err().downcast::<&str>().unwrap();
    assert!(text.contains("thread_safe is false"), "{text}");
    let a = AsAllocator::allocator(&debug);
    free(a, alloc(a, 10, 1), 1);

    let debug = DebugAllocator::with_config(*PAGE_ALLOCATOR, config);
    free(debug.allocator(), alloc(debug.allocator(), 10, 1), 1);
    assert_eq!(reports(), []);
}

/// DC-04: a call during another call is detected as an error.
#[test]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn two_threads_without_thread_safety_aborts() {
    if alone().is_none() {
        let output = run_alone("heap::debug::options::two_threads_without_thread_safety_aborts", "yes");
        assert_aborted(&output, "called while another call is in progress");
        return;
    }
    let config = DebugConfig { thread_safe: false, ..CONFIG };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let a = AsAllocator::allocator(&debug);
                loop {
                    free(a, alloc(a, 50_000, 1), 1);
                }
            });
        }
    });
}

#[test]
#[should_panic = "a limit of 10 bytes has no effect"]
fn limit_without_its_option_panics() {
    DebugAllocator::init(PAGE_ALLOCATOR).set_requested_memory_limit(10);
}

/// DA-01: 0 bytes, which typed calls never pass, abort. (In Zig too, as an overflow.)
#[rstest::rstest]
#[case("alloc")]
#[case("resize")]
#[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
fn zero_bytes_aborts(#[case] operation: &str) {
    let case = if operation == "alloc" { "case_1" } else { "case_2" };
    let test = format!("heap::debug::options::zero_bytes_aborts::{case}");
    match alone() {
        None => assert_aborted(&run_alone(&test, operation), "0 bytes; the least is 1"),
        Some(_) => {
            let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
            let memory = alloc(*debug.allocator(), 1, 1);
            match operation {
                "alloc" => drop(alloc(*debug.allocator(), 0, 1)),
                _ => drop(resize(*debug.allocator(), memory, 1, 0)),
            }
        }
    }
}

/// Leaks due to a panic are not reported, and their memory is freed.
#[test]
fn unwinding_does_not_report_leaks() {
    let ledger = zigalloc::testing::LedgerAllocator::init(PAGE_ALLOCATOR);
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let debug = DebugAllocator::with_config(ledger.allocator(), CONFIG);
        alloc(debug.allocator(), 10, 1);
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(unwound.is_err());
    ledger.assert_no_leaks();
    assert_eq!(reports(), []);
}

/// With symbols, a trace shows the program's functions: the caller, then its callers, none of this crate, and nothing
/// below the test.
#[cfg(all(feature = "backtrace", not(miri), target_os = "linux"))]
#[test]
fn trace_text() {
    #[inline(never)]
    fn inner(a: Allocator<'_>) -> NonNull<[u8]> {
        std::hint::black_box(a).alloc::<u8>(10).unwrap()
    }
    #[inline(never)]
    fn outer(a: Allocator<'_>) -> NonNull<[u8]> {
        std::hint::black_box(inner(a))
    }
    let config = DebugConfig { stack_trace_frames: 20, ..CONFIG };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    outer(*debug.allocator());
    // Across a wrapper that passes an address of its own.
    let arena = zigalloc::heap::ArenaAllocator::init(*debug.allocator());
    outer(arena.allocator());
    assert_eq!(debug.detect_leaks(), 2);
    for leak in reports() {
        let text = leak.allocation.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("inner at ") && lines[0].contains("options.rs:"), "{text}");
        assert!(lines[1].contains("outer at ") && lines[2].contains("trace_text at "), "{text}");
        assert!(
            !lines.iter().any(|line| line.starts_with("zigalloc::") || line.contains("lang_start")),
            "{text}"
        );
    }
}

/// With symbols, the program's function is found even without a return address.
#[cfg(all(feature = "backtrace", not(miri), target_os = "linux"))]
#[test]
fn trace_without_a_return_address() {
    #[inline(never)]
    fn inner(a: Allocator<'_>) -> Option<NonNull<u8>> {
        // SAFETY: the length is not zero.
        let memory = unsafe { std::hint::black_box(a).raw_alloc(10, align(1), 0) };
        std::hint::black_box(memory)
    }
    // In an optimised program, some frames are this crate's own, which are not shown.
    let config = DebugConfig { stack_trace_frames: 8, ..CONFIG };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    assert!(inner(*debug.allocator()).is_some());
    assert_eq!(debug.detect_leaks(), 1);
    let text = reports()[0].allocation.to_string();
    assert!(text.contains("inner at ") && text.contains("trace_without_a_return_address"), "{text}");
    debug.deinit_without_leak_checks();
}

/// The canary is shown in hexadecimal, as in a memory dump.
#[test]
fn debug_shows_the_canary_in_hexadecimal() {
    let text = format!("{:?}", DebugConfig { canary: 0xDEAD_F00D, page_size: 4096, ..DebugConfig::DEFAULT });
    assert!(text.contains(", canary: 0xdeadf00d, page_size: 4096, report: 0x"), "{text}");
}

/// An address is shown in hexadecimal, in the report as in its traces.
#[test]
fn debug_shows_the_addresses_of_a_report_in_hexadecimal() {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, SMALL_PAGES);
    let memory = debug.allocator().alloc::<u8>(8).unwrap();
    let inside = NonNull::slice_from_raw_parts(memory.cast::<u8>().map_addr(|address| address | 4), 4);
    // SAFETY: an error, but this allocator detects it.
    unsafe { debug.allocator().raw_free(inside, Alignment::_1, 0) };
    let report = debug.first_report().unwrap();
    let text = format!("{report:?}");
    let (address, block) = (inside.addr(), memory.addr());
    assert!(text.contains(&format!("operation: Free, address: {address:#x}, len: 4,")), "{text}");
    assert!(text.contains(&format!("inside: Some({block:#x}),")), "{text}");
    // SAFETY: a live block.
    unsafe { debug.allocator().free(memory) };
    // If all tests run on one thread, the next one starts without reports.
    assert_eq!(kinds(), [ReportKind::InvalidFree]);
}
