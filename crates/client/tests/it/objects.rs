//! Objects against a server that loses connections, replaces things, refuses early, or takes nothing.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use gofer_client::v1::get_object_response::Part as Got;
use gofer_client::v1::put_object_request::Part;
use gofer_client::{Client, ClientError, ClientOptions, Followed, PutError, v1};
use gofer_proto::v1::object_service_server::{ObjectService, ObjectServiceServer};
use gofer_proto::v1::system_service_server::SystemServiceServer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

use super::fake::{Fake, Script};

type Answers<T> = BoxStream<'static, Result<T, Status>>;

/// What becomes of a put.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Puts {
    /// It is read to its end, and every part is kept.
    #[default]
    Read,
    /// It is refused after its header.
    Refuse,
    /// Nothing of it is read, and nothing is answered.
    Ignore,
}

#[derive(Default)]
struct Facts {
    puts: Puts,
    parts: Vec<Part>,
    gets: VecDeque<Vec<Result<v1::GetObjectResponse, Status>>>,
    seen: Vec<v1::GetObjectRequest>,
}

#[derive(Clone, Default)]
struct Store(Arc<Mutex<Facts>>);

#[tonic::async_trait]
impl ObjectService for Store {
    type GetObjectStream = Answers<v1::GetObjectResponse>;

    async fn put_object(
        &self,
        request: Request<Streaming<v1::PutObjectRequest>>,
    ) -> Result<Response<v1::PutObjectResponse>, Status> {
        let puts = self.0.lock().unwrap().puts;
        let mut parts = request.into_inner();
        if puts == Puts::Ignore {
            std::future::pending::<()>().await;
        }
        while let Some(message) = parts.message().await? {
            self.0.lock().unwrap().parts.extend(message.part);
            if puts == Puts::Refuse {
                return Err(Status::already_exists("it is there"));
            }
        }
        Ok(Response::new(v1::PutObjectResponse::default()))
    }

    async fn get_object(
        &self,
        request: Request<v1::GetObjectRequest>,
    ) -> Result<Response<Self::GetObjectStream>, Status> {
        let mut facts = self.0.lock().unwrap();
        facts.seen.push(request.into_inner());
        let answers = facts.gets.pop_front().ok_or_else(|| Status::failed_precondition("it was replaced"))?;
        Ok(Response::new(stream::iter(answers).boxed()))
    }

    async fn head_object(
        &self,
        _: Request<v1::HeadObjectRequest>,
    ) -> Result<Response<v1::HeadObjectResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn delete_object(
        &self,
        _: Request<v1::DeleteObjectRequest>,
    ) -> Result<Response<v1::DeleteObjectResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn list_objects(
        &self,
        _: Request<v1::ListObjectsRequest>,
    ) -> Result<Response<v1::ListObjectsResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn get_object_usage(
        &self,
        _: Request<v1::GetObjectUsageRequest>,
    ) -> Result<Response<v1::GetObjectUsageResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }
}

async fn connected(store: &Store, limit: Duration, tasks: &mut JoinSet<()>) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let script = Script { api: gofer_client::API, ..Script::default() };
    let router = tonic::transport::Server::builder()
        .add_service(SystemServiceServer::new(Fake::new(script)))
        .add_service(ObjectServiceServer::new(store.clone()));
    tasks.spawn(async move {
        router.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
    });
    let options = ClientOptions { request_timeout: limit, ..ClientOptions::new(address.to_string()) };
    Client::connect(options).await.unwrap()
}

fn part(part: Got) -> Result<v1::GetObjectResponse, Status> {
    Ok(v1::GetObjectResponse { part: Some(part) })
}

fn header() -> Result<v1::GetObjectResponse, Status> {
    part(Got::Header(v1::Object { version: "v7".to_owned(), run: 3, ..v1::Object::default() }))
}

fn chunk(text: &'static str) -> Result<v1::GetObjectResponse, Status> {
    part(Got::Chunk(Bytes::from_static(text.as_bytes())))
}

/// The bytes that came, how many headers there were, and how it ended.
async fn got(client: &Client) -> (Vec<u8>, usize, Option<ClientError>) {
    let latest = Some(v1::object_scope::Run::Latest(v1::Latest::Unspecified.into()));
    let scope = Some(v1::ObjectScope { run: latest, ..v1::ObjectScope::default() });
    let mut told =
        client.get_object(v1::GetObjectRequest { scope, ..v1::GetObjectRequest::default() }).await.unwrap();
    let (mut bytes, mut headers) = (Vec::new(), 0);
    while let Some(one) = told.next().await {
        match one {
            Ok(Followed::Item(v1::GetObjectResponse { part: Some(Got::Header(_)) })) => headers += 1,
            Ok(Followed::Item(v1::GetObjectResponse { part: Some(Got::Chunk(chunk)) })) => {
                bytes.extend(chunk);
            }
            Ok(_) => {}
            Err(error) => return (bytes, headers, Some(error)),
        }
    }
    (bytes, headers, None)
}

#[tokio::test]
async fn a_download_goes_on_where_it_was_and_asks_for_the_same_version_of_the_same_run() {
    let (store, mut tasks) = (Store::default(), JoinSet::new());
    store.0.lock().unwrap().gets = [
        vec![header(), chunk("abc"), chunk("de"), Err(Status::unavailable("gone"))],
        vec![header(), Err(Status::unavailable("gone"))],
        vec![header(), chunk("f")],
    ]
    .into();
    let client = connected(&store, Duration::from_secs(20), &mut tasks).await;
    let (bytes, headers, error) = got(&client).await;
    assert_eq!((bytes.as_slice(), headers, error), (b"abcdef".as_slice(), 1, None));
    let seen = store.0.lock().unwrap().seen.clone();
    let places: Vec<(u64, &str)> = seen.iter().map(|one| (one.offset, one.version.as_str())).collect();
    assert_eq!(places, [(0, ""), (5, "v7"), (5, "v7")]);
    let run = seen[2].scope.as_ref().unwrap().run;
    assert_eq!(run, Some(v1::object_scope::Run::Number(3)));
}

#[tokio::test]
async fn a_download_of_what_was_replaced_meanwhile_ends() {
    let (store, mut tasks) = (Store::default(), JoinSet::new());
    store.0.lock().unwrap().gets = [vec![header(), chunk("abc"), Err(Status::unavailable("gone"))]].into();
    let client = connected(&store, Duration::from_secs(20), &mut tasks).await;
    let (bytes, _, error) = got(&client).await;
    assert_eq!(bytes, b"abc");
    assert_eq!(error.unwrap().message(), "it was replaced");
}

fn endless() -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::repeat_with(|| Ok(Bytes::from(vec![7; 1 << 20])))
}

#[tokio::test]
async fn a_put_is_a_header_small_chunks_and_an_end_that_counts() {
    let (store, mut tasks) = (Store::default(), JoinSet::new());
    let client = connected(&store, Duration::from_secs(20), &mut tasks).await;
    let source =
        stream::iter([Ok::<_, Infallible>(vec![7; 600_000].into()), Ok(Bytes::new()), Ok("ab".into())]);
    client.put_object(v1::PutObjectHeader::default(), source).await.unwrap();
    let sizes = |part: &Part| match part {
        Part::Header(_) => "header".to_owned(),
        Part::Chunk(chunk) => chunk.len().to_string(),
        Part::End(end) => format!("end {}", end.size),
    };
    let parts: Vec<String> = store.0.lock().unwrap().parts.iter().map(sizes).collect();
    assert_eq!(parts, ["header", "262144", "262144", "75712", "2", "end 600002"]);
}

#[tokio::test]
async fn a_put_that_is_refused_ends_at_once_however_much_is_left() {
    let (store, mut tasks) = (Store::default(), JoinSet::new());
    store.0.lock().unwrap().puts = Puts::Refuse;
    let client = connected(&store, Duration::from_secs(20), &mut tasks).await;
    match client.put_object(v1::PutObjectHeader::default(), endless()).await {
        Err(PutError::Call(error)) => assert_eq!(error.message(), "it is there"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_put_of_which_the_server_takes_nothing_ends_with_the_limit_of_time() {
    let (store, mut tasks) = (Store::default(), JoinSet::new());
    store.0.lock().unwrap().puts = Puts::Ignore;
    let client = connected(&store, Duration::from_millis(200), &mut tasks).await;
    for source in [endless().boxed(), stream::empty().boxed()] {
        match client.put_object(v1::PutObjectHeader::default(), source).await {
            Err(PutError::Call(error)) => assert_eq!(error.code(), Some("E0104"), "{error:?}"),
            other => panic!("{other:?}"),
        }
    }
}
