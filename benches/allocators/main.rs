//! `cargo bench`: each allocator beside a peer, in pairs.
//!
//! A machine's speed drifts, so two numbers from different minutes say little. Each sample of a row
//! runs ours and the peer one after the other on the same work and keeps the ratio of the two; the
//! line printed for a row is the median of these ratios (below 1: ours is faster) with its quartiles.
//! Criterion chooses the number of iterations and draws its own statistics for ours.

mod arena;
mod debug;
mod fixed_buffer;
mod pairs;
mod pools;
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
    criterion.final_summary();
    pairs.print();
}
