//! `cargo bench -p zigalloc-benches --bench global`: one program on each `#[global_allocator]`. Linux only.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: the peak resident set size is read from Linux's /proc");
}
