//! Error codes and their pages: each code in the source has a page, each page a code.

use std::collections::BTreeSet;

use super::Outcome;
use crate::tree::{File, Tree};

const PAGES: &str = "docs/errors/";

pub(crate) fn check(tree: &Tree) -> Outcome {
    let in_source: BTreeSet<String> =
        tree.rust().filter(|file| file.path.starts_with("crates/")).flat_map(production_codes).collect();
    let pages: BTreeSet<String> = tree.files.iter().filter_map(page_code).collect();
    let missing = in_source
        .difference(&pages)
        .map(|code| format!("{PAGES}{code}.md: missing; the source uses the code"));
    let unused =
        pages.difference(&in_source).map(|code| format!("{PAGES}{code}.md: no source uses the code"));
    let untitled = tree.files.iter().filter(|file| page_code(file).is_some_and(|code| !titled(file, &code)));
    let untitled =
        untitled.map(|file| format!("{}: the first line is not `# CODE: what happened`", file.path));
    Outcome::of(missing.chain(unused).chain(untitled).collect())
}

fn page_code(file: &File) -> Option<String> {
    let name = file.path.strip_prefix(PAGES)?.strip_suffix(".md")?;
    codes(name).next().filter(|code| code == name)
}

fn titled(page: &File, code: &str) -> bool {
    page.text
        .strip_prefix("# ")
        .and_then(|text| text.strip_prefix(code))
        .is_some_and(|text| text.starts_with(": "))
}

fn production_codes(file: &File) -> Vec<String> {
    let lines = file.lines().filter(|line| !line.test && !line.text.trim_start().starts_with("//"));
    lines.flat_map(|line| codes(line.text).collect::<Vec<_>>()).collect()
}

/// The codes in a text: `E` or `W` and four digits, standing alone.
fn codes(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_code = |word: &&str| {
        let digits = word.strip_prefix(['E', 'W']).unwrap_or_default();
        digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    words.filter(is_code).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn findings(files: Vec<File>) -> usize {
        match check(&Tree { files }) {
            Outcome::Findings(findings) => findings.len(),
            _ => 0,
        }
    }

    #[test]
    fn codes_stand_alone() {
        assert_eq!(codes("(\"E0803\", W0512) E08031 NOTE0803 E080x").collect::<Vec<_>>(), ["E0803", "W0512"]);
    }

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_told() {
        let source = || file("crates/a/src/b.rs", "const X: &str = \"E0001\";\n// E0009\n");
        assert_eq!(findings(vec![source()]), 1);
        assert_eq!(findings(vec![source(), file("docs/errors/E0001.md", "# E0001: it broke\n")]), 0);
        assert_eq!(findings(vec![source(), file("docs/errors/E0001.md", "It broke\n")]), 1);
        assert_eq!(findings(vec![file("docs/errors/E0001.md", "# E0001: it broke\n")]), 1);
    }
}
