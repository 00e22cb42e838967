//! The names of objects.
//!
//! A key is made of segments, and `/` stands between them and nowhere else: so no two lists of segments make the same text.
//! What a host could take for something else than a name is refused here, once, for every backend.

use std::fmt;
use std::str::FromStr;

use gofer_backend::{BackendError, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// The longest key, in bytes, with its slashes.
pub const MAX_KEY: usize = 1024;

/// The longest segment of a key, in bytes.
pub const MAX_SEGMENT: usize = 128;

/// The most segments of a key.
pub const MAX_SEGMENTS: usize = 16;

/// The name of an object: 1 to 16 segments with `/` between them, at most 1024 bytes. Ordered by its bytes.
///
/// A segment is 1 to 128 bytes of printable UTF-8 without `/` and `\`, and is neither `.` nor `..`. Printable means: no control
/// characters, no line or paragraph separators, and none of the invisible marks that turn the direction of writing around.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Joins segments to a key.
    ///
    /// Errors: `InvalidInput` with the fact `segment` or `key`.
    pub fn from_segments<I: IntoIterator<Item: AsRef<str>>>(segments: I) -> Result<Self> {
        let text = join(segments)?;
        if text.is_empty() {
            return Err(refused("a key has no segment", "key", &text));
        }
        Ok(Self(text))
    }

    /// The segments, in order.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectKey {
    type Err = BackendError;

    /// Reads what [`fmt::Display`] writes; nothing is trimmed, folded or resolved.
    fn from_str(text: &str) -> Result<Self> {
        Self::from_segments(text.split('/'))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = BackendError;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> Self {
        key.0
    }
}

/// The beginning of keys: whole segments. Empty, it is the beginning of all keys.
///
/// The prefix `a` holds `a/b` and `a/b/c`, but neither `a` nor `ab`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Joins segments to a prefix; none make that of every key.
    ///
    /// Errors: as [`ObjectKey::from_segments`].
    pub fn from_segments<I: IntoIterator<Item: AsRef<str>>>(segments: I) -> Result<Self> {
        Ok(Self(join(segments)?))
    }

    /// The segments, in order.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// Whether the key lies below this prefix.
    #[must_use]
    pub fn holds(&self, key: &ObjectKey) -> bool {
        let below = |rest: &str| self.0.is_empty() || rest.starts_with('/');
        key.0.strip_prefix(&self.0).is_some_and(below)
    }
}

impl FromStr for KeyPrefix {
    type Err = BackendError;

    /// Reads segments with `/` between them, and one more at the end if you like. The empty text is [`KeyPrefix::all`].
    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::all());
        }
        Self::from_segments(text.strip_suffix('/').unwrap_or(text).split('/'))
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn join<I: IntoIterator<Item: AsRef<str>>>(segments: I) -> Result<String> {
    let mut text = String::new();
    for (index, segment) in segments.into_iter().enumerate() {
        let segment = segment.as_ref();
        validate(segment)?;
        if index == MAX_SEGMENTS {
            return Err(refused("a key has too many segments", "key", &text).with("limit", MAX_SEGMENTS));
        }
        if index > 0 {
            text.push('/');
        }
        text.push_str(segment);
    }
    if text.len() > MAX_KEY {
        return Err(refused("a key is too long", "key", &text).with("limit", MAX_KEY));
    }
    Ok(text)
}

fn validate(segment: &str) -> Result<()> {
    let message = match segment {
        "" => "a segment of a key is empty",
        "." | ".." => "a segment of a key is a step in a path, not a name",
        _ if segment.len() > MAX_SEGMENT => "a segment of a key is too long",
        _ if segment.contains(['/', '\\']) => "a segment of a key has a slash in it",
        _ if segment.contains(unprintable) => "a segment of a key has a character that cannot be printed",
        _ => return Ok(()),
    };
    Err(refused(message, "segment", segment))
}

/// Whether a character shows nothing and changes what is shown around it.
fn unprintable(c: char) -> bool {
    let marks =
        ['\u{061c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{feff}', '\u{fffe}', '\u{ffff}'];
    c.is_control()
        || marks.contains(&c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

fn refused(message: &str, fact: &'static str, text: &str) -> BackendError {
    let shown: String = text.chars().take(64).flat_map(char::escape_default).collect();
    BackendError::new(ErrorKind::InvalidInput, message).with(fact, shown)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_reads_back_from_its_text() {
        for text in [
            "a",
            "a/b",
            "ns/pipe line/run 7/out.tar.gz",
            "...",
            ".a",
            "a.",
            "Ä/ö",
            "-rf",
            "~",
            "a:b",
            "%2e%2e",
        ] {
            let key: ObjectKey = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
            assert_eq!(ObjectKey::from_segments(key.segments()).unwrap(), key);
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_is_wrong() {
        let long = "x".repeat(MAX_SEGMENT + 1);
        let table = [
            ("", "empty"),
            ("/a", "empty"),
            ("a/", "empty"),
            ("a//b", "empty"),
            (".", "step"),
            ("a/../b", "step"),
            ("a\\b", "slash"),
            ("a\0", "printed"),
            ("a\nb", "printed"),
            ("\u{7f}", "printed"),
            ("\u{85}", "printed"),
            ("a\u{202e}b", "printed"),
            ("\u{feff}a", "printed"),
            (&long, "too long"),
        ];
        for (text, why) in table {
            let error = text.parse::<ObjectKey>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.message().contains(why), "{text:?}: {error}");
        }
    }

    #[test]
    fn limits_are_met_exactly() {
        let longest = ObjectKey::from_segments(["x".repeat(MAX_SEGMENT)]).unwrap();
        assert_eq!(longest.as_str().len(), MAX_SEGMENT);
        ObjectKey::from_segments(vec!["x"; MAX_SEGMENTS]).unwrap();
        assert!(ObjectKey::from_segments(vec!["x"; MAX_SEGMENTS + 1]).is_err());
        let segments =
            |last: usize| (0..8).map(|i| "x".repeat(if i == 7 { last } else { 127 })).collect::<Vec<_>>();
        assert_eq!(ObjectKey::from_segments(segments(128)).unwrap().as_str().len(), MAX_KEY);
        let mut over = segments(127);
        over.push("x".to_owned());
        assert!(ObjectKey::from_segments(over).unwrap_err().message().contains("too long"));
    }

    #[test]
    fn a_prefix_holds_what_lies_below_it() {
        let prefix: KeyPrefix = "a".parse().unwrap();
        let holds = |text: &str| prefix.holds(&text.parse().unwrap());
        assert!(holds("a/b") && holds("a/b/c"));
        assert!(!holds("a") && !holds("ab") && !holds("ab/c") && !holds("a-b") && !holds("b/a/c"));
        assert!(KeyPrefix::all().holds(&"a".parse().unwrap()));
        assert_eq!("a/".parse::<KeyPrefix>().unwrap(), prefix);
        assert!("../a".parse::<KeyPrefix>().is_err() && "/".parse::<KeyPrefix>().is_err());
    }

    #[test]
    fn a_key_is_checked_when_it_is_read_from_data() {
        assert_eq!(serde_json::from_str::<ObjectKey>("\"a/b\"").unwrap().as_str(), "a/b");
        assert!(serde_json::from_str::<ObjectKey>("\"a/../b\"").is_err());
    }

    proptest! {
        #[test]
        fn different_segments_make_different_keys(
            a in prop::collection::vec("[a/.\\\\%é ]{0,4}", 0..4),
            b in prop::collection::vec("[a/.\\\\%é ]{0,4}", 0..4),
        ) {
            if let (Ok(x), Ok(y)) = (ObjectKey::from_segments(&a), ObjectKey::from_segments(&b)) {
                prop_assert_eq!(x == y, a == b);
            }
        }

        #[test]
        fn no_text_makes_a_panic_and_what_is_taken_is_kept(text: String) {
            if let Ok(key) = text.parse::<ObjectKey>() {
                prop_assert_eq!(key.as_str(), text);
            }
        }
    }
}
