//! What a namespace may have: exactly that, in any order of events.

use futures_util::{FutureExt as _, StreamExt as _, stream};
use gofer_backend::ErrorKind;
use gofer_object_store::fake::Operation;
use gofer_objects::{Limits, ObjectPath, ObjectsError, PutObject, Scope};
use gofer_types::Namespace;
use proptest::prelude::*;

use crate::support::{Feed, World, fed, path, pipeline, pipeline_in, replacing, run, send};

fn limits(namespace_bytes: u64) -> Limits {
    Limits { namespace_bytes, ring: 100, ..Limits::default() }
}

#[tokio::test]
async fn of_two_puts_that_do_not_fit_together_one_is_refused() {
    for world in World::both(limits(100)) {
        let ((one, first), (two, second)) = (fed(), fed());
        let (scopes, names) = ([pipeline("p"), run("q", 1)], [path("a"), path("b")]);
        let puts = async {
            let first = world.objects.put(&scopes[0], &names[0], first, PutObject::default());
            let second = world.objects.put(&scopes[1], &names[1], second, PutObject::default());
            tokio::join!(first, second)
        };
        let feeding = async {
            send(&one, 60).await;
            send(&two, 40).await;
            let over = two.send(Ok(vec![0; 1].into())).await;
            over.unwrap();
            two.closed().await;
            drop(one);
        };
        let ((first, second), ()) = tokio::join!(puts, feeding);
        assert_eq!(first.unwrap().meta.size, 60);
        assert!(matches!(second, Err(ObjectsError::QuotaExceeded { limit: 100, used: 100 })), "{second:?}");
        assert_eq!((world.used().await, world.reserved().await), (60, 0));
    }
}

#[tokio::test]
async fn an_announced_put_that_does_not_fit_is_refused_before_a_byte_is_read() {
    for world in World::both(limits(100)) {
        world.put(&pipeline("p"), "a", 90).await.unwrap();
        let announced = |size| PutObject { expected_size: Some(size), ..PutObject::default() };
        let unread = stream::poll_fn(|_| panic!("nobody reads this")).boxed();
        let put = world.objects.put(&pipeline("p"), &path("b"), unread, announced(11)).await;
        assert!(matches!(put, Err(ObjectsError::QuotaExceeded { limit: 100, used: 90 })), "{put:?}");
        // at the limit it fits, and what is on its way holds the place
        let (feed, bytes) = fed();
        let (scope, name) = (pipeline("q"), path("b"));
        let mut upload = world.objects.put(&scope, &name, bytes, announced(10)).boxed();
        tokio::select! {
            biased;
            put = &mut upload => panic!("it has not ended: {put:?}"),
            () = send(&feed, 1) => {}
        }
        let put = world.put(&run("p", 1), "c", 1).await;
        assert!(matches!(put, Err(ObjectsError::QuotaExceeded { used: 100, .. })), "{put:?}");
        send_rest(&mut upload, feed, 9).await;
        assert_eq!((world.used().await, world.reserved().await), (100, 0));
    }
}

async fn send_rest(
    upload: &mut (impl Future<Output = gofer_objects::Result<gofer_objects::Put>> + Unpin),
    feed: Feed,
    size: usize,
) {
    let rest = async {
        send(&feed, size).await;
        drop(feed);
    };
    let (put, ()) = tokio::join!(upload, rest);
    put.unwrap();
}

#[tokio::test]
async fn namespaces_have_quotas_of_their_own() {
    let world = World::fake(limits(10));
    let other = Scope::Pipeline(pipeline_in("other", "p"));
    world.put(&pipeline("p"), "a", 10).await.unwrap();
    world.put(&other, "a", 10).await.unwrap();
    for scope in [pipeline("p"), other] {
        let put = world.put(&scope, "b", 1).await;
        assert!(matches!(put, Err(ObjectsError::QuotaExceeded { .. })), "{put:?}");
    }
}

#[tokio::test]
async fn what_is_replaced_or_deleted_makes_room() {
    for world in World::both(limits(20)) {
        let scope = pipeline("p");
        world.put(&scope, "a", 10).await.unwrap();
        world.replace(&scope, "a", 4).await.unwrap();
        assert_eq!(world.used().await, 4);
        let put = world.replace(&scope, "a", 17).await;
        assert!(matches!(put, Err(ObjectsError::QuotaExceeded { .. })), "both are there at once: {put:?}");
        assert!(world.objects.delete(&scope, &path("a")).await.unwrap());
        assert!(!world.objects.delete(&scope, &path("a")).await.unwrap());
        assert_eq!(world.used().await, 0);
        world.put(&scope, "b", 20).await.unwrap();
    }
}

#[tokio::test]
async fn deletes_of_one_object_at_once_make_room_once() {
    for world in World::both(limits(20)) {
        let scope = pipeline("p");
        world.put(&scope, "a", 5).await.unwrap();
        world.put(&scope, "b", 5).await.unwrap();
        let name = path("a");
        let deletes = (0..8).map(|_| world.objects.delete(&scope, &name));
        let done = futures_util::future::join_all(deletes).await;
        assert_eq!(done.into_iter().filter(|done| *done.as_ref().unwrap()).count(), 1);
        assert_eq!(world.used().await, 5);
    }
}

#[tokio::test]
async fn an_account_is_counted_from_the_store_once_and_after_what_nobody_knows() {
    let mut world = World::fake(limits(100));
    world.put(&pipeline("p"), "a", 10).await.unwrap();
    world.put(&run("p", 1), "a", 5).await.unwrap();
    world.restart(limits(100));
    world.faults().fail_next(Operation::List, ErrorKind::Unavailable);
    let usage = world.objects.usage(&Namespace::default_name()).await;
    assert!(matches!(usage, Err(ObjectsError::Store(_))), "nothing is guessed: {usage:?}");
    assert_eq!(world.used().await, 15);
    world.faults().fail_next(Operation::List, ErrorKind::Unavailable);
    assert_eq!(world.used().await, 15, "it is not counted again");
    world
        .objects
        .list(&pipeline("p"), None, gofer_objects::Page { after: None, limit: 1 })
        .await
        .unwrap_err();
    world.faults().fail_next(Operation::Delete, ErrorKind::TimedOut);
    world.objects.delete(&run("p", 1), &path("a")).await.unwrap_err();
    world.faults().fail_next(Operation::List, ErrorKind::Unavailable);
    world.objects.usage(&Namespace::default_name()).await.unwrap_err();
    assert_eq!(world.used().await, 15);
}

#[derive(Debug, Clone)]
enum Step {
    Begin { slot: usize, key: u8, announced: Option<u8> },
    Send { slot: usize, size: u8 },
    End { slot: usize },
    Drop { slot: usize },
    Delete { key: u8 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let slot = || 0..4_usize;
    let step = prop_oneof![
        3 => (slot(), 0..6_u8, proptest::option::of(0..40_u8))
            .prop_map(|(slot, key, announced)| Step::Begin { slot, key, announced }),
        4 => (slot(), 1..40_u8).prop_map(|(slot, size)| Step::Send { slot, size }),
        2 => slot().prop_map(|slot| Step::End { slot }),
        1 => slot().prop_map(|slot| Step::Drop { slot }),
        1 => (0..6_u8).prop_map(|key| Step::Delete { key }),
    ];
    proptest::collection::vec(step, 1..60)
}

fn target(key: u8) -> (Scope, ObjectPath) {
    let scope = if key.is_multiple_of(2) { pipeline("p") } else { run("p", 1) };
    (scope, path(&format!("k{key}")))
}

type Flight<'a> =
    (futures_util::future::BoxFuture<'a, gofer_objects::Result<gofer_objects::Put>>, Option<Feed>);

/// Lets everything on its way go as far as it can.
fn settle(flights: &mut [Option<Flight<'_>>]) {
    for _ in 0..4 {
        for flight in flights.iter_mut() {
            if let Some((upload, _)) = flight
                && upload.as_mut().now_or_never().is_some()
            {
                *flight = None;
            }
        }
    }
}

const LIMIT: u64 = 100;

async fn walk(steps: Vec<Step>) {
    let world = World::fake(limits(LIMIT));
    let mut flights: Vec<Option<Flight<'_>>> = (0..4).map(|_| None).collect();
    for step in steps {
        match step {
            Step::Begin { slot, key, announced } if flights[slot].is_none() => {
                let (feed, bytes) = fed();
                let wish = PutObject { expected_size: announced.map(u64::from), ..replacing() };
                let objects = world.objects.clone();
                let upload = async move {
                    let (scope, name) = target(key);
                    objects.put(&scope, &name, bytes, wish).await
                };
                flights[slot] = Some((upload.boxed(), Some(feed)));
            }
            Step::Send { slot, size } => {
                if let Some((_, Some(feed))) = &flights[slot] {
                    let _ = feed.try_send(Ok(vec![0; size.into()].into()));
                }
            }
            Step::End { slot } => {
                if let Some((_, feed)) = &mut flights[slot] {
                    *feed = None;
                }
            }
            Step::Drop { slot } => flights[slot] = None,
            Step::Delete { key } => {
                let (scope, name) = target(key);
                world.objects.delete(&scope, &name).await.unwrap();
            }
            Step::Begin { .. } => {}
        }
        settle(&mut flights);
        check(&world).await;
    }
    flights.clear();
    check(&world).await;
    assert_eq!(world.reserved().await, 0);
}

async fn check(world: &World) {
    let usage = world.objects.usage(&Namespace::default_name()).await.unwrap();
    assert!(usage.used + usage.reserved <= LIMIT, "{usage:?}");
    let everything =
        world.store.list(&"default".parse().unwrap(), gofer_object_store::PageRequest::first(1000)).await;
    assert_eq!(usage.used, everything.unwrap().objects.iter().map(|meta| meta.size).sum::<u64>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn racing_puts_never_pass_the_quota_together_and_the_account_is_exact(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(walk(steps));
    }
}
