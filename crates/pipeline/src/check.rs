//! What can only be seen of all tasks together: parents, cycles, artefacts.

use std::collections::HashMap;

use gofer_syntax::show;
use gofer_syntax::tree::Name;
use gofer_types::Task;
use gofer_types::pipeline::{Axis, Output};

use crate::codes;
use crate::context::Context;
use crate::decode::Draft;
use crate::graph;

/// How many members of a cycle are pointed at; all are named.
const POINTED: usize = 5;

/// The tasks, if all of them are sound.
pub(crate) fn tasks(cx: &mut Context<'_>, drafts: Vec<Draft>) -> Option<Vec<Task>> {
    let edges: usize = drafts.iter().map(|draft| draft.parents.len()).sum();
    let most = cx.limits.edges;
    if edges > most {
        let mut count = 0;
        let beyond = drafts.iter().flat_map(|draft| &draft.parents).find(|_| {
            count += 1;
            count > most
        });
        let at = beyond.map_or(0..0, |name| name.span.clone());
        let message = format!("the tasks have {edges} dependencies; at most {most} are accepted");
        cx.error(codes::LIMIT, &at, message).label("the first one too many");
        return None;
    }
    let parents = parents(cx, &drafts);
    for cycle in graph::cycles(&parents) {
        refuse_cycle(cx, &drafts, cycle);
    }
    for (draft, parents) in drafts.iter().zip(&parents) {
        for input in &draft.inputs {
            artefact(cx, &drafts, parents, input);
        }
    }
    one_file_each(cx, &drafts);
    combinations(cx, &drafts);
    drafts.into_iter().map(|draft| draft.task).collect()
}

/// A run has all combinations of all tasks; a late matrix counts as one here, and again when it is known.
fn combinations(cx: &mut Context<'_>, drafts: &[Draft]) {
    let many = |task: &Task| {
        let known = task.matrix.values().filter_map(Axis::values).map(<[_]>::len);
        if task.fans_out_late() { 1 } else { known.fold(1_usize, usize::saturating_mul) }
    };
    let most = cx.limits.run_tasks;
    let mut count = 0_usize;
    for draft in drafts {
        count = count.saturating_add(draft.task.as_ref().map_or(1, many));
        if count > most {
            let message = format!("with all combinations there are more than {most} tasks");
            cx.error(codes::LIMIT, &draft.name.span, message).label("with this one");
            return;
        }
    }
}

/// A file that is left as it is has its name as its key: two tasks cannot leave the same.
fn one_file_each(cx: &mut Context<'_>, drafts: &[Draft]) {
    let mut seen: HashMap<&str, &Name> = HashMap::new();
    for draft in drafts {
        let is_file = |name: &&Name| {
            let outputs = draft.task.as_ref().map(|task| &task.outputs);
            matches!(outputs.and_then(|outputs| outputs.get(&name.text)), Some(Output::File(_)))
        };
        for name in draft.outputs.iter().filter(is_file) {
            if let Some(first) = seen.insert(&name.text, name) {
                let first = cx.source.locate(&first.span);
                let message = format!("two tasks leave the object `{}`", show(&name.text));
                cx.error(codes::DUPLICATE, &name.span, message).related(first, "the first one");
            }
        }
    }
}

/// The parents of each task that exist and are not the task itself.
fn parents(cx: &mut Context<'_>, drafts: &[Draft]) -> Vec<Vec<usize>> {
    let mut index: HashMap<&str, usize> = HashMap::with_capacity(drafts.len());
    for (position, draft) in drafts.iter().enumerate() {
        index.entry(&draft.name.text).or_insert(position);
    }
    let mut all = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let mut known = Vec::with_capacity(draft.parents.len());
        for parent in &draft.parents {
            match index.get(parent.text.as_str()) {
                Some(_) if parent.text == draft.name.text => refuse_self(cx, parent),
                Some(position) => known.push(*position),
                None => refuse_missing(cx, drafts, &draft.name, parent),
            }
        }
        all.push(known);
    }
    all
}

fn refuse_self(cx: &mut Context<'_>, parent: &Name) {
    cx.error(
        codes::SELF_DEPENDENCY,
        &parent.span,
        format!("task `{}` depends on itself", show(&parent.text)),
    )
    .label("the task itself")
    .help("remove this dependency");
}

fn refuse_missing(cx: &mut Context<'_>, drafts: &[Draft], task: &Name, parent: &Name) {
    let meant = cx.nearest(&parent.text, drafts.iter().map(|draft| draft.name.text.as_str()));
    let meant = meant.filter(|meant| *meant != task.text);
    let found = drafts.iter().find(|draft| Some(draft.name.text.as_str()) == meant);
    let help = found.map(|draft| {
        let line = cx.source.line_of(draft.name.span.start);
        format!("a task named `{}` is defined on line {line}", show(&draft.name.text))
    });
    let message =
        format!("task `{}` depends on `{}`, which does not exist", show(&task.text), show(&parent.text));
    cx.error(codes::UNKNOWN_PARENT, &parent.span, message).label("no task with this name").maybe_help(help);
}

fn refuse_cycle(cx: &mut Context<'_>, drafts: &[Draft], mut cycle: Vec<usize>) {
    // told from the member that comes first in the file
    let first = cycle.iter().enumerate().min_by_key(|(_, task)| **task).map_or(0, |(place, _)| place);
    cycle.rotate_left(first);
    let (from, to) = (&drafts[cycle[0]], &drafts[cycle[1 % cycle.len()]]);
    let names: Vec<String> = cycle
        .iter()
        .chain(cycle.first())
        .map(|task| format!("`{}`", show(&drafts[*task].name.text)))
        .collect();
    let edge = from.parents.iter().find(|parent| parent.text == to.name.text);
    let at = edge.map_or_else(|| from.name.span.clone(), |edge| edge.span.clone());
    let others: Vec<_> = cycle.iter().skip(1).take(POINTED).map(|task| &drafts[*task].name).collect();
    let others: Vec<_> =
        others.iter().map(|name| (cx.source.locate(&name.span), "in the same cycle")).collect();
    let message = format!("tasks depend on each other in a cycle: {}", names.join(" -> "));
    let problem = cx.error(codes::CYCLE, &at, message);
    problem.label("part of the cycle").help("remove one of these dependencies");
    for (span, label) in others {
        problem.related(span, label);
    }
}

/// An input is an output of exactly one parent.
fn artefact(cx: &mut Context<'_>, drafts: &[Draft], parents: &[usize], input: &Name) {
    let leaves = |position: &&usize| drafts[**position].outputs.iter().any(|name| name.text == input.text);
    let found = parents.iter().filter(leaves).count();
    if found == 1 {
        return;
    }
    let name = show(&input.text);
    let message = if found == 0 {
        format!("no parent leaves an artefact `{name}`")
    } else {
        format!("{found} parents leave an artefact `{name}`")
    };
    let known = parents.iter().flat_map(|position| &drafts[*position].outputs).map(|name| name.text.as_str());
    let known: Vec<&str> = known.take(10).collect();
    let help = match known.as_slice() {
        [] => {
            "its parents leave none: add `outputs` to one of them, or the task that leaves it to `depends_on`"
                .to_owned()
        }
        _ if found > 1 => "give the artefacts different names".to_owned(),
        known => format!("its parents leave: {}", known.join(", ")),
    };
    cx.error(codes::UNKNOWN_ARTEFACT, &input.span, message).help(help);
}
