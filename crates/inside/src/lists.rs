//! The values of late matrices: lists that are read, and nothing else runs.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use gofer_backend::{BackendError, BackendInfo, ErrorKind, Result};
use gofer_scheduler::{
    Capabilities, LogCursor, LogStream, Scheduler, StartOutcome, Started, TaskExit, TaskSpec, TaskStatus,
    TaskSummary,
};
use gofer_types::{AttemptId, Cause};

use crate::values;

/// The name under which the reading of lists is recorded.
pub const LISTS: &str = "gofer-lists";

/// What has the objects of runs.
#[async_trait]
pub trait ListSource: Debug + Send + Sync + 'static {
    /// The object with this key of the run that the spec names; at most that many bytes. `NotFound` if there is none,
    /// `InvalidInput` if it has more.
    async fn read(&self, spec: &TaskSpec, key: &str, most: u64) -> Result<Bytes>;
}

/// Lists as something that attempts can be followed at. The environment of a spec says which object each key of the matrix
/// takes its values from. A list is read by the start; what was read is forgotten with the server, and then read again.
#[derive(Debug)]
pub struct Lists {
    source: Arc<dyn ListSource>,
    read: Mutex<HashMap<AttemptId, TaskExit>>,
}

impl Lists {
    /// Lists of this source.
    #[must_use]
    pub fn new(source: Arc<dyn ListSource>) -> Self {
        Self { source, read: Mutex::default() }
    }

    fn read(&self) -> MutexGuard<'_, HashMap<AttemptId, TaskExit>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, id: &AttemptId) -> Result<TaskExit> {
        let missing = || BackendError::new(ErrorKind::NotFound, "the attempt has read no list");
        self.read().get(id).cloned().ok_or_else(missing)
    }

    /// How many bytes a list has, and its values.
    async fn list(&self, spec: &TaskSpec, key: &str) -> Result<(usize, Vec<String>)> {
        let most = values::MOST_BYTES as u64;
        let bytes = self.source.read(spec, key, most).await.map_err(|error| match error.kind() {
            // whoever starts something takes this for a missing image, which could come
            ErrorKind::NotFound => BackendError::new(ErrorKind::InvalidInput, error.message().to_owned()),
            _ => error,
        })?;
        let problem = |problem| {
            let text = format!("the object `{key}` of the run is no list of values: {problem}");
            BackendError::new(ErrorKind::InvalidInput, text)
        };
        Ok((bytes.len(), values::of(&bytes).map_err(problem)?))
    }
}

#[async_trait]
impl Scheduler for Lists {
    fn info(&self) -> BackendInfo {
        BackendInfo { kind: LISTS, name: LISTS.to_owned(), target: String::new() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn check(&self) -> Result<()> {
        Ok(())
    }

    async fn start(&self, id: &AttemptId, spec: &TaskSpec) -> Result<Started> {
        let mut values = BTreeMap::new();
        let mut size = 0;
        for (key, object) in &spec.env {
            let (bytes, list) = self.list(spec, object).await?;
            // together they become a part of one record, also if one of them is empty
            size += bytes + key.len();
            if size > values::MOST_BYTES {
                let most = values::MOST_BYTES;
                let text = format!("the lists of a matrix have at most {most} bytes together");
                return Err(BackendError::new(ErrorKind::InvalidInput, text));
            }
            values.insert(key.clone(), list);
        }
        let cause = Cause::FannedOut { tasks: 0, values };
        self.read().insert(id.clone(), TaskExit { cause, at: None });
        Ok(Started { outcome: StartOutcome::Created, handle: String::new(), image: None, notes: Vec::new() })
    }

    async fn inspect(&self, id: &AttemptId) -> Result<TaskStatus> {
        self.of(id).map(TaskStatus::Ended)
    }

    async fn wait(&self, id: &AttemptId) -> Result<TaskExit> {
        self.of(id)
    }

    async fn logs(&self, _: &AttemptId, _: LogCursor) -> Result<LogStream> {
        Ok(stream::empty().boxed())
    }

    async fn stop(&self, id: &AttemptId, _: Duration) -> Result<()> {
        self.of(id).map(drop)
    }

    async fn remove(&self, id: &AttemptId) -> Result<()> {
        self.read().remove(id);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<TaskSummary>> {
        Ok(Vec::new())
    }
}
