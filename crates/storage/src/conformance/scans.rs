//! Scanning ranges.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use gofer_backend::ErrorKind;

use super::expect::{Outcome, delete, ensure, ensure_eq, keys, puts, refused, within};
use super::harness::World;
use super::runner::list;
use crate::{Batch, KeyRange, Storage};

list! {
    Nothing "a scan returns rows in the byte order of their keys" => ordered;
    Nothing "a scan of a prefix returns every key of the prefix and no other" => prefixed;
    Nothing "a scan keeps to its bounds, included or excluded" => bounded;
    Nothing "a reversed scan returns the last rows in descending order" => reversed;
    Nothing "a scan continued after a key starts behind it, in both directions" => continued;
    Nothing "a scan returns no more rows than its limit, and all if there are fewer" => limited;
    Nothing "a scan with limit 0 is refused" => limit_of_zero;
    Nothing "a range that can hold no key is empty, not an error" => empty_range;
    Nothing "a scan does not return deleted rows" => without_deleted;
    Nothing "a long scan returns every row once" => long;
    Nothing "the rows of one scan are of one instant, while others write" => one_instant;
}

async fn filled(world: &World, all: &[&str]) -> Outcome<Arc<dyn Storage>> {
    let storage = world.open().await?;
    let rows: Vec<(&str, &str)> = all.iter().map(|key| (*key, "v")).collect();
    storage.commit(puts(&rows)).await?;
    Ok(storage)
}

async fn ordered(world: World) -> Outcome {
    let storage = filled(&world, &["b", "aa", "a", "\u{7f}", "a\0", "B", "0"]).await?;
    let mut batch = Batch::default();
    batch.put(vec![0xff], "v").put(vec![0x80], "v");
    storage.commit(batch).await?;
    let rows = storage.scan(KeyRange::prefix(b""), 100).await?;
    let wanted = ["0", "B", "a", "a\\x00", "aa", "b", "\\x7f", "\\x80", "\\xff"];
    ensure_eq!(keys(&rows), wanted, "the keys of the whole scan");
    Ok(())
}

async fn prefixed(world: World) -> Outcome {
    let storage = filled(&world, &["a", "ab", "ab\0", "abz", "ac", "b", "aa"]).await?;
    ensure_eq!(
        keys(&storage.scan(KeyRange::prefix(b"ab"), 100).await?),
        ["ab", "ab\\x00", "abz"],
        "the keys with ab"
    );
    let mut batch = Batch::default();
    for key in [&[1, 0xff][..], &[1, 0xff, 0xff], &[2], &[0xff, 0xff], &[0xff, 0xff, 1], &[0xff, 0xfe]] {
        batch.put(key.to_vec(), "v");
    }
    storage.commit(batch).await?;
    let rows = storage.scan(KeyRange::prefix(&[1, 0xff]), 100).await?;
    ensure_eq!(keys(&rows), ["\\x01\\xff", "\\x01\\xff\\xff"], "the keys with 01 ff");
    let rows = storage.scan(KeyRange::prefix(&[0xff, 0xff]), 100).await?;
    ensure_eq!(keys(&rows), ["\\xff\\xff", "\\xff\\xff\\x01"], "the keys with ff ff");
    ensure_eq!(keys(&storage.scan(KeyRange::prefix(b"zz"), 100).await?), [""; 0], "the keys with zz");
    Ok(())
}

fn range(start: Bound<&'static str>, end: Bound<&'static str>) -> KeyRange {
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    KeyRange { start: start.map(bytes), end: end.map(bytes), reverse: false }
}

async fn bounded(world: World) -> Outcome {
    use Bound::{Excluded, Included, Unbounded};
    let storage = filled(&world, &["a", "b", "c", "d"]).await?;
    let table: [(KeyRange, &[&str]); 6] = [
        (range(Included("b"), Included("c")), &["b", "c"]),
        (range(Included("b"), Excluded("c")), &["b"]),
        (range(Excluded("b"), Included("c")), &["c"]),
        (range(Excluded("a"), Excluded("d")), &["b", "c"]),
        (range(Unbounded, Included("b")), &["a", "b"]),
        (range(Excluded("b"), Unbounded), &["c", "d"]),
    ];
    for (range, wanted) in table {
        ensure_eq!(keys(&storage.scan(range.clone(), 100).await?), wanted, "the keys of {range:?}");
        let mut backwards = wanted.to_vec();
        backwards.reverse();
        let reversed = range.clone().reversed();
        ensure_eq!(keys(&storage.scan(reversed, 100).await?), backwards, "the keys of {range:?} reversed");
    }
    Ok(())
}

async fn reversed(world: World) -> Outcome {
    let storage = filled(&world, &["a1", "a2", "a3", "b"]).await?;
    let rows = storage.scan(KeyRange::prefix(b"a").reversed(), 2).await?;
    ensure_eq!(keys(&rows), ["a3", "a2"], "the last two keys");
    Ok(())
}

async fn continued(world: World) -> Outcome {
    let storage = filled(&world, &["a1", "a2", "a3", "b"]).await?;
    let rows = storage.scan(KeyRange::prefix(b"a").after(b"a1"), 100).await?;
    ensure_eq!(keys(&rows), ["a2", "a3"], "the keys after a1");
    let rows = storage.scan(KeyRange::prefix(b"a").after(b"a2x"), 100).await?;
    ensure_eq!(keys(&rows), ["a3"], "the keys after a2x");
    let rows = storage.scan(KeyRange::prefix(b"a").reversed().after(b"a3"), 100).await?;
    ensure_eq!(keys(&rows), ["a2", "a1"], "the keys before a3");
    Ok(())
}

async fn limited(world: World) -> Outcome {
    let storage = filled(&world, &["a", "b", "c"]).await?;
    for (limit, wanted) in [(1, 1), (2, 2), (3, 3), (4, 3), (usize::MAX, 3)] {
        let rows = storage.scan(KeyRange::prefix(b""), limit).await?;
        ensure_eq!(rows.len(), wanted, "the rows of a scan with limit {limit}");
    }
    Ok(())
}

async fn limit_of_zero(world: World) -> Outcome {
    let storage = filled(&world, &["a"]).await?;
    refused(storage.scan(KeyRange::prefix(b""), 0).await, ErrorKind::InvalidInput, "a scan with limit 0")?;
    Ok(())
}

async fn empty_range(world: World) -> Outcome {
    use Bound::{Excluded, Included};
    let storage = filled(&world, &["a", "b", "c"]).await?;
    let empty = [
        range(Included("c"), Included("a")),
        range(Excluded("b"), Excluded("b")),
        range(Included("b"), Excluded("b")),
        range(Excluded("b"), Included("b")),
        KeyRange::prefix(b"a").after(b"b"),
    ];
    for range in empty {
        ensure_eq!(keys(&storage.scan(range.clone(), 10).await?), [""; 0], "the keys of {range:?}");
        let reversed = range.clone().reversed();
        ensure_eq!(keys(&storage.scan(reversed, 10).await?), [""; 0], "the keys of {range:?} reversed");
    }
    Ok(())
}

async fn without_deleted(world: World) -> Outcome {
    let storage = filled(&world, &["a", "b", "c"]).await?;
    storage.commit(delete("b")).await?;
    ensure_eq!(
        keys(&storage.scan(KeyRange::prefix(b""), 10).await?),
        ["a", "c"],
        "the keys after the delete"
    );
    Ok(())
}

async fn long(world: World) -> Outcome {
    let storage = world.open().await?;
    let names: Vec<String> = (0..3000).map(|number| format!("row/{number:05}")).collect();
    for part in names.chunks(500) {
        let rows: Vec<(&str, &str)> = part.iter().map(|name| (name.as_str(), "some value")).collect();
        storage.commit(puts(&rows)).await?;
    }
    ensure_eq!(keys(&storage.scan(KeyRange::prefix(b"row/"), 10_000).await?), names, "the keys of one scan");
    let mut paged = Vec::new();
    let mut range = KeyRange::prefix(b"row/");
    loop {
        let page = storage.scan(range.clone(), 700).await?;
        let Some(last) = page.last() else { break };
        range = range.after(&last.key);
        paged.extend(keys(&page));
        ensure!(paged.len() <= names.len(), "paging returns more rows than there are");
    }
    ensure_eq!(paged, names, "the keys of all pages");
    Ok(())
}

/// Every commit moves all ten rows to the same value; a scan that mixes instants sees two values.
async fn one_instant(world: World) -> Outcome {
    let storage = world.open().await?;
    let batch = |value: u32| {
        let mut batch = Batch::default();
        for row in 0..10 {
            batch.put(format!("row/{row}"), value.to_string());
        }
        batch
    };
    storage.commit(batch(0)).await?;
    let writing = async {
        for value in 1..=60 {
            storage.commit(batch(value)).await?;
        }
        Ok::<(), super::expect::Failure>(())
    };
    let reading = async {
        for _ in 0..300 {
            let rows = storage.scan(KeyRange::prefix(b"row/"), 100).await?;
            ensure_eq!(rows.len(), 10, "the rows of one scan");
            let first = rows.first().map(|row| (row.value.clone(), row.revision));
            let mixed = rows.iter().any(|row| Some((row.value.clone(), row.revision)) != first);
            ensure!(!mixed, "one scan returned rows of several commits");
            tokio::task::yield_now().await;
        }
        Ok::<(), super::expect::Failure>(())
    };
    let (written, read) =
        within("scans while others write", async { tokio::join!(writing, reading) }).await?;
    written.and(read)
}
