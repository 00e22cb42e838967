//! Ranges, and readers while others write.

use futures_util::TryStreamExt as _;
use gofer_backend::ErrorKind;

use super::expect::{Failure, Outcome, bytes, collect, ensure, ensure_eq, fact, key, put, refused, within};
use super::harness::World;
use super::runner::list;
use crate::{ByteRange, ObjectStore};

list! {
    Nothing "a range is exactly the bytes that were asked for" => ranges;
    Nothing "a range is cut at the end of the object, and is empty there" => cut;
    Nothing "a range that begins behind the end is refused with the size" => behind;
    Nothing "what get says of an object does not depend on the range" => meta;
    Nothing "chunks are bounded and never empty" => bounded;
    Nothing "a reader reads on while the object is replaced" => replaced;
    Nothing "a reader reads on while the object is deleted" => deleted;
}

fn range(offset: u64, length: u64) -> ByteRange {
    ByteRange { offset, length: Some(length) }
}

async fn part(store: &dyn ObjectStore, range: ByteRange) -> Outcome<Vec<u8>> {
    collect(store.get(&key("a")?, range).await?.bytes).await
}

async fn ranges(world: World) -> Outcome {
    let store = world.open().await?;
    let whole = bytes(3_000_000);
    put(&*store, "a", &whole).await?;
    let table = [
        (0, 0),
        (0, 1),
        (1, 1),
        (17, 4000),
        (262_143, 2),
        (262_144, 262_144),
        (1, 2_999_998),
        (2_999_999, 1),
    ];
    for (offset, length) in table {
        let found = part(&*store, range(offset as u64, length as u64)).await?;
        ensure!(
            found == whole[offset..offset + length],
            "{length} bytes from {offset} are not those of the object"
        );
    }
    let rest = part(&*store, ByteRange { offset: 1_000_000, length: None }).await?;
    ensure!(rest == whole[1_000_000..], "the rest from 1000000 is not that of the object");
    Ok(())
}

async fn cut(world: World) -> Outcome {
    let store = world.open().await?;
    put(&*store, "a", b"0123456789").await?;
    ensure_eq!(part(&*store, range(7, 100)).await?, b"789", "a range that passes the end");
    ensure_eq!(part(&*store, range(7, u64::MAX)).await?, b"789", "a range that passes every end");
    ensure_eq!(part(&*store, range(10, 1)).await?, b"", "a range at the end");
    ensure_eq!(part(&*store, ByteRange { offset: 10, length: None }).await?, b"", "the rest at the end");
    put(&*store, "a", b"").await?;
    ensure_eq!(part(&*store, range(0, 9)).await?, b"", "a range of an empty object");
    Ok(())
}

async fn behind(world: World) -> Outcome {
    let store = world.open().await?;
    put(&*store, "a", b"0123456789").await?;
    for wrong in
        [range(11, 1), range(11, 0), range(u64::MAX, u64::MAX), ByteRange { offset: 11, length: None }]
    {
        let answer = store.get(&key("a")?, wrong).await;
        let error = refused(answer, ErrorKind::InvalidInput, "a range behind the end")?;
        ensure_eq!(fact(&error, "size"), Some("10".to_owned()), "the fact `size`");
    }
    Ok(())
}

async fn meta(world: World) -> Outcome {
    let store = world.open().await?;
    let wanted = put(&*store, "a", b"0123456789").await?;
    for range in [range(0, 0), range(3, 4), range(10, 1), ByteRange::WHOLE] {
        ensure_eq!(store.get(&key("a")?, range).await?.meta, wanted, "what get says with {range:?}");
    }
    Ok(())
}

async fn bounded(world: World) -> Outcome {
    let store = world.open().await?;
    put(&*store, "a", &bytes(3_000_000)).await?;
    put(&*store, "b", b"").await?;
    for name in ["a", "b"] {
        let stream = store.get(&key(name)?, ByteRange::WHOLE).await?.bytes;
        let lengths: Vec<usize> =
            within("the bytes", stream.map_ok(|chunk| chunk.len()).try_collect()).await??;
        let wrong = lengths.iter().find(|length| !(1..=1 << 20).contains(*length));
        ensure_eq!(wrong, None, "a chunk that is empty or over 1 MiB");
    }
    Ok(())
}

/// Opens an object, lets something happen to it after the first chunk, and reads on.
async fn reads_on(world: World, happens: &[Option<&[u8]>]) -> Outcome {
    let store = world.open().await?;
    let whole = bytes(3_000_000);
    let wanted = put(&*store, "a", &whole).await?;
    let object = store.get(&key("a")?, ByteRange::WHOLE).await?;
    let mut stream = object.bytes;
    let first = within("the first chunk", stream.try_next()).await??;
    let mut found = first.ok_or_else(|| Failure::new("the stream ended at once"))?.to_vec();
    for change in happens {
        match change {
            Some(bytes) => drop(put(&*store, "a", bytes).await?),
            None => store.delete(&key("a")?).await?,
        }
    }
    found.extend(collect(stream).await?);
    ensure_eq!(object.meta, wanted, "what get said");
    ensure!(found == whole, "{} of {} bytes were read, or others", found.len(), whole.len());
    Ok(())
}

async fn replaced(world: World) -> Outcome {
    let other = bytes(3_000_001);
    reads_on(world, &[Some(&other[1..]), Some(b"short")]).await
}

async fn deleted(world: World) -> Outcome {
    reads_on(world, &[None, Some(b"short"), None]).await
}
