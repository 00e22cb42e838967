//! One problem of a file: what, where, and what to do about it.

use serde::Serialize;

use crate::codes::Code;
use crate::source::SourceSpan;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// There is no pipeline.
    Error,
    /// There is one, but something in it is not as it seems.
    Warning,
}

impl Severity {
    /// The word that is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Another place that a problem is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where it stands.
    pub span: SourceSpan,
    /// What is there.
    pub label: String,
}

/// A problem of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Its code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The file.
    pub file: String,
    /// Where it stands; `None` if it is about the whole file.
    pub span: Option<SourceSpan>,
    /// What is to be said at that place; may be empty.
    pub label: String,
    /// What may be done.
    pub help: Vec<String>,
    /// The other places that it is about.
    pub related: Vec<Related>,
}

impl Diagnostic {
    /// An error about a whole file.
    #[must_use]
    pub fn error(code: Code, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            file: file.into(),
            span: None,
            label: String::new(),
            help: Vec::new(),
            related: Vec::new(),
        }
    }

    /// What is to be said at its place.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }

    /// What may be done, once more.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help.push(help.into());
        self
    }

    /// What may be done, if something may.
    pub fn maybe_help(&mut self, help: Option<String>) -> &mut Self {
        self.help.extend(help);
        self
    }

    /// Another place that it is about.
    pub fn related(&mut self, span: SourceSpan, label: impl Into<String>) -> &mut Self {
        self.related.push(Related { span, label: label.into() });
        self
    }
}

/// Whether a character shows itself in a line of text. Control characters and those that only change the direction or
/// the order of others do not.
#[must_use]
pub fn printable(c: char) -> bool {
    let hidden = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !hidden
}

/// A piece of the user's text as it may stand in a message: short, on one line, and unable to steer a terminal.
#[must_use]
pub fn show(text: &str) -> String {
    const LONGEST: usize = 90;
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push_str("...");
            break;
        }
        if printable(c) { shown.push(c) } else { shown.extend(c.escape_unicode()) }
    }
    shown
}
