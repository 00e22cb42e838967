//! The commands of the design that do not exist yet: refused by name, not mistaken for a slip of the finger.

/// Their paths below `gofer`.
const NOT_YET: &[&str] = &[
    "open",
    "exec",
    "deployment",
    "trigger",
    "notifier",
    "secret",
    "token",
    "role",
    "backend list",
    "plugin",
    "login",
    "logout",
    "whoami",
    "context",
    "config",
    "example",
    "schema",
    "man",
    "api",
    "pipeline fmt",
    "pipeline rollback",
    "pipeline rename",
    "run exec",
    "run diff",
    "run pin",
    "run delete",
    "run artifacts",
    "task inspect",
    "server config init",
    "server migrate",
    "server backup",
    "server restore",
    "server drain",
    "server debug-bundle",
];

/// Words that people try, and what they mean.
const MEANT: &[(&str, &str)] = &[
    ("pipeline history", "pipeline versions"),
    ("pipeline show", "pipeline get"),
    ("pipeline create", "pipeline apply"),
    ("apply", "up"),
    ("deploy", "up"),
    ("validate", "pipeline validate"),
    ("plan", "pipeline plan"),
    ("stop", "cancel"),
    ("kill", "cancel --force"),
    ("log", "logs"),
    ("history", "run list"),
    ("list", "run list"),
    ("serve", "server start"),
    ("server stop", "server start"),
    ("rerun", "retry"),
    ("restart", "retry"),
    ("run show", "run get"),
    ("run rerun", "run retry"),
    ("run stop", "run cancel"),
    ("run why", "run explain"),
    ("run answer", "run approve"),
    ("run reject", "run approve --reject"),
    ("task approve", "run approve"),
    ("approve", "run approve"),
    ("reject", "run approve --reject"),
    ("why", "run explain"),
    ("object upload", "object put"),
    ("object download", "object get"),
    ("object copy", "object cp"),
    ("object show", "object stat"),
    ("object head", "object stat"),
    ("object du", "object usage"),
];

/// Whether this path is a command of the design that does not exist yet.
pub(crate) fn is_planned(path: &str) -> bool {
    NOT_YET.contains(&path)
}

/// What somebody who types this path means.
pub(crate) fn meant(path: &str) -> Option<&'static str> {
    MEANT.iter().find(|(typed, _)| *typed == path).map(|(_, meant)| *meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exists(path: &str) -> bool {
        let mut command = crate::grammar();
        for word in path.split(' ').take_while(|word| !word.starts_with('-')) {
            match command.find_subcommand(word) {
                Some(next) => command = next.clone(),
                None => return false,
            }
        }
        true
    }

    #[test]
    fn nothing_that_exists_is_called_missing() {
        assert!(NOT_YET.iter().all(|path| !exists(path)));
        assert!(MEANT.iter().all(|(typed, meant)| !exists(typed) && exists(meant)));
    }
}
