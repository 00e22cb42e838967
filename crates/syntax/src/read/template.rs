//! Texts with references: `"rev ${var.rev}"`. The same in HCL and in the texts of JSON.

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::parser::parse_template;
use hcl_edit::template::{Element, Strip};

use super::hcl::{at, reference, refuse, traversal};
use crate::codes;
use crate::reading::Reading;
use crate::tree::{Bytes, Kind, Node, Part};

/// The parts of a template. `within` is the place of the whole text where its parts have no place of their own.
pub(super) fn template_parts<'e>(
    cx: &mut Reading<'_>,
    elements: impl Iterator<Item = &'e Element>,
    within: Option<&Bytes>,
) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut sound = true;
    for element in elements {
        match part(cx, element, within) {
            Some(Part::Literal(text)) => append(&mut parts, text),
            Some(part) => parts.push(part),
            None => sound = false,
        }
    }
    if parts.is_empty() {
        parts.push(Part::Literal(String::new()));
    }
    sound.then_some(parts)
}

fn append(parts: &mut Vec<Part>, text: String) {
    match parts.last_mut() {
        Some(Part::Literal(last)) => last.push_str(&text),
        _ => parts.push(Part::Literal(text)),
    }
}

fn part(cx: &mut Reading<'_>, element: &Element, within: Option<&Bytes>) -> Option<Part> {
    match element {
        Element::Literal(text) => Some(Part::Literal(text.value().clone())),
        Element::Directive(directive) => {
            let span = within.cloned().unwrap_or_else(|| at(directive.span()));
            cx.error(codes::EXPRESSION, &span, "pipeline files do not compute: `%{` cannot be used")
                .help("write `%%{` for the text `%{`");
            None
        }
        Element::Interpolation(inserted) if inserted.strip != Strip::None => {
            let span = within.cloned().unwrap_or_else(|| at(inserted.span()));
            cx.error(codes::EXPRESSION, &span, "a reference cannot strip the space around it")
                .help("leave out the `~`");
            None
        }
        Element::Interpolation(inserted) => inserted_part(cx, &inserted.expr, within),
    }
}

fn inserted_part(cx: &mut Reading<'_>, expression: &Expression, within: Option<&Bytes>) -> Option<Part> {
    let span = at(expression.span());
    match expression {
        Expression::Variable(name) => reference(cx, &span, &[name.as_str()], within),
        Expression::Traversal(path) => traversal(cx, within.unwrap_or(&span), path, within),
        Expression::String(text) => Some(Part::Literal(text.value().clone())),
        Expression::Number(number) => Some(Part::Literal(number.value().to_string())),
        Expression::Bool(word) => Some(Part::Literal(word.value().to_string())),
        other => {
            refuse(cx, within.unwrap_or(&span), other);
            None
        }
    }
}

/// A text of JSON, in which the same references may stand.
pub(super) fn text_node(cx: &mut Reading<'_>, span: Bytes, text: String) -> Node {
    if !text.contains("${") && !text.contains("%{") {
        return Node::plain(span, text);
    }
    let kind = match parse_template(&text) {
        Ok(template) => template_parts(cx, template.iter(), Some(&span)).map_or(Kind::Invalid, Kind::Text),
        Err(error) => {
            cx.error(codes::SYNTAX, &span, "the references in this text are malformed")
                .label(error.message())
                .help("a reference has the form `${var.name}`; write `$${` for the text `${`");
            Kind::Invalid
        }
    };
    Node { span, kind }
}
