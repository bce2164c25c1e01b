//! Rows of two contenders, measured in turn.

use std::time::{Duration, Instant};

use criterion::Criterion;

/// The ratios of every row that ran.
#[derive(Default)]
pub(crate) struct Pairs {
    rows: Vec<(String, Vec<f64>)>,
}

impl Pairs {
    /// A row: `ours` and `theirs` each do the row's work `iterations` times and say how long it took.
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
                // Who goes first changes with each sample.
                ours_first = !ours_first;
                let (our_time, their_time) = if ours_first {
                    let our_time = ours(iterations);
                    (our_time, theirs(iterations))
                } else {
                    let their_time = theirs(iterations);
                    (ours(iterations), their_time)
                };
                // A sample of a few microseconds is mostly noise.
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

/// The time from the moment when `threads` threads begin until all have done `iterations` calls of the
/// work that `worker` makes for each.
pub(crate) fn time_threads<W: FnMut()>(
    threads: usize,
    iterations: u64,
    worker: impl Fn() -> W + Sync,
) -> Duration {
    let barrier = std::sync::Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut work = worker();
                    barrier.wait();
                    for _ in 0..iterations {
                        work();
                    }
                })
            })
            .collect();
        barrier.wait();
        let start = Instant::now();
        for handle in handles {
            handle.join().expect("a worker does not panic");
        }
        start.elapsed()
    })
}
