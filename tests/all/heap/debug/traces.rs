//! Traces that start in the program's own code, whatever libraries are between it and the allocator.

use zigalloc::heap::{DebugAllocator, PAGE_ALLOCATOR};

use super::*;

/// A report without frames names the option that stores them, and the reason for their absence.
#[test]
fn report_without_frames_names_the_option() {
    for frames in [0, 1] {
        let config = DebugConfig { stack_trace_frames: frames, ..CONFIG };
        let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
        // SAFETY: the length is not zero.
        unsafe { debug.allocator().raw_alloc(10, align(1), 0) }.unwrap();
        debug.detect_leaks();
        let text = reports()[0].to_string();
        let expected = match (frames, cfg!(feature = "backtrace")) {
            (0, _) => "allocation: not stored; DebugConfig::stack_trace_frames, which is 0, is how many",
            (_, false) => "the feature `backtrace` for DebugConfig::stack_trace_frames to find one",
            (_, true) => "allocation:\n    ",
        };
        assert!(text.contains(expected), "{text}");
        debug.deinit_without_leak_checks();
    }
}

#[cfg(all(feature = "backtrace", feature = "allocator-api2-02", not(miri), target_os = "linux"))]
mod with_symbols {
    use std::hint::black_box;

    use rstest::rstest;
    use zigalloc::SyncAllocator;
    use zigalloc::heap::debug::Trace;
    use zigalloc::testing::{CheckError, check_all_allocation_failures};

    use super::*;

    type Map<'a> = hashbrown::HashMap<u64, [u64; 9], hashbrown::DefaultHashBuilder, SyncAllocator<'a>>;
    type Text<'a> = allocator_api2_02::vec::Vec<u8, SyncAllocator<'a>>;

    #[inline(never)]
    fn makes_a_map(a: SyncAllocator<'_>) -> Map<'_> {
        let mut map = Map::new_in(a);
        map.insert(1, [2; 9]); // MAP
        black_box(map)
    }

    #[inline(never)]
    fn calls_what_makes_a_map(a: SyncAllocator<'_>) -> Map<'_> {
        black_box(makes_a_map(a))
    }

    #[inline(never)]
    fn makes_a_text(a: SyncAllocator<'_>) -> Text<'_> {
        let mut text = Text::new_in(a);
        text.extend_from_slice(b"text"); // TEXT
        black_box(text)
    }

    fn line(mark: &str) -> String {
        let source = include_str!("traces.rs");
        let index = source.lines().position(|line| line.ends_with(&format!("// {mark}"))).unwrap();
        format!("debug/traces.rs:{}", index + 1)
    }

    fn leaks(config: DebugConfig, run: impl Fn(SyncAllocator<'_>)) -> Vec<Report> {
        let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
        run(debug.allocator());
        debug.detect_leaks();
        debug.deinit_without_leak_checks();
        reports()
    }

    fn lines(trace: &Trace) -> Vec<String> {
        trace.to_string().lines().map(str::to_owned).collect()
    }

    /// A leaked map of hashbrown shows the program's lines, even with a single frame.
    #[rstest]
    fn container_leak_shows_the_programs_line(#[values(1, 2, 6)] frames: usize) {
        let config = DebugConfig { stack_trace_frames: frames, ..CONFIG };
        let found = leaks(config, |a| {
            std::mem::forget(calls_what_makes_a_map(a));
            std::mem::forget(makes_a_text(a));
        });
        assert_eq!(found.len(), 2);
        for leak in found {
            let lines = lines(&leak.allocation);
            let is_map = lines[0].contains("makes_a_map");
            let expected = if is_map { line("MAP") } else { line("TEXT") };
            assert!(lines[0].ends_with(&expected), "{expected} is not first in:\n{}", lines.join("\n"));
            if frames == 6 && is_map {
                assert!(lines[1].contains("calls_what_makes_a_map"), "{}", lines.join("\n"));
            }
            let skipped = ["hashbrown::", "allocator_api2::", "zigalloc::", "core::", "std::", "alloc::"];
            assert!(!lines.iter().any(|line| skipped.iter().any(|name| line.starts_with(name))), "{lines:?}");
        }
    }

    /// The list of skipped crates is an option: without hashbrown in it, its functions are shown; with a module of
    /// the program in it, that module's are not.
    #[test]
    fn skipped_crates_are_configurable() {
        let of = |frames: usize, skip_frames: &'static [&'static str]| {
            let config = DebugConfig { stack_trace_frames: frames, skip_frames, ..CONFIG };
            let found = leaks(config, |a| std::mem::forget(in_a_module::calls_what_makes_a_map(a)));
            lines(&found[0].allocation)
        };
        let all = of(24, &[]);
        // Where its functions are inlined, the file is reported, and their names are short.
        assert!(all[0].contains("hashbrown"), "the trace starts there: {all:#?}");
        assert!(!all.iter().any(|line| line.starts_with("zigalloc::")), "{all:#?}");
        let fewer = of(
            24,
            &["core", "alloc", "std", "hashbrown", "all::heap::debug::traces::with_symbols::in_a_module"],
        );
        assert!(!fewer.iter().any(|line| line.contains("hashbrown")), "{fewer:#?}");
        // With line tables only, a function inlined into another has no path, so it is in no module.
        if all.iter().any(|line| line.contains("in_a_module::calls")) {
            assert!(!fewer.iter().any(|line| line.contains("calls_what_makes_a_map")), "{fewer:#?}");
            // If all frames would be skipped, the trace is complete.
            let none = of(14, &["hashbrown", "allocator_api2", "core", "alloc", "std", "all"]);
            assert!(none.iter().any(|line| line.contains("hashbrown")), "{none:#?}");
        } else {
            assert!(fewer.iter().any(|line| line.starts_with("calls_what_makes_a_map at")), "{fewer:#?}");
        }
    }

    mod in_a_module {
        use super::*;

        #[inline(never)]
        pub(super) fn calls_what_makes_a_map(a: SyncAllocator<'_>) -> Map<'_> {
            black_box(makes_a_map(a))
        }
    }

    /// The stack is walked, which takes long, only if the address that a call brings is not enough for what is shown.
    #[rstest]
    #[case(1, &[], 1, true)]
    #[case(1, &["hashbrown"], 1, false)]
    #[case(1, &[], 0, false)]
    #[case(2, &[], 1, false)]
    fn one_frame_of_the_caller_needs_no_walk(
        #[case] frames: usize,
        #[case] skip_frames: &'static [&'static str],
        #[case] has_address: usize,
        #[case] is_one: bool,
    ) {
        let config = DebugConfig { stack_trace_frames: frames, skip_frames, ..CONFIG };
        let ret_addr = has_address * zigalloc::return_address(); // HERE
        // On some processors there is no return address to pass.
        let is_one = is_one && ret_addr != 0;
        // SAFETY: the length is not zero.
        let found = leaks(config, |a| _ = unsafe { a.raw_alloc(10, align(1), ret_addr) });
        let [leak] = &found[..] else { panic!("{found:#?}") };
        assert_eq!(leak.allocation.stack().len() == 1, is_one, "{leak}");
        if is_one {
            assert!(leak.allocation.to_string().ends_with(&line("HERE")), "{leak}");
        }
    }

    /// What one line through a container in a loop are one report.
    #[test]
    fn container_leaks_of_one_line_are_one_report() {
        let config = DebugConfig { stack_trace_frames: 1, group_leaks: true, ..CONFIG };
        let found = leaks(config, |a| {
            for n in 0..20 {
                let mut map = Map::new_in(a);
                for key in 0..if n % 2 == 0 { 1 } else { 100 } {
                    map.insert(key, [key; 9]); // ONE PLACE
                }
                std::mem::forget(map);
            }
        });
        let [leak] = &found[..] else { panic!("{found:#?}") };
        assert_eq!(leak.count, 20);
        assert!(leak.to_string().contains(&line("ONE PLACE")), "{leak}");
    }

    /// A double free in a page that was freed still has both stacks.
    #[test]
    fn double_free_in_a_freed_page_has_full_traces() {
        #[inline(never)]
        fn frees(a: Allocator<'_>, memory: NonNull<[u8]>) {
            free(black_box(a), memory, 1);
            black_box(());
        }
        let config = DebugConfig { stack_trace_frames: 3, ..CONFIG };
        let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
        let a = *debug.allocator();
        for len in [10, 50_000] {
            let memory = alloc(a, len, 1);
            frees(a, memory);
            free(a, memory, 1);
            let report = reports()[0];
            assert_eq!(report.kind, ReportKind::DoubleFree);
            assert!(report.first_free.stack().len() > 3 && report.allocation.stack().len() > 3);
            let text = report.first_free.to_string();
            assert!(text.contains("frees"), "{text}");
        }
    }

    /// Stacks are not stored in the child's memory: it provides a table and a page, and nothing else.
    #[test]
    fn stacks_are_not_stored_in_the_child() {
        let bump = zigalloc_support::Bump::new(0, 1 << 20);
        let debug = DebugAllocator::with_config(bump.allocator(), DebugConfig { page_size: 4096, ..CONFIG });
        let memory = alloc(debug.allocator(), 10, 1);
        assert_eq!(bump.requests.get(), 2);
        assert_eq!(debug.detect_leaks(), 1);
        assert!(reports()[0].allocation.stack().len() > 3);
        free(debug.allocator(), memory, 1);
        drop(debug);
        assert_eq!((bump.requests.get(), bump.live()), (2, 0));
    }

    /// A failed allocation is reported with the program's line, not with hashbrown's, and with its frames.
    #[test]
    fn container_failure_names_the_programs_line() {
        fn checked(a: Allocator<'_>) -> Result<(), zigalloc::Error> {
            let mut map = hashbrown::HashMap::<u64, u64, hashbrown::DefaultHashBuilder, _>::new_in(a);
            let _ = map.try_reserve(10); // FAILS
            Ok(())
        }
        let error = check_all_allocation_failures(*PAGE_ALLOCATOR, checked).unwrap_err();
        let CheckError::SwallowedOutOfMemory(point) = error else { panic!("{error}") };
        let text = error.to_string();
        assert!(text.contains(&format!("{})", line("FAILS"))), "{text}");
        assert!(point.frames[..2].iter().all(|&frame| frame != 0), "{point:?}");
        assert_ne!(point.frames[0], point.return_address, "that is hashbrown's");
    }
}
