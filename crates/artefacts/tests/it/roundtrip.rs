//! What is packed is unpacked as it was, and the same files make the same bytes.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gofer_artefacts::{Limits, pack, unpack};
use gofer_types::ByteSize;
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use sha2::{Digest, Sha256};

use crate::raw::{Raw, archive, dir, file, padded};
use crate::world::{World, snapshot, texts};

#[derive(Debug, Clone)]
enum Thing {
    Directory,
    File { length: usize, seed: u8, executable: bool },
}

fn thing() -> impl Strategy<Value = Thing> {
    let length = prop_oneof![
        4 => Just(0), 8 => 1_usize..2000, 4 => Just(512), 2 => Just(65_536), 1 => 0..2_097_152_usize
    ];
    let file = (length, any::<u8>(), any::<bool>()).prop_map(|(length, seed, executable)| Thing::File {
        length,
        seed,
        executable,
    });
    prop_oneof![1 => Just(Thing::Directory), 3 => file]
}

fn path() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        6 => "[a-c]{1,2}", 3 => "[a-zäß日本😀 .*%~-]{1,12}", 1 => "[日ö]{20,80}"
    ];
    let name = name.prop_filter("plain", |name: &String| name != "." && name != "..");
    vec(name, 1..6).prop_map(|names| names.join("/"))
}

/// Makes what can be made; a path that another is in the way of is left out.
fn plant(root: &Path, things: &[(String, Thing)]) {
    for (path, thing) in things {
        let path = root.join(path);
        let made = match thing {
            Thing::Directory => fs::create_dir_all(&path),
            Thing::File { length, seed, .. } => fs::create_dir_all(path.parent().unwrap())
                .and_then(|()| fs::write(&path, content(*length, *seed))),
        };
        if let (Ok(()), Thing::File { executable, .. }) = (made, thing) {
            let mode = if *executable { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

fn content(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|place| (place % 251) as u8 ^ seed).collect()
}

fn top(root: &Path) -> Vec<String> {
    let names = fs::read_dir(root).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.contains('*')).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_tree_goes_round(mut things in vec((path(), thing()), 1..16)) {
        let world = World::new();
        plant(&world.work(), &things);
        // A declared path may not have a `*`; what lies in a directory may.
        let paths = top(&world.work());
        proptest::prop_assume!(!paths.is_empty());
        let mut bytes = Vec::new();
        let packed = pack(&world.work(), &paths, &Limits::default(), &mut bytes).unwrap();
        let unpacked = unpack(bytes.as_slice(), &world.target(), &Limits::default()).unwrap();
        prop_assert_eq!((packed.entries, packed.bytes), (unpacked.entries, unpacked.bytes));
        let mut before = snapshot(&world.work());
        before.retain(|path, _| paths.iter().any(|top| path.starts_with(top)));
        prop_assert_eq!(packed.entries, before.len() as u64);
        prop_assert_eq!(before, snapshot(&world.target()));

        // Made anew in another order, and packed in another order: the same bytes.
        let again = World::new();
        things.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        let made = snapshot(&world.target());
        for (path, (kind, mode, content)) in made.iter().rev() {
            let path = again.work().join(path);
            if *kind == "directory" {
                fs::create_dir_all(&path).unwrap();
            } else {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
        }
        let paths: Vec<String> = paths.into_iter().rev().collect();
        let mut twin = Vec::new();
        pack(&again.work(), &paths, &Limits::default(), &mut twin).unwrap();
        prop_assert_eq!(Sha256::digest(&bytes), Sha256::digest(&twin));
    }
}

#[test]
fn several_paths_keep_their_places_and_nothing_else_is_taken() {
    let world = World::new();
    let file = |length| Thing::File { length, seed: 1, executable: false };
    plant(
        &world.work(),
        &[
            ("target/release/app".to_owned(), file(100_000)),
            ("target/release/app.d".to_owned(), file(3)),
            ("docs/a/index.html".to_owned(), file(9)),
            ("docs/empty".to_owned(), Thing::Directory),
            ("secret".to_owned(), file(5)),
        ],
    );
    let paths = texts(&["target/release/app", "docs/", "docs/a/index.html"]);
    let mut bytes = Vec::new();
    let packed = pack(&world.work(), &paths, &Limits::default(), &mut bytes).unwrap();
    assert_eq!((packed.entries, packed.bytes), (7, ByteSize::from_bytes(100_009)));
    // Another input was there before, and shares a directory with this one.
    fs::create_dir_all(world.target().join("target/debug")).unwrap();
    fs::set_permissions(world.target().join("target"), fs::Permissions::from_mode(0o750)).unwrap();
    unpack(bytes.as_slice(), &world.target(), &Limits::default()).unwrap();
    let there: Vec<_> =
        snapshot(&world.target()).into_keys().map(|path| path.display().to_string()).collect();
    let wanted = [
        "docs",
        "docs/a",
        "docs/a/index.html",
        "docs/empty",
        "target",
        "target/debug",
        "target/release",
        "target/release/app",
    ];
    assert_eq!(there, wanted);
    assert_eq!(snapshot(&world.target())[Path::new("target")].1, 0o750, "what was there keeps its mode");
    let again = unpack(bytes.as_slice(), &world.target(), &Limits::default()).unwrap_err();
    assert_eq!(again.entry.as_deref(), Some("docs/a/index.html"));
    assert_eq!(
        again.to_string(),
        "entry 3 (`docs/a/index.html`) of the archive is already in the work directory; nothing was unpacked"
    );
}

#[test]
fn times_owners_and_all_bits_but_one_are_left_out() {
    let bytes_of = |mode: u32, stamp: u64| {
        let world = World::new();
        let file = world.work().join("a");
        fs::write(&file, "content").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(stamp);
        fs::File::open(&file).unwrap().set_modified(time).unwrap();
        let mut bytes = Vec::new();
        pack(&world.work(), &texts(&["a"]), &Limits::default(), &mut bytes).unwrap();
        bytes
    };
    assert_eq!(bytes_of(0o4755, 1), bytes_of(0o700, 2_000_000_000));
    assert_eq!(bytes_of(0o2644, 1), bytes_of(0o411, 7), "only the owner's bit counts");
    assert_ne!(bytes_of(0o755, 1), bytes_of(0o644, 1));
}

#[test]
fn another_reader_of_tar_reads_the_same() {
    let world = World::new();
    let long = format!("{}/{}", "日".repeat(60), "ö".repeat(100));
    let file = |length, executable| Thing::File { length, seed: 9, executable };
    let things = [("a/run".to_owned(), file(70_000, true)), (long.clone(), file(1, false))];
    plant(&world.work(), &things);
    let mut bytes = Vec::new();
    pack(&world.work(), &top(&world.work()), &Limits::default(), &mut bytes).unwrap();
    let mut seen = Vec::new();
    for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
        seen.push((entry.path().unwrap().display().to_string(), header.mode().unwrap(), content));
    }
    let wanted = [
        ("a/".to_owned(), 0o755, vec![]),
        ("a/run".to_owned(), 0o755, content(70_000, 9)),
        (format!("{}/", "日".repeat(60)), 0o755, vec![]),
        (long, 0o644, content(1, 9)),
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn sound_archives_of_others_are_read_and_their_modes_masked() {
    let world = World::new();
    let setuid = Raw::new(b"a/setuid", b'0', 1).with(100, b"0006777\0").seal();
    let prefix = Raw::posix(b"a", b"z", b'0', 0).with(100, b"0000677\0").seal();
    let open = Raw::new(b"b/", b'5', 0).with(100, b"0001777\0").seal();
    let bytes = archive(&[dir("a"), file("a/plain", b"x"), setuid, padded(b"x"), prefix, open]);
    unpack([bytes, vec![0; 10_240]].concat().as_slice(), &world.target(), &Limits::default()).unwrap();
    let modes: Vec<_> = snapshot(&world.target())
        .into_iter()
        .map(|(path, (_, mode, _))| format!("{} {mode:o}", path.display()))
        .collect();
    assert_eq!(modes, ["a 755", "a/plain 644", "a/setuid 755", "a/z 644", "b 755"]);

    let world = World::new();
    let mut builder = tar::Builder::new(Vec::new());
    builder.mode(tar::HeaderMode::Deterministic);
    builder.append_dir("a", world.outside()).unwrap();
    builder.append_path_with_name(world.outside().join("canary"), format!("a/{}", "b".repeat(200))).unwrap();
    let bytes = builder.into_inner().unwrap();
    let unpacked = unpack(bytes.as_slice(), &world.target(), &Limits::default()).unwrap();
    assert_eq!(unpacked.entries, 2);
}
