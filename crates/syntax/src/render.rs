//! Problems as people read them: the message, the place, the line with a mark under it, and what may be done.
//!
//! Plain text; whoever wants colour takes the parts and their styles.

use crate::diagnostic::{Diagnostic, Severity, printable};
use crate::source::{Source, SourceSpan};

/// The widest piece of a line that is shown.
const WIDEST: usize = 120;

/// How many other places are shown at most.
const RELATED: usize = 5;

/// What a part of a rendered problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `error[E0411]`.
    Error,
    /// `warning[E0431]`.
    Warning,
    /// The message.
    Message,
    /// Line numbers, bars and arrows.
    Frame,
    /// A line of the file.
    Source,
    /// The mark under a line and its label.
    Mark,
    /// What may be done.
    Help,
}

/// A piece of a rendered problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub style: Style,
    /// Its text; it may end a line.
    pub text: String,
}

/// A problem as plain text, each line ended.
#[must_use]
pub fn render(diagnostic: &Diagnostic, source: &Source) -> String {
    render_parts(diagnostic, source).into_iter().map(|part| part.text).collect()
}

/// A problem in parts, for colour.
#[must_use]
pub fn render_parts(diagnostic: &Diagnostic, source: &Source) -> Vec<Part> {
    let mut out = Parts::default();
    let style = match diagnostic.severity {
        Severity::Error => Style::Error,
        Severity::Warning => Style::Warning,
    };
    out.add(style, format!("{}[{}]", diagnostic.severity.as_str(), diagnostic.code));
    out.add(Style::Message, format!(": {}\n", diagnostic.message));
    let related = &diagnostic.related[..diagnostic.related.len().min(RELATED)];
    let lines = diagnostic.span.iter().chain(related.iter().map(|related| &related.span));
    out.width = lines.map(|span| span.line.to_string().len()).max().unwrap_or(1);
    match &diagnostic.span {
        Some(span) => {
            out.add(
                Style::Frame,
                format!("{:w$}--> {}:{}:{}\n", "", diagnostic.file, span.line, span.column, w = out.width),
            );
            out.excerpt(source, span, '^', &diagnostic.label);
        }
        None => out.add(Style::Frame, format!(" --> {}\n", diagnostic.file)),
    }
    for related in related {
        out.excerpt(source, &related.span, '-', &related.label);
    }
    for help in &diagnostic.help {
        out.add(Style::Frame, format!("{:w$} = ", "", w = out.width));
        out.add(Style::Help, format!("help: {help}\n"));
    }
    out.parts
}

#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    width: usize,
}

impl Parts {
    fn add(&mut self, style: Style, text: String) {
        self.parts.push(Part { style, text });
    }

    /// A line of the file and a mark under the piece of it that is meant.
    fn excerpt(&mut self, source: &Source, span: &SourceSpan, mark: char, label: &str) {
        let (start, line) = source.line(span.line);
        let from = span.start.saturating_sub(start).min(line.len());
        let to = span.end.saturating_sub(start).clamp(from, line.len());
        let before = line.get(..from).unwrap_or_default();
        let marked = line.get(from..to).unwrap_or_default();
        let after = line.get(to..).unwrap_or_default();
        let (before, marked, after) = window(before, marked, after);
        let marks = mark.to_string().repeat(marked.chars().count().max(1));
        let indent = " ".repeat(before.chars().count());
        self.add(Style::Frame, format!("{:>w$} | ", span.line, w = self.width));
        self.add(Style::Source, format!("{}\n", format!("{before}{marked}{after}").trim_end()));
        self.add(Style::Frame, format!("{:w$} | ", "", w = self.width));
        self.add(Style::Mark, format!("{}\n", format!("{indent}{marks} {label}").trim_end()));
    }
}

/// Cuts a long line down to what stands around the marked piece, and makes every character show.
fn window(before: &str, marked: &str, after: &str) -> (String, String, String) {
    let cut = |text: &str, room: usize| -> String {
        let mut kept: String = text.chars().take(room).map(visible).collect();
        if text.chars().nth(room).is_some() {
            kept.push_str("...");
        }
        kept
    };
    let marked = cut(marked, WIDEST);
    let room = WIDEST.saturating_sub(marked.chars().count());
    let skipped = before.chars().rev().nth(room / 2 + room / 4).is_some();
    let before = if skipped {
        let tail: Vec<char> = before.chars().rev().take(room / 2).map(visible).collect();
        format!("...{}", tail.into_iter().rev().collect::<String>())
    } else {
        before.chars().map(visible).collect()
    };
    let after = cut(after, room.saturating_sub(before.chars().count()));
    (before, marked, after)
}

fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if printable(c) => c,
        _ => '\u{fffd}',
    }
}
