//! What the engine is asked to create for a task: pure, built field by field. What is not named here is not there; above
//! all no privilege, no device, no path of the host and no namespace of another's.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, ImageConfig, Mount,
    MountType, MountVolumeOptions, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use gofer_backend::{BackendError, ErrorKind, Owner, Result};
use gofer_container::{DockerConfig, LEAST_MEMORY, labels};
use gofer_scheduler::TaskSpec;
use gofer_task_init as init;
use gofer_types::AttemptId;

use crate::error::error;
use crate::images::check_name;

/// The kernel takes no longer single argument or variable.
const LONGEST_WORD: usize = 128 << 10;
/// A core, in the engine's unit.
const NANOS: f64 = 1e9;

/// What a container is made of.
pub(crate) struct Plan<'a> {
    pub(crate) owner: &'a Owner,
    pub(crate) id: &'a AttemptId,
    pub(crate) spec: &'a TaskSpec,
    pub(crate) config: &'a DockerConfig,
    /// The image as the engine knows it, by its own digest.
    pub(crate) image: &'a str,
    /// Its digest as people are told it.
    pub(crate) image_digest: &'a str,
    pub(crate) defaults: &'a ImageConfig,
    /// The volume with the first process.
    pub(crate) init_volume: &'a str,
}

fn invalid(message: impl Into<String>) -> BackendError {
    error(ErrorKind::InvalidInput, "start", message)
}

/// Whether a task can ever be run by this scheduler.
pub(crate) fn check(spec: &TaskSpec) -> Result<()> {
    check_name(&spec.image, "start")?;
    for word in spec.entrypoint.iter().flatten().chain(&spec.command) {
        if word.contains('\0') {
            return Err(invalid("an argument contains a NUL character"));
        }
        if word.len() >= LONGEST_WORD {
            return Err(invalid("an argument is longer than the kernel takes").with("bytes", word.len()));
        }
    }
    for (name, value) in &spec.env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(
                invalid("a variable of the environment is malformed").with("name", format!("{name:?}"))
            );
        }
        if name.len() + value.len() + 2 > LONGEST_WORD {
            let fault = invalid("a variable of the environment is longer than the kernel takes");
            return Err(fault.with("name", name).with("bytes", name.len() + value.len()));
        }
    }
    if spec.limits.memory.is_some_and(|memory| memory < LEAST_MEMORY) {
        return Err(invalid("the engine gives no container less than 6MiB of memory"));
    }
    if spec.limits.cpu.is_some_and(|cpu| !cpu.is_finite() || cpu < 0.01) {
        return Err(invalid("the engine gives no container less than 0.01 cores"));
    }
    Ok(())
}

/// The whole request.
pub(crate) fn body(plan: &Plan<'_>) -> Result<ContainerCreateBody> {
    let Plan { spec, config, defaults, .. } = plan;
    let env = spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Ok(ContainerCreateBody {
        image: Some(plan.image.to_owned()),
        entrypoint: Some(vec![init::PROGRAM.to_owned()]),
        cmd: Some(words(spec, defaults)?),
        env: Some(env),
        user: spec.user.clone().or_else(|| config.user.clone()),
        working_dir: working_dir(spec, defaults),
        labels: Some(labels::of(plan.owner, plan.id, (spec, plan.image_digest))),
        tty: Some(false),
        open_stdin: Some(false),
        attach_stdin: Some(false),
        attach_stdout: Some(false),
        attach_stderr: Some(false),
        host_config: Some(host(plan)),
        ..ContainerCreateBody::default()
    })
}

/// The argument vector of the task, as the engine itself would put it together.
fn words(spec: &TaskSpec, defaults: &ImageConfig) -> Result<Vec<String>> {
    let of_image = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let mut all = spec.entrypoint.clone().unwrap_or_else(|| of_image(&defaults.entrypoint));
    if !spec.command.is_empty() {
        all.extend(spec.command.iter().cloned());
    } else if spec.entrypoint.is_none() {
        all.extend(of_image(&defaults.cmd));
    }
    if all.is_empty() {
        return Err(
            invalid("neither the task nor its image says what is to be run").with("image", &spec.image)
        );
    }
    Ok(all)
}

/// A relative directory is below the image's own.
fn working_dir(spec: &TaskSpec, defaults: &ImageConfig) -> Option<String> {
    let wanted = spec.workdir.as_ref()?;
    if wanted.starts_with('/') {
        return Some(wanted.clone());
    }
    let base = defaults.working_dir.as_deref().unwrap_or_default().trim_end_matches('/');
    Some(format!("{base}/{wanted}"))
}

fn host(plan: &Plan<'_>) -> HostConfig {
    let config = plan.config;
    let memory = plan.spec.limits.memory.or(config.default_memory).map(|size| signed(size.get()));
    let closed = matches!(config.network.as_str(), "none" | "host");
    HostConfig {
        memory,
        // As much as memory: no swap besides.
        memory_swap: memory,
        nano_cpus: plan.spec.limits.cpu.or(config.default_cpu).map(nanos),
        pids_limit: Some(i64::from(config.max_processes)),
        ulimits: Some(vec![limit("nofile", i64::from(config.open_files)), limit("core", 0)]),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(capabilities(config)),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        publish_all_ports: Some(false),
        readonly_rootfs: Some(config.read_only_root),
        tmpfs: config.read_only_root.then(|| HashMap::from([("/tmp".to_owned(), tmp(config))])),
        mounts: Some(mounts(plan)),
        network_mode: Some(config.network.clone()),
        extra_hosts: (!closed).then(|| config.extra_hosts.clone()),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        // Ours is the first process.
        init: Some(false),
        auto_remove: Some(false),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        log_config: Some(log(config)),
        ..HostConfig::default()
    }
}

/// Who may become another user may be killed as one, by the first process too.
fn capabilities(config: &DockerConfig) -> Vec<String> {
    let named = |name: &str| {
        config.add_capabilities.iter().any(|it| it.to_uppercase().trim_start_matches("CAP_") == name)
    };
    let kill = (named("SETUID") && !named("KILL")).then(|| "KILL".to_owned());
    config.add_capabilities.iter().cloned().chain(kill).collect()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a float beyond the range of an integer becomes its greatest"
)]
fn nanos(cores: f64) -> i64 {
    (cores * NANOS) as i64
}

fn limit(name: &str, number: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(number), hard: Some(number) }
}

fn tmp(config: &DockerConfig) -> String {
    format!("rw,nosuid,nodev,size={},mode=1777", config.tmp_size.get())
}

fn mounts(plan: &Plan<'_>) -> Vec<Mount> {
    // An engine that has to make this volume anew marks it as ours.
    let options = MountVolumeOptions { labels: Some(labels::helper()), ..MountVolumeOptions::default() };
    let ours = Mount { volume_options: Some(options), ..volume(plan.init_volume, init::FOLDER, true) };
    let others = plan.config.volumes.iter().map(|(name, place)| volume(name, place, false));
    std::iter::once(ours).chain(others).collect()
}

/// A volume of the engine at a place in the container.
pub(crate) fn volume(name: &str, place: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(name.to_owned()),
        target: Some(place.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

/// The engine's driver that keeps bytes as they are: the usual one makes text of them.
fn log(config: &DockerConfig) -> HostConfigLogConfig {
    // Two files: when the second is full the first goes.
    let half = (config.max_log.get() / 2).to_string();
    let options = [("max-size", half.as_str()), ("max-file", "2"), ("compress", "false")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    HostConfigLogConfig { typ: Some("local".to_owned()), config: Some(HashMap::from(options)) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gofer_scheduler::TaskLimits;
    use gofer_types::ByteSize;

    use super::*;

    fn spec() -> TaskSpec {
        TaskSpec { image: "alpine:3".to_owned(), digest: "d1".to_owned(), ..TaskSpec::default() }
    }

    fn made(spec: &TaskSpec, config: &DockerConfig, defaults: &ImageConfig) -> ContainerCreateBody {
        let plan = Plan {
            owner: &Owner("me".to_owned()),
            id: &AttemptId::from_u128(1),
            spec,
            config,
            image: "sha256:abc",
            image_digest: "sha256:def",
            defaults,
            init_volume: "gofer-init-1",
        };
        body(&plan).unwrap()
    }

    fn words_of(entrypoint: Option<&[&str]>, command: &[&str]) -> Vec<String> {
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let defaults = ImageConfig {
            entrypoint: Some(text(&["/entry"])),
            cmd: Some(text(&["serve"])),
            ..ImageConfig::default()
        };
        let spec = TaskSpec { entrypoint: entrypoint.map(text), command: text(command), ..spec() };
        words(&spec, &defaults).unwrap()
    }

    #[test]
    fn entry_point_and_command_are_joined_as_the_engine_joins_them() {
        assert_eq!(words_of(None, &[]), ["/entry", "serve"]);
        assert_eq!(words_of(None, &["x"]), ["/entry", "x"]);
        assert_eq!(words_of(Some(&["sh"]), &[]), ["sh"]);
        assert_eq!(words_of(Some(&["sh"]), &["-c", "x"]), ["sh", "-c", "x"]);
        assert_eq!(words_of(Some(&[]), &["x"]), ["x"]);
    }

    #[test]
    fn a_relative_directory_is_below_the_image_s() {
        let defaults = ImageConfig { working_dir: Some("/app/".to_owned()), ..ImageConfig::default() };
        let at = |workdir: &str, defaults: &ImageConfig| {
            working_dir(&TaskSpec { workdir: Some(workdir.to_owned()), ..spec() }, defaults).unwrap()
        };
        assert_eq!(at("src", &defaults), "/app/src");
        assert_eq!(at("/src", &defaults), "/src");
        assert_eq!(at("src", &ImageConfig::default()), "/src");
    }

    #[test]
    fn the_defaults_are_those_of_a_guest_that_is_not_trusted() {
        let spec = TaskSpec { command: vec!["x".to_owned()], ..spec() };
        let body = made(&spec, &DockerConfig::default(), &ImageConfig::default());
        // By way of a value, whose keys are sorted.
        let text = serde_json::to_string_pretty(&serde_json::to_value(&body).unwrap()).unwrap();
        gofer_testkit::golden::check(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/container.json"),
            text,
        );
    }

    #[test]
    fn limits_of_the_task_win_over_the_operator_s_defaults() {
        let config = DockerConfig {
            default_memory: Some(ByteSize::from_mib(64)),
            default_cpu: Some(0.5),
            ..DockerConfig::default()
        };
        let limits = |limits| {
            let spec = TaskSpec { command: vec!["x".to_owned()], limits, ..spec() };
            let host = made(&spec, &config, &ImageConfig::default()).host_config.unwrap();
            (host.memory, host.memory_swap, host.nano_cpus)
        };
        let default = TaskLimits::default();
        assert_eq!(limits(default), (Some(64 << 20), Some(64 << 20), Some(500_000_000)));
        let own = TaskLimits { cpu: Some(2.0), memory: Some(ByteSize::from_mib(8)) };
        assert_eq!(limits(own), (Some(8 << 20), Some(8 << 20), Some(2_000_000_000)));
    }

    #[test]
    fn what_can_never_run_is_refused_by_name() {
        let env = |name: &str, length: usize| {
            let env = BTreeMap::from([(name.to_owned(), "x".repeat(length))]);
            check(&TaskSpec { env, ..spec() }).map_err(|fault| fault.to_string())
        };
        assert!(env("A", LONGEST_WORD - 3).is_ok());
        assert!(env("A", LONGEST_WORD - 2).unwrap_err().contains("name A"));
        let word = |length| check(&TaskSpec { command: vec!["x".repeat(length)], ..spec() });
        assert!(word(LONGEST_WORD - 1).is_ok() && word(LONGEST_WORD).is_err());
        assert!(check(&TaskSpec { image: String::new(), ..spec() }).is_err());
        let memory = |bytes| {
            let limits = TaskLimits { memory: Some(ByteSize::from_bytes(bytes)), cpu: None };
            check(&TaskSpec { limits, ..spec() })
        };
        assert!(memory(LEAST_MEMORY.get()).is_ok() && memory(LEAST_MEMORY.get() - 1).is_err());
    }
}
