//! What the tree promises at every point where a process can die or a disk can fail.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use gofer_backend::ErrorKind;
use gofer_object_store::{Intake, KeyPrefix, ObjectKey, PageRequest, Put};
use gofer_types::Timestamp;

use crate::list;
use crate::stage::{Staged, Writer};
use crate::tree::{Found, Place, Tree};

/// Syncs of directories: after so many that go well all fail. 0: none fails.
#[derive(Debug, Default)]
pub(crate) struct Script {
    fail_from: AtomicUsize,
    pub(crate) syncs: AtomicUsize,
}

impl Script {
    pub(crate) fn sync(&self) -> io::Result<()> {
        let number = self.syncs.fetch_add(1, Ordering::Relaxed) + 1;
        match self.fail_from.load(Ordering::Relaxed) {
            0 => Ok(()),
            from if number < from => Ok(()),
            _ => Err(rustix::io::Errno::IO.into()),
        }
    }

    fn fail_from(&self, number: usize) {
        self.syncs.store(0, Ordering::Relaxed);
        self.fail_from.store(number, Ordering::Relaxed);
    }
}

fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

fn put() -> Put {
    Put::new(1 << 20, Timestamp::from_micros(7))
}

/// A put up to its last step.
fn staged(tree: &Tree, name: &str, bytes: &[u8]) -> Staged {
    let mut writer = Writer::new(&tree.home().staging(), Intake::new(&put()).unwrap()).unwrap();
    writer.admit(&bytes.to_vec().into()).unwrap();
    writer.write(bytes).unwrap();
    writer.finish(&key(name), put()).unwrap().0
}

fn store(tree: &Tree, name: &str, bytes: &[u8]) {
    tree.publish(staged(tree, name, bytes), &key(name), false).unwrap();
}

fn keys(tree: &Tree) -> Vec<String> {
    let page = list::page(tree, &KeyPrefix::all(), &PageRequest::first(1000)).unwrap();
    assert_eq!(page.damaged, []);
    page.objects.into_iter().map(|meta| meta.key.to_string()).collect()
}

fn size(tree: &Tree, name: &str) -> Option<u64> {
    match tree.find(&key(name)).unwrap() {
        Found::Object(meta, _) => Some(meta.size),
        Found::Nothing => None,
        Found::Damaged(error) => panic!("{error}"),
    }
}

fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        }
        found.insert(entry.path());
    }
    found
}

/// Lets a process die in the middle of a put: what it leaves in memory goes, what it leaves on disk stays.
fn dies(dir: &Path, until: impl FnOnce(&Tree)) -> Tree {
    let tree = Tree::open(dir).unwrap();
    until(&tree);
    drop(tree);
    let tree = Tree::open(dir).unwrap();
    assert_eq!(files(&tree.home().staging()), BTreeSet::new(), "what is left in staging");
    tree
}

#[test]
fn a_put_that_dies_before_its_move_was_never_there() {
    let steps: [fn(&Tree); 4] = [
        |tree| Staged::create(&tree.home().staging()).unwrap().leave(),
        |tree| {
            let mut staged = Staged::create(&tree.home().staging()).unwrap();
            staged.write(b"half of the bytes").unwrap();
            staged.leave();
        },
        |tree| staged(tree, "deep/in/new", b"bytes").leave(),
        |tree| {
            let mut staged = staged(tree, "deep/in/new", b"bytes");
            tree.create_dirs(&Place::of(&key("deep/in/new"))).unwrap();
            staged.leave();
        },
    ];
    for (number, step) in steps.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        store(&Tree::open(dir.path()).unwrap(), "old", b"before");
        let tree = dies(dir.path(), step);
        assert_eq!(keys(&tree), ["old"], "step {number}");
        assert_eq!(size(&tree, "deep/in/new"), None);
        assert_eq!(files(&tree.home().objects()).len(), 1, "step {number}: only the old object");
        store(&tree, "deep/in/new", b"later");
        assert_eq!(keys(&tree), ["deep/in/new", "old"]);
    }
}

#[test]
fn a_put_that_dies_after_its_move_is_there_whole() {
    for if_absent in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let tree = dies(dir.path(), |tree| {
            let staging = tree.home().staging();
            let mut staged = staged(tree, "a/b", b"bytes");
            tree.create_dirs(&Place::of(&key("a/b"))).unwrap();
            let (from, to) = (staging.join(staged.name()), tree.home().objects().join("a.d/b.o"));
            // the two ways of moving, without what follows them
            if if_absent {
                fs::hard_link(from, to).unwrap();
            } else {
                fs::rename(from, to).unwrap();
            }
            staged.leave();
        });
        assert_eq!(size(&tree, "a/b"), Some(5));
        assert_eq!(keys(&tree), ["a/b"]);
    }
}

#[test]
fn a_delete_that_dies_leaves_the_object_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    store(&Tree::open(dir.path()).unwrap(), "a/b/c", b"bytes");
    let tree = dies(dir.path(), |tree| fs::remove_file(tree.home().objects().join("a.d/b.d/c.o")).unwrap());
    assert_eq!((keys(&tree), size(&tree, "a/b/c")), (Vec::new(), None));
    tree.remove(&key("a/b/c")).unwrap();
    assert_eq!(
        files(&tree.home().objects()),
        BTreeSet::new(),
        "empty directories are gone with the next delete"
    );
}

#[test]
fn opening_syncs_the_directories_that_an_interrupted_put_may_have_made() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dies(dir.path(), |tree| {
        let mut staged = staged(tree, "a/b/c", b"bytes");
        tree.create_dirs(&Place::of(&key("a/b/c"))).unwrap();
        staged.leave();
    });
    assert_eq!(tree.script.syncs.load(Ordering::Relaxed), 3, "objects, a and b");
    drop(tree);
    assert_eq!(Tree::open(dir.path()).unwrap().script.syncs.load(Ordering::Relaxed), 0, "nothing was left");
}

#[test]
fn a_put_into_new_directories_syncs_each_and_one_beside_it_syncs_one() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::open(dir.path()).unwrap();
    store(&tree, "a/b/c", b"1");
    assert_eq!(tree.script.syncs.swap(0, Ordering::Relaxed), 3, "objects for a, a for b, b for the object");
    store(&tree, "a/b/d", b"1");
    assert_eq!(tree.script.syncs.load(Ordering::Relaxed), 1);
}

#[test]
fn after_a_failed_sync_nothing_is_written_until_it_is_opened_anew() {
    for (number, there) in [(1, false), (2, false), (3, true)] {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        tree.script.fail_from(number);
        let error = tree.publish(staged(&tree, "a/b/c", b"1"), &key("a/b/c"), false).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "sync {number}");
        for answer in [
            tree.publish(staged(&tree, "x", b"1"), &key("x"), false),
            tree.publish(staged(&tree, "a/b/c", b"1"), &key("a/b/c"), true),
            tree.remove(&key("a/b/c")),
            tree.require_trust(),
        ] {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable, "after sync {number}");
        }
        drop(tree);
        let tree = Tree::open(dir.path()).unwrap();
        assert_eq!(size(&tree, "a/b/c").is_some(), there, "sync {number}");
        assert_eq!(files(&tree.home().objects()).is_empty(), !there, "sync {number}: what is left");
        assert_eq!(files(&tree.home().staging()), BTreeSet::new());
        store(&tree, "a/b/c", b"2");
    }
}

#[test]
fn whoever_is_told_that_an_object_exists_may_rely_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::open(dir.path()).unwrap();
    store(&tree, "a", b"1");
    tree.script.syncs.store(0, Ordering::Relaxed);
    let error = tree.publish(staged(&tree, "a", b"2"), &key("a"), true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(tree.require_absent(&key("a")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(tree.script.syncs.load(Ordering::Relaxed), 2, "the directory was synced for each answer");
    tree.remove(&key("b")).unwrap();
    assert_eq!(
        tree.script.syncs.load(Ordering::Relaxed),
        3,
        "and for a delete that somebody else may have begun"
    );
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Tree::open(dir.path()).unwrap());
    let foreign = [
        "notes.txt",
        "staging/notes.txt",
        "staging/0123",
        "objects/.DS_Store",
        "objects/A.o",
        "objects/%2f.o",
        "objects/x.d",
    ];
    for name in foreign {
        fs::write(dir.path().join(name), "mine").unwrap();
    }
    fs::create_dir(dir.path().join("objects/lost+found")).unwrap();
    let tree = Tree::open(dir.path()).unwrap();
    store(&tree, "a", b"1");
    assert_eq!(keys(&tree), ["a"]);
    for name in foreign {
        assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), "mine", "{name}");
    }
}

#[test]
fn a_directory_that_has_gone_away_is_not_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let tree = Tree::open(dir.path()).unwrap();
    store(&tree, "a/b", b"1");
    fs::rename(tree.home().objects(), dir.path().join("elsewhere")).unwrap();
    let list = list::page(&tree, &KeyPrefix::all(), &PageRequest::first(1)).map(drop);
    let answers = [
        tree.find(&key("a/b")).map(drop),
        tree.find(&key("x")).map(drop),
        list,
        tree.remove(&key("a/b")),
        tree.publish(staged(&tree, "a/b", b"2"), &key("a/b"), false),
    ];
    for answer in answers {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
