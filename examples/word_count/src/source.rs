//! The allocators for words and tables.

use std::io::Write;

use zigalloc::ThreadSafeAllocator;
use zigalloc::heap::{
    ArenaAllocator, C_ALLOCATOR, Check, DebugAllocator, DebugConfig, PAGE_ALLOCATOR, RUST_ALLOCATOR,
    SMP_ALLOCATOR, SharedArenaAllocator,
};

use crate::options::Options;
use crate::{Failure, Report, count_in};

/// The allocator that the user chooses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// An arena behind a lock.
    Arena,
    /// A lock-free arena.
    SharedArena,
    Smp,
    /// Finds leaks and misuse.
    Debug,
    Page,
    C,
    Rust,
}

impl Source {
    /// All sources, with their names on the command line.
    const ALL: [(&str, Source); 7] = [
        ("arena", Source::Arena),
        ("shared-arena", Source::SharedArena),
        ("smp", Source::Smp),
        ("debug", Source::Debug),
        ("page", Source::Page),
        ("c", Source::C),
        ("rust", Source::Rust),
    ];

    pub(crate) fn from_name(name: &str) -> Option<Source> {
        Source::ALL.into_iter().find_map(|(other, source)| (other == name).then_some(source))
    }

    pub(crate) fn name(self) -> &'static str {
        Source::ALL.into_iter().find_map(|(name, other)| (other == self).then_some(name)).unwrap_or_default()
    }

    /// "arena, shared-arena, … or rust"
    pub(crate) fn names() -> String {
        let names = Source::ALL.map(|(name, _)| name);
        let (last, others) = names.split_last().expect("there is at least one source");
        format!("{} or {last}", others.join(", "))
    }
}

/// Runs the program with the chosen allocator. The rest of the program sees only a `SyncAllocator`.
pub(crate) fn run(options: &Options, output: &mut impl Write) -> Result<Report, Failure> {
    match options.source {
        Source::Arena => {
            let mut arena = ArenaAllocator::init(PAGE_ALLOCATOR);
            let report = count_in(ThreadSafeAllocator::new(&mut arena).allocator(), options, output)?;
            // The lock borrowed the arena exclusively. Now that the lock is gone, the arena is accessible again.
            Ok(Report { capacity: Some(arena.query_capacity()), ..report })
        }
        Source::SharedArena => {
            let mut arena = SharedArenaAllocator::init(PAGE_ALLOCATOR);
            let report = count_in(arena.allocator(), options, output)?;
            Ok(Report { capacity: Some(arena.query_capacity()), ..report })
        }
        Source::Smp => count_in(SMP_ALLOCATOR, options, output),
        Source::Debug => {
            const CONFIG: DebugConfig =
                DebugConfig { safety: true, stack_trace_frames: 4, ..DebugConfig::DEFAULT };
            let debug = DebugAllocator::with_config(PAGE_ALLOCATOR, CONFIG);
            let report = count_in(debug.allocator(), options, output)?;
            let mistakes = debug.first_report().is_some();
            match debug.deinit() {
                Check::Ok if !mistakes => Ok(report),
                // The reports have already been printed.
                _ => Err(Failure::Mistake),
            }
        }
        Source::Page => count_in(PAGE_ALLOCATOR, options, output),
        Source::C => count_in(C_ALLOCATOR, options, output),
        Source::Rust => count_in(RUST_ALLOCATOR, options, output),
    }
}
