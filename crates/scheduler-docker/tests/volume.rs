//! The volume with the first process, on a private engine: brought once, brought again when somebody removed it.

mod support;

use std::process::ExitCode;

use futures_util::future::try_join_all;
use gofer_backend::Owner;
use gofer_scheduler::{Scheduler, TaskSpec};
use gofer_scheduler_docker::DockerScheduler;
use gofer_testkit::docker::{Docker, Engine, test_image};
use gofer_types::{AttemptId, Cause};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let name = "a_volume_that_somebody_removed_is_brought_again_and_old_ones_go";
    let trial = match Engine::unavailable() {
        None => Trial::test(name, || support::block_on(mended())),
        Some(reason) => Trial::test(format!("{name} ({reason})"), || Ok(())).with_ignored_flag(true),
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

async fn run(scheduler: &DockerScheduler, number: u128) -> Result<(), Failed> {
    let image = gofer_testkit::docker::TEST_IMAGE.to_owned();
    let spec = TaskSpec { image, command: vec!["true".to_owned()], ..TaskSpec::default() };
    let id = AttemptId::from_u128(number);
    scheduler.start(&id, &spec).await.map_err(|fault| fault.chain())?;
    let exit = scheduler.wait(&id).await.map_err(|fault| fault.chain())?;
    assert_eq!(exit.cause, Cause::ExitCode(0));
    scheduler.remove(&id).await.map_err(|fault| fault.chain().into())
}

fn volumes(docker: &Docker) -> Result<Vec<String>, Failed> {
    let text = docker.get("/volumes")?.text();
    Ok(text
        .split("\"Name\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect())
}

async fn mended() -> Result<(), Failed> {
    let engine = Engine::builder().start();
    test_image(engine.docker())?;
    let older = r#"{"Name": "gofer-init-of-long-ago", "Labels": {"gofer.helper": "init"}}"#;
    let foreign = r#"{"Name": "somebody-elses"}"#;
    for volume in [older, foreign] {
        engine.docker().post("/volumes/create", volume)?;
    }
    let at_work = r#"{"Image": "IMAGE", "Cmd": ["true"], "Labels": {"gofer.helper": "init"}}"#;
    let at_work = at_work.replace("IMAGE", gofer_testkit::docker::TEST_IMAGE);
    engine.docker().post("/containers/create?name=helper-of-another", &at_work)?;
    let root = tempfile::tempdir()?;
    let mut config = support::config(&engine.docker().url());
    config.root = root.path().to_owned();
    let scheduler = DockerScheduler::open("test", Owner("ours".to_owned()), config).await;
    let scheduler = scheduler.map_err(|fault| fault.chain())?;
    run(&scheduler, 1).await?;
    let mut left = volumes(engine.docker())?;
    left.sort();
    assert!(left.len() == 2 && left[1] == "somebody-elses", "{left:?}");
    let ours = left[0].clone();
    let gone = engine.docker().delete(&format!("/volumes/{ours}"))?;
    assert_eq!(gone.status, 204, "{}", gone.text());
    // All find it gone, and each mends it.
    try_join_all((2..8).map(|number| run(&scheduler, number))).await?;
    assert!(volumes(engine.docker())?.contains(&ours));
    let mended = engine.docker().get(&format!("/volumes/{ours}"))?.text();
    assert!(mended.contains("gofer.helper"), "a later gofer knows it as ours: {mended}");
    let helpers = engine.docker().get("/containers/json?all=1")?.text();
    assert_eq!(helpers.matches("\"Names\":").count(), 1, "only that of another is left: {helpers}");
    assert!(helpers.contains("helper-of-another"), "{helpers}");
    Ok(())
}
