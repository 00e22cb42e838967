//! Versions as they are executed: the configuration with its graph, and each task of it filled in for an attempt.
//!
//! [`Versions`] reads a version once and shares it among all its runs. [`fill()`] makes of a task of the author's what a scheduler
//! is asked to run, with every reference filled in and a digest over all of it. [`Child`] is how a run of another pipeline is
//! asked for in the same words.
//!
//! It chooses no scheduler and starts nothing: who asks says where the task is to run.

mod artefacts;
mod child;
mod digest;
mod fill;
mod repeat;
mod shelf;
mod version;
mod wish;

pub use child::{Child, task_of};
pub use digest::Digest;
pub use fill::{Asked, Target, facts_of, fill};
pub use shelf::Versions;
pub use version::{FanLimits, Version};
pub use wish::{FieldProblem, check_images, check_labels, check_priority, choose, nearest, select_problem};

#[cfg(test)]
mod tests;
