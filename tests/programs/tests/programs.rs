//! Random programs, for a configurable time.
//!
//! - `ZIGALLOC_PROGRAMS_SECONDS`: the time (5).
//! - `ZIGALLOC_PROGRAMS_SEED`: the seed of the first batch; by default random, and printed.
//!
//! A failing program is shrunk and printed, and its seed is kept in `proptest-regressions/programs.txt`, from which
//! it runs first the next time. Each batch runs in a separate process, so that a program that ends the process or
//! hangs is shrunk too.

use std::time::{Duration, Instant, SystemTime};

use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};
use zigalloc_programs::{Program, Reached, run, strategy};
use zigalloc_support::Random;

/// The maximum number of steps of a program.
const STEPS: usize = 60;
/// The number of programs in a batch.
const BATCH: u32 = 1000;
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/programs.txt");

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, and should be a number")))
}

fn rng(seed: u64) -> TestRng {
    let mut random = Random::new(seed);
    let mut bytes = [0; 32];
    bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.number().to_le_bytes()));
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

fn run_case(program: Program) -> Result<(), TestCaseError> {
    run(&program).map(drop).map_err(TestCaseError::fail)
}

#[test]
#[cfg_attr(miri, ignore = "it starts processes, which Miri cannot do; Miri runs the programs of the corpus")]
fn random_programs_keep_the_contract() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |time| time.as_nanos() as u64);
    let first = number("ZIGALLOC_PROGRAMS_SEED").unwrap_or(now);
    let seconds = number("ZIGALLOC_PROGRAMS_SECONDS").unwrap_or(5);
    let config = Config {
        cases: BATCH,
        // A separate process, with a time limit per program in milliseconds.
        fork: true,
        timeout: 30_000,
        test_name: Some("random_programs_keep_the_contract"),
        source_file: Some(file!()),
        failure_persistence: (!cfg!(miri))
            .then(|| Box::new(FileFailurePersistence::Direct(REGRESSIONS)) as _),
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let start = Instant::now();
    let mut batches = 0;
    // In the process of a batch, the first iteration is that batch.
    while batches == 0 || start.elapsed() < Duration::from_secs(seconds) {
        let mut runner = TestRunner::new_with_rng(config.clone(), rng(first.wrapping_add(batches)));
        match runner.run(&strategy::programs(STEPS), run_case) {
            Ok(()) => batches += 1,
            Err(TestError::Fail(why, program)) => {
                let count = batches * u64::from(BATCH);
                panic!("{why}\nafter {count} programs and more from seed {first} on:\n{program:#?}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    println!("{} programs from seed {first} on, in {:.1?}", batches * u64::from(BATCH), start.elapsed());
}

/// The corpus of the fuzz targets. Miri needs a file system (`-Zmiri-disable-isolation`), and runs the shortest
/// programs.
#[test]
fn the_corpus_keeps_the_contract() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/programs");
    let files = std::fs::read_dir(corpus).expect("the corpus is there");
    let mut files: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    files.sort_by_key(Vec::len);
    let mut count = 0;
    for bytes in files.iter().take(if cfg!(miri) { 12 } else { usize::MAX }) {
        let Some(program) = Program::from_bytes(bytes) else { continue };
        run(&program).unwrap_or_else(|why| panic!("{why}\n{program:#?}"));
        count += 1;
    }
    assert!(count >= 6, "{count} programs");
}

/// Programs reach every state that they should reach: a model that never grows a block finds nothing.
#[test]
#[cfg_attr(miri, ignore = "to save time: it runs thousands of programs")]
fn programs_reach_every_state() {
    const EXPECTED: [&str; 33] = [
        "a block freed twice",
        "a block that grows and moves",
        "a block that grows in place",
        "a block that is refused",
        "a block that shrinks and moves",
        "a block that shrinks in place",
        "a box whose value panics",
        "a call back",
        "a change that is refused",
        "a flush",
        "a foreign address",
        "a leak",
        "a new item",
        "a report that panics",
        "a reset",
        "a reset of a pool with free items",
        "a reset that is refused",
        "a rewind",
        "a rewind that shortens a block",
        "a search for leaks",
        "a shared arena promoted",
        "a stale block",
        "a wrong alignment",
        "a wrong length",
        "an address inside of a block",
        "an arena promoted",
        "an item for the second time",
        "an overrun",
        "memory that is never unmapped",
        "the end of a scope",
        "a program of four layers",
        "a program over its own heap",
        "a program over guard pages",
    ];
    use proptest::strategy::{Strategy, ValueTree};
    use zigalloc_programs::program::Source;

    let mut runner = TestRunner::new_with_rng(Config::default(), rng(1));
    let mut reached = Reached::new();
    for count in 0..5000 {
        let program = strategy::programs(STEPS).new_tree(&mut runner).unwrap().current();
        let more = run(&program).unwrap_or_else(|why| panic!("program {count}: {why}\n{program:#?}"));
        let kinds = [
            (program.layers.len() == 4, "a program of four layers"),
            (program.source == Source::Own, "a program over its own heap"),
            (program.source == Source::Guarded, "a program over guard pages"),
        ];
        let kinds = kinds.into_iter().filter_map(|(is_one, kind)| is_one.then_some((kind, 1)));
        more.into_iter().chain(kinds).for_each(|(what, times)| *reached.entry(what).or_default() += times);
        if EXPECTED.iter().all(|what| reached.contains_key(what)) {
            println!("all of it after {} programs: {reached:#?}", count + 1);
            return;
        }
    }
    let missing: Vec<_> = EXPECTED.iter().filter(|what| !reached.contains_key(*what)).collect();
    panic!("in 5000 programs there was none of {missing:?}");
}
