//! `cargo bench`: compares each allocator with a similar one, in pairs.
//!
//! A machine's speed drifts, so times measured minutes apart cannot be compared. Each sample of a row
//! runs our allocator and the other one after the other on the same work and records the ratio of their
//! times. The line printed for a row has the median of these ratios (below 1: ours is faster) and the
//! quartiles. Criterion chooses the number of iterations and computes its own statistics for ours.

mod arena;
mod debug;
mod fixed_buffer;
mod pairs;
mod pools;
mod safe;
mod shared_arena;
mod smp;
mod thread_safe;
mod vtable;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(50)
        .configure_from_args();
    let mut pairs = pairs::Pairs::default();
    vtable::bench(&mut criterion, &mut pairs);
    fixed_buffer::bench(&mut criterion, &mut pairs);
    arena::bench(&mut criterion, &mut pairs);
    thread_safe::bench(&mut criterion, &mut pairs);
    shared_arena::bench(&mut criterion, &mut pairs);
    smp::bench(&mut criterion, &mut pairs);
    pools::bench(&mut criterion, &mut pairs);
    debug::bench(&mut criterion, &mut pairs);
    safe::bench(&mut criterion, &mut pairs);
    criterion.final_summary();
    pairs.print();
}
