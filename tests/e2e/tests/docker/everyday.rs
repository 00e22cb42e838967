//! What people do with containers every day.

use std::time::Duration;

use gofer_testkit::docker::{Docker, Registry, TEST_IMAGE, Valve};
use gofer_testkit::{Binary, Output, Running, ServerBox, World, wait_for_blocking};
use libtest_mimic::Failed;

use super::config;

const LIMIT: Duration = Duration::from_secs(120);

fn local(world: &World, pipeline: &str, engine: &str, args: &[&str]) -> Output {
    world.write("pipeline.hcl", pipeline);
    let mut command = Binary::find().command(world);
    command.env("DOCKER_HOST", engine).args(["local", "pipeline.hcl"]).args(args);
    Running::start(command, world).wait(LIMIT)
}

fn told(output: &Output) -> String {
    output.stdout.clone() + &output.stderr
}

fn ensure(holds: bool, told: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(told.into()) }
}

fn pipeline(script: &str) -> String {
    format!("id = \"contained\"\ntask \"inside\" \"{TEST_IMAGE}\" {{\n  script = {script:?}\n}}\n")
}

/// Registers a pipeline.
fn up(server: &ServerBox, pipeline: &str) {
    let file = server.world().write("pipeline.hcl", pipeline);
    let done = server.gofer(["up", "--yes", file.to_str().unwrap_or_default()]);
    assert_eq!(done.code(), Some(0), "{}", told(&done));
}

pub(crate) fn local_takes_the_engine(engine: &Docker) -> Result<(), Failed> {
    let world = World::new();
    let script = "echo in $(hostname) as $(id -u); exit 3";
    let told = told(&local(&world, &pipeline(script), &engine.url(), &[]).expect_code(10));
    ensure(told.contains("scheduler docker") && told.contains(&engine.url()), &told)?;
    ensure(told.contains("as 0") && told.contains("exit 3"), &told)
}

pub(crate) fn local_takes_processes(engine: &Docker) -> Result<(), Failed> {
    let world = World::new();
    let by_choice =
        told(&local(&world, &pipeline("echo out"), &engine.url(), &["--scheduler", "process"]).ok());
    ensure(by_choice.contains("scheduler process") && by_choice.contains("out"), &by_choice)?;
    // A task that names no image cannot be a container.
    let bare = "id = \"bare\"\ntask \"t\" {\n  script = \"echo out\"\n}\n";
    let by_need = told(&local(&world, bare, &engine.url(), &[]).ok());
    ensure(by_need.contains("scheduler process"), &by_need)
}

pub(crate) fn local_without_its_image(engine: &Docker) -> Result<(), Failed> {
    let world = World::new();
    // Nobody listens there.
    let pipeline = "id = \"absent\"\ntask \"t\" \"127.0.0.1:9/absent:1\" {\n  script = \"echo out\"\n}\n";
    let told = told(&local(&world, pipeline, &engine.url(), &[]).expect_code(13));
    ensure(told.contains("the registry cannot be reached") && told.contains("--scheduler process"), &told)
}

pub(crate) fn no_engine(_: &Docker) -> Result<(), Failed> {
    let world = World::new();
    let nobody = format!("unix://{}", world.join("none.sock").display());
    let output = local(&world, &pipeline("echo never"), &nobody, &["--scheduler", "docker"]);
    let told = told(&output);
    ensure(output.code() != Some(0), &told)?;
    ensure(
        told.contains("error[E05") && told.contains(&nobody) && told.contains("--scheduler process"),
        &told,
    )
}

pub(crate) fn reaches_the_server(engine: &Docker) -> Result<(), Failed> {
    let server = ServerBox::builder().config(&config(engine, "network = \"host\"")).start();
    let script = "echo $GOFER_ADDR | { IFS=: read host port; nc -w 5 $host $port </dev/null; }; echo reached $GOFER_ADDR";
    up(&server, &pipeline(script));
    let told = told(&server.gofer(["start", "contained", "--follow"]).ok());
    ensure(told.contains(&format!("reached {}", server.addr())), &told)
}

pub(crate) fn engine_comes_later(engine: &Docker) -> Result<(), Failed> {
    // A name for the engine's socket that is not there yet.
    let world = World::new();
    let later = world.join("later.sock");
    let at = Docker::at(&later);
    let server = ServerBox::builder().config(&config(&at, "")).start();
    up(&server, &pipeline("echo at last"));
    let started = server.gofer(["start", "contained", "--detach"]);
    ensure(started.code() == Some(0), &told(&started))?;
    wait_for_blocking("the run that waits", || {
        let told = told(&server.gofer(["run", "get", "contained/1"]));
        if told.contains("pending") || told.contains("running") { Ok(()) } else { Err(told) }
    });
    std::os::unix::fs::symlink(engine.socket(), &later).expect("the name of the socket can be made");
    let told = told(&server.gofer(["wait", "contained/1"]).ok());
    ensure(told.contains("succeeded"), &told)
}

pub(crate) fn hands_files_over(engine: &Docker) -> Result<(), Failed> {
    let server = ServerBox::builder().config(&config(engine, "")).start();
    let pipeline = format!(
        r#"id = "handed"
        task "make" "{TEST_IMAGE}" {{
          workdir = "/work"
          script  = "mkdir out; echo hello > out/greeting; chmod +x out/greeting; printf 'one\ntwo\n' > list"
          outputs = {{ dist = ["out"], names = "list" }}
        }}
        task "each" "{TEST_IMAGE}" {{
          depends_on = {{ make = "successful" }}
          matrix     = {{ name = "run{{{{ names }}}}" }}
          inputs     = ["dist", "names"]
          env_vars   = {{ NAME = matrix.name }}
          script     = "test -x out/greeting; cat out/greeting; wc -l < list; echo for $NAME"
          workdir    = "/elsewhere"
        }}
        task "promise" "{TEST_IMAGE}" {{
          script  = "true"
          outputs = {{ dist = ["nothing"] }}
        }}"#
    );
    up(&server, &pipeline);
    let told = told(&server.gofer(["start", "handed", "--follow"]));
    for line in ["for one", "for two"] {
        ensure(told.contains(line), &told)?;
    }
    ensure(told.matches("hello").count() >= 2, &told)?;
    let explained = server.gofer(["run", "explain", "handed/1/promise"]);
    ensure(explained.stdout.contains("`dist`") && explained.stdout.contains("nothing"), &explained.stdout)?;
    let object = server.gofer(["object", "get", "names", "-", "--scope", "run=handed/1"]);
    ensure(object.stdout == "one\ntwo\n", &object.stdout)
}

/// The image of the file is not there, so that only the other one can have run; a retry keeps it.
pub(crate) fn another_image(engine: &Docker) -> Result<(), Failed> {
    let server = ServerBox::builder().config(&config(engine, "")).start();
    let absent = "gofer-test/nowhere:1";
    up(&server, &format!("id = \"other\"\ntask \"t\" \"{absent}\" {{\n  script = \"true\"\n}}\n"));
    let image = format!("t={TEST_IMAGE}");
    let _ = server.gofer(["start", "other", "--image", &image, "--wait", "60s"]).ok();
    let _ = server.gofer(["retry", "other/1", "--wait", "60s"]).ok();
    let task = told(&server.gofer(["task", "get", "other/2/t"]).ok());
    ensure(task.contains(&format!("{TEST_IMAGE} (configured: {absent})")), &task)
}

pub(crate) fn backend_check(engine: &Docker) -> Result<(), Failed> {
    let world = World::new();
    let data = world.join("data");
    let file = format!("[server]\ndata_dir = {:?}\n{}", data.display().to_string(), config(engine, ""));
    let path = world.write("gofer.toml", file);
    let mut command = Binary::find().command(&world);
    let image = ["--image", TEST_IMAGE];
    command.args(["backend", "check", "docker", "--filter", "exact", "--config"]).arg(path).args(image);
    let told = told(&Running::start(command, &world).wait(LIMIT).ok());
    ensure(told.contains("exit_codes_are_exact") && told.contains("keeps"), &told)
}

/// The way to the registry lets no layer through until the client has told that the fetch began, and then little by little.
pub(crate) fn follow_shows_a_fetch(engine: &Docker) -> Result<(), Failed> {
    const SIZE: usize = 8 << 20;
    let registry = Registry::start();
    let (_, digest) = registry.publish_bytes(engine, "big:1", SIZE);
    let valve = Valve::before(&registry, 256 << 10);
    let name = valve.name("big:1");
    let server = ServerBox::builder().config(&config(engine, "")).start();
    up(
        &server,
        &format!("id = \"fetched\"\ntask \"t\" \"{name}\" {{\n  command = [\"/no-such-program\"]\n}}\n"),
    );
    let follower = server.gofer_background(["start", "fetched", "--follow"]);
    let says = |words: &str| {
        let told = follower.stdout();
        if told.contains(words) { Ok(()) } else { Err(told) }
    };
    wait_for_blocking("the beginning of the fetch", || says(&format!("fetching {name}")));
    wait_for_blocking("how far the fetch is", || {
        valve.open(64 << 10);
        says(" % of ")
    });
    valve.open(2 * SIZE);
    let told = told(&follower.wait(LIMIT));
    ensure(told.contains(&format!("fetched {name}")) && told.contains("/no-such-program"), &told)?;
    let task = self::told(&server.gofer(["task", "get", "fetched/1/t"]));
    ensure(task.contains(&digest), &task)
}
