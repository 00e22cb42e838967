//! When the writer lets the engine settle, on an engine that tells of every call.
//!
//! The delay is zero or an hour. With zero, a writer that settled more often than once would do so at once and without end.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use gofer_backend::{BackendError, ErrorKind, Result};

use super::{Embedded, Engine, Group, Home, Options, Visit, WriteFailure};
use crate::{Batch, KeyRange, Revision, Storage};

type Verdict = std::result::Result<(), WriteFailure>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Write,
    Idle,
    Close,
}

/// Tells of each call, and waits in [`Engine::idle`] for what the test says.
#[derive(Debug)]
struct Settling {
    delay: Option<Duration>,
    calls: Sender<Call>,
    verdicts: Mutex<Receiver<Verdict>>,
}

impl Engine for Settling {
    fn state(&self) -> Result<Option<Bytes>> {
        Ok(None)
    }

    fn get(&self, _key: &[u8]) -> Result<Option<Bytes>> {
        Ok(None)
    }

    fn scan(&self, _range: &KeyRange, _visit: &mut Visit<'_>) -> Result<()> {
        Ok(())
    }

    fn write(&self, group: &Group) -> Verdict {
        self.calls.send(Call::Write).unwrap();
        if group.rows.contains_key(&b"too much"[..]) { full() } else { Ok(()) }
    }

    fn idle_after(&self) -> Option<Duration> {
        self.delay
    }

    fn idle(&self) -> Verdict {
        self.calls.send(Call::Idle).unwrap();
        // without a verdict to wait for, the test has ended
        self.verdicts.lock().unwrap().recv().unwrap_or(Ok(()))
    }

    fn close(&self) {
        self.calls.send(Call::Close).unwrap();
    }
}

/// Its fields are dropped in this order: a settling that waits goes on before the storage waits for it.
struct Bench {
    verdict: Sender<Verdict>,
    storage: Embedded<Settling>,
    calls: Receiver<Call>,
    _dir: tempfile::TempDir,
}

impl Bench {
    /// Ends the storage, and says what happened since the last look.
    fn ended(self) -> Vec<Call> {
        drop((self.verdict, self.storage));
        self.calls.iter().collect()
    }
}

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
const LATER: Option<Duration> = Some(Duration::from_secs(3600));

fn bench(delay: Option<Duration>) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let (calls, told) = channel();
    let (verdict, verdicts) = channel();
    let engine = Settling { delay, calls, verdicts: Mutex::new(verdicts) };
    let home = Home::claim("settling", dir.path()).unwrap();
    let options = Options { kind: "settling", name: "test".to_owned() };
    Bench { storage: Embedded::start(engine, home, options).unwrap(), calls: told, verdict, _dir: dir }
}

fn put(key: &str) -> Batch {
    let mut batch = Batch::default();
    batch.put(key.to_owned(), "1");
    batch
}

fn full() -> Verdict {
    Err(WriteFailure::Refused(BackendError::new(ErrorKind::Exhausted, "the disk is full")))
}

#[tokio::test]
async fn it_settles_once_after_the_last_commit_and_again_only_after_the_next() {
    let bench = bench(AT_ONCE);
    for _ in 0..50 {
        bench.verdict.send(Ok(())).unwrap();
        bench.storage.commit(put("a")).await.unwrap();
        assert_eq!(bench.calls.recv().unwrap(), Call::Write);
        assert_eq!(bench.calls.recv().unwrap(), Call::Idle);
    }
    assert_eq!(bench.ended(), [Call::Close]);
}

#[tokio::test]
async fn without_a_write_there_is_nothing_to_settle() {
    let bench = bench(AT_ONCE);
    refused(&bench.storage).await;
    assert!(bench.calls.try_recv().is_err());
    bench.verdict.send(Ok(())).unwrap();
    bench.storage.commit(put("a")).await.unwrap();
    assert_eq!(bench.calls.recv().unwrap(), Call::Write);
    assert_eq!(bench.calls.recv().unwrap(), Call::Idle);
    refused(&bench.storage).await;
    assert_eq!(bench.ended(), [Call::Close], "what is settled stays so");
}

/// Requests that write nothing.
async fn refused(storage: &Embedded<Settling>) {
    for _ in 0..50 {
        let mut batch = put("a");
        batch.check("a", crate::Precondition::At(Revision(7)));
        assert_eq!(storage.commit(batch).await.unwrap_err().kind(), ErrorKind::Conflict);
    }
}

#[tokio::test]
async fn commits_before_the_delay_put_it_off_and_closing_does_not_wait_for_it() {
    for delay in [LATER, None] {
        let bench = bench(delay);
        for _ in 0..5 {
            bench.storage.commit(put("a")).await.unwrap();
        }
        bench.storage.close().await.unwrap();
        assert_eq!(bench.ended(), [[Call::Write; 5].as_slice(), &[Call::Close]].concat());
    }
}

#[tokio::test]
async fn a_commit_that_comes_meanwhile_waits_for_this_one_settling_only() {
    let bench = bench(AT_ONCE);
    bench.storage.commit(put("a")).await.unwrap();
    assert_eq!(bench.calls.recv().unwrap(), Call::Write);
    assert_eq!(bench.calls.recv().unwrap(), Call::Idle);
    let mut next = bench.storage.commit(put("b")).boxed();
    assert!((&mut next).now_or_never().is_none());
    assert!(bench.calls.try_recv().is_err());
    bench.verdict.send(Ok(())).unwrap();
    assert_eq!(next.await.unwrap(), Revision(2));
    assert_eq!(bench.calls.recv().unwrap(), Call::Write);
}

#[tokio::test]
async fn a_refused_settling_is_tried_again_after_the_next_write_and_not_before() {
    let bench = bench(AT_ONCE);
    for key in ["a", "too much", "b"] {
        bench.verdict.send(full()).unwrap();
        assert_eq!(bench.storage.commit(put(key)).await.is_ok(), key != "too much");
        assert_eq!(bench.calls.recv().unwrap(), Call::Write);
        assert_eq!(bench.calls.recv().unwrap(), Call::Idle);
    }
    assert_eq!(bench.ended(), [Call::Close]);
}

#[tokio::test]
async fn after_a_broken_settling_nothing_is_acknowledged_any_more() {
    let bench = bench(AT_ONCE);
    let broken = BackendError::new(ErrorKind::Internal, "sync failed");
    bench.verdict.send(Err(WriteFailure::Broken(broken))).unwrap();
    bench.storage.commit(put("a")).await.unwrap();
    for call in [Call::Write, Call::Idle] {
        assert_eq!(bench.calls.recv().unwrap(), call);
    }
    for _ in 0..3 {
        let error = bench.storage.commit(put("b")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.chain().contains("sync failed"), "{}", error.chain());
    }
    assert_eq!(bench.storage.close().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(bench.ended(), [Call::Close]);
}
