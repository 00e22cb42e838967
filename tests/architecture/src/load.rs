//! Reads this workspace into a [`House`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use toml::{Table, Value};

use crate::house::{Arrow, ArrowKind, Document, House, Room, Row, Source};

/// The rooms that left the engine and keep its rules.
const PARTS: [&str; 9] =
    ["attempt", "explain", "hall", "inside", "journal", "queue", "readers", "retention", "versions"];

/// The root of this workspace.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("tests/architecture lies two levels down").to_owned()
}

/// Reads the workspace that this crate is part of.
///
/// # Panics
/// If it cannot be read.
#[must_use]
pub fn this_house() -> House {
    let root = root();
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata");
    let rooms = metadata.packages.iter().map(|package| room(&root, package)).collect();
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let of = |name: &str| sources(&root.join("crates").join(name).join("src"));
    let parts = PARTS.map(|name| (name.to_owned(), of(name))).to_vec();
    House { rooms, document: document(&text), engine: of("engine"), parts, machine: of("run-machine") }
}

fn room(root: &Path, package: &Package) -> Room {
    let manifest = package.manifest_path.as_std_path();
    let dir =
        manifest.parent().and_then(|dir| dir.strip_prefix(root).ok()).expect("a package of this workspace");
    let text = std::fs::read_to_string(manifest).expect("a manifest");
    Room {
        name: package.name.to_string(),
        dir: dir.display().to_string(),
        arrows: package.dependencies.iter().map(arrow).collect(),
        features: package.features.clone().into_iter().collect(),
        not_inherited: not_inherited(&text),
    }
}

fn arrow(dependency: &cargo_metadata::Dependency) -> Arrow {
    let kind = match dependency.kind {
        DependencyKind::Development => ArrowKind::Dev,
        DependencyKind::Build => ArrowKind::Build,
        _ => ArrowKind::Normal,
    };
    Arrow { to: dependency.name.clone(), kind, optional: dependency.optional }
}

const FIELDS: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];
const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// What a manifest says for itself although the workspace says it.
///
/// # Panics
/// If the text is not TOML.
#[must_use]
pub fn not_inherited(manifest: &str) -> Vec<String> {
    let manifest: Table = manifest.parse().expect("a manifest is TOML");
    let inherits = |value: Option<&Value>| {
        value.and_then(|value| value.get("workspace")).and_then(Value::as_bool).unwrap_or(false)
    };
    let package = manifest.get("package");
    let fields = FIELDS
        .iter()
        .filter(|field| !inherits(package.and_then(|package| package.get(**field))))
        .map(|field| format!("package.{field}"));
    let lints = (!inherits(manifest.get("lints"))).then(|| "lints".to_owned());
    let dependencies = dependency_tables(&manifest).flat_map(|(place, table)| {
        let own = table.iter().filter(|(_, value)| !inherits(Some(value)));
        own.map(move |(name, _)| format!("{place}.{name}")).collect::<Vec<_>>()
    });
    fields.chain(lints).chain(dependencies).collect()
}

fn dependency_tables(manifest: &Table) -> impl Iterator<Item = (String, &Table)> {
    let own = TABLES.iter().map(move |name| ((*name).to_owned(), manifest.get(*name)));
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let of_targets = targets.flat_map(|(target, value)| {
        TABLES.iter().map(move |name| (format!("target.{target}.{name}"), value.get(*name)))
    });
    own.chain(of_targets).filter_map(|(place, table)| Some((place, table?.as_table()?)))
}

/// Reads the rows ``| `crates/types` | what it is | `a` `b` |``: the first cell is the directory, the last the arrows.
#[must_use]
pub fn document(text: &str) -> Document {
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').collect();
        let dir = code_words(cells.first()?).next()?;
        let known = ["crates/", "tests/"].iter().any(|top| dir.starts_with(top)) || dir == "xtask";
        let arrows: BTreeSet<String> = code_words(cells.last()?).map(str::to_owned).collect();
        known.then(|| Row { dir: dir.to_owned(), arrows })
    });
    Document { rows: rows.collect() }
}

/// The words of a cell that stand in back-ticks.
fn code_words(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn sources(dir: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).expect("a directory of source") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(source(dir, &path));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn source(top: &Path, path: &Path) -> Source {
    let text = std::fs::read_to_string(path).expect("a file of source");
    let path = path.strip_prefix(top).expect("a file below the top").display().to_string();
    let is_tests = path.split('/').any(|name| name == "tests" || name == "tests.rs");
    Source { path, text: if is_tests { String::new() } else { production(&text) } }
}

/// A source without its comments and its test modules.
#[must_use]
pub fn production(text: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            skip_item(&mut lines);
        } else if !line.trim_start().starts_with("//") {
            kept.push(line);
        }
    }
    kept.join("\n")
}

/// Skips one item of the top level: to its line if it ends there, else to the brace that closes it.
fn skip_item<'a>(lines: &mut impl Iterator<Item = &'a str>) {
    let head = lines.find(|line| !line.starts_with("#["));
    if head.is_some_and(|head| !head.ends_with([';', '}'])) {
        lines.find(|line| *line == "}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_inherits_everything_has_nothing_of_its_own() {
        let text = "[package]\nname = 'x'\nversion.workspace = true\nedition.workspace = true\n\
            rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
            [lints]\nworkspace = true\n[dependencies]\na.workspace = true\nb = { workspace = true, optional = true }\n";
        assert!(not_inherited(text).is_empty());
    }

    #[test]
    fn versions_lints_and_dependencies_of_its_own_are_found() {
        let text = "[package]\nname = 'x'\nversion = '1'\nedition.workspace = true\nrust-version.workspace = true\n\
            license.workspace = true\npublish.workspace = true\n[dev-dependencies]\na = '1'\n\
            [target.'cfg(unix)'.dependencies]\nb = '2'\n";
        assert_eq!(
            not_inherited(text),
            ["package.version", "lints", "dev-dependencies.a", "target.cfg(unix).dependencies.b"]
        );
    }

    #[test]
    fn rows_of_crates_are_read_and_other_tables_are_not() {
        let text = "| where | what | on |\n|---|---|---|\n| `crates/a` | text with `code` | `b` `c` |\n\
            | `xtask` | x | nothing |\n| `gofer` | x | `y` |\n";
        let rows = document(text).rows;
        assert_eq!(rows.iter().map(|row| row.dir.as_str()).collect::<Vec<_>>(), ["crates/a", "xtask"]);
        assert_eq!(rows[0].arrows, BTreeSet::from(["b".to_owned(), "c".to_owned()]));
        assert!(rows[1].arrows.is_empty());
    }

    #[test]
    fn comments_and_tests_are_not_production() {
        assert_eq!(production("a\n// b\nc\n#[cfg(test)]\nmod tests {\n    x\n}\n"), "a\nc");
        assert_eq!(
            production("#[cfg(test)]\nmod tests;\na\n#[cfg(test)]\n#[path = \"x\"]\nmod y {}\nb\n"),
            "a\nb"
        );
    }
}
