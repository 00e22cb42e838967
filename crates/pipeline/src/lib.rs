//! Pipeline files: HCL and JSON to a validated pipeline, with every problem at once and where it stands.
//!
//! ```
//! use gofer_pipeline::{Limits, Source, parse, render};
//!
//! let source = Source::new("pipeline.hcl", "id = \"hello\"\ntask \"greet\" \"alpine\" {\n  comand = [\"echo\"]\n}\n");
//! let parsed = parse(&source, &Limits::default());
//! assert!(parsed.pipeline.is_none());
//! assert!(render(&parsed.problems[0], &source).contains("did you mean `command`?"));
//! ```
//!
//! A file goes through three stages. The *readers* of `gofer-syntax` (HCL and JSON) make one small tree whose nodes
//! know where they stand; the *decoder* knows the language and makes a [`Pipeline`] of it; the *check* looks at the
//! whole: parents, cycles, artefacts. None of them evaluates anything: there are no functions and no loops, and what a
//! text refers to is filled in by [`evaluate`](mod@evaluate) when a run is planned.
//!
//! # The JSON form
//!
//! A file whose name ends in `.json` holds the same tree. Attributes keep their names. A block becomes a key whose
//! value maps its labels to its body; a second label is one more level:
//!
//! ```json
//! {
//!   "id": "build",
//!   "variable": { "rev": { "default": "main" } },
//!   "trigger": { "cron": { "nightly": { "expression": "0 3 * * *" } } },
//!   "task": {
//!     "compile": { "image": "rust:1.95", "command": ["cargo", "build"] },
//!     "test": { "image": "rust:1.95", "depends_on": { "compile": "successful" } }
//!   }
//! }
//! ```
//!
//! Where the order matters between blocks of different kinds, a list of such maps is accepted in place of one map.
//! Texts are templates there too: `"${var.rev}"` refers to a variable, `"$${HOME}"` is the text `${HOME}`.
//!
//! # What this crate must not do
//!
//! It reads no file, no clock and no environment, and it knows no plug-in: the settings of triggers and notifiers are
//! handed on as they are.

mod aliases;
mod check;
mod codes;
mod context;
mod decode;
mod digest;
pub mod evaluate;
mod graph;
mod limits;
mod store_refs;
mod unsupported;
mod variables;

use gofer_types::Pipeline;

pub use gofer_syntax::{
    Code, Diagnostic, Part, Related, Severity, Source, SourceSpan, Spans, Style, Syntax, render, render_parts,
};

pub use codes::CODES;
pub use digest::digest;
pub use evaluate::{EvaluateError, Facts, evaluate};
pub use limits::Limits;
pub use unsupported::{Feature, Supported, Unsupported, unsupported};
pub use variables::{VariableProblem, resolve_values, resolve_variables};

use context::Context;

/// What became of a file.
#[derive(Debug)]
pub struct Parsed {
    /// The pipeline; `None` if there is an error among the problems.
    pub pipeline: Option<Pipeline>,
    /// What is wrong, in the order of the file; at most [`Limits::problems`].
    pub problems: Vec<Diagnostic>,
    /// How many more problems there are than could be told.
    pub omitted: usize,
    /// Where each part of the pipeline stands in the file.
    pub spans: Spans,
}

impl Parsed {
    /// The pipeline, or all that is wrong.
    pub fn into_result(self) -> Result<Pipeline, Vec<Diagnostic>> {
        self.pipeline.ok_or(self.problems)
    }
}

/// Reads one file into a pipeline, with all problems at once.
///
/// It never panics and never recurses deeper than [`Limits::depth`], whatever the text.
#[must_use]
pub fn parse(source: &Source, limits: &Limits) -> Parsed {
    let mut cx = Context::new(source, limits);
    let pipeline = cx.read().and_then(|root| decode::pipeline(&mut cx, &root));
    cx.finish(pipeline)
}
