//! The command line.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use crate::Failure;
use crate::source::Source;

pub(crate) const HELP: &str = "\
Counts the words in text files, with all threads sharing one arena behind one lock.

Usage: word_count [OPTIONS] [FILES...]

Words are separated by ASCII white space and compared byte by byte. Without
FILES, the Markdown files of this repository are counted.

Options:
  --threads N       count with N threads, 1 to 1024 (default: one per processor)
  --top N           print the N most frequent words (default: 20)
  --all             print all words
  --allocator NAME  the allocator for words and tables (default: arena):
                      arena         an arena behind a lock
                      shared-arena  a lock-free arena
                      smp           per-thread lists of free blocks
                      debug         reports leaks and misuse
                      page          whole pages from the operating system
                      c             the C library
                      rust          Rust's global allocator
  --limit BYTES     limit the memory that words and tables use at once
  --help            print this text
  --                treat all following arguments as FILES
";

/// The most threads; more would only wait for each other.
const MAX_THREADS: usize = 1024;

/// The options on the command line.
pub(crate) struct Options {
    pub(crate) threads: usize,
    /// How many words to print.
    pub(crate) top: usize,
    /// The allocator for words and tables.
    pub(crate) source: Source,
    /// The maximum number of live bytes for words and tables.
    pub(crate) limit: usize,
    pub(crate) files: Vec<PathBuf>,
}

impl Options {
    /// Parses the arguments. Returns `None` for `--help`.
    pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Options>, Failure> {
        let threads = thread::available_parallelism().map_or(1, |threads| threads.get().min(MAX_THREADS));
        let mut options =
            Options { threads, top: 20, source: Source::Arena, limit: usize::MAX, files: Vec::new() };
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--help") => return Ok(None),
                Some("--threads") => options.threads = number("--threads", args.next(), 1, MAX_THREADS)?,
                Some("--top") => options.top = number("--top", args.next(), 0, usize::MAX)?,
                Some("--all") => options.top = usize::MAX,
                Some("--allocator") => options.source = source(args.next())?,
                Some("--limit") => options.limit = number("--limit", args.next(), 0, usize::MAX)?,
                Some("--") => options.files.extend(args.by_ref().map(PathBuf::from)),
                _ if arg.as_encoded_bytes().starts_with(b"-") => {
                    return Err(Failure::Usage(format!("unknown option '{}'", arg.to_string_lossy())));
                }
                _ => options.files.push(PathBuf::from(arg)),
            }
        }
        if options.files.is_empty() {
            options.files = markdown_of_repository()?;
        }
        Ok(Some(options))
    }
}

fn number(option: &str, value: Option<OsString>, min: usize, max: usize) -> Result<usize, Failure> {
    let range = match max {
        usize::MAX => format!("a number from {min}"),
        _ => format!("a number from {min} to {max}"),
    };
    let Some(value) = value else {
        return Err(Failure::Usage(format!("{option} needs a value: {range}")));
    };
    match value.to_str().and_then(|digits| digits.parse().ok()) {
        Some(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(Failure::Usage(format!("{option}: '{}' is not {range}", value.to_string_lossy()))),
    }
}

fn source(name: Option<OsString>) -> Result<Source, Failure> {
    let names = Source::names();
    let Some(name) = name else {
        return Err(Failure::Usage(format!("--allocator needs a value: {names}")));
    };
    name.to_str()
        .and_then(Source::from_name)
        .ok_or_else(|| Failure::Usage(format!("--allocator: '{}' is not {names}", name.to_string_lossy())))
}

/// The files to count if the command line names none. `cargo run` sets the directory of this package, two levels below
/// the root of the repository; if the program is started directly, it uses the directory where it was compiled.
fn markdown_of_repository() -> Result<Vec<PathBuf>, Failure> {
    let directory = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let directory = PathBuf::from(directory).ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default();
    let mut files = Vec::new();
    find_markdown(&directory, &mut files)?;
    if files.is_empty() {
        let error = io::Error::new(io::ErrorKind::NotFound, "no Markdown files; name the files to count");
        return Err(Failure::File { path: directory, error });
    }
    files.sort();
    Ok(files)
}

/// Adds all `*.md` files below the directory, except in hidden directories and `target`.
fn find_markdown(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failure = |error| Failure::File { path: directory.to_path_buf(), error };
    for entry in fs::read_dir(directory).map_err(failure)? {
        let entry = entry.map_err(failure)?;
        let file_type = entry.file_type().map_err(failure)?;
        let name = entry.file_name();
        let path = entry.path();
        let is_skipped = name == "target" || name.as_encoded_bytes().starts_with(b".");
        if file_type.is_dir() && !is_skipped {
            find_markdown(&path, files)?;
        } else if file_type.is_file() && path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
    Ok(())
}
