//! What is still there after the end of an object store.

use gofer_backend::ErrorKind;

use super::expect::{Outcome, all, bytes, ensure, ensure_eq, fact, key, put, read, refused, there};
use super::harness::World;
use super::puts::leave;
use super::runner::list;

list! {
    Durable "answered puts and deletes survive opening anew" => reopened;
    Durable "answered puts survive a crash" => puts_survive;
    Durable "answered deletes survive a crash" => deletes_survive;
    Durable "a put that a crash interrupts is never seen" => interrupted;
    Durable "versions differ also after opening anew" => versions;
    Exclusive "a second opener is refused with a conflict that names the place, and the first works on" => second_opener;
}

async fn reopened(world: World) -> Outcome {
    let mut store = world.open().await?;
    store = world.reopen(store).await?;
    ensure_eq!(all(&*store).await?, [], "the list of an object store without objects");
    for name in ["a", "a/b", "c"] {
        put(&*store, name, name.as_bytes()).await?;
    }
    store.delete(&key("c")?).await?;
    let before = all(&*store).await?;
    for _ in 0..2 {
        store = world.reopen(store).await?;
        ensure_eq!(all(&*store).await?, before, "the list after opening anew");
        ensure_eq!(read(&*store, "a/b").await?.1, b"a/b", "the bytes after opening anew");
    }
    Ok(())
}

async fn puts_survive(world: World) -> Outcome {
    let mut store = world.open().await?;
    for round in 0..5 {
        put(&*store, &format!("new/{round}/x"), b"1").await?;
        put(&*store, "again", round.to_string().as_bytes()).await?;
        let before = all(&*store).await?;
        store = world.crash(store).await?;
        ensure_eq!(all(&*store).await?, before, "the list after crash {round}");
        ensure_eq!(
            read(&*store, "again").await?.1,
            round.to_string().as_bytes(),
            "the bytes after crash {round}"
        );
    }
    Ok(())
}

async fn deletes_survive(world: World) -> Outcome {
    let mut store = world.open().await?;
    for round in 0..5 {
        put(&*store, "a/b", b"1").await?;
        store.delete(&key("a/b")?).await?;
        store = world.crash(store).await?;
        ensure_eq!(there(&*store, "a/b").await?, None, "what is there after crash {round}");
    }
    Ok(())
}

async fn interrupted(world: World) -> Outcome {
    let mut store = world.open().await?;
    put(&*store, "old", b"before").await?;
    for length in [1, 3 << 20] {
        for name in ["old", "new"] {
            leave(&store, name, &bytes(length)).await?;
            store = world.crash(store).await?;
            ensure_eq!(
                there(&*store, "old").await?,
                Some(b"before".to_vec()),
                "what was there before the crash"
            );
            ensure_eq!(there(&*store, "new").await?, None, "where nothing was before the crash");
        }
    }
    Ok(())
}

async fn versions(world: World) -> Outcome {
    let mut store = world.open().await?;
    let mut seen = Vec::new();
    for round in 0..4 {
        let version = put(&*store, "a", b"1").await?.version;
        ensure!(!seen.contains(&version), "the version {version} was there before");
        seen.push(version);
        store = if round % 2 == 0 { world.reopen(store).await? } else { world.crash(store).await? };
    }
    Ok(())
}

async fn second_opener(world: World) -> Outcome {
    let store = world.open().await?;
    put(&*store, "a", b"1").await?;
    for _ in 0..3 {
        let error = refused(world.open().await, ErrorKind::Conflict, "a second opener")?;
        let path = fact(&error, "path").unwrap_or_default();
        ensure!(
            path.contains(&*world.place().to_string_lossy()),
            "the conflict does not name the place: {error}"
        );
    }
    put(&*store, "a", b"2").await?;
    let store = world.reopen(store).await?;
    ensure_eq!(there(&*store, "a").await?, Some(b"2".to_vec()), "what is there after the first one has gone");
    Ok(())
}
