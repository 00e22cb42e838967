//! The scripted faults of the fake do what the script says, at the call that it names.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use futures_util::FutureExt as _;
use gofer_backend::ErrorKind;
use gofer_storage::fake::{Defect, FakeDisk, FakeStorage, Fault, FaultPlan, FaultyStorage, Gate, Operation};
use gofer_storage::{Batch, KeyRange, Revision, Storage};

fn put(key: &'static str) -> Batch {
    let mut batch = Batch::default();
    batch.put(key, "1").put(format!("{key}/beside"), "1");
    batch
}

fn open(disk: &FakeDisk, plan: &FaultPlan) -> FakeStorage {
    FakeStorage::open_with(disk, "fake", plan.clone(), Defect::None).unwrap()
}

async fn rows(storage: &FakeStorage) -> usize {
    storage.scan(KeyRange::prefix(b""), 100).await.unwrap().len()
}

#[tokio::test]
async fn the_nth_call_fails_and_no_other() {
    let plan = FaultPlan::none().on(Operation::Get, 2, Fault::Error(ErrorKind::TimedOut));
    let storage = open(&FakeDisk::new(), &plan);
    assert!(storage.get(b"a").await.is_ok());
    let error = storage.get(b"a").await.unwrap_err();
    assert_eq!((error.kind(), error.backend(), error.operation()), (ErrorKind::TimedOut, "fake", "get"));
    assert!(storage.get(b"a").await.is_ok());
    assert_eq!(plan.calls(Operation::Get), 3);
}

#[tokio::test]
async fn a_failed_commit_writes_nothing() {
    let plan = FaultPlan::none().on(Operation::Commit, 1, Fault::Error(ErrorKind::Unavailable));
    let storage = open(&FakeDisk::new(), &plan);
    assert!(storage.commit(put("a")).await.is_err());
    assert_eq!(rows(&storage).await, 0);
    assert_eq!(storage.commit(put("a")).await.unwrap(), Revision(1));
}

#[tokio::test]
async fn a_lost_answer_leaves_the_effect() {
    let plan = FaultPlan::none().on(Operation::Answer, 1, Fault::Error(ErrorKind::TimedOut));
    let storage = open(&FakeDisk::new(), &plan);
    assert_eq!(storage.commit(put("a")).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(rows(&storage).await, 2);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_until_it_is_opened_anew() {
    let disk = FakeDisk::new();
    let plan = FaultPlan::none().on(Operation::Sync, 2, Fault::Error(ErrorKind::Internal));
    let storage = open(&disk, &plan);
    storage.commit(put("a")).await.unwrap();
    assert_eq!(storage.commit(put("b")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(storage.commit(put("c")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(storage.check().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(rows(&storage).await, 2, "what is not on disk is not read");
    disk.cut_power(0);
    drop(storage);
    let storage = open(&disk, &FaultPlan::none());
    assert_eq!(rows(&storage).await, 2);
    storage.commit(put("c")).await.unwrap();
}

#[tokio::test]
async fn a_power_cut_keeps_as_many_unsynced_batches_as_it_is_told_each_whole() {
    for keep in 0..=3 {
        let disk = FakeDisk::new();
        let storage = open(&disk, &FaultPlan::none());
        for key in ["a", "b", "c"] {
            assert!(storage.commit(put(key)).now_or_never().is_none(), "written, and left before the sync");
        }
        disk.cut_power(keep);
        drop(storage);
        assert_eq!(rows(&open(&disk, &FaultPlan::none())).await, 2 * keep);
    }
}

#[tokio::test]
async fn a_slow_sync_waits_for_its_gate_and_readers_do_not() {
    let gate = Gate::default();
    let plan = FaultPlan::none().on(Operation::Sync, 1, Fault::Wait(gate.clone()));
    let storage = open(&FakeDisk::new(), &plan);
    let slow = storage.commit(put("a"));
    let rest = async {
        gate.reached().await;
        assert_eq!(rows(&storage).await, 0);
        gate.open();
    };
    let (answer, ()) = tokio::join!(slow, rest);
    assert_eq!(answer.unwrap(), Revision(1));
    assert_eq!(rows(&storage).await, 2);
}

#[tokio::test]
async fn a_full_disk_is_exhausted_until_there_is_room() {
    let disk = FakeDisk::new();
    let storage = open(&disk, &FaultPlan::none());
    disk.set_capacity(Some(4));
    assert_eq!(storage.commit(put("a")).await.unwrap_err().kind(), ErrorKind::Exhausted);
    assert_eq!(rows(&storage).await, 0);
    disk.set_capacity(None);
    storage.commit(put("a")).await.unwrap();
}

#[tokio::test]
async fn a_plan_can_be_put_around_any_storage() {
    let plan = FaultPlan::none().from(Operation::Scan, 2, Fault::Error(ErrorKind::Unavailable));
    let storage = FaultyStorage::new(FakeStorage::open(&FakeDisk::new(), "fake").unwrap(), plan.clone());
    storage.commit(put("a")).await.unwrap();
    assert!(storage.scan(KeyRange::prefix(b""), 1).await.is_ok());
    assert!(storage.scan(KeyRange::prefix(b""), 1).await.is_err());
    assert!(storage.scan(KeyRange::prefix(b""), 1).await.is_err());
    plan.clear();
    plan.next(Operation::Answer, Fault::Error(ErrorKind::TimedOut));
    assert!(storage.commit(put("b")).await.is_err());
    assert_eq!(storage.scan(KeyRange::prefix(b"b"), 9).await.unwrap().len(), 2);
    storage.close().await.unwrap();
}
