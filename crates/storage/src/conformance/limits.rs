//! What is too long, too large or malformed.

use std::sync::Arc;

use bytes::Bytes;
use gofer_backend::ErrorKind;

use super::expect::{Outcome, all, bytes, ensure_eq, puts, refused};
use super::harness::World;
use super::runner::list;
use crate::{Batch, MAX_BATCH, MAX_KEY, MAX_VALUE, Precondition, Storage};

list! {
    Nothing "a key at the limit is accepted, and one byte more is refused" => key_limit;
    Nothing "a value at the limit is accepted, and one byte more is refused" => value_limit;
    Nothing "a batch at the limit is accepted, and one byte more is refused" => batch_limit;
    Nothing "an empty key is refused, in writes and in checks" => empty_key;
    Nothing "one key written twice in a batch is refused" => double_key;
}

async fn refused_whole(storage: &Arc<dyn Storage>, mut batch: Batch, what: &str) -> Outcome {
    batch.put("beside", "1");
    let before = all(&**storage).await?;
    refused(storage.commit(batch).await, ErrorKind::InvalidInput, what)?;
    ensure_eq!(all(&**storage).await?.len(), before.len(), "the number of rows after {what}");
    Ok(())
}

async fn key_limit(world: World) -> Outcome {
    let storage = world.open().await?;
    let longest = bytes(MAX_KEY);
    let mut batch = Batch::default();
    batch.put(longest.clone(), "1");
    storage.commit(batch).await?;
    let found = storage.get(&longest).await?.map(|row| row.value);
    ensure_eq!(found, Some("1".into()), "the value under the longest key");
    let mut batch = Batch::default();
    batch.put(bytes(MAX_KEY + 1), "1");
    refused_whole(&storage, batch, "a put of a longer key").await?;
    let mut batch = Batch::default();
    batch.delete(bytes(MAX_KEY + 1));
    refused_whole(&storage, batch, "a delete of a longer key").await?;
    let mut batch = Batch::default();
    batch.check(bytes(MAX_KEY + 1), Precondition::Absent);
    refused_whole(&storage, batch, "a check of a longer key").await
}

async fn value_limit(world: World) -> Outcome {
    let storage = world.open().await?;
    let mut batch = Batch::default();
    batch.put("a", bytes(MAX_VALUE));
    storage.commit(batch).await?;
    let found = storage.get(b"a").await?.map(|row| row.value.len());
    ensure_eq!(found, Some(MAX_VALUE), "the length of the largest value");
    let mut batch = Batch::default();
    batch.put("b", bytes(MAX_VALUE + 1));
    refused_whole(&storage, batch, "a larger value").await
}

async fn batch_limit(world: World) -> Outcome {
    let storage = world.open().await?;
    let value = bytes(MAX_VALUE);
    let mut batch = Batch::default();
    let mut count = 0_u32;
    while batch.size() + MAX_VALUE + 100 <= MAX_BATCH {
        batch.put(format!("{count:04}"), value.clone());
        count += 1;
    }
    let rest = MAX_BATCH - batch.size();
    let last = |length: usize| {
        let mut batch = batch.clone();
        batch.put("last", Bytes::from(vec![b'x'; length]));
        batch
    };
    let overhead = last(0).size() - batch.size();
    let over = last(rest - overhead + 1);
    refused(storage.commit(over).await, ErrorKind::InvalidInput, "a batch that is one byte too large")?;
    ensure_eq!(all(&*storage).await?.len(), 0, "the number of rows after the refusal");
    storage.commit(last(rest - overhead)).await?;
    ensure_eq!(all(&*storage).await?.len(), count as usize + 1, "the number of rows of the largest batch");
    Ok(())
}

async fn empty_key(world: World) -> Outcome {
    let storage = world.open().await?;
    refused_whole(&storage, puts(&[("", "1")]), "a put of the empty key").await?;
    let mut batch = Batch::default();
    batch.delete("");
    refused_whole(&storage, batch, "a delete of the empty key").await?;
    let mut batch = Batch::default();
    batch.check("", Precondition::Absent);
    refused_whole(&storage, batch, "a check of the empty key").await
}

async fn double_key(world: World) -> Outcome {
    let storage = world.open().await?;
    refused_whole(&storage, puts(&[("a", "1"), ("b", "1"), ("a", "2")]), "two puts of one key").await?;
    let mut batch = puts(&[("a", "1")]);
    batch.delete("a");
    refused_whole(&storage, batch, "a put and a delete of one key").await
}
