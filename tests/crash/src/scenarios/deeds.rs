//! Small acknowledged changes, one after the other, and a ledger of them: for faults that strike at exact calls.
//!
//! A key says in which link of the chain of faults it was asked for, so that a loss names the fault that it belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use gofer_client::Client;
use gofer_proto::v1::{
    CreateNamespaceRequest, ListNamespacesRequest, ListObjectsRequest, ObjectScope, Page, PutObjectHeader,
};
use sha2::{Digest, Sha256};

use crate::load::{Acks, Order};
use crate::tally::Tally;
use crate::time;

/// How many objects there are; each is put again and again. A pipeline keeps ten.
const SLOTS: usize = 8;

/// What was acknowledged.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) runs: Acks,
    pub(super) namespaces: BTreeSet<String>,
    pub(super) objects: BTreeMap<String, Versions>,
    /// How many objects were put.
    pub(super) puts: usize,
    /// When the last acknowledged deed was begun, in seconds since the epoch.
    pub(super) last_begun: f64,
}

/// What an object was given, as hashes.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// What was acknowledged last, if anything was.
    acknowledged: Option<String>,
    /// What was asked for last: it may be there, too.
    asked: String,
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
pub(super) async fn deeds(
    client: Client,
    order: Order,
    link: String,
    measure: Measure,
    ledger: Shared,
) -> bool {
    for round in 0..measure.rounds {
        let key = format!("{link}-{round}");
        if measure.run_every > 0 && round % measure.run_every == 0 {
            let begun = time::wall();
            let Ok(answer) = client.start_run(order.request(&key)).await else { return false };
            let number = answer.run.map_or(0, |run| run.number);
            ledger.note(begun, |ledger| {
                ledger.runs.insert(key.clone(), number);
            });
        }
        if measure.namespace {
            let begun = time::wall();
            let request = CreateNamespaceRequest { name: key.clone(), description: String::new() };
            if client.create_namespace(request).await.is_err() {
                return false;
            }
            ledger.note(begun, |ledger| {
                ledger.namespaces.insert(key.clone());
            });
        }
        if measure.object {
            let (begun, slot) = (time::wall(), format!("slot-{}", round % SLOTS));
            let hash = hash_of(&key);
            ledger.lock().objects.entry(slot.clone()).or_default().asked.clone_from(&hash);
            if !put(&client, &order, &slot, &key).await {
                return false;
            }
            ledger.note(begun, |ledger| {
                ledger.objects.entry(slot).or_default().acknowledged = Some(hash);
                ledger.puts += 1;
            });
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
        for (slot, versions) in &ledger.objects {
            let Some(acknowledged) = &versions.acknowledged else { continue };
            let there = objects.get(slot);
            let kept = there.is_some_and(|hash| hash == acknowledged || *hash == versions.asked);
            tally.check(kept, || format!("object {slot} is {there:?}, and not {versions:?}"));
        }
        tally.add("acknowledged namespaces and objects", ledger.namespaces.len() + ledger.puts);
    }
}

fn scope(order: &Order) -> ObjectScope {
    ObjectScope { pipeline: order.pipeline.to_owned(), ..ObjectScope::default() }
}

fn hash_of(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn put(client: &Client, order: &Order, slot: &str, text: &str) -> bool {
    let (scope, key) = (Some(scope(order)), slot.to_owned());
    let header = PutObjectHeader { scope, key, replace: true, ..PutObjectHeader::default() };
    let source = stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(text.as_bytes()))]);
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

async fn objects(client: &Client, order: &Order) -> BTreeMap<String, String> {
    let mut hashes = BTreeMap::new();
    let mut token = String::new();
    loop {
        let (scope, page) = (Some(scope(order)), Some(Page { size: 1000, token }));
        let request = ListObjectsRequest { scope, page, ..ListObjectsRequest::default() };
        let answer = client.list_objects(request).await.expect("the server lists objects");
        hashes.extend(answer.objects.into_iter().map(|one| (one.key, one.sha256)));
        token = answer.next_page_token;
        if token.is_empty() {
            return hashes;
        }
    }
}
