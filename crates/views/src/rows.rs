//! Things as rows of tables.

use gofer_output::Row;
use gofer_output::sanitize::plain;
use gofer_output::style::{Colour, Style, duration};
use gofer_output::table::Cell;

use super::{Event, NamespaceView, Pipeline, Run, Setting, TaskRun, Time, Version, approvals};

/// A state, in the colour that goes with it.
pub fn state_cell(word: &str) -> Cell {
    let colour = match word {
        "succeeded" | "healthy" => Some(Colour::Green),
        "failed" | "errored" | "lost" | "timed_out" | "unhealthy" => Some(Colour::Red),
        "running" => Some(Colour::Bold),
        "skipped" | "waiting" | "cancelled" | "disabled" => Some(Colour::Dim),
        _ => None,
    };
    Cell::coloured(word, colour)
}

/// How long something took or takes.
pub fn lasted(started: Option<Time>, ended: Option<Time>, style: &Style) -> String {
    let Some(started) = started else { return "-".to_owned() };
    duration(ended.map_or(style.now, |ended| ended.0).since(started.0))
}

impl Row for Run {
    const HEADERS: &'static [&'static str] =
        &["RUN", "STATE", "TASKS", "VERSION", "TRIGGER", "STARTED", "DURATION"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        vec![
            self.r#ref.clone().into(),
            state_cell(self.state),
            self.tasks.to_string().into(),
            format!("v{}", self.version).into(),
            format!("{}:{}", self.trigger, self.actor).into(),
            style.time(self.started.or(self.created).map(|at| at.0)).into(),
            lasted(self.started, self.ended, style).into(),
        ]
    }
}

impl Row for TaskRun {
    const HEADERS: &'static [&'static str] =
        &["TASK", "STATE", "EXIT", "ATTEMPTS", "IMAGE", "STARTED", "DURATION", "CAUSE"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        vec![
            self.task.clone().into(),
            state_cell(self.state),
            self.exit_code.map_or_else(String::new, |code| code.to_string()).into(),
            self.attempts.to_string().into(),
            image(self).into(),
            style.time(self.started.map(|at| at.0)).into(),
            lasted(self.started, self.ended, style).into(),
            why(self).into(),
        ]
    }
}

/// The image that a task runs, and beside it that of the file where it differs.
pub(crate) fn image(task: &TaskRun) -> String {
    match &task.configured_image {
        Some(configured) if *configured != task.image => format!("{} (configured: {configured})", task.image),
        _ => task.image.clone(),
    }
}

/// Why a task is in its state, what it asks or which run it is, and that its output is not kept.
fn why(task: &TaskRun) -> String {
    let cause = task.cause.iter().map(|cause| match &task.question {
        Some(question) if approvals::is_waiting(task) => format!("{}: {}", cause.text, plain(question)),
        _ => cause.text.clone(),
    });
    let named = task.cause.as_ref().is_some_and(|cause| cause.child.is_some());
    let child = task.child_pipeline.iter().filter(|_| !named).map(|child| match &task.child_run {
        Some(run) => format!("is run {run}"),
        None => format!("a run of {child}"),
    });
    let off = task.logging_off.iter().filter(|off| **off).map(|_| "logging off".to_owned());
    cause.chain(child).chain(off).collect::<Vec<_>>().join(", ")
}

impl Row for Pipeline {
    const HEADERS: &'static [&'static str] = &["PIPELINE", "VERSION", "TASKS", "STATE", "UPDATED", "NAME"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        vec![
            self.r#ref.clone().into(),
            format!("v{}", self.latest_version).into(),
            self.tasks.to_string().into(),
            state_cell(if self.enabled { "enabled" } else { "disabled" }),
            style.time(self.updated.map(|at| at.0)).into(),
            self.name.clone().into(),
        ]
    }
}

impl Row for Version {
    const HEADERS: &'static [&'static str] = &["VERSION", "TASKS", "CREATED", "BY", "DIGEST"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        vec![
            self.r#ref.clone().into(),
            self.tasks.len().to_string().into(),
            style.time(self.created.map(|at| at.0)).into(),
            self.actor.clone().into(),
            self.digest.chars().take(12).collect::<String>().into(),
        ]
    }
}

impl Row for NamespaceView {
    const HEADERS: &'static [&'static str] = &["NAMESPACE", "CREATED", "DESCRIPTION"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        let description = self.description.lines().next().unwrap_or_default();
        vec![self.name.clone().into(), style.time(self.created.map(|at| at.0)).into(), description.into()]
    }
}

impl Row for Event {
    const HEADERS: &'static [&'static str] = &["SEQ", "TIME", "TYPE", "BY", "WHAT"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        vec![
            self.seq.to_string().into(),
            style.time(self.time.map(|at| at.0)).into(),
            self.r#type.clone().into(),
            self.actor.clone().into(),
            self.text.clone().into(),
        ]
    }
}

impl Row for Setting {
    const HEADERS: &'static [&'static str] = &["KEY", "VALUE", "FROM"];
    fn cells(&self, _: &Style) -> Vec<Cell> {
        vec![self.key.clone().into(), self.value.clone().into(), self.origin.clone().into()]
    }
}
