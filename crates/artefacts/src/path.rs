//! Paths that stay where they are put: what an output may be called, and what an entry of an archive may.

use std::cmp::Ordering;
use std::fmt;

use crate::limits::Limits;

/// What no file system takes as one name.
const LONGEST_SEGMENT: usize = 255;

/// A relative path of plain segments, such as `target/release/app`. Ordered by segments: what a directory holds follows it
/// at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SafePath(String);

impl SafePath {
    /// The path, with `/` between segments.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its segments; at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The directories before the last segment, and that segment.
    pub(crate) fn split(&self) -> (Option<&str>, &str) {
        match self.0.rsplit_once('/') {
            Some((before, name)) => (Some(before), name),
            None => (None, &self.0),
        }
    }
}

impl fmt::Display for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for SafePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.segments().cmp(other.segments())
    }
}

impl PartialOrd for SafePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathProblem {
    /// There is nothing.
    #[error("is empty")]
    Empty,
    /// It begins with `/`.
    #[error("is absolute; paths are relative to the work directory")]
    Absolute,
    /// It has a segment `..`.
    #[error("has `..`, which could lead out of the work directory")]
    Parent,
    /// It has a segment `.`.
    #[error("has the segment `.`; write the path without it")]
    Here,
    /// It has two `/` in a row, or one at the end.
    #[error("has an empty segment")]
    EmptySegment,
    /// It has a `\`, which elsewhere separates segments.
    #[error("has a backslash; segments are separated by `/`")]
    Backslash,
    /// It has a byte 0, behind which others read nothing.
    #[error("has a NUL byte")]
    Nul,
    /// It has a line end or another control character.
    #[error("has a control character")]
    Control,
    /// It is not text.
    #[error("is not UTF-8")]
    NotUtf8,
    /// It has a `*`. Only what an author declares is refused for that; files may be called so.
    #[error("has a `*`; patterns are not supported: name the file or its directory")]
    Pattern,
    /// It has too many bytes.
    #[error("is longer than {limit} bytes")]
    TooLong {
        /// How many it may have.
        limit: usize,
    },
    /// One segment has too many bytes.
    #[error("has a segment of more than {limit} bytes")]
    SegmentTooLong {
        /// How many it may have.
        limit: usize,
    },
    /// It has too many segments.
    #[error("has more than {limit} segments")]
    TooDeep {
        /// How many it may have.
        limit: usize,
    },
}

/// Checks a path of a file in an artefact against the default [`Limits`]. Pure.
///
/// # Errors
/// The first reason to refuse it.
pub fn check_path(text: &str) -> Result<SafePath, PathProblem> {
    check(text.as_bytes(), &Limits::default())
}

/// Checks a path as an author declares it in `outputs`: as [`check_path`], but a `/` at the end is taken for a directory
/// and left out, and `*` is refused because it would not mean what the author thinks. Pure.
///
/// # Errors
/// The first reason to refuse it.
pub fn check_output(text: &str) -> Result<SafePath, PathProblem> {
    declared(text, &Limits::default())
}

/// As [`check_output`], against other limits.
pub(crate) fn declared(text: &str, limits: &Limits) -> Result<SafePath, PathProblem> {
    if text.contains('*') {
        return Err(PathProblem::Pattern);
    }
    check(without_slash(text.as_bytes()), limits)
}

/// A path without the one `/` that marks a directory. The root keeps its own.
pub(crate) fn without_slash(path: &[u8]) -> &[u8] {
    match path {
        [before @ .., b'/'] if !before.is_empty() => before,
        _ => path,
    }
}

/// As [`check_path`], of bytes and against other limits.
///
/// # Errors
/// The first reason to refuse it.
pub fn check(path: &[u8], limits: &Limits) -> Result<SafePath, PathProblem> {
    if path.is_empty() {
        return Err(PathProblem::Empty);
    }
    if path.contains(&0) {
        return Err(PathProblem::Nul);
    }
    if path.first() == Some(&b'/') {
        return Err(PathProblem::Absolute);
    }
    let text = std::str::from_utf8(path).map_err(|_| PathProblem::NotUtf8)?;
    if text.contains('\\') {
        return Err(PathProblem::Backslash);
    }
    if text.chars().any(char::is_control) {
        return Err(PathProblem::Control);
    }
    text.split('/').try_for_each(segment)?;
    if text.len() > limits.path_bytes {
        return Err(PathProblem::TooLong { limit: limits.path_bytes });
    }
    let limit = limits.depth.min(Limits::DEEPEST);
    if text.split('/').count() > limit {
        return Err(PathProblem::TooDeep { limit });
    }
    Ok(SafePath(text.to_owned()))
}

fn segment(segment: &str) -> Result<(), PathProblem> {
    match segment {
        "" => Err(PathProblem::EmptySegment),
        "." => Err(PathProblem::Here),
        ".." => Err(PathProblem::Parent),
        long if long.len() > LONGEST_SEGMENT => Err(PathProblem::SegmentTooLong { limit: LONGEST_SEGMENT }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_pass_as_they_are() {
        for text in
            ["a", "target/release/app", "größe/日本", ".hidden", "..a", "a..", "...", "a b", "[id].tsx", "C:"]
        {
            assert_eq!(check_path(text).unwrap().as_str(), text);
            assert_eq!(check_output(text).unwrap().as_str(), text);
        }
        assert_eq!(check_path("a*").unwrap().as_str(), "a*", "files may be called so");
    }

    #[test]
    fn whatever_could_lead_elsewhere_is_refused_by_its_reason() {
        use PathProblem::{Absolute, Backslash, Control, Empty, EmptySegment, Here, Nul, Parent};
        for (text, problem) in [
            ("", Empty),
            ("/", Absolute),
            ("/etc/passwd", Absolute),
            ("//a", Absolute),
            ("..", Parent),
            ("../a", Parent),
            ("a/../b", Parent),
            ("a/..", Parent),
            (".", Here),
            ("./a", Here),
            ("a/./b", Here),
            ("a//b", EmptySegment),
            ("a/", EmptySegment),
            ("..\\a", Backslash),
            ("a\\b", Backslash),
            ("C:\\a", Backslash),
            ("a\0b", Nul),
            ("a\nb", Control),
            ("a\x1b[2J", Control),
            ("a\u{85}", Control),
        ] {
            assert_eq!(check_path(text), Err(problem), "{text:?}");
        }
        assert_eq!(check(b"a/\xff", &Limits::default()), Err(PathProblem::NotUtf8));
        assert_eq!(
            check(b"\xc0\xae\xc0\xae/a", &Limits::default()),
            Err(PathProblem::NotUtf8),
            "overlong `..`"
        );
    }

    #[test]
    fn length_and_depth_are_refused_one_past_their_limit() {
        let limits = Limits { path_bytes: 9, depth: 3, ..Limits::default() };
        assert!(check(b"a/b/c", &limits).is_ok() && check(b"123456789", &limits).is_ok());
        assert_eq!(check(b"a/b/c/d", &limits), Err(PathProblem::TooDeep { limit: 3 }));
        assert_eq!(check(b"1234567890", &limits), Err(PathProblem::TooLong { limit: 9 }));
        assert!(check_path(&"a".repeat(255)).is_ok());
        assert_eq!(check_path(&"a".repeat(256)), Err(PathProblem::SegmentTooLong { limit: 255 }));
        let deep = Limits { depth: usize::MAX, path_bytes: usize::MAX, ..Limits::default() };
        let path = |levels: usize| ["a"].repeat(levels).join("/").into_bytes();
        assert!(check(&path(256), &deep).is_ok());
        assert_eq!(check(&path(257), &deep), Err(PathProblem::TooDeep { limit: 256 }));
    }

    #[test]
    fn an_author_may_mark_a_directory_and_may_not_write_a_pattern() {
        assert_eq!(check_output("dist/").unwrap().as_str(), "dist");
        assert_eq!(check_output("dist//"), Err(PathProblem::EmptySegment));
        assert_eq!(check_output("/"), Err(PathProblem::Absolute));
        assert_eq!(check_output("dist/*.js"), Err(PathProblem::Pattern));
        assert!(PathProblem::Pattern.to_string().contains('*'));
    }

    #[test]
    fn what_a_directory_holds_follows_it_at_once() {
        let mut paths: Vec<_> =
            ["a-b", "a/c", "a", "a.b", "a/b"].map(|text| check_path(text).unwrap()).into();
        paths.sort();
        let texts: Vec<_> = paths.iter().map(SafePath::as_str).collect();
        assert_eq!(texts, ["a", "a/b", "a/c", "a-b", "a.b"]);
    }
}
