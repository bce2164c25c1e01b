//! The programs that both sides run: what they are, how they are written, and how they are made up.
//!
//! A program is text. Its header names the subject and numbers its memory; each line after it is a step:
//!
//! ```text
//!   program arena 8 5000 30 50 77     memory begins at 8, a buffer has 5000 bytes; of a hundred allocations
//!                                     30 fail in the child, of a hundred resizes 50 are granted; 77 is the
//!                                     seed that says which
//!   alloc 3 100 4                     into slot 3, 100 bytes, aligned to 2^4; nothing if the slot is in use
//!   resize 3 200                      the block of slot 3, to 200 bytes; nothing if the slot is empty
//!   remap 3 50                        the same
//!   free 3
//!   reset 2 1000                      0 frees all, 1 retains the capacity, 2 at most 1000 bytes; empties all slots
//!   owns 3 20                         what a fixed buffer says about the block: owns the address 20 bytes behind
//!                                     its begin, owns its first 20 bytes, is the last
//!   promote                           an arena is taken apart and put together
//!   preheat 10                        a pool gets memory for 10 items
//!   end
//! ```
//!
//! A pool is driven like an allocator whose blocks are items: lengths and alignments mean nothing to it, and it refuses
//! to resize. What means nothing to a subject does nothing.
//!
//! Every text of this form is a program that keeps the contract of allocators, whatever is left out of it and
//! whatever numbers are in it, as long as lengths are not zero and alignments exist: that is what makes programs
//! easy to shrink.

use std::fmt;

use crate::zig;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) name: &'static str,
    /// Zig's release with an allocator that is the same.
    pub(super) release: &'static str,
}

pub(super) const SUBJECTS: &[Subject] = &[
    Subject { name: "fixed", release: zig::PORTED },
    Subject { name: "locked_fixed", release: zig::PORTED },
    Subject { name: "arena", release: zig::PORTED },
    Subject { name: "locked_arena", release: zig::PORTED },
    Subject { name: "arena_over_fixed", release: zig::PORTED },
    Subject { name: "arena_over_locked_fixed", release: zig::PORTED },
    Subject { name: "arena_over_arena", release: zig::PORTED },
    Subject { name: "pool", release: zig::PORTED },
    Subject { name: "aligned_pool", release: zig::PORTED },
    Subject { name: "preheated_pool", release: zig::PORTED },
    Subject { name: "shared_fixed", release: zig::NEWEST },
    Subject { name: "shared_arena", release: zig::NEWEST },
    Subject { name: "shared_arena_over_shared_fixed", release: zig::NEWEST },
    Subject { name: "buffer_first", release: zig::NEWEST },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Alloc,
    Resize,
    Remap,
    Free,
    Reset,
    Owns,
    Promote,
    Preheat,
}

impl Op {
    fn name(self) -> &'static str {
        match self {
            Op::Alloc => "alloc",
            Op::Resize => "resize",
            Op::Remap => "remap",
            Op::Free => "free",
            Op::Reset => "reset",
            Op::Owns => "owns",
            Op::Promote => "promote",
            Op::Preheat => "preheat",
        }
    }

    /// The least value of each number of the step.
    fn least(self) -> &'static [usize] {
        match self {
            Op::Alloc => &[0, 1, 0],
            Op::Resize | Op::Remap => &[0, 1],
            Op::Reset | Op::Owns => &[0, 0],
            Op::Free | Op::Preheat => &[0],
            Op::Promote => &[],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) op: Op,
    /// As many as the operation has.
    numbers: [usize; 3],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) subject: Subject,
    /// Begin and length of the memory, what fails and what is granted in a hundred, and the seed of that.
    header: [usize; 5],
    pub(super) steps: Vec<Step>,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "program {}", self.subject.name)?;
        self.header.iter().try_for_each(|number| write!(f, " {number}"))?;
        writeln!(f)?;
        for step in &self.steps {
            write!(f, "{}", step.op.name())?;
            let numbers = step.op.least().iter().zip(step.numbers);
            numbers.into_iter().try_for_each(|(_, number)| write!(f, " {number}"))?;
            writeln!(f)?;
        }
        writeln!(f, "end")
    }
}

const SLOTS: usize = 16;

/// The alignment of the memory of both sides.
const AREA_LOG2: usize = 20;

impl Program {
    /// The program of a seed, with up to `steps` steps.
    pub(super) fn random(seed: u64, steps: usize) -> Program {
        let mut random = Random(seed);
        let subject = SUBJECTS[random.below(SUBJECTS.len())];
        let len = [100, 2000, 20_000][random.below(3)];
        let header = [
            random.below(64),
            random.below(len),
            [0, 0, 5, 30][random.below(4)],
            [0, 50, 100][random.below(3)],
            random.below(1 << 30),
        ];
        let steps = (0..=random.below(steps.max(1))).scan(Vec::new(), |live, _| Some(random.step(live)));
        Program { subject, header, steps: steps.collect() }
    }

    #[cfg(test)]
    pub(super) fn numbers(&self, step: usize) -> [usize; 3] {
        self.steps[step].numbers
    }

    /// Every number that can be made smaller, with its least value, one after the other.
    pub(super) fn number(&mut self, index: usize) -> Option<(&mut usize, usize)> {
        let header = self.header.iter_mut().map(|number| (number, 0));
        let steps = self.steps.iter_mut().flat_map(|step| {
            let least = step.op.least().iter().copied();
            step.numbers.iter_mut().zip(least)
        });
        header.chain(steps).nth(index)
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// Mostly short; sometimes longer than all memory.
    fn len(&mut self) -> usize {
        match self.below(20) {
            0 => 1 << self.below(46),
            1 => (1 << self.below(15)) + self.below(3) + 1,
            2..5 => 1 + self.below(5000),
            _ => 1 + self.below(200),
        }
    }

    /// Mostly that of some type. None above that of all memory: what comes of it depends on the address.
    fn log2(&mut self) -> usize {
        match self.below(40) {
            0 => self.below(AREA_LOG2 + 1),
            1..4 => self.below(17),
            4..12 => self.below(9),
            _ => self.below(5),
        }
    }

    /// The next step; `live` are the slots that are in use if nothing fails, the newest last.
    fn step(&mut self, live: &mut Vec<usize>) -> Step {
        let chance = self.below(100);
        // The last block is the one that most can be done with.
        let recent = live.len() - (live.len() / 2).min(self.below(1 + live.len() / 2));
        let index = if self.below(2) == 0 { recent.saturating_sub(1) } else { self.below(live.len().max(1)) };
        let (op, numbers) = match (chance, live.get(index).copied()) {
            (96.., _) if self.below(2) == 0 => {
                live.clear();
                (Op::Reset, [self.below(3), self.below(20_000), 0])
            }
            (96.., _) if self.below(2) == 0 => (Op::Promote, [0; 3]),
            (96.., _) => (Op::Preheat, [self.below(30), 0, 0]),
            (0..45, _) | (_, None) => {
                let slot = self.below(SLOTS);
                if !live.contains(&slot) {
                    live.push(slot);
                }
                (Op::Alloc, [slot, self.len(), self.log2()])
            }
            (45..60, Some(slot)) => (Op::Resize, [slot, self.len(), 0]),
            (60..72, Some(slot)) => (Op::Remap, [slot, self.len(), 0]),
            (72..92, Some(slot)) => {
                live.remove(index);
                (Op::Free, [slot, 0, 0])
            }
            (92..96, Some(slot)) => (Op::Owns, [slot, self.below(5000), 0]),
        };
        Step { op, numbers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_program() {
        let program = Program::random(7, 40);
        assert_eq!(program, Program::random(7, 40));
        assert_ne!(program, Program::random(8, 40));
        assert!((1..=40).contains(&program.steps.len()));
        assert_eq!(Program::random(7, 0).steps.len(), 1);
    }

    #[test]
    fn programs_are_in_their_bounds() {
        for seed in 0..2000 {
            let mut program = Program::random(seed, 60);
            for index in 0.. {
                let Some((number, least)) = program.number(index) else { break };
                assert!(*number >= least, "{program}");
            }
            for step in &program.steps {
                let has_slot = !matches!(step.op, Op::Reset | Op::Promote | Op::Preheat);
                assert!(!has_slot || step.numbers[0] < SLOTS, "{program}");
                assert!(step.op != Op::Alloc || step.numbers[2] <= AREA_LOG2, "{program}");
            }
        }
    }

    #[test]
    fn every_subject_and_operation_comes_up() {
        let programs: Vec<Program> = (0..500).map(|seed| Program::random(seed, 60)).collect();
        for subject in SUBJECTS {
            assert!(programs.iter().any(|program| program.subject == *subject), "{}", subject.name);
        }
        for op in [Op::Alloc, Op::Resize, Op::Remap, Op::Free, Op::Reset, Op::Owns, Op::Promote, Op::Preheat]
        {
            assert!(programs.iter().any(|program| program.steps.iter().any(|step| step.op == op)), "{op:?}");
        }
    }

    #[test]
    fn the_text_is_what_the_sides_read() {
        let steps = vec![
            Step { op: Op::Alloc, numbers: [3, 100, 4] },
            Step { op: Op::Free, numbers: [3, 0, 0] },
            Step { op: Op::Promote, numbers: [0; 3] },
        ];
        let mut program = Program { subject: SUBJECTS[0], header: [1, 2, 3, 4, 5], steps };
        assert_eq!(program.to_string(), "program fixed 1 2 3 4 5\nalloc 3 100 4\nfree 3\npromote\nend\n");
        assert_eq!(program.number(6), Some((&mut 100, 1)));
        assert_eq!(program.number(9), None);
    }
}
