//! Shows that the comparison finds differences: it must find those that `zig/differential/mutations.txt` puts in.

use std::time::Duration;

use xtask_common::mutants::{copy_sources, list};
use xtask_common::{Result, root};

use crate::{Options, Sides, build_here, build_zig};

/// How many steps are left of a program that shows it, at most.
const FEW: usize = 6;

/// Builds each mutant and searches for a difference.
///
/// # Errors
/// If one is not found within half a minute, or its program does not shrink to a few steps.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (zig, copy) = (build_zig()?, copy_sources()?);
    // Always the same programs: how far one can be shrunk depends on which of them shows the difference.
    let options = Options { seed: options.seed.or(Some(1)), ..*options };
    for mutation in list("zig/differential/mutations.txt")? {
        let here =
            mutation.during(&copy, || build_here(&copy, &root().join("target/mutations/differential")))?;
        let what = &mutation.title;
        let found = Sides::new(here, &zig).search(&options, Duration::from_secs(30))?;
        let Some(difference) = found.difference else {
            return Err(format!(
                "differential: {} programs do not show that {what}, in a copy",
                found.programs
            ));
        };
        let steps = difference.program.steps.len();
        println!("differential: that {what}, in a copy, is seen by {steps} steps (seed {})", difference.seed);
        if steps > FEW {
            return Err(format!("differential: more than {FEW} steps:\n{}", difference.program));
        }
    }
    Ok(())
}
