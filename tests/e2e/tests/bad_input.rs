//! Bad input: each kind answers with a clear error and the fix, and loses nothing.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, and says why"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use gofer_testkit::{Binary, Output, Running, ServerBox, World, free_port, wait_for_blocking};

const LIMIT: Duration = Duration::from_secs(30);

/// Runs `gofer local` on a pipeline file of this content.
fn local(content: &str) -> Output {
    let world = World::new();
    world.write("pipeline.hcl", content);
    Binary::find().run(&world, ["local", "pipeline.hcl"])
}

/// Checks the code, the exit code, and that these fragments are said.
#[track_caller]
fn refused(output: Output, exit: i32, code: &str, fragments: &[&str]) {
    let output = output.expect_code(exit);
    for fragment in fragments.iter().chain([&code]) {
        assert!(output.stderr.contains(fragment), "{fragment:?} is not in:\n{}", output.stderr);
    }
    assert_eq!(output.stdout, "", "nothing ran");
}

#[test]
fn an_unknown_attribute_is_named_with_its_line_and_what_was_meant() {
    let output = local("id = \"a\"\ntask \"t\" {\n  comand = [\"true\"]\n}\n");
    refused(output, 6, "error[E04", &["comand", "pipeline.hcl:3:3", "did you mean `command`"]);
}

#[test]
fn a_cycle_is_told_with_all_its_members() {
    let task = |id: &str, parent: &str| {
        format!(
            "task \"{id}\" {{\n  command = [\"true\"]\n  depends_on = {{ {parent} = \"successful\" }}\n}}\n"
        )
    };
    let output = local(&format!("id = \"a\"\n{}{}{}", task("x", "z"), task("y", "x"), task("z", "y")));
    refused(output, 6, "error[E04", &["cycle", "`x`", "`y`", "`z`"]);
}

#[test]
fn a_task_without_a_command_is_refused_with_the_reason() {
    let world = World::new();
    world.write("pipeline.hcl", "id = \"a\"\ntask \"t\" \"alpine:3\" {\n}\n");
    let output = Binary::find().run(&world, ["local", "pipeline.hcl", "--scheduler", "process"]);
    assert_ne!(output.code(), Some(0));
    let told = output.stdout.clone() + &output.stderr;
    assert!(told.contains("t  errored"), "{told}");
    let reason = "scheduler `process` runs no images, and the task has neither `command` nor `script`";
    assert!(told.contains(reason), "{told}");
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    let output = local("id = \"a\"\ncolour = 1\ntask \"t\" {\n  comand = 1\n  timeout = \"soon\"\n}\n");
    refused(output, 6, "error[E04", &["colour", "comand", "soon"]);
}

#[test]
fn a_part_that_cannot_run_yet_is_refused_by_name() {
    let output = local(
        "id = \"a\"\ntask \"t\" {\n  command = [\"true\"]\n  checkout {\n    url = \"https://git.example/a.git\"\n  }\n}\n",
    );
    refused(output, 6, "error[E0431]", &["checkout", "pipeline.hcl:4"]);
}

#[test]
fn a_busy_port_names_its_holder_and_a_free_one() {
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let data = world.join("data").display().to_string();
    let output = Binary::find().run(&world, ["server", "start", "--listen", &address, "--data", &data]);
    let holder = format!("process {}", std::process::id());
    refused(output, 7, "error[E0820]", &[&address, &holder, "--listen 127.0.0.1:"]);
    assert!(!world.join("data").try_exists().unwrap(), "nothing was made");
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_the_first_goes_on() {
    let server = ServerBox::start();
    let data = server.data_dir().display().to_string();
    let listen = format!("127.0.0.1:{}", free_port());
    let output = server.gofer(["server", "start", "--listen", &listen, "--data", &data]);
    let holder = server.pid().to_string();
    refused(output, 5, "error[E0823]", &[&data, &holder, "--data"]);
    let _ = server.gofer(["status"]).ok();
}

#[test]
fn a_data_directory_of_a_newer_format_is_refused_and_not_touched() {
    let mut server = ServerBox::start();
    server.stop();
    let mark = find(&server.data_dir(), "FORMAT");
    let newer = fs::read_to_string(&mark).unwrap().replace(" 1", " 99");
    fs::write(&mark, &newer).unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let data = server.data_dir().display().to_string();
    let output = server.gofer(["server", "start", "--listen", &listen, "--data", &data]);
    refused(output, 5, "error[E0824]", &["99", "newer"]);
    assert_eq!(fs::read_to_string(&mark).unwrap(), newer);
}

fn find(dir: &std::path::Path, name: &str) -> std::path::PathBuf {
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if entry.file_name() == name {
                return entry.path();
            }
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
        }
    }
    panic!("there is no {name}");
}

#[test]
fn an_unreadable_configuration_is_told_with_its_path() {
    let world = World::new();
    for (name, content) in [("missing.toml", None), ("broken.toml", Some("[server\n")), ("folder.toml", None)]
    {
        if let Some(content) = content {
            world.write(name, content);
        }
        if name == "folder.toml" {
            fs::create_dir(world.join(name)).unwrap();
        }
        let output = Binary::find().run(&world, ["server", "start", "--config", name]);
        refused(output, 6, "error[E080", &[name]);
    }
}

#[test]
fn an_unknown_key_of_the_configuration_is_told_with_its_line_and_what_was_meant() {
    let world = World::new();
    world.write("gofer.toml", "[server]\nlistn = \"127.0.0.1:0\"\n");
    let output = Binary::find().run(&world, ["server", "config", "check", "--config", "gofer.toml"]);
    refused(output, 6, "error[E0803]", &["gofer.toml:2:1", "did you mean `listen`"]);
}

#[test]
fn all_complaints_of_backends_are_told_before_anything_is_opened() {
    let world = World::new();
    world.write("gofer.toml", "[storage.redb]\nfoo = 1\n[scheduler.far]\nkind = \"nomad\"\n");
    let data = world.join("data").display().to_string();
    let listen = format!("127.0.0.1:{}", free_port());
    for command in [&["config", "check"][..], &["start", "--data", &data, "--listen", &listen]] {
        let args = ["server"].iter().chain(command).chain(&["--config", "gofer.toml"]);
        let output = Binary::find().run(&world, args);
        let unknown = ["`foo` in `[storage.redb]`", "gofer.toml:2:1"];
        let not_there = ["a kind `nomad`", "not there yet", "gofer.toml:4:1", "2 problems"];
        refused(output, 6, "error[E0810]", &[&unknown[..], &not_there[..]].concat());
    }
    assert!(!world.join("data").try_exists().unwrap(), "nothing was made");
    let doctor = Binary::find().run(&world, ["doctor", "--config", "gofer.toml"]).expect_code(6);
    assert!(doctor.stdout.contains("configuration has 2 problems"), "{}", doctor.stdout);
}

#[test]
fn a_server_that_is_not_there_is_named_with_how_to_start_one() {
    let world = World::new();
    let addr = format!("127.0.0.1:{}", free_port());
    for command in [&["status"][..], &["start", "hello"], &["run", "list"], &["logs", "hello/1"]] {
        let args = command.iter().copied().chain(["--addr", &addr]);
        let output = Binary::find().run(&world, args);
        refused(output, 7, "error[E0101]", &[&addr, "gofer server start"]);
    }
}

#[test]
fn a_program_that_is_not_gofer_is_recognised() {
    let world = World::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let answers = std::thread::Builder::new().spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in listener.incoming().map(Result::unwrap) {
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        }
    });
    let output = Binary::find().run(&world, ["status", "--addr", &addr]);
    drop(answers);
    refused(output, 7, "error[E0105]", &[&addr]);
}

/// A small file system of its own, mounted for one test; gone when dropped.
struct SmallDisk {
    world: World,
}

impl SmallDisk {
    /// `None` where mounting is not allowed.
    fn mount(size: &str) -> Option<Self> {
        let world = World::new();
        let path = world.join("disk");
        fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&path)
            .output();
        let mounted = mounted.is_ok_and(|output| output.status.success());
        assert!(
            mounted || std::env::var_os("CI").is_none(),
            "CI has to prove this, and may not mount a tmpfs"
        );
        if !mounted {
            eprintln!("skipped: this user may not mount a tmpfs");
        }
        mounted.then_some(Self { world })
    }

    fn path(&self) -> std::path::PathBuf {
        self.world.join("disk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

#[test]
fn a_full_disk_refuses_new_runs_by_name_and_loses_nothing_of_the_old() {
    let Some(disk) = SmallDisk::mount("64m") else { return };
    let data = disk.path().join("data");
    let addr = format!("127.0.0.1:{}", free_port());
    let world = World::new();
    let binary = Binary::find();
    let mut command = binary.command(&world);
    command.args(["server", "start", "--listen", &addr, "--data"]).arg(&data);
    let server = Running::start(command, &world);
    wait_for_blocking("the ready line", || match server.stderr() {
        log if log.contains("(grpc)") => Ok(()),
        log => Err(log),
    });
    let gofer = |args: &[&str]| {
        let mut command = binary.command(&world);
        command.env("GOFER_ADDR", &addr).args(args);
        Running::start(command, &world).wait(LIMIT)
    };
    world.write("pipeline.hcl", "id = \"full\"\ntask \"t\" {\n  command = [\"echo\", \"hello\"]\n}\n");
    let _ = gofer(&["up", "pipeline.hcl", "--yes"]).ok();
    let _ = gofer(&["start", "full", "--follow"]).ok();

    let filler = disk.path().join("filler");
    fill(&filler);
    let refused = start_until_refused(&gofer);
    assert!(refused.stderr.contains("error[E0904]"), "{}", refused.stderr);
    assert!(refused.stderr.contains("full") && refused.stderr.contains("room"), "{}", refused.stderr);
    assert!(gofer(&["run", "get", "full/1"]).ok().stdout.contains("succeeded"), "the old run is there");

    fs::remove_file(&filler).unwrap();
    assert!(gofer(&["logs", "full/1"]).ok().stdout.contains("hello"), "its output is there");
    let _ = gofer(&["start", "full", "--follow"]).ok();
    drop(server);
}

/// Writes until there is no room left.
fn fill(path: &std::path::Path) {
    use std::io::Write as _;
    let mut file = fs::File::create(path).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// A storage may still have room in its own file: it is used up first.
fn start_until_refused(gofer: &dyn Fn(&[&str]) -> Output) -> Output {
    const TRIES: u32 = 2_000;
    for _ in 0..TRIES {
        let output = gofer(&["start", "full", "--detach"]);
        if output.code() != Some(0) {
            return output;
        }
    }
    panic!("{TRIES} runs were accepted on a full disk");
}
