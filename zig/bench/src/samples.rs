//! Measures pairs of times, and evaluates them.

use std::time::Duration;

/// The approximate time that one side of a pair takes.
const SAMPLE: Duration = Duration::from_millis(10);

pub(crate) struct Row {
    pub(crate) name: String,
    /// The highest acceptable ratio.
    pub(crate) limit: f64,
    ours: Vec<f64>,
    theirs: Vec<f64>,
    ratios: Vec<f64>,
}

/// Measures `ours` and `theirs`, which do the row's work a given number of times and return the time.
pub(crate) fn row(
    name: String,
    limit: f64,
    samples: usize,
    mut ours: impl FnMut(u64) -> Duration,
    mut theirs: impl FnMut(u64) -> Duration,
) -> Row {
    let mut n = 1;
    // This also warms up both sides.
    while ours(n).min(theirs(n)) < SAMPLE && n < 1 << 40 {
        n *= 2;
    }
    let mut row = Row { name, limit, ours: Vec::new(), theirs: Vec::new(), ratios: Vec::new() };
    for sample in 0..samples {
        let (our_time, their_time) = if sample % 2 == 0 {
            let our_time = ours(n);
            (our_time, theirs(n))
        } else {
            let their_time = theirs(n);
            (ours(n), their_time)
        };
        let each = |time: Duration| time.as_secs_f64() * 1e9 / n as f64;
        row.ours.push(each(our_time));
        row.theirs.push(each(their_time));
        row.ratios.push(each(our_time) / each(their_time));
    }
    for values in [&mut row.ours, &mut row.theirs, &mut row.ratios] {
        values.sort_by(f64::total_cmp);
    }
    row
}

impl Row {
    pub(crate) const HEADER: &str = "                                                    ours ns  Zig's ns    25 %  median    75 %   limit";

    fn median(values: &[f64]) -> f64 {
        values[(values.len() - 1) / 2]
    }

    pub(crate) fn is_good(&self) -> bool {
        Row::median(&self.ratios) <= self.limit
    }

    pub(crate) fn print(&self) {
        let quarter = (self.ratios.len() - 1) / 4;
        println!(
            "{:<48} {:>10.1} {:>9.1} {:>7.3} {:>7.3} {:>7.3} {:>7.2}{}",
            self.name,
            Row::median(&self.ours),
            Row::median(&self.theirs),
            self.ratios[quarter],
            Row::median(&self.ratios),
            self.ratios[self.ratios.len() - 1 - quarter],
            self.limit,
            if self.is_good() { "" } else { "  ABOVE" }
        );
    }
}
