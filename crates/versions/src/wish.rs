//! The parts of a start that are checked one by one: everything that is wrong is told at once, with the rule and the way out.

use std::collections::BTreeMap;

use gofer_run_machine::{Plan, SelectError, Selection};
use gofer_types::{LabelKey, Pipeline, SchedulerName, Task, TaskId, TaskSet};

/// One part of a request that is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The part, as the contract names it.
    pub field: String,
    /// The rule that it breaks.
    pub rule: String,
    /// What to do instead.
    pub hint: String,
}

/// How many labels a run may have, those of its pipeline included.
const LABELS: usize = 64;

/// The longest value of a label, in bytes.
const LABEL: usize = 256;

/// The longest image.
const IMAGE: usize = 1_024;

/// The labels of a run: those of the pipeline, and those that it was started with in their place.
pub fn check_labels(
    config: &Pipeline,
    given: BTreeMap<LabelKey, String>,
    problems: &mut Vec<FieldProblem>,
) -> BTreeMap<LabelKey, String> {
    for (key, value) in &given {
        if value.len() > LABEL || value.chars().any(char::is_control) {
            problems.push(FieldProblem {
                field: format!("labels.{key}"),
                rule: format!("a label has at most {LABEL} bytes and no control characters"),
                hint: "shorten it, or pass it as a variable".to_owned(),
            });
        }
    }
    let mut labels = config.labels.clone();
    labels.extend(given);
    if labels.len() > LABELS {
        problems.push(FieldProblem {
            field: "labels".to_owned(),
            rule: format!(
                "a run has at most {LABELS} labels, those of its pipeline included; these are {}",
                labels.len()
            ),
            hint: "leave some out".to_owned(),
        });
    }
    labels
}

/// Whether a priority is one.
pub fn check_priority(priority: i8, problems: &mut Vec<FieldProblem>) {
    if !(-10..=10).contains(&priority) {
        problems.push(FieldProblem {
            field: "priority".to_owned(),
            rule: format!("a priority is from -10 to 10, not {priority}"),
            hint: "0 is that of a run that names none; greater numbers come first".to_owned(),
        });
    }
}

/// Whether there are tasks for all these images, they are images, and nobody would ignore them: `blind` is the scheduler of a
/// task, if it runs no images.
pub fn check_images(
    config: &Pipeline,
    images: &BTreeMap<TaskId, String>,
    blind: impl Fn(&Task) -> Option<SchedulerName>,
    problems: &mut Vec<FieldProblem>,
) {
    for (task, image) in images {
        let field = format!("images.{task}");
        let Some(known) = config.tasks.iter().find(|known| known.id == *task) else {
            problems.push(unknown(field, task, config.tasks.iter().map(|task| task.id.as_str())));
            continue;
        };
        if image.is_empty()
            || image.len() > IMAGE
            || image.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            problems.push(FieldProblem {
                field,
                rule: format!("an image has 1 to {IMAGE} characters and no spaces"),
                hint: "name it as `docker pull` would: `alpine:3`".to_owned(),
            });
        } else if let Some(scheduler) = blind(known) {
            problems.push(FieldProblem {
                field,
                rule: format!("scheduler `{scheduler}`, which runs task `{task}`, runs no images"),
                hint: "leave the image out, or have the task run by a scheduler of containers".to_owned(),
            });
        }
    }
}

/// The tasks that are chosen; `None` for all.
pub fn choose(plan: &Plan, wish: &Selection, problems: &mut Vec<FieldProblem>) -> Option<TaskSet> {
    plan.choose(wish).unwrap_or_else(|error| {
        problems.push(select_problem(plan, wish, error));
        None
    })
}

/// What is wrong with a choice of tasks.
pub fn select_problem(plan: &Plan, wish: &Selection, error: SelectError) -> FieldProblem {
    let field = |task: &TaskId| if wish.only.contains(task) { "only" } else { "from" }.to_owned();
    match error {
        SelectError::Unknown { task } => {
            unknown(field(&task), &task, plan.groups.iter().map(|group| group.id.as_str()))
        }
        SelectError::NeedsParent { ref task, .. } => FieldProblem {
            field: field(task),
            rule: error.to_string(),
            hint: "choose it, too, or all that is needed with `--with-parents`".to_owned(),
        },
    }
}

fn unknown<'a>(field: String, task: &TaskId, known: impl Iterator<Item = &'a str>) -> FieldProblem {
    let is_combination = task.as_str().contains('[');
    let hint = match nearest(task.as_str(), known).filter(|_| !is_combination) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if is_combination => {
            "that is one combination of a matrix: name its task, for all of them".to_owned()
        }
        None => "`gofer pipeline get` lists the tasks".to_owned(),
    };
    FieldProblem { field, rule: format!("the pipeline has no task `{task}`"), hint }
}

/// The name nearest to a word, if one is near enough to be a slip of the pen.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let allowed = (word.chars().count() / 3).max(1);
    names
        .map(|name| (strsim::osa_distance(word, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name.to_owned())
}
