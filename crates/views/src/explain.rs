//! Why a run and its tasks are where they are: as programs see it, and as a text.

use std::fmt::Write;

use gofer_client::v1 as pb;
use gofer_output::sanitize::plain;
use gofer_output::style::{Colour, Style};

use crate::{Explained, ExplainedTask, Run, TaskRun, Variable, approvals};

impl Explained {
    /// A run as the server explains it; its tasks are added by who asked for them.
    #[must_use]
    pub fn new(run: pb::Run, about: Option<pb::Explanation>, task_list: Vec<ExplainedTask>) -> Self {
        let (run, about) = (Run::from(run), about.unwrap_or_default());
        let (limit, place, of) = line(&about);
        let (text, details, next) = (about.text, about.details, about.next);
        Self { r#ref: run.r#ref, state: run.state, text, details, next, task_list, limit, place, of }
    }
}

impl ExplainedTask {
    /// A task as the server explains it.
    #[must_use]
    pub fn new(task: TaskRun, about: Option<pb::Explanation>) -> Self {
        let about = about.unwrap_or_default();
        let (limit, place, of) = line(&about);
        let next = next(about.next, &task);
        Self {
            r#ref: task.r#ref,
            task: task.task,
            state: task.state,
            text: about.text,
            details: about.details,
            next,
            limit,
            place,
            of,
            question: task.question,
            fields: None,
            child_pipeline: task.child_pipeline,
            child_run: task.child_run,
        }
    }

    /// The same, with what it asks for and the commands that answer.
    #[must_use]
    pub fn asking(mut self, fields: Vec<Variable>) -> Self {
        self.next = approvals::commands(&self.r#ref, &fields).into();
        self.fields = (!fields.is_empty()).then_some(fields);
        self
    }
}

/// What helps further. A task that is a run of another pipeline writes nothing itself: its run does.
fn next(mut next: Vec<String>, task: &TaskRun) -> Vec<String> {
    if task.child_pipeline.is_some() {
        next.retain(|command| !command.starts_with("gofer logs "));
    }
    if let Some(run) = &task.child_run {
        next.insert(0, format!("gofer run explain {run}"));
    }
    next
}

/// The line in which something stands, and its place there.
fn line(about: &pb::Explanation) -> (Option<String>, Option<u64>, Option<u64>) {
    let some = |number: u64| (number > 0).then_some(number);
    let limit = (!about.limit.is_empty()).then(|| about.limit.clone());
    (limit, some(about.place), some(about.of))
}

/// A run and its tasks, each with what to do; `whole` is whether it is about the run itself, too.
#[must_use]
pub fn text(explained: &Explained, whole: bool, style: &Style) -> String {
    let mut parts = Vec::new();
    if whole {
        let mut part = head(&explained.r#ref, (explained.state, &explained.text), style);
        more(&mut part, &explained.details, &explained.next);
        parts.push(part);
    }
    parts.extend(explained.task_list.iter().map(|one| task(one, whole, style)));
    parts.join("\n")
}

fn head(name: &str, (state, text): (&str, &str), style: &Style) -> String {
    let name = style.paint(Colour::Bold, name);
    format!("{name}  {state}: {}\n", plain(text))
}

fn more(part: &mut String, details: &[String], next: &[String]) {
    for line in details {
        let _ = writeln!(part, "  {}", plain(line));
    }
    for command in next {
        let _ = writeln!(part, "  next: {}", plain(command));
    }
}

fn task(one: &ExplainedTask, short: bool, style: &Style) -> String {
    let name = if short { &one.task } else { &one.r#ref };
    let mut part = head(name, (one.state, &one.text), style);
    if let Some(question) = &one.question {
        let _ = writeln!(part, "  asks: {}", plain(question));
    }
    for field in one.fields.iter().flatten() {
        let _ = writeln!(part, "  field {}", plain(&approvals::describe(field)));
    }
    match (&one.child_run, &one.child_pipeline) {
        (Some(run), _) => drop(writeln!(part, "  its run: {run}")),
        (None, Some(child)) => drop(writeln!(part, "  a run of {child}")),
        (None, None) => {}
    }
    more(&mut part, &one.details, &one.next);
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use gofer_output::style::{ColorChoice, Surroundings};

    fn about(text: &str, details: &[&str], next: &[&str]) -> Option<pb::Explanation> {
        let all = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        Some(pb::Explanation {
            text: text.into(),
            details: all(details),
            next: all(next),
            ..Default::default()
        })
    }

    fn task(name: &str, state: pb::TaskState) -> pb::TaskRun {
        pb::TaskRun {
            pipeline: "ship".into(),
            run: 7,
            task: name.into(),
            state: state.into(),
            ..Default::default()
        }
    }

    fn explained() -> Explained {
        let run = pb::Run {
            pipeline: "ship".into(),
            number: 7,
            state: pb::RunState::Running.into(),
            ..Default::default()
        };
        let cause = pb::Cause { kind: approvals::WAITING.into(), ..Default::default() };
        let question = "Ship it?\u{1b}[2J".to_owned();
        let ask = pb::TaskRun { question, cause: Some(cause), ..task("ask", pb::TaskState::Running) };
        let field = Variable {
            name: "who".into(),
            r#type: "string".into(),
            allowed: Vec::new(),
            description: String::new(),
            default: None,
            sensitive: None,
        };
        let child = pb::TaskRun { child_pipeline: "notes".into(), ..task("notes", pb::TaskState::Running) };
        let child = TaskRun { child_run: Some("notes/3".into()), ..TaskRun::from(child) };
        let queued =
            pb::Explanation { limit: "2 tasks at once".into(), place: 1, of: 4, ..Default::default() };
        let tasks = vec![
            ExplainedTask::new(
                TaskRun::from(ask),
                about("somebody has to approve it", &["running since 3s ago"], &[]),
            )
            .asking(vec![field]),
            ExplainedTask::new(child, about("attempt 1 runs", &[], &["gofer logs ship/7/notes -f"])),
            ExplainedTask::new(TaskRun::from(task("test", pb::TaskState::Pending)), Some(queued)),
        ];
        Explained::new(run, about("it is under way", &["began 3s ago"], &["gofer watch ship/7"]), tasks)
    }

    fn style() -> Style {
        Style::new(&Surroundings::default(), ColorChoice::Never, None, gofer_types::Timestamp::default())
    }

    #[test]
    fn a_run_is_explained_with_each_of_its_tasks() {
        insta::assert_snapshot!(text(&explained(), true, &style()));
    }

    #[test]
    fn a_chosen_task_is_explained_alone_under_its_address() {
        let mut explained = explained();
        explained.task_list.truncate(1);
        let text = text(&explained, false, &style());
        assert!(text.starts_with("ship/7/ask  running: somebody"), "{text}");
        assert!(!text.contains("under way"), "{text}");
    }

    #[test]
    fn programs_see_the_place_in_a_line_and_what_is_asked() {
        let value = serde_json::to_value(explained()).expect("JSON");
        let tasks = &value["task_list"];
        assert_eq!((&tasks[2]["place"], &tasks[2]["of"]), (&1.into(), &4.into()));
        assert_eq!(tasks[0]["fields"][0]["name"], "who");
        assert_eq!(tasks[1]["child_run"], "notes/3");
        assert!(tasks[1].get("fields").is_none() && value.get("place").is_none());
    }
}
