//! What the unit tests share with the other tests: two modules of `tests/support`, as sources. Its crate uses this one,
//! and with the feature `capi` a program cannot have the C functions twice.

#[path = "../tests/support/src/process.rs"]
mod process;
#[path = "../tests/support/src/random.rs"]
mod random;

pub(crate) use process::this_program;
pub(crate) use random::Random;
