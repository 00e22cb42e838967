//! What a run is given, against what its pipeline defines.

use std::collections::BTreeMap;

use gofer_syntax::suggest;
use gofer_types::pipeline::{Variable, VariableType};
use gofer_types::{Pipeline, VariableName};

/// Why a given variable, or the absence of one, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableProblem {
    /// The pipeline defines no such variable.
    #[error("the pipeline has no variable `{name}`")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The variable that was probably meant.
        meant: Option<VariableName>,
    },
    /// It has no default and was not given.
    #[error("the variable `{name}` is required")]
    Missing {
        /// The variable.
        name: VariableName,
        /// What its author says about it; may be empty.
        description: String,
    },
    /// The value is not of its type.
    #[error("the variable `{name}` must be a {}", type_word(*kind))]
    WrongType {
        /// The variable.
        name: VariableName,
        /// The type that it has.
        kind: VariableType,
    },
    /// The value is not among those that are allowed.
    #[error("the variable `{name}` must be one of {}", allowed.join(", "))]
    NotAllowed {
        /// The variable.
        name: VariableName,
        /// The allowed values.
        allowed: Vec<String>,
    },
    /// The value contains a NUL character, which no environment can hold.
    #[error("the variable `{name}` contains a NUL character")]
    Nul {
        /// The variable.
        name: VariableName,
    },
}

/// The variables of a run: what it is given, else the defaults; or everything that is wrong with what it is given.
///
/// What a run is given is data: it is never taken for a reference, whatever it looks like.
pub fn resolve_variables(
    pipeline: &Pipeline,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<VariableName, String>, Vec<VariableProblem>> {
    resolve_values(&pipeline.variables, given)
}

/// The same for whatever is asked for by name.
pub fn resolve_values(
    defined: &BTreeMap<VariableName, Variable>,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<VariableName, String>, Vec<VariableProblem>> {
    let mut problems = unknown(defined, given);
    let mut resolved = BTreeMap::new();
    for (name, variable) in defined {
        match (given.get(name.as_str()), &variable.default) {
            (Some(value), _) => match refusal(name, variable, value) {
                Some(problem) => problems.push(problem),
                None => drop(resolved.insert(name.clone(), value.clone())),
            },
            (None, Some(default)) => drop(resolved.insert(name.clone(), default.clone())),
            (None, None) => problems.push(VariableProblem::Missing {
                name: name.clone(),
                description: variable.description.clone(),
            }),
        }
    }
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

fn unknown(
    defined: &BTreeMap<VariableName, Variable>,
    given: &BTreeMap<String, String>,
) -> Vec<VariableProblem> {
    let mut budget = suggest::BUDGET;
    let names = given.keys().filter(|name| !defined.contains_key(name.as_str()));
    names
        .map(|name| {
            let known = defined.keys().map(VariableName::as_str);
            let meant = suggest::nearest(name, known, &mut budget);
            let meant = meant.and_then(|meant| defined.get_key_value(meant)).map(|(meant, _)| meant.clone());
            VariableProblem::Unknown { name: name.clone(), meant }
        })
        .collect()
}

fn refusal(name: &VariableName, variable: &Variable, value: &str) -> Option<VariableProblem> {
    let name = name.clone();
    if value.contains('\0') {
        Some(VariableProblem::Nul { name })
    } else if !accepts(variable.kind, value) {
        Some(VariableProblem::WrongType { name, kind: variable.kind })
    } else if !variable.allowed.is_empty() && !variable.allowed.iter().any(|word| word == value) {
        Some(VariableProblem::NotAllowed { name, allowed: variable.allowed.clone() })
    } else {
        None
    }
}

/// Whether a text is a value of a type.
pub(crate) fn accepts(kind: VariableType, text: &str) -> bool {
    match kind {
        VariableType::String => true,
        VariableType::Bool => matches!(text, "true" | "false"),
        VariableType::Number => {
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let text = text.strip_prefix('-').unwrap_or(text);
            match text.split_once('.') {
                Some((whole, fraction)) => digits(whole) && digits(fraction),
                None => digits(text),
            }
        }
    }
}

/// The word of a type.
pub(crate) fn type_word(kind: VariableType) -> &'static str {
    match kind {
        VariableType::String => "string",
        VariableType::Number => "number",
        VariableType::Bool => "bool",
    }
}
