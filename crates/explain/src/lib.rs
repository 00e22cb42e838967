//! Why a run and its tasks are where they are, in sentences.
//!
//! Records and the place in a line go in, sentences for people come out. It asks nobody anything and decides nothing: what it
//! says is what the records say, put so that somebody who was not there understands it. Every state has a sentence; what is
//! under way says what it waits for, and what has ended says why and by whom.

mod run;
mod scene;
mod task;
mod words;

pub use run::explain_run;
pub use scene::{Explanation, Scene, TaskScene};
pub use task::explain_task;

#[cfg(test)]
mod tests;
