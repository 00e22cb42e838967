//! What only a scheduler of processes owes: what a killed server and a killed shim leave behind, what a task inherits,
//! what the disk means.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails panics")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, join_all};
use gofer_backend::{ErrorKind, Owner};
use gofer_scheduler::conformance::Step;
use gofer_scheduler::conformance::shell::Places;
use gofer_scheduler::{
    LogCursor, LogItem, Scheduler, StartOutcome, StreamKind, TaskExit, TaskSpec, TaskStatus,
};
use gofer_scheduler_process::{ProcessConfig, ProcessScheduler};
use gofer_testkit::wait_for;
use gofer_types::{AttemptId, Cause};
use libtest_mimic::{Arguments, Completion, Trial};
use support::Rooms;

/// How many tasks a server of these tests starts, at the most, before it is killed.
const TASKS: u128 = 40;

macro_rules! tests {
    ($($test:ident,)*) => {
        vec![$(Trial::test(stringify!($test), || { runtime().block_on(Box::pin($test(World::new())) as BoxFuture<'_, ()>); Ok(()) }),)*]
    };
}

fn main() -> ExitCode {
    if let Some(code) = gofer_scheduler_process::shim::main_if_shim() {
        return code;
    }
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("be-a-server") => return be_a_server(&args[2], &args[3]),
        Some("fill-the-disk") => return fill_the_disk(&args[2]),
        _ => {}
    }
    let mut trials = tests![
        tasks_of_a_killed_server_are_adopted_with_their_process_ids,
        a_server_killed_at_any_moment_starts_nothing_twice,
        two_servers_that_start_the_same_task_start_it_once,
        a_killed_shim_is_noticed_and_its_processes_are_ended,
        a_shim_that_was_killed_while_no_server_lived_is_noticed,
        a_shim_that_cannot_claim_leaves_a_running_task_alone,
        a_shim_is_in_a_session_of_its_own_before_it_is_told_what_to_run,
        fifty_megabytes_arrive_unchanged,
        a_log_beyond_the_limit_ends_with_a_gap_of_the_right_size,
        a_tree_of_processes_is_ended_whole,
        a_task_gets_exactly_its_environment,
        a_task_inherits_nothing_of_the_server,
        two_hundred_tasks_run_at_once,
        an_environment_that_the_kernel_refuses_is_refused_without_a_trace,
        work_directories_are_where_they_should_be,
        a_program_is_found_in_the_path_of_the_task,
        what_is_no_program_is_refused_without_a_trace,
        the_end_of_another_boot_is_lost,
        a_folder_without_a_record_hinders_no_start,
        a_task_that_was_asked_for_and_not_started_can_be_started_or_stopped,
        notes_say_what_is_not_kept,
        a_removed_folder_is_gone_also_if_the_task_made_it_read_only,
        a_follower_is_told_when_the_scheduler_is_closed,
    ];
    trials.push(Trial::ignorable_test("a_full_disk_loses_no_end_and_counts_the_lost_output", || {
        Ok(if a_full_disk() {
            Completion::Completed
        } else {
            Completion::ignored_with("no user namespaces here")
        })
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

struct World {
    rooms: Rooms,
}

impl World {
    fn new() -> Self {
        Self { rooms: Rooms::new() }
    }

    async fn open(&self) -> ProcessScheduler {
        self.rooms.open("ours").await
    }

    fn root(&self) -> PathBuf {
        self.rooms.config().root
    }
}

fn sh(script: &str) -> TaskSpec {
    spec(&["sh", "-c", script])
}

fn spec(words: &[&str]) -> TaskSpec {
    let command = words.iter().map(|word| (*word).to_owned()).collect();
    TaskSpec { command, digest: "one".to_owned(), ..TaskSpec::default() }
}

fn id(number: u128) -> AttemptId {
    AttemptId::from_u128(number)
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap()
}

async fn wait(scheduler: &ProcessScheduler, id: &AttemptId) -> Cause {
    in_time(scheduler.wait(id)).await.unwrap().cause
}

async fn items(scheduler: &ProcessScheduler, id: &AttemptId) -> Vec<LogItem> {
    let stream = scheduler.logs(id, LogCursor::start()).await.unwrap();
    in_time(stream.map(|chunk| chunk.unwrap().item).collect()).await
}

/// Standard output, and how much is missing.
async fn output(scheduler: &ProcessScheduler, id: &AttemptId) -> (Vec<u8>, u64) {
    let (mut out, mut missing) = (Vec::new(), 0);
    for item in items(scheduler, id).await {
        match item {
            LogItem::Data { stream: StreamKind::Out, bytes } => out.extend_from_slice(&bytes),
            LogItem::Data { .. } => {}
            LogItem::Gap { bytes, .. } => missing += bytes.unwrap_or(u64::MAX),
        }
    }
    (out, missing)
}

async fn run(scheduler: &ProcessScheduler, number: u128, spec: &TaskSpec) -> (Cause, String) {
    scheduler.start(&id(number), spec).await.unwrap();
    let cause = wait(scheduler, &id(number)).await;
    let (out, missing) = output(scheduler, &id(number)).await;
    assert_eq!(missing, 0);
    (cause, String::from_utf8(out).unwrap())
}

/// Waits until as many processes carry the mark as are wanted.
async fn until_marked(mark: &str, wanted: impl Fn(usize) -> bool) {
    wait_for("the processes of the task", || {
        let found = pids_with(mark).len();
        std::future::ready(if wanted(found) { Ok(()) } else { Err(format!("{found} processes")) })
    })
    .await;
}

fn pids_with(mark: &str) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|pair| pair == mark.as_bytes())
    })
    .collect()
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// The shim of an attempt, from its own file.
fn shim_of(world: &World, id: &AttemptId) -> i32 {
    let text = std::fs::read_to_string(world.root().join(id.as_str()).join("shim")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    i32::try_from(value["pid"].as_i64().unwrap()).unwrap()
}

/// What a task of a server that will be killed does.
fn marked(places: &Places, number: u128) -> TaskSpec {
    let steps = [Step::Witness(format!("{number}")), Step::Gate("all".to_owned()), Step::Exit(7)];
    TaskSpec { command: places.command(&steps), digest: "one".to_owned(), ..TaskSpec::default() }
}

/// Starts tasks until it is killed, and says of each that it runs.
fn be_a_server(root: &str, shared: &str) -> ExitCode {
    let places = Places::new(shared);
    runtime().block_on(async {
        let config = ProcessConfig { root: root.into(), ..ProcessConfig::default() };
        let scheduler = ProcessScheduler::open("test", Owner("ours".to_owned()), config).await.unwrap();
        for number in 0..TASKS {
            let started = scheduler.start(&id(number), &marked(&places, number)).await.unwrap();
            say(&started.handle);
        }
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "this is how the server of a test speaks")]
fn say(text: &str) {
    println!("{text}");
}

/// Runs a server until it has started so many tasks and a little longer, and kills it. The handles that it told.
fn killed_server(world: &World, tasks: usize, longer: Duration) -> Vec<String> {
    let shared = world.root().with_file_name("shared");
    let mut server = Command::new("/proc/self/exe")
        .arg("be-a-server")
        .args([world.root(), shared])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let handles: Vec<String> = lines.by_ref().take(tasks).map(|line| line.unwrap()).collect();
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    // Nobody sends: this is how to wait for a span.
    let _ = receiver.recv_timeout(longer);
    drop(sender);
    server.kill().unwrap();
    server.wait().unwrap();
    handles
}

async fn tasks_of_a_killed_server_are_adopted_with_their_process_ids(world: World) {
    let handles = killed_server(&world, 5, Duration::ZERO);
    let scheduler = world.open().await;
    for (number, handle) in handles.iter().enumerate() {
        let number = number as u128;
        let status = scheduler.inspect(&id(number)).await.unwrap();
        assert_eq!(status, TaskStatus::Running { handle: handle.clone() });
        let again = scheduler.start(&id(number), &marked(&world.rooms.places, number)).await.unwrap();
        assert_eq!((again.outcome, &again.handle), (StartOutcome::Adopted, handle));
    }
    world.rooms.places.open_gate("all");
    for summary in scheduler.list().await.unwrap() {
        let _ = scheduler.start(&summary.id, &sh("never")).await;
        if !matches!(summary.status, TaskStatus::Starting) {
            assert_eq!(wait(&scheduler, &summary.id).await, Cause::ExitCode(7));
        }
    }
    for number in 0..handles.len() {
        assert_eq!(world.rooms.places.witnesses(&number.to_string()), 1);
    }
}

async fn a_server_killed_at_any_moment_starts_nothing_twice(_: World) {
    let mut cut = 0;
    for round in 0..12_u64 {
        let world = World::new();
        let handles = killed_server(&world, 1, Duration::from_micros(round * 1700));
        cut += usize::from(handles.len() < TASKS as usize);
        let scheduler = world.open().await;
        world.rooms.places.open_gate("all");
        for number in 0..TASKS {
            // Whatever the server had come to: asked again, it ends exactly once.
            scheduler.start(&id(number), &marked(&world.rooms.places, number)).await.unwrap();
            assert_eq!(
                wait(&scheduler, &id(number)).await,
                Cause::ExitCode(7),
                "round {round}, task {number}"
            );
            assert_eq!(world.rooms.places.witnesses(&number.to_string()), 1, "round {round}, task {number}");
        }
        assert_eq!(scheduler.list().await.unwrap().len() as u128, TASKS);
    }
    assert!(cut > 0, "no server was killed before it was done");
}

async fn two_servers_that_start_the_same_task_start_it_once(world: World) {
    let (one, other) = (world.open().await, world.open().await);
    let mut ran = 0;
    for number in 0..60 {
        let (id, task) = (id(number), marked(&world.rooms.places, number));
        world.rooms.places.open_gate("all");
        let (first, second) = tokio::join!(in_time(one.start(&id, &task)), in_time(other.start(&id, &task)));
        let outcomes = [first.unwrap().outcome, second.unwrap().outcome];
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == StartOutcome::Created).count(), 1);
        assert_eq!(wait(&one, &id).await, Cause::ExitCode(7));
        assert_eq!(wait(&other, &id).await, Cause::ExitCode(7));
        ran += world.rooms.places.witnesses(&number.to_string());
    }
    assert_eq!(ran, 60, "each ran once");
}

async fn a_killed_shim_is_noticed_and_its_processes_are_ended(world: World) {
    let scheduler = world.open().await;
    let mut spec = sh("echo up; sleep 1000 & sleep 1000");
    spec.env.insert("MARK".to_owned(), format!("{}", world.root().display()));
    let mark = format!("MARK={}", world.root().display());
    scheduler.start(&id(1), &spec).await.unwrap();
    until_marked(&mark, |found| found >= 2).await;
    kill(shim_of(&world, &id(1)));
    assert!(matches!(wait(&scheduler, &id(1)).await, Cause::Lost(_)));
    until_marked(&mark, |found| found == 0).await;
    let last = items(&scheduler, &id(1)).await.pop().unwrap();
    assert!(matches!(last, LogItem::Gap { bytes: None, .. }), "{last:?}");
    drop(scheduler);
    let cause = wait(&world.open().await, &id(1)).await;
    assert!(matches!(cause, Cause::Lost(_)), "{cause:?}");
}

async fn a_shim_that_was_killed_while_no_server_lived_is_noticed(world: World) {
    let scheduler = world.open().await;
    let mark = format!("MARK={}", world.root().display());
    let mut spec = sh("sleep 1000; true");
    spec.env.insert("MARK".to_owned(), format!("{}", world.root().display()));
    scheduler.start(&id(1), &spec).await.unwrap();
    until_marked(&mark, |found| found >= 2).await;
    drop(scheduler);
    kill(shim_of(&world, &id(1)));
    let scheduler = world.open().await;
    let list = scheduler.list().await.unwrap();
    assert!(
        matches!(&list[0].status, TaskStatus::Ended(TaskExit { cause: Cause::Lost(_), .. })),
        "{:?}",
        list[0].status
    );
    until_marked(&mark, |found| found == 0).await;
    assert_eq!(scheduler.start(&id(1), &spec).await.unwrap().outcome, StartOutcome::Adopted);
}

/// A server whose shims do something first and then have no number left for one more open file.
async fn with_poor_shims(world: &World, first: &str) -> ProcessScheduler {
    let mut config = world.rooms.config();
    let script = format!("{first} ulimit -n 4; exec /proc/{}/exe \"$@\"", std::process::id());
    let args = std::mem::replace(&mut config.shim.args, vec!["-c".into(), script, "sh".into()]);
    config.shim.program = "/bin/sh".into();
    config.shim.args.extend(args);
    ProcessScheduler::open("test", Owner("ours".to_owned()), config).await.unwrap()
}

async fn a_shim_that_cannot_claim_leaves_a_running_task_alone(world: World) {
    let earlier = world.open().await;
    let task = sh("sleep 1000");
    let handle = earlier.start(&id(1), &task).await.unwrap().handle;
    drop(earlier);
    // The shim of the earlier server claims while the one of the next is on its way.
    let folder = world.root().join(id(1).as_str());
    std::fs::rename(folder.join("sock"), folder.join("late")).unwrap();
    let scheduler = with_poor_shims(&world, "/bin/mv late sock;").await;
    let started = in_time(scheduler.start(&id(1), &task)).await.unwrap();
    assert_eq!((started.outcome, started.handle), (StartOutcome::Adopted, handle));
    in_time(scheduler.stop(&id(1), Duration::ZERO)).await.unwrap();
    assert_eq!(wait(&scheduler, &id(1)).await, Cause::Signal(9));

    let scheduler = with_poor_shims(&world, "").await;
    let refused = in_time(scheduler.start(&id(2), &task)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Exhausted, "{refused:?}");
    assert_eq!(scheduler.inspect(&id(2)).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn a_shim_is_in_a_session_of_its_own_before_it_is_told_what_to_run(world: World) {
    let shim = world.rooms.config().shim;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(&shim.program);
    command.args(&shim.args).arg(id(1).as_str()).current_dir(folder.path());
    let mut child = command.stdin(std::os::fd::OwnedFd::from(theirs)).spawn().unwrap();
    let pid = child.id().to_string();
    wait_for("the session of the shim", || {
        // Not by `getsid`: that of a session whose leader is outside of this container has no number here.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let session = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3));
        std::future::ready(if session == Some(&pid) { Ok(()) } else { Err(format!("it is in {session:?}")) })
    })
    .await;
    drop(ours);
    child.wait().unwrap();
}

async fn fifty_megabytes_arrive_unchanged(world: World) {
    const COUNT: &str = "seq 1 6600000";
    let sum = |input: Stdio| Command::new("sha256sum").stdin(input).stdout(Stdio::piped()).spawn().unwrap();
    let wanted = Command::new("sh").args(["-c", &format!("{COUNT} | sha256sum")]).output().unwrap().stdout;
    let scheduler = world.open().await;
    scheduler.start(&id(1), &sh(COUNT)).await.unwrap();
    let mut counted = sum(Stdio::piped());
    let mut input = counted.stdin.take().unwrap();
    let mut stream = scheduler.logs(&id(1), LogCursor::start()).await.unwrap();
    let mut total = 0;
    while let Some(chunk) = in_time(stream.next()).await {
        let LogItem::Data { bytes, .. } = chunk.unwrap().item else { panic!("a gap") };
        total += bytes.len();
        std::io::Write::write_all(&mut input, &bytes).unwrap();
    }
    drop(input);
    assert_eq!(counted.wait_with_output().unwrap().stdout, wanted);
    assert!(total > 50_000_000, "{total}");
    assert_eq!(wait(&scheduler, &id(1)).await, Cause::ExitCode(0));
}

async fn a_log_beyond_the_limit_ends_with_a_gap_of_the_right_size(world: World) {
    let config =
        ProcessConfig { max_log: gofer_types::ByteSize::from_bytes(100_000), ..world.rooms.config() };
    let scheduler = ProcessScheduler::open("test", Owner("ours".to_owned()), config).await.unwrap();
    scheduler.start(&id(1), &sh("head -c 3000000 /dev/zero; exit 3")).await.unwrap();
    assert_eq!(wait(&scheduler, &id(1)).await, Cause::ExitCode(3));
    let (out, missing) = output(&scheduler, &id(1)).await;
    assert_eq!((out.len(), missing), (100_000, 2_900_000));
}

async fn a_tree_of_processes_is_ended_whole(world: World) {
    let scheduler = world.open().await;
    let mark = format!("MARK={}", world.root().display());
    let tree = "f() { if [ $1 -gt 0 ]; then f $(($1-1)) & f $(($1-1)) & fi; sleep 1000; }; f 4; true";
    let mut spec = sh(&format!("trap '' TERM; setsid sh -c '{tree}' & {tree}"));
    spec.env.insert("MARK".to_owned(), format!("{}", world.root().display()));
    scheduler.start(&id(1), &spec).await.unwrap();
    until_marked(&mark, |found| found >= 60).await;
    in_time(scheduler.stop(&id(1), Duration::ZERO)).await.unwrap();
    assert_eq!(pids_with(&mark), Vec::<i32>::new());
    assert_eq!(wait(&scheduler, &id(1)).await, Cause::Signal(9));
}

async fn a_task_gets_exactly_its_environment(world: World) {
    let scheduler = world.open().await;
    let mut task = spec(&["env"]);
    task.env.insert("A".to_owned(), "1 2".to_owned());
    let path = ProcessConfig::default().path;
    assert_eq!(run(&scheduler, 1, &task).await, (Cause::ExitCode(0), format!("A=1 2\nPATH={path}\n")));
    task.limits.memory = Some(gofer_types::ByteSize::from_mib(512));
    assert_eq!(run(&scheduler, 2, &task).await, (Cause::ExitCode(0), format!("A=1 2\nPATH={path}\n")));
}

async fn a_task_inherits_nothing_of_the_server(world: World) {
    let scheduler = world.open().await;
    // The fourth is the folder that `ls` reads.
    assert_eq!(run(&scheduler, 1, &spec(&["ls", "/proc/self/fd"])).await.1, "0\n1\n2\n3\n");
    let script = "readlink /proc/$$/fd/0; umask; ulimit -c; grep -E 'NoNewPrivs|SigIgn' /proc/self/status; \
                  cut -d' ' -f5 /proc/$$/stat; echo $$";
    let (cause, out) = run(&scheduler, 2, &sh(script)).await;
    assert_eq!(cause, Cause::ExitCode(0));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..3], ["/dev/null", "0022", "0"]);
    let ignored = u64::from_str_radix(lines[3].trim_start_matches("SigIgn:\t"), 16).unwrap();
    assert_eq!(ignored & (1 << 12 | 1 << 14), 0, "neither SIGPIPE nor SIGTERM is ignored");
    assert_eq!(lines[4], "NoNewPrivs:\t1");
    assert_eq!(lines[5], lines[6], "it leads its own process group");
}

async fn two_hundred_tasks_run_at_once(world: World) {
    let scheduler = Arc::new(world.open().await);
    let places = &world.rooms.places;
    let starts = (0..200_u128).map(|number| {
        let steps = [Step::Gate("all".to_owned()), Step::Exit(i32::try_from(number % 250).unwrap())];
        let spec = TaskSpec { command: places.command(&steps), ..spec(&[]) };
        let scheduler = Arc::clone(&scheduler);
        async move { in_time(scheduler.start(&id(number), &spec)).await.unwrap().outcome }
    });
    assert!(join_all(starts).await.iter().all(|outcome| *outcome == StartOutcome::Created));
    let list = scheduler.list().await.unwrap();
    assert_eq!(list.iter().filter(|task| matches!(task.status, TaskStatus::Running { .. })).count(), 200);
    places.open_gate("all");
    let ends = join_all((0..200_u128).map(|number| {
        let scheduler = Arc::clone(&scheduler);
        async move { wait(&scheduler, &id(number)).await }
    }))
    .await;
    for (number, cause) in ends.into_iter().enumerate() {
        assert_eq!(cause, Cause::ExitCode(i32::try_from(number % 250).unwrap()));
    }
}

async fn refused_without_a_trace(scheduler: &ProcessScheduler, spec: &TaskSpec) {
    let error = scheduler.start(&id(99), spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", error.chain());
    assert_eq!(scheduler.inspect(&id(99)).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(scheduler.list().await.unwrap(), []);
}

async fn an_environment_that_the_kernel_refuses_is_refused_without_a_trace(world: World) {
    let scheduler = world.open().await;
    let mut task = spec(&["true"]);
    task.env = (0..100).map(|number| (format!("V{number}"), "x".repeat(100_000))).collect();
    refused_without_a_trace(&scheduler, &task).await;
    task.limits.memory = Some(gofer_types::ByteSize::from_mib(512));
    refused_without_a_trace(&scheduler, &task).await;
    task.limits.memory = None;
    task.env = (0..60).map(|number| (format!("V{number}"), "\u{1}".repeat(90_000))).collect();
    refused_without_a_trace(&scheduler, &task).await;
    task.limits.memory = Some(gofer_types::ByteSize::from_mib(512));
    task.env.clear();
    assert_eq!(run(&scheduler, 99, &task).await.0, Cause::ExitCode(0));
}

async fn work_directories_are_where_they_should_be(world: World) {
    let scheduler = world.open().await;
    let own = |number| std::fs::canonicalize(world.root()).unwrap().join(id(number).as_str()).join("work");
    let in_folder =
        |workdir: Option<&str>| TaskSpec { workdir: workdir.map(str::to_owned), ..spec(&["pwd"]) };
    assert_eq!(run(&scheduler, 1, &in_folder(None)).await.1, format!("{}\n", own(1).display()));
    let below = format!("{}\n", own(2).join("a/b").display());
    assert_eq!(run(&scheduler, 2, &in_folder(Some("a/b"))).await.1, below);
    assert_eq!(run(&scheduler, 3, &in_folder(Some("/usr"))).await.1, "/usr\n");
    refused_without_a_trace_beside(&scheduler, &in_folder(Some("/there/is/no/such"))).await;
    refused_without_a_trace_beside(&scheduler, &in_folder(Some("../.."))).await;
}

async fn refused_without_a_trace_beside(scheduler: &ProcessScheduler, spec: &TaskSpec) {
    let error = scheduler.start(&id(99), spec).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", error.chain());
    assert_eq!(scheduler.inspect(&id(99)).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn a_program_is_found_in_the_path_of_the_task(world: World) {
    let folder = world.root().with_file_name("bin");
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("own-program");
    std::fs::write(&program, "#!/bin/sh\necho own $0 $1\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let scheduler = world.open().await;
    let mut task = spec(&["own-program", "x"]);
    refused_without_a_trace(&scheduler, &task).await;
    task.env.insert("PATH".to_owned(), format!("/nowhere:{}:/bin", folder.display()));
    let (cause, out) = run(&scheduler, 1, &task).await;
    assert_eq!((cause, out), (Cause::ExitCode(0), format!("own {} x\n", program.display())));
}

async fn what_is_no_program_is_refused_without_a_trace(world: World) {
    let file = world.root().with_file_name("file");
    std::fs::write(&file, "no program").unwrap();
    let scheduler = world.open().await;
    let path = file.to_str().unwrap();
    refused_without_a_trace(&scheduler, &spec(&[path])).await;
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut task = spec(&[path]);
    refused_without_a_trace(&scheduler, &task).await;
    refused_without_a_trace(&scheduler, &spec(&["/"])).await;
    task.limits.memory = Some(gofer_types::ByteSize::from_mib(512));
    refused_without_a_trace(&scheduler, &task).await;
}

async fn the_end_of_another_boot_is_lost(world: World) {
    let scheduler = world.open().await;
    let up = spec(&["sleep", "1000"]);
    scheduler.start(&id(1), &up).await.unwrap();
    in_time(scheduler.stop(&id(1), Duration::ZERO)).await.unwrap();
    drop(scheduler);
    let folder = world.root().join(id(1).as_str());
    let text = std::fs::read_to_string(folder.join("spec")).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    record["boot"] = "another".into();
    std::fs::write(folder.join("spec"), record.to_string()).unwrap();
    assert_eq!(wait(&world.open().await, &id(1)).await, Cause::Signal(9), "an end that was seen is kept");
    std::fs::remove_file(folder.join("exit")).unwrap();
    let scheduler = world.open().await;
    assert!(matches!(wait(&scheduler, &id(1)).await, Cause::Lost(why) if why.contains("restarted")));
    assert_eq!(scheduler.start(&id(1), &up).await.unwrap().outcome, StartOutcome::Adopted);
}

async fn a_folder_without_a_record_hinders_no_start(world: World) {
    let scheduler = world.open().await;
    std::fs::create_dir(world.root().join(id(1).as_str())).unwrap();
    assert_eq!(scheduler.inspect(&id(1)).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(scheduler.list().await.unwrap(), []);
    assert_eq!(run(&scheduler, 1, &sh("exit 4")).await.0, Cause::ExitCode(4));
    std::fs::create_dir(world.root().join(id(2).as_str())).unwrap();
    scheduler.remove(&id(2)).await.unwrap();
    assert!(!world.root().join(id(2).as_str()).try_exists().unwrap());
}

/// Leaves under an id what a server leaves that dies between writing the record and starting a shim.
async fn asked_for(world: &World, number: u128) {
    let scheduler = world.open().await;
    scheduler.start(&id(number), &sh("exit 1")).await.unwrap();
    wait(&scheduler, &id(number)).await;
    let folder = world.root().join(id(number).as_str());
    let record = std::fs::read(folder.join("spec")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("spec"), record).unwrap();
}

async fn a_task_that_was_asked_for_and_not_started_can_be_started_or_stopped(world: World) {
    for number in 1..4 {
        asked_for(&world, number).await;
    }
    let scheduler = world.open().await;
    assert_eq!(scheduler.inspect(&id(1)).await.unwrap(), TaskStatus::Starting);
    let (first, task) = (id(1), sh("exit 6"));
    let (end, started) =
        tokio::join!(in_time(scheduler.wait(&first)), in_time(scheduler.start(&first, &task)));
    assert_eq!(started.unwrap().outcome, StartOutcome::Created);
    assert_eq!(end.unwrap().cause, Cause::ExitCode(6));
    in_time(scheduler.stop(&id(2), Duration::from_secs(9))).await.unwrap();
    assert!(matches!(wait(&scheduler, &id(2)).await, Cause::CannotStart(_)));
    assert_eq!(scheduler.start(&id(2), &sh("exit 6")).await.unwrap().outcome, StartOutcome::Adopted);
    scheduler.remove(&id(3)).await.unwrap();
    assert_eq!(scheduler.inspect(&id(3)).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn notes_say_what_is_not_kept(world: World) {
    let scheduler = world.open().await;
    let task = TaskSpec { image: "alpine:3".to_owned(), ..sh("true") };
    let notes = scheduler.start(&id(1), &task).await.unwrap().notes.join("; ");
    assert!(notes.contains("the image `alpine:3` is ignored") && notes.contains("unsandboxed"), "{notes}");
    assert!(scheduler.info().target.contains("unsandboxed"), "{:?}", scheduler.info());
}

async fn a_removed_folder_is_gone_also_if_the_task_made_it_read_only(world: World) {
    let scheduler = world.open().await;
    let script = "mkdir -p a/b; touch a/b/c; ln -s /etc a/link; chmod 000 a/b; chmod 555 a";
    assert_eq!(run(&scheduler, 1, &sh(script)).await.0, Cause::ExitCode(0));
    scheduler.remove(&id(1)).await.unwrap();
    let left: Vec<_> =
        std::fs::read_dir(world.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".removed"]);
}

async fn a_follower_is_told_when_the_scheduler_is_closed(world: World) {
    let scheduler = world.open().await;
    scheduler.start(&id(1), &sh("echo up; sleep 1000")).await.unwrap();
    let mut stream = scheduler.logs(&id(1), LogCursor::start()).await.unwrap();
    assert!(in_time(stream.next()).await.unwrap().is_ok());
    drop(scheduler);
    assert_eq!(in_time(stream.next()).await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(in_time(stream.next()).await.is_none());
    let scheduler = world.open().await;
    in_time(scheduler.stop(&id(1), Duration::ZERO)).await.unwrap();
}

/// Runs this program in a mount namespace of its own, where a small disk can be made. False where that is not allowed.
fn a_full_disk() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let unshare = |command: &[&str]| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount"]).args(command);
        unshare.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let mount = format!("mount -t tmpfs -o size=1m none {}", folder.path().display());
    if !unshare(&["sh", "-c", &mount]) {
        return false;
    }
    let own = std::env::current_exe().unwrap();
    let script = format!("{mount} && exec {} fill-the-disk {}", own.display(), folder.path().display());
    assert!(unshare(&["sh", "-c", &script]), "on a full disk the end or the count was lost");
    true
}

fn fill_the_disk(folder: &str) -> ExitCode {
    runtime().block_on(async {
        let config = ProcessConfig { root: PathBuf::from(folder).join("root"), ..ProcessConfig::default() };
        let scheduler = ProcessScheduler::open("test", Owner("ours".to_owned()), config).await.unwrap();
        // The disk stays full from the flood to the end.
        scheduler.start(&id(1), &sh("head -c 3000000 /dev/zero; exit 7")).await.unwrap();
        assert_eq!(wait(&scheduler, &id(1)).await, Cause::ExitCode(7));
        let (out, missing) = output(&scheduler, &id(1)).await;
        assert!(missing > 1_000_000, "{missing}");
        assert_eq!(out.len() as u64 + missing, 3_000_000);
        let filler = PathBuf::from(folder).join("filler");
        let filled = std::io::copy(&mut std::io::repeat(0), &mut std::fs::File::create(&filler).unwrap());
        assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        let refused = scheduler.start(&id(2), &sh("true")).await;
        assert!(refused.is_err_and(|error| error.kind() == ErrorKind::Exhausted));
        scheduler.remove(&id(1)).await.unwrap();
        std::fs::remove_file(&filler).unwrap();
        // what the shim of the first task still has open is freed when it has gone
        wait_for("room on the disk", || {
            let free = rustix::fs::statvfs(folder).map(|disk| disk.f_bavail * disk.f_frsize).unwrap();
            std::future::ready(if free > 500_000 { Ok(()) } else { Err(format!("{free} bytes are free")) })
        })
        .await;
        assert_eq!(run(&scheduler, 3, &sh("echo again")).await.1, "again\n");
    });
    ExitCode::SUCCESS
}
