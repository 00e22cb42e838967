//! Several transactions as one batch: one fence, one run of event numbers, one sync.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use gofer_storage::{Batch, Precondition};
use gofer_types::Event;

use crate::codec::encode;
use crate::error::Result;
use crate::keys;
use crate::ownership::Ownership;
use crate::tx::Tx;

/// Transactions in the order in which they take effect. Where two write the same key, the later one's value stays.
#[derive(Debug)]
pub struct Group {
    owner: Ownership,
    order: Vec<Bytes>,
    writes: HashMap<Bytes, Option<Bytes>>,
    events: Vec<Arc<Event>>,
    size: usize,
}

impl Group {
    /// An empty group of this owner, whose first event gets the number `owner.next_seq`.
    #[must_use]
    pub fn new(owner: Ownership) -> Self {
        Self { owner, order: Vec::new(), writes: HashMap::new(), events: Vec::new(), size: 0 }
    }

    /// About how many bytes the batch has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Adds a transaction, and answers the number of the newest event so far.
    pub fn add(&mut self, tx: &Tx) -> Result<u64> {
        self.size += tx.size();
        for (key, value) in tx.writes() {
            self.write(key.clone(), value.clone());
        }
        for event in tx.events() {
            let mut event = event.clone();
            event.seq = self.next_seq();
            self.write(keys::event(event.seq), Some(encode(&event)?));
            self.events.push(Arc::new(event));
        }
        Ok(self.next_seq() - 1)
    }

    fn write(&mut self, key: Bytes, value: Option<Bytes>) {
        if self.writes.insert(key.clone(), value).is_none() {
            self.order.push(key);
        }
    }

    /// The number that the next event gets.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.owner.next_seq + self.events.len() as u64
    }

    /// The batch, with the check of the fence, and the events in it.
    #[must_use]
    pub fn into_batch(mut self) -> (Batch, Vec<Arc<Event>>) {
        let mut batch = Batch::default();
        batch.check(keys::epoch(), Precondition::At(self.owner.fence));
        for key in self.order {
            match self.writes.remove(&key).flatten() {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            };
        }
        (batch, self.events)
    }
}
