//! Files of tasks: laid into the work directory of an attempt before its shim is started, and taken from it.
//!
//! A shim claims and starts its task under the lock of the attempt's record, and the work directory changes only under
//! that lock and without a claim. The rest, also of work directories of the host, says [`gofer_porter::workplace`].

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use gofer_artefacts::Limits;
use gofer_backend::{ErrorKind, Result};
use gofer_porter::{Workplace, outgoing};
use gofer_scheduler::{Archive, FileStream, Files, TaskSpec};
use gofer_types::AttemptId;
use tokio_util::sync::CancellationToken;

use crate::attempts::{CLAIM, Look, SPEC, WORK, is_there};
use crate::backend::ProcessScheduler;
use crate::error::{KIND, error, kind};
use crate::launch;
use crate::shared::{Found, Shared};
use crate::start::{conflict, prepared, refuse_removed};

/// The work directory of the attempt with this folder.
pub(crate) fn workplace(folder: PathBuf, workdir: Option<String>) -> Workplace {
    Workplace { folder, name: WORK, lock: SPEC, workdir }
}

/// Lays files. Carried out to its end, which comes soon once `cancel` says that nobody waits.
async fn lay(
    shared: Arc<Shared>,
    (id, spec): (AttemptId, TaskSpec),
    archives: Vec<Archive>,
    limits: Limits,
    cancel: CancellationToken,
) -> Result<()> {
    launch::plan(&shared.config, &spec)?;
    let place = workplace(shared.attempts.folder(&id), spec.workdir.clone());
    place.own()?;
    let _laying = shared.carriers.laying.take(&id).await;
    let turn = shared.turns.take(&id).await;
    refuse_removed("lay", &shared, &id)?;
    let (for_id, for_spec) = (id.clone(), spec.clone());
    match shared.blocking("lay", move |shared| prepared(shared, &for_id, &for_spec)).await? {
        Look::Unclaimed(record) if record.digest == spec.digest => {}
        Look::Claimed(record) | Look::Ended(record, _) if record.digest == spec.digest => return Ok(()),
        _ => return Err(conflict("lay", &id, "this id stands for another task")),
    }
    // Others have their turn while the archives come: what a start or a removal does meanwhile is seen under the lock.
    drop(turn);
    let is_started = |place: &Workplace| is_there(&place.folder.join(CLAIM));
    let laid = shared.carriers.lay(place, (archives, limits), (kind, &cancel), is_started).await;
    laid.or_else(|fault| refuse_removed("lay", &shared, &id).and(Err(fault)))
}

#[async_trait]
impl Files for ProcessScheduler {
    async fn lay(
        &self,
        id: &AttemptId,
        spec: &TaskSpec,
        archives: Vec<Archive>,
        limits: &Limits,
    ) -> Result<()> {
        let cancel = CancellationToken::new();
        let _guard = cancel.clone().drop_guard();
        let laid = lay(Arc::clone(&self.shared), (id.clone(), spec.clone()), archives, *limits, cancel);
        let laid = self.shared.tracker.spawn(laid).await;
        laid.map_err(|source| error(ErrorKind::Unavailable, "lay", "the laying broke off").source(source))?
            .map_err(|fault| fault.at(KIND, "lay"))
    }

    async fn take(&self, id: &AttemptId, paths: &[String], limits: &Limits) -> Result<FileStream> {
        let record = match self.shared.find(id, "take").await? {
            Found::Ended(record, _) => record,
            Found::Live(_) | Found::Starting(_) => {
                return Err(conflict("take", id, "the task has not ended"));
            }
        };
        let place = workplace(self.shared.attempts.folder(id), record.workdir);
        let (paths, limits) = (paths.to_vec(), *limits);
        let slot = self.shared.carriers.slot(&CancellationToken::new()).await?;
        Ok(outgoing(slot, move |out, _| {
            place.take(&paths, &limits, out, kind).map_err(|fault| fault.at(KIND, "take"))
        }))
    }
}
