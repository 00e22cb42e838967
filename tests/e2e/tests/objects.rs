//! Objects as users meet them: whole and large, kept and gone, raced for, refused, and broken off.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, and says why")]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gofer_testkit::{Output, Running, ServerBox, wait_for_blocking};

const LIMIT: Duration = Duration::from_secs(60);
const MIB: usize = 1 << 20;

/// A server with a pipeline that has as many runs.
fn server(limits: &str, runs: usize) -> ServerBox {
    let server = ServerBox::builder().config(&format!("[limits]\n{limits}")).start();
    server.world().write("pipeline.hcl", "id = \"p\"\ntask \"t\" {\n  command = [\"true\"]\n}\n");
    let _ = gofer(&server, "up pipeline.hcl --yes").ok();
    for _ in 0..runs {
        let _ = gofer(&server, "start p --wait 30s").ok();
    }
    server
}

fn gofer(server: &ServerBox, line: &str) -> Output {
    server.gofer(line.split_whitespace())
}

/// The keys of a scope.
fn keys(server: &ServerBox, scope: &str) -> Vec<String> {
    let listed = gofer(server, &format!("object list --scope {scope} --all -o name")).ok().stdout;
    listed.lines().map(str::to_owned).collect()
}

/// What the objects of the namespace take, and what is reserved.
fn usage(server: &ServerBox) -> (u64, u64) {
    let usage: serde_json::Value =
        serde_json::from_str(&gofer(server, "object usage --json").ok().stdout).unwrap();
    (usage["used"].as_u64().unwrap(), usage["reserved"].as_u64().unwrap())
}

/// The bytes of all files below a directory.
fn bytes_below(dir: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        bytes += if about.is_dir() { bytes_below(&entry.path()) } else { about.len() };
    }
    bytes
}

/// The most memory that a process ever had, in bytes.
fn peak(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Bytes that cannot be compressed and do not repeat.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

#[test]
fn a_large_object_comes_back_byte_for_byte_and_the_server_stays_small() {
    let server = server("", 1);
    let bytes = noise(50 * MIB + 1);
    server.world().write("large", &bytes);
    let before = peak(server.pid());
    let _ = gofer(&server, "object put large out/large --scope run=p/1").ok();
    let _ = gofer(&server, "object get out/large back --scope run=p/1").ok();
    let grown = peak(server.pid()) - before;
    assert!(grown < 30 * MIB, "the server grew by {} MiB", grown / MIB);
    assert!(std::fs::read(server.world().join("back")).unwrap() == bytes, "byte for byte");
    assert_eq!(usage(&server), (bytes.len() as u64, 0));
}

#[test]
fn a_copy_is_the_same_in_another_place() {
    let server = server("", 1);
    server.world().write("bytes", noise(MIB + 1));
    let _ = gofer(&server, "object put bytes out/a --scope run=p/1 --content-type x/y").ok();
    let _ = gofer(&server, "object cp out/a --scope run=p/latest --to-scope pipeline=p").ok();
    let facts =
        |place: &str| gofer(&server, &format!("object stat {place} --json=sha256,content_type")).ok().stdout;
    assert_eq!(facts("out/a --scope pipeline=p"), facts("out/a --scope run=p/1"));
    let there = gofer(&server, "object cp out/a --scope run=p/1 --to-scope pipeline=p").expect_code(5);
    assert!(there.stderr.contains("E0721"), "{}", there.stderr);
    let missing = gofer(&server, "object cp b c --scope run=p/1").expect_code(3);
    assert!(missing.stderr.contains("E0720"), "{}", missing.stderr);
    assert_eq!(usage(&server), (2 * (MIB as u64 + 1), 0));
}

#[test]
fn the_oldest_object_of_a_pipeline_goes_for_a_new_one_and_is_named() {
    let server = server("pipeline_objects = 2", 0);
    for key in ["a", "b"] {
        let _ = gofer(&server, &format!("object put pipeline.hcl {key} --scope pipeline=p")).ok();
    }
    let told = gofer(&server, "object put pipeline.hcl c --scope pipeline=p").ok().stdout;
    assert!(told.contains("evicted a"), "{told}");
    let told = gofer(&server, "object put pipeline.hcl d --scope pipeline=p --json").ok().stdout;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["evicted"], serde_json::json!(["b"]));
    let again = gofer(&server, "object put pipeline.hcl d --scope pipeline=p --force").ok().stdout;
    assert!(!again.contains("evicted"), "a replaced object takes no other place: {again}");
    assert_eq!(keys(&server, "pipeline=p"), ["c", "d"]);
    let gone = gofer(&server, "object get a - --scope pipeline=p").expect_code(3);
    assert!(gone.stderr.contains("E0720") && gone.stdout.is_empty(), "{}", gone.stderr);
}

#[test]
fn the_objects_of_a_run_go_when_it_has_grown_old() {
    let server = server("run_objects_kept_runs = 2", 1);
    let _ = gofer(&server, "object put pipeline.hcl a --scope run=p/1").ok();
    let _ = gofer(&server, "start p --wait 30s").ok();
    assert_eq!(keys(&server, "run=p/1"), ["a"]);
    let _ = gofer(&server, "start p --wait 30s").ok();
    wait_for_blocking("the objects of the first run to be gone", || match keys(&server, "run=p/1") {
        keys if keys.is_empty() => Ok(()),
        keys => Err(format!("{keys:?}")),
    });
    let late = gofer(&server, "object put pipeline.hcl a --scope run=p/1").expect_code(5);
    assert!(late.stderr.contains("E0728"), "{}", late.stderr);
    assert_eq!(usage(&server), (0, 0));
}

#[test]
fn an_object_that_is_too_large_is_refused_before_it_is_read_whole() {
    let server = server("max_object_bytes = \"1MiB\"\nmax_object_bytes_per_namespace = \"2MiB\"", 1);
    File::create(server.world().join("sparse")).unwrap().set_len(1 << 40).unwrap();
    // a file says how large it is; what has no size, and here no end, is refused on its way
    for from in ["sparse", "/dev/zero"] {
        let refused = gofer(&server, &format!("object put {from} a --scope run=p/1")).expect_code(6);
        assert!(refused.stderr.contains("E0722"), "{}", refused.stderr);
    }
    server.world().write("fits", noise(MIB));
    for key in ["a", "b"] {
        let _ = gofer(&server, &format!("object put fits {key} --scope run=p/1")).ok();
    }
    let full = gofer(&server, "object put fits c --scope pipeline=p").expect_code(5);
    assert!(full.stderr.contains("E0723"), "{}", full.stderr);
    assert_eq!(
        (keys(&server, "run=p/1"), usage(&server)),
        (vec!["a".to_owned(), "b".to_owned()], (2 << 20, 0))
    );
}

#[test]
fn keys_are_plain_text_and_never_steps_in_a_path() {
    let server = server("", 1);
    for key in ["../x", "a/../../x", "a//b", "/etc/passwd", ".", "a/", "a\\..\\b"] {
        let refused =
            server.gofer(["object", "put", "pipeline.hcl", key, "--scope", "run=p/1"]).expect_code(6);
        assert!(refused.stderr.contains("E0724"), "{key}: {}", refused.stderr);
    }
    let odd = ["%2e%2e", "..%2fx", "%2e%2e%2fx", "a b", "~", "con", "p.d", "ü"];
    for key in odd {
        let _ = server.gofer(["object", "put", "pipeline.hcl", key, "--scope", "run=p/1"]).ok();
    }
    let mut sorted: Vec<String> = odd.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(keys(&server, "run=p/1"), sorted);
    assert!(keys(&server, "pipeline=p").is_empty());
    for key in odd {
        let read = server.gofer(["object", "get", key, "-", "--scope", "run=p/1"]).ok().stdout;
        assert_eq!(read, server.world().read("pipeline.hcl"), "{key}");
    }
}

#[test]
fn of_several_puts_at_once_one_wins_and_the_others_are_told() {
    let server = server("", 1);
    let puts: Vec<Running> = (0..4)
        .map(|n| {
            server.world().write(format!("file{n}"), noise(MIB + n));
            let line = format!("object put file{n} a --scope run=p/1");
            server.gofer_background(line.split_whitespace())
        })
        .collect();
    let outputs: Vec<Output> = puts.into_iter().map(|put| put.wait(LIMIT)).collect();
    let winners: Vec<usize> = (0..4).filter(|n| outputs[*n].code() == Some(0)).collect();
    assert_eq!(winners.len(), 1, "{outputs:?}");
    for lost in outputs.iter().filter(|output| output.code() != Some(0)) {
        assert_eq!(lost.code(), Some(5), "{}", lost.stderr);
        assert!(lost.stderr.contains("E0721"), "{}", lost.stderr);
    }
    let _ = gofer(&server, "object get a back --scope run=p/1").ok();
    let (won, back) = (format!("file{}", winners[0]), server.world().join("back"));
    assert!(std::fs::read(server.world().join(won)).unwrap() == std::fs::read(back).unwrap());
}

/// A put whose bytes come from here, with some of them on the server, and its bytes' way in.
fn begun(server: &ServerBox) -> (Running, File) {
    let pipe: PathBuf = server.world().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let put = server.gofer_background(["object", "put", "pipe", "a", "--scope", "run=p/1"]);
    let mut way = File::options().write(true).open(&pipe).unwrap();
    way.write_all(&noise(2 * MIB)).unwrap();
    wait_for_blocking("the put to be on its way", || match usage(server) {
        (0, reserved) if reserved >= MIB as u64 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    (put, way)
}

fn nothing_is_left(server: &ServerBox) {
    wait_for_blocking("nothing of the put to be left", || match (usage(server), keys(server, "run=p/1")) {
        ((0, 0), keys) if keys.is_empty() => match bytes_below(&server.data_dir().join("objects")) {
            bytes if bytes < 4096 => Ok(()),
            bytes => Err(format!("{bytes} bytes on the disk")),
        },
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn a_client_that_is_killed_in_the_middle_of_an_upload_leaves_nothing() {
    let server = server("", 1);
    let (mut put, way) = begun(&server);
    put.kill9();
    nothing_is_left(&server);
    drop(way);
    let _ = gofer(&server, "object put pipeline.hcl a --scope run=p/1").ok();
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_an_upload_keeps_nothing_of_it() {
    let mut server = server("", 1);
    let (put, _way) = begun(&server);
    server.kill9();
    let told = put.wait(LIMIT).expect_code(7);
    assert!(told.stderr.contains("E0103"), "{}", told.stderr);
    server.start_again();
    nothing_is_left(&server);
}

#[test]
fn a_file_is_overwritten_only_if_that_is_said_and_never_by_half() {
    let server = server("", 1);
    server.world().write("bytes", noise(3 * MIB));
    let _ = gofer(&server, "object put bytes out/a --scope run=p/1").ok();
    server.world().write("a", "mine");
    let refused = gofer(&server, "object get out/a --scope run=p/1").expect_code(5);
    assert!(refused.stderr.contains("E0008"), "{}", refused.stderr);
    assert_eq!(server.world().read("a"), "mine");
    spoil(&server.data_dir().join("objects/objects"));
    let damaged = gofer(&server, "object get out/a --scope run=p/1 --force");
    assert_ne!(damaged.code(), Some(0), "{}", damaged.stdout);
    assert_eq!(server.world().read("a"), "mine", "what came damaged is thrown away");
    let _ = gofer(&server, "object put bytes out/a --scope run=p/1 --force").ok();
    let _ = gofer(&server, "object get out/a --scope run=p/1 --force").ok();
    assert!(std::fs::read(server.world().join("a")).unwrap() == noise(3 * MIB));
    let names = std::fs::read_dir(server.world().path()).unwrap();
    let rests =
        names.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".gofer"));
    assert_eq!(rests.count(), 0, "nothing beside it");
}

/// Turns a byte in the middle of every large file around.
fn spoil(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            spoil(&path);
        } else if path.metadata().unwrap().len() > MIB as u64 {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0xff;
            std::fs::write(&path, bytes).unwrap();
        }
    }
}
