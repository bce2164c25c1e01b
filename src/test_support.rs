//! What the unit tests share with the other tests: the sources of two modules of `tests/support`. That crate cannot be
//! a dependency of the unit tests, since it depends on the library: a program with both copies would have two
//! `Allocator` types, and with the feature `capi` the C functions twice.

#[path = "../tests/support/src/process.rs"]
mod process;
#[path = "../tests/support/src/random.rs"]
mod random;

pub(crate) use process::this_program;
pub(crate) use random::Random;
