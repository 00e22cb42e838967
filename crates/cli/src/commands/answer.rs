//! `run approve`: a yes or a no to a task that waits for one.

use std::collections::BTreeMap;

use gofer_client::v1 as pb;
use gofer_client::{Client, ClientError};
use gofer_grammar::Approve;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_pipeline::{VariableProblem, resolve_values};
use gofer_views::follow::Memory;
use gofer_views::{TaskRun, address, approvals};

use super::start::map;
use crate::context::Cx;
use crate::remote::incomplete;
use gofer_views::ask::by_number;

/// The code of a server that does not take the fields.
const FIELDS: &str = "E0502";

/// The code of a server where the task waits for no answer.
const NOT_ASKING: &str = "E0517";

/// `run approve`.
pub(super) async fn answer(cx: &Cx, args: Approve) -> Result<Exit, Failure> {
    let (run, task) = cx.addresses.task(&args.task.reference)?;
    let remote = cx.remote().await?;
    // the answer is for the run that is the latest now
    let run = remote.get_run(pb::GetRunRequest { run: Some(run) }).await?.run.ok_or_else(incomplete)?;
    cx.addresses.remember(&run.namespace, &run.pipeline, run.number);
    let request = pb::AnswerTaskRequest {
        run: Some(by_number(&run)),
        task,
        approve: !args.reject,
        note: args.note,
        fields: map(&args.field),
    };
    let task = match remote.answer_task(request.clone()).await {
        Ok(answer) => TaskRun::from(answer.task.ok_or_else(incomplete)?),
        Err(error) => return Err(refused(&remote, &run, &request, error).await),
    };
    let how = if request.approve { "approved" } else { "rejected" };
    cx.ui.object(&task, |_| format!("{} is {how}\n", task.r#ref))?;
    let reference = address(&run.namespace, &format!("{}/{}", run.pipeline, run.number));
    cx.ui.next(&[(format!("gofer watch {reference}"), "see how it goes on")]);
    Ok(Exit::Ok)
}

/// A refusal in the words of approvals. What else would have to be asked for it is left out where that fails.
async fn refused(
    remote: &Client,
    run: &pb::Run,
    request: &pb::AnswerTaskRequest,
    error: ClientError,
) -> Failure {
    let failure = Failure::from(error);
    match failure.code.as_str() {
        FIELDS => match approvals::fetch_fields(remote, run, &request.task).await {
            Ok(fields) => wrong_fields(failure, &fields, request),
            Err(_) => failure,
        },
        NOT_ASKING => {
            let ask = pb::GetTaskRunRequest { run: Some(by_number(run)), task: request.task.clone() };
            match remote.get_task_run(ask).await.map(|answer| answer.task) {
                Ok(Some(task)) => failure.hint(approvals::why_not(&TaskRun::from(task))),
                _ => failure,
            }
        }
        _ => failure,
    }
}

/// Which fields are wrong, and which there are.
fn wrong_fields(
    mut failure: Failure,
    fields: &approvals::Fields,
    request: &pb::AnswerTaskRequest,
) -> Failure {
    let given: BTreeMap<String, String> = request.fields.clone().into_iter().collect();
    let Err(problems) = resolve_values(fields, &given) else { return failure };
    failure.message = problems.iter().map(in_words).collect::<Vec<_>>().join("; ");
    let known: Vec<String> = approvals::views(fields).iter().map(approvals::describe).collect();
    failure.hint(match known.as_slice() {
        [] => "it asks for yes or no only".to_owned(),
        _ => format!("its fields: {}", known.join("; ")),
    })
}

fn in_words(problem: &VariableProblem) -> String {
    match problem {
        VariableProblem::Unknown { name, .. } => format!("the approval asks for no field `{name}`"),
        other => other.to_string().replacen("the variable", "the field", 1),
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
    fields  = { who = {}, percent = { type = "number", default = "5" } }
  }
}
"#;

    fn told(fields: &[(&str, &str)]) -> (String, String) {
        let source = gofer_pipeline::Source::new("pipeline.hcl", ASKS);
        let parsed = gofer_pipeline::parse(&source, &gofer_pipeline::Limits::default());
        let json = serde_json::to_string(&parsed.pipeline.expect("a pipeline")).expect("JSON");
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = pb::AnswerTaskRequest { fields, ..Default::default() };
        let asked = approvals::fields_of(&pb::Version { json, ..Default::default() }, "ask");
        let failure = wrong_fields(Failure::new(FIELDS, Exit::Invalid, "x"), &asked, &request);
        (failure.message.clone(), failure.hint.clone().unwrap_or_default())
    }

    #[test]
    fn wrong_fields_are_all_named_beside_those_that_there_are() {
        let (message, hint) = told(&[("whom", "ana"), ("percent", "many")]);
        for part in ["asks for no field `whom`", "the field `who` is required", "the field `percent` must be"]
        {
            assert!(message.contains(part), "{part} is not in {message}");
        }
        assert_eq!(hint, "its fields: percent (number, else 5); who (string, required)");
    }
}
