//! Lists: their order, their prefix, their pages.

use gofer_backend::ErrorKind;

use super::expect::{Outcome, all, below, ensure, ensure_eq, key, names, page, put, refused};
use super::harness::World;
use super::runner::list;
use crate::{KeyPrefix, ObjectStore, PageRequest};

list! {
    Nothing "a list is in the byte order of keys" => order;
    Nothing "a list of a prefix is everything below it and nothing else" => prefix;
    Nothing "a list of a prefix with nothing below it is empty" => nothing;
    Nothing "a list says of each object what head says" => like_head;
    Nothing "pages of any size give every key once" => pages;
    Nothing "a page has no more objects than its limit, and a limit of 0 is refused" => limit;
    Nothing "a cursor need not be there" => absent_cursor;
    Nothing "keys that are there throughout are listed once while others come and go" => throughout;
}

/// In byte order, which is not that of segments: `-` and `.` come before `/`, digits and letters after it.
const SORTED: [&str; 14] =
    ["A", "a", "a b", "a-b", "a-b/c", "a.b", "a/b", "a/b-c", "a/b/c", "a/b/d", "a/c", "a0", "b/a", "é"];

async fn fill(store: &dyn ObjectStore) -> Outcome {
    for name in SORTED.iter().rev() {
        put(store, name, name.as_bytes()).await?;
    }
    Ok(())
}

async fn order(world: World) -> Outcome {
    let store = world.open().await?;
    fill(&*store).await?;
    ensure_eq!(names(&all(&*store).await?), SORTED, "the list");
    Ok(())
}

async fn prefix(world: World) -> Outcome {
    let store = world.open().await?;
    fill(&*store).await?;
    for text in ["", "a", "a/b", "a/b/c", "a-b", "b", "A", "é"] {
        let prefix: KeyPrefix = text.parse()?;
        let inside = if text.is_empty() { String::new() } else { format!("{text}/") };
        let wanted: Vec<&str> = SORTED.into_iter().filter(|name| name.starts_with(&inside)).collect();
        for limit in [1, 1000] {
            ensure_eq!(names(&below(&*store, &prefix, limit).await?), wanted, "the list of {text:?}");
        }
    }
    Ok(())
}

async fn nothing(world: World) -> Outcome {
    let store = world.open().await?;
    ensure_eq!(all(&*store).await?, [], "the list of an object store without objects");
    put(&*store, "a/b", b"1").await?;
    for text in ["b", "a/b", "a/b/c/d", "a/c"] {
        ensure_eq!(below(&*store, &text.parse()?, 10).await?, [], "the list of {text:?}");
    }
    store.delete(&key("a/b")?).await?;
    ensure_eq!(below(&*store, &"a".parse()?, 10).await?, [], "the list where all was deleted");
    Ok(())
}

async fn like_head(world: World) -> Outcome {
    let store = world.open().await?;
    fill(&*store).await?;
    for listed in all(&*store).await? {
        ensure_eq!(listed, store.head(&listed.key).await?, "what list says beside what head says");
    }
    Ok(())
}

async fn pages(world: World) -> Outcome {
    let store = world.open().await?;
    fill(&*store).await?;
    for limit in (1..=SORTED.len() + 1).chain([usize::MAX]) {
        let found = below(&*store, &KeyPrefix::all(), limit).await?;
        ensure_eq!(names(&found), SORTED, "the list in pages of {limit}");
    }
    Ok(())
}

async fn limit(world: World) -> Outcome {
    let store = world.open().await?;
    fill(&*store).await?;
    for limit in [1, 5, 13, 14] {
        let page = page(&*store, &KeyPrefix::all(), PageRequest::first(limit)).await?;
        ensure_eq!(page.objects.len(), limit, "the number of objects of a page of {limit}");
    }
    let answer = store.list(&KeyPrefix::all(), PageRequest::first(0)).await;
    refused(answer, ErrorKind::InvalidInput, "a page of 0 objects")?;
    Ok(())
}

async fn absent_cursor(world: World) -> Outcome {
    let store = world.open().await?;
    fill(&*store).await?;
    store.delete(&key("a/b")?).await?;
    for cursor in ["a/b", "a/a", "a.c", "A/z", "0", "a/b/c/d/e", "é/x", "zz"] {
        let request = PageRequest { after: Some(key(cursor)?), limit: 1000 };
        let found = page(&*store, &KeyPrefix::all(), request).await?;
        let wanted: Vec<&str> = SORTED.into_iter().filter(|name| *name > cursor && *name != "a/b").collect();
        ensure_eq!(names(&found.objects), wanted, "the list behind {cursor:?}");
        ensure!(found.next.is_none(), "a list that has ended has a next page");
    }
    Ok(())
}

async fn throughout(world: World) -> Outcome {
    let store = world.open().await?;
    let steady: Vec<String> = (0..20).map(|number| format!("s/{number:02}/x")).collect();
    for name in &steady {
        put(&*store, name, b"1").await?;
        put(&*store, &format!("{name}-gone"), b"1").await?;
    }
    let mut found = Vec::new();
    let mut request = PageRequest::first(3);
    for round in 0.. {
        let page = page(&*store, &"s".parse()?, request.clone()).await?;
        found.extend(page.objects.into_iter().map(|meta| meta.key.to_string()));
        let Some(next) = page.next else { break };
        request.after = Some(next);
        // before the cursor and behind it
        for number in [round % 20, 19 - round % 20] {
            store.delete(&key(&format!("s/{number:02}/x-gone"))?).await?;
            put(&*store, &format!("s/{number:02}/x"), b"2").await?;
        }
        put(&*store, &format!("s/{:02}/new", 19 - round % 20), b"1").await?;
        ensure!(round < 1000, "the list has no end");
    }
    ensure!(found.is_sorted(), "the list is not in order: {found:?}");
    found.retain(|name| steady.contains(name));
    ensure_eq!(found, steady, "the keys that were there throughout");
    Ok(())
}
