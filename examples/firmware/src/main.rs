//! Firmware without an operating system: all allocators in one static buffer.
//!
//!     cargo build -p firmware --target thumbv7em-none-eabi
//!     cargo run -p firmware               # the same logic, on this machine
//!
//! On a processor without an operating system this file is the entry: `_start`, what a panic does, and the
//! buffer. (It has no interrupt vectors: a real program gets those, and its memory map, from a crate such as
//! `cortex-m-rt`.) What the program does is in `lib.rs`, which is the same everywhere, so it can be
//! tested where there is a terminal.

#![cfg_attr(target_os = "none", no_std, no_main)]

use firmware::Sample;

/// What the sensors would say: of the two that are always there, the second is quick; a third comes, and at
/// last the first goes.
fn samples() -> impl Iterator<Item = Sample> {
    (0..100).map(|n: u32| {
        let value = n * 37 % 101;
        match n {
            80 => Sample::Unplugged(0),
            _ if n % 5 == 0 && n < 80 => Sample::Value(0, value),
            _ if n % 10 == 9 => Sample::Value(2, value),
            _ => Sample::Value(1, value),
        }
    })
}

#[cfg(target_os = "none")]
mod board {
    use core::hint::{black_box, spin_loop};
    use core::mem::MaybeUninit;
    use core::panic::PanicInfo;

    /// All the memory there is for allocations.
    static mut MEMORY: [MaybeUninit<u8>; 1024] = [MaybeUninit::uninit(); 1024];

    #[unsafe(no_mangle)]
    extern "C" fn _start() -> ! {
        // SAFETY: this function runs once, and nothing else names the buffer.
        let memory = unsafe { &mut *(&raw mut MEMORY) };
        // A board would send it somewhere.
        let _ = black_box(firmware::run(memory, super::samples()));
        loop {
            spin_loop();
        }
    }

    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        loop {
            spin_loop();
        }
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> Result<(), zigalloc::Error> {
    let mut memory = [core::mem::MaybeUninit::uninit(); 1024];
    let summary = firmware::run(&mut memory, samples())?;
    println!("{} dropped: {}, at most {} bytes", summary.report.as_str(), summary.dropped, summary.peak);
    Ok(())
}
