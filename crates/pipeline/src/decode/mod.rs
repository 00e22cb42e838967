//! The language: from the tree to a pipeline.
//!
//! Every part is looked at even if another is wrong, so that all problems are told at once; a part that is wrong is
//! left out of what is returned, and nothing is returned where an error was found.

mod fields;
mod plugin;
mod root;
mod task;
mod task_parts;
mod text;
mod value;
mod variable;

pub(crate) use root::pipeline;
pub(crate) use task::Draft;

/// The labelled blocks of a pipeline.
pub(crate) const BLOCKS: [&str; 4] = ["variable", "trigger", "notify", "task"];

/// How many labels each of them has in JSON.
pub(crate) const LABELS: [usize; 4] = [1, 2, 2, 1];
