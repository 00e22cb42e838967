//! Signals.

use futures_util::future;

use super::expect::{Outcome, create, delete, ensure, ensure_eq, puts, ready, revision, signal, within};
use super::harness::World;
use super::runner::list;
use crate::{Revision, Storage, WatchStream};

list! {
    Nothing "a watch tells of every commit to its prefix" => tells;
    Nothing "a watch does not tell of other prefixes" => not_others;
    Nothing "a watch of everything tells of every key" => everything;
    Nothing "a watch tells of deletes" => deletes;
    Nothing "a watch does not tell of commits before it" => not_the_past;
    Nothing "a watch does not tell of refused commits" => not_refused;
    Nothing "signals may merge, and the newest is never missed" => merges;
    Nothing "what a watch tells of can be read" => readable;
    Nothing "every watch of a prefix is told" => many;
    Nothing "a watch ends when the storage is closed, after its last signal" => ends;
    Nothing "a watch of a closed storage ends at once" => ends_at_once;
}

async fn tells(world: World) -> Outcome {
    let storage = world.open().await?;
    let mut watch = storage.watch(b"run/");
    for number in 0..5 {
        let committed = storage.commit(puts(&[(&format!("run/{number}"), "1")])).await?;
        ensure_eq!(signal(&mut watch).await?, Some(committed), "the signal of commit {number}");
    }
    let committed = storage.commit(puts(&[("run/", "1"), ("task/", "1")])).await?;
    ensure_eq!(
        signal(&mut watch).await?,
        Some(committed),
        "the signal of a commit to the prefix itself and others"
    );
    Ok(())
}

/// Returns once the storage has told everybody of that commit.
async fn told(sentinel: &mut WatchStream, committed: Revision) -> Outcome {
    loop {
        match signal(sentinel).await? {
            Some(revision) if revision >= committed => return Ok(()),
            Some(_) => {}
            None => ensure!(false, "the watch ended"),
        }
    }
}

async fn not_others(world: World) -> Outcome {
    let storage = world.open().await?;
    let mut watch = storage.watch(b"run/");
    let mut sentinel = storage.watch(b"task/");
    let others = [("task/1", "1"), ("run", "1"), ("ruo", "1"), ("run0", "1"), ("ru", "1")];
    let committed = storage.commit(puts(&others)).await?;
    told(&mut sentinel, committed).await?;
    ensure_eq!(ready(&mut watch), None, "the signal of a commit to other prefixes");
    Ok(())
}

async fn everything(world: World) -> Outcome {
    let storage = world.open().await?;
    let mut watch = storage.watch(b"");
    let committed = storage.commit(puts(&[("a", "1")])).await?;
    ensure_eq!(signal(&mut watch).await?, Some(committed), "the signal");
    Ok(())
}

async fn deletes(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("run/1", "1")])).await?;
    let mut watch = storage.watch(b"run/");
    let committed = storage.commit(delete("run/1")).await?;
    ensure_eq!(signal(&mut watch).await?, Some(committed), "the signal of the delete");
    Ok(())
}

async fn not_the_past(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("run/1", "1")])).await?;
    let mut watch = storage.watch(b"run/");
    ensure_eq!(ready(&mut watch), None, "the signal before any commit");
    let committed = storage.commit(puts(&[("run/1", "1")])).await?;
    ensure_eq!(signal(&mut watch).await?, Some(committed), "the first signal");
    Ok(())
}

async fn not_refused(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("run/1", "1")])).await?;
    let mut watch = storage.watch(b"run/");
    let mut sentinel = storage.watch(b"task/");
    let refused = storage.commit(create("run/1", "2")).await;
    ensure!(refused.is_err(), "the commit was not refused");
    let committed = storage.commit(puts(&[("task/1", "1")])).await?;
    told(&mut sentinel, committed).await?;
    ensure_eq!(ready(&mut watch), None, "the signal of a refused commit");
    Ok(())
}

async fn merges(world: World) -> Outcome {
    let storage = world.open().await?;
    let mut watch = storage.watch(b"run/");
    for burst in 0..7 {
        let mut newest = Revision::default();
        for number in 0..=burst {
            newest = storage.commit(puts(&[(&format!("run/{number}"), "1")])).await?;
        }
        let mut last = Revision::default();
        while last < newest {
            let told = signal(&mut watch).await?.unwrap_or_default();
            ensure!(told > last, "signal {told:?} follows {last:?}");
            last = told;
        }
        ensure_eq!(last, newest, "the last signal of burst {burst}");
    }
    Ok(())
}

async fn readable(world: World) -> Outcome {
    let storage = world.open().await?;
    let mut watch = storage.watch(b"a");
    let writing = async {
        let mut newest = Revision::default();
        for _ in 0..30 {
            newest = storage.commit(puts(&[("a", "1")])).await?;
        }
        Ok::<Revision, super::Failure>(newest)
    };
    let reading = async {
        let mut last = Revision::default();
        while last < Revision(30) {
            last = signal(&mut watch).await?.unwrap_or(Revision(u64::MAX));
            let there = revision(&*storage, "a").await?;
            ensure!(there >= last, "told of {last:?}, and the row has {there:?}");
        }
        Ok(last)
    };
    let (newest, last) = within("a writer and a watcher", future::try_join(writing, reading)).await??;
    ensure_eq!(last, newest, "the last signal");
    Ok(())
}

async fn many(world: World) -> Outcome {
    let storage = world.open().await?;
    let mut watches: Vec<WatchStream> = (0..50).map(|_| storage.watch(b"run/")).collect();
    // those that are dropped harm nobody
    watches.truncate(25);
    let committed = storage.commit(puts(&[("run/1", "1")])).await?;
    for watch in &mut watches {
        ensure_eq!(signal(watch).await?, Some(committed), "the signal");
    }
    Ok(())
}

async fn ends(world: World) -> Outcome {
    let storage = world.open().await?;
    let mut idle = storage.watch(b"never/");
    let mut watch = storage.watch(b"run/");
    let committed = storage.commit(puts(&[("run/1", "1")])).await?;
    storage.close().await?;
    ensure_eq!(signal(&mut watch).await?, Some(committed), "the last signal");
    ensure_eq!(signal(&mut watch).await?, None, "the end of a watch that was told");
    ensure_eq!(signal(&mut idle).await?, None, "the end of a watch that was never told");
    Ok(())
}

async fn ends_at_once(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.close().await?;
    let mut watch = Storage::watch(&*storage, b"run/");
    ensure_eq!(signal(&mut watch).await?, None, "the watch of a closed storage");
    Ok(())
}
