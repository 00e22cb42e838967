//! Many at once.

use std::sync::Arc;

use gofer_backend::{ErrorKind, Result};
use tokio::task::JoinSet;

use super::expect::{
    Feeder, Outcome, absent, all, by_hand, bytes, chunks, ensure, ensure_eq, key, plain, put, read, there,
    within,
};
use super::harness::World;
use super::runner::list;
use crate::{ObjectMeta, ObjectStore, Put, Sha256};

list! {
    Nothing "of many concurrent puts of what must be absent exactly one wins" => one_wins;
    Nothing "concurrent puts of one key never mix" => never_mix;
    Nothing "concurrent puts of many keys all land" => all_land;
    Nothing "puts and deletes of keys beside each other do not disturb each other" => side_by_side;
    Nothing "a reader meets one put whole, whatever is put meanwhile" => readers;
}

type Puts = JoinSet<(usize, Result<ObjectMeta>)>;

/// Starts puts that wait for their bytes.
fn start(store: &Arc<dyn ObjectStore>, name: &str, how: &Put, count: usize) -> Outcome<(Vec<Feeder>, Puts)> {
    let (mut feeders, mut puts) = (Vec::new(), JoinSet::new());
    for index in 0..count {
        let (feeder, stream) = by_hand();
        let (store, name, how) = (store.clone(), key(name)?, how.clone());
        puts.spawn(async move { (index, store.put(&name, stream, how).await) });
        feeders.push(feeder);
    }
    Ok((feeders, puts))
}

async fn one_wins(world: World) -> Outcome {
    let store = world.open().await?;
    for round in 0..10 {
        let name = format!("round/{round}");
        let (feeders, puts) = start(&store, &name, &absent(), 8)?;
        for (index, feeder) in feeders.iter().enumerate() {
            feeder.feed(&[u8::try_from(index).unwrap_or(u8::MAX)]).await?;
        }
        drop(feeders);
        let answers = within("concurrent puts", puts.join_all()).await?;
        let winners: Vec<usize> =
            answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(index, _)| *index).collect();
        ensure_eq!(winners.len(), 1, "the number of winners");
        for error in answers.iter().filter_map(|(_, answer)| answer.as_ref().err()) {
            ensure_eq!(error.kind(), ErrorKind::AlreadyExists, "the answer to a loser ({})", error.chain());
        }
        let found = there(&*store, &name).await?.and_then(|bytes| bytes.first().copied());
        ensure_eq!(found.map(usize::from), winners.first().copied(), "whose bytes are there");
    }
    Ok(())
}

async fn never_mix(world: World) -> Outcome {
    let store = world.open().await?;
    for _ in 0..3 {
        let (feeders, puts) = start(&store, "a/b", &plain(), 4)?;
        for part in 0..4 {
            for (index, feeder) in feeders.iter().enumerate() {
                let byte = u8::try_from(index).unwrap_or(u8::MAX);
                feeder.feed(&vec![byte; 100_000 + part * index]).await?;
            }
        }
        drop(feeders);
        for (_, answer) in within("concurrent puts", puts.join_all()).await? {
            answer?;
        }
        let (meta, found) = read(&*store, "a/b").await?;
        let writer = found.first().copied().unwrap_or(u8::MAX);
        ensure!(found.iter().all(|byte| *byte == writer), "bytes of several puts are in one object");
        ensure_eq!(
            found.len(),
            400_000 + 6 * usize::from(writer),
            "the length of the object of put {writer}"
        );
        ensure_eq!(meta.sha256, Sha256::of(&found), "the hash of the object");
    }
    Ok(())
}

async fn all_land(world: World) -> Outcome {
    let store = world.open().await?;
    let names: Vec<String> =
        (0..200).map(|number| format!("{}/{}/{number}", number % 7, number % 5)).collect();
    let mut puts = JoinSet::new();
    for name in &names {
        let (store, name, bytes) = (store.clone(), key(name)?, name.clone().into_bytes());
        puts.spawn(async move { store.put(&name, chunks(&bytes, 2), absent()).await });
    }
    for answer in within("concurrent puts", puts.join_all()).await? {
        answer?;
    }
    for name in &names {
        ensure_eq!(read(&*store, name).await?.1, name.as_bytes(), "the bytes under {name}");
    }
    ensure_eq!(all(&*store).await?.len(), names.len(), "the number of objects");
    let mut deletes = JoinSet::new();
    for name in &names {
        let (store, name) = (store.clone(), key(name)?);
        deletes.spawn(async move { store.delete(&name).await });
    }
    within("concurrent deletes", deletes.join_all()).await?.into_iter().collect::<Result<Vec<()>>>()?;
    ensure_eq!(all(&*store).await?, [], "the list after all was deleted");
    Ok(())
}

/// Puts and deletes one key again and again, and looks each time.
async fn come_and_go(store: Arc<dyn ObjectStore>, name: String) -> Outcome {
    for round in 0..25_usize {
        let how = if round % 2 == 0 { absent() } else { plain() };
        store.put(&key(&name)?, chunks(name.as_bytes(), 3), how).await?;
        ensure_eq!(read(&*store, &name).await?.1, name.as_bytes(), "the bytes under {name}");
        store.delete(&key(&name)?).await?;
        let gone = store.head(&key(&name)?).await;
        super::expect::refused(gone, ErrorKind::NotFound, "head of a key that was deleted")?;
    }
    Ok(())
}

async fn side_by_side(world: World) -> Outcome {
    let store = world.open().await?;
    let steady = ["a/b", "a/b/c/0", "a/c/9"];
    for name in steady {
        put(&*store, name, b"stays").await?;
    }
    let mut tasks = JoinSet::new();
    for name in ["a/b/c/1", "a/b/c/2", "a/b/c", "a/b/d/e/3", "a/b/d/e/4", "a/c/5", "a/c"] {
        tasks.spawn(come_and_go(store.clone(), name.to_owned()));
    }
    within("puts and deletes", tasks.join_all()).await?.into_iter().collect::<Outcome<Vec<()>>>()?;
    for name in steady {
        ensure_eq!(there(&*store, name).await?, Some(b"stays".to_vec()), "what was not deleted");
    }
    Ok(())
}

async fn readers(world: World) -> Outcome {
    let store = world.open().await?;
    put(&*store, "a", b"0").await?;
    let mut tasks = JoinSet::new();
    for number in 1..=30_usize {
        let (store, name) = (store.clone(), key("a")?);
        tasks.spawn(
            async move { store.put(&name, chunks(&bytes(number * 5000), 4096), plain()).await.map(drop) },
        );
    }
    let mut last = String::new();
    loop {
        let (meta, found) = read(&*store, "a").await?;
        ensure_eq!(meta.size, found.len() as u64, "the size beside the number of bytes");
        ensure_eq!(meta.sha256, Sha256::of(&found), "the hash beside that of the bytes");
        if tasks.is_empty() {
            return Ok(());
        }
        if meta.version == last {
            // nothing new: wait for one more put to end
            let _ = within("a put", tasks.join_next()).await?.transpose();
        }
        last = meta.version;
        while let Some(ended) = tasks.try_join_next() {
            ended.map_err(|error| super::Failure::new(error.to_string()))??;
        }
    }
}
