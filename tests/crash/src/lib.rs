//! The crash suite: the built server is killed, stopped and starved at bad times, and nothing that it promised is broken.
//!
//! The judges stand outside of the server: files that the tasks append to, what clients were answered, what tasks printed
//! into files of their own, and the processes of this host. The server is asked too, and must say the same.
//!
//! - [`scenario`]: what there is to run, each with its promise; `scenarios` holds one module for each.
//! - [`tally`]: what was counted, and what was violated. A scenario with too little traffic or too few faults fails.
//! - [`load`]: clients that start runs through every crash, and remember what they were answered.
//! - [`judge`]: what must hold of runs, logs, explanations, objects and processes afterwards.
//! - [`strace`]: faults at exact system calls of the unmodified binary.
//! - [`table`]: what is printed at the end.
#![expect(clippy::expect_used, reason = "a scenario that cannot go on is violated, and says why")]

pub mod judge;
pub mod load;
pub mod scenario;
mod scenarios;
pub mod strace;
pub mod table;
pub mod tally;
mod task;
mod time;

pub use scenario::{Outcome, Plan, Scenario};
pub use tally::Tally;
