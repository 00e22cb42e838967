//! Which backends there are: explicit code, one line a backend.
//!
//! A kind that this binary was built without is registered as left out, with the reason, so that asking for it is answered
//! and not merely unknown.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use gofer_backend::Result;
use gofer_config::{Complaint, Family, Instance};
use gofer_object_store::ObjectStore;
use gofer_scheduler::Scheduler;
use gofer_storage::Storage;
use gofer_types::ByteSize;

use crate::backends;

/// What a backend is told about where it is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The server's data directory; a backend that names no path of its own gets a directory in it.
    pub(crate) data_dir: PathBuf,
    /// How much output of one task is kept, where the backend's own section does not say.
    pub(crate) max_log: ByteSize,
}

/// A backend that is planned: opening it is the first I/O.
pub(crate) type Opening<T> = BoxFuture<'static, Result<Arc<T>>>;

/// Planned backends, by the names of their instances.
pub(crate) type Named<T> = Vec<(String, Opening<T>)>;

type Plan<T> = fn(&Instance, &Place) -> std::result::Result<Opening<T>, Complaint>;

/// One kind of a family.
struct Kind<T: ?Sized> {
    name: &'static str,
    offer: Offer<T>,
}

/// What stands behind a kind.
enum Offer<T: ?Sized> {
    /// It is there.
    Built(Plan<T>),
    /// It is known and not there, for this reason.
    LeftOut(&'static str),
}

const fn built<T: ?Sized>(name: &'static str, plan: Plan<T>) -> Kind<T> {
    Kind { name, offer: Offer::Built(plan) }
}

const fn left_out<T: ?Sized>(name: &'static str, reason: &'static str) -> Kind<T> {
    Kind { name, offer: Offer::LeftOut(reason) }
}

#[cfg(not(all(
    feature = "storage-redb",
    feature = "storage-sled",
    feature = "scheduler-process",
    feature = "scheduler-docker",
    feature = "object-store-files"
)))]
const WITHOUT: &str = "this binary was built without it";
const LATER: &str = "it is not there yet";

fn storages() -> Vec<Kind<dyn Storage>> {
    vec![
        #[cfg(feature = "storage-redb")]
        built("redb", backends::redb),
        #[cfg(not(feature = "storage-redb"))]
        left_out("redb", WITHOUT),
        #[cfg(feature = "storage-sled")]
        built("sled", backends::sled),
        #[cfg(not(feature = "storage-sled"))]
        left_out("sled", WITHOUT),
    ]
}

fn schedulers() -> Vec<Kind<dyn Scheduler>> {
    vec![
        #[cfg(feature = "scheduler-process")]
        built("process", backends::process),
        #[cfg(not(feature = "scheduler-process"))]
        left_out("process", WITHOUT),
        #[cfg(feature = "scheduler-docker")]
        built("docker", backends::docker),
        #[cfg(not(feature = "scheduler-docker"))]
        left_out("docker", WITHOUT),
        left_out("nomad", LATER),
    ]
}

fn object_stores() -> Vec<Kind<dyn ObjectStore>> {
    vec![
        #[cfg(feature = "object-store-files")]
        built("files", backends::files),
        #[cfg(not(feature = "object-store-files"))]
        left_out("files", WITHOUT),
        left_out("s3", LATER),
    ]
}

/// Whether this binary was built with schedulers of this kind.
#[must_use]
pub fn has_scheduler(kind: &str) -> bool {
    schedulers().iter().any(|known| known.name == kind && matches!(known.offer, Offer::Built(_)))
}

/// Plans the default storage. The others are only checked: nothing opens them.
pub(crate) fn storage(
    family: &Family,
    place: &Place,
) -> std::result::Result<(String, Opening<dyn Storage>), Vec<Complaint>> {
    plan_default(family, place, &storages())
}

/// Plans the default object store. The others are only checked: nothing opens them.
pub(crate) fn objects(
    family: &Family,
    place: &Place,
) -> std::result::Result<(String, Opening<dyn ObjectStore>), Vec<Complaint>> {
    plan_default(family, place, &object_stores())
}

/// Plans every scheduler of the configuration.
pub(crate) fn schedulers_of(
    family: &Family,
    place: &Place,
) -> std::result::Result<Named<dyn Scheduler>, Vec<Complaint>> {
    plan_family(family, place, &schedulers())
}

fn plan_default<T: ?Sized>(
    family: &Family,
    place: &Place,
    kinds: &[Kind<T>],
) -> std::result::Result<(String, Opening<T>), Vec<Complaint>> {
    let all = plan_family(family, place, kinds)?;
    let chosen = all.into_iter().find(|(name, _)| *name == family.default);
    chosen.ok_or_else(Vec::new)
}

fn plan_family<T: ?Sized>(
    family: &Family,
    place: &Place,
    kinds: &[Kind<T>],
) -> std::result::Result<Named<T>, Vec<Complaint>> {
    let mut complaints = Vec::new();
    let mut planned = Vec::new();
    for instance in &family.instances {
        match plan_one(instance, place, kinds) {
            Ok(opening) => planned.push((instance.name.clone(), opening)),
            Err(complaint) => complaints.push(complaint),
        }
    }
    if complaints.is_empty() { Ok(planned) } else { Err(complaints) }
}

fn plan_one<T: ?Sized>(
    instance: &Instance,
    place: &Place,
    kinds: &[Kind<T>],
) -> std::result::Result<Opening<T>, Complaint> {
    match kinds.iter().find(|kind| kind.name == instance.kind).map(|kind| &kind.offer) {
        Some(Offer::Built(plan)) => plan(instance, place),
        Some(Offer::LeftOut(reason)) => {
            Err(instance.refuse("kind", &format!("there is a kind `{}`, but {reason}", instance.kind)))
        }
        None => Err(instance.unknown_kind(
            kinds.iter().filter(|kind| matches!(kind.offer, Offer::Built(_))).map(|kind| kind.name),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints_of(file: &str) -> Vec<String> {
        let sources = gofer_config::Sources {
            file: Some(("gofer.toml".into(), file.to_owned())),
            environment: vec![("HOME".to_owned(), "/home/me".to_owned())],
            overrides: Vec::new(),
        };
        let plan = gofer_config::plan(&sources).expect("a configuration that can be planned");
        let place = Place { data_dir: "/nowhere".into(), max_log: ByteSize::from_mib(1) };
        let storage = storage(&plan.config.storage, &place).err().unwrap_or_default();
        let schedulers = schedulers_of(&plan.config.scheduler, &place).err().unwrap_or_default();
        let objects = objects(&plan.config.objects, &place).err().unwrap_or_default();
        storage
            .iter()
            .chain(&schedulers)
            .chain(&objects)
            .map(|complaint| format!("{} {} {:?}", complaint.code, complaint.message, complaint.hint))
            .collect()
    }

    #[test]
    fn the_defaults_can_be_planned_without_any_file() {
        assert_eq!(complaints_of(""), Vec::<String>::new());
    }

    #[test]
    fn a_backend_that_is_not_there_yet_is_refused_by_name() {
        let told = complaints_of("[scheduler]\ndefault = \"nomad\"\n[scheduler.nomad]\n");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("`nomad`") && told[0].contains("not there yet"), "{told:?}");
    }

    #[test]
    fn an_object_store_that_is_not_there_or_has_a_wrong_setting_is_refused() {
        let told = complaints_of("[objects.s3]\n");
        assert!(told.len() == 1 && told[0].contains("`s3`") && told[0].contains("not there yet"), "{told:?}");
        let told = complaints_of("[objects.files]\npth = \"x\"\n");
        assert!(told.len() == 1 && told[0].contains("pth"), "{told:?}");
        let told = complaints_of("[objects.main]\nkind = \"minio\"\n");
        assert!(told.len() == 1 && told[0].contains("object store") && told[0].contains("files"), "{told:?}");
    }

    #[test]
    fn a_setting_of_docker_is_refused_where_it_stands() {
        let told = complaints_of("[scheduler.docker]\nsocket = \"ssh://me@there\"\n");
        assert!(told.len() == 1 && told[0].contains("ssh://me@there"), "{told:?}");
        let told = complaints_of("[scheduler.docker]\nprivileged = true\n");
        assert!(told.len() == 1 && told[0].contains("privileged"), "{told:?}");
    }

    #[test]
    fn an_unknown_kind_lists_those_that_there_are() {
        let told = complaints_of("[storage.main]\nkind = \"rocksdb\"\n");
        assert!(told.iter().any(|line| line.starts_with("E0811") && line.contains("redb, sled")), "{told:?}");
    }

    #[test]
    fn every_complaint_is_told_at_once() {
        let file = "[storage.redb]\nno_such = 1\n[scheduler.process]\nneither = 2\n";
        assert_eq!(complaints_of(file).len(), 2);
    }
}
