//! Counts the words in text files, with all threads sharing one arena behind one lock.
//!
//! ```text
//! cargo run --release --package word_count -- [--threads N] [--top N | --all] [--allocator NAME] [FILES…]
//! ```
//!
//! In Zig, you choose an allocator for everything that needs memory. This program uses two kinds of
//! memory, so it chooses twice:
//!
//! - Words and tables live until the end. They are in an arena, where allocating is an addition and
//!   freeing does almost nothing. All threads share it:
//!
//!   ```text
//!   SyncAllocator                the handle; every thread has a copy
//!    └─ CountingAllocator        counts the calls and the bytes
//!        └─ Limited              enforces a limit; limited.rs shows how to write an allocator
//!            └─ ThreadSafeAllocator  a lock: any thread may call
//!                └─ ArenaAllocator
//!                    └─ PAGE_ALLOCATOR
//!   ```
//!
//!   The user chooses the allocators below `Limited` (`--allocator`). The rest of the program does not
//!   depend on the choice: it frees everything that it allocates, even if the allocator ignores that.
//!
//! - The text itself lives only until it is counted. It is read in chunks, each in separate pages,
//!   which are returned to the operating system immediately (text.rs).
//!
//! The main thread reads the files and sends chunks through a channel. The other threads count, each into a separate
//! table, so that they take the lock only for a new word or a larger table. At the end the tables are merged.

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

/// An owned word. `'a` is the borrow of the allocator.
type Word<'a> = BoxIn<[u8], SyncAllocator<'a>>;

/// How often each word occurs.
type WordCounts<'a> = HashMap<Word<'a>, u64, DefaultHashBuilder, SyncAllocator<'a>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has exited (`| head`).
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            // If this fails, the error cannot be reported.
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

/// The statistics that are printed after the words.
struct Report {
    totals: Totals,
    counts: Counts,
    /// The arena's capacity for blocks in bytes, used or not.
    capacity: Option<usize>,
}

struct Totals {
    words: u64,
    different: usize,
    bytes: u64,
}

/// Runs the program with memory from `source`, and frees all of it.
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

/// Counts the words, and prints the most frequent ones.
fn print_words(
    allocator: SyncAllocator<'_>,
    options: &Options,
    output: &mut impl Write,
) -> Result<Totals, Failure> {
    let (counts, bytes) = count_files(allocator, &options.files, options.threads)?;
    let totals = Totals { words: counts.values().sum(), different: counts.len(), bytes };
    let ranking = rank(allocator, counts)?;
    for (word, count) in ranking.iter().take(options.top) {
        // Bytes, not text: words are printed unchanged, whatever the encoding of the file.
        write!(output, "{count:>7} ")?;
        output.write_all(word)?;
        output.write_all(b"\n")?;
    }
    Ok(totals)
}

/// Counts the words and the bytes of all files.
fn count_files<'a>(
    allocator: SyncAllocator<'a>,
    files: &[PathBuf],
    threads: usize,
) -> Result<(WordCounts<'a>, u64), Failure> {
    thread::scope(|scope| {
        // The channel is short, so that the program does not read text faster than it can count it.
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
        // Without a sender, the workers finish when the channel is empty.
        drop(sender);

        let mut total = WordCounts::new_in(allocator);
        for worker in workers {
            let counts = worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic))?;
            merge(&mut total, counts)?;
        }
        Ok((total, bytes?))
    })
}

/// The work of one thread: counts chunks until there are no more.
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
                // The chunk will soon be freed, so a new word is copied.
                insert(&mut counts, copy(allocator, word)?, 1)?;
            }
        }
    }
    Ok(counts)
}

/// Copies a word into new memory.
fn copy<'a>(allocator: SyncAllocator<'a>, word: &[u8]) -> Result<Word<'a>, Failure> {
    let copy = allocator
        .dupe(word)
        .map_err(|zigalloc::Error::OutOfMemory| Failure::OutOfMemory(word.len(), "bytes of a word"))?;
    // SAFETY: a live block of this allocator that nothing else refers to, with the length and alignment
    // of the slice, and `dupe` has initialised all of its bytes.
    Ok(unsafe { Word::from_raw_in(copy.as_ptr(), allocator) })
}

/// Adds a word that is not yet in the table.
fn insert<'a>(counts: &mut WordCounts<'a>, word: Word<'a>, count: u64) -> Result<(), Failure> {
    // Without this, a table that cannot grow would abort the program.
    counts
        .try_reserve(1)
        .map_err(|_| Failure::OutOfMemory(counts.len() + 1, "different words in a table"))?;
    counts.insert(word, count);
    Ok(())
}

/// Adds the smaller table to the larger one. Words are not copied; duplicates are freed.
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

/// Sorts words by frequency, the most frequent first; equally frequent words are in byte order.
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

/// An error that ends the program.
#[derive(Debug)]
enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// A file or directory cannot be read.
    File {
        path: PathBuf,
        error: io::Error,
    },
    /// An allocator has no memory for this number of these items.
    OutOfMemory(usize, &'static str),
    Thread {
        number: usize,
        threads: usize,
        error: io::Error,
    },
    /// The debug allocator has found a mistake in this program.
    Mistake,
    /// Standard output cannot be written. All other I/O errors are about a file.
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
            Failure::Mistake => f.write_str("the debug allocator found a leak or another mistake, see above"),
            Failure::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}
