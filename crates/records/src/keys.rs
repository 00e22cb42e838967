//! Keys: structured tuples as bytes.
//!
//! A key is the name of its family followed by its parts. Texts are ended by `00 01`, and a zero within is `00 FF`, so
//! that no text is a prefix of another and the order of the bytes is the order of the texts. Numbers are big-endian;
//! where the newest comes first, their complement is stored. Two different tuples never share a key.

use bytes::Bytes;
use gofer_types::{
    AttemptId, Namespace, PipelineId, PipelineRef, RunNumber, RunRef, Timestamp, VersionNumber,
};

pub use crate::family;

const ZERO: u8 = 0;
const END: u8 = 1;
const ESCAPED_ZERO: u8 = 0xFF;

/// What is numbered in a pipeline, from 1, each number once, even after the pipeline was deleted and registered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Its runs.
    Runs,
    /// Its versions.
    Versions,
}

/// The first run of a pipeline that still has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LowMark {
    /// Its output.
    Logs,
    /// Anything at all.
    Runs,
}

/// Puts a key together.
#[derive(Debug)]
pub struct KeyWriter(Vec<u8>);

impl KeyWriter {
    /// Starts a key of that family.
    #[must_use]
    pub fn new(family: &str) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(family.as_bytes());
        Self(bytes)
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        for byte in text.bytes() {
            self.0.push(byte);
            if byte == ZERO {
                self.0.push(ESCAPED_ZERO);
            }
        }
        self.0.extend_from_slice(&[ZERO, END]);
        self
    }

    /// Adds a number; smaller ones come first.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds a small number; smaller ones come first.
    #[must_use]
    pub fn small(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// Adds a number; greater ones come first.
    #[must_use]
    pub fn descending(self, number: u64) -> Self {
        self.number(!number)
    }

    /// The key.
    #[must_use]
    pub fn finish(self) -> Bytes {
        Bytes::from(self.0)
    }

    pub(crate) fn pipeline(self, id: &PipelineRef) -> Self {
        self.text(id.namespace.as_str()).text(id.pipeline.as_str())
    }

    pub(crate) fn run(self, id: &RunRef) -> Self {
        self.pipeline(&id.pipeline).descending(id.run.0)
    }
}

/// Takes a key apart. Every answer is `None` for bytes that no [`KeyWriter`] made.
#[derive(Debug)]
pub struct KeyReader<'a>(&'a [u8]);

impl<'a> KeyReader<'a> {
    /// Starts behind the family.
    #[must_use]
    pub fn new(family: &str, key: &'a [u8]) -> Option<Self> {
        key.strip_prefix(family.as_bytes()).map(Self)
    }

    /// The next part, a text.
    pub fn text(&mut self) -> Option<String> {
        let mut text = Vec::new();
        let mut bytes = self.0.iter();
        loop {
            match *bytes.next()? {
                ZERO => match *bytes.next()? {
                    END => break,
                    ESCAPED_ZERO => text.push(ZERO),
                    _ => return None,
                },
                byte => text.push(byte),
            }
        }
        self.0 = bytes.as_slice();
        String::from_utf8(text).ok()
    }

    /// The next part, a number.
    pub fn number(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*head))
    }

    /// The next part, a small number.
    pub fn small(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*head))
    }

    /// The next part, a number of which greater ones come first.
    pub fn descending(&mut self) -> Option<u64> {
        self.number().map(|number| !number)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn pipeline(&mut self) -> Option<PipelineRef> {
        let namespace = Namespace::new(self.text()?).ok()?;
        let pipeline = PipelineId::new(self.text()?).ok()?;
        Some(PipelineRef { namespace, pipeline })
    }

    /// The rest of an entry of a list of runs by time: its run.
    pub(crate) fn place_in_list(mut self) -> Option<RunRef> {
        self.number()?;
        let pipeline = self.pipeline()?;
        let run = pipeline.run(RunNumber(self.descending()?));
        self.is_empty().then_some(run)
    }
}

/// A namespace.
#[must_use]
pub fn namespace(name: &Namespace) -> Bytes {
    KeyWriter::new(family::NAMESPACE).text(name.as_str()).finish()
}

/// A pipeline.
#[must_use]
pub fn pipeline(id: &PipelineRef) -> Bytes {
    KeyWriter::new(family::PIPELINE).pipeline(id).finish()
}

/// All pipelines of a namespace.
#[must_use]
pub fn pipelines_of(name: &Namespace) -> Bytes {
    KeyWriter::new(family::PIPELINE).text(name.as_str()).finish()
}

/// A chunk of a version.
#[must_use]
pub fn version(id: &PipelineRef, version: VersionNumber, chunk: u32) -> Bytes {
    KeyWriter::new(family::VERSION).pipeline(id).descending(version.0).small(chunk).finish()
}

/// All chunks of a version.
#[must_use]
pub fn version_chunks(id: &PipelineRef, version: VersionNumber) -> Bytes {
    KeyWriter::new(family::VERSION).pipeline(id).descending(version.0).finish()
}

/// A run.
#[must_use]
pub fn run(id: &RunRef) -> Bytes {
    KeyWriter::new(family::RUN).run(id).finish()
}

/// Everything that a family holds of one pipeline.
#[must_use]
pub fn all_of_pipeline(family: &str, id: &PipelineRef) -> Bytes {
    KeyWriter::new(family).pipeline(id).finish()
}

/// The number of the run or version under a key below the prefix of its pipeline.
pub(crate) fn newest_number(prefix: &[u8], key: &[u8]) -> Option<u64> {
    KeyReader(key.strip_prefix(prefix)?).descending()
}

/// The task run at that place of the pipeline file.
#[must_use]
pub fn task(run: &RunRef, index: u32) -> Bytes {
    KeyWriter::new(family::TASK).run(run).small(index).finish()
}

/// All task runs of a run.
#[must_use]
pub fn tasks_of(run: &RunRef) -> Bytes {
    KeyWriter::new(family::TASK).run(run).finish()
}

/// The place in the pipeline file of the task run under a key.
#[must_use]
pub fn task_index(run: &RunRef, key: &[u8]) -> Option<u32> {
    let rest = key.strip_prefix(&*tasks_of(run))?;
    rest.try_into().ok().map(u32::from_be_bytes)
}

/// An attempt of the task run at that place of the pipeline file.
#[must_use]
pub fn attempt(run: &RunRef, index: u32, number: u32) -> Bytes {
    KeyWriter::new(family::ATTEMPT).run(run).small(index).small(number).finish()
}

/// All attempts of the task run at that place of the pipeline file.
#[must_use]
pub fn attempts_of_task(run: &RunRef, index: u32) -> Bytes {
    KeyWriter::new(family::ATTEMPT).run(run).small(index).finish()
}

/// All attempts of a run.
#[must_use]
pub fn attempts_of(run: &RunRef) -> Bytes {
    KeyWriter::new(family::ATTEMPT).run(run).finish()
}

/// The place in the pipeline file, and the number, of the attempt under a key.
#[must_use]
pub fn attempt_place(run: &RunRef, key: &[u8]) -> Option<(u32, u32)> {
    let prefix = attempts_of(run);
    let mut rest = KeyReader(key.strip_prefix(&*prefix)?);
    let place = (rest.small()?, rest.small()?);
    rest.is_empty().then_some(place)
}

/// An entry of the event log.
#[must_use]
pub fn event(seq: u64) -> Bytes {
    KeyWriter::new(family::EVENT).number(seq).finish()
}

/// The number of the event under a key.
#[must_use]
pub fn event_seq(key: &[u8]) -> Option<u64> {
    let mut rest = KeyReader::new(family::EVENT, key)?;
    rest.number().filter(|_| rest.is_empty())
}

/// The entry of a run that somebody must look after.
#[must_use]
pub fn active(run: &RunRef) -> Bytes {
    KeyWriter::new(family::ACTIVE).run(run).finish()
}

/// The run of an entry of [`family::ACTIVE`].
#[must_use]
pub fn active_run(key: &[u8]) -> Option<RunRef> {
    let mut rest = KeyReader::new(family::ACTIVE, key)?;
    let pipeline = rest.pipeline()?;
    let run = pipeline.run(RunNumber(rest.descending()?));
    rest.is_empty().then_some(run)
}

pub(crate) fn moment(time: Timestamp) -> u64 {
    // flips the sign bit, so that times before 1970 sort before the later ones
    time.as_micros().cast_unsigned() ^ (1 << 63)
}

/// A run's entry in the list of all runs.
#[must_use]
pub fn recent(created: Timestamp, run: &RunRef) -> Bytes {
    KeyWriter::new(family::RECENT).descending(moment(created)).run(run).finish()
}

/// A run's entry in the list of its namespace.
#[must_use]
pub fn recent_of(created: Timestamp, run: &RunRef) -> Bytes {
    let namespace = run.pipeline.namespace.as_str();
    KeyWriter::new(family::RECENT_OF).text(namespace).descending(moment(created)).run(run).finish()
}

/// All entries in the list of a namespace.
#[must_use]
pub fn recent_of_namespace(name: &Namespace) -> Bytes {
    KeyWriter::new(family::RECENT_OF).text(name.as_str()).finish()
}

/// The run of an entry of [`family::RECENT`] or [`family::RECENT_OF`].
#[must_use]
pub fn recent_run(key: &[u8]) -> Option<RunRef> {
    if let Some(rest) = KeyReader::new(family::RECENT, key) {
        return rest.place_in_list();
    }
    let mut rest = KeyReader::new(family::RECENT_OF, key)?;
    rest.text()?;
    rest.place_in_list()
}

/// An idempotency key of a pipeline.
#[must_use]
pub fn idempotency(id: &PipelineRef, key: &str) -> Bytes {
    KeyWriter::new(family::IDEMPOTENCY).pipeline(id).text(key).finish()
}

/// A counter of a pipeline, which outlives it.
#[must_use]
pub fn counter(id: &PipelineRef, of: Counter) -> Bytes {
    let word = match of {
        Counter::Runs => "run",
        Counter::Versions => "version",
    };
    KeyWriter::new(family::COUNTER).pipeline(id).text(word).finish()
}

/// The first run of a pipeline that still has something.
#[must_use]
pub fn low_mark(id: &PipelineRef, of: LowMark) -> Bytes {
    let word = match of {
        LowMark::Logs => "first log",
        LowMark::Runs => "first run",
    };
    KeyWriter::new(family::COUNTER).pipeline(id).text(word).finish()
}

/// The mark of a pipeline whose history is being deleted.
#[must_use]
pub fn deleting(id: &PipelineRef) -> Bytes {
    KeyWriter::new(family::DELETING).pipeline(id).finish()
}

/// The pipeline of an entry of [`family::DELETING`].
#[must_use]
pub fn deleting_pipeline(key: &[u8]) -> Option<PipelineRef> {
    let mut rest = KeyReader::new(family::DELETING, key)?;
    rest.pipeline().filter(|_| rest.is_empty())
}

/// The run that an attempt of a task has started.
#[must_use]
pub fn child(attempt: &AttemptId) -> Bytes {
    KeyWriter::new(family::CHILD).text(attempt.as_str()).finish()
}

/// The format of the state.
#[must_use]
pub fn format() -> Bytes {
    KeyWriter::new(family::META).text("format").finish()
}

/// The ownership epoch: the fence that every batch checks.
#[must_use]
pub fn epoch() -> Bytes {
    KeyWriter::new(family::META).text("epoch").finish()
}
