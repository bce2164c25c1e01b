//! Counts the words of text files, with every thread in one arena behind one lock.
//!
//! ```text
//! cargo run --release --example word_count -- [--threads N] [--top N | --all] [FILES…]
//! ```
//!
//! Zig makes you choose an allocator for everything that needs memory. This program has two kinds of
//! memory, so it chooses twice:
//!
//! - Words and tables live until the end. They are in an arena, where to allocate is an addition and
//!   where nothing needs to be freed one by one. All threads share it:
//!
//!   ```text
//!   SyncAllocator            the handle that every thread has a copy of
//!    └─ ThreadSafeAllocator  a lock: any thread may call
//!        └─ Counting         counts the calls; it is in counting.rs, and shows how to write one
//!            └─ ArenaAllocator
//!                └─ PAGE_ALLOCATOR
//!   ```
//!
//! - The text itself lives only until it is counted. It is read in chunks, each in pages of its own,
//!   which go back to the operating system at once (text.rs).
//!
//! This thread reads and hands out chunks through a channel; the others count, each into a table of
//! its own, so that they meet at the lock only for a new word or a larger table. At the end the
//! tables are merged.

mod counting;
mod options;
mod text;

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use allocator_api2_02::vec::Vec as ArenaVec;
use crossbeam::channel::{self, Receiver};
use hashbrown::{DefaultHashBuilder, HashMap};
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};
use zigalloc::{SyncAllocator, ThreadSafeAllocator};

use counting::Counting;
use options::Options;
use text::Chunk;

/// How often each word occurs. The words are in the arena, and the table is too: `'a` is the borrow
/// of it.
type WordCounts<'a> = HashMap<&'a [u8], u64, DefaultHashBuilder, SyncAllocator<'a>>;

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

    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let mut counting = Counting::new(arena, options.limit);
    let thread_safe = ThreadSafeAllocator::new(&mut counting);
    let totals = print_words(thread_safe.allocator(), &options, &mut output)?;

    // The lock borrows `counting` exclusively. It is not used any more, nor is anything that is in
    // the arena, so the compiler lets us look behind it again.
    let calls = counting.calls();
    writeln!(output)?;
    writeln!(output, "words    {}, {} different", totals.words, totals.different)?;
    writeln!(output, "files    {}, {} bytes", options.files.len(), totals.bytes)?;
    writeln!(output, "threads  {}", options.threads)?;
    writeln!(output, "alloc    {} calls", calls.alloc)?;
    writeln!(output, "resize   {} calls", calls.resize)?;
    writeln!(output, "remap    {} calls", calls.remap)?;
    writeln!(output, "free     {} calls", calls.free)?;
    writeln!(output, "asked    {} bytes", calls.bytes)?;
    writeln!(output, "arena    {} bytes", counting.child().query_capacity())?;
    writeln!(output, "time     {:.3} s", start.elapsed().as_secs_f64())?;
    Ok(output.flush()?)
}

struct Totals {
    words: u64,
    different: usize,
    bytes: u64,
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
                // The chunk's memory ends soon, so a new word is copied into the arena.
                insert(&mut counts, copy(allocator, word)?, 1)?;
            }
        }
    }
    Ok(counts)
}

/// A copy of the word that lives as long as the arena.
fn copy<'a>(allocator: SyncAllocator<'a>, word: &[u8]) -> Result<&'a [u8], Failure> {
    let copy = allocator
        .dupe(word)
        .map_err(|zigalloc::Error::OutOfMemory| Failure::OutOfMemory(word.len(), "bytes of a word"))?;
    // SAFETY: `dupe` has written every byte, and nobody frees the copy or writes to it, so it can be
    // read until the borrow `'a` of the arena ends.
    Ok(unsafe { copy.as_ref() })
}

/// Adds a word that the table does not have.
fn insert<'a>(counts: &mut WordCounts<'a>, word: &'a [u8], count: u64) -> Result<(), Failure> {
    // Without this, a table that cannot grow would end the program.
    counts
        .try_reserve(1)
        .map_err(|_| Failure::OutOfMemory(counts.len() + 1, "different words in a table"))?;
    counts.insert(word, count);
    Ok(())
}

/// Adds the smaller table to the larger one. The words stay where they are in the arena.
fn merge<'a>(total: &mut WordCounts<'a>, mut counts: WordCounts<'a>) -> Result<(), Failure> {
    if total.len() < counts.len() {
        std::mem::swap(total, &mut counts);
    }
    for (word, count) in counts {
        match total.get_mut(word) {
            Some(sum) => *sum += count,
            None => insert(total, word, count)?,
        }
    }
    Ok(())
}

/// A word and how often it occurs.
type Ranked<'a> = (&'a [u8], u64);

/// The most frequent word first; words that are equally frequent in the order of their bytes.
fn rank<'a>(
    allocator: SyncAllocator<'a>,
    counts: WordCounts<'a>,
) -> Result<ArenaVec<Ranked<'a>, SyncAllocator<'a>>, Failure> {
    let mut ranking = ArenaVec::new_in(allocator);
    ranking
        .try_reserve_exact(counts.len())
        .map_err(|_| Failure::OutOfMemory(counts.len(), "different words in order"))?;
    ranking.extend(counts);
    ranking.sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then(a.cmp(b)));
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
            Failure::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}
