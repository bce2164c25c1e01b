//! A side of the comparison: a process that reads programs and prints what their steps did.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use xtask_common::Result;

pub(crate) struct Side {
    program: PathBuf,
    running: Option<Running>,
}

struct Running {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Side {
    pub(crate) fn new(program: PathBuf) -> Side {
        Side { program, running: None }
    }

    /// Runs programs and returns the lines of each: one for each of its steps, and one for its end. If the process
    /// ends early, returns what it said up to then, and starts it again the next time.
    pub(crate) fn ask(&mut self, programs: &str) -> Result<Vec<Vec<String>>> {
        if self.running.is_none() {
            self.running = Some(self.start()?);
        }
        let running = self.running.as_mut().expect("it has been started");
        let (input, output) = (&mut running.input, &mut running.output);
        let mut whole = true;
        let answers = std::thread::scope(|scope| {
            // At the same time, since both pipes are short. If the process has ended, reading tells.
            scope.spawn(|| input.write_all(programs.as_bytes()).and_then(|()| input.flush()));
            let mut answers = Vec::new();
            // The number of lines is known, so nothing marks the ends.
            for program in programs.split_inclusive("end\n") {
                let count = program.lines().count() - 1;
                let lines: Vec<String> =
                    output.by_ref().lines().take(count).map_while(|line| line.ok()).collect();
                whole = lines.len() == count;
                answers.push(lines);
                if !whole {
                    break;
                }
            }
            answers
        });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn process_that_ends_is_started_again() {
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
