//! Who watches which prefix.
//!
//! A signal is one value that is overwritten by newer ones: a slow watcher costs no memory and misses no newest revision.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::watch;

use crate::{Revision, WatchStream};

/// The watches of one storage.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    closed: bool,
    entries: Vec<(Bytes, watch::Sender<Revision>)>,
}

impl Watchers {
    /// A stream of signals for keys with this prefix; it ends at once if the storage is closed.
    pub(crate) fn watch(&self, prefix: &[u8]) -> WatchStream {
        let (sender, receiver) = watch::channel(Revision::default());
        let mut list = self.lock();
        list.entries.retain(|(_, watcher)| !watcher.is_closed());
        if !list.closed {
            list.entries.push((Bytes::copy_from_slice(prefix), sender));
        }
        stream::unfold(receiver, |mut receiver| async move {
            receiver.changed().await.ok()?;
            let revision = *receiver.borrow_and_update();
            Some((revision, receiver))
        })
        .boxed()
    }

    /// Tells every watcher of the newest revision that touched its prefix.
    pub(crate) fn signal(&self, touched: &BTreeMap<Bytes, Revision>) {
        let mut list = self.lock();
        list.entries.retain(|(_, watcher)| !watcher.is_closed());
        for (prefix, watcher) in &list.entries {
            let behind = touched.range::<[u8], _>((Bound::Included(prefix.as_ref()), Bound::Unbounded));
            let newest =
                behind.take_while(|(key, _)| key.starts_with(prefix)).map(|(_, revision)| *revision).max();
            if let Some(revision) = newest {
                watcher.send_replace(revision);
            }
        }
    }

    /// Ends all streams, after what they still have to tell.
    pub(crate) fn close(&self) {
        let mut list = self.lock();
        list.closed = true;
        list.entries.clear();
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
