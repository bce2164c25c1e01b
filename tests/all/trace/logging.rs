//! `trace::LoggingAllocator`. It is not in Zig 0.15.2, so it has no entries in the surface.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr::NonNull;
use std::rc::Rc;

use rstest::rstest;
use zigalloc::trace::{FmtSink, LoggedCall, LoggingAllocator, Sink};
use zigalloc::{Alignment, Allocator};
use zigalloc_support::{Bump, Call, Random, Recorder, alignment_from_c, run_random_program};

/// Stores the calls themselves.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Vec<LoggedCall>>>);

impl Sink for Kept {
    fn write(&mut self, call: &LoggedCall) -> fmt::Result {
        self.0.borrow_mut().push(*call);
        Ok(())
    }
}

/// Converts a logged call to the form that the recorder below it stores.
fn recorded(call: LoggedCall) -> Call {
    match call {
        LoggedCall::Alloc { len, alignment, return_address: ret_addr, result } => {
            Call::Alloc { len, alignment, ret_addr, result }
        }
        LoggedCall::Resize { address, len, alignment, new_len, return_address: ret_addr, result } => {
            Call::Resize { address, len, alignment, new_len, ret_addr, result }
        }
        LoggedCall::Remap { address, len, alignment, new_len, return_address: ret_addr, result } => {
            Call::Remap { address, len, alignment, new_len, ret_addr, result }
        }
        LoggedCall::Free { address, len, alignment, return_address: ret_addr } => {
            Call::Free { address, len, alignment, ret_addr }
        }
        other => panic!("a call of no function of the table: {other}"),
    }
}

/// Makes all four calls, each with its own return address. The block is freed at the end.
fn call_all(allocator: Allocator<'_>) {
    // SAFETY: a live block with matching length and alignment.
    unsafe {
        let ptr = allocator.raw_alloc(100, Alignment::_8, 0x101).expect("memory");
        let mut memory = NonNull::slice_from_raw_parts(ptr, 100);
        if allocator.raw_resize(memory, Alignment::_8, 120, 0x102) {
            memory = NonNull::slice_from_raw_parts(ptr, 120);
        }
        if let Some(ptr) = allocator.raw_remap(memory, Alignment::_8, 1, 0x103) {
            memory = NonNull::slice_from_raw_parts(ptr, 1);
        }
        allocator.raw_free(memory, Alignment::_8, 0x104);
    }
}

/// Each call reaches the child once, with unchanged arguments, and its result is logged.
#[rstest]
fn calls_are_passed_on_and_logged(#[values(false, true)] grants_growth: bool) {
    let bump = Bump::new(0, 1 << 15);
    bump.grants_growth.set(grants_growth);
    let recorder = Recorder::new(bump.allocator());
    let kept = Kept::default();
    let logging = LoggingAllocator::init(recorder.allocator(), kept.clone());
    call_all(logging.allocator());
    assert_eq!(kept.0.borrow().len(), 4);
    run_random_program(logging.allocator(), &mut Random::new(1), if cfg!(miri) { 50 } else { 1000 });
    // The last call may have resized a block.
    logging.flush();
    let logged: Vec<Call> = kept.0.take().into_iter().map(recorded).collect();
    assert_eq!(logged, recorder.take());
    assert_eq!(logging.lost_lines(), 0);
}

/// TR-33: the text of each line. The callers are made up and have no debug information, so they appear as numbers.
#[rstest]
fn lines_describe_calls(#[values(false, true)] grants_growth: bool) {
    let bump = Bump::new(0, 1000);
    bump.grants_growth.set(grants_growth);
    let mut logging = LoggingAllocator::init(bump.allocator(), FmtSink(String::new()));
    call_all(logging.allocator());
    let address = format!("{:#x}", bump.base());
    let expected = match grants_growth {
        true => format!(
            "alloc 100 bytes, aligned to 8: {address}, called by 0x101\n\
             resize {address}, 100 bytes, aligned to 8, to 120 bytes: true, called by 0x102\n\
             remap {address}, 120 bytes, aligned to 8, to 1 byte: {address}, called by 0x103\n\
             free {address}, 1 byte, aligned to 8, called by 0x104\n"
        ),
        false => format!(
            "alloc 100 bytes, aligned to 8: {address}, called by 0x101\n\
             resize {address}, 100 bytes, aligned to 8, to 120 bytes: false, called by 0x102\n\
             remap {address}, 100 bytes, aligned to 8, to 1 byte: null, called by 0x103\n\
             free {address}, 100 bytes, aligned to 8, called by 0x104\n"
        ),
    };
    assert_eq!(std::mem::take(&mut logging.sink_mut().0), expected);

    // SAFETY: the lengths are not zero.
    unsafe {
        assert_eq!(logging.allocator().raw_alloc(5000, Alignment::_64, 0), None);
        assert_eq!(logging.allocator().raw_alloc(1, alignment_from_c(200), 0), None);
    }
    assert_eq!(
        logging.into_sink().0,
        "alloc 5000 bytes, aligned to 64: null, called by an unknown place\n\
         alloc 1 byte, aligned to invalid log2 200: null, called by an unknown place\n"
    );
}

/// The line names the calling line of the program.
#[cfg(feature = "std")]
#[test]
fn line_names_the_caller() {
    let bump = Bump::new(0, 1000);
    let logging = LoggingAllocator::init(bump.allocator(), FmtSink(String::new()));
    logging.allocator().alloc::<u64>(3).unwrap(); // ASKS
    let text = logging.into_sink().0;
    let line = include_str!("logging.rs").lines().position(|line| line.ends_with("// ASKS")).unwrap() + 1;
    let caller = text.trim_end().rsplit(", called by ").next().unwrap();
    if zigalloc::return_address() == 0 {
        assert_eq!(caller, "an unknown place");
    } else if cfg!(feature = "backtrace") {
        assert!(caller.contains("line_names_the_caller at "), "{text}");
        assert!(caller.ends_with(&format!("logging.rs:{line}")), "{text}");
    } else {
        assert!(caller.starts_with("0x"), "{text}");
    }
}

/// Which calls count as refusals.
#[rstest]
#[case(LoggedCall::Alloc { len: 1, alignment: Alignment::_1, return_address: 0, result: None }, true)]
#[case(LoggedCall::Alloc { len: 1, alignment: Alignment::_1, return_address: 0, result: Some(8) }, false)]
#[case(LoggedCall::Free { address: 8, len: 1, alignment: Alignment::_1, return_address: 0 }, false)]
#[case(
    LoggedCall::Resize {
        address: 8, len: 1, alignment: Alignment::_1, new_len: 2, return_address: 0, result: false
    },
    true
)]
#[case(
    LoggedCall::Resize {
        address: 8, len: 1, alignment: Alignment::_1, new_len: 2, return_address: 0, result: true
    },
    false
)]
#[case(
    LoggedCall::Remap {
        address: 8, len: 1, alignment: Alignment::_1, new_len: 2, return_address: 0, result: None
    },
    true
)]
#[case(
    LoggedCall::Remap {
        address: 8, len: 1, alignment: Alignment::_1, new_len: 2, return_address: 0, result: Some(16)
    },
    false
)]
fn null_and_false_are_refusals(#[case] call: LoggedCall, #[case] refused: bool) {
    assert_eq!(call.is_refused(), refused);
}

// ---- failures of the sink ----

/// Fails every second time.
struct Unreliable(usize);

impl Sink for Unreliable {
    fn write(&mut self, _: &LoggedCall) -> fmt::Result {
        self.0 += 1;
        if self.0 % 2 == 0 { Err(fmt::Error) } else { Ok(()) }
    }
}

/// A lost line is counted and has no other effect.
#[test]
fn failed_lines_are_counted() {
    let bump = Bump::new(0, 1000);
    let logging = LoggingAllocator::init(bump.allocator(), Unreliable(0));
    for round in 1..=3 {
        call_all(logging.allocator());
        assert_eq!(logging.lost_lines(), 2 * round);
    }
    assert_eq!(bump.live(), 0);
    assert_eq!(logging.into_sink().0, 12, "it is asked each time");
}

/// A text of limited capacity fills up; the part of the line that fits remains.
#[test]
fn full_text_truncates_and_counts_the_line() {
    struct Short(String);
    impl fmt::Write for Short {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            if self.0.len() + text.len() > 100 {
                return Err(fmt::Error);
            }
            self.0.push_str(text);
            Ok(())
        }
    }
    let bump = Bump::new(0, 1000);
    let logging = LoggingAllocator::init(bump.allocator(), FmtSink(Short(String::new())));
    call_all(logging.allocator());
    assert_eq!(logging.lost_lines(), 3);
    assert!(logging.into_sink().0.0.starts_with("alloc 100 bytes, aligned to 8: 0x"));
}

/// A sink that allocates from the allocator whose calls it logs, and frees there.
struct Reentrant<'a> {
    allocator: Rc<Cell<Option<Allocator<'a>>>>,
    lines: Rc<Cell<usize>>,
    kept: Vec<NonNull<[u8]>>,
}

impl Sink for Reentrant<'_> {
    fn write(&mut self, _: &LoggedCall) -> fmt::Result {
        self.lines.set(self.lines.get() + 1);
        if let Some(allocator) = self.allocator.get() {
            // SAFETY: the length is not zero, and what is freed is live.
            unsafe {
                if let Some(old) = self.kept.pop() {
                    allocator.raw_free(old, Alignment::_1, 0);
                }
                let new = allocator.raw_alloc(16, Alignment::_1, 0).ok_or(fmt::Error)?;
                self.kept.push(NonNull::slice_from_raw_parts(new, 16));
            }
        }
        Ok(())
    }
}

/// Such calls are served, counted, and not logged; the surrounding lines are complete.
#[test]
fn reentrant_calls_are_served_but_not_logged() {
    let bump = Bump::new(0, 5000);
    let handle = Rc::new(Cell::new(None));
    let lines = Rc::new(Cell::new(0));
    let sink = Reentrant { allocator: handle.clone(), lines: lines.clone(), kept: Vec::new() };
    let logging = LoggingAllocator::init(bump.allocator(), sink);
    // SAFETY: the handle is used only while `logging` exists, which is longer than the borrow.
    let allocator = unsafe {
        let allocator = logging.allocator();
        Allocator::from_raw_parts(allocator.ptr(), allocator.vtable())
    };
    handle.set(Some(allocator));
    call_all(logging.allocator());
    assert_eq!(lines.get(), 4, "a line for each call of the program");
    assert_eq!(logging.lost_lines(), 4 + 3, "an alloc in each line, and a free in each but the first");
    assert_eq!(bump.live(), 1);
    handle.set(None);
    call_all(logging.allocator());
    assert_eq!((lines.get(), logging.lost_lines()), (8, 7));
}

#[cfg(feature = "std")]
mod with_std {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::thread;

    use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, SMP_ALLOCATOR};
    use zigalloc::testing::{LedgerAllocator, check_all_allocation_failures};
    use zigalloc::trace::IoSink;
    use zigalloc::{SyncAllocator, ThreadSafeAllocator};

    use super::*;
    use zigalloc_support::{Sent, alone, assert_aborted, run_alone};

    /// A panic of the sink aborts the process, and its message is printed.
    #[test]
    #[cfg_attr(miri, ignore = "it starts a process, which Miri cannot do")]
    fn sink_that_panics_aborts() {
        const TEST: &str = "trace::logging::with_std::sink_that_panics_aborts";
        struct Panics;
        impl Sink for Panics {
            fn write(&mut self, _: &LoggedCall) -> fmt::Result {
                panic!("the sink is out of ink");
            }
        }
        if alone().is_some() {
            let logging = LoggingAllocator::init(PAGE_ALLOCATOR, Panics);
            let _ = logging.allocator().alloc::<u8>(1);
            unreachable!("the process should have ended");
        }
        assert_aborted(&run_alone(TEST, "panics"), "the sink is out of ink");
    }

    /// Stores each `write` call as one piece.
    #[derive(Default)]
    struct Pieces(Vec<Vec<u8>>);

    impl io::Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            panic!("flush is never called")
        }
    }

    /// A line is written in one piece, including the line break.
    #[test]
    fn io_lines_are_written_in_one_piece() {
        let logging = LoggingAllocator::init(PAGE_ALLOCATOR, IoSink(Pieces::default()));
        call_all(*logging.allocator());
        let pieces = logging.into_sink().0.0;
        assert_eq!(pieces.len(), 4);
        for (piece, start) in pieces.iter().zip(["alloc 100 ", "resize 0x", "remap 0x", "free 0x"]) {
            assert!(piece.starts_with(start.as_bytes()) && piece.ends_with(b"\n"), "{piece:?}");
            assert_eq!(piece.iter().filter(|&&byte| byte == b'\n').count(), 1);
        }
    }

    /// If the file is full, the line is lost and counted.
    #[test]
    fn io_errors_are_counted() {
        let mut buffer = [0; 100];
        let logging = LoggingAllocator::init(PAGE_ALLOCATOR, IoSink(io::Cursor::new(&mut buffer[..])));
        call_all(*logging.allocator());
        assert_eq!(logging.lost_lines(), 3);
        drop(logging);
        assert!(buffer.starts_with(b"alloc 100 bytes, aligned to 8: 0x"));
    }

    /// Lines of many threads: each is complete, none is lost, and they are in the order of the calls: no address is
    /// handed out before the line that says it was freed.
    #[test]
    fn lines_of_threads_are_whole_and_in_order() {
        const THREADS: usize = 4;
        const ROUNDS: usize = if cfg!(miri) { 3 } else { 300 };
        struct Shared(Arc<Mutex<Vec<LoggedCall>>>);
        impl Sink for Shared {
            fn write(&mut self, call: &LoggedCall) -> fmt::Result {
                self.0.lock().unwrap().push(*call);
                Ok(())
            }
        }
        let calls = Arc::default();
        let logging = LoggingAllocator::init(SMP_ALLOCATOR, Shared(Arc::clone(&calls)));
        let allocator: SyncAllocator<'_> = logging.allocator();
        // One list for all threads, so that threads free each other's blocks.
        let blocks = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for n in 0..THREADS {
                let blocks = &blocks;
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let memory = allocator.alloc::<u8>(1 + (n + round) % 40).unwrap();
                        blocks.lock().unwrap().push(Sent(memory));
                        if round % 2 == 0 {
                            let taken = blocks.lock().unwrap().swap_remove(0);
                            // SAFETY: it is live.
                            unsafe { allocator.free(taken.received()) };
                        }
                    }
                });
            }
        });
        for Sent(memory) in blocks.into_inner().unwrap() {
            // SAFETY: it is live.
            unsafe { allocator.free(memory) };
        }
        let calls = std::mem::take(&mut *calls.lock().unwrap());
        assert_eq!((calls.len(), logging.lost_lines()), (2 * THREADS * ROUNDS, 0));
        let mut live = std::collections::BTreeMap::new();
        for call in calls {
            match call {
                LoggedCall::Alloc { len, result: Some(address), .. } => {
                    assert_eq!(live.insert(address, len), None, "{call}");
                }
                LoggedCall::Free { address, len, .. } => {
                    assert_eq!(live.remove(&address), Some(len), "{call}")
                }
                _ => panic!("{call}"),
            }
        }
        assert!(live.is_empty());
    }

    /// A thread whose line calls the allocator does not deadlock on itself; other threads wait.
    #[test]
    fn reentrant_calls_do_not_deadlock_across_threads() {
        struct Calls<'a>(Arc<Mutex<Option<SyncAllocator<'a>>>>);
        impl Sink for Calls<'_> {
            fn write(&mut self, _: &LoggedCall) -> fmt::Result {
                let allocator = *self.0.lock().unwrap();
                if let Some(allocator) = allocator {
                    let memory = allocator.create::<u64>().map_err(|_| fmt::Error)?;
                    // SAFETY: it is live.
                    unsafe { allocator.destroy(memory) };
                }
                Ok(())
            }
        }
        const ROUNDS: usize = if cfg!(miri) { 3 } else { 100 };
        let handle = Arc::default();
        let logging = LoggingAllocator::init(PAGE_ALLOCATOR, Calls(Arc::clone(&handle)));
        // SAFETY: the handle is used only while `logging` exists, which is longer than the borrow.
        let allocator = unsafe {
            let allocator = logging.allocator();
            SyncAllocator::from_raw_parts(allocator.ptr(), allocator.vtable())
        };
        *handle.lock().unwrap() = Some(allocator);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        call_all(*allocator);
                    }
                });
            }
        });
        assert_eq!(logging.lost_lines(), 3 * ROUNDS * 4 * 2);
    }

    /// Every failure of the child is passed on.
    #[test]
    fn every_child_failure_is_passed_on() {
        let ledger = LedgerAllocator::init(PAGE_ALLOCATOR);
        check_all_allocation_failures(ledger.allocator(), |child| {
            let kept = Kept::default();
            let logging = LoggingAllocator::init(child, kept.clone());
            let result = (|| {
                let arena = ArenaAllocator::init(logging.allocator());
                for n in 1..4 {
                    arena.allocator().alloc::<u64>(n * 1000)?;
                }
                Ok::<(), zigalloc::Error>(())
            })();
            let refused = |call: &&LoggedCall| matches!(call, LoggedCall::Alloc { result: None, .. });
            // An arena makes a second attempt.
            assert_eq!(kept.0.borrow().iter().filter(refused).count(), 2 * usize::from(result.is_err()));
            result
        })
        .unwrap();
        ledger.assert_no_leaks();
    }

    /// Logging allocators over each other, inside a lock.
    #[test]
    fn logging_allocators_stack() {
        let inner = Kept::default();
        let outer = Kept::default();
        let lower = LoggingAllocator::init(*PAGE_ALLOCATOR, inner.clone());
        let upper = LoggingAllocator::init(lower.allocator(), outer.clone());
        call_all(upper.allocator());
        assert_eq!(*inner.0.borrow(), *outer.0.borrow());
        assert_eq!(inner.0.borrow().len(), 4);

        let mut logging = LoggingAllocator::init(PAGE_ALLOCATOR, FmtSink(String::new()));
        call_all(*ThreadSafeAllocator::new(&mut logging).allocator());
        assert_eq!(logging.into_sink().0.lines().count(), 4);
    }
}

#[cfg(feature = "log")]
mod with_log {
    use std::sync::Mutex;

    use log::{Level, LevelFilter, Log, Metadata, Record};
    use zigalloc::trace::LogSink;

    use super::*;

    static RECORDS: Mutex<Vec<(Level, String, String)>> = Mutex::new(Vec::new());

    struct Logger;

    impl Log for Logger {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &Record<'_>) {
            let text = record.args().to_string();
            RECORDS.lock().unwrap().push((record.level(), record.target().to_owned(), text));
        }

        fn flush(&self) {}
    }

    /// Target, levels and text. A process has one logger, so this is one test.
    #[test]
    fn log_crate_receives_target_level_and_text() {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(LevelFilter::Debug);
        let bump = Bump::new(0, 1000);
        call_all(LoggingAllocator::init(bump.allocator(), LogSink::default()).allocator());
        let records = std::mem::take(&mut *RECORDS.lock().unwrap());
        assert!(records.iter().all(|(_, target, _)| target == "zigalloc"));
        let lines: Vec<(Level, &str)> =
            records.iter().map(|(level, _, text)| (*level, text.split(' ').next().unwrap())).collect();
        assert_eq!(
            lines,
            [
                (Level::Debug, "alloc"),
                (Level::Error, "resize"),
                (Level::Error, "remap"),
                (Level::Debug, "free")
            ]
        );
        assert!(records[0].2.ends_with(", called by 0x101"), "{}", records[0].2);

        // Disabled records are not written, which does not count as a loss.
        let sink = LogSink { success: Level::Trace, failure: Level::Warn };
        let logging = LoggingAllocator::init(bump.allocator(), sink);
        call_all(logging.allocator());
        let levels: Vec<Level> = RECORDS.lock().unwrap().iter().map(|record| record.0).collect();
        assert_eq!((levels, logging.lost_lines()), (vec![Level::Warn, Level::Warn], 0));
    }
}
