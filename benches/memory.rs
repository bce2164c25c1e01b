//! `cargo bench --bench memory`: how much memory a million blocks of 24 bytes take.
//!
//! The program runs itself once per allocator, since what one has mapped stays with the process. The
//! number is the growth of the peak resident size (`VmHWM`) while the blocks are allocated and written.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::Command;

use mimalloc::MiMalloc;
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR, SMP_ALLOCATOR};
use zigalloc::{Alignment, Allocator};

const BLOCKS: usize = 1_000_000;
const LEN: usize = 24;
const CASE: &str = "ZIGALLOC_MEMORY_CASE";

fn main() {
    if !cfg!(target_os = "linux") {
        println!("skipped: VmHWM is in Linux's /proc");
        return;
    }
    if let Ok(case) = std::env::var(CASE) {
        println!("{}", kilobytes_for(&case));
        return;
    }
    println!("{BLOCKS} blocks of {LEN} bytes, {:.1} MB", (BLOCKS * LEN) as f64 / 1e6);
    println!("{:<20} {:>10} {:>16}", "", "peak, MB", "bytes per block");
    for case in ["smp", "System", "mimalloc", "arena over pages"] {
        let program = std::env::current_exe().expect("the program knows its name");
        let output = Command::new(program).env(CASE, case).output().expect("it can run itself");
        let text = String::from_utf8(output.stdout).expect("a number");
        let bytes = text.trim().parse::<f64>().expect("a number") * 1024.0;
        println!("{case:<20} {:>10.1} {:>16.1}", bytes / 1e6, bytes / BLOCKS as f64);
    }
}

/// The growth of the peak, in KiB.
fn kilobytes_for(case: &str) -> usize {
    let before = peak_kilobytes();
    match case {
        "smp" => fill_handle(*SMP_ALLOCATOR),
        "System" => fill(|layout| {
            // SAFETY: the length is not zero.
            unsafe { System.alloc(layout) }
        }),
        "mimalloc" => fill(|layout| {
            // SAFETY: the length is not zero.
            unsafe { MiMalloc.alloc(layout) }
        }),
        "arena over pages" => {
            let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
            fill_handle(arena.allocator());
            return peak_kilobytes() - before;
        }
        _ => panic!("{CASE}={case}: no such allocator"),
    }
    peak_kilobytes() - before
}

fn fill_handle(allocator: Allocator<'_>) {
    fill(|layout| {
        // SAFETY: the length is not zero.
        let memory = unsafe { allocator.raw_alloc(layout.size(), Alignment::from(layout), 0) };
        memory.map_or(std::ptr::null_mut(), |memory| memory.as_ptr())
    });
}

/// Allocates all blocks and writes to every byte; frees none.
fn fill(alloc: impl Fn(Layout) -> *mut u8) {
    let layout = Layout::from_size_align(LEN, 8).expect("a small layout");
    for n in 0..BLOCKS {
        let memory = std::hint::black_box(alloc(layout));
        assert!(!memory.is_null(), "no memory for block {n}");
        // SAFETY: a block of `LEN` bytes.
        unsafe { memory.write_bytes(n as u8, LEN) };
    }
}

fn peak_kilobytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux says it");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of kB")
}
