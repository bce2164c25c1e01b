//! Rows that compare two allocators, measured alternately.

use std::time::{Duration, Instant};

use criterion::Criterion;

/// The ratios of every row that ran.
#[derive(Default)]
pub(crate) struct Pairs {
    rows: Vec<(String, Vec<f64>)>,
}

impl Pairs {
    /// Measures a row: `ours` and `theirs` each do the row's work `iterations` times and return the time.
    pub(crate) fn row(
        &mut self,
        criterion: &mut Criterion,
        name: &str,
        mut ours: impl FnMut(u64) -> Duration,
        mut theirs: impl FnMut(u64) -> Duration,
    ) {
        let mut ratios = Vec::new();
        let mut ours_first = false;
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                // Alternate which side goes first.
                ours_first = !ours_first;
                let (our_time, their_time) = if ours_first {
                    let our_time = ours(iterations);
                    (our_time, theirs(iterations))
                } else {
                    let their_time = theirs(iterations);
                    (ours(iterations), their_time)
                };
                // Samples of a few microseconds are mostly noise.
                if their_time > Duration::from_micros(100) {
                    ratios.push(our_time.as_secs_f64() / their_time.as_secs_f64());
                }
                our_time
            });
        });
        if !ratios.is_empty() {
            self.rows.push((name.to_owned(), ratios));
        }
    }

    pub(crate) fn print(mut self) {
        println!("\n{:<60} {:>6} {:>6} {:>6}  samples", "ours / theirs", "25 %", "median", "75 %");
        for (name, ratios) in &mut self.rows {
            ratios.sort_by(f64::total_cmp);
            let quartile = |n: usize| ratios[(ratios.len() - 1) * n / 4];
            println!(
                "{name:<60} {:>6.3} {:>6.3} {:>6.3}  {}",
                quartile(1),
                quartile(2),
                quartile(3),
                ratios.len()
            );
        }
    }
}

/// The time that `iterations` calls of `work` take.
#[inline(always)]
pub(crate) fn time(iterations: u64, mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..iterations {
        work();
    }
    start.elapsed()
}

/// The time from when the first of `threads` threads starts until the last one ends, with `iterations`
/// calls in each thread of the work that `worker` makes.
///
/// Each thread reads the clock itself: a thread that only waits for the others starts measuring when it
/// is scheduled, which may be after they have finished.
pub(crate) fn time_threads<W: FnMut()>(
    threads: usize,
    iterations: u64,
    worker: impl Fn() -> W + Sync,
) -> Duration {
    let barrier = std::sync::Barrier::new(threads);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|n| {
                let (barrier, worker) = (&barrier, &worker);
                scope.spawn(move || {
                    stay_on_processor(n);
                    let mut work = worker();
                    barrier.wait();
                    let begin = Instant::now();
                    for _ in 0..iterations {
                        work();
                    }
                    (begin, Instant::now())
                })
            })
            .collect();
        let times: Vec<_> =
            handles.into_iter().map(|handle| handle.join().expect("a worker does not panic")).collect();
        let begin = times.iter().map(|time| time.0).min().expect("a thread");
        let end = times.iter().map(|time| time.1).max().expect("a thread");
        end - begin
    })
}

/// Binds this thread to one of the processors that the program may use, a different one for each `n`.
/// If the system schedules two threads of a short sample on one processor, they never contend, and
/// whether it does so varies between samples.
#[cfg(target_os = "linux")]
fn stay_on_processor(n: usize) {
    // SAFETY: a set is plain bits; both calls get its correct size, and affect only this thread.
    unsafe {
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of_val(&allowed), &mut allowed) != 0 {
            return;
        }
        let processors: Vec<usize> =
            (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &allowed)).collect();
        let mut one: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processors[n % processors.len()], &mut one);
        // If this fails, the sample is taken without binding.
        libc::sched_setaffinity(0, size_of_val(&one), &one);
    }
}

#[cfg(not(target_os = "linux"))]
fn stay_on_processor(_: usize) {}
