//! Starting: one container per attempt, whatever happens in between.
//!
//! The engine itself keeps names apart: whoever creates the container of that name has the attempt, everybody else finds
//! it. A container that was created and never ran is started by whoever finds it; one that has run is never started again.

use std::sync::Arc;

use bollard::models::{ContainerCreateBody, ImageConfig, ImageInspect};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, StartContainerOptions,
};
use gofer_backend::{BackendError, ErrorKind, Result, RetryAdvice};
use gofer_scheduler::{StartOutcome, Started, TaskSpec};
use gofer_types::AttemptId;

use crate::container::{self, Plan};
use crate::error::{error, said};
use crate::images;
use crate::seen::{self, Seen, Stage, handle};
use crate::shared::Shared;

/// Starts a task. Carried out to its end, also when nobody waits.
pub(crate) async fn start(shared: Arc<Shared>, id: AttemptId, spec: TaskSpec) -> Result<Started> {
    let image = ready(&shared, &id, &spec, "start").await?;
    let _turn = shared.turns.take(&id).await;
    refuse_removed(&shared, &id, "start")?;
    let Some(image) = image else { return without_image(&shared, &id, &spec).await };
    let image_id = image.id.clone().unwrap_or_default();
    let digest = images::digest(&image, &spec.image);
    let body = body(&shared, &id, &spec, &image)?;
    match create(&shared, &id, body).await {
        Ok(container) => {
            run(&shared, &id, (&container, &image_id)).await?;
            shared.fetched.used(&image_id);
            Ok(started(StartOutcome::Created, &container, Some(digest)))
        }
        Err(fault) if fault.kind() == ErrorKind::Conflict => adopt(&shared, &id, &spec).await,
        Err(fault) => Err(fault.with("id", id)),
    }
}

/// The image of a task that may be started, if it is there; then our first process is at the engine too. It may take long
/// and is no business of whoever has the turn.
pub(crate) async fn ready(
    shared: &Arc<Shared>,
    id: &AttemptId,
    spec: &TaskSpec,
    operation: &'static str,
) -> Result<Option<ImageInspect>> {
    container::check(spec)?;
    refuse_removed(shared, id, operation)?;
    let image = images::inspect(shared, &spec.image).await?;
    if let Some(image) = &image {
        shared.init.ensure(shared, image.id.as_deref().unwrap_or_default()).await?;
    }
    Ok(image)
}

pub(crate) fn refuse_removed(shared: &Shared, id: &AttemptId, operation: &'static str) -> Result<()> {
    let removed = shared.removed().contains(id);
    if removed { Err(conflict(operation, "this id was removed", id)) } else { Ok(()) }
}

pub(crate) fn conflict(operation: &'static str, why: &'static str, id: &AttemptId) -> BackendError {
    error(ErrorKind::Conflict, operation, why).with("id", id)
}

pub(crate) fn no_image(operation: &'static str, spec: &TaskSpec) -> BackendError {
    let message = "the image is not there: it has to be fetched first";
    error(ErrorKind::NotFound, operation, message).with("image", &spec.image)
}

fn started(outcome: StartOutcome, container: &str, image: Option<String>) -> Started {
    Started { outcome, handle: handle(container), image, notes: Vec::new() }
}

pub(crate) fn body(
    shared: &Shared,
    id: &AttemptId,
    spec: &TaskSpec,
    image: &ImageInspect,
) -> Result<ContainerCreateBody> {
    let none = ImageConfig::default();
    container::body(&Plan {
        owner: &shared.owner,
        id,
        spec,
        config: &shared.config,
        image: image.id.as_deref().unwrap_or(&spec.image),
        image_digest: &images::digest(image, &spec.image),
        defaults: image.config.as_ref().unwrap_or(&none),
        init_volume: shared.init.name(),
    })
}

/// The image is not there; the container of an earlier start may be.
async fn without_image(shared: &Shared, id: &AttemptId, spec: &TaskSpec) -> Result<Started> {
    match shared.look(id, "start").await {
        Ok(_) => adopt(shared, id, spec).await,
        Err(fault) if fault.kind() == ErrorKind::NotFound => Err(no_image("start", spec)),
        Err(fault) => Err(fault),
    }
}

pub(crate) async fn create(shared: &Shared, id: &AttemptId, body: ContainerCreateBody) -> Result<String> {
    let options = CreateContainerOptionsBuilder::default().name(id.as_str()).build();
    let create = |docker: bollard::Docker| async move { docker.create_container(Some(options), body).await };
    shared.client.call("create", create).await.map(|created| created.id)
}

/// Adopts what stands under the id, or says that it is something else.
async fn adopt(shared: &Shared, id: &AttemptId, spec: &TaskSpec) -> Result<Started> {
    let seen = match shared.look(id, "start").await {
        Ok(Some(seen)) => seen,
        Ok(None) => return Err(conflict("start", "this id belongs to another owner", id)),
        Err(fault) if fault.kind() == ErrorKind::NotFound => {
            // It went between two looks. Nothing of this start is there, and it may be asked for again.
            return Err(error(ErrorKind::Unavailable, "start", "the container went away").with("id", id));
        }
        Err(fault) => return Err(fault),
    };
    if seen.digest != spec.digest {
        return Err(conflict("start", "this id stands for another task", id));
    }
    if let Stage::Created(_) = seen.stage {
        run(shared, id, (&seen.container, &seen.image)).await?;
    }
    // What it runs, and not what the name stands for by now.
    Ok(started(StartOutcome::Adopted, &seen.container, Some(seen.image)))
}

/// Lets a container run that never has. An answer that is no success is not believed before the engine was asked.
async fn run(shared: &Shared, id: &AttemptId, (container, image): (&str, &str)) -> Result<()> {
    let Some(refusal) = try_to_run(shared, id, container).await? else { return Ok(()) };
    let refusal = match shared.init.bring(shared, image).await {
        // Our own program may have been what was not there; it is now, whoever brought it.
        Ok(()) => match try_to_run(shared, id, container).await? {
            None => return Ok(()),
            Some(refusal) => refusal,
        },
        Err(fault) if fault.kind().outcome_unknown() => return Err(fault.with("id", id)),
        Err(_) => refusal,
    };
    // It can never run as it is; nothing of it is left behind.
    discard(shared, container, "start").await?;
    Err(error(ErrorKind::InvalidInput, "start", refusal).with("id", id))
}

/// Removes a container that has not run; not by force, for an earlier call may have started it just now.
pub(crate) async fn discard(shared: &Shared, container: &str, operation: &'static str) -> Result<()> {
    let removed = shared.discard(container, false).await;
    removed.map_err(|fault| passing(fault, operation))
}

/// What the engine finds in its way, or no longer, is none of our answers: an earlier call is still being carried out there,
/// and the next look will see what became of it.
pub(crate) fn passing(fault: BackendError, operation: &'static str) -> BackendError {
    match fault.kind() {
        ErrorKind::Conflict | ErrorKind::NotFound => {
            error(ErrorKind::Unavailable, operation, "it changed meanwhile").source(fault)
        }
        _ => fault,
    }
}

/// Nothing if it runs or has run; else why it never can.
async fn try_to_run(shared: &Shared, id: &AttemptId, container: &str) -> Result<Option<String>> {
    let name = container.to_owned();
    // An engine starts a container again that has ended. No wait lies between this look and the start.
    let start = |docker: bollard::Docker| async move {
        let now = docker.inspect_container(&name, None::<InspectContainerOptions>).await?;
        match seen::stage(now.state.unwrap_or_default()) {
            Stage::Created(_) => docker.start_container(&name, None::<StartContainerOptions>).await,
            Stage::Runs | Stage::Ended { .. } => Ok(()),
        }
    };
    let Err(fault) = shared.client.call("start", start).await else { return Ok(None) };
    let Ok(Seen { stage, .. }) = shared.seen(id, "start").await else {
        // What became of it is not known, and the first answer says more.
        return Err(fault.with("id", id));
    };
    match stage {
        Stage::Runs | Stage::Ended { .. } => Ok(None),
        Stage::Created(why) if why.is_empty() && fault.kind().outcome_unknown() => Err(fault.with("id", id)),
        Stage::Created(why) if why.is_empty() => Ok(Some(fault.message().to_owned())),
        Stage::Created(why) if may_pass(&why) => {
            // Nothing of it ran, and the same may be asked for again once there is room.
            discard(shared, container, "start").await?;
            let fault = error(ErrorKind::Exhausted, "start", said(&why)).with("id", id);
            Err(fault.retry(RetryAdvice::Later { after: None }))
        }
        Stage::Created(why) => Ok(Some(said(&why))),
    }
}

/// Whether an engine refused a start for want of something that may be there later. It says so in words alone.
fn may_pass(why: &str) -> bool {
    const WANTS: [&str; 5] = [
        // Another gofer brings our program just then.
        "text file busy",
        "no space left on device",
        "cannot allocate memory",
        "resource temporarily unavailable",
        "no available ip",
    ];
    let why = why.to_lowercase();
    WANTS.iter().any(|want| why.contains(want))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_want_of_something_passes() {
        let full = "failed to create shim: mkdir /run/containerd/1: no space left on device: unknown";
        assert!(may_pass(full));
        for never in
            ["unable to find user nobody2: no matching entries in passwd file", "network x not found", ""]
        {
            assert!(!may_pass(never), "{never}");
        }
    }
}
