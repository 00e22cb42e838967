//! What readers of a run are told: how far they have seen it, and the output of its tasks as it grows.
//!
//! [`Seen`] holds what a watcher has seen of a run, so that nobody sees a state go backwards. [`follow`] reads the output of a
//! task until it is complete, and [`tail_seq`] finds where the last entries of it begin. [`about()`] says which part of the
//! world an event tells of.
//!
//! It reads what it is handed and waits for what it is told to wait for. It does not know who keeps runs, and starts nothing.

mod about;
mod output;
mod seen;

pub use about::about;
pub use output::{follow, tail_seq};
pub use seen::Seen;

#[cfg(test)]
mod tests;
