//! Getting rows.

use gofer_backend::ErrorKind;

use super::expect::{Outcome, create, delete, ensure, ensure_eq, puts, refused, value};
use super::harness::World;
use super::runner::list;
use crate::{Batch, Revision};

list! {
    Nothing "an absent key has no row" => absent;
    Nothing "a row that was put is read back with its value and the revision of its commit" => read_back;
    Nothing "a put replaces the row and its revision" => replace;
    Nothing "a deleted row is gone, and deleting what is not there is no error" => deleted;
    Nothing "a row that is created anew has a newer revision" => created_anew;
    Nothing "keys and values are any bytes, and an empty value is a row" => any_bytes;
}

async fn absent(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("ab", "1")])).await?;
    for key in ["a", "abc", "b", "", "\0"] {
        ensure_eq!(storage.get(key.as_bytes()).await?, None, "the row under {key:?}");
    }
    Ok(())
}

async fn read_back(world: World) -> Outcome {
    let storage = world.open().await?;
    let revision = storage.commit(puts(&[("a", "1")])).await?;
    ensure!(revision > Revision::default(), "the first commit has revision 0");
    let row = storage.get(b"a").await?.map(|row| (row.key.to_vec(), row.value.to_vec(), row.revision));
    ensure_eq!(row, Some((b"a".to_vec(), b"1".to_vec(), revision)), "the row that was put");
    Ok(())
}

async fn replace(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("a", "1")])).await?;
    let second = storage.commit(puts(&[("a", "2")])).await?;
    let row = storage.get(b"a").await?.map(|row| (row.value.to_vec(), row.revision));
    ensure_eq!(row, Some((b"2".to_vec(), second)), "the row after the second put");
    Ok(())
}

async fn deleted(world: World) -> Outcome {
    let storage = world.open().await?;
    storage.commit(puts(&[("a", "1"), ("b", "2")])).await?;
    storage.commit(delete("a")).await?;
    ensure_eq!(value(&*storage, "a").await?, None, "the value after the delete");
    ensure_eq!(value(&*storage, "b").await?, Some("2".to_owned()), "the value of its neighbour");
    storage.commit(delete("a")).await?;
    storage.commit(delete("never")).await?;
    Ok(())
}

async fn created_anew(world: World) -> Outcome {
    let storage = world.open().await?;
    let first = storage.commit(create("a", "1")).await?;
    refused(storage.commit(create("a", "2")).await, ErrorKind::Conflict, "creating a row that is there")?;
    storage.commit(delete("a")).await?;
    let second = storage.commit(create("a", "2")).await?;
    ensure!(second > first, "the new row has revision {second:?}, the old one had {first:?}");
    Ok(())
}

async fn any_bytes(world: World) -> Outcome {
    let storage = world.open().await?;
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let rows =
        [(vec![0], vec![]), (vec![0, 0], vec![0]), (all.clone(), all.clone()), (vec![0xff; 9], vec![0xff])];
    let mut batch = Batch::default();
    for (key, value) in &rows {
        batch.put(key.clone(), value.clone());
    }
    storage.commit(batch).await?;
    for (key, value) in rows {
        let found = storage.get(&key).await?.map(|row| row.value.to_vec());
        ensure_eq!(found, Some(value), "the value under {}", crate::escaped(&key));
    }
    Ok(())
}
