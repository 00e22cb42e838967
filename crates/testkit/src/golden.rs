//! Outputs that are compared with files of the repository.
//!
//! `GOFER_UPDATE_GOLDEN=1` writes the files instead; what changed is then seen in the diff and reviewed there.

use std::path::{Path, PathBuf};

/// The variable that makes [`check`] write instead of compare.
pub const UPDATE: &str = "GOFER_UPDATE_GOLDEN";

/// Compares bytes with a golden file. Give the path from the crate's root: `concat!(env!("CARGO_MANIFEST_DIR"), "/...")`.
///
/// # Panics
/// If they differ, or the file is not there.
pub fn check(path: impl AsRef<Path>, actual: impl AsRef<[u8]>) {
    let updating = std::env::var_os(UPDATE).is_some();
    if let Err(message) = compare(path.as_ref(), actual.as_ref(), updating) {
        panic!("{message}");
    }
}

fn compare(path: &Path, actual: &[u8], updating: bool) -> Result<(), String> {
    if updating {
        return write(path, actual).map_err(|error| format!("{}: {error}", path.display()));
    }
    let expected = std::fs::read(path)
        .map_err(|error| format!("{}: {error}; run with {UPDATE}=1 to write it", path.display()))?;
    if expected == actual { Ok(()) } else { Err(difference(path, &expected, actual)) }
}

fn write(path: &Path, actual: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().map_or_else(PathBuf::new, Path::to_path_buf))?;
    std::fs::write(path, actual)
}

fn difference(path: &Path, expected: &[u8], actual: &[u8]) -> String {
    let (expected, actual) = (String::from_utf8_lossy(expected), String::from_utf8_lossy(actual));
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
    let line = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let side =
        |lines: &[&str]| lines.get(line).map_or("(end of file)".to_owned(), |text| format!("{text:?}"));
    format!(
        "{} differs from line {}:\n  file:   {}\n  actual: {}\n{UPDATE}=1 accepts the new text. All of it:\n{actual}",
        path.display(),
        line + 1,
        side(&old),
        side(&new),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::World;

    #[test]
    fn the_same_bytes_pass() {
        let world = World::new();
        let path = world.write("a.txt", "one\n");
        assert_eq!(compare(&path, b"one\n", false), Ok(()));
    }

    #[test]
    fn a_difference_names_the_line_and_both_sides() {
        let world = World::new();
        let path = world.write("a.txt", "one\ntwo\n");
        let message = compare(&path, b"one\n2\n", false).unwrap_err();
        assert!(message.contains("from line 2:\n  file:   \"two\"\n  actual: \"2\""), "{message}");
    }

    #[test]
    fn a_missing_file_says_how_to_write_it_and_updating_does() {
        let world = World::new();
        let path = world.join("new/a.txt");
        assert!(compare(&path, b"x", false).unwrap_err().contains(UPDATE));
        assert_eq!(compare(&path, b"x", true), Ok(()));
        assert_eq!(compare(&path, b"x", false), Ok(()));
    }
}
