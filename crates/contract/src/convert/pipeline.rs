//! Namespaces, pipelines, versions, and the problems of pipeline files.

use gofer_pipeline::{Severity, Source};
use gofer_proto::v1;
use gofer_types::pipeline::{Variable, VariableType};
use gofer_types::{NamespaceRecord, PipelineRecord, Task, VariableName, VersionRecord};

use super::{duration, timestamp};

/// A namespace.
#[must_use]
pub fn namespace(record: NamespaceRecord) -> v1::Namespace {
    v1::Namespace {
        name: record.name.into(),
        description: record.description,
        created: Some(timestamp(record.created)),
    }
}

/// A pipeline, told by its own record and its newest version.
#[must_use]
pub fn pipeline(record: &PipelineRecord, newest: &VersionRecord) -> v1::Pipeline {
    let config = &newest.config;
    v1::Pipeline {
        namespace: record.id.namespace.to_string(),
        id: record.id.pipeline.to_string(),
        name: config.name.clone(),
        description: config.description.clone(),
        latest_version: record.latest.0,
        enabled: record.enabled,
        created: Some(timestamp(record.created)),
        updated: Some(timestamp(record.updated)),
        labels: config.labels.iter().map(|(key, value)| (key.to_string(), value.clone())).collect(),
        tasks: count(config.tasks.len()),
    }
}

/// A version, with its configuration as JSON where that is wanted.
#[must_use]
pub fn version(record: &VersionRecord, with_json: bool) -> v1::Version {
    let config = &record.config;
    v1::Version {
        namespace: record.pipeline.namespace.to_string(),
        pipeline: record.pipeline.pipeline.to_string(),
        version: record.version.0,
        created: Some(timestamp(record.created)),
        actor: record.actor.to_string(),
        digest: record.digest.clone(),
        tasks: config.tasks.iter().map(task_config).collect(),
        variables: config.variables.iter().map(|(name, declared)| variable(name, declared)).collect(),
        parallelism: config.parallelism,
        timeout: config.timeout.map(|limit| duration(limit.get())),
        json: if with_json { json(record) } else { String::new() },
    }
}

fn json(record: &VersionRecord) -> String {
    serde_json::to_string_pretty(&record.config).unwrap_or_default()
}

fn task_config(task: &Task) -> v1::TaskConfig {
    v1::TaskConfig {
        id: task.id.to_string(),
        image: task.image.clone(),
        description: task.description.clone(),
        depends_on: (task.depends_on.iter())
            .map(|(parent, condition)| v1::Dependency {
                task: parent.to_string(),
                condition: condition.to_string(),
            })
            .collect(),
        scheduler: task.scheduler.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

fn variable(name: &VariableName, declared: &Variable) -> v1::VariableConfig {
    let kind = match declared.kind {
        VariableType::String => "string",
        VariableType::Number => "number",
        VariableType::Bool => "bool",
    };
    v1::VariableConfig {
        name: name.to_string(),
        r#type: kind.to_owned(),
        default: declared.default.clone(),
        allowed: declared.allowed.clone(),
        description: declared.description.clone(),
        sensitive: declared.sensitive,
    }
}

/// A problem of a file, with its excerpt.
#[must_use]
pub fn diagnostic(problem: &gofer_pipeline::Diagnostic, source: &Source) -> v1::Diagnostic {
    v1::Diagnostic {
        code: problem.code.to_string(),
        error: problem.severity == Severity::Error,
        message: problem.message.clone(),
        file: problem.file.clone(),
        line: problem.span.map_or(0, |span| count(span.line)),
        column: problem.span.map_or(0, |span| count(span.column)),
        label: problem.label.clone(),
        help: problem.help.join("\n"),
        rendered: gofer_pipeline::render(problem, source),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
