//! `dev`: a server on loopback that registers the pipeline files of a directory whenever they are saved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_grammar::Dev;
use gofer_input::{Watcher, source};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::style::{Sign, size};
use gofer_server::{Ended, RunningServer};
use gofer_views::address;

use super::server::shutdown_asked;
use crate::context::Cx;
use crate::embedded;
use crate::remote::{self, incomplete};

/// The greatest number of files that are registered.
const MAX_FILES: usize = 100;

/// Where a development server keeps its data.
enum Place {
    Kept(PathBuf),
    Ephemeral(tempfile::TempDir),
}

impl Place {
    fn choose(args: &Dev) -> Result<Self, Failure> {
        if args.ephemeral {
            let made = tempfile::Builder::new().prefix("gofer-dev-").tempdir();
            return made
                .map(Self::Ephemeral)
                .map_err(|cause| Failure::file("make", &std::env::temp_dir(), &cause));
        }
        let path = args.data.clone().unwrap_or_else(|| args.dir.join(".gofer/dev"));
        std::fs::create_dir_all(&path).map_err(|cause| Failure::file("make", &path, &cause))?;
        Ok(Self::Kept(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Ephemeral(dir) => dir.path(),
        }
    }
}

/// `dev`.
pub(super) async fn dev(cx: &Cx, args: Dev) -> Result<Exit, Failure> {
    let watcher = Watcher::new(&args.dir).map_err(|cause| Failure::file("watch", &args.dir, &cause))?;
    let chosen = embedded::choose(args.scheduler, &cx.engines, None).await?;
    let place = Place::choose(&args)?;
    let log = place.path().join("server.log");
    let (filter, file) = if cx.ui.verbose > 0 { ("debug", None) } else { ("info", Some(log.clone())) };
    embedded::log(filter, false, file)?;
    let config = embedded::dev_config(args.port, place.path(), &chosen)?;
    let server = embedded::start(config).await.map_err(for_dev)?;
    cx.ui.note(&banner(&args, &place, &server, &chosen));
    let address = server.address().to_string();
    let client = remote::connect(&address, cx.global.timeout, &cx.actor).await?;
    let ended = server.run_until(serve(cx, &args.dir, &client, &watcher)).await;
    match ended {
        Ended::Drained => {
            cx.ui.note(&farewell(&place));
            Ok(Exit::Ok)
        }
        Ended::Failed(reason) => Err(Failure::new("E0908", Exit::ServerFailed, reason)
            .hint(format!("its log is in {}", log.display()))),
    }
}

/// The port of a development server is chosen by another flag.
fn for_dev(mut failure: Failure) -> Failure {
    failure.hint = failure
        .hint
        .take()
        .map(|hint| hint.replace("--listen 127.0.0.1:", "--port ").replace("--listen", "--port"));
    failure
}

fn banner(args: &Dev, place: &Place, server: &RunningServer, chosen: &embedded::Chosen) -> String {
    let scheduler = &chosen.told;
    let address = server.address();
    let data = match place {
        Place::Kept(path) => format!("{:<26} kept; --ephemeral to forget", path.display()),
        Place::Ephemeral(_) => "a temporary place           forgotten at the end".to_owned(),
    };
    let flag = if address.port() == 7400 { String::new() } else { format!("GOFER_ADDR={address} ") };
    let dir = args.dir.display();
    format!(
        "gofer {} dev server            not for production: no login, loopback only\n  \
           api        {address} (grpc)\n  \
           data       {data}\n  \
           scheduler  {scheduler}\n  \
           watching   {dir}/*.hcl\n\
         press Ctrl-C to stop; in another terminal: {flag}gofer start PIPELINE",
        env!("CARGO_PKG_VERSION")
    )
}

/// Registers what is there, and again what is saved, until Ctrl-C.
async fn serve(cx: &Cx, dir: &Path, client: &Client, watcher: &Watcher) {
    let mut seen = BTreeMap::new();
    apply_all(cx, dir, client, &mut seen).await;
    let mut stop = std::pin::pin!(shutdown_asked());
    loop {
        tokio::select! {
            () = &mut stop => return,
            saved = watcher.saved(is_pipeline) => match saved {
                Ok(()) => apply_all(cx, dir, client, &mut seen).await,
                Err(cause) => {
                    cx.ui.fail(&Failure::file("watch", dir, &cause));
                    return stop.await;
                }
            },
        }
    }
}

fn is_pipeline(name: &str) -> bool {
    name.ends_with(".hcl") && !name.starts_with('.')
}

async fn apply_all(cx: &Cx, dir: &Path, client: &Client, seen: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let entries =
        std::fs::read_dir(dir).map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = match entries {
        Ok(paths) => {
            paths.filter(|path| path.file_name().and_then(|n| n.to_str()).is_some_and(is_pipeline)).collect()
        }
        Err(cause) => return cx.ui.fail(&Failure::file("read", dir, &cause)),
    };
    files.sort();
    if files.is_empty() {
        cx.ui.note("no *.hcl here yet; `gofer init` writes one");
    }
    for path in files.iter().take(MAX_FILES) {
        let Ok(content) = std::fs::read(path) else { continue };
        if seen.get(path) == Some(&content) {
            continue;
        }
        match apply(client, path).await {
            Ok(done) => cx.ui.note(&format!("{} {done}", cx.ui.style.sign(Sign::Good))),
            Err(failure) => cx.ui.fail(&failure),
        }
        seen.insert(path.clone(), content);
    }
    seen.retain(|path, _| files.contains(path));
}

async fn apply(client: &Client, path: &Path) -> Result<String, Failure> {
    let valid = source::read(path)?.valid()?;
    let content = valid.source.text().to_owned();
    let file = pb::SourceFile { name: valid.source.name().to_owned(), content };
    let request = pb::RegisterPipelineRequest { source: Some(file), ..Default::default() };
    let answer = client.register_pipeline(request).await?;
    let version = answer.version.ok_or_else(incomplete)?;
    let word = if answer.unchanged { "is unchanged" } else { "registered" };
    Ok(format!("{} v{} {word}", address(&version.namespace, &version.pipeline), version.version))
}

fn farewell(place: &Place) -> String {
    match place {
        Place::Kept(path) => format!("\nstopped. data kept in {} ({})", path.display(), size(used(path, 6))),
        Place::Ephemeral(_) => "\nstopped. nothing was kept".to_owned(),
    }
}

/// The bytes of a directory, down to some depth.
fn used(dir: &Path, depth: u32) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let bytes = entries.filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        Some(if meta.is_dir() && depth > 0 { used(&entry.path(), depth - 1) } else { meta.len() })
    });
    bytes.sum()
}
