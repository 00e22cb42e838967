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

use super::expect::{Failure, Outcome, all, bytes, ensure, ensure_eq, puts, refused};
use super::harness::{Harness, MakeRoom, World};
use super::runner::{Case, Ending, Need, runtime};
use crate::{Batch, KeyRange, Precondition, Revision, Storage};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "what was acknowledged survives kill -9 of the process, each batch whole",
        need: Need::Disk,
        run: |world| Box::pin(killed(world)),
    },
    Case {
        name: "a full disk refuses commits as exhausted and whole, and room makes them work again",
        need: Need::SmallDisk,
        run: |world| Box::pin(full(world)),
    },
];

const ROLE: &str = "GOFER_STORAGE_SUITE_ROLE";
const PLACE: &str = "GOFER_STORAGE_SUITE_PLACE";
const ROUNDS: usize = 10;
const WRITERS: usize = 6;
const ROWS: usize = 4;

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

/// Commits from several tasks for as long as it lives, and prints each acknowledgement.
async fn write_until_killed(harness: &Arc<dyn Harness>, place: &Path) -> Outcome {
    let storage = harness.open(place).await?;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write_one(Arc::clone(&storage), writer));
    }
    match writers.join_next().await {
        Some(Ok(ended)) => ended,
        _ => Err(Failure::new("a writer panicked")),
    }
}

async fn write_one(storage: Arc<dyn Storage>, writer: usize) -> Outcome {
    let head = format!("head/{writer}");
    let last = storage.get(head.as_bytes()).await?;
    let mut number: u64 =
        last.as_ref().and_then(|row| String::from_utf8_lossy(&row.value).parse().ok()).unwrap_or(0);
    let mut at = last.map_or(Precondition::Absent, |row| Precondition::At(row.revision));
    loop {
        number += 1;
        let mut batch = Batch::default();
        batch.check(head.clone(), at).put(head.clone(), number.to_string());
        for row in 0..ROWS {
            let size = usize::try_from(number * 37 % 900).unwrap_or(0);
            batch.put(format!("log/{writer}/{number:09}/{row}"), bytes(size));
        }
        let revision = storage.commit(batch).await?;
        at = Precondition::At(revision);
        writeln!(std::io::stdout(), "{writer} {number} {}", revision.0)?;
    }
}

/// What a child has said to be on disk: by writer, its newest batch and its revision.
type Acknowledged = BTreeMap<usize, (u64, u64)>;

async fn killed(world: World) -> Ending {
    let program = std::env::current_exe()?;
    let mut acknowledged = Acknowledged::new();
    for round in 0..ROUNDS {
        let mut child = command(&program, "writer", &world.place()).spawn()?;
        // a different moment in every round, the same in every run
        let patience = 3 + round * 17;
        let heard = listen_and_kill(&mut child, patience, &mut acknowledged);
        child.wait()?;
        heard?;
        let storage = world.open().await?;
        verify(&*storage, &acknowledged)
            .await
            .map_err(|failure| Failure::new(format!("round {round}: {failure}")))?;
        storage.close().await?;
    }
    Ok(None)
}

fn listen_and_kill(child: &mut Child, patience: usize, acknowledged: &mut Acknowledged) -> Outcome {
    let output = child.stdout.take().ok_or_else(|| Failure::new("the child has no output"))?;
    let mut killed = false;
    for (index, line) in BufReader::new(output).lines().enumerate() {
        let line = line?;
        let mut words = line.split(' ').map(|word| word.parse::<u64>().ok());
        // a line that the kill cut in two is no acknowledgement
        if let (Some(Some(writer)), Some(Some(number)), Some(Some(revision))) =
            (words.next(), words.next(), words.next())
        {
            let writer = usize::try_from(writer).unwrap_or(usize::MAX);
            acknowledged.insert(writer, (number, revision));
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

/// Every acknowledged batch is there, and every batch that is there is whole.
async fn verify(storage: &dyn Storage, acknowledged: &Acknowledged) -> Outcome {
    let newest = storage.commit(Batch::default()).await?;
    for (writer, (number, revision)) in acknowledged {
        let head = storage.get(format!("head/{writer}").as_bytes()).await?;
        let head = head.ok_or_else(|| Failure::new(format!("the head of writer {writer} is gone")))?;
        let there: u64 = String::from_utf8_lossy(&head.value).parse().unwrap_or(0);
        ensure!(there >= *number, "writer {writer} was told of batch {number}, and {there} is the newest");
        ensure!(newest >= Revision(*revision), "revision {revision} was told, and {newest:?} is the newest");
        let rows = storage.scan(KeyRange::prefix(format!("log/{writer}/").as_bytes()), usize::MAX).await?;
        let wanted: Vec<String> = (1..=there)
            .flat_map(|number| (0..ROWS).map(move |row| format!("log/{writer}/{number:09}/{row}")))
            .collect();
        let found: Vec<String> = rows.iter().map(|row| crate::escaped(&row.key)).collect();
        ensure!(
            found == wanted,
            "writer {writer}: {} rows are there, {} belong there",
            found.len(),
            wanted.len()
        );
        for batch in rows.chunks(ROWS) {
            let one = batch.iter().all(|row| Some(row.revision) == batch.first().map(|first| first.revision));
            ensure!(one, "writer {writer}: a batch has several revisions");
        }
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
    child.arg("mount -t tmpfs -o size=96m none \"$0\" || exit 77; exec \"$1\"").arg(&mount).arg(program);
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
    std::fs::write(&filler, vec![1; 32 << 20])?;
    let make_room = Box::new(move || drop(std::fs::remove_file(filler)));
    fill(&**harness, &mount.join("place"), make_room).await
}

/// Two rows a commit, so that a half one would be seen.
fn pair(number: usize) -> Batch {
    let mut batch = Batch::default();
    batch
        .put(format!("row/{number:06}/a"), bytes(60 << 10))
        .put(format!("row/{number:06}/b"), bytes(60 << 10));
    batch
}

async fn fill(harness: &dyn Harness, place: &Path, make_room: MakeRoom) -> Outcome {
    let storage = harness.open(place).await?;
    let mut landed = 0;
    let error = loop {
        match storage.commit(pair(landed)).await {
            Ok(_) => landed += 1,
            Err(error) => break error,
        }
        ensure!(landed < 20_000, "the disk is never full");
    };
    ensure_eq!(error.kind(), ErrorKind::Exhausted, "the answer of a full disk ({})", error.chain());
    for _ in 0..3 {
        let answer = storage.commit(pair(landed)).await;
        refused(answer, ErrorKind::Exhausted, "a commit to a full disk")?;
    }
    ensure!(landed > 0, "not one commit fits on the small disk");
    ensure_eq!(all(&*storage).await?.len(), 2 * landed, "the rows on the full disk");
    make_room();
    storage.commit(pair(landed)).await?;
    storage.check().await?;
    storage.commit(puts(&[("after", "1")])).await?;
    storage.close().await?;
    drop(storage);
    let storage = harness.open(place).await?;
    ensure_eq!(all(&*storage).await?.len(), 2 * landed + 3, "the rows after reopening");
    Ok(storage.close().await?)
}
