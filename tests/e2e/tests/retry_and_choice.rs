//! Runs of some of the tasks, and what is tried again: by the pipeline itself, and by hand.
//!
//! The oracle is a file that the tasks write to, not what the server says about them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, and says why")]

use std::io::Write;
use std::process::Stdio;

use gofer_testkit::{Binary, Output, ServerBox, World, golden, wait_for_blocking};
use gofer_tests_e2e::Witness;
use gofer_tests_e2e::witness::say;

/// A task that tells the witness that it began, and then does this.
fn task(id: &str, parents: &[&str], more: &str, script: &str) -> String {
    let parents: Vec<String> = parents.iter().map(|parent| format!("{parent} = \"successful\"")).collect();
    let script = format!("{}\n{script}", say("start"));
    format!(
        "task \"{id}\" {{\ndepends_on = {{ {} }}\n{more}\nscript = <<EOT\n{script}\nEOT\n}}\n",
        parents.join("\n")
    )
}

fn pipeline(id: &str, tasks: &[String]) -> String {
    format!("id = \"{id}\"\nvariable \"witness\" {{\ntype = \"string\"\n}}\n{}", tasks.concat())
}

/// A server that has a pipeline, and the witness of its tasks.
struct Scene {
    server: ServerBox,
    witness: Witness,
}

impl Scene {
    fn new(pipeline: &str) -> Self {
        let server = ServerBox::start();
        let path = server.world().join("pipeline.hcl").display().to_string();
        server.world().write("pipeline.hcl", pipeline);
        let _ = server.gofer(["up", &path, "--yes"]).ok();
        let witness = Witness::new(server.world().join("witness"));
        Self { server, witness }
    }

    fn gofer(&self, line: &str) -> Output {
        self.server.gofer(line.split_whitespace())
    }

    fn start(&self, line: &str) -> Output {
        self.gofer(&format!("start {line} -v witness={}", self.witness.path().display()))
    }

    /// The tasks that this run executed, in the order of their names.
    fn executed(&self, run: u64) -> Vec<String> {
        let marks = self.witness.marks().into_iter().filter(|mark| mark.run == run);
        let mut tasks: Vec<String> = marks.map(|mark| mark.task).collect();
        tasks.sort();
        tasks
    }

    fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.gofer(&format!("{line} --json")).ok().stdout).unwrap()
    }
}

/// A chain of three and one beside it. The second fails until there is a file `ok` beside the witness.
fn chain() -> Scene {
    Scene::new(&pipeline(
        "chain",
        &[
            task("one", &[], "image = \"alpine:3.21\"", "true"),
            task("two", &["one"], "", "test -e \"$(dirname \"$witness\")/ok\""),
            task("three", &["two"], "", "true"),
            task("beside", &[], "", "true"),
        ],
    ))
}

#[test]
fn only_the_chosen_tasks_are_executed_and_what_they_need_where_that_is_wished() {
    let scene = chain();
    scene.server.world().write("ok", "");
    for line in ["chain --only two", "chain --from two --wait 30s"] {
        let refused = scene.start(line).expect_code(6);
        assert!(refused.stderr.contains("E0511") && refused.stderr.contains("`one`"), "{}", refused.stderr);
        assert!(refused.stderr.contains("--with-parents"), "{}", refused.stderr);
    }
    assert_eq!(scene.gofer("run list -o name").ok().stdout, "", "nothing was started");
    let _ = scene.start("chain --only two --with-parents --wait 30s").ok();
    assert_eq!(scene.executed(1), ["one", "two"]);
    let list = scene.gofer("task list chain/1").ok().stdout;
    let three = list.lines().find(|line| line.starts_with("three ")).unwrap();
    assert!(three.contains("skipped") && three.contains("other tasks only"), "{list}");
    let _ = scene.start("chain --from two --with-parents --wait 30s").ok();
    assert_eq!(scene.executed(2), ["one", "three", "two"]);
    let _ = scene.start("chain --only beside --only one --wait 30s").ok();
    assert_eq!(scene.executed(3), ["beside", "one"]);
}

#[test]
fn a_local_run_can_be_of_some_tasks_too() {
    let world = World::new();
    let tasks =
        [task("one", &[], "", "true"), task("two", &["one"], "", "true"), task("three", &[], "", "true")];
    world.write("pipeline.hcl", pipeline("here", &tasks));
    let witness = Witness::new(world.join("witness"));
    let variable = format!("witness={}", witness.path().display());
    let _ = Binary::find().run(&world, ["local", "--only", "two", "-v", &variable]).expect_code(6);
    let _ = Binary::find().run(&world, ["local", "--only", "two", "--with-parents", "-v", &variable]).ok();
    let tasks: Vec<String> = witness.marks().into_iter().map(|mark| mark.task).collect();
    assert_eq!(tasks, ["one", "two"]);
}

#[test]
fn a_retry_from_the_failure_executes_what_failed_and_what_depends_on_it() {
    let scene = chain();
    let failed = scene.start("chain --follow").expect_code(10);
    assert!(failed.stderr.contains("gofer retry chain/1 --from-failed"), "{}", failed.stderr);
    assert_eq!(scene.executed(1), ["beside", "one", "two"]);
    let _ = scene.gofer("retry chain/1 --from-failed --wait 30s").expect_code(10);
    assert_eq!(scene.executed(2), ["two"]);
    scene.server.world().write("ok", "");
    let output = scene.gofer("retry chain/2 --from-failed --follow").ok();
    assert_eq!(scene.executed(3), ["three", "two"]);
    assert!(output.stdout.contains("retry of 2"), "{}", output.stdout);
    let one = output.stdout.lines().find(|line| line.contains(" one ")).unwrap();
    assert!(one.contains("succeeded in run ") && one.ends_with(" already"), "{}", output.stdout);
    assert_eq!(scene.json("run get chain/3")["retry_of"], 2);
    let nothing = scene.gofer("retry chain/3 --from-failed").expect_code(5);
    assert!(nothing.stderr.contains("E0514"), "{}", nothing.stderr);
}

#[test]
fn a_retry_executes_all_of_a_run_or_from_a_task_on() {
    let scene = chain();
    scene.server.world().write("ok", "");
    let _ = scene.start("chain --wait 30s").ok();
    for (run, how) in [(2, ""), (3, "--all")] {
        let _ = scene.gofer(&format!("run retry chain/1 {how} --wait 30s")).ok();
        assert_eq!(scene.executed(run), ["beside", "one", "three", "two"], "{how}");
    }
    let _ = scene.gofer("retry chain/1 --from two --wait 30s").ok();
    assert_eq!(scene.executed(4), ["three", "two"]);
    let _ = scene.gofer("retry chain/1 --from nothing").expect_code(6);
    let _ = scene.gofer("retry chain/1 --all --from two").expect_code(2);
}

#[test]
fn a_retry_under_the_same_key_is_one_run() {
    let scene = chain();
    let _ = scene.start("chain --wait 30s").expect_code(10);
    let line = "retry chain/1 --idempotency-key again --detach";
    assert_eq!(scene.gofer(line).ok().stdout, "chain/2\n");
    let second = scene.gofer(line).ok();
    assert_eq!(second.stdout, "chain/2\n");
    assert!(second.stderr.contains("with this idempotency key before"), "{}", second.stderr);
    assert_eq!(scene.gofer("run list -o name").ok().stdout, "chain/2\nchain/1\n");
}

#[test]
fn a_run_that_has_not_ended_is_not_repeated() {
    let scene = Scene::new(&pipeline("slow", &[task("t", &[], "", "sleep 60")]));
    let _ = scene.start("slow --detach").ok();
    let refused = scene.gofer("retry slow/1").expect_code(5);
    assert!(refused.stderr.contains("E0513"), "{}", refused.stderr);
    let _ = scene.gofer("cancel slow/1 --force").ok();
}

#[test]
fn a_task_is_tried_again_and_each_rest_is_told_while_it_is_followed() {
    let again = "retry {\nattempts = 3\nbackoff = \"100ms\"\n}";
    let scene =
        Scene::new(&pipeline("flaky", &[task("t", &[], again, "echo \"try $GOFER_ATTEMPT\"\nexit 75")]));
    let output = scene.start("flaky --follow").expect_code(10);
    for line in [
        "  t | try 1\n",
        "  t * attempt 2 of 3 follows after 100ms: exit code 75\n",
        "  t#2 | try 2\n",
        "  t * attempt 3 of 3 follows after 200ms: exit code 75\n",
        "  t#3 | try 3\n",
        "exit 75, attempt 3 of 3\n",
    ] {
        assert!(output.stdout.contains(line), "{line:?} is not in:\n{}", output.stdout);
    }
    let attempts: Vec<u32> = scene.witness.marks().iter().map(|mark| mark.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    let task = scene.json("task get flaky/1/t");
    assert_eq!((&task["attempts"], task["attempt_list"].as_array().unwrap().len()), (&3.into(), 3));
    assert_eq!(scene.gofer("logs flaky/1/t#2 --no-prefix").ok().stdout, "try 2\n");
}

#[test]
fn a_task_that_rests_says_so_and_its_run_goes_on() {
    let again = "retry {\nattempts = 2\nbackoff = \"1m\"\n}";
    let scene = Scene::new(&pipeline("rests", &[task("t", &[], again, "exit 75")]));
    let _ = scene.start("rests --detach").ok();
    let told = "attempt 2 of 2 follows after 1m: exit code 75";
    wait_for_blocking("the rest of the task", || match scene.gofer("task list rests/1").ok().stdout {
        list if list.contains("pending") && list.contains(told) => Ok(()),
        list => Err(list),
    });
    assert!(scene.gofer("task get rests/1/t").ok().stdout.contains(told));
    assert_eq!(scene.json("run get rests/1")["state"], "running");
    let _ = scene.gofer("cancel rests/1").ok();
    let _ = scene.gofer("wait rests/1").expect_code(11);
    assert_eq!(scene.executed(1), ["t"]);
}

#[test]
fn the_combinations_of_a_matrix_have_names_addresses_and_output_of_their_own() {
    let matrix = "matrix = {\nos = [\"linux\", \"mac\"]\nv = [\"1\"]\n}";
    let script = "echo \"for ${matrix.os}\"\ntest ${matrix.os} = linux";
    let scene =
        Scene::new(&pipeline("m", &[task("build", &[], matrix, script), task("other", &[], "", "echo x")]));
    let output = scene.start("m --follow").expect_code(10);
    assert!(output.stdout.contains("  build[linux,1] | for linux\n"), "{}", output.stdout);
    assert!(output.stderr.contains("gofer logs 'm/1/build[mac,1]'"), "{}", output.stderr);
    assert_eq!(scene.executed(1), ["build[linux,1]", "build[mac,1]", "other"]);
    assert_eq!(scene.gofer("task get m/1/build[mac,1] -o name").ok().stdout, "m/1/build[mac,1]\n");
    assert_eq!(scene.gofer("logs m/1/build[mac,1]").ok().stdout, "  build[mac,1] | for mac\n");
    assert_eq!(scene.gofer("logs m/1/build --failed --no-prefix").ok().stdout, "for mac\n");
    let mut all: Vec<String> =
        scene.gofer("logs m/1 --task build --no-prefix").ok().stdout.lines().map(str::to_owned).collect();
    all.sort();
    assert_eq!(all, ["for linux", "for mac"], "the name of the task means all of its combinations");
    let _ = scene.start("m --only build --wait 30s").expect_code(10);
    assert_eq!(scene.executed(2), ["build[linux,1]", "build[mac,1]"]);
}

#[test]
fn runs_are_found_by_their_labels_and_say_what_they_were_started_with() {
    let scene = Scene::new(&pipeline("plain", &[task("t", &[], "", "true")]));
    let _ = scene.start("plain --wait 30s --label team=web --label env=test --priority -3").ok();
    let _ = scene.start("plain --wait 30s --label team=web").ok();
    let found = |line: &str| scene.gofer(&format!("run list -o name {line}")).ok().stdout;
    assert_eq!(found("--label team=web"), "plain/2\nplain/1\n");
    assert_eq!(found("--label team=web --label env=test"), "plain/1\n");
    assert_eq!(found("--label team=api"), "");
    let run = scene.json("run get plain/1");
    assert_eq!((&run["labels"]["env"], &run["priority"]), (&"test".into(), &(-3).into()));
    assert!(scene.json("run get plain/2")["priority"].is_null(), "what is not set is absent");
    let text = scene.gofer("run get plain/1").ok().stdout;
    assert!(text.contains("env=test team=web"), "{text}");
    let page = scene.gofer("run list --label team=web --limit 1").ok().stderr;
    assert!(page.contains("gofer run list --label team=web --limit 1 --page-token "), "{page}");
}

#[test]
fn another_image_is_refused_where_no_scheduler_would_run_it() {
    let scene = chain();
    let refused = scene.start("chain --only one --image one=alpine:3.22").expect_code(6);
    for part in ["E0511", "scheduler `process`", "runs no images", "leave the image out"] {
        assert!(refused.stderr.contains(part), "{part}: {}", refused.stderr);
    }
    let _ = scene.start("chain --image nothing=alpine:3").expect_code(6);
    assert!(scene.gofer("run list chain").ok().stdout.lines().count() <= 1, "nothing was started");
}

#[test]
fn a_run_whose_output_is_not_kept_is_followed_to_its_end_without_it() {
    let scene =
        Scene::new(&format!("logging = false\n{}", pipeline("q", &[task("t", &[], "", "echo x\nexit 3")])));
    let output = scene.start("q --follow").expect_code(10);
    assert_eq!(output.stderr.matches("* output is not kept").count(), 1, "{}", output.stderr);
    assert!(!output.stdout.contains("| x") && output.stdout.contains("1 failed"), "{}", output.stdout);
    assert!(!output.stderr.contains("gofer logs"), "there is nothing to read: {}", output.stderr);
    let followed = scene.gofer("logs q/1 -f").expect_code(10);
    assert!(followed.stderr.contains("* output is not kept"), "{}", followed.stderr);
    let refused = scene.gofer("logs q/1").expect_code(5);
    assert!(refused.stderr.contains("E0515"), "{}", refused.stderr);
    let text = scene.gofer("task get q/1/t").ok().stdout;
    assert!(text.contains("logging off"), "{text}");
    assert_eq!(scene.json("task get q/1/t")["logging_off"], true);
    let ends = scene.start("q --follow -o jsonl").expect_code(10).stdout;
    assert!(ends.lines().count() == 1 && ends.contains("gofer.v1.End"), "{ends}");
}

#[test]
fn output_that_is_kept_is_shown_beside_some_that_is_not() {
    let scene = Scene::new(&pipeline(
        "some",
        &[
            task("loud", &[], "", "echo x\nexit 1"),
            task("quiet", &[], "logging = false", "echo secret\nexit 1"),
        ],
    ));
    let all = scene.start("some --follow").expect_code(10);
    assert!(all.stdout.contains("loud  | x") && !all.stdout.contains("secret"), "{}", all.stdout);
    for line in ["logs some/1 -f --task quiet --task loud", "logs some/1 -f --failed"] {
        let output = scene.gofer(line).expect_code(10);
        assert_eq!(output.stdout.trim(), "loud | x", "{line}");
        assert!(output.stderr.contains("* output of quiet is not kept"), "{line}: {}", output.stderr);
    }
    assert_eq!(scene.gofer("logs some/1 --failed").ok().stdout.trim(), "loud | x");
    let _ = scene.gofer("logs some/1 --task quiet --task loud").expect_code(5);
}

#[test]
fn wrong_choices_are_told_before_a_server_is_asked() {
    let world = World::new();
    let lines = [
        "start hello --with-parents",
        "start hello --priority 11",
        "start hello --label team",
        "local --image alpine:3",
        "retry hello/1 --all --from-failed",
        "retry hello/1/test",
        "retry hello",
    ];
    let shown = |line: &&str| {
        let output = Binary::find().run(&world, line.split_whitespace()).expect_code(2);
        format!("$ gofer {line}\n{}", output.stderr)
    };
    let text: Vec<String> = lines.iter().map(shown).collect();
    golden::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/cli_choices.txt"), text.join("\n"));
}

#[test]
fn variables_are_read_from_standard_input() {
    let world = World::new();
    world.write("pipeline.hcl", pipeline("here", &[task("t", &[], "", "true")]));
    let witness = Witness::new(world.join("witness"));
    let mut command = Binary::find().command(&world);
    command
        .args(["local", "--var-file", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let line = format!("# where\nwitness={}\n", witness.path().display());
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(witness.marks().len(), 1);
}

#[test]
fn the_value_of_a_sensitive_variable_reaches_its_task_and_no_answer() {
    const CANARY: &str = "canary7f3";
    let check = task("check", &[], "", &format!("test \"$key\" = {CANARY}\nexit 3"));
    let secret = "variable \"key\" {\ntype = \"string\"\nsensitive = true\n}\n";
    let scene = Scene::new(&format!("{}{secret}", pipeline("kept", &[check])));
    let mut told = vec![scene.start(&format!("kept --wait 30s -v key={CANARY}"))];
    told.push(scene.gofer("retry kept/1 --wait 30s"));
    for line in ["run get kept/1", "run list", "run explain kept/2", "task list kept/1", "event list"] {
        told.push(scene.gofer(line).ok());
        told.push(scene.gofer(&format!("{line} --json")).ok());
    }
    for output in &told {
        let text = format!("{}{}", output.stdout, output.stderr);
        assert!(!text.contains(CANARY), "{text}");
    }
    // 3, and not the 1 of another value; also in the retry, which nobody gave it to
    for run in ["kept/1", "kept/2"] {
        let exit = &scene.json(&format!("task get {run}/check"))["exit_code"];
        assert_eq!(exit.as_i64(), Some(3), "{run}");
        assert_eq!(scene.json(&format!("run get {run}"))["variables"]["key"], "***");
    }
}
