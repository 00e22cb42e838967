//! The codes of everything that can be wrong with a pipeline file.
//!
//! Each has a page in `docs/errors` and a test that provokes it; a number is never used again for something else.

use std::fmt;

use serde::{Serialize, Serializer};

/// The code of a problem, such as `E0411`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(&'static str);

impl Code {
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

macro_rules! codes {
    ($($name:ident $code:literal $title:literal)*) => {
        $(pub(crate) const $name: Code = Code($code);)*

        /// Every code of this crate with its title, in order.
        pub const CODES: &[(Code, &str)] = &[$(($name, $title)),*];
    };
}

codes! {
    SYNTAX "E0401" "the file is not valid HCL or JSON"
    NOT_TEXT "E0402" "the file is not UTF-8 text"
    LIMIT "E0403" "the file exceeds a limit"
    EXPRESSION "E0404" "an expression that pipeline files do not have"
    UNKNOWN_ATTRIBUTE "E0405" "an attribute that does not exist"
    UNKNOWN_BLOCK "E0406" "a block that does not exist"
    MISSING "E0407" "something required is missing"
    WRONG_TYPE "E0408" "a value of the wrong type"
    DUPLICATE "E0409" "something is written twice"
    DUPLICATE_ID "E0410" "two things with the same name"
    UNKNOWN_PARENT "E0411" "a task depends on a task that does not exist"
    CYCLE "E0412" "tasks depend on each other in a cycle"
    SELF_DEPENDENCY "E0413" "a task depends on itself"
    CONDITION "E0414" "a word that is no condition"
    NAME "E0415" "a malformed name"
    DURATION "E0416" "a malformed or impossible duration"
    SIZE "E0417" "a malformed size"
    WORD "E0418" "a word that is not one of the known ones"
    RANGE "E0419" "a value out of its range"
    NO_TASKS "E0420" "a pipeline without tasks"
    UNDEFINED_VARIABLE "E0421" "a variable that nothing defines"
    UNKNOWN_REFERENCE "E0422" "a reference to nothing known"
    MISPLACED_REFERENCE "E0423" "a reference where none can be"
    MISPLACED_STORE "E0424" "a store's value where none can be"
    STORE_KEY "E0425" "a malformed key of a store's value"
    RESERVED "E0426" "a reserved name of the environment"
    NUL "E0427" "a NUL character in a text"
    CONFLICT "E0428" "attributes that exclude each other"
    LABELS "E0429" "a block with the wrong labels"
    VARIABLE_VALUE "E0430" "a value that its variable does not accept"
    UNSUPPORTED "E0431" "a part that this build cannot run yet"
    FORM "E0432" "a block written as an attribute, or the reverse"
    UNKNOWN_ARTEFACT "E0433" "an artefact that no parent leaves"
}
