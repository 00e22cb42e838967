//! Names that cannot be malformed.
//!
//! Each name is checked once, where it enters; from there on its type is the proof. Names are never joined by a
//! character that is legal inside them: keys and file names are made from structured tuples.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a name of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a {kind} must not be empty")]
    Empty {
        /// What the text was meant to name.
        kind: &'static str,
    },
    /// The text is longer than the kind allows.
    #[error("a {kind} has at most {max} characters; this one has {length}")]
    TooLong {
        /// What the text was meant to name.
        kind: &'static str,
        /// The greatest number of characters.
        max: usize,
        /// How many there were.
        length: usize,
    },
    /// A character that the kind does not allow.
    #[error("a {kind} consists of {allowed}; {found:?} is not one of them")]
    Character {
        /// What the text was meant to name.
        kind: &'static str,
        /// The allowed characters, for people.
        allowed: &'static str,
        /// The first character that is not allowed.
        found: char,
    },
}

/// The rule that one kind of name follows.
struct Rule {
    kind: &'static str,
    max: usize,
    allowed: &'static str,
    first: fn(char) -> bool,
    rest: fn(char) -> bool,
}

const WORD: &str = "letters, digits, `-` and `_`";

fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn check(rule: &Rule, text: &str) -> Result<(), NameError> {
    let kind = rule.kind;
    let length = text.chars().count();
    let Some(first) = text.chars().next() else {
        return Err(NameError::Empty { kind });
    };
    if length > rule.max {
        return Err(NameError::TooLong { kind, max: rule.max, length });
    }
    let bad = if (rule.first)(first) { text.chars().skip(1).find(|c| !(rule.rest)(*c)) } else { Some(first) };
    match bad {
        Some(found) => Err(NameError::Character { kind, allowed: rule.allowed, found }),
        None => Ok(()),
    }
}

/// The longest id of one of the tasks that a matrix makes: it is the name of a folder, too.
const INSTANCE: usize = 240;

/// What a value may consist of as it stands in an id; everything else is written as `%` and two digits a byte.
fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.:+@=~".contains(&byte)
}

/// The rule of ids of tasks: a name, and the values of a combination behind it if there are any.
fn instances(rule: &Rule, text: &str) -> Result<(), NameError> {
    let Some((base, values)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) else {
        return check(rule, text);
    };
    check(rule, base)?;
    if text.len() > INSTANCE {
        return Err(NameError::TooLong { kind: rule.kind, max: INSTANCE, length: text.len() });
    }
    let fits = |c: char| c == ',' || c == '%' || u8::try_from(c).is_ok_and(plain);
    match values.chars().find(|c| !fits(*c)) {
        Some(found) => Err(NameError::Character { kind: rule.kind, allowed: rule.allowed, found }),
        None if values.split(',').any(str::is_empty) => Err(NameError::Empty { kind: "value in a task id" }),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $rule:expr) => {
        name!($(#[$doc])* $type, $rule, check);
    };
    ($(#[$doc:meta])* $type:ident, $rule:expr, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks the text against the rule of this kind of name.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                $check(&$rule, &text)?;
                Ok(Self(text))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The border of tenancy: 1 to 70 of letters, digits, `-` and `_`.
    Namespace,
    Rule { kind: "namespace", max: 70, allowed: WORD, first: word, rest: word }
);
name!(
    /// A pipeline within its namespace: 1 to 70 of letters, digits, `-` and `_`.
    PipelineId,
    Rule { kind: "pipeline id", max: 70, allowed: WORD, first: word, rest: word }
);
name!(
    /// A task within its pipeline: 1 to 80 of letters, digits, `-` and `_`. One of the tasks that a `matrix` makes has the
    /// values of its combination behind that: `compile[linux,1]`, see [`TaskId::instance`].
    TaskId,
    Rule { kind: "task id", max: 80, allowed: WORD, first: word, rest: word },
    instances
);
name!(
    /// A run variable: 1 to 128 of letters, digits and `_`, not starting with a digit.
    VariableName,
    Rule {
        kind: "variable name",
        max: 128,
        allowed: "letters, digits and `_`, starting with a letter or `_`",
        first: |c| c.is_ascii_alphabetic() || c == '_',
        rest: |c| c.is_ascii_alphanumeric() || c == '_',
    }
);
/// The longest idempotency key, in bytes.
pub const LONGEST_KEY: usize = 128;

/// Whether a text can be an idempotency key: 1 to [`LONGEST_KEY`] visible ASCII characters.
#[must_use]
pub fn is_idempotency_key(text: &str) -> bool {
    (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

name!(
    /// The key of a label: 1 to 63 of letters, digits, `-`, `_`, `.` and `/`.
    LabelKey,
    Rule {
        kind: "label key",
        max: 63,
        allowed: "letters, digits, `-`, `_`, `.` and `/`",
        first: |c| c.is_ascii_alphanumeric(),
        rest: |c| word(c) || c == '.' || c == '/',
    }
);
name!(
    /// One of the operator's named schedulers: 1 to 63 of letters, digits, `-` and `_`.
    SchedulerName,
    Rule { kind: "scheduler name", max: 63, allowed: WORD, first: word, rest: word }
);
name!(
    /// The identity of one start of a task run, chosen by the engine and committed before the effect.
    ///
    /// A backend names its thing after it: 1 to 63 of lower-case letters, digits and `-`, starting with a letter.
    AttemptId,
    Rule {
        kind: "attempt id",
        max: 63,
        allowed: "lower-case letters, digits and `-`, starting with a letter",
        first: |c| c.is_ascii_lowercase(),
        rest: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
    }
);

impl Namespace {
    /// The namespace that is meant when none is named, and that cannot be deleted.
    #[must_use]
    pub fn default_name() -> Self {
        Self("default".to_owned())
    }
}

impl TaskId {
    /// The id of the task for one combination of a matrix, with the values in the order of their keys. Two combinations
    /// never share an id, whatever characters their values have.
    pub fn instance<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Result<Self, NameError> {
        let values: Vec<String> = values.into_iter().map(escaped).collect();
        Self::new(format!("{}[{}]", self.0, values.join(",")))
    }

    /// The id that the pipeline file gives the task, without the values of a combination.
    #[must_use]
    pub fn base(&self) -> &str {
        self.0.split('[').next().unwrap_or_default()
    }

    /// The values of the combination that it names, in the order of their keys; none for a task without a matrix.
    #[must_use]
    pub fn values(&self) -> Vec<String> {
        let Some((_, values)) = self.0.trim_end_matches(']').split_once('[') else { return Vec::new() };
        values.split(',').map(unescaped).collect()
    }

    /// Whether it names one combination of a matrix.
    #[must_use]
    pub fn is_instance(&self) -> bool {
        self.0.ends_with(']')
    }
}

fn unescaped(value: &str) -> String {
    let mut parts = value.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        // what is not two digits was not written by us, and stays as it is
        match part.split_at_checked(2).map(|(digits, rest)| (u8::from_str_radix(digits, 16), rest)) {
            Some((Ok(byte), rest)) => {
                bytes.push(byte);
                bytes.extend_from_slice(rest.as_bytes());
            }
            _ => bytes.extend_from_slice(format!("%{part}").as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escaped(value: &str) -> String {
    use std::fmt::Write as _;
    value.bytes().fold(String::new(), |mut text, byte| {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

impl AttemptId {
    /// Names an attempt after 128 bits that nothing else uses (a UUID version 7).
    #[must_use]
    pub fn from_u128(bits: u128) -> Self {
        Self(format!("a{bits:032x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_what_it_was_given() {
        assert_eq!(PipelineId::new("build-it_2").map(String::from), Ok("build-it_2".to_owned()));
    }

    #[test]
    fn an_empty_name_is_refused() {
        assert_eq!(Namespace::new(""), Err(NameError::Empty { kind: "namespace" }));
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        let error = TaskId::new("ä".repeat(81)).expect_err("too long");
        assert_eq!(error, NameError::TooLong { kind: "task id", max: 80, length: 81 });
    }

    #[test]
    fn separators_and_dots_are_refused() {
        for text in ["a/b", "a b", "..", "a:b", "a\0", "é"] {
            assert!(matches!(PipelineId::new(text), Err(NameError::Character { .. })), "{text:?}");
        }
    }

    #[test]
    fn values_of_a_combination_never_meet_in_an_id() {
        let id = TaskId::new("compile").expect("a name");
        let of = |values: &[&str]| id.instance(values.iter().copied()).map(String::from).expect("an id");
        assert_eq!(of(&["linux", "1"]), "compile[linux,1]");
        assert_eq!(of(&["a,b", "c"]), "compile[a%2Cb,c]");
        assert_ne!(of(&["a,b", "c"]), of(&["a", "b,c"]));
        assert_ne!(of(&["%2C"]), of(&[","]));
        assert_eq!(of(&["registry/alpine:3", "ä"]), "compile[registry%2Falpine:3,%C3%A4]");
        let instance = TaskId::new("compile[linux,1]").expect("an id");
        assert_eq!((instance.base(), instance.is_instance(), id.is_instance()), ("compile", true, false));
    }

    proptest::proptest! {
        #[test]
        fn the_values_of_a_combination_are_read_from_its_id(values in proptest::collection::vec(".{1,8}", 1..4)) {
            let id = TaskId::new("compile").expect("a name");
            let instance = id.instance(values.iter().map(String::as_str)).expect("an id");
            proptest::prop_assert_eq!(instance.values(), values);
            proptest::prop_assert!(id.values().is_empty());
        }
    }

    #[test]
    fn what_looks_like_an_instance_and_is_none_is_refused() {
        for text in ["[a]", "a[]", "a[b", "a]", "a[b,]", "a[b/c]", "a[b][c]", "a[b]c", "a[b c]"] {
            assert!(TaskId::new(text).is_err(), "{text:?}");
        }
        assert!(TaskId::new(format!("a[{}]", "x".repeat(240))).is_err());
    }

    #[test]
    fn an_attempt_id_starts_with_a_letter() {
        assert!(AttemptId::new("1a").is_err());
        assert!(AttemptId::new(AttemptId::from_u128(u128::MAX).as_str()).is_ok());
    }

    #[test]
    fn deserialising_checks_too() {
        assert!(serde_json::from_str::<TaskId>("\"a/b\"").is_err());
    }
}
