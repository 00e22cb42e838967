//! Addresses as people type them: a REF, `-` for the last run, or a link to the web page.

use std::path::PathBuf;

use gofer_client::v1 as pb;
use gofer_grammar::ObjectScope;
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::style::Surroundings;
use gofer_types::refs::RunSelector;
use gofer_types::{Namespace, PipelineId, Ref, TaskId};
use gofer_views::follow::Memory;

/// How many servers the last run is remembered for.
const REMEMBERED: usize = 32;

/// Where a web page of a run lies.
const PAGE: &str = "/r/";

/// What addresses are read against.
#[derive(Debug)]
pub struct Addresses {
    /// The namespace where an address names none.
    namespace: Option<Namespace>,
    /// The server, for the memory of the last run.
    server: String,
    memory: Option<PathBuf>,
}

impl Addresses {
    /// Reads addresses against a namespace and a server.
    pub fn new(namespace: Option<Namespace>, server: &str, around: &Surroundings) -> Self {
        let state = around
            .var("XDG_STATE_HOME")
            .map(PathBuf::from)
            .or_else(|| around.var("HOME").map(|home| PathBuf::from(home).join(".local/state")));
        let memory = state.map(|dir| dir.join("gofer/last-run"));
        Self { namespace, server: server.to_owned(), memory }
    }

    /// The namespace for lists: empty where none was named.
    pub fn namespace(&self) -> String {
        self.namespace.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Reads any address.
    pub fn read(&self, typed: &str) -> Result<Ref, Failure> {
        let text = self.spelled_out(typed)?;
        let mut address: Ref = text.parse().map_err(|cause: gofer_types::RefError| {
            Failure::usage("E0201", format!("`{typed}` is not an address: {cause}"))
                .hint("an address is [NAMESPACE::]PIPELINE[@VERSION][/RUN[/TASK[#ATTEMPT]]]")
        })?;
        if address.namespace.is_none() {
            address.namespace.clone_from(&self.namespace);
        }
        Ok(address)
    }

    fn spelled_out(&self, typed: &str) -> Result<String, Failure> {
        if typed.starts_with("http://") || typed.starts_with("https://") {
            return from_link(typed);
        }
        match typed.strip_prefix('-') {
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '#']) => {
                let run = self.last_run().ok_or_else(|| {
                    Failure::new(
                        "E0203",
                        Exit::NotFound,
                        format!("no run on {} was touched from here yet", self.server),
                    )
                    .hint("name the run; `gofer run list` shows them")
                })?;
                Ok(format!("{run}{rest}"))
            }
            _ => Ok(typed.to_owned()),
        }
    }

    /// Reads the address of a pipeline; the version is the second part.
    pub fn pipeline(&self, typed: &str) -> Result<(pb::PipelineRef, u64), Failure> {
        let address = self.read(typed)?;
        if address.run.is_some() {
            return Err(extra(typed, "a run", "a pipeline"));
        }
        let version = address.version.map_or(0, |version| version.0);
        Ok((wire_pipeline(&address), version))
    }

    /// Reads the address of a pipeline where a version makes no sense.
    pub fn pipeline_only(&self, typed: &str) -> Result<pb::PipelineRef, Failure> {
        match self.pipeline(typed)? {
            (pipeline, 0) => Ok(pipeline),
            _ => Err(extra(typed, "a version", "a pipeline")),
        }
    }

    /// Reads the address of a run; of a task or attempt in it where one is named.
    pub fn run(&self, typed: &str) -> Result<RunAddress, Failure> {
        let address = self.read(typed)?;
        if address.version.is_some() {
            return Err(extra(typed, "a version", "a run"));
        }
        let Some(selector) = address.run else {
            return Err(Failure::usage("E0202", format!("`{typed}` names a pipeline, and a run is needed"))
                .hint(format!(
                    "`{typed}/latest` is its newest run, `{typed}/latest-failed` the newest that failed"
                )));
        };
        let pipeline = wire_pipeline(&address);
        let selector = match selector {
            RunSelector::Number(number) => pb::run_ref::Selector::Number(number.0),
            RunSelector::Latest => pb::run_ref::Selector::Latest(pb::Latest::Unspecified.into()),
            RunSelector::LatestFailed => pb::run_ref::Selector::Latest(pb::Latest::Failed.into()),
        };
        let run = pb::RunRef {
            namespace: pipeline.namespace,
            pipeline: pipeline.pipeline,
            selector: Some(selector),
        };
        Ok(RunAddress { run, task: address.task.map(String::from), attempt: address.attempt })
    }

    /// Reads the address of a run where a task makes no sense.
    pub fn run_only(&self, typed: &str) -> Result<pb::RunRef, Failure> {
        let address = self.run(typed)?;
        match address.task {
            None => Ok(address.run),
            Some(_) => Err(extra(typed, "a task", "a run")),
        }
    }

    /// Reads the address of a run, or of a task in it.
    pub fn run_or_task(&self, typed: &str) -> Result<(pb::RunRef, Option<String>), Failure> {
        let address = self.run(typed)?;
        match address.attempt {
            None => Ok((address.run, address.task)),
            Some(_) => Err(extra(typed, "an attempt", "a run or a task")),
        }
    }

    /// Reads the address of a task run.
    pub fn task(&self, typed: &str) -> Result<(pb::RunRef, String), Failure> {
        let address = self.run(typed)?;
        if address.attempt.is_some() {
            return Err(extra(typed, "an attempt", "a task"));
        }
        let task = address.task.ok_or_else(|| {
            Failure::usage("E0202", format!("`{typed}` names a run, and a task is needed"))
                .hint(format!("`gofer task list {typed}` shows its tasks"))
        })?;
        Ok((address.run, task))
    }

    /// Reads what objects belong to.
    pub fn scope(&self, typed: &ObjectScope) -> Result<pb::ObjectScope, Failure> {
        let (pipeline, run) = match typed {
            ObjectScope::Pipeline(address) => (self.pipeline_only(address)?, None),
            ObjectScope::Run(address) => {
                let run = self.run_only(address)?;
                (pb::PipelineRef { namespace: run.namespace, pipeline: run.pipeline }, run.selector)
            }
        };
        let run = run.map(|selector| match selector {
            pb::run_ref::Selector::Number(number) => pb::object_scope::Run::Number(number),
            pb::run_ref::Selector::Latest(latest) => pb::object_scope::Run::Latest(latest),
        });
        Ok(pb::ObjectScope { namespace: pipeline.namespace, pipeline: pipeline.pipeline, run })
    }

    /// The run that was last touched on this server.
    fn last_run(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.memory.as_ref()?).ok()?;
        text.lines().find_map(|line| {
            let (server, run) = line.split_once(' ')?;
            (server == self.server).then(|| run.to_owned())
        })
    }

    fn write_memory(&self, run: &str) -> Option<()> {
        let path = self.memory.as_ref()?;
        let own = format!("{} ", self.server);
        let old = std::fs::read_to_string(path).unwrap_or_default();
        let others = old.lines().filter(|line| !line.starts_with(&own)).take(REMEMBERED - 1);
        let text: String =
            std::iter::once(format!("{own}{run}\n")).chain(others.map(|l| format!("{l}\n"))).collect();
        if text == old {
            return Some(());
        }
        std::fs::create_dir_all(path.parent()?).ok()?;
        let fresh = path.with_extension(std::process::id().to_string());
        std::fs::write(&fresh, text).ok()?;
        std::fs::rename(&fresh, path).ok()
    }
}

impl Memory for Addresses {
    fn remember(&self, namespace: &str, pipeline: &str, number: u64) {
        let namespace = if namespace.is_empty() { "default" } else { namespace };
        let _ = self.write_memory(&format!("{namespace}::{pipeline}/{number}"));
    }
}

/// A run, and perhaps a task and an attempt in it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunAddress {
    /// The run.
    pub run: pb::RunRef,
    /// The task, where one was named.
    pub task: Option<String>,
    /// The attempt, where one was named.
    pub attempt: Option<u32>,
}

fn wire_pipeline(address: &Ref) -> pb::PipelineRef {
    pb::PipelineRef {
        namespace: address.namespace.as_ref().map(ToString::to_string).unwrap_or_default(),
        pipeline: address.pipeline.to_string(),
    }
}

fn extra(typed: &str, found: &str, wanted: &str) -> Failure {
    Failure::usage("E0204", format!("`{typed}` names {found}, and {wanted} is needed here"))
}

/// The address in a link such as `http://host/r/default/hello/12`.
fn from_link(link: &str) -> Result<String, Failure> {
    let fail = || {
        Failure::usage("E0205", format!("`{link}` is not the page of a pipeline or a run"))
            .hint("such a link ends in /r/NAMESPACE/PIPELINE/RUN")
    };
    let path = link.split(['?', '#']).next().unwrap_or_default();
    let (_, place) = path.split_once(PAGE).ok_or_else(fail)?;
    let mut parts = place.trim_end_matches('/').splitn(3, '/');
    let namespace = parts.next().and_then(|part| Namespace::new(part).ok()).ok_or_else(fail)?;
    let pipeline = parts.next().and_then(|part| PipelineId::new(part).ok()).ok_or_else(fail)?;
    let rest = parts.next().map(|rest| format!("/{rest}")).unwrap_or_default();
    let known = rest.split('/').skip(2).all(|task| TaskId::new(task).is_ok());
    if known { Ok(format!("{namespace}::{pipeline}{rest}")) } else { Err(fail()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(server: &str, home: &std::path::Path) -> Addresses {
        let vars = [("HOME".to_owned(), home.display().to_string())].into_iter().collect();
        Addresses::new(None, server, &Surroundings { vars, ..Surroundings::default() })
    }

    fn nowhere() -> Addresses {
        addresses("one:1", std::path::Path::new("/nowhere"))
    }

    #[test]
    fn a_link_means_the_run_whose_page_it_is() {
        let typed = nowhere().run("https://ci.example:8443/r/team/hello/12?tab=logs").expect("an address");
        let plain = nowhere().run("team::hello/12").expect("an address");
        assert_eq!(typed, plain);
        let task = nowhere().task("http://h/r/default/hello/12/test").expect("a task");
        assert_eq!(task.1, "test");
        let task = nowhere().task("http://h/r/default/hello/12/build[linux,1]").expect("a task");
        assert_eq!(task, nowhere().task("default::hello/12/build[linux,1]").expect("a task"));
    }

    #[test]
    fn the_namespace_of_the_flag_is_used_where_the_address_names_none() {
        let namespace = Namespace::new("team").ok();
        let addresses = Addresses::new(namespace, "one:1", &Surroundings::default());
        assert_eq!(addresses.pipeline_only("hello").expect("a pipeline").namespace, "team");
        assert_eq!(addresses.pipeline_only("x::hello").expect("a pipeline").namespace, "x");
    }

    #[test]
    fn the_last_run_is_kept_for_each_server() {
        let home = tempfile::tempdir().expect("a directory");
        let (one, two) = (addresses("one:1", home.path()), addresses("two:2", home.path()));
        assert_eq!(one.run("-").map_err(|failure| failure.code.clone()), Err("E0203".to_owned()));
        one.remember("", "hello", 12);
        two.remember("team", "etl", 3);
        one.remember("default", "hello", 13);
        assert_eq!(one.run("-").expect("a run"), one.run("default::hello/13").expect("a run"));
        assert_eq!(two.task("-/load").expect("a task").1, "load");
    }

    #[test]
    fn objects_belong_to_a_pipeline_or_to_a_run() {
        let read = |typed: &str| nowhere().scope(&typed.parse().expect("a scope"));
        let scope = read("pipeline=team::hello").expect("a pipeline");
        assert_eq!((scope.namespace.as_str(), scope.pipeline.as_str(), scope.run), ("team", "hello", None));
        let latest = pb::object_scope::Run::Latest(pb::Latest::Failed.into());
        assert_eq!(read("run=hello/latest-failed").expect("a run").run, Some(latest));
        assert_eq!(read("run=hello/12").expect("a run").run, Some(pb::object_scope::Run::Number(12)));
        let code = |typed| read(typed).map(drop).map_err(|failure| failure.code.clone());
        assert_eq!(code("run=hello"), Err("E0202".to_owned()));
        assert_eq!(code("run=hello/1/task"), Err("E0204".to_owned()));
        assert_eq!(code("pipeline=hello@2"), Err("E0204".to_owned()));
        assert_eq!(code("pipeline=a b"), Err("E0201".to_owned()));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_its_own_code() {
        let code = |result: Result<(), Failure>| {
            result.map_err(|failure| failure.code.clone()).expect_err("a failure")
        };
        let a = nowhere();
        assert_eq!(code(a.run("a b").map(drop)), "E0201");
        assert_eq!(code(a.run("hello").map(drop)), "E0202");
        assert_eq!(code(a.task("hello/1").map(drop)), "E0202");
        assert_eq!(code(a.pipeline("hello/1").map(drop)), "E0204");
        assert_eq!(code(a.pipeline_only("hello@2").map(drop)), "E0204");
        assert_eq!(code(a.run("hello@2/1").map(drop)), "E0204");
        assert_eq!(code(a.run_only("hello/1/t").map(drop)), "E0204");
        assert_eq!(code(a.run_or_task("hello/1/t#2").map(drop)), "E0204");
        assert_eq!(code(a.task("hello/1/t#1").map(drop)), "E0204");
        assert_eq!(code(a.run("http://h/elsewhere").map(drop)), "E0205");
    }
}
