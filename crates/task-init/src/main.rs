//! The first process of a container: starts the task, hands signals and output on, and tells exactly how it ended.
//!
//! The arguments are those of the task, the environment and the folder too. The task is a process of its own, so that
//! the kernel treats it like any other and its signals have their usual effect, which they do not have on the first
//! process of a container. When the task ends, everything else in the container ends with it, all that was written is
//! handed on, and only then does the last line follow.

mod signals;
mod stream;
mod task;

use std::process::exit;

use gofer_task_init::{CANNOT_RUN, End};

fn main() {
    // The files of what is not dumpable are the kernel's alone: no task opens our output by way of /proc. A kernel that
    // refuses leaves nothing better to do than to run the task.
    let _ = nix::sys::prctl::set_dumpable(false);
    let (code, end, mut streams, signals) = match task::start() {
        Ok(mut running) => {
            let end = running.follow();
            (code(&end), end, running.streams, running.signals)
        }
        Err((code, why)) => (code, End::CannotStart(why), stream::Streams::none(), None),
    };
    streams.finish(&end, signals);
    exit(code);
}

/// The exit code for an end.
fn code(end: &End) -> i32 {
    match end {
        End::Code(code) => *code,
        End::Signal { signal, .. } => 128 + signal,
        End::CannotStart(_) => CANNOT_RUN,
    }
}
