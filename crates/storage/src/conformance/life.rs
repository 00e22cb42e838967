//! Being asked, being well, being closed.

use futures_util::{FutureExt as _, future};
use gofer_backend::ErrorKind;

use super::expect::{Outcome, all, ensure, ensure_eq, puts, refused, value, within};
use super::harness::World;
use super::runner::list;
use crate::{Batch, KeyRange};

list! {
    Nothing "a storage says what it is and can do" => says_what_it_is;
    Nothing "a healthy storage passes its check, which leaves no trace" => healthy;
    Nothing "reads after closing are refused as unavailable" => closed_reads;
    Nothing "commits and checks after closing are refused as unavailable" => closed_commits;
    Nothing "closing twice is no error" => closed_twice;
    Durable "closing finishes the commits that were accepted" => finishes_accepted;
}

async fn says_what_it_is(world: World) -> Outcome {
    let storage = world.open().await?;
    let info = storage.info();
    ensure!(!info.kind.is_empty(), "the kind is empty");
    ensure!(!info.target.is_empty(), "the target is empty");
    ensure_eq!(storage.capabilities(), world.harness().capabilities(), "the capabilities");
    Ok(())
}

async fn healthy(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.check().await?;
    ensure_eq!(all(&*storage).await?.len(), 0, "the number of rows after the check of a new storage");
    let newest = storage.commit(puts(&[("a", "1")])).await?;
    let mut watch = storage.watch(b"");
    storage.check().await?;
    ensure_eq!(storage.commit(Batch::default()).await?, newest, "the newest revision after the check");
    ensure_eq!(all(&*storage).await?.len(), 1, "the number of rows after the check");
    ensure_eq!(super::expect::ready(&mut watch), None, "the signal of the check");
    Ok(())
}

async fn closed_reads(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("a", "1")])).await?;
    storage.close().await?;
    refused(storage.get(b"a").await, ErrorKind::Unavailable, "get after closing")?;
    refused(storage.scan(KeyRange::prefix(b""), 1).await, ErrorKind::Unavailable, "scan after closing")?;
    Ok(())
}

async fn closed_commits(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("a", "1")])).await?;
    storage.close().await?;
    refused(storage.commit(puts(&[("a", "2")])).await, ErrorKind::Unavailable, "commit after closing")?;
    refused(storage.check().await, ErrorKind::Unavailable, "check after closing")?;
    Ok(())
}

async fn closed_twice(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.close().await?;
    storage.close().await?;
    let both = future::join(storage.close(), storage.close());
    let (first, second) = within("two closings at once", both).await?;
    first.and(second)?;
    Ok(())
}

async fn finishes_accepted(world: World) -> Outcome {
    let storage = world.open().await?;
    let mut waiting = Vec::new();
    for number in 0..20 {
        let (storage, key) = (std::sync::Arc::clone(&storage), format!("row/{number}"));
        let mut commit = async move { (key.clone(), storage.commit(puts(&[(&key, "1")])).await) }.boxed();
        match (&mut commit).now_or_never() {
            Some(done) => waiting.push(future::ready(done).boxed()),
            None => waiting.push(commit),
        }
    }
    let both = future::join(storage.close(), future::join_all(waiting));
    let (closed, answers) = within("closing and commits", both).await?;
    closed?;
    drop(storage);
    let storage = world.open().await?;
    let mut landed = 0;
    for (key, answer) in answers {
        match answer {
            Ok(_) => {
                landed += 1;
                ensure_eq!(value(&*storage, &key).await?, Some("1".to_owned()), "the acknowledged row {key}");
            }
            Err(error) => {
                ensure_eq!(error.kind(), ErrorKind::Unavailable, "the answer to a commit at closing");
            }
        }
    }
    ensure!(landed > 0, "none of the commits that were under way was finished");
    Ok(())
}
