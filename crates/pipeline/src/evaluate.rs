//! Texts with references, filled in when a run is planned.
//!
//! What is filled in is data: it is never read as a reference again, whatever it looks like.

use std::collections::BTreeMap;

use gofer_types::VariableName;
use gofer_types::pipeline::{ReferenceRoot, Store, TemplatePart, Text};

use crate::store_refs::store_word;

/// The longest text that may come out, in bytes.
pub const LONGEST: usize = 1 << 20;

/// What texts may refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    values: BTreeMap<ReferenceRoot, BTreeMap<String, String>>,
}

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// It refers to something that is not there.
    #[error("`{}.{name}` is not known", root_word(*root))]
    Missing {
        /// Where the reference looks.
        root: ReferenceRoot,
        /// The name there.
        name: String,
    },
    /// It stands for a store's value, which is only known when an attempt starts.
    #[error("the text needs `{}{{{{ {key} }}}}`, which is read when the attempt starts", store_word(*store))]
    NeedsStore {
        /// The store.
        store: Store,
        /// The key there.
        key: String,
    },
    /// It would be too long.
    #[error("the text would have more than {LONGEST} bytes")]
    TooLong,
}

fn root_word(root: ReferenceRoot) -> &'static str {
    match root {
        ReferenceRoot::Var => "var",
        ReferenceRoot::Matrix => "matrix",
        ReferenceRoot::Run => "run",
        ReferenceRoot::Pipeline => "pipeline",
    }
}

impl Facts {
    /// The same facts and one more: `set(ReferenceRoot::Run, "id", "7")` is what `run.id` refers to.
    #[must_use]
    pub fn set(mut self, root: ReferenceRoot, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.entry(root).or_default().insert(name.into(), value.into());
        self
    }

    /// The same facts and the variables of a run.
    #[must_use]
    pub fn with_variables(mut self, variables: &BTreeMap<VariableName, String>) -> Self {
        let values = self.values.entry(ReferenceRoot::Var).or_default();
        values.extend(variables.iter().map(|(name, value)| (name.to_string(), value.clone())));
        self
    }

    /// What a reference stands for.
    #[must_use]
    pub fn get(&self, root: ReferenceRoot, name: &str) -> Option<&str> {
        self.values.get(&root)?.get(name).map(String::as_str)
    }
}

/// A text with its references filled in.
pub fn evaluate(text: &Text, facts: &Facts) -> Result<String, EvaluateError> {
    let template = match text {
        Text::Plain(text) => return Ok(text.clone()),
        Text::Template(template) => template,
        Text::Store(store) => {
            return Err(EvaluateError::NeedsStore { store: store.store, key: store.key.clone() });
        }
    };
    let mut filled = String::new();
    for part in &template.parts {
        let piece = match part {
            TemplatePart::Literal(literal) => literal.as_str(),
            TemplatePart::Reference { root, name } => {
                let missing = || EvaluateError::Missing { root: *root, name: name.clone() };
                facts.get(*root, name).ok_or_else(missing)?
            }
        };
        if filled.len() + piece.len() > LONGEST {
            return Err(EvaluateError::TooLong);
        }
        filled.push_str(piece);
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gofer_types::pipeline::{StoreRef, Template};

    fn reference(root: ReferenceRoot, name: &str) -> TemplatePart {
        TemplatePart::Reference { root, name: name.to_owned() }
    }

    #[test]
    fn references_are_filled_in_once() {
        let facts = Facts::default().set(ReferenceRoot::Var, "a", "${var.b} secret{{ x }}");
        let parts = vec![TemplatePart::Literal("<".to_owned()), reference(ReferenceRoot::Var, "a")];
        let text = Text::Template(Template { parts });
        assert_eq!(evaluate(&text, &facts), Ok("<${var.b} secret{{ x }}".to_owned()));
    }

    #[test]
    fn a_missing_reference_is_named() {
        let text = Text::Template(Template { parts: vec![reference(ReferenceRoot::Run, "id")] });
        let error = evaluate(&text, &Facts::default()).unwrap_err();
        assert_eq!(error.to_string(), "`run.id` is not known");
    }

    #[test]
    fn a_store_is_not_read_here() {
        let text = Text::Store(StoreRef { store: Store::Secret, key: "k".to_owned() });
        let error = evaluate(&text, &Facts::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the text needs `secret{{ k }}`, which is read when the attempt starts"
        );
    }

    #[test]
    fn a_text_cannot_grow_without_end() {
        let facts = Facts::default().set(ReferenceRoot::Var, "a", "x".repeat(LONGEST / 2));
        let twice =
            |times| Text::Template(Template { parts: vec![reference(ReferenceRoot::Var, "a"); times] });
        assert_eq!(evaluate(&twice(2), &facts).map(|text| text.len()), Ok(LONGEST));
        assert_eq!(evaluate(&twice(3), &facts), Err(EvaluateError::TooLong));
    }
}
