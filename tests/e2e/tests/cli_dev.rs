//! `gofer dev` and `gofer init`: from nothing to a run, and again when a file is saved.

use std::time::Duration;

use gofer_testkit::{Binary, Running, World, wait_for_blocking};

const LIMIT: Duration = Duration::from_secs(30);

struct Dev {
    running: Running,
    world: World,
    addr: String,
}

fn dev(world: World, args: &[&str]) -> Dev {
    let mut command = Binary::find().command(&world);
    command.args(["dev", ".", "--port", "0"]).args(args);
    let running = Running::start(command, &world);
    let addr = wait_for_blocking("the banner", || {
        let log = running.stderr();
        let line = log.lines().find(|line| line.trim_start().starts_with("api ") && line.ends_with("(grpc)"));
        line.and_then(|line| line.split_whitespace().nth(1).map(str::to_owned)).ok_or(log.clone())
    });
    Dev { running, world, addr }
}

impl Dev {
    #[track_caller]
    fn says(&self, text: &str) {
        wait_for_blocking("a line of the server", || match self.running.stderr() {
            log if log.contains(text) => Ok(()),
            log => Err(format!("{text:?} is not in:\n{log}")),
        });
    }

    fn gofer(&self, line: &str) -> gofer_testkit::Output {
        let mut command = Binary::find().command(&self.world);
        command.env("GOFER_ADDR", &self.addr).args(line.split_whitespace());
        Running::start(command, &self.world).wait(LIMIT)
    }
}

fn hello() -> World {
    let world = World::new();
    let _ = Binary::find().run(&world, ["init"]).ok();
    world
}

#[test]
fn from_an_empty_directory_to_a_green_run() {
    let dev = dev(hello(), &[]);
    dev.says("hello v1 registered");
    assert!(dev.gofer("start hello --follow").ok().stdout.contains("Hello from gofer"));
}

#[test]
fn a_saved_file_is_registered_and_a_broken_one_does_not_end_the_server() {
    let dev = dev(hello(), &[]);
    dev.says("hello v1 registered");
    let text = dev.world.read("pipeline.hcl");
    dev.world.write("pipeline.hcl", format!("{text}task \"broken\" {{\n"));
    dev.says("error[E0401]");
    dev.world.write("pipeline.hcl", text.replace("Hello from", "Good day from"));
    dev.says("hello v2 registered");
    assert!(dev.gofer("start hello --follow").ok().stdout.contains("Good day from gofer"));
}

#[test]
fn ctrl_c_ends_it_and_the_data_are_there_the_next_time() {
    let mut first = dev(hello(), &[]);
    first.says("hello v1 registered");
    let _ = first.gofer("start hello --follow").ok();
    first.running.interrupt();
    let Dev { running, world, .. } = first;
    let output = running.wait(LIMIT).ok();
    assert!(output.stderr.contains("data kept in"), "{}", output.stderr);
    let second = dev(world, &[]);
    second.says("hello v1 is unchanged");
    assert_eq!(second.gofer("run list -o name").ok().stdout, "hello/1\n");
}

#[test]
fn an_ephemeral_server_keeps_nothing() {
    let mut dev = dev(hello(), &["--ephemeral"]);
    dev.says("hello v1 registered");
    dev.running.interrupt();
    let output = dev.running.wait(LIMIT).ok();
    assert!(output.stderr.contains("nothing was kept"), "{}", output.stderr);
    assert!(!dev.world.join(".gofer").try_exists().unwrap());
}

#[test]
fn a_busy_port_is_offered_another() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let output = Binary::find().run(&hello(), ["dev", "--port", &port]).expect_code(7);
    assert!(output.stderr.contains("error[E0820]") && output.stderr.contains("--port "), "{}", output.stderr);
}

#[test]
fn init_never_overwrites_unless_told_to() {
    let world = hello();
    world.write("pipeline.hcl", "mine");
    let _ = Binary::find().run(&world, ["init"]).expect_code(5);
    assert_eq!(world.read("pipeline.hcl"), "mine");
    let _ = Binary::find().run(&world, ["init", "--force", "--template", "dag"]).ok();
    assert!(world.read("pipeline.hcl").contains("celebrate"));
}
