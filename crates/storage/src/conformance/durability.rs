//! What is still there after the end of a storage.

use futures_util::FutureExt as _;
use gofer_backend::ErrorKind;

use super::expect::{Outcome, all, delete, ensure, ensure_eq, fact, puts, refused, value};
use super::harness::World;
use super::runner::list;
use crate::KeyRange;

list! {
    Durable "acknowledged rows and deletes survive closing and reopening" => close_and_reopen;
    Durable "acknowledged rows and deletes survive a crash" => crash_and_reopen;
    Durable "after a crash a batch is there whole or not at all" => whole_after_crash;
    Durable "revisions go on growing after reopening" => growing_after_reopening;
    Durable "an empty storage can be closed and reopened" => empty_reopened;
    Exclusive "a second opener is refused with a conflict that names the place, and the first works on" => second_opener;
}

async fn close_and_reopen(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("a", "1"), ("b", "2"), ("c", "3")])).await?;
    storage.commit(delete("b")).await?;
    let before = all(&*storage).await?;
    let storage = world.reopen(storage).await?;
    ensure_eq!(all(&*storage).await?, before, "the rows after reopening");
    Ok(())
}

async fn crash_and_reopen(world: World) -> Outcome {
    let mut storage = world.open().await?;
    for round in 0..5 {
        storage
            .commit(puts(&[(&format!("row/{round}"), "1"), ("again", &round.to_string()), ("gone", "1")]))
            .await?;
        storage.commit(delete("gone")).await?;
        let before = all(&*storage).await?;
        storage = world.crash(storage).await?;
        ensure_eq!(all(&*storage).await?, before, "the rows after crash {round}");
    }
    Ok(())
}

async fn whole_after_crash(world: World) -> Outcome {
    let mut storage = world.open().await?;
    for round in 0..10 {
        let prefix = format!("round/{round}/");
        let rows: Vec<String> = (0..8).map(|row| format!("{prefix}{row}")).collect();
        let pairs: Vec<(&str, &str)> = rows.iter().map(|row| (row.as_str(), "v")).collect();
        let started = storage.commit(puts(&pairs)).now_or_never();
        ensure!(!matches!(started, Some(Err(_))), "the commit failed at once: {started:?}");
        storage = world.crash(storage).await?;
        let there = storage.scan(KeyRange::prefix(prefix.as_bytes()), 100).await?.len();
        ensure!(there == 0 || there == 8, "{there} of 8 rows are there after crash {round}");
    }
    Ok(())
}

async fn growing_after_reopening(world: World) -> Outcome {
    let mut storage = world.open().await?;
    let mut last = storage.commit(puts(&[("a", "1")])).await?;
    for round in 0..4 {
        // the newest commit left no row behind
        last = last.max(storage.commit(delete("a")).await?);
        storage = if round % 2 == 0 { world.reopen(storage).await? } else { world.crash(storage).await? };
        let next = storage.commit(puts(&[("a", "1")])).await?;
        ensure!(next > last, "revision {next:?} follows {last:?} after opening anew");
        last = next;
    }
    Ok(())
}

async fn empty_reopened(world: World) -> Outcome {
    let mut storage = world.open().await?;
    for _ in 0..3 {
        storage = world.reopen(storage).await?;
        ensure_eq!(all(&*storage).await?.len(), 0, "the number of rows of an empty storage");
    }
    let storage = world.crash(storage).await?;
    ensure_eq!(all(&*storage).await?.len(), 0, "the number of rows of an empty storage");
    Ok(())
}

async fn second_opener(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("a", "1")])).await?;
    for _ in 0..3 {
        let error = refused(world.open().await, ErrorKind::Conflict, "a second opener")?;
        let path = fact(&error, "path").unwrap_or_default();
        ensure!(
            path.contains(&*world.place().to_string_lossy()),
            "the conflict does not name the place: {error}"
        );
    }
    ensure_eq!(value(&*storage, "a").await?, Some("1".to_owned()), "what the first opener reads");
    storage.commit(puts(&[("a", "2")])).await?;
    let storage = world.reopen(storage).await?;
    ensure_eq!(
        value(&*storage, "a").await?,
        Some("2".to_owned()),
        "what is read after the first one has closed"
    );
    Ok(())
}
