//! Whose the state is. The owner's epoch is a row that every batch checks; a new owner writes it anew, and from then on
//! nothing of the old one is written any more.

use bytes::Bytes;
use gofer_backend::ErrorKind;
use gofer_storage::{Batch, KeyRange, Precondition, Revision, Row, Storage};

use crate::codec::{decode, encode};
use crate::error::{RecordError, Result};
use crate::keys::{self, family};

/// The format of the state as a whole that this gofer reads and writes.
pub const FORMAT: u32 = 1;

/// How often a rival's simultaneous take-over is met with another try.
const TRIES: usize = 8;

/// The right to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// The epoch that began.
    pub epoch: u64,
    /// The commit that wrote it: what every batch checks.
    pub fence: Revision,
    /// The number of the next event.
    pub next_seq: u64,
}

/// Takes the state over. A state of a newer format is refused, and nothing is changed.
pub(crate) async fn take(storage: &dyn Storage) -> Result<Ownership> {
    let mut tries = 0;
    loop {
        tries += 1;
        match try_take(storage).await {
            Err(RecordError::Storage(error)) if error.kind() == ErrorKind::Conflict && tries < TRIES => {}
            result => return result,
        }
    }
}

async fn try_take(storage: &dyn Storage) -> Result<Ownership> {
    let format = storage.get(&keys::format()).await?;
    if let Some(row) = &format {
        check_format(row)?;
    }
    let old = storage.get(&keys::epoch()).await?;
    let epoch = match &old {
        Some(row) => decode::<u64>(&row.key, &row.value)?.saturating_add(1),
        None => 1,
    };
    let mut batch = Batch::default();
    batch.check(keys::epoch(), old.map_or(Precondition::Absent, |row| Precondition::At(row.revision)));
    batch.put(keys::epoch(), encode(&epoch)?);
    if format.is_none() {
        batch.check(keys::format(), Precondition::Absent);
        batch.put(keys::format(), Bytes::copy_from_slice(&FORMAT.to_be_bytes()));
    }
    let fence = storage.commit(batch).await?;
    Ok(Ownership { epoch, fence, next_seq: next_seq(storage).await? })
}

fn check_format(row: &Row) -> Result<()> {
    let damaged = || RecordError::Damaged {
        key: gofer_storage::escaped(&row.key),
        reason: "it is not the number of a format".to_owned(),
    };
    let found = u32::from_be_bytes(row.value.as_ref().try_into().map_err(|_| damaged())?);
    if found > FORMAT {
        return Err(RecordError::NewerState { found, known: FORMAT });
    }
    Ok(())
}

/// The number behind the newest event. The value of that event may be damaged; its key is enough.
async fn next_seq(storage: &dyn Storage) -> Result<u64> {
    let newest = KeyRange::prefix(family::EVENT.as_bytes()).reversed();
    let rows = crate::scan::scan(storage, newest, 1).await?;
    let newest = rows.first().and_then(|row| keys::event_seq(row.key()));
    Ok(newest.unwrap_or(0).saturating_add(1))
}
