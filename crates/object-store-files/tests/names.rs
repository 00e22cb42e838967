//! No key is a path: whatever it looks like, it is refused or it is a name inside the directory.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gofer_backend::ErrorKind;
use gofer_object_store::{ByteRange, KeyPrefix, ObjectKey, ObjectStore, PageRequest, Put};
use gofer_object_store_files::{Config, open};
use gofer_types::Timestamp;

/// Names that have led out of directories, into other names, or into devices elsewhere.
const STEPS: &[&str] = &[
    "..",
    ".",
    "...",
    "....",
    "%2e%2e",
    "%2E%2E",
    "%252e%252e",
    "..;",
    ".. ",
    " ..",
    "..\0",
    "\u{2024}\u{2024}",
    "\u{ff0e}\u{ff0e}",
    "\u{2025}",
    "%c0%ae%c0%ae",
    "%uff0e",
    "..%00",
    "..%0d",
    "~",
    "~root",
    "$HOME",
    "%HOME%",
];
const JOINTS: &[&str] =
    &["/", "\\", "//", "/./", "%2f", "%5c", "\u{2215}", "\u{ff0f}", "\u{29f8}", ":", "%c0%af"];
const OTHERS: &[&str] = &[
    "/etc/passwd",
    "//etc",
    "C:\\x",
    "C:/x",
    "\\\\host\\share",
    "file:///etc/passwd",
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    "CON",
    "con.txt",
    "NUL",
    "nul",
    "AUX/x",
    "COM1",
    "LPT9.o",
    "a.",
    "a ",
    "a\t",
    "a\nb",
    "\r",
    "\u{7f}",
    "\u{85}",
    "\u{202e}txt.exe",
    "\u{feff}a",
    "\u{200f}a",
    "a\u{2028}b",
    "a.d",
    "a.o",
    "a.d/b.o",
    "LOCK",
    "FORMAT",
    "staging/00000000000000000000000000000000",
    "objects",
    "../objects/a.o",
    "=",
    "=0",
    "=zz",
    "%",
    "%%",
    "%a",
    "a:stream",
    "a|b",
    "a;b",
    "a&b",
    "$(id)",
    "`id`",
    "*",
    "?",
    "[a]",
    "{a,b}",
    "-rf",
    "--",
    "\"",
    "'",
    "<x>",
    "é",
    "e\u{301}",
    "É",
    "ﬁ",
    "K",
    "\u{212a}",
    "k",
    "ß",
    "SS",
    "İ",
    "ı",
    "i",
    "👩‍👩‍👧",
    "日本語",
    "\u{10ffff}",
];

fn corpus() -> Vec<String> {
    let mut corpus: Vec<String> = Vec::new();
    for step in STEPS {
        corpus.push((*step).to_owned());
        corpus.extend(JOINTS.iter().map(|joint| format!("{step}{joint}etc{joint}passwd")));
        corpus.push(format!("a/{step}/{step}/b"));
    }

    corpus.extend(OTHERS.iter().map(|text| (*text).to_owned()));
    corpus.push("x".repeat(128));
    corpus.push("X".repeat(128));
    corpus.push("x".repeat(129));
    corpus.push("x".repeat(4096));
    corpus.push(["y"; 16].join("/"));
    corpus.push(["y"; 17].join("/"));
    corpus
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// Puts everything that is a key, where nothing may be; the rest must be refused.
async fn put_all(store: &dyn ObjectStore) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    for text in corpus() {
        match text.parse::<ObjectKey>() {
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}"),
            Ok(key) => {
                let absent = Put { if_absent: true, ..Put::new(5000, Timestamp::default()) };
                let bytes = stream::iter([Ok(text.clone().into())]).boxed();
                let stored = store.put(&key, bytes, absent).await;
                assert_eq!(stored.is_ok(), kept.insert(text.clone()), "{text:?}");
            }
        }
    }
    kept
}

async fn read(store: &dyn ObjectStore, text: &str) -> Vec<u8> {
    let object = store.get(&text.parse().unwrap(), ByteRange::WHOLE).await.unwrap();
    object.bytes.try_collect::<Vec<_>>().await.unwrap().concat()
}

/// How many files are below `objects`; nothing but the lock and the format file may be beside it.
fn inside(root: &Path, objects: &Path) -> usize {
    let mut inside = 0;
    for path in files(root) {
        let Ok(name) = path.strip_prefix(objects) else {
            let path = path.strip_prefix(root).unwrap();
            assert!(
                ["data/objects/LOCK", "data/objects/FORMAT"].map(Path::new).contains(&path),
                "{}",
                path.display()
            );
            continue;
        };
        inside += 1;
        let text = name.to_str().unwrap();
        assert!(name.components().all(|part| matches!(part, Component::Normal(_))), "{text}");
        let plain =
            |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'%' | b'=' | b'.' | b'/');
        assert!(text.bytes().all(plain), "{text}");
    }
    inside
}

#[tokio::test]
async fn no_key_leaves_the_directory_or_meets_another() {
    let root = tempfile::tempdir().unwrap();
    let store = open("test", &Config::default(), &root.path().join("data")).unwrap();
    let kept = put_all(&*store).await;
    let different: BTreeSet<String> = corpus().into_iter().collect();
    let refused = different.len() - kept.len();
    assert!(
        different.len() >= 200 && refused >= 80 && kept.len() >= 80,
        "{refused} refused, {} kept",
        kept.len()
    );
    for text in &kept {
        assert_eq!(read(&*store, text).await, text.as_bytes(), "{text:?}");
    }
    let page = store.list(&KeyPrefix::all(), PageRequest::first(1000)).await.unwrap();
    let listed: Vec<String> = page.objects.iter().map(|meta| meta.key.to_string()).collect();
    assert_eq!(listed, kept.iter().cloned().collect::<Vec<_>>());
    let objects = root.path().join("data/objects/objects");
    assert_eq!(inside(root.path(), &objects), kept.len(), "one file a key");
    for text in &kept {
        store.delete(&text.parse().unwrap()).await.unwrap();
    }
    assert_eq!(fs::read_dir(&objects).unwrap().count(), 0, "no directory is left behind");
}
