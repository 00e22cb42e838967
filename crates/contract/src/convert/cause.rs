//! Causes: the stable word, the facts, and the sentence for people.

use gofer_proto::v1;
use gofer_types::{Answer, Cause, Span, TaskId};

use super::duration;

/// Why something is in its state.
pub(super) fn cause(cause: &Cause) -> v1::Cause {
    let mut message = v1::Cause { kind: word(cause).to_owned(), text: text(cause), ..v1::Cause::default() };
    match cause {
        Cause::WaitingForParents(tasks) | Cause::Tasks(tasks) => {
            message.tasks = tasks.iter().map(TaskId::to_string).collect();
        }
        Cause::ParentState { task, .. } => message.tasks = vec![task.to_string()],
        Cause::ExitCode(code) => message.exit_code = Some(*code),
        Cause::Signal(signal) => message.signal = Some(*signal),
        Cause::Deadline(limit) | Cause::RunDeadline(limit) => message.limit = Some(duration(*limit)),
        Cause::WaitingForRetry { attempt, wait, .. } => {
            message.attempt = *attempt;
            message.limit = Some(duration(*wait));
        }
        Cause::Reused { run, answer } => {
            message.run = run.0;
            answer.iter().for_each(|answer| tell_answer(&mut message, answer));
        }
        Cause::Approved(answer) | Cause::Rejected(answer) => tell_answer(&mut message, answer),
        Cause::ChildRun { run, .. } => message.child = run.to_string(),
        Cause::FannedOut { tasks, .. } => message.count = *tasks,
        Cause::Completed
        | Cause::NothingListed
        | Cause::CannotKeep(_)
        | Cause::WaitingForSlot(_)
        | Cause::WaitingForScheduler
        | Cause::OutOfMemory
        | Cause::CannotStart(_)
        | Cause::Lost(_)
        | Cause::Cancelled(_)
        | Cause::Quarantined(_)
        | Cause::FetchingImage(_)
        | Cause::UnderWay
        | Cause::WaitingForApproval
        | Cause::NotChosen => {}
    }
    message
}

/// The stable word.
pub(super) const fn word(cause: &Cause) -> &'static str {
    match cause {
        Cause::Completed => "completed",
        Cause::WaitingForParents(_) => "waiting_for_parents",
        Cause::WaitingForSlot(_) => "waiting_for_slot",
        Cause::WaitingForScheduler => "waiting_for_scheduler",
        Cause::ExitCode(_) => "exit_code",
        Cause::Signal(_) => "signal",
        Cause::OutOfMemory => "out_of_memory",
        Cause::CannotStart(_) => "cannot_start",
        Cause::Lost(_) => "lost",
        Cause::ParentState { .. } => "parent_state",
        Cause::Cancelled(_) => "cancelled",
        Cause::Deadline(_) => "deadline",
        Cause::RunDeadline(_) => "run_deadline",
        Cause::Tasks(_) => "tasks",
        Cause::Quarantined(_) => "quarantined",
        Cause::FetchingImage(_) => "fetching_image",
        Cause::UnderWay => "under_way",
        Cause::NotChosen => "not_chosen",
        Cause::Reused { .. } => "reused",
        Cause::WaitingForRetry { .. } => "waiting_for_retry",
        Cause::WaitingForApproval => "waiting_for_approval",
        Cause::Approved(_) => "approved",
        Cause::Rejected(_) => "rejected",
        Cause::ChildRun { .. } => "child_run",
        Cause::FannedOut { .. } => "fanned_out",
        Cause::NothingListed => "nothing_listed",
        Cause::CannotKeep(_) => "cannot_keep",
    }
}

/// The sentence fragment for people.
pub(super) fn text(cause: &Cause) -> String {
    match cause {
        Cause::Completed => "everything is done".to_owned(),
        Cause::WaitingForParents(tasks) => format!("waits for {}", names(tasks)),
        Cause::WaitingForSlot(limit) => format!("waits for a free slot: {limit}"),
        Cause::WaitingForScheduler => "waits for the scheduler".to_owned(),
        Cause::ExitCode(code) => format!("exit code {code}"),
        Cause::Signal(signal) => format!("ended by signal {signal}"),
        Cause::OutOfMemory => "used more memory than it may".to_owned(),
        Cause::CannotStart(why) => format!("could not be started: {why}"),
        Cause::Lost(why) => format!("lost: {why}"),
        Cause::ParentState { task, state, wanted } => format!("`{task}` ended {state}, wanted {wanted}"),
        Cause::Cancelled(reason) if reason.is_empty() => "cancelled".to_owned(),
        Cause::Cancelled(reason) => format!("cancelled: {reason}"),
        Cause::Deadline(limit) => format!("its time limit of {} passed", Span::from(*limit)),
        Cause::RunDeadline(limit) => format!("the run's time limit of {} passed", Span::from(*limit)),
        Cause::Tasks(tasks) => format!("decided by {}", names(tasks)),
        Cause::Quarantined(why) => format!("set aside: {why}"),
        Cause::FetchingImage(image) => format!("its image {image} is being fetched"),
        Cause::UnderWay => "under way".to_owned(),
        Cause::NotChosen => "the run was started for other tasks only".to_owned(),
        Cause::WaitingForApproval => "somebody has to approve it".to_owned(),
        Cause::Approved(answer) => answered("approved", answer),
        Cause::Rejected(answer) => answered("rejected", answer),
        Cause::ChildRun { run, state } => format!("{run} is {state}"),
        Cause::FannedOut { tasks: 1, .. } => "its list was read: 1 task".to_owned(),
        Cause::FannedOut { tasks, .. } => format!("its list was read: {tasks} tasks"),
        Cause::NothingListed => "its list is empty".to_owned(),
        Cause::CannotKeep(why) => format!("its outputs could not be kept: {why}"),
        Cause::Reused { run, answer: None } => format!("succeeded in run {run} already"),
        Cause::Reused { run, answer: Some(answer) } => {
            format!("succeeded in run {run} already: {}", answered("approved", answer))
        }
        Cause::WaitingForRetry { attempt, of, wait, after } => {
            format!("attempt {attempt} of {of} follows after {}: {}", Span::from(*wait), text(after))
        }
    }
}

fn tell_answer(message: &mut v1::Cause, answer: &Answer) {
    message.actor = answer.actor.to_string();
    message.fields = answer.fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
}

/// Who answered, what they were asked for, and what they said about it.
fn answered(how: &str, answer: &Answer) -> String {
    let with = answer.with_fields();
    match answer.note.as_str() {
        "" => format!("{how} by {}{with}", answer.actor),
        note => format!("{how} by {}{with}: {note}", answer.actor),
    }
}

/// The names of the first tasks, and how many more there are.
fn names(tasks: &[TaskId]) -> String {
    const SHOWN: usize = 5;
    let mut text = tasks.iter().take(SHOWN).map(|task| format!("`{task}`")).collect::<Vec<_>>().join(", ");
    if tasks.len() > SHOWN {
        text.push_str(&format!(" and {} more", tasks.len() - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use gofer_types::{
        Actor, Condition, Namespace, PipelineId, PipelineRef, RunNumber, RunRef, RunState, TaskState,
        VariableName,
    };
    use std::time::Duration;

    use super::*;

    fn tasks(count: usize) -> Vec<TaskId> {
        (0..count).map(|n| TaskId::new(format!("t{n}")).unwrap()).collect()
    }

    fn answer(note: &str) -> Answer {
        let (actor, note) = (Actor::User("ana".to_owned()), note.to_owned());
        Answer { actor, note, fields: Default::default() }
    }

    fn filled_in() -> Box<Answer> {
        let fields = [("channel", "beta"), ("who", "ana")];
        let fields = fields.map(|(name, value)| (VariableName::new(name).unwrap(), value.to_owned()));
        Box::new(Answer { fields: fields.into(), ..answer("looks good") })
    }

    fn run() -> RunRef {
        let pipeline = PipelineId::new("deploy").unwrap();
        PipelineRef { namespace: Namespace::default_name(), pipeline }.run(RunNumber(3))
    }

    #[test]
    fn every_cause_has_a_word_and_a_text() {
        let all = [
            Cause::Completed,
            Cause::WaitingForParents(tasks(2)),
            Cause::WaitingForSlot("the server runs 200 tasks".to_owned()),
            Cause::WaitingForScheduler,
            Cause::ExitCode(3),
            Cause::Signal(9),
            Cause::OutOfMemory,
            Cause::CannotStart("no such image".to_owned()),
            Cause::Lost("the container is gone".to_owned()),
            Cause::ParentState {
                task: tasks(1).remove(0),
                state: TaskState::Failed,
                wanted: Condition::Successful,
            },
            Cause::Cancelled(String::new()),
            Cause::Cancelled("wrong branch".to_owned()),
            Cause::Deadline(Duration::from_secs(90)),
            Cause::RunDeadline(Duration::from_secs(3600)),
            Cause::Tasks(tasks(7)),
            Cause::Quarantined("format 9 is not known".to_owned()),
            Cause::FetchingImage("alpine:3".to_owned()),
            Cause::UnderWay,
            Cause::NotChosen,
            Cause::Reused { run: RunNumber(3), answer: None },
            Cause::WaitingForApproval,
            Cause::Approved(Box::new(answer("looks good"))),
            Cause::Rejected(Box::new(answer(""))),
            Cause::Approved(filled_in()),
            Cause::Reused { run: RunNumber(3), answer: Some(filled_in()) },
            Cause::ChildRun { run: run(), state: RunState::Failed },
            Cause::FannedOut { tasks: 3, values: Default::default() },
            Cause::NothingListed,
            Cause::CannotKeep("`dist` is not there".to_owned()),
            Cause::WaitingForRetry {
                attempt: 2,
                of: 3,
                wait: Duration::from_secs(10),
                after: Box::new(Cause::ExitCode(75)),
            },
        ];
        let lines: Vec<String> =
            all.iter().map(|cause| format!("{}: {}", word(cause), text(cause))).collect();
        insta::assert_snapshot!("causes", lines.join("\n"));
    }

    #[test]
    fn the_facts_of_a_cause_are_fields_too() {
        assert_eq!(cause(&Cause::ExitCode(0)).exit_code, Some(0));
        assert_eq!(cause(&Cause::Signal(15)).signal, Some(15));
        assert_eq!(cause(&Cause::Deadline(Duration::from_secs(2))).limit.map(|limit| limit.seconds), Some(2));
        assert_eq!(cause(&Cause::Tasks(tasks(2))).tasks, ["t0", "t1"]);
        let reused = Cause::Reused { run: RunNumber(3), answer: Some(filled_in()) };
        for told in [cause(&Cause::Approved(filled_in())), cause(&reused)] {
            assert_eq!((told.actor.as_str(), told.fields.len()), ("ana", 2));
            assert_eq!(told.fields["who"], "ana");
        }
    }
}
