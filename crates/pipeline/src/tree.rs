//! The one tree that both notations become: values that know where they stand.
//!
//! References are resolved as far as their form goes; whether what they name exists is the decoder's business.

use std::ops::Range;

use gofer_types::pipeline::ReferenceRoot;
use hcl_edit::Number;

/// A range of bytes in the file.
pub(crate) type Bytes = Range<usize>;

/// A word and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Bytes,
}

/// A value and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Bytes,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(Vec<Part>),
    List(Vec<Node>),
    Map(Vec<Item>),
    /// Something that was complained about already.
    Invalid,
}

/// A part of a text.
#[derive(Debug)]
pub(crate) enum Part {
    Literal(String),
    Reference { root: ReferenceRoot, name: String, span: Bytes },
}

/// An entry of a map, an attribute, or a block.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) key: Name,
    pub(crate) labels: Vec<Name>,
    pub(crate) value: Node,
    pub(crate) block: bool,
}

impl Node {
    pub(crate) fn plain(span: Bytes, text: impl Into<String>) -> Self {
        Self { span, kind: Kind::Text(vec![Part::Literal(text.into())]) }
    }

    /// What it is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
            Kind::Invalid => "invalid",
        }
    }
}

impl Item {
    /// The key with the labels: what names a block.
    pub(crate) fn header(&self) -> Bytes {
        let end = self.labels.last().map_or(self.key.span.end, |label| label.span.end);
        self.key.span.start..end.max(self.key.span.end)
    }
}
