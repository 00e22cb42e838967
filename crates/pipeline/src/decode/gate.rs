//! Tasks that no scheduler runs: an approval, and a run of another pipeline.

use std::str::FromStr;

use gofer_syntax::show;
use gofer_syntax::tree::Node;
use gofer_types::pipeline::{Approval, SubPipeline};
use gofer_types::{NameError, PipelineId, Span, VariableName, VersionNumber};

use super::fields::{Fields, Form, Place, Schema};
use super::text::{self, Scope};
use super::{value, variable};
use crate::codes;
use crate::context::Context;

/// How long an approval may wait.
const LONGEST: Span = Span::from_secs(30 * 24 * 3600);

/// The parts of a task that are about what a scheduler runs.
const RUN: [&str; 16] = [
    "image",
    "command",
    "script",
    "shell",
    "entrypoint",
    "workdir",
    "user",
    "env_vars",
    "resources",
    "registry_auth",
    "always_pull",
    "inject_token",
    "scheduler",
    "checkout",
    "inputs",
    "outputs",
];

const APPROVAL: Schema =
    &[("message", Form::Attribute), ("expires", Form::Attribute), ("fields", Form::Attribute)];

pub(super) fn approval(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    (task, scope): (&Fields<'_>, Scope<'_>),
) -> Option<Approval> {
    runs_nothing(cx, task, "waits for an approval");
    let scope = Scope { shown: Some("the question is shown to everybody"), ..scope };
    let fields = Fields::of(cx, place.clone(), task.name_span("approval"), node, APPROVAL)?;
    let message = fields.required(cx, "message", |cx, node, place| text::text(cx, node, place, scope));
    let expires = fields.with(cx, "expires", |cx, node, place| {
        let span = value::duration(cx, node, place)?;
        if span > LONGEST {
            return value::out_of_range(cx, node, place, &format!("must be at most {LONGEST}"));
        }
        Some(span)
    });
    let asked = fields.with(cx, "fields", |cx, node, place| {
        value::map(cx, node, place, |cx, name, node, place| {
            if name.text.starts_with("GOFER_") {
                variable::reserved(cx, name);
            }
            if cx.variables.contains(&name.text) {
                let message = format!("`{}` is a variable of the pipeline already", show(&name.text));
                cx.error(codes::DUPLICATE, &name.span, message).help("give the field another name");
            }
            let id: Option<VariableName> = value::typed_name(cx, name, "variable name");
            let asked = variable::definition(cx, place, name.span.clone(), node)?;
            if asked.sensitive {
                let message = format!("`{}` cannot be sensitive", show(&name.text));
                cx.error(codes::CONFLICT, &name.span, message)
                    .label("an answer is told to everybody")
                    .help("remove `sensitive`, or make it a variable of the pipeline");
            }
            Some((id?, asked))
        })
    });
    Some(Approval { message: message?, expires, fields: asked.unwrap_or_default() })
}

const PIPELINE: Schema = &[
    ("id", Form::Attribute),
    ("namespace", Form::Attribute),
    ("version", Form::Attribute),
    ("variables", Form::Attribute),
];

pub(super) fn pipeline(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    (task, scope): (&Fields<'_>, Scope<'_>),
) -> Option<SubPipeline> {
    runs_nothing(cx, task, "is a run of another pipeline");
    let scope = Scope { shown: Some("the other run would show it"), ..scope };
    let fields = Fields::of(cx, place.clone(), task.name_span("pipeline"), node, PIPELINE)?;
    let id: Option<PipelineId> =
        fields.required(cx, "id", |cx, node, place| typed(cx, node, place, "pipeline id"));
    let namespace = fields.with(cx, "namespace", |cx, node, place| typed(cx, node, place, "namespace"));
    let version = fields.with(cx, "version", |cx, node, place| value::count(cx, node, place, 1));
    let variables = fields.with(cx, "variables", |cx, node, place| {
        value::map(cx, node, place, |cx, name, node, place| {
            let id: Option<VariableName> = value::typed_name(cx, name, "variable name");
            let text = text::text(cx, node, place, scope)?;
            Some((id?, text))
        })
    });
    let version = version.map(|version| VersionNumber(version.into()));
    Some(SubPipeline { id: id?, namespace, version, variables: variables.unwrap_or_default() })
}

fn typed<T: FromStr<Err = NameError>>(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    kind: &str,
) -> Option<T> {
    let name = value::name_of(cx, node, place)?;
    value::typed_name(cx, &name, kind)
}

/// Complains about everything that only makes sense where a scheduler runs something.
fn runs_nothing(cx: &mut Context<'_>, task: &Fields<'_>, what: &str) {
    for name in RUN {
        if task.get(name).is_some() {
            let at = task.name_span(name);
            let message = format!("{} {what} and runs nothing by itself", task.place.what);
            cx.error(codes::CONFLICT, &at, message).help(format!("remove `{name}`"));
        }
    }
}
