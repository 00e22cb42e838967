//! The ring of a pipeline against a naive model, and what a crash leaves of it.

use gofer_backend::ErrorKind;
use gofer_object_store::fake::Operation;
use gofer_objects::{Limits, ObjectsError, Scope};
use proptest::prelude::*;

use crate::support::{World, fed, path, pipeline, pipeline_in, send, zeros};

const RING: usize = 3;

fn limits() -> Limits {
    Limits { ring: RING, ..Limits::default() }
}

#[derive(Debug, Clone)]
enum Step {
    Put { key: u8, size: u8, replace: bool },
    Delete { key: u8 },
    Clock { micros: i64 },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..6_u8, any::<u8>(), any::<bool>()).prop_map(|(key, size, replace)| Step::Put { key, size, replace }),
        2 => (0..6_u8).prop_map(|key| Step::Delete { key }),
        1 => (-5_000..5_000_i64).prop_map(|micros| Step::Clock { micros }),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What the ring should be: keys and sizes, oldest put first.
#[derive(Default)]
struct Model(Vec<(String, u64)>);

impl Model {
    fn put(&mut self, key: &str, size: u64, replace: bool) -> Option<Vec<String>> {
        let there = self.0.iter().any(|(known, _)| known == key);
        if there && !replace {
            return None;
        }
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), size));
        let surplus = self.0.len().saturating_sub(RING);
        Some(self.0.drain(..surplus).map(|(key, _)| key).collect())
    }
}

async fn walk(mut world: World, steps: Vec<Step>) {
    let scope = pipeline("p");
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Put { key, size, replace } => {
                let name = format!("k{key}");
                let put = if replace {
                    world.replace(&scope, &name, size.into()).await
                } else {
                    world.put(&scope, &name, size.into()).await
                };
                match model.put(&name, size.into(), replace) {
                    Some(evicted) => {
                        let put = put.unwrap();
                        let told: Vec<_> = put.evicted.iter().map(ToString::to_string).collect();
                        assert_eq!((told, put.untidy.is_none()), (evicted, true));
                        assert_eq!((put.meta.path.as_str(), put.meta.size), (name.as_str(), size.into()));
                    }
                    None => assert!(matches!(put, Err(ObjectsError::Exists { .. })), "{put:?}"),
                }
            }
            Step::Delete { key } => {
                let name = format!("k{key}");
                let there = model.0.iter().any(|(known, _)| *known == name);
                model.0.retain(|(known, _)| *known != name);
                assert_eq!(world.objects.delete(&scope, &path(&name)).await.unwrap(), there);
            }
            Step::Clock { micros } => world.clock.set(micros),
            Step::Restart => world.restart(limits()),
        }
        let mut names: Vec<String> = model.0.iter().map(|(key, _)| key.clone()).collect();
        names.sort_unstable();
        assert_eq!(world.names(&scope).await, names);
        assert_eq!(world.used().await, model.0.iter().map(|(_, size)| size).sum::<u64>());
    }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ring_is_what_a_naive_one_is_whatever_the_clock_says(steps in steps()) {
        block_on(walk(World::fake(limits()), steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ring_over_files_is_the_same(steps in steps()) {
        block_on(walk(World::files(limits()), steps));
    }
}

/// A full ring, and one put more whose eviction the store refuses.
async fn interrupted(strike: Operation) -> (World, Scope) {
    let (world, scope) = (World::fake(limits()), pipeline("p"));
    for name in ["a", "b", "c"] {
        world.put(&scope, name, 1).await.unwrap();
    }
    world.faults().fail_next(strike, ErrorKind::Unavailable);
    let put = world.put(&scope, "d", 1).await.unwrap();
    assert_eq!(put.evicted, []);
    assert_eq!(put.untidy.unwrap().kind(), ErrorKind::Unavailable);
    assert_eq!(world.names(&scope).await, ["a", "b", "c", "d"]);
    (world, scope)
}

#[tokio::test]
async fn what_a_crash_left_too_many_goes_with_the_next_put() {
    let (mut world, scope) = interrupted(Operation::Delete).await;
    world.restart(limits());
    assert_eq!(world.put(&scope, "e", 1).await.unwrap().evicted, [path("a"), path("b")]);
    assert_eq!(world.names(&scope).await, ["c", "d", "e"]);
    assert_eq!(world.used().await, 3);
}

#[tokio::test]
async fn what_a_crash_left_too_many_goes_when_the_ring_is_tidied() {
    let (world, scope) = interrupted(Operation::Delete).await;
    let id = pipeline_in("default", "p");
    assert_eq!(world.objects.tidy(&id).await.unwrap(), [path("a")]);
    assert_eq!(world.objects.tidy(&id).await.unwrap(), []);
    assert_eq!((world.names(&scope).await.len(), world.used().await), (RING, 3));
}

#[tokio::test]
async fn a_smaller_ring_takes_hold_with_the_next_put() {
    let (mut world, scope) = (World::fake(limits()), pipeline("p"));
    for name in ["a", "b", "c"] {
        world.put(&scope, name, 1).await.unwrap();
    }
    world.restart(Limits { ring: 1, ..limits() });
    assert_eq!(world.put(&scope, "d", 1).await.unwrap().evicted, [path("a"), path("b"), path("c")]);
}

#[tokio::test]
async fn a_slow_upload_holds_up_nobody_and_is_not_evicted_by_itself() {
    for world in World::both(limits()) {
        let scope = pipeline("p");
        let (feed, bytes) = fed();
        let slow = path("slow");
        let upload = world.objects.put(&scope, &slow, bytes, crate::support::replacing());
        let others = async {
            send(&feed, 1).await;
            world.clock.set(2_000);
            for name in ["a", "b", "c"] {
                world.put(&scope, name, 1).await.unwrap();
            }
            drop(feed);
        };
        let (put, ()) = tokio::join!(upload, others);
        assert_eq!(put.unwrap().evicted, [path("a")]);
        assert_eq!(world.names(&scope).await, ["b", "c", "slow"]);
    }
}

#[tokio::test]
async fn many_puts_at_once_leave_a_full_ring_and_no_more() {
    for world in World::both(limits()) {
        let scope = pipeline("p");
        let names: Vec<_> = (0..12).map(|i| path(&format!("k{i}"))).collect();
        let puts =
            names.iter().map(|name| world.objects.put(&scope, name, zeros(2), crate::support::replacing()));
        let done: Vec<_> =
            futures_util::future::join_all(puts).await.into_iter().map(Result::unwrap).collect();
        let evicted: std::collections::BTreeSet<_> =
            done.iter().flat_map(|put| put.evicted.clone()).collect();
        let told = done.iter().map(|put| put.evicted.len()).sum::<usize>();
        assert_eq!((told, evicted.len()), (names.len() - RING, names.len() - RING), "each is named once");
        let left = world.names(&scope).await;
        assert!(left.len() == RING && left.iter().all(|name| !evicted.contains(&path(name))));
        assert_eq!(world.used().await, 2 * RING as u64);
    }
}
