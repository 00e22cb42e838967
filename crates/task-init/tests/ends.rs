//! How tasks end, and what the first process makes of it. Here it is not the first process of anything; what only that
//! one can do (ending all others) is proven with containers.

use std::os::unix::process::ExitStatusExt;

use gofer_task_init::{End, NONCE, split};
use gofer_testkit::{Binary, Output, Running, World, wait_for_blocking};

const NUMBER: &str = "0123456789abcdef0123456789abcdef";

fn start(world: &World, argv: &[&str]) -> Running {
    let mut command = Binary::at(env!("CARGO_BIN_EXE_gofer-task-init")).command(world);
    command.args(argv).env(NONCE, NUMBER);
    Running::start(command, world)
}

fn end_of(output: &Output) -> (String, Option<End>) {
    match split(NUMBER, output.stderr.as_bytes()) {
        Some((before, end)) => (String::from_utf8_lossy(before).into_owned(), Some(end)),
        None => (output.stderr.clone(), None),
    }
}

/// The exit code and the record after a script.
fn sh(script: &str) -> (Option<i32>, Option<End>) {
    let world = World::new();
    let output = start(&world, &["sh", "-c", script]).wait(std::time::Duration::from_secs(60));
    assert_eq!(output.status.signal(), None);
    let (before, end) = end_of(&output);
    assert_eq!(before, "");
    (output.code(), end)
}

#[test]
fn a_code_is_handed_on_and_explained_only_if_it_says_too_little() {
    for (code, explained) in [(0, false), (1, false), (126, true), (127, true), (137, true), (255, false)] {
        let record = explained.then_some(End::Code(code));
        assert_eq!(sh(&format!("exit {code}")), (Some(code), record));
    }
}

#[test]
fn a_signal_of_its_own_is_told_as_one_that_nobody_sent() {
    for signal in [9, 15, 10, 6, 34] {
        let record = End::Signal { signal, asked: false };
        assert_eq!(sh(&format!("kill -{signal} $$")), (Some(128 + signal), Some(record)));
    }
}

/// Starts a script that says when it is ready, and ends it with SIGTERM.
fn terminated(script: &str) -> (Option<i32>, Option<End>, String) {
    let world = World::new();
    let mut running = start(&world, &["sh", "-c", script]);
    wait_for_blocking("the script", || if running.stdout().is_empty() { Err("nothing yet") } else { Ok(()) });
    running.terminate();
    let output = running.wait(std::time::Duration::from_secs(60));
    (output.code(), end_of(&output).1, output.stdout)
}

#[test]
fn a_signal_that_was_handed_on_is_told_as_asked_for() {
    let (code, end, _) = terminated("echo ready; exec sleep 60");
    assert_eq!((code, end), (Some(143), Some(End::Signal { signal: 15, asked: true })));
}

#[test]
fn a_task_that_catches_the_signal_ends_with_its_own_code() {
    let script = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    assert_eq!(terminated(script), (Some(7), None, "ready\ncaught\n".to_owned()));
}

#[test]
fn a_signal_to_its_own_group_does_not_come_back_as_asked_for() {
    assert_eq!(
        sh("kill -TERM 0; exec sleep 60"),
        (Some(143), Some(End::Signal { signal: 15, asked: false }))
    );
}

#[test]
fn no_signal_is_blocked_or_ignored_in_the_task() {
    let world = World::new();
    let output = start(&world, &["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"])
        .wait(std::time::Duration::from_secs(60))
        .ok();
    let of = |name| {
        let line = output.stdout.lines().find_map(|line| line.strip_prefix(name)).expect("the line");
        u64::from_str_radix(line.trim(), 16).expect("a mask")
    };
    // The first 31: whoever runs the tests may ignore some of the others.
    assert_eq!((of("SigBlk:"), of("SigIgn:") & 0x7fff_ffff), (0, 0));
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    let world = World::new();
    let plain = world.write("plain", "not a program\n");
    let plain = plain.to_str().expect("a path in UTF-8");
    for (program, code, why) in [
        ("no-such-program", 127, "no such file or directory"),
        ("/no/such/program", 127, "no such file or directory"),
        (plain, 126, "permission denied"),
    ] {
        let output = start(&world, &[program, "x"]).wait(std::time::Duration::from_secs(60));
        let told = End::CannotStart(format!("cannot run `{program}`: {why}"));
        assert_eq!((output.code(), end_of(&output)), (Some(code), (String::new(), Some(told))));
    }
}

#[test]
fn no_program_at_all_is_said_so() {
    let world = World::new();
    let output = start(&world, &[]).wait(std::time::Duration::from_secs(60));
    let told = End::CannotStart("there is no program to run".to_owned());
    assert_eq!((output.code(), end_of(&output).1), (Some(126), Some(told)));
}

#[test]
fn the_task_sees_its_environment_without_the_number() {
    let world = World::new();
    let mut command = Binary::at(env!("CARGO_BIN_EXE_gofer-task-init")).command(&world);
    command.arg("env").env(NONCE, NUMBER).env("MINE", "yes");
    let output = Running::start(command, &world).wait(std::time::Duration::from_secs(60)).ok();
    assert!(output.stdout.lines().any(|line| line == "MINE=yes"), "{}", output.stdout);
    assert!(!output.stdout.contains(NUMBER) && !output.stdout.contains(NONCE), "{}", output.stdout);
}

#[test]
fn without_a_number_nothing_is_written() {
    let world = World::new();
    let mut command = Binary::at(env!("CARGO_BIN_EXE_gofer-task-init")).command(&world);
    command.arg("no-such-program");
    let output = Running::start(command, &world).wait(std::time::Duration::from_secs(60)).expect_code(127);
    assert_eq!(output.stderr, "");
}
