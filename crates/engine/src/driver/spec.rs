//! What a scheduler is asked to run: the author's task with every reference filled in, and the digest of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_pipeline::{Facts, evaluate};
use gofer_scheduler::{PullPolicy, RegistryAuth, Scheduler, TaskLimits, TaskSpec};
use gofer_types::pipeline::{Action, ReferenceRoot, Text};
use gofer_types::{RunRecord, SchedulerName, SecretValue, Task};
use sha2::{Digest, Sha256};

use crate::options::Schedulers;

/// The longest command, entry point and environment together, in bytes.
const LONGEST: usize = 1 << 20;

/// A task that can be started.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// The name of the scheduler.
    pub(crate) name: SchedulerName,
    /// The scheduler.
    pub(crate) scheduler: Arc<dyn Scheduler>,
    /// What it is asked to run.
    pub(crate) spec: TaskSpec,
}

/// Fills a task in for an attempt; the text says why it can never be started.
pub(crate) fn prepare(
    schedulers: &Schedulers,
    address: &str,
    run: &RunRecord,
    task: &Task,
    attempt: u32,
) -> Result<Prepared, String> {
    let Some((name, scheduler)) = schedulers.get(task.scheduler.as_ref()) else {
        let wanted = task.scheduler.as_ref().unwrap_or(&schedulers.default);
        return Err(format!("scheduler `{wanted}` is not configured"));
    };
    let facts = facts(run);
    let command = command(task, &facts)?;
    if command.is_empty() && !scheduler.capabilities().images {
        return Err(format!(
            "scheduler `{name}` runs no images, and the task has neither `command` nor `script`"
        ));
    }
    let mut spec = TaskSpec {
        image: task.image.clone(),
        pull: if task.always_pull { PullPolicy::Always } else { PullPolicy::Missing },
        registry_auth: registry_auth(task, &facts)?,
        entrypoint: task.entrypoint.as_ref().map(|texts| fill_all(texts, &facts)).transpose()?,
        command,
        workdir: task.workdir.clone(),
        user: task.user.clone(),
        env: environment(task, run, &facts)?,
        limits: TaskLimits { cpu: task.resources.cpu, memory: task.resources.memory },
        labels: labels(run, task),
        digest: String::new(),
    };
    for (name, value) in ours(run, task, attempt, address) {
        spec.env.insert(name.to_owned(), value);
    }
    check_size(&spec)?;
    spec.digest = digest(&spec);
    Ok(Prepared { name: name.clone(), scheduler: Arc::clone(scheduler), spec })
}

fn facts(run: &RunRecord) -> Facts {
    let pipeline = &run.id.pipeline;
    Facts::default()
        .with_variables(&run.variables)
        .set(ReferenceRoot::Run, "id", run.id.run.0.to_string())
        .set(ReferenceRoot::Run, "trigger", run.trigger.clone())
        .set(ReferenceRoot::Pipeline, "id", pipeline.pipeline.to_string())
        .set(ReferenceRoot::Pipeline, "namespace", pipeline.namespace.to_string())
        .set(ReferenceRoot::Pipeline, "version", run.version.0.to_string())
}

fn fill(text: &Text, facts: &Facts) -> Result<String, String> {
    evaluate(text, facts).map_err(|error| error.to_string())
}

fn fill_all(texts: &[Text], facts: &Facts) -> Result<Vec<String>, String> {
    texts.iter().map(|text| fill(text, facts)).collect()
}

fn command(task: &Task, facts: &Facts) -> Result<Vec<String>, String> {
    match &task.action {
        Action::Image => Ok(Vec::new()),
        Action::Command(texts) => fill_all(texts, facts),
        Action::Script { shell, script } => {
            let mut command = shell.clone();
            command.push(fill(script, facts)?);
            Ok(command)
        }
    }
}

/// Who the task is towards the registry. The errors name what is missing, and no value.
fn registry_auth(task: &Task, facts: &Facts) -> Result<Option<RegistryAuth>, String> {
    let Some(auth) = &task.registry_auth else { return Ok(None) };
    let fill = |text| fill(text, facts).map_err(|error| format!("`registry_auth`: {error}"));
    Ok(Some(RegistryAuth { user: fill(&auth.user)?, password: SecretValue::new(fill(&auth.pass)?) }))
}

fn environment(task: &Task, run: &RunRecord, facts: &Facts) -> Result<BTreeMap<String, String>, String> {
    let mut env = BTreeMap::new();
    for (name, text) in &task.env_vars {
        env.insert(name.clone(), fill(text, facts).map_err(|error| format!("`{name}`: {error}"))?);
    }
    env.extend(run.variables.iter().map(|(name, value)| (name.to_string(), value.clone())));
    Ok(env)
}

/// What every task is told; no one else's value stands against it.
fn ours(run: &RunRecord, task: &Task, attempt: u32, address: &str) -> [(&'static str, String); 9] {
    [
        ("GOFER_NAMESPACE", run.id.pipeline.namespace.to_string()),
        ("GOFER_PIPELINE_ID", run.id.pipeline.pipeline.to_string()),
        ("GOFER_PIPELINE_VERSION", run.version.0.to_string()),
        ("GOFER_RUN_ID", run.id.run.0.to_string()),
        ("GOFER_TASK_ID", task.id.to_string()),
        ("GOFER_TASK_IMAGE", task.image.clone()),
        ("GOFER_ATTEMPT", attempt.to_string()),
        ("GOFER_TRIGGER", run.trigger.clone()),
        ("GOFER_ADDR", address.to_owned()),
    ]
}

fn labels(run: &RunRecord, task: &Task) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("namespace".to_owned(), run.id.pipeline.namespace.to_string()),
        ("pipeline".to_owned(), run.id.pipeline.pipeline.to_string()),
        ("run".to_owned(), run.id.run.0.to_string()),
        ("task".to_owned(), task.id.to_string()),
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

/// The digest of what runs, and so not of how its image is fetched and as whom: every part with its length before it, so that no two specs share their bytes.
fn digest(spec: &TaskSpec) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(b"gofer task 1");
    part(spec.image.as_bytes());
    for list in [spec.entrypoint.as_deref().unwrap_or_default(), &spec.command] {
        part(&(list.len() as u64).to_be_bytes());
        list.iter().for_each(|word| part(word.as_bytes()));
    }
    for text in [&spec.workdir, &spec.user] {
        part(text.as_deref().unwrap_or_default().as_bytes());
    }
    for (name, value) in &spec.env {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    hex(&hash.finalize())
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
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
}
