//! Small acknowledged changes, one after the other, and a ledger of them: for faults that strike at exact calls.
//!
//! A key says in which link of the chain of faults it was asked for, so that a loss names the fault that it belongs to.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use gofer_client::Client;
use gofer_proto::v1::{
    CreateNamespaceRequest, ListNamespacesRequest, ListObjectsRequest, ObjectScope, Page, PutObjectHeader,
};

use crate::load::{Acks, Order};
use crate::tally::Tally;
use crate::time;

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) runs: Acks,
    pub(super) namespaces: BTreeSet<String>,
    pub(super) objects: BTreeSet<String>,
    /// When the last acknowledged deed was begun, in seconds since the epoch.
    pub(super) last_begun: f64,
}

/// A ledger that its clients share.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many deeds of each kind a link asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    /// Rounds; each makes what follows.
    pub(super) rounds: usize,
    /// Every so many rounds a run is started; 0: never.
    pub(super) run_every: usize,
    /// Whether a round creates a namespace.
    pub(super) namespace: bool,
    /// Whether a round puts an object.
    pub(super) object: bool,
}

/// Does what the measure says until something fails. True: everything was done, and nothing failed.
pub(super) async fn deeds(client: Client, order: Order, link: String, measure: Measure, ledger: Shared) -> bool {
    for round in 0..measure.rounds {
        let key = format!("{link}-{round}");
        if measure.run_every > 0 && round % measure.run_every == 0 {
            let begun = time::wall();
            let Ok(answer) = client.start_run(order.request(&key)).await else { return false };
            let number = answer.run.map_or(0, |run| run.number);
            ledger.note(begun, |ledger| drop(ledger.runs.insert(key.clone(), number)));
        }
        if measure.namespace {
            let begun = time::wall();
            let request = CreateNamespaceRequest { name: key.clone(), description: String::new() };
            if client.create_namespace(request).await.is_err() {
                return false;
            }
            ledger.note(begun, |ledger| drop(ledger.namespaces.insert(key.clone())));
        }
        if measure.object {
            let begun = time::wall();
            if !put(&client, &order, &key).await {
                return false;
            }
            ledger.note(begun, |ledger| drop(ledger.objects.insert(key.clone())));
        }
    }
    true
}

impl Shared {
    fn note(&self, begun: f64, deed: impl FnOnce(&mut Ledger)) {
        let mut ledger = self.lock();
        ledger.last_begun = begun;
        deed(&mut ledger);
    }

    /// Everything that was acknowledged is there.
    pub(super) async fn is_kept(&self, client: &Client, order: &Order, tally: &Tally) {
        let (namespaces, objects) = (namespaces(client).await, objects(client, order).await);
        let ledger = self.lock();
        let lost: Vec<&String> = ledger.namespaces.difference(&namespaces).collect();
        tally.check(lost.is_empty(), || format!("acknowledged namespaces are lost: {lost:?}"));
        let lost: Vec<&String> = ledger.objects.difference(&objects).collect();
        tally.check(lost.is_empty(), || format!("acknowledged objects are lost: {lost:?}"));
        tally.add("acknowledged namespaces and objects", ledger.namespaces.len() + ledger.objects.len());
    }
}

fn scope(order: &Order) -> ObjectScope {
    ObjectScope { pipeline: order.pipeline.to_owned(), ..ObjectScope::default() }
}

async fn put(client: &Client, order: &Order, key: &str) -> bool {
    let header =
        PutObjectHeader { scope: Some(scope(order)), key: key.to_owned(), ..PutObjectHeader::default() };
    let source = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(key.as_bytes()))]);
    client.put_object(header, source).await.is_ok()
}

async fn namespaces(client: &Client) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut token = String::new();
    loop {
        let request = ListNamespacesRequest { page: Some(Page { size: 1000, token }) };
        let answer = client.list_namespaces(request).await.expect("the server lists namespaces");
        names.extend(answer.namespaces.into_iter().map(|one| one.name));
        token = answer.next_page_token;
        if token.is_empty() {
            return names;
        }
    }
}

async fn objects(client: &Client, order: &Order) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut token = String::new();
    loop {
        let (scope, page) = (Some(scope(order)), Some(Page { size: 1000, token }));
        let request = ListObjectsRequest { scope, page, ..ListObjectsRequest::default() };
        let answer = client.list_objects(request).await.expect("the server lists objects");
        keys.extend(answer.objects.into_iter().map(|one| one.key));
        token = answer.next_page_token;
        if token.is_empty() {
            return keys;
        }
    }
}
