//! The attributes and blocks of one part of a file: which there may be, which there are, and reading them.

use std::collections::HashMap;

use gofer_syntax::show;
use gofer_syntax::tree::{Bytes, Item, Kind, Name, Node};

use crate::codes;
use crate::context::Context;

/// How a part of the language is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `name = value`.
    Attribute,
    /// `name "label" { ... }`, as often as one likes.
    Block,
    /// `name { ... }` or `name = { ... }`, once.
    Object,
}

pub(super) type Schema = &'static [(&'static str, Form)];

/// A part of a file: its path in the side table of places, and its name in messages.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) what: String,
}

impl Place {
    pub(super) fn root() -> Self {
        Self { path: String::new(), what: "the pipeline".to_owned() }
    }

    /// A part with a name of its own, such as a task.
    pub(super) fn part(kind: &str, labels: &[Name]) -> Self {
        let mut path = kind.to_owned();
        for label in labels {
            path.push('.');
            path.push_str(&label.text);
        }
        let name = labels.last().map_or("", |label| label.text.as_str());
        let word = if kind == "notify" { "notifier" } else { kind };
        Self { path, what: format!("{word} `{}`", show(name)) }
    }

    pub(super) fn attribute(&self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{name}", self.path);
        Self { path, what: format!("`{}` of {}", show(name), self.what) }
    }
}

/// The parts that were found, each once.
pub(super) struct Fields<'t> {
    pub(super) place: Place,
    pub(super) header: Bytes,
    single: HashMap<&'t str, &'t Item>,
    pub(super) blocks: Vec<&'t Item>,
}

impl<'t> Fields<'t> {
    /// Sorts the items of a part, and complains about those that are unknown, repeated or of the wrong form.
    pub(super) fn read(
        cx: &mut Context<'_>,
        place: Place,
        header: Bytes,
        items: &'t [Item],
        schema: Schema,
    ) -> Self {
        let mut fields = Self { place, header, single: HashMap::new(), blocks: Vec::new() };
        for item in items {
            fields.sort(cx, item, schema);
        }
        fields
    }

    /// The same for a value, which must be a map or a block.
    pub(super) fn of(
        cx: &mut Context<'_>,
        place: Place,
        header: Bytes,
        node: &'t Node,
        schema: Schema,
    ) -> Option<Self> {
        let items = items(cx, node, &place)?;
        Some(Self::read(cx, place, header, items, schema))
    }

    fn sort(&mut self, cx: &mut Context<'_>, item: &'t Item, schema: Schema) {
        let name = item.key.text.as_str();
        let Some((_, form)) = schema.iter().find(|(known, _)| *known == name) else {
            return unknown(cx, &self.place, item, schema);
        };
        match form {
            Form::Block if item.block => self.blocks.push(item),
            Form::Attribute if item.block => {
                cx.error(codes::FORM, &item.header(), format!("`{name}` is an attribute, not a block"))
                    .help(format!("write `{name} = ...`"));
            }
            Form::Block => {
                let labels = if name == "task" || name == "variable" {
                    "\"<name>\""
                } else {
                    "\"<kind>\" \"<label>\""
                };
                cx.error(codes::FORM, &item.header(), format!("`{name}` is a block, not an attribute"))
                    .help(format!("write `{name} {labels} {{ ... }}`"));
            }
            Form::Object if !item.labels.is_empty() => {
                let labels: Bytes = item.labels[0].span.start..item.header().end;
                cx.error(codes::LABELS, &labels, format!("a `{name}` block has no labels"))
                    .help(format!("write `{name} {{ ... }}`"));
            }
            Form::Attribute | Form::Object => self.insert(cx, item),
        }
    }

    fn insert(&mut self, cx: &mut Context<'_>, item: &'t Item) {
        let name = item.key.text.as_str();
        cx.spans.insert(self.place.attribute(name).path, item.header());
        if let Some(first) = self.single.insert(name, item) {
            let line = cx.source.line_of(first.key.span.start);
            cx.error(codes::DUPLICATE, &item.key.span, format!("`{name}` is written twice"))
                .label("the second time")
                .help(format!("the first is on line {line}; keep one of them"));
        }
    }

    /// The value of an attribute, unless it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&'t Node> {
        let item: &'t Item = self.single.get(name)?;
        (!matches!(item.value.kind, Kind::Null)).then_some(&item.value)
    }

    /// Where an attribute's name stands; the part's header where it is absent.
    pub(super) fn name_span(&self, name: &str) -> Bytes {
        self.single.get(name).map_or_else(|| self.header.clone(), |item| item.key.span.clone())
    }

    /// Reads an attribute if it is there.
    pub(super) fn with<T>(
        &self,
        cx: &mut Context<'_>,
        name: &str,
        read: impl FnOnce(&mut Context<'_>, &Node, &Place) -> Option<T>,
    ) -> Option<T> {
        let node = self.get(name)?;
        read(cx, node, &self.place.attribute(name))
    }

    /// Reads an attribute, and complains if it is absent.
    pub(super) fn required<T>(
        &self,
        cx: &mut Context<'_>,
        name: &str,
        read: impl FnOnce(&mut Context<'_>, &Node, &Place) -> Option<T>,
    ) -> Option<T> {
        if self.get(name).is_none() {
            let what = &self.place.what;
            cx.error(codes::MISSING, &self.header, format!("{what} has no `{name}`"))
                .help(format!("add `{name} = ...`"));
        }
        self.with(cx, name, read)
    }
}

fn unknown(cx: &mut Context<'_>, place: &Place, item: &Item, schema: Schema) {
    let name = show(&item.key.text);
    let known = || schema.iter().map(|(name, _)| *name);
    let (code, form) =
        if item.block { (codes::UNKNOWN_BLOCK, "block") } else { (codes::UNKNOWN_ATTRIBUTE, "attribute") };
    let help = match cx.did_you_mean(&item.key.text, schema.iter().map(|(name, _)| *name)) {
        Some(help) => help,
        None if cx.is_full() => String::new(),
        None => format!("known: {}", known().collect::<Vec<_>>().join(", ")),
    };
    let message = format!("{} has no {form} `{name}`", place.what);
    cx.error(code, &item.key.span, message).label(format!("no such {form}")).help(help);
}

/// The items of a map or a block; complains about anything else.
pub(super) fn items<'t>(cx: &mut Context<'_>, node: &'t Node, place: &Place) -> Option<&'t [Item]> {
    match &node.kind {
        Kind::Map(items) => Some(items),
        _ => super::value::wrong_type(cx, node, place, "a map `{ ... }`"),
    }
}
