//! Starting: one start per id, and what a task is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use gofer_backend::ErrorKind;
use gofer_types::{ByteSize, Cause};

use super::world::{bytes, ensure, same, unique, with_digest};
use super::{Case, Done, Step, World, case};
use crate::{Capabilities, Scheduler, StartOutcome, StreamKind, TaskSpec};

pub(crate) const CASES: &[Case] = &[
    case!(a_started_task_runs_once_however_often_it_is_asked_for),
    case!(twenty_concurrent_starts_of_one_id_start_one_task),
    case!(the_same_id_with_another_digest_is_a_conflict),
    case!(a_start_after_the_end_is_adopted_and_runs_nothing),
    case!(a_start_after_a_restart_is_adopted_with_the_same_handle),
    case!(a_dropped_start_leaves_at_most_one_task),
    case!(a_removed_id_cannot_be_started_again),
    case!(an_id_that_was_removed_before_it_was_started_cannot_be_started),
    case!(a_missing_program_is_told_and_never_ran),
    case!(
        a_task_without_a_command_is_refused,
        lacks | can | if can.images { Some("images off") } else { None }
    ),
    case!(a_part_that_cannot_be_honoured_is_refused_by_name, lacks honours_everything),
    case!(a_malformed_environment_or_argument_is_refused),
    case!(the_environment_is_the_given_one_and_a_path),
    case!(a_given_path_is_kept),
    case!(arguments_arrive_as_given),
    case!(the_entry_point_stands_before_the_command),
    case!(a_check_leaves_nothing_behind),
];

fn honours_everything(can: &Capabilities) -> Option<&'static str> {
    (can.cpu_limit && can.memory_limit && can.user).then_some("a missing capability")
}

async fn a_started_task_runs_once_however_often_it_is_asked_for(world: World) -> Done {
    let (mark, gate) = (unique(), unique());
    let steps =
        [Step::Witness(mark.clone()), Step::Print(StreamKind::Out, b"up\n".into()), Step::Gate(gate.clone())];
    let (id, spec) = (world.id(), world.spec(&steps));
    let first = world.start_as(&id, &spec).await?;
    same("the first start", first.outcome, StartOutcome::Created)?;
    world.see(&id, "up").await?;
    for _ in 0..3 {
        let again = world.start_as(&id, &spec).await?;
        same("a repeated start", again.outcome, StartOutcome::Adopted)?;
        same("the handle of a repeated start", again.handle, first.handle.clone())?;
    }
    world.harness.open_gate(&gate).await;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(0))?;
    same("how often it ran", world.harness.witnesses(&mark).await, 1)
}

async fn twenty_concurrent_starts_of_one_id_start_one_task(world: World) -> Done {
    let mark = unique();
    let (id, spec) = (world.id(), world.spec(&[Step::Witness(mark.clone())]));
    let answers = join_all((0..20).map(|_| world.start_as(&id, &spec))).await;
    let mut created = 0;
    for answer in answers {
        created += usize::from(answer?.outcome == StartOutcome::Created);
    }
    same("how many starts were told that they did it", created, 1)?;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(0))?;
    same("how often it ran", world.harness.witnesses(&mark).await, 1)
}

async fn the_same_id_with_another_digest_is_a_conflict(world: World) -> Done {
    let mark = unique();
    let (id, spec) = (world.id(), world.spec(&[Step::Witness(mark.clone())]));
    world.start_as(&id, &spec).await?;
    let other = with_digest(spec, "another");
    world.refused("another digest", world.scheduler.start(&id, &other), ErrorKind::Conflict).await?;
    world.end(&id).await?;
    world
        .refused("another digest, after the end", world.scheduler.start(&id, &other), ErrorKind::Conflict)
        .await?;
    same("how often it ran", world.harness.witnesses(&mark).await, 1)
}

async fn a_start_after_the_end_is_adopted_and_runs_nothing(world: World) -> Done {
    let mark = unique();
    let (id, spec) = (world.id(), world.spec(&[Step::Witness(mark.clone()), Step::Exit(3)]));
    world.start_as(&id, &spec).await?;
    world.end(&id).await?;
    same("a start after the end", world.start_as(&id, &spec).await?.outcome, StartOutcome::Adopted)?;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(3))?;
    same("how often it ran", world.harness.witnesses(&mark).await, 1)
}

async fn a_start_after_a_restart_is_adopted_with_the_same_handle(world: World) -> Done {
    let mark = unique();
    let (id, spec) = (world.id(), world.spec(&[Step::Witness(mark.clone()), Step::Exit(4)]));
    let first = world.start_as(&id, &spec).await?;
    world.end(&id).await?;
    let world = world.restart().await;
    let again = world.start_as(&id, &spec).await?;
    same("a start after a restart", again.outcome, StartOutcome::Adopted)?;
    same("its handle", again.handle, first.handle)?;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(4))?;
    same("how often it ran", world.harness.witnesses(&mark).await, 1)
}

async fn a_dropped_start_leaves_at_most_one_task(world: World) -> Done {
    let mark = unique();
    let (id, spec) = (world.id(), world.spec(&[Step::Witness(mark.clone())]));
    // Each start is dropped a little later than the one before it.
    for polls in 1..6 {
        let mut start = Box::pin(world.scheduler.start(&id, &spec));
        for _ in 0..polls {
            if futures_util::poll!(&mut start).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    world.start_as(&id, &spec).await?;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(0))?;
    same("how often it ran", world.harness.witnesses(&mark).await, 1)
}

async fn a_removed_id_cannot_be_started_again(world: World) -> Done {
    let mark = unique();
    let (id, spec) = (world.id(), world.spec(&[Step::Witness(mark.clone())]));
    world.start_as(&id, &spec).await?;
    world.end(&id).await?;
    world.ok("remove", world.scheduler.remove(&id)).await?;
    world
        .refused("a start after the removal", world.scheduler.start(&id, &spec), ErrorKind::Conflict)
        .await?;
    same("how often it ran", world.harness.witnesses(&mark).await, 1)
}

async fn an_id_that_was_removed_before_it_was_started_cannot_be_started(world: World) -> Done {
    let mark = unique();
    let (id, spec) = (world.id(), world.spec(&[Step::Witness(mark.clone())]));
    world.ok("remove", world.scheduler.remove(&id)).await?;
    world.ok("remove again", world.scheduler.remove(&id)).await?;
    world
        .refused("a start after the removal", world.scheduler.start(&id, &spec), ErrorKind::Conflict)
        .await?;
    same("how often it ran", world.harness.witnesses(&mark).await, 0)
}

async fn a_missing_program_is_told_and_never_ran(world: World) -> Done {
    let id = world.id();
    let spec = with_digest(world.harness.missing_program(), "one");
    match world.in_time("start", world.scheduler.start(&id, &spec)).await? {
        Err(error) => same("the kind of the refusal", error.kind(), ErrorKind::InvalidInput),
        Ok(_) => {
            let cause = world.end(&id).await?.cause;
            ensure(matches!(cause, Cause::CannotStart(_)), || format!("it was said to have run: {cause:?}"))
        }
    }
}

async fn a_task_without_a_command_is_refused(world: World) -> Done {
    let spec = TaskSpec { command: Vec::new(), entrypoint: None, ..world.spec(&[]) };
    refused_without_trace(&world, "no command", &spec, ErrorKind::InvalidInput).await.map(drop)
}

async fn a_part_that_cannot_be_honoured_is_refused_by_name(world: World) -> Done {
    let can = world.scheduler.capabilities();
    let base = world.spec(&[]);
    let mut parts = Vec::new();
    let mut limited = base.clone();
    limited.limits.cpu = Some(1.0);
    parts.push(("cpu", can.cpu_limit, limited));
    let mut limited = base.clone();
    limited.limits.memory = Some(ByteSize::from_mib(512));
    parts.push(("memory", can.memory_limit, limited));
    parts.push(("user", can.user, TaskSpec { user: Some("1000".to_owned()), ..base }));
    for (name, honoured, spec) in parts {
        if !honoured {
            let text = refused_without_trace(&world, name, &spec, ErrorKind::Unsupported).await?;
            ensure(text.contains(name), || format!("the refusal does not name {name}: {text}"))?;
        }
    }
    Ok(())
}

/// Expects a refusal, and that nothing stands under the id afterwards.
async fn refused_without_trace(
    world: &World,
    what: &str,
    spec: &TaskSpec,
    kind: ErrorKind,
) -> Result<String, String> {
    let id = world.id();
    let text = world.refused(what, world.scheduler.start(&id, spec), kind).await?;
    world.refused(what, world.scheduler.inspect(&id), ErrorKind::NotFound).await?;
    Ok(text)
}

async fn a_malformed_environment_or_argument_is_refused(world: World) -> Done {
    let good = world.spec(&[]);
    for (name, value) in [("A=B", "c"), ("", "c"), ("A", "b\0c"), ("A\0", "b")] {
        let env = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let spec = TaskSpec { env, ..good.clone() };
        refused_without_trace(&world, &format!("{name:?}={value:?}"), &spec, ErrorKind::InvalidInput).await?;
    }
    let mut spec = good;
    spec.command.push("a\0b".to_owned());
    refused_without_trace(&world, "a NUL in an argument", &spec, ErrorKind::InvalidInput).await.map(drop)
}

/// The environment that a task with these additions sees.
async fn seen_environment(world: &World, given: &[(&str, &str)]) -> Result<BTreeMap<String, String>, String> {
    let mut spec = world.spec(&[Step::PrintEnv]);
    spec.env.extend(given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let id = world.id();
    world.start_as(&id, &spec).await?;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(0))?;
    let text =
        String::from_utf8(bytes(&world.whole_log(&id).await?, StreamKind::Out)).map_err(|e| e.to_string())?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

async fn the_environment_is_the_given_one_and_a_path(world: World) -> Done {
    let given =
        [("PLAIN", "value"), ("EMPTY", ""), ("SIGNS", "a=b 'c' \"d\" $HOME `e` *"), ("Ümlaut_1", "größer")];
    let mut seen = seen_environment(&world, &given).await?;
    for (name, value) in given {
        same(name, seen.remove(name), Some(value.to_owned()))?;
    }
    let path = seen.remove("PATH").unwrap_or_default();
    ensure(!path.is_empty(), || "there is no PATH".to_owned())?;
    seen.retain(|name, _| !world.harness.extra_env().contains(&name.as_str()));
    for name in world.spec(&[Step::PrintEnv]).env.keys() {
        seen.remove(name);
    }
    same("what nobody gave", seen, BTreeMap::new())
}

async fn a_given_path_is_kept(world: World) -> Done {
    let path = "/usr/local/bin:/usr/bin:/bin:/given";
    let seen = seen_environment(&world, &[("PATH", path)]).await?;
    same("PATH", seen.get("PATH").map(String::as_str), Some(path))
}

const ARGUMENTS: [&str; 7] = ["plain", "two words", "", "*", "$HOME `id`", "'\"\\", "größer"];

async fn arguments_arrive_as_given(world: World) -> Done {
    let arguments = ARGUMENTS.map(str::to_owned).to_vec();
    let (id, _) = world.run(&[Step::PrintArgs(arguments)]).await?;
    printed_arguments(&world, &id).await
}

async fn the_entry_point_stands_before_the_command(world: World) -> Done {
    let mut spec = world.spec(&[Step::PrintArgs(ARGUMENTS.map(str::to_owned).to_vec())]);
    let mut words: Vec<String> = spec.entrypoint.take().unwrap_or_default();
    words.append(&mut spec.command);
    spec.command = words.split_off(1);
    spec.entrypoint = Some(words);
    let id = world.id();
    world.start_as(&id, &spec).await?;
    world.end(&id).await?;
    printed_arguments(&world, &id).await
}

async fn printed_arguments(world: &World, id: &gofer_types::AttemptId) -> Done {
    let seen = bytes(&world.whole_log(id).await?, StreamKind::Out);
    let wanted: String = ARGUMENTS.iter().map(|argument| format!("[{argument}]\n")).collect();
    same("the arguments", String::from_utf8_lossy(&seen).into_owned(), wanted)
}

async fn a_check_leaves_nothing_behind(world: World) -> Done {
    let info = world.scheduler.info();
    ensure(!info.kind.is_empty() && !info.name.is_empty(), || {
        format!("it does not say what it is: {info:?}")
    })?;
    let stranger = world.harness.connect_stranger().await;
    let scheduler: &Arc<dyn Scheduler> = &stranger;
    let before = world.ok("list", scheduler.list()).await?.len();
    world.ok("check", scheduler.check()).await?;
    world.ok("check", world.scheduler.check()).await?;
    same("what a stranger owns after a check", world.ok("list", scheduler.list()).await?.len(), before)
}
