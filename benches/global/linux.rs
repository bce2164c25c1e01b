//! One program of the standard library's collections on each `#[global_allocator]`.
//!
//! The program runs itself: in every round once per allocator, one after another, in an order that rotates. A row is an
//! allocator; its times are the medians of the ratios of processor time to that of glibc's `malloc` (Rust's `System`) in
//! the same round.
//! The global allocator is the type [`Chosen`], which passes each call on; that costs the same for all of them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, Ordering};

use mimalloc::MiMalloc;
use zigalloc::adapters::GlobalAllocator;
use zigalloc::heap::{
    DebugAllocator, DebugConfig, PAGE_ALLOCATOR, PageAllocator, SharedArenaAllocator, SmpAllocator,
};
use zigalloc::trace::CountingAllocator;
use zigalloc_support::this_program;

#[path = "large.rs"]
mod large;

const CASE: &str = "ZIGALLOC_GLOBAL_CASE";
/// The index of a program of [`large`]; without it, the phases of this file run.
const PROGRAM: &str = "ZIGALLOC_GLOBAL_PROGRAM";
/// Whether `SmpAllocator` asks for huge pages.
const HUGE: &str = "ZIGALLOC_GLOBAL_HUGE";
const CASE_FOR_C: &std::ffi::CStr = c"ZIGALLOC_GLOBAL_CASE";

/// With the feature `backtrace` every call walks the stack.
const FRAMES: usize = if cfg!(feature = "backtrace") { 6 } else { 1 };

static SHARED_ARENA: SharedArenaAllocator<'static> = SharedArenaAllocator::init(PAGE_ALLOCATOR);
static COUNTING: CountingAllocator<SmpAllocator> = CountingAllocator::init(SmpAllocator);
static DEBUG: DebugAllocator<PageAllocator> = DebugAllocator::with_config(PageAllocator, config(0));
static TRACING: DebugAllocator<PageAllocator> = DebugAllocator::with_config(PageAllocator, config(FRAMES));

const fn config(stack_trace_frames: usize) -> DebugConfig {
    DebugConfig { safety: true, stack_trace_frames, ..DebugConfig::DEFAULT }
}

// SAFETY: each is lock-free, or locks without allocating, and allocates only from the operating system.
static ON_SHARED_ARENA: GlobalAllocator = unsafe { GlobalAllocator::new(SHARED_ARENA.allocator()) };
// SAFETY: the same.
static ON_COUNTING: GlobalAllocator = unsafe { GlobalAllocator::new(COUNTING.allocator()) };
// SAFETY: the same.
static ON_DEBUG: GlobalAllocator = unsafe { GlobalAllocator::new(DEBUG.allocator()) };
// SAFETY: the same.
static ON_TRACING: GlobalAllocator = unsafe { GlobalAllocator::new(TRACING.allocator()) };

/// The first is what the others are compared with.
const CASES: [(&str, &(dyn GlobalAlloc + Sync)); 9] = [
    ("System (glibc)", &System),
    ("mimalloc", &MiMalloc),
    ("SmpAllocator", &SmpAllocator),
    ("CAllocator", &GlobalAllocator::C),
    ("PageAllocator", &PageAllocator),
    ("shared arena", &ON_SHARED_ARENA),
    ("counting over SMP", &ON_COUNTING),
    ("debug over pages, no traces", &ON_DEBUG),
    ("debug over pages, traces", &ON_TRACING),
];

/// The allocator whose index in [`CASES`] is in the environment.
struct Chosen;

#[global_allocator]
static GLOBAL: Chosen = Chosen;

/// One more than the index in [`CASES`]; 0 before the first call.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

impl Chosen {
    #[inline]
    fn allocator(&self) -> &'static dyn GlobalAlloc {
        let chosen = match CHOSEN.load(Ordering::Relaxed) {
            0 => Chosen::choose(),
            chosen => chosen,
        };
        CASES[usize::from(chosen) - 1].1
    }

    /// Reads the environment without allocating. The first call is before there are threads.
    #[cold]
    fn choose() -> u8 {
        // SAFETY: a C string; no other thread changes the environment.
        let text = unsafe { libc::getenv(CASE_FOR_C.as_ptr()) };
        let index = if text.is_null() {
            0
        } else {
            // SAFETY: a digit and a zero, by `main`.
            unsafe { *text as u8 - b'0' }
        };
        CHOSEN.store(index + 1, Ordering::Relaxed);
        index + 1
    }
}

// SAFETY: one allocator gets all calls.
unsafe impl GlobalAlloc for Chosen {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: our caller's facts.
        unsafe { self.allocator().alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: our caller's facts.
        unsafe { self.allocator().alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: our caller's facts.
        unsafe { self.allocator().dealloc(ptr, layout) };
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: our caller's facts.
        unsafe { self.allocator().realloc(ptr, layout, new_size) }
    }
}

/// What is measured, and how.
const PHASES: [(&str, fn()); 4] =
    [("small", small), ("2 threads", threads), ("large", large), ("growing", growing)];

/// Maps of strings, of 8 to 100 bytes each.
fn small() {
    for round in 0..15 {
        let mut map = HashMap::new();
        for n in 0..2_000_usize {
            map.insert(format!("key {n}"), "v".repeat(8 + (n + round) % 92));
        }
        map.retain(|key, _| key.len() % 2 == 0);
        black_box(map);
    }
}

fn threads() {
    std::thread::scope(|scope| {
        scope.spawn(small);
        scope.spawn(small);
    });
}

/// Vectors of 33 KiB to 1 MiB, four live at a time, of which a byte in each page is written.
fn large() {
    let mut live: [Vec<u8>; 4] = Default::default();
    let mut random = 1_u32;
    for n in 0..1_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let len = (33 << 10) + (random >> 8) as usize % (991 << 10);
        let mut vec = Vec::<u8>::with_capacity(len);
        for page in vec.spare_capacity_mut().iter_mut().step_by(4096) {
            page.write(1);
        }
        live[n % 4] = black_box(vec);
    }
}

/// Vectors that grow to 8 MB, element by element.
fn growing() {
    for _ in 0..8 {
        let mut vec = Vec::new();
        for n in 0..1_000_000_u64 {
            vec.push(n);
        }
        black_box(vec);
    }
}

fn peak_kilobytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc/self/status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a line with VmHWM");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of kB")
}

/// The processor time of this process in nanoseconds. Unlike time by the clock, it hardly depends on other processes.
fn processor_time() -> u128 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid pointer.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "the clock exists");
    time.tv_sec as u128 * 1_000_000_000 + time.tv_nsec as u128
}

/// Runs the phases or a program, and prints the nanoseconds of each and the peak of the resident set after each in KiB.
fn run_case() {
    if std::env::var_os(HUGE).is_some() {
        SmpAllocator::set_huge_pages(true);
    }
    let program = std::env::var(PROGRAM).ok().and_then(|text| text.parse::<usize>().ok());
    let phases = program.as_ref().map_or(&PHASES[..], |program| &large::PROGRAMS[*program..=*program]);
    for (_, phase) in phases {
        let start = processor_time();
        phase();
        let time = processor_time() - start;
        println!("{time} {}", peak_kilobytes());
    }
}

pub(crate) fn main() -> ExitCode {
    if std::env::var_os(CASE).is_some() {
        run_case();
        return ExitCode::SUCCESS;
    }
    let rounds =
        std::env::var("ZIGALLOC_GLOBAL_ROUNDS").map_or(11, |text| text.parse().expect("a number of rounds"));
    if std::env::args().any(|argument| argument == "large") {
        return large_blocks(rounds);
    }
    // For each case and phase, the times and peaks of the rounds.
    let mut results = vec![[const { Vec::<(f64, f64)>::new() }; PHASES.len()]; CASES.len()];
    for round in 0..rounds {
        for n in 0..CASES.len() {
            let case = (n + round) % CASES.len();
            let output =
                this_program().env(CASE, case.to_string()).output().expect("the program can run itself");
            assert!(output.status.success(), "{}: {output:?}", CASES[case].0);
            let text = String::from_utf8(output.stdout).expect("numbers");
            for (line, result) in text.lines().zip(&mut results[case]) {
                let (time, peak) = line.split_once(' ').expect("two numbers");
                result.push((time.parse().expect("nanoseconds"), peak.parse().expect("KiB")));
            }
        }
    }
    print!("{:<30}", "time / System's; peak so far");
    for (name, _) in PHASES {
        print!("{name:>20}");
    }
    println!("\n{rounds} rounds; traces have {FRAMES} frames");
    for (case, phases) in results.iter().enumerate() {
        print!("{:<30}", CASES[case].0);
        for (phase, rounds) in phases.iter().enumerate() {
            let base = &results[0][phase];
            let mut ratios: Vec<f64> =
                rounds.iter().zip(base).map(|(ours, theirs)| ours.0 / theirs.0).collect();
            let mut peaks: Vec<f64> = rounds.iter().map(|(_, peak)| peak * 1024.0 / 1e6).collect();
            ratios.sort_by(f64::total_cmp);
            peaks.sort_by(f64::total_cmp);
            print!("{:>8.2} {:>7.1} MB", ratios[ratios.len() / 2], peaks[peaks.len() / 2]);
        }
        println!();
    }
    ExitCode::SUCCESS
}

/// What the programs of [`large`] run on: a case, and whether it asks for huge pages.
const LARGE_CASES: [(usize, bool); 4] = [(0, false), (1, false), (2, false), (2, true)];
/// Which of them are compared with which.
const LARGE_COLUMNS: [(&str, usize, usize); 3] =
    [("SMP / System", 2, 0), ("SMP / mimalloc", 2, 1), ("SMP, huge pages / mimalloc", 3, 1)];

/// Runs the programs of [`large`] by turns. A column has the median of the ratios of processor time, and the ratio of the
/// highest resident sets.
fn large_blocks(rounds: usize) -> ExitCode {
    print!("{:<32}", format!("time; peak; {rounds} rounds"));
    LARGE_COLUMNS.iter().for_each(|(name, ..)| print!("{name:>28}"));
    println!("{:>13}", "SMP's peak");
    for (program, (name, _)) in large::PROGRAMS.iter().enumerate() {
        let mut results = [const { Vec::<(f64, f64)>::new() }; LARGE_CASES.len()];
        for round in 0..rounds {
            for n in 0..LARGE_CASES.len() {
                let index = (n + round) % LARGE_CASES.len();
                let (case, huge) = LARGE_CASES[index];
                let mut command = this_program();
                command.env(CASE, case.to_string()).env(PROGRAM, program.to_string());
                if huge {
                    command.env(HUGE, "1");
                }
                let output = command.output().expect("the program can run itself");
                assert!(output.status.success(), "{name}, {}: {output:?}", CASES[case].0);
                let text = String::from_utf8(output.stdout).expect("numbers");
                let (time, peak) = text.trim().split_once(' ').expect("two numbers");
                results[index].push((time.parse().expect("nanoseconds"), peak.parse().expect("KiB")));
            }
        }
        let peak = |index: usize| results[index].iter().fold(0_f64, |peak, result| peak.max(result.1));
        print!("{name:<32}");
        for (_, ours, theirs) in LARGE_COLUMNS {
            let pairs = results[ours].iter().zip(&results[theirs]);
            let mut ratios: Vec<f64> = pairs.map(|(ours, theirs)| ours.0 / theirs.0).collect();
            ratios.sort_by(f64::total_cmp);
            print!("{:>20.2} {:>7.2}", ratios[ratios.len() / 2], peak(ours) / peak(theirs));
        }
        println!("{:>10.1} MB", peak(2) * 1024.0 / 1e6);
    }
    ExitCode::SUCCESS
}
