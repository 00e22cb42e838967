//! The state machine of a run: what follows from what happened to it.
//!
//! The engine tells it facts and carries out what it decides; the vocabulary between the two is [`Fact`] and [`Decision`].
//! No clock, no I/O, no randomness: facts go in, decisions come out, and the same facts give the same end in whatever
//! order independent ones arrive. It must not know storage, schedulers or time; deadlines reach it as facts.

mod facts;
mod machine;
mod meter;
mod plan;
mod restore;
pub use facts::{Decision, Fact};
pub use machine::RunMachine;
pub use meter::Meter;
pub use plan::{Plan, PlanTask};
pub use restore::RestoreError;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
