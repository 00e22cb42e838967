//! Each call, from the client to the engine and back.

use futures_util::StreamExt;
use gofer_client::{Followed, v1};

use super::world::{World, latest, pipeline, register, run, source};

#[tokio::test]
async fn namespaces_are_created_changed_listed_and_deleted() {
    let world = World::new().await;
    let client = &world.client;
    let create = v1::CreateNamespaceRequest { name: "prod".to_owned(), description: "ours".to_owned() };
    let created = client.create_namespace(create).await.unwrap().namespace.unwrap();
    assert_eq!((created.name.as_str(), created.description.as_str()), ("prod", "ours"));
    assert!(created.created.is_some());
    let update = v1::UpdateNamespaceRequest { name: "prod".to_owned(), description: "theirs".to_owned() };
    assert_eq!(client.update_namespace(update).await.unwrap().namespace.unwrap().description, "theirs");
    let get = v1::GetNamespaceRequest { name: "prod".to_owned() };
    assert_eq!(client.get_namespace(get.clone()).await.unwrap().namespace.unwrap().description, "theirs");
    let all = client.list_namespaces(v1::ListNamespacesRequest { page: None }).await.unwrap();
    let names: Vec<&str> = all.namespaces.iter().map(|namespace| namespace.name.as_str()).collect();
    assert_eq!(names, ["default", "prod"]);
    client.delete_namespace(v1::DeleteNamespaceRequest { name: "prod".to_owned() }).await.unwrap();
    assert_eq!(client.get_namespace(get).await.unwrap_err().code(), Some("E0301"));
}

#[tokio::test]
async fn a_list_is_walked_page_by_page() {
    let world = World::new().await;
    for name in ["a", "b", "c", "d"] {
        let create = v1::CreateNamespaceRequest { name: name.to_owned(), description: String::new() };
        world.client.create_namespace(create).await.unwrap();
    }
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let page = Some(v1::Page { size: 2, token });
        let answer = world.client.list_namespaces(v1::ListNamespacesRequest { page }).await.unwrap();
        assert!(answer.namespaces.len() <= 2);
        names.extend(answer.namespaces.into_iter().map(|namespace| namespace.name));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c", "d", "default"]);
}

#[tokio::test]
async fn a_pipeline_is_registered_once_per_content() {
    let world = World::new().await;
    let first = world.pipeline("hello", "print=hi").await;
    assert!(!first.unchanged);
    let version = first.version.unwrap();
    assert_eq!((version.version, version.actor.as_str()), (1, "ana"));
    assert!(version.json.contains("hello"), "{}", version.json);
    assert!(world.pipeline("hello", "print=hi").await.unchanged);
    let second = world.pipeline("hello", "print=ho").await;
    assert_eq!(second.version.unwrap().version, 2);
    let listed =
        world.client.list_versions(v1::ListVersionsRequest { pipeline: Some(pipeline("hello")), page: None });
    let versions = listed.await.unwrap().versions;
    assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [2, 1]);
    assert!(versions.iter().all(|version| version.json.is_empty()));
    let old = v1::GetVersionRequest { pipeline: Some(pipeline("hello")), version: 1 };
    assert_eq!(world.client.get_version(old).await.unwrap().version.unwrap().digest, version.digest);
}

#[tokio::test]
async fn pipelines_are_looked_at_disabled_and_deleted() {
    let world = World::new().await;
    world.pipeline("hello", "exit=0").await;
    let client = &world.client;
    let get = v1::GetPipelineRequest { pipeline: Some(pipeline("hello")) };
    let found = client.get_pipeline(get.clone()).await.unwrap().pipeline.unwrap();
    assert_eq!((found.id.as_str(), found.enabled, found.tasks), ("hello", true, 1));
    let disable = v1::SetPipelineEnabledRequest { pipeline: Some(pipeline("hello")), enabled: false };
    assert!(!client.set_pipeline_enabled(disable).await.unwrap().pipeline.unwrap().enabled);
    let start = v1::StartRunRequest { pipeline: Some(pipeline("hello")), ..Default::default() };
    assert_eq!(client.start_run(start).await.unwrap_err().code(), Some("E0501"));
    let all = client.list_pipelines(v1::ListPipelinesRequest::default()).await.unwrap();
    assert_eq!(all.pipelines.len(), 1);
    client.delete_pipeline(v1::DeletePipelineRequest { pipeline: Some(pipeline("hello")) }).await.unwrap();
    assert_eq!(client.get_pipeline(get).await.unwrap_err().code(), Some("E0302"));
}

#[tokio::test]
async fn a_file_is_validated_without_being_registered() {
    let world = World::new().await;
    let text = "id = \"hello\"\ntask \"a\" \"image\" {\n  depends_on = { b = \"successful\" }\n}\n";
    let validate = v1::ValidatePipelineRequest { source: Some(source(text)), namespace: String::new() };
    let problems = world.client.validate_pipeline(validate).await.unwrap().diagnostics;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!((problems[0].code.as_str(), problems[0].line, problems[0].error), ("E0411", 3, true));
    assert!(problems[0].rendered.contains("pipeline.hcl:3"), "{}", problems[0].rendered);
    let all = world.client.list_pipelines(v1::ListPipelinesRequest::default()).await.unwrap();
    assert!(all.pipelines.is_empty());
}

#[tokio::test]
async fn a_run_is_started_watched_and_told_with_its_tasks() {
    let world = World::new().await;
    world.pipeline("hello", "print=hi,exit=3").await;
    let started = world.start("hello").await;
    assert_eq!((started.number, started.actor.as_str(), started.trigger.as_str()), (1, "ana", "manual"));
    let ended = world.ended("hello", 1).await;
    assert_eq!(ended.state(), v1::RunState::Failed);
    let client = &world.client;
    let got =
        client.get_run(v1::GetRunRequest { run: Some(latest("hello", v1::Latest::Failed)) }).await.unwrap();
    assert_eq!(got.run.unwrap(), ended);
    let listed = client.list_runs(v1::ListRunsRequest { active: true, ..Default::default() }).await.unwrap();
    assert!(listed.runs.is_empty());
    let failed = v1::ListRunsRequest { states: vec![v1::RunState::Failed.into()], ..Default::default() };
    assert_eq!(client.list_runs(failed).await.unwrap().runs.len(), 1);
    let tasks = client
        .list_task_runs(v1::ListTaskRunsRequest { run: Some(run("hello", 1)), page: None })
        .await
        .unwrap();
    assert_eq!((tasks.tasks[0].state(), tasks.tasks[0].image.as_str()), (v1::TaskState::Failed, "image"));
    let get = v1::GetTaskRunRequest { run: Some(run("hello", 1)), task: "work".to_owned() };
    let task = client.get_task_run(get).await.unwrap();
    assert_eq!(task.task.unwrap().exit_code, Some(3));
    assert_eq!((task.attempts.len(), task.attempts[0].scheduler.as_str()), (1, "local"));
}

#[tokio::test]
async fn a_repeated_start_answers_the_same_run() {
    let world = World::new().await;
    world.pipeline("hello", "exit=0").await;
    let start = v1::StartRunRequest {
        pipeline: Some(pipeline("hello")),
        idempotency_key: "once".to_owned(),
        ..Default::default()
    };
    let first = world.client.start_run(start.clone()).await.unwrap();
    let again = world.client.start_run(start).await.unwrap();
    assert_eq!((first.existing, again.existing), (false, true));
    assert_eq!(first.run.unwrap().number, again.run.unwrap().number);
}

#[tokio::test]
async fn a_run_is_cancelled_with_a_reason() {
    let world = World::new().await;
    world.pipeline("slow", "hang").await;
    world.start("slow").await;
    let cancel = v1::CancelRunRequest {
        run: Some(latest("slow", v1::Latest::Unspecified)),
        reason: "wrong branch".to_owned(),
        force: true,
    };
    let answer = world.client.cancel_run(cancel.clone()).await.unwrap();
    assert!(!answer.already_ended);
    let ended = world.ended("slow", 1).await;
    assert_eq!(ended.state(), v1::RunState::Cancelled);
    let wish = ended.cancel.unwrap();
    assert_eq!((wish.actor.as_str(), wish.reason.as_str()), ("ana", "wrong branch"));
    assert!(world.client.cancel_run(cancel).await.unwrap().already_ended);
}

#[tokio::test]
async fn the_output_of_a_run_is_read() {
    let world = World::new().await;
    world.pipeline("hello", "print=one,eprint=two").await;
    world.start("hello").await;
    let read = v1::ReadLogsRequest { run: Some(run("hello", 1)), follow: true, ..Default::default() };
    let told: Vec<_> =
        world.client.follow_logs(read.clone()).await.unwrap().map(Result::unwrap).collect().await;
    let mut lines = Vec::new();
    for one in told {
        let Followed::Item(page) = one else { panic!("{one:?}") };
        lines.extend(page.entries.into_iter().map(|entry| (entry.seq, entry.stream(), entry.data)));
    }
    lines.sort_by_key(|(seq, ..)| *seq);
    let wanted = [(1, v1::LogStream::Out, b"one".to_vec()), (2, v1::LogStream::Err, b"two".to_vec())];
    assert_eq!(lines, wanted);
    let only_err = v1::ReadLogsRequest { stream: v1::LogStream::Err.into(), follow: false, ..read };
    let pages: Vec<_> = world.client.read_logs(only_err).await.unwrap().map(Result::unwrap).collect().await;
    let data: Vec<Vec<u8>> =
        pages.into_iter().flat_map(|page| page.entries).map(|entry| entry.data).collect();
    assert_eq!(data, [b"two".to_vec()]);
}

#[tokio::test]
async fn events_are_listed_and_filtered() {
    let world = World::new().await;
    world.client.register_pipeline(register("id = \"a\"\ntask \"t\" \"i\" { }\n")).await.unwrap();
    let all = world.client.list_events(v1::ListEventsRequest::default()).await.unwrap().events;
    assert_eq!(all.first().map(|event| event.seq), Some(1));
    let filter = v1::EventFilter { types: vec!["version_registered".to_owned()], ..Default::default() };
    let list = v1::ListEventsRequest { filter: Some(filter), newest_first: true, ..Default::default() };
    let events = world.client.list_events(list).await.unwrap().events;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].pipeline.as_str(), events[0].actor.as_str(), events[0].version), ("a", "ana", 1));
}

#[tokio::test]
async fn the_server_tells_what_it_is_and_how_it_does() {
    let world = World::new().await;
    let info = world.client.get_info(v1::GetInfoRequest {}).await.unwrap();
    assert_eq!((info.version.as_str(), info.api), ("0.0.0-test", 1));
    assert!(info.now.is_some());
    let status = world.client.get_status(v1::GetStatusRequest { check: true }).await.unwrap();
    assert_eq!(status.data_dir, "/data");
    let families: Vec<(&str, Option<bool>)> =
        status.backends.iter().map(|backend| (backend.family.as_str(), backend.healthy)).collect();
    assert!(families.contains(&("scheduler", Some(true))), "{families:?}");
    assert!(families.contains(&("storage", Some(true))), "{families:?}");
}
