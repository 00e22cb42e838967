//! A file of this host for what is on its way to a container or from one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_scheduler::FileStream;

use crate::directory::named_anew;
use crate::{Slot, outgoing};

const PIECE: usize = 64 << 10;

/// A file that was filled; see [`Carriers::spool`](crate::Carriers::spool). It has no name, so that nothing of it outlives
/// this process.
#[derive(Debug)]
pub struct Spool {
    pub(crate) file: File,
    pub(crate) slot: Slot,
}

impl Spool {
    /// How many bytes it holds.
    ///
    /// # Errors
    /// What the host says.
    pub fn size(&self) -> Result<u64> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(failed)
    }

    /// What it holds, from its beginning. Its slot is free behind the end. Must be called within a runtime.
    #[must_use]
    pub fn contents(self) -> FileStream {
        let Self { file, slot } = self;
        outgoing(slot, move |out, _| {
            copy(file, out).map_err(|source| {
                BackendError::new(ErrorKind::Internal, "what was on its way cannot be read").source(source)
            })
        })
    }
}

/// An empty file that has no name.
pub(crate) fn spool(folder: &Path) -> Result<File> {
    named_anew(".on-its-way-", |name| {
        let path = folder.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        fs::remove_file(&path)?;
        Ok(file)
    })
    .map_err(failed)
}

fn failed(source: io::Error) -> BackendError {
    BackendError::new(host(&source), "files on their way cannot be kept").source(source)
}

/// What an error of this host means, where files are on their way.
#[must_use]
pub fn host(fault: &io::Error) -> ErrorKind {
    match fault.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
        _ => ErrorKind::Internal,
    }
}

fn copy(mut file: File, out: &mut dyn Write) -> io::Result<()> {
    file.rewind()?;
    let mut buffer = vec![0; PIECE];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => out.write_all(buffer.get(..length).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::name;

    #[test]
    fn what_a_crash_left_under_our_names_is_in_nobody_s_way() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..20 {
            fs::write(folder.path().join(name(".on-its-way-", number)), "old").unwrap();
        }
        let mut file = spool(folder.path()).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), fs::read_dir(folder.path()).unwrap().count()), ("", 20));
    }
}
