//! The parts of a task that have parts themselves.

use std::collections::BTreeMap;

use gofer_syntax::show;
use gofer_syntax::tree::{Kind, Name, Node};
use gofer_types::Span;
use gofer_types::pipeline::{Checkout, RegistryAuth, Resources, Retry, Text};

use super::fields::{Fields, Form, Place, Schema};
use super::text::{self, Scope};
use super::value;
use crate::codes;
use crate::context::Context;

/// The longest name of an artefact, value of a matrix, and path.
const NAME: usize = 80;
const PATH: usize = 1_024;

/// The most cores that a task may ask for.
const CORES: f64 = 4_096.0;

/// The ends of an attempt after which another one may make sense.
const RETRIED: [&str; 4] = ["failed", "errored", "lost", "timed_out"];

const RETRY: Schema = &[
    ("attempts", Form::Attribute),
    ("backoff", Form::Attribute),
    ("factor", Form::Attribute),
    ("max_backoff", Form::Attribute),
    ("on", Form::Attribute),
    ("exit_codes", Form::Attribute),
];

pub(super) fn retry(cx: &mut Context<'_>, node: &Node, place: &Place, task: &Fields<'_>) -> Option<Retry> {
    let header = task.name_span("retry");
    let fields = Fields::of(cx, place.clone(), header, node, RETRY)?;
    let most = i64::from(cx.limits.retry_attempts);
    let attempts =
        fields.required(cx, "attempts", |cx, node, place| value::whole(cx, node, place, (1, most)));
    let on = fields.with(cx, "on", |cx, node, place| {
        value::some(cx, node, place, |cx, node, place| value::word(cx, node, place, (codes::WORD, &RETRIED)))
    });
    let exit_codes = fields.with(cx, "exit_codes", |cx, node, place| {
        value::some(cx, node, place, |cx, node, place| value::whole(cx, node, place, (1, 255)))
    });
    let factor = fields.with(cx, "factor", |cx, node, place| value::ratio(cx, node, place, (1.0, 100.0)));
    Some(Retry {
        backoff: fields.with(cx, "backoff", value::duration).unwrap_or(Span::from_secs(10)),
        max_backoff: fields.with(cx, "max_backoff", value::duration).unwrap_or(Span::from_secs(300)),
        attempts: attempts.and_then(|attempts| u32::try_from(attempts).ok())?,
        factor: factor.unwrap_or(2.0),
        on: on.unwrap_or_else(|| vec!["failed", "lost"]).into_iter().map(str::to_owned).collect(),
        exit_codes: exit_codes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|code| i32::try_from(code).ok())
            .collect(),
    })
}

const RESOURCES: Schema = &[("cpu", Form::Attribute), ("memory", Form::Attribute)];

pub(super) fn resources(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<Resources> {
    let fields = Fields::of(cx, place.clone(), node.span.clone(), node, RESOURCES)?;
    Some(Resources {
        cpu: fields.with(cx, "cpu", |cx, node, place| value::ratio(cx, node, place, (0.001, CORES))),
        memory: fields.with(cx, "memory", value::size),
    })
}

const REGISTRY_AUTH: Schema = &[("user", Form::Attribute), ("pass", Form::Attribute)];

pub(super) fn registry_auth(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    (task, secrets): (&Fields<'_>, Scope<'_>),
) -> Option<RegistryAuth> {
    let header = task.name_span("registry_auth");
    let fields = Fields::of(cx, place.clone(), header, node, REGISTRY_AUTH)?;
    let user = fields.required(cx, "user", |cx, node, place| text::text(cx, node, place, secrets));
    let pass = fields.required(cx, "pass", |cx, node, place| text::text(cx, node, place, secrets));
    Some(RegistryAuth { user: user?, pass: pass? })
}

const CHECKOUT: Schema = &[
    ("url", Form::Attribute),
    ("ref", Form::Attribute),
    ("sparse", Form::Attribute),
    ("depth", Form::Attribute),
    ("auth", Form::Attribute),
];

pub(super) fn checkout(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    (task, secrets): (&Fields<'_>, Scope<'_>),
) -> Option<Checkout> {
    let header = task.name_span("checkout");
    let fields = Fields::of(cx, place.clone(), header, node, CHECKOUT)?;
    let open = Scope { store: false, ..secrets };
    let url = fields.required(cx, "url", |cx, node, place| text::text(cx, node, place, open));
    let sparse = fields.with(cx, "sparse", |cx, node, place| value::list(cx, node, place, path));
    let reference = fields.with(cx, "ref", |cx, node, place| text::text(cx, node, place, open));
    let depth = fields.with(cx, "depth", |cx, node, place| value::count(cx, node, place, 1));
    let auth = fields.with(cx, "auth", |cx, node, place| text::text(cx, node, place, secrets));
    Some(Checkout {
        url: url?,
        reference: reference.unwrap_or_else(|| Text::from("HEAD")),
        sparse: sparse.unwrap_or_default(),
        depth,
        auth,
    })
}

/// The keys of a map as they are written.
pub(super) fn keys(node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::Map(items) => items.iter().map(|item| item.key.text.clone()).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn matrix(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
) -> Option<BTreeMap<String, Vec<String>>> {
    let matrix = value::map(cx, node, place, |cx, key, node, place| {
        let sound = value::is_name(cx, key, "key of a matrix", NAME);
        let values = value::some(cx, node, place, matrix_value)?;
        distinct(cx, node, place, &values)?;
        sound.then(|| (key.text.clone(), values))
    })?;
    if matrix.is_empty() {
        cx.error(codes::RANGE, &node.span, format!("{} must not be empty", place.what));
        return None;
    }
    let combinations = matrix.values().fold(1_usize, |product, values| product.saturating_mul(values.len()));
    let most = cx.limits.matrix_combinations;
    if combinations > most {
        let message = format!("{} has {combinations} combinations; at most {most} are accepted", place.what);
        cx.error(codes::LIMIT, &node.span, message);
        return None;
    }
    Some(matrix)
}

/// A value of a matrix becomes a part of names such as `compile[linux,1]`.
fn matrix_value(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<String> {
    let text = text::line(cx, node, place, NAME)?;
    if let Some(bad) = text.chars().find(|c| matches!(c, ',' | '[' | ']')) {
        let name = Name { text, span: node.span.clone() };
        value::malformed(cx, &name, "value of a matrix", format!("it contains `{bad}`"));
        return None;
    }
    Some(text)
}

fn distinct(cx: &mut Context<'_>, node: &Node, place: &Place, values: &[String]) -> Option<()> {
    let mut sorted: Vec<&str> = values.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) else { return Some(()) };
    let twice = show(pair[0]);
    cx.error(codes::DUPLICATE, &node.span, format!("{} has `{twice}` twice", place.what));
    None
}

/// Names of artefacts, with where they stand.
pub(super) fn inputs(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<Vec<Name>> {
    let names = value::list(cx, node, place, |cx, node, place| {
        let name = value::name_of(cx, node, place)?;
        value::is_name(cx, &name, "name of an artefact", NAME).then_some(name)
    })?;
    let texts: Vec<String> = names.iter().map(|name| name.text.clone()).collect();
    distinct(cx, node, place, &texts)?;
    Some(names)
}

pub(super) fn outputs(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
) -> Option<BTreeMap<String, Vec<String>>> {
    value::map(cx, node, place, |cx, name, node, place| {
        let sound = value::is_name(cx, name, "name of an artefact", NAME);
        let paths = value::some(cx, node, place, path)?;
        sound.then(|| (name.text.clone(), paths))
    })
}

/// A path below the work directory.
fn path(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<String> {
    let text = text::line(cx, node, place, PATH)?;
    let problem = if text.starts_with('/') {
        "it must be relative to the work directory"
    } else if text.split('/').any(|segment| segment == "..") {
        "it must not contain `..`"
    } else {
        return Some(text);
    };
    let name = Name { text, span: node.span.clone() };
    value::malformed(cx, &name, "path", problem);
    None
}
