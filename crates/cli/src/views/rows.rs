//! Things as rows of tables.

use gofer_output::Row;
use gofer_output::style::{Colour, Style, duration};
use gofer_output::table::Cell;

use super::{Event, NamespaceView, Pipeline, Run, Setting, TaskRun, Time, Version};

/// A state, in the colour that goes with it.
pub(crate) fn state_cell(word: &str) -> Cell {
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
pub(crate) fn lasted(started: Option<Time>, ended: Option<Time>, style: &Style) -> String {
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
        &["TASK", "STATE", "EXIT", "ATTEMPTS", "STARTED", "DURATION", "CAUSE"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        vec![
            self.task.clone().into(),
            state_cell(self.state),
            self.exit_code.map_or_else(String::new, |code| code.to_string()).into(),
            self.attempts.to_string().into(),
            style.time(self.started.map(|at| at.0)).into(),
            lasted(self.started, self.ended, style).into(),
            self.cause.as_ref().map_or_else(String::new, |cause| cause.text.clone()).into(),
        ]
    }
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
