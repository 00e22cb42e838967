//! Ending a task: politely first, then surely, and with all that it started.

use std::time::Duration;

use gofer_types::{AttemptId, Cause};

use super::world::{ensure, same, timed, unique};
use super::{Case, Done, Step, World, case};
use crate::{StreamKind, TaskStatus};

pub(crate) const CASES: &[Case] = &[
    case!(a_stop_asks_politely_first),
    case!(a_stop_answers_once_the_task_has_ended),
    case!(a_task_that_ignores_the_request_is_killed_when_its_grace_has_passed),
    case!(a_grace_of_zero_kills_at_once),
    case!(a_second_stop_may_shorten_the_grace),
    case!(a_stop_ends_everything_that_the_task_started),
    case!(the_end_of_a_task_ends_everything_that_it_started),
    case!(a_stop_after_the_end_is_ok_and_changes_nothing),
    case!(a_dropped_stop_is_still_carried_out),
    case!(a_stop_reaches_a_task_from_before_a_restart, needs survives_restart),
];

const LONG: Duration = Duration::from_secs(600);

/// A running task that has done these steps and lingers for ever.
async fn lingering(world: &World, steps: &[Step]) -> Result<AttemptId, String> {
    let up = [Step::Print(StreamKind::Out, b"up\n".into()), Step::Forever];
    let (id, _) = world.start(&[steps, &up].concat()).await?;
    world.see(&id, "up").await?;
    Ok(id)
}

async fn a_stop_asks_politely_first(world: World) -> Done {
    let id = lingering(&world, &[Step::ExitOnTerm(5)]).await?;
    world.stop(&id, LONG).await?;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(5))?;
    let id = lingering(&world, &[]).await?;
    world.stop(&id, LONG).await?;
    same("the end", world.end(&id).await?.cause, Cause::Signal(15))
}

async fn a_stop_answers_once_the_task_has_ended(world: World) -> Done {
    let id = lingering(&world, &[Step::ExitOnTerm(0)]).await?;
    world.stop(&id, LONG).await?;
    let status = world.ok("inspect", world.scheduler.inspect(&id)).await?;
    ensure(matches!(status, TaskStatus::Ended(_)), || format!("after the stop it is {status:?}"))
}

async fn a_task_that_ignores_the_request_is_killed_when_its_grace_has_passed(world: World) -> Done {
    let id = lingering(&world, &[Step::IgnoreTerm]).await?;
    let grace = Duration::from_millis(300);
    let (stopped, took) = timed(world.stop(&id, grace)).await;
    stopped?;
    ensure(took >= grace, || format!("killed after {took:?}, before its grace had passed"))?;
    same("the end", world.end(&id).await?.cause, Cause::Signal(9))
}

async fn a_grace_of_zero_kills_at_once(world: World) -> Done {
    let id = lingering(&world, &[Step::ExitOnTerm(0)]).await?;
    world.stop(&id, Duration::ZERO).await?;
    same("the end", world.end(&id).await?.cause, Cause::Signal(9))
}

async fn a_second_stop_may_shorten_the_grace(world: World) -> Done {
    let id = lingering(&world, &[Step::IgnoreTerm]).await?;
    let patient = world.scheduler.stop(&id, LONG);
    let hasty = async {
        // Lets the patient one go first.
        tokio::task::yield_now().await;
        world.scheduler.stop(&id, Duration::from_millis(50)).await
    };
    let both = async { tokio::try_join!(patient, hasty) };
    world.ok("both stops", both).await?;
    same("the end", world.end(&id).await?.cause, Cause::Signal(9))
}

async fn a_stop_ends_everything_that_the_task_started(world: World) -> Done {
    let (one, other) = (unique(), unique());
    let id = lingering(&world, &[Step::Leave(one.clone()), Step::Leave(other.clone())]).await?;
    ensure(world.harness.is_alive(&one).await, || "the harness left no descendant".to_owned())?;
    world.stop(&id, Duration::ZERO).await?;
    same(
        "the descendants live",
        (world.harness.is_alive(&one).await, world.harness.is_alive(&other).await),
        (false, false),
    )
}

async fn the_end_of_a_task_ends_everything_that_it_started(world: World) -> Done {
    let (name, gate) = (unique(), unique());
    let steps =
        [Step::Leave(name.clone()), Step::Print(StreamKind::Out, b"up\n".into()), Step::Gate(gate.clone())];
    let (id, _) = world.start(&steps).await?;
    world.see(&id, "up").await?;
    ensure(world.harness.is_alive(&name).await, || "the harness left no descendant".to_owned())?;
    world.harness.open_gate(&gate).await;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(0))?;
    same("the descendant lives", world.harness.is_alive(&name).await, false)
}

async fn a_stop_after_the_end_is_ok_and_changes_nothing(world: World) -> Done {
    let (id, _) = world.run(&[Step::Exit(6)]).await?;
    let before = world.end(&id).await?;
    world.stop(&id, Duration::ZERO).await?;
    world.stop(&id, LONG).await?;
    same("the end", world.end(&id).await?, before)
}

async fn a_dropped_stop_is_still_carried_out(world: World) -> Done {
    let id = lingering(&world, &[Step::IgnoreTerm]).await?;
    let stop = world.scheduler.stop(&id, Duration::from_millis(250));
    let early = tokio::time::timeout(Duration::from_millis(100), stop).await;
    ensure(early.is_err(), || format!("the stop answered {early:?} before the grace had passed"))?;
    same("the end", world.end(&id).await?.cause, Cause::Signal(9))
}

async fn a_stop_reaches_a_task_from_before_a_restart(world: World) -> Done {
    let name = unique();
    let id = lingering(&world, &[Step::ExitOnTerm(11), Step::Leave(name.clone())]).await?;
    let world = world.restart().await;
    world.stop(&id, LONG).await?;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(11))?;
    same("the descendant lives", world.harness.is_alive(&name).await, false)
}
