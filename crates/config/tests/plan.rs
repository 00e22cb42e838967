//! The configuration as an operator meets it: files, variables and overrides in; a plan or complaints out.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::PathBuf;

use gofer_config::{Complaint, Origin, Plan, Sources, code, keys, plan};
use serde::Deserialize;

/// Sources with a home, so that the data directory has a default.
fn sources(file: &str, environment: &[(&str, &str)], overrides: &[&str]) -> Sources {
    let mut variables = vec![("HOME".to_owned(), "/home/ana".to_owned())];
    variables.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Sources {
        file: Some((PathBuf::from("etc/gofer.toml"), file.to_owned())),
        environment: variables,
        overrides: overrides.iter().map(|text| (*text).to_owned()).collect(),
    }
}

fn planned(file: &str) -> Plan {
    plan(&sources(file, &[], &[])).unwrap()
}

fn refused(file: &str) -> Vec<Complaint> {
    plan(&sources(file, &[], &[])).unwrap_err()
}

/// One complaint as `CODE line:column message`.
fn only(file: &str) -> (Complaint, String) {
    let mut complaints = refused(file);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    let complaint = complaints.remove(0);
    let place = complaint.origin.to_string();
    (complaint, place)
}

#[test]
fn nothing_configured_is_a_working_server() {
    let plan = planned("");
    let config = &plan.config;
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:7400");
    assert_eq!(config.server.data_dir, PathBuf::from("/home/ana/.local/share/gofer"));
    assert_eq!((config.storage.default.as_str(), config.scheduler.default.as_str()), ("redb", "process"));
    assert_eq!(config.storage.get("redb").unwrap().kind, "redb");
    assert_eq!(config.scheduler.get("process").unwrap().origin, Origin::Default);
    assert_eq!(config.objects.get(&config.objects.default).unwrap().kind, "files");
}

#[test]
fn every_default_is_accepted_and_shown_with_its_origin() {
    let plan = planned("");
    let shown: Vec<_> = plan.show().iter().map(|one| one.key.clone()).collect();
    let mut all: Vec<_> = keys().iter().map(gofer_config::Key::path).collect();
    all.extend(["storage.redb.kind", "scheduler.process.kind", "objects.files.kind"].map(str::to_owned));
    assert_eq!(shown, all);
    assert!(plan.show().iter().all(|one| one.origin == Origin::Default));
}

#[test]
fn a_wrong_value_under_any_key_is_refused_so_that_none_is_read_and_ignored() {
    for key in keys() {
        let complaints =
            plan(&sources(&format!("[{}]\n{} = false\n", key.section, key.name), &[], &[])).unwrap_err();
        assert_eq!(complaints[0].code, code::BAD_VALUE, "{}", key.path());
        assert_eq!(complaints[0].origin.to_string(), "etc/gofer.toml:2:1", "{}", key.path());
    }
}

#[test]
fn the_environment_beats_the_file_and_a_flag_beats_both() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\ndrain_timeout = \"1s\"\n[limits]\nmax_followers = 1\n";
    let env = [("GOFER_SERVER__LISTEN", "127.0.0.1:2"), ("GOFER_SERVER__DRAIN_TIMEOUT", "2s")];
    let plan = plan(&sources(file, &env, &["server.listen=127.0.0.1:3"])).unwrap();
    assert_eq!(plan.config.server.listen.port(), 3);
    assert_eq!(plan.config.server.drain_timeout.to_string(), "2s");
    assert_eq!(plan.config.limits.max_followers, 1);
    let origins: Vec<_> = plan.show().iter().map(|one| format!("{} {}", one.key, one.origin)).collect();
    for expected in [
        "server.listen flag server.listen",
        "server.drain_timeout environment GOFER_SERVER__DRAIN_TIMEOUT",
        "limits.max_followers etc/gofer.toml:5:1",
        "limits.stop_grace default",
    ] {
        assert!(origins.iter().any(|origin| origin == expected), "{expected}: {origins:?}");
    }
}

#[test]
fn all_complaints_come_at_once_each_with_its_place() {
    let file =
        "[servr]\nlisten = 1\n[server]\nlistn = \"x\"\ndrain_timeout = \"1w\"\n[limits]\nmax_followers = 0\n";
    let env = [("GOFER_LOG__LEVEL", "loud"), ("GOFER_NOPE__X", "1")];
    let complaints = plan(&sources(file, &env, &["broken"])).unwrap_err();
    let told: Vec<_> = complaints.iter().map(|one| format!("{} {}", one.code, one.origin)).collect();
    assert_eq!(
        told,
        [
            "E0805 flag broken",
            "E0803 etc/gofer.toml:1:2",
            "E0803 etc/gofer.toml:4:1",
            "E0803 environment GOFER_NOPE__X",
            "E0804 etc/gofer.toml:5:1",
            "E0804 etc/gofer.toml:7:1",
            "E0804 environment GOFER_LOG__LEVEL",
        ]
    );
}

#[test]
fn a_misspelt_key_gets_the_right_one() {
    let (complaint, place) = only("[server]\nlistn = \"127.0.0.1:1\"\n");
    assert_eq!(complaint.code, code::UNKNOWN_KEY);
    assert_eq!(place, "etc/gofer.toml:2:1");
    assert_eq!(complaint.hint.as_deref(), Some("did you mean `listen`?"));
    let (complaint, _) = only("[schedular]\n");
    assert_eq!(complaint.hint.as_deref(), Some("did you mean `scheduler`?"));
    let (complaint, _) = only("[scheduler]\ndefalut = \"process\"\n");
    assert_eq!(complaint.hint.as_deref(), Some("did you mean `default`?"));
}

#[test]
fn what_is_not_toml_is_refused_at_its_line() {
    let complaints = refused("[server]\nlisten 5\n");
    assert_eq!(complaints[0].code, code::SYNTAX);
    assert!(complaints[0].origin.to_string().starts_with("etc/gofer.toml:2:"), "{complaints:?}");
}

#[test]
fn a_value_at_its_bound_is_accepted_and_one_beyond_is_refused() {
    assert_eq!(planned("[limits]\nmax_followers = 100000\n").config.limits.max_followers, 100_000);
    let (complaint, _) = only("[limits]\nmax_followers = 100001\n");
    assert_eq!(complaint.message, "`limits.max_followers` wants a whole number from 1 to 100000, not 100001");
    assert_eq!(planned("[server]\ndrain_timeout = \"1h\"\n").config.server.drain_timeout.to_string(), "1h");
    only("[server]\ndrain_timeout = \"1h1ms\"\n");
}

#[test]
fn a_section_that_is_a_value_and_a_value_that_is_a_table_are_refused() {
    assert_eq!(only("server = 3\n").0.code, code::BAD_VALUE);
    assert_eq!(only("[server.drain_timeout]\nx = 1\n").0.code, code::BAD_VALUE);
}

#[test]
fn time_limits_that_contradict_each_other_are_refused_where_one_was_set() {
    let (complaint, place) = only("[limits]\ntask_timeout_max = \"1h\"\n");
    assert_eq!((complaint.code, place.as_str()), (code::CONTRADICTION, "etc/gofer.toml:2:1"));
    let short =
        "[limits]\ntask_timeout_min = \"1ms\"\ntask_timeout_default = \"2s\"\ntask_timeout_max = \"3s\"\n";
    assert_eq!(planned(short).config.limits.task_timeout_default.to_string(), "2s");
}

#[test]
fn a_relative_data_directory_of_a_file_is_relative_to_the_file() {
    let plan_of = |sources: &Sources| plan(sources).unwrap().config.server.data_dir;
    let file = "[server]\ndata_dir = \"state\"\n";
    assert_eq!(plan_of(&sources(file, &[], &[])), PathBuf::from("etc/state"));
    assert_eq!(plan_of(&sources("", &[("GOFER_SERVER__DATA_DIR", "state")], &[])), PathBuf::from("state"));
    assert_eq!(plan_of(&sources("", &[("XDG_DATA_HOME", "/xdg")], &[])), PathBuf::from("/xdg/gofer"));
}

#[test]
fn without_a_home_the_data_directory_must_be_named() {
    let complaints = plan(&Sources::default()).unwrap_err();
    assert_eq!(complaints[0].code, code::NO_HOME);
    let named = Sources { overrides: vec!["server.data_dir=/x".to_owned()], ..Sources::default() };
    assert_eq!(plan(&named).unwrap().config.server.data_dir, PathBuf::from("/x"));
}

#[test]
fn listening_beyond_loopback_is_refused_by_name() {
    for address in ["0.0.0.0:7400", "[::]:7400", "192.168.1.2:7400"] {
        let file = format!("[server]\nlisten = \"{address}\"\n[scheduler.process]\n");
        let (complaint, place) = only(&file);
        assert_eq!((complaint.code, place.as_str()), (code::OPEN_LISTENER, "etc/gofer.toml:2:1"));
        assert!(complaint.message.contains("no login"), "{complaint}");
    }
    assert!(planned("[server]\nlisten = \"[::1]:0\"\n").config.server.listen.is_ipv6());
}

#[test]
fn beyond_loopback_the_process_scheduler_must_be_named() {
    let codes: Vec<_> = refused("[server]\nlisten = \"0.0.0.0:1\"\n").iter().map(|one| one.code).collect();
    assert_eq!(codes, [code::OPEN_LISTENER, code::UNNAMED_PROCESS_SCHEDULER]);
}

#[test]
fn the_kind_of_an_instance_is_its_name_unless_it_says_otherwise() {
    let plan = planned(
        "[scheduler]\ndefault = \"here\"\n[scheduler.process]\n[scheduler.here]\nkind = \"process\"\n",
    );
    let kinds: Vec<_> =
        plan.config.scheduler.instances.iter().map(|one| (one.name.as_str(), one.kind.as_str())).collect();
    assert_eq!(kinds, [("here", "process"), ("process", "process")]);
}

#[test]
fn the_only_instance_is_the_default_and_of_several_one_is_named() {
    assert_eq!(planned("[storage.sled]\n").config.storage.default, "sled");
    assert_eq!(planned("[storage]\ndefault = \"sled\"\n").config.storage.get("sled").unwrap().kind, "sled");
    assert_eq!(planned("[storage.sled]\n[storage.redb]\n").config.storage.default, "redb");
    assert_eq!(only("[scheduler.a]\n[scheduler.b]\n").0.code, code::NO_DEFAULT);
    let (complaint, place) = only("[scheduler]\ndefault = \"clustr\"\n[scheduler.cluster]\n");
    assert_eq!((complaint.code, place.as_str()), (code::NO_DEFAULT, "etc/gofer.toml:2:1"));
    assert_eq!(complaint.hint.as_deref(), Some("did you mean `cluster`?"));
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Docker {
    socket: String,
    #[serde(default)]
    retries: u8,
    #[serde(default)]
    pull: Pull,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pull {
    token: Option<u8>,
}

fn docker(file: &str, environment: &[(&str, &str)]) -> Result<Docker, Complaint> {
    let plan = plan(&sources(file, environment, &[])).unwrap();
    plan.config.scheduler.get("docker").unwrap().settings()
}

#[test]
fn a_backend_reads_its_own_table_from_all_layers() {
    let file = "[scheduler.docker]\nkind = \"docker\"\nsocket = \"a\\nb\"\nretries = 1\n[scheduler.docker.pull]\ntoken = 1\n";
    let read = docker(file, &[("GOFER_SCHEDULER__DOCKER__RETRIES", "7")]).unwrap();
    assert_eq!(read, Docker { socket: "a\nb".to_owned(), retries: 7, pull: Pull { token: Some(1) } });
}

#[test]
fn a_backends_complaint_stands_at_its_key() {
    let file = "[scheduler.docker]\nsocket = \"a\\nb\"\nsokcet = 1\n";
    let complaint = docker(file, &[]).unwrap_err();
    assert_eq!(
        (complaint.code, complaint.origin.to_string().as_str()),
        (code::BACKEND_SETTING, "etc/gofer.toml:3:1")
    );
    assert!(complaint.message.starts_with("`sokcet` in `[scheduler.docker]`: unknown field"), "{complaint}");

    let complaint = docker("[scheduler.docker]\nsocket = \"a\"\nretries = 300\n", &[]).unwrap_err();
    assert_eq!(complaint.origin.to_string(), "etc/gofer.toml:3:1");

    let file = "[scheduler.docker]\nsocket = \"a\"\n[scheduler.docker.pull]\ntokn = 5\n";
    assert_eq!(docker(file, &[]).unwrap_err().origin.to_string(), "etc/gofer.toml:4:1");
}

#[test]
fn a_missing_setting_is_told_at_the_table() {
    let complaint = docker("[log]\n[scheduler.docker]\nretries = 3\n", &[]).unwrap_err();
    assert_eq!(complaint.origin.to_string(), "etc/gofer.toml:2:12");
    assert!(complaint.message.contains("missing field `socket`"), "{complaint}");
}

#[test]
fn an_empty_table_that_a_backend_does_not_know_is_refused_too() {
    assert!(docker("[scheduler.docker]\nsocket = \"a\"\n[scheduler.docker.nope]\n", &[]).is_err());
}

#[test]
fn an_unknown_kind_lists_those_that_there_are() {
    let plan = planned("[scheduler.x]\nkind = \"procces\"\n");
    let complaint = plan.config.scheduler.get("x").unwrap().unknown_kind(["process", "docker"]);
    assert_eq!(
        (complaint.code, complaint.origin.to_string().as_str()),
        (code::UNKNOWN_KIND, "etc/gofer.toml:2:1")
    );
    assert_eq!(complaint.hint.as_deref(), Some("did you mean `process`?"));
}

#[test]
fn an_object_store_is_named_as_one() {
    let plan = planned("[objects.x]\nkind = \"s3\"\n");
    let complaint = plan.config.objects.get("x").unwrap().unknown_kind(["files"]);
    assert_eq!(complaint.message, "there is no object store of kind `s3`");
}

#[test]
fn what_a_backend_refuses_by_itself_stands_at_the_key_or_at_the_table() {
    let plan = planned("[scheduler.x]\nslots = 1\nkind = \"process\"\n");
    let instance = plan.config.scheduler.get("x").unwrap();
    for (key, place) in [("slots", "2:1"), ("kind", "3:1"), ("root", "1:12")] {
        assert_eq!(instance.refuse(key, "no").origin.to_string(), format!("etc/gofer.toml:{place}"), "{key}");
    }
}

#[test]
fn a_canary_in_a_backends_settings_is_shown_nowhere() {
    let file = "[scheduler.docker]\nsocket = \"http://me:c4n4ry@host\"\n[scheduler.docker.pull]\ntoken = \"c4n4ry\"\n";
    let plan = planned(file);
    let instance = plan.config.scheduler.get("docker").unwrap();
    let complaint = instance.settings::<Docker>().unwrap_err();
    let everything = format!("{}{instance:?}{:?}{}", plan.render(true), plan, complaint.render());
    assert!(!everything.contains("c4n4ry"), "{everything}");
    assert!(plan.render(false).contains("scheduler.docker.pull.token = \"<redacted>\""), "{everything}");
}

#[test]
fn what_is_shown_loads_again_to_the_same_plan() {
    let first = planned(
        "[storage.sled]\n[scheduler.docker]\nsocket = \"unix:///x\"\nn = [1, 2]\n[log]\nlevel = \"warn\"\n",
    );
    let second = plan(&sources(&first.render(true), &[], &[])).unwrap();
    assert_eq!(second.render(false), first.render(false));
}
