//! Makes a program that shows a difference as short as it goes.

use super::program::Program;

/// A program as `program`, but smaller, that `fails` too. `fails` is true for `program`.
///
/// First steps are left out, many at a time, then fewer; then each number is brought as close to its least value as
/// it goes; and again, until nothing more can be done.
pub(super) fn shrink(mut program: Program, mut fails: impl FnMut(&Program) -> bool) -> Program {
    loop {
        let before = program.clone();
        leave_out_steps(&mut program, &mut fails);
        lower_numbers(&mut program, &mut fails);
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

fn lower_numbers(program: &mut Program, fails: &mut impl FnMut(&Program) -> bool) {
    for index in 0.. {
        let Some((number, least)) = program.number(index) else { return };
        // At first all that is too much is taken away, then half of it, and so on.
        let mut distance = *number - least;
        while distance > 0 {
            let mut lower = program.clone();
            let (number, least) = lower.number(index).expect("the same numbers as before");
            if *number - least >= distance {
                *number -= distance;
                if fails(&lower) {
                    *program = lower;
                    continue;
                }
            }
            distance /= 2;
        }
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

    #[test]
    fn what_needs_everything_stays_as_it_is() {
        let program = Program::random(3, 20);
        assert_eq!(shrink(program.clone(), |other| *other == program), program);
    }
}
