//! Firmware without an operating system, with all allocators in one static buffer.
//!
//!     cargo run -p firmware --target thumbv7em-none-eabi  # a Cortex-M4, in qemu-system-arm
//!     cargo run -p firmware                               # the same logic, on this machine
//!
//! This file has the entry point, the panic handler and the buffer for targets without an operating system. A Cortex-M
//! gets its vector table and start-up code from `cortex-m-rt`, with the memory map in `memory.x`, and prints through
//! its debugger or emulator (semihosting). The logic is in `lib.rs`, which is the same everywhere and can be tested on
//! the host.

#![cfg_attr(target_os = "none", no_std, no_main)]

use core::fmt;
use core::mem::MaybeUninit;

use firmware::Sample;

/// All memory for allocations.
type Memory = [MaybeUninit<u8>; 1024];

const NO_DATA: Memory = [MaybeUninit::uninit(); 1024];

/// Simulated sensors. The first two are plugged in from the start, and the second measures most often; the third is
/// plugged in later, and the first is unplugged near the end.
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

/// The report after the last sample, and the number of readings that did not fit.
const REPORT: &str = "[][7, 17, 34, 44, 54, 71, 81, 91][27, 30, 61, 97]";
const DROPPED: usize = 16;

/// Runs on the simulated samples, prints the result in one line, and returns whether it is the expected one. If not, a
/// second line has the expected result.
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

    // With semihosting's panic handler, a panic is printed and exits with failure.
    #[entry]
    fn main() -> ! {
        // `entry` turns this static into a unique reference.
        static mut MEMORY: super::Memory = super::NO_DATA;
        let good = super::run(MEMORY, |line| semihosting::println!("{line}"));
        if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }.exit_process()
    }

    /// Exits with failure on a fault, such as an access to unmapped memory, instead of looping forever.
    #[exception]
    unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
        semihosting::eprintln!("{frame:?}");
        ExitCode::FAILURE.exit_process()
    }
}

/// Other targets without an operating system, such as WebAssembly: `_start` returns the status.
#[cfg(all(not(target_arch = "arm"), target_os = "none"))]
mod board {
    use core::panic::PanicInfo;

    static mut MEMORY: super::Memory = super::NO_DATA;

    #[unsafe(no_mangle)]
    extern "C" fn _start() -> i32 {
        let memory = &raw mut MEMORY;
        // SAFETY: this function runs once, and nothing else names the buffer.
        let memory = unsafe { &mut *memory };
        // Output is discarded.
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
