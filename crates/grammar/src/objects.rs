//! The grammar of objects.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

use crate::Paging;

/// Objects: bytes under a key, of a pipeline or of a run.
#[derive(Debug, Subcommand)]
pub enum Object {
    /// List objects, by key
    #[command(visible_alias = "ls")]
    List(ObjectList),
    /// Fetch an object into a file, or to standard output
    Get(ObjectGet),
    /// Put a file, or standard input, under a key
    Put(ObjectPut),
    /// Delete an object
    #[command(visible_alias = "rm")]
    Delete(ObjectPlace),
    /// Copy an object to another key, pipeline or run
    Cp(ObjectCopy),
    /// Show what an object is, without its bytes
    Stat(ObjectPlace),
    /// Show how much the objects of the namespace take
    Usage,
}

/// What objects belong to, as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectScope {
    /// A pipeline.
    Pipeline(String),
    /// A run.
    Run(String),
}

/// Why a word is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoScope;

impl std::error::Error for NoScope {}

impl fmt::Display for NoScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scope is pipeline=PIPELINE or run=RUN")
    }
}

impl fmt::Display for ObjectScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pipeline(address) => write!(f, "pipeline={address}"),
            Self::Run(address) => write!(f, "run={address}"),
        }
    }
}

impl FromStr for ObjectScope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        match text.split_once('=') {
            Some(("pipeline", address)) if !address.is_empty() => Ok(Self::Pipeline(address.to_owned())),
            Some(("run", address)) if !address.is_empty() => Ok(Self::Run(address.to_owned())),
            _ => Err(NoScope),
        }
    }
}

/// Where objects are.
#[derive(Debug, Args)]
pub struct Of {
    /// Of what: pipeline=PIPELINE or run=RUN
    #[arg(long, value_name = "SCOPE")]
    pub scope: ObjectScope,
}

/// Where one object is.
#[derive(Debug, Args)]
pub struct ObjectPlace {
    /// Its key, such as out/report.html
    pub key: String,
    /// Of what.
    #[command(flatten)]
    pub of: Of,
}

/// What `object list` accepts.
#[derive(Debug, Args)]
pub struct ObjectList {
    /// Only below this key: `out` shows `out/report.html`
    #[arg(value_name = "KEY")]
    pub below: Option<String>,
    /// Of what.
    #[command(flatten)]
    pub of: Of,
    /// Which part of the list.
    #[command(flatten)]
    pub paging: Paging,
}

/// What `object get` accepts.
#[derive(Debug, Args)]
pub struct ObjectGet {
    /// Which.
    #[command(flatten)]
    pub place: ObjectPlace,
    /// Where to write it: a file, a directory, or - for standard output [default: the last part of the key, here]
    pub file: Option<PathBuf>,
    /// Replace the file if there is one
    #[arg(long)]
    pub force: bool,
}

/// What `object put` accepts.
#[derive(Debug, Args)]
pub struct ObjectPut {
    /// What to put: a file, or - for standard input
    pub file: PathBuf,
    /// Under which key [default: the name of the file]
    #[arg(required_if_eq("file", "-"))]
    pub key: Option<String>,
    /// Of what.
    #[command(flatten)]
    pub of: Of,
    /// Replace what is under the key
    #[arg(long)]
    pub force: bool,
    /// What the bytes are, such as text/html
    #[arg(long, value_name = "TYPE", default_value = "", hide_default_value = true)]
    pub content_type: String,
}

/// What `object cp` accepts.
#[derive(Debug, Args)]
pub struct ObjectCopy {
    /// Which.
    #[command(flatten)]
    pub place: ObjectPlace,
    /// Under which key [default: the same]
    #[arg(required_unless_present = "to_scope")]
    pub to: Option<String>,
    /// To what: pipeline=PIPELINE or run=RUN [default: where it is]
    #[arg(long, value_name = "SCOPE")]
    pub to_scope: Option<ObjectScope>,
    /// Replace what is under the key
    #[arg(long)]
    pub force: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_pipeline_or_a_run_and_nothing_else() {
        assert_eq!("pipeline=a::b".parse(), Ok(ObjectScope::Pipeline("a::b".to_owned())));
        assert_eq!("run=-".parse(), Ok(ObjectScope::Run("-".to_owned())));
        for wrong in ["", "run", "run=", "pipelines=a", "hello", "Run=a/1", "=a"] {
            assert_eq!(wrong.parse::<ObjectScope>(), Err(NoScope), "{wrong}");
        }
    }
}
