//! Small disks in memory, for tests that fill one.
//!
//! They need the rights of root. A disk goes away with the world that it is mounted in.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount as mount_at, unmount};

/// Whether this process may mount anything.
#[must_use]
pub fn may_mount() -> bool {
    let Ok(probe) = tempfile::tempdir() else { return false };
    let options = c"size=64k";
    let mounted = mount_at("tmpfs", probe.path(), "tmpfs", MountFlags::NOSUID, Some(options)).is_ok();
    mounted && unmount(probe.path(), UnmountFlags::DETACH).is_ok()
}

/// Makes the folder and mounts a disk of that many bytes there.
///
/// # Panics
/// If it cannot be mounted.
pub fn mount(folder: &Path, bytes: u64) {
    std::fs::create_dir_all(folder).expect("a folder in the world");
    let options = CString::new(format!("size={bytes}")).expect("a number");
    mount_at("tmpfs", folder, "tmpfs", MountFlags::NOSUID, Some(options.as_c_str()))
        .expect("a disk in memory");
}

/// Takes down what is mounted below this folder, the deepest first.
pub(crate) fn unmount_below(folder: &Path) {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let mut points: Vec<PathBuf> = points.filter(|point| point.starts_with(folder)).collect();
    points.sort();
    for point in points.into_iter().rev() {
        if let Err(error) = unmount(&point, UnmountFlags::DETACH) {
            eprintln!("{} stays mounted: {error}", point.display());
        }
    }
}
