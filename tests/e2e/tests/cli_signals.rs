//! Signals: whatever asks a command to stop is obeyed at any moment, and what it owned ends with it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, and says why")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use gofer_testkit::{Binary, Output, Running, ServerBox, World, wait_for_blocking};

const LIMIT: Duration = Duration::from_secs(30);

/// `gofer local` on a task with this script; also the data that it makes lie in the world.
fn local(script: &str) -> (World, Running) {
    let world = World::new();
    world.write("pipeline.hcl", format!("id = \"a\"\ntask \"t\" {{\n  script = {script:?}\n}}\n"));
    let mut command = Binary::find().command(&world);
    command.arg("local").env("TMPDIR", world.path());
    let running = Running::start(command, &world);
    (world, running)
}

fn shown(running: &Running, text: &str) {
    wait_for_blocking(&format!("{text:?}"), || {
        let told = running.stdout() + &running.stderr();
        if told.contains(text) { Ok(()) } else { Err(told) }
    });
}

/// Waits for the end, and until nothing of it runs any more.
fn end(world: &World, running: Running) -> Output {
    let output = running.wait(LIMIT);
    wait_for_blocking("the end of every process of the run", || match world.processes() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?} run after\n{}\n{}", output.stdout, output.stderr)),
    });
    output
}

#[test]
fn each_signal_that_ends_a_local_run_ends_its_tasks() {
    for signal in [Running::interrupt, Running::terminate, Running::hang_up] {
        let (world, mut running) = local("echo up; exec sleep 600");
        shown(&running, "| up");
        assert!(!world.processes().is_empty(), "the task is found by its world");
        signal(&mut running);
        let output = end(&world, running).expect_code(11);
        assert!(output.stdout.contains("cancelled"), "{}", output.stdout);
    }
}

#[test]
fn a_signal_before_the_run_is_followed_leaves_no_task_behind() {
    for signal in [Running::interrupt, Running::terminate, Running::hang_up] {
        let (world, mut running) = local("exec sleep 600");
        shown(&running, "without a sandbox");
        signal(&mut running);
        let output = end(&world, running);
        assert!(matches!(output.code(), Some(11 | 130)), "{output:?}");
    }
}

#[test]
fn a_second_signal_kills_tasks_that_do_not_end_by_themselves() {
    let (world, mut running) = local("trap '' TERM; echo up; while :; do sleep 600; done");
    shown(&running, "| up");
    running.interrupt();
    shown(&running, "cancelling");
    running.hang_up();
    shown(&running, "killing the tasks");
    let _ = end(&world, running).expect_code(11);
}

#[test]
fn a_local_run_that_is_to_outlive_its_terminal_does() {
    let world = World::new();
    let go = world.join("go").display().to_string();
    let script = format!("echo up; until [ -e {go} ]; do sleep 0.01; done");
    world.write("pipeline.hcl", format!("id = \"a\"\ntask \"t\" {{\n  script = {script:?}\n}}\n"));
    let mut command = Binary::at("/bin/sh").command(&world);
    command.args(["-c", "trap '' HUP; exec \"$0\" local"]).arg(Binary::find().path());
    let mut running = Running::start(command, &world);
    shown(&running, "| up");
    running.hang_up();
    world.write("go", "");
    let _ = end(&world, running).ok();
}

/// A way to the server that ends in silence: from this call of the client on, nothing comes back.
fn silent_from(call: u32, server: SocketAddr) -> (SocketAddr, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (reached, silent) = channel();
    let _ = thread::Builder::new().spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let there = TcpStream::connect(server).unwrap();
        let (mut answers, mut to) = (there.try_clone().unwrap(), client.try_clone().unwrap());
        let _ = thread::Builder::new().spawn(move || std::io::copy(&mut answers, &mut to));
        calls(client, there, call, &reached);
    });
    (address, silent)
}

/// Hands on the frames of a client, up to the one that opens this call.
fn calls(mut client: TcpStream, mut server: TcpStream, mut call: u32, reached: &Sender<()>) {
    const PREFACE: usize = 24;
    const OPENS: u8 = 1;
    let mut preface = [0; PREFACE];
    client.read_exact(&mut preface).unwrap();
    server.write_all(&preface).unwrap();
    let mut head = [0; 9];
    while client.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut body = vec![0; usize::try_from(length).unwrap()];
        client.read_exact(&mut body).unwrap();
        call -= u32::from(head[3] == OPENS && call > 0);
        if call > 0 {
            server.write_all(&[&head[..], &body].concat()).unwrap();
        } else {
            let _ = reached.send(());
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

#[test]
fn ctrl_c_is_obeyed_while_the_server_does_not_answer() {
    let server = ServerBox::start();
    server.world().write("p/pipeline.hcl", "id = \"a\"\ntask \"t\" {\n  script = \"sleep 600\"\n}\n");
    let path = server.world().join("p").display().to_string();
    let _ = server.gofer(["up", &path, "--yes", "--start"]).ok();
    // The calls of each: who the server is, and then: the run; the run and its output; the run, its tasks, the run.
    for (line, call) in [("watch a/1", 2), ("start a --follow", 4), ("logs a/1 -f", 4), ("logs a/1 -f", 5)] {
        let (address, silent) = silent_from(call, server.addr());
        let mut command = Binary::find().command(server.world());
        command.args(line.split(' ')).args(["--addr", &address.to_string()]);
        let mut running = Running::start(command, server.world());
        silent.recv_timeout(LIMIT).unwrap();
        running.interrupt();
        let output = running.wait(LIMIT).expect_code(130);
        assert!(output.stderr.contains("goes on"), "{line}: {}", output.stderr);
    }
    for run in ["a/1", "a/2"] {
        let _ = server.gofer(["cancel", run, "--force"]).ok();
    }
}
