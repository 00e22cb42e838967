//! The pure heart: what follows from what happened to a run.
//!
//! No clock, no I/O, no randomness: facts go in, decisions come out, and the same facts give the same end in whatever
//! order independent ones arrive. It must not know storage, schedulers or time; deadlines reach it as facts.

mod facts;
mod machine;
mod plan;
mod restore;
pub(crate) use facts::{Decision, Fact};
pub(crate) use machine::RunMachine;
pub(crate) use plan::Plan;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
