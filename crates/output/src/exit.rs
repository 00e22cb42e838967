//! The exit codes: a contract with scripts. This file is the only place that knows the numbers.

use gofer_types::RunState;

/// How a command ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Success; also an empty list, or a plan without changes.
    Ok,
    /// An unexpected failure of gofer itself.
    Internal,
    /// Wrong flags or arguments; a confirmation that nobody could give.
    Usage,
    /// The thing that was named does not exist.
    NotFound,
    /// Not logged in, or not allowed.
    Auth,
    /// It exists already, moved in between, is disabled, or a limit is reached.
    Conflict,
    /// A pipeline, a configuration or an input was rejected; `doctor` found failures.
    Invalid,
    /// The server or a backend cannot be reached.
    Unavailable,
    /// The time that was allowed ended first; a run goes on.
    Timeout,
    /// Client and server share no protocol version, or the server lacks the call.
    Incompatible,
    /// The run failed.
    RunFailed,
    /// The run was cancelled.
    RunCancelled,
    /// The run ran out of its time.
    RunTimedOut,
    /// The run errored: the cause lies outside its tasks.
    RunErrored,
    /// You answered no; nothing was changed.
    Declined,
    /// `pipeline plan --exit-code` found changes.
    Changes,
    /// The running server can no longer work; its supervisor should start it again.
    ServerFailed,
    /// Ctrl-C; what was followed goes on.
    Interrupted,
}

impl Exit {
    /// Every exit, in the order of the codes.
    pub const ALL: [Self; 18] = [
        Self::Ok,
        Self::Internal,
        Self::Usage,
        Self::NotFound,
        Self::Auth,
        Self::Conflict,
        Self::Invalid,
        Self::Unavailable,
        Self::Timeout,
        Self::Incompatible,
        Self::RunFailed,
        Self::RunCancelled,
        Self::RunTimedOut,
        Self::RunErrored,
        Self::Declined,
        Self::Changes,
        Self::ServerFailed,
        Self::Interrupted,
    ];

    /// The number, the word and the meaning.
    const fn row(self) -> (u8, &'static str, &'static str) {
        match self {
            Self::Ok => (0, "ok", "success; also an empty list, or a plan without changes"),
            Self::Internal => (1, "internal", "an unexpected failure of gofer itself"),
            Self::Usage => (2, "usage", "wrong flags or arguments; a confirmation is needed off a terminal"),
            Self::NotFound => (3, "not_found", "what was named does not exist"),
            Self::Auth => (4, "auth", "not logged in, or not allowed"),
            Self::Conflict => (5, "conflict", "exists already, moved in between, disabled, or over a limit"),
            Self::Invalid => {
                (6, "invalid", "a pipeline, configuration or input is rejected; doctor found failures")
            }
            Self::Unavailable => (7, "unavailable", "the server or a backend cannot be reached"),
            Self::Timeout => (8, "timeout", "--timeout or --wait ended first; a run goes on"),
            Self::Incompatible => (9, "incompatible", "client and server share no protocol version"),
            Self::RunFailed => (10, "run_failed", "the run failed"),
            Self::RunCancelled => (11, "run_cancelled", "the run was cancelled"),
            Self::RunTimedOut => (12, "run_timed_out", "the run ran out of its time"),
            Self::RunErrored => (13, "run_errored", "the run errored: the cause lies outside its tasks"),
            Self::Declined => (14, "declined", "you answered no; nothing was changed"),
            Self::Changes => (20, "changes", "pipeline plan --exit-code found changes"),
            Self::ServerFailed => {
                (70, "server_failed", "server start: it can no longer work and is to be restarted")
            }
            Self::Interrupted => (130, "interrupted", "Ctrl-C; what was followed goes on"),
        }
    }

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        self.row().0
    }

    /// The word for JSON and documentation.
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// When it is used, for people.
    pub const fn meaning(self) -> &'static str {
        self.row().2
    }

    /// What the end of a followed run means for the shell.
    pub const fn of_run(state: RunState) -> Self {
        match state {
            RunState::Succeeded => Self::Ok,
            RunState::Failed => Self::RunFailed,
            RunState::Cancelled => Self::RunCancelled,
            RunState::TimedOut => Self::RunTimedOut,
            RunState::Errored => Self::RunErrored,
            // A stream that ends before the run does is a defect of the server.
            RunState::Queued | RunState::Running => Self::Internal,
        }
    }

    /// The table of `gofer help exit-codes`.
    pub fn table() -> String {
        Self::ALL
            .iter()
            .map(|exit| format!("{:>4}  {:<14} {}\n", exit.code(), exit.name(), exit.meaning()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_exit_codes_is_a_contract() {
        insta::assert_snapshot!(Exit::table());
    }

    #[test]
    fn no_two_exits_share_a_number_or_a_word() {
        let mut codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        let mut names: Vec<&str> = Exit::ALL.iter().map(|exit| exit.name()).collect();
        assert!(codes.is_sorted());
        codes.dedup();
        names.sort_unstable();
        names.dedup();
        assert_eq!((codes.len(), names.len()), (Exit::ALL.len(), Exit::ALL.len()));
    }

    #[test]
    fn every_end_of_a_run_has_its_own_code() {
        let codes = RunState::ALL.map(|state| Exit::of_run(state).code());
        assert_eq!(codes, [1, 1, 0, 10, 13, 11, 12]);
    }
}
