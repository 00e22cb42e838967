//! Addresses: how people and programs point at a pipeline, a run or a task run.
//!
//! The text form is `[NAMESPACE::]PIPELINE[@VERSION][/RUN[/TASK[#ATTEMPT]]]`. `RUN` is a number, `latest`,
//! `latest-failed`, or `-` for the last run that this terminal touched.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{NameError, Namespace, PipelineId, TaskId};

/// The number of a run in its pipeline, from 1, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunNumber(pub u64);

/// The number of a version of a pipeline, from 1, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionNumber(pub u64);

impl fmt::Display for RunNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// One pipeline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PipelineRef {
    /// The namespace it lives in.
    pub namespace: Namespace,
    /// Its id there.
    pub pipeline: PipelineId,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunRef {
    /// The pipeline that it is a run of.
    pub pipeline: PipelineRef,
    /// Its number there.
    pub run: RunNumber,
}

/// One task run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskRef {
    /// The run that it belongs to.
    pub run: RunRef,
    /// The task.
    pub task: TaskId,
}

impl RunRef {
    /// The task run of `task` in this run.
    #[must_use]
    pub fn task(&self, task: TaskId) -> TaskRef {
        TaskRef { run: self.clone(), task }
    }
}

impl PipelineRef {
    /// The run of this pipeline with that number.
    #[must_use]
    pub fn run(&self, run: RunNumber) -> RunRef {
        RunRef { pipeline: self.clone(), run }
    }
}

impl fmt::Display for PipelineRef {
    /// The namespace is left out where it is the default one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace == Namespace::default_name() {
            write!(f, "{}", self.pipeline)
        } else {
            write!(f, "{}::{}", self.namespace, self.pipeline)
        }
    }
}

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pipeline, self.run)
    }
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.task)
    }
}

/// What objects belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectScope {
    /// A pipeline: a ring of objects.
    Pipeline(PipelineRef),
    /// A run: objects that go with its age.
    Run(RunRef),
}

impl ObjectScope {
    /// The pipeline, or that of the run.
    #[must_use]
    pub const fn pipeline(&self) -> &PipelineRef {
        match self {
            Self::Pipeline(pipeline) => pipeline,
            Self::Run(run) => &run.pipeline,
        }
    }

    /// The run, if it is one.
    #[must_use]
    pub const fn run(&self) -> Option<&RunRef> {
        match self {
            Self::Pipeline(_) => None,
            Self::Run(run) => Some(run),
        }
    }

    /// The namespace.
    #[must_use]
    pub const fn namespace(&self) -> &Namespace {
        &self.pipeline().namespace
    }
}

impl fmt::Display for ObjectScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pipeline(pipeline) => write!(f, "pipeline `{pipeline}`"),
            Self::Run(run) => write!(f, "run `{run}`"),
        }
    }
}

/// Which run an address means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunSelector {
    /// The run with this number.
    Number(RunNumber),
    /// The newest run.
    Latest,
    /// The newest run that failed, errored or timed out.
    LatestFailed,
}

/// An address as it was typed, before the server was asked what it means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ref {
    /// The namespace, where one was typed.
    pub namespace: Option<Namespace>,
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The version, where one was typed.
    pub version: Option<VersionNumber>,
    /// The run, where one was typed.
    pub run: Option<RunSelector>,
    /// The task, where one was typed.
    pub task: Option<TaskId>,
    /// The attempt, from 1, where one was typed.
    pub attempt: Option<u32>,
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefError {
    /// One of its names is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A part that must be a number is none.
    #[error("{found:?} is not {wanted}")]
    Number {
        /// The part as it was typed.
        found: String,
        /// What was wanted.
        wanted: &'static str,
    },
    /// It has more parts than an address can have.
    #[error(
        "{found:?} has too many parts; an address is [NAMESPACE::]PIPELINE[@VERSION][/RUN[/TASK[#ATTEMPT]]]"
    )]
    Shape {
        /// The text as it was typed.
        found: String,
    },
}

fn number<T: FromStr + PartialOrd + From<u8>>(text: &str, wanted: &'static str) -> Result<T, RefError> {
    let fail = || RefError::Number { found: text.to_owned(), wanted };
    let value: T = text.parse().map_err(|_| fail())?;
    if value < T::from(1) { Err(fail()) } else { Ok(value) }
}

impl FromStr for RunSelector {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        match text {
            "latest" => Ok(Self::Latest),
            "latest-failed" => Ok(Self::LatestFailed),
            _ => Ok(Self::Number(RunNumber(number(
                text,
                "a run: a number from 1, `latest` or `latest-failed`",
            )?))),
        }
    }
}

impl FromStr for Ref {
    type Err = RefError;

    /// Reads an address. The lone `-` and web addresses are the command line's own affair.
    fn from_str(text: &str) -> Result<Self, RefError> {
        let (namespace, rest) = match text.split_once("::") {
            Some((namespace, rest)) => (Some(Namespace::new(namespace)?), rest),
            None => (None, text),
        };
        let mut parts = rest.split('/');
        let head = parts.next().unwrap_or_default();
        let (pipeline, version) = match head.split_once('@') {
            Some((pipeline, version)) => {
                let digits = version.strip_prefix('v').unwrap_or(version);
                (pipeline, Some(VersionNumber(number(digits, "a version: a number from 1")?)))
            }
            None => (head, None),
        };
        let pipeline = PipelineId::new(pipeline)?;
        let run = parts.next().map(str::parse).transpose()?;
        let (task, attempt) = match parts.next() {
            None => (None, None),
            Some(part) => match part.split_once('#') {
                Some((task, n)) => {
                    (Some(TaskId::new(task)?), Some(number(n, "an attempt: a number from 1")?))
                }
                None => (Some(TaskId::new(part)?), None),
            },
        };
        match parts.next() {
            Some(_) => Err(RefError::Shape { found: text.to_owned() }),
            None => Ok(Self { namespace, pipeline, version, run, task, attempt }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Ref {
        text.parse().expect("an address")
    }

    #[test]
    fn a_full_address_has_all_its_parts() {
        let full = parse("team::build@v3/12/test#2");
        assert_eq!(full.namespace, Namespace::new("team").ok());
        assert_eq!(full.version, Some(VersionNumber(3)));
        assert_eq!(full.run, Some(RunSelector::Number(RunNumber(12))));
        assert_eq!(full.task, TaskId::new("test").ok());
        assert_eq!(full.attempt, Some(2));
    }

    #[test]
    fn words_select_runs() {
        assert_eq!(parse("build/latest").run, Some(RunSelector::Latest));
        assert_eq!(parse("build/latest-failed").run, Some(RunSelector::LatestFailed));
    }

    #[test]
    fn a_combination_of_a_matrix_has_an_address() {
        let one = parse("build/3/compile[registry%2Falpine:3,1]#2");
        assert_eq!(one.task.map(String::from), Some("compile[registry%2Falpine:3,1]".to_owned()));
        assert_eq!(one.attempt, Some(2));
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for text in ["", "a/b", "a/0", "a/-1", "a@x", "a@0", "a/1/b/c", "a::b::c", "a/1/b#0", "::a", "a//b"] {
            assert!(text.parse::<Ref>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_printed_run_reads_back() {
        let run = PipelineRef {
            namespace: Namespace::new("team").expect("a name"),
            pipeline: PipelineId::new("build").expect("a name"),
        }
        .run(RunNumber(7));
        assert_eq!(parse(&run.to_string()).run, Some(RunSelector::Number(RunNumber(7))));
    }
}
