//! `cargo bench --bench memory`: the memory use of a million blocks of 24 bytes.
//!
//! The program runs itself once per allocator, because mapped memory stays with the process. The result
//! is the growth of the peak resident set size (`VmHWM`) while the blocks are allocated and written.

use std::alloc::{GlobalAlloc, Layout};

use mimalloc::MiMalloc;
use zigalloc::heap::{
    ArenaAllocator, BufferFirstAllocator, C_ALLOCATOR, DebugAllocator, DebugConfig, FixedBufferAllocator,
    MemoryPool, PAGE_ALLOCATOR, RUST_ALLOCATOR, SMP_ALLOCATOR, SafeAllocator, SafeOptions,
    SharedArenaAllocator,
};
use zigalloc::trace::{CountingAllocator, IoSink, LoggingAllocator};
use zigalloc::{Alignment, Allocator, ThreadSafeAllocator};
use zigalloc_support::this_program;

const BLOCKS: usize = 1_000_000;
const LEN: usize = 24;
const CASE: &str = "ZIGALLOC_MEMORY_CASE";

fn main() {
    if !cfg!(target_os = "linux") {
        println!("skipped: VmHWM exists only on Linux, in /proc");
        return;
    }
    if let Ok(case) = std::env::var(CASE) {
        println!("{}", kilobytes_for(&case));
        return;
    }
    println!("{BLOCKS} blocks of {LEN} bytes, {:.1} MB", (BLOCKS * LEN) as f64 / 1e6);
    println!("{:<32} {:>10} {:>16}", "", "peak, MB", "bytes per block");
    for (case, _) in CASES {
        let output = this_program().env(CASE, case).output().expect("the program can run itself");
        let text = String::from_utf8(output.stdout).expect("a number");
        let bytes = text.trim().parse::<f64>().expect("a number") * 1024.0;
        println!("{case:<32} {:>10.1} {:>16.1}", bytes / 1e6, bytes / BLOCKS as f64);
    }
    println!("The page allocator is not measured: it uses one page for each block.");
}

/// Fills an allocator, and calls the function before freeing anything.
type Fill = fn(&mut dyn FnMut());

const CASES: [(&str, Fill); 16] = [
    ("smp", |full| fill_handle(*SMP_ALLOCATOR, full)),
    ("C (glibc's or another malloc)", |full| fill_handle(*C_ALLOCATOR, full)),
    ("Rust (System)", |full| fill_handle(*RUST_ALLOCATOR, full)),
    ("mimalloc", |full| {
        // SAFETY: the length is not zero.
        fill(|layout| unsafe { MiMalloc.alloc(layout) });
        full();
    }),
    ("arena", |full| fill_handle(ArenaAllocator::init(PAGE_ALLOCATOR).allocator(), full)),
    ("shared arena", |full| fill_handle(*SharedArenaAllocator::init(PAGE_ALLOCATOR).allocator(), full)),
    ("thread-safe over arena", |full| {
        let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
        fill_handle(*ThreadSafeAllocator::new(&mut arena).allocator(), full);
    }),
    ("fixed buffer of 25 MB", |full| {
        let mut buffer = Vec::with_capacity(25_000_000);
        let fixed_buffer = FixedBufferAllocator::init(buffer.spare_capacity_mut());
        fill_handle(fixed_buffer.allocator(), full);
    }),
    ("buffer of 12 MB first, then arena", |full| {
        let mut buffer = Vec::with_capacity(12_000_000);
        let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
        let buffer_first = BufferFirstAllocator::init(buffer.spare_capacity_mut(), arena.allocator());
        fill_handle(buffer_first.allocator(), full);
    }),
    ("pool", |full| {
        let pool = MemoryPool::<[u64; 3], _>::init(PAGE_ALLOCATOR);
        fill(|_| pool.create().map_or(std::ptr::null_mut(), |item| item.as_ptr().cast()));
        full();
    }),
    ("debug, without traces", |full| {
        const CONFIG: DebugConfig =
            DebugConfig { stack_trace_frames: 0, safety: false, ..DebugConfig::DEFAULT };
        let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
        fill_handle(*debug.allocator(), full);
        debug.deinit_without_leak_checks();
    }),
    ("debug, traces of 6, safety", |full| {
        const CONFIG: DebugConfig =
            DebugConfig { stack_trace_frames: 6, safety: true, ..DebugConfig::DEFAULT };
        let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
        fill_handle(*debug.allocator(), full);
        debug.deinit_without_leak_checks();
    }),
    ("safe, without traces", |full| {
        const OPTIONS: SafeOptions = SafeOptions { stack_trace_frames: 0, ..SafeOptions::DEFAULT };
        let safe = SafeAllocator::init(PAGE_ALLOCATOR, OPTIONS);
        fill_handle(*safe.allocator(), full);
        let _leaks = safe.deinit_log(false);
    }),
    ("safe, traces of 7", |full| {
        const OPTIONS: SafeOptions = SafeOptions { stack_trace_frames: 7, ..SafeOptions::DEFAULT };
        let safe = SafeAllocator::init(PAGE_ALLOCATOR, OPTIONS);
        fill_handle(*safe.allocator(), full);
        let _leaks = safe.deinit_log(false);
    }),
    ("counting over smp", |full| {
        fill_handle(*CountingAllocator::init(SMP_ALLOCATOR).allocator(), full);
    }),
    ("logging over smp", |full| {
        let logging = LoggingAllocator::init(SMP_ALLOCATOR, IoSink(std::io::sink()));
        fill_handle(*logging.allocator(), full);
    }),
];

/// Runs a case, and returns the growth of the peak in KiB.
fn kilobytes_for(case: &str) -> usize {
    let (_, fill) = CASES.iter().find(|(name, _)| *name == case).expect("one of the cases");
    let before = peak_kilobytes();
    let mut after = 0;
    fill(&mut || after = peak_kilobytes());
    after - before
}

fn fill_handle(allocator: Allocator<'_>, full: &mut dyn FnMut()) {
    fill(|layout| {
        // SAFETY: the length is not zero.
        let memory = unsafe { allocator.raw_alloc(layout.size(), Alignment::from(layout), 0) };
        memory.map_or(std::ptr::null_mut(), |memory| memory.as_ptr())
    });
    full();
}

/// Allocates all blocks and writes every byte. Frees none.
fn fill(alloc: impl Fn(Layout) -> *mut u8) {
    let layout = Layout::from_size_align(LEN, 8).expect("a small layout");
    for n in 0..BLOCKS {
        let memory = std::hint::black_box(alloc(layout));
        assert!(!memory.is_null(), "out of memory for block {n}");
        // SAFETY: a block of `LEN` bytes.
        unsafe { memory.write_bytes(n as u8, LEN) };
    }
}

fn peak_kilobytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc/self/status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a line with VmHWM");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of kB")
}
