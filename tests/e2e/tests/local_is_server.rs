//! `gofer local` does what a server does: for every example the same events, the same output, the same end.
//!
//! Ids, times and places in the log are taken out: an attempt is known by its number. Tasks that run at the same time
//! interleave as they like, on a server as well, so that a total order is nothing that anybody promises. Compared is what is
//! promised: the sequence of the run, and of each task the sequence of its states with their causes. Beside that each of the
//! two is held against the order that the graph demands.
//!
//! A local run tells its events to whoever keeps its records: a server over them answers as any server does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails, and says why")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gofer_pipeline::{Limits, Source};
use gofer_testkit::{Binary, Output, Running, ServerBox, World, wait_for_blocking};
use gofer_types::{Pipeline, TaskId};
use serde_json::Value;

/// Examples that are not compared, and why.
const APART: [(&str, &str); 1] =
    [("approval", "waits for a person, and nobody can answer a local run: a test below runs it on a server")];
const QUICK: Duration = Duration::from_secs(60);

/// What a run is given where an example cannot do without.
fn given(example: &str) -> Vec<String> {
    let words: &[&str] = match example {
        "variables" => &["-v", "token=s3cr3t", "-v", "replicas=5"],
        // it builds for minutes: the other tasks are run once, beside the other examples
        "gofer-ci" => &["--only", "fmt", "-v", "package=gofer-types"],
        _ => &[],
    };
    let mut given: Vec<String> = words.iter().copied().map(str::to_owned).collect();
    if example == "gofer-ci" {
        let home = std::env::var("HOME").unwrap_or_default();
        let cargo_home = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
        let workspace = examples().parent().unwrap().display().to_string();
        given.extend(["-v".to_owned(), format!("workspace={workspace}")]);
        given.extend(["-v".to_owned(), format!("cargo_home={cargo_home}")]);
    }
    given
}

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap().join("examples")
}

fn pipeline(folder: &Path) -> Pipeline {
    let text = std::fs::read_to_string(folder.join("pipeline.hcl")).unwrap();
    gofer_pipeline::parse(&Source::new("pipeline.hcl", text), &Limits::default()).pipeline.unwrap()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// What somebody is told of the only run of a pipeline, without what differs from run to run.
#[derive(Debug)]
struct Told {
    code: Option<i32>,
    end: Value,
    /// By task, attempt and stream.
    lines: BTreeMap<(String, u64, String), Vec<String>>,
    /// By task or object; those of the run and its pipeline under no name.
    events: BTreeMap<String, Vec<Value>>,
    /// The keys of what it left, and how large each is.
    objects: BTreeMap<String, u64>,
}

impl Told {
    /// `followed` is what the run said to whoever followed it; the rest is asked of a server that has its records.
    fn new(pipeline: &Pipeline, followed: &Output, server: &ServerBox) -> Self {
        let mut stream = json_lines(&followed.stdout);
        let end = without(stream.pop().unwrap(), &["seq", "time", "duration_ms"]);
        assert_eq!(end["type"], "end", "{}\n{}", followed.stdout, followed.stderr);
        let mut lines: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for line in &stream {
            let text = |field: &str| line[field].as_str().unwrap_or_else(|| panic!("{line}")).to_owned();
            let key = (text("task"), line["attempt"].as_u64().unwrap(), text("stream"));
            lines.entry(key).or_default().push(text("text"));
        }
        let id = pipeline.id.as_str();
        let all = json_lines(&server.gofer(["event", "list", id, "--all", "-o", "jsonl"]).ok().stdout);
        in_order(pipeline, &all);
        let mut events: BTreeMap<_, Vec<Value>> = BTreeMap::new();
        for event in all {
            events.entry(subject(&event).to_owned()).or_default().push(event);
        }
        events.values_mut().for_each(|events| steady(events));
        let scope = format!("run={id}/1");
        let listed = server.gofer(["object", "list", "--scope", &scope, "--all", "-o", "jsonl"]).ok().stdout;
        let object =
            |object: Value| (object["key"].as_str().unwrap().to_owned(), object["size"].as_u64().unwrap());
        let objects = json_lines(&listed).into_iter().map(object).collect();
        Self { code: followed.code(), end, lines, events, objects }
    }
}

fn without(mut object: Value, fields: &[&str]) -> Value {
    for field in fields {
        assert!(object.as_object_mut().unwrap().remove(*field).is_some(), "no {field} in {object}");
    }
    object
}

/// Takes the places and times out of the events of one task, and numbers its attempts.
fn steady(events: &mut [Value]) {
    let mut attempts: Vec<Value> = Vec::new();
    for event in events {
        *event = without(event.take(), &["seq", "time"]);
        if let Some(attempt) = event.get_mut("attempt") {
            if !attempts.contains(attempt) {
                attempts.push(attempt.clone());
            }
            *attempt = attempts.iter().position(|known| known == attempt).into();
        }
    }
}

fn task_of(event: &Value) -> &str {
    event["task"].as_str().unwrap_or_default()
}

/// What an event is about. One about an object says which only in its text.
fn subject(event: &Value) -> &str {
    let of_object = event["type"].as_str().unwrap().starts_with("object_");
    if of_object { event["text"].as_str().unwrap() } else { task_of(event) }
}

fn is_end(event: &Value) -> bool {
    !matches!(event["state"].as_str().unwrap(), "waiting" | "pending" | "running")
}

/// Holds events against what the graph demands: the run is the frame of all its tasks, and no task begins before all that it
/// waits for have ended, with each of their combinations.
fn in_order(pipeline: &Pipeline, events: &[Value]) {
    let of_run: Vec<&Value> = events.iter().filter(|event| event["run"] == 1).collect();
    let (first, last) = (of_run.first().unwrap(), of_run.last().unwrap());
    assert_eq!((&first["type"], &first["state"]), (&"run".into(), &"running".into()), "{first}");
    assert!(last["type"] == "run" && is_end(last), "{last}");
    let of_tasks: Vec<(usize, &Value)> =
        of_run.iter().copied().enumerate().filter(|(_, event)| event["type"] == "task").collect();
    let named: BTreeSet<&str> = of_tasks.iter().map(|(_, event)| task_of(event)).collect();
    for name in &named {
        let group = name.split('[').next().unwrap();
        let task = pipeline.tasks.iter().find(|task| task.id.as_str() == group).unwrap();
        let events = |of: &str| of_tasks.iter().filter(|(_, event)| task_of(event) == of).copied().collect();
        let own: Vec<(usize, &Value)> = events(name);
        let ends = own.iter().filter(|(_, event)| is_end(event)).count();
        assert!(ends == 1 && is_end(own.last().unwrap().1), "{name} ends once, and last: {own:?}");
        let leaves = |(_, event): &(usize, &Value)| subject(event).contains(&format!("`artefacts/{name}/"));
        for (put, _) in of_run.iter().copied().enumerate().filter(leaves) {
            assert!(put < own.last().unwrap().0, "what {name} leaves is there before its end");
        }
        // what never began was skipped because of those that its cause names
        let begun = own[0].1["state"] == "pending";
        let named_by_cause = own[0].1["cause"]["tasks"].as_array().into_iter().flatten();
        let before: Vec<&str> = match begun {
            true => task.depends_on.keys().map(TaskId::as_str).collect(),
            false => named_by_cause.map(|task| task.as_str().unwrap()).collect(),
        };
        let wanted = own[0].1["cause"]["kind"] != "not_chosen";
        assert!(
            begun || !before.is_empty() || !wanted,
            "{name} ended without a beginning or a cause: {own:?}"
        );
        let is_before = |of: &&&str| before.contains(*of) || before.contains(&of.split('[').next().unwrap());
        for parent in named.iter().filter(is_before) {
            let ended: Vec<(usize, &Value)> = events(parent);
            assert!(ended.last().unwrap().0 < own[0].0, "{name} came before the end of {parent}");
        }
    }
}

fn background(world: &World, args: &[&str]) -> Running {
    let mut command = Binary::find().command(world);
    command.args(args).env("TMPDIR", world.path());
    Running::start(command, world)
}

/// Runs an example on a server and without one, and answers what is the same.
fn compared(example: &str) -> Told {
    let given = given(example);
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let folder = examples().join(example);
    let (path, pipeline) = (folder.display().to_string(), pipeline(&folder));
    let mut server = ServerBox::start();
    let _ = server.gofer(["up", &path, "--yes"]).ok();
    let start = ["start", pipeline.id.as_str(), "--follow", "--json"];
    let followed = server.gofer_background(start.iter().chain(&given).copied()).wait(QUICK);
    let served = Told::new(&pipeline, &followed, &server);

    let world = World::new();
    let local = ["local", &path, "--scheduler", "process", "--keep", "--json"];
    let followed = background(&world, &[&local[..], &given].concat()).wait(QUICK);
    // the records of the local run take the place of those of the server
    let _ = server.stop();
    std::fs::remove_dir_all(server.data_dir()).unwrap();
    std::fs::rename(kept(&followed), server.data_dir()).unwrap();
    server.start_again();
    let local = Told::new(&pipeline, &followed, &server);
    same(example, &local, &served);
    served
}

/// Both are the same; the first difference is shown alone.
fn same(example: &str, local: &Told, served: &Told) {
    assert_eq!((local.code, &local.end), (served.code, &served.end), "{example}");
    assert_eq!(local.objects, served.objects, "{example}");
    for key in local.lines.keys().chain(served.lines.keys()) {
        assert_eq!(local.lines.get(key), served.lines.get(key), "{example}: output of {key:?}");
    }
    for name in local.events.keys().chain(served.events.keys()) {
        assert_eq!(local.events.get(name), served.events.get(name), "{example}: events of {name:?}");
    }
}

/// Where a local run kept its records, as it said.
fn kept(output: &Output) -> PathBuf {
    let told = output.stderr.lines().find_map(|line| line.strip_prefix("records and logs are kept in "));
    PathBuf::from(told.unwrap_or_else(|| panic!("{}", output.stderr)))
}

#[test]
fn every_example_does_the_same_with_a_server_and_without() {
    let found: BTreeSet<String> = std::fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for (name, why) in APART {
        assert!(found.contains(name), "{name} is no example any more: {why}");
    }
    let apart = |name: &&String| APART.iter().any(|(apart, _)| apart == name);
    for example in found.iter().filter(|name| !apart(name)) {
        let told = compared(example);
        assert_eq!(told.code, Some(0), "{example}: {told:#?}");
        assert!(told.events.len() > 1, "{example} has tasks: {told:#?}");
    }
}

#[test]
fn approval_waits_on_a_server_until_somebody_answers() {
    let server = ServerBox::start();
    let path = examples().join("approval").display().to_string();
    let _ = server.gofer(["up", &path, "--yes"]).ok();
    let followed = server.gofer_background(["start", "approval", "--follow"]);
    wait_for_blocking("the question", || match followed.stdout() {
        told if told.contains("waits for an answer: Release it?") => Ok(()),
        told => Err(told),
    });
    let _ = server.gofer(["run", "approve", "approval/latest/ask", "--field", "channel=beta"]).ok();
    let told = followed.wait(QUICK).ok().stdout;
    assert!(told.contains("released to beta"), "{told}");
}

/// Everything below a directory.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        found.extend(if path.is_dir() { below(&path) } else { Vec::new() });
        found.push(path);
    }
    found
}

/// A project whose tasks leave artefacts, with a directory for what is temporary. The second ends like this.
fn project(then: &str) -> World {
    let world = World::new();
    let text = r#"
id = "p"
task "list" {
  outputs = { all = ["file"], list = "list" }
  script  = "echo x > file; echo '[1]' > list"
}
task "use" {
  depends_on = { list = "successful" }
  inputs     = ["all"]
  matrix     = { n = "run{{ list }}" }
  outputs    = { more = ["more"] }
  script     = "cp file more; THEN"
}
"#;
    world.write("project/pipeline.hcl", text.replace("THEN", then));
    std::fs::create_dir(world.join("tmp")).unwrap();
    world
}

fn in_project(world: &World, args: &[&str]) -> Running {
    let mut command = Binary::find().command(world);
    command.current_dir(world.join("project")).args(["local", "--scheduler", "process"]).args(args);
    command.env("TMPDIR", world.join("tmp"));
    Running::start(command, world)
}

#[test]
fn a_local_run_leaves_no_file_behind_however_it_ends() {
    for (then, code) in [("true", 0), ("exit 3", 10), ("echo up; exec sleep 600", 11)] {
        let world = project(then);
        let mut running = in_project(&world, &[]);
        if code == 11 {
            wait_for_blocking("the task", || match running.stdout() {
                told if told.contains("| up") => Ok(()),
                told => Err(told),
            });
            let objects =
                below(&world.join("tmp")).into_iter().filter(|path| path.ends_with("objects")).count();
            assert!(objects > 0, "its objects are where its records are");
            running.interrupt();
        }
        let output = running.wait(QUICK).expect_code(code);
        assert_eq!(below(&world.join("project")), [world.join("project/pipeline.hcl")], "{then}");
        assert!(below(&world.join("tmp")).is_empty(), "{then}: {:?}", below(&world.join("tmp")));
        assert!(!world.join("home").try_exists().unwrap(), "{then}: {}", output.stderr);
    }
}
