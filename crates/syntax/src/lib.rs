//! The form of pipeline files: HCL and JSON to one tree whose nodes know where they stand, and problems as people read
//! them.
//!
//! ```
//! use gofer_syntax::{ReadLimits, Reading, Source, read, render};
//!
//! let source = Source::new("pipeline.hcl", "id = \"hello");
//! let mut reading = Reading::new(&source, ReadLimits::default());
//! assert!(read(&mut reading, &[]).is_none());
//! let (problems, _) = reading.finish();
//! assert!(render(&problems[0], &source).contains("a text is opened here and never closed"));
//! ```
//!
//! A [`Reading`] is one file on its way to the tree: its text, its bounds, and what is wrong with it. The readers fill
//! it, and so does whoever makes something of the [`tree`]: all problems of a file are told at once, in its order.
//!
//! # What this crate must not do
//!
//! It does not know what a task is. Which blocks there are it is told; which attributes, and what they mean, is the
//! business of `gofer-pipeline`. It reads no file, no clock and no environment.

pub mod codes;
mod diagnostic;
mod limits;
mod read;
mod reading;
mod render;
mod source;
mod spans;
pub mod suggest;
pub mod tree;

pub use codes::Code;
pub use diagnostic::{Diagnostic, Related, Severity, printable, show};
pub use limits::ReadLimits;
pub use read::{Blocks, read};
pub use reading::Reading;
pub use render::{Part, Style, render, render_parts};
pub use source::{Source, SourceSpan, Syntax};
pub use spans::Spans;
