//! Files of tasks: laid into the work directory before the start, and taken out of it behind the end.
//!
//! Both are archives in the one dialect of `gofer-artefacts`, whatever the backend uses below; neither side trusts them. It
//! stands beside [`Scheduler::start`](crate::Scheduler::start) because it takes as long as there are bytes.

use std::fmt;
use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use gofer_artefacts::Limits;
use gofer_backend::Result;
use gofer_types::AttemptId;

use crate::TaskSpec;

/// The bytes of an archive. An error of the stream is the last item.
pub type FileStream = BoxStream<'static, Result<Bytes>>;

/// An archive that is to be laid.
pub struct Archive {
    /// What it is called, for errors.
    pub name: String,
    /// Its bytes. They are checked as they come.
    pub bytes: FileStream,
}

impl Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Lays files before the start of a task, and takes them behind its end.
#[async_trait]
pub trait Files: Debug + Send + Sync {
    /// Unpacks archives, in their order, into the work directory that the task will start in. The start with the same spec
    /// follows; nothing runs before it. A start that was refused may have taken with it what was laid: who starts again lays
    /// again, and may do so whatever became of the start. Whether that start answers `Created` or `Adopted` is left open.
    ///
    /// Repeatable until then: what an earlier call laid under this id is gone and not mixed in. Once the id has been started
    /// it answers `Ok`, touches nothing and leaves the streams as they are. What was laid and never started is in [`Scheduler::list`](crate::Scheduler::list),
    /// and [`Scheduler::remove`](crate::Scheduler::remove) frees it. A dropped future may leave a part, for either of these.
    /// It may come while an earlier start, lay or removal of the id is still being carried out, also by another server:
    /// what the backend calls a conflict then passes, and is `Unavailable`, as is whatever goes away meanwhile.
    ///
    /// Errors: `InvalidInput` naming the archive if it is none, is beyond the limits or puts a file where one is already;
    /// `NotFound` if the image of the task, and nothing else, is not there; `Conflict` if the id was removed or stands for
    /// another digest, and that stays so; an error of a stream as it came; else as for the start.
    async fn lay(
        &self,
        id: &AttemptId,
        spec: &TaskSpec,
        archives: Vec<Archive>,
        limits: &Limits,
    ) -> Result<()>;

    /// Packs what an ended task left under these paths of its work directory. Repeatable until it is removed; the same files
    /// make the same bytes. No effect. A stream that ends without an error is whole.
    ///
    /// Errors, of the call or within the stream: `InvalidInput` naming the path if it is not there, is neither a file nor a directory,
    /// or is beyond the limits; `Conflict` while the task runs or before it was started; `NotFound` as for
    /// [`Scheduler::inspect`](crate::Scheduler::inspect).
    async fn take(&self, id: &AttemptId, paths: &[String], limits: &Limits) -> Result<FileStream>;
}
