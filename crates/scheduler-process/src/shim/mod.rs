//! The process between the scheduler and a task, which outlives the server.
//!
//! It is this same program, started anew with a hidden argument: in a session of its own, single-minded and small. It claims
//! the task, starts it, keeps its output and its end on the disk, and ends everything that the task has started. It needs no
//! server: it dies only when it is killed, or when its work is done. It must stay plain: no runtime, no tracing, no reading
//! of configuration.

mod connection;
mod output;
mod run;
mod task;
mod tree;

use std::process::ExitCode;

/// The hidden argument of a shim.
pub(crate) const SHIM: &str = "gofer-task-shim";

/// Does the work of a shim if this program was started as one; then the answer is its exit code, with which the main
/// function must return. To be called at the very beginning of main, before anything else is set up.
#[must_use]
pub fn main_if_shim() -> Option<ExitCode> {
    let word = std::env::args_os().nth(1)?;
    (word.to_str() == Some(SHIM)).then(run::main)
}
