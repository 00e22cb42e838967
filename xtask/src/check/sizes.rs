//! Files under 400 lines and crates under 3,000, tests aside. Exceptions stand in a list and may only shrink.

use std::collections::BTreeMap;

use super::{Outcome, exceptions};
use crate::tree::{File, Tree};

const FILE: usize = 400;
const CRATE: usize = 3_000;
/// `main` reads as a story.
const MAIN: usize = 150;
/// How far an exception may lie above what it is for before it must be lowered.
const SLACK: usize = 25;

pub(crate) fn check(tree: &Tree) -> Outcome {
    let (excepted, mut findings) = exceptions::of(tree, "size");
    let sizes = sizes(tree);
    for (path, (size, limit)) in &sizes {
        let allowed =
            excepted.iter().find(|exception| &exception.path == path).map(|exception| exception.lines);
        findings.extend(finding(path, *size, *limit, allowed));
    }
    let unknown = excepted.iter().filter(|exception| !sizes.contains_key(&exception.path));
    findings.extend(unknown.map(|exception| format!("{}: excepted, and not there", exception.path)));
    Outcome::of(findings)
}

fn finding(path: &str, size: usize, limit: usize, allowed: Option<usize>) -> Option<String> {
    match allowed {
        None if size >= limit => Some(format!("{path}: {size} lines without tests; the limit is {limit}")),
        Some(allowed) if size > allowed => Some(format!("{path}: {size} lines; its exception is {allowed}")),
        Some(_) if size < limit => {
            Some(format!("{path}: {size} lines; its exception is not needed any more"))
        }
        Some(allowed) if size + SLACK < allowed => {
            Some(format!("{path}: {size} lines; lower its exception of {allowed}"))
        }
        _ => None,
    }
}

/// The size and the limit of every file of source and of every package under `crates`. The suite that a trait crate
/// ships is test code of its backends, and so is the harness with which a backend reaches it: they do not count to their
/// crates, but their files are small too.
fn sizes(tree: &Tree) -> BTreeMap<String, (usize, usize)> {
    let mut sizes = BTreeMap::new();
    for file in tree.rust() {
        let Some(package) = file.package() else { continue };
        let size = production_lines(file);
        let limit = if file.path.ends_with("src/main.rs") { MAIN } else { FILE };
        sizes.insert(file.path.clone(), (size, limit));
        let of_suite = file.path.contains("/src/conformance/") || file.path.ends_with("/src/harness.rs");
        if package.starts_with("crates/") && !of_suite {
            sizes.entry(package).or_insert((0, CRATE)).0 += size;
        }
    }
    sizes
}

fn production_lines(file: &File) -> usize {
    file.lines().filter(|line| !line.test).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_its_limit_is_told_unless_it_is_excepted() {
        assert!(finding("a", 399, 400, None).is_none());
        assert!(finding("a", 400, 400, None).is_some());
        assert!(finding("a", 450, 400, Some(450)).is_none());
    }

    #[test]
    fn an_exception_may_only_shrink() {
        assert!(finding("a", 451, 400, Some(450)).is_some());
        assert!(finding("a", 420, 400, Some(450)).is_some());
        assert!(finding("a", 300, 400, Some(450)).is_some());
    }

    #[test]
    fn tests_do_not_count_and_a_crate_is_the_sum_of_its_files() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = vec![
            file("crates/a/src/b.rs", "1\n2\n#[cfg(test)]\nmod tests {\n}\n"),
            file("crates/a/src/c.rs", "1\n"),
            file("crates/a/tests/d.rs", "1\n2\n3\n"),
        ];
        assert_eq!(sizes(&Tree { files })["crates/a"], (3, CRATE));
    }
}
