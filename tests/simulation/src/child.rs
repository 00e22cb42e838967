//! A history in a process of its own.
//!
//! The runtime seeds its chance from a counter of the process, too: only the first history of a process replays. So each
//! has one, which reads its plan from standard input and answers a summary.

use std::io::{self, Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::plan::Plan;
use crate::play::{Summary, play};

/// The argument that makes this program play the plan that it reads.
pub const CHILD: &str = "--child";

/// Plays a plan in a process of its own. One that does not answer is a broken law.
///
/// # Errors
/// If no process can be made.
pub fn play_apart(plan: &Plan) -> io::Result<Summary> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(CHILD).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let text = serde_json::to_vec(plan).map_err(io::Error::other)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&text)?;
    }
    let output = child.wait_with_output()?;
    serde_json::from_slice(&output.stdout).or_else(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Ok(Summary::broken(format!("crash: the process ended with {}: {last}", output.status)))
    })
}

/// Reads a plan, plays it, and answers.
///
/// # Errors
/// If what comes is no plan, or nobody takes the answer.
pub fn be_child() -> io::Result<()> {
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text)?;
    let plan: Plan = serde_json::from_slice(&text).map_err(io::Error::other)?;
    let summary = play(&plan).summary;
    let answer = serde_json::to_vec(&summary).map_err(io::Error::other)?;
    io::stdout().lock().write_all(&answer)
}
