//! What is too long, or not what was announced.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gofer_backend::ErrorKind;

use super::expect::{
    Outcome, all, bytes, chunks, ensure_eq, fact, key, plain, put, refused, there, whole, within,
};
use super::harness::World;
use super::runner::list;
use crate::{ByteStream, MAX_CONTENT_TYPE, Put, Sha256};

list! {
    Nothing "an object at its limit is accepted, and one byte more is refused and leaves what was there" => size_limit;
    Nothing "a stream over its limit is not read on" => not_read_on;
    Nothing "an announced size over the limit is refused before the stream is read" => announced_over;
    Nothing "a stream that is shorter or longer than announced is refused and leaves what was there" => announced;
    Nothing "bytes with another hash than announced are refused and leave what was there" => hash;
    Nothing "a content type at its limit is kept, and one that is longer or not printable is refused" => content_type;
}

fn limited(limit: u64) -> Put {
    Put { size_limit: limit, ..plain() }
}

async fn size_limit(world: World) -> Outcome {
    let store = world.open().await?;
    let name = key("a")?;
    for size in [0, 1, 1000, 1 << 20] {
        let wanted = bytes(size);
        store.put(&name, chunks(&wanted, 999), limited(size as u64)).await?;
        let answer = store.put(&name, chunks(&vec![1; size + 1], 999), limited(size as u64)).await;
        let error = refused(answer, ErrorKind::InvalidInput, "one byte more than the limit")?;
        ensure_eq!(fact(&error, "limit"), Some(size.to_string()), "the fact `limit`");
        ensure_eq!(
            there(&*store, "a").await?.map(|found| found == wanted),
            Some(true),
            "what was there is there"
        );
    }
    Ok(())
}

/// A stream without an end, and how many chunks were taken from it.
fn endless() -> (ByteStream, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let stream = stream::repeat_with(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Bytes::from_static(&[7; 1000]))
    });
    // an end after all, for whoever reads on
    (stream.take(10_000).boxed(), taken)
}

async fn not_read_on(world: World) -> Outcome {
    let store = world.open().await?;
    let (stream, taken) = endless();
    let answer = within("a put", store.put(&key("a")?, stream, limited(3500))).await?;
    refused(answer, ErrorKind::InvalidInput, "a stream over its limit")?;
    ensure_eq!(
        taken.load(Ordering::Relaxed),
        4,
        "the chunks of 1000 bytes that were taken for a limit of 3500"
    );
    Ok(())
}

async fn announced_over(world: World) -> Outcome {
    let store = world.open().await?;
    let (stream, taken) = endless();
    let put = Put { expected_size: Some(3501), ..limited(3500) };
    refused(
        store.put(&key("a")?, stream, put).await,
        ErrorKind::InvalidInput,
        "an announced size over the limit",
    )?;
    ensure_eq!(taken.load(Ordering::Relaxed), 0, "the chunks that were taken");
    Ok(())
}

async fn announced(world: World) -> Outcome {
    let store = world.open().await?;
    let expecting = |size| Put { expected_size: Some(size), ..plain() };
    put(&*store, "a", b"before").await?;
    for size in [0, 3, 5, 1000] {
        let answer = store.put(&key("a")?, whole(b"1234"), expecting(size)).await;
        refused(answer, ErrorKind::InvalidInput, "a stream that is not as long as announced")?;
        ensure_eq!(there(&*store, "a").await?, Some(b"before".to_vec()), "what was there");
    }
    store.put(&key("a")?, whole(b"1234"), expecting(4)).await?;
    store.put(&key("b")?, whole(b""), expecting(0)).await?;
    ensure_eq!(all(&*store).await?.len(), 2, "the number of objects");
    Ok(())
}

async fn hash(world: World) -> Outcome {
    let store = world.open().await?;
    let hashed = |bytes: &[u8]| Put { sha256: Some(Sha256::of(bytes)), ..plain() };
    put(&*store, "a", b"before").await?;
    for name in ["a", "b"] {
        let answer = store.put(&key(name)?, whole(b"1234"), hashed(b"1235")).await;
        refused(answer, ErrorKind::InvalidInput, "bytes with another hash")?;
    }
    ensure_eq!(there(&*store, "a").await?, Some(b"before".to_vec()), "what was there");
    ensure_eq!(there(&*store, "b").await?, None, "where nothing was");
    store.put(&key("b")?, whole(b"1234"), hashed(b"1234")).await?;
    Ok(())
}

async fn content_type(world: World) -> Outcome {
    let store = world.open().await?;
    let typed = |text: &str| Put { content_type: text.to_owned(), ..plain() };
    let longest = "x".repeat(MAX_CONTENT_TYPE);
    store.put(&key("a")?, whole(b"1"), typed(&longest)).await?;
    ensure_eq!(store.head(&key("a")?).await?.content_type, longest, "the longest content type");
    for wrong in [format!("{longest}x"), "a\r\nb: c".to_owned(), "\u{7f}".to_owned(), "ä".to_owned()] {
        let answer = store.put(&key("a")?, whole(b"2"), typed(&wrong)).await;
        refused(answer, ErrorKind::InvalidInput, "a content type that is none")?;
    }
    ensure_eq!(there(&*store, "a").await?, Some(b"1".to_vec()), "what was there");
    Ok(())
}
