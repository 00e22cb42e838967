//! Values: a byte that tells the format, then the body in postcard.
//!
//! A family changes its format by a new number: the old decoder stays beside the new one, and a golden file of every
//! number is read by a test for ever.

use bytes::Bytes;
use gofer_storage::{MAX_VALUE, escaped};
use gofer_types::{
    AttemptId, AttemptRecord, Cause, Event, NamespaceRecord, PipelineRecord, RunNumber, RunRecord, RunRef,
    SchedulerName, TaskRef, TaskRunRecord, Timestamp, VersionRecord,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{RecordError, Result};
use crate::older::VersionV1;

/// A record that is stored under one key.
pub trait Stored: Serialize + DeserializeOwned {
    /// The kind, for messages.
    const FAMILY: &'static str;
    /// The format in which it is written.
    const FORMAT: u8 = 1;

    /// Reads the body of an older format. `None` means that there is no such format.
    fn decode_older(_format: u8, _body: &[u8]) -> Option<std::result::Result<Self, String>> {
        None
    }
}

macro_rules! stored {
    ($($type:ty => $family:literal),* $(,)?) => { $(impl Stored for $type { const FAMILY: &'static str = $family; })* };
}

stored! {
    NamespaceRecord => "namespace",
    PipelineRecord => "pipeline",
    ActiveRecord => "active run",
    IdempotencyRecord => "idempotency key",
    RunRef => "child run",
    u64 => "number",
}

impl Stored for RunRecord {
    const FAMILY: &'static str = "run";
    /// 2: labels, priority, images, the chosen tasks, what a retry takes over, who deleted the output, the parent, what
    /// is sensitive; new causes.
    /// 3: the machine's clock at the deadline.
    const FORMAT: u8 = 3;

    fn decode_older(format: u8, body: &[u8]) -> Option<std::result::Result<Self, String>> {
        // what was added stands at the end, and begins with a zero where there is nothing: eight things, then one
        match format {
            1 => Some(exactly(&[body, &[0; 9]].concat())),
            2 => Some(exactly(&[body, &[0]].concat())),
            _ => None,
        }
    }
}

macro_rules! with_new_words {
    ($($type:ty => $family:literal),* $(,)?) => { $(
        impl Stored for $type {
            const FAMILY: &'static str = $family;
            /// 2: new causes, events and actions, behind the known ones.
            const FORMAT: u8 = 2;

            fn decode_older(format: u8, body: &[u8]) -> Option<std::result::Result<Self, String>> {
                (format == 1).then(|| exactly(body))
            }
        }
    )* };
}

with_new_words! {
    Event => "event",
}

impl Stored for VersionRecord {
    const FAMILY: &'static str = "version";
    /// 2: kinds of tasks, late matrices, outputs that are one file, sensitive variables.
    const FORMAT: u8 = 2;

    fn decode_older(format: u8, body: &[u8]) -> Option<std::result::Result<Self, String>> {
        (format == 1).then(|| exactly::<VersionV1>(body).map(Self::from))
    }
}

impl Stored for TaskRunRecord {
    const FAMILY: &'static str = "task run";
    /// 2: new causes; the tasks that it became, at the end. 3: the machine's clock at the end of its wait.
    const FORMAT: u8 = 3;

    fn decode_older(format: u8, body: &[u8]) -> Option<std::result::Result<Self, String>> {
        match format {
            1 => Some(exactly(&[body, &[0; 2]].concat())),
            2 => Some(exactly(&[body, &[0]].concat())),
            _ => None,
        }
    }
}

impl Stored for AttemptRecord {
    const FAMILY: &'static str = "attempt";
    /// 2: the digest of the image. 3: whether the output is stored, at the end. 4: the machine's clock at the deadline.
    const FORMAT: u8 = 4;

    fn decode_older(format: u8, body: &[u8]) -> Option<std::result::Result<Self, String>> {
        match format {
            1 => Some(exactly::<AttemptV1>(body).map(Self::from)),
            2 => Some(exactly(&[body, &[0; 2]].concat())),
            3 => Some(exactly(&[body, &[0]].concat())),
            _ => None,
        }
    }
}

/// An attempt in format 1.
#[derive(Deserialize)]
struct AttemptV1 {
    id: AttemptId,
    task: TaskRef,
    number: u32,
    scheduler: SchedulerName,
    digest: String,
    created: Timestamp,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    deadline: Option<Timestamp>,
    exit: Option<Cause>,
    handle: Option<String>,
    removed: bool,
}

impl From<AttemptV1> for AttemptRecord {
    fn from(old: AttemptV1) -> Self {
        Self {
            id: old.id,
            task: old.task,
            number: old.number,
            scheduler: old.scheduler,
            digest: old.digest,
            created: old.created,
            started: old.started,
            ended: old.ended,
            deadline: old.deadline,
            exit: old.exit,
            handle: old.handle,
            removed: old.removed,
            image: None,
            collected: false,
            due: None,
        }
    }
}

/// The entry of a run that somebody must look after: it has not ended, or something of it is still to be put away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveRecord {
    /// When the run was created: the order in which runs wait.
    pub created: Timestamp,
    /// Whether it was set aside because its records cannot be used.
    pub set_aside: bool,
}

/// What an idempotency key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// The run that the first start made.
    pub run: RunNumber,
    /// A digest of the arguments of that start.
    pub fingerprint: String,
}

/// Writes a record.
pub fn encode<T: Stored>(record: &T) -> Result<Bytes> {
    let bytes = encode_any_size(record)?;
    check_size::<T>(&bytes, MAX_VALUE)?;
    Ok(Bytes::from(bytes))
}

/// Refuses a value that is longer than this.
pub(crate) fn check_size<T: Stored>(value: &[u8], limit: usize) -> Result<()> {
    if value.len() > limit {
        return Err(RecordError::TooLarge { family: T::FAMILY, size: value.len(), limit });
    }
    Ok(())
}

/// Writes a record that may have to be cut into chunks.
pub(crate) fn encode_any_size<T: Stored>(record: &T) -> Result<Vec<u8>> {
    postcard::to_extend(record, vec![T::FORMAT]).map_err(|error| RecordError::Damaged {
        key: format!("a new {} record", T::FAMILY),
        reason: error.to_string(),
    })
}

/// Reads a record; the key is for messages.
pub fn decode<T: Stored>(key: &[u8], value: &[u8]) -> Result<T> {
    let damaged = |reason: String| RecordError::Damaged { key: escaped(key), reason };
    let (format, body) = value.split_first().ok_or_else(|| damaged("it is empty".to_owned()))?;
    if *format == T::FORMAT {
        return exactly(body).map_err(damaged);
    }
    if *format > T::FORMAT {
        return Err(RecordError::TooNew { key: escaped(key), found: *format, known: T::FORMAT });
    }
    match T::decode_older(*format, body) {
        Some(decoded) => decoded.map_err(damaged),
        None => Err(damaged(format!("there is no format {format}"))),
    }
}

/// Reads a body to its last byte.
fn exactly<T: DeserializeOwned>(body: &[u8]) -> std::result::Result<T, String> {
    match postcard::take_from_bytes(body) {
        Ok((record, [])) => Ok(record),
        Ok((_, rest)) => Err(format!("{} bytes too many", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}

/// The most bytes of a version in one row: room is left for the head of the row.
const CHUNK: usize = MAX_VALUE - 16;

/// Writes a version as the values of its rows. Each starts with the number of rows.
pub fn encode_version(record: &VersionRecord) -> Result<Vec<Bytes>> {
    let bytes = encode_any_size(record)?;
    let chunks = bytes.chunks(CHUNK);
    let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX).to_be_bytes();
    Ok(chunks.map(|chunk| Bytes::from([&count, chunk].concat())).collect())
}

/// Reads a version from the values of its rows; the key is for messages.
pub fn decode_version<'a>(key: &[u8], rows: impl Iterator<Item = &'a [u8]>) -> Result<VersionRecord> {
    let damaged = |reason: &str| RecordError::Damaged { key: escaped(key), reason: reason.to_owned() };
    let mut bytes = Vec::new();
    let mut found = 0_u32;
    let mut wanted = None;
    for row in rows {
        let (count, chunk) = row.split_first_chunk::<4>().ok_or_else(|| damaged("a chunk is too short"))?;
        let count = u32::from_be_bytes(*count);
        if *wanted.get_or_insert(count) != count {
            return Err(damaged("its chunks do not belong together"));
        }
        bytes.extend_from_slice(chunk);
        found += 1;
    }
    if wanted != Some(found) {
        return Err(damaged("chunks are missing"));
    }
    decode(key, &bytes)
}
