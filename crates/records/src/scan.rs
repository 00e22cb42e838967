//! Reading ranges in spite of damaged rows: a row whose checksum fails is passed over by name, and the rest is read.

use bytes::Bytes;
use gofer_backend::{BackendError, ErrorKind};
use gofer_storage::{KeyRange, Row, Storage};

use crate::error::Result;

/// Rows of a range, or what stands in their place.
#[derive(Debug)]
pub(crate) enum Found {
    /// A row.
    Row(Row),
    /// A row that cannot be read, by its key.
    Damaged(Bytes, BackendError),
}

impl Found {
    /// The key.
    pub(crate) fn key(&self) -> &Bytes {
        match self {
            Self::Row(row) => &row.key,
            Self::Damaged(key, _) => key,
        }
    }
}

/// The first `limit` rows of a range, damaged ones included. Fewer than `limit` means that the range ends there.
pub(crate) async fn scan(storage: &dyn Storage, range: KeyRange, limit: usize) -> Result<Vec<Found>> {
    match storage.scan(range.clone(), limit).await {
        Ok(rows) => Ok(rows.into_iter().map(Found::Row).collect()),
        Err(error) if damaged_key(&error).is_some() => one_by_one(storage, range, limit).await,
        Err(error) => Err(error.into()),
    }
}

/// Halves the step when a damaged row is in the way, and steps over it when it is the very next one.
async fn one_by_one(storage: &dyn Storage, mut range: KeyRange, limit: usize) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut step = limit;
    while found.len() < limit {
        let wanted = step.min(limit - found.len());
        match storage.scan(range.clone(), wanted).await {
            Ok(rows) => {
                let count = rows.len();
                if let Some(last) = rows.last() {
                    range = range.after(&last.key);
                }
                found.extend(rows.into_iter().map(Found::Row));
                if count < wanted {
                    break;
                }
            }
            Err(error) => match damaged_key(&error) {
                Some(_) if wanted > 1 => step = wanted / 2,
                Some(key) => {
                    range = range.after(&key);
                    found.push(Found::Damaged(key, error));
                    step = limit;
                }
                None => return Err(error.into()),
            },
        }
    }
    Ok(found)
}

/// The key that an error of a storage names as damaged.
pub(crate) fn damaged_key(error: &BackendError) -> Option<Bytes> {
    if error.kind() != ErrorKind::Internal {
        return None;
    }
    let (_, text) = error.facts().iter().find(|(name, _)| *name == "key")?;
    unescape(text)
}

/// Reads what `gofer_storage::escaped` prints.
fn unescape(text: &str) -> Option<Bytes> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            plain @ (b'\\' | b'\'' | b'"') => plain,
            _ => return None,
        });
    }
    Some(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_escaped_key_reads_back(key in any::<Vec<u8>>()) {
            prop_assert_eq!(unescape(&gofer_storage::escaped(&key)), Some(Bytes::from(key)));
        }
    }
}
