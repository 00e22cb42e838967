//! Faults at exact system calls of the unmodified binary, with `strace`.
//!
//! The tracer is no parent of the server: the process that a test starts and waits for is the server itself. It lets go of
//! whatever the server executes, so that shims and tasks are left alone. It counts each thread and each kind of call by itself:
//! a fault at the n-th call strikes the thread that comes to its n-th call of one kind first.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gofer_testkit::Waiter;

/// How the command of a tracer begins.
const NAME: &[u8] = b"strace\0";

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed as it makes its n-th call.
    KillAt(usize),
    /// The n-th call fails with EIO.
    ErrorAt(usize),
    /// Each call begins so many microseconds late.
    Delay(u64),
}

/// A server that is to be traced.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The calls that count, such as `fsync,fdatasync`.
    pub calls: &'static str,
    /// What is done to them.
    pub fault: Fault,
    /// Only calls on this file count.
    pub only: Option<PathBuf>,
    /// Where the tracer writes.
    pub out: PathBuf,
}

/// A call that was struck.
#[derive(Debug, Clone, PartialEq)]
pub struct Struck {
    /// When, in seconds since the epoch.
    pub at: f64,
    /// The call with its arguments.
    pub call: String,
}

/// Whether calls can be traced here.
#[must_use]
pub fn is_there() -> bool {
    let mut probe = Command::new("strace");
    probe.args(["-D", "-f", "-b", "execve", "-o", "/dev/null", "-e", "trace=fsync", "--", "true"]);
    probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

impl Trace {
    /// The words before the program.
    #[must_use]
    pub fn prefix(&self) -> Vec<String> {
        let how = match self.fault {
            Fault::KillAt(number) => format!("signal=SIGKILL:when={number}"),
            Fault::ErrorAt(number) => format!("error=EIO:when={number}"),
            Fault::Delay(micros) => format!("delay_enter={micros}"),
        };
        let (trace, inject) = (format!("trace={}", self.calls), format!("inject={}:{how}", self.calls));
        let out = self.out.display().to_string();
        let fixed = ["strace", "-D", "-f", "-b", "execve", "-qq", "-ttt", "-y", "-e", "signal=none"];
        let mut words: Vec<String> = fixed.map(str::to_owned).to_vec();
        words.extend(["-e".to_owned(), trace, "-e".to_owned(), inject, "-o".to_owned(), out]);
        if let Some(only) = &self.only {
            words.extend(["-P".to_owned(), only.display().to_string()]);
        }
        words.push("--".to_owned());
        words
    }

    /// The calls that were struck, once the server has ended and the tracer with it.
    ///
    /// # Panics
    /// If the tracer does not end.
    #[must_use]
    pub fn struck(&self) -> Vec<Struck> {
        let out = self.out.display().to_string();
        Waiter::new("the end of the tracer")
            .until_blocking(|| if traces_to(&out) { Err("it is still there") } else { Ok(()) });
        let text = fs::read_to_string(&self.out).unwrap_or_default();
        match self.fault {
            // the call of a killed process has no result; others may have been under way in other threads
            Fault::KillAt(_) => text.lines().filter_map(killed).take(1).collect(),
            Fault::ErrorAt(_) => {
                text.lines().filter(|line| line.ends_with("(INJECTED)")).filter_map(parse).collect()
            }
            Fault::Delay(_) => {
                text.lines().filter(|line| line.ends_with("(DELAYED)")).filter_map(parse).collect()
            }
        }
    }
}

/// Whether a tracer that writes there still runs.
fn traces_to(out: &str) -> bool {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.map(command).any(|words| words.starts_with(NAME) && holds(&words, out.as_bytes()))
}

/// Whether a process is a tracer.
#[must_use]
pub fn is_one(pid: u32) -> bool {
    command(pid).starts_with(NAME)
}

/// The words that a process was started with, each with a zero byte behind it.
fn command(pid: u32) -> Vec<u8> {
    fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

fn holds(words: &[u8], word: &[u8]) -> bool {
    words.split(|byte| *byte == 0).any(|one| one == word)
}

/// The line of the call in which the process was killed: it ends with `= ?`.
fn killed(line: &str) -> Option<Struck> {
    (line.contains(" = ?") || line.ends_with("<unfinished ...>")).then(|| parse(line))?
}

/// A line such as `4711 1795700211.014152 fsync(9</data/x>) = -1 EIO (Input/output error) (INJECTED)`.
fn parse(line: &str) -> Option<Struck> {
    let (_, rest) = line.split_once(' ')?;
    // short process ids have several spaces behind them
    let (at, call) = rest.trim_start().split_once(' ')?;
    Some(Struck { at: at.parse().ok()?, call: call.trim().to_owned() })
}

/// The file that a struck call is about, if it names one.
#[must_use]
pub fn file_of(call: &str) -> Option<&Path> {
    let (_, rest) = call.split_once('<')?;
    rest.split_once('>').map(|(path, _)| Path::new(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tracer_is_read() {
        let line = "4711 1795700211.014152 fsync(9</data/x>) = -1 EIO (Input/output error) (INJECTED)";
        let struck = parse(line).expect("it is a line");
        assert_eq!(parse(&line.replacen("4711 ", "4711  ", 1)), Some(struck.clone()));
        assert!((struck.at - 1_795_700_211.014_152).abs() < 1e-6);
        assert_eq!(file_of(&struck.call), Some(Path::new("/data/x")));
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn the_fault_stands_in_the_words_before_the_program() {
        let trace = Trace {
            calls: "fsync,fdatasync",
            fault: Fault::ErrorAt(3),
            only: Some("/data/x".into()),
            out: "/out".into(),
        };
        let words = trace.prefix().join(" ");
        assert!(
            words.contains("-e inject=fsync,fdatasync:error=EIO:when=3 -o /out -P /data/x --"),
            "{words}"
        );
    }
}
