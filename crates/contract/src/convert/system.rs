//! How the server does.

use gofer_engine::{BackendStatus, EngineStatus};
use gofer_proto::v1;

use super::duration;

/// How the server does: what the engine knows, and what only the server knows.
#[must_use]
pub fn status(engine: EngineStatus, version: String, data_dir: String) -> v1::GetStatusResponse {
    v1::GetStatusResponse {
        version,
        uptime: Some(duration(engine.uptime.get())),
        data_dir,
        epoch: engine.epoch,
        backends: engine.backends.into_iter().map(backend).collect(),
        queued_runs: engine.queued_runs,
        running_runs: engine.running_runs,
        running_tasks: engine.running_tasks,
        max_running_tasks: engine.max_running_tasks,
        quarantined_runs: engine.quarantined_runs,
        last_event: engine.last_event,
    }
}

fn backend(status: BackendStatus) -> v1::Backend {
    v1::Backend {
        family: status.family.to_owned(),
        name: status.info.name,
        kind: status.info.kind.to_owned(),
        target: status.info.target,
        default: status.default,
        capabilities: status.capabilities.into_iter().map(str::to_owned).collect(),
        healthy: status.healthy,
        problem: status.problem,
    }
}
