//! Measures Zig's allocators and ours alternately in one program.
//!
//! Both sides are called through the same struct, a context and a table, which the compiler does not
//! know. Each sample runs both sides on the same work, and successive samples alternate which side goes
//! first, so that the ratio does not drift with the machine's speed.

#[cfg(zig)]
mod rows;
#[cfg(zig)]
mod samples;
#[cfg(zig)]
mod work;

fn main() -> std::process::ExitCode {
    #[cfg(zig)]
    return rows::main();
    #[cfg(not(zig))]
    {
        eprintln!("bench-zig: built without Zig; set ZIG to a Zig 0.15.2 compiler and rebuild");
        std::process::ExitCode::FAILURE
    }
}
