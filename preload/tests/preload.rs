//! Programs under `LD_PRELOAD`: the same output as without, and reports. What the machine does not have is printed as
//! SKIPPED.

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
#[test]
#[ignore = "the library is for Linux with glibc"]
fn programs_run_under_the_library() {}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod linux {
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::process::ExitStatusExt as _;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output, Stdio};
    use std::sync::OnceLock;

    /// Debug without the stacks, which take long.
    const DEBUG: &str = "debug,frames=0";
    const ALL: [&str; 8] =
        ["smp", "page", "c", DEBUG, "debug", "counting", "counting,child=c", "counting,child=page"];

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
    }

    fn temp(name: &str) -> PathBuf {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("preload");
        fs::create_dir_all(&dir).unwrap();
        dir.join(name)
    }

    /// The library as programs get it, built once.
    fn library() -> &'static Path {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        BUILT.get_or_init(|| {
            let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
            let mut cargo = Command::new(env!("CARGO"));
            cargo
                .args(["build", "--quiet", "--release", "-p", "zigalloc-preload", "--target-dir"])
                .arg(target);
            cargo.env_remove("CARGO_BUILD_TARGET").current_dir(root());
            succeeds(&mut cargo);
            let library = target.join("release/libzigalloc_preload.so");
            assert!(library.exists(), "{}", library.display());
            library
        })
    }

    /// Says it even where the test harness hides what is printed.
    fn skipped(what: &str, why: &str) {
        let _ = writeln!(std::io::stderr(), "preload: SKIPPED {what}: {why}");
    }

    /// `None` if there is no such program.
    fn try_run(command: &mut Command) -> Option<Output> {
        match command.stdin(Stdio::null()).output() {
            Ok(output) => Some(output),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => panic!("{command:?}: {error}"),
        }
    }

    fn text_of(output: &Output) -> String {
        let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        format!("{}\n{out}{err}", output.status)
    }

    fn succeeds(command: &mut Command) -> Output {
        let output = try_run(command).unwrap_or_else(|| panic!("{command:?}: there is no such program"));
        assert!(output.status.success(), "{command:?}: {}", text_of(&output));
        output
    }

    fn preloaded<'c>(command: &'c mut Command, allocator: &str) -> &'c mut Command {
        command.env("LD_PRELOAD", library()).env("ZIGALLOC", allocator)
    }

    /// Runs a program without the library and on each allocator: it ends the same way and prints the same to its
    /// standard output. Returns that output, or `None` if there is no such program.
    fn same_output(allocators: &[&str], command: impl Fn() -> Command) -> Option<Output> {
        let what = format!("{:?}", command());
        let Some(expected) = try_run(&mut command()) else {
            skipped(&what, "there is no such program");
            return None;
        };
        for allocator in allocators {
            let output =
                try_run(preloaded(&mut command(), &format!("{allocator}{}", leaks_off(allocator)))).unwrap();
            assert_eq!(output.status, expected.status, "{what} on {allocator}: {}", text_of(&output));
            let [out, wanted] = [&output, &expected].map(|output| String::from_utf8_lossy(&output.stdout));
            assert_eq!(out, wanted, "{what} on {allocator}");
            let mistakes = String::from_utf8_lossy(&output.stderr);
            assert!(!mistakes.contains("DebugAllocator: "), "{what} on {allocator}: {mistakes}");
        }
        Some(expected)
    }

    fn leaks_off(allocator: &str) -> &'static str {
        if allocator.starts_with("debug") { ",leaks=no" } else { "" }
    }

    /// Compiles one of the programs here, or `None` if there is no compiler.
    fn compile(name: &str, flags: &[&str]) -> Option<PathBuf> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name);
        let (variable, default) = if name.ends_with(".cpp") { ("CXX", "c++") } else { ("CC", "cc") };
        let compiler = std::env::var_os(variable).unwrap_or_else(|| default.into());
        let program = temp(&format!("{name}.{}", flags.len()));
        let mut command = Command::new(&compiler);
        command.args(["-g", "-pthread"]).args(flags).arg(&source).arg("-o").arg(&program).arg("-ldl");
        if try_run(&mut command).is_none() {
            skipped(name, &format!("there is no {}", compiler.to_string_lossy()));
            return None;
        }
        succeeds(&mut command);
        Some(program)
    }

    // ---- programs that nobody here wrote ----

    const PERL: &str = "my %h; $h{$_ % 1000} .= 'word' . $_ for 1..50000; my @k = sort { $a <=> $b } keys %h; \
                        print scalar(@k), ' ', length(join ',', map { $h{$_} } @k), qq(\\n); \
                        my $s = 'ab' x 5000; $s =~ s/(a)(b)/$2$1$1/g; print length($s), qq(\\n);";

    #[test]
    fn perl() {
        same_output(&["smp", "c", DEBUG, "debug", "counting"], || {
            let mut command = Command::new("perl");
            command.args(["-e", PERL]).env("PERL_HASH_SEED", "0");
            command
        });
    }

    #[test]
    fn sqlite3() {
        let script = "CREATE TABLE words (word TEXT PRIMARY KEY, count INTEGER); \
                      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
                      INSERT INTO words SELECT 'word' || (i % 500), 1 FROM n WHERE true \
                      ON CONFLICT (word) DO UPDATE SET count = count + 1; \
                      SELECT count(*), sum(count), group_concat(word) FROM words;";
        same_output(&["smp", "page", "c", DEBUG, "debug", "counting"], || {
            let mut command = Command::new("sqlite3");
            command.args([":memory:", script]);
            command
        });
    }

    /// The commands that a session has, in a new directory each time; threads pack the objects.
    #[test]
    fn git() {
        let script = "set -e; d=$(mktemp -d); trap 'rm -rf \"$d\"' EXIT; cd \"$d\"; git init -q -b main .; \
                      git config user.name a; git config user.email a@b; git config commit.gpgsign false; \
                      for i in 1 2 3 4 5; do seq 1 $((i * 400)) > f$i; git add .; git commit -qm \"commit $i\"; done; \
                      git checkout -qb side HEAD~2; echo x > side; git add .; git commit -qm side; \
                      git checkout -q main; git merge -q -m merge side; git gc -q; git log --stat --oneline; \
                      git fsck --full 2> /dev/null; git diff HEAD~3 | sha256sum; git blame f3 | tail -n 3";
        if try_run(Command::new("git").arg("--version")).is_none() {
            return skipped("git", "there is no such program");
        }
        let output = same_output(&["smp", DEBUG], || {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            for role in ["AUTHOR", "COMMITTER"] {
                command.env(format!("GIT_{role}_DATE"), "2024-01-01T00:00:00Z");
            }
            command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
            command
        });
        let output = output.unwrap();
        assert!(output.status.success() && output.stdout.len() > 500, "{}", text_of(&output));
    }

    /// The object is the same to the last byte.
    #[test]
    fn cpp_compiler() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/threads.cpp");
        let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
        same_output(&["smp", "c", DEBUG], || {
            let mut command = Command::new(&compiler);
            command.args(["-O1", "-S", "-o", "-"]).arg(&source);
            command
        });
    }

    /// Parts of Python's own tests, with every object of Python from `malloc`.
    #[test]
    fn python_passes_its_own_tests() {
        // Those with few blocks above 32 KiB, each of which the debug allocator maps.
        let modules = ["test.test_dict", "test.test_textwrap", "test.test_string"];
        // The launcher of a version manager is a shell script, which runs for long.
        let Some(python) = try_run(Command::new("python3").args(["-c", "import sys; print(sys.executable)"]))
        else {
            return skipped("python3", "there is no such program");
        };
        let python = String::from_utf8(python.stdout).unwrap();
        let command = || {
            let mut command = Command::new(python.trim());
            command.args(["-m", "unittest", "-q"]).args(modules).env("PYTHONMALLOC", "malloc");
            command.env("PYTHONHASHSEED", "0").current_dir(temp(""));
            command
        };
        let ran = |output: &Output| -> Option<usize> {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let count = text.split_once("Ran ")?.1.split(' ').next()?.parse().ok()?;
            output.status.success().then_some(count)
        };
        let output = try_run(&mut command()).unwrap();
        let Some(expected) = ran(&output) else {
            return skipped("python3", "its tests are missing or fail without the library");
        };
        assert!(expected > 100, "{}", text_of(&output));
        for allocator in ["smp", "debug,frames=0,leaks=no"] {
            let output = try_run(preloaded(&mut command(), allocator)).unwrap();
            assert_eq!(ran(&output), Some(expected), "{allocator}: {}", text_of(&output));
            assert!(!text_of(&output).contains("DebugAllocator: "), "{allocator}: {}", text_of(&output));
        }
    }

    // ---- programs of our own ----

    #[test]
    fn family_does_what_c_and_posix_say() {
        let Some(program) = compile("family.c", &["-w"]) else { return };
        let output = same_output(&ALL, || Command::new(&program)).unwrap();
        assert!(output.status.success(), "{}", text_of(&output));
    }

    #[test]
    fn threads_and_forks() {
        let Some(program) = compile("threads.cpp", &["-O1"]) else { return };
        let output = same_output(&ALL, || Command::new(&program)).unwrap();
        assert_eq!(output.stdout, b"828\n", "{}", text_of(&output));
    }

    #[test]
    fn program_keeps_its_own_malloc() {
        let Some(program) = compile("own.c", &["-fno-builtin"]) else { return };
        let output = same_output(&ALL, || Command::new(&program)).unwrap();
        assert_eq!(output.stdout, b"mine 1\n", "{}", text_of(&output));
    }

    /// Each mistake is reported with its line, in the order in which they are found, and the program goes on.
    #[test]
    fn debug_reports_each_mistake_with_its_line() {
        let Some(program) = compile("mistakes.c", &["-O0", "-w"]) else { return };
        let output = try_run(preloaded(&mut Command::new(program), "debug")).unwrap();
        assert!(output.status.success() && output.stdout == b"done\n", "{}", text_of(&output));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/mistakes.c");
        let source = fs::read_to_string(&path).unwrap();
        let line = |mark: &str| {
            let mark = format!("/* {mark} */");
            let index =
                source.lines().position(|line| line.ends_with(&mark)).expect("the mark is in the source");
            format!("{}:{}\n", path.display(), index + 1)
        };
        let expected = [
            ("double free", "freed again"),
            ("invalid free", "inside"),
            ("overrun", "overrun"),
            ("invalid free", "not from malloc"),
            ("remap after free", "realloc of a freed block"),
            ("double free", "realloc of a freed block"),
            ("double free", "large freed again"),
            ("leak", "leak"),
        ];
        let text = String::from_utf8_lossy(&output.stderr);
        let reports: Vec<&str> = text.split("zigalloc: DebugAllocator: ").skip(1).collect();
        assert!(reports.len() >= expected.len(), "{text}");
        for (report, (kind, mark)) in reports.iter().zip(expected) {
            // The first frame of the first trace.
            let place = report.lines().nth(2).unwrap_or_default();
            assert!(
                report.starts_with(kind) && format!("{place}\n").ends_with(&line(mark)),
                "{kind}, {mark}: {report}"
            );
        }
        assert!(reports[0].contains(&line("freed")), "{}", reports[0]);
        assert!(text.contains("zigalloc: debug: 7 mistakes, "), "{text}");
    }

    /// Without records, only a pointer without a header is noticed; the program ends, as with glibc.
    #[test]
    fn other_allocators_abort_at_a_pointer_that_is_no_block() {
        let Some(program) = compile("mistakes.c", &["-O0", "-w"]) else { return };
        for allocator in ["smp", "page", "counting", "debug,abort"] {
            let output = try_run(preloaded(&mut Command::new(&program), allocator)).unwrap();
            // `page` has unmapped what is freed twice.
            let expected = if allocator == "page" { libc_signals::SEGV } else { libc_signals::ABRT };
            assert_eq!(output.status.signal(), Some(expected), "{allocator}: {}", text_of(&output));
        }
    }

    mod libc_signals {
        pub(super) const ABRT: i32 = 6;
        pub(super) const USR1: i32 = 10;
        pub(super) const SEGV: i32 = 11;
    }

    /// At the exit, although the program has closed its standard error; and at the signal, if asked.
    #[test]
    fn counts_at_the_exit_and_on_a_signal() {
        let Some(program) = compile("signals.c", &["-w"]) else { return };
        let output = try_run(preloaded(&mut Command::new(&program), "counting,child=page,signal")).unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.lines().collect();
        assert!(output.status.success() && lines.len() == 2, "{}", text_of(&output));
        // A thousand bytes and the header.
        assert!(lines[0].ends_with("; 1 blocks, 1016 bytes live"), "{text}");
        assert!(lines[1].ends_with("; 0 blocks, 0 bytes live"), "{text}");
        assert!(lines[1].starts_with("zigalloc: counting: 1 allocated, 0 refused, "), "{text}");

        let output = try_run(preloaded(&mut Command::new(&program), "counting")).unwrap();
        assert_eq!(output.status.signal(), Some(libc_signals::USR1), "the signal is the program's");
    }

    /// Every call of a program that knows how many it makes.
    #[test]
    fn log_has_a_line_for_each_call() {
        let Some(program) = compile("signals.c", &["-w"]) else { return };
        for child in ["smp", "c", "page"] {
            let file = temp(&format!("log-{child}"));
            let _ = fs::remove_file(&file);
            let allocator = format!("logging:{},child={child},signal", file.display());
            let output = succeeds(preloaded(&mut Command::new(&program), &allocator));
            assert!(output.stdout.is_empty(), "{}", text_of(&output));
            let log = fs::read_to_string(&file).unwrap();
            // The C library allocates too, when `smp` registers the end of a thread.
            let lines: Vec<&str> = log.lines().collect();
            let allocated = lines.iter().find_map(|line| line.strip_prefix("malloc(1000) = "));
            let address = allocated.unwrap_or_else(|| panic!("{log}"));
            assert!(lines.contains(&format!("free({address})").as_str()), "{log}");
            assert!(lines.len() <= 4, "{log}");
        }
    }

    #[test]
    fn reports_go_to_a_file_if_asked() {
        let Some(program) = compile("mistakes.c", &["-O0", "-w"]) else { return };
        let file = temp("reports");
        let _ = fs::remove_file(&file);
        let allocator = format!("debug,leaks=no,report={}", file.display());
        let output = succeeds(preloaded(&mut Command::new(&program), &allocator));
        assert!(output.stderr.is_empty(), "{}", text_of(&output));
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.contains("double free")
                && text.ends_with("zigalloc: debug: 7 mistakes, 0 blocks not freed\n"),
            "{text}"
        );
    }

    /// `c` is not glibc's, but what the program would have without this library.
    #[test]
    fn c_is_the_next_malloc_in_line() {
        let Some(program) = compile("family.c", &["-w"]) else { return };
        let Some(next) = compile("next.c", &["-w", "-shared", "-fPIC"]) else { return };
        let both = format!("{}:{}", library().display(), next.display());
        for (allocator, reaches) in [("c", true), ("counting,child=c", true), ("smp", false), (DEBUG, false)]
        {
            let allocator = format!("{allocator}{}", leaks_off(allocator));
            let output =
                succeeds(Command::new(&program).env("LD_PRELOAD", &both).env("ZIGALLOC", &allocator));
            assert_eq!(
                text_of(&output).contains("next in line"),
                reaches,
                "{allocator}: {}",
                text_of(&output)
            );
        }
    }

    #[test]
    fn mistakes_in_the_variable_are_named() {
        for (value, expected) in [
            ("fast", "\"fast\" is not smp, debug, c, page, counting or logging:FILE"),
            ("logging", "\"logging\" is not smp, debug, c, page, counting or logging:FILE"),
            ("logging:/no/such/directory/x", "cannot open /no/such/directory/x"),
            ("smp,quick", "\"quick\" is not an option"),
            ("debug,frames=33", "\"frames=33\": not a number of at most 32"),
            ("debug,leaks=x", "\"leaks=x\": not a number of at most 18446744073709551615"),
        ] {
            let output = try_run(preloaded(&mut Command::new("true"), value)).unwrap();
            assert_eq!(output.status.code(), Some(2), "{value}: {}", text_of(&output));
            assert_eq!(String::from_utf8_lossy(&output.stderr), format!("zigalloc: ZIGALLOC: {expected}\n"));
        }
        // Without the variable, `smp`.
        succeeds(Command::new("true").env("LD_PRELOAD", library()).env_remove("ZIGALLOC"));
    }
}
