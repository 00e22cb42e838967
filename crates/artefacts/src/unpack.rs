//! Unpacking: from the bytes of a stranger to a work directory that others may share.

use std::io::Read;
use std::path::Path;

use crate::error::{Cleanup, UnpackError, UnpackProblem};
use crate::limits::Limits;
use crate::place::Place;
use crate::read::{Unpacked, read};

/// Unpacks an archive of [`crate::pack`] into a directory, which has to be there and is opened as it is; below it nothing is
/// reached by way of a link. Directories that are there are gone into and keep their modes; files are never overwritten.
/// Modes are 0755 or 0644, whatever the archive says. The archive is read to its end, and nothing but zeros may follow.
///
/// Not idempotent: a second call meets the files of the first. Nothing is synced. Blocks; holds 64 KiB of the archive, the
/// names of its entries, and one descriptor for each level of directories.
///
/// # Errors
/// Anything but the dialect of [`crate::pack`], more than `limits` allow, something in the way, and what reading or
/// writing tells. What this call made is removed again, as far as it is still there; the error says so.
pub fn unpack(archive: impl Read, into: &Path, limits: &Limits) -> Result<Unpacked, UnpackError> {
    let mut place = Place::open(into).map_err(|error| UnpackError {
        number: 0,
        entry: None,
        problem: UnpackProblem::Target(error.into()),
        cleanup: Cleanup::default(),
    })?;
    read(archive, limits, &mut place).map_err(|error| UnpackError { cleanup: place.undo(), ..error })
}
