//! What must not stand in the files: each ban says why and what instead.

use super::{Outcome, exceptions};
use crate::process::root;
use crate::tree::{File, Tree};

struct Ban {
    /// The name under which `exceptions.toml` lists files that may.
    rule: &'static str,
    words: &'static [&'static str],
    instead: &'static str,
    /// How a comment begins that accepts the line below it, where a reason at the place can.
    accepted_by: Option<&'static str>,
}

/// The shortest text that can be a reason.
const REASON: usize = 10;

// The words are written in two parts, so that this file does not contain them.
const IN_RUST: [Ban; 4] = [
    Ban {
        rule: "unfinished",
        words: &[concat!("to", "do!("), concat!("unimplem", "ented!("), concat!("db", "g!(")],
        instead: "finish it, or refuse by name with an error",
        accepted_by: None,
    },
    Ban {
        rule: "sleep",
        words: &[concat!("thread::", "sleep("), concat!("time::", "sleep(")],
        instead: "wait on a condition (gofer_testkit::wait_for, Clock::sleep_until), or say why above: // sleeps: ...",
        accepted_by: Some("// sleeps: "),
    },
    Ban {
        rule: "cause",
        words: &[concat!("{sour", "ce}"), concat!("{sour", "ce:")],
        instead: "a message is one link of the chain: the log prints the cause",
        accepted_by: None,
    },
    Ban {
        rule: "ignore",
        words: &[concat!("#[ign", "ore]")],
        instead: "say why: #[ignore = \"...\"]",
        accepted_by: None,
    },
];

const ANYWHERE: [Ban; 2] = [
    Ban {
        rule: "marks",
        words: &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")],
        instead: "do it, or write an issue",
        accepted_by: None,
    },
    Ban {
        rule: "issue-number",
        words: &[concat!("issue ", "#"), concat!("fixes ", "#")],
        instead: "say what, not which number",
        accepted_by: None,
    },
];

pub(crate) fn check(tree: &Tree) -> Outcome {
    let mut findings = Vec::new();
    for ban in &IN_RUST {
        findings.extend(banned(tree, ban, |file| file.path.ends_with(".rs")));
    }
    for ban in &ANYWHERE {
        findings.extend(banned(tree, ban, |file| file.path != "Cargo.lock"));
    }
    let paths = machine_paths(&root().display().to_string());
    for file in &tree.files {
        findings.extend(paths.iter().flat_map(|path| hits(file, path, "a path of one machine", None)));
    }
    Outcome::of(findings)
}

fn banned(tree: &Tree, ban: &Ban, applies: impl Fn(&File) -> bool) -> Vec<String> {
    let (excepted, mut findings) = exceptions::of(tree, ban.rule);
    let files = tree.files.iter().filter(|file| applies(file));
    for file in files.filter(|file| !excepted.iter().any(|exception| exception.path == file.path)) {
        findings.extend(ban.words.iter().flat_map(|word| hits(file, word, ban.instead, ban.accepted_by)));
    }
    findings
}

fn hits(file: &File, word: &str, why: &str, accepted_by: Option<&str>) -> Vec<String> {
    let mut above = "";
    let lines = file.lines().filter(|line| {
        let accepted = accepted_by.is_some_and(|mark| gives_reason(above, mark));
        above = line.text;
        !accepted && stands_in(line.text, word)
    });
    lines.map(|line| format!("{}:{}: `{word}`: {why}", file.path, line.number)).collect()
}

/// Whether a line is a comment that begins with the mark and goes on with a reason.
fn gives_reason(line: &str, mark: &str) -> bool {
    line.trim_start().strip_prefix(mark).is_some_and(|reason| reason.trim().len() > REASON)
}

/// Whether a line contains a word that is not a part of a longer one.
fn stands_in(line: &str, word: &str) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let starts_with_letter = is_letter(word.chars().next());
    let ends_with_letter = is_letter(word.chars().next_back());
    line.match_indices(word).any(|(at, _)| {
        let joined_before = starts_with_letter && is_letter(line[..at].chars().next_back());
        let joined_after = ends_with_letter && is_letter(line[at + word.len()..].chars().next());
        !joined_before && !joined_after
    })
}

/// The directory of this clone and the one above it: nothing in the repository may know where it lies.
fn machine_paths(root: &str) -> Vec<String> {
    let above = root.rsplit_once('/').map(|(above, _)| above).filter(|above| above.len() > 1);
    std::iter::once(root).chain(above).map(|path| format!("{path}/")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_told_with_its_line() {
        let file = File { path: "a.rs".to_owned(), text: "x\n  to".to_owned() + "do!()\n" };
        assert_eq!(hits(&file, IN_RUST[0].words[0], "why", None), ["a.rs:2: `to".to_owned() + "do!(`: why"]);
    }

    #[test]
    fn a_part_of_a_longer_word_is_not_the_word() {
        assert!(stands_in("a b", "b") && stands_in("(b)", "b") && stands_in("x.b(", "b("));
        assert!(!stands_in("ab", "b") && !stands_in("ba ab", "b"));
    }

    #[test]
    fn an_excepted_file_may() {
        let file = |path: &str, text: String| File { path: path.to_owned(), text };
        let word = format!("std::{}x)", IN_RUST[1].words[0]);
        let exception = "[[sleep]]\npath = 'a.rs'\nreason = 'it is the replacement'\n".to_owned();
        let files =
            vec![file("a.rs", word.clone()), file("b.rs", word), file("xtask/exceptions.toml", exception)];
        assert_eq!(banned(&Tree { files }, &IN_RUST[1], |_| true).len(), 1);
    }

    #[test]
    fn a_sleep_with_its_reason_on_the_line_above_is_accepted() {
        let ban = &IN_RUST[1];
        let found = |above: &str| {
            let text = format!("{above}    tokio::{}x)\n", ban.words[1]);
            hits(&File { path: "a.rs".to_owned(), text }, ban.words[1], "why", ban.accepted_by).len()
        };
        assert_eq!(found("    // sleeps: a back-off between tries\n"), 0);
        for above in ["", "    // sleeps: \n", "    // sleeps: why\n", "    // a back-off between tries\n"] {
            assert_eq!(found(above), 1, "{above:?}");
        }
        assert_eq!(found("// sleeps: a back-off between tries\n\n"), 1, "the reason stands at the place");
    }

    #[test]
    fn one_reason_accepts_one_sleep_and_no_other_ban() {
        let ban = &IN_RUST[1];
        let line = format!("tokio::{}x)\n", ban.words[1]);
        let text = format!("// sleeps: a back-off between tries\n{line}{line}");
        let file = File { path: "a.rs".to_owned(), text };
        assert_eq!(hits(&file, ban.words[1], "why", ban.accepted_by).len(), 1);
        let text = format!("// sleeps: a back-off between tries\n{}x)\n", IN_RUST[0].words[0]);
        let files = vec![File { path: "a.rs".to_owned(), text }];
        assert_eq!(banned(&Tree { files }, &IN_RUST[0], |_| true).len(), 1);
    }

    #[test]
    fn the_place_of_the_clone_is_a_machine_path() {
        assert_eq!(machine_paths("/home/me/gofer"), ["/home/me/gofer/", "/home/me/"]);
        assert_eq!(machine_paths("/gofer"), ["/gofer/"]);
    }
}
