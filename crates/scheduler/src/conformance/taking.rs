//! Taking files: what a task left is taken as it is, and nothing is taken that it did not leave.

use gofer_artefacts::Limits;
use gofer_backend::ErrorKind;
use gofer_types::{AttemptId, ByteSize, Cause};

use super::archives::{collect, entries, file, held, program};
use super::laying::{DEFAULT, files, lay};
use super::world::{ensure, same, same_bytes, unique};
use super::{Case, Done, Step, World, case};
use crate::StreamKind;

pub(crate) const CASES: &[Case] = &[
    case!(what_a_task_left_is_taken_as_it_is, needs files),
    case!(what_a_task_was_given_can_be_taken_again, needs files),
    case!(the_same_files_make_the_same_bytes, needs files),
    case!(a_path_that_is_not_there_is_refused_by_name, needs files),
    case!(what_is_beyond_the_limits_is_not_taken, needs files),
    case!(a_take_before_the_end_is_a_conflict, needs files),
    case!(a_take_after_the_removal_is_not_found, needs files),
    case!(what_a_failed_task_left_is_taken_as_well, needs files),
    case!(a_link_out_of_the_work_directory_is_never_followed, needs files),
];

async fn take(world: &World, id: &AttemptId, paths: &[&str]) -> Result<Vec<u8>, String> {
    world.ok("take", taking(world, id, paths, &DEFAULT)).await
}

/// All bytes, or the first error, of the call or of the stream.
async fn taking(
    world: &World,
    id: &AttemptId,
    paths: &[&str],
    limits: &Limits,
) -> gofer_backend::Result<Vec<u8>> {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let files = files(world).map_err(|why| gofer_backend::BackendError::new(ErrorKind::Internal, why))?;
    collect(files.take(id, &paths, limits).await?).await
}

/// Expects a refusal, of the call or of the stream, and answers its text.
async fn refuse(
    world: &World,
    (what, id): (&str, &AttemptId),
    paths: &[&str],
    limits: Limits,
    kind: ErrorKind,
) -> Result<String, String> {
    world.refused(what, taking(world, id, paths, &limits), kind).await
}

fn leave(path: &str, content: &str) -> Step {
    Step::LeaveFile { path: path.to_owned(), content: content.as_bytes().to_vec(), executable: false }
}

fn leave_program(path: &str, content: &str) -> Step {
    Step::LeaveFile { path: path.to_owned(), content: content.as_bytes().to_vec(), executable: true }
}

/// A task that left something, and ended with this code.
async fn ended(world: &World, code: i32) -> Result<AttemptId, String> {
    let steps = [
        leave("dist/a", "alpha"),
        leave_program("dist/bin/run", "#!"),
        leave("dist-b", "beta"),
        leave("x/y/z", "zeta"),
        Step::Exit(code),
    ];
    let (id, cause) = world.run(&steps).await?;
    same("the end", cause, Cause::ExitCode(code))?;
    Ok(id)
}

async fn what_a_task_left_is_taken_as_it_is(world: World) -> Done {
    let id = ended(&world, 0).await?;
    let dist = [("dist/a", file("alpha")), ("dist/bin/run", program("#!"))];
    let (beta, zeta) = (("dist-b", file("beta")), ("x/y/z", file("zeta")));
    let [a, run] = dist;
    for (paths, wanted) in [
        (&["dist-b"][..], vec![beta.clone()]),
        (&["dist"], vec![a.clone(), run.clone()]),
        (&["dist/"], vec![a.clone(), run.clone()]),
        (&["dist/bin/run", "x/y", "dist-b"], vec![run.clone(), beta.clone(), zeta.clone()]),
        (&["dist/bin", "dist", "dist/a"], vec![a.clone(), run.clone()]),
    ] {
        let taken = held(&take(&world, &id, paths).await?)?;
        same(&format!("what was taken of {paths:?}"), taken, entries(&wanted))?;
    }
    Ok(())
}

async fn what_a_task_was_given_can_be_taken_again(world: World) -> Done {
    let large: String = (0..200_000).map(|number| format!("{number}\n")).collect();
    let long = format!("in/{}/{}", "a".repeat(120), "b".repeat(120));
    let of = entries(&[
        ("in/large", file(&large)),
        ("in/run", program("#!\n")),
        (&long, file("x")),
        ("in/größe 1", file("")),
        ("in/empty", None),
    ]);
    let (id, spec) = (world.id(), world.spec(&[]));
    lay(&world, &id, &spec, &of).await?;
    world.start_as(&id, &spec).await?;
    same("the end", world.end(&id).await?.cause, Cause::ExitCode(0))?;
    let taken = held(&take(&world, &id, &["in"]).await?)?;
    ensure(taken == of, || format!("what was taken is not what was laid: {:?}", taken.keys()))
}

async fn the_same_files_make_the_same_bytes(world: World) -> Done {
    let id = ended(&world, 0).await?;
    let first = take(&world, &id, &["dist", "x"]).await?;
    same_bytes("taken again", &take(&world, &id, &["x", "dist"]).await?, &first)?;
    let other = ended(&world, 0).await?;
    same_bytes("of another task", &take(&world, &other, &["dist", "x"]).await?, &first)?;
    let world = world.restart().await;
    same_bytes("taken after a restart", &take(&world, &id, &["dist", "x"]).await?, &first)
}

async fn a_path_that_is_not_there_is_refused_by_name(world: World) -> Done {
    let id = ended(&world, 0).await?;
    for path in ["gone", "dist/gone", "dist/a/below", "gone/deep", "../dist", "/etc", "dist/*"] {
        let text = refuse(&world, (path, &id), &["dist", path], DEFAULT, ErrorKind::InvalidInput).await?;
        ensure(text.contains(path), || format!("the refusal does not name {path}: {text}"))?;
    }
    take(&world, &id, &["dist"]).await.map(drop)
}

async fn what_is_beyond_the_limits_is_not_taken(world: World) -> Done {
    let id = ended(&world, 0).await?;
    let few = Limits { entries: 3, ..Limits::default() };
    let small = Limits { bytes: ByteSize::from_bytes(6), ..Limits::default() };
    for limits in [few, small] {
        refuse(&world, ("take", &id), &["dist"], limits, ErrorKind::InvalidInput).await?;
    }
    let enough = Limits { entries: 4, bytes: ByteSize::from_bytes(7), ..Limits::default() };
    world.ok("take", taking(&world, &id, &["dist"], &enough)).await.map(drop)
}

async fn a_take_before_the_end_is_a_conflict(world: World) -> Done {
    let gate = unique();
    let up = Step::Print(StreamKind::Out, b"up\n".into());
    let (id, spec) = (world.id(), world.spec(&[leave("a", "a"), up, Step::Gate(gate.clone())]));
    lay(&world, &id, &spec, &entries(&[("b", file("b"))])).await?;
    refuse(&world, ("a take before the start", &id), &["b"], DEFAULT, ErrorKind::Conflict).await?;
    world.start_as(&id, &spec).await?;
    world.see(&id, "up").await?;
    refuse(&world, ("a take while it runs", &id), &["a"], DEFAULT, ErrorKind::Conflict).await?;
    world.harness.open_gate(&gate).await;
    world.end(&id).await?;
    same("what was taken", held(&take(&world, &id, &["a"]).await?)?, entries(&[("a", file("a"))]))
}

async fn a_take_after_the_removal_is_not_found(world: World) -> Done {
    let id = ended(&world, 0).await?;
    world.ok("remove", world.scheduler.remove(&id)).await?;
    for id in [id, world.id()] {
        refuse(&world, ("take", &id), &["dist"], DEFAULT, ErrorKind::NotFound).await?;
    }
    Ok(())
}

async fn what_a_failed_task_left_is_taken_as_well(world: World) -> Done {
    let id = ended(&world, 3).await?;
    let taken = held(&take(&world, &id, &["x"]).await?)?;
    same("what was taken", taken, entries(&[("x/y/z", file("zeta"))]))
}

async fn a_link_out_of_the_work_directory_is_never_followed(world: World) -> Done {
    let link = |path: &str, target: &str| Step::LeaveLink { path: path.into(), target: target.into() };
    let steps = [link("out", "/etc"), link("in/up", ".."), link("file", "/etc/passwd"), leave("good", "g")];
    let (id, _) = world.run(&steps).await?;
    for (path, named) in
        [("out", "out"), ("out/passwd", "out"), ("in", "in/up"), ("in/up/good", "in/up"), ("file", "file")]
    {
        let text = refuse(&world, (path, &id), &["good", path], DEFAULT, ErrorKind::InvalidInput).await?;
        ensure(text.contains(named), || format!("the refusal does not name {named}: {text}"))?;
    }
    take(&world, &id, &["good"]).await.map(drop)
}
