//! What the tasks themselves say: each appends a line when it begins and one when it ends.
//!
//! Lines are short and the file is opened for appending, so that lines of many tasks do not mix.

use std::fs;
use std::path::{Path, PathBuf};

/// A file that tasks append to.
#[derive(Debug)]
pub struct Witness {
    path: PathBuf,
}

/// One line of the witness.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// `start` or `end`.
    pub word: String,
    /// The number of the run.
    pub run: u64,
    /// The task.
    pub task: String,
    /// The number of the attempt.
    pub attempt: u32,
    /// The process id of the task.
    pub pid: u32,
}

impl Witness {
    /// An empty witness.
    ///
    /// # Panics
    /// If the file cannot be made.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        fs::write(&path, "").expect("the witness file can be made");
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything said so far.
    ///
    /// # Panics
    /// If a line is malformed: then something other than a task wrote it.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        let text = fs::read_to_string(&self.path).expect("the witness file is there");
        text.lines()
            .map(|line| parse(line).unwrap_or_else(|| panic!("a line of the witness: {line:?}")))
            .collect()
    }
}

fn parse(line: &str) -> Option<Mark> {
    let mut words = line.split(' ');
    Some(Mark {
        word: words.next()?.to_owned(),
        run: words.next()?.parse().ok()?,
        task: words.next()?.to_owned(),
        attempt: words.next()?.parse().ok()?,
        pid: words.next()?.parse().ok()?,
    })
}

/// The shell line with which a task says a word to the witness whose path is in the run variable `witness`.
#[must_use]
pub fn say(word: &str) -> String {
    format!("echo \"{word} $GOFER_RUN_ID $GOFER_TASK_ID $GOFER_ATTEMPT $$\" >> \"$witness\"")
}
