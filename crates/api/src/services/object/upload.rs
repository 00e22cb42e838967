//! An object on its way in: its parts become bytes for the engine, and every wait has a limit.
//!
//! An upload takes as long as its bytes come, so the limit of a call does not hold for it: here it holds for each time that it is
//! the server's turn. How long is waited for a caller is for the engine to say.
//!
//! The transport tells a caller that went away by the end of the stream, as if nothing was missing. Therefore a put has an end of
//! its own, and without it nothing of it is kept.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use gofer_backend::{BackendError, ErrorKind};
use gofer_contract::{Problem, Violation, codes};
use gofer_engine::EngineError;
use gofer_engine::objects::ByteStream;
use gofer_proto::v1::put_object_request::Part;
use gofer_proto::v1::{PutObjectHeader, PutObjectRequest};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::transport::overdue;

/// The path of the call, for which the transport has no limit of time.
pub(crate) const PUT_OBJECT: &str = "/gofer.v1.ObjectService/PutObject";
/// How many bytes a chunk may have.
const CHUNK: usize = 1 << 20;
/// How large a part may be: one is held in memory before it is known what it holds.
pub(crate) const PUT_OBJECT_PART: usize = CHUNK + (64 << 10);

/// The parts of a put as they come.
pub(super) type Parts = BoxStream<'static, Result<PutObjectRequest, Status>>;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The engine works.
    Server,
    /// The next part has not come yet.
    Caller,
}

/// Why the parts ended before their end, for who answers.
type Broken = Arc<Mutex<Option<Status>>>;

/// The first part, which must come in time.
pub(super) async fn header(parts: &mut Parts, limit: Duration) -> Result<PutObjectHeader, Status> {
    let Ok(first) = tokio::time::timeout(limit, parts.next()).await else {
        return Err(overdue(limit).into());
    };
    match first.transpose()?.and_then(|first| first.part) {
        Some(Part::Header(header)) => Ok(header),
        Some(Part::Chunk(_) | Part::End(_)) | None => Err(malformed("header", "it must be the first part")),
    }
}

fn malformed(field: &str, description: impl Into<String>) -> Status {
    Problem::from(vec![Violation { field: field.to_owned(), description: description.into() }]).into()
}

/// The bytes for the engine, and who watches over them.
pub(super) fn bytes(parts: Parts, draining: CancellationToken) -> (ByteStream, Watch) {
    let (turn, watched) = watch::channel(Turn::Server);
    let broken = Broken::default();
    let source = Source { parts, draining, turn, size: 0 };
    let noted = Arc::clone(&broken);
    let next = move |source: Option<Source>| {
        let noted = Arc::clone(&noted);
        async move {
            let mut source = source?;
            match source.next().await {
                Ok(chunk) => chunk.map(|chunk| (Ok(chunk), Some(source))),
                Err(status) => {
                    *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
                    Some((Err(BackendError::new(ErrorKind::Conflict, "the put was broken off")), None))
                }
            }
        }
    };
    (stream::unfold(Some(source), next).boxed(), Watch { turn: watched, broken })
}

/// Where the bytes come from.
struct Source {
    parts: Parts,
    draining: CancellationToken,
    turn: watch::Sender<Turn>,
    /// How many bytes have come.
    size: u64,
}

impl Source {
    /// The next bytes; `None` once the put has come to its end.
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        self.turn.send_replace(Turn::Caller);
        let part = tokio::select! {
            biased;
            () = self.draining.cancelled() => Err(Problem::from(EngineError::ShuttingDown).into()),
            part = self.parts.next() => part.transpose(),
        };
        self.turn.send_replace(Turn::Server);
        let Some(part) = part? else { return Err(broken_off()) };
        match part.part {
            Some(Part::Chunk(chunk)) => self.chunk(chunk).map(Some),
            Some(Part::End(end)) if end.size == self.size => Ok(None),
            Some(Part::End(end)) => {
                let text = format!("{} bytes have come, and {} were sent", self.size, end.size);
                Err(malformed("end.size", text))
            }
            Some(Part::Header(_)) => Err(malformed("header", "it comes once")),
            None => Err(malformed("part", "it must be set")),
        }
    }

    fn chunk(&mut self, chunk: Bytes) -> Result<Bytes, Status> {
        // one without bytes would pass for a sign of life
        if !(1..=CHUNK).contains(&chunk.len()) {
            let text = format!("it has 1 to {CHUNK} bytes; this one has {}", chunk.len());
            return Err(malformed("chunk", text));
        }
        self.size = self.size.saturating_add(chunk.len() as u64);
        Ok(chunk)
    }
}

fn broken_off() -> Status {
    Problem::new(Code::InvalidArgument, codes::OBJECT_REFUSED, "the put ended without its end")
        .hint("nothing of it was kept; put it again")
        .into()
}

/// Who watches over an upload.
pub(super) struct Watch {
    turn: watch::Receiver<Turn>,
    broken: Broken,
}

impl Watch {
    /// Does the work that reads the bytes, or gives it up where the server has not done its part in time.
    pub(super) async fn over<T>(
        mut self,
        work: impl Future<Output = Result<T, Status>>,
        limit: Duration,
    ) -> Result<T, Status> {
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            () = late(&mut self.turn, limit) => return Err(overdue(limit).into()),
        };
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.map_err(|status| broken.unwrap_or(status))
    }
}

/// Ends when it has been the server's turn for too long at a stretch.
async fn late(turn: &mut watch::Receiver<Turn>, limit: Duration) {
    loop {
        let ours = *turn.borrow_and_update() == Turn::Server;
        tokio::select! {
            changed = turn.changed() => if changed.is_err() {
                break;
            },
            // sleeps: the time-out arm of this select
            () = tokio::time::sleep(limit), if ours => return,
        }
    }
    // the last part has come, and the rest is the server's
    // sleeps: whoever waits for this is a time-out arm itself
    tokio::time::sleep(limit).await;
}

#[cfg(test)]
mod tests {
    use gofer_proto::v1::PutObjectEnd;
    use tonic_types::StatusExt;

    use super::*;

    /// How long the server may take.
    const LIMIT: Duration = Duration::from_secs(30);

    fn chunk(bytes: usize) -> Part {
        Part::Chunk(vec![7; bytes].into())
    }

    fn end(size: u64) -> Part {
        Part::End(PutObjectEnd { size })
    }

    fn parts(parts: Vec<Part>) -> Parts {
        stream::iter(parts.into_iter().map(|part| Ok(PutObjectRequest { part: Some(part) }))).boxed()
    }

    /// What an engine makes of the bytes that reads them all.
    async fn read(mut bytes: ByteStream) -> Result<usize, Status> {
        let mut size = 0;
        while let Some(chunk) = bytes.next().await {
            size += chunk.map_err(|_| Status::internal("the stream was broken off"))?.len();
        }
        Ok(size)
    }

    async fn put(parts: Parts) -> Result<usize, Status> {
        let (bytes, watch) = bytes(parts, CancellationToken::new());
        watch.over(read(bytes), LIMIT).await
    }

    fn code(status: &Status) -> String {
        status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
    }

    fn field(status: &Status) -> String {
        let request = status.get_details_bad_request();
        let first = request.and_then(|request| request.field_violations.into_iter().next());
        first.map(|one| one.field).unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn a_put_with_its_end_is_read_whole() {
        assert_eq!(put(parts(vec![chunk(3), chunk(CHUNK), end(3 + CHUNK as u64)])).await.unwrap(), 3 + CHUNK);
        assert_eq!(put(parts(vec![end(0)])).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_put_without_its_end_was_broken_off() {
        for sent in [vec![], vec![chunk(3)]] {
            let refused = put(parts(sent)).await.unwrap_err();
            assert_eq!((refused.code(), code(&refused).as_str()), (Code::InvalidArgument, "E0726"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn parts_that_make_no_sense_are_refused_by_their_name() {
        let header = || Part::Header(PutObjectHeader::default());
        let wrong = [
            (vec![chunk(3), end(4)], "end.size"),
            (vec![chunk(3), header()], "header"),
            (vec![chunk(0)], "chunk"),
            (vec![chunk(CHUNK + 1)], "chunk"),
        ];
        for (sent, name) in wrong {
            assert_eq!(field(&put(parts(sent)).await.unwrap_err()), name);
        }
        let empty = stream::iter([Ok(PutObjectRequest { part: None })]).boxed();
        assert_eq!(field(&put(empty).await.unwrap_err()), "part");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_part_is_the_header_and_comes_in_time() {
        let sent = PutObjectHeader { key: "a".to_owned(), ..PutObjectHeader::default() };
        assert_eq!(header(&mut parts(vec![Part::Header(sent.clone())]), LIMIT).await.unwrap(), sent);
        for wrong in [vec![], vec![chunk(1)]] {
            assert_eq!(field(&header(&mut parts(wrong), LIMIT).await.unwrap_err()), "header");
        }
        let late = header(&mut stream::pending().boxed(), LIMIT).await.unwrap_err();
        assert_eq!((late.code(), code(&late).as_str()), (Code::DeadlineExceeded, "E0909"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_put_on_its_way_ends_with_the_server_and_says_so() {
        let draining = CancellationToken::new();
        let sent = parts(vec![chunk(3)]).chain(stream::pending()).boxed();
        let (bytes, watch) = bytes(sent, draining.clone());
        draining.cancel();
        assert_eq!(code(&watch.over(read(bytes), LIMIT).await.unwrap_err()), "E0907");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_caller_is_not_late_and_a_slow_server_is() {
        let (told, heard) = tokio::sync::oneshot::channel();
        let slow = stream::once(async move {
            // sleeps: the caller lets more time pass than the server may take
            tokio::time::sleep(LIMIT * 5).await;
            let _ = told.send(());
            Ok(PutObjectRequest { part: Some(end(0)) })
        });
        let (from_slow, watch) = bytes(slow.boxed(), CancellationToken::new());
        assert_eq!(watch.over(read(from_slow), LIMIT).await.unwrap(), 0);
        heard.await.unwrap();
        for sent in [vec![end(0)], vec![chunk(1)]] {
            let (mut bytes, watch) = bytes(parts(sent), CancellationToken::new());
            let stuck = async {
                let _ = bytes.next().await;
                std::future::pending::<Result<(), Status>>().await
            };
            assert_eq!(code(&watch.over(stuck, LIMIT).await.unwrap_err()), "E0909");
        }
    }
}
