//! The images that gofer fetched, and removing those that no task has used for a while. Off unless an operator wants it.
//!
//! An empty file for each image; its time of change is when the image was last used. Images that somebody else brought have
//! no file, and are never touched; the engine itself keeps those that a container uses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::RemoveImageOptionsBuilder;
use gofer_backend::ErrorKind;

use crate::shared::Shared;

/// How often it is looked whether something is old, at the most and at the least.
const OFTEN: Duration = Duration::from_secs(60);
const SELDOM: Duration = Duration::from_secs(6 * 3600);

/// The memory of fetched images.
#[derive(Debug)]
pub(crate) struct Fetched {
    folder: PathBuf,
}

impl Fetched {
    pub(crate) fn open(folder: PathBuf) -> std::io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// The file of an image; nothing if its id is not one.
    fn file(&self, image: &str) -> Option<PathBuf> {
        let hex = image.strip_prefix("sha256:")?;
        let fine = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        fine.then(|| self.folder.join(hex))
    }

    /// Remembers that gofer fetched this image now.
    pub(crate) fn keep(&self, image: &str) {
        if let Some(file) = self.file(image) {
            // An image that is not remembered is not removed; that is all.
            let _ = std::fs::write(file, "");
        }
    }

    /// A task uses this image now.
    pub(crate) fn used(&self, image: &str) {
        if self.file(image).is_some_and(|file| file.try_exists().unwrap_or(false)) {
            self.keep(image);
        }
    }

    /// The images that were last used longer ago than this.
    fn older_than(&self, age: Duration) -> Vec<String> {
        let files = std::fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let old = files.filter(|file| {
            let changed = file.metadata().and_then(|meta| meta.modified());
            changed.ok().and_then(|changed| changed.elapsed().ok()).is_some_and(|since| since >= age)
        });
        old.filter_map(|file| Some(format!("sha256:{}", file.file_name().to_str()?))).collect()
    }

    fn forget(&self, image: &str) {
        if let Some(file) = self.file(image) {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Removes old images for as long as the scheduler lives.
pub(crate) async fn prune(shared: Arc<Shared>, age: Duration) {
    let closing = shared.closing.clone();
    let keep_pruning = async {
        loop {
            prune_once(&shared, age).await;
            // sleeps: age is a span of time by its nature
            tokio::time::sleep((age / 4).clamp(OFTEN, SELDOM)).await;
        }
    };
    tokio::select! {
        biased;
        () = closing.cancelled() => {}
        () = keep_pruning => {}
    }
}

/// Removes what is old now.
pub(crate) async fn prune_once(shared: &Shared, age: Duration) {
    for image in shared.fetched.older_than(age) {
        let name = image.clone();
        // Without force: the engine refuses while a container uses it or somebody gave it another name.
        let options = RemoveImageOptionsBuilder::default().force(false).build();
        let remove = |docker: bollard::Docker| async move {
            docker.remove_image(&name, Some(options), None).await.map(drop)
        };
        match shared.client.call("prune", remove).await {
            Ok(()) => {
                tracing::info!(image, "removed an image that no task has used for long");
                shared.fetched.forget(&image);
            }
            Err(fault) if fault.kind() == ErrorKind::NotFound => shared.fetched.forget(&image),
            Err(fault) => tracing::debug!(image, error = fault.chain(), "an old image is not removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_fetched_is_ever_old() {
        let folder = tempfile::tempdir().unwrap();
        let fetched = Fetched::open(folder.path().join("images")).unwrap();
        fetched.keep("sha256:ab12");
        fetched.used("sha256:cd34");
        fetched.keep("../../escape");
        assert_eq!(fetched.older_than(Duration::ZERO), ["sha256:ab12"]);
        assert!(fetched.older_than(Duration::from_secs(3600)).is_empty());
        fetched.forget("sha256:ab12");
        assert!(fetched.older_than(Duration::ZERO).is_empty());
    }
}
