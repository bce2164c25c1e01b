//! The programs that both sides run: their meaning, their text form, and how they are generated.
//!
//! A program is text. Its header names the subject and numbers its memory; each line after it is a step:
//!
//! ```text
//!   program arena 8 5000 30 50 77     memory starts at offset 8, a buffer has 5000 bytes; in the child, 30 % of
//!                                     allocations fail and 50 % of resizes succeed; 77 is the random seed
//!                                     that selects them
//!   alloc 3 100 4                     allocates 100 bytes, aligned to 2^4, into slot 3; nothing if it is in use
//!   resize 3 200                      resizes the block in slot 3 to 200 bytes; nothing if the slot is empty
//!   remap 3 50                        the same with remap
//!   free 3                            frees the block in slot 3
//!   reset 2 1000                      0 frees all, 1 retains the capacity, 2 at most 1000 bytes; empties all slots
//!   owns 3 20                         asks a fixed buffer about the block: owns the address 20 bytes after
//!                                     its start, owns its first 20 bytes, is the last
//!   promote                           takes an arena apart and reassembles it
//!   preheat 10                        allocates 10 items of a pool in advance
//!   end
//! ```
//!
//! A pool is used like an allocator whose blocks are items: it ignores lengths and alignments, and refuses to resize.
//! Steps that do not apply to a subject do nothing.
//!
//! Every text in this form keeps the contract of allocators, whatever lines are removed and whatever numbers it has, as
//! long as lengths are not zero and alignments are valid. This makes programs easy to shrink.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use xtask_common::zig::{NEWEST, PORTED};

/// The name of a subject, and the Zig release with the same allocator.
pub(crate) type Subject = (&'static str, &'static str);

pub(crate) const SUBJECTS: &[Subject] = &[
    ("fixed", PORTED),
    ("locked_fixed", PORTED),
    ("arena", PORTED),
    ("locked_arena", PORTED),
    ("arena_over_fixed", PORTED),
    ("arena_over_locked_fixed", PORTED),
    ("arena_over_arena", PORTED),
    ("pool", PORTED),
    ("aligned_pool", PORTED),
    ("preheated_pool", PORTED),
    ("shared_fixed", NEWEST),
    ("shared_arena", NEWEST),
    ("shared_arena_over_shared_fixed", NEWEST),
    ("buffer_first", NEWEST),
    ("safe", NEWEST),
    ("safe_small", NEWEST),
];

/// A step. `nth` is the index of a live block, counted from the newest; its allocation may have failed.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Alloc { len: usize, log2: usize },
    Resize { nth: usize, new_len: usize },
    Remap { nth: usize, new_len: usize },
    Free { nth: usize },
    Reset { mode: usize, limit: usize },
    Owns { nth: usize, reach: usize },
    Promote,
    Preheat { count: usize },
}

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) subject: Subject,
    /// Start and length of the memory, the percentages of failing allocations and successful resizes, and the seed.
    header: (usize, usize, usize, usize, usize),
    pub(crate) steps: Vec<Step>,
}

const SLOTS: usize = 16;

/// The alignment of the memory of both sides.
const AREA_LOG2: usize = 20;

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((name, _), (start, len, fails, grants, seed)) = (self.subject, self.header);
        writeln!(f, "program {name} {start} {len} {fails} {grants} {seed}")?;
        // The slots that are in use if no allocation fails, the newest last.
        let mut live = Vec::new();
        for step in &self.steps {
            let index = |nth: usize| live.len().checked_sub(1 + nth % live.len().max(1));
            let slot = |nth| index(nth).map_or(0, |index| live[index]);
            match *step {
                Step::Alloc { len, log2 } => {
                    let free = (0..SLOTS).find(|slot| !live.contains(slot));
                    writeln!(f, "alloc {} {len} {log2}", free.unwrap_or(0))?;
                    live.extend(free);
                }
                Step::Resize { nth, new_len } => writeln!(f, "resize {} {new_len}", slot(nth))?,
                Step::Remap { nth, new_len } => writeln!(f, "remap {} {new_len}", slot(nth))?,
                Step::Free { nth } => {
                    writeln!(f, "free {}", slot(nth))?;
                    index(nth).map(|index| live.remove(index));
                }
                Step::Reset { mode, limit } => {
                    writeln!(f, "reset {mode} {limit}")?;
                    live.clear();
                }
                Step::Owns { nth, reach } => writeln!(f, "owns {} {reach}", slot(nth))?,
                Step::Promote => writeln!(f, "promote")?,
                Step::Preheat { count } => writeln!(f, "preheat {count}")?,
            }
        }
        writeln!(f, "end")
    }
}

/// Mostly short lengths; sometimes one that exceeds all memory.
fn len() -> impl Strategy<Value = usize> {
    prop_oneof![
        15 => 1..=200_usize,
        3 => 1..=5000_usize,
        1 => (0..15_u32, 1..4_usize).prop_map(|(log2, more)| (1 << log2) + more),
        1 => (0..46_u32).prop_map(|log2| 1 << log2),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly alignments of types. None above that of the whole memory, where the result would depend on the address.
    let log2 = || prop_oneof![28 => 0..5_usize, 8 => 0..9_usize, 3 => 0..17_usize, 1 => 0..=AREA_LOG2];
    // Prefer the last block, on which most operations can succeed.
    let nth = || prop_oneof![Just(0), 0..SLOTS];
    prop_oneof![
        45 => (len(), log2()).prop_map(|(len, log2)| Step::Alloc { len, log2 }),
        15 => (nth(), len()).prop_map(|(nth, new_len)| Step::Resize { nth, new_len }),
        12 => (nth(), len()).prop_map(|(nth, new_len)| Step::Remap { nth, new_len }),
        20 => nth().prop_map(|nth| Step::Free { nth }),
        4 => (nth(), 0..5000_usize).prop_map(|(nth, reach)| Step::Owns { nth, reach }),
        2 => (0..3_usize, 0..20_000_usize).prop_map(|(mode, limit)| Step::Reset { mode, limit }),
        1 => Just(Step::Promote),
        1 => (0..30_usize).prop_map(|count| Step::Preheat { count }),
    ]
}

/// Programs with up to `steps` steps.
pub(crate) fn programs(steps: usize) -> impl Strategy<Value = Program> {
    let buffer = prop_oneof![0..100_usize, 0..2000_usize, 0..20_000_usize];
    let header = (0..64_usize, buffer, select(vec![0, 0, 5, 30]), select(vec![0, 50, 100]), 0..1_usize << 30);
    (select(SUBJECTS), header, vec(step(), 1..=steps.max(1))).prop_map(|(subject, header, steps)| Program {
        subject,
        header,
        steps,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::strategy::ValueTree;

    use super::*;
    use crate::tree;

    #[test]
    fn seed_makes_one_program() {
        let text = |seed, steps| tree(seed, steps).current().to_string();
        assert_eq!(text(7, 40), text(7, 40));
        assert_ne!(text(7, 40), text(8, 40));
        assert_eq!(tree(7, 0).current().steps.len(), 1);
    }

    #[test]
    fn every_subject_and_operation_comes_up() {
        let text: String = (0..500).map(|seed| tree(seed, 60).current().to_string()).collect();
        let first_words = |line: &str| line.split(' ').take(1).collect::<String>();
        let ops: BTreeSet<String> = text.lines().map(first_words).collect();
        let known =
            ["alloc", "end", "free", "owns", "preheat", "program", "promote", "remap", "reset", "resize"];
        assert!(ops.iter().eq(known), "{ops:?}");
        for (name, _) in SUBJECTS {
            assert!(text.contains(&format!("program {name} ")), "{name}");
        }
    }

    #[test]
    fn text_is_what_the_sides_read() {
        let steps = vec![
            Step::Alloc { len: 100, log2: 4 },
            Step::Alloc { len: 7, log2: 0 },
            Step::Free { nth: 1 },
            Step::Owns { nth: 5, reach: 9 },
            Step::Promote,
        ];
        let program = Program { subject: SUBJECTS[0], header: (1, 2, 3, 4, 5), steps };
        let text = "program fixed 1 2 3 4 5\nalloc 0 100 4\nalloc 1 7 0\nfree 0\nowns 1 9\npromote\nend\n";
        assert_eq!(program.to_string(), text);
    }
}
