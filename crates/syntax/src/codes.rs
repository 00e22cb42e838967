//! Codes, and those of everything that can be wrong with the form of a file. The codes of what a file says are in
//! `gofer-pipeline`, with the titles of all.

use std::fmt;

use serde::{Serialize, Serializer};

/// The code of a problem, such as `E0411`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
    /// A code. Each has a page in `docs/errors`; a number is never used again for something else.
    #[must_use]
    pub const fn new(code: &'static str) -> Self {
        Self(code)
    }

    /// The code as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

/// The file is not valid HCL or JSON.
pub const SYNTAX: Code = Code::new("E0401");
/// The file is not UTF-8 text.
pub const NOT_TEXT: Code = Code::new("E0402");
/// The file exceeds a limit.
pub const LIMIT: Code = Code::new("E0403");
/// An expression that pipeline files do not have.
pub const EXPRESSION: Code = Code::new("E0404");
/// A value of the wrong type.
pub const WRONG_TYPE: Code = Code::new("E0408");
/// Something is written twice.
pub const DUPLICATE: Code = Code::new("E0409");
/// A reference to nothing known.
pub const UNKNOWN_REFERENCE: Code = Code::new("E0422");
