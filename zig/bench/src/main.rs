//! Zig's allocators and ours in one program, measured in turn.
//!
//! Both sides are called through the same struct, a context and a table, which the compiler does not
//! know. A sample runs one side and then the other on the same work, and the next sample begins with the
//! other side; the ratio of a pair does not drift as the machine's speed does.

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
        eprintln!("bench-zig: built without Zig; set ZIG to a compiler of 0.15.2, and build it again");
        std::process::ExitCode::FAILURE
    }
}
