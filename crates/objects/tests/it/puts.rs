//! Single puts: one winner, nothing of a failed one, no waiting for ever.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use gofer_backend::{BackendError, ErrorKind};
use gofer_object_store::ByteRange;
use gofer_object_store::fake::Operation;
use gofer_objects::{Limits, ObjectsError, PutObject, Sha256};

use crate::support::{World, fed, path, pipeline, replacing, run, send, text, zeros};

#[tokio::test]
async fn what_was_put_is_read_back_and_told_as_it_was_announced() {
    for world in World::both(Limits::default()) {
        for scope in [pipeline("p"), run("p", 7)] {
            let wish = PutObject {
                content_type: "text/plain".to_owned(),
                expected_size: Some(5),
                sha256: Some(Sha256::of(b"hello")),
                replace: false,
            };
            let name = path("out/a.txt");
            let put = world.objects.put(&scope, &name, text(b"hello".to_vec()), wish).await.unwrap();
            assert_eq!(world.objects.head(&scope, &name).await.unwrap(), put.meta);
            assert_eq!((put.meta.path.as_str(), put.meta.size), ("out/a.txt", 5));
            assert_eq!((put.meta.content_type.as_str(), put.meta.created.as_micros()), ("text/plain", 1_000));
            let part = ByteRange { offset: 1, length: Some(3) };
            let content = world.objects.get(&scope, &name, part).await.unwrap();
            let bytes: Vec<_> = content.bytes.map(Result::unwrap).collect().await;
            assert_eq!(bytes.concat(), b"ell");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_with_its_scope_and_key() {
    let world = World::fake(Limits::default());
    let told = |error: ObjectsError| {
        assert!(matches!(error, ObjectsError::NotFound { .. }), "{error:?}");
        error.to_string()
    };
    let gone = path("a/b");
    let error = world.objects.head(&run("p", 7), &gone).await.unwrap_err();
    assert_eq!(told(error), "run `p/7` has no object `a/b`");
    let error = world.objects.get(&pipeline("p"), &gone, ByteRange::WHOLE).await.unwrap_err();
    assert_eq!(told(error), "pipeline `p` has no object `a/b`");
    assert!(!world.objects.delete(&pipeline("p"), &gone).await.unwrap());
}

#[tokio::test]
async fn of_two_puts_at_once_one_wins_and_the_other_is_told_that_it_is_there() {
    for world in World::both(Limits::default()) {
        for scope in [pipeline("p"), run("p", 1)] {
            let ((one, first), (two, second)) = (fed(), fed());
            let name = path("a");
            let puts = async {
                let first = world.objects.put(&scope, &name, first, PutObject::default());
                let second = world.objects.put(&scope, &name, second, PutObject::default());
                tokio::join!(first, second)
            };
            let feeding = async {
                send(&one, 3).await;
                send(&two, 4).await;
                drop((one, two));
            };
            let ((first, second), ()) = tokio::join!(puts, feeding);
            let won = [&first, &second].into_iter().filter(|put| put.is_ok()).count();
            let lost = first.as_ref().err().or(second.as_ref().err());
            assert!(won == 1 && matches!(lost, Some(ObjectsError::Exists { .. })), "{first:?} {second:?}");
            let size = first.or(second).unwrap().meta.size;
            assert_eq!(world.objects.head(&scope, &name).await.unwrap().size, size);
            assert_eq!((world.used().await, world.reserved().await), (size, 0));
            world.objects.delete(&scope, &name).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_key_that_is_taken_is_refused_before_a_byte_is_read() {
    for world in World::both(Limits::default()) {
        let scope = pipeline("p");
        world.put(&scope, "a", 3).await.unwrap();
        let unread = stream::poll_fn(|_| panic!("nobody reads this")).boxed();
        let put = world.objects.put(&scope, &path("a"), unread, PutObject::default()).await;
        assert!(matches!(put, Err(ObjectsError::Exists { .. })), "{put:?}");
        assert_eq!(world.objects.head(&scope, &path("a")).await.unwrap().size, 3);
    }
}

#[tokio::test]
async fn a_put_that_fails_leaves_what_was_there() {
    let broken = || {
        let error = BackendError::new(ErrorKind::NotFound, "the client went away");
        stream::iter([Ok("new".into()), Err(error)]).boxed()
    };
    for world in World::both(Limits::default()) {
        for scope in [pipeline("p"), run("p", 1)] {
            world.put(&scope, "a", 10).await.unwrap();
            let used = world.used().await;
            let name = path("a");
            // the caller's own error, not one about the object
            let put = world.objects.put(&scope, &name, broken(), replacing()).await;
            assert!(
                matches!(&put, Err(ObjectsError::Store(error)) if error.message() == "the client went away"),
                "{put:?}"
            );
            let short = PutObject { expected_size: Some(4), ..replacing() };
            let put = world.objects.put(&scope, &name, zeros(3), short).await;
            assert!(matches!(put, Err(ObjectsError::Invalid(_))), "{put:?}");
            let other = PutObject { sha256: Some(Sha256::of(b"x")), ..replacing() };
            let put = world.objects.put(&scope, &name, zeros(3), other).await;
            assert!(matches!(put, Err(ObjectsError::Invalid(_))), "{put:?}");
            let odd = PutObject { content_type: "a\nb".to_owned(), ..replacing() };
            let put = world.objects.put(&scope, &name, zeros(3), odd).await;
            assert!(matches!(put, Err(ObjectsError::Invalid(_))), "{put:?}");
            assert_eq!(world.objects.head(&scope, &name).await.unwrap().size, 10);
            assert_eq!((world.used().await, world.reserved().await), (used, 0));
        }
    }
}

#[tokio::test]
async fn a_dropped_put_has_no_effect_and_frees_what_it_reserved() {
    for world in World::both(Limits::default()) {
        let (feed, bytes) = fed();
        let (scope, name) = (run("p", 1), path("a"));
        let upload = world.objects.put(&scope, &name, bytes, PutObject::default());
        tokio::select! {
            biased;
            put = upload => panic!("it has not ended: {put:?}"),
            () = send(&feed, 40) => {}
        }
        assert!(feed.is_closed(), "the stream is gone with its put");
        assert_eq!((world.used().await, world.reserved().await), (0, 0));
        assert_eq!(world.names(&scope).await, [""; 0]);
    }
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_given_up() {
    let world = World::fake(Limits { stall: Duration::from_secs(60), ..Limits::default() });
    let (feed, bytes) = fed();
    let (scope, name) = (pipeline("p"), path("a"));
    let mut upload = world.objects.put(&scope, &name, bytes, PutObject::default()).boxed();
    let almost = Duration::from_millis(59_999);
    for _ in 0..2 {
        tokio::select! {
            biased;
            put = &mut upload => panic!("it has not ended: {put:?}"),
            () = send(&feed, 1) => {}
        }
        world.clock.pass(almost);
        assert!(upload.as_mut().now_or_never().is_none(), "each byte gives it time anew");
    }
    world.clock.pass(Duration::from_millis(1));
    let put = upload.await;
    assert!(matches!(put, Err(ObjectsError::Stalled { .. })), "{put:?}");
    assert_eq!(world.reserved().await, 0);
}

#[tokio::test]
async fn an_object_has_at_most_so_many_bytes_announced_or_not() {
    for world in World::both(Limits { object_bytes: 10, ..Limits::default() }) {
        let scope = run("p", 1);
        assert_eq!(world.put(&scope, "fits", 10).await.unwrap().meta.size, 10);
        let unread = stream::poll_fn(|_| panic!("nobody reads this")).boxed();
        let announced = PutObject { expected_size: Some(11), ..PutObject::default() };
        let put = world.objects.put(&scope, &path("a"), unread, announced).await;
        assert!(matches!(put, Err(ObjectsError::TooLarge { limit: 10 })), "{put:?}");
        let chunks = stream::iter([Ok("12345678".into()), Ok("9ab".into())]);
        let endless = chunks.chain(stream::poll_fn(|_| panic!("nobody reads behind the limit"))).boxed();
        let put = world.objects.put(&scope, &path("a"), endless, PutObject::default()).await;
        assert!(matches!(put, Err(ObjectsError::TooLarge { limit: 10 })), "{put:?}");
        assert_eq!((world.used().await, world.reserved().await), (10, 0));
    }
}

#[tokio::test]
async fn a_run_has_at_most_so_many_objects_also_when_puts_race() {
    let limits = Limits { run_objects: 2, ..Limits::default() };
    for mut world in World::both(limits.clone()) {
        let scope = run("p", 1);
        world.put(&scope, "a", 1).await.unwrap();
        let names = [path("b"), path("c"), path("d")];
        let puts = names.iter().map(|name| world.objects.put(&scope, name, zeros(1), PutObject::default()));
        let done = futures_util::future::join_all(puts).await;
        let refused =
            done.iter().filter(|put| matches!(put, Err(ObjectsError::TooManyObjects { limit: 2, .. })));
        assert_eq!(refused.count(), 2, "{done:?}");
        assert_eq!(world.names(&scope).await.len(), 2);
        // one in place of another is none more, and another run has room of its own
        world.replace(&scope, "a", 5).await.unwrap();
        world.put(&run("p", 2), "a", 1).await.unwrap();
        world.objects.delete(&scope, &path("a")).await.unwrap();
        world.put(&scope, "e", 1).await.unwrap();
        world.restart(limits.clone());
        let put = world.put(&scope, "f", 1).await;
        assert!(matches!(put, Err(ObjectsError::TooManyObjects { .. })), "{put:?}");
    }
}

#[tokio::test]
async fn a_put_whose_answer_is_lost_counts_as_if_it_was_there_until_it_is_counted() {
    let world = World::fake(Limits { run_objects: 1, ..Limits::default() });
    let scope = run("p", 1);
    world.faults().fail_next(Operation::PutAnswer, ErrorKind::TimedOut);
    let put = world.put(&scope, "a", 7).await;
    assert!(matches!(&put, Err(ObjectsError::Store(error)) if error.kind().outcome_unknown()), "{put:?}");
    assert_eq!(world.used().await, 7, "it is there");
    let put = world.put(&scope, "b", 1).await;
    assert!(matches!(put, Err(ObjectsError::TooManyObjects { .. })), "{put:?}");
    world.faults().fail_next(Operation::Put, ErrorKind::TimedOut);
    world.replace(&scope, "a", 9).await.unwrap_err();
    assert_eq!((world.used().await, world.reserved().await), (7, 0), "it is not there");
}
