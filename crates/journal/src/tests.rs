//! The promises of the journal, over a storage in memory and in virtual time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gofer_backend::{Clock, ErrorKind};
use gofer_records::{Records, Tx};
use gofer_storage::Storage;
use gofer_storage::fake::{Defect, FakeDisk, FakeStorage, Fault, FaultPlan, Operation};
use gofer_types::{Actor, EventKind, Namespace, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{Committer, EventLog, Fate, Haste, JournalError, Writer, committer};

/// Virtual time: tokio's paused clock.
#[derive(Debug)]
struct TestClock(tokio::time::Instant);

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        at(0)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep_until(&self, deadline: Duration) {
        tokio::time::sleep_until(self.0 + deadline).await;
    }
}

struct World {
    plan: FaultPlan,
    fate: Arc<Fate>,
    log: Arc<EventLog>,
    committer: Committer,
}

/// A journal whose writer does not run yet.
#[expect(clippy::disallowed_methods, reason = "this is the clock: time is paused and belongs to the test")]
async fn world() -> (World, Writer) {
    let plan = FaultPlan::none();
    let disk = FakeDisk::new();
    let storage = FakeStorage::open_with(&disk, "test", plan.clone(), Defect::None).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(storage);
    let records = Records::new(Arc::clone(&storage));
    let owner = records.take_ownership().await.unwrap();
    let fate = Arc::new(Fate::new());
    let log = Arc::new(EventLog::new(records, owner.next_seq - 1));
    let clock = Arc::new(TestClock(tokio::time::Instant::now()));
    let (committer, writer) = committer(owner, (storage, clock), Arc::clone(&log), &fate);
    (World { plan, fate, log, committer }, writer)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// An event at that second, about a namespace of that number.
fn tx(second: i64) -> Tx {
    let mut tx = Tx::default();
    let namespace = Namespace::new(format!("n{second}")).unwrap();
    tx.event(at(second), Actor::System, EventKind::NamespaceCreated { namespace });
    tx
}

impl World {
    /// Runs the writer until what is asked for is done.
    async fn with_writer<T>(&self, writer: Writer, work: impl Future<Output = T>) -> T {
        let close = CancellationToken::new();
        let done = async {
            let answer = work.await;
            close.cancel();
            answer
        };
        tokio::join!(writer.run(close.clone()), done).1
    }

    async fn write(&self, seconds: impl Iterator<Item = i64>) {
        for second in seconds {
            self.committer.commit(tx(second)).await.unwrap();
        }
    }

    fn commits(&self) -> u64 {
        self.plan.calls(Operation::Commit)
    }
}

/// The seconds of events, to be compared.
fn seconds(found: &super::Found) -> Vec<i64> {
    found.events.iter().map(|event| event.at.as_micros() / 1_000_000).collect()
}

#[tokio::test(start_paused = true)]
async fn what_waits_together_shares_a_batch_and_every_answer_names_an_event() {
    let (world, writer) = world().await;
    let before = world.commits();
    let work = async {
        let (one, two) = tokio::join!(world.committer.commit(tx(1)), world.committer.commit(tx(2)));
        (one.unwrap(), two.unwrap())
    };
    let (one, two) = world.with_writer(writer, work).await;
    assert_eq!((two - one, world.commits() - before), (1, 1));
    assert_eq!(world.log.last(), two);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_is_written_after_a_while_without_company() {
    let (world, writer) = world().await;
    let tx = Arc::new(tx(1).finished().unwrap());
    let work = world.committer.try_commit(&tx, Haste::InCompany);
    let seq = world.with_writer(writer, work).await.unwrap();
    assert_eq!(world.log.last(), seq);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_one_and_takes_the_next() {
    let (world, writer) = world().await;
    world.plan.next(Operation::Commit, Fault::Error(ErrorKind::Exhausted));
    let work = async {
        let refused = world.committer.commit(tx(1)).await.unwrap_err();
        assert!(matches!(refused, JournalError::Refused(_)), "{refused:?}");
        world.committer.commit(tx(2)).await.unwrap()
    };
    let seq = world.with_writer(writer, work).await;
    assert!(world.fate.check().is_ok());
    assert_eq!(world.log.last(), seq);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_for_good_does_not_take_the_others_along() {
    let (world, writer) = world().await;
    // the batch, and then the first of its two alone
    let broken = || Fault::Error(ErrorKind::InvalidInput);
    let next = world.commits() + 1;
    let plan = world.plan.clone().on(Operation::Commit, next, broken());
    drop(plan.on(Operation::Commit, next + 1, broken()));
    let work = async { tokio::join!(world.committer.commit(tx(1)), world.committer.commit(tx(2))) };
    let (one, two) = world.with_writer(writer, work).await;
    assert!(matches!(one, Err(JournalError::Refused(_))), "{one:?}");
    assert!(two.is_ok(), "{two:?}");
}

#[tokio::test(start_paused = true)]
async fn after_an_outcome_that_is_not_known_nothing_is_acknowledged() {
    let (world, writer) = world().await;
    world.plan.next(Operation::Answer, Fault::Error(ErrorKind::Unavailable));
    let last = world.log.last();
    let work = async {
        for second in 1..3 {
            let refused = world.committer.commit(tx(second)).await.unwrap_err();
            assert!(matches!(refused, JournalError::Failed { .. }), "{refused:?}");
        }
    };
    world.with_writer(writer, work).await;
    assert!(world.fate.has_failed() && world.fate.stop().is_cancelled());
    assert_eq!(world.log.last(), last, "readers are told of nothing that may not be there");
}

#[tokio::test(start_paused = true)]
async fn a_follower_is_woken_by_an_event_and_let_go_by_a_stop() {
    let (world, writer) = world().await;
    let next = world.log.last() + 1;
    let follower = world.log.wait_for(next, &world.fate);
    let work = async { tokio::join!(follower, world.write(1..2)).0 };
    world.with_writer(writer, work).await.unwrap();
    world.fate.shut_down();
    let stopped = world.log.wait_for(next + 1, &world.fate).await.unwrap_err();
    assert!(matches!(stopped, JournalError::Stopped), "{stopped:?}");
}

#[tokio::test(start_paused = true)]
async fn the_log_is_looked_through_from_both_ends_and_from_a_time() {
    let (world, writer) = world().await;
    let first = world.log.last() + 1;
    world.with_writer(writer, world.write(10..20)).await;
    let even = |event: &gofer_types::Event| event.at.as_micros() / 1_000_000 % 2 == 0;
    let found = world.log.forwards(even, first, 3).await.unwrap();
    assert_eq!(seconds(&found), [10, 12, 14]);
    let rest = world.log.forwards(even, found.next.unwrap(), 3).await.unwrap();
    assert_eq!((seconds(&rest), rest.next), (vec![16, 18], None));
    let found = world.log.backwards(even, (world.log.last() + 1, first), 3).await.unwrap();
    assert_eq!(seconds(&found), [18, 16, 14]);
    let rest = world.log.backwards(even, (found.next.unwrap(), first), 3).await.unwrap();
    assert_eq!((seconds(&rest), rest.next), (vec![12, 10], None));
    assert_eq!(world.log.first_since(at(13)).await.unwrap(), first + 3);
    assert_eq!(world.log.first_since(at(20)).await.unwrap(), world.log.last() + 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_beyond_the_number_or_the_age_is_deleted_and_the_numbers_go_on() {
    let (world, writer) = world().await;
    let work = async {
        world.write(10..20).await;
        let last = world.log.last();
        world.log.trim(&world.committer, 6, None).await.unwrap();
        let all = world.log.backwards(|_| true, (last + 1, 1), 100).await.unwrap();
        assert_eq!(seconds(&all), [19, 18, 17, 16, 15, 14]);
        world.log.trim(&world.committer, 0, Some(at(18))).await.unwrap();
        let all = world.log.backwards(|_| true, (last + 1, 1), 100).await.unwrap();
        assert_eq!(seconds(&all), [19, 18]);
        assert_eq!(world.committer.commit(tx(20)).await.unwrap(), last + 1);
    };
    world.with_writer(writer, work).await;
}
