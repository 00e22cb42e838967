//! What is wrong with a configuration, and where each value came from.
//!
//! A complaint never holds a secret value: it is printed and logged.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file; line and column count from 1.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// An override from the command line.
    Flag {
        /// The key that it set.
        key: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::Flag { key } => write!(f, "flag {key}"),
        }
    }
}

/// The codes of this crate; each has a page in `docs/errors`.
pub mod code {
    /// The file cannot be read.
    pub const UNREADABLE: &str = "E0801";
    /// The file is not TOML.
    pub const SYNTAX: &str = "E0802";
    /// A section or key that does not exist.
    pub const UNKNOWN_KEY: &str = "E0803";
    /// A value of the wrong type or out of its bounds.
    pub const BAD_VALUE: &str = "E0804";
    /// An override that is not `key=value`.
    pub const BAD_OVERRIDE: &str = "E0805";
    /// It is not clear which instance of a family is the default.
    pub const NO_DEFAULT: &str = "E0806";
    /// Two values that contradict each other.
    pub const CONTRADICTION: &str = "E0807";
    /// Listening beyond loopback, which needs a login.
    pub const OPEN_LISTENER: &str = "E0808";
    /// Processes of this host for a network, without having been named.
    pub const UNNAMED_PROCESS_SCHEDULER: &str = "E0809";
    /// A backend refuses its settings.
    pub const BACKEND_SETTING: &str = "E0810";
    /// A kind of backend that this build does not have.
    pub const UNKNOWN_KIND: &str = "E0811";
    /// There is no place for the data directory.
    pub const NO_HOME: &str = "E0812";

    /// All of them.
    pub const ALL: [&str; 12] = [
        UNREADABLE,
        SYNTAX,
        UNKNOWN_KEY,
        BAD_VALUE,
        BAD_OVERRIDE,
        NO_DEFAULT,
        CONTRADICTION,
        OPEN_LISTENER,
        UNNAMED_PROCESS_SCHEDULER,
        BACKEND_SETTING,
        UNKNOWN_KIND,
        NO_HOME,
    ];
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({origin})")]
pub struct Complaint {
    /// The code; its page is `docs/errors/CODE.md`.
    pub code: &'static str,
    /// What is wrong: one line, lower case, without the place.
    pub message: String,
    /// Where it stands.
    pub origin: Origin,
    /// What to do about it, where we know.
    pub hint: Option<String>,
}

impl Complaint {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, origin: &Origin) -> Self {
        Self { code, message: message.into(), origin: origin.clone(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds "did you mean" if one of the candidates is close to what was written.
    pub(crate) fn did_you_mean<'a>(
        mut self,
        written: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.hint = closest(written, candidates).map(|best| format!("did you mean `{best}`?")).or(self.hint);
        self
    }

    /// The complaint as people read it: code and message, the place, the hint.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("error[{}]: {}", self.code, self.message);
        if self.origin != Origin::Default {
            text.push_str(&format!("\n  --> {}", self.origin));
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n  hint: {hint}"));
        }
        text
    }
}

fn closest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&written, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_reads_top_down_reason_place_hint() {
        let origin = Origin::File { path: "gofer.toml".into(), line: 3, column: 1 };
        let complaint = Complaint::new(code::UNKNOWN_KEY, "unknown key `listn`", &origin)
            .did_you_mean("listn", ["data_dir", "listen"]);
        assert_eq!(
            complaint.render(),
            "error[E0803]: unknown key `listn`\n  --> gofer.toml:3:1\n  hint: did you mean `listen`?"
        );
    }

    #[test]
    fn nothing_is_suggested_for_what_is_not_close() {
        assert_eq!(closest("colour", ["listen", "data_dir"]), None);
    }

    #[test]
    fn every_code_has_a_page() {
        let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        for code in code::ALL {
            let page = std::fs::read_to_string(pages.join(format!("{code}.md"))).unwrap_or_default();
            assert!(
                page.starts_with(&format!("# {code}: ")),
                "docs/errors/{code}.md is missing or has no title"
            );
        }
    }
}
