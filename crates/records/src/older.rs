//! The layouts of older formats, where one has changed in its middle. Nothing writes them any more.

use std::collections::BTreeMap;

use gofer_types::pipeline::{
    Action, Axis, Checkout, NotifierUse, Output, PluginUse, QueuePolicy, RegistryAuth, Resources, Retry,
    Text, Variable, VariableType,
};
use gofer_types::{
    Actor, Condition, LabelKey, Namespace, Pipeline, PipelineId, PipelineRef, SchedulerName, Span, Task,
    TaskId, Timestamp, VariableName, VersionNumber, VersionRecord,
};
use serde::Deserialize;

/// A version in format 1.
#[derive(Deserialize)]
pub(crate) struct VersionV1 {
    pipeline: PipelineRef,
    version: VersionNumber,
    created: Timestamp,
    actor: Actor,
    digest: String,
    config: PipelineV1,
}

#[derive(Deserialize)]
struct PipelineV1 {
    id: PipelineId,
    name: String,
    description: String,
    namespace: Option<Namespace>,
    labels: BTreeMap<LabelKey, String>,
    parallelism: u32,
    queue: QueuePolicy,
    timeout: Option<Span>,
    logging: bool,
    exec: bool,
    variables: BTreeMap<VariableName, VariableV1>,
    triggers: Vec<PluginUse>,
    notifiers: Vec<NotifierUse>,
    tasks: Vec<TaskV1>,
}

#[derive(Deserialize)]
struct VariableV1 {
    kind: VariableType,
    default: Option<String>,
    allowed: Vec<String>,
    description: String,
}

#[derive(Deserialize)]
struct TaskV1 {
    id: TaskId,
    image: String,
    description: String,
    action: Action,
    entrypoint: Option<Vec<Text>>,
    workdir: Option<String>,
    user: Option<String>,
    env_vars: BTreeMap<String, Text>,
    depends_on: BTreeMap<TaskId, Condition>,
    timeout: Option<Span>,
    retry: Option<Retry>,
    resources: Resources,
    registry_auth: Option<RegistryAuth>,
    always_pull: bool,
    logging: Option<bool>,
    allow_failure: bool,
    cleanup: bool,
    inject_token: bool,
    scheduler: Option<SchedulerName>,
    matrix: BTreeMap<String, Vec<String>>,
    checkout: Option<Checkout>,
    inputs: Vec<String>,
    outputs: BTreeMap<String, Vec<String>>,
}

impl From<VersionV1> for VersionRecord {
    fn from(old: VersionV1) -> Self {
        Self {
            pipeline: old.pipeline,
            version: old.version,
            created: old.created,
            actor: old.actor,
            digest: old.digest,
            config: old.config.into(),
        }
    }
}

impl From<PipelineV1> for Pipeline {
    fn from(old: PipelineV1) -> Self {
        Self {
            id: old.id,
            name: old.name,
            description: old.description,
            namespace: old.namespace,
            labels: old.labels,
            parallelism: old.parallelism,
            queue: old.queue,
            timeout: old.timeout,
            logging: old.logging,
            exec: old.exec,
            variables: old.variables.into_iter().map(|(name, old)| (name, old.into())).collect(),
            triggers: old.triggers,
            notifiers: old.notifiers,
            tasks: old.tasks.into_iter().map(Task::from).collect(),
        }
    }
}

impl From<VariableV1> for Variable {
    fn from(old: VariableV1) -> Self {
        let VariableV1 { kind, default, allowed, description } = old;
        Self { kind, default, allowed, description, sensitive: false }
    }
}

impl From<TaskV1> for Task {
    fn from(old: TaskV1) -> Self {
        let axis = |(key, values)| (key, Axis::Values(values));
        let output = |(name, paths)| (name, Output::Archive(paths));
        Self {
            id: old.id,
            image: old.image,
            description: old.description,
            action: old.action,
            entrypoint: old.entrypoint,
            workdir: old.workdir,
            user: old.user,
            env_vars: old.env_vars,
            depends_on: old.depends_on,
            timeout: old.timeout,
            retry: old.retry,
            resources: old.resources,
            registry_auth: old.registry_auth,
            always_pull: old.always_pull,
            logging: old.logging,
            allow_failure: old.allow_failure,
            cleanup: old.cleanup,
            inject_token: old.inject_token,
            scheduler: old.scheduler,
            matrix: old.matrix.into_iter().map(axis).collect(),
            checkout: old.checkout,
            inputs: old.inputs,
            outputs: old.outputs.into_iter().map(output).collect(),
        }
    }
}
