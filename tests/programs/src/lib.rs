//! Random programs for the allocators of `zigalloc`, and a model that knows what must come of them.
//!
//! A [`Program`] is a source of memory, a child that refuses and moves at random, up to four allocators on top of
//! each other, and steps: blocks are allocated, changed and freed on any level, arenas are reset, rewound and
//! promoted, pools are used by their own interface, and mistakes are made with debug allocators. [`run`] runs it:
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
//! What is wrong is the result, an `Err` with a text, so that a program can be shrunk. A program can also end the
//! process, by a panic in a function of a table or by a segmentation fault: run it in a process of its own.
//!
//! The same programs are made by `proptest` ([`strategy`]) for `tests/programs.rs`, and from bytes
//! ([`Program::from_bytes`]) for the fuzz targets in `fuzz/`.

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

/// Runs a program. The result is what it came to.
///
/// # Errors
/// What is wrong, in words.
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
