//! What is put is there, as it was put; what was not put is not.

use bytes::Bytes;
use gofer_backend::{BackendError, ErrorKind};
use tokio::task::JoinSet;

use super::expect::{
    Outcome, absent, all, by_hand, bytes, chunks, ensure, ensure_eq, fact, key, plain, put, read, refused,
    there, whole, within,
};
use super::harness::World;
use super::runner::list;
use crate::{ByteRange, ObjectStore, Put, Sha256};

list! {
    Nothing "what was put is read back, with its size and its hash" => read_back;
    Nothing "a key with nothing under it is not found, by head and by get" => not_found;
    Nothing "a refusal names the backend and the key" => names_key;
    Nothing "an object may be empty" => empty;
    Nothing "an object may be any bytes" => any_bytes;
    Nothing "an object that comes in chunks of one byte arrives whole" => one_byte_chunks;
    Nothing "an object of 8 MiB arrives whole, put and read in chunks" => large;
    Nothing "empty chunks add nothing" => empty_chunks;
    Nothing "the content type and the time of a put are kept" => kept;
    Nothing "a put replaces the object, and its version is another" => replaces;
    Nothing "a put of what must be absent is refused where something is, and changes nothing" => if_absent;
    Nothing "a deleted key is absent to a put" => deleted_is_absent;
    Nothing "a put is not visible before its stream has ended" => not_visible;
    Nothing "a put that is dropped before its stream has ended leaves what was there" => dropped;
    Nothing "a put whose stream fails is answered with that error and leaves what was there" => failing_stream;
    Nothing "a deleted object is gone, and deleting what is not there is no error" => deleted;
}

async fn read_back(world: World) -> Outcome {
    let store = world.open().await?;
    let answered = put(&*store, "a/b", b"hello").await?;
    ensure_eq!(answered.key, key("a/b")?, "the key that a put answers");
    ensure_eq!(answered.size, 5, "the size that a put answers");
    ensure_eq!(answered.sha256, Sha256::of(b"hello"), "the hash that a put answers");
    let version = answered.version.as_bytes();
    let printable = version.iter().all(u8::is_ascii_graphic);
    ensure!((1..=128).contains(&version.len()) && printable, "the version is {:?}", answered.version);
    let (meta, found) = read(&*store, "a/b").await?;
    ensure_eq!(found, b"hello", "the bytes");
    ensure_eq!(meta, answered, "what get says beside what put said");
    ensure_eq!(store.head(&key("a/b")?).await?, answered, "what head says beside what put said");
    Ok(())
}

async fn not_found(world: World) -> Outcome {
    let store = world.open().await?;
    put(&*store, "a/b", b"1").await?;
    for name in ["a", "a/c", "a/b/c", "b", "a/b/c/d/e"] {
        refused(store.head(&key(name)?).await, ErrorKind::NotFound, "head of an absent key")?;
        refused(store.get(&key(name)?, ByteRange::WHOLE).await, ErrorKind::NotFound, "get of an absent key")?;
    }
    Ok(())
}

async fn names_key(world: World) -> Outcome {
    let store = world.open().await?;
    put(&*store, "there", b"1").await?;
    let missing = refused(store.head(&key("a/b c")?).await, ErrorKind::NotFound, "head of an absent key")?;
    let answer = store.put(&key("there")?, whole(b"2"), absent()).await;
    let exists = refused(answer, ErrorKind::AlreadyExists, "a put of what must be absent")?;
    for (error, name) in [(missing, "a/b c"), (exists, "there")] {
        ensure_eq!(fact(&error, "key"), Some(name.to_owned()), "the fact `key` of {error}");
        ensure!(!error.backend().is_empty(), "the refusal does not name the backend: {error}");
    }
    Ok(())
}

async fn empty(world: World) -> Outcome {
    let store = world.open().await?;
    ensure_eq!(put(&*store, "a", b"").await?.size, 0, "the size of an empty object");
    ensure_eq!(there(&*store, "a").await?, Some(Vec::new()), "an empty object");
    Ok(())
}

async fn any_bytes(world: World) -> Outcome {
    let store = world.open().await?;
    let any: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    put(&*store, "a", &any).await?;
    ensure_eq!(read(&*store, "a").await?.1, any, "the bytes");
    Ok(())
}

async fn one_byte_chunks(world: World) -> Outcome {
    let store = world.open().await?;
    let wanted = bytes(20_000);
    let meta = within("a put", store.put(&key("a")?, chunks(&wanted, 1), plain())).await??;
    ensure_eq!(meta.sha256, Sha256::of(&wanted), "the hash");
    ensure!(read(&*store, "a").await?.1 == wanted, "the bytes are not those that were put");
    Ok(())
}

async fn large(world: World) -> Outcome {
    let store = world.open().await?;
    let wanted = bytes(8 << 20);
    let meta = within("a put", store.put(&key("a")?, chunks(&wanted, 100_001), plain())).await??;
    ensure_eq!((meta.size, meta.sha256), (8 << 20, Sha256::of(&wanted)), "size and hash");
    ensure!(read(&*store, "a").await?.1 == wanted, "the bytes are not those that were put");
    Ok(())
}

async fn empty_chunks(world: World) -> Outcome {
    let store = world.open().await?;
    let (feeder, stream) = by_hand();
    let feed = async move {
        for chunk in ["", "a", "", "", "b", ""] {
            feeder.send(Ok(Bytes::from_static(chunk.as_bytes()))).await?;
        }
        Outcome::Ok(())
    };
    let name = key("a")?;
    let (answer, fed) = tokio::join!(store.put(&name, stream, plain()), feed);
    answer?;
    fed?;
    ensure_eq!(there(&*store, "a").await?, Some(b"ab".to_vec()), "the bytes");
    Ok(())
}

async fn kept(world: World) -> Outcome {
    let store = world.open().await?;
    let typed = Put { content_type: "text/plain; charset=utf-8".to_owned(), ..plain() };
    store.put(&key("a")?, whole(b"1"), typed.clone()).await?;
    let head = store.head(&key("a")?).await?;
    ensure_eq!(head.content_type, typed.content_type, "the content type");
    ensure_eq!(head.created, typed.created, "the time");
    store.put(&key("a")?, whole(b"1"), plain()).await?;
    ensure_eq!(store.head(&key("a")?).await?.content_type, "", "the content type after a put without one");
    Ok(())
}

async fn replaces(world: World) -> Outcome {
    let store = world.open().await?;
    let first = put(&*store, "a", b"a longer one").await?;
    let second = put(&*store, "a", b"2").await?;
    ensure!(first.version != second.version, "two puts have the version {}", first.version);
    ensure_eq!(there(&*store, "a").await?, Some(b"2".to_vec()), "the bytes after the second put");
    let third = put(&*store, "a", b"2").await?;
    ensure!(second.version != third.version, "two puts have the version {}", third.version);
    ensure_eq!(all(&*store).await?, [third], "the list");
    Ok(())
}

async fn if_absent(world: World) -> Outcome {
    let store = world.open().await?;
    let name = key("a/b")?;
    let first = store.put(&name, whole(b"1"), absent()).await?;
    let answer = store.put(&name, whole(b"2"), absent()).await;
    refused(answer, ErrorKind::AlreadyExists, "a put of what must be absent")?;
    ensure_eq!(there(&*store, "a/b").await?, Some(b"1".to_vec()), "the bytes after the refusal");
    ensure_eq!(all(&*store).await?, [first], "the list after the refusal");
    Ok(())
}

async fn deleted_is_absent(world: World) -> Outcome {
    let store = world.open().await?;
    let name = key("a")?;
    for text in [b"1", b"2", b"3"] {
        store.put(&name, whole(text), absent()).await?;
        ensure_eq!(there(&*store, "a").await?, Some(text.to_vec()), "the bytes");
        store.delete(&name).await?;
    }
    Ok(())
}

async fn not_visible(world: World) -> Outcome {
    let store = world.open().await?;
    put(&*store, "old", b"before").await?;
    for (name, before) in [("old", Some(b"before".to_vec())), ("new", None)] {
        let (feeder, stream) = by_hand();
        let (name_of_put, same) = (key(name)?, store.clone());
        let mut puts = JoinSet::new();
        puts.spawn(async move { same.put(&name_of_put, stream, plain()).await });
        for part in [b"one".to_vec(), bytes(1 << 20), b"two".to_vec()] {
            feeder.feed(&part).await?;
            ensure_eq!(there(&*store, name).await?, before, "what is there while a put is under way");
        }
        drop(feeder);
        within("a put", puts.join_all()).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let length = there(&*store, name).await?.map(|bytes| bytes.len());
        ensure_eq!(length, Some((1 << 20) + 6), "the length after the put");
    }
    Ok(())
}

/// Starts a put, lets it take some bytes, and drops it.
pub(super) async fn leave(store: &std::sync::Arc<dyn ObjectStore>, name: &str, part: &[u8]) -> Outcome {
    let (feeder, stream) = by_hand();
    let (name, same) = (key(name)?, store.clone());
    let mut puts = JoinSet::new();
    puts.spawn(async move { same.put(&name, stream, plain()).await });
    feeder.feed(part).await?;
    within("the end of a put that was dropped", puts.shutdown()).await
}

async fn dropped(world: World) -> Outcome {
    let store = world.open().await?;
    put(&*store, "old", b"before").await?;
    for length in [1, 3 << 20] {
        leave(&store, "old", &bytes(length)).await?;
        leave(&store, "new", &bytes(length)).await?;
        ensure_eq!(there(&*store, "old").await?, Some(b"before".to_vec()), "what was there before the put");
        ensure_eq!(there(&*store, "new").await?, None, "where nothing was before the put");
    }
    store.put(&key("new")?, whole(b"1"), absent()).await?;
    Ok(())
}

async fn failing_stream(world: World) -> Outcome {
    let store = world.open().await?;
    put(&*store, "old", b"before").await?;
    for (name, before) in [("old", Some(b"before".to_vec())), ("new", None)] {
        for length in [0, 1, 3 << 20] {
            let (feeder, stream) = by_hand();
            let name_of_put = key(name)?;
            let feed = async move {
                feeder.send(Ok(Bytes::from(bytes(length)))).await?;
                feeder.send(Err(BackendError::new(ErrorKind::PermissionDenied, "the client left"))).await
            };
            let (answer, fed) = tokio::join!(store.put(&name_of_put, stream, plain()), feed);
            fed?;
            let error = refused(answer, ErrorKind::PermissionDenied, "a put whose stream fails")?;
            ensure_eq!(error.message(), "the client left", "the error of the stream");
            ensure_eq!(there(&*store, name).await?, before, "what is there after the put failed");
        }
    }
    Ok(())
}

async fn deleted(world: World) -> Outcome {
    let store = world.open().await?;
    for name in ["a", "a/b", "a/b/c", "d"] {
        put(&*store, name, name.as_bytes()).await?;
    }
    for _ in 0..2 {
        store.delete(&key("a/b")?).await?;
        ensure_eq!(there(&*store, "a/b").await?, None, "what is there after a delete");
    }
    for name in ["never", "never/ever", "a/b/c/d"] {
        store.delete(&key(name)?).await?;
    }
    for name in ["a", "a/b/c", "d"] {
        ensure_eq!(there(&*store, name).await?, Some(name.into()), "{name} after deletes of others");
    }
    Ok(())
}
