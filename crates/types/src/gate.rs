//! Tasks that no scheduler runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names::{Namespace, PipelineId, VariableName};
use crate::pipeline::{Text, Variable};
use crate::refs::VersionNumber;
use crate::time::Span;

/// What somebody is asked before a run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The question.
    pub message: Text,
    /// How long it waits for an answer; the time limit of a task where the file names none.
    pub expires: Option<Span>,
    /// What the answer may, or has to, say beside yes or no. Later tasks are given it as environment.
    pub fields: BTreeMap<VariableName, Variable>,
}

/// A run of another pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubPipeline {
    /// Which pipeline.
    pub id: PipelineId,
    /// Its namespace; that of the own pipeline where the file names none.
    pub namespace: Option<Namespace>,
    /// Which version; the newest where the file names none.
    pub version: Option<VersionNumber>,
    /// What the run is given.
    pub variables: BTreeMap<VariableName, Text>,
}
