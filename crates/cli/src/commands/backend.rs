//! `backend`: what stands behind a server.

use gofer_output::error::Failure;
use gofer_output::exit::Exit;

use crate::args::Backend;
use crate::context::Cx;
use crate::embedded;

/// `backend`.
pub(super) async fn dispatch(cx: &Cx, command: Backend) -> Result<Exit, Failure> {
    match command {
        Backend::Check(args) => {
            // Each promise is named on standard output by the suite itself.
            let kept = embedded::check(&args).await?;
            cx.ui.note(&format!("`{}` keeps {}", args.name, crate::source::count(count(kept), "promise")));
            Ok(Exit::Ok)
        }
    }
}

fn count(kept: u64) -> usize {
    usize::try_from(kept).unwrap_or(usize::MAX)
}
