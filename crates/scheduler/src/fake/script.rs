//! The language in which a task tells the fake what to do.
//!
//! A word of the argument vector that begins with `fake:` holds steps, separated by commas; they are done in order, and
//! the steps of several words follow each other. Where the command belongs to somebody else, the environment variable
//! `FAKE` may hold the steps (without `fake:`). A task without any step ends at once with code 0.
//!
//! | step | what it does |
//! |---|---|
//! | `run=50ms` | takes that long |
//! | `print=text`, `eprint=text` | writes a line to standard output, standard error |
//! | `hex=00ff`, `ehex=00ff` | writes these bytes |
//! | `count=100`, `ecount=100` | writes the numbers from 1, a line each |
//! | `line=1048576`, `eline=..` | writes one line of that many `x` |
//! | `gap=100` | loses that many bytes of output, and says so |
//! | `env`, `args` | writes its environment; writes its other arguments, each in brackets |
//! | `exit=3`, `signal=9`, `oom`, `lost=why` | ends so |
//! | `gate=name` | lingers until [`FakeBackend::open_gate`](super::FakeBackend::open_gate) |
//! | `hang` | lingers until it is stopped |
//! | `ignore_term`, `on_term=5` | ignores a polite stop; ends with this code on a polite stop |
//! | `memory=256MiB` | uses that much: ends out of memory if its limit is lower |
//! | `leave=name`, `witness=name` | leaves a descendant; leaves a mark to be counted |
//! | `vanish` | is forgotten by the backend, as if somebody had removed it |
//! | `start_delay=50ms` | the start is answered only after that long |
//! | `start_error=kind` | the start fails with that kind and has no effect, each time |
//! | `start_error_once=kind` | the same, the first time only |
//! | `ambiguous_start` | the first start takes effect and answers `TimedOut` |
//! | `no_program` | the start is refused, as for a missing program |
//! | `need=path` | ends with code 66, and says so, unless that was laid or left before |
//! | `show=path` | writes `file`, `program`, `directory`, `link` or `nothing`, and on the next lines what the file holds |
//! | `file=path:text`, `program=path:text` | leaves a file with this text, which may be run or not |
//! | `link=path:target` | leaves a symbolic link |
//! | `lay_error=kind`, `take_error=kind` | laying, taking fails with that kind, each time |
//! | `lay_error_once=kind`, `take_error_once=kind` | the same, the first time only |
//! | `before=3` | does the next step only in attempts before the third, as `GOFER_ATTEMPT` tells |
//! | `cat` | copies its input to standard output until that ends: only for a program inside a task |
//!
//! An image whose name begins with `fake:` is not there until it is fetched, and the rest of its name tells how that goes.
//! Every other image is there already. Without a word of the table it arrives at once, in steps of a tenth.
//!
//! | image | what its fetch does |
//! |---|---|
//! | `fake:slow` | takes a hundred seconds, and says every second how far it is |
//! | `fake:gate-name` | lingers half way until [`FakeBackend::open_gate`](super::FakeBackend::open_gate) |
//! | `fake:missing`, `fake:denied`, `fake:late`, `fake:full` | fails: no such image, refused, too late, no room |
//! | `fake:unreachable`, `fake:unreachable-2` | the registry cannot be reached, always or the first two times |
//! | `fake:vanishing`, `fake:vanishing-2` | is gone again when a task is started, always or after the first two fetches |

use std::time::Duration;

use bytes::Bytes;
use gofer_artefacts::{SafePath, check_path};
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_types::{ByteSize, Span};

use super::tree::FakeFile;
use crate::{StreamKind, TaskSpec};

/// One step of a running task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    Run(Duration),
    Write(StreamKind, Bytes),
    Count(StreamKind, u32),
    Line(StreamKind, usize),
    Gap(u64),
    Env,
    Args,
    Exit(i32),
    Signal(i32),
    OutOfMemory,
    Lost(String),
    Gate(String),
    Hang,
    IgnoreTerm,
    OnTerm(i32),
    Memory(ByteSize),
    Leave(String),
    Witness(String),
    Vanish,
    Cat,
    Need(SafePath),
    Show(SafePath),
    Put(SafePath, FakeFile),
}

/// A failure that a script asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    /// Only the first time.
    pub(crate) once: bool,
}

/// What a task asks of the fake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) acts: Vec<Act>,
    pub(crate) start_delay: Option<Duration>,
    pub(crate) start_error: Option<ErrorKind>,
    pub(crate) start_error_once: Option<ErrorKind>,
    pub(crate) ambiguous_start: bool,
    pub(crate) no_program: bool,
    pub(crate) lay_error: Option<Fault>,
    pub(crate) take_error: Option<Fault>,
}

/// The argument vector of a task.
pub(crate) fn words(spec: &TaskSpec) -> impl Iterator<Item = &String> {
    spec.entrypoint.iter().flatten().chain(&spec.command)
}

impl Script {
    /// Reads the steps of a task. Error: `InvalidInput` with the step that is not one.
    pub(crate) fn of(spec: &TaskSpec) -> Result<Self> {
        let mut script = Self::default();
        let attempt = spec.env.get("GOFER_ATTEMPT").and_then(|number| number.parse().ok()).unwrap_or(1_u32);
        let mut left_out = false;
        let from_words = words(spec).filter_map(|word| word.strip_prefix("fake:"));
        for steps in from_words.chain(spec.env.get("FAKE").map(String::as_str)) {
            for step in steps.split(',').filter(|step| !step.is_empty()) {
                let (name, value) = step.split_once('=').unwrap_or((step, ""));
                let mut unused = Self::default();
                let script = if std::mem::take(&mut left_out) { &mut unused } else { &mut script };
                let known = match (name, value.parse::<u32>()) {
                    ("before", Ok(number)) => {
                        left_out = attempt >= number;
                        Some(())
                    }
                    _ => script.add(name, value),
                };
                known.ok_or_else(|| {
                    BackendError::new(ErrorKind::InvalidInput, "this is not a step of the fake")
                        .with("step", step)
                })?;
            }
        }
        Ok(script)
    }

    fn add(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "start_delay" => self.start_delay = Some(span(value)?),
            "start_error" => self.start_error = Some(kind(value)?),
            "start_error_once" => self.start_error_once = Some(kind(value)?),
            "ambiguous_start" => self.ambiguous_start = true,
            "no_program" => self.no_program = true,
            "lay_error" | "lay_error_once" => {
                self.lay_error = Some(Fault { kind: kind(value)?, once: name != "lay_error" });
            }
            "take_error" | "take_error_once" => {
                self.take_error = Some(Fault { kind: kind(value)?, once: name != "take_error" });
            }
            _ => self.acts.push(act(name, value)?),
        }
        Some(())
    }
}

fn act(name: &str, value: &str) -> Option<Act> {
    plain(name, value).or_else(|| filed(name, value)).or_else(|| written(name, value))
}

/// The steps about files.
fn filed(name: &str, value: &str) -> Option<Act> {
    let (path, text) = value.split_once(':').unwrap_or((value, ""));
    let path = check_path(path).ok()?;
    let file = |executable| FakeFile::File { content: Bytes::from(text.to_owned()), executable };
    Some(match name {
        "need" => Act::Need(path),
        "show" => Act::Show(path),
        "file" => Act::Put(path, file(false)),
        "program" => Act::Put(path, file(true)),
        "link" => Act::Put(path, FakeFile::Link(text.to_owned())),
        _ => return None,
    })
}

fn plain(name: &str, value: &str) -> Option<Act> {
    Some(match name {
        "run" => Act::Run(span(value)?),
        "gap" => Act::Gap(value.parse().ok()?),
        "env" => Act::Env,
        "args" => Act::Args,
        "exit" => Act::Exit(value.parse().ok()?),
        "signal" => Act::Signal(value.parse().ok()?),
        "oom" => Act::OutOfMemory,
        "lost" => {
            Act::Lost(if value.is_empty() { "the script says so".to_owned() } else { value.to_owned() })
        }
        "gate" => Act::Gate(value.to_owned()),
        "hang" => Act::Hang,
        "ignore_term" => Act::IgnoreTerm,
        "on_term" => Act::OnTerm(value.parse().ok()?),
        "memory" => Act::Memory(value.parse().ok()?),
        "leave" => Act::Leave(value.to_owned()),
        "witness" => Act::Witness(value.to_owned()),
        "vanish" => Act::Vanish,
        "cat" => Act::Cat,
        _ => return None,
    })
}

/// The steps that write, each with a twin for standard error.
fn written(name: &str, value: &str) -> Option<Act> {
    let (stream, name) = match name.strip_prefix('e') {
        Some(twin) => (StreamKind::Err, twin),
        None => (StreamKind::Out, name),
    };
    Some(match name {
        "print" => Act::Write(stream, Bytes::from(format!("{value}\n"))),
        "hex" => Act::Write(stream, Bytes::from(unhex(value)?)),
        "count" => Act::Count(stream, value.parse().ok()?),
        "line" => Act::Line(stream, value.parse().ok()?),
        _ => return None,
    })
}

fn span(text: &str) -> Option<Duration> {
    text.parse::<Span>().ok().map(Span::get)
}

/// A kind as the words of its `Display`, with `_` for the space: `timed_out`, `unavailable`.
fn kind(text: &str) -> Option<ErrorKind> {
    ErrorKind::ALL.into_iter().find(|kind| kind.as_str().replace(' ', "_") == text)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if digits.len().is_multiple_of(2) { digits.chunks(2).map(pair).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(command: &[&str]) -> Result<Script> {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Script::of(&TaskSpec { command, ..TaskSpec::default() })
    }

    #[test]
    fn a_step_may_be_for_the_first_attempts_only() {
        let acts = |attempt: &str| {
            let command = vec!["fake:print=a,before=2,exit=75,print=b".to_owned()];
            let env = [("GOFER_ATTEMPT".to_owned(), attempt.to_owned())].into();
            Script::of(&TaskSpec { command, env, ..TaskSpec::default() }).unwrap().acts.len()
        };
        assert_eq!((acts("1"), acts("2"), acts("3")), (3, 2, 2));
        assert!(script(&["fake:before=x,exit=1"]).is_err());
    }

    #[test]
    fn steps_stand_in_the_order_of_the_words() {
        let script = script(&["fake:run=50ms,print=hello", "other", "fake:exit=3"]).unwrap();
        let hello = Act::Write(StreamKind::Out, Bytes::from_static(b"hello\n"));
        assert_eq!(script.acts, [Act::Run(Duration::from_millis(50)), hello, Act::Exit(3)]);
    }

    #[test]
    fn the_environment_may_hold_the_steps() {
        let env = [("FAKE".to_owned(), "exit=4".to_owned())].into();
        let spec = TaskSpec { command: vec!["make".to_owned()], env, ..TaskSpec::default() };
        assert_eq!(Script::of(&spec).unwrap().acts, [Act::Exit(4)]);
    }

    #[test]
    fn what_is_not_a_step_is_refused_by_name() {
        for word in [
            "fake:dance",
            "fake:exit=x",
            "fake:run=5",
            "fake:hex=0",
            "fake:start_error=bad",
            "fake:show=../x",
        ] {
            let error = script(&[word]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(&word[5..]), "{error}");
        }
    }

    #[test]
    fn kinds_of_errors_are_named_by_their_words() {
        assert_eq!(script(&["fake:start_error=timed_out"]).unwrap().start_error, Some(ErrorKind::TimedOut));
    }
}
