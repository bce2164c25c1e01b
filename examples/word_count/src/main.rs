//! Counts the words of text files, with every thread in one arena behind one lock.
//!
//! ```text
//! cargo run --release --package word_count -- [--threads N] [--top N | --all] [--allocator NAME] [FILES…]
//! ```
//!
//! Zig makes you choose an allocator for everything that needs memory. This program has two kinds of
//! memory, so it chooses twice:
//!
//! - Words and tables live until the end. They are in an arena, where to allocate is an addition and
//!   to free is next to nothing. All threads share it:
//!
//!   ```text
//!   SyncAllocator                the handle that every thread has a copy of
//!    └─ CountingAllocator        counts the calls and the bytes
//!        └─ Limited              refuses what is too much; limited.rs shows how to write an allocator
//!            └─ ThreadSafeAllocator  a lock: any thread may call
//!                └─ ArenaAllocator
//!                    └─ PAGE_ALLOCATOR
//!   ```
//!
//!   What is below `Limited` is up to the user (`--allocator`), and nothing else in the program knows:
//!   everything that is allocated is freed, whatever the allocator makes of it.
//!
//! - The text itself lives only until it is counted. It is read in chunks, each in pages of its own,
//!   which go back to the operating system at once (text.rs).
//!
//! This thread reads and hands out chunks through a channel; the others count, each into a table of
//! its own, so that they meet at the lock only for a new word or a larger table. At the end the
//! tables are merged.

mod limited;
mod options;
mod source;
mod text;

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use allocator_api2::boxed::Box as BoxIn;
use allocator_api2::vec::Vec as VecIn;
use crossbeam::channel::{self, Receiver};
use hashbrown::{DefaultHashBuilder, HashMap};
use zigalloc::SyncAllocator;
use zigalloc::trace::{CountingAllocator, Counts};

use limited::Limited;
use options::Options;
use text::Chunk;

/// A word in memory of its own, which is freed with it. `'a` is the borrow of the allocator.
type Word<'a> = BoxIn<[u8], SyncAllocator<'a>>;

/// How often each word occurs.
type WordCounts<'a> = HashMap<Word<'a>, u64, DefaultHashBuilder, SyncAllocator<'a>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has seen enough (`| head`).
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            // There is nobody left to tell if this fails.
            let _ = writeln!(io::stderr(), "word_count: {failure}");
            failure.exit_code()
        }
    }
}

fn run() -> Result<(), Failure> {
    let start = Instant::now();
    let mut output = BufWriter::new(io::stdout().lock());
    let Some(options) = Options::parse(std::env::args_os().skip(1))? else {
        write!(output, "{}", options::HELP)?;
        return Ok(output.flush()?);
    };

    let report = source::run(&options, &mut output)?;
    writeln!(output)?;
    writeln!(output, "words    {}, {} different", report.totals.words, report.totals.different)?;
    writeln!(output, "files    {}, {} bytes", options.files.len(), report.totals.bytes)?;
    writeln!(output, "threads  {}", options.threads)?;
    writeln!(output, "memory   {}", options.source.name())?;
    writeln!(output, "{}", report.counts)?;
    if let Some(capacity) = report.capacity {
        writeln!(output, "arena    {capacity} bytes")?;
    }
    writeln!(output, "time     {:.3} s", start.elapsed().as_secs_f64())?;
    Ok(output.flush()?)
}

/// What is printed behind the words.
struct Report {
    totals: Totals,
    counts: Counts,
    /// How many bytes an arena has for blocks, used or not.
    capacity: Option<usize>,
}

struct Totals {
    words: u64,
    different: usize,
    bytes: u64,
}

/// Does everything with memory of `source`, which has all of it back afterwards.
fn count_in(
    source: SyncAllocator<'_>,
    options: &Options,
    output: &mut impl Write,
) -> Result<Report, Failure> {
    let limited = Limited::new(source, options.limit);
    let counting = CountingAllocator::init(limited.allocator());
    let totals = print_words(counting.allocator(), options, output)?;
    Ok(Report { totals, counts: counting.snapshot(), capacity: None })
}

/// Counts, and prints the most frequent words.
fn print_words(
    allocator: SyncAllocator<'_>,
    options: &Options,
    output: &mut impl Write,
) -> Result<Totals, Failure> {
    let (counts, bytes) = count_files(allocator, &options.files, options.threads)?;
    let totals = Totals { words: counts.values().sum(), different: counts.len(), bytes };
    let ranking = rank(allocator, counts)?;
    for (word, count) in ranking.iter().take(options.top) {
        // Bytes, not text: whatever the file's encoding is, the word comes out as it went in.
        write!(output, "{count:>7} ")?;
        output.write_all(word)?;
        output.write_all(b"\n")?;
    }
    Ok(totals)
}

/// Counts the words of all files, and their bytes.
fn count_files<'a>(
    allocator: SyncAllocator<'a>,
    files: &[PathBuf],
    threads: usize,
) -> Result<(WordCounts<'a>, u64), Failure> {
    thread::scope(|scope| {
        // The channel is short: text that nobody has time to count is better left in its file.
        let (sender, receiver) = channel::bounded::<Chunk>(2 * threads);
        let mut workers = Vec::new();
        for number in 1..=threads {
            let receiver = receiver.clone();
            let worker = thread::Builder::new()
                .spawn_scoped(scope, move || count_chunks(allocator, receiver))
                .map_err(|error| Failure::Thread { number, threads, error })?;
            workers.push(worker);
        }
        drop(receiver);

        let bytes: Result<u64, Failure> = files.iter().map(|file| text::send(file, &sender)).sum();
        // Without a sender, the workers end when the channel is empty.
        drop(sender);

        let mut total = WordCounts::new_in(allocator);
        for worker in workers {
            let counts = worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic))?;
            merge(&mut total, counts)?;
        }
        Ok((total, bytes?))
    })
}

/// What one thread does: counts chunks until there are no more.
fn count_chunks<'a>(
    allocator: SyncAllocator<'a>,
    chunks: Receiver<Chunk>,
) -> Result<WordCounts<'a>, Failure> {
    let mut counts = WordCounts::new_in(allocator);
    for chunk in chunks {
        for word in text::words(&chunk) {
            if let Some(count) = counts.get_mut(word) {
                *count += 1;
            } else {
                // The chunk's memory ends soon, so a new word is copied.
                insert(&mut counts, copy(allocator, word)?, 1)?;
            }
        }
    }
    Ok(counts)
}

/// A copy of the word.
fn copy<'a>(allocator: SyncAllocator<'a>, word: &[u8]) -> Result<Word<'a>, Failure> {
    let copy = allocator
        .dupe(word)
        .map_err(|zigalloc::Error::OutOfMemory| Failure::OutOfMemory(word.len(), "bytes of a word"))?;
    // SAFETY: a block of this allocator, which nobody else knows. It is as long and aligned as its
    // bytes want it, and `dupe` has written every one of them.
    Ok(unsafe { Word::from_raw_in(copy.as_ptr(), allocator) })
}

/// Adds a word that the table does not have.
fn insert<'a>(counts: &mut WordCounts<'a>, word: Word<'a>, count: u64) -> Result<(), Failure> {
    // Without this, a table that cannot grow would end the program.
    counts
        .try_reserve(1)
        .map_err(|_| Failure::OutOfMemory(counts.len() + 1, "different words in a table"))?;
    counts.insert(word, count);
    Ok(())
}

/// Adds the smaller table to the larger one. The words stay where they are, unless both tables have them.
fn merge<'a>(total: &mut WordCounts<'a>, mut counts: WordCounts<'a>) -> Result<(), Failure> {
    if total.len() < counts.len() {
        std::mem::swap(total, &mut counts);
    }
    for (word, count) in counts {
        match total.get_mut(&word) {
            Some(sum) => *sum += count,
            None => insert(total, word, count)?,
        }
    }
    Ok(())
}

/// A word and how often it occurs.
type Ranked<'a> = (Word<'a>, u64);

/// The most frequent word first; words that are equally frequent in the order of their bytes.
fn rank<'a>(
    allocator: SyncAllocator<'a>,
    counts: WordCounts<'a>,
) -> Result<VecIn<Ranked<'a>, SyncAllocator<'a>>, Failure> {
    let mut ranking = VecIn::new_in(allocator);
    ranking
        .try_reserve_exact(counts.len())
        .map_err(|_| Failure::OutOfMemory(counts.len(), "different words in order"))?;
    ranking.extend(counts);
    ranking.sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
    Ok(ranking)
}

/// All that can go wrong.
#[derive(Debug)]
enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// A file or directory cannot be read.
    File {
        path: PathBuf,
        error: io::Error,
    },
    /// An allocator has no memory for so many of these.
    OutOfMemory(usize, &'static str),
    Thread {
        number: usize,
        threads: usize,
        error: io::Error,
    },
    /// The debug allocator has found one in this program.
    Mistake,
    /// The only errors of `io` that are not about a file are those of standard output.
    Output(io::Error),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        ExitCode::from(if matches!(self, Failure::Usage(_)) { 2 } else { 1 })
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message) => write!(f, "{message}\nTry --help."),
            Failure::File { path, error } => write!(f, "{}: {error}", path.display()),
            Failure::OutOfMemory(count, of) => write!(f, "out of memory: no room for {count} {of}"),
            Failure::Thread { number, threads, error } => {
                write!(f, "cannot start thread {number} of {threads}: {error}")
            }
            Failure::Mistake => f.write_str("a leak or another mistake was found, see above"),
            Failure::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}
