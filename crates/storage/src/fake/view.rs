//! How the fake reads, and what its defects make of it.

use std::ops::Bound;

use bytes::Bytes;
use gofer_backend::{BackendError, ErrorKind, Result};

use super::Defect;
use super::disk::Rows;
use crate::{Batch, KeyRange, MAX_KEY, MAX_VALUE, Revision, Row, Write};

/// A row as a reader gets it.
pub(super) fn row(rows: &Rows, key: &[u8], defect: Defect) -> Option<Row> {
    let found = rows.get_key_value(key).map(|(key, (value, revision))| Row {
        key: key.clone(),
        value: value.clone(),
        revision: if defect == Defect::RowsHaveNoRevision { Revision::default() } else { *revision },
    });
    match (found, defect) {
        (None, Defect::InventsRows) => {
            let (key, value) = (Bytes::copy_from_slice(key), Bytes::new());
            Some(Row { key, value, revision: Revision(1) })
        }
        (Some(row), Defect::EmptyValueIsNoRow) if row.value.is_empty() => None,
        (found, _) => found,
    }
}

/// The keys of a scan, in its order and within its limit.
pub(super) fn keys(rows: &Rows, mut range: KeyRange, limit: usize, defect: Defect) -> Result<Vec<Bytes>> {
    if limit == 0 && defect != Defect::ZeroLimitIsAccepted {
        return Err(BackendError::new(ErrorKind::InvalidInput, "the limit of a scan is 0"));
    }
    if range.is_empty() {
        return match defect {
            Defect::InvertedRangeIsRefused => {
                Err(BackendError::new(ErrorKind::InvalidInput, "an inverted range"))
            }
            _ => Ok(Vec::new()),
        };
    }
    if let (Bound::Excluded(start), Defect::ExcludedStartIsIncluded) = (range.start.clone(), defect) {
        range.start = Bound::Included(start);
    }
    if let (Bound::Excluded(end), Defect::RangeIncludesItsEnd) = (range.end.clone(), defect) {
        range.end = Bound::Included(end);
    }
    let mut keys: Vec<Bytes> = rows.range((range.start, range.end)).map(|(key, _)| key.clone()).collect();
    if defect == Defect::ScanOrdersByLength {
        keys.sort_by_key(Bytes::len);
    }
    if range.reverse && defect != Defect::ReverseIsIgnored {
        keys.reverse();
    }
    if defect != Defect::LimitIsIgnored {
        keys.truncate(limit);
    }
    Ok(keys)
}

/// [`Batch::validate`], less what the defect overlooks.
pub(super) fn validate(batch: &Batch, defect: Defect) -> Result<()> {
    let refused = |text: &str| Err(BackendError::new(ErrorKind::InvalidInput, text));
    let oversized = |write: &Write| match (write, defect) {
        (_, Defect::LargestKeyIsRefused) => write.key().len() == MAX_KEY,
        (Write::Put { value, .. }, Defect::LargestValueIsRefused) => value.len() == MAX_VALUE,
        _ => false,
    };
    if batch.writes.iter().any(oversized) {
        return refused("over the limit");
    }
    let overlooked = match defect {
        Defect::DoubleKeyIsAccepted => "one key is written twice in a batch",
        Defect::EmptyKeyIsAccepted => "a key is empty",
        Defect::LongKeyIsAccepted => "a key is over its limit",
        Defect::LargeValueIsAccepted => "a value is over its limit",
        Defect::LargeBatchIsAccepted => "a batch is over its limit",
        _ => "",
    };
    batch.validate().or_else(|error| if error.message() == overlooked { Ok(()) } else { Err(error) })
}
