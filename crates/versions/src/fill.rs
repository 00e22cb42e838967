//! What a scheduler is asked to run: the author's task with every reference filled in, and the digest of it.

use std::collections::BTreeMap;

use gofer_pipeline::{Facts, evaluate};
use gofer_run_machine::PlanTask;
use gofer_scheduler::{PullPolicy, RegistryAuth, TaskLimits, TaskSpec};
use gofer_types::pipeline::{Action, Axis, ReferenceRoot, SubPipeline, Text};
use gofer_types::{PipelineRef, RunRecord, SchedulerName, SecretValue, Task, VariableName};

use crate::child;
use crate::digest::Digest;

/// The longest command, entry point and environment together, in bytes.
const LONGEST: usize = 1 << 20;

/// What is to be started: an attempt of a task of a run.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The run.
    pub run: &'a RunRecord,
    /// The task of the pipeline file.
    pub task: &'a Task,
    /// The task of the graph.
    pub planned: &'a PlanTask,
    /// The number of the attempt.
    pub attempt: u32,
    /// What was answered to the approvals before it.
    pub answers: BTreeMap<VariableName, String>,
}

impl Asked<'_> {
    /// Whether it is not one of the combinations, but reads what they are.
    #[must_use]
    pub fn reads_values(&self) -> bool {
        self.task.fans_out_late() && self.planned.values.is_empty()
    }

    /// Whether files are given to it or taken from it. What reads a list has neither, whatever the tasks do that it becomes.
    #[must_use]
    pub fn moves_files(&self) -> bool {
        !(self.reads_values() || self.task.inputs.is_empty() && self.task.outputs.is_empty())
    }

    /// The image: the one that the run was started with, where it was.
    fn image(&self) -> &str {
        self.run.images.get(&self.task.id).unwrap_or(&self.task.image)
    }
}

/// Where a task is to run.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The name of its scheduler.
    pub scheduler: &'a SchedulerName,
    /// Whether the scheduler runs images.
    pub images: bool,
    /// What tasks are told as `GOFER_ADDR`; empty where the server has no address.
    pub address: &'a str,
}

/// Fills a task in for an attempt; the text says why it can never be started. The same attempt is filled in the same.
pub fn fill(asked: &Asked<'_>, target: Target<'_>) -> Result<TaskSpec, String> {
    let mut spec = match &asked.task.action {
        _ if asked.reads_values() => lists_of(asked.task),
        Action::Approval(_) => TaskSpec::default(),
        Action::Pipeline(sub) => child_of(asked, sub)?,
        Action::Image | Action::Command(_) | Action::Script { .. } => of_scheduler(asked, target)?,
    };
    spec.labels = labels(asked);
    spec.digest = digest(&spec);
    Ok(spec)
}

/// A task that a scheduler of the operator's runs.
fn of_scheduler(asked: &Asked<'_>, target: Target<'_>) -> Result<TaskSpec, String> {
    let task = asked.task;
    let facts = facts(asked);
    let command = command(task, &facts)?;
    if command.is_empty() && !target.images {
        return Err(format!(
            "scheduler `{}` runs no images, and the task has neither `command` nor `script`",
            target.scheduler
        ));
    }
    let mut spec = TaskSpec {
        image: asked.image().to_owned(),
        pull: if task.always_pull { PullPolicy::Always } else { PullPolicy::Missing },
        registry_auth: registry_auth(task, &facts)?,
        entrypoint: task.entrypoint.as_ref().map(|texts| fill_all(texts, &facts)).transpose()?,
        command,
        workdir: task.workdir.clone(),
        user: task.user.clone(),
        env: environment(asked, &facts)?,
        limits: TaskLimits { cpu: task.resources.cpu, memory: task.resources.memory },
        ..TaskSpec::default()
    };
    for (name, value) in ours(asked, target.address) {
        spec.env.insert(name.to_owned(), value);
    }
    check_size(&spec)?;
    Ok(spec)
}

/// The reading of values: the object that each key of the matrix takes them from.
fn lists_of(task: &Task) -> TaskSpec {
    let objects = task.matrix.iter().filter_map(|(key, axis)| match axis {
        Axis::Object(object) => Some((key.clone(), object.clone())),
        Axis::Values(_) => None,
    });
    TaskSpec { env: objects.collect(), ..TaskSpec::default() }
}

/// A run of another pipeline, with every reference filled in.
fn child_of(asked: &Asked<'_>, sub: &SubPipeline) -> Result<TaskSpec, String> {
    let facts = facts(asked);
    let own = &asked.run.id.pipeline.namespace;
    let namespace = sub.namespace.clone().unwrap_or_else(|| own.clone());
    let target = PipelineRef { namespace, pipeline: sub.id.clone() };
    let mut env = BTreeMap::new();
    for (name, text) in &sub.variables {
        env.insert(name.to_string(), fill_in(text, &facts).map_err(|error| format!("`{name}`: {error}"))?);
    }
    let command = child::command(&target, sub.version);
    Ok(TaskSpec { command, env, ..TaskSpec::default() })
}

fn facts(asked: &Asked<'_>) -> Facts {
    let values = asked.planned.values.iter();
    values
        .fold(facts_of(asked.run), |facts, (key, value)| facts.set(ReferenceRoot::Matrix, key, value.clone()))
}

/// What the texts of a run's tasks may refer to, but for the values of a matrix.
#[must_use]
pub fn facts_of(run: &RunRecord) -> Facts {
    let pipeline = &run.id.pipeline;
    Facts::default()
        .with_variables(&run.variables)
        .set(ReferenceRoot::Run, "id", run.id.run.0.to_string())
        .set(ReferenceRoot::Run, "trigger", run.trigger.clone())
        .set(ReferenceRoot::Pipeline, "id", pipeline.pipeline.to_string())
        .set(ReferenceRoot::Pipeline, "namespace", pipeline.namespace.to_string())
        .set(ReferenceRoot::Pipeline, "version", run.version.0.to_string())
}

fn fill_in(text: &Text, facts: &Facts) -> Result<String, String> {
    evaluate(text, facts).map_err(|error| error.to_string())
}

fn fill_all(texts: &[Text], facts: &Facts) -> Result<Vec<String>, String> {
    texts.iter().map(|text| fill_in(text, facts)).collect()
}

fn command(task: &Task, facts: &Facts) -> Result<Vec<String>, String> {
    match &task.action {
        Action::Image | Action::Approval(_) | Action::Pipeline(_) => Ok(Vec::new()),
        Action::Command(texts) => fill_all(texts, facts),
        Action::Script { shell, script } => {
            let mut command = shell.clone();
            command.push(fill_in(script, facts)?);
            Ok(command)
        }
    }
}

/// Who the task is towards the registry. The errors name what is missing, and no value.
fn registry_auth(task: &Task, facts: &Facts) -> Result<Option<RegistryAuth>, String> {
    let Some(auth) = &task.registry_auth else { return Ok(None) };
    let fill = |text| fill_in(text, facts).map_err(|error| format!("`registry_auth`: {error}"));
    Ok(Some(RegistryAuth { user: fill(&auth.user)?, password: SecretValue::new(fill(&auth.pass)?) }))
}

fn environment(asked: &Asked<'_>, facts: &Facts) -> Result<BTreeMap<String, String>, String> {
    let Asked { task, run, answers, .. } = asked;
    let mut env = BTreeMap::new();
    for (name, text) in &task.env_vars {
        env.insert(name.clone(), fill_in(text, facts).map_err(|error| format!("`{name}`: {error}"))?);
    }
    let given = run.variables.iter().chain(answers);
    env.extend(given.map(|(name, value)| (name.to_string(), value.clone())));
    Ok(env)
}

/// What every task is told; no one else's value stands against it.
fn ours(asked: &Asked<'_>, address: &str) -> [(&'static str, String); 9] {
    let run = asked.run;
    [
        ("GOFER_NAMESPACE", run.id.pipeline.namespace.to_string()),
        ("GOFER_PIPELINE_ID", run.id.pipeline.pipeline.to_string()),
        ("GOFER_PIPELINE_VERSION", run.version.0.to_string()),
        ("GOFER_RUN_ID", run.id.run.0.to_string()),
        ("GOFER_TASK_ID", asked.planned.id.to_string()),
        ("GOFER_TASK_IMAGE", asked.image().to_owned()),
        ("GOFER_ATTEMPT", asked.attempt.to_string()),
        ("GOFER_TRIGGER", run.trigger.clone()),
        ("GOFER_ADDR", address.to_owned()),
    ]
}

fn labels(asked: &Asked<'_>) -> BTreeMap<String, String> {
    let run = asked.run;
    BTreeMap::from([
        ("namespace".to_owned(), run.id.pipeline.namespace.to_string()),
        ("pipeline".to_owned(), run.id.pipeline.pipeline.to_string()),
        ("run".to_owned(), run.id.run.0.to_string()),
        ("task".to_owned(), asked.planned.id.to_string()),
    ])
}

fn check_size(spec: &TaskSpec) -> Result<(), String> {
    let words = spec.command.iter().chain(spec.entrypoint.iter().flatten());
    let env = spec.env.iter().map(|(name, value)| name.len() + value.len());
    let size: usize = words.map(String::len).chain(env).sum();
    if size > LONGEST {
        return Err(format!("its command and environment have {size} bytes; {LONGEST} are allowed"));
    }
    let nul = spec.command.iter().chain(spec.env.values()).any(|text| text.contains('\0'));
    if nul { Err("its command or environment contains a NUL character".to_owned()) } else { Ok(()) }
}

/// The digest of what runs, and so not of how its image is fetched and as whom.
fn digest(spec: &TaskSpec) -> String {
    let mut digest = Digest::new();
    digest.text("gofer task 1");
    digest.text(&spec.image);
    for list in [spec.entrypoint.as_deref().unwrap_or_default(), &spec.command] {
        digest.part(&(list.len() as u64).to_be_bytes());
        list.iter().for_each(|word| digest.text(word));
    }
    for text in [&spec.workdir, &spec.user] {
        digest.text(text.as_deref().unwrap_or_default());
    }
    for (name, value) in &spec.env {
        digest.text(name);
        digest.text(value);
    }
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_and_as_whom_an_image_is_fetched_is_not_a_part_of_the_digest() {
        let image = "alpine:3".to_owned();
        let plain = TaskSpec { image, command: vec!["true".to_owned()], ..TaskSpec::default() };
        let auth = RegistryAuth { user: "me".to_owned(), password: SecretValue::new("canary") };
        let fetched = TaskSpec { pull: PullPolicy::Always, registry_auth: Some(auth), ..plain.clone() };
        assert_eq!(digest(&fetched), digest(&plain));
        assert!(!format!("{fetched:?}").contains("canary"));
        let other = TaskSpec { image: "alpine:4".to_owned(), ..plain.clone() };
        assert_ne!(digest(&other), digest(&plain));
    }

    #[test]
    fn the_digest_of_a_task_is_the_same_in_every_version_of_gofer() {
        let spec = TaskSpec {
            image: "alpine:3".to_owned(),
            command: vec!["true".to_owned()],
            env: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            ..TaskSpec::default()
        };
        let stored = "b869370c9496901022c2f72ea160b18c5ebb526401f04b64988d699630e3f0f4";
        assert_eq!(digest(&spec), stored, "an attempt of an earlier server is found by it");
    }
}
