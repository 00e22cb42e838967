//! The text of one file, and how byte offsets in it become lines and columns.

use std::ops::Range;

use serde::Serialize;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::limits::ReadLimits;

/// The notation of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// HCL.
    Hcl,
    /// The same tree as JSON.
    Json,
}

impl Syntax {
    /// The notation that a file name stands for: JSON if it ends in `.json`, else HCL.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        if name.to_ascii_lowercase().ends_with(".json") { Self::Json } else { Self::Hcl }
    }
}

/// One file. A byte order mark at its start is dropped; offsets count from behind it.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    text: String,
    syntax: Syntax,
    line_starts: Vec<usize>,
}

/// A piece of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SourceSpan {
    /// The line that it starts on, from 1.
    pub line: usize,
    /// The column that it starts on, in characters from 1.
    pub column: usize,
    /// Its first byte.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
}

impl Source {
    /// A file in the notation that its name stands for.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let name = name.into();
        let syntax = Syntax::of_name(&name);
        Self::with_syntax(name, text, syntax)
    }

    /// A file in a given notation.
    #[must_use]
    pub fn with_syntax(name: impl Into<String>, text: impl Into<String>, syntax: Syntax) -> Self {
        let mut text = text.into();
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let line_starts = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1))
            .collect();
        Self { name: name.into(), text, syntax, line_starts }
    }

    /// A file from its bytes, which must be UTF-8 and not more than the limit.
    pub fn from_bytes(
        name: impl Into<String>,
        bytes: &[u8],
        limits: impl Into<ReadLimits>,
    ) -> Result<Self, Box<Diagnostic>> {
        let (name, most) = (name.into(), limits.into().file_bytes);
        if bytes.len() > most {
            return Err(Box::new(too_large(&name, bytes.len(), most)));
        }
        let error = match std::str::from_utf8(bytes) {
            Ok(text) => return Ok(Self::new(name, text)),
            Err(error) => error,
        };
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        let source = Self::new(name, valid);
        let end = source.text.len();
        let mut problem = Diagnostic::error(codes::NOT_TEXT, source.name(), "the file is not UTF-8 text");
        problem.span = Some(source.locate(&(end..end)));
        problem.label("the first byte that is not UTF-8").help("save the file as UTF-8");
        Err(Box::new(problem))
    }

    /// Its name, for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text without a byte order mark.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its notation.
    #[must_use]
    pub const fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// The line, from 1, that a byte stands on.
    #[must_use]
    pub fn line_of(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset).max(1)
    }

    /// The text of a line, counted from 1, without its end, and the offset that it starts at.
    pub(crate) fn line(&self, line: usize) -> (usize, &str) {
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let end = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        let text = self.text.get(start..end).unwrap_or_default();
        (start, text.trim_end_matches(['\n', '\r']))
    }

    /// Where a range of bytes stands. Offsets behind the end or within a character are moved back to a valid one.
    #[must_use]
    pub fn locate(&self, range: &Range<usize>) -> SourceSpan {
        let start = self.text.floor_char_boundary(range.start.min(self.text.len()));
        let end = self.text.floor_char_boundary(range.end.min(self.text.len())).max(start);
        let line = self.line_of(start);
        let line_start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(line_start..start).map_or(0, |before| before.chars().count()) + 1;
        SourceSpan { line, column, start, end }
    }
}

pub(crate) fn too_large(name: &str, bytes: usize, most: usize) -> Diagnostic {
    let message = format!("the file has {bytes} bytes; at most {most} are accepted");
    Diagnostic::error(codes::LIMIT, name, message)
}
