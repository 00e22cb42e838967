//! The event log as it is stored: read forwards and backwards by its numbers.

use gofer_storage::KeyRange;
use gofer_types::Event;

use crate::codec::decode;
use crate::error::Result;
use crate::keys::{self, family};
use crate::records::Records;
use crate::scan::{Found, scan};

impl Records {
    /// At most `limit` events from a number on, in order; the number behind the last one that was looked at. A damaged
    /// event is left out.
    pub async fn events(&self, from: u64, limit: usize) -> Result<(Vec<Event>, u64)> {
        let mut range = KeyRange::prefix(family::EVENT.as_bytes());
        if from > 0 {
            range = range.after(&keys::event(from - 1));
        }
        let found = scan(&*self.storage, range, limit.max(1)).await?;
        let next = found.last().and_then(|row| keys::event_seq(row.key())).map_or(from, |seq| seq + 1);
        Ok((found.into_iter().filter_map(read_event).collect(), next))
    }

    /// At most `limit` events below a number, newest first, and the number of the last one that was looked at.
    pub async fn events_below(&self, below: u64, limit: usize) -> Result<(Vec<Event>, u64)> {
        let range = KeyRange::prefix(family::EVENT.as_bytes()).reversed().after(&keys::event(below));
        let found = scan(&*self.storage, range, limit.max(1)).await?;
        let last = found.last().and_then(|row| keys::event_seq(row.key())).unwrap_or(0);
        Ok((found.into_iter().filter_map(read_event).collect(), last))
    }
}

fn read_event(found: Found) -> Option<Event> {
    match found {
        Found::Row(row) => decode(&row.key, &row.value).ok(),
        Found::Damaged(..) => None,
    }
}
