//! Keys, codecs, pages, transactions and the take-over, over a storage in memory.

#![expect(clippy::unwrap_used, reason = "tests: a failed step is a failed test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use gofer_backend::ErrorKind;
use gofer_records::codec::{decode, decode_version, encode, encode_version};
use gofer_records::keys::{self, KeyReader, KeyWriter, family};
use gofer_records::{
    Counter, Group, Ownership, PageRequest, RecordError, Records, Tx, token_run, untoken_run,
};
use gofer_storage::fake::{FakeDisk, FakeStorage};
use gofer_storage::{Batch, KeyRange, MAX_VALUE, Storage};
use gofer_types::pipeline::{Action, QueuePolicy};
use gofer_types::{
    Actor, EventKind, LabelKey, Namespace, NamespaceRecord, Pipeline, PipelineId, PipelineRecord,
    PipelineRef, RunNumber, RunRecord, RunState, Task, TaskId, Timestamp, VersionNumber, VersionRecord,
};
use proptest::prelude::*;

struct World {
    storage: Arc<FakeStorage>,
    records: Records,
    owner: Ownership,
}

async fn world() -> World {
    let storage = Arc::new(FakeStorage::open(&FakeDisk::new(), "test").unwrap());
    let records = Records::new(Arc::clone(&storage) as Arc<dyn Storage>);
    let owner = records.take_ownership().await.unwrap();
    World { storage, records, owner }
}

impl World {
    async fn commit(&mut self, tx: Tx) -> gofer_backend::Result<()> {
        let mut group = Group::new(self.owner);
        group.add(&tx.finished().unwrap()).unwrap();
        let next = group.next_seq();
        self.storage.commit(group.into_batch().0).await?;
        self.owner.next_seq = next;
        Ok(())
    }

    async fn damage(&self, key: &[u8]) {
        let mut batch = Batch::default();
        batch.put(key.to_vec(), vec![1_u8, 0xFF, 0xFF, 0xFF]);
        self.storage.commit(batch).await.unwrap();
    }
}

fn pipeline_ref(namespace: &str, pipeline: &str) -> PipelineRef {
    PipelineRef {
        namespace: Namespace::new(namespace).unwrap(),
        pipeline: PipelineId::new(pipeline).unwrap(),
    }
}

fn run(pipeline: &PipelineRef, number: u64, created: i64) -> RunRecord {
    RunRecord {
        state: if number.is_multiple_of(3) { RunState::Failed } else { RunState::Succeeded },
        ..RunRecord::new(pipeline.run(RunNumber(number)), Timestamp::from_micros(created))
    }
}

fn version(pipeline: &PipelineRef, number: u64, bulk: usize) -> VersionRecord {
    let mut task = Task::new(TaskId::new("t").unwrap(), Action::Image);
    task.description = "x".repeat(bulk);
    let config = Pipeline {
        id: pipeline.pipeline.clone(),
        name: "p".to_owned(),
        description: String::new(),
        namespace: None,
        labels: BTreeMap::new(),
        parallelism: 0,
        queue: QueuePolicy::Wait,
        timeout: None,
        logging: true,
        exec: false,
        variables: BTreeMap::new(),
        triggers: Vec::new(),
        notifiers: Vec::new(),
        tasks: vec![task],
    };
    VersionRecord {
        pipeline: pipeline.clone(),
        version: VersionNumber(number),
        created: Timestamp::default(),
        actor: Actor::System,
        digest: "d".to_owned(),
        config,
    }
}

proptest! {
    /// INV-20: two tuples never share a key, and keys have the order of their tuples.
    #[test]
    fn keys_are_injective_and_ordered(
        a in (any::<String>(), any::<String>(), any::<u64>()),
        b in (any::<String>(), any::<String>(), any::<u64>()),
    ) {
        let key = |(one, two, number): &(String, String, u64)| {
            KeyWriter::new("f/").text(one).text(two).number(*number).finish()
        };
        prop_assert_eq!(key(&a).cmp(&key(&b)), a.cmp(&b));
    }

    #[test]
    fn texts_with_separators_do_not_run_into_each_other(a in "[a\0\x01\u{ff}/]{0,4}", b in "[a\0\x01\u{ff}/]{0,4}") {
        let key = |one: &str, two: &str| KeyWriter::new("f/").text(one).text(two).finish();
        prop_assert_eq!(key(&a, &b) == key(&b, &a), a == b);
    }

    #[test]
    fn a_key_reads_back(text in any::<String>(), number in any::<u64>(), small in any::<u32>()) {
        let key = KeyWriter::new("f/").text(&text).descending(number).small(small).finish();
        let mut reader = KeyReader::new("f/", &key).unwrap();
        prop_assert_eq!(reader.text(), Some(text));
        prop_assert_eq!(reader.descending(), Some(number));
        prop_assert_eq!(reader.small(), Some(small));
        prop_assert!(reader.is_empty());
    }

    /// The place is in the token: nothing is looked up, so that the run may be gone.
    #[test]
    fn a_place_behind_an_active_run_reads_back(created in any::<i64>(), number in any::<u64>()) {
        let (created, run) = (Timestamp::from_micros(created), pipeline_ref("n", "p").run(RunNumber(number)));
        let token = token_run(created, &run);
        prop_assert_eq!(untoken_run(&token).unwrap(), (created, run));
        prop_assert!(untoken_run(&token[..token.len() - 2]).is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in any::<Vec<u8>>()) {
        let key = [family::ACTIVE.as_bytes(), &bytes].concat();
        let _ = keys::active_run(&key);
        let _ = keys::recent_run(&[family::RECENT.as_bytes(), &bytes].concat());
        let _ = keys::recent_run(&[family::RECENT_OF.as_bytes(), &bytes].concat());
        let _ = keys::event_seq(&[family::EVENT.as_bytes(), &bytes].concat());
        let _ = decode::<RunRecord>(&key, &bytes);
        let _ = decode_version(&key, [&bytes[..]].into_iter());
    }

    #[test]
    fn damaged_records_are_errors_and_no_panic(at in 0_usize..60, bit in 0_u8..8) {
        let record = run(&pipeline_ref("n", "p"), 1, 1);
        let mut bytes = encode(&record).unwrap().to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let _ = decode::<RunRecord>(b"k", &bytes);
    }
}

#[test]
fn no_family_is_the_beginning_of_another() {
    for one in family::ALL {
        for other in family::ALL {
            assert!(one == other || !other.starts_with(one), "{one} {other}");
        }
    }
}

#[test]
fn a_newer_record_is_a_typed_error() {
    let error = decode::<NamespaceRecord>(b"k", &[9, 1, 2]).unwrap_err();
    assert!(matches!(error, RecordError::TooNew { found: 9, known: 1, .. }));
    assert!(error.is_about_one_record());
}

#[test]
fn bytes_behind_a_record_are_damage() {
    let mut bytes = encode(&7_u64).unwrap().to_vec();
    bytes.push(0);
    assert!(matches!(decode::<u64>(b"k", &bytes), Err(RecordError::Damaged { .. })));
}

#[test]
fn a_version_is_cut_into_rows_that_fit() {
    let record = version(&pipeline_ref("n", "p"), 1, 3 * MAX_VALUE);
    let rows = encode_version(&record).unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.len() <= MAX_VALUE));
    let values = || rows.iter().map(AsRef::as_ref);
    assert_eq!(decode_version(b"k", values()).unwrap(), record);
    assert!(decode_version(b"k", values().skip(1)).is_err());
    assert!(decode_version(b"k", values().take(3)).is_err());
}

#[tokio::test]
async fn a_record_that_is_too_large_fails_its_transaction() {
    let mut tx = Tx::default();
    let name = Namespace::new("n").unwrap();
    tx.put_namespace(&NamespaceRecord {
        name,
        description: "x".repeat(MAX_VALUE),
        created: Timestamp::default(),
    });
    assert!(matches!(tx.finished(), Err(RecordError::TooLarge { .. })));
}

/// What is accepted at its beginning can be recorded to its end.
#[test]
fn a_new_run_leaves_room_for_what_is_added_to_it() {
    let id = pipeline_ref("n", "p");
    let with = |bytes: usize| RunRecord { trigger: "x".repeat(bytes), ..run(&id, 1, 1) };
    for (bytes, fits) in [(54_000, true), (58_000, false), (MAX_VALUE, false)] {
        let mut tx = Tx::default();
        tx.create_run(&with(bytes));
        assert_eq!(tx.finished().is_ok(), fits, "{bytes}");
    }
    let mut tx = Tx::default();
    tx.put_run(&with(62_000));
    assert!(tx.finished().is_ok());
}

#[tokio::test]
async fn an_older_owner_can_commit_nothing() {
    let mut world = world().await;
    let newer = world.records.take_ownership().await.unwrap();
    assert_eq!(newer.epoch, world.owner.epoch + 1);
    let mut tx = Tx::default();
    tx.put_counter(&pipeline_ref("n", "p"), Counter::Runs, 9);
    let error = world.commit(tx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(world.records.counter(&pipeline_ref("n", "p"), Counter::Runs).await.unwrap(), 1);
}

#[tokio::test]
async fn a_newer_state_is_refused_and_left_alone() {
    let world = world().await;
    let mut batch = Batch::default();
    batch.put(keys::format(), 99_u32.to_be_bytes().to_vec());
    world.storage.commit(batch).await.unwrap();
    let error = world.records.take_ownership().await.unwrap_err();
    assert!(matches!(error, RecordError::NewerState { found: 99, known: 1 }));
    let epoch = world.storage.get(&keys::epoch()).await.unwrap().unwrap();
    assert_eq!(epoch.revision, world.owner.fence);
}

#[tokio::test]
async fn events_are_numbered_without_a_hole_over_groups_and_restarts() {
    let mut world = world().await;
    for _ in 0..3 {
        let mut tx = Tx::default();
        for _ in 0..2 {
            let namespace = Namespace::default_name();
            tx.event(Timestamp::default(), Actor::System, EventKind::NamespaceCreated { namespace });
        }
        world.commit(tx).await.unwrap();
    }
    let again = world.records.take_ownership().await.unwrap();
    assert_eq!(again.next_seq, 7);
    let (events, next) = world.records.events(1, 100).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(next, 7);
}

#[tokio::test]
async fn in_a_group_the_later_value_of_a_key_stays() {
    let mut world = world().await;
    let pipeline = pipeline_ref("n", "p");
    let (mut one, mut two) = (Tx::default(), Tx::default());
    one.put_counter(&pipeline, Counter::Versions, 5);
    two.put_counter(&pipeline, Counter::Versions, 6);
    let mut group = Group::new(world.owner);
    group.add(&one).unwrap();
    group.add(&two).unwrap();
    world.storage.commit(group.into_batch().0).await.unwrap();
    assert_eq!(world.records.counter(&pipeline, Counter::Versions).await.unwrap(), 6);
    world.owner.next_seq = 1;
}

#[tokio::test]
async fn a_counter_is_ahead_of_every_run_whatever_became_durable_first() {
    let mut world = world().await;
    let pipeline = pipeline_ref("n", "p");
    let mut tx = Tx::default();
    tx.create_run(&run(&pipeline, 8, 1));
    tx.put_counter(&pipeline, Counter::Runs, 4);
    world.commit(tx).await.unwrap();
    assert_eq!(world.records.counter(&pipeline, Counter::Runs).await.unwrap(), 9);
}

async fn many_runs(world: &mut World) -> Vec<PipelineRef> {
    let pipelines = vec![pipeline_ref("a", "p"), pipeline_ref("a", "p2"), pipeline_ref("b", "p")];
    let mut tx = Tx::default();
    for number in 1..=20 {
        for (place, pipeline) in (0_i64..).zip(&pipelines) {
            tx.create_run(&run(pipeline, number, i64::try_from(number).unwrap() * 10 + place));
        }
    }
    world.commit(tx).await.unwrap();
    pipelines
}

#[tokio::test]
async fn pages_of_runs_are_complete_newest_first_and_without_repetition() {
    let mut world = world().await;
    let pipelines = many_runs(&mut world).await;
    for (of, total) in [(None, 60), (Some(&pipelines[0].namespace), 40), (Some(&pipelines[2].namespace), 20)]
    {
        let mut page = PageRequest { size: 7, token: None };
        let mut seen = Vec::new();
        loop {
            let slice = world.records.recent_runs(of, &page, |_| true).await.unwrap();
            seen.extend(slice.items.iter().map(|run| (run.created, run.id.clone())));
            match slice.next {
                Some(token) => page.token = Some(token),
                None => break,
            }
        }
        assert_eq!(seen.len(), total);
        assert!(seen.windows(2).all(|pair| pair[0].0 > pair[1].0));
    }
}

#[tokio::test]
async fn a_filtered_list_of_one_pipeline_is_complete() {
    let mut world = world().await;
    let pipelines = many_runs(&mut world).await;
    let mut page = PageRequest { size: 4, token: None };
    let mut seen = Vec::new();
    loop {
        let wanted = |run: &RunRecord| run.state == RunState::Failed;
        let slice = world.records.runs(&pipelines[0], &page, wanted).await.unwrap();
        seen.extend(slice.items.iter().map(|run| run.id.run.0));
        match slice.next {
            Some(token) => page.token = Some(token),
            None => break,
        }
    }
    assert_eq!(seen, [18, 15, 12, 9, 6, 3]);
}

/// Runs of three pipelines with labels of which one is on all, one on every third, one on a single run.
async fn labelled_runs(world: &mut World) -> Vec<RunRecord> {
    let pipelines = [pipeline_ref("a", "p"), pipeline_ref("a", "p2"), pipeline_ref("b", "p")];
    let mut all = Vec::new();
    let mut tx = Tx::default();
    for number in 1..=20 {
        for (place, pipeline) in (0_i64..).zip(&pipelines) {
            let mut run = run(pipeline, number, i64::try_from(number).unwrap() * 10 + place);
            let long = format!("{}{number}", "é".repeat(300));
            let own = format!("{}\0{number}", pipeline.pipeline);
            for (key, value) in
                [("all", "x"), ("own", &own), ("long", &long), ("third", &(number % 3).to_string())]
            {
                run.labels.insert(LabelKey::new(key).unwrap(), value.to_owned());
            }
            tx.create_run(&run);
            all.push(run);
        }
    }
    world.commit(tx).await.unwrap();
    all.reverse();
    all
}

#[tokio::test]
async fn runs_are_found_by_their_labels_as_if_all_were_looked_at() {
    let mut world = world().await;
    let all = labelled_runs(&mut world).await;
    let label = |key: &str, value: &str| (LabelKey::new(key).unwrap(), value.to_owned());
    let long = format!("{}7", "é".repeat(300));
    let wishes = [
        vec![label("all", "x")],
        vec![label("all", "x"), label("third", "1")],
        vec![label("all", "x"), label("own", "p\09"), label("third", "0")],
        vec![label("long", &long)],
        vec![label("all", "x"), label("own", "p\09"), label("third", "1")],
        vec![label("all", "y")],
        vec![label("never", "x"), label("all", "x")],
        vec![label("own", "p")],
    ];
    let mut found = 0;
    for labels in wishes.map(|wish| wish.into_iter().collect::<BTreeMap<_, _>>()) {
        for (namespace, size) in [(None, 1), (None, 7), (None, 100), (Some("a"), 1), (Some("b"), 3)] {
            let in_place = |run: &gofer_types::RunRef| {
                namespace.is_none_or(|name| run.pipeline.namespace.as_str() == name)
            };
            let odd = |run: &RunRecord| run.id.run.0 % 2 == 1;
            let has = |run: &RunRecord| labels.iter().all(|(key, value)| run.labels.get(key) == Some(value));
            let expected: Vec<_> =
                all.iter().filter(|run| in_place(&run.id) && odd(run) && has(run)).cloned().collect();
            let mut page = PageRequest { size, token: None };
            let mut seen = Vec::new();
            loop {
                let slice = world.records.labelled_runs(&labels, &page, (in_place, odd)).await.unwrap();
                assert!(slice.items.len() <= size);
                seen.extend(slice.items);
                match slice.next {
                    Some(token) => page.token = Some(token),
                    None => break,
                }
            }
            found += expected.len();
            assert_eq!(seen, expected, "{labels:?} {namespace:?} {size}");
        }
    }
    assert!(found > 100, "the wishes are not all vain");
}

#[tokio::test]
async fn a_page_of_another_list_is_refused_by_the_labels() {
    let mut world = world().await;
    labelled_runs(&mut world).await;
    let labels = |value: &str| BTreeMap::from([(LabelKey::new("third").unwrap(), value.to_owned())]);
    let page = PageRequest { size: 2, token: None };
    let first = world.records.labelled_runs(&labels("1"), &page, (|_| true, |_| true)).await.unwrap();
    let recent = world.records.recent_runs(None, &page, |_| true).await.unwrap();
    for token in [first.next, recent.next] {
        let page = PageRequest { size: 2, token: Some(token.unwrap()) };
        let refused = world.records.labelled_runs(&labels("2"), &page, (|_| true, |_| true)).await;
        assert!(matches!(refused, Err(RecordError::InvalidToken)), "{refused:?}");
    }
}

#[tokio::test]
async fn the_newest_failed_run_is_found_with_and_without_an_index_and_past_damage() {
    let mut world = world().await;
    let pipelines = many_runs(&mut world).await;
    let id = &pipelines[0];
    for expected in [18, 15, 12] {
        assert_eq!(world.records.newest_failed(id).await.unwrap(), Some(RunNumber(expected)));
        world.damage(&keys::run(&id.run(RunNumber(expected)))).await;
    }
    // an older gofer kept no index: what is in it is not all
    let old = pipeline_ref("a", "old");
    for (number, state) in [(5, RunState::TimedOut), (6, RunState::Errored), (7, RunState::Cancelled)] {
        let mut tx = Tx::default();
        tx.create_run(&RunRecord { state, ..run(&old, number, 1) });
        world.commit(tx).await.unwrap();
        let newest = world.records.newest_failed(&old).await.unwrap();
        assert_eq!(newest, Some(RunNumber(number.min(6))), "{state:?}");
    }
    let mut batch = Batch::default();
    for row in world.storage.scan(KeyRange::prefix(family::FAILED.as_bytes()), 1_000).await.unwrap() {
        batch.delete(row.key);
    }
    world.storage.commit(batch).await.unwrap();
    assert_eq!(world.records.newest_failed(&old).await.unwrap(), Some(RunNumber(6)));
    assert_eq!(world.records.newest_failed(id).await.unwrap(), None, "the index alone is read");
}

#[tokio::test]
async fn a_run_that_goes_takes_its_entries_in_the_indexes_with_it() {
    let mut world = world().await;
    let all = labelled_runs(&mut world).await;
    let rows = async |world: &World| {
        let mut rows = 0;
        for family in [family::FAILED, family::LABELLED] {
            rows += world.storage.scan(KeyRange::prefix(family.as_bytes()), 1_000).await.unwrap().len();
        }
        rows
    };
    assert_eq!(rows(&world).await, 60 * 4 + 18);
    for run in all.iter().filter(|run| run.id.pipeline == all[0].id.pipeline) {
        let (tx, last) = world.records.run_deletion_step(run).await.unwrap();
        assert!(last);
        world.commit(tx).await.unwrap();
    }
    assert_eq!(rows(&world).await, 40 * 4 + 12);
    for run in &all {
        while let Some(tx) = world.records.deletion_step(&run.id.pipeline).await.unwrap() {
            world.commit(tx).await.unwrap();
        }
    }
    assert_eq!(rows(&world).await, 0);
}

#[tokio::test]
async fn one_damaged_run_does_not_hide_the_others() {
    let mut world = world().await;
    let pipelines = many_runs(&mut world).await;
    let bad = pipelines[0].run(RunNumber(10));
    world.damage(&keys::run(&bad)).await;
    let page = PageRequest { size: 100, token: None };
    assert_eq!(world.records.runs(&pipelines[0], &page, |_| true).await.unwrap().items.len(), 19);
    assert_eq!(world.records.recent_runs(None, &page, |_| true).await.unwrap().items.len(), 59);
    assert!(world.records.run(&bad).await.unwrap_err().is_about_one_record());
}

#[tokio::test]
async fn versions_come_newest_first_in_pages() {
    let mut world = world().await;
    let pipeline = pipeline_ref("n", "p");
    let mut tx = Tx::default();
    for number in 1..=5 {
        tx.put_version(&version(&pipeline, number, 100_000));
    }
    world.commit(tx).await.unwrap();
    let mut page = PageRequest { size: 2, token: None };
    let mut seen = Vec::new();
    loop {
        let slice = world.records.versions(&pipeline, VersionNumber(5), &page).await.unwrap();
        seen.extend(slice.items.iter().map(|version| version.version.0));
        match slice.next {
            Some(token) => page.token = Some(token),
            None => break,
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn missing_versions_cost_nothing() {
    let mut world = world().await;
    let pipeline = pipeline_ref("n", "p");
    let mut tx = Tx::default();
    tx.put_version(&version(&pipeline, 3, 10)).put_version(&version(&pipeline, u64::MAX - 1, 10));
    world.commit(tx).await.unwrap();
    let page = PageRequest { size: 9, token: None };
    let slice = world.records.versions(&pipeline, VersionNumber(u64::MAX), &page).await.unwrap();
    let seen: Vec<u64> = slice.items.iter().map(|version| version.version.0).collect();
    assert_eq!((seen, slice.next), (vec![u64::MAX - 1, 3], None));
}

#[tokio::test]
async fn deletion_takes_the_history_and_leaves_the_counters() {
    let mut world = world().await;
    let pipelines = many_runs(&mut world).await;
    let mut tx = Tx::default();
    tx.put_pipeline(&PipelineRecord {
        id: pipelines[0].clone(),
        created: Timestamp::default(),
        updated: Timestamp::default(),
        latest: VersionNumber(1),
        enabled: true,
        next_run: 0,
    });
    tx.put_version(&version(&pipelines[0], 1, 0)).put_counter(&pipelines[0], Counter::Runs, 21);
    world.commit(tx).await.unwrap();
    let mut tx = Tx::default();
    tx.delete_pipeline(&pipelines[0]);
    world.commit(tx).await.unwrap();
    assert_eq!(world.records.deleting().await.unwrap(), [pipelines[0].clone()]);
    while let Some(tx) = world.records.deletion_step(&pipelines[0]).await.unwrap() {
        world.commit(tx).await.unwrap();
    }
    let mut tx = Tx::default();
    tx.finish_deletion(&pipelines[0]);
    world.commit(tx).await.unwrap();
    let page = PageRequest { size: 100, token: None };
    assert_eq!(world.records.recent_runs(None, &page, |_| true).await.unwrap().items.len(), 40);
    assert_eq!(world.records.runs(&pipelines[1], &page, |_| true).await.unwrap().items.len(), 20);
    assert_eq!(world.records.counter(&pipelines[0], Counter::Runs).await.unwrap(), 21);
    assert!(world.records.deleting().await.unwrap().is_empty());
    assert_eq!(world.records.version(&pipelines[0], VersionNumber(1)).await.unwrap(), None);
}
