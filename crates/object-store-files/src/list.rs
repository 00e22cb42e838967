//! Lists: a walk through the directories of a prefix, in the order of keys.
//!
//! In a directory the object of a segment stands for the key itself, and the directory of a segment for everything that begins with
//! it and `/`. Sorted by these texts the walk is in the byte order of keys, as no key lies between two of one directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gofer_backend::Result;
use gofer_object_store::{KeyPrefix, MAX_SEGMENTS, ObjectKey, ObjectPage, PageRequest};

use crate::error::understood;
use crate::names;
use crate::tree::{Found, Tree, dir_name, is_absent};

/// One page.
pub(crate) fn page(tree: &Tree, prefix: &KeyPrefix, request: &PageRequest) -> Result<ObjectPage> {
    let limit = request.bound()?;
    let mut walk =
        Walk { tree, after: request.after.as_ref(), limit, page: ObjectPage::default(), last: None };
    let start = if prefix.segments().next().is_none() { String::new() } else { format!("{prefix}/") };
    let dir = prefix.segments().fold(tree.home().objects(), |path, segment| path.join(dir_name(segment)));
    let more = !walk.directory(&dir, &start)?;
    let Walk { mut page, last, .. } = walk;
    if page.objects.is_empty() && page.damaged.is_empty() {
        tree.home().require()?;
    }
    page.next = last.filter(|_| more);
    Ok(page)
}

struct Walk<'a> {
    tree: &'a Tree,
    after: Option<&'a ObjectKey>,
    limit: usize,
    page: ObjectPage,
    last: Option<ObjectKey>,
}

/// What is in a directory: the text that it is sorted by, and for a directory its path. Its text ends with `/`.
type Entries = Vec<(String, Option<PathBuf>)>;

impl Walk<'_> {
    /// Walks through everything whose keys begin with `start`: `false` if the page was full before the end.
    fn directory(&mut self, dir: &Path, start: &str) -> Result<bool> {
        if start.matches('/').count() >= MAX_SEGMENTS {
            // no key is that deep: not ours
            return Ok(true);
        }
        for (text, below) in self.entries(dir, start)? {
            let went_on = match below {
                Some(_) if self.passed(&text) => true,
                Some(_) if self.full() => false,
                Some(path) => self.directory(&path, &text)?,
                None => self.object(&text)?,
            };
            if !went_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn full(&self) -> bool {
        self.page.objects.len() + self.page.damaged.len() >= self.limit
    }

    /// Whether every key that begins with this text lies before the page.
    fn passed(&self, text: &str) -> bool {
        self.after.is_some_and(|after| after.as_str() > text && !after.as_str().starts_with(text))
    }

    /// Adds an object: `false` if the page was full.
    fn object(&mut self, text: &str) -> Result<bool> {
        // a name that no key has is not ours
        let Ok(key) = text.parse::<ObjectKey>() else { return Ok(true) };
        if self.after.is_some_and(|after| key <= *after) {
            return Ok(true);
        }
        if self.full() {
            return Ok(false);
        }
        match self.tree.find(&key)? {
            Found::Nothing => return Ok(true),
            Found::Object(meta, _) => self.page.objects.push(meta),
            Found::Damaged(_) => self.page.damaged.push(key.clone()),
        }
        self.last = Some(key);
        Ok(true)
    }

    /// The entries of a directory, sorted. Nothing changes in it meanwhile: not every file system tells of a name that is
    /// replaced while it is being read.
    fn entries(&self, dir: &Path, start: &str) -> Result<Entries> {
        let failed = |error: io::Error| understood(error, "a directory could not be read", dir);
        let _alone = self.tree.alone();
        let read = match fs::read_dir(dir) {
            Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::NotADirectory => {
                return Ok(Vec::new());
            }
            read => read.map_err(failed)?,
        };
        let mut entries = Entries::new();
        for entry in read {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(segment) = name.strip_suffix(".o").and_then(names::decode) {
                entries.push((format!("{start}{segment}"), None));
            } else if let Some(segment) = name.strip_suffix(".d").and_then(names::decode) {
                entries.push((format!("{start}{segment}/"), Some(dir.join(name))));
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }
}
