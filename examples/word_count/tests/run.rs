//! Runs `word_count` and compares its output with that of `tr | sort | uniq -c`.
#![cfg(not(miri))]

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rstest::rstest;
use zigalloc_support::Random;

// ---- helpers ----

fn word_count() -> Command {
    Command::new(env!("CARGO_BIN_EXE_word_count"))
}

/// The root of the repository, two levels above this package.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// A new empty directory for one test.
fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("word_count").join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

fn write(directory: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

type Counts = Vec<(Vec<u8>, u64)>;

/// A line of `word_count` or `uniq -c`: white space, a number, one space, a word.
fn parse_line(line: &[u8]) -> (Vec<u8>, u64) {
    let line = line.trim_ascii_start();
    let space = line.iter().position(|&byte| byte == b' ').expect("a space after the count");
    let count = std::str::from_utf8(&line[..space]).unwrap().parse().expect("a count");
    (line[space + 1..].to_vec(), count)
}

/// The words that a successful run printed, and the report after the empty line.
fn parse(output: &Output) -> (Counts, String) {
    assert_eq!((output.status.code(), stderr(output)), (Some(0), String::new()));
    let mut lines = output.stdout.split(|&byte| byte == b'\n');
    let counts = lines.by_ref().take_while(|line| !line.is_empty()).map(parse_line).collect();
    let report: Vec<_> = lines.map(String::from_utf8_lossy).collect();
    (counts, report.join("\n"))
}

/// The number after a label of the report.
fn reported(report: &str, label: &str) -> u64 {
    let line = report.lines().find(|line| line.starts_with(label)).expect(label);
    line.split_ascii_whitespace().nth(1).unwrap().trim_end_matches(',').parse().unwrap()
}

/// The counts of the system's tools, in the order of `word_count`; `None` if a tool is missing.
fn system_counts(files: &[PathBuf]) -> Option<Counts> {
    // A file boundary also separates words, so each file gets a final newline.
    let script = r#"for file; do tr -s '[:space:]' '\n' < "$file" || exit 1; echo; done | sort | uniq -c"#;
    for tool in ["tr", "sort", "uniq"] {
        if !Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .output()
            .is_ok_and(|output| output.status.success())
        {
            println!("skipped: there is no `{tool}` to compare with");
            return None;
        }
    }
    let output =
        Command::new("sh").args(["-c", script, "sh"]).args(files).env("LC_ALL", "C").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut counts: Counts = lines.map(parse_line).filter(|(word, _)| !word.is_empty()).collect();
    // The sort is stable, and the words are in byte order.
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    Some(counts)
}

/// Compares one run with the system's tools.
fn compare(files: &[PathBuf], threads: usize) {
    let Some(expected) = system_counts(files) else { return };
    compare_with(&expected, files, threads, "arena");
}

/// Compares one run with the counts of the system's tools.
fn compare_with(expected: &Counts, files: &[PathBuf], threads: usize, allocator: &str) {
    let threads = threads.to_string();
    let args = ["--all", "--threads", &threads, "--allocator", allocator, "--"];
    let output = word_count().args(args).args(files).output().unwrap();
    let (counts, report) = parse(&output);
    if let Some(index) = (0..counts.len().max(expected.len())).find(|&i| counts.get(i) != expected.get(i)) {
        let show = |entry: Option<&(Vec<u8>, u64)>| {
            entry.map(|(word, count)| format!("{count} {}", word[..word.len().min(100)].escape_ascii()))
        };
        panic!("line {index}: {:?}, expected {:?}", show(counts.get(index)), show(expected.get(index)));
    }
    assert_eq!(reported(&report, "words"), expected.iter().map(|(_, count)| count).sum::<u64>());
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
    assert!(report.contains(&format!("files    {}, {bytes} bytes\n", files.len())), "{report}");
    assert!(report.contains(&format!("threads  {threads}\n")), "{report}");
    // One block for each distinct word, plus the tables.
    assert!(reported(&report, "alloc") >= expected.len() as u64);
    let length: usize = expected.iter().map(|(word, _)| word.len()).sum();
    assert!(reported(&report, "total") >= length as u64);
    assert!(reported(&report, "peak") >= length as u64);
    assert!(report.contains(&format!("memory   {allocator}\n")), "{report}");
    if allocator.ends_with("arena") {
        assert!(reported(&report, "arena") >= reported(&report, "peak"), "{report}");
    } else {
        assert!(!report.contains("\narena "), "{report}");
    }
    // Everything is freed, even if the allocator ignores that.
    assert!(report.contains("\nlive     0 bytes in 0 blocks\n"), "{report}");
}

// ---- files to count ----

/// Pseudo-random bytes, random.
fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..len).map(|_| (random.number() >> 32) as u8).collect()
}

/// Files with unusual contents. The example's chunks are 64 KiB long.
fn strange_files(directory: &Path) -> Vec<PathBuf> {
    const CHUNK: usize = 64 << 10;
    let few = b"aab \n\t\x0B\x0C\r\xFF\0";
    let few_letters: Vec<u8> =
        random_bytes(2, 500_000).iter().map(|&byte| few[usize::from(byte) % few.len()]).collect();
    let around_chunks = [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 5 * CHUNK];
    let mut files = vec![
        write(directory, "empty", ""),
        write(directory, "white", " \t\n\x0B\x0C\r\r\n  "),
        write(directory, "white and large", vec![b'\n'; 3 * CHUNK + 7]),
        write(directory, "one byte", "a"),
        write(directory, "no final newline", "the end of the"),
        write(directory, "crlf", "one two\r\nthree one\r\n\r\none\r"),
        write(directory, "vertical tab and form feed", "one\x0Btwo\x0Cone\x0B\x0C two"),
        write(
            directory,
            "no white space",
            "zero\x1Cwidth\x1D\x1E\x1F\x07\x08\x7F\u{85}\u{A0}\u{2003}\u{FEFF}",
        ),
        write(directory, "nul", b"\0 \0\0 a\0b \0 a\0c\n\0"),
        write(directory, "unicode", "Äpfel äpfel ÄPFEL 苹果 苹果 🍎🍏 🍎🍏 e\u{301} é\n".repeat(3000)),
        write(directory, "not utf-8", b"\xFF\xFE \x80 \xC3\x28 \x80 \xC3 \xA9 \xF0\x9F\n"),
        write(directory, "random", random_bytes(1, 1_000_000)),
        write(directory, "few letters", few_letters),
        write(directory, "long word", vec![b'x'; 1_000_003]),
        write(directory, "- strange name", "in a file"),
    ];
    for len in around_chunks {
        let word = vec![b'w'; len];
        files.push(write(directory, &format!("word of {len}"), &word));
        files.push(write(
            directory,
            &format!("words of {len}"),
            [&word[..], b" ", &word, b"\n", b"w"].concat(),
        ));
        files.push(write(
            directory,
            &format!("word behind {len}"),
            [&vec![b' '; len][..], b"behind", &word].concat(),
        ));
        // Short words, so that chunk boundaries fall at each position in a word.
        files.push(write(directory, &format!("short words {len}"), &b"four ".repeat(len / 5 + 1)[..len]));
    }
    files
}

#[rstest]
fn strange_files_are_counted_as_by_the_system(#[values(1, 2, 4, 8)] threads: usize) {
    let files = strange_files(&directory(&format!("strange-{threads}")));
    // Each file alone, so that a failure names it; then all in one table.
    for file in &files {
        println!("{}", file.display());
        compare(std::slice::from_ref(file), threads);
    }
    compare(&files, threads);
}

/// Files below a directory of the repository, by extension, except in hidden directories and `target`.
fn repository_files(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        let file_type = entry.file_type().unwrap();
        if file_type.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
            files.extend(repository_files(&path, extensions));
        }
        let extension = path.extension().unwrap_or_default();
        if file_type.is_file() && extensions.iter().any(|&wanted| extension == wanted) {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[rstest]
fn this_repository_is_counted_as_by_the_system(#[values(1, 2, 4, 8)] threads: usize) {
    let files = repository_files(repository(), &["md", "rs", "toml"]);
    assert!(files.len() > 10);
    compare(&files, threads);
}

#[test]
fn many_threads_count_what_one_does() {
    let file = write(&directory("many"), "text", random_bytes(3, 3_000_000));
    compare(&[file], 64);
}

/// The result is the same with each allocator.
#[rstest]
fn each_allocator_counts_the_same(
    #[values("arena", "shared-arena", "smp", "debug", "page", "c", "rust")] allocator: &str,
    #[values(1, 4)] threads: usize,
) {
    let directory = directory(&format!("allocator-{allocator}-{threads}"));
    let mut files = vec![write(&directory, "random", random_bytes(5, 100_000))];
    // `page` makes a system call for each word, so the text is short.
    files.push(write(&directory, "long word", vec![b'x'; 300_003]));
    files.push(write(&directory, "words", "one two three two one two ".repeat(20_000)));
    let Some(expected) = system_counts(&files) else { return };
    compare_with(&expected, &files, threads, allocator);
}

#[test]
fn a_file_named_twice_counts_twice() {
    let file = write(&directory("twice"), "text", "one two one");
    compare(&[file.clone(), file], 2);
}

// ---- output ----

#[rstest]
#[case::the_first_twenty(&[], 20)]
#[case::none(&["--top", "0"], 0)]
#[case::three(&["--top", "3"], 3)]
#[case::more_than_there_are(&["--top", "1000"], 30)]
#[case::all(&["--all"], 30)]
#[case::the_last_option_counts(&["--all", "--top", "1"], 1)]
fn top_and_all_choose_how_many(#[case] args: &[&str], #[case] expected: usize) {
    let words: Vec<String> = (0..30).map(|n| format!("w{n:02} ").repeat(30 - n / 2)).collect();
    let file = write(&directory(&format!("top{}", args.concat())), "text", words.concat());
    let output = word_count().args(args).arg(&file).output().unwrap();
    let (counts, _) = parse(&output);
    // Pairs of words are equally frequent; these are in byte order.
    let all: Counts = (0..30).map(|n| (format!("w{n:02}").into_bytes(), 30 - n / 2)).collect();
    assert_eq!(counts, all[..expected]);
}

#[test]
fn output_has_the_columns_of_uniq() {
    let file = write(&directory("columns"), "text", b"b b \xFF\n");
    let output = word_count().args(["--threads", "1"]).arg(&file).output().unwrap();
    assert!(
        output
            .stdout
            .starts_with(b"      2 b\n      1 \xFF\n\nwords    3, 2 different\nfiles    1, 6 bytes\n")
    );
    let (_, report) = parse(&output);
    let labels: Vec<_> = report.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let labels: Vec<_> = labels.into_iter().filter(|label| !label.is_empty()).collect();
    assert_eq!(
        labels,
        [
            "words", "files", "threads", "memory", "alloc", "resize", "remap", "free", "total", "live",
            "peak", "sizes", "arena", "time"
        ]
    );
}

#[test]
fn help_is_printed() {
    let output = word_count().args(["--threads", "3", "--help", "--nonsense"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for option in ["--threads N", "--top N", "--all", "--allocator NAME", "--limit BYTES", "--help", "FILES"]
    {
        assert!(help.contains(option), "{option}: {help}");
    }
    for allocator in ["arena", "shared-arena", "smp", "debug", "page", "c", "rust"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{allocator}  "))), "{help}");
    }
}

// ---- the files of the repository, by default ----

#[test]
fn without_files_the_markdown_is_counted() {
    let directory = directory("markdown");
    write(&directory, "README.md", "one two");
    write(&directory, "docs/book/chapter.md", "two three");
    write(&directory, "docs/not.txt", "four");
    write(&directory, "target/doc.md", "four");
    write(&directory, ".git/description.md", "four");
    write(&directory, "docs/folder.md/inside.md", "three three");
    let output =
        word_count().env("CARGO_MANIFEST_DIR", directory.join("examples/word_count")).output().unwrap();
    let (counts, report) = parse(&output);
    assert_eq!(counts, [(b"three".to_vec(), 3), (b"two".to_vec(), 2), (b"one".to_vec(), 1)]);
    assert_eq!(reported(&report, "files"), 3);
}

/// Both with `cargo run --package word_count` and when the program is started directly.
#[rstest]
fn without_files_this_repository_is_counted(#[values(false, true)] by_cargo: bool) {
    let mut command = word_count();
    match by_cargo {
        true => command.env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR")),
        false => command.env_remove("CARGO_MANIFEST_DIR"),
    };
    let output = command.arg("--all").output().unwrap();
    let (counts, report) = parse(&output);
    let files = repository_files(repository(), &["md"]);
    assert_eq!(reported(&report, "files"), files.len() as u64);
    if let Some(expected) = system_counts(&files) {
        assert!(counts == expected);
    }
}

// ---- errors ----

/// Checks the exit code, that the message names the program and the cause, and that nothing was printed.
#[track_caller]
fn assert_failure(output: &Output, code: i32, message: &str) {
    let stderr = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.starts_with("word_count: "), "{stderr}");
    assert!(stderr.contains(message), "{stderr:?} does not contain {message:?}");
    assert_eq!(output.stdout, b"");
}

#[rstest]
#[case::threads_0(&["--threads", "0"], "--threads: '0' is not a number from 1 to 1024")]
#[case::threads_abc(&["--threads", "abc"], "--threads: 'abc' is not a number from 1 to 1024")]
#[case::threads_negative(&["--threads", "-1"], "--threads: '-1' is not a number")]
#[case::threads_empty(&["--threads", ""], "--threads: '' is not a number")]
#[case::threads_fraction(&["--threads", "1.5"], "--threads: '1.5' is not a number")]
#[case::threads_too_many(&["--threads", "1025"], "--threads: '1025' is not a number from 1 to 1024")]
#[case::threads_overflow(&["--threads", "99999999999999999999"], "'99999999999999999999' is not a number")]
#[case::threads_missing(&["--threads"], "--threads needs a value: a number from 1 to 1024")]
#[case::top_missing(&["--all", "--top"], "--top needs a value: a number from 0")]
#[case::top_abc(&["--top", "abc"], "--top: 'abc' is not a number from 0")]
#[case::limit_missing(&["--limit"], "--limit needs a value: a number from 0")]
#[case::limit_abc(&["--limit", "1k"], "--limit: '1k' is not a number from 0")]
#[case::allocator_missing(&["--allocator"], "--allocator needs a value: arena, shared-arena, smp, ")]
#[case::allocator_unknown(&["--allocator", "ARENA"], "--allocator: 'ARENA' is not arena, shared-arena, ")]
#[case::unknown(&["--nonsense"], "unknown option '--nonsense'")]
#[case::unknown_short(&["-t", "4"], "unknown option '-t'")]
#[case::with_equals(&["--threads=4"], "unknown option '--threads=4'")]
#[case::dash(&["-"], "unknown option '-'")]
fn wrong_usage_is_explained(#[case] args: &[&str], #[case] message: &str) {
    let output = word_count().args(args).output().unwrap();
    assert_failure(&output, 2, message);
    assert!(stderr(&output).ends_with("\nTry --help.\n"));
}

#[test]
fn missing_file_is_named() {
    let directory = directory("missing");
    let good = write(&directory, "good", "one");
    let missing = directory.join("not there");
    for args in [vec![&missing], vec![&good, &missing], vec![&missing, &good]] {
        let output = word_count().args(args).output().unwrap();
        assert_failure(&output, 1, &format!("{}: ", missing.display()));
        if cfg!(unix) {
            assert_failure(&output, 1, "No such file or directory");
        }
    }
}

#[test]
fn empty_name_is_a_missing_file() {
    assert_failure(&word_count().arg("").output().unwrap(), 1, ": ");
}

#[test]
fn behind_two_dashes_everything_is_a_file() {
    let directory = directory("dashes");
    write(&directory, "--help", "one");
    let (counts, _) = parse(&word_count().args(["--", "--help"]).current_dir(&directory).output().unwrap());
    assert_eq!(counts, [(b"one".to_vec(), 1)]);
    assert_failure(
        &word_count().args(["--", "--all"]).current_dir(&directory).output().unwrap(),
        1,
        "--all: ",
    );
}

#[test]
fn directory_is_not_a_file() {
    let directory = directory("directory");
    let output = word_count().arg(&directory).output().unwrap();
    assert_failure(&output, 1, &format!("{}: ", directory.display()));
    if cfg!(target_os = "linux") {
        assert_failure(&output, 1, "Is a directory");
    }
}

#[test]
fn directory_without_markdown_is_named() {
    let directory = directory("nothing");
    let output =
        word_count().env("CARGO_MANIFEST_DIR", directory.join("examples/word_count")).output().unwrap();
    assert_failure(&output, 1, &format!("{}: no Markdown files", directory.display()));
    let output =
        word_count().env("CARGO_MANIFEST_DIR", directory.join("gone/examples/word_count")).output().unwrap();
    assert_failure(&output, 1, &format!("{}: ", directory.join("gone").display()));
}

#[cfg(unix)]
#[test]
fn file_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    let file = write(&directory("permission"), "secret", "one");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = word_count();
    if fs::File::open(&file).is_ok() {
        // Root may read everything; run as the user "nobody".
        command.uid(65534);
    }
    match command.arg(&file).output() {
        Ok(output) => assert_failure(&output, 1, &format!("{}: Permission denied", file.display())),
        Err(error) => println!("skipped: another user cannot start the program: {error}"),
    }
}

/// The file can be opened, but reading it fails.
#[cfg(target_os = "linux")]
#[test]
fn file_that_cannot_be_read_is_named() {
    let output = word_count().arg("/proc/self/mem").output().unwrap();
    assert_failure(&output, 1, "/proc/self/mem: Input/output error");
}

#[cfg(unix)]
#[test]
fn names_need_not_be_utf_8() {
    use std::os::unix::ffi::OsStringExt;

    let name = OsString::from_vec(b"\xFF\xFE.txt".to_vec());
    let directory = directory("names");
    assert_failure(
        &word_count().arg(directory.join(&name)).output().unwrap(),
        1,
        "\u{FFFD}.txt: No such file",
    );
    if fs::write(directory.join(&name), "one").is_err() {
        println!("skipped: this file system requires UTF-8");
        return;
    }
    let (counts, _) = parse(&word_count().arg(directory.join(&name)).output().unwrap());
    assert_eq!(counts, [(b"one".to_vec(), 1)]);
    let option = OsString::from_vec(b"--\xFF".to_vec());
    assert_failure(&word_count().arg(option).output().unwrap(), 2, "unknown option '--\u{FFFD}'");
}

/// As in `word_count … | head`: a closed pipe is not an error.
#[test]
fn closed_pipe_is_the_end() {
    let file = write(&directory("pipe"), "text", random_bytes(4, 2_000_000));
    let mut child =
        word_count().arg("--all").arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

#[cfg(target_os = "linux")]
#[rstest]
#[case::words(&[])]
#[case::help(&["--help"])]
fn full_disk_is_a_failure(#[case] args: &[&str]) {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = word_count().args(args).stdout(full).output().unwrap();
    assert_failure(&output, 1, "cannot write to standard output: No space left on device");
}

#[cfg(target_os = "linux")]
#[test]
fn failure_that_nobody_can_be_told_is_still_a_failure() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = word_count().args(["--threads", "0"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

/// Runs with limits from 0 upwards, so that memory runs out at many different blocks.
#[rstest]
fn out_of_memory_is_a_message(#[values(1, 4)] threads: usize) {
    let directory = directory(&format!("limit-{threads}"));
    let words: Vec<String> = (0..500).map(|n| format!("{:>1$} ", n % 400, 1 + n % 7)).collect();
    let files: Vec<_> = (0..5).map(|n| write(&directory, &format!("{n}"), words.concat())).collect();
    let run = |limit: u64| {
        let args =
            ["--all".into(), "--threads".into(), threads.to_string(), "--limit".into(), limit.to_string()];
        word_count().args(args).args(&files).output().unwrap()
    };
    let (all, report) = parse(&run(u64::MAX / 2));
    // With several threads, a run may need more tables than that one did.
    let enough = 4 * reported(&report, "peak");
    let (mut failures, mut messages) = (0, String::new());
    for limit in (0..64).map(|part| enough * part / 64) {
        let output = run(limit);
        if output.status.success() {
            assert!(parse(&output).0 == all);
        } else {
            assert_failure(&output, 1, "out of memory: no room for ");
            failures += 1;
            messages += &stderr(&output);
        }
    }
    assert!((8..64).contains(&failures), "{failures} of 64");
    assert!(messages.contains("different words in a table"), "{messages}");
}

/// Nothing leaks when memory runs out; otherwise the debug allocator would report it before the message.
#[rstest]
fn out_of_memory_leaks_nothing(#[values(1, 4)] threads: usize) {
    let directory = directory(&format!("limit-debug-{threads}"));
    let words: Vec<String> = (0..500).map(|n| format!("{:>1$} ", n % 400, 1 + n % 7)).collect();
    let files: Vec<_> = (0..5).map(|n| write(&directory, &format!("{n}"), words.concat())).collect();
    let threads = threads.to_string();
    let mut failures = 0;
    for limit in (0..24).map(|n| (3000 * n).to_string()) {
        let args = ["--all", "--allocator", "debug", "--threads", &threads, "--limit", &limit];
        let output = word_count().args(args).args(&files).output().unwrap();
        if output.status.success() {
            parse(&output);
        } else {
            assert_failure(&output, 1, "out of memory: no room for ");
            assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
            failures += 1;
        }
    }
    assert!(failures >= 4, "{failures} of 24");
}

/// The pages for the text come directly from the operating system; here it has no more of them.
#[cfg(target_os = "linux")]
#[test]
fn out_of_pages_is_a_message() {
    let path = directory("pages").join("one word");
    let mut file = fs::File::create(&path).unwrap();
    for _ in 0..100 {
        file.write_all(&[b'x'; 1 << 20]).unwrap();
    }
    let program = word_count().get_program().to_os_string();
    let script = r#"ulimit -v 131072 && exec "$@""#;
    let output = Command::new("sh")
        .args([OsStr::new("-c"), OsStr::new(script), OsStr::new("sh"), &program])
        .args(["--threads", "1"])
        .arg(&path)
        .output()
        .unwrap();
    fs::remove_file(&path).unwrap();
    assert_failure(&output, 1, "out of memory: no room for ");
    assert!(stderr(&output).ends_with(" bytes of text\n"));
}

/// The first thread starts, but there is no room for the stack of the second. The first must not wait for work forever.
#[cfg(target_os = "linux")]
#[test]
fn thread_that_cannot_start_is_a_message() {
    let file = write(&directory("thread"), "text", "one two");
    let program = word_count().get_program().to_os_string();
    let output = Command::new("sh")
        .args([OsStr::new("-c"), OsStr::new(r#"ulimit -v 1048576 && exec "$@""#), OsStr::new("sh"), &program])
        .args(["--threads", "2"])
        .arg(&file)
        .env("RUST_MIN_STACK", (600 << 20).to_string())
        .output()
        .unwrap();
    assert_failure(&output, 1, "cannot start thread 2 of 2: ");
}
