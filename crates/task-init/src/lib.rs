//! How the first process of a container tells the scheduler what eight bits cannot.
//!
//! An engine of containers answers an exit code from 0 to 255: 137 may be a code or a signal, and nobody can tell a
//! program that was not there from one that ended with 127. So the first process of a container is ours. For an end that
//! is not plain it writes one last record to standard error, after every other process of the container is gone, with a
//! number that only it and the scheduler know: no task can forge it, and the scheduler takes it out of the log again.
//!
//! This crate has no dependencies in its library and no state: the program is in `main.rs`.

use std::fmt::Write as _;

/// The variable with which the scheduler hands over the number; the task does not see it.
pub const NONCE: &str = "GOFER_INIT_NONCE";
/// Where the scheduler lays the program in a container.
pub const FOLDER: &str = "/.gofer";
/// The program in that folder.
pub const PROGRAM: &str = "/.gofer/init";

/// The exit code of a program that is there and cannot be run.
pub const CANNOT_RUN: i32 = 126;
/// The exit code of a program that is not there.
pub const NOT_THERE: i32 = 127;

/// The longest record.
pub const LONGEST: usize = 512;
const LONGEST_TEXT: usize = 256;
/// Begins and ends a record.
const MARK: char = '\u{1e}';

/// An end that eight bits cannot tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It ended with this code by itself.
    Code(i32),
    /// It was ended by this signal.
    Signal {
        /// The signal.
        signal: i32,
        /// Whether the first process was sent that signal from outside and handed it on.
        asked: bool,
    },
    /// It was never started; the text says why.
    CannotStart(String),
}

/// Whether an exit code of a container says too little, so that there should be a record.
#[must_use]
pub fn is_ambiguous(code: i32) -> bool {
    matches!(code, CANNOT_RUN | NOT_THERE | 129..=192)
}

/// The last record of a container.
#[must_use]
pub fn record(nonce: &str, end: &End) -> String {
    let mut text = begin(nonce);
    let _ = match end {
        End::Code(code) => write!(text, "code {code}"),
        End::Signal { signal, asked: false } => write!(text, "signal {signal}"),
        End::Signal { signal, asked: true } => write!(text, "asked {signal}"),
        End::CannotStart(why) => write!(text, "never {}", plain(why)),
    };
    text.push(MARK);
    text.push('\n');
    text
}

/// How every record with this number begins.
#[must_use]
pub fn begin(nonce: &str) -> String {
    format!("{MARK}{nonce} ")
}

/// Takes the record from the end of what a container wrote to standard error: what stands before it, and the end that it
/// tells of.
#[must_use]
pub fn split<'a>(nonce: &str, bytes: &'a [u8]) -> Option<(&'a [u8], End)> {
    let begin = begin(nonce);
    let tail = &bytes[bytes.len().saturating_sub(LONGEST)..];
    let at = tail.windows(begin.len()).rposition(|window| window == begin.as_bytes())?;
    let text = std::str::from_utf8(&tail[at + begin.len()..]).ok()?;
    let (word, rest) = text.strip_suffix('\n')?.strip_suffix(MARK)?.split_once(' ')?;
    let end = match word {
        "code" => End::Code(rest.parse().ok()?),
        "signal" => End::Signal { signal: rest.parse().ok()?, asked: false },
        "asked" => End::Signal { signal: rest.parse().ok()?, asked: true },
        "never" => End::CannotStart(rest.to_owned()),
        _ => return None,
    };
    Some((&bytes[..bytes.len() - tail.len() + at], end))
}

/// A text of bounded length that holds nothing that could end a record.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends() -> impl Strategy<Value = End> {
        prop_oneof![
            (0..256).prop_map(End::Code),
            (1..65, any::<bool>()).prop_map(|(signal, asked)| End::Signal { signal, asked }),
            ".{0,400}".prop_map(End::CannotStart),
        ]
    }

    proptest! {
        #[test]
        fn a_record_is_found_behind_any_output(before: Vec<u8>, end in ends()) {
            let nonce = "0123456789abcdef0123456789abcdef";
            let record = record(nonce, &end);
            prop_assert!(record.len() <= LONGEST);
            let all = [before.as_slice(), record.as_bytes()].concat();
            let (rest, found) = split(nonce, &all).expect("the record is found");
            prop_assert_eq!(rest, before.as_slice());
            match (found, end) {
                (End::CannotStart(found), End::CannotStart(told)) => prop_assert_eq!(found, plain(&told)),
                (found, told) => prop_assert_eq!(found, told),
            }
        }

        #[test]
        fn no_output_without_the_number_is_a_record(bytes: Vec<u8>, end in ends()) {
            let forged = [bytes.as_slice(), record("guessed", &end).as_bytes()].concat();
            prop_assert_eq!(split("0123456789abcdef", &forged), None);
        }
    }

    #[test]
    fn only_the_last_thing_that_was_written_is_a_record() {
        let record = record("n", &End::Code(137));
        assert_eq!(split("n", format!("{record}x").as_bytes()), None);
        assert_eq!(split("n", &record.as_bytes()[..record.len() - 1]), None);
    }

    #[test]
    fn the_ambiguous_codes_are_those_of_shells_and_engines() {
        let ambiguous: Vec<i32> = (0..256).filter(|code| is_ambiguous(*code)).collect();
        assert_eq!(ambiguous.len(), 66);
        assert!([126, 127, 129, 137, 143, 192].iter().all(|code| ambiguous.contains(code)));
        assert!([0, 1, 125, 128, 193, 255].iter().all(|code| !ambiguous.contains(code)));
    }
}
