//! The group commit, on an engine whose every write waits for the test.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use futures_util::FutureExt as _;
use gofer_backend::{BackendError, ErrorKind, Result};

use super::{Embedded, Engine, Group, Home, Options, Visit, WriteFailure};
use crate::{Batch, KeyRange, Precondition, Revision, Storage};

type Verdict = std::result::Result<(), WriteFailure>;

/// Tells of each write how many rows it has, and does what it is told.
#[derive(Debug)]
struct Waiting {
    rows: Mutex<BTreeMap<Bytes, Vec<u8>>>,
    begun: Sender<usize>,
    verdicts: Mutex<Receiver<Verdict>>,
}

impl Engine for Waiting {
    fn state(&self) -> Result<Option<Bytes>> {
        Ok(None)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.rows.lock().unwrap().get(key).map(|raw| Bytes::from(raw.clone())))
    }

    fn scan(&self, _range: &KeyRange, visit: &mut Visit<'_>) -> Result<()> {
        for (key, raw) in &*self.rows.lock().unwrap() {
            if visit(key, raw)? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn write(&self, group: &Group) -> Verdict {
        self.begun.send(group.rows.len()).unwrap();
        self.verdicts.lock().unwrap().recv().unwrap()?;
        let mut rows = self.rows.lock().unwrap();
        for (key, raw) in &group.rows {
            match raw {
                Some(raw) => drop(rows.insert(key.clone(), raw.clone())),
                None => drop(rows.remove(key)),
            }
        }
        Ok(())
    }

    fn close(&self) {}
}

struct Bench {
    storage: Embedded<Waiting>,
    begun: Receiver<usize>,
    verdict: Sender<Verdict>,
    _dir: tempfile::TempDir,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let (begun, told) = channel();
    let (verdict, verdicts) = channel();
    let engine = Waiting { rows: Mutex::default(), begun, verdicts: Mutex::new(verdicts) };
    let home = Home::claim("waiting", dir.path()).unwrap();
    let storage =
        Embedded::start(engine, home, Options { kind: "waiting", name: "test".to_owned() }).unwrap();
    Bench { storage, begun: told, verdict, _dir: dir }
}

fn put(key: &str) -> Batch {
    let mut batch = Batch::default();
    batch.put(key.to_owned(), "1");
    batch
}

fn create(key: &str) -> Batch {
    let mut batch = put(key);
    batch.check(key.to_owned(), Precondition::Absent);
    batch
}

fn full() -> Verdict {
    Err(WriteFailure::Refused(BackendError::new(ErrorKind::Exhausted, "the disk is full")))
}

/// The first commit goes alone; those that arrive during its write wait.
macro_rules! started {
    ($bench:ident, $first:ident, [$($later:ident),*]) => {
        assert!((&mut $first).now_or_never().is_none());
        assert_eq!($bench.begun.recv().unwrap(), 1, "a lone commit goes at once");
        $(assert!((&mut $later).now_or_never().is_none());)*
    };
}

#[tokio::test]
async fn what_arrives_during_a_write_is_one_group_behind_it() {
    let bench = bench();
    let commit = |key| bench.storage.commit(put(key)).boxed();
    let (mut first, mut second, mut third, mut fourth) = (commit("a"), commit("b"), commit("c"), commit("d"));
    started!(bench, first, [second, third, fourth]);
    bench.verdict.send(Ok(())).unwrap();
    assert_eq!(first.await.unwrap(), Revision(1));
    assert_eq!(bench.begun.recv().unwrap(), 3);
    assert!((&mut second).now_or_never().is_none(), "nothing is answered before the write has returned");
    bench.verdict.send(Ok(())).unwrap();
    assert_eq!(
        (second.await.unwrap(), third.await.unwrap(), fourth.await.unwrap()),
        (Revision(2), Revision(3), Revision(4))
    );
}

#[tokio::test]
async fn a_batch_sees_those_before_it_in_its_group() {
    let bench = bench();
    let (mut first, mut second, mut third) = (
        bench.storage.commit(put("a")).boxed(),
        bench.storage.commit(create("b")).boxed(),
        bench.storage.commit(create("b")).boxed(),
    );
    started!(bench, first, [second, third]);
    bench.verdict.send(Ok(())).unwrap();
    assert_eq!(bench.begun.iter().next(), Some(1));
    bench.verdict.send(Ok(())).unwrap();
    assert_eq!(second.await.unwrap(), Revision(2));
    assert_eq!(third.await.unwrap_err().kind(), ErrorKind::Conflict);
    first.await.unwrap();
}

#[tokio::test]
async fn a_refused_group_leaves_no_trace_and_its_revisions_are_given_anew() {
    let bench = bench();
    let (mut first, mut second, mut third) = (
        bench.storage.commit(put("a")).boxed(),
        bench.storage.commit(create("b")).boxed(),
        bench.storage.commit(create("b")).boxed(),
    );
    started!(bench, first, [second, third]);
    bench.verdict.send(Ok(())).unwrap();
    bench.verdict.send(full()).unwrap();
    first.await.unwrap();
    assert_eq!(second.await.unwrap_err().kind(), ErrorKind::Exhausted);
    // not a conflict: the row that it would have met was never written
    assert_eq!(third.await.unwrap_err().kind(), ErrorKind::Exhausted);
    assert!(bench.storage.get(b"b").await.unwrap().is_none());
    bench.verdict.send(Ok(())).unwrap();
    assert_eq!(bench.storage.commit(create("b")).await.unwrap(), Revision(2));
}

#[tokio::test]
async fn after_a_broken_write_nothing_reaches_the_engine_any_more() {
    let bench = bench();
    let mut watch = bench.storage.watch(b"");
    bench
        .verdict
        .send(Err(WriteFailure::Broken(BackendError::new(ErrorKind::Internal, "sync failed"))))
        .unwrap();
    for _ in 0..3 {
        let error = bench.storage.commit(put("a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.chain().contains("sync failed"), "{}", error.chain());
    }
    assert_eq!(bench.storage.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(bench.begun.try_iter().count(), 1);
    assert!(futures_util::StreamExt::next(&mut watch).now_or_never().is_none(), "nobody is told of it");
    assert!(bench.storage.get(b"a").await.unwrap().is_none(), "reads go on");
    assert_eq!(bench.storage.close().await.unwrap_err().kind(), ErrorKind::Unavailable);
}
