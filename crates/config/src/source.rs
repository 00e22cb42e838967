//! Where configuration comes from. Reading the file is the only I/O of this crate.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::complaint::{Complaint, Origin, code};

/// A configuration file is refused beyond this size, before it is read whole.
const MAX_FILE: u64 = 1 << 20;

/// Everything that a configuration is made of, lowest layer first; the defaults are built in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The file's name and text, if there is one.
    pub file: Option<(PathBuf, String)>,
    /// The environment, whole: variables that are not ours are ignored.
    pub environment: Vec<(String, String)>,
    /// Overrides from the command line: `section.key=value`.
    pub overrides: Vec<String>,
}

impl Sources {
    /// Reads the file, if one is named, and takes the environment of this process. Variables that are not text are left
    /// out.
    pub fn read(file: Option<&Path>, overrides: Vec<String>) -> Result<Self, Complaint> {
        let file = file.map(read_file).transpose()?;
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Ok(Self { file, environment, overrides })
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let found = self.environment.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

fn read_file(path: &Path) -> Result<(PathBuf, String), Complaint> {
    let fail = |what: String| {
        let origin = Origin::File { path: path.to_owned(), line: 1, column: 1 };
        Complaint::new(code::UNREADABLE, format!("the configuration file cannot be read: {what}"), &origin)
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(|error| fail(error.to_string()))?;
    if text.len() as u64 > MAX_FILE {
        return Err(fail("it is larger than 1 MiB".to_owned()));
    }
    Ok((path.to_owned(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let complaint = Sources::read(Some(Path::new("/no/such/gofer.toml")), Vec::new()).unwrap_err();
        assert_eq!(complaint.code, code::UNREADABLE);
        assert!(complaint.render().contains("--> /no/such/gofer.toml"), "{}", complaint.render());
    }

    #[test]
    fn a_file_at_the_limit_is_read_and_one_beyond_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gofer.toml");
        for (length, accepted) in [(MAX_FILE, true), (MAX_FILE + 1, false)] {
            std::fs::write(&path, "#".repeat(usize::try_from(length).unwrap())).unwrap();
            assert_eq!(Sources::read(Some(&path), Vec::new()).is_ok(), accepted, "{length}");
        }
    }
}
