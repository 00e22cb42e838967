//! What the caller is told when a call is refused.

use gofer_client::{Client, ClientError, ErrorKind, v1};

use gofer_storage::fake::{Fault, Operation};

use super::world::{World, client_options, pipeline, register, run};

fn fields(error: &ClientError) -> Vec<&str> {
    error.violations().iter().map(|violation| violation.field.as_str()).collect()
}

#[tokio::test]
async fn a_pipeline_that_is_not_there_is_answered_with_the_one_that_was_meant() {
    let world = World::new().await;
    world.pipeline("hello", "exit=0").await;
    let start = v1::StartRunRequest { pipeline: Some(pipeline("helo")), ..Default::default() };
    let error = world.client.start_run(start).await.unwrap_err();
    assert_eq!(error.message(), "there is no pipeline `helo` in namespace `default`");
    assert_eq!((error.code(), error.kind(), error.exit_code()), (Some("E0302"), ErrorKind::NotFound, 3));
    assert_eq!(error.hint(), Some("did you mean `hello`?"));
    assert_eq!(error.next(), ["gofer pipeline list"]);
    assert_eq!(error.docs(), Some("https://docs.gofer.example/errors/E0302"));
    assert!(error.request_id().is_some_and(|id| id.len() == 36), "{error:?}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let world = World::new().await;
    let wrong = v1::CancelRunRequest { run: Some(run("a b", 0)), reason: "r".repeat(501), force: false };
    let error = world.client.cancel_run(wrong).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), (Some("E0090"), 6));
    assert_eq!(fields(&error), ["run.pipeline", "run.number", "reason"]);
}

#[tokio::test]
async fn requests_that_lack_what_they_need_are_refused_by_field() {
    let world = World::new().await;
    let client = &world.client;
    let mut refused = Vec::new();
    refused.push(client.get_run(v1::GetRunRequest { run: None }).await.unwrap_err());
    refused.push(client.register_pipeline(v1::RegisterPipelineRequest::default()).await.unwrap_err());
    refused.push(client.start_run(v1::StartRunRequest::default()).await.unwrap_err());
    refused.push(
        client.list_runs(v1::ListRunsRequest { states: vec![99], ..Default::default() }).await.unwrap_err(),
    );
    let filter = Some(v1::EventFilter { run: 7, ..Default::default() });
    refused
        .push(client.list_events(v1::ListEventsRequest { filter, ..Default::default() }).await.unwrap_err());
    let (since, until) = (Some(v1_time(5)), Some(v1_time(5)));
    let read = v1::ReadLogsRequest { run: Some(run("p", 1)), stream: 9, since, until, ..Default::default() };
    refused.push(client.read_logs(read).await.err().unwrap());
    let both = v1::ReadLogsRequest {
        run: Some(run("p", 1)),
        tail: Some(1),
        cursor: "c".to_owned(),
        ..Default::default()
    };
    refused.push(client.read_logs(both).await.err().unwrap());
    let named: Vec<Vec<&str>> = refused.iter().map(fields).collect();
    let wanted: [&[&str]; 7] = [
        &["run"],
        &["source"],
        &["pipeline"],
        &["states[0]"],
        &["filter.run"],
        &["stream", "until"],
        &["tail"],
    ];
    assert_eq!(named, wanted);
}

fn v1_time(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

#[tokio::test]
async fn a_file_with_problems_is_refused_with_all_of_them() {
    let world = World::new().await;
    let mut text = "id = \"many\"\n".to_owned();
    for number in 0..60 {
        text.push_str(&format!(
            "task \"t{number}\" \"image\" {{\n  depends_on = {{ nobody{number} = \"successful\" }}\n}}\n"
        ));
    }
    let error = world.client.register_pipeline(register(&text)).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), (Some("E0411"), 6));
    assert_eq!(error.message(), "the pipeline file has 60 problems");
    assert_eq!(error.diagnostics().len(), 60, "more than fit into an error are fetched");
    assert!(
        error.diagnostics().iter().all(|problem| problem.rendered.contains("no task with this name")
            || problem.rendered.contains("does not exist")),
        "{:?}",
        error.diagnostics()[0]
    );
}

#[tokio::test]
async fn a_part_that_the_server_cannot_run_is_shown_in_the_file() {
    let world = World::new().await;
    let text = "id = \"a\"\ntask \"t\" \"i\" {\n  inject_token = true\n}\n";
    let error = world.client.register_pipeline(register(text)).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), (Some("E0431"), 6), "{error:?}");
    assert_eq!(error.diagnostics().len(), 1);
}

#[tokio::test]
async fn a_version_that_moved_is_a_conflict() {
    let world = World::new().await;
    world.pipeline("hello", "exit=0").await;
    let request = v1::RegisterPipelineRequest {
        expected_version: Some(0),
        ..register("id = \"hello\"\ntask \"t\" \"i\" { }\n")
    };
    let error = world.client.register_pipeline(request).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), (Some("E0310"), 5));
}

#[tokio::test]
async fn variables_that_are_not_accepted_are_named() {
    let world = World::new().await;
    let text = "id = \"p\"\nvariable \"branch\" { }\ntask \"t\" \"i\" { }\n";
    world.client.register_pipeline(register(text)).await.unwrap();
    let variables = [("brnach".to_owned(), "x".to_owned())].into();
    let start = v1::StartRunRequest { pipeline: Some(pipeline("p")), variables, ..Default::default() };
    let error = world.client.start_run(start).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), (Some("E0502"), 6));
    assert_eq!(fields(&error), ["variables[\"brnach\"]", "variables[\"branch\"]"]);
}

#[tokio::test]
async fn a_malformed_key_has_its_own_code_and_rule() {
    let world = World::new().await;
    world.pipeline("p", "exit=0").await;
    for key in ["K 1", "\u{e4}", &"k".repeat(200)] {
        let idempotency_key = key.to_owned();
        let start =
            v1::StartRunRequest { pipeline: Some(pipeline("p")), idempotency_key, ..Default::default() };
        let error = world.client.start_run(start).await.unwrap_err();
        assert_eq!((error.code(), error.exit_code()), (Some("E0507"), 6), "{error:?}");
        assert_eq!(error.message(), "an idempotency key has 1 to 128 visible ASCII characters");
        assert_eq!((error.hint(), fields(&error)), (Some("a UUID is a good key"), vec!["idempotency_key"]));
    }
}

#[tokio::test]
async fn a_token_of_nobody_is_refused() {
    let world = World::new().await;
    let page = Some(v1::Page { size: 1, token: "zzz".to_owned() });
    let error = world.client.list_runs(v1::ListRunsRequest { page, ..Default::default() }).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), (Some("E0311"), 6));
}

#[tokio::test]
async fn too_many_waiting_runs_are_a_quota_and_not_repeated() {
    let world = World::new().await;
    let text = "id = \"p\"\nparallelism = 1\ntask \"t\" \"i\" {\n  command = [\"fake:hang\"]\n}\n";
    world.client.register_pipeline(register(text)).await.unwrap();
    let mut last = None;
    for _ in 0..6 {
        let start = v1::StartRunRequest { pipeline: Some(pipeline("p")), ..Default::default() };
        last = world.client.start_run(start).await.err();
    }
    let error = last.unwrap();
    assert_eq!((error.code(), error.exit_code()), (Some("E0506"), 5));
    assert!(error.is_retryable() && error.retry_after().is_some());
}

#[tokio::test]
async fn a_server_in_the_process_that_ended_cannot_be_reached() {
    let world = World::new().await;
    world.server.end().await.unwrap();
    let error = Client::in_process(world.server.dialer(), client_options()).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), (Some("E0101"), 7), "{error:?}");
}

#[tokio::test]
async fn a_storage_that_refuses_the_server_is_not_the_callers_fault() {
    let world = World::new().await;
    world.faults.next(Operation::Get, Fault::Error(gofer_backend::ErrorKind::PermissionDenied));
    let error =
        world.client.get_namespace(v1::GetNamespaceRequest { name: "default".to_owned() }).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Some("E0905"), ErrorKind::Internal), "{error:?}");
}

#[tokio::test]
async fn a_read_survives_a_storage_that_is_away_for_a_moment() {
    let world = World::new().await;
    world.faults.next(Operation::Get, Fault::Error(gofer_backend::ErrorKind::Unavailable));
    world.client.get_namespace(v1::GetNamespaceRequest { name: "default".to_owned() }).await.unwrap();
}
