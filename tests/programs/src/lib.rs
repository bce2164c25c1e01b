//! Random programs for the allocators of `zigalloc`, and a model that checks their results.
//!
//! A [`Program`] has a source of memory, a child that refuses and moves at random, up to four allocators on top of
//! each other, and steps: blocks are allocated, resized and freed on any level, arenas are reset, rewound and
//! promoted, pools are used through their own interface, and debug allocators are misused. [`run`] runs it:
//!
//! ```text
//!   the program ── blocks, and what must be in them            shadow
//!        │
//!      probe   ── a ledger: both sides keep the contract       probe
//!     level 4     any allocator of the crate                   node
//!       …
//!      probe
//!     level 1
//!      probe
//!    the child ── refuses, moves, calls back                   chaos
//!      probe
//!    the source ─ guards, poison, quarantine; or a real one    own_heap
//! ```
//!
//! A failure is an `Err` with a description, so that a program can be shrunk. A program can also end the process, by
//! a panic in a function of a vtable or by a segmentation fault: run it in a separate process.
//!
//! `proptest` generates programs ([`strategy`]) for `tests/programs.rs`; the fuzz targets in `fuzz/` decode them from
//! bytes ([`Program::from_bytes`]).

mod chaos;
mod log;
mod misuse;
mod node;
mod own_heap;
mod pool;
mod probe;
pub mod program;
mod reports;
mod shadow;
mod steps;
pub mod strategy;
mod table;
mod wholes;
mod world;

pub use log::Reached;
pub use program::Program;

/// Runs a program, and returns the states that it reached.
///
/// # Errors
/// A description of what is wrong.
pub fn run(program: &Program) -> Result<Reached, String> {
    let mut world = world::World::new(program);
    world.rebuild(0, program);
    for (index, &step) in program.steps.iter().take(program::MAX_STEPS).enumerate() {
        world.step(step, program);
        if let Err(what) = world.log.result() {
            return Err(format!("step {index}, {step:?}: {what}"));
        }
    }
    world.end().map_err(|what| format!("at the end: {what}"))
}
