//! Words of other systems, and what they are called here.

/// Words that other systems, and earlier forms of this language, use for ours.
const ALIASES: &[(&str, &str)] = &[
    ("always_pull_newest_image", "always_pull"),
    ("args", "command"),
    ("cmd", "command"),
    ("cpus", "cpu"),
    ("cwd", "workdir"),
    ("depends", "depends_on"),
    ("env", "env_vars"),
    ("environment", "env_vars"),
    ("error", "failure"),
    ("errors", "failure"),
    ("failed", "failure"),
    ("inject_api_token", "inject_token"),
    ("mem", "memory"),
    ("needs", "depends_on"),
    ("notifier", "notify"),
    ("ok", "successful"),
    ("password", "pass"),
    ("retries", "retry"),
    ("run", "script"),
    ("step", "task"),
    ("succeeded", "successful"),
    ("success", "successful"),
    ("username", "user"),
    ("variables", "env_vars"),
    ("working_dir", "workdir"),
];

/// The candidate that a word of another system stands for.
pub(crate) fn meant<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    let (_, meant) = ALIASES.iter().find(|(alias, _)| *alias == lower)?;
    candidates.into_iter().find(|candidate| candidate == meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_another_system_is_recognised() {
        assert_eq!(meant("Environment", ["env_vars", "image"]), Some("env_vars"));
        assert_eq!(meant("environment", ["image"]), None);
    }

    #[test]
    fn a_word_of_another_system_has_one_meaning() {
        assert!(ALIASES.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
