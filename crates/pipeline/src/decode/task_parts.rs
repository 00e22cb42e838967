//! The parts of a task that have parts themselves.

use std::collections::BTreeMap;

use gofer_syntax::show;
use gofer_syntax::tree::{Kind, Name, Node};
use gofer_types::Span;
use gofer_types::pipeline::{
    Axis, Checkout, LONGEST_MATRIX_VALUE, Output, RegistryAuth, Resources, Retry, Store, StoreRef, Text,
    matrix_value_problem,
};

use super::fields::{Fields, Form, Place, Schema};
use super::text::{self, Scope};
use super::value;
use crate::codes;
use crate::context::Context;

/// The longest name of an artefact or key of a matrix, and path.
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
    let backoff = fields.with(cx, "backoff", value::duration).unwrap_or(Span::from_secs(10));
    let longest = fields.with(cx, "max_backoff", value::duration);
    if longest.is_some_and(|longest| longest < backoff) {
        let message = format!("`max_backoff` is shorter than `backoff`, which is {backoff}");
        cx.error(codes::RANGE, &fields.name_span("max_backoff"), message);
    }
    Some(Retry {
        backoff,
        max_backoff: longest.unwrap_or_else(|| Span::from_secs(300).max(backoff)),
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
    names(node).into_iter().map(|name| name.text).collect()
}

/// The same with their places.
pub(super) fn names(node: &Node) -> Vec<Name> {
    match &node.kind {
        Kind::Map(items) => items.iter().map(|item| item.key.clone()).collect(),
        _ => Vec::new(),
    }
}

/// What a task with a matrix cannot have.
pub(super) fn of_matrix(
    cx: &mut Context<'_>,
    fields: &Fields<'_>,
    (matrix, outputs): (&BTreeMap<String, Axis>, &BTreeMap<String, Output>),
    is_first: bool,
) {
    if is_first && matrix.values().any(|axis| axis.values().is_none()) {
        let message = format!("{} waits for no task that could leave its list", fields.place.what);
        cx.error(codes::MISSING, &fields.name_span("matrix"), message)
            .help("add the task that leaves the object of the run to `depends_on`");
    }
    let file = outputs.iter().find(|(_, output)| matches!(output, Output::File(_)));
    if let Some((name, _)) = file.filter(|_| !matrix.is_empty()) {
        let message = format!("every combination would leave the same object `{}`", show(name));
        cx.error(codes::CONFLICT, &fields.name_span("outputs"), message)
            .help("write a list, `[ ... ]`: then each combination leaves an archive of its own");
    }
}

pub(super) fn matrix(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<BTreeMap<String, Axis>> {
    let matrix = value::map(cx, node, place, |cx, key, node, place| {
        let sound = value::is_name(cx, key, "key of a matrix", NAME);
        let axis = axis(cx, node, place)?;
        sound.then(|| (key.text.clone(), axis))
    })?;
    if matrix.is_empty() {
        cx.error(codes::RANGE, &node.span, format!("{} must not be empty", place.what));
        return None;
    }
    let known = matrix.values().filter_map(Axis::values);
    let combinations = known.fold(1_usize, |product, values| product.saturating_mul(values.len()));
    let most = cx.limits.matrix_combinations;
    if combinations > most {
        let message = format!("{} has {combinations} combinations; at most {most} are accepted", place.what);
        cx.error(codes::LIMIT, &node.span, message);
        return None;
    }
    Some(matrix)
}

/// A list of values, or the object of the run that will hold one.
fn axis(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<Axis> {
    if matches!(node.kind, Kind::Text(_)) {
        return match text::text(
            cx,
            node,
            place,
            Scope { no_run: None, matrix: None, store: true, shown: None },
        )? {
            Text::Store(StoreRef { store: Store::Run, key }) => Some(Axis::Object(key)),
            _ => {
                cx.error(codes::WRONG_TYPE, &node.span, format!("{} must be a list `[ ... ]`", place.what))
                    .label("this is a text")
                    .help("a list that a parent leaves as an object of the run is written `run{{ key }}`");
                None
            }
        };
    }
    let values = value::some(cx, node, place, matrix_value)?;
    distinct(cx, node, place, &values)?;
    Some(Axis::Values(values))
}

/// A value of a matrix becomes a part of names such as `compile[linux,1]`.
fn matrix_value(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<String> {
    let text = text::line(cx, node, place, LONGEST_MATRIX_VALUE)?;
    if let Some(problem) = matrix_value_problem(&text) {
        let name = Name { text, span: node.span.clone() };
        value::malformed(cx, &name, "value of a matrix", format!("it {problem}"));
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

pub(super) fn outputs(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<BTreeMap<String, Output>> {
    value::map(cx, node, place, |cx, name, node, place| {
        let sound = value::is_name(cx, name, "name of an artefact", NAME);
        let output = if matches!(node.kind, Kind::List(_)) {
            Output::Archive(value::some(cx, node, place, path)?)
        } else {
            Output::File(path(cx, node, place)?)
        };
        sound.then(|| (name.text.clone(), output))
    })
}

/// A path below the work directory.
fn path(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<String> {
    let text = text::line(cx, node, place, PATH)?;
    let Err(problem) = gofer_artefacts::check_output(&text) else { return Some(text) };
    let name = Name { text, span: node.span.clone() };
    value::malformed(cx, &name, "path", format!("it {problem}"));
    None
}
