//! The output of a container, from a place on.
//!
//! The engine is asked for the whole log each time, and what was read before is passed over: a question "since when"
//! would have to trust a clock. A stream that breaks ends with an error; whoever reads goes on from the last cursor.

use std::collections::VecDeque;
use std::sync::Arc;

use bollard::container::LogOutput;
use bollard::errors::Error as Vendor;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_container::{Frame, Place, Step, Way, stamped, time, written};
use gofer_scheduler::{LogChunk, LogItem, LogStream, StreamKind};
use gofer_types::AttemptId;

use crate::error::{error, translate};
use crate::seen::{Seen, Stage};
use crate::shared::Shared;

/// The length of the head of a frame, which is left at those that are of no stream.
const HEADER: usize = 8;

/// An engine that is down keeps nothing of a task that ends meanwhile, and what is killed hands nothing on.
const CUT_SHORT: &str =
    "it ended while the engine was down or was killed from outside: what it wrote last may be missing";

struct Reader {
    shared: Arc<Shared>,
    id: AttemptId,
    seen: Seen,
    pieces: BoxStream<'static, std::result::Result<LogOutput, Vendor>>,
    way: Way,
    place: Place,
    ready: VecDeque<Result<LogChunk>>,
    /// Whether the last line of the first process was read: without it, output may be missing.
    whole: bool,
    /// Whether the task had ended when the log was opened, so that its end is the end.
    complete: bool,
    done: bool,
}

/// Opens the output of a container.
pub(crate) async fn open(shared: Arc<Shared>, id: AttemptId, seen: Seen, place: Place) -> Result<LogStream> {
    let complete = !matches!(seen.stage, Stage::Runs);
    let reader = Reader {
        pieces: pieces(&shared, &seen.container, !complete).await?,
        way: Way::to(place),
        place: Place::default(),
        ready: VecDeque::new(),
        whole: false,
        done: false,
        complete,
        shared,
        id,
        seen,
    };
    Ok(stream::unfold(reader, |mut reader| async move { reader.next().await.map(|item| (item, reader)) })
        .boxed())
}

async fn pieces(
    shared: &Shared,
    container: &str,
    follow: bool,
) -> Result<BoxStream<'static, std::result::Result<LogOutput, Vendor>>> {
    let docker = shared.client.docker("logs").await?;
    let options =
        LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true).follow(follow).build();
    Ok(docker.logs(container, Some(options)).boxed())
}

impl Reader {
    async fn next(&mut self) -> Option<Result<LogChunk>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Some(item);
            }
            if self.done {
                return None;
            }
            match self.pieces.next().await {
                Some(Ok(output)) => self.take(output),
                Some(Err(vendor)) => self.break_off(translate("logs", vendor)),
                None => self.ended().await,
            }
        }
    }

    fn break_off(&mut self, fault: BackendError) {
        self.done = true;
        self.ready.push_back(Err(fault.with("id", &self.id)));
    }

    fn take(&mut self, output: LogOutput) {
        let (stream, line) = match spoken(output) {
            Ok(spoken) => spoken,
            Err(words) => {
                let fault = error(ErrorKind::Unavailable, "logs", "the engine cannot read its log");
                return self.break_off(fault.with("engine", words));
            }
        };
        let (at, frame) = stamped(&line);
        self.place = self.place.behind(at);
        self.whole |= matches!(frame, Frame::End(_));
        match self.way.step(at) {
            Step::Skip => return,
            Step::Take => {}
            Step::TakeBehindGap => {
                let cause = "the engine has dropped its oldest output".to_owned();
                self.hand_on(at, LogItem::Gap { bytes: None, cause });
            }
        }
        if let Frame::Output(bytes) = frame {
            self.hand_on(at, LogItem::Data { stream, bytes });
        }
    }

    fn hand_on(&mut self, at: i64, item: LogItem) {
        let cursor = self.place.cursor();
        self.ready.push_back(Ok(LogChunk { cursor, at: time(at), item }));
    }

    /// The engine has no more to say. That is the end only if the task has ended and all was sent.
    async fn ended(&mut self) {
        match self.is_complete().await {
            Ok(true) => self.finish(),
            Ok(false) => {
                self.break_off(error(ErrorKind::Unavailable, "logs", "the engine ended the output early"));
            }
            Err(fault) => self.break_off(fault),
        }
    }

    async fn is_complete(&mut self) -> Result<bool> {
        if self.complete {
            return Ok(true);
        }
        self.seen = self.shared.seen(&self.id, "logs").await?;
        if self.seen.stage == Stage::Runs {
            return Ok(false);
        }
        // Followed to its end, or cut off: the very last piece tells.
        let container = self.seen.container.clone();
        let options =
            LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(true).tail("1").build();
        let read = |docker: bollard::Docker| async move {
            let mut pieces = Box::pin(docker.logs(&container, Some(options)));
            let mut last = None;
            while let Some(piece) = pieces.next().await {
                last = Some(piece?.into_bytes());
            }
            Ok(last)
        };
        let last = self.shared.client.call("logs", read).await?;
        Ok(last.is_none_or(|piece| written(&piece) == self.place.last))
    }

    fn finish(&mut self) {
        self.done = true;
        if !self.way.has_arrived() {
            let message = "this place is not in the output of this container";
            return self.break_off(error(ErrorKind::InvalidInput, "logs", message));
        }
        if !self.whole {
            let at = self.place.last;
            self.hand_on(at, LogItem::Gap { bytes: None, cause: CUT_SHORT.to_owned() });
        }
    }
}

/// A line of the task, or what the engine itself says about its log in between.
fn spoken(output: LogOutput) -> std::result::Result<(StreamKind, Bytes), String> {
    match output {
        LogOutput::StdErr { message } => Ok((StreamKind::Err, message)),
        LogOutput::StdOut { message } | LogOutput::StdIn { message } => Ok((StreamKind::Out, message)),
        LogOutput::Console { message } => {
            let words = message.get(HEADER..).unwrap_or_default();
            Err(String::from_utf8_lossy(words).trim().to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_about_its_log_is_no_output_of_the_task() {
        let line = Bytes::from_static(b"a line\n");
        assert_eq!(spoken(LogOutput::StdErr { message: line.clone() }), Ok((StreamKind::Err, line.clone())));
        assert_eq!(spoken(LogOutput::StdOut { message: line.clone() }), Ok((StreamKind::Out, line)));
        let message = Bytes::from_static(b"\x03\0\0\0\0\0\0\x10Error grabbing logs: EOF\n");
        assert_eq!(spoken(LogOutput::Console { message }), Err("Error grabbing logs: EOF".to_owned()));
    }
}
