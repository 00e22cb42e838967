//! A run of another pipeline in the words of a scheduler: its pipeline and version as a command, its variables as environment,
//! and the task that it is a part of as labels.

use gofer_scheduler::TaskSpec;
use gofer_types::{Namespace, PipelineId, PipelineRef, RunNumber, TaskId, TaskRef, VersionNumber};

/// Which run is to be started, and as a part of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// The pipeline.
    pub pipeline: PipelineRef,
    /// Its version; `None` means the newest.
    pub version: Option<VersionNumber>,
    /// The task that the run is a part of.
    pub parent: TaskRef,
}

impl Child {
    /// The run that a filled task of that kind asks for; `None` if it asks for none.
    #[must_use]
    pub fn of(spec: &TaskSpec) -> Option<Self> {
        let [namespace, pipeline, version] = spec.command.as_slice() else { return None };
        let namespace = Namespace::new(namespace.as_str()).ok()?;
        let pipeline = PipelineRef { namespace, pipeline: PipelineId::new(pipeline.as_str()).ok()? };
        let version = version.parse().ok().map(VersionNumber);
        Some(Self { pipeline, version, parent: task_of(spec)? })
    }
}

/// The command that asks for a run.
pub(crate) fn command(target: &PipelineRef, version: Option<VersionNumber>) -> Vec<String> {
    let version = version.map(|version| version.0.to_string()).unwrap_or_default();
    vec![target.namespace.to_string(), target.pipeline.to_string(), version]
}

/// The task run that a filled task is an attempt of.
#[must_use]
pub fn task_of(spec: &TaskSpec) -> Option<TaskRef> {
    let label = |name: &str| spec.labels.get(name).cloned();
    let namespace = Namespace::new(label("namespace")?).ok()?;
    let pipeline = PipelineRef { namespace, pipeline: PipelineId::new(label("pipeline")?).ok()? };
    let run = pipeline.run(RunNumber(label("run")?.parse().ok()?));
    Some(run.task(TaskId::new(label("task")?).ok()?))
}
