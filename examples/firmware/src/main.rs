//! Firmware without an operating system: all allocators in one static buffer.
//!
//!     cargo run -p firmware --target thumbv7em-none-eabi  # a Cortex-M4, in qemu-system-arm
//!     cargo run -p firmware                               # the same logic, on this machine
//!
//! On a processor without an operating system this file is the entry, what a panic does, and the buffer. A Cortex-M
//! gets its vector table and start-up code from `cortex-m-rt`, with the memory map in `memory.x`, and prints through
//! the debugger or emulator that it runs in (semihosting). What the program does is in `lib.rs`, which is the same
//! everywhere, so it can be tested where there is a terminal.

#![cfg_attr(target_os = "none", no_std, no_main)]

use core::fmt;
use core::mem::MaybeUninit;

use firmware::Sample;

/// All the memory there is for allocations.
type Memory = [MaybeUninit<u8>; 1024];

const NO_DATA: Memory = [MaybeUninit::uninit(); 1024];

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

/// The report after the last of them, and how many had no room.
const REPORT: &str = "[][7, 17, 34, 44, 54, 71, 81, 91][27, 30, 61, 97]";
const DROPPED: usize = 16;

/// Runs on those samples, prints in one line what came of it, and returns whether that is what must come of it. If it
/// is not, a second line has what was expected.
fn run(memory: &mut Memory, print: impl Fn(fmt::Arguments<'_>)) -> bool {
    match firmware::run(memory, samples()) {
        Ok(summary) => {
            let report = summary.report.as_str();
            let firmware::Summary { dropped, skipped, peak, .. } = summary;
            print(format_args!(
                "{report} dropped: {dropped}, reports skipped: {skipped}, at most {peak} of {} bytes",
                size_of::<Memory>()
            ));
            let good = report == REPORT && dropped == DROPPED && skipped == 0;
            if !good {
                print(format_args!("expected {REPORT} dropped: {DROPPED}, reports skipped: 0"));
            }
            good
        }
        Err(error) => {
            print(format_args!("{error}"));
            false
        }
    }
}

#[cfg(all(target_arch = "arm", target_os = "none"))]
mod board {
    use cortex_m_rt::{ExceptionFrame, entry, exception};
    use semihosting::process::ExitCode;

    // With semihosting's panic handler: a panic is printed, and ends the program with failure.
    #[entry]
    fn main() -> ! {
        // `entry` makes it a reference that only this function has.
        static mut MEMORY: super::Memory = super::NO_DATA;
        let good = super::run(MEMORY, |line| semihosting::println!("{line}"));
        if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }.exit_process()
    }

    /// Where an access to memory that is not there ends, instead of in a loop for ever.
    #[exception]
    unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
        semihosting::eprintln!("{frame:?}");
        ExitCode::FAILURE.exit_process()
    }
}

/// Another machine without an operating system, such as WebAssembly's: whoever starts it gets the status.
#[cfg(all(not(target_arch = "arm"), target_os = "none"))]
mod board {
    use core::panic::PanicInfo;

    static mut MEMORY: super::Memory = super::NO_DATA;

    #[unsafe(no_mangle)]
    extern "C" fn _start() -> i32 {
        let memory = &raw mut MEMORY;
        // SAFETY: this function runs once, and nothing else names the buffer.
        let memory = unsafe { &mut *memory };
        // There is nowhere to print to.
        i32::from(!super::run(memory, |_| {}))
    }

    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        loop {
            core::hint::spin_loop();
        }
    }
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    let mut memory = NO_DATA;
    let good = run(&mut memory, |line| println!("{line}"));
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
