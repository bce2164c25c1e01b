//! `programs [--seed N] [--count N] [--seconds N] [--steps N]`: runs random programs, one after another, until one
//! fails, and reports it. `cargo xtask mutations` runs this for each mutation.
//!
//! A program may end the process, so they run in a second process, which reports its progress.

use std::io::{Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use zigalloc_programs::{Program, run, strategy};
use zigalloc_support::Random;

/// A program hangs after this many seconds.
const HANGS: Duration = Duration::from_secs(10);
/// Set in the process that runs the programs.
const INSIDE: &str = "ZIGALLOC_PROGRAMS_INSIDE";

struct Options {
    seed: u64,
    count: u64,
    seconds: u64,
    steps: usize,
    /// Runs only this program, and prints it.
    only: Option<u64>,
}

fn options() -> Result<Options, String> {
    let mut options = Options { seed: 1, count: u64::MAX, seconds: u64::MAX, steps: 60, only: None };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().ok_or(format!("programs: {arg} needs a number"))?;
        let number = value.parse().map_err(|_| format!("programs: {arg} {value:?} is no number"))?;
        match arg.as_str() {
            "--seed" => options.seed = number,
            "--count" => options.count = number,
            "--seconds" => options.seconds = number,
            "--steps" => options.steps = number as usize,
            "--only" => options.only = Some(number),
            _ => return Err(format!("programs: unknown option {arg:?}")),
        }
    }
    Ok(options)
}

/// Returns the program with this number: always the same for the same seed and length.
fn program(seed: u64, number: u64, steps: usize) -> Program {
    let mut random = Random::new(seed.wrapping_mul(0x1000_0000_01b3) ^ number);
    let mut bytes = [0; 32];
    bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.number().to_le_bytes()));
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy::programs(steps).new_tree(&mut runner).expect("programs are not filtered").current()
}

fn main() -> ExitCode {
    match options().and_then(|options| if inside() { work(&options) } else { watch(&options) }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// The program that is running.
static RUNNING: AtomicU64 = AtomicU64::new(0);

/// Runs the programs, and writes a byte to standard output before each.
fn work(options: &Options) -> Result<(), String> {
    std::thread::spawn(|| {
        let mut last = (u64::MAX, Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let running = RUNNING.load(Ordering::Relaxed);
            if running != last.0 {
                last = (running, Instant::now());
            } else if last.1.elapsed() > HANGS {
                eprintln!("programs: program {running} hangs");
                std::process::abort();
            }
        }
    });
    let start = Instant::now();
    let mut out = std::io::stdout().lock();
    if let Some(only) = options.only {
        let program = program(options.seed, only, options.steps);
        eprintln!("{program:#?}");
        return run(&program).map(drop);
    }
    for number in 0..options.count {
        if start.elapsed().as_secs() >= options.seconds {
            break;
        }
        RUNNING.store(number, Ordering::Relaxed);
        out.write_all(b".").and_then(|()| out.flush()).map_err(|error| error.to_string())?;
        run(&program(options.seed, number, options.steps))?;
    }
    Ok(())
}

/// Runs this binary again, and reports after how many programs it ended, and how.
fn watch(options: &Options) -> Result<(), String> {
    let start = Instant::now();
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(this);
    command.args(std::env::args().skip(1)).env(INSIDE, "1").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut stderr = child.stderr.take().expect("it is piped");
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stderr.read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    });
    let mut count = 0;
    let mut buffer = [0; 4096];
    let mut stdout = child.stdout.take().expect("it is piped");
    while let Ok(read @ 1..) = stdout.read(&mut buffer) {
        count += read;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let said = said.join().unwrap_or_default();
    let seconds = start.elapsed().as_secs_f64();
    if status.success() {
        println!("programs: {count} in {seconds:.1} s, and nothing was found (seed {})", options.seed);
        return Ok(());
    }
    Err(format!(
        "programs: found after {count} programs, {seconds:.1} s (seed {}; {status}; again: --seed {} --only {})\n{}",
        options.seed,
        options.seed,
        count.saturating_sub(1),
        said.trim_end()
    ))
}
