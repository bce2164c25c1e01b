//! A side of the comparison: a process that reads programs and prints what their steps did.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::Result;

pub(super) struct Side {
    program: PathBuf,
    running: Option<Running>,
}

struct Running {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Side {
    pub(super) fn new(program: PathBuf) -> Side {
        Side { program, running: None }
    }

    /// Runs programs and returns the lines of each: one for each of its steps, and one for its end. If the process
    /// ends before it has answered all, what it said up to then is returned, and it is started anew the next time.
    pub(super) fn ask(&mut self, programs: &str) -> Result<Vec<Vec<String>>> {
        if self.running.is_none() {
            self.running = Some(self.start()?);
        }
        let running = self.running.as_mut().expect("it has been started");
        // The numbers of lines are known, so nothing marks the ends.
        let expected: Vec<usize> = lines_of_each(programs);
        let (input, output) = (&mut running.input, &mut running.output);
        let answers = std::thread::scope(|scope| {
            // At the same time, since both pipes are short. If the process has ended, reading tells.
            scope.spawn(|| input.write_all(programs.as_bytes()).and_then(|()| input.flush()));
            let mut answers = Vec::with_capacity(expected.len());
            for &count in &expected {
                let lines: Vec<String> =
                    output.by_ref().lines().take(count).map_while(|line| line.ok()).collect();
                let whole = lines.len() == count;
                answers.push(lines);
                if !whole {
                    break;
                }
            }
            answers
        });
        let whole =
            answers.len() == expected.len() && answers.last().map(Vec::len) == expected.last().copied();
        if !whole {
            self.stop();
        }
        Ok(answers)
    }

    fn start(&self) -> Result<Running> {
        let mut command = Command::new(&self.program);
        // What it says when it dies is for those who run the program that killed it.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| format!("{}: {error}", self.program.display()))?;
        let input = process.stdin.take().expect("a pipe was asked for");
        let output = BufReader::new(process.stdout.take().expect("a pipe was asked for"));
        Ok(Running { process, input, output })
    }

    fn stop(&mut self) {
        if let Some(Running { mut process, input, output }) = self.running.take() {
            drop((input, output));
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lines_of_each(programs: &str) -> Vec<usize> {
    let mut counts = Vec::new();
    for line in programs.lines() {
        if line.starts_with("program ") {
            counts.push(0);
        } else {
            *counts.last_mut().expect("a program begins with its header") += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted() {
        assert_eq!(lines_of_each("program a 1\nfree 1\nend\nprogram b\nend\n"), [2, 1]);
    }

    /// A program that ends at once gives no answers, again and again.
    #[cfg(unix)]
    #[test]
    fn a_process_that_ends_is_started_anew() {
        let mut side = Side::new("/bin/true".into());
        assert_eq!(side.ask("program a\nend\n").unwrap(), [Vec::<String>::new()]);
        assert_eq!(side.ask("program a\nend\n").unwrap(), [Vec::<String>::new()]);
        // One that answers a line with a line.
        let mut side = Side::new("/bin/cat".into());
        assert_eq!(side.ask("program a\nend\n").unwrap(), [["program a"]]);
        let mut side = Side::new("/no/such/program".into());
        assert!(side.ask("program a\nend\n").unwrap_err().contains("/no/such/program"));
    }
}
