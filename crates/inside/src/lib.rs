//! What tasks can be beside what a scheduler runs: an approval, a run of another pipeline, and the reading of the lists that a
//! late matrix takes its values from.
//!
//! All speak the language of a [`Scheduler`](gofer_scheduler::Scheduler), so that whoever follows attempts follows these as any
//! other: one start per id, a wait for the end, a stop. None keeps anything that a restart would lose: an approval ends when
//! its answer is recorded, which is not its own affair, a run of another pipeline is found again by the id of its attempt, and a
//! list is read again.

mod approvals;
mod children;
mod lists;
mod values;

pub use approvals::{APPROVALS, Approvals};
pub use children::{Children, PIPELINES, Pipelines};
pub use lists::{LISTS, ListSource, Lists};

#[cfg(test)]
mod tests;
