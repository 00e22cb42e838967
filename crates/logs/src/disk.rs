//! The files of a log: their names, how they are opened, and everything that changes them.
//!
//! Writing goes through [`Disk`], so that tests can hand in one that is full. Folders are for the owner only, and none of
//! our files is reached through a symbolic link.

use std::fmt::Debug;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use gofer_types::{PipelineRef, RunRef, TaskRef};

/// Where deleted logs wait for their removal; no namespace has this name.
const TRASH: &str = ".trash";

const SEALED: &str = "sealed";

/// What changes files.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Opens a segment for writing; a new one is empty, whatever was there.
    fn open(&self, path: &Path, new: bool) -> io::Result<Box<dyn SegmentFile>>;

    /// Replaces a whole small file in one step; `durable` also waits until it is on the disk.
    fn replace(&self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()>;

    /// Returns when the names below `root` on the way to `dir` are on the disk.
    fn sync_dirs(&self, root: &Path, dir: &Path) -> io::Result<()>;
}

/// A segment that is written.
pub(crate) trait SegmentFile: Debug + Send {
    /// Writes all bytes there; after an error any part of them may be there.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts everything from there on, or adds zeros up to there.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Returns when everything is on the disk.
    fn sync(&self) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Debug)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, new: bool) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(ours().write(true).create(new).truncate(new).open(path)?))
    }

    fn replace(&self, path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
        let temporary = path.with_extension("tmp");
        let mut file = ours().write(true).create(true).truncate(true).open(&temporary)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_all()?;
        }
        std::fs::rename(&temporary, path)
    }

    fn sync_dirs(&self, root: &Path, dir: &Path) -> io::Result<()> {
        for folder in dir.ancestors().take_while(|folder| folder.starts_with(root)) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

impl SegmentFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

fn ours() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    options
}

/// Opens one of our files for reading.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    ours().read(true).open(path)
}

/// Reads a whole small file; `None` if there is none.
pub(crate) fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match open_to_read(path) {
        Ok(mut file) => {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut file, &mut bytes)?;
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads exactly so many bytes from there.
pub(crate) fn read_at(path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    open_to_read(path)?.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// Removes a file; one that is not there is removed already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the folder of a task run, below the root.
pub(crate) fn make_dirs(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Takes a folder out of sight at once, then removes what is in it. One that is not there is removed already.
pub(crate) fn discard(root: &Path, dir: &Path) -> io::Result<()> {
    let trash = root.join(TRASH);
    make_dirs(&trash)?;
    for number in 0_u64.. {
        let grave = trash.join(number.to_string());
        match DirBuilder::new().mode(0o700).create(&grave) {
            Ok(()) => return bury(dir, &grave),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn bury(dir: &Path, grave: &Path) -> io::Result<()> {
    let moved = std::fs::rename(dir, grave.join("log"));
    std::fs::remove_dir_all(grave)?;
    match moved {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes what an earlier process had no time to remove.
pub(crate) fn empty_trash(root: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(root.join(TRASH)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The folder of all logs of a pipeline.
pub(crate) fn pipeline_dir(root: &Path, pipeline: &PipelineRef) -> PathBuf {
    root.join(pipeline.namespace.as_str()).join(pipeline.pipeline.as_str())
}

/// The bytes of all files below a folder; 0 if it is not there. What goes away meanwhile is not counted.
pub(crate) fn bytes(dir: &Path) -> io::Result<u64> {
    let mut folders = vec![dir.to_owned()];
    let mut total = 0;
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Ok(data) if data.is_dir() => folders.push(entry.path()),
                Ok(data) => total += data.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(total)
}

/// The folder of all logs of a run.
pub(crate) fn run_dir(root: &Path, run: &RunRef) -> PathBuf {
    pipeline_dir(root, &run.pipeline).join(run.run.to_string())
}

/// The folder of one log.
pub(crate) fn task_dir(root: &Path, task: &TaskRef) -> PathBuf {
    run_dir(root, &task.run).join(task.task.as_str())
}

/// The file of a segment.
pub(crate) fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.log"))
}

/// The file with the index of a segment.
pub(crate) fn index_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:08}.index"))
}

/// The file that says that a log is complete.
pub(crate) fn sealed_path(dir: &Path) -> PathBuf {
    dir.join(SEALED)
}

/// The numbers of the segments in a folder, in order; none if there is no folder.
pub(crate) fn segment_numbers(dir: &Path) -> io::Result<Vec<u32>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_suffix(".log"))
            .and_then(|stem| stem.parse::<u32>().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}
