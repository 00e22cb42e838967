//! What needs a process of its own: being killed, and a disk that is full.
//!
//! The test binary starts itself again with a role in its environment. The child talks over its pipes; nothing waits by time.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use gofer_backend::ErrorKind;

use super::expect::{
    Failure, Outcome, absent, all, bytes, chunks, ensure, ensure_eq, key, plain, put, read, refused,
};
use super::harness::{Harness, MakeRoom, World};
use super::runner::{Case, Ending, Need, runtime};
use crate::{ObjectStore, Sha256};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "what was answered survives kill -9 of the process, and every object is whole",
        need: Need::Disk,
        run: |world| Box::pin(killed(world)),
    },
    Case {
        name: "a full disk refuses puts as exhausted and whole, and room makes them work again",
        need: Need::SmallDisk,
        run: |world| Box::pin(full(world)),
    },
];

const ROLE: &str = "GOFER_OBJECT_STORE_SUITE_ROLE";
const PLACE: &str = "GOFER_OBJECT_STORE_SUITE_PLACE";
const ROUNDS: usize = 10;
const WRITERS: usize = 6;

/// Plays the part of a child, if the environment says so.
pub(super) fn child(harness: &Arc<dyn Harness>) -> Option<ExitCode> {
    let role = std::env::var(ROLE).ok()?;
    let place = PathBuf::from(std::env::var_os(PLACE)?);
    let work: BoxFuture<'_, Outcome> = match role.as_str() {
        "writer" => Box::pin(write_until_killed(harness, &place)),
        "full" => Box::pin(fill_small_disk(harness, &place)),
        _ => return Some(ExitCode::from(2)),
    };
    let ended = runtime().and_then(|runtime| runtime.block_on(work));
    match ended {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{failure}");
            Some(ExitCode::FAILURE)
        }
    }
}

fn command(program: &Path, role: &str, place: &Path) -> Command {
    let mut command = Command::new(program);
    command.env(ROLE, role).env(PLACE, place);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

// ---- being killed

/// Puts from several tasks for as long as it lives, and prints each answer.
async fn write_until_killed(harness: &Arc<dyn Harness>, place: &Path) -> Outcome {
    let store = harness.open(place).await?;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write_one(Arc::clone(&store), writer));
    }
    match writers.join_next().await {
        Some(Ok(ended)) => ended,
        _ => Err(Failure::new("a writer panicked")),
    }
}

/// Replaces one object again and again, and leaves new ones beside it; each says its number in its length.
async fn write_one(store: Arc<dyn ObjectStore>, writer: usize) -> Outcome {
    let head = key(&format!("head/{writer}"))?;
    let mut number = match store.head(&head).await {
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        answer => answer?.size,
    };
    loop {
        number += 1;
        let content = bytes(usize::try_from(number).unwrap_or(usize::MAX));
        let log = key(&format!("log/{writer}/{}/{number:09}", number % 3))?;
        let made = match store.put(&log, chunks(&content, 7), absent()).await {
            // the put before the kill that was not answered
            Err(error) if error.kind() == ErrorKind::AlreadyExists => store.head(&log).await,
            answer => answer,
        };
        ensure_eq!(made?.size, number, "the size of {log}");
        store.put(&head, chunks(&content, 7), plain()).await?;
        writeln!(std::io::stdout(), "{writer} {number}")?;
    }
}

/// What a child has said to be durable: by writer, its newest number.
type Answered = BTreeMap<usize, u64>;

async fn killed(world: World) -> Ending {
    let program = std::env::current_exe()?;
    let mut answered = Answered::new();
    for round in 0..ROUNDS {
        let mut child = command(&program, "writer", &world.place()).spawn()?;
        // a different moment in every round, the same in every run
        let patience = 3 + round * 11;
        let heard = listen_and_kill(&mut child, patience, &mut answered);
        child.wait()?;
        heard?;
        let store = world.open().await?;
        verify(&*store, &answered)
            .await
            .map_err(|failure| Failure::new(format!("round {round}: {failure}")))?;
    }
    Ok(None)
}

fn listen_and_kill(child: &mut Child, patience: usize, answered: &mut Answered) -> Outcome {
    let output = child.stdout.take().ok_or_else(|| Failure::new("the child has no output"))?;
    let mut killed = false;
    for (index, line) in BufReader::new(output).split(b'\n').enumerate() {
        let line = String::from_utf8_lossy(&line?).into_owned();
        let mut words = line.split(' ').map(str::parse::<u64>);
        // a line that the kill cut in two tells of an older number, which holds as well
        if let (Some(Ok(writer)), Some(Ok(number))) = (words.next(), words.next()) {
            let newest = answered.entry(usize::try_from(writer).unwrap_or(usize::MAX)).or_default();
            *newest = number.max(*newest);
        }
        if index + 1 == patience {
            child.kill()?;
            killed = true;
        }
    }
    let mut said = String::new();
    if let Some(errors) = &mut child.stderr {
        errors.read_to_string(&mut said)?;
    }
    ensure!(killed && said.is_empty(), "the child ended by itself: {said}");
    Ok(())
}

/// Every answered object is there, and every object that is there is whole.
async fn verify(store: &dyn ObjectStore, answered: &Answered) -> Outcome {
    for (writer, number) in answered {
        let there = store.head(&key(&format!("head/{writer}"))?).await?.size;
        ensure!(there >= *number, "writer {writer} was told of {number}, and {there} is the newest");
        for number in 1..=*number {
            store.head(&key(&format!("log/{writer}/{}/{number:09}", number % 3))?).await?;
        }
    }
    for listed in all(store).await? {
        let (meta, found) = read(store, listed.key.as_str()).await?;
        ensure_eq!(meta.sha256, Sha256::of(&found), "the hash of {}", meta.key);
        ensure!(found == bytes(found.len()), "the bytes of {} were never put", meta.key);
        let number = meta.key.segments().nth(3).and_then(|number| number.parse().ok());
        ensure!(number.is_none_or(|number: u64| number == meta.size), "{} has {} bytes", meta.key, meta.size);
    }
    Ok(())
}

// ---- a full disk

async fn full(world: World) -> Ending {
    if let Some(make_room) = world.harness().small(&world.place()) {
        fill(world.harness(), &world.place(), make_room).await?;
        return Ok(None);
    }
    if !world.harness().on_disk() {
        return Ok(Some("the place cannot be made small"));
    }
    let mount = world.place().with_file_name("small");
    std::fs::create_dir(&mount)?;
    let program = std::env::current_exe()?;
    // a mount of its own that ends with the process
    let mut child = command(Path::new("unshare"), "full", &mount);
    child.args(["--map-root-user", "--mount", "sh", "-c"]);
    child.arg("mount -t tmpfs -o size=48m none \"$0\" || exit 77; exec \"$1\"").arg(&mount).arg(program);
    let output = match child.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Some("there is no `unshare`"));
        }
        output => output?,
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => Ok(None),
        Some(77) => Ok(Some("a small file system may not be mounted here")),
        _ if said.contains("unshare failed") => Ok(Some("a small file system may not be mounted here")),
        code => Err(Failure::new(format!("the child ended with {code:?}: {said}"))),
    }
}

async fn fill_small_disk(harness: &Arc<dyn Harness>, mount: &Path) -> Outcome {
    let filler = mount.join("filler");
    std::fs::write(&filler, vec![1; 40 << 20])?;
    let make_room = Box::new(move || drop(std::fs::remove_file(filler)));
    fill(&**harness, &mount.join("place"), make_room).await
}

async fn fill(harness: &dyn Harness, place: &Path, make_room: MakeRoom) -> Outcome {
    let store = harness.open(place).await?;
    let content = bytes(1_000_000);
    let name = |number: usize| key(&format!("full/{number:03}"));
    let mut landed = 0;
    let error = loop {
        match store.put(&name(landed)?, chunks(&content, 65_536), plain()).await {
            Ok(_) => landed += 1,
            Err(error) => break error,
        }
        ensure!(landed < 1000, "the disk is never full");
    };
    ensure_eq!(error.kind(), ErrorKind::Exhausted, "the answer of a full disk ({})", error.chain());
    ensure!(landed > 0, "not one object fits on the small disk");
    for _ in 0..20 {
        // what a refused put leaves behind would use up the rest
        let answer = store.put(&name(landed)?, chunks(&content, 65_536), plain()).await;
        refused(answer, ErrorKind::Exhausted, "a put on a full disk")?;
    }
    ensure_eq!(all(&*store).await?.len(), landed, "the number of objects on the full disk");
    let again = store.put(&name(0)?, chunks(&content[..999_999], 65_536), plain()).await;
    let length = read(&*store, "full/000").await?.1.len();
    ensure_eq!(length, if again.is_ok() { 999_999 } else { 1_000_000 }, "the length of an object put again");
    make_room();
    store.check().await?;
    store.put(&name(landed)?, chunks(&content, 65_536), plain()).await?;
    put(&*store, "after", b"1").await?;
    ensure!(
        read(&*store, name(landed)?.as_str()).await?.1 == content,
        "the bytes after room was made are others"
    );
    ensure_eq!(all(&*store).await?.len(), landed + 2, "the number of objects after room was made");
    Ok(())
}
