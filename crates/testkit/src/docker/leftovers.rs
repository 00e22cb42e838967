//! What an engine leaves behind when it is killed, and getting rid of it.
//!
//! Containers have a parent of their own (a shim), which outlives the engine; groups of processes stay in the
//! kernel. (File systems that stay mounted are the world's.) All of it is found by the folder of the engine, and nothing else is touched.

use std::path::Path;

use crate::sweep;
use crate::wait::Waiter;

/// Ends all processes of the engine in this folder, its containers first, and waits until they are gone.
pub(super) fn end_processes(folder: &Path) {
    Waiter::new("the end of an engine's processes").until_blocking(|| {
        let theirs = sweep::found_in(folder);
        let containers = theirs.iter().flat_map(|parent| sweep::children_of(*parent));
        for pid in containers.chain(theirs.iter().copied()) {
            // One that cannot be killed has ended by itself.
            let _ = sweep::kill(pid);
        }
        if theirs.is_empty() { Ok(()) } else { Err(format!("{theirs:?} are there")) }
    });
}

/// Removes the empty control groups of these containers, wherever they are.
pub(super) fn remove_groups(containers: &[String]) {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    for hierarchy in hierarchies.chain([root.to_path_buf()]) {
        for container in containers {
            // Most are not there, and one that is not empty stays.
            let _ = std::fs::remove_dir(hierarchy.join("docker").join(container));
        }
    }
}
