//! What tasks hand to each other: the values of matrices and artefacts.

use serde::{Deserialize, Serialize};

/// The values that one key of a matrix has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// These.
    Values(Vec<String>),
    /// Those of the list that a parent left as the object of the run with this key. They are known once the parents have ended.
    Object(String),
}

impl Axis {
    /// The values, where they are known from the file.
    #[must_use]
    pub fn values(&self) -> Option<&[String]> {
        match self {
            Self::Values(values) => Some(values),
            Self::Object(_) => None,
        }
    }
}

/// What a task leaves under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The files and directories at these paths, packed.
    Archive(Vec<String>),
    /// The one file at this path, as it is. Its name is also the key of the object.
    File(String),
}

/// An artefact of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// Its name in the pipeline file.
    pub name: String,
    /// The key of the object of the run that it is.
    pub key: String,
    /// What is in it.
    pub output: Output,
}

/// The longest value of a matrix, in characters.
pub const LONGEST_MATRIX_VALUE: usize = 80;

/// What is wrong with a value of a matrix. It becomes a part of names such as `compile[linux,1]`.
#[must_use]
pub fn matrix_value_problem(value: &str) -> Option<String> {
    let sign = value.chars().find(|c| matches!(c, ',' | '[' | ']'));
    if value.is_empty() {
        Some("is empty".to_owned())
    } else if value.chars().count() > LONGEST_MATRIX_VALUE {
        Some(format!("is longer than {LONGEST_MATRIX_VALUE} characters"))
    } else if value.chars().any(char::is_control) {
        Some("has a control character".to_owned())
    } else {
        sign.map(|sign| format!("contains `{sign}`"))
    }
}

impl From<Vec<String>> for Axis {
    fn from(values: Vec<String>) -> Self {
        Self::Values(values)
    }
}

impl Output {
    /// The paths below the work directory.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        match self {
            Self::Archive(paths) => paths,
            Self::File(path) => std::slice::from_ref(path),
        }
    }
}
