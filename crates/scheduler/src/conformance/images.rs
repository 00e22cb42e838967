//! Images: what is not there never runs, and what runs is told exactly.

use gofer_backend::ErrorKind;

use super::world::{ensure, same, unique, with_digest};
use super::{Case, Done, Step, World, case};
use crate::{Images, StartOutcome, TaskSpec};

pub(crate) const CASES: &[Case] = &[
    case!(an_image_that_is_not_there_is_told_and_never_ran, needs images),
    case!(the_digest_of_the_image_is_told, needs images),
];

fn images(world: &World) -> Result<&dyn Images, String> {
    world.scheduler.images().ok_or_else(|| "it claims images and cannot fetch any".to_owned())
}

async fn an_image_that_is_not_there_is_told_and_never_ran(world: World) -> Done {
    let spec = with_digest(world.harness.missing_image(), "one");
    let mut ignore = |_| {};
    let fetch = images(&world)?.fetch(&spec, &mut ignore);
    world.refused("fetch", fetch, ErrorKind::InvalidInput).await?;
    let id = world.id();
    world.refused("start", world.scheduler.start(&id, &spec), ErrorKind::NotFound).await?;
    world.refused("inspect", world.scheduler.inspect(&id), ErrorKind::NotFound).await.map(drop)
}

async fn the_digest_of_the_image_is_told(world: World) -> Done {
    let gate = unique();
    let (id, spec): (_, TaskSpec) = (world.id(), world.spec(&[Step::Gate(gate.clone())]));
    let fetched = world.ok("fetch", images(&world)?.fetch(&spec, &mut |_| {})).await?;
    ensure(fetched.digest.starts_with("sha256:"), || format!("this is no digest: {}", fetched.digest))?;
    let first = world.start_as(&id, &spec).await?;
    same("the image of the first start", first.image, Some(fetched.digest.clone()))?;
    let again = world.start_as(&id, &spec).await?;
    same("the second start", again.outcome, StartOutcome::Adopted)?;
    same("the image of the second start", again.image, Some(fetched.digest))?;
    world.harness.open_gate(&gate).await;
    world.end(&id).await.map(drop)
}
