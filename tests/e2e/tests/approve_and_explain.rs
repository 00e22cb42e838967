//! Runs that wait for somebody or for another run: how that is told, how it is answered, and output that is deleted.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, and says why")]

use std::time::Duration;

use gofer_testkit::{Binary, Output, ServerBox, World, wait_for_blocking};

/// How long a command that ends by itself may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A release that somebody has to allow. What follows prints what it was given.
const SHIP: &str = r#"
id = "ship"
variable "what" { default = "it" }
task "ask" {
  approval {
    message = "Ship ${var.what}?"
    fields  = {
      who     = { description = "Who ships" }
      channel = { allowed = ["beta", "stable"], default = "beta" }
    }
  }
}
task "release" {
  depends_on = { ask = "successful" }
  script     = "echo \"$who ships to $channel\""
}
"#;

/// One that is a run of the other.
const TRAIN: &str = "id = \"train\"\ntask \"part\" {\n  pipeline {\n    id = \"ship\"\n  }\n}\n";

struct Scene(ServerBox);

impl Scene {
    fn new(pipelines: &[&str]) -> Self {
        let server = ServerBox::start();
        for pipeline in pipelines {
            let path = server.world().join("pipeline.hcl").display().to_string();
            server.world().write("pipeline.hcl", pipeline);
            let _ = server.gofer(["up", &path, "--yes"]).ok();
        }
        Self(server)
    }

    fn gofer(&self, line: &str) -> Output {
        self.0.gofer(line.split_whitespace())
    }

    fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.gofer(&format!("{line} --json")).ok().stdout).unwrap()
    }

    /// Starts a run whose task asks, and comes back once it does.
    fn asked(&self, pipeline: &str, task: &str) {
        let _ = self.gofer(&format!("start {pipeline} --detach")).ok();
        self.until(task, "somebody has to approve it");
    }

    /// Waits until a task says this.
    fn until(&self, task: &str, told: &str) {
        wait_for_blocking("what the task says", || match self.gofer(&format!("task get {task}")).stdout {
            text if text.contains(told) => Ok(()),
            text => Err(text),
        });
    }
}

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn a_run_that_waits_for_somebody_is_explained_approved_with_a_field_and_ends() {
    let scene = Scene::new(&[SHIP]);
    scene.asked("ship", "ship/1/ask");
    let yes = "gofer run approve ship/1/ask --field who=VALUE";
    let told = scene.gofer("run explain ship/1").ok().stdout;
    contains(&told, &["ship/1  running: ", "ask  running: somebody has to approve it\n  asks: Ship it?\n"]);
    contains(
        &told,
        &["  field channel (beta or stable, else \"beta\")\n", "  field who (string, required): Who ships\n"],
    );
    contains(
        &told,
        &[&format!("  next: {yes}\n"), "gofer run approve ship/1/ask --reject", "release  waiting: "],
    );
    let one = scene.gofer("run explain ship/1/release").ok().stdout;
    assert!(one.starts_with("ship/1/release  waiting: it waits for `ask`") && !one.contains("asks"), "{one}");
    let json = scene.json("run explain -");
    assert_eq!((&json["schema"], &json["ref"]), (&"gofer.v1.Explanation".into(), &"ship/1".into()));
    assert_eq!(
        (&json["task_list"][0]["question"], &json["task_list"][0]["next"][0]),
        (&"Ship it?".into(), &yes.into())
    );
    contains(&scene.gofer("task list ship/1").ok().stdout, &["somebody has to approve it: Ship it?"]);
    let get = scene.gofer("task get ship/1/ask").ok();
    contains(&get.stdout, &["asks", "Ship it?"]);
    contains(&get.stderr, &["gofer run explain ship/1/ask"]);
    let answer = scene.gofer("run approve ship/1/ask --field who=ana --note go").ok();
    assert_eq!(answer.stdout, "ship/1/ask is approved\n");
    let _ = scene.gofer("wait ship/1").ok();
    assert_eq!(scene.gofer("logs ship/1 --no-prefix").ok().stdout, "ana ships to beta\n");
    contains(&scene.gofer("run explain ship/1/ask").ok().stdout, &["succeeded: it was approved by ", "go"]);
}

#[test]
fn wrong_answers_are_refused_in_the_words_of_the_approval() {
    let scene = Scene::new(&[SHIP]);
    scene.asked("ship", "ship/1/ask");
    let refused = |line: &str, code: i32, parts: &[&str]| {
        contains(&scene.gofer(&format!("run approve {line}")).expect_code(code).stderr, parts);
    };
    refused(
        "ship/1/ask",
        6,
        &["E0502", "the field `who` is required", "its fields: channel (beta or stable"],
    );
    refused(
        "ship/1/ask --field whom=x --field channel=gold",
        6,
        &["no field `whom`", "`channel` must be one of beta, stable", "`who` is required"],
    );
    refused("ship/1/release", 5, &["E0517", "it is no approval"]);
    refused("ship/1/nothing", 3, &["nothing"]);
    refused("ship/1", 2, &["E0202", "a task is needed"]);
    let _ = scene.gofer("run approve ship/1/ask --field who=ana").ok();
    refused(
        "ship/1/ask --reject",
        5,
        &["E0517", "it was approved by", "an answer is final", "gofer run explain"],
    );
}

#[test]
fn a_rejected_approval_fails_its_run_and_tells_who_and_why() {
    let scene = Scene::new(&[SHIP]);
    scene.asked("ship", "ship/1/ask");
    let note = ["run", "approve", "ship/1/ask", "--reject", "--note", "not today"];
    assert_eq!(scene.0.gofer(note).ok().stdout, "ship/1/ask is rejected\n");
    let _ = scene.gofer("wait ship/1").expect_code(10);
    let task = scene.json("task get ship/1/ask");
    assert_eq!((&task["state"], &task["cause"]["kind"]), (&"failed".into(), &"rejected".into()));
    assert!(!task["cause"]["actor"].as_str().unwrap_or_default().is_empty(), "{task}");
    contains(&scene.gofer("run explain ship/1").ok().stdout, &["not today", "release  skipped"]);
}

#[test]
fn who_follows_is_told_who_has_to_answer_and_how() {
    let scene = Scene::new(&[SHIP]);
    let started = scene.0.gofer_background(["start", "ship", "--follow"]);
    let yes = "  ask     * yes: gofer run approve ship/1/ask --field who=VALUE\n";
    wait_for_blocking("the command that answers", || match started.stdout() {
        text if text.contains(yes) => Ok(()),
        text => Err(text),
    });
    let waiting = scene.0.gofer_background(["wait", "ship/1"]);
    wait_for_blocking("the note of `wait`", || match waiting.stderr() {
        text if text.contains("ask") && text.contains("gofer run approve ship/1/ask") => Ok(()),
        text => Err(text),
    });
    let _ = scene.gofer("run approve ship/1/ask --field who=bo --field channel=stable").ok();
    let told = started.wait(LIMIT).ok().stdout;
    contains(
        &told,
        &["  ask     * waits for an answer: Ship it?\n", "* field who (string, required): Who ships\n"],
    );
    contains(&told, &["  release | bo ships to stable\n", "approved by "]);
    let _ = waiting.wait(LIMIT).ok();
}

#[test]
fn a_run_in_this_process_says_that_nobody_can_answer() {
    let world = World::new();
    world.write("pipeline.hcl", SHIP.replace("message = ", "expires = \"1s\"\n    message = "));
    let output = Binary::find().run(&world, ["local", "--scheduler", "process"]);
    assert_eq!(output.code(), Some(10), "{} {}", output.stdout, output.stderr);
    contains(
        &output.stdout,
        &["ask", "* waits for an answer: Ship it?", "* nobody can answer a run without a server"],
    );
    assert!(!output.stdout.contains("run approve"), "{}", output.stdout);
}

#[test]
fn a_task_that_is_a_run_of_another_pipeline_names_it_and_is_named_by_it() {
    let scene = Scene::new(&[SHIP, TRAIN]);
    scene.asked("train", "ship/1/ask");
    let task = scene.json("task get train/1/part");
    assert_eq!((&task["child_pipeline"], &task["child_run"]), (&"ship".into(), &"ship/1".into()));
    contains(&scene.gofer("run get train/1").ok().stdout, &["is run ship/1"]);
    contains(&scene.gofer("run get ship/1").ok().stdout, &["part of", "train/1/part"]);
    assert_eq!(scene.json("run get ship/1")["parent"], "train/1/part");
    let told = scene.gofer("run explain train/1").ok().stdout;
    contains(&told, &["  its run: ship/1\n", "  next: gofer run explain ship/1\n"]);
    let _ = scene.gofer("run approve ship/1/ask --field who=ana").ok();
    let followed = scene.gofer("watch train/1").ok().stdout;
    contains(&followed, &["ship/1 is succeeded"]);
    assert_eq!(scene.json("task get train/1/part")["child_run"], "ship/1");
}

#[test]
fn output_is_deleted_after_a_yes_and_then_known_to_be_deleted() {
    let hello = "id = \"hello\"\ntask \"t\" {\n  script = \"echo x\"\n}\n";
    let scene = Scene::new(&[hello, SHIP]);
    let _ = scene.gofer("start hello --wait 30s").ok();
    contains(&scene.gofer("logs hello/1 --delete").expect_code(2).stderr, &["E0004", "--yes"]);
    contains(
        &scene.gofer("logs hello/1/t --delete --yes").expect_code(2).stderr,
        &["E0204", "a run is needed"],
    );
    assert_eq!(scene.gofer("logs hello/1 --no-prefix").ok().stdout, "x\n", "nothing was deleted yet");
    let deleted = scene.gofer("logs hello/latest --delete --yes").ok();
    assert_eq!(deleted.stdout, "deleted the output of hello/1 (1 task); the run itself is kept\n");
    let gone = scene.gofer("logs hello/1").expect_code(3);
    contains(&gone.stderr, &["E0516", "hello/1", "deleted by"]);
    contains(&scene.gofer("logs hello/1 --delete").ok().stdout, &["was deleted before, by "]);
    assert!(scene.json("run get hello/1")["logs_deleted"].is_string());
    contains(&scene.gofer("run get hello/1").ok().stdout, &["output", "deleted "]);
    assert_eq!(scene.json("logs hello/1 --delete --yes")["names"][0], "hello/1");
    scene.asked("ship", "ship/1/ask");
    contains(&scene.gofer("logs ship/1 --delete --yes").expect_code(5).stderr, &["E0513"]);
    let _ = scene.gofer("cancel ship/1 --force").ok();
}

#[test]
fn whoever_asks_why_of_a_run_is_shown_the_command() {
    let output = Binary::find().run(&World::new(), ["explain", "hello/1"]).expect_code(3);
    contains(&output.stderr, &["E0009", "gofer run explain hello/1"]);
}
