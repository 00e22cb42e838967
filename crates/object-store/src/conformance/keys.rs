//! Keys are names and nothing else.

use super::expect::{Outcome, absent, all, ensure_eq, key, names, put, read, whole};
use super::harness::World;
use super::runner::list;
use crate::{MAX_KEY, MAX_SEGMENT, ObjectKey, ObjectStore};

list! {
    Nothing "keys that differ only by case are different objects" => case;
    Nothing "keys that differ only by their Unicode form are different objects" => unicode;
    Nothing "keys that are beginnings of each other live side by side" => beginnings;
    Nothing "keys that look like paths, escapes or devices are plain names" => looks;
    Nothing "keys at their limits are names like any other" => limits;
}

/// Puts something else under each key, where nothing may be, and finds it there; deletes each, and finds the others.
async fn distinct(store: &dyn ObjectStore, keys: &[&str]) -> Outcome {
    for name in keys {
        store.put(&key(name)?, whole(name.as_bytes()), absent()).await?;
    }
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    ensure_eq!(names(&all(store).await?), sorted, "the list");
    for name in keys {
        ensure_eq!(read(store, name).await?.1, name.as_bytes(), "the bytes under {name:?}");
    }
    for name in keys {
        store.delete(&key(name)?).await?;
        sorted.retain(|other| other != name);
        ensure_eq!(names(&all(store).await?), sorted, "the list without {name:?}");
    }
    Ok(())
}

async fn case(world: World) -> Outcome {
    let store = world.open().await?;
    distinct(&*store, &["readme", "README", "ReadMe", "dir/a", "Dir/a", "DIR/A", "ä", "Ä", "ß", "ẞ", "ss"])
        .await
}

async fn unicode(world: World) -> Outcome {
    let store = world.open().await?;
    let keys = ["é", "e\u{301}", "Å", "A\u{30a}", "\u{212b}", "ﬁ", "fi", "日本/語", "👩‍👩‍👧", "е", "e"];
    distinct(&*store, &keys).await
}

async fn beginnings(world: World) -> Outcome {
    let store = world.open().await?;
    distinct(&*store, &["a", "a/b", "a/b/c", "ab", "a.b", "a-b", "a/b.c", "a/bc", "a0", "a/b/c/d"]).await
}

async fn looks(world: World) -> Outcome {
    let store = world.open().await?;
    let keys = [
        "%2e%2e",
        "%2E%2E/x",
        "%2e%2e%2fx",
        "...",
        "..a",
        "a..",
        "a%2fb",
        "a/b",
        "a%",
        "a%25",
        ".hidden",
        "~",
        "-rf",
        "CON",
        "con",
        "nul.txt",
        "aux/prn",
        "COM1",
        "a:b",
        "C:",
        "a b",
        " a",
        "a ",
        "a.",
        "*",
        "?",
        "$HOME",
        "`id`",
        "'",
        "\"",
        "a;b",
        "a|b",
        "<a>",
        "&",
        "=",
        "a.d/x",
        "a.o",
        "lost+found",
        "LOCK",
        "FORMAT",
        "staging/x",
    ];
    distinct(&*store, &keys).await
}

async fn limits(world: World) -> Outcome {
    let store = world.open().await?;
    let long = "x".repeat(MAX_SEGMENT);
    let capital = "X".repeat(MAX_SEGMENT);
    let wide = "ж".repeat(MAX_SEGMENT / 2);
    let almost = format!("{}y", "x".repeat(MAX_SEGMENT - 1));
    let deep = |first: &str| {
        let rest = (0..15).map(|_| "É".repeat(31) + "é");
        ObjectKey::from_segments([first.to_owned()].into_iter().chain(rest))
    };
    let (one, two) = (deep(&"a".repeat(49))?, deep(&"A".repeat(49))?);
    ensure_eq!(one.as_str().len(), MAX_KEY, "the length of the longest key");
    let all = [long.as_str(), &capital, &wide, &almost, one.as_str(), two.as_str()];
    distinct(&*store, &all).await?;
    put(&*store, one.as_str(), b"again").await?;
    Ok(())
}
