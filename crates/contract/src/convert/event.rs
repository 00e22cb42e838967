//! Entries of the event log.

use gofer_proto::v1;
use gofer_types::{Event, EventKind, ImageState, Namespace, ObjectScope, PipelineRef, RunRef};

use super::cause::{cause, text};
use super::run::digest;
use super::timestamp;

/// An entry of the event log.
#[must_use]
pub fn event(entry: &Event) -> v1::Event {
    let mut message = v1::Event {
        seq: entry.seq,
        at: Some(timestamp(entry.at)),
        actor: entry.actor.to_string(),
        r#type: entry.kind.as_str().to_owned(),
        text: line(&entry.kind),
        ..v1::Event::default()
    };
    fill(&mut message, &entry.kind);
    message
}

fn fill(message: &mut v1::Event, kind: &EventKind) {
    match kind {
        EventKind::ServerStarted { .. } => {}
        EventKind::NamespaceCreated { namespace } | EventKind::NamespaceDeleted { namespace } => {
            name_namespace(message, namespace);
        }
        EventKind::VersionRegistered { pipeline, version } => {
            name_pipeline(message, pipeline);
            message.version = version.0;
        }
        EventKind::PipelineEnabled { pipeline, enabled } => {
            name_pipeline(message, pipeline);
            message.state = if *enabled { "enabled" } else { "disabled" }.to_owned();
        }
        EventKind::PipelineDeleted { pipeline } => name_pipeline(message, pipeline),
        EventKind::Run { run, version, state, cause: why } => {
            name_run(message, run);
            message.version = version.0;
            message.state = state.to_string();
            message.cause = Some(cause(why));
        }
        EventKind::CancelRequested { run, .. }
        | EventKind::Quarantined { run, .. }
        | EventKind::LogsDeleted { run }
        | EventKind::RunDeleted { run } => name_run(message, run),
        EventKind::ObjectPut { scope, .. } | EventKind::ObjectDeleted { scope, .. } => {
            name_scope(message, scope);
        }
        EventKind::Task { task, state, cause: why, attempt, exit_code } => {
            name_run(message, &task.run);
            message.task = task.task.to_string();
            message.state = state.to_string();
            message.cause = Some(cause(why));
            message.attempt = attempt.as_ref().map(ToString::to_string).unwrap_or_default();
            message.exit_code = *exit_code;
        }
        EventKind::Image { task, attempt, image, done, total, state } => {
            name_run(message, &task.run);
            message.task = task.task.to_string();
            message.attempt = attempt.to_string();
            message.state = state.as_str().to_owned();
            message.image = Some(v1::ImageProgress {
                task: task.task.to_string(),
                attempt: attempt.to_string(),
                image: image.clone(),
                done: *done,
                total: *total,
                digest: digest(state),
            });
        }
    }
}

fn name_namespace(message: &mut v1::Event, namespace: &Namespace) {
    message.namespace = namespace.to_string();
}

fn name_pipeline(message: &mut v1::Event, pipeline: &PipelineRef) {
    name_namespace(message, &pipeline.namespace);
    message.pipeline = pipeline.pipeline.to_string();
}

fn name_run(message: &mut v1::Event, run: &RunRef) {
    name_pipeline(message, &run.pipeline);
    message.run = run.run.0;
}

fn name_scope(message: &mut v1::Event, scope: &ObjectScope) {
    match scope {
        ObjectScope::Pipeline(pipeline) => name_pipeline(message, pipeline),
        ObjectScope::Run(run) => name_run(message, run),
    }
}

/// The event for people, on one line.
fn line(kind: &EventKind) -> String {
    match kind {
        EventKind::ServerStarted { epoch, version } => format!("server {version} started, epoch {epoch}"),
        EventKind::NamespaceCreated { namespace } => format!("namespace `{namespace}` created"),
        EventKind::NamespaceDeleted { namespace } => format!("namespace `{namespace}` deleted"),
        EventKind::VersionRegistered { pipeline, version } => format!("{pipeline} {version} registered"),
        EventKind::PipelineEnabled { pipeline, enabled: true } => format!("{pipeline} enabled"),
        EventKind::PipelineEnabled { pipeline, enabled: false } => format!("{pipeline} disabled"),
        EventKind::PipelineDeleted { pipeline } => format!("{pipeline} deleted"),
        EventKind::Run { run, state, cause, .. } => format!("{run} {state}: {}", text(cause)),
        EventKind::CancelRequested { run, reason } if reason.is_empty() => format!("{run}: cancel requested"),
        EventKind::CancelRequested { run, reason } => format!("{run}: cancel requested: {reason}"),
        EventKind::Task { task, state, cause, .. } => format!("{task} {state}: {}", text(cause)),
        EventKind::Quarantined { run, reason } => format!("{run} set aside: {reason}"),
        EventKind::LogsDeleted { run } => format!("{run}: its output was deleted"),
        EventKind::RunDeleted { run } => format!("{run} deleted"),
        EventKind::ObjectPut { scope, key, size, evicted } if evicted.is_empty() => {
            format!("{scope}: object `{key}` put, {size} bytes")
        }
        EventKind::ObjectPut { scope, key, size, evicted } => {
            format!("{scope}: object `{key}` put, {size} bytes; `{}` went for it", evicted.join("`, `"))
        }
        EventKind::ObjectDeleted { scope, key } => format!("{scope}: object `{key}` deleted"),
        EventKind::Image { task, image, state: ImageState::Fetched { digest }, .. } => {
            format!("{task}: {image} is there: {digest}")
        }
        EventKind::Image { task, image, total: 0, .. } => format!("{task}: fetching {image}"),
        EventKind::Image { task, image, done, total, .. } => {
            format!("{task}: fetching {image}, {done} of {total} bytes")
        }
    }
}

#[cfg(test)]
mod tests {
    use gofer_types::{
        Actor, AttemptId, Cause, PipelineId, RunNumber, RunState, TaskId, TaskState, Timestamp, VersionNumber,
    };

    use super::*;

    fn kinds() -> Vec<EventKind> {
        let namespace = Namespace::new("prod").unwrap();
        let pipeline =
            PipelineRef { namespace: namespace.clone(), pipeline: PipelineId::new("build").unwrap() };
        let run = pipeline.run(RunNumber(7));
        let version = VersionNumber(2);
        vec![
            EventKind::ServerStarted { epoch: 3, version: "0.1.0".to_owned() },
            EventKind::NamespaceCreated { namespace: namespace.clone() },
            EventKind::NamespaceDeleted { namespace },
            EventKind::VersionRegistered { pipeline: pipeline.clone(), version },
            EventKind::PipelineEnabled { pipeline: pipeline.clone(), enabled: false },
            EventKind::PipelineDeleted { pipeline: pipeline.clone() },
            EventKind::Run { run: run.clone(), version, state: RunState::Queued, cause: Cause::Completed },
            EventKind::CancelRequested { run: run.clone(), reason: "wrong branch".to_owned() },
            EventKind::Task {
                task: run.task(TaskId::new("test").unwrap()),
                state: TaskState::Failed,
                cause: Cause::ExitCode(3),
                attempt: Some(AttemptId::from_u128(1)),
                exit_code: Some(3),
            },
            EventKind::Quarantined { run: run.clone(), reason: "format 9 is not known".to_owned() },
            EventKind::Image {
                task: run.task(TaskId::new("test").unwrap()),
                attempt: AttemptId::from_u128(1),
                image: "alpine:3".to_owned(),
                done: 40,
                total: 100,
                state: ImageState::Fetching,
            },
            EventKind::LogsDeleted { run: run.clone() },
            EventKind::RunDeleted { run: run.clone() },
            EventKind::ObjectPut {
                scope: ObjectScope::Pipeline(pipeline.clone()),
                key: "out/a.tar".to_owned(),
                size: 300,
                evicted: vec!["b".to_owned()],
            },
            EventKind::ObjectDeleted { scope: ObjectScope::Run(run), key: "a".to_owned() },
        ]
    }

    #[test]
    fn every_kind_of_event_is_told_in_words_and_in_fields() {
        let at = Timestamp::from_micros(0);
        let told: Vec<String> = (kinds().into_iter().zip(1..))
            .map(|(kind, seq)| event(&Event { seq, at, actor: Actor::User("ana".to_owned()), kind }))
            .map(|told| {
                format!(
                    "{} {}: {} [{}/{} v{} run {} task {} state {} exit {:?}]",
                    told.seq,
                    told.r#type,
                    told.text,
                    told.namespace,
                    told.pipeline,
                    told.version,
                    told.run,
                    told.task,
                    told.state,
                    told.exit_code
                )
            })
            .collect();
        insta::assert_snapshot!("events", told.join("\n"));
    }

    #[test]
    fn the_words_to_filter_by_are_those_of_the_kinds() {
        let words: Vec<&str> = kinds().iter().map(EventKind::as_str).collect();
        assert_eq!(words, EventKind::WORDS);
    }
}
