//! `explain`: the pages of the error codes and of the states.

use gofer_grammar::pages;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_views::{Page, human};

use crate::context::Cx;

/// `explain`.
pub(super) fn explain(cx: &Cx, topic: Option<&str>) -> Result<Exit, Failure> {
    let Some(topic) = topic else { return index(cx) };
    let Some(page) = pages::page(topic) else {
        let failure =
            Failure::new("E0009", Exit::NotFound, format!("there is nothing to explain about `{topic}`"));
        if topic.contains('/') {
            return Err(failure
                .hint("`gofer run explain` tells why a run or a task is where it is")
                .next(format!("gofer run explain {}", human::quoted(topic))));
        }
        return Err(match pages::near(topic) {
            Some(near) => failure.hint(format!("did you mean `gofer explain {near}`?")),
            None => failure.hint("`gofer explain` lists the codes and states"),
        });
    };
    let page = Page { code: page.topic, text: page.text };
    cx.ui.object(&page, |_| format!("{}\n", page.text.trim_end()))?;
    Ok(Exit::Ok)
}

fn index(cx: &Cx) -> Result<Exit, Failure> {
    let page = Page { code: "index".to_owned(), text: pages::index() };
    cx.ui.object(&page, |_| page.text.clone())?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code that the rooms of the command line and the client hand out.
    #[test]
    fn every_code_of_the_command_line_has_a_page() {
        let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut codes: Vec<String> = gofer_client::CODES.iter().map(|(code, _)| (*code).to_owned()).collect();
        for room in ["cli", "grammar", "views", "output"] {
            collect(&crates.join(room).join("src"), &mut codes);
        }
        codes.sort();
        codes.dedup();
        let missing: Vec<_> = codes.iter().filter(|code| pages::page(code).is_none()).collect();
        assert!(missing.is_empty(), "no page for {missing:?}");
    }

    fn collect(dir: &std::path::Path, codes: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).expect("the sources").filter_map(Result::ok) {
            if entry.path().is_dir() {
                collect(&entry.path(), codes);
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let found = text.split('"').filter(|word| {
                word.len() == 5 && word.starts_with('E') && word[1..].bytes().all(|b| b.is_ascii_digit())
            });
            codes.extend(found.map(str::to_owned));
        }
    }
}
