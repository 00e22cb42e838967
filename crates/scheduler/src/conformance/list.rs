//! What is listed and removed, and whose it is.

use std::time::Duration;

use gofer_backend::ErrorKind;
use gofer_types::{AttemptId, Cause};

use super::world::{ensure, same, unique, with_digest};
use super::{Case, Done, Step, World, case};
use crate::{StreamKind, TaskStatus, TaskSummary};

pub(crate) const CASES: &[Case] = &[
    case!(the_list_shows_running_and_ended_tasks_with_their_digests),
    case!(the_list_after_a_restart_shows_what_was_started_before),
    case!(nothing_of_another_owner_is_seen_or_touched),
    case!(a_running_task_cannot_be_removed),
    case!(a_removal_forgets_and_is_repeatable),
];

async fn listed(world: &World, id: &AttemptId) -> Result<Option<TaskSummary>, String> {
    let list = world.ok("list", world.scheduler.list()).await?;
    let mut ours = list.into_iter().filter(|summary| summary.id == *id);
    let first = ours.next();
    ensure(ours.next().is_none(), || format!("{id} is listed twice"))?;
    Ok(first)
}

async fn must_be_listed(world: &World, id: &AttemptId) -> Result<TaskSummary, String> {
    listed(world, id).await?.ok_or_else(|| format!("{id} is not listed"))
}

async fn the_list_shows_running_and_ended_tasks_with_their_digests(world: World) -> Done {
    let gate = unique();
    let (running, spec) = (world.id(), with_digest(world.spec(&[Step::Gate(gate.clone())]), "of-running"));
    let started = world.start_as(&running, &spec).await?;
    let (ended, spec) = (world.id(), with_digest(world.spec(&[Step::Exit(2)]), "of-ended"));
    world.start_as(&ended, &spec).await?;
    let exit = world.end(&ended).await?;
    let summary = must_be_listed(&world, &running).await?;
    same("the digest", summary.digest.as_str(), "of-running")?;
    same("the status", summary.status, TaskStatus::Running { handle: started.handle })?;
    let summary = must_be_listed(&world, &ended).await?;
    same("the digest", summary.digest.as_str(), "of-ended")?;
    same("the status", summary.status, TaskStatus::Ended(exit))?;
    world.harness.open_gate(&gate).await;
    world.end(&running).await.map(drop)
}

async fn the_list_after_a_restart_shows_what_was_started_before(world: World) -> Done {
    let (id, _) = world.start(&[Step::Exit(2)]).await?;
    let exit = world.end(&id).await?;
    let before = must_be_listed(&world, &id).await?;
    let world = world.restart().await;
    let after = must_be_listed(&world, &id).await?;
    same("what is listed after a restart", after, before)?;
    same("the end", exit.cause, Cause::ExitCode(2))
}

async fn nothing_of_another_owner_is_seen_or_touched(world: World) -> Done {
    let gate = unique();
    let stranger = World::open_stranger(world.harness.clone()).await;
    let (id, spec) = (world.id(), world.spec(&[Step::Gate(gate.clone()), Step::Exit(3)]));
    world.start_as(&id, &spec).await?;
    same("what a stranger lists", listed(&stranger, &id).await?, None)?;
    stranger.refused("a stranger's inspect", stranger.scheduler.inspect(&id), ErrorKind::NotFound).await?;
    let stop = stranger.scheduler.stop(&id, Duration::ZERO);
    stranger.refused("a stranger's stop", stop, ErrorKind::NotFound).await?;
    // Whether a stranger's removal is refused or does nothing is left open; that it has no effect is not.
    let _ = stranger.in_time("a stranger's remove", stranger.scheduler.remove(&id)).await?;
    stranger.refused("a stranger's start", stranger.scheduler.start(&id, &spec), ErrorKind::Conflict).await?;
    must_be_listed(&world, &id).await?;
    world.harness.open_gate(&gate).await;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(3))
}

async fn a_running_task_cannot_be_removed(world: World) -> Done {
    let gate = unique();
    let up = Step::Print(StreamKind::Out, b"up\n".into());
    let (id, _) = world.start(&[up, Step::Gate(gate.clone()), Step::Exit(4)]).await?;
    world.see(&id, "up").await?;
    world.refused("remove", world.scheduler.remove(&id), ErrorKind::Conflict).await?;
    world.harness.open_gate(&gate).await;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(4))
}

async fn a_removal_forgets_and_is_repeatable(world: World) -> Done {
    let (id, _) = world.run(&[Step::Print(StreamKind::Out, b"x\n".into())]).await?;
    world.ok("remove", world.scheduler.remove(&id)).await?;
    world.ok("a second remove", world.scheduler.remove(&id)).await?;
    world.refused("inspect", world.scheduler.inspect(&id), ErrorKind::NotFound).await?;
    world.refused("wait", world.scheduler.wait(&id), ErrorKind::NotFound).await?;
    same("what is listed", listed(&world, &id).await?, None)?;
    let world = world.restart().await;
    world.ok("a remove after a restart", world.scheduler.remove(&id)).await?;
    same("what is listed after a restart", listed(&world, &id).await?, None)
}
