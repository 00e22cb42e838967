//! The files of the workspace, read once.

use std::path::{Path, PathBuf};

use crate::process::root;

/// Directories that are not ours to check.
const SKIPPED: [&str; 3] = ["target", ".git", ".gofer"];

/// A text file.
pub(crate) struct File {
    /// The path from the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// All text files, in the order of their paths.
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// Reads the workspace. Files that are not UTF-8 text are left out.
    pub(crate) fn read() -> Result<Self, String> {
        let root = root();
        let mut files = Vec::new();
        let mut open = vec![root.clone()];
        while let Some(dir) = open.pop() {
            for path in entries(&dir)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if path.is_symlink() || SKIPPED.contains(&name.as_str()) {
                    continue;
                }
                if path.is_dir() {
                    open.push(path);
                } else if let Ok(text) = std::fs::read_to_string(&path) {
                    files.push(File { path: relative(&root, &path), text });
                }
            }
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self { files })
    }

    /// The Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The file at a path.
    pub(crate) fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let fail = |error| format!("{}: {error}", dir.display());
    let entries = std::fs::read_dir(dir).map_err(fail)?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(fail)).collect()
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

impl File {
    /// The directory of the package that the file belongs to: `crates/types`, `tests/e2e`, `xtask`.
    pub(crate) fn package(&self) -> Option<String> {
        let parts: Vec<&str> = self.path.split('/').collect();
        match parts.as_slice() {
            ["xtask", ..] => Some("xtask".to_owned()),
            [top @ ("crates" | "tests"), name, _, ..] => Some(format!("{top}/{name}")),
            _ => None,
        }
    }

    /// Whether the whole file is test code: the directories `tests` and `benches` of a package, and files `tests.rs`.
    pub(crate) fn is_test(&self) -> bool {
        let below = self.package().and_then(|package| self.path.strip_prefix(&package).map(str::to_owned));
        let below = below.unwrap_or_default();
        ["/tests/", "/benches/", "/fuzz/"].iter().any(|dir| below.contains(dir))
            || below.ends_with("/tests.rs")
    }

    /// The lines with their numbers, from 1, each with whether it belongs to a `#[cfg(test)]` module.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let whole = self.is_test();
        let mut module: Option<&str> = None;
        let mut announced = false;
        self.text.lines().enumerate().map(move |(index, text)| {
            let indent = &text[..text.len() - text.trim_start().len()];
            let mut test = whole || module.is_some();
            if module.is_none() && text.trim() == "#[cfg(test)]" {
                announced = true;
                test = true;
            } else if announced {
                // Attributes may stand between; a module with a body opens here and ends at its own indentation.
                test = true;
                if !text.trim_start().starts_with("#[") {
                    announced = false;
                    module = text.ends_with('{').then_some(indent);
                }
            } else if module == Some(indent) && text.trim() == "}" {
                module = None;
            }
            Line { number: index + 1, text, test }
        })
    }
}

/// One line of a file.
pub(crate) struct Line<'a> {
    pub(crate) number: usize,
    pub(crate) text: &'a str,
    pub(crate) test: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn test_lines(text: &str) -> Vec<usize> {
        let file = file("crates/a/src/b.rs", text);
        file.lines().filter(|line| line.test).map(|line| line.number).collect()
    }

    #[test]
    fn a_test_module_is_test_code_to_its_end() {
        assert_eq!(test_lines("a\n#[cfg(test)]\nmod tests {\n    b {\n    }\n}\nc\n"), [2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_test_function_and_a_module_elsewhere_are_test_code() {
        assert_eq!(test_lines("#[cfg(test)]\nmod tests;\na\n"), [1, 2]);
        assert_eq!(test_lines("#[cfg(test)]\n#[rustfmt::skip]\nmod tests {\n}\na\n"), [1, 2, 3, 4]);
    }

    #[test]
    fn files_know_their_package_and_whether_they_are_tests() {
        assert!(file("crates/a/tests/b.rs", "").is_test());
        assert!(file("tests/e2e/tests/b.rs", "").is_test());
        assert!(!file("tests/e2e/src/b.rs", "").is_test());
        assert_eq!(file("tests/e2e/src/b.rs", "").package().as_deref(), Some("tests/e2e"));
        assert_eq!(file("README.md", "").package(), None);
    }
}
