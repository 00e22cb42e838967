//! What the rules look at.

use std::collections::{BTreeMap, BTreeSet};

/// The whole workspace.
#[derive(Debug, Clone, Default)]
pub struct House {
    /// Its packages.
    pub rooms: Vec<Room>,
    /// What `ARCHITECTURE.md` says about them.
    pub document: Document,
    /// The source of the engine, test code left out.
    pub engine: Vec<Source>,
    /// The same of the rooms that left the engine, by their short names.
    pub parts: Vec<(String, Vec<Source>)>,
    /// The source of the run machine, test code left out.
    pub machine: Vec<Source>,
}

/// One package.
#[derive(Debug, Clone, Default)]
pub struct Room {
    /// The package's name, such as `gofer-types`.
    pub name: String,
    /// Its directory, from the root: `crates/types`.
    pub dir: String,
    /// What it depends on, ours and others.
    pub arrows: Vec<Arrow>,
    /// Its features and what they turn on.
    pub features: BTreeMap<String, Vec<String>>,
    /// Fields and dependencies of the manifest that are not inherited from the workspace, lints included.
    pub not_inherited: Vec<String>,
}

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrow {
    /// The package that is depended on.
    pub to: String,
    /// For what.
    pub kind: ArrowKind,
    /// Whether a feature must turn it on.
    pub optional: bool,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrowKind {
    /// The crate itself.
    Normal,
    /// Its tests and benchmarks.
    Dev,
    /// Its build script.
    Build,
}

/// The table of crates in `ARCHITECTURE.md`.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// One row a crate.
    pub rows: Vec<Row>,
}

/// One row: a directory and the short names of what its crate depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Such as `crates/types`.
    pub dir: String,
    /// Such as `backend`, `types`.
    pub arrows: BTreeSet<String>,
}

/// One file of source.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The path below the crate's `src`.
    pub path: String,
    /// The lines, without comments and test modules.
    pub text: String,
}

impl House {
    /// The room with that short name.
    #[must_use]
    pub fn room(&self, short: &str) -> Option<&Room> {
        self.rooms.iter().find(|room| room.short() == short)
    }
}

impl Room {
    /// The name without its prefix: `types`, `tests-e2e`.
    #[must_use]
    pub fn short(&self) -> &str {
        self.name.strip_prefix("gofer-").unwrap_or(&self.name)
    }

    /// The other packages of the house that it depends on, by short name, for these purposes.
    pub fn ours<'a>(&'a self, kinds: &'a [ArrowKind]) -> impl Iterator<Item = &'a str> {
        let ours = |arrow: &&Arrow| arrow.to.starts_with("gofer-") && arrow.to != self.name;
        let arrows = self.arrows.iter().filter(ours).filter(|arrow| kinds.contains(&arrow.kind));
        arrows.filter_map(|arrow| arrow.to.strip_prefix("gofer-"))
    }

    /// Whether it is one backend of a family.
    #[must_use]
    pub fn is_backend(&self) -> bool {
        self.family().is_some()
    }

    /// The family of a backend: `storage` for `storage-sled`.
    #[must_use]
    pub fn family(&self) -> Option<&'static str> {
        let of =
            |family: &&&str| self.short().strip_prefix(**family).is_some_and(|rest| rest.starts_with('-'));
        FAMILIES.iter().find(of).copied()
    }

    /// Whether it holds the trait of a family.
    #[must_use]
    pub fn is_trait(&self) -> bool {
        FAMILIES.contains(&self.short())
    }
}

/// The families of backends; each name is that of its trait crate.
pub const FAMILIES: [&str; 6] =
    ["storage", "scheduler", "secret-store", "object-store", "trigger", "notifier"];

/// All purposes of a dependency.
pub const ALL_KINDS: [ArrowKind; 3] = [ArrowKind::Normal, ArrowKind::Dev, ArrowKind::Build];
