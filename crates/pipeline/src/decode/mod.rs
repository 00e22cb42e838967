//! The language: from the tree to a pipeline.
//!
//! Every part is looked at even if another is wrong, so that all problems are told at once; a part that is wrong is
//! left out of what is returned, and nothing is returned where an error was found.

mod fields;
mod gate;
mod plugin;
mod root;
mod task;
mod task_parts;
mod text;
mod value;
mod variable;

pub(crate) use root::pipeline;
pub(crate) use task::Draft;

/// The labelled blocks of a pipeline, each with how many labels it has in JSON.
pub(crate) const BLOCKS: [(&str, usize); 4] = [("variable", 1), ("trigger", 2), ("notify", 2), ("task", 1)];
