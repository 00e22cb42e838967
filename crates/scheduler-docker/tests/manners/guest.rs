//! What a container may, read back from the engine.

use gofer_scheduler::{Scheduler, TaskLimits, TaskSpec};
use gofer_types::{ByteSize, Cause};
use serde_json::{Map, Value};

use crate::bed::{Bed, new_id, script};

/// What of an inspection is about safety. Nothing that an engine adds to these by itself goes unseen.
const OF_HOST: [&str; 35] = [
    "AutoRemove",
    "Binds",
    "CapAdd",
    "CapDrop",
    "Cgroup",
    "CgroupParent",
    "CgroupnsMode",
    "DeviceCgroupRules",
    "DeviceRequests",
    "Devices",
    "ExtraHosts",
    "GroupAdd",
    "Init",
    "IpcMode",
    "Links",
    "LogConfig",
    "Memory",
    "MemorySwap",
    "NanoCpus",
    "NetworkMode",
    "OomKillDisable",
    "PidMode",
    "PidsLimit",
    "PortBindings",
    "Privileged",
    "PublishAllPorts",
    "ReadonlyRootfs",
    "RestartPolicy",
    "SecurityOpt",
    "Sysctls",
    "Tmpfs",
    "UTSMode",
    "Ulimits",
    "UsernsMode",
    "VolumesFrom",
];

fn part(whole: &Value, keys: &[&str]) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), whole[*key].clone())).collect::<Map<_, _>>().into()
}

pub(crate) async fn the_engine_gives_a_guest_no_more_than_it_needs() {
    let bed = Bed::new().await;
    let limits = TaskLimits { cpu: Some(0.5), memory: Some(ByteSize::from_mib(64)) };
    let id = new_id();
    let spec = TaskSpec { limits, ..script(bed.image, "true") };
    bed.scheduler.start(&id, &spec).await.unwrap();
    let seen = bed.look(&format!("/containers/{id}/json"));
    let mut mounts = seen["Mounts"].clone();
    for mount in mounts.as_array_mut().unwrap() {
        // They have the content of the program and the folder of the engine in them.
        let source = mount["Name"].as_str().unwrap_or_default().starts_with("gofer-init-");
        assert!(source, "{mount}");
        *mount = part(mount, &["Type", "Destination", "RW", "Driver"]);
    }
    let config =
        part(&seen["Config"], &["AttachStdin", "OpenStdin", "Tty", "Entrypoint", "ExposedPorts", "Volumes"]);
    let read = serde_json::json!({"Config": config, "HostConfig": part(&seen["HostConfig"], &OF_HOST), "Mounts": mounts});
    assert!(!seen.to_string().contains("docker.sock"), "{seen}");
    let text = serde_json::to_string_pretty(&read).unwrap() + "\n";
    gofer_testkit::golden::check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/guest.json"), text);
}

pub(crate) async fn a_read_only_root_takes_no_file_and_has_a_place_for_some() {
    let bed = Bed::with(|config| config.read_only_root = true).await;
    let text = "touch /a 2>/dev/null && echo root; touch /.gofer/a 2>/dev/null && echo ours; \
                echo x > /tmp/a && cat /tmp/a; df -m /tmp | tail -n 1 | awk '{print $2}'";
    assert_eq!(bed.run(&script(bed.image, text)).await.1, "x\n64\n");
}

pub(crate) async fn a_task_has_no_capability_and_cannot_get_one() {
    let bed = Bed::new().await;
    let text = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status | tr -d '\\t'; touch /.gofer/a || exit 9";
    let (exit, output) = bed.run(&script(bed.image, text)).await;
    let none = "0000000000000000";
    let wanted =
        ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|set| format!("{set}:{none}\n")).concat();
    assert_eq!((exit.cause, output), (Cause::ExitCode(9), wanted + "NoNewPrivs:1\n"));
}
