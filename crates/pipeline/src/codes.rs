//! The codes of everything that can be wrong with a pipeline file.
//!
//! Each has a page in `docs/errors` and a test that provokes it; a number is never used again for something else.

use gofer_syntax::{Code, codes as form};

macro_rules! codes {
    ($($name:ident = $code:expr, $title:literal;)*) => {
        $(pub(crate) const $name: Code = $code;)*

        /// Every code of a pipeline file with its title, in order.
        pub const CODES: &[(Code, &str)] = &[$(($name, $title)),*];
    };
}

codes! {
    SYNTAX = form::SYNTAX, "the file is not valid HCL or JSON";
    NOT_TEXT = form::NOT_TEXT, "the file is not UTF-8 text";
    LIMIT = form::LIMIT, "the file exceeds a limit";
    EXPRESSION = form::EXPRESSION, "an expression that pipeline files do not have";
    UNKNOWN_ATTRIBUTE = Code::new("E0405"), "an attribute that does not exist";
    UNKNOWN_BLOCK = Code::new("E0406"), "a block that does not exist";
    MISSING = Code::new("E0407"), "something required is missing";
    WRONG_TYPE = form::WRONG_TYPE, "a value of the wrong type";
    DUPLICATE = form::DUPLICATE, "something is written twice";
    DUPLICATE_ID = Code::new("E0410"), "two things with the same name";
    UNKNOWN_PARENT = Code::new("E0411"), "a task depends on a task that does not exist";
    CYCLE = Code::new("E0412"), "tasks depend on each other in a cycle";
    SELF_DEPENDENCY = Code::new("E0413"), "a task depends on itself";
    CONDITION = Code::new("E0414"), "a word that is no condition";
    NAME = Code::new("E0415"), "a malformed name";
    DURATION = Code::new("E0416"), "a malformed or impossible duration";
    SIZE = Code::new("E0417"), "a malformed size";
    WORD = Code::new("E0418"), "a word that is not one of the known ones";
    RANGE = Code::new("E0419"), "a value out of its range";
    NO_TASKS = Code::new("E0420"), "a pipeline without tasks";
    UNDEFINED_VARIABLE = Code::new("E0421"), "a variable that nothing defines";
    UNKNOWN_REFERENCE = form::UNKNOWN_REFERENCE, "a reference to nothing known";
    MISPLACED_REFERENCE = Code::new("E0423"), "a reference where none can be";
    MISPLACED_STORE = Code::new("E0424"), "a store's value where none can be";
    STORE_KEY = Code::new("E0425"), "a malformed key of a store's value";
    RESERVED = Code::new("E0426"), "a reserved name of the environment";
    NUL = Code::new("E0427"), "a NUL character in a text";
    CONFLICT = Code::new("E0428"), "attributes that exclude each other";
    LABELS = Code::new("E0429"), "a block with the wrong labels";
    VARIABLE_VALUE = Code::new("E0430"), "a value that its variable does not accept";
    UNSUPPORTED = Code::new("E0431"), "a part that this build cannot run yet";
    FORM = Code::new("E0432"), "a block written as an attribute, or the reverse";
    UNKNOWN_ARTEFACT = Code::new("E0433"), "an artefact that no parent leaves";
}
