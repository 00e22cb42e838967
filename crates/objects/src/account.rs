//! What the objects of a namespace take, exactly, and what puts on their way hold reserved.
//!
//! An account is counted from the store when it is first used. From then on every put and delete enters with a [`Ticket`] and tells
//! what it did. What a store lost track of makes the account doubtful: it errs on the safe side then, and is counted anew as soon as
//! nobody holds a ticket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gofer_object_store::{MAX_PAGE, ObjectStore, PageRequest};
use gofer_types::Namespace;

use crate::error::{ObjectsError, Result};
use crate::path;
use crate::types::Usage;

/// How many accounts are kept while nobody uses them.
const KEPT: usize = 1024;

/// The accounts of all namespaces.
pub(crate) struct Accounts {
    store: Arc<dyn ObjectStore>,
    limit: u64,
    open: Mutex<HashMap<Namespace, Arc<Account>>>,
}

/// The account of one namespace.
#[derive(Default)]
struct Account {
    /// Held while the objects are counted, and for a moment by whoever enters.
    counting: tokio::sync::Mutex<()>,
    sums: Mutex<Sums>,
}

#[derive(Default)]
struct Sums {
    used: u64,
    reserved: u64,
    tickets: usize,
    /// Whether `used` is what the store has.
    exact: bool,
}

/// The right to change what a namespace has. Dropped, it gives back what it still holds reserved.
pub(crate) struct Ticket {
    account: Arc<Account>,
    limit: u64,
    own: Mutex<Own>,
}

#[derive(Default)]
struct Own {
    reserved: u64,
    /// Whether the store has been asked for something, and nobody knows yet whether it did it.
    pending: bool,
}

impl Accounts {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, limit: u64) -> Self {
        Self { store, limit, open: Mutex::default() }
    }

    fn account(&self, namespace: &Namespace) -> Arc<Account> {
        let mut open = lock(&self.open);
        if open.len() >= KEPT && !open.contains_key(namespace) {
            open.retain(|_, account| Arc::strong_count(account) > 1);
        }
        Arc::clone(open.entry(namespace.clone()).or_default())
    }

    /// Enters the account of a namespace; counts it before that if nobody knows what it has.
    pub(crate) async fn enter(&self, namespace: &Namespace) -> Result<Ticket> {
        let account = self.account(namespace);
        let counting = account.counting.lock().await;
        if account.wants_count() {
            let used = self.count(namespace).await?;
            let mut sums = lock(&account.sums);
            (sums.used, sums.exact) = (used, true);
        }
        lock(&account.sums).tickets += 1;
        drop(counting);
        Ok(Ticket { account, limit: self.limit, own: Mutex::default() })
    }

    async fn count(&self, namespace: &Namespace) -> Result<u64> {
        let prefix = path::of_namespace(namespace)?;
        let mut request = PageRequest::first(MAX_PAGE);
        let mut used = 0_u64;
        loop {
            let page = self.store.list(&prefix, request.clone()).await?;
            used = page.objects.iter().fold(used, |used, object| used.saturating_add(object.size));
            request.after = page.next;
            if request.after.is_none() {
                return Ok(used);
            }
        }
    }
}

impl Account {
    fn wants_count(&self) -> bool {
        let sums = lock(&self.sums);
        !sums.exact && sums.tickets == 0
    }
}

impl Ticket {
    /// What the namespace has now.
    pub(crate) fn usage(&self) -> Usage {
        let sums = lock(&self.account.sums);
        Usage { used: sums.used, reserved: sums.reserved, limit: self.limit }
    }

    /// Reserves so many bytes more.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<()> {
        let (mut own, mut sums) = (lock(&self.own), lock(&self.account.sums));
        let used = sums.used.saturating_add(sums.reserved);
        if used.saturating_add(bytes) > self.limit {
            return Err(ObjectsError::QuotaExceeded { limit: self.limit, used });
        }
        sums.reserved += bytes;
        own.reserved += bytes;
        Ok(())
    }

    /// From here on nobody knows whether what was asked for is done: until [`Self::landed`], [`Self::freed`] or [`Self::failed`].
    pub(crate) fn pending(&self) {
        lock(&self.own).pending = true;
    }

    /// What was asked for was certainly not done.
    pub(crate) fn failed(&self) {
        lock(&self.own).pending = false;
    }

    /// What was reserved is there now, in place of so many bytes.
    pub(crate) fn landed(&self, size: u64, replaced: u64) {
        let (mut own, mut sums) = (lock(&self.own), lock(&self.account.sums));
        sums.reserved = sums.reserved.saturating_sub(own.reserved);
        sums.used = sums.used.saturating_add(size).saturating_sub(replaced);
        *own = Own::default();
    }

    /// So many bytes are not there any more.
    pub(crate) fn freed(&self, size: u64) {
        let (mut own, mut sums) = (lock(&self.own), lock(&self.account.sums));
        sums.used = sums.used.saturating_sub(size);
        own.pending = false;
    }

    /// Something is done, and nobody knows how many bytes that makes.
    pub(crate) fn doubt(&self) {
        lock(&self.account.sums).exact = false;
        lock(&self.own).pending = false;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let (own, mut sums) = (lock(&self.own), lock(&self.account.sums));
        sums.reserved = sums.reserved.saturating_sub(own.reserved);
        if own.pending {
            sums.used = sums.used.saturating_add(own.reserved);
            sums.exact = false;
        }
        sums.tickets = sums.tickets.saturating_sub(1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
