//! `doctor`: finds what is wrong with this machine, the server and its backends, and says what to do.

use std::path::Path;
use std::time::Duration;

use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_grammar::Doctor;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::style::{duration, size};
use gofer_views::{Backend, CheckResult, Diagnosis, Status, human, time_of};

use crate::context::Cx;
use crate::{clock, embedded};

/// The difference of clocks from which on it is worth a word.
const SKEW: Duration = Duration::from_secs(5);

/// The free space below which it is worth a word.
const SPACE: u64 = 1 << 30;

const OK: &str = CheckResult::OK;
const WARNING: &str = CheckResult::WARNING;
const FAILED: &str = CheckResult::FAILED;

fn result(name: &str, result: &'static str, text: impl Into<String>) -> CheckResult {
    CheckResult { name: name.to_owned(), result, text: text.into(), hint: None }
}

fn hinted(name: &str, word: &'static str, text: impl Into<String>, hint: &str) -> CheckResult {
    CheckResult { hint: Some(hint.to_owned()), ..result(name, word, text) }
}

fn failed(name: &str, failure: &Failure) -> CheckResult {
    let hint = failure.hint.clone().map(|hint| format!("{hint} "));
    let text = failure
        .problems
        .first()
        .map_or_else(String::new, |p| format!(": {}", p.lines().next().unwrap_or("")));
    CheckResult {
        hint: Some(format!("{}(gofer explain {})", hint.unwrap_or_default(), failure.code)),
        ..result(name, FAILED, format!("{}{text}", failure.message))
    }
}

/// `doctor`.
pub(super) async fn doctor(cx: &Cx, args: Doctor) -> Result<Exit, Failure> {
    let target =
        format!("gofer {} {}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    let mut checks = vec![result("binary", OK, target), config(&args)];
    match cx.remote().await {
        Err(failure) => checks.push(failed("server", &failure)),
        Ok(remote) => match of_server(cx, &remote).await {
            Ok(more) => checks.extend(more),
            Err(failure) => checks.push(failed("server", &failure)),
        },
    }
    let number =
        |word| u32::try_from(checks.iter().filter(|check| check.result == word).count()).unwrap_or(u32::MAX);
    let (ok, warnings, failed) = (number(OK), number(WARNING), number(FAILED));
    let diagnosis = Diagnosis { checks, ok, warnings, failed };
    cx.ui.object(&diagnosis, |style| human::diagnosis(&diagnosis, style))?;
    Ok(if failed > 0 { Exit::Invalid } else { Exit::Ok })
}

fn config(args: &Doctor) -> CheckResult {
    let name = args
        .file
        .config
        .as_ref()
        .map_or_else(|| "defaults and environment".to_owned(), |path| path.display().to_string());
    match embedded::plan(&args.file, Vec::new()) {
        Ok(_) => result("config", OK, name),
        Err(failure) => failed("config", &failure),
    }
}

async fn of_server(cx: &Cx, remote: &Client) -> Result<Vec<CheckResult>, Failure> {
    let before = clock::now();
    let info = remote.get_info(pb::GetInfoRequest {}).await?;
    let took = clock::now().since(before);
    let mut checks = vec![server(cx, &info, before, took)];
    let status = Status::from(remote.get_status(pb::GetStatusRequest { check: true }).await?);
    checks.extend(status.backends.iter().map(backend));
    if let Some(space) = space(cx, &status.data_dir) {
        checks.push(space);
    }
    if status.quarantined_runs > 0 {
        let text = format!("{} set aside because their records cannot be used", status.quarantined_runs);
        checks.push(hinted("runs", WARNING, text, "gofer event list --type quarantined"));
    }
    Ok(checks)
}

fn server(cx: &Cx, info: &pb::GetInfoResponse, asked: gofer_types::Timestamp, took: Duration) -> CheckResult {
    let skew = time_of(info.now.as_ref().map(|at| (at.seconds, at.nanos))).map(|there| {
        let here = asked.plus(took / 2);
        here.since(there.0).max(there.0.since(here))
    });
    let skew_text =
        skew.map_or_else(|| "clock unknown".to_owned(), |skew| format!("clock skew {}", duration(skew)));
    let text = format!("{}, gofer {}, {}, {skew_text}", cx.global.addr, info.version, duration(took));
    if skew.is_some_and(|skew| skew > SKEW) {
        return hinted("server", WARNING, text, "set the clocks of both machines by NTP");
    }
    if info.version != env!("CARGO_PKG_VERSION") {
        return hinted(
            "server",
            WARNING,
            text,
            "client and server are of different versions; upgrade the older one",
        );
    }
    result("server", OK, text)
}

fn backend(backend: &Backend) -> CheckResult {
    let text = format!("{} ({}) {}", backend.name, backend.kind, backend.target);
    let text = text.trim_end();
    match backend.healthy {
        Some(true) => result(&backend.family, OK, text),
        Some(false) => {
            let problem = backend.problem.clone().unwrap_or_default();
            hinted(&backend.family, FAILED, format!("{text}: {problem}"), "the log of the server says more")
        }
        None => hinted(&backend.family, WARNING, text, "it was not asked"),
    }
}

/// The free space of the server's data, if they are on this machine.
fn space(cx: &Cx, data_dir: &str) -> Option<CheckResult> {
    let here = ["127.", "localhost", "[::1]", "::1"]
        .iter()
        .any(|host| cx.global.addr.trim_start_matches("http://").starts_with(host));
    let path = Path::new(data_dir);
    if !here || !path.is_dir() {
        return None;
    }
    let stat = rustix::fs::statvfs(path).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let text = format!("{data_dir}, {} free", size(free));
    Some(if free < SPACE {
        hinted("data", WARNING, text, "make room on that disk")
    } else {
        result("data", OK, text)
    })
}
