//! A server that answers as a test tells it to: the contract is real, the engine is a script.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use gofer_client::v1;
use gofer_proto::v1::log_service_server::{LogService, LogServiceServer};
use gofer_proto::v1::run_service_server::{RunService, RunServiceServer};
use gofer_proto::v1::system_service_server::{SystemService, SystemServiceServer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

type Answers<T> = BoxStream<'static, Result<T, Status>>;

/// What happens when the script has no more answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AtEnd {
    Unavailable,
    Hang,
}

#[derive(Default)]
pub(crate) struct Script {
    pub(crate) api: u32,
    pub(crate) at_end: Option<AtEnd>,
    /// The answers to GetStatus, StartRun, RetryRun, AnswerTask, ExplainRun and DeleteLogs alike: `Ok` is a default answer.
    pub(crate) unary: VecDeque<Result<(), Status>>,
    /// The answers to ReadLogs: each is a stream.
    pub(crate) logs: VecDeque<Vec<Result<v1::ReadLogsResponse, Status>>>,
    pub(crate) seen_logs: Vec<v1::ReadLogsRequest>,
    pub(crate) seen_starts: Vec<v1::StartRunRequest>,
    pub(crate) seen_retries: Vec<v1::RetryRunRequest>,
    pub(crate) seen_answers: Vec<v1::AnswerTaskRequest>,
    pub(crate) seen_actors: Vec<Option<String>>,
}

#[derive(Clone)]
pub(crate) struct Fake(pub(crate) Arc<Mutex<Script>>);

impl Fake {
    pub(crate) fn new(script: Script) -> Self {
        Self(Arc::new(Mutex::new(script)))
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Script) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    async fn next(&self, request_actor: Option<String>) -> Result<(), Status> {
        let (answer, at_end) = self.with(|script| {
            script.seen_actors.push(request_actor);
            (script.unary.pop_front(), script.at_end)
        });
        match (answer, at_end) {
            (Some(answer), _) => answer,
            (None, Some(AtEnd::Hang)) => std::future::pending().await,
            (None, Some(AtEnd::Unavailable)) => Err(Status::unavailable("later")),
            (None, None) => Ok(()),
        }
    }
}

fn actor<T>(request: &Request<T>) -> Option<String> {
    request.metadata().get("gofer-actor").map(|value| value.to_str().unwrap().to_owned())
}

fn unscripted<T>() -> Result<Response<T>, Status> {
    Err(Status::internal("the script has no such call"))
}

#[tonic::async_trait]
impl SystemService for Fake {
    async fn get_info(
        &self,
        _: Request<v1::GetInfoRequest>,
    ) -> Result<Response<v1::GetInfoResponse>, Status> {
        let api = self.with(|script| script.api);
        Ok(Response::new(v1::GetInfoResponse { version: "0.0.0".to_owned(), api, now: None }))
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        self.next(actor(&request)).await?;
        Ok(Response::new(v1::GetStatusResponse::default()))
    }
}

#[tonic::async_trait]
impl LogService for Fake {
    type ReadLogsStream = Answers<v1::ReadLogsResponse>;

    async fn read_logs(
        &self,
        request: Request<v1::ReadLogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        let answers = self.with(|script| {
            script.seen_logs.push(request.into_inner());
            script.logs.pop_front()
        });
        let answers = answers.ok_or_else(|| Status::unavailable("later"))?;
        Ok(Response::new(stream::iter(answers).boxed()))
    }

    async fn delete_logs(
        &self,
        request: Request<v1::DeleteLogsRequest>,
    ) -> Result<Response<v1::DeleteLogsResponse>, Status> {
        self.next(actor(&request)).await?;
        Ok(Response::new(v1::DeleteLogsResponse { actor: "ana".to_owned(), at: None }))
    }
}

#[tonic::async_trait]
impl RunService for Fake {
    type WatchRunStream = Answers<v1::WatchRunResponse>;

    async fn start_run(
        &self,
        request: Request<v1::StartRunRequest>,
    ) -> Result<Response<v1::StartRunResponse>, Status> {
        let actor = actor(&request);
        self.with(|script| script.seen_starts.push(request.into_inner()));
        self.next(actor).await?;
        Ok(Response::new(v1::StartRunResponse::default()))
    }

    async fn retry_run(
        &self,
        request: Request<v1::RetryRunRequest>,
    ) -> Result<Response<v1::RetryRunResponse>, Status> {
        let actor = actor(&request);
        self.with(|script| script.seen_retries.push(request.into_inner()));
        self.next(actor).await?;
        Ok(Response::new(v1::RetryRunResponse::default()))
    }

    async fn get_run(&self, _: Request<v1::GetRunRequest>) -> Result<Response<v1::GetRunResponse>, Status> {
        let run = v1::Run {
            namespace: "default".to_owned(),
            pipeline: "p".to_owned(),
            number: 7,
            ..v1::Run::default()
        };
        Ok(Response::new(v1::GetRunResponse { run: Some(run) }))
    }

    async fn list_runs(
        &self,
        _: Request<v1::ListRunsRequest>,
    ) -> Result<Response<v1::ListRunsResponse>, Status> {
        unscripted()
    }

    async fn cancel_run(
        &self,
        _: Request<v1::CancelRunRequest>,
    ) -> Result<Response<v1::CancelRunResponse>, Status> {
        unscripted()
    }

    async fn answer_task(
        &self,
        request: Request<v1::AnswerTaskRequest>,
    ) -> Result<Response<v1::AnswerTaskResponse>, Status> {
        let actor = actor(&request);
        self.with(|script| script.seen_answers.push(request.into_inner()));
        self.next(actor).await?;
        Ok(Response::new(v1::AnswerTaskResponse::default()))
    }

    async fn explain_run(
        &self,
        request: Request<v1::ExplainRunRequest>,
    ) -> Result<Response<v1::ExplainRunResponse>, Status> {
        self.next(actor(&request)).await?;
        Ok(Response::new(v1::ExplainRunResponse::default()))
    }

    async fn watch_run(
        &self,
        _: Request<v1::WatchRunRequest>,
    ) -> Result<Response<Self::WatchRunStream>, Status> {
        unscripted()
    }

    async fn get_task_run(
        &self,
        _: Request<v1::GetTaskRunRequest>,
    ) -> Result<Response<v1::GetTaskRunResponse>, Status> {
        unscripted()
    }

    async fn list_task_runs(
        &self,
        _: Request<v1::ListTaskRunsRequest>,
    ) -> Result<Response<v1::ListTaskRunsResponse>, Status> {
        unscripted()
    }
}

/// Serves the script on a port of its own until the set is dropped.
pub(crate) async fn serve(fake: Fake, tasks: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = tonic::transport::Server::builder()
        .add_service(SystemServiceServer::new(fake.clone()))
        .add_service(LogServiceServer::new(fake.clone()))
        .add_service(RunServiceServer::new(fake));
    tasks.spawn(async move {
        router.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
    });
    address
}

/// A server that has the same port but no service of ours besides the one for logs.
pub(crate) async fn serve_without_system(fake: Fake, tasks: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = tonic::transport::Server::builder().add_service(LogServiceServer::new(fake));
    tasks.spawn(async move {
        router.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
    });
    address
}
