//! The one tree that both notations become: values that know where they stand.
//!
//! References are resolved as far as their form goes; whether what they name exists is the decoder's business.

use std::ops::Range;

use gofer_types::pipeline::ReferenceRoot;
pub use hcl_edit::Number;

/// A range of bytes in the file.
pub type Bytes = Range<usize>;

/// A word and where it stands.
#[derive(Debug, Clone)]
pub struct Name {
    /// The word.
    pub text: String,
    /// Its bytes.
    pub span: Bytes,
}

/// A value and where it stands.
#[derive(Debug)]
pub struct Node {
    /// Its bytes.
    pub span: Bytes,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text, with its references.
    Text(Vec<Part>),
    /// A list.
    List(Vec<Node>),
    /// A map, or the body of a block.
    Map(Vec<Item>),
    /// Something that was complained about already.
    Invalid,
}

/// A part of a text.
#[derive(Debug)]
pub enum Part {
    /// As it is.
    Literal(String),
    /// `root.name`, to be filled in later.
    Reference {
        /// Where it looks.
        root: ReferenceRoot,
        /// The name there.
        name: String,
        /// Its bytes.
        span: Bytes,
    },
}

/// An entry of a map, an attribute, or a block.
#[derive(Debug)]
pub struct Item {
    /// Its name.
    pub key: Name,
    /// The labels of a block.
    pub labels: Vec<Name>,
    /// Its value, or the body of a block.
    pub value: Node,
    /// Whether it is written as a block.
    pub block: bool,
}

impl Node {
    /// A text without references.
    pub fn plain(span: Bytes, text: impl Into<String>) -> Self {
        Self { span, kind: Kind::Text(vec![Part::Literal(text.into())]) }
    }

    /// What it is, for messages.
    #[must_use]
    pub fn what(&self) -> &'static str {
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
    #[must_use]
    pub fn header(&self) -> Bytes {
        let end = self.labels.last().map_or(self.key.span.end, |label| label.span.end);
        self.key.span.start..end.max(self.key.span.end)
    }
}
