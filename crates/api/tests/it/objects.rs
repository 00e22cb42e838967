//! Objects, from the client to the engine and back: whole, in parts, broken off, slow, and refused.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use gofer_api::{Limits, ServeOptions};
use gofer_client::v1::get_object_response::Part as Got;
use gofer_client::v1::object_scope::Run;
use gofer_client::v1::put_object_request::Part;
use gofer_client::{Client, ClientError, ErrorKind, Followed, PutError, v1};
use gofer_proto::v1::object_service_client::ObjectServiceClient;
use gofer_testkit::wait_for;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

use super::serving::Served;
use super::world::{World, options, register};

fn of_pipeline(id: &str) -> Option<v1::ObjectScope> {
    Some(v1::ObjectScope { pipeline: id.to_owned(), ..v1::ObjectScope::default() })
}

fn of_run(id: &str, run: Run) -> Option<v1::ObjectScope> {
    Some(v1::ObjectScope { pipeline: id.to_owned(), run: Some(run), ..v1::ObjectScope::default() })
}

fn header(scope: Option<v1::ObjectScope>, key: &str) -> v1::PutObjectHeader {
    v1::PutObjectHeader { scope, key: key.to_owned(), ..v1::PutObjectHeader::default() }
}

fn once(bytes: &[u8]) -> impl stream::Stream<Item = Result<Bytes, Infallible>> + Send + use<> {
    stream::iter([Ok(Bytes::copy_from_slice(bytes))])
}

async fn put(
    client: &Client,
    header: v1::PutObjectHeader,
    bytes: &[u8],
) -> Result<v1::PutObjectResponse, ClientError> {
    client.put_object(header, once(bytes)).await.map_err(|error| match error {
        PutError::Call(error) => error,
        PutError::Source(never) => match never {},
    })
}

async fn got(client: &Client, request: v1::GetObjectRequest) -> Result<(v1::Object, Vec<u8>), ClientError> {
    let mut told = client.get_object(request).await?;
    let (mut object, mut bytes) = (v1::Object::default(), Vec::new());
    while let Some(one) = told.next().await {
        let Followed::Item(answer) = one? else { continue };
        match answer.part {
            Some(Got::Header(header)) => object = header,
            Some(Got::Chunk(chunk)) => {
                assert!(chunk.len() <= 256 << 10, "{} bytes", chunk.len());
                bytes.extend(chunk);
            }
            None => {}
        }
    }
    Ok((object, bytes))
}

fn wanted(scope: Option<v1::ObjectScope>, key: &str) -> v1::GetObjectRequest {
    v1::GetObjectRequest { scope, key: key.to_owned(), ..v1::GetObjectRequest::default() }
}

async fn keys(client: &Client, scope: Option<v1::ObjectScope>) -> Vec<String> {
    let request = v1::ListObjectsRequest { scope, ..v1::ListObjectsRequest::default() };
    let objects = client.list_objects(request).await.unwrap().objects;
    objects.into_iter().map(|object| object.key).collect()
}

async fn usage(client: &Client) -> (u64, u64) {
    let usage = client.get_object_usage(v1::GetObjectUsageRequest::default()).await.unwrap();
    (usage.used, usage.reserved)
}

/// Waits until nothing of a put is left.
async fn until_nothing_is_left(client: &Client, scope: &Option<v1::ObjectScope>) {
    wait_for("nothing of the put to be left", || async {
        match (keys(client, scope.clone()).await, usage(client).await) {
            (keys, (0, 0)) if keys.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn an_object_is_put_read_described_listed_and_deleted() {
    let world = World::new().await;
    world.pipeline("p", "exit=0").await;
    let client = &world.client;
    let bytes: Vec<u8> = (0..700_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let wish =
        v1::PutObjectHeader { content_type: "text/plain".to_owned(), ..header(of_pipeline("p"), "a/b") };
    let answer = put(client, wish, &bytes).await.unwrap();
    let object = answer.object.unwrap();
    assert_eq!((object.size, object.key.as_str(), object.run), (700_000, "a/b", 0));
    assert_eq!((object.namespace.as_str(), object.pipeline.as_str()), ("default", "p"));
    assert_eq!((object.sha256.len(), object.content_type.as_str()), (64, "text/plain"));
    assert!(object.created.is_some() && answer.evicted.is_empty());
    let read = got(client, wanted(of_pipeline("p"), "a/b")).await.unwrap();
    assert!(read.1 == bytes, "byte for byte");
    assert_eq!(read.0, object);
    let place = v1::HeadObjectRequest { scope: of_pipeline("p"), key: "a/b".to_owned() };
    assert_eq!(client.head_object(place.clone()).await.unwrap().object, Some(object));
    assert_eq!(keys(client, of_pipeline("p")).await, ["a/b"]);
    assert_eq!(usage(client).await, (700_000, 0));
    let delete = v1::DeleteObjectRequest { scope: of_pipeline("p"), key: "a/b".to_owned() };
    assert!(client.delete_object(delete.clone()).await.unwrap().existed);
    assert!(!client.delete_object(delete).await.unwrap().existed, "deleted already");
    assert_eq!(client.head_object(place).await.unwrap_err().code(), Some("E0720"));
    assert_eq!(usage(client).await, (0, 0));
}

#[tokio::test]
async fn what_goes_for_a_new_object_is_named() {
    let world = World::new().await;
    world.pipeline("p", "exit=0").await;
    for n in 0..10 {
        put(&world.client, header(of_pipeline("p"), &format!("k{n}")), b"x").await.unwrap();
    }
    let answer = put(&world.client, header(of_pipeline("p"), "more"), b"x").await.unwrap();
    assert_eq!(answer.evicted, ["k0"]);
    let events = world.client.list_events(v1::ListEventsRequest { newest_first: true, ..Default::default() });
    let newest = &events.await.unwrap().events[0];
    assert_eq!((newest.r#type.as_str(), newest.actor.as_str()), ("object_put", "ana"));
}

#[tokio::test]
async fn the_latest_run_is_looked_up_and_named_in_the_answer() {
    let world = World::new().await;
    world.pipeline("p", "exit=0").await;
    world.start("p").await;
    let latest = || of_run("p", Run::Latest(v1::Latest::Unspecified.into()));
    let object = put(&world.client, header(latest(), "a"), b"x").await.unwrap().object.unwrap();
    assert_eq!(object.run, 1);
    assert_eq!(got(&world.client, wanted(latest(), "a")).await.unwrap().0.run, 1);
    assert!(keys(&world.client, of_pipeline("p")).await.is_empty(), "another scope");
    let missing = put(&world.client, header(of_run("p", Run::Number(9)), "a"), b"x").await.unwrap_err();
    assert_eq!(missing.code(), Some("E0303"));
}

#[tokio::test]
async fn a_list_is_walked_page_by_page_also_below_a_key() {
    let world = World::new().await;
    world.pipeline("p", "exit=0").await;
    for key in ["a/1", "a/2 b", "a/3", "a", "b"] {
        put(&world.client, header(of_pipeline("p"), key), b"x").await.unwrap();
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let (below, page) = ("a".to_owned(), Some(v1::Page { size: 2, token: token.clone() }));
        let request = v1::ListObjectsRequest { scope: of_pipeline("p"), below, page };
        let answer = world.client.list_objects(request).await.unwrap();
        assert!(answer.objects.len() <= 2);
        seen.extend(answer.objects.into_iter().map(|object| object.key));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["a/1", "a/2 b", "a/3"]);
    let page = Some(v1::Page { size: 2, token: "none of ours".to_owned() });
    let request = v1::ListObjectsRequest { scope: of_pipeline("p"), page, ..Default::default() };
    assert_eq!(world.client.list_objects(request).await.unwrap_err().code(), Some("E0311"));
}

#[tokio::test]
async fn a_part_is_read_and_only_of_the_wanted_version() {
    let world = World::new().await;
    world.pipeline("p", "exit=0").await;
    let first =
        put(&world.client, header(of_pipeline("p"), "a"), b"0123456789").await.unwrap().object.unwrap();
    let part = |offset, length, version: &str| v1::GetObjectRequest {
        offset,
        length,
        version: version.to_owned(),
        ..wanted(of_pipeline("p"), "a")
    };
    assert_eq!(got(&world.client, part(7, None, &first.version)).await.unwrap().1, b"789");
    assert_eq!(got(&world.client, part(2, Some(3), "")).await.unwrap().1, b"234");
    assert_eq!(got(&world.client, part(10, None, "")).await.unwrap().1, b"", "at the end is nothing more");
    let behind = got(&world.client, part(11, None, "")).await.unwrap_err();
    assert_eq!((behind.code(), behind.kind()), (Some("E0726"), ErrorKind::Invalid));
    let again = v1::PutObjectHeader { replace: true, ..header(of_pipeline("p"), "a") };
    put(&world.client, again, b"0123456789").await.unwrap();
    let replaced = got(&world.client, part(7, None, &first.version)).await.unwrap_err();
    assert_eq!((replaced.code(), replaced.kind()), (Some("E0729"), ErrorKind::Conflict));
}

#[tokio::test]
async fn what_is_announced_is_refused_before_any_byte_is_read() {
    let world = World::new().await;
    world.pipeline("p", "exit=0").await;
    let unread = || {
        stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, Infallible>>> {
            std::task::Poll::Pending
        })
    };
    put(&world.client, header(of_pipeline("p"), "there"), b"x").await.unwrap();
    let refused = [
        (v1::PutObjectHeader { size: Some(2 << 30), ..header(of_pipeline("p"), "a") }, "E0722"),
        (header(of_pipeline("p"), "there"), "E0721"),
        (header(of_pipeline("nowhere"), "a"), "E0302"),
        (header(of_pipeline("p"), "../a"), "E0724"),
        (header(of_pipeline("p"), "a//b"), "E0724"),
        (header(None, "a"), "E0090"),
    ];
    for (header, code) in refused {
        let put = world.client.put_object(header, unread());
        let Err(PutError::Call(error)) = tokio::time::timeout(Duration::from_secs(20), put).await.unwrap()
        else {
            panic!("{code} is refused")
        };
        assert_eq!(error.code(), Some(code), "{error:?}");
    }
    assert_eq!(usage(&world.client).await, (1, 0));
}

#[tokio::test]
async fn an_object_that_is_not_as_announced_leaves_nothing() {
    let world = World::new().await;
    world.pipeline("p", "exit=0").await;
    let wrong = [
        v1::PutObjectHeader { size: Some(4), ..header(of_pipeline("p"), "a") },
        v1::PutObjectHeader { size: Some(2), ..header(of_pipeline("p"), "a") },
        v1::PutObjectHeader { sha256: "0".repeat(64), ..header(of_pipeline("p"), "a") },
    ];
    for header in wrong {
        assert_eq!(put(&world.client, header, b"abc").await.unwrap_err().code(), Some("E0726"));
    }
    until_nothing_is_left(&world.client, &of_pipeline("p")).await;
}

#[tokio::test]
async fn of_two_puts_at_once_one_wins() {
    let world = World::new().await;
    world.pipeline("p", "exit=0").await;
    let (one, two) = (header(of_pipeline("p"), "a"), header(of_pipeline("p"), "a"));
    let (one, two) = tokio::join!(put(&world.client, one, b"one"), put(&world.client, two, b"two"));
    let lost: Vec<_> = [&one, &two].into_iter().filter_map(|put| put.as_ref().err()).collect();
    assert_eq!(lost.iter().map(|error| error.code()).collect::<Vec<_>>(), [Some("E0721")]);
    let bytes = got(&world.client, wanted(of_pipeline("p"), "a")).await.unwrap().1;
    assert_eq!(bytes, if one.is_ok() { b"one" } else { b"two" });
}

#[tokio::test]
async fn an_upload_may_take_longer_than_a_call() {
    let limits = Limits { request: Duration::from_millis(1500), ..options().limits };
    let world = World::with(ServeOptions { limits, ..options() }).await;
    world.pipeline("p", "exit=0").await;
    let slow = stream::iter(0..20).then(|_| async {
        // sleeps: the client takes its time, in all far longer than a call may
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok::<_, Infallible>(Bytes::from_static(b"xx"))
    });
    let answer = world.client.put_object(header(of_pipeline("p"), "a"), slow).await.unwrap();
    assert_eq!(answer.object.unwrap().size, 40);
}

#[tokio::test]
async fn a_source_that_fails_and_a_client_that_goes_leave_nothing() {
    let world = World::new().await;
    world.pipeline("p", "exit=0").await;
    let source = stream::iter([Ok(Bytes::from_static(b"abc")), Err("the disk is gone")]);
    let failed = world.client.put_object(header(of_pipeline("p"), "a"), source).await;
    assert!(matches!(failed, Err(PutError::Source("the disk is gone"))), "{failed:?}");
    until_nothing_is_left(&world.client, &of_pipeline("p")).await;

    let begun = stream::iter([Ok::<_, Infallible>(Bytes::from(vec![7; 1 << 20]))]).chain(stream::pending());
    let going = world.client.put_object(header(of_pipeline("p"), "a"), begun);
    let under_way = wait_for("the put to be on its way", || async {
        match usage(&world.client).await {
            (0, reserved) if reserved > 0 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    tokio::select! {
        put = going => panic!("it has no end: {put:?}"),
        () = under_way => {}
    }
    until_nothing_is_left(&world.client, &of_pipeline("p")).await;
}

#[tokio::test]
async fn a_part_that_is_too_large_and_a_put_without_its_end_are_refused() {
    let served = Served::new().await;
    let client = served.client().await;
    client.register_pipeline(register("id = \"p\"\ntask \"t\" \"i\" { }\n")).await.unwrap();
    let channel =
        Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect().await.unwrap();
    for (sent, code) in [(1, "E0726"), ((1 << 20) + 1, "E0090"), (3 << 20, "E0091")] {
        let (parts, received) = mpsc::channel(4);
        let begin = Part::Header(header(of_pipeline("p"), "a"));
        for part in [begin, Part::Chunk(vec![7; sent].into())] {
            parts.send(v1::PutObjectRequest { part: Some(part) }).await.unwrap();
        }
        drop(parts);
        let status =
            ObjectServiceClient::new(channel.clone()).put_object(ReceiverStream::new(received)).await;
        let status = status.unwrap_err();
        let info = tonic_types::StatusExt::get_details_error_info(&status);
        assert_eq!(info.map(|info| info.reason).as_deref(), Some(code), "{status:?}");
    }
    until_nothing_is_left(&client, &of_pipeline("p")).await;
    served.end().await;
}

#[tokio::test]
async fn a_server_that_ends_ends_the_uploads_that_wait_for_their_clients() {
    let world = World::new().await;
    world.pipeline("p", "exit=0").await;
    let begun = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"abc"))]).chain(stream::pending());
    let going = world.client.put_object(header(of_pipeline("p"), "a"), begun);
    let ending = async {
        wait_for("the put to be on its way", || async {
            match usage(&world.client).await {
                (0, 3) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        world.server.end().await.unwrap();
    };
    let (put, ()) = tokio::join!(going, ending);
    let Err(PutError::Call(error)) = put else { panic!("{put:?}") };
    assert_eq!(error.code(), Some("E0907"), "{error:?}");
}
