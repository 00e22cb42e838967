//! The first process of a container: starts the task, hands signals on, and tells exactly how it ended.
//!
//! The arguments are those of the task, the environment and the folder too. The task is a process of its own, so that
//! the kernel treats it like any other and its signals have their usual effect, which they do not have on the first
//! process of a container. When the task ends, everything else in the container ends with it, and only then is the
//! record written, which nobody can therefore follow or forge.

mod signals;
mod tell;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, exit};

use gofer_task_init::{CANNOT_RUN, End, NONCE, NOT_THERE, is_ambiguous};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};
use rustix::process::{WaitOptions, WaitStatus, wait};
use signals::Signals;

fn main() {
    let nonce = std::env::var(NONCE).ok();
    // What is not dumpable has an environment that only the kernel reads: the task must not learn the number. A kernel
    // that refuses leaves nothing better to do than to run the task.
    let _ = nix::sys::prctl::set_dumpable(false);
    let (code, end) = run();
    if let (Some(nonce), Some(end)) = (nonce, end) {
        tell::write(gofer_task_init::record(&nonce, &end).as_bytes());
    }
    exit(code);
}

/// Runs the task to its end: the exit code, and the end if the code does not tell it.
fn run() -> (i32, Option<End>) {
    match start() {
        Ok((task, signals)) => told(&follow(&task, signals)),
        Err((code, why)) => (code, Some(End::CannotStart(why))),
    }
}

fn start() -> Result<(Child, Signals), (i32, String)> {
    let mut argv = std::env::args_os().skip(1);
    let program = argv.next().ok_or_else(|| (CANNOT_RUN, "there is no program to run".to_owned()))?;
    let signals = Signals::catch();
    let mut command = Command::new(&program);
    // A group of its own: `kill 0` in the task does not reach this process, which would take it for a wish from outside.
    command.args(argv).env_remove(NONCE).process_group(0);
    let task = command.spawn().map_err(|error| refused(&program, &error))?;
    Ok((task, signals))
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

/// Waits for the end of the task, and ends all that it leaves behind.
fn follow(task: &Child, mut signals: Signals) -> End {
    let task = task.id().cast_signed();
    signals.block();
    let end = loop {
        if let Some(end) = reap(task, &signals) {
            break end;
        }
        signals.wait(task);
    };
    if getpid().as_raw() == 1 {
        // An error says that there was nobody left.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        while wait(WaitOptions::empty()).is_ok() {}
    }
    end
}

/// Takes note of every process that has ended; answers how the task did, if it is among them.
fn reap(task: i32, signals: &Signals) -> Option<End> {
    let mut end = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid.as_raw_nonzero().get() == task {
            end = ended(status, signals);
        }
    }
    end
}

fn ended(status: WaitStatus, signals: &Signals) -> Option<End> {
    let code = status.exit_status().map(End::Code);
    let signal = || status.terminating_signal();
    code.or_else(|| signal().map(|signal| End::Signal { signal, asked: signals.asked_for(signal) }))
}

/// The exit code for an end, and the end itself if the code leaves it open.
fn told(end: &End) -> (i32, Option<End>) {
    match end {
        End::Code(code) => (*code, is_ambiguous(*code).then(|| end.clone())),
        End::Signal { signal, .. } => (128 + signal, Some(end.clone())),
        End::CannotStart(_) => (CANNOT_RUN, Some(end.clone())),
    }
}
