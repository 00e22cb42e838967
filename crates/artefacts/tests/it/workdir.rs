//! Work directories that must not be packed as they are. The error names the path.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use gofer_artefacts::{Limits, PackError, pack};
use gofer_types::ByteSize;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::world::{CANARY, World, texts};

fn packed(world: &World, paths: &[&str], limits: &Limits) -> (Result<u64, PackError>, Vec<u8>) {
    let mut bytes = Vec::new();
    let result = pack(&world.work(), &texts(paths), limits, &mut bytes);
    (result.map(|packed| packed.entries), bytes)
}

/// The error of packing these paths, after the canary was not found in what was written.
fn refused(prepare: impl FnOnce(&Path), paths: &[&str], limits: &Limits) -> String {
    let world = World::new();
    prepare(world.path());
    let (result, bytes) = packed(&world, paths, limits);
    assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY), "{paths:?} told of the canary");
    result.unwrap_err().to_string()
}

#[test]
fn links_are_refused_wherever_they_lead() {
    let limits = Limits::default();
    let link = "is a symbolic link; only files and directories are packed";
    type Prepare = fn(&Path);
    let cases: [(Prepare, &str, &str); 9] = [
        (|world| symlink("../outside/canary", world.join("work/a")).unwrap(), "a", "a"),
        (|world| symlink("../outside", world.join("work/a")).unwrap(), "a", "a"),
        (|world| symlink("../outside", world.join("work/a")).unwrap(), "a/", "a"),
        (|world| symlink("../outside", world.join("work/a")).unwrap(), "a/canary", "a"),
        (|world| symlink(world.join("outside"), world.join("work/a")).unwrap(), "a/canary", "a"),
        (|world| symlink("nothing", world.join("work/a")).unwrap(), "a", "a"),
        (|world| symlink("a", world.join("work/a")).unwrap(), "a", "a"),
        (
            |world| {
                fs::create_dir(world.join("work/d")).unwrap();
                symlink("../../outside/canary", world.join("work/d/a")).unwrap();
            },
            "d",
            "d/a",
        ),
        (
            |world| {
                fs::create_dir_all(world.join("work/d/real")).unwrap();
                symlink("real", world.join("work/d/inside")).unwrap();
            },
            "d",
            "d/inside",
        ),
    ];
    for (number, (prepare, declared, named)) in cases.into_iter().enumerate() {
        assert_eq!(refused(prepare, &[declared], &limits), format!("{named} {link}"), "case {number}");
    }
}

#[test]
fn pipes_sockets_and_devices_are_refused_and_not_opened() {
    let limits = Limits::default();
    let folder = |world: &Path| fs::create_dir(world.join("work/d")).unwrap();
    let fifo = |world: &Path| {
        folder(world);
        mknodat(CWD, world.join("work/d/p"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    };
    assert!(refused(fifo, &["d"], &limits).starts_with("d/p is a named pipe"));
    assert!(refused(fifo, &["d/p"], &limits).starts_with("d/p is a named pipe"));
    let socket = |world: &Path| {
        folder(world);
        drop(UnixListener::bind(world.join("work/d/s")).unwrap());
    };
    assert!(refused(socket, &["d"], &limits).starts_with("d/s is a socket"));
    // Without the right to make devices: those of the machine.
    let mut bytes = Vec::new();
    let error = pack(Path::new("/dev"), &texts(&["null"]), &limits, &mut bytes).unwrap_err();
    assert!(error.to_string().starts_with("null is a device"), "{error}");
}

#[test]
fn what_is_not_there_is_named_as_it_was_declared() {
    let limits = Limits::default();
    let file = |world: &Path| fs::write(world.join("work/file"), "x").unwrap();
    for path in ["target/release/app", "app", "file/below", "d/"] {
        let named = path.trim_end_matches('/');
        assert_eq!(refused(file, &["file", path], &limits), format!("{named} is not there"));
    }
    let within = |world: &Path| fs::create_dir(world.join("work/dist")).unwrap();
    assert_eq!(refused(within, &["dist", "dist/app"], &limits), "dist/app is not there");
    let world = World::new();
    let error = pack(&world.path().join("gone"), &texts(&["a"]), &limits, Vec::new()).unwrap_err();
    assert!(error.to_string().starts_with("the work directory cannot be read: "), "{error}");
}

#[test]
fn declared_paths_are_checked_before_anything_is_opened() {
    let limits = Limits::default();
    for (path, reason) in [
        ("../outside/canary", "has `..`"),
        ("/etc/passwd", "is absolute"),
        ("a/*.js", "has a `*`"),
        ("", "is empty"),
        (".", "has the segment `.`"),
        ("a\\b", "has a backslash"),
        ("a\nb", "has a control character"),
    ] {
        let error = refused(|_| (), &[path], &limits);
        assert!(error.contains(reason) && !error.contains('\n'), "{path:?}: {error}");
    }
}

#[test]
fn names_that_could_not_be_unpacked_are_not_packed() {
    let limits = Limits::default();
    let name = |name: &'static [u8]| {
        move |world: &Path| {
            fs::create_dir(world.join("work/d")).unwrap();
            fs::write(world.join("work/d").join(std::ffi::OsStr::from_bytes(name)), "x").unwrap();
        }
    };
    assert_eq!(refused(name(b"a\xff"), &["d"], &limits), "d/a\u{fffd} is not UTF-8");
    assert_eq!(refused(name(b"a\nb"), &["d"], &limits), "d/a\\u{a}b has a control character");
    assert!(refused(name(b"a\\b"), &["d"], &limits).starts_with("d/a\\b has a backslash"));
}

#[test]
fn limits_hold_while_packing() {
    let deep = |levels: usize| {
        move |world: &Path| {
            fs::create_dir_all(world.join("work").join(["d"].repeat(levels).join("/"))).unwrap();
        }
    };
    let error = refused(deep(65), &["d"], &Limits::default());
    assert!(error.ends_with("has more than 64 segments"), "{error}");
    let world = World::new();
    deep(64)(world.path());
    assert_eq!(packed(&world, &["d"], &Limits::default()).0.unwrap(), 64);

    let long = |world: &Path| {
        let folder = world.join("work/d").join(vec!["e".repeat(200); 5].join("/"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("f".repeat(100)), "x").unwrap();
    };
    assert!(refused(long, &["d"], &Limits::default()).ends_with("… is longer than 1024 bytes"));

    let many = |world: &Path| {
        fs::create_dir(world.join("work/d")).unwrap();
        for number in 0..10 {
            fs::write(world.join(format!("work/d/{number}")), [b'x'; 100]).unwrap();
        }
    };
    let limits = Limits { entries: 9, ..Limits::default() };
    assert!(refused(many, &["d"], &limits).ends_with("at most 9 files and directories"));
    let crowded = World::new();
    many(crowded.path());
    assert_eq!(packed(&crowded, &["d"], &limits).1.len(), 512, "refused before the first of them is read");
    let limits = Limits { entries: 10, ..Limits::default() };
    assert!(
        refused(many, &["d"], &limits).ends_with("at most 10 files and directories"),
        "with the directory"
    );
    let limits = Limits { bytes: ByteSize::from_bytes(999), ..Limits::default() };
    assert_eq!(refused(many, &["d"], &limits), "d/9 does not fit: an artefact has at most 999B");
    let limits = Limits { entries: 11, bytes: ByteSize::from_bytes(1000), ..Limits::default() };
    let world = World::new();
    many(world.path());
    assert_eq!(packed(&world, &["d"], &limits).0.unwrap(), 11);
}

#[test]
fn a_file_of_holes_is_refused_by_its_size_before_it_is_read() {
    let huge = |world: &Path| {
        let file = fs::File::create(world.join("work/huge")).unwrap();
        file.set_len(1 << 40).unwrap();
    };
    assert_eq!(
        refused(huge, &["huge"], &Limits::default()),
        "huge does not fit: an artefact has at most 1GiB"
    );
}

#[test]
fn hard_links_become_files_of_their_own_and_setuid_is_dropped() {
    let world = World::new();
    let (first, second) = (world.work().join("a"), world.work().join("b"));
    fs::write(&first, "content").unwrap();
    fs::set_permissions(&first, fs::Permissions::from_mode(0o6755)).unwrap();
    fs::hard_link(&first, &second).unwrap();
    let (result, bytes) = packed(&world, &["a", "b"], &Limits::default());
    assert_eq!(result.unwrap(), 2);
    for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
        let entry = entry.unwrap();
        assert_eq!((entry.header().mode().unwrap(), entry.size()), (0o755, 7));
        assert!(entry.header().entry_type().is_file());
    }
}
