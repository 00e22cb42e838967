//! Many at once.

use std::sync::Arc;

use futures_util::{FutureExt as _, future};
use gofer_backend::{ErrorKind, Result};

use super::expect::{Failure, Outcome, all, create, ensure, ensure_eq, keys, puts, revision, value, within};
use super::harness::World;
use super::runner::list;
use crate::{Batch, KeyRange, Precondition, Revision, Storage};

list! {
    Nothing "of many concurrent creations of one row exactly one wins" => one_creation_wins;
    Nothing "concurrent increments by compare and set lose no step" => increments;
    Nothing "many concurrent commits all land, each with a revision of its own" => all_land;
    Nothing "concurrent batches that touch the same rows never mix" => never_mix;
    Nothing "a reader sees a commit that was acknowledged" => reader_sees;
    Nothing "a commit whose future is dropped takes effect whole or not at all" => dropped;
}

/// Runs all of it on tasks of their own, and waits for all.
async fn at_once(storage: &Arc<dyn Storage>, batches: Vec<Batch>) -> Outcome<Vec<Result<Revision>>> {
    let mut tasks = tokio::task::JoinSet::new();
    let count = batches.len();
    for (index, batch) in batches.into_iter().enumerate() {
        let storage = Arc::clone(storage);
        tasks.spawn(async move { (index, storage.commit(batch).await) });
    }
    let mut answers: Vec<(usize, Result<Revision>)> = within("concurrent commits", tasks.join_all()).await?;
    answers.sort_by_key(|(index, _)| *index);
    ensure_eq!(answers.len(), count, "the number of answers");
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

async fn one_creation_wins(world: World) -> Outcome {
    let storage = world.open().await?;
    for round in 0..10 {
        let key = format!("row/{round}");
        let batches = (0..20).map(|racer| create(&key, &racer.to_string())).collect();
        let answers = at_once(&storage, batches).await?;
        let winners: Vec<usize> =
            (0..20).filter(|racer| answers.get(*racer).is_some_and(Result::is_ok)).collect();
        ensure_eq!(winners.len(), 1, "the number of winners");
        let conflicts = answers.iter().filter_map(|answer| answer.as_ref().err());
        for error in conflicts {
            ensure_eq!(error.kind(), ErrorKind::Conflict, "the answer to a loser");
        }
        let winner = winners.first().map(ToString::to_string);
        ensure_eq!(value(&*storage, &key).await?, winner, "the value that is there");
    }
    Ok(())
}

async fn increments(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("counter", "0")])).await?;
    let count = || async {
        for _ in 0..10 {
            loop {
                let row =
                    storage.get(b"counter").await?.ok_or_else(|| Failure::new("the counter is gone"))?;
                let now: u64 = String::from_utf8_lossy(&row.value).parse().unwrap_or(u64::MAX);
                let mut batch = puts(&[("counter", &(now + 1).to_string())]);
                batch.check("counter", Precondition::At(row.revision));
                match storage.commit(batch).await {
                    Ok(_) => break,
                    Err(error) if error.kind() == ErrorKind::Conflict => tokio::task::yield_now().await,
                    Err(error) => return Err(Failure::from(error)),
                }
            }
        }
        Ok(())
    };
    let counters = future::try_join_all([count(), count(), count(), count()]);
    within("concurrent increments", counters).await??;
    ensure_eq!(value(&*storage, "counter").await?, Some("40".to_owned()), "the counter after 40 increments");
    Ok(())
}

async fn all_land(world: World) -> Outcome {
    let storage = world.open().await?;
    let names: Vec<String> = (0..300).map(|number| format!("row/{number:03}")).collect();
    let batches = names.iter().map(|name| puts(&[(name, name)])).collect();
    let answers = at_once(&storage, batches).await?;
    let mut revisions = Vec::new();
    for (name, answer) in names.iter().zip(answers) {
        let answered = answer?;
        ensure_eq!(revision(&*storage, name).await?, answered, "the revision of {name}");
        revisions.push(answered);
    }
    ensure_eq!(keys(&storage.scan(KeyRange::prefix(b"row/"), 1000).await?), names, "the rows that landed");
    revisions.sort();
    revisions.dedup();
    ensure_eq!(revisions.len(), names.len(), "the number of different revisions");
    Ok(())
}

async fn never_mix(world: World) -> Outcome {
    let storage = world.open().await?;
    let batch = |writer: usize| {
        let mut batch = Batch::default();
        for row in 0..5 {
            batch.put(format!("row/{row}"), writer.to_string());
        }
        batch
    };
    for _ in 0..10 {
        let answers = at_once(&storage, (0..10).map(batch).collect()).await?;
        let newest = answers.into_iter().collect::<Result<Vec<_>>>()?.into_iter().max();
        let rows = all(&*storage).await?;
        ensure_eq!(rows.len(), 5, "the number of rows");
        let first = rows.first().map(|row| row.value.clone());
        for row in rows {
            ensure_eq!(Some(&row.value), first.as_ref(), "the writer of {}", crate::escaped(&row.key));
            ensure_eq!(Some(row.revision), newest, "the revision of {}", crate::escaped(&row.key));
        }
    }
    Ok(())
}

async fn reader_sees(world: World) -> Outcome {
    let storage = world.open().await?;
    for number in 0..20 {
        let text = number.to_string();
        let committed = storage.commit(puts(&[("a", &text)])).await?;
        ensure_eq!(value(&*storage, "a").await?, Some(text.clone()), "what get reads after commit {number}");
        let rows = all(&*storage).await?;
        let seen = rows.first().map(|row| (row.value.clone(), row.revision));
        ensure_eq!(seen, Some((text.into(), committed)), "what scan reads after commit {number}");
    }
    Ok(())
}

async fn dropped(world: World) -> Outcome {
    let storage = world.open().await?;
    for round in 0..10 {
        let rows: Vec<String> = (0..6).map(|row| format!("round/{round}/{row}")).collect();
        let pairs: Vec<(&str, &str)> = rows.iter().map(|row| (row.as_str(), "v")).collect();
        // started and left
        let started = storage.commit(puts(&pairs)).now_or_never();
        ensure!(!matches!(started, Some(Err(_))), "the commit failed at once: {started:?}");
        storage.commit(puts(&[("later", "v")])).await?;
        let there = storage.scan(KeyRange::prefix(format!("round/{round}/").as_bytes()), 100).await?.len();
        ensure!(there == 0 || there == 6, "{there} of 6 rows are there");
    }
    Ok(())
}
