//! Laying files: what a task is given is there when it starts, whole or refused, and never somewhere else.

use gofer_artefacts::Limits;
use gofer_backend::{BackendError, ErrorKind};
use gofer_types::{AttemptId, ByteSize, Cause};

use super::archives::{Entries, bytes, entries, file, link, named, program};
use super::world::{bytes as said, ensure, same, same_bytes, unique, with_digest};
use super::{Case, Done, Step, World, case};
use crate::{Archive, Files, StreamKind, TaskSpec, TaskStatus};

pub(crate) const CASES: &[Case] = &[
    case!(laid_files_are_there_when_the_task_starts, needs files),
    case!(laid_files_are_whole_and_programs_stay_programs, needs files),
    case!(several_archives_are_laid_side_by_side, needs files),
    case!(a_second_lay_replaces_the_first_whole, needs files),
    case!(a_lay_after_the_start_touches_nothing, needs files),
    case!(a_lay_after_a_restart_replaces_the_one_before, needs files),
    case!(a_lay_under_a_removed_id_is_a_conflict, needs files),
    case!(a_lay_under_another_digest_is_a_conflict, needs files),
    case!(what_is_no_archive_is_refused_by_name, needs files),
    case!(an_archive_beyond_the_limits_is_refused_by_name, needs files),
    case!(a_file_where_one_is_already_is_refused_by_name, needs files),
    case!(a_link_in_an_archive_is_refused_by_name, needs files),
    case!(the_error_of_a_broken_archive_comes_back, needs files),
    case!(what_was_laid_and_never_started_is_listed_and_removed, needs files),
];

/// The limits of cases that are not about limits: those of [`Limits::default`].
pub(crate) const DEFAULT: Limits =
    Limits { entries: 100_000, bytes: ByteSize::from_mib(1024), path_bytes: 1024, depth: 64 };

pub(crate) fn files(world: &World) -> Result<&dyn Files, String> {
    world.scheduler.files().ok_or_else(|| "it claims files and has no way for them".to_owned())
}

async fn lay_all(world: &World, id: &AttemptId, spec: &TaskSpec, archives: Vec<Archive>) -> Done {
    world.ok("lay", files(world)?.lay(id, spec, archives, &DEFAULT)).await
}

/// Lays one archive with these entries.
pub(crate) async fn lay(world: &World, id: &AttemptId, spec: &TaskSpec, of: &Entries) -> Done {
    lay_all(world, id, spec, vec![named("first", &bytes(of)?, None)]).await
}

/// Starts the task, waits for its end, and answers what it wrote.
async fn output(world: &World, id: &AttemptId, spec: &TaskSpec) -> Result<Vec<u8>, String> {
    world.start_as(id, spec).await?;
    same("the end", world.end(id).await?.cause, Cause::ExitCode(0))?;
    Ok(said(&world.whole_log(id).await?, StreamKind::Out))
}

/// A task that shows these paths.
fn showing(world: &World, paths: &[&str]) -> TaskSpec {
    let steps: Vec<Step> = paths.iter().map(|path| Step::ShowFile((*path).to_owned())).collect();
    world.spec(&steps)
}

async fn laid_files_are_there_when_the_task_starts(world: World) -> Done {
    let (id, spec) = (world.id(), showing(&world, &["dist/deep/a", "dist/deep", "empty", "other"]));
    let of = entries(&[("dist/deep/a", file("alpha\n")), ("empty", file(""))]);
    lay(&world, &id, &spec, &of).await?;
    same_bytes("what it saw", &output(&world, &id, &spec).await?, b"file\nalpha\ndirectory\nfile\nnothing\n")
}

async fn laid_files_are_whole_and_programs_stay_programs(world: World) -> Done {
    let large: String = (0..60_000).map(|number| format!("{number}\n")).collect();
    let long = format!("{}/{}", "a".repeat(120), "b".repeat(120));
    let (id, spec) = (world.id(), showing(&world, &["bin/run", "large", &long]));
    let of = entries(&[("bin/run", program("#!\n")), ("large", file(&large)), (&long, file("x\n"))]);
    lay(&world, &id, &spec, &of).await?;
    let wanted = format!("program\n#!\nfile\n{large}file\nx\n");
    same_bytes("what it saw", &output(&world, &id, &spec).await?, wanted.as_bytes())
}

async fn several_archives_are_laid_side_by_side(world: World) -> Done {
    let (id, spec) = (world.id(), showing(&world, &["dist/a", "dist/b", "c"]));
    let first = bytes(&entries(&[("dist/a", file("a\n"))]))?;
    let second = bytes(&entries(&[("c", file("c\n")), ("dist/b", file("b\n"))]))?;
    let archives = vec![named("first", &first, None), named("second", &second, None)];
    lay_all(&world, &id, &spec, archives).await?;
    same_bytes("what it saw", &output(&world, &id, &spec).await?, b"file\na\nfile\nb\nfile\nc\n")
}

async fn a_second_lay_replaces_the_first_whole(world: World) -> Done {
    let (id, spec) = (world.id(), showing(&world, &["dist/a", "dist/b", "only-first"]));
    let first = [("dist/a", file("old\n")), ("only-first/x", file("x\n"))];
    lay(&world, &id, &spec, &entries(&first)).await?;
    lay(&world, &id, &spec, &entries(&[("dist/a", file("new\n")), ("dist/b", file("b\n"))])).await?;
    same_bytes("what it saw", &output(&world, &id, &spec).await?, b"file\nnew\nfile\nb\nnothing\n")
}

async fn a_lay_after_the_start_touches_nothing(world: World) -> Done {
    let gate = unique();
    let up = Step::Print(StreamKind::Out, b"up\n".into());
    let shows = ["a", "b"].map(|path| Step::ShowFile(path.to_owned()));
    let steps: Vec<Step> = [up, Step::Gate(gate.clone())].into_iter().chain(shows).collect();
    let (id, spec) = (world.id(), world.spec(&steps));
    lay(&world, &id, &spec, &entries(&[("a", file("first\n"))])).await?;
    world.start_as(&id, &spec).await?;
    world.see(&id, "up").await?;
    let late = entries(&[("a", file("late\n")), ("b", file("late\n"))]);
    lay(&world, &id, &spec, &late).await?;
    world.harness.open_gate(&gate).await;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(0))?;
    lay(&world, &id, &spec, &late).await?;
    let seen = said(&world.whole_log(&id).await?, StreamKind::Out);
    same_bytes("what it saw", &seen, b"up\nfile\nfirst\nnothing\n")
}

async fn a_lay_after_a_restart_replaces_the_one_before(world: World) -> Done {
    let (id, spec) = (world.id(), showing(&world, &["a", "b"]));
    lay(&world, &id, &spec, &entries(&[("a", file("a\n"))])).await?;
    let world = world.restart().await;
    lay(&world, &id, &spec, &entries(&[("b", file("b\n"))])).await?;
    same_bytes("what it saw", &output(&world, &id, &spec).await?, b"nothing\nfile\nb\n")
}

async fn a_lay_under_a_removed_id_is_a_conflict(world: World) -> Done {
    let (id, spec) = (world.id(), showing(&world, &["a"]));
    output(&world, &id, &spec).await?;
    world.ok("remove", world.scheduler.remove(&id)).await?;
    let lay = files(&world)?.lay(&id, &spec, Vec::new(), &DEFAULT);
    world.refused("a lay after the removal", lay, ErrorKind::Conflict).await?;
    world.refused("inspect", world.scheduler.inspect(&id), ErrorKind::NotFound).await.map(drop)
}

async fn a_lay_under_another_digest_is_a_conflict(world: World) -> Done {
    let (id, spec) = (world.id(), showing(&world, &["a"]));
    lay(&world, &id, &spec, &entries(&[("a", file("a\n"))])).await?;
    let other = with_digest(spec.clone(), "another");
    for when in ["before the start", "after the end"] {
        let lay = files(&world)?.lay(&id, &other, Vec::new(), &DEFAULT);
        world.refused(&format!("another digest, {when}"), lay, ErrorKind::Conflict).await?;
        if when == "before the start" {
            same_bytes("what it saw", &output(&world, &id, &spec).await?, b"file\na\n")?;
        }
    }
    Ok(())
}

/// Expects that the archive called `bad` is refused by its name, that nothing runs, and that good ones can be laid then.
async fn refused_by_name(world: &World, archives: Vec<Archive>, limits: &Limits) -> Done {
    let (id, spec) = (world.id(), showing(world, &["good", "a"]));
    let lay_bad = files(world)?.lay(&id, &spec, archives, limits);
    let text = world.refused("lay", lay_bad, ErrorKind::InvalidInput).await?;
    ensure(text.contains("bad"), || format!("the refusal does not name the archive: {text}"))?;
    let status = world.in_time("inspect", world.scheduler.inspect(&id)).await?;
    ensure(!matches!(status, Ok(TaskStatus::Running { .. } | TaskStatus::Ended(_))), || {
        format!("something was started: {status:?}")
    })?;
    lay(world, &id, &spec, &entries(&[("good", file("good\n"))])).await?;
    same_bytes("what it saw", &output(world, &id, &spec).await?, b"file\ngood\nnothing\n")
}

async fn what_is_no_archive_is_refused_by_name(world: World) -> Done {
    let whole = bytes(&entries(&[("a", file("a\n"))]))?;
    let cut = whole.get(..700).unwrap_or_default();
    for bad in [&[0x1f; 4096][..], b"", cut] {
        let good = bytes(&entries(&[("a", file("a\n"))]))?;
        let archives = vec![named("first", &good, None), named("bad", bad, None)];
        refused_by_name(&world, archives, &DEFAULT).await?;
    }
    Ok(())
}

async fn an_archive_beyond_the_limits_is_refused_by_name(world: World) -> Done {
    let bad = bytes(&entries(&[("a/b", file("12345678")), ("c", file("x"))]))?;
    let few = Limits { entries: 2, ..Limits::default() };
    let small = Limits { bytes: ByteSize::from_bytes(8), ..Limits::default() };
    for limits in [few, small] {
        refused_by_name(&world, vec![named("bad", &bad, None)], &limits).await?;
    }
    Ok(())
}

async fn a_file_where_one_is_already_is_refused_by_name(world: World) -> Done {
    let first = bytes(&entries(&[("a/b", file("b\n"))]))?;
    for second in [entries(&[("a/b", file("b\n"))]), entries(&[("a", file("a\n"))])] {
        let archives = vec![named("first", &first, None), named("bad", &bytes(&second)?, None)];
        refused_by_name(&world, archives, &DEFAULT).await?;
    }
    Ok(())
}

async fn a_link_in_an_archive_is_refused_by_name(world: World) -> Done {
    for target in ["/etc", "..", "good"] {
        refused_by_name(&world, vec![named("bad", &link("a", target)?, None)], &DEFAULT).await?;
    }
    Ok(())
}

async fn the_error_of_a_broken_archive_comes_back(world: World) -> Done {
    let (id, spec) = (world.id(), showing(&world, &["a"]));
    let whole = bytes(&entries(&[("a", file(&"x".repeat(5_000)))]))?;
    for (kind, length) in [(ErrorKind::Unavailable, 0), (ErrorKind::Exhausted, 3_000)] {
        let broken = BackendError::new(kind, "the store broke off");
        let archive = named("broken", whole.get(..length).unwrap_or_default(), Some(broken));
        let lay = files(&world)?.lay(&id, &spec, vec![archive], &DEFAULT);
        let text = world.refused("lay", lay, kind).await?;
        ensure(text.contains("the store broke off"), || format!("another error came back: {text}"))?;
    }
    lay(&world, &id, &spec, &entries(&[("b", file(""))])).await?;
    same_bytes("what it saw", &output(&world, &id, &spec).await?, b"nothing\n")
}

async fn what_was_laid_and_never_started_is_listed_and_removed(world: World) -> Done {
    let (id, spec) = (world.id(), showing(&world, &["a"]));
    lay(&world, &id, &spec, &entries(&[("a", file("a\n"))])).await?;
    let world = world.restart().await;
    let list = world.ok("list", world.scheduler.list()).await?;
    let found = list.into_iter().find(|summary| summary.id == id);
    let summary = found.ok_or("what was laid is not listed")?;
    same("its digest", summary.digest.as_str(), spec.digest.as_str())?;
    same("its status", summary.status, TaskStatus::Starting)?;
    world.ok("remove", world.scheduler.remove(&id)).await?;
    let list = world.ok("list", world.scheduler.list()).await?;
    ensure(list.iter().all(|summary| summary.id != id), || "it is still listed".to_owned())?;
    world
        .refused("a start after the removal", world.scheduler.start(&id, &spec), ErrorKind::Conflict)
        .await
        .map(drop)
}
