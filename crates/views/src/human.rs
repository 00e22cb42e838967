//! Things as texts for people, where a row of a table is too little.

use std::collections::BTreeMap;
use std::time::Duration;

use gofer_output::Row;
use gofer_output::sanitize::plain;
use gofer_output::style::{Colour, Sign, Style, duration};
use gofer_output::table::{Cell, lay_out, pairs};

use crate::{
    Attempt, Backend, CheckResult, Diagnosis, Graph, Pipeline, Plan, Run, Status, TaskConfig, TaskRun,
    Version, image, lasted, state_cell, variables,
};

/// How many there are of something.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// A word as it is typed in a shell: quoted where the shell would read more into it, as into the brackets of a matrix.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,+#".contains(c);
    let safe = word.chars().all(plain) && !word.starts_with('#');
    if safe { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// A run with its tasks, with or without headers above them.
#[must_use]
pub fn run(run: &Run, headers: bool, style: &Style) -> String {
    let tasks = run.task_list.as_deref().unwrap_or_default();
    let rows: Vec<_> = tasks.iter().map(|task| task.cells(style)).collect();
    let table = lay_out(headers.then_some(TaskRun::HEADERS), &rows, style);
    format!("{}\n{table}", pairs(&facts_of_run(run, style), style))
}

fn facts_of_run(run: &Run, style: &Style) -> Vec<(&'static str, String)> {
    let cause = run.cause.as_ref().map(|cause| cause.text.clone()).unwrap_or_default();
    let cancel = run.cancel.as_ref().map(|c| format!("by {} {}", c.actor, c.reason).trim_end().to_owned());
    let mut facts = vec![
        ("run", run.r#ref.clone()),
        ("state", run.state.to_owned()),
        ("cause", cause),
        ("version", format!("v{}", run.version)),
        ("started by", format!("{} ({})", run.actor, run.trigger)),
        ("variables", joined(&run.variables)),
        ("created", style.time(run.created.map(|at| at.0))),
        ("duration", lasted(run.started, run.ended, style)),
        ("cancel", cancel.unwrap_or_default()),
    ];
    let all = |map: &Option<BTreeMap<String, String>>| map.as_ref().map(joined);
    let more = [
        ("labels", all(&run.labels)),
        ("priority", run.priority.map(|priority| priority.to_string())),
        ("images", all(&run.images)),
        ("retry of", run.retry_of.map(|number| number.to_string())),
        ("part of", run.parent.clone()),
        ("output", run.logs_deleted.map(|at| format!("deleted {}", style.time(Some(at.0))))),
    ];
    facts.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    facts
}

fn joined(pairs: &BTreeMap<String, String>) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// A task run with its attempts, with or without headers above them.
#[must_use]
pub fn task(task: &TaskRun, headers: bool, style: &Style) -> String {
    const HEADERS: [&str; 6] = ["ATTEMPT", "SCHEDULER", "HANDLE", "STARTED", "DURATION", "END"];
    let attempts = task.attempt_list.as_deref().unwrap_or_default();
    let rows: Vec<Vec<Cell>> = attempts.iter().map(|attempt| attempt_row(attempt, style)).collect();
    let table = lay_out(headers.then_some(&HEADERS[..]), &rows, style);
    format!("{}\n{table}", pairs(&facts_of_task(task, style), style))
}

fn facts_of_task(task: &TaskRun, style: &Style) -> Vec<(&'static str, String)> {
    let parents: Vec<String> =
        task.depends_on.iter().map(|on| format!("{} = {}", on.task, on.condition)).collect();
    let attempts = task.attempt_list.as_deref().unwrap_or_default();
    let digest = attempts.last().and_then(|attempt| attempt.image_digest.clone());
    let mut facts = vec![
        ("task", task.r#ref.clone()),
        ("state", task.state.to_owned()),
        ("cause", task.cause.as_ref().map(|cause| cause.text.clone()).unwrap_or_default()),
        ("exit code", task.exit_code.map(|code| code.to_string()).unwrap_or_default()),
        ("image", image(task)),
        ("image digest", digest.unwrap_or_default()),
        ("depends on", parents.join(", ")),
        ("started", style.time(task.started.map(|at| at.0))),
        ("duration", lasted(task.started, task.ended, style)),
    ];
    facts.extend((task.attempts > 1).then(|| ("attempts", task.attempts.to_string())));
    let child = [("asks", task.question.as_deref().map(plain)), ("pipeline", task.child_pipeline.clone())];
    facts.extend(child.into_iter().filter_map(|(name, value)| Some((name, value?))));
    facts.extend(task.child_run.clone().map(|run| ("its run", run)));
    facts.extend((task.logging_off == Some(true)).then(|| ("output", "not kept: logging off".to_owned())));
    facts
}

fn attempt_row(attempt: &Attempt, style: &Style) -> Vec<Cell> {
    vec![
        attempt.number.to_string().into(),
        attempt.scheduler.clone().into(),
        attempt.handle.clone().into(),
        style.time(attempt.started.map(|at| at.0)).into(),
        lasted(attempt.started, attempt.ended, style).into(),
        attempt.exit.as_ref().map(|exit| exit.text.clone()).unwrap_or_default().into(),
    ]
}

/// A pipeline with one version of it.
#[must_use]
pub fn pipeline(pipeline: &Pipeline, newest: &Version, style: &Style) -> String {
    let facts = [
        ("pipeline", pipeline.r#ref.clone()),
        ("name", pipeline.name.clone()),
        ("state", if pipeline.enabled { "enabled" } else { "disabled" }.to_owned()),
        ("updated", style.time(pipeline.updated.map(|at| at.0))),
    ];
    format!("{}{}", pairs(&facts, style), version(newest, style))
}

/// A version with its tasks.
#[must_use]
pub fn version(version: &Version, style: &Style) -> String {
    let facts = [
        ("version", version.r#ref.clone()),
        ("registered", format!("{} by {}", style.time(version.created.map(|at| at.0)), version.actor)),
    ];
    let variables = variables::lines(&version.variables, style);
    format!("{}{variables}\n{}", pairs(&facts, style), tree(&version.tasks, style))
}

/// The graph of a pipeline below its name.
#[must_use]
pub fn graph(graph: &Graph, style: &Style) -> String {
    format!("{}\n{}", graph.pipeline, tree(&graph.tasks, style))
}

/// The tasks with what they wait for, one a line.
fn tree(tasks: &[TaskConfig], style: &Style) -> String {
    let row = |task: &TaskConfig| -> Vec<Cell> {
        let parents = task.depends_on.iter().map(|on| format!("{} {}", on.task, on.condition));
        let parents = parents.collect::<Vec<_>>().join(", ");
        let arrow = if style.unicode { "←" } else { "<-" };
        let from = if parents.is_empty() { " ".to_owned() } else { format!("{arrow} {parents}") };
        vec![format!("  {}", task.id).into(), task.image.clone().into(), from.into()]
    };
    lay_out(None, &tasks.iter().map(row).collect::<Vec<_>>(), style)
}

/// What registering a file would change.
#[must_use]
pub fn plan(plan: &Plan, style: &Style) -> String {
    if plan.unchanged {
        return format!("{} v{} is unchanged\n", plan.r#ref, plan.version);
    }
    let mut text = match plan.version {
        0 => format!("{} is new\n", plan.r#ref),
        version => format!("{}  v{version} -> v{}\n", plan.r#ref, version + 1),
    };
    text.push_str(&differences(&plan.changes, style));
    text
}

/// Differences, one a line, each in its colour.
#[must_use]
pub fn differences(changes: &[String], style: &Style) -> String {
    changes.iter().map(|line| difference(line, style)).collect()
}

fn difference(line: &str, style: &Style) -> String {
    let colour = match line.chars().next() {
        Some('+') => Colour::Green,
        Some('-') => Colour::Red,
        _ => Colour::Bold,
    };
    format!("  {}\n", style.paint(colour, line))
}

/// How the server at an address does.
#[must_use]
pub fn status(status: &Status, address: &str, style: &Style) -> String {
    let up = uptime(status);
    let facts = [
        ("server", format!("{address}, gofer {}, up {up}, epoch {}", status.version, status.epoch)),
        ("data", status.data_dir.clone()),
        ("runs", format!("{} running, {} queued", status.running_runs, status.queued_runs)),
        ("tasks", format!("{} of {} running", status.running_tasks, status.max_running_tasks)),
        ("events", status.last_event.to_string()),
        ("set aside", count(usize::try_from(status.quarantined_runs).unwrap_or(usize::MAX), "run")),
    ];
    let rows: Vec<Vec<Cell>> = status.backends.iter().map(backend_row).collect();
    let headers = ["FAMILY", "NAME", "KIND", "HEALTH", "TARGET", "CAN"];
    format!("{}\n{}", pairs(&facts, style), lay_out(Some(&headers), &rows, style))
}

/// How long the server has been up.
#[must_use]
pub fn uptime(status: &Status) -> String {
    duration(Duration::from_millis(status.uptime_ms))
}

fn backend_row(backend: &Backend) -> Vec<Cell> {
    let name = if backend.default { format!("{} (default)", backend.name) } else { backend.name.clone() };
    let health = match backend.healthy {
        Some(true) => "healthy",
        Some(false) => "unhealthy",
        None => "not asked",
    };
    vec![
        backend.family.clone().into(),
        name.into(),
        backend.kind.clone().into(),
        state_cell(health),
        backend.target.clone().into(),
        backend.problem.clone().unwrap_or_else(|| backend.capabilities.join(", ")).into(),
    ]
}

/// What `doctor` found, and how much of each.
#[must_use]
pub fn diagnosis(diagnosis: &Diagnosis, style: &Style) -> String {
    let row = |check: &CheckResult| -> Vec<Cell> {
        let sign = style.sign(match check.result {
            CheckResult::OK => Sign::Good,
            CheckResult::WARNING => Sign::Warning,
            _ => Sign::Bad,
        });
        let hint = check.hint.as_ref().map(|hint| format!("   {hint}")).unwrap_or_default();
        vec![
            format!("{sign} {}", check.name).into(),
            check.result.into(),
            format!("{}{hint}", check.text).into(),
        ]
    };
    let table = lay_out(None, &diagnosis.checks.iter().map(row).collect::<Vec<_>>(), style);
    let dot = style.dot();
    let warnings = count(usize::try_from(diagnosis.warnings).unwrap_or_default(), "warning");
    format!("{table}{} ok {dot} {warnings} {dot} {} failed\n", diagnosis.ok, diagnosis.failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gofer_output::style::{ColorChoice, Surroundings};

    fn style() -> Style {
        let around = Surroundings::default();
        Style::new(&around, ColorChoice::Never, None, gofer_types::Timestamp::default())
    }

    #[test]
    fn a_graph_is_ascii_where_the_terminal_is_and_names_what_each_task_waits_for() {
        let task = |id: &str, parents: &[&str]| TaskConfig {
            id: id.to_owned(),
            image: "alpine".to_owned(),
            description: String::new(),
            depends_on: parents
                .iter()
                .map(|task| crate::Dependency {
                    task: (*task).to_owned(),
                    condition: "successful".to_owned(),
                })
                .collect(),
            scheduler: String::new(),
        };
        let graph = Graph { pipeline: "hello".to_owned(), tasks: vec![task("a", &[]), task("b", &["a"])] };
        assert_eq!(super::graph(&graph, &style()), "hello\n  a  alpine\n  b  alpine  <- a successful\n");
    }

    #[test]
    fn a_plan_says_from_which_version_to_which() {
        let mut plan = Plan {
            r#ref: "hello".to_owned(),
            changes: vec!["+ parallelism  1".to_owned()],
            unchanged: false,
            version: 0,
            registered: None,
        };
        assert_eq!(super::plan(&plan, &style()), "hello is new\n  + parallelism  1\n");
        plan.version = 3;
        assert_eq!(super::plan(&plan, &style()), "hello  v3 -> v4\n  + parallelism  1\n");
        plan.unchanged = true;
        assert_eq!(super::plan(&plan, &style()), "hello v3 is unchanged\n");
    }

    #[test]
    fn a_word_is_quoted_only_where_a_shell_would_read_more_into_it() {
        let typed = ["team::hello/12/test#2", "hello/12/build[linux,1]", "it's"].map(quoted);
        assert_eq!(typed, ["team::hello/12/test#2", "'hello/12/build[linux,1]'", r"'it'\''s'"]);
    }

    #[test]
    fn a_run_says_what_it_was_started_with_and_is_silent_about_the_rest() {
        let wire = gofer_client::v1::Run {
            pipeline: "hello".into(),
            number: 12,
            labels: [("team".to_owned(), "web".to_owned())].into(),
            priority: -3,
            images: [("test".to_owned(), "rust:1.91".to_owned())].into(),
            retry_of: 11,
            ..Default::default()
        };
        let text = run(&Run::from(wire), true, &style());
        for line in ["labels      team=web", "priority    -3", "images      test=rust:1.91", "retry of    11"]
        {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
        let text = run(&Run::from(gofer_client::v1::Run::default()), true, &style());
        assert!(!["labels", "priority", "images", "retry"].iter().any(|word| text.contains(word)), "{text}");
    }

    #[test]
    fn a_task_shows_the_image_of_the_file_beside_another_and_that_its_output_is_not_kept() {
        let wire = gofer_client::v1::TaskRun {
            task: "test".into(),
            attempts: 2,
            image: "rust:1.91".into(),
            configured_image: "rust:1.90".into(),
            logging_off: true,
            ..Default::default()
        };
        let text = task(&TaskRun::from(wire.clone()), true, &style());
        for line in
            ["rust:1.91 (configured: rust:1.90)", "attempts      2", "output        not kept: logging off"]
        {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
        let same = gofer_client::v1::TaskRun { configured_image: "rust:1.91".into(), ..wire };
        assert!(!task(&TaskRun::from(same), true, &style()).contains("configured"));
    }

    #[test]
    fn a_part_of_another_run_says_of_which_and_deleted_output_since_when() {
        let deleted = Some(std::time::UNIX_EPOCH.into());
        let wire = gofer_client::v1::Run {
            parent: "release/7/deploy".into(),
            logs_deleted: deleted,
            ..Default::default()
        };
        let text = run(&Run::from(wire), true, &style());
        assert!(text.contains("part of     release/7/deploy\n"), "{text}");
        assert!(text.contains("output      deleted 1970"), "{text}");
    }

    #[test]
    fn a_task_shows_what_it_asks_or_which_run_it_is_also_in_a_row() {
        let waits = gofer_client::v1::Cause {
            kind: crate::approvals::WAITING.into(),
            text: "somebody has to approve it".into(),
            ..Default::default()
        };
        let asks = gofer_client::v1::TaskRun {
            question: "Ship it?".into(),
            cause: Some(waits),
            ..Default::default()
        };
        let child = gofer_client::v1::TaskRun { child_pipeline: "notes".into(), ..Default::default() };
        let named = TaskRun { child_run: Some("notes/3".into()), ..TaskRun::from(child.clone()) };
        let [asks, child] = [asks, child].map(TaskRun::from);
        assert!(task(&asks, true, &style()).contains("asks          Ship it?\n"));
        assert!(task(&named, true, &style()).contains("its run       notes/3\n"));
        let row = |task: &TaskRun| lay_out(None, &[task.cells(&style())], &style());
        assert!(row(&asks).ends_with("somebody has to approve it: Ship it?\n"), "{}", row(&asks));
        assert!(row(&child).ends_with("a run of notes\n") && row(&named).ends_with("is run notes/3\n"));
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([0, 1, 2].map(|n| count(n, "run")), ["0 runs", "1 run", "2 runs"]);
    }
}
