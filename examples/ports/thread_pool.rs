//! A thread pool: jobs wait in a bounded queue for a worker. Each job has an arena for its own work, and allocates its
//! report with the allocator that all threads share.
//!
//! The port shows which allocator goes where: a `SyncAllocator` to other threads, an `Allocator` to a job's own work.
//! So Zig's `ThreadSafeAllocator` is not needed: the caller's allocator says that it is thread-safe. A mutex contains
//! what it protects, and a scope joins the threads.

use std::io::{self, Write};
use std::sync::{Condvar, Mutex};
use std::thread;

use zigalloc::collections::{ArrayList, AutoHashMap, OwnedBox, StringArrayHashMap};
use zigalloc::heap::{ArenaAllocator, Check, DebugAllocator, PAGE_ALLOCATOR};
use zigalloc::{Allocator, Error, SyncAllocator};

type Text<'a> = OwnedBox<'a, str, SyncAllocator<'a>>;

/// A first-in, first-out queue between threads, whose capacity is fixed.
struct Queue<'a, T> {
    state: Mutex<QueueState<'a, T>>,
    not_empty: Condvar,
    not_full: Condvar,
}

struct QueueState<'a, T> {
    items: ArrayList<'a, T, SyncAllocator<'a>>,
    closed: bool,
}

impl<'a, T> Queue<'a, T> {
    fn init(allocator: SyncAllocator<'a>, capacity: usize) -> Result<Queue<'a, T>, Error> {
        let items = ArrayList::init_capacity(allocator, capacity)?;
        let state = Mutex::new(QueueState { items, closed: false });
        Ok(Queue { state, not_empty: Condvar::new(), not_full: Condvar::new() })
    }

    /// Waits for room.
    fn push(&self, item: T) {
        let mut state = self.state.lock().unwrap();
        while state.items.len() == state.items.capacity() {
            state = self.not_full.wait(state).unwrap();
        }
        state.items.append_assume_capacity(item);
        self.not_empty.notify_one();
    }

    /// Waits for an item. Returns `None` if the queue is closed and empty.
    fn pop(&self) -> Option<T> {
        let mut state = self.state.lock().unwrap();
        while state.items.is_empty() {
            if state.closed {
                return None;
            }
            state = self.not_empty.wait(state).unwrap();
        }
        self.not_full.notify_one();
        Some(state.items.ordered_remove(0))
    }

    fn close(&self) {
        let mut state = self.state.lock().unwrap();
        state.closed = true;
        self.not_empty.notify_all();
    }
}

#[derive(Clone, Copy)]
enum Job {
    /// Finds the primes up to a limit.
    Primes(usize),
    /// Finds the longest Collatz chain from a start below a limit.
    Chain(u64),
    /// Finds the most frequent word.
    Word(&'static str),
    /// Adds numbers.
    Sum(&'static str),
}

impl Job {
    /// Returns a report.
    fn run(self, allocator: SyncAllocator<'_>) -> Result<Text<'_>, Error> {
        let arena = ArenaAllocator::init(allocator);
        match self {
            Job::Primes(limit) => {
                let primes = find_primes(arena.allocator(), limit)?;
                let last = primes[primes.len() - 1];
                allocator.print_owned(format_args!("{} primes, the last is {last}", primes.len()))
            }
            Job::Chain(limit) => {
                let longest = find_longest_chain(arena.allocator(), limit)?;
                allocator.print_owned(format_args!("{} has {} steps", longest.start, longest.steps))
            }
            Job::Word(text) => {
                let Some((word, count)) = find_word(arena.allocator(), text)? else {
                    return allocator.print_owned(format_args!("no words"));
                };
                allocator.print_owned(format_args!("'{word}' occurs {count} times"))
            }
            Job::Sum(text) => match add_numbers(text) {
                Ok(total) => allocator.print_owned(format_args!("the sum is {total}")),
                Err(error) => allocator.print_owned(format_args!("{error:?} in '{text}'")),
            },
        }
    }
}

fn find_primes(arena: Allocator<'_>, limit: usize) -> Result<ArrayList<'_, usize>, Error> {
    let mut composite = arena.alloc_filled(limit + 1, false)?;
    let mut primes = ArrayList::init(arena);
    for n in 2..=limit {
        if composite[n] {
            continue;
        }
        primes.append(n)?;
        for multiple in (n * n..=limit).step_by(n) {
            composite[multiple] = true;
        }
    }
    Ok(primes)
}

struct Chain {
    start: u64,
    steps: u32,
}

fn find_longest_chain(arena: Allocator<'_>, limit: u64) -> Result<Chain, Error> {
    let mut known = AutoHashMap::init(arena);
    known.put(1, 0)?;
    let mut path = ArrayList::init(arena);
    let mut longest = Chain { start: 1, steps: 0 };
    for start in 2..limit {
        let mut n = start;
        while !known.contains(&n) {
            path.append(n)?;
            n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
        }
        let mut steps = *known.get(&n).unwrap();
        while let Some(passed) = path.pop() {
            steps += 1;
            known.put(passed, steps)?;
        }
        if steps > longest.steps {
            longest = Chain { start, steps };
        }
    }
    Ok(longest)
}

/// Returns the most frequent word, or the first of them, and how often it occurs.
fn find_word<'t>(arena: Allocator<'_>, text: &'t str) -> Result<Option<(&'t str, usize)>, Error> {
    let mut counts = StringArrayHashMap::init(arena);
    for word in text.split([' ', ',', '.']).filter(|word| !word.is_empty()) {
        let result = counts.get_or_put_value(word, 0)?;
        *result.value_ptr += 1;
    }
    let most = counts.values().iter().max().copied();
    Ok(counts.iter().find(|(_, count)| Some(**count) == most).map(|(word, count)| (*word, *count)))
}

#[derive(Debug)]
struct NotANumber;

fn add_numbers(text: &str) -> Result<i64, NotANumber> {
    let mut total = 0;
    for word in text.split('+') {
        let number = word.trim().parse::<i32>();
        total += i64::from(number.map_err(|_| NotANumber)?);
    }
    Ok(total)
}

struct Ticket {
    index: usize,
    job: Job,
}

struct Pool<'a> {
    allocator: SyncAllocator<'a>,
    queue: Queue<'a, Ticket>,
    state: Mutex<PoolState<'a>>,
}

struct PoolState<'a> {
    reports: OwnedBox<'a, [Option<Text<'a>>], SyncAllocator<'a>>,
    failure: Option<Error>,
}

impl<'a> Pool<'a> {
    fn init(allocator: SyncAllocator<'a>, job_count: usize) -> Result<Pool<'a>, Error> {
        let reports = allocator.alloc_with(job_count, |_| None)?;
        let state = Mutex::new(PoolState { reports, failure: None });
        Ok(Pool { allocator, queue: Queue::init(allocator, 2)?, state })
    }

    /// Runs the jobs in new threads, and waits for them.
    fn run(&mut self, jobs: &[Job], thread_count: usize) -> Result<(), AnyError> {
        thread::scope(|scope| {
            let start = |_| thread::Builder::new().spawn_scoped(scope, || self.work()).map(drop);
            let started = (0..thread_count).try_for_each(start);
            if started.is_ok() {
                for (index, job) in jobs.iter().enumerate() {
                    self.queue.push(Ticket { index, job: *job });
                }
            }
            self.queue.close();
            started
        })?;
        match self.state.get_mut().unwrap().failure {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    fn work(&self) {
        while let Some(ticket) = self.queue.pop() {
            let report = ticket.job.run(self.allocator);
            let mut state = self.state.lock().unwrap();
            match report {
                Ok(text) => state.reports[ticket.index] = Some(text),
                Err(failure) => state.failure = Some(failure),
            }
        }
    }
}

const EXAMPLE_JOBS: [Job; 9] = [
    Job::Primes(100),
    Job::Word("the cat, the dog and the bird. a cat"),
    Job::Chain(300),
    Job::Sum("1 + 22 + -333"),
    Job::Primes(2000),
    Job::Sum("1 + two"),
    Job::Word(" . "),
    Job::Chain(30),
    Job::Word("to be, or not to be"),
];

type AnyError = Box<dyn std::error::Error>;

fn run(allocator: SyncAllocator<'_>, out: &mut dyn Write) -> Result<(), AnyError> {
    for thread_count in [1, 4] {
        let mut pool = Pool::init(allocator, EXAMPLE_JOBS.len())?;
        pool.run(&EXAMPLE_JOBS, thread_count)?;
        writeln!(out, "{} jobs in {thread_count} threads:", EXAMPLE_JOBS.len())?;
        for (index, report) in pool.state.get_mut().unwrap().reports.iter().enumerate() {
            writeln!(out, "  {index}: {}", report.as_deref().unwrap())?;
        }
    }
    Ok(())
}

fn main() -> Result<(), AnyError> {
    let debug_allocator = DebugAllocator::init(PAGE_ALLOCATOR);
    run(debug_allocator.allocator(), &mut io::stdout())?;
    assert_eq!(debug_allocator.deinit(), Check::Ok);
    Ok(())
}

#[test]
fn closed_queue_gives_what_is_in_it() -> Result<(), Error> {
    zigalloc::testing::with_allocator(|allocator| {
        let queue = Queue::init(allocator, 2)?;
        queue.push(1);
        queue.push(2);
        queue.close();
        assert_eq!(queue.pop(), Some(1));
        assert_eq!(queue.pop(), Some(2));
        assert_eq!(queue.pop(), None);
        Ok(())
    })
}

#[test]
fn every_allocation_may_fail() {
    zigalloc::testing::with_allocator(|allocator| {
        zigalloc::testing::check_all_allocation_failures(allocator, |allocator| {
            run(allocator, &mut io::sink())
        })
    })
    .unwrap();
}
