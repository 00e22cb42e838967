//! The task as a process, from its start to the end of everything that it left behind.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use gofer_task_init::{CANNOT_RUN, End, NOT_THERE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};
use rustix::event::{Timespec, poll};
use rustix::process::{WaitOptions, WaitStatus, wait};

use crate::signals::{Signals, Word};
use crate::stream::Streams;

/// How often it is looked whether everything has ended, and how long between two looks: two seconds at the most, and as
/// often as there may be processes besides.
const LOOKS: u32 = 2000;
const LOOK_AGAIN: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// A task that runs.
pub(crate) struct Running {
    task: i32,
    pub(crate) signals: Option<Signals>,
    pub(crate) streams: Streams,
}

/// Starts the task of the arguments; else the exit code, and why not.
pub(crate) fn start() -> Result<Running, (i32, String)> {
    let mut argv = std::env::args_os().skip(1);
    let program = argv.next().ok_or_else(|| (CANNOT_RUN, "there is no program to run".to_owned()))?;
    let mut signals = Signals::catch();
    let mut command = Command::new(&program);
    command.args(argv).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: `kill 0` in the task does not reach this process, which would take it for a wish from outside.
    command.process_group(0);
    let mut task = command.spawn().map_err(|error| refused(&program, &error))?;
    let streams = Streams::of(task.stdout.take(), task.stderr.take());
    let pid = task.id().cast_signed();
    signals.block();
    Ok(Running { task: pid, signals: Some(signals), streams })
}

fn refused(program: &OsString, error: &io::Error) -> (i32, String) {
    let code = if error.kind() == io::ErrorKind::NotFound { NOT_THERE } else { CANNOT_RUN };
    (code, format!("cannot run `{}`: {}", program.display(), words(error)))
}

/// What the operating system says, in its own words and in lower case, without the number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

impl Running {
    /// Hands on signals and output until the task ends, and then ends all that it left behind.
    pub(crate) fn follow(&mut self) -> End {
        let end = loop {
            let words = self.signals.as_mut().map(|signals| signals.heard(self.task)).unwrap_or_default();
            if words.contains(&Word::KillAll) {
                kill_all(self.task);
            }
            if let Some(end) = self.reap() {
                break end;
            }
            self.streams.turn(self.signals.as_ref());
        };
        if is_first() {
            kill_all(self.task);
            reap_the_rest();
        }
        end
    }

    /// Takes note of every process that has ended; answers how the task did, if it is among them.
    fn reap(&self) -> Option<End> {
        let mut end = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid.as_raw_nonzero().get() == self.task {
                end = self.ended(status);
            }
        }
        end
    }

    fn ended(&self, status: WaitStatus) -> Option<End> {
        let code = status.exit_status().map(End::Code);
        let asked = |signal| self.signals.as_ref().is_some_and(|signals| signals.asked_for(signal));
        let signal = || status.terminating_signal();
        code.or_else(|| signal().map(|signal| End::Signal { signal, asked: asked(signal) }))
    }
}

/// Waits until everything else has ended, but not for long: what this process has no right to kill ends with it.
fn reap_the_rest() {
    for _ in 0..LOOKS {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            // Nothing is polled for but time: what ends tells by a signal that may have been told already.
            Ok(None) => drop(poll(&mut [], Some(&LOOK_AGAIN))),
            Err(_) => return,
        }
    }
}

fn is_first() -> bool {
    getpid().as_raw() == 1
}

/// Kills every other process of the container; outside of one, where these are everybody's, the task alone.
fn kill_all(task: i32) {
    let whom = if is_first() { -1 } else { task };
    // An error says that there was nobody left.
    let _ = kill(Pid::from_raw(whom), Signal::SIGKILL);
}
