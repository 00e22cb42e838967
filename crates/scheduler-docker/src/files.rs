//! Files of tasks: laid into a container that was created and has not run, and taken from one that has ended.
//!
//! **One start.** To lay is to create the container under the attempt's name, as a start does, and to fill its work
//! directory; the start finds it, adopts it by its digest and lets it run. A container that is there and has not run is what
//! is left of an earlier call: it is made anew, so that nothing is mixed. After a crash in between both may be repeated.
//!
//! **Where.** In the work directory that the container itself names: the task's, or the image's, or `/`. Where that is a
//! link of the image it is followed, inside the container; below it nothing is.
//!
//! **Whose.** What is laid can be read by everybody in the container. It belongs to the user of the task if that is a
//! number, so that it can be written too; names of users are known to the image alone, and their files are root's. What the
//! image has already, the work directory itself included, stays as it is.
//!
//! **Not everywhere.** A root that the operator keeps read-only takes no files, and the refusal says so. What a task leaves in
//! memory, as below such a container's `/tmp`, is gone with its end. An engine leaves sockets out of what it packs.
//!
//! **Room.** What goes in or out waits in a nameless file below the scheduler's root. There are [`gofer_porter::AT_ONCE`] of
//! them at the most, so there is never more than that many times the sum of the inputs, or of the outputs, of one task.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::models::ImageInspect;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use futures_util::{StreamExt, TryStreamExt};
use gofer_artefacts::{Limits, SafePath};
use gofer_backend::{ErrorKind, Result};
use gofer_container::KIND;
use gofer_porter::engine::{Container, Owner, Spool, Standing, give, host, receive};
use gofer_porter::{Incoming, given_up, in_time};
use gofer_scheduler::{Archive, FileStream, Files, TaskSpec};
use gofer_types::AttemptId;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::backend::DockerScheduler;
use crate::error::{error, translate};
use crate::seen::{Seen, Stage};
use crate::shared::Shared;
use crate::start::{body, conflict, create, discard, no_image, passing, ready, refuse_removed};

/// How many bytes an engine unpacks in a second, at the least.
const SLOWEST: u64 = 1 << 20;
/// How much longer than ours the limit of the client is.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Lays files. Carried out to its end, which comes soon once `cancel` says that nobody waits.
async fn lay(
    shared: Arc<Shared>,
    (id, spec): (AttemptId, TaskSpec),
    archives: Vec<Archive>,
    limits: Limits,
    cancel: CancellationToken,
) -> Result<()> {
    let image = ready(&shared, &id, &spec, "lay").await?;
    let _laying = shared.carriers.laying.take(&id).await;
    let Some(made) = make(&shared, &id, &spec, image).await? else { return Ok(()) };
    let archives = archives.into_iter().map(|archive| Incoming::new(archive, &cancel)).collect();
    let filled = fill(&shared, (&id, &made), (archives, limits), cancel).await;
    if filled.is_err() {
        let _turn = shared.turns.take(&id).await;
        if still_there(&shared, &id, &made).await.is_ok() {
            // Best effort: what stays is listed, and is made anew or removed.
            let _ = shared.discard(&made.container, false).await;
        }
    }
    filled
}

/// A container that waits for its files.
struct Made {
    container: String,
    owner: Owner,
}

/// Makes the container, in place of one that is left of an earlier call; nothing if the task was started.
async fn make(
    shared: &Arc<Shared>,
    id: &AttemptId,
    spec: &TaskSpec,
    image: Option<ImageInspect>,
) -> Result<Option<Made>> {
    let _turn = shared.turns.take(id).await;
    refuse_removed(shared, id, "lay")?;
    let left_over = match shared.look(id, "lay").await {
        Ok(Some(seen)) if seen.digest != spec.digest => {
            return Err(conflict("lay", "this id stands for another task", id));
        }
        Ok(Some(Seen { container, stage: Stage::Created(_), .. })) => Some(container),
        Ok(Some(_)) => return Ok(None),
        Ok(None) => return Err(conflict("lay", "this id belongs to another owner", id)),
        Err(fault) if fault.kind() == ErrorKind::NotFound => None,
        Err(fault) => return Err(fault),
    };
    let image = image.ok_or_else(|| no_image("lay", spec))?;
    let body = body(shared, id, spec, &image)?;
    if let Some(container) = left_over {
        discard(shared, &container, "lay").await?;
    }
    let of_image = image.config.and_then(|config| config.user);
    let owner = Owner::of(body.user.as_deref().or(of_image.as_deref()).unwrap_or_default());
    let container = create(shared, id, body).await.map_err(|fault| passing(fault, "lay"))?;
    shared.fetched.used(image.id.as_deref().unwrap_or_default());
    Ok(Some(Made { container, owner }))
}

/// Fills the work directory of a container that has not run. Others have their turn while the archives come.
async fn fill(
    shared: &Arc<Shared>,
    (id, made): (&AttemptId, &Made),
    (archives, limits): (Vec<Incoming>, Limits),
    cancel: CancellationToken,
) -> Result<()> {
    let seen = still_there(shared, id, made).await?;
    if shared.config.read_only_root && !is_in_volume(shared, &seen.workdir) {
        let message = "the operator keeps the root of containers read-only, so no files can be laid";
        return Err(error(ErrorKind::Unsupported, "lay", message).with("workdir", seen.workdir));
    }
    let (workdir, owner) = (seen.workdir.clone(), made.owner);
    let given = filled(shared, "lay", (seen, &cancel), move |at, file| {
        give(at, archives, (&limits, owner), (file, host))
    });
    let given = given.await?;
    let besides = Duration::from_secs(given.size()? / SLOWEST);
    let _turn = shared.turns.take(id).await;
    still_there(shared, id, made).await?;
    let uploaded = upload(shared, (&made.container, &workdir), given.contents(), besides);
    let uploaded = cancel.run_until_cancelled(uploaded).await.ok_or_else(given_up)?;
    uploaded.map_err(|fault| passing(fault, "lay"))
}

/// The container, if it is still the one that was made, and waits.
async fn still_there(shared: &Shared, id: &AttemptId, made: &Made) -> Result<Seen> {
    refuse_removed(shared, id, "lay")?;
    let seen = shared.seen(id, "lay").await.map_err(|fault| passing(fault, "lay"))?;
    if seen.container == made.container && matches!(seen.stage, Stage::Created(_)) {
        return Ok(seen);
    }
    Err(error(ErrorKind::Unavailable, "lay", "somebody else started it meanwhile").with("id", id))
}

fn is_in_volume(shared: &Shared, workdir: &str) -> bool {
    shared.config.volumes.iter().any(|(_, place)| Path::new(workdir).starts_with(place))
}

/// Lets an engine unpack an archive; it may take this long besides the usual.
async fn upload(
    shared: &Shared,
    (container, workdir): (&str, &str),
    archive: FileStream,
    besides: Duration,
) -> Result<()> {
    let limit = shared.client.deadline().saturating_add(besides);
    let docker = shared.client.docker("lay").await?.with_timeout(limit.saturating_add(A_MOMENT));
    let options =
        UploadToContainerOptionsBuilder::default().path(workdir).no_overwrite_dir_non_dir("true").build();
    let body = bollard::body_try_stream(archive.map_err(io::Error::other));
    let sent = tokio::time::timeout(limit, docker.upload_to_container(container, Some(options), body));
    match sent.await {
        Ok(sent) => sent.map_err(|vendor| translate("lay", vendor)),
        Err(_) => Err(error(ErrorKind::TimedOut, "lay", "the engine does not answer")),
    }
}

/// Fills a file with the help of the work directory of a container.
async fn filled(
    shared: &Arc<Shared>,
    operation: &'static str,
    (seen, cancel): (Seen, &CancellationToken),
    work: impl FnOnce(&mut WorkDirectory, &File) -> Result<()> + Send + 'static,
) -> Result<Spool> {
    let (runtime, of_work) = (Handle::current(), cancel.clone());
    let mut at = WorkDirectory { shared: Arc::clone(shared), seen, operation, runtime, cancel: of_work };
    let root = shared.config.root.clone();
    let filled = shared.carriers.spool(root, cancel, move |file| work(&mut at, file)).await;
    filled.map_err(|fault| fault.at(KIND, operation))
}

/// The work directory of a container that does not run, for a thread that may block.
struct WorkDirectory {
    shared: Arc<Shared>,
    seen: Seen,
    operation: &'static str,
    runtime: Handle,
    cancel: CancellationToken,
}

impl WorkDirectory {
    fn place(&self, path: &SafePath) -> String {
        format!("{}/{path}", self.seen.workdir.trim_end_matches('/'))
    }
}

impl Container for WorkDirectory {
    fn standing(&mut self, path: &SafePath) -> io::Result<Standing> {
        if self.cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (name, place) = (self.seen.container.clone(), self.place(path));
        let ask = |docker: Docker| async move {
            let options = ContainerArchiveInfoOptionsBuilder::default().path(&place).build();
            docker.get_container_archive_info(&name, Some(options)).await
        };
        match self.runtime.block_on(self.shared.client.call(self.operation, ask)) {
            Ok(stat) => Ok(Standing::of_mode(stat.file_mode)),
            Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(Standing::Nothing),
            Err(fault) => Err(io::Error::other(fault)),
        }
    }

    fn archive(&mut self, path: &SafePath) -> io::Result<Box<dyn Read>> {
        let docker = self.runtime.block_on(self.shared.client.docker(self.operation));
        let docker = docker.map_err(io::Error::other)?;
        let options = DownloadFromContainerOptionsBuilder::default().path(&self.place(path)).build();
        let (operation, limit) = (self.operation, self.shared.client.deadline());
        let bytes = docker.download_from_container(&self.seen.container, Some(options));
        let bytes = in_time(bytes.map_err(move |vendor| translate(operation, vendor)).boxed(), limit);
        Ok(Box::new(Incoming::new(Archive { name: path.to_string(), bytes }, &self.cancel)))
    }
}

/// Takes files. Carried out to its end, which comes soon once `cancel` says that nobody waits.
async fn take(
    shared: Arc<Shared>,
    (id, paths): (AttemptId, Vec<String>),
    limits: Limits,
    cancel: CancellationToken,
) -> Result<FileStream> {
    let seen = shared.seen(&id, "take").await?;
    if !matches!(seen.stage, Stage::Ended { .. }) {
        return Err(conflict("take", "the task has not ended", &id));
    }
    let received =
        filled(&shared, "take", (seen, &cancel), move |at, file| receive(at, &paths, &limits, (file, host)));
    match received.await {
        Ok(taken) => Ok(taken.contents()),
        // That a path is not there is not believed of a container that went away meanwhile.
        Err(fault) if fault.kind() == ErrorKind::InvalidInput => {
            shared.seen(&id, "take").await.and(Err(fault))
        }
        Err(fault) => Err(fault),
    }
}

#[async_trait]
impl Files for DockerScheduler {
    async fn lay(
        &self,
        id: &AttemptId,
        spec: &TaskSpec,
        archives: Vec<Archive>,
        limits: &Limits,
    ) -> Result<()> {
        let cancel = CancellationToken::new();
        let _guard = cancel.clone().drop_guard();
        let what = (id.clone(), spec.clone());
        self.carried_out("lay", lay(Arc::clone(self.shared()), what, archives, *limits, cancel)).await
    }

    async fn take(&self, id: &AttemptId, paths: &[String], limits: &Limits) -> Result<FileStream> {
        let cancel = CancellationToken::new();
        let _guard = cancel.clone().drop_guard();
        let what = (id.clone(), paths.to_vec());
        self.carried_out("take", take(Arc::clone(self.shared()), what, *limits, cancel)).await
    }
}
