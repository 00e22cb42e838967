//! Each exit code that scripts may rely on is produced here by name.

use std::time::Duration;

use gofer_testkit::{Binary, Running, ServerBox, World, free_port, wait_for_blocking};

const LIMIT: Duration = Duration::from_secs(30);

fn pipeline(id: &str, script: &str) -> String {
    format!("id = \"{id}\"\ntask \"t\" {{\n  script = {script:?}\n}}\n")
}

fn server_with(id: &str, script: &str) -> ServerBox {
    let server = ServerBox::start();
    server.world().write("p/pipeline.hcl", pipeline(id, script));
    let path = server.world().join("p").display().to_string();
    let _ = server.gofer(["up", &path, "--yes"]).ok();
    server
}

/// The exit code of a command without a server.
#[track_caller]
fn alone(line: &str, code: i32) {
    let world = World::new();
    world.write("bad.hcl", "id = \"bad\"\n");
    world.write("red.hcl", pipeline("red", "exit 3"));
    world.write("green.hcl", pipeline("green", "true"));
    world.write("there/pipeline.hcl", "");
    let _ = Binary::find().run(&world, line.split_whitespace()).expect_code(code);
}

#[test]
fn exit_0_ok() {
    alone("version", 0);
    alone("local green.hcl", 0);
    let server = ServerBox::start();
    let _ = server.gofer(["run", "list"]).expect_code(0);
}

#[test]
fn exit_2_usage() {
    alone("logs hello", 2);
    let server = server_with("a", "true");
    let _ = server.gofer(["pipeline", "delete", "a"]).expect_code(2);
    let _ = server.gofer(["pipeline", "get", "a"]).ok();
}

#[test]
fn exit_3_not_found() {
    alone("local nowhere.hcl", 3);
    let server = ServerBox::start();
    for line in [["run", "get", "a/1"], ["pipeline", "get", "a"], ["namespace", "get", "a"]] {
        let _ = server.gofer(line).expect_code(3);
    }
}

#[test]
fn exit_5_conflict() {
    alone("init there", 5);
    let server = server_with("a", "true");
    let _ = server.gofer(["namespace", "create", "default"]).expect_code(5);
    let _ = server.gofer(["pipeline", "disable", "a"]).ok();
    let _ = server.gofer(["start", "a"]).expect_code(5);
}

#[test]
fn exit_6_invalid() {
    alone("pipeline validate bad.hcl", 6);
    let server = server_with("a", "true");
    let _ = server.gofer(["start", "a", "-v", "unknown=1"]).expect_code(6);
}

#[test]
fn exit_7_unavailable() {
    alone(&format!("--addr 127.0.0.1:{} status", free_port()), 7);
    let line = format!("--addr 127.0.0.1:{} doctor", free_port());
    alone(&line, 6);
}

#[test]
fn exit_8_timeout_and_the_run_goes_on() {
    let server = server_with("slow", "sleep 60");
    let _ = server.gofer(["start", "slow", "--wait", "200ms"]).expect_code(8);
    let _ = server.gofer(["wait", "slow/1", "--timeout", "200ms"]).expect_code(8);
    assert!(server.gofer(["ps", "--json=state"]).ok().stdout.contains("running"));
    let _ = server.gofer(["cancel", "slow/1", "--force"]).ok();
}

#[test]
fn exit_10_run_failed() {
    alone("local red.hcl", 10);
    let server = server_with("red", "exit 3");
    for line in
        [&["start", "red", "--follow"][..], &["watch", "red/1"], &["wait", "red/1"], &["logs", "red/1", "-f"]]
    {
        let _ = server.gofer(line.iter().copied()).expect_code(10);
    }
    let _ = server.gofer(["logs", "red/1"]).expect_code(0);
}

#[test]
fn exit_11_run_cancelled() {
    let server = server_with("slow", "echo up; sleep 60");
    let _ = server.gofer(["start", "slow", "--detach"]).ok();
    let _ = server.gofer(["cancel", "slow/1", "--force"]).ok();
    for line in [["wait", "slow/1"], ["watch", "slow/1"]] {
        let _ = server.gofer(line).expect_code(11);
    }
}

#[test]
fn many_runs_are_cancelled_at_once_and_one_that_is_not_there_keeps_none() {
    let server = server_with("slow", "sleep 60");
    for _ in 0..20 {
        let _ = server.gofer(["start", "slow", "--detach"]).ok();
    }
    let names = server.gofer(["ps", "-o", "name"]).ok().stdout;
    let names: Vec<&str> = names.lines().collect();
    assert_eq!(names.len(), 20, "{names:?}");
    // an address that is none changes nothing at all
    let _ = server.gofer(["cancel", names[0], "slow/x"]).expect_code(2);
    assert_eq!(server.gofer(["ps", "-o", "name"]).ok().stdout.lines().count(), 20);
    let (first, rest) = names.split_at(7);
    let line: Vec<&str> =
        ["cancel"].iter().chain(first).chain(&["slow/99", "nowhere/1"]).chain(rest).copied().collect();
    let output = server.gofer(line.into_iter().chain(["--reason", "too many", "--force"])).expect_code(3);
    let said: Vec<&str> = output.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(said, names, "each is told in its order");
    assert!(output.stderr.contains("slow/99") && output.stderr.contains("nowhere"), "{}", output.stderr);
    for name in names {
        let _ = server.gofer(["wait", name]).expect_code(11);
    }
}

#[test]
fn exit_12_run_timed_out() {
    let world = World::new();
    let text = format!("timeout = \"300ms\"\n{}", pipeline("slow", "sleep 60"));
    world.write("pipeline.hcl", text);
    let _ = Binary::find().run(&world, ["local"]).expect_code(12);
}

#[test]
fn exit_20_changes() {
    let server = server_with("a", "true");
    let path = server.world().join("p").display().to_string();
    let _ = server.gofer(["pipeline", "plan", &path, "--exit-code"]).expect_code(0);
    server.world().write("p/pipeline.hcl", pipeline("a", "false"));
    let _ = server.gofer(["pipeline", "plan", &path, "--exit-code"]).expect_code(20);
    let _ = server.gofer(["pipeline", "plan", &path]).expect_code(0);
}

#[test]
fn exit_130_interrupted_and_the_run_goes_on() {
    let server = server_with("slow", "echo up; sleep 60");
    let mut following = server.gofer_background(["start", "slow", "--follow"]);
    wait_for_blocking("the first line of the task", || match following.stdout() {
        text if text.contains("| up") => Ok(()),
        text => Err(text),
    });
    following.interrupt();
    let output = following.wait(LIMIT).expect_code(130);
    assert!(output.stderr.contains("slow/1 goes on"), "{}", output.stderr);
    assert!(output.stderr.contains("gofer cancel slow/1"), "{}", output.stderr);
    assert!(server.gofer(["run", "get", "slow/1"]).ok().stdout.contains("running"));
    let _ = server.gofer(["cancel", "slow/1", "--force"]).ok();
}

#[test]
fn an_interrupted_local_run_is_cancelled_and_its_processes_are_gone() {
    let world = World::new();
    world.write("pipeline.hcl", pipeline("slow", "echo up $$; exec sleep 60"));
    let mut command = Binary::find().command(&world);
    command.arg("local");
    let mut running = Running::start(command, &world);
    let pid = wait_for_blocking("the process of the task", || {
        let text = running.stdout();
        text.split("| up ").nth(1).and_then(|rest| rest.lines().next().map(str::to_owned)).ok_or(text)
    });
    running.interrupt();
    let output = running.wait(LIMIT).expect_code(11);
    assert!(output.stdout.contains("cancelled"), "{}", output.stdout);
    let process = std::path::Path::new("/proc").join(pid.trim());
    assert!(!process.try_exists().unwrap(), "process {pid} is still there");
}
