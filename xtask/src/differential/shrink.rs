//! Makes a program that shows a difference as short as it goes.

use super::program::Program;

/// A program as `program`, but smaller, that `fails` too. `fails` is true for `program`.
///
/// First steps are left out, many at a time, then fewer; then each number is brought as close to its least value as
/// it goes; then numbers are lowered together, two by two, since a buffer and what fills it depend on each other. And
/// again, until nothing more can be done.
pub(super) fn shrink(mut program: Program, mut fails: impl FnMut(&Program) -> bool) -> Program {
    loop {
        let before = program.clone();
        leave_out_steps(&mut program, &mut fails);
        let count = (0..).take_while(|&index| program.number(index).is_some()).count();
        (0..count).for_each(|index| lower(&mut program, &[index], &mut fails));
        for first in 0..count {
            (first + 1..count).for_each(|second| lower(&mut program, &[first, second], &mut fails));
        }
        if program == before {
            return program;
        }
    }
}

fn leave_out_steps(program: &mut Program, fails: &mut impl FnMut(&Program) -> bool) {
    let mut count = program.steps.len();
    while count > 0 {
        let mut start = 0;
        while start < program.steps.len() {
            let mut shorter = program.clone();
            shorter.steps.drain(start..(start + count).min(program.steps.len()));
            if fails(&shorter) {
                *program = shorter;
            } else {
                start += count;
            }
        }
        count /= 2;
    }
}

/// Lowers the numbers of these indices by the same distance, as far as it goes.
fn lower(program: &mut Program, indices: &[usize], fails: &mut impl FnMut(&Program) -> bool) {
    let room = |program: &mut Program| {
        let rooms =
            indices.iter().filter_map(|&index| program.number(index).map(|(number, least)| *number - least));
        rooms.min().unwrap_or(0)
    };
    // At first all that is too much is taken away, then half of it, and so on.
    let mut distance = room(program);
    while distance > 0 {
        if room(program) >= distance {
            let mut lower = program.clone();
            for &index in indices {
                if let Some((number, _)) = lower.number(index) {
                    *number -= distance;
                }
            }
            if fails(&lower) {
                *program = lower;
                continue;
            }
        }
        distance /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::super::program::Op;
    use super::*;

    #[test]
    fn only_what_is_needed_stays() {
        let program = Program::random(11, 200);
        // Fails with two frees, and an allocation of 50 bytes or more somewhere before the last of them.
        let fails = |program: &Program| {
            let frees = program.steps.iter().filter(|step| step.op == Op::Free).count();
            let last = program.steps.iter().rposition(|step| step.op == Op::Free).unwrap_or(0);
            let ops: Vec<Op> = program.steps.iter().map(|step| step.op).collect();
            let long = (0..last).any(|index| ops[index] == Op::Alloc && program.numbers(index)[1] >= 50);
            frees >= 2 && long
        };
        assert!(fails(&program), "{program}");
        let small = shrink(program, fails);
        assert_eq!(small.steps.len(), 3, "{small}");
        let text = small.to_string();
        assert!(text.contains(" 0 0 0 0 0\n") && text.contains("alloc 0 50 0\n"), "{text}");
    }

    /// A sum that must be what it is: lowering one number of it alone never helps.
    #[test]
    fn numbers_that_depend_on_each_other_are_lowered_together() {
        let program = Program::random(11, 40);
        let difference = |program: &Program| {
            let mut program = program.clone();
            let [first, second] = [1, 4].map(|index| *program.number(index).expect("in the header").0);
            first.wrapping_sub(second)
        };
        let expected = difference(&program);
        let mut small = shrink(program, |program| difference(program) == expected);
        let lowest = [1, 4].map(|index| *small.number(index).expect("in the header").0).into_iter().min();
        assert_eq!((lowest, small.steps.len()), (Some(0), 0), "{small}");
    }

    #[test]
    fn what_needs_everything_stays_as_it_is() {
        let program = Program::random(3, 20);
        assert_eq!(shrink(program.clone(), |other| *other == program), program);
    }
}
