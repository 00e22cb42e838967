//! Commits, their checks and their revisions.

use gofer_backend::ErrorKind;

use super::expect::{Outcome, all, create, delete, ensure, ensure_eq, fact, puts, refused, revision, value};
use super::harness::World;
use super::runner::list;
use crate::{Batch, Precondition, Revision};

list! {
    Nothing "a batch writes all of its rows with one revision" => one_revision;
    Nothing "a batch may put and delete together" => mixed;
    Nothing "a batch with a failed check writes nothing" => nothing_written;
    Nothing "a conflict names the key whose check failed" => names_key;
    Nothing "a check of absence fails for a row that is there" => check_absent;
    Nothing "a check of a revision fails for any other revision" => check_at;
    Nothing "a check of a revision fails for a row that is not there" => check_at_absent;
    Nothing "a deleted row is absent to checks" => deleted_is_absent;
    Nothing "checks see the state before the batch, not its own writes" => before_own_writes;
    Nothing "checks may be on keys that the batch does not write" => foreign_checks;
    Nothing "an empty batch writes nothing and answers the newest revision" => empty;
    Nothing "a batch of checks alone tells whether they hold" => checks_alone;
    Nothing "revisions grow with every commit" => growing;
}

async fn one_revision(world: World) -> Outcome {
    let storage = world.open().await?;
    let answered = storage.commit(puts(&[("a", "1"), ("b", "2"), ("c", "3")])).await?;
    for key in ["a", "b", "c"] {
        ensure_eq!(revision(&*storage, key).await?, answered, "the revision of {key}");
    }
    Ok(())
}

async fn mixed(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("a", "1"), ("b", "2")])).await?;
    let mut batch = delete("a");
    batch.put("b", "3").put("c", "4");
    storage.commit(batch).await?;
    let rows: Vec<_> = all(&*storage).await?.into_iter().map(|row| (row.key, row.value)).collect();
    ensure_eq!(rows, [("b".into(), "3".into()), ("c".into(), "4".into())], "the rows after the batch");
    Ok(())
}

async fn nothing_written(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("a", "1"), ("b", "2")])).await?;
    let before = all(&*storage).await?;
    let mut batch = puts(&[("a", "9"), ("new", "9")]);
    batch.delete("b").check("elsewhere", Precondition::Absent).check("a", Precondition::Absent);
    refused(storage.commit(batch).await, ErrorKind::Conflict, "a batch with a failed check")?;
    ensure_eq!(all(&*storage).await?, before, "the rows after the refused batch");
    Ok(())
}

async fn names_key(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("x\0y", "1")])).await?;
    let mut batch = puts(&[("new", "9")]);
    batch.check("free", Precondition::Absent).check("x\0y", Precondition::Absent);
    let error = refused(storage.commit(batch).await, ErrorKind::Conflict, "a batch with a failed check")?;
    ensure_eq!(fact(&error, "key"), Some("x\\x00y".to_owned()), "the fact `key` of the conflict");
    ensure!(!error.backend().is_empty(), "the conflict does not name the backend");
    Ok(())
}

async fn check_absent(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(create("a", "1")).await?;
    refused(storage.commit(create("a", "2")).await, ErrorKind::Conflict, "creating a row that is there")?;
    ensure_eq!(value(&*storage, "a").await?, Some("1".to_owned()), "the value after the conflict");
    Ok(())
}

fn replace_at(key: &str, value: &str, revision: Revision) -> Batch {
    let mut batch = puts(&[(key, value)]);
    batch.check(key.to_owned(), Precondition::At(revision));
    batch
}

async fn check_at(world: World) -> Outcome {
    let storage = world.open().await?;
    let first = storage.commit(puts(&[("a", "1")])).await?;
    let second = storage.commit(replace_at("a", "2", first)).await?;
    for wrong in [first, Revision(second.0 + 1), Revision(0)] {
        let answer = storage.commit(replace_at("a", "3", wrong)).await;
        refused(answer, ErrorKind::Conflict, "a check of a revision that is not the row's")?;
    }
    ensure_eq!(value(&*storage, "a").await?, Some("2".to_owned()), "the value after the conflicts");
    // the revision is that of the row, not the newest of the storage
    storage.commit(puts(&[("b", "1")])).await?;
    storage.commit(replace_at("a", "4", second)).await?;
    Ok(())
}

async fn check_at_absent(world: World) -> Outcome {
    let storage = world.open().await?;
    let newest = storage.commit(puts(&[("b", "1")])).await?;
    for revision in [newest, Revision(0)] {
        let answer = storage.commit(replace_at("a", "1", revision)).await;
        refused(answer, ErrorKind::Conflict, "a check of a revision where no row is")?;
    }
    Ok(())
}

async fn deleted_is_absent(world: World) -> Outcome {
    let storage = world.open().await?;
    let first = storage.commit(create("a", "1")).await?;
    storage.commit(delete("a")).await?;
    let answer = storage.commit(replace_at("a", "2", first)).await;
    refused(answer, ErrorKind::Conflict, "a check of the revision of a deleted row")?;
    storage.commit(create("a", "2")).await?;
    Ok(())
}

async fn before_own_writes(world: World) -> Outcome {
    let storage = world.open().await?;
    let first = storage.commit(create("a", "1")).await?;
    let mut batch = replace_at("a", "2", first);
    batch.put("b", "1").check("b", Precondition::Absent);
    storage.commit(batch).await?;
    ensure_eq!(value(&*storage, "a").await?, Some("2".to_owned()), "the value after the batch");
    Ok(())
}

async fn foreign_checks(world: World) -> Outcome {
    let storage = world.open().await?;
    let epoch = storage.commit(puts(&[("epoch", "1")])).await?;
    let fenced = |value: &str| {
        let mut batch = puts(&[("a", value)]);
        batch.check("epoch", Precondition::At(epoch));
        batch
    };
    storage.commit(fenced("1")).await?;
    storage.commit(puts(&[("epoch", "2")])).await?;
    refused(storage.commit(fenced("2")).await, ErrorKind::Conflict, "a batch of an old epoch")?;
    ensure_eq!(value(&*storage, "a").await?, Some("1".to_owned()), "the value after the conflict");
    Ok(())
}

async fn empty(world: World) -> Outcome {
    let storage = world.open().await?;
    ensure_eq!(storage.commit(Batch::default()).await?, Revision(0), "the revision of a new storage");
    let newest = storage.commit(puts(&[("a", "1")])).await?;
    ensure_eq!(storage.commit(Batch::default()).await?, newest, "the answer to an empty batch");
    ensure_eq!(storage.commit(Batch::default()).await?, newest, "the answer to a second empty batch");
    Ok(())
}

async fn checks_alone(world: World) -> Outcome {
    let storage = world.open().await?;
    let newest = storage.commit(puts(&[("a", "1")])).await?;
    let mut holds = Batch::default();
    holds.check("a", Precondition::At(newest)).check("b", Precondition::Absent);
    ensure_eq!(storage.commit(holds).await?, newest, "the answer to checks that hold");
    let mut fails = Batch::default();
    fails.check("a", Precondition::Absent);
    refused(storage.commit(fails).await, ErrorKind::Conflict, "a batch of one check that does not hold")?;
    Ok(())
}

async fn growing(world: World) -> Outcome {
    let storage = world.open().await?;
    let mut last = Revision::default();
    for number in 0..20 {
        let batch = if number % 4 == 3 { delete("a") } else { puts(&[("a", "1")]) };
        let revision = storage.commit(batch).await?;
        ensure!(revision > last, "revision {revision:?} follows {last:?}");
        last = revision;
    }
    Ok(())
}
