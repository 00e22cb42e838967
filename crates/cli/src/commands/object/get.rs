//! `object get`: into a file that is there whole or not at all, or to standard output.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gofer_grammar::ObjectGet;
use gofer_input::object::STREAM;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_views::signals::Stops;
use tempfile::NamedTempFile;

use super::fetch::{Fetch, Next};
use super::seen;
use crate::context::Cx;

/// Where the bytes go.
enum Target {
    /// Standard output.
    Output,
    /// A file: one beside it until everything has come.
    File(Fresh),
}

/// `object get`.
pub(super) async fn get(cx: &Cx, args: &ObjectGet) -> Result<Exit, Failure> {
    let scope = cx.addresses.scope(&args.place.of.scope)?;
    let mut target = match &args.file {
        Some(path) if path.as_os_str() == STREAM => Target::Output,
        path => Target::File(Fresh::new(&place(path.as_deref(), &args.place.key), args.force)?),
    };
    let mut stops = target.stops()?;
    let begun = async {
        let remote = cx.remote().await?;
        Fetch::begin(&remote, scope, &args.place.key).await
    };
    let mut fetch = tokio::select! {
        biased;
        () = stopped(&mut stops) => return Ok(Exit::Interrupted),
        fetch = begun => fetch?,
    };
    let mut view = seen(cx, Some(fetch.object.clone()))?;
    loop {
        let next = tokio::select! {
            biased;
            // the file that is on its way goes with this
            () = stopped(&mut stops) => return Ok(Exit::Interrupted),
            next = fetch.next() => next?,
        };
        let Some(next) = next else { break };
        match next {
            Next::Bytes(bytes) => target.write(cx, &bytes)?,
            Next::Interrupted(error) => cx.ui.note(&format!("* {error}; trying again")),
            Next::Resumed => cx.ui.note("* reconnected, 0 bytes lost"),
        }
    }
    if let Target::File(fresh) = target {
        let path = fresh.keep()?;
        view.file = Some(path.display().to_string().trim_start_matches("./").to_owned());
        cx.ui.object(&view, |style| gofer_views::objects::fetched(&view, style))?;
    }
    Ok(Exit::Ok)
}

/// The file that is meant: in a directory, or where none was named, the last part of the key.
fn place(typed: Option<&Path>, key: &str) -> PathBuf {
    let name = key.rsplit('/').next().unwrap_or(key);
    match typed {
        None => Path::new(".").join(name),
        Some(path) if path.is_dir() => path.join(name),
        Some(path) => path.to_owned(),
    }
}

/// Resolves once it is to stop.
async fn stopped(stops: &mut Option<Stops>) {
    match stops {
        Some(stops) => stops.next().await,
        None => std::future::pending().await,
    }
}

impl Target {
    /// The signals that are listened for, where something is on its way that must not stay behind. All others end the
    /// process by themselves, also while nobody reads what it writes.
    fn stops(&self) -> Result<Option<Stops>, Failure> {
        match self {
            Self::Output => Ok(None),
            Self::File(_) => Stops::of_owner().map(Some),
        }
    }

    fn write(&mut self, cx: &Cx, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Output => cx.ui.bytes(bytes),
            Self::File(fresh) => fresh.write(bytes),
        }
    }
}

/// The rights that new files have, of which the process takes what its umask says.
const NEW: u32 = 0o666;

/// A file on its way to its place. Dropped before, nothing of it is left.
struct Fresh {
    file: NamedTempFile,
    /// As it is called.
    name: PathBuf,
    /// Where it goes: behind every link.
    path: PathBuf,
    force: bool,
}

impl Fresh {
    fn new(path: &Path, force: bool) -> Result<Self, Failure> {
        let found = match std::fs::metadata(path) {
            Ok(found) => Some(found),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(Failure::file("look at", path, &cause)),
        };
        match found {
            Some(found) if !found.is_file() => {
                let text = format!("{} is there already and is no plain file", path.display());
                return Err(Failure::new("E0008", Exit::Conflict, text).hint("name another file, or `-`"));
            }
            Some(_) if !force => return Err(there(path)),
            _ => {}
        }
        // what is replaced may have been kept from others
        let rights = found.map(|found| Permissions::from_mode(found.permissions().mode() & 0o777));
        // what stands behind a link is replaced, not the link
        let name = path.to_owned();
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = beside(dir, rights).map_err(|cause| Failure::file("write into", dir, &cause))?;
        Ok(Self { file, name, path, force })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|cause| Failure::file("write", &self.name, &cause))
    }

    /// Puts it into its place.
    fn keep(self) -> Result<PathBuf, Failure> {
        let Self { file, name, path, force } = self;
        let fail = |cause: &std::io::Error| Failure::file("write", &name, cause);
        file.as_file().sync_all().map_err(|cause| fail(&cause))?;
        // between the look and the end somebody may have made one
        let kept = if force { file.persist(&path) } else { file.persist_noclobber(&path) };
        match kept {
            Ok(_) => Ok(name),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Err(there(&name)),
            Err(error) => Err(fail(&error.error)),
        }
    }
}

fn there(path: &Path) -> Failure {
    Failure::new("E0008", Exit::Conflict, format!("{} exists already", path.display()))
        .hint("choose another file, or overwrite it with `--force`")
}

/// A file that has no name of its own yet, with these rights, or those that new files have.
fn beside(dir: &Path, rights: Option<Permissions>) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".gofer-").permissions(rights.clone().unwrap_or(Permissions::from_mode(NEW)));
    let file = builder.tempfile_in(dir)?;
    if let Some(rights) = rights {
        // without what the umask took
        file.as_file().set_permissions(rights)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).expect("a directory");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a");
        let mut fresh = Fresh::new(&path, false).expect("a file");
        fresh.write(b"half").expect("a write");
        assert!(!names(dir.path()).contains(&"a".to_owned()));
        drop(fresh);
        assert!(names(dir.path()).is_empty(), "nothing is left");
        let mut fresh = Fresh::new(&path, false).expect("a file");
        fresh.write(b"whole").expect("a write");
        assert_eq!(fresh.keep().expect("kept"), path);
        assert_eq!(
            (std::fs::read(&path).expect("a file"), names(dir.path())),
            (b"whole".to_vec(), vec!["a".to_owned()])
        );
    }

    #[test]
    fn nothing_is_overwritten_unless_that_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a");
        let late = Fresh::new(&path, false).expect("a file");
        std::fs::write(&path, "theirs").expect("a file");
        let code = |failure: Failure| (failure.code.clone(), failure.exit);
        assert_eq!(
            Fresh::new(&path, false).map(drop).map_err(code),
            Err(("E0008".to_owned(), Exit::Conflict))
        );
        assert_eq!(late.keep().map(drop).map_err(code), Err(("E0008".to_owned(), Exit::Conflict)));
        assert_eq!(std::fs::read(&path).expect("a file"), b"theirs");
        let mut fresh = Fresh::new(&path, true).expect("a file");
        fresh.write(b"ours").expect("a write");
        fresh.keep().expect("kept");
        assert_eq!(std::fs::read(&path).expect("a file"), b"ours");
        assert!(Fresh::new(Path::new("/dev/null"), true).is_err(), "a device is never replaced");
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_rights() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a");
        for mode in [0o600, 0o666, 0o755, 0o444] {
            std::fs::write(&path, "theirs").expect("a file");
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("rights");
            let mut fresh = Fresh::new(&path, true).expect("a file");
            let rights = |path: &Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
            assert_eq!(rights(fresh.file.path()), mode, "also on its way");
            fresh.write(b"ours").expect("a write");
            assert_eq!(
                (rights(&fresh.keep().expect("kept")), std::fs::read(&path).expect("a file")),
                (mode, b"ours".to_vec())
            );
            std::fs::remove_file(&path).expect("gone");
        }
    }

    #[test]
    fn the_last_part_of_the_key_names_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(place(None, "out/a.tar"), Path::new("./a.tar"));
        assert_eq!(place(Some(dir.path()), "out/a.tar"), dir.path().join("a.tar"));
        assert_eq!(place(Some(Path::new("x/b")), "out/a.tar"), Path::new("x/b"));
    }
}
