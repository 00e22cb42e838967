//! How the first process of a container speaks to the scheduler, by way of the engine.
//!
//! Engines of containers lose three things. An exit code of 137 may be a code or a signal, and a program that was not there
//! looks like one that ended with 127. A line that is not ended is kept back. And what the engine's own log makes of long
//! lines and of bytes that are no text depends on its driver. So the first process of a container is ours: the output of
//! the task passes through it, as lines that every driver keeps ([`wire`]), and the end is told in a last line of its own. Where that
//! line is missing, output may be missing too: an engine that is down keeps nothing of a task that ends meanwhile.
//!
//! The library has no state and does no I/O; the program is in `main.rs`.

pub mod wire;

/// Where the scheduler lays the program in a container.
pub const FOLDER: &str = "/.gofer";
/// The program in that folder.
pub const PROGRAM: &str = "/.gofer/init";

/// The signal by which the first process is asked to kill everything at once, to hand on what was written, and to end. It
/// is not handed on. (SIGPWR: nothing in a container is told of the power.)
pub const KILL_ALL: i32 = 30;

/// The exit code of a program that is there and cannot be run.
pub const CANNOT_RUN: i32 = 126;
/// The exit code of a program that is not there.
pub const NOT_THERE: i32 = 127;

/// How a task ended, which eight bits cannot tell.
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

/// Whether an exit code of a container says too little, so that the last line is needed to tell the end.
#[must_use]
pub fn is_ambiguous(code: i32) -> bool {
    matches!(code, CANNOT_RUN | NOT_THERE | 129..=192)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ambiguous_codes_are_those_of_shells_and_engines() {
        let ambiguous: Vec<i32> = (0..256).filter(|code| is_ambiguous(*code)).collect();
        assert_eq!(ambiguous.len(), 66);
        assert!([126, 127, 129, 137, 143, 192].iter().all(|code| ambiguous.contains(code)));
        assert!([0, 1, 125, 128, 193, 255].iter().all(|code| !ambiguous.contains(code)));
    }
}
