//! Images: whether they are there, what they are, and fetching them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::auth::DockerCredentials;
use bollard::errors::Error as Vendor;
use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use gofer_backend::{ErrorKind, Result};
use gofer_scheduler::{Image, ImageProgress, Images, PullPolicy, TaskSpec};

use crate::backend::DockerScheduler;
use crate::error::{error, of_image, translate};
use crate::shared::Shared;

/// By how much the limit on the beginning of an answer lies behind that of the fetch.
const LATER: Duration = Duration::from_secs(5);

/// The registry of images that name none.
const HUB: &str = "docker.io";

#[async_trait]
impl Images for DockerScheduler {
    async fn fetch(
        &self,
        spec: &TaskSpec,
        progress: &mut (dyn FnMut(ImageProgress) + Send),
    ) -> Result<Image> {
        let shared = self.shared();
        check_name(&spec.image, "pull")?;
        let before = inspect(shared, &spec.image).await?;
        if spec.pull == PullPolicy::Missing
            && let Some(image) = &before
        {
            return Ok(Image { digest: digest(image, &spec.image), fetched: false });
        }
        // Waiting for others is not part of the time limit: theirs bounds it.
        let _slot = shared.pulls.acquire().await;
        // One of those that were waited for may have brought it.
        if spec.pull == PullPolicy::Missing
            && let Some(image) = inspect(shared, &spec.image).await?
        {
            return Ok(Image { digest: digest(&image, &spec.image), fetched: true });
        }
        let limit = shared.config.pull_timeout.get();
        match tokio::time::timeout(limit, pull(shared, spec, progress)).await {
            Ok(pulled) => pulled?,
            Err(_) => {
                let message = "the image was not fetched within its time limit";
                let fault = error(ErrorKind::TimedOut, "pull", message).with("image", &spec.image);
                return Err(fault.with("seconds", limit.as_secs()).retry(gofer_backend::RetryAdvice::Never));
            }
        }
        match inspect(shared, &spec.image).await? {
            Some(image) => {
                let fetched = before.is_none_or(|before| before.id != image.id);
                let id = image.id.as_deref().unwrap_or_default();
                // What was there before is somebody else's, or known already.
                if fetched {
                    shared.fetched.keep(id);
                } else {
                    shared.fetched.used(id);
                }
                Ok(Image { digest: digest(&image, &spec.image), fetched })
            }
            None => Err(of_image((&spec.image, false), None, "the engine fetched it and does not have it")),
        }
    }
}

/// Whether this can be the name of an image. It becomes part of an address of the engine, and must not lead elsewhere.
pub(crate) fn check_name(name: &str, operation: &'static str) -> Result<()> {
    if name.is_empty() {
        let message = "the task names no image, and this scheduler runs nothing else";
        return Err(error(ErrorKind::InvalidInput, operation, message));
    }
    let strange = |c: char| !(c.is_ascii_alphanumeric() || "._-:/@".contains(c));
    if name.contains(strange) || name.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        let message = "the name of the image is malformed";
        return Err(error(ErrorKind::InvalidInput, operation, message).with("image", format!("{name:?}")));
    }
    Ok(())
}

/// What the engine knows of an image; nothing if it is not there.
pub(crate) async fn inspect(shared: &Arc<Shared>, image: &str) -> Result<Option<ImageInspect>> {
    let name = image.to_owned();
    let look = |docker: bollard::Docker| async move { docker.inspect_image(&name).await };
    match shared.client.call("image", look).await {
        Ok(image) => Ok(Some(image)),
        Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(None),
        // The engine says what is wrong with the name.
        Err(fault) if fault.kind() == ErrorKind::InvalidInput => {
            Err(of_image((image, false), Some(400), fault.message()))
        }
        Err(fault) => Err(fault.with("image", image)),
    }
}

/// The digest by which the image's registry knows it, else the engine's own.
pub(crate) fn digest(image: &ImageInspect, name: &str) -> String {
    let (repository, _) = split(name);
    let all = image.repo_digests.iter().flatten().filter_map(|known| known.split_once('@'));
    let of_registry =
        all.filter(|(known, _)| ends_alike(known, repository)).map(|(_, digest)| digest.to_owned());
    of_registry.into_iter().next().or_else(|| image.id.clone()).unwrap_or_default()
}

/// Whether one name is the other, spelled out or not.
fn ends_alike(one: &str, other: &str) -> bool {
    let bare = |name: &str| {
        let name = name.strip_prefix("docker.io/").unwrap_or(name);
        name.strip_prefix("library/").unwrap_or(name).to_owned()
    };
    bare(one) == bare(other)
}

/// A name without its tag or digest, and that. Without either, an engine would fetch every tag.
pub(crate) fn split(name: &str) -> (&str, Option<&str>) {
    if let Some((repository, digest)) = name.split_once('@') {
        return (repository, Some(digest));
    }
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

/// The address of the registry that an image comes from.
fn registry(name: &str) -> &str {
    match name.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => HUB,
    }
}

async fn pull(
    shared: &Arc<Shared>,
    spec: &TaskSpec,
    progress: &mut (dyn FnMut(ImageProgress) + Send),
) -> Result<()> {
    // An answer may begin as late as the whole fetch may end, which is told by who waits for it.
    let docker = shared
        .client
        .docker("pull")
        .await?
        .with_timeout(shared.config.pull_timeout.get().saturating_add(LATER));
    let (_, tag) = split(&spec.image);
    let options = CreateImageOptionsBuilder::default().from_image(&spec.image);
    let options = if tag.is_none() { options.tag("latest") } else { options }.build();
    let credentials = credentials(shared, spec)?;
    let asked = (spec.image.as_str(), credentials.is_some());
    let mut steps = docker.create_image(Some(options), None, credentials);
    let mut layers = Layers::default();
    while let Some(step) = steps.next().await {
        match step {
            Ok(info) => {
                if let Some(told) = info.error_detail.as_ref().and_then(|detail| detail.message.clone()) {
                    return Err(of_image(asked, None, &told));
                }
                if let Some(now) = layers.hear(&info) {
                    progress(now);
                }
            }
            Err(Vendor::DockerResponseServerError { status_code, message }) => {
                return Err(of_image(asked, Some(status_code), &message));
            }
            Err(Vendor::DockerStreamError { error }) => return Err(of_image(asked, None, &error)),
            Err(vendor) => return Err(translate("pull", vendor).with("image", &spec.image)),
        }
    }
    Ok(())
}

/// The task's own credentials, else the operator's for this registry.
fn credentials(shared: &Shared, spec: &TaskSpec) -> Result<Option<DockerCredentials>> {
    let host = registry(&spec.image);
    let auth = match (&spec.registry_auth, shared.config.registries.get(host)) {
        (Some(auth), _) => Some(auth.clone()),
        (None, Some(known)) => Some(known.auth().map_err(|source| {
            let message = "the password file of the registry cannot be read";
            error(ErrorKind::PermissionDenied, "pull", message).with("registry", host).source(source)
        })?),
        (None, None) => None,
    };
    Ok(auth.map(|auth| DockerCredentials {
        username: Some(auth.user),
        password: Some(auth.password.expose().to_owned()),
        serveraddress: Some(host.to_owned()),
        ..DockerCredentials::default()
    }))
}

/// How far each layer is.
#[derive(Debug, Default)]
struct Layers(HashMap<String, (u64, u64)>);

impl Layers {
    /// The sum over all layers, if this changed it.
    fn hear(&mut self, info: &CreateImageInfo) -> Option<ImageProgress> {
        let layer = info.id.clone()?;
        let number = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
        let detail = info.progress_detail.as_ref();
        let (current, total) = (
            number(detail.and_then(|detail| detail.current)),
            number(detail.and_then(|detail| detail.total)),
        );
        match (info.status.as_deref()?, current, total) {
            // Its size is known when it is transferred, not when it is unpacked.
            ("Downloading", Some(current), Some(total)) => {
                self.0.insert(layer, (current.min(total), total));
            }
            ("Download complete" | "Pull complete", ..) => {
                let (_, total) = self.0.get(&layer).copied()?;
                self.0.insert(layer, (total, total));
            }
            _ => return None,
        }
        let sum = self.0.values().fold((0, 0), |(done, all), (current, total)| (done + current, all + total));
        Some(ImageProgress { done: sum.0, total: sum.1 })
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn names_are_taken_apart_as_engines_do() {
        let table = [
            ("alpine", "alpine", None, HUB),
            ("alpine:3", "alpine", Some("3"), HUB),
            ("team/app:1", "team/app", Some("1"), HUB),
            ("localhost/app", "localhost/app", None, "localhost"),
            ("127.0.0.1:5000/app", "127.0.0.1:5000/app", None, "127.0.0.1:5000"),
            ("r.example/app@sha256:1", "r.example/app", Some("sha256:1"), "r.example"),
        ];
        for (name, repository, tag, host) in table {
            assert_eq!((split(name), registry(name)), ((repository, tag), host), "{name}");
        }
    }

    #[test]
    fn a_name_that_would_lead_elsewhere_is_malformed() {
        let strange = ["", "a b", "a/../../info", "a/./b", "/a", "a//b", "a?x=1", "a#b", "a%2e", "a\0", "ä"];
        assert_eq!(strange.iter().find(|name| check_name(name, "pull").is_ok()), None);
        for fine in ["alpine", "127.0.0.1:5000/a_b/c-d.e:V1@sha256:00", "localhost/a:1"] {
            assert!(check_name(fine, "pull").is_ok(), "{fine}");
        }
    }

    #[test]
    fn the_digest_is_the_registry_s_where_there_is_one() {
        let image = ImageInspect {
            id: Some("sha256:own".to_owned()),
            repo_digests: Some(vec!["other@sha256:o".to_owned(), "alpine@sha256:a".to_owned()]),
            ..ImageInspect::default()
        };
        assert_eq!(digest(&image, "docker.io/library/alpine:3"), "sha256:a");
        assert_eq!(digest(&image, "mine:1"), "sha256:own");
    }

    fn step(layer: &str, status: &str, numbers: Option<(i64, i64)>) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(layer.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: numbers
                .map(|(current, total)| ProgressDetail { current: Some(current), total: Some(total) }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn progress_is_the_sum_of_what_was_transferred() {
        let mut layers = Layers::default();
        let sums: Vec<_> = [
            step("3", "Pulling from x", None),
            step("a", "Downloading", Some((10, 100))),
            step("b", "Downloading", Some((5, 50))),
            step("a", "Extracting", Some((1, 100))),
            step("a", "Download complete", None),
            step("c", "Already exists", None),
        ]
        .iter()
        .map(|info| layers.hear(info).map(|sum| (sum.done, sum.total)))
        .collect();
        assert_eq!(sums, [None, Some((10, 100)), Some((15, 150)), None, Some((105, 150)), None]);
    }
}
