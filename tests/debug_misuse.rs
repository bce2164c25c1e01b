//! Misuse in child processes, and the debug allocator's report of each: the right kind, and the line of the program
//! where it happened.
//!
//! A child prints the line and the address of its error before it makes it; the rest is the report on its standard
//! error stream. `cargo test --features backtrace --test debug_misuse -- --nocapture` prints the table. Without that
//! feature a report has numbers in place of lines, so only kind and address are compared. Miri starts no processes.
#![cfg(all(feature = "std", not(miri)))]

use std::process::Output;
use std::ptr::NonNull;

use zigalloc::heap::{DebugAllocator, DebugConfig, PAGE_ALLOCATOR};
use zigalloc::{SyncAllocator, return_address};
use zigalloc_support::this_program;

/// A configuration for programs, also in release builds.
const CONFIG: DebugConfig = DebugConfig { safety: true, stack_trace_frames: 6, ..DebugConfig::DEFAULT };

type Debug = DebugAllocator<SyncAllocator<'static>>;

/// A name, a misuse, the start of its report, and the trace that has its line.
type Mistake = (&'static str, fn(&Debug), &'static str, &'static str);

const MISTAKES: [Mistake; 16] = [
    ("double free, small", double_free_small, "double free", "second free"),
    ("double free, large", double_free_large, "double free", "second free"),
    ("double free, page gone", double_free_page_gone, "double free", "second free"),
    ("free of a slice twice, in quarantine", double_free_quarantine, "double free", "second free"),
    ("wrong length, same class", wrong_length_same_class, "wrong length", "free"),
    ("wrong length, other class", wrong_length_other_class, "wrong length", "free"),
    ("wrong length, large", wrong_length_large, "wrong length", "free"),
    ("wrong alignment", wrong_alignment, "wrong alignment", "free"),
    ("pointer to the stack", foreign_pointer, "invalid free", "free"),
    ("pointer into a block", inner_pointer, "invalid free", "free"),
    ("block of another allocator", block_of_another, "invalid free", "free"),
    ("resize after free", resize_after_free, "resize after free", "resize"),
    ("remap after free", remap_after_free, "remap after free", "remap"),
    ("write past the end", overrun, "overrun", "free"),
    ("write over the metadata", corruption, "corruption", "free"),
    ("leak", leak, "leak", "allocation"),
];

/// Runs some code after printing its line and an address.
macro_rules! mistake {
    ($memory:expr, $what:expr) => {{
        println!("\nline {}", line!());
        println!("address {:#x}", $memory.cast::<u8>().addr());
        #[allow(unused_unsafe)]
        // SAFETY: none; the allocator detects the error before it does anything, or the memory accessed is this test's.
        unsafe {
            $what
        }
    }};
}

fn bytes(memory: NonNull<u8>, len: usize) -> NonNull<[u8]> {
    NonNull::slice_from_raw_parts(memory, len)
}

fn double_free_small(debug: &Debug) {
    let a = debug.allocator();
    let (memory, _neighbour) = (a.alloc::<u8>(24).unwrap(), a.alloc::<u8>(24).unwrap());
    // SAFETY: the first free is valid.
    unsafe { a.free(memory) };
    mistake!(memory, a.free(memory));
}

fn double_free_large(debug: &Debug) {
    let a = debug.allocator();
    let memory = a.create::<[u8; 50_000]>().unwrap();
    // SAFETY: the first free is valid.
    unsafe { a.destroy(memory) };
    mistake!(memory, a.destroy(memory));
}

fn double_free_page_gone(debug: &Debug) {
    let a = debug.allocator();
    let memory = a.create::<u64>().unwrap();
    // SAFETY: the first free is valid.
    unsafe { a.destroy(memory) };
    mistake!(memory, a.destroy(memory));
}

/// `free` fills the slice before the allocator can detect anything, so the memory must still be mapped.
fn double_free_quarantine(_: &Debug) {
    let config = DebugConfig { quarantine: 1 << 20, ..CONFIG };
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, config);
    let a = debug.allocator();
    let memory = a.alloc::<u8>(50_000).unwrap();
    // SAFETY: the first free is valid.
    unsafe { a.free(memory) };
    mistake!(memory, a.free(memory));
}

fn wrong_length_same_class(debug: &Debug) {
    let a = debug.allocator();
    let memory = a.alloc::<u8>(24).unwrap();
    mistake!(memory, a.free(bytes(memory.cast(), 20)));
}

fn wrong_length_other_class(debug: &Debug) {
    let a = debug.allocator();
    let memory = a.alloc::<u8>(24).unwrap();
    mistake!(memory, a.free(bytes(memory.cast(), 200)));
}

fn wrong_length_large(debug: &Debug) {
    let a = debug.allocator();
    let memory = a.alloc::<u8>(50_000).unwrap();
    mistake!(memory, a.free(bytes(memory.cast(), 10)));
}

fn wrong_alignment(debug: &Debug) {
    let a = debug.allocator();
    let memory = a.alloc::<u64>(3).unwrap();
    mistake!(memory, a.free(bytes(memory.cast(), 24)));
}

fn foreign_pointer(debug: &Debug) {
    let a = debug.allocator();
    let mut on_the_stack = [0_u64; 4];
    let memory = NonNull::from(&mut on_the_stack);
    mistake!(memory, a.free(memory));
}

fn inner_pointer(debug: &Debug) {
    let a = debug.allocator();
    let memory = a.alloc::<u64>(10).unwrap();
    // SAFETY: inside the block.
    let inner = unsafe { memory.cast::<u64>().add(1) };
    mistake!(inner, a.destroy(inner));
    // SAFETY: the call above had no effect.
    unsafe { a.free(memory) };
}

fn block_of_another(debug: &Debug) {
    let a = debug.allocator();
    let other = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
    let memory = other.allocator().alloc::<u32>(8).unwrap();
    mistake!(memory, a.free(memory));
    // SAFETY: the call above had no effect.
    unsafe { other.allocator().free(memory) };
}

fn resize_after_free(debug: &Debug) {
    let a = debug.allocator();
    let memory = a.alloc::<u8>(24).unwrap();
    // SAFETY: the free is valid.
    unsafe { a.free(memory) };
    mistake!(memory, assert!(!a.resize(memory, 20)));
}

fn remap_after_free(debug: &Debug) {
    let a = debug.allocator();
    let memory = a.alloc::<u8>(50_000).unwrap();
    // SAFETY: the free is valid.
    unsafe { a.free(memory) };
    mistake!(memory, assert!(a.remap(memory, 60_000).is_none()));
}

/// The write itself is not detected; the next call on the block is.
fn overrun(debug: &Debug) {
    let a = debug.allocator();
    let memory = a.alloc::<u8>(20).unwrap();
    // SAFETY: an error, but the block's slot has 32 bytes.
    unsafe { memory.cast::<u8>().add(20).write(b'\0') };
    mistake!(memory, a.free(memory));
}

fn corruption(_: &Debug) {
    let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, DebugConfig { page_size: 4096, ..CONFIG });
    let a = debug.allocator();
    let memory = a.alloc::<u8>(24).unwrap();
    // SAFETY: an error, but the page has that many bytes.
    unsafe { memory.cast::<u8>().write_bytes(b'A', 4096) };
    mistake!(memory, a.free(memory));
}

fn leak(debug: &Debug) {
    let a = debug.allocator();
    // The address is known only afterwards, and the line must be that of the call.
    let (memory, line) = (a.alloc::<u16>(50).unwrap(), line!());
    println!("\nline {line}");
    println!("address {:#x}", memory.cast::<u8>().addr());
}

const CASE: &str = "ZIGALLOC_MISTAKE";
const MAIN: &str = "every_mistake_is_reported_on_its_line";

fn run(name: &str) -> Output {
    this_program()
        .args(["--exact", MAIN, "--nocapture", "--test-threads", "1"])
        .env(CASE, name)
        .output()
        .unwrap()
}

/// Returns the text after `key` in the child's output.
fn value<'t>(text: &'t str, key: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_else(|| panic!("{key:?} is not in:\n{text}"))
}

/// Returns the first line below `title:` in a report.
fn first_of<'t>(report: &'t str, title: &str) -> &'t str {
    let mut lines = report.lines().map(str::trim).skip_while(|line| *line != format!("{title}:"));
    lines.nth(1).unwrap_or_else(|| panic!("{title:?} is not in:\n{report}"))
}

/// DA-14, DA-16, DA-30, DA-31, DA-32, DA-33, DA-34, DA-35, DA-36, DA-37, DA-38: each in a separate process.
#[test]
fn every_mistake_is_reported_on_its_line() {
    if let Ok(name) = std::env::var(CASE) {
        let (_, mistake, ..) = MISTAKES.into_iter().find(|(other, ..)| *other == name).unwrap();
        let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
        mistake(&debug);
        return;
    }
    // Where there is a return address, the feature, and a way to resolve it.
    let has_lines = cfg!(feature = "backtrace") && return_address() != 0;
    println!("{:38}{:20}{:>8}  what the report names", "mistake", "reported as", "line");
    for (name, _, kind, title) in MISTAKES {
        let output = run(name);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let (line, address) = (value(&out, "line "), value(&out, "address "));
        // The page is what is corrupt.
        let page = u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap() & !4095;
        let address = if kind == "corruption" { format!("{page:#x}") } else { address.to_owned() };
        let report = err.split("DebugAllocator: ").find(|report| report.starts_with(kind));
        let report =
            report.unwrap_or_else(|| panic!("{name}: {kind:?} is not in:\n{err}\n{}", output.status));
        let first = report.lines().next().unwrap();
        assert!(first.contains(&address), "{name}: {address} is not in: {first}");
        assert_eq!(output.status.success(), kind != "corruption", "{name}: {}\n{err}", output.status);
        let place = first_of(report, title);
        if has_lines {
            assert!(
                place.ends_with(&format!("debug_misuse.rs:{line}")),
                "{name}: line {line}, but:\n{report}"
            );
        }
        println!("{name:38}{kind:20}{line:>8}  {place}");
    }
    if !has_lines {
        println!("Without the feature `backtrace`, only kinds and addresses were compared, not lines.");
    }
}
