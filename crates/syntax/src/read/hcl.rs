//! HCL to the tree. The parser is `hcl-edit`; nothing is evaluated but texts, numbers, lists and maps.

use std::ops::Range;

use gofer_types::pipeline::ReferenceRoot;
use hcl_edit::Span as _;
use hcl_edit::expr::{Array, Expression, Object, ObjectKey, Traversal, TraversalOperator};
use hcl_edit::parser::{self, parse_body};
use hcl_edit::structure::{Block, BlockLabel, Body, Structure};

use super::template::template_parts;
use super::{refuse_duplicate_keys, scan};
use crate::codes;
use crate::diagnostic::show;
use crate::reading::Reading;
use crate::tree::{Bytes, Item, Kind, Name, Node, Part};

pub(super) fn read(cx: &mut Reading<'_>) -> Option<Vec<Item>> {
    if !scan::scan(cx) {
        return None;
    }
    match parse_body(cx.source.text()) {
        Ok(tree) => Some(body(cx, &tree)),
        Err(error) => {
            syntax_error(cx, &error);
            None
        }
    }
}

/// Where something stands. The parser knows it of everything that it read.
pub(super) fn at(span: Option<Range<usize>>) -> Bytes {
    span.unwrap_or(0..0)
}

/// What the parser says, with the help that its most frequent causes deserve.
fn syntax_error(cx: &mut Reading<'_>, error: &parser::Error) {
    let start = error.location().offset();
    let rest = cx.source.text().get(start..).unwrap_or_default();
    let word =
        rest.len() - rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '-').len();
    let span = start..start + word.max(1);
    let message = error.message();
    if message.contains("redefined") {
        let name = show(&rest[..word]);
        cx.error(codes::DUPLICATE, &span, format!("`{name}` is written twice")).label("the second time");
    } else if message.starts_with("invalid nesting depth") {
        scan::too_deep(cx, &span);
    } else {
        let help = syntax_help(error);
        cx.error(codes::SYNTAX, &span, "the file is not valid HCL").label(message).maybe_help(help);
    }
}

fn syntax_help(error: &parser::Error) -> Option<String> {
    let (line, message) = (error.line(), error.message());
    let found = line.chars().nth(error.location().column().saturating_sub(1)).unwrap_or('\n');
    let help = if message.starts_with("invalid block body") {
        "a block on one line holds one attribute: put each on a line of its own, or write `name = { a = 1, b = 2 }`"
    } else if line.contains("{{") && found == '{' {
        "write it in quotes: `\"secret{{ key }}\"`"
    } else if message.contains("escape sequence") {
        "a backslash in a text is written as `\\\\`"
    } else if message.contains("expected newline") {
        if found == ',' { "attributes are not separated by commas" } else { "write one attribute a line" }
    } else if message.starts_with("invalid expression") {
        "write a text in quotes, a number, true or false, a list `[...]` or a map `{...}`"
    } else {
        return None;
    };
    Some(help.to_owned())
}

fn body(cx: &mut Reading<'_>, tree: &Body) -> Vec<Item> {
    tree.iter().map(|structure| item(cx, structure)).collect()
}

fn item(cx: &mut Reading<'_>, structure: &Structure) -> Item {
    match structure {
        Structure::Attribute(attribute) => Item {
            key: Name { text: attribute.key.to_string(), span: at(attribute.key.span()) },
            labels: Vec::new(),
            value: node(cx, &attribute.value),
            block: false,
        },
        Structure::Block(block) => Item {
            key: Name { text: block.ident.to_string(), span: at(block.ident.span()) },
            labels: block.labels.iter().map(label).collect(),
            value: Node { span: block_end(block), kind: Kind::Map(body(cx, &block.body)) },
            block: true,
        },
    }
}

fn label(label: &BlockLabel) -> Name {
    Name { text: label.as_str().to_owned(), span: at(label.span()) }
}

fn block_end(block: &Block) -> Bytes {
    at(block.span())
}

/// A value.
pub(super) fn node(cx: &mut Reading<'_>, expression: &Expression) -> Node {
    let span = at(expression.span());
    let kind = match expression {
        Expression::Null(_) => Kind::Null,
        Expression::Bool(value) => Kind::Bool(*value.value()),
        Expression::Number(number) => Kind::Number(*number.value()),
        Expression::String(text) => Kind::Text(vec![Part::Literal(text.value().clone())]),
        Expression::Array(array) => Kind::List(list(cx, array)),
        Expression::Object(object) => Kind::Map(map(cx, object)),
        Expression::StringTemplate(text) => text_kind(template_parts(cx, text.iter(), None)),
        Expression::HeredocTemplate(text) => text_kind(heredoc(cx, &text.template)),
        Expression::Parenthesis(inner) => return node(cx, inner.inner()),
        Expression::Variable(name) => {
            text_kind(reference(cx, &span, &[name.as_str()], None).map(|part| vec![part]))
        }
        Expression::Traversal(path) => text_kind(traversal(cx, &span, path, None).map(|part| vec![part])),
        other => {
            refuse(cx, &span, other);
            Kind::Invalid
        }
    };
    Node { span, kind }
}

fn text_kind(parts: Option<Vec<Part>>) -> Kind {
    parts.map_or(Kind::Invalid, Kind::Text)
}

fn list(cx: &mut Reading<'_>, array: &Array) -> Vec<Node> {
    array.iter().map(|value| node(cx, value)).collect()
}

fn map(cx: &mut Reading<'_>, object: &Object) -> Vec<Item> {
    let mut items = Vec::with_capacity(object.len());
    for (key, value) in object {
        let value = node(cx, value.expr());
        if let Some(key) = map_key(cx, key) {
            items.push(Item { key, labels: Vec::new(), value, block: false });
        }
    }
    refuse_duplicate_keys(cx, &mut items);
    items
}

fn map_key(cx: &mut Reading<'_>, key: &ObjectKey) -> Option<Name> {
    let (text, span) = match key {
        ObjectKey::Ident(word) => (word.to_string(), word.span()),
        ObjectKey::Expression(Expression::String(text)) => (text.value().clone(), text.span()),
        ObjectKey::Expression(Expression::Number(number)) => (number.value().to_string(), number.span()),
        ObjectKey::Expression(Expression::Bool(word)) => (word.value().to_string(), word.span()),
        ObjectKey::Expression(Expression::Null(word)) => ("null".to_owned(), word.span()),
        ObjectKey::Expression(other) => {
            cx.error(codes::EXPRESSION, &at(other.span()), "the key of a map cannot be computed")
                .help("write the key as a word or as a text in quotes");
            return None;
        }
    };
    // a key that is a lone expression gets the place of the key as a whole
    let span = span.or_else(|| key.span());
    Some(Name { text, span: at(span) })
}

/// Heredocs of files with carriage returns hold plain line ends, as a shell needs them.
fn heredoc(cx: &mut Reading<'_>, template: &hcl_edit::template::Template) -> Option<Vec<Part>> {
    let mut parts = template_parts(cx, template.iter(), None)?;
    for part in &mut parts {
        if let Part::Literal(text) = part
            && text.contains('\r')
        {
            *text = text.replace("\r\n", "\n");
        }
    }
    Some(parts)
}

/// Says that an expression is of a kind that pipeline files do not have.
pub(super) fn refuse(cx: &mut Reading<'_>, span: &Bytes, expression: &Expression) {
    let what = match expression {
        Expression::FuncCall(call) => format!("the function `{}`", show(call.name.name.as_str())),
        Expression::ForExpr(_) => "`for`".to_owned(),
        Expression::Conditional(_) => "the conditional `? :`".to_owned(),
        Expression::UnaryOp(_) | Expression::BinaryOp(_) => "an operator".to_owned(),
        _ => "this expression".to_owned(),
    };
    cx.error(codes::EXPRESSION, span, format!("pipeline files do not compute: {what} cannot be used"))
        .label("only texts, numbers, lists, maps and references such as `var.name`")
        .help("compute it in the task's script, or generate the file: the same tree as JSON is accepted");
}

/// `root.name` in the form of operators. `within` is the whole text's place where the parts of it have none.
pub(super) fn traversal(
    cx: &mut Reading<'_>,
    span: &Bytes,
    path: &Traversal,
    within: Option<&Bytes>,
) -> Option<Part> {
    let Expression::Variable(root) = &path.expr else {
        refuse(cx, span, &path.expr);
        return None;
    };
    let mut words = vec![root.as_str()];
    for operator in &path.operators {
        match operator.value() {
            TraversalOperator::GetAttr(word) => words.push(word.as_str()),
            _ => {
                cx.error(
                    codes::EXPRESSION,
                    span,
                    "pipeline files do not compute: there are no indexes and no `*`",
                )
                .help("a reference has the form `var.name`");
                return None;
            }
        }
    }
    reference(cx, span, &words, within)
}

const ROOTS: [(&str, ReferenceRoot); 4] = [
    ("var", ReferenceRoot::Var),
    ("matrix", ReferenceRoot::Matrix),
    ("run", ReferenceRoot::Run),
    ("pipeline", ReferenceRoot::Pipeline),
];

/// A reference by its words.
pub(super) fn reference(
    cx: &mut Reading<'_>,
    span: &Bytes,
    words: &[&str],
    within: Option<&Bytes>,
) -> Option<Part> {
    let place = within.unwrap_or(span);
    let root = ROOTS.iter().find(|(name, _)| *name == words[0]);
    if let (Some((_, root)), [_, name]) = (root, words) {
        return Some(Part::Reference { root: *root, name: (*name).to_owned(), span: place.clone() });
    }
    let written = show(&words.join("."));
    let in_text = cx.source.text().get(..span.start).is_some_and(|before| before.trim_end().ends_with("${"));
    let help = if root.is_some() {
        format!("a reference has two parts, such as `{}.name`", words[0])
    } else if within.is_some() || in_text {
        format!("for the shell's own variable write `$${{{written}}}`")
    } else if words.len() == 1 {
        format!("write a text in quotes: \"{written}\"")
    } else {
        "references begin with `var`, `matrix`, `run` or `pipeline`".to_owned()
    };
    cx.error(codes::UNKNOWN_REFERENCE, place, format!("`{written}` refers to nothing that is known"))
        .label("not a reference")
        .help(help);
    None
}
