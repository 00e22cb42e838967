//! The folders of the attempts: what is on the disk, and what it means.
//!
//! `<root>/<attempt id>/` holds
//! - `spec`: who asked for what; written by the scheduler before a shim is started, whole or not at all. Its lock is the
//!   right to start the task, or to change what it starts with;
//! - `sock`: the claim. A shim listens at a socket of its own and then renames it to this name, which succeeds for one shim
//!   only, ever. So whoever finds it and is refused there knows that the shim has died; and however often a shim is
//!   started, one runs the task;
//! - `shim`: who that shim is;
//! - `work/`, `log`: the work directory and the output of the task;
//! - `exit`: how it ended, written whole or not at all, once, before anybody is told.
//!
//! Nothing here waits for a task. All calls block; the caller sees to it that they may.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use gofer_backend::Owner;
pub(crate) use gofer_porter::directory::{delete, rename_once};
use gofer_scheduler::TaskSpec;
use gofer_types::{AttemptId, Cause, Timestamp};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::host::{self, ShimIdentity};
use crate::protocol::ExitRecord;

pub(crate) const SPEC: &str = "spec";
pub(crate) const CLAIM: &str = "sock";
pub(crate) const SHIM: &str = "shim";
pub(crate) const WORK: &str = "work";
pub(crate) const LOG: &str = "log";
pub(crate) const EXIT: &str = "exit";
/// What begins so is being deleted.
const GONE: &str = ".gone-";
/// The greatest record that is read.
const MAX_RECORD: u64 = 1 << 20;

/// Who asked for what. Neither the command nor the environment are kept: they may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpecRecord {
    pub(crate) digest: String,
    pub(crate) owner: Owner,
    pub(crate) created: Timestamp,
    /// The boot of the host in which it was asked for: no task outlives it.
    pub(crate) boot: String,
    /// For people.
    pub(crate) labels: BTreeMap<String, String>,
    /// The directory that it starts in, as it was asked for.
    #[serde(default)]
    pub(crate) workdir: Option<String>,
}

/// What stands under an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing.
    Absent,
    /// A folder without record: whoever made it died right after. Nothing was started.
    Blank,
    /// It belongs to another owner.
    Foreign,
    /// It was asked for, and no shim has claimed it.
    Unclaimed(SpecRecord),
    /// A shim has claimed it and has not written its end.
    Claimed(SpecRecord),
    /// It has ended.
    Ended(SpecRecord, ExitRecord),
}

/// Numbers the fresh names of this process: of all its schedulers, which may share a root.
static FRESH: AtomicU64 = AtomicU64::new(0);

/// The folders of all attempts.
#[derive(Debug)]
pub(crate) struct Attempts {
    root: PathBuf,
    owner: Owner,
    boot: String,
    sync: bool,
}

impl Attempts {
    pub(crate) fn open(root: &Path, owner: Owner, sync: bool) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).recursive(true).create(root)?;
        let root = fs::canonicalize(root)?;
        Ok(Self { root, owner, boot: host::boot_id()?, sync })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn folder(&self, id: &AttemptId) -> PathBuf {
        self.root.join(id.as_str())
    }

    /// A name that nothing else of this host has.
    fn fresh(prefix: &str) -> String {
        let number = FRESH.fetch_add(1, Ordering::Relaxed);
        format!("{prefix}{}-{number}-{}", std::process::id(), host::now().as_micros())
    }

    /// Makes the folder of an attempt. False if it is there.
    pub(crate) fn make(&self, id: &AttemptId) -> io::Result<bool> {
        match DirBuilder::new().mode(0o700).create(self.folder(id)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes the record of an attempt; nothing if there is one.
    pub(crate) fn record(&self, id: &AttemptId, spec: &TaskSpec) -> io::Result<Option<SpecRecord>> {
        let record = SpecRecord {
            digest: spec.digest.clone(),
            owner: self.owner.clone(),
            created: host::now(),
            boot: self.boot.clone(),
            labels: spec.labels.clone(),
            workdir: spec.workdir.clone(),
        };
        let folder = self.folder(id);
        let new = self.put(&folder, SPEC, &serde_json::to_vec(&record)?)?;
        if self.sync && new {
            File::open(&folder)?.sync_all()?;
            File::open(&self.root)?.sync_all()?;
        }
        Ok(new.then_some(record))
    }

    /// Writes a file whole or not at all. False if there is one of that name.
    fn put(&self, folder: &Path, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let new = folder.join(Self::fresh("new-"));
        let mut file = create(&new)?;
        file.write_all(bytes)?;
        if self.sync {
            file.sync_all()?;
        }
        match rename_once(&new, &folder.join(name)) {
            Ok(true) => Ok(true),
            other => {
                fs::remove_file(&new)?;
                other
            }
        }
    }

    /// What stands under an id.
    pub(crate) fn look(&self, id: &AttemptId) -> io::Result<Look> {
        let folder = self.folder(id);
        let Some(bytes) = read_small(&folder.join(SPEC))? else {
            return Ok(if folder.try_exists()? { Look::Blank } else { Look::Absent });
        };
        let Ok(record) = serde_json::from_slice::<SpecRecord>(&bytes) else {
            return Ok(Look::Ended(self.torn_record(), lost("its record was torn when the host crashed")));
        };
        if record.owner != self.owner {
            return Ok(Look::Foreign);
        }
        if let Some(bytes) = read_small(&folder.join(EXIT))? {
            let exit = serde_json::from_slice(&bytes);
            let exit = exit.unwrap_or_else(|_| lost("the record of its end was torn when the host crashed"));
            return Ok(Look::Ended(record, exit));
        }
        if record.boot != self.boot {
            // Also if no claim is there: after the loss of power, the folder may show less than had happened.
            return Ok(Look::Ended(record, lost("the host was restarted before its end was seen")));
        }
        Ok(if is_there(&folder.join(CLAIM))? { Look::Claimed(record) } else { Look::Unclaimed(record) })
    }

    fn torn_record(&self) -> SpecRecord {
        SpecRecord {
            digest: String::new(),
            owner: self.owner.clone(),
            created: Timestamp::default(),
            boot: self.boot.clone(),
            labels: BTreeMap::new(),
            workdir: None,
        }
    }

    /// Takes the claim that a shim would take, so that no shim can. False if a shim was first.
    pub(crate) fn claim(&self, id: &AttemptId) -> io::Result<bool> {
        match create(&self.folder(id).join(CLAIM)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes how a task without a living shim ended, unless that is written already.
    pub(crate) fn conclude(&self, id: &AttemptId, cause: Cause) -> io::Result<()> {
        let exit = ExitRecord { cause, at: host::now(), pid: 0, unwritten: 0 };
        self.put(&self.folder(id), EXIT, &serde_json::to_vec(&exit)?).map(drop)
    }

    /// Ends what a dead shim left running, and writes that its task is lost.
    pub(crate) fn conclude_lost(&self, id: &AttemptId) -> io::Result<()> {
        let identity = read_small(&self.folder(id).join(SHIM))?;
        if let Some(identity) = identity.and_then(|bytes| serde_json::from_slice::<ShimIdentity>(&bytes).ok())
        {
            identity.kill_left_behind();
        }
        self.conclude(id, Cause::Lost("the shim of the task was killed before it saw the end".to_owned()))
    }

    /// Takes a folder out of sight. What is to be deleted then is the answer.
    pub(crate) fn discard(&self, id: &AttemptId) -> io::Result<PathBuf> {
        let gone = self.root.join(Self::fresh(GONE));
        fs::rename(self.folder(id), &gone)?;
        Ok(gone)
    }

    /// Every id that has a folder.
    pub(crate) fn ids(&self) -> io::Result<Vec<AttemptId>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                ids.extend(entry.file_name().to_str().and_then(|name| AttemptId::new(name).ok()));
            }
        }
        Ok(ids)
    }

    /// Deletes what an earlier server was about to delete. Best effort: what cannot be deleted is tried again next time.
    pub(crate) fn delete_leftovers(&self) {
        let Ok(entries) = fs::read_dir(&self.root) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(GONE)) {
                let _ = delete(&entry.path());
            }
        }
    }

    /// Makes and removes a folder, as a start and a removal would.
    pub(crate) fn probe(&self) -> io::Result<()> {
        let probe = self.root.join(Self::fresh(GONE));
        DirBuilder::new().mode(0o700).create(&probe)?;
        fs::remove_dir(&probe)
    }
}

fn lost(why: &str) -> ExitRecord {
    ExitRecord { cause: Cause::Lost(why.to_owned()), at: host::now(), pid: 0, unwritten: 0 }
}

/// Creates a file of ours that must not be there yet.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Opens a file of ours for reading; a link in its place is refused.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// The content of a small file; nothing if there is none.
fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_RECORD).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

pub(crate) fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
