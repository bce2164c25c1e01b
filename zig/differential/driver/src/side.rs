//! A side of the comparison: a process that reads programs and prints the results of their steps.

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

    /// Runs programs and returns the lines of each: one for each of its steps, and one for its end. If the process ends
    /// early, returns the lines up to then, and restarts the process on the next call.
    pub(crate) fn ask(&mut self, programs: &str) -> Result<Vec<Vec<String>>> {
        if self.running.is_none() {
            self.running = Some(self.start()?);
        }
        let running = self.running.as_mut().expect("the process was started");
        let (input, output) = (&mut running.input, &mut running.output);
        let mut whole = true;
        let answers = std::thread::scope(|scope| {
            // Write and read concurrently, since the pipes have limited capacity. If the process has ended, reading
            // detects it.
            scope.spawn(|| input.write_all(programs.as_bytes()).and_then(|()| input.flush()));
            let mut answers = Vec::new();
            // The number of lines is known, so no end marker is needed.
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
        // Discard its error messages. To see them, run the failing program directly.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| format!("{}: {error}", self.program.display()))?;
        let input = process.stdin.take().expect("a piped stream");
        let output = BufReader::new(process.stdout.take().expect("a piped stream"));
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
        // A process that answers each line with a line.
        let mut side = Side::new("/bin/cat".into());
        assert_eq!(side.ask("program a\nend\n").unwrap(), [["program a"]]);
        let mut side = Side::new("/no/such/program".into());
        assert!(side.ask("program a\nend\n").unwrap_err().contains("/no/such/program"));
    }
}
