//! Checks that the comparison finds the planted bugs in `zig/differential/mutations.txt`.

use std::time::Duration;

use xtask_common::mutants::{copy_sources, list};
use xtask_common::{Result, root};

use crate::{Options, Sides, build_here, build_zig};

/// The maximum length of a shrunk program, in steps.
const FEW: usize = 6;

/// Builds each mutant and searches for a difference.
///
/// # Errors
/// If a bug is not found within half a minute, or its program does not shrink to a few steps.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (zig, copy) = (build_zig()?, copy_sources()?);
    // Always use the same programs: how short the result is depends on which program shows the difference.
    let options = Options { seed: options.seed.or(Some(1)), ..*options };
    for mutation in list("zig/differential/mutations.txt")? {
        let here =
            mutation.during(&copy, || build_here(&copy, &root().join("target/mutations/differential")))?;
        let what = &mutation.title;
        let found = Sides::new(here, &zig).search(&options, Duration::from_secs(30))?;
        let Some(difference) = found.difference else {
            return Err(format!("differential: {} programs did not find the bug \"{what}\"", found.programs));
        };
        let steps = difference.program.steps.len();
        println!("differential: found the bug \"{what}\" with {steps} steps (seed {})", difference.seed);
        if steps > FEW {
            return Err(format!("differential: more than {FEW} steps:\n{}", difference.program));
        }
    }
    Ok(())
}
