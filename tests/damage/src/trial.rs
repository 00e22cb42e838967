//! One trial: a copy of the past, a few blows, and a start of the server on it.

use gofer_testkit::{Output, ServerBox};

use crate::blow::Blow;
use crate::findings::Findings;
use crate::folder;
use crate::past::{CONFIG, Past};

/// What is counted of every trial.
pub const REFUSED: &str = "starts that were refused by a named error";
/// What is counted of every trial.
pub const CAUGHT: &str = "of these: redb panicked over its file, which was caught";
/// What is counted of every trial.
pub const SERVED: &str = "starts after which the server served";
/// What is counted of every trial that serves.
pub const STOPPED: &str = "servers that gave up later, by a named error";

/// How often another port is taken when somebody has taken ours.
const PORTS: usize = 5;

/// Starts a server on a damaged copy of the past. `None` if it refused.
///
/// # Panics
/// If the copy cannot be made, or the server neither serves nor ends.
pub fn begin(past: &Past, blows: &[Blow], config: &str, found: &mut Findings) -> Option<ServerBox> {
    for _ in 0..PORTS {
        let mut server = ServerBox::builder().config(CONFIG).config(config).build();
        folder::copy(&past.data, &server.data_dir()).expect("the past can be copied");
        blows.iter().for_each(|blow| blow.strike(&server.data_dir()));
        match server.start_or_end() {
            Ok(()) => {
                found.count(SERVED, 1);
                return Some(server);
            }
            Err(end) if end.stderr.contains("error[E0820]") => {}
            Err(end) => {
                refused(&end, found);
                return None;
            }
        }
    }
    found.wrong("no port was free");
    None
}

/// A server that does not start says why, and ends as programs do.
fn refused(end: &Output, found: &mut Findings) {
    let caught = is_caught(end);
    if is_named(end) && (caught || !end.stderr.contains("panicked")) {
        found.count(REFUSED, 1);
        found.count(CAUGHT, u64::from(caught));
    } else {
        found.wrong(format!("it ended with {:?} and said: {}", end.status, last_words(&end.stderr)));
    }
}

fn is_named(end: &Output) -> bool {
    let code = end.code().is_some_and(|code| (1..100).contains(&code));
    code && end.stderr.contains("error[E")
}

/// Whether the storage could not be opened because redb itself panicked over its file, and nothing else did.
fn is_caught(end: &Output) -> bool {
    let panics = || end.stderr.lines().filter(|line| line.contains("panicked"));
    let of_redb = panics().count() > 0 && panics().all(|line| line.contains("/redb-"));
    of_redb && end.stderr.contains("error[E0826]")
}

/// The end of the trial: nothing has panicked, and the server stops in order, or has stopped by a named error.
pub fn finish(mut server: ServerBox, found: &mut Findings) {
    if let Some(end) = server.ended() {
        refused(&end, found);
        found.count(STOPPED, 1);
        return;
    }
    let end = server.stop();
    if end.code() != Some(0) || end.stderr.contains("panicked") {
        found.wrong(format!("it stopped with {:?} and said: {}", end.status, last_words(&end.stderr)));
    }
}

/// The lines that matter of what a server printed.
fn last_words(stderr: &str) -> String {
    let telling =
        |line: &&str| line.contains("panicked") || line.contains("error[E") || line.contains("ERROR");
    let told: Vec<&str> = stderr.lines().filter(telling).take(4).collect();
    let end = || stderr.lines().rev().take(3).collect::<Vec<_>>().join(" | ");
    if told.is_empty() { end() } else { told.join(" | ") }
}
