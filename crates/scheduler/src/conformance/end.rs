//! The truth about the end: codes, signals, memory; kept, repeatable, and never guessed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gofer_backend::ErrorKind;
use gofer_types::{ByteSize, Cause};

use super::world::{bytes, ensure, same, unique};
use super::{Case, Done, Step, World, case};
use crate::{LogCursor, StreamKind, TaskStatus};

pub(crate) const CASES: &[Case] = &[
    case!(exit_codes_are_exact),
    case!(a_signal_is_told_as_a_signal),
    case!(the_end_by_memory_is_told_as_such, needs out_of_memory),
    case!(a_memory_limit_is_kept, needs memory_limit),
    case!(a_memory_limit_does_not_hinder_a_task_below_it, needs memory_limit),
    case!(a_wait_is_repeatable),
    case!(a_wait_answers_when_the_task_has_ended_and_not_before),
    case!(the_end_is_kept_over_a_restart),
    case!(an_unknown_id_is_not_found),
    case!(the_status_follows_the_life_of_the_task),
    case!(dropping_a_wait_or_a_reader_does_not_end_the_task),
    case!(a_running_task_survives_the_server_and_is_adopted, needs survives_restart),
    case!(an_end_while_no_server_lives_is_told_exactly, needs survives_restart),
];

async fn exit_codes_are_exact(world: World) -> Done {
    for code in [0, 1, 7, 137, 255] {
        let (id, cause) = world.run(&[Step::Exit(code)]).await?;
        same("the end", cause, Cause::ExitCode(code))?;
        let status = world.ok("inspect", world.scheduler.inspect(&id)).await?;
        ensure(matches!(&status, TaskStatus::Ended(exit) if exit.cause == Cause::ExitCode(code)), || {
            format!("inspect answered {status:?} after exit code {code}")
        })?;
    }
    Ok(())
}

async fn a_signal_is_told_as_a_signal(world: World) -> Done {
    for signal in [9, 15, 10] {
        let (_, cause) = world.run(&[Step::Kill(signal)]).await?;
        same("the end", cause, Cause::Signal(signal))?;
    }
    Ok(())
}

/// A task that uses 256 MiB and then says that it lives, under this limit.
async fn hungry(world: &World, limit: ByteSize) -> Result<(Cause, String), String> {
    let steps = [Step::UseMemory(ByteSize::from_mib(256)), Step::Print(StreamKind::Out, b"alive\n".into())];
    let mut spec = world.spec(&steps);
    spec.limits.memory = Some(limit);
    let id = world.id();
    world.start_as(&id, &spec).await?;
    let cause = world.end(&id).await?.cause;
    let said = bytes(&world.whole_log(&id).await?, StreamKind::Out);
    Ok((cause, String::from_utf8_lossy(&said).into_owned()))
}

async fn the_end_by_memory_is_told_as_such(world: World) -> Done {
    same("the end", hungry(&world, ByteSize::from_mib(64)).await?.0, Cause::OutOfMemory)
}

async fn a_memory_limit_is_kept(world: World) -> Done {
    let (cause, said) = hungry(&world, ByteSize::from_mib(64)).await?;
    ensure(cause != Cause::ExitCode(0) && said.is_empty(), || {
        format!("it ended with {cause:?} and said {said:?}")
    })
}

async fn a_memory_limit_does_not_hinder_a_task_below_it(world: World) -> Done {
    let (cause, said) = hungry(&world, ByteSize::from_mib(2048)).await?;
    same("the end", (cause, said.as_str()), (Cause::ExitCode(0), "alive\n"))
}

async fn a_wait_is_repeatable(world: World) -> Done {
    let (id, _) = world.start(&[Step::Exit(5)]).await?;
    let first = world.end(&id).await?;
    same("the end", first.cause.clone(), Cause::ExitCode(5))?;
    for again in join_all((0..5).map(|_| world.end(&id))).await {
        same("a repeated wait", again?, first.clone())?;
    }
    Ok(())
}

async fn a_wait_answers_when_the_task_has_ended_and_not_before(world: World) -> Done {
    let gate = unique();
    let (id, _) = world
        .start(&[Step::Print(StreamKind::Out, b"up\n".into()), Step::Gate(gate.clone()), Step::Exit(6)])
        .await?;
    world.see(&id, "up").await?;
    let early = tokio::time::timeout(Duration::from_millis(100), world.scheduler.wait(&id)).await;
    ensure(early.is_err(), || format!("the wait answered {early:?} while the task ran"))?;
    let (end, ()) = tokio::join!(world.end(&id), world.harness.open_gate(&gate));
    same("the end", end?.cause, Cause::ExitCode(6))
}

async fn the_end_is_kept_over_a_restart(world: World) -> Done {
    let (id, _) = world.start(&[Step::Exit(9)]).await?;
    let before = world.end(&id).await?;
    same("the end", before.cause.clone(), Cause::ExitCode(9))?;
    let world = world.restart().await;
    same("the end after a restart", world.end(&id).await?, before)
}

async fn an_unknown_id_is_not_found(world: World) -> Done {
    let id = world.id();
    let scheduler = &world.scheduler;
    world.refused("inspect", scheduler.inspect(&id), ErrorKind::NotFound).await?;
    world.refused("wait", scheduler.wait(&id), ErrorKind::NotFound).await?;
    world.refused("stop", scheduler.stop(&id, Duration::ZERO), ErrorKind::NotFound).await?;
    let logs = async { scheduler.logs(&id, LogCursor::start()).await.map(drop) };
    world.refused("logs", logs, ErrorKind::NotFound).await?;
    world.ok("remove", scheduler.remove(&id)).await
}

async fn the_status_follows_the_life_of_the_task(world: World) -> Done {
    let gate = unique();
    let (id, started) = world.start(&[Step::Gate(gate.clone())]).await?;
    let status = world.ok("inspect", world.scheduler.inspect(&id)).await?;
    same("the status", status, TaskStatus::Running { handle: started.handle })?;
    world.harness.open_gate(&gate).await;
    let exit = world.end(&id).await?;
    let status = world.ok("inspect", world.scheduler.inspect(&id)).await?;
    same("the status", status, TaskStatus::Ended(exit))
}

async fn dropping_a_wait_or_a_reader_does_not_end_the_task(world: World) -> Done {
    let gate = unique();
    let up = Step::Print(StreamKind::Out, b"up\n".into());
    let (id, _) = world.start(&[up, Step::Gate(gate.clone()), Step::Exit(8)]).await?;
    for _ in 0..3 {
        world.see(&id, "up").await?;
        let waiting = tokio::time::timeout(Duration::from_millis(20), world.scheduler.wait(&id)).await;
        ensure(waiting.is_err(), || format!("the wait answered {waiting:?} while the task ran"))?;
    }
    world.harness.open_gate(&gate).await;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(8))
}

async fn a_running_task_survives_the_server_and_is_adopted(world: World) -> Done {
    let (mark, gate) = (unique(), unique());
    let up = Step::Print(StreamKind::Out, b"up\n".into());
    let spec = world.spec(&[Step::Witness(mark.clone()), up, Step::Gate(gate.clone()), Step::Exit(7)]);
    let id = world.id();
    let first = world.start_as(&id, &spec).await?;
    world.see(&id, "up").await?;
    let world = world.restart().await;
    let status = world.ok("inspect", world.scheduler.inspect(&id)).await?;
    same("the status after a restart", status, TaskStatus::Running { handle: first.handle.clone() })?;
    let again = world.start_as(&id, &spec).await?;
    same("the handle after a restart", again.handle, first.handle)?;
    world.harness.open_gate(&gate).await;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(7))?;
    same("how often it ran", world.harness.witnesses(&mark).await, 1)
}

async fn an_end_while_no_server_lives_is_told_exactly(world: World) -> Done {
    let (mark, gate) = (unique(), unique());
    let steps = [Step::Gate(gate.clone()), Step::Witness(mark.clone()), Step::Exit(42)];
    let (id, _) = world.start(&steps).await?;
    let weak = Arc::downgrade(&world.scheduler);
    let world = world.closed();
    ensure(weak.strong_count() == 0, || "the harness keeps the scheduler that it handed out".to_owned())?;
    world.harness.open_gate(&gate).await;
    world.until_marked(&mark).await?;
    let world = world.reopened().await;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(42))
}
