//! The paths that an artefact has, as the part of a tree that they are. Pure.

use std::collections::BTreeMap;

use crate::error::{PackError, PackProblem};
use crate::limits::Limits;
use crate::path::{SafePath, declared};
use crate::shown::shown;

/// What is wanted of one directory or file.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// All that it holds.
    pub(crate) whole: bool,
    /// What has to be there, by name.
    pub(crate) children: BTreeMap<String, Self>,
}

/// What nobody named, in a directory that is wanted whole.
static UNNAMED: Wanted = Wanted { whole: true, children: BTreeMap::new() };

impl Wanted {
    /// The tree of these paths.
    pub(crate) fn of(paths: &[SafePath]) -> Self {
        let mut root = Self::default();
        for path in paths {
            let mut node = &mut root;
            for segment in path.segments() {
                // Paths are sorted: whatever holds this one was marked before.
                let whole = node.whole;
                node = node.children.entry(segment.to_owned()).or_default();
                node.whole |= whole;
            }
            node.whole = true;
        }
        root
    }

    /// What is wanted of something in this directory.
    pub(crate) fn child(&self, name: &str) -> &Self {
        self.children.get(name).unwrap_or(&UNNAMED)
    }

    /// A declared path below this one, for the error if this one is not there or holds nothing.
    pub(crate) fn first_below(&self, path: &str) -> String {
        let (mut node, mut path) = (self, path.to_owned());
        while let Some((name, child)) = node.children.first_key_value() {
            path.push('/');
            path.push_str(name);
            node = child;
        }
        path
    }
}

/// The paths of an artefact as they will stand in it: checked, sorted, each once. They keep their places relative to
/// the work directory, so that unpacking restores them there. Pure.
///
/// # Errors
/// The first path that is refused, or that there is none.
pub fn pack_names(paths: &[String], limits: &Limits) -> Result<Vec<SafePath>, PackError> {
    if paths.is_empty() {
        return Err(PackError { path: "the artefact".to_owned(), problem: PackProblem::NoPaths });
    }
    let check = |path: &String| {
        declared(path, limits).map_err(|problem| PackError {
            path: if path.is_empty() { "the path".to_owned() } else { shown(path.as_bytes()) },
            problem: PackProblem::Path(problem),
        })
    };
    let mut names = paths.iter().map(check).collect::<Result<Vec<_>, _>>()?;
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Result<Vec<String>, String> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let names = pack_names(&paths, &Limits::default()).map_err(|error| error.to_string())?;
        Ok(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn names_are_checked_sorted_and_there_once() {
        assert_eq!(names(&["b", "a/c", "a/", "b/"]).unwrap(), ["a", "a/c", "b"]);
        assert_eq!(names(&[]).unwrap_err(), "the artefact has no paths to pack");
        assert_eq!(names(&[""]).unwrap_err(), "the path is empty");
        assert!(names(&["a", "b/*.js"]).unwrap_err().starts_with("b/*.js has a `*`"));
        assert!(names(&["../up"]).unwrap_err().starts_with("../up has `..`"));
    }

    #[test]
    fn a_path_within_another_has_to_be_there_and_is_whole_as_the_other() {
        let paths = pack_names(&["a".to_owned(), "a/b/c".to_owned(), "d/e".to_owned()], &Limits::default());
        let wanted = Wanted::of(&paths.unwrap());
        assert!(!wanted.whole && wanted.child("a").whole && wanted.child("a").child("b").whole);
        assert!(!wanted.children["d"].whole && wanted.children["d"].child("e").whole);
        assert_eq!(wanted.child("a").first_below("a"), "a/b/c");
        assert!(wanted.child("a").child("other").whole);
    }
}
