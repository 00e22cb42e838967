//! How a run stands, put together from what the server tells, and the summary of its end.

use std::collections::HashMap;

use gofer_client::v1 as pb;
use gofer_output::exit::Exit;
use gofer_output::style::{Colour, Sign, Style, duration};
use gofer_output::table::{Cell, lay_out};
use gofer_types::RunState;

use crate::views::{self, Change, End, Run, TaskRun};

/// How a run and its tasks stand.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The run, once it was told.
    pub(crate) run: Option<pb::Run>,
    /// Its tasks, in the order of the file.
    pub(crate) tasks: Vec<pb::TaskRun>,
    /// The newest event that is included.
    pub(crate) seq: u64,
    places: HashMap<String, usize>,
}

impl Progress {
    /// Takes in what the server told, and answers what changed.
    pub(crate) fn take(&mut self, update: pb::WatchRunResponse) -> Vec<Change> {
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
    pub(crate) fn state(&self) -> Option<RunState> {
        views::run_state(self.run.as_ref()?.state())
    }

    /// Whether the run has ended.
    pub(crate) fn ended(&self) -> bool {
        self.state().is_some_and(RunState::is_terminal)
    }

    /// What the end means for the shell.
    pub(crate) fn exit(&self) -> Exit {
        self.state().map_or(Exit::Internal, Exit::of_run)
    }

    /// The address of the run.
    pub(crate) fn address(&self) -> String {
        self.run.clone().map(|run| Run::from(run).r#ref).unwrap_or_default()
    }

    /// The last object of a stream.
    pub(crate) fn end(&self) -> Option<End> {
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
    pub(crate) fn culprit(&self) -> Option<&pb::TaskRun> {
        let decided: Vec<&String> =
            self.run.iter().filter_map(|run| run.cause.as_ref()).flat_map(|c| &c.tasks).collect();
        let bad = |task: &&pb::TaskRun| is_bad(task.state());
        let named = self.tasks.iter().filter(bad).find(|task| decided.contains(&&task.task));
        named.or_else(|| self.tasks.iter().find(bad))
    }

    /// The summary: a line for each task, then one for the run.
    pub(crate) fn summary(&self, style: &Style) -> String {
        let Some(run) = self.run.clone().map(Run::from) else { return String::new() };
        let tasks: Vec<TaskRun> = self.tasks.iter().cloned().map(TaskRun::from).collect();
        let rows: Vec<Vec<Cell>> = tasks.iter().map(|task| task_row(task, style)).collect();
        let mut text = lay_out(None, &rows, style);
        text.push_str(&last_line(&run, &tasks, style));
        text
    }
}

/// The end of the run in one line.
pub(crate) fn last_line(run: &Run, tasks: &[TaskRun], style: &Style) -> String {
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
    let mut why = Vec::new();
    if let Some(cause) =
        task.cause.as_ref().filter(|cause| cause.kind != "completed" && task.state != "succeeded")
    {
        why.push(cause.exit_code.map_or_else(|| cause.text.clone(), |code| format!("exit {code}")));
    }
    if task.attempts > 1 {
        why.push(format!("{} attempts", task.attempts));
    }
    let took = task.duration_ms.map(|ms| duration(std::time::Duration::from_millis(ms)));
    vec![
        format!("{sign} {}", task.task).into(),
        views::state_cell(task.state),
        format!("{:>6}", took.unwrap_or_else(|| "-".to_owned())).into(),
        if why.is_empty() { " ".into() } else { why.join(", ").into() },
    ]
}

/// One change as a line for people.
pub(crate) fn change_line(change: &Change, style: &Style) -> String {
    let sign = match change.state {
        "succeeded" => style.sign(Sign::Good),
        "skipped" | "cancelled" => style.sign(Sign::Skipped),
        "failed" | "errored" | "lost" | "timed_out" => style.sign(Sign::Bad),
        _ => " ".to_owned(),
    };
    let why = change.cause.as_ref().filter(|cause| cause.kind != "completed" && change.state != "succeeded");
    let why = why.map(|cause| format!("  {}", cause.text)).unwrap_or_default();
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
        (test.attempts, test.cause) = (2, cause("exit_code", "exit code 101", &[]));
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
    fn the_end_of_a_stream_carries_the_exit_code() {
        let end = failed().end().expect("an end");
        assert_eq!((end.exit_code, end.state, end.duration_ms), (10, "failed", Some(17_600)));
    }
}
