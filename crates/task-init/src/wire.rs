//! The lines that pass through the engine's log.
//!
//! A line of text stands for itself, so that people who look at the engine read it. What could be lost on the way is wrapped
//! up: a mark, a letter, base64, a line end. That is a line that is not ended, one that is too long for the engine, bytes
//! that are no text, a line that begins with the mark, and a flood, of which many lines travel as one. As every line
//! of the log is made here, nothing that a task writes is ever taken for a mark.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;

use crate::End;

/// Begins a line that does not stand for itself.
const MARK: u8 = 0x1e;
const WRAPPED: u8 = b'b';
const ENDED: u8 = b'e';

/// The longest line that stands for itself. The drivers of engines cut at 16 KiB.
const LONGEST_LINE: usize = 8 << 10;
/// The most bytes that are wrapped up as one line: less than 16 KiB with what is put around them.
const LONGEST_WRAPPED: usize = 11 << 10;
/// From so many bytes or lines at once on, they are a flood.
const FLOOD: usize = 8 << 10;
const FLOOD_LINES: usize = 200;
/// The longest text of an end.
const LONGEST_TEXT: usize = 256;

/// Makes lines of one stream of output.
#[derive(Debug, Default)]
pub struct Encoder {
    pending: Vec<u8>,
}

impl Encoder {
    /// More output.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Whether the beginning of a line is kept back.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The lines of all output so far. The beginning of a line is kept back unless everything is wanted.
    #[must_use]
    pub fn lines(&mut self, everything: bool) -> Vec<u8> {
        let mut lines = Vec::new();
        if self.is_flood() {
            wrap(&std::mem::take(&mut self.pending), &mut lines);
            return lines;
        }
        let ended = self.pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.pending.split_off(ended);
        for line in self.pending.split_inclusive(|byte| *byte == b'\n') {
            if stands_for_itself(line) { lines.extend_from_slice(line) } else { wrap(line, &mut lines) }
        }
        self.pending = rest;
        if everything {
            wrap(&std::mem::take(&mut self.pending), &mut lines);
        }
        lines
    }

    /// Whether so much came at once that nobody reads it where it passes through.
    fn is_flood(&self) -> bool {
        let lines = || self.pending.iter().filter(|byte| **byte == b'\n').count();
        self.pending.len() >= FLOOD || lines() >= FLOOD_LINES
    }
}

fn stands_for_itself(line: &[u8]) -> bool {
    line.len() <= LONGEST_LINE && line.first() != Some(&MARK) && std::str::from_utf8(line).is_ok()
}

fn wrap(bytes: &[u8], lines: &mut Vec<u8>) {
    for part in bytes.chunks(LONGEST_WRAPPED) {
        lines.extend_from_slice(&[MARK, WRAPPED]);
        lines.extend_from_slice(BASE64.encode(part).as_bytes());
        lines.push(b'\n');
    }
}

/// The last line of a container.
#[must_use]
pub fn last_line(end: &End) -> Vec<u8> {
    let text = match end {
        End::Code(code) => format!("code {code}"),
        End::Signal { signal, asked: false } => format!("signal {signal}"),
        End::Signal { signal, asked: true } => format!("asked {signal}"),
        End::CannotStart(why) => format!("never {}", plain(why)),
    };
    [&[MARK, ENDED], text.as_bytes(), b"\n"].concat()
}

/// A text of bounded length on one line.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for sign in text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }) {
        if plain.len() + sign.len_utf8() > LONGEST_TEXT {
            break;
        }
        plain.push(sign);
    }
    plain
}

/// What a line stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Output: the line as it is.
    Itself,
    /// Output that was wrapped up.
    Output(Vec<u8>),
    /// How the task ended.
    End(End),
}

/// Reads a line. What is not one of ours stands for itself.
#[must_use]
pub fn read(line: &[u8]) -> Line {
    let read = match line {
        [MARK, WRAPPED, rest @ ..] => {
            rest.strip_suffix(b"\n").and_then(|text| BASE64.decode(text).ok()).map(Line::Output)
        }
        [MARK, ENDED, rest @ ..] => {
            rest.strip_suffix(b"\n").and_then(|text| end(std::str::from_utf8(text).ok()?)).map(Line::End)
        }
        _ => None,
    };
    read.unwrap_or(Line::Itself)
}

fn end(text: &str) -> Option<End> {
    let (word, rest) = text.split_once(' ')?;
    match word {
        "code" => rest.parse().ok().map(End::Code),
        "signal" => rest.parse().ok().map(|signal| End::Signal { signal, asked: false }),
        "asked" => rest.parse().ok().map(|signal| End::Signal { signal, asked: true }),
        "never" => Some(End::CannotStart(rest.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out at the other end, and the longest line on the way.
    fn travelled(lines: &[u8]) -> (Vec<u8>, usize) {
        assert!(lines.is_empty() || lines.ends_with(b"\n"), "the last line is not ended");
        let mut out = Vec::new();
        let mut longest = 0;
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            longest = longest.max(line.len());
            assert!(std::str::from_utf8(line).is_ok(), "not every driver keeps this line: {line:?}");
            match read(line) {
                Line::Itself => out.extend_from_slice(line),
                Line::Output(bytes) => out.extend_from_slice(&bytes),
                Line::End(end) => panic!("output was taken for the end {end:?}"),
            }
        }
        (out, longest)
    }

    fn output() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop_oneof![
            4 => "[a-z ]{0,60}\n".prop_map(String::into_bytes),
            2 => proptest::collection::vec(any::<u8>(), 0..200),
            1 => Just(b"\x1eb".to_vec()),
            1 => Just(b"\x1eecode 3\n".to_vec()),
            1 => (0..40_000_usize).prop_map(|length| vec![b'x'; length]),
        ];
        proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_byte_arrives_however_it_is_written(bytes in output(), cuts in proptest::collection::vec(0..5000_usize, 0..9), flush: bool) {
            let mut encoder = Encoder::default();
            let mut lines = Vec::new();
            let mut rest = bytes.as_slice();
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                encoder.push(now);
                lines.extend(encoder.lines(flush));
                rest = later;
            }
            encoder.push(rest);
            lines.extend(encoder.lines(true));
            let (arrived, longest) = travelled(&lines);
            prop_assert_eq!(arrived, bytes);
            prop_assert!(longest < 16 << 10, "a line of {} bytes is cut by engines", longest);
        }

        #[test]
        fn every_end_reads_back(code in 0..256, signal in 1..65, asked: bool, why in ".{0,400}") {
            for end in [End::Code(code), End::Signal { signal, asked }] {
                prop_assert_eq!(read(&last_line(&end)), Line::End(end));
            }
            let told = read(&last_line(&End::CannotStart(why.clone())));
            prop_assert_eq!(told, Line::End(End::CannotStart(plain(&why))));
        }
    }

    #[test]
    fn text_stands_for_itself() {
        let mut encoder = Encoder::default();
        encoder.push("one\ngrößer\nhalf".as_bytes());
        assert_eq!(encoder.lines(false), "one\ngrößer\n".as_bytes());
        assert!(encoder.has_pending());
        encoder.push(b" a line\n");
        assert_eq!(encoder.lines(false), b"half a line\n");
        assert!(!encoder.has_pending());
    }

    #[test]
    fn a_line_that_was_cut_off_stands_for_itself() {
        assert_eq!(read(b"\x1ebAAA"), Line::Itself);
        assert_eq!(read(b"\x1eb***\n"), Line::Itself);
        assert_eq!(read(b"\x1eewhat 3\n"), Line::Itself);
    }
}
