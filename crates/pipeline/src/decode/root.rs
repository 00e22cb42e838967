//! The whole pipeline.

use std::collections::BTreeMap;

use gofer_syntax::show;
use gofer_syntax::tree::{Item, Name, Node};
use gofer_types::pipeline::QueuePolicy;
use gofer_types::{LabelKey, Namespace, Pipeline, PipelineId};

use super::fields::{Fields, Form, Place, Schema};
use super::{BLOCKS, plugin, task, text, value, variable};
use crate::context::Context;
use crate::{check, codes};

const SCHEMA: Schema = &[
    ("id", Form::Attribute),
    ("name", Form::Attribute),
    ("description", Form::Attribute),
    ("namespace", Form::Attribute),
    ("labels", Form::Attribute),
    ("parallelism", Form::Attribute),
    ("sequential", Form::Attribute),
    ("queue", Form::Attribute),
    ("timeout", Form::Attribute),
    ("logging", Form::Attribute),
    ("exec", Form::Attribute),
    (BLOCKS[0].0, Form::Block),
    (BLOCKS[1].0, Form::Block),
    (BLOCKS[2].0, Form::Block),
    (BLOCKS[3].0, Form::Block),
];

/// The longest value of a label.
const LABEL_LENGTH: usize = 256;

/// The pipeline that the tree stands for, as far as it can be made.
pub(crate) fn pipeline(cx: &mut Context<'_>, items: &[Item]) -> Option<Pipeline> {
    let fields = Fields::read(cx, Place::root(), 0..0, items, SCHEMA);
    let blocks = |word: &str| -> Vec<&Item> {
        fields.blocks.iter().copied().filter(|block| block.key.text == word).collect()
    };
    let variables = variable::variables(cx, &blocks("variable"));
    let id = fields.required(cx, "id", id);
    let name = fields.with(cx, "name", |cx, node, place| text::line(cx, node, place, cx.limits.name_length));
    let triggers = plugin::triggers(cx, &blocks("trigger"), &variables);
    let notifiers = plugin::notifiers(cx, &blocks("notify"));
    if cx.read_whole() && !items.iter().any(|item| item.key.text == "task") {
        cx.error(codes::NO_TASKS, &(0..0), "the pipeline has no tasks")
            .help("add one: `task \"name\" \"image\" { command = [\"...\"] }`");
    }
    let drafts = task::tasks(cx, &blocks("task"));
    let tasks = drafts.and_then(|drafts| check::tasks(cx, drafts));
    let pipeline = Pipeline {
        name: name.or_else(|| id.as_ref().map(PipelineId::to_string)).unwrap_or_default(),
        id: id.or_else(|| PipelineId::new("unknown").ok())?,
        description: fields.with(cx, "description", text::prose).unwrap_or_default(),
        namespace: fields.with(cx, "namespace", namespace),
        labels: fields.with(cx, "labels", labels).unwrap_or_default(),
        parallelism: parallelism(cx, &fields),
        queue: fields.with(cx, "queue", queue).unwrap_or_default(),
        timeout: fields.with(cx, "timeout", value::wait),
        logging: fields.with(cx, "logging", value::boolean).unwrap_or(true),
        exec: fields.with(cx, "exec", value::boolean).unwrap_or(false),
        variables,
        triggers,
        notifiers,
        tasks: tasks.unwrap_or_default(),
    };
    Some(pipeline)
}

fn id(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<PipelineId> {
    let name = value::name_of(cx, node, place)?;
    let most = cx.limits.pipeline_id_length;
    if !value::is_name(cx, &name, "pipeline id", most) {
        return None;
    }
    value::typed_name(cx, &name, "pipeline id")
}

fn namespace(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<Namespace> {
    let name = value::name_of(cx, node, place)?;
    value::typed_name(cx, &name, "namespace")
}

fn labels(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<BTreeMap<LabelKey, String>> {
    value::map(cx, node, place, |cx, key, node, place| {
        let key = value::typed_name(cx, key, "label key");
        let value = text::line(cx, node, place, LABEL_LENGTH);
        Some((key?, value?))
    })
}

fn queue(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<QueuePolicy> {
    let word = value::word(cx, node, place, (codes::WORD, &["wait", "replace", "refuse"]))?;
    Some(match word {
        "replace" => QueuePolicy::Replace,
        "refuse" => QueuePolicy::Refuse,
        _ => QueuePolicy::Wait,
    })
}

/// `sequential = true` is the original's word for one run at a time.
fn parallelism(cx: &mut Context<'_>, fields: &Fields<'_>) -> u32 {
    let sequential = fields.with(cx, "sequential", value::boolean).unwrap_or(false);
    let parallelism = fields.with(cx, "parallelism", |cx, node, place| value::count(cx, node, place, 0));
    match (sequential, parallelism) {
        (true, Some(runs)) if runs != 1 => {
            let at = fields.name_span("parallelism");
            cx.error(
                codes::CONFLICT,
                &at,
                format!("`sequential` means one run at a time, `parallelism` says {runs}"),
            )
            .help("keep one of the two");
            1
        }
        (true, _) => 1,
        (false, runs) => runs.unwrap_or(0),
    }
}

/// Says that two parts have the same name.
pub(super) fn duplicate(cx: &mut Context<'_>, word: &str, second: &Name, first: &Name) {
    let place = cx.source.locate(&first.span);
    let words = if word == "notify" { "notifiers".to_owned() } else { format!("{word}s") };
    cx.error(
        codes::DUPLICATE_ID,
        &second.span,
        format!("there are two {words} named `{}`", show(&second.text)),
    )
    .label("the second one")
    .related(place, "the first one");
}
