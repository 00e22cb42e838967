//! One file per service of the contract. What they share is here: the engine, the caller, and streams that end.

mod event;
mod log;
mod namespace;
mod object;
mod pipeline;
mod run;
mod system;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use gofer_contract::{Problem, Violation};
use gofer_engine::{Caller, Engine, EngineError};
use gofer_types::Actor;
use gofer_types::refs::RunSelector;
use gofer_types::{PipelineRef, RunRef};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use crate::limits::ServeOptions;

pub(crate) use object::{PUT_OBJECT, PUT_OBJECT_PART};

/// The header in which a caller says who it is. A claim, not a proof: see the documents of this crate.
pub const ACTOR_HEADER: &str = "gofer-actor";
/// Who a caller is that does not say.
const NOBODY: &str = "unknown";
/// The name under which the server itself acts.
const SYSTEM: &str = "system";
/// How long the name of a caller may be.
const ACTOR_LENGTH: usize = 128;

/// The implementation of every service. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Api {
    engine: Engine,
    options: Arc<ServeOptions>,
    /// Cancelled when the server is told to end: open streams end then.
    draining: CancellationToken,
}

impl Api {
    pub(crate) fn new(engine: Engine, options: Arc<ServeOptions>, draining: CancellationToken) -> Self {
        Self { engine, options, draining }
    }

    /// The run that a selector means now.
    async fn resolve(&self, (pipeline, selector): (PipelineRef, RunSelector)) -> Result<RunRef, Status> {
        match selector {
            RunSelector::Number(number) => Ok(pipeline.run(number)),
            selector => Ok(self.engine.resolve_run(&pipeline, selector).await.map_err(Problem::from)?),
        }
    }

    /// A stream of the engine as a stream of answers. It asks for the next item only when the last one was taken, and
    /// ends with "shutting down" when the server does, so that the caller resumes elsewhere or later.
    fn answers<T, R>(
        &self,
        items: impl Stream<Item = Result<T, EngineError>> + Send + 'static,
        convert: impl FnMut(T) -> R + Send + 'static,
    ) -> BoxStream<'static, Result<R, Status>>
    where
        T: 'static,
        R: Send + 'static,
    {
        let answers = items.map_ok(convert).map_err(|error| Status::from(Problem::from(error)));
        ended_by(answers.boxed(), self.draining.clone()).boxed()
    }
}

/// The items until they end or fail, or until the server is told to end.
fn ended_by<R: Send + 'static>(
    items: BoxStream<'static, Result<R, Status>>,
    draining: CancellationToken,
) -> impl Stream<Item = Result<R, Status>> + Send + 'static {
    stream::unfold(Some((items, draining)), |state| async move {
        let (mut items, draining) = state?;
        let item = tokio::select! {
            biased;
            item = items.next() => item?,
            () = draining.cancelled() => Err(Problem::from(EngineError::ShuttingDown).into()),
        };
        let rest = item.is_ok().then_some((items, draining));
        Some((item, rest))
    })
}

/// Who calls, as the caller claims.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let Some(value) = request.metadata().get(ACTOR_HEADER) else {
        return Ok(Caller { actor: Actor::User(NOBODY.to_owned()) });
    };
    let name = value.to_str().ok().filter(|name| acceptable_actor(name));
    match name {
        Some(name) => Ok(Caller { actor: Actor::User(name.to_owned()) }),
        None => {
            let description =
                format!("it has 1 to {ACTOR_LENGTH} printable ASCII characters and is not {SYSTEM:?}");
            Err(Problem::from(vec![Violation { field: ACTOR_HEADER.to_owned(), description }]).into())
        }
    }
}

fn acceptable_actor(name: &str) -> bool {
    let length = (1..=ACTOR_LENGTH).contains(&name.len());
    let printable = name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    length && printable && name.trim() == name && !name.eq_ignore_ascii_case(SYSTEM)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn named(name: &str) -> Result<Caller, Status> {
        let mut request = Request::new(());
        request.metadata_mut().insert(ACTOR_HEADER, name.parse().unwrap());
        caller(&request)
    }

    #[test]
    fn a_caller_is_who_it_says_it_is() {
        assert_eq!(named("ana@build-7").unwrap().actor, Actor::User("ana@build-7".to_owned()));
    }

    #[test]
    fn a_caller_that_does_not_say_is_unknown() {
        assert_eq!(caller(&Request::new(())).unwrap().actor, Actor::User("unknown".to_owned()));
    }

    #[test]
    fn nobody_may_claim_to_be_the_server() {
        for name in ["system", "System", "", " ana"] {
            assert_eq!(named(name).unwrap_err().code(), Code::InvalidArgument, "{name:?}");
        }
        assert_eq!(named(&"x".repeat(129)).unwrap_err().code(), Code::InvalidArgument);
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_items() {
        let items = stream::iter([Ok(1), Ok(2)]).boxed();
        let all: Vec<_> = ended_by(items, CancellationToken::new()).collect().await;
        assert_eq!(all.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test]
    async fn a_waiting_stream_ends_when_the_server_does_and_says_so() {
        let draining = CancellationToken::new();
        let items = stream::iter([Ok(1)]).chain(stream::pending()).boxed();
        let mut answers = Box::pin(ended_by(items, draining.clone()));
        assert_eq!(answers.next().await.unwrap().unwrap(), 1);
        draining.cancel();
        assert_eq!(answers.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
        assert!(answers.next().await.is_none());
    }

    #[tokio::test]
    async fn nothing_follows_an_error() {
        let items = stream::iter([Err(Status::internal("x")), Ok(1)]).boxed();
        let all: Vec<_> = ended_by(items, CancellationToken::new()).collect().await;
        assert_eq!(all.len(), 1);
    }
}
