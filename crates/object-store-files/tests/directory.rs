//! What the directory of an object store promises: damage stays where it is, names stay inside, nothing is left behind.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gofer_backend::ErrorKind;
use gofer_object_store::{
    ByteRange, ByteStream, KeyPrefix, ObjectKey, ObjectPage, ObjectStore, PageRequest, Put,
};
use gofer_object_store_files::{Config, open};
use gofer_types::Timestamp;

fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

fn bytes(text: &str) -> ByteStream {
    let text = text.to_owned();
    stream::iter([Ok(text.into())]).boxed()
}

fn plain() -> Put {
    Put::new(1 << 20, Timestamp::from_micros(7))
}

async fn put(store: &dyn ObjectStore, name: &str) {
    store.put(&key(name), bytes(name), plain()).await.unwrap();
}

async fn read(store: &dyn ObjectStore, name: &str) -> gofer_backend::Result<Vec<u8>> {
    let stream = store.get(&key(name), ByteRange::WHOLE).await?.bytes;
    Ok(stream.try_collect::<Vec<_>>().await?.concat())
}

async fn list(store: &dyn ObjectStore) -> ObjectPage {
    store.list(&KeyPrefix::all(), PageRequest::first(1000)).await.unwrap()
}

fn files(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert(entry.path(), entry.metadata().unwrap().len());
        }
    }
    found
}

#[tokio::test]
async fn a_damaged_object_is_told_by_its_key_and_hurts_no_other() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("empty", |path| fs::write(path, "").unwrap()),
        ("cut", |path| {
            let raw = fs::read(path).unwrap();
            fs::write(path, &raw[..raw.len() - 1]).unwrap();
        }),
        ("garbage", |path| fs::write(path, vec![0xff; 10_000]).unwrap()),
        ("flipped", |path| {
            let mut raw = fs::read(path).unwrap();
            let at = raw.len() - 20;
            raw[at] ^= 1;
            fs::write(path, raw).unwrap();
        }),
        ("foreign", |path| {
            fs::copy(path.with_file_name("a.o"), path).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let dir = tempfile::tempdir().unwrap();
        let store = open("test", &Config::default(), dir.path()).unwrap();
        for name in ["x/a", "x/b", "x/c"] {
            put(&*store, name).await;
        }
        damage(&dir.path().join("objects/objects/x.d/b.o"));
        for error in [store.head(&key("x/b")).await.unwrap_err(), read(&*store, "x/b").await.unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Internal, "{what}");
            let text = error.to_string();
            assert!(
                text.contains("damaged") && text.contains("key x/b") && text.contains("b.o"),
                "{what}: {text}"
            );
        }
        let page = list(&*store).await;
        assert_eq!(page.damaged, [key("x/b")], "{what}");
        let names: Vec<&str> = page.objects.iter().map(|meta| meta.key.as_str()).collect();
        assert_eq!(names, ["x/a", "x/c"], "{what}");
        assert_eq!(read(&*store, "x/a").await.unwrap(), b"x/a");
        let absent = Put { if_absent: true, ..plain() };
        let answer = store.put(&key("x/b"), bytes("again"), absent).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::AlreadyExists, "damage is not absence");
        if what == "cut" {
            store.delete(&key("x/b")).await.unwrap();
        }
        store.put(&key("x/b"), bytes("again"), plain()).await.unwrap();
        assert_eq!(read(&*store, "x/b").await.unwrap(), b"again");
    }
}

#[tokio::test]
async fn changed_bytes_are_told_to_whoever_reads_them_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open("test", &Config::default(), dir.path()).unwrap();
    put(&*store, "a").await;
    let path = dir.path().join("objects/objects/a.o");
    let mut raw = fs::read(&path).unwrap();
    raw[0] ^= 1;
    fs::write(&path, raw).unwrap();
    let error = read(&*store, "a").await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Internal, "get"));
    assert!(error.to_string().contains("key a"), "{error}");
}

#[tokio::test]
async fn pages_go_on_behind_damaged_objects() {
    let dir = tempfile::tempdir().unwrap();
    let store = open("test", &Config::default(), dir.path()).unwrap();
    for name in ["a", "b", "c", "d"] {
        put(&*store, name).await;
    }
    for name in ["b.o", "d.o"] {
        fs::write(dir.path().join("objects/objects").join(name), "").unwrap();
    }
    let (mut seen, mut request) = (Vec::new(), PageRequest::first(1));
    loop {
        let page = store.list(&KeyPrefix::all(), request.clone()).await.unwrap();
        seen.extend(page.objects.iter().map(|meta| meta.key.to_string()));
        seen.extend(page.damaged.iter().map(|key| format!("!{key}")));
        let Some(next) = page.next else { break };
        request.after = Some(next);
    }
    assert_eq!(seen, ["a", "!b", "c", "!d"]);
}

#[test]
fn of_two_threads_that_put_what_must_be_absent_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = open("test", &Config::default(), dir.path()).unwrap();
    for round in 0..50 {
        let name = format!("new/{round}/x");
        let barrier = Arc::new(Barrier::new(2));
        let race = |text: &'static str| {
            let (store, barrier, name) = (store.clone(), barrier.clone(), key(&name));
            std::thread::Builder::new()
                .spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    // both have read their streams before either may go on
                    let end = stream::once(async move {
                        barrier.wait();
                        Ok(text.into())
                    });
                    let absent = Put { if_absent: true, ..plain() };
                    runtime.block_on(store.put(&name, end.boxed(), absent))
                })
                .unwrap()
        };
        let threads = [("one", race("one")), ("two", race("two"))];
        let answers = threads.map(|(text, thread)| (text, thread.join().unwrap()));
        let winners: Vec<_> =
            answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(text, _)| *text).collect();
        let losers: Vec<_> = answers.iter().filter_map(|(_, answer)| answer.as_ref().err()).collect();
        assert_eq!(winners.len(), 1, "{losers:?}");
        assert_eq!(losers[0].kind(), ErrorKind::AlreadyExists);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(read(&*store, &name)).unwrap(), winners[0].as_bytes());
    }
    assert_eq!(fs::read_dir(dir.path().join("objects/staging")).unwrap().count(), 0);
}

#[tokio::test]
async fn refused_failed_and_dropped_puts_leave_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open("test", &Config::default(), dir.path()).unwrap();
    let before = files(dir.path());
    let over = Put { size_limit: 3, ..plain() };
    store.put(&key("a/b"), bytes("four"), over).await.unwrap_err();
    let broken =
        stream::iter([Ok("x".into()), Err(gofer_backend::BackendError::new(ErrorKind::Unavailable, "gone"))]);
    store.put(&key("a/b"), broken.boxed(), plain()).await.unwrap_err();
    let hashed = Put { sha256: Some(gofer_object_store::Sha256::of(b"other")), ..plain() };
    store.put(&key("a/b"), bytes("four"), hashed).await.unwrap_err();
    let (reached, waits) = tokio::sync::oneshot::channel();
    let endless = stream::once(async move {
        let _ = reached.send(());
        std::future::pending().await
    });
    let name = key("a/b");
    tokio::select! {
        answer = store.put(&name, endless.boxed(), plain()) => panic!("{answer:?}"),
        _ = waits => {}
    }
    assert_eq!(files(dir.path()), before);
}

#[tokio::test]
async fn a_put_whose_future_is_dropped_in_its_last_step_is_there_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open("test", &Config::default(), dir.path()).unwrap();
    for round in 0..20_usize {
        let name = key(&format!("{round}"));
        {
            let mut put = store.put(&name, bytes("whole"), plain());
            // each poll lets one more step begin
            for _ in 0..round {
                if futures_util::FutureExt::now_or_never(&mut put).is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // opened anew once nothing of the dropped call runs any more
        drop(store);
        store = loop {
            match open("test", &Config::default(), dir.path()) {
                Err(error) if error.kind() == ErrorKind::Conflict => tokio::task::yield_now().await,
                store => break store.unwrap(),
            }
        };
        let found = read(&*store, name.as_str()).await;
        assert!(
            found.as_ref().is_ok_and(|found| found == b"whole")
                || found.unwrap_err().kind() == ErrorKind::NotFound
        );
        assert_eq!(fs::read_dir(dir.path().join("objects/staging")).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_directory_of_a_newer_format_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open("test", &Config::default(), dir.path()).unwrap();
    put(&*store, "a").await;
    drop(store);
    fs::write(dir.path().join("objects/FORMAT"), "gofer object-store-files 2\n").unwrap();
    let before = files(dir.path());
    let error = open("test", &Config::default(), dir.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let text = error.to_string();
    assert!(text.contains("found 2, supported 1") && text.contains("newer gofer"), "{text}");
    assert_eq!(files(dir.path()), before);
}

#[tokio::test]
async fn many_keys_side_by_side_are_listed_in_pages() {
    let dir = tempfile::tempdir().unwrap();
    let store = open("test", &Config::default(), dir.path()).unwrap();
    put(&*store, "many/0000").await;
    let many = dir.path().join("objects/objects/many.d");
    // the same file under other names is damage, which is listed as well and made faster than objects are
    for number in 1..3000 {
        fs::hard_link(many.join("0000.o"), many.join(format!("{number:04}.o"))).unwrap();
    }
    let (mut seen, mut request, mut pages) = (0, PageRequest::first(usize::MAX), 0);
    loop {
        let page = store.list(&"many".parse().unwrap(), request.clone()).await.unwrap();
        assert!(page.objects.len() + page.damaged.len() <= 1000);
        seen += page.objects.len() + page.damaged.len();
        pages += 1;
        let Some(next) = page.next else { break };
        request.after = Some(next);
    }
    assert_eq!((seen, pages), (3000, 3));
}
