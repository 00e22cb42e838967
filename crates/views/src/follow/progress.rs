//! How a run stands, put together from what the server tells, and the summary of its end.

use std::collections::HashMap;

use gofer_client::v1 as pb;
use gofer_output::exit::Exit;
use gofer_output::style::{Colour, Sign, Style, duration};
use gofer_output::table::{Cell, lay_out};
use gofer_types::RunState;

use crate::{Cause, Change, End, Run, TaskRun, run_state, state_cell};

/// How a run and its tasks stand.
#[derive(Debug, Default)]
pub struct Progress {
    /// The run, once it was told.
    pub run: Option<pb::Run>,
    /// Its tasks, in the order of the file.
    pub tasks: Vec<pb::TaskRun>,
    /// The newest event that is included.
    pub seq: u64,
    places: HashMap<String, usize>,
}

impl Progress {
    /// Takes in what the server told, and answers what changed.
    pub fn take(&mut self, update: pb::WatchRunResponse) -> Vec<Change> {
        self.seq = self.seq.max(update.seq);
        let seq = self.seq;
        let mut changes = Vec::new();
        for task in update.tasks {
            match self.places.get(&task.task).and_then(|place| self.tasks.get_mut(*place)) {
                Some(known) if *known == task => continue,
                Some(known) => known.clone_from(&task),
                None => {
                    self.places.insert(task.task.clone(), self.tasks.len());
                    self.tasks.push(task.clone());
                }
            }
            changes.push(task_change(seq, TaskRun::from(task)));
        }
        if let Some(run) = update.run.filter(|run| self.run.as_ref() != Some(run)) {
            self.run = Some(run.clone());
            changes.push(run_change(seq, Run::from(run)));
        }
        changes
    }

    /// The state of the run, if it is known.
    pub fn state(&self) -> Option<RunState> {
        run_state(self.run.as_ref()?.state())
    }

    /// Whether the run has ended.
    pub fn ended(&self) -> bool {
        self.state().is_some_and(RunState::is_terminal)
    }

    /// What the end means for the shell.
    pub fn exit(&self) -> Exit {
        self.state().map_or(Exit::Internal, Exit::of_run)
    }

    /// The task of that name.
    pub(super) fn task(&self, name: &str) -> Option<&pb::TaskRun> {
        self.places.get(name).and_then(|place| self.tasks.get(*place))
    }

    /// The address of the run.
    pub fn address(&self) -> String {
        self.run.clone().map(|run| Run::from(run).r#ref).unwrap_or_default()
    }

    /// The last object of a stream.
    pub fn end(&self) -> Option<End> {
        let run = Run::from(self.run.clone()?);
        Some(End {
            seq: self.seq,
            r#type: "end",
            state: run.state,
            exit_code: self.exit().code(),
            time: run.ended,
            cause: run.cause,
            duration_ms: run.duration_ms,
            r#ref: run.r#ref,
        })
    }

    /// The first task that did not do what it should.
    pub fn culprit(&self) -> Option<&pb::TaskRun> {
        let decided: Vec<&String> =
            self.run.iter().filter_map(|run| run.cause.as_ref()).flat_map(|c| &c.tasks).collect();
        let bad = |task: &&pb::TaskRun| is_bad(task.state());
        let named = self.tasks.iter().filter(bad).find(|task| decided.contains(&&task.task));
        named.or_else(|| self.tasks.iter().find(bad))
    }

    /// The summary: a line for each task, then one for the run.
    pub fn summary(&self, style: &Style) -> String {
        let Some(run) = self.run.clone().map(Run::from) else { return String::new() };
        let tasks: Vec<TaskRun> = self.tasks.iter().cloned().map(TaskRun::from).collect();
        let rows: Vec<Vec<Cell>> = tasks.iter().map(|task| task_row(task, style)).collect();
        let mut text = lay_out(None, &rows, style);
        text.push_str(&last_line(&run, &tasks, style));
        text
    }
}

/// The end of the run in one line.
pub fn last_line(run: &Run, tasks: &[TaskRun], style: &Style) -> String {
    let sign = style.sign(if run.state == "succeeded" { Sign::Good } else { Sign::Bad });
    let colour = if run.state == "succeeded" { Colour::Green } else { Colour::Red };
    let state = style.paint(colour, run.state);
    let took = run.duration_ms.map(|ms| format!("  in {}", duration(std::time::Duration::from_millis(ms))));
    let counts = counts(tasks).join(&format!(" {} ", style.dot()));
    let why = run.cause.as_ref().filter(|cause| !matches!(cause.kind.as_str(), "completed" | "tasks"));
    let why = why.map(|cause| format!("   {}", cause.text)).unwrap_or_default();
    format!("{sign} {state}  {}{}   {counts}{why}", run.r#ref, took.unwrap_or_default()).trim_end().to_owned()
        + "\n"
}

fn counts(tasks: &[TaskRun]) -> Vec<String> {
    const ORDER: [&str; 8] =
        ["failed", "errored", "lost", "timed_out", "cancelled", "succeeded", "skipped", "unknown"];
    let number = |state: &str| tasks.iter().filter(|task| task.state == state).count();
    ORDER
        .iter()
        .map(|state| (number(state), state))
        .filter(|(n, _)| *n > 0)
        .map(|(n, s)| format!("{n} {s}"))
        .collect()
}

fn task_row(task: &TaskRun, style: &Style) -> Vec<Cell> {
    let sign = style.sign(match task.state {
        "succeeded" => Sign::Good,
        "skipped" | "cancelled" => Sign::Skipped,
        _ => Sign::Bad,
    });
    let why = why(task);
    let took = task.duration_ms.map(|ms| duration(std::time::Duration::from_millis(ms)));
    vec![
        format!("{sign} {}", task.task).into(),
        state_cell(task.state),
        format!("{:>6}", took.unwrap_or_else(|| "-".to_owned())).into(),
        if why.is_empty() { " ".into() } else { why.join(", ").into() },
    ]
}

/// A cause that says more than the state does.
fn telling<'a>(cause: Option<&'a Cause>, state: &str) -> Option<&'a Cause> {
    cause.filter(|cause| match cause.kind.as_str() {
        "completed" | "under_way" => false,
        "reused" | "approved" | "child_run" => true,
        _ => state != "succeeded",
    })
}

/// Why a task ended as it did, and after how many attempts.
fn why(task: &TaskRun) -> Vec<String> {
    let cause = telling(task.cause.as_ref(), task.state);
    let cause = cause.map(|cause| match cause.exit_code {
        Some(code) => format!("exit {code}"),
        None => cause.text.clone(),
    });
    let attempt = match task.attempts {
        0 | 1 => None,
        last => Some(match task.max_attempts {
            Some(most) => format!("attempt {last} of {most}"),
            None => format!("attempt {last}"),
        }),
    };
    cause.into_iter().chain(attempt).collect()
}

impl Change {
    /// The task that changed; empty for a change of the run.
    pub(super) fn task(&self) -> &str {
        let task = self.r#ref.rsplit_once('/').map_or("", |(_, task)| task);
        if self.r#type == "task" { task } else { "" }
    }

    /// Why the task is tried again, if that is the change.
    pub(super) fn tried_again(&self) -> Option<&Cause> {
        self.cause.as_ref().filter(|cause| cause.kind == "waiting_for_retry")
    }
}

/// One change as a line for people.
pub fn change_line(change: &Change, style: &Style) -> String {
    let sign = match change.state {
        "succeeded" => style.sign(Sign::Good),
        "skipped" | "cancelled" => style.sign(Sign::Skipped),
        "failed" | "errored" | "lost" | "timed_out" => style.sign(Sign::Bad),
        _ => " ".to_owned(),
    };
    let why = telling(change.cause.as_ref(), change.state).map(|cause| format!("  {}", cause.text));
    let again = change.attempts.filter(|attempt| change.state == "running" && *attempt > 1);
    let again = again.map(|attempt| format!("  attempt {attempt}"));
    let why = why.or(again).unwrap_or_default();
    format!("{sign} {}  {}{why}\n", change.r#ref, change.state)
}

fn is_bad(state: pb::TaskState) -> bool {
    use pb::TaskState::{Errored, Failed, Lost, TimedOut};
    matches!(state, Failed | Errored | Lost | TimedOut)
}

fn task_change(seq: u64, task: TaskRun) -> Change {
    Change {
        seq,
        r#type: "task",
        r#ref: task.r#ref,
        state: task.state,
        time: task.changed,
        cause: task.cause,
        exit_code: task.exit_code,
        attempts: Some(task.attempts),
    }
}

fn run_change(seq: u64, run: Run) -> Change {
    Change {
        seq,
        r#type: "run",
        state: run.state,
        time: run.ended.or(run.started).or(run.created),
        cause: run.cause,
        exit_code: None,
        attempts: None,
        r#ref: run.r#ref,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gofer_output::style::{ColorChoice, Surroundings};

    /// So many milliseconds after the beginning of time, in whatever type the wire has.
    macro_rules! at {
        ($millis:expr) => {
            Some((std::time::UNIX_EPOCH + std::time::Duration::from_millis($millis)).into())
        };
    }

    fn cause(kind: &str, text: &str, tasks: &[&str]) -> Option<pb::Cause> {
        let tasks = tasks.iter().map(|task| (*task).to_owned()).collect();
        let exit_code = (kind == "exit_code").then_some(101);
        Some(pb::Cause { kind: kind.into(), text: text.into(), tasks, exit_code, ..Default::default() })
    }

    fn task(name: &str, state: pb::TaskState, millis: u64) -> pb::TaskRun {
        pb::TaskRun {
            pipeline: "hello".into(),
            run: 12,
            task: name.into(),
            state: state.into(),
            attempts: 1,
            started: at!(0),
            ended: at!(millis),
            cause: cause("completed", "completed", &[]),
            ..Default::default()
        }
    }

    fn failed() -> Progress {
        let mut test = task("test", pb::TaskState::Failed, 14_300);
        (test.attempts, test.max_attempts, test.cause) = (2, 3, cause("exit_code", "exit code 101", &[]));
        let mut package = task("package", pb::TaskState::Skipped, 0);
        (package.started, package.cause) = (None, cause("parent_state", "test did not succeed", &["test"]));
        let run = pb::Run {
            pipeline: "hello".into(),
            number: 12,
            state: pb::RunState::Failed.into(),
            cause: cause("tasks", "test failed", &["test"]),
            started: at!(0),
            ended: at!(17_600),
            ..Default::default()
        };
        let tasks = vec![task("fetch", pb::TaskState::Succeeded, 2_100), test, package];
        let mut progress = Progress::default();
        progress.take(pb::WatchRunResponse { run: Some(run), tasks, seq: 9, ..Default::default() });
        progress
    }

    fn style(lang: &str) -> Style {
        let vars = [("LANG".to_owned(), lang.to_owned())].into_iter().collect();
        let around = Surroundings { vars, ..Surroundings::default() };
        Style::new(&around, ColorChoice::Never, None, gofer_types::Timestamp::default())
    }

    #[test]
    fn the_summary_of_a_failed_run_says_what_and_why() {
        insta::assert_snapshot!(failed().summary(&style("C.UTF-8")));
    }

    #[test]
    fn the_summary_is_ascii_where_the_terminal_is() {
        assert!(failed().summary(&style("C")).is_ascii());
    }

    #[test]
    fn the_task_that_decided_is_the_culprit() {
        assert_eq!(failed().culprit().map(|task| task.task.as_str()), Some("test"));
        assert_eq!(failed().exit(), Exit::RunFailed);
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut progress = failed();
        let again = pb::WatchRunResponse {
            run: progress.run.clone(),
            tasks: progress.tasks.clone(),
            seq: 10,
            ..Default::default()
        };
        assert!(progress.take(again).is_empty());
        assert_eq!(progress.seq, 10);
    }

    #[test]
    fn a_task_that_rests_has_not_ended_and_says_what_follows() {
        let mut progress = failed();
        let mut again = task("test", pb::TaskState::Pending, 0);
        (again.ended, again.attempts) = (None, 2);
        again.cause = cause("waiting_for_retry", "attempt 3 of 3 follows after 10s: exit code 101", &[]);
        let run =
            pb::Run { state: pb::RunState::Running.into(), ended: None, ..progress.run.clone().unwrap() };
        let update =
            pb::WatchRunResponse { run: Some(run), tasks: vec![again], seq: 10, ..Default::default() };
        let changes = progress.take(update);
        assert!(!progress.ended() && progress.culprit().is_none());
        assert_eq!((changes[0].task(), changes[1].task()), ("test", ""));
        let line = change_line(&changes[0], &style("C.UTF-8"));
        assert_eq!(line, "  hello/12/test  pending  attempt 3 of 3 follows after 10s: exit code 101\n");
        assert!(changes[0].tried_again().is_some() && changes[1].tried_again().is_none());
    }

    #[test]
    fn a_result_that_was_taken_over_says_from_where_and_a_late_success_which_attempt() {
        let mut reused = task("fetch", pb::TaskState::Succeeded, 0);
        (reused.started, reused.cause) = (None, cause("reused", "succeeded in run 11 already", &[]));
        let mut late = task("lint", pb::TaskState::Succeeded, 0);
        (late.attempts, late.max_attempts, late.cause) = (2, 3, cause("exit_code", "exit code 0", &[]));
        let told = [reused, late].map(|task| why(&TaskRun::from(task)).join(", "));
        assert_eq!(told, ["succeeded in run 11 already", "attempt 2 of 3"]);
    }

    #[test]
    fn the_end_of_a_stream_carries_the_exit_code() {
        let end = failed().end().expect("an end");
        assert_eq!((end.exit_code, end.state, end.duration_ms), (10, "failed", Some(17_600)));
    }
}
