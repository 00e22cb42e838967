//! The examples of the repository, run as the README says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, and says why")]

use std::path::PathBuf;
use std::time::Duration;

use gofer_testkit::{Binary, Output, Running, World, wait_for_blocking};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn local(example: &str, args: &[&str], limit: Duration) -> Output {
    let world = World::new();
    let mut command = Binary::find().command(&world);
    command.current_dir(repository()).args(["local", example]).args(args);
    Running::start(command, &world).wait(limit)
}

const QUICK: Duration = Duration::from_secs(30);

#[test]
fn lines_are_printed_while_the_task_that_wrote_them_still_runs() {
    let world = World::new();
    let go = world.join("go");
    let script = format!("echo first; while [ ! -e {go:?} ]; do sleep 0.05; done; echo last");
    world.write("pipeline.hcl", format!("id = \"slow\"\ntask \"t\" {{\n  script = {script:?}\n}}\n"));
    let mut command = Binary::find().command(&world);
    command.args(["local", "pipeline.hcl"]);
    let running = Running::start(command, &world);
    wait_for_blocking("the first line", || match running.stdout() {
        printed if printed.contains("| first") => Ok(()),
        printed => Err(printed),
    });
    world.write("go", "");
    assert!(running.wait(QUICK).ok().stdout.contains("| last"));
}

#[test]
fn hello_ends_green_and_prints_the_lines_of_its_tasks() {
    let output = local("examples/hello", &[], QUICK).ok();
    let printed = output.stdout.clone() + &output.stderr;
    assert!(printed.contains("greet   | Hello from gofer"), "{printed}");
    assert!(printed.contains("succeeded  hello/1"), "{printed}");
}

#[test]
fn dag_takes_the_failure_branch_and_skips_the_other() {
    let output = local("examples/dag", &[], QUICK).ok();
    let printed = output.stdout.clone() + &output.stderr;
    for (task, state) in [("repair", "succeeded"), ("probe", "failed"), ("celebrate", "skipped")] {
        let told = printed.lines().any(|line| line.contains(&format!(" {task} ")) && line.contains(state));
        assert!(told, "{task} {state} is not in:\n{printed}");
    }
}

#[test]
fn gofer_ci_checks_a_crate_of_this_very_workspace() {
    let world = World::new();
    let workspace = format!("workspace={}", repository().display());
    let home = std::env::var("HOME").unwrap_or_default();
    let cargo_home = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    let target = format!("target={}", world.join("target").display());
    let args = [
        "-v",
        &workspace,
        "-v",
        "package=gofer-types",
        "-v",
        &target,
        "-v",
        &format!("cargo_home={cargo_home}"),
    ];
    let output = local("examples/gofer-ci", &args, Duration::from_secs(600)).ok();
    let printed = output.stdout.clone() + &output.stderr;
    assert!(printed.contains("test result: ok"), "{printed}");
}

#[test]
fn a_failing_task_exits_10_with_reason_last_lines_and_next_command() {
    let world = World::new();
    let script = "for i in 1 2 3; do echo \"line $i\"; done\necho broken >&2\nexit 3";
    world.write("pipeline.hcl", format!("id = \"red\"\ntask \"bad\" {{\n  script = {script:?}\n}}\n"));
    let output = Binary::find().run(&world, ["local", "pipeline.hcl"]).expect_code(10);
    let printed = output.stdout.clone() + &output.stderr;
    for fragment in ["failed", "exit 3", "broken", "line 3", "next:"] {
        assert!(printed.contains(fragment), "{fragment:?} is not in:\n{printed}");
    }
}
