//! The state machine of a run: what follows from what happened to it.
//!
//! The engine tells it facts and carries out what it decides; the vocabulary between the two is [`Fact`] and [`Decision`].
//! No clock, no I/O, no randomness: facts go in, decisions come out, and the same facts give the same end in whatever
//! order independent ones arrive. It must not know storage, schedulers or time; deadlines reach it as facts.

mod ending;
mod facts;
mod growing;
mod machine;
mod plan;
mod restore;
mod retry;
mod select;
pub use facts::{Decision, Fact};
pub use machine::RunMachine;
pub use plan::{Group, Plan, PlanTask};
pub use restore::RestoreError;
pub use retry::RetryRule;
pub use select::{SelectError, Selection};

#[cfg(test)]
mod tests;
