//! The output of tasks.

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use gofer_contract::{Problem, convert};
use gofer_engine::{EngineError, LogPage, LogQuery};
use gofer_logs::{LogEntry, StreamKind};
use gofer_proto::v1;
use gofer_proto::v1::log_service_server::LogService;
use gofer_proto::v1::{DeleteLogsRequest, DeleteLogsResponse, ReadLogsRequest, ReadLogsResponse};
use gofer_types::PipelineRef;
use gofer_types::refs::RunSelector;
use tonic::{Request, Response, Status};

use super::{Api, caller};
use crate::fields::Fields;

/// How many bytes of output one answer carries; a single larger entry is an answer of its own. It is also about what is
/// held in memory for a reader that does not read.
const ANSWER: usize = 64 << 10;

/// What an entry takes beside its bytes, roughly.
const OVERHEAD: usize = 64;

/// A page as answers of a moderate size. Only the last carries the cursor: the place behind the others is not known.
fn in_parts(page: LogPage) -> Vec<LogPage> {
    let LogPage { entries, cursor } = page;
    let mut parts = vec![LogPage { entries: Vec::new(), cursor: String::new() }];
    let mut size = 0;
    for entry in entries {
        let bytes = weight(&entry);
        if size > 0 && size + bytes > ANSWER {
            parts.push(LogPage { entries: Vec::new(), cursor: String::new() });
            size = 0;
        }
        size += bytes;
        if let Some(part) = parts.last_mut() {
            part.entries.push(entry);
        }
    }
    if let Some(last) = parts.last_mut() {
        last.cursor = cursor;
    }
    parts
}

fn weight(entry: &LogEntry) -> usize {
    entry.data.len() + entry.task.as_str().len() + OVERHEAD
}

/// What a request asks for, checked.
fn query(request: ReadLogsRequest) -> Result<((PipelineRef, RunSelector), LogQuery), Status> {
    let mut fields = Fields::default();
    let run = fields.run("run", request.run.as_ref());
    let tasks = fields.tasks("tasks", &request.tasks);
    let stream = stream_kind(&mut fields, request.stream);
    let since = fields.time("since", request.since);
    let until = fields.time("until", request.until);
    if let (Some(Some(since)), Some(Some(until))) = (since, until)
        && since >= until
    {
        fields.refuse::<()>("until", "it must be after `since`");
    }
    if request.tail.is_some() && !request.cursor.is_empty() {
        fields.refuse::<()>("tail", "it cannot be combined with a cursor");
    }
    let cursor = fields.token("cursor", request.cursor);
    let (((((run, tasks), stream), since), until), cursor) =
        fields.finish(run.zip(tasks).zip(stream).zip(since).zip(until).zip(cursor))?;
    let attempt = (request.attempt > 0).then_some(request.attempt);
    let query =
        LogQuery { tasks, attempt, stream, since, until, tail: request.tail, follow: request.follow, cursor };
    Ok((run, query))
}

fn stream_kind(fields: &mut Fields, number: i32) -> Option<Option<StreamKind>> {
    match v1::LogStream::try_from(number) {
        Ok(v1::LogStream::Unspecified) => Some(None),
        Ok(v1::LogStream::Out) => Some(Some(StreamKind::Out)),
        Ok(v1::LogStream::Err) => Some(Some(StreamKind::Err)),
        Err(_) => fields.refuse("stream", format!("{number} is not a known stream")),
    }
}

#[tonic::async_trait]
impl LogService for Api {
    type ReadLogsStream = BoxStream<'static, Result<ReadLogsResponse, Status>>;

    async fn read_logs(
        &self,
        request: Request<ReadLogsRequest>,
    ) -> Result<Response<Self::ReadLogsStream>, Status> {
        let (run, query) = query(request.into_inner())?;
        let id = self.resolve(run).await?;
        let pages = self.engine.read_logs(&id, query).await.map_err(Problem::from)?;
        let parts = pages.map_ok(|page| stream::iter(in_parts(page)).map(Ok::<_, EngineError>)).try_flatten();
        Ok(Response::new(self.answers(parts, convert::log_page)))
    }

    async fn delete_logs(
        &self,
        request: Request<DeleteLogsRequest>,
    ) -> Result<Response<DeleteLogsResponse>, Status> {
        let caller = caller(&request)?;
        let mut fields = Fields::default();
        let run = fields.run("run", request.get_ref().run.as_ref());
        let id = self.resolve(fields.finish(run)?).await?;
        let run = self.engine.delete_logs(&caller, &id).await.map_err(Problem::from)?;
        let deleted = run.logs_deleted.as_ref();
        let actor = deleted.map(|deleted| deleted.actor.to_string()).unwrap_or_default();
        Ok(Response::new(DeleteLogsResponse {
            actor,
            at: deleted.map(|deleted| convert::timestamp(deleted.at)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use gofer_types::{TaskId, Timestamp};

    use super::*;

    fn entry(seq: u64, bytes: usize) -> LogEntry {
        LogEntry {
            task: TaskId::new("a").unwrap(),
            attempt: 1,
            seq,
            time: Timestamp::from_micros(0),
            stream: StreamKind::Out,
            data: vec![b'x'; bytes].into(),
            partial: false,
            gap: None,
        }
    }

    fn seqs(parts: &[LogPage]) -> Vec<Vec<u64>> {
        parts.iter().map(|part| part.entries.iter().map(|entry| entry.seq).collect()).collect()
    }

    #[test]
    fn large_pages_are_sent_in_parts_and_the_last_has_the_cursor() {
        let entries =
            vec![entry(1, 40 << 10), entry(2, 40 << 10), entry(3, 200 << 10), entry(4, 1), entry(5, 1)];
        let parts = in_parts(LogPage { entries, cursor: "c".to_owned() });
        assert_eq!(seqs(&parts), [vec![1], vec![2], vec![3], vec![4, 5]]);
        assert_eq!(parts.iter().map(|part| part.cursor.as_str()).collect::<Vec<_>>(), ["", "", "", "c"]);
    }

    #[test]
    fn an_empty_page_still_carries_its_cursor() {
        let parts = in_parts(LogPage { entries: Vec::new(), cursor: "c".to_owned() });
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].cursor, "c");
    }
}
