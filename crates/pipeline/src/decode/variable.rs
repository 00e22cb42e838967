//! `variable` blocks: what a run may be given.

use std::collections::BTreeMap;

use gofer_syntax::show;
use gofer_syntax::tree::{Bytes, Item, Name, Node};
use gofer_types::VariableName;
use gofer_types::pipeline::{Variable, VariableType};

use super::fields::{Fields, Form, Place, Schema};
use super::{text, value};
use crate::codes;
use crate::context::Context;
use crate::variables::{accepts, type_word};

const SCHEMA: Schema = &[
    ("type", Form::Attribute),
    ("default", Form::Attribute),
    ("allowed", Form::Attribute),
    ("description", Form::Attribute),
    ("sensitive", Form::Attribute),
];

/// All variables. Their names are known to the context afterwards, even of those that are wrong.
pub(super) fn variables(cx: &mut Context<'_>, blocks: &[&Item]) -> BTreeMap<VariableName, Variable> {
    let mut variables = BTreeMap::new();
    let mut seen: BTreeMap<&str, &Name> = BTreeMap::new();
    for block in blocks {
        let [name] = block.labels.as_slice() else {
            cx.error(codes::LABELS, &block.header(), "a `variable` block has one label: its name")
                .help("write `variable \"name\" { ... }`");
            continue;
        };
        cx.variables.insert(name.text.clone());
        let variable = variable(cx, block, name);
        if let Some(first) = seen.insert(&name.text, name) {
            super::root::duplicate(cx, "variable", name, first);
        } else if let Some((name, variable)) = variable {
            variables.insert(name, variable);
        }
    }
    variables
}

fn variable(cx: &mut Context<'_>, block: &Item, name: &Name) -> Option<(VariableName, Variable)> {
    let place = Place::part("variable", std::slice::from_ref(name));
    cx.spans.insert(place.path.clone(), block.header());
    let id = value::typed_name(cx, name, "variable name");
    if name.text.starts_with("GOFER_") {
        reserved(cx, name);
    }
    let variable = definition(cx, &place, block.header(), &block.value)?;
    if variable.sensitive {
        cx.sensitive.insert(name.text.clone());
    }
    Some((id?, variable))
}

/// What may be given under one name.
pub(super) fn definition(
    cx: &mut Context<'_>,
    place: &Place,
    header: Bytes,
    node: &Node,
) -> Option<Variable> {
    let fields = Fields::of(cx, place.clone(), header, node, SCHEMA)?;
    let kind = fields.with(cx, "type", kind).unwrap_or_default();
    let allowed = fields.with(cx, "allowed", |cx, node, place| {
        value::some(cx, node, place, |cx, node, place| of_type(cx, node, place, kind))
    });
    let allowed = allowed.unwrap_or_default();
    let default = fields.with(cx, "default", |cx, node, place| {
        let text = of_type(cx, node, place, kind)?;
        among(cx, node, &text, &allowed)?;
        Some(text)
    });
    let description = fields.with(cx, "description", text::prose).unwrap_or_default();
    let sensitive = fields.with(cx, "sensitive", value::boolean).unwrap_or(false);
    Some(Variable { kind, default, allowed, description, sensitive })
}

/// Says that a name belongs to us in the environment of every task.
pub(super) fn reserved(cx: &mut Context<'_>, name: &Name) {
    cx.error(codes::RESERVED, &name.span, format!("`{}` begins with `GOFER_`", show(&name.text)))
        .label("names that begin so are reserved")
        .help("choose another name; the variables of this form are set by gofer itself");
}

fn kind(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<VariableType> {
    let word = value::word(cx, node, place, (codes::WORD, &["string", "number", "bool"]))?;
    Some(match word {
        "number" => VariableType::Number,
        "bool" => VariableType::Bool,
        _ => VariableType::String,
    })
}

fn of_type(cx: &mut Context<'_>, node: &Node, place: &Place, kind: VariableType) -> Option<String> {
    let text = text::plain(cx, node, place)?;
    if accepts(kind, &text) {
        return Some(text);
    }
    let message = format!("`{}` is not a {}, which {} must be", show(&text), type_word(kind), place.what);
    cx.error(codes::VARIABLE_VALUE, &node.span, message);
    None
}

fn among(cx: &mut Context<'_>, node: &Node, text: &str, allowed: &[String]) -> Option<()> {
    if allowed.is_empty() || allowed.iter().any(|word| word == text) {
        return Some(());
    }
    cx.error(codes::VARIABLE_VALUE, &node.span, format!("`{}` is not among the allowed values", show(text)))
        .label(format!("one of {}", show(&allowed.join(", "))));
    None
}

/// What a trigger gives to its runs, against what the pipeline defines.
pub(super) fn given(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    defined: &BTreeMap<VariableName, Variable>,
) -> Option<BTreeMap<VariableName, String>> {
    value::map(cx, node, place, |cx, name, node, place| {
        let known = text::variable(cx, &name.text, &name.span);
        let text = text::plain(cx, node, place);
        if !known {
            return None;
        }
        let (id, variable) = defined.get_key_value(name.text.as_str())?;
        let text = text?;
        if !accepts(variable.kind, &text) {
            let message =
                format!("`{}` is not a {}, which `{id}` must be", show(&text), type_word(variable.kind));
            cx.error(codes::VARIABLE_VALUE, &node.span, message);
            return None;
        }
        among(cx, node, &text, &variable.allowed)?;
        Some((id.clone(), text))
    })
}
