//! The server on a socket: health, reflection, limits of connections, and its end.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use gofer_api::{Limits, ServeError, ServeOptions, serve};
use gofer_backend::ErrorKind;
use gofer_client::{Client, ClientOptions, v1};
use gofer_storage::fake::{Fault, Gate, Operation};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1 as reflection;

use super::world::{World, options};

/// A server on a port of its own.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) world: World,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), ServeError>>,
}

impl Served {
    pub(crate) async fn new() -> Self {
        Self::with(options()).await
    }

    pub(crate) async fn with(options: ServeOptions) -> Self {
        let world = World::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, world.engine.clone(), options, stop.clone().cancelled_owned()));
        Self { address, world, stop, tasks }
    }

    /// Ends the server, and answers how it ended.
    pub(crate) async fn end(mut self) -> Option<Result<(), ServeError>> {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(10), self.tasks.join_next()).await.unwrap();
        ended.map(Result::unwrap)
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(ClientOptions::new(self.address.to_string())).await.unwrap()
    }
}

async fn health(served: &Served) -> tonic::Streaming<HealthCheckResponse> {
    let channel =
        Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect().await.unwrap();
    let request = HealthCheckRequest { service: "gofer.v1.RunService".to_owned() };
    HealthClient::new(channel).watch(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn health_says_serving_until_the_end_begins() {
    let served = Served::new().await;
    let mut watch = health(&served).await;
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    served.stop.cancel();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(served.end().await.unwrap().is_ok());
}

#[tokio::test]
async fn the_server_describes_itself() {
    let served = Served::new().await;
    let channel =
        Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect().await.unwrap();
    let mut client = reflection::server_reflection_client::ServerReflectionClient::new(channel);
    let request = reflection::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(reflection::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut answers =
        client.server_reflection_info(stream::once(async { request })).await.unwrap().into_inner();
    let Some(reflection::server_reflection_response::MessageResponse::ListServicesResponse(list)) =
        answers.next().await.unwrap().unwrap().message_response
    else {
        panic!("not a list")
    };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    for service in ["Namespace", "Pipeline", "Run", "Log", "Event", "System"] {
        assert!(names.contains(&format!("gofer.v1.{service}Service")), "{names:?}");
    }
    drop(answers);
    served.end().await;
}

#[tokio::test]
async fn an_idle_client_does_not_hold_up_the_end() {
    let served = Served::new().await;
    let client = served.client().await;
    client.get_info(v1::GetInfoRequest {}).await.unwrap();
    assert!(served.end().await.unwrap().is_ok());
    assert_eq!(client.get_info(v1::GetInfoRequest {}).await.unwrap_err().code(), Some("E0101"));
}

#[tokio::test]
async fn a_connection_that_does_not_let_go_is_cut() {
    let limits = Limits { drain: Duration::from_millis(100), ..Limits::default() };
    let served = Served::with(ServeOptions { limits, ..options() }).await;
    // health is watched for as long as the client likes: this stream does not end by itself
    let _watch = health(&served).await;
    assert!(served.end().await.unwrap().is_ok());
}

#[tokio::test]
async fn connections_over_the_limit_are_closed() {
    let limits = Limits { connections_per_address: 1, ..Limits::default() };
    let served = Served::with(ServeOptions { limits, ..options() }).await;
    let client = served.client().await;
    let mut second = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(second.read(&mut [0; 1]).await.unwrap_or(0), 0, "closed");
    client.get_info(v1::GetInfoRequest {}).await.unwrap();
    served.end().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let limits = Limits { first_byte: Duration::from_millis(50), ..Limits::default() };
    let served = Served::with(ServeOptions { limits, ..options() }).await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0, "closed");
    served.client().await;
    served.end().await;
}

#[tokio::test]
async fn the_server_ends_when_its_engine_can_no_longer_work() {
    let mut served = Served::new().await;
    served.world.faults.next(Operation::Sync, Fault::Error(ErrorKind::Internal));
    let client = served.client().await;
    let create = v1::CreateNamespaceRequest { name: "x".to_owned(), description: String::new() };
    assert!(client.create_namespace(create).await.is_err());
    let ended = tokio::time::timeout(Duration::from_secs(10), served.tasks.join_next()).await.unwrap();
    assert!(matches!(ended, Some(Ok(Err(ServeError::Engine { .. })))), "{ended:?}");
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_given_up_and_says_so() {
    let limits = Limits { request: Duration::from_millis(100), ..Limits::default() };
    let served = Served::with(ServeOptions { limits, ..options() }).await;
    let gate = Gate::default();
    served.world.faults.next(Operation::Commit, Fault::Wait(gate.clone()));
    let client = served.client().await;
    let create = v1::CreateNamespaceRequest { name: "x".to_owned(), description: String::new() };
    let error = client.create_namespace(create).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), (Some("E0909"), 8), "{error:?}");
    gate.open();
    served.end().await;
}
