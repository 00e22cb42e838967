//! Every Rust file begins with module docs.

use super::Outcome;
use crate::tree::{File, Tree};

pub(crate) fn check(tree: &Tree) -> Outcome {
    let silent = tree.rust().filter(|file| !has_header(file));
    Outcome::of(
        silent.map(|file| format!("{}: no `//!` at the top: say why the file exists", file.path)).collect(),
    )
}

fn has_header(file: &File) -> bool {
    let first = file.text.lines().find(|line| !line.trim().is_empty());
    first.is_some_and(|line| line.starts_with("//! ") && line.len() > 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_word_at_its_top_is_told() {
        let file = |text: &str| File { path: "a.rs".to_owned(), text: text.to_owned() };
        assert!(has_header(&file("\n//! Why it exists.\n")));
        assert!(!has_header(&file("use x;\n//! Too late.\n")));
        assert!(!has_header(&file("")));
    }
}
