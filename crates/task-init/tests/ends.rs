//! How tasks end, and what the first process makes of it. Here it is not the first process of anything; what only that
//! one can do (ending all others) is proven with containers.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use gofer_task_init::wire::{Line, read};
use gofer_task_init::{End, KILL_ALL};
use gofer_testkit::{Binary, Output, Running, World, wait_for_blocking};

const LIMIT: Duration = Duration::from_secs(60);

fn start(world: &World, argv: &[&str]) -> Running {
    let mut command = Binary::at(env!("CARGO_BIN_EXE_gofer-task-init")).command(world);
    command.args(argv);
    Running::start(command, world)
}

/// What the task wrote, and the end that stands behind it.
fn arrived(lines: &str) -> (Vec<u8>, Option<End>) {
    let (mut output, mut end) = (Vec::new(), None);
    for line in lines.split_inclusive('\n') {
        assert_eq!(end, None, "something follows the last line");
        match read(line.as_bytes()) {
            Line::Itself => output.extend_from_slice(line.as_bytes()),
            Line::Output(bytes) => output.extend(bytes),
            Line::End(told) => end = Some(told),
        }
    }
    (output, end)
}

fn end_of(output: &Output) -> (String, Option<End>) {
    let (before, end) = arrived(&output.stderr);
    (String::from_utf8_lossy(&before).into_owned(), end)
}

/// The exit code and the end that is told after a script.
fn sh(script: &str) -> (Option<i32>, Option<End>) {
    let world = World::new();
    let output = start(&world, &["sh", "-c", script]).wait(LIMIT);
    assert_eq!(output.status.signal(), None);
    let (before, end) = end_of(&output);
    assert_eq!(before, "");
    (output.code(), end)
}

#[test]
fn a_code_is_handed_on_and_told_in_the_last_line() {
    for code in [0, 1, 126, 127, 137, 255] {
        assert_eq!(sh(&format!("exit {code}")), (Some(code), Some(End::Code(code))));
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
    let output = running.wait(LIMIT);
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
    assert_eq!(terminated(script), (Some(7), Some(End::Code(7)), "ready\ncaught\n".to_owned()));
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
    let output = start(&world, &["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]).wait(LIMIT).ok();
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
        let output = start(&world, &[program, "x"]).wait(LIMIT);
        let told = End::CannotStart(format!("cannot run `{program}`: {why}"));
        assert_eq!((output.code(), end_of(&output)), (Some(code), (String::new(), Some(told))));
    }
}

#[test]
fn no_program_at_all_is_said_so() {
    let world = World::new();
    let output = start(&world, &[]).wait(LIMIT);
    let told = End::CannotStart("there is no program to run".to_owned());
    assert_eq!((output.code(), end_of(&output).1), (Some(126), Some(told)));
}

#[test]
fn output_arrives_whole_on_both_streams() {
    let world = World::new();
    let script =
        "seq 1 20000; printf 'no end\\377\\000'; seq 1 3000 >&2; head -c 50000 /dev/zero | tr '\\000' x >&2";
    let output = start(&world, &["sh", "-c", script]).wait(LIMIT).ok();
    let numbers = |to: u32| (1..=to).map(|number| format!("{number}\n")).collect::<String>().into_bytes();
    let (out, _) = arrived(&output.stdout);
    assert!(out == [numbers(20_000), b"no end\xff\0".to_vec()].concat(), "{} bytes of output", out.len());
    let (err, end) = arrived(&output.stderr);
    assert!(err == [numbers(3000), vec![b'x'; 50_000]].concat(), "{} bytes of errors", err.len());
    assert_eq!(end, Some(End::Code(0)));
}

#[test]
fn the_beginning_of_a_line_arrives_while_the_task_runs() {
    let world = World::new();
    let mut running = start(&world, &["sh", "-c", "printf 'who are you? '; exec sleep 60"]);
    wait_for_blocking("the question", || match arrived(&running.stdout()).0 {
        asked if asked == b"who are you? " => Ok(()),
        other => Err(String::from_utf8_lossy(&other).into_owned()),
    });
    running.terminate();
    assert_eq!(running.wait(LIMIT).code(), Some(143));
}

#[test]
fn a_task_that_prints_what_looks_like_an_end_has_not_ended() {
    let world = World::new();
    let script = "printf '\\036ecode 137\\n' >&2; exit 1";
    let output = start(&world, &["sh", "-c", script]).wait(LIMIT).expect_code(1);
    assert_eq!(arrived(&output.stderr), (b"\x1eecode 137\n".to_vec(), Some(End::Code(1))));
}

#[test]
fn killing_everything_hands_on_what_was_written_before() {
    let world = World::new();
    let script = "trap '' TERM; seq 1 500; printf last; while :; do sleep 0.01; done";
    let running = start(&world, &["sh", "-c", script]);
    wait_for_blocking("the numbers", || match arrived(&running.stdout()).0 {
        printed if printed.ends_with(b"\n500\nlast") => Ok(()),
        printed => Err(String::from_utf8_lossy(&printed).into_owned()),
    });
    let pid = rustix::process::Pid::from_raw(running.pid().cast_signed()).expect("a process");
    let signal = nix::sys::signal::Signal::try_from(KILL_ALL).expect("a signal");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.as_raw_nonzero().get()), signal).expect("it runs");
    let output = running.wait(LIMIT).expect_code(137);
    assert!(arrived(&output.stdout).0.ends_with(b"500\nlast"));
    assert_eq!(end_of(&output).1, Some(End::Signal { signal: 9, asked: true }));
}
