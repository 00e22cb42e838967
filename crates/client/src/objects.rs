//! Objects on their way in and out: uploads that a wait ends and not their length, downloads that go on after a loss.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use gofer_proto::v1;
use gofer_proto::v1::get_object_response::Part as Got;
use gofer_proto::v1::object_service_client::ObjectServiceClient;
use gofer_proto::v1::put_object_request::Part;
use tokio::sync::watch;

use crate::calls::Answers;
use crate::client::Client;
use crate::error::{self, ClientError};
use crate::follow::{Advance, Follow, Following, Place};

/// How many bytes a chunk has at most.
const CHUNK: usize = 256 << 10;

/// Why a put failed.
#[derive(Debug, thiserror::Error)]
pub enum PutError<E> {
    /// Its bytes could not be read; the server keeps nothing of them.
    #[error("the bytes of the object cannot be read")]
    Source(E),
    /// The call failed.
    #[error(transparent)]
    Call(ClientError),
}

/// Who is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Source,
    Server,
}

/// The bytes of a put on their way.
struct Outgoing<E> {
    header: Option<v1::PutObjectHeader>,
    source: BoxStream<'static, Result<Bytes, E>>,
    /// What came from the source and was not sent yet.
    rest: Bytes,
    /// How many bytes were sent.
    size: u64,
    turn: watch::Sender<Turn>,
    failed: Arc<Mutex<Option<E>>>,
}

impl<E> Outgoing<E> {
    /// The next part; with `None` for the rest, the last. No part at all: the source failed, and the put has no end.
    async fn next(mut self) -> Option<(Part, Option<Self>)> {
        // a sign of life: the last part was taken
        self.turn.send_replace(Turn::Server);
        if let Some(header) = self.header.take() {
            return Some((Part::Header(header), Some(self)));
        }
        while self.rest.is_empty() {
            self.turn.send_replace(Turn::Source);
            let bytes = self.source.next().await;
            self.turn.send_replace(Turn::Server);
            match bytes {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => {
                    *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return None;
                }
                None => return Some((Part::End(v1::PutObjectEnd { size: self.size }), None)),
            }
        }
        let chunk = self.rest.split_to(self.rest.len().min(CHUNK));
        self.size += chunk.len() as u64;
        Some((Part::Chunk(chunk), Some(self)))
    }
}

/// Ends when the server is waited for, and has taken nothing for too long.
async fn silence(mut turn: watch::Receiver<Turn>, limit: Duration) {
    loop {
        let theirs = *turn.borrow_and_update() == Turn::Server;
        tokio::select! {
            changed = turn.changed() => if changed.is_err() {
                break;
            },
            // sleeps: the time-out arm of this select
            () = tokio::time::sleep(limit), if theirs => return,
        }
    }
    // everything was sent, and the answer is waited for
    // sleeps: whoever waits for this is a time-out arm itself
    tokio::time::sleep(limit).await;
}

impl Client {
    /// Puts an object. It may take as long as its bytes come; the limit of a request holds for each wait for the server. It is
    /// never repeated.
    ///
    /// # Errors
    /// What the source answers, what the server refuses, or what stands between.
    pub async fn put_object<S, E>(
        &self,
        header: v1::PutObjectHeader,
        source: S,
    ) -> Result<v1::PutObjectResponse, PutError<E>>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Send + 'static,
    {
        let limit = self.options().request_timeout;
        let failed = Arc::new(Mutex::new(None));
        let (turn, watched) = watch::channel(Turn::Server);
        let outgoing = Outgoing {
            header: Some(header),
            source: source.boxed(),
            rest: Bytes::new(),
            size: 0,
            turn,
            failed: Arc::clone(&failed),
        };
        let parts = stream::unfold(Some(outgoing), |outgoing: Option<Outgoing<E>>| async move {
            let (part, rest) = outgoing?.next().await?;
            Some((v1::PutObjectRequest { part: Some(part) }, rest))
        });
        let mut service = ObjectServiceClient::new(self.channel());
        let answer = tokio::select! {
            biased;
            answer = service.put_object(self.request(parts)) => answer.map_err(|status| self.failure(&status)),
            () = silence(watched, limit) => Err(error::timed_out(self.address(), limit)),
        };
        if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(PutError::Source(error));
        }
        answer.map(tonic::Response::into_inner).map_err(PutError::Call)
    }

    /// An object from the wanted place on, also over losses of the connection: first its header, then its bytes, none of them
    /// missing and none twice, and all of the same put. An answer may be empty.
    ///
    /// # Errors
    /// What the server refuses, or what stands between, when the stream is opened. Later `E0729` if the object was replaced
    /// during a loss.
    pub async fn get_object(
        &self,
        request: v1::GetObjectRequest,
    ) -> Result<Following<v1::GetObjectResponse>, ClientError> {
        let answers = self.get_object_once(request.clone()).await?;
        Ok(Follow::start(self.clone(), request, answers, advance()))
    }
}

impl Place for v1::GetObjectRequest {
    type Answer = v1::GetObjectResponse;

    fn open(self, client: Client) -> BoxFuture<'static, Result<Answers<Self::Answer>, ClientError>> {
        async move { client.get_object_once(self).await }.boxed()
    }
}

fn advance() -> Advance<v1::GetObjectRequest, v1::GetObjectResponse> {
    let mut told = false;
    Box::new(move |place, answer| match &answer.part {
        Some(Got::Header(_)) if told => answer.part = None,
        Some(Got::Header(object)) => {
            told = true;
            place.version.clone_from(&object.version);
            if let Some(scope) = &mut place.scope
                && object.run > 0
            {
                // "the latest" must mean the same run after a loss
                scope.run = Some(v1::object_scope::Run::Number(object.run));
            }
        }
        Some(Got::Chunk(chunk)) => {
            let bytes = chunk.len() as u64;
            place.offset += bytes;
            place.length = place.length.map(|length| length.saturating_sub(bytes));
        }
        None => {}
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(part: Got) -> v1::GetObjectResponse {
        v1::GetObjectResponse { part: Some(part) }
    }

    #[test]
    fn a_download_goes_on_behind_what_has_come_in_the_same_version_of_the_same_run() {
        let latest = Some(v1::object_scope::Run::Latest(0));
        let scope = v1::ObjectScope { pipeline: "p".to_owned(), run: latest, ..v1::ObjectScope::default() };
        let mut place =
            v1::GetObjectRequest { scope: Some(scope), offset: 10, length: Some(5), ..Default::default() };
        let mut advance = advance();
        let header = v1::Object { run: 7, version: "v".to_owned(), ..v1::Object::default() };
        let mut first = answer(Got::Header(header.clone()));
        advance(&mut place, &mut first);
        assert!(first.part.is_some());
        advance(&mut place, &mut answer(Got::Chunk(Bytes::from_static(b"abc"))));
        assert_eq!((place.offset, place.length, place.version.as_str()), (13, Some(2), "v"));
        assert_eq!(place.scope.as_ref().and_then(|scope| scope.run), Some(v1::object_scope::Run::Number(7)));
        let mut again = answer(Got::Header(header));
        advance(&mut place, &mut again);
        assert_eq!(again.part, None, "the header is told once");
    }
}
