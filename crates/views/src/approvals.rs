//! Approvals: what somebody is asked for, and the command that answers.

use std::collections::BTreeMap;

use gofer_client::v1 as pb;
use gofer_client::{Client, ClientError};
use gofer_types::pipeline::{self, Action, VariableType};
use gofer_types::{Pipeline, VariableName};

use crate::human::quoted;
use crate::{TaskRun, Variable, variables};

/// The kind of the cause of a task that waits for an answer.
pub const WAITING: &str = "waiting_for_approval";

/// What an approval asks for beside yes or no.
pub type Fields = BTreeMap<VariableName, pipeline::Variable>;

/// Whether a task waits for an answer.
#[must_use]
pub fn is_waiting(task: &TaskRun) -> bool {
    task.cause.as_ref().is_some_and(|cause| cause.kind == WAITING)
}

/// What a task of a version asks for; nothing if it is no approval.
#[must_use]
pub fn fields_of(version: &pb::Version, task: &str) -> Fields {
    let base = task.split('[').next().unwrap_or(task);
    let Ok(pipeline) = serde_json::from_str::<Pipeline>(&version.json) else { return Fields::new() };
    let found = pipeline.tasks.into_iter().find(|one| one.id.as_str() == base);
    match found.map(|task| task.action) {
        Some(Action::Approval(approval)) => approval.fields,
        _ => Fields::new(),
    }
}

/// What a task of a run asks for, as the server has it.
///
/// # Errors
/// What the server refuses, or what stands between.
pub async fn fetch_fields(remote: &Client, run: &pb::Run, task: &str) -> Result<Fields, ClientError> {
    let pipeline = pb::PipelineRef { namespace: run.namespace.clone(), pipeline: run.pipeline.clone() };
    let request = pb::GetVersionRequest { pipeline: Some(pipeline), version: run.version };
    let version = remote.get_version(request).await?.version;
    Ok(version.map(|version| fields_of(&version, task)).unwrap_or_default())
}

/// The same as programs see it.
#[must_use]
pub fn views(fields: &Fields) -> Vec<Variable> {
    let view = |(name, field): (&VariableName, &pipeline::Variable)| Variable {
        name: name.to_string(),
        r#type: word(field.kind).to_owned(),
        allowed: field.allowed.clone(),
        description: field.description.clone(),
        default: field.default.clone(),
        sensitive: None,
    };
    fields.iter().map(view).collect()
}

const fn word(kind: VariableType) -> &'static str {
    match kind {
        VariableType::String => "string",
        VariableType::Number => "number",
        VariableType::Bool => "bool",
    }
}

/// The commands that say yes and no to a task. Values that must be given stand as `VALUE`.
#[must_use]
pub fn commands(reference: &str, fields: &[Variable]) -> [String; 2] {
    let place = quoted(reference);
    let needed = fields.iter().filter(|field| field.default.is_none());
    let given: String = needed.map(|field| format!(" --field {}=VALUE", field.name)).collect();
    [format!("gofer run approve {place}{given}"), format!("gofer run approve {place} --reject")]
}

/// A field in a line: its name, what it may be, and what its author says about it.
#[must_use]
pub fn describe(field: &Variable) -> String {
    let what = variables::allowed(field).unwrap_or_else(|| field.r#type.clone());
    let without = match &field.default {
        Some(default) => format!("else {}", variables::literal(field, default)),
        None => "required".to_owned(),
    };
    let about = variables::about(field).map(|line| format!(": {line}")).unwrap_or_default();
    format!("{} ({what}, {without}){about}", field.name)
}

/// Why a task waits for no answer, as far as it says so itself.
#[must_use]
pub fn why_not(task: &TaskRun) -> String {
    let cause = task.cause.as_ref().map(|cause| (cause.kind.as_str(), cause.text.as_str()));
    match (&task.question, task.state, cause) {
        (_, _, Some(("approved" | "rejected", text))) => format!("it was {text}; an answer is final"),
        (None, ..) => "it is no approval: it asks nobody".to_owned(),
        (_, "waiting" | "pending", _) => "it has not begun yet; it asks once it has".to_owned(),
        (_, _, Some(("deadline", text))) => format!("it expired: {text}"),
        (_, _, Some((_, text))) => format!("it has ended: {text}"),
        (_, state, None) => format!("it is {state}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKS: &str = r#"
id = "ship"
task "ask" {
  approval {
    message = "Ship it?"
    fields  = {
      who     = { description = "Who ships" }
      channel = { allowed = ["beta", "stable"], default = "beta" }
      percent = { type = "number" }
    }
  }
}
task "build" { command = ["true"] }
"#;

    fn version() -> pb::Version {
        let source = gofer_pipeline::Source::new("pipeline.hcl", ASKS);
        let parsed = gofer_pipeline::parse(&source, &gofer_pipeline::Limits::default());
        let pipeline = parsed.pipeline.unwrap_or_else(|| panic!("{:?}", parsed.problems));
        pb::Version { json: serde_json::to_string(&pipeline).expect("JSON"), ..Default::default() }
    }

    #[test]
    fn the_fields_of_an_approval_are_read_from_its_version() {
        let fields = views(&fields_of(&version(), "ask"));
        let told: Vec<String> = fields.iter().map(describe).collect();
        let wanted = [
            "channel (beta or stable, else \"beta\")",
            "percent (number, required)",
            "who (string, required): Who ships",
        ];
        assert_eq!(told, wanted);
        assert!(fields_of(&version(), "build").is_empty() && fields_of(&version(), "nothing").is_empty());
        assert!(fields_of(&pb::Version::default(), "ask").is_empty(), "a version that is not told");
    }

    #[test]
    fn the_command_that_answers_names_what_must_be_given() {
        let fields = views(&fields_of(&version(), "ask[a,b]"));
        let [yes, no] = commands("ship/7/ask", &fields);
        assert_eq!(yes, "gofer run approve ship/7/ask --field percent=VALUE --field who=VALUE");
        assert_eq!(no, "gofer run approve ship/7/ask --reject");
        assert_eq!(commands("ship/7/ask[a,b]", &[])[0], "gofer run approve 'ship/7/ask[a,b]'");
    }

    #[test]
    fn a_task_that_asks_nobody_says_why() {
        let task = |question: &str, state: pb::TaskState, kind: &str, text: &str| {
            let cause = pb::Cause { kind: kind.into(), text: text.into(), ..Default::default() };
            let task = pb::TaskRun { question: question.into(), cause: Some(cause), ..Default::default() };
            TaskRun::from(pb::TaskRun { state: state.into(), ..task })
        };
        let hint = |task: TaskRun| why_not(&task);
        use pb::TaskState::{Failed, Succeeded, TimedOut, Waiting};
        assert!(hint(task("", Succeeded, "exit_code", "exit code 0")).contains("no approval"));
        assert!(hint(task("Ship?", Waiting, "waiting_for_parents", "waits")).contains("not begun"));
        let answered = hint(task("Ship?", Failed, "rejected", "rejected by ana: no"));
        assert_eq!(answered, "it was rejected by ana: no; an answer is final");
        assert!(hint(task("Ship?", TimedOut, "deadline", "its time limit of 1s passed")).contains("expired"));
    }
}
