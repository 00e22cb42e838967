//! Around every call: an id, a time limit for the answer to begin, a net for panics, and a proper form for the errors
//! that are made below the services.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use gofer_contract::{Problem, codes};
use http::{HeaderMap, HeaderValue, Request};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument;
use uuid::Uuid;

use super::Answer;
use crate::services;

/// The header of an answer that names the call, for finding it in the log of the server.
pub const REQUEST_ID_HEADER: &str = "gofer-request-id";
/// The paths of our own services; health and reflection keep their own errors.
const OURS: &str = "/gofer.";
const DETAILS: &str = "grpc-status-details-bin";

/// Puts the guard around every service.
#[derive(Debug, Clone)]
pub(super) struct GuardLayer {
    limit: Duration,
}

impl GuardLayer {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, limit: self.limit }
    }
}

/// A service with the guard around it.
#[derive(Debug, Clone)]
pub(super) struct Guard<S> {
    inner: S,
    limit: Duration,
}

impl<S, B> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Response = Answer, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let id = Uuid::now_v7().to_string();
        let method = request.uri().path().to_owned();
        let span = tracing::info_span!("call", method, id);
        // the answer to an upload begins when the upload has ended; its service bounds every wait of it
        let limit = (method != services::PUT_OBJECT).then_some(self.limit);
        let answer = self.inner.call(request);
        let guarded = async move {
            let mut answer = within(answer, limit).await;
            if method.starts_with(OURS)
                && let Some(problem) = in_our_form(answer.headers())
            {
                answer = Status::from(problem).into_http();
            }
            if let Ok(id) = HeaderValue::from_str(&id) {
                answer.headers_mut().insert(REQUEST_ID_HEADER, id);
            }
            tracing::debug!(status = ?answer.headers().get(Status::GRPC_STATUS), "answered");
            Ok(answer)
        };
        Box::pin(guarded.instrument(span))
    }
}

/// The answer, or why there is none.
async fn within(answer: impl Future<Output = Result<Answer, Infallible>>, limit: Option<Duration>) -> Answer {
    let answer = AssertUnwindSafe(answer).catch_unwind();
    let answered = match limit {
        Some(limit) => tokio::time::timeout(limit, answer).await.map_err(|_| limit),
        None => Ok(answer.await),
    };
    match answered {
        Ok(Ok(Ok(answer))) => answer,
        Ok(Err(_panic)) => {
            tracing::error!("a call panicked; this is a defect of gofer");
            Status::from(Problem::new(Code::Internal, codes::DEFECT, "the server failed")).into_http()
        }
        Err(limit) => Status::from(overdue(limit)).into_http(),
    }
}

/// The server has not done its part in time.
pub(crate) fn overdue(limit: Duration) -> Problem {
    let text = format!("the server did not finish within {limit:?}");
    Problem::new(Code::DeadlineExceeded, codes::OVERDUE, text)
        .hint("whether a change took effect is not known; look before you repeat it")
}

/// What to tell instead of an error that was made below the services, which has no details yet.
fn in_our_form(headers: &HeaderMap) -> Option<Problem> {
    if headers.contains_key(DETAILS) {
        return None;
    }
    let status = Status::from_header_map(headers)?;
    let problem = |code, gofer| Some(Problem::new(code, gofer, status.message()));
    match status.code() {
        Code::OutOfRange => problem(Code::ResourceExhausted, codes::TOO_LARGE),
        Code::Internal => {
            let malformed = Problem::new(
                Code::InvalidArgument,
                codes::MALFORMED,
                "the request is not a message of the API",
            );
            Some(malformed.hint(status.message()))
        }
        Code::Unimplemented if status.message().is_empty() => {
            let text = "this server does not have that call";
            Some(
                Problem::new(Code::Unimplemented, codes::NO_SUCH_CALL, text)
                    .hint("the client is newer than the server"),
            )
        }
        _ => None,
    }
}
