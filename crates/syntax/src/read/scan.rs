//! A pass over the letters of an HCL file before it is parsed.
//!
//! The parser recurses, compares the keys of a map one by one, and is terse about what is left open. This pass does
//! none of it: it bounds the nesting and the maps, and says where something was opened that nothing closes. What it
//! does not understand it leaves to the parser.

use hcl_edit::Ident;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::limits::ReadLimits;
use crate::reading::Reading;
use crate::tree::Bytes;

/// How many comparisons of keys the parser may be made to do.
const COMPARISONS: usize = 10_000_000;

/// What is open at a point of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open<'a> {
    Brace {
        entries: usize,
    },
    Bracket,
    Parenthesis,
    Text,
    Heredoc {
        word: &'a str,
    },
    /// `${` or `%{` within a text.
    Inserted,
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    open: Vec<(usize, Open<'a>)>,
    depth: usize,
    elements: usize,
    comparisons: usize,
}

/// Why a file is not given to the parser.
enum Refusal {
    Unclosed { at: Bytes, what: &'static str, help: &'static str },
    TooDeep { at: Bytes },
    TooLong { at: Bytes },
    TooManyEntries { at: Bytes },
}

/// Whether the parser may have the file.
pub(super) fn scan(cx: &mut Reading<'_>) -> bool {
    let mut scan =
        Scan { text: cx.source.text(), at: 0, open: Vec::new(), depth: 0, elements: 0, comparisons: 0 };
    let Err(refusal) = scan.run(cx.limits) else { return true };
    match refusal {
        Refusal::Unclosed { at, what, help } => {
            cx.error(codes::SYNTAX, &at, format!("{what} is opened here and never closed")).help(help)
        }
        Refusal::TooDeep { at } => too_deep(cx, &at),
        Refusal::TooLong { at } => too_long(cx, &at),
        Refusal::TooManyEntries { at } => cx
            .error(codes::LIMIT, &at, "the maps of this file have too many entries")
            .label("this map is one of the largest")
            .help("the keys of a map are compared with each other: at most 10,000,000 such comparisons are accepted"),
    };
    false
}

pub(super) fn too_deep<'c>(cx: &'c mut Reading<'_>, at: &Bytes) -> &'c mut Diagnostic {
    let depth = cx.limits.depth;
    cx.error(codes::LIMIT, at, format!("this is nested more than {depth} levels deep"))
}

pub(super) fn too_long<'c>(cx: &'c mut Reading<'_>, at: &Bytes) -> &'c mut Diagnostic {
    let most = cx.limits.elements;
    cx.error(codes::LIMIT, at, format!("the file has more than {most} words, texts and signs"))
        .label("the first one too many")
}

impl<'a> Scan<'a> {
    fn run(&mut self, limits: ReadLimits) -> Result<(), Refusal> {
        while self.at < self.text.len() {
            match self.open.last().copied() {
                Some((start, Open::Text)) => self.in_text(start)?,
                Some((_, Open::Heredoc { word })) => self.in_heredoc(word),
                _ => self.in_code()?,
            }
            if self.depth > limits.depth {
                return Err(Refusal::TooDeep { at: self.at - 1..self.at });
            }
            if self.elements > limits.elements {
                return Err(Refusal::TooLong { at: self.at - 1..self.at });
            }
        }
        match self.open.last() {
            Some((start, open)) => Err(unclosed(*start, *open)),
            None => Ok(()),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn byte(&self, offset: usize) -> u8 {
        self.text.as_bytes().get(self.at + offset).copied().unwrap_or(0)
    }

    fn push(&mut self, length: usize, open: Open<'a>) {
        self.depth += usize::from(!matches!(open, Open::Text | Open::Heredoc { .. }));
        self.open.push((self.at, open));
        self.elements += 1;
        self.at += length;
    }

    fn pop(&mut self, length: usize) {
        let popped = self.open.pop();
        self.depth -=
            usize::from(popped.is_some_and(|(_, open)| !matches!(open, Open::Text | Open::Heredoc { .. })));
        self.at += length;
    }

    /// One step outside of texts.
    fn in_code(&mut self) -> Result<(), Refusal> {
        match (self.byte(0), self.byte(1)) {
            (b'"', _) => self.push(1, Open::Text),
            (b'{', _) => self.push(1, Open::Brace { entries: 0 }),
            (b'[', _) => self.push(1, Open::Bracket),
            (b'(', _) => self.push(1, Open::Parenthesis),
            (b'}' | b']' | b')', _) => self.pop(1),
            (b'#', _) | (b'/', b'/') => self.skip_line(),
            (b'/', b'*') => self.skip_comment()?,
            (b'<', b'<') => self.heredoc(),
            (b'=' | b':', _) => self.entry()?,
            (b',' | b'.' | b'?' | b'+' | b'*', _) => {
                self.elements += 1;
                self.at += 1;
            }
            (byte, next) => {
                // the last letter of a word
                self.elements += usize::from(is_word(byte) && !is_word(next));
                self.at += 1;
            }
        }
        Ok(())
    }

    fn entry(&mut self) -> Result<(), Refusal> {
        self.at += 1;
        self.elements += 1;
        if let Some((start, Open::Brace { entries })) = self.open.last_mut() {
            self.comparisons += *entries;
            *entries += 1;
            if self.comparisons > COMPARISONS {
                return Err(Refusal::TooManyEntries { at: *start..*start + 1 });
            }
        }
        Ok(())
    }

    fn skip_line(&mut self) {
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    fn skip_comment(&mut self) -> Result<(), Refusal> {
        let Some(end) = self.rest().find("*/") else {
            let help = "close the comment with `*/`";
            return Err(Refusal::Unclosed { at: self.at..self.at + 2, what: "a comment", help });
        };
        self.at += end + 2;
        Ok(())
    }

    fn heredoc(&mut self) {
        let start = 2 + usize::from(self.byte(2) == b'-');
        let rest = self.rest();
        // only as far as a word goes, so that many of these on one line cost little
        let length =
            rest[start..].find(|c: char| c.is_whitespace() || c == '<').unwrap_or(rest.len() - start);
        let word = &rest[start..start + length];
        let behind = &rest[start + length..];
        let line_end = if behind.starts_with("\r\n") { 2 } else { usize::from(behind.starts_with('\n')) };
        if line_end == 0 || Ident::try_new(word).is_err() {
            self.at += 2;
            return;
        }
        self.push(start + length + line_end, Open::Heredoc { word });
        self.end_heredoc(word);
    }

    /// Closes a heredoc if the line that begins here is its last.
    fn end_heredoc(&mut self, word: &str) {
        let line = self.rest();
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let Some(after) = line[indent..].strip_prefix(word) else { return };
        let continues = after.chars().next().is_some_and(hcl_edit_continues);
        if !continues {
            self.pop(indent + word.len());
        }
    }

    fn in_heredoc(&mut self, word: &str) {
        match (self.byte(0), self.byte(1), self.byte(2)) {
            (b'$', b'$', b'{') | (b'%', b'%', b'{') => self.at += 3,
            (b'$' | b'%', b'{', _) => self.push(2, Open::Inserted),
            (b'\n', _, _) => {
                self.at += 1;
                self.end_heredoc(word);
            }
            _ => self.at += 1,
        }
    }

    fn in_text(&mut self, start: usize) -> Result<(), Refusal> {
        match (self.byte(0), self.byte(1), self.byte(2)) {
            (b'\\', _, _) => self.at += 2,
            (b'"', _, _) => self.pop(1),
            (b'$', b'$', b'{') | (b'%', b'%', b'{') => self.at += 3,
            (b'$' | b'%', b'{', _) => self.push(2, Open::Inserted),
            (b'\n', _, _) => return Err(self.unclosed_text(start)),
            _ => self.at += 1,
        }
        Ok(())
    }
}

impl Scan<'_> {
    /// A text that is open at the end of its line. Where it stands in a reference, the reference is what is open.
    fn unclosed_text(&self, start: usize) -> Refusal {
        let inserted = self.open.iter().rev().find(|(_, open)| *open == Open::Inserted);
        inserted.map_or_else(|| unclosed(start, Open::Text), |(start, open)| unclosed(*start, *open))
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || byte >= 0x80
}

/// Whether a character continues a word of HCL.
fn hcl_edit_continues(c: char) -> bool {
    Ident::try_new(format!("a{c}")).is_ok()
}

fn unclosed(start: usize, open: Open<'_>) -> Refusal {
    let (length, what, help) = match open {
        Open::Brace { .. } => (1, "a brace", "close it with `}`"),
        Open::Bracket => (1, "a bracket", "close it with `]`"),
        Open::Parenthesis => (1, "a parenthesis", "close it with `)`"),
        Open::Text => (
            1,
            "a text",
            "close it with `\"` on the same line; write text of several lines as `<<EOT` ... `EOT`",
        ),
        Open::Heredoc { word } => {
            (2 + word.len(), "a text of several lines", "end it with its word alone on a line of its own")
        }
        Open::Inserted => {
            (2, "a reference within a text", "close it with `}`, or write `$${` for the text `${`")
        }
    };
    Refusal::Unclosed { at: start..start + length, what, help }
}
