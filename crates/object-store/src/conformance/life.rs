//! Being asked, and being well.

use super::expect::{Outcome, all, ensure, ensure_eq, put};
use super::harness::World;
use super::runner::list;

list! {
    Nothing "an object store says what it is and can do" => says_what_it_is;
    Nothing "a healthy object store passes its check, which leaves no trace" => healthy;
}

async fn says_what_it_is(world: World) -> Outcome {
    let store = world.open().await?;
    let info = store.info();
    ensure!(!info.kind.is_empty(), "the kind is empty");
    ensure!(!info.target.is_empty(), "the target is empty");
    ensure_eq!(store.capabilities(), world.harness().capabilities(), "the capabilities");
    Ok(())
}

async fn healthy(world: World) -> Outcome {
    let store = world.open().await?;
    store.check().await?;
    ensure_eq!(all(&*store).await?, [], "the list after the check of an object store without objects");
    let there = put(&*store, "a", b"1").await?;
    store.check().await?;
    ensure_eq!(all(&*store).await?, [there], "the list after the check");
    Ok(())
}
