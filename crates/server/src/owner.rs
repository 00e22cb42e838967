//! The mark of this installation on everything that it owns in its backends.
//!
//! It is made once and lives in the data directory, so that it stays the same however often the server is started, and moves
//! with the data.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use gofer_backend::{BackendError, ErrorKind, Owner, Result};
use uuid::Uuid;

const FILE: &str = "owner";

/// The mark of the installation with this data directory; made if there is none.
pub(crate) fn of(data_dir: &Path) -> Result<Owner> {
    let path = data_dir.join(FILE);
    let known = match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(data_dir),
        Err(error) => Err(error),
    };
    known.map(Owner).map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Exhausted,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            _ => ErrorKind::Internal,
        };
        BackendError::new(kind, "the mark of this installation cannot be kept")
            .with("path", path.display())
            .source(error)
    })
}

/// Writes a new mark so that after a crash there is a whole one or none.
fn make(data_dir: &Path) -> io::Result<String> {
    let mark = Uuid::now_v7().simple().to_string();
    let draft = data_dir.join(format!("{FILE}.new"));
    let mut file = File::create(&draft)?;
    writeln!(file, "{mark}")?;
    file.sync_all()?;
    fs::rename(&draft, data_dir.join(FILE))?;
    File::open(data_dir)?.sync_all()?;
    Ok(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stays_the_same_and_differs_between_installations() {
        let (one, other) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let mark = of(one.path()).expect("a mark");
        assert_eq!(of(one.path()).expect("a mark"), mark);
        assert_ne!(of(other.path()).expect("a mark"), mark);
    }
}
