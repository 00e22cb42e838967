//! What a client repeats, what it does not, and how its streams go on after a loss.

use std::time::Duration;

use super::fake::{AtEnd, Fake, Script};
use futures_util::StreamExt;
use gofer_client::{Client, ClientError, ClientOptions, Followed, v1};
use tokio::task::JoinSet;
use tonic::Status;

async fn connected(script: Script, tasks: &mut JoinSet<()>) -> (Client, Fake) {
    let fake = Fake::new(Script { api: 1, ..script });
    let address = super::fake::serve(fake.clone(), tasks).await;
    let options = ClientOptions {
        request_timeout: Duration::from_secs(2),
        resume_for: Duration::from_millis(700),
        actor: Some("ana".to_owned()),
        ..ClientOptions::new(address.to_string())
    };
    (Client::connect(options).await.unwrap(), fake)
}

async fn status(client: &Client) -> Result<v1::GetStatusResponse, ClientError> {
    client.get_status(v1::GetStatusRequest { check: false }).await
}

fn entry(seq: u64) -> v1::LogEntry {
    v1::LogEntry { task: "a".to_owned(), seq, ..v1::LogEntry::default() }
}

fn page(seqs: &[u64], cursor: &str) -> Result<v1::ReadLogsResponse, Status> {
    Ok(v1::ReadLogsResponse {
        entries: seqs.iter().map(|seq| entry(*seq)).collect(),
        cursor: cursor.to_owned(),
    })
}

fn logs(selector: v1::run_ref::Selector) -> v1::ReadLogsRequest {
    let run = v1::RunRef { namespace: String::new(), pipeline: "p".to_owned(), selector: Some(selector) };
    v1::ReadLogsRequest { run: Some(run), follow: true, tail: Some(9), ..v1::ReadLogsRequest::default() }
}

#[tokio::test]
async fn a_read_is_repeated_while_the_server_is_unavailable() {
    let mut tasks = JoinSet::new();
    let unary = [Err(Status::unavailable("x")), Err(Status::unavailable("x")), Ok(())].into();
    let (client, fake) = connected(Script { unary, ..Script::default() }, &mut tasks).await;
    status(&client).await.unwrap();
    assert_eq!(fake.with(|script| script.seen_actors.len()), 3);
}

#[tokio::test]
async fn what_the_server_refuses_is_not_repeated() {
    let mut tasks = JoinSet::new();
    let unary = [Err(Status::not_found("x")), Ok(())].into();
    let (client, fake) = connected(Script { unary, ..Script::default() }, &mut tasks).await;
    assert_eq!(status(&client).await.unwrap_err().exit_code(), 3);
    assert_eq!(fake.with(|script| script.seen_actors.len()), 1);
}

#[tokio::test]
async fn a_repeated_call_ends_with_the_error_of_the_server() {
    let mut tasks = JoinSet::new();
    let script = Script { at_end: Some(AtEnd::Unavailable), ..Script::default() };
    let (client, _fake) = connected(script, &mut tasks).await;
    let error = status(&client).await.unwrap_err();
    assert_eq!((error.message(), error.exit_code()), ("later", 7));
}

#[tokio::test]
async fn a_call_that_is_never_answered_ends_with_the_limit_of_time() {
    let mut tasks = JoinSet::new();
    let (client, _fake) =
        connected(Script { at_end: Some(AtEnd::Hang), ..Script::default() }, &mut tasks).await;
    assert_eq!(status(&client).await.unwrap_err().code(), Some("E0104"));
}

#[tokio::test]
async fn a_start_is_repeated_under_the_same_key() {
    let mut tasks = JoinSet::new();
    let unary = [Err(Status::unavailable("x")), Ok(())].into();
    let (client, fake) = connected(Script { unary, ..Script::default() }, &mut tasks).await;
    client.start_run(v1::StartRunRequest::default()).await.unwrap();
    client.start_run(v1::StartRunRequest::default()).await.unwrap();
    let named = v1::StartRunRequest { idempotency_key: "mine".to_owned(), ..v1::StartRunRequest::default() };
    client.start_run(named).await.unwrap();
    let keys: Vec<String> =
        fake.with(|script| script.seen_starts.iter().map(|start| start.idempotency_key.clone()).collect());
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2], "another start is another run");
    assert!(!keys[0].is_empty());
    assert_eq!(keys[3], "mine");
}

#[tokio::test]
async fn a_retry_is_repeated_under_the_same_key() {
    let mut tasks = JoinSet::new();
    let unary = [Err(Status::unavailable("x")), Ok(())].into();
    let (client, fake) = connected(Script { unary, ..Script::default() }, &mut tasks).await;
    client.retry_run(v1::RetryRunRequest::default()).await.unwrap();
    let named = v1::RetryRunRequest { idempotency_key: "mine".to_owned(), ..v1::RetryRunRequest::default() };
    client.retry_run(named).await.unwrap();
    let keys: Vec<String> =
        fake.with(|script| script.seen_retries.iter().map(|retry| retry.idempotency_key.clone()).collect());
    assert_eq!(keys[0], keys[1]);
    assert!(!keys[0].is_empty());
    assert_eq!(keys[2], "mine");
}

#[tokio::test]
async fn an_answer_is_given_once_with_its_fields_whatever_becomes_of_it() {
    let mut tasks = JoinSet::new();
    let unary = [Err(Status::unknown("the connection went away")), Ok(())].into();
    let (client, fake) = connected(Script { unary, ..Script::default() }, &mut tasks).await;
    let request = v1::AnswerTaskRequest {
        task: "ask".to_owned(),
        approve: true,
        fields: [("who".to_owned(), "ana".to_owned())].into(),
        ..v1::AnswerTaskRequest::default()
    };
    client.answer_task(request.clone()).await.unwrap_err();
    assert_eq!(
        fake.with(|script| script.seen_answers.clone()),
        [request],
        "a second answer would be refused"
    );
}

#[tokio::test]
async fn an_explanation_and_a_deletion_are_asked_for_again_while_the_server_is_unavailable() {
    let mut tasks = JoinSet::new();
    let unary = [Err(Status::unavailable("x")), Ok(()), Err(Status::unavailable("x")), Ok(())].into();
    let (client, fake) = connected(Script { unary, ..Script::default() }, &mut tasks).await;
    client.explain_run(v1::ExplainRunRequest::default()).await.unwrap();
    let answer = client.delete_logs(v1::DeleteLogsRequest::default()).await.unwrap();
    assert_eq!(answer.actor, "ana");
    assert_eq!(fake.with(|script| script.seen_actors.len()), 4);
}

#[tokio::test]
async fn every_call_says_who_makes_it() {
    let mut tasks = JoinSet::new();
    let (client, fake) = connected(Script::default(), &mut tasks).await;
    status(&client).await.unwrap();
    assert_eq!(fake.with(|script| script.seen_actors.clone()), [Some("ana".to_owned())]);
}

#[tokio::test]
async fn a_log_goes_on_after_a_loss_without_a_hole_and_without_a_repetition() {
    let mut tasks = JoinSet::new();
    let script = Script {
        logs: [
            vec![page(&[1, 2], "c2"), page(&[3], ""), Err(Status::unavailable("gone"))],
            vec![page(&[3, 4], "c4"), page(&[5], "c5")],
        ]
        .into(),
        ..Script::default()
    };
    let (client, fake) = connected(script, &mut tasks).await;
    let following = client.follow_logs(logs(v1::run_ref::Selector::Number(7))).await.unwrap();
    let told: Vec<_> = following.map(Result::unwrap).collect().await;
    let seqs: Vec<u64> = (told.iter())
        .filter_map(|one| if let Followed::Item(page) = one { Some(&page.entries) } else { None })
        .flat_map(|entries| entries.iter().map(|entry| entry.seq))
        .collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    assert!(matches!(told[2], Followed::Interrupted(_)), "{told:?}");
    assert!(matches!(told[3], Followed::Resumed { tries: 1 }), "{told:?}");
    let resumed = fake.with(|script| script.seen_logs[1].clone());
    assert_eq!((resumed.cursor.as_str(), resumed.tail), ("c2", None));
}

#[tokio::test]
async fn the_latest_run_stays_the_same_run_after_a_loss() {
    let mut tasks = JoinSet::new();
    let script = Script { logs: [vec![]].into(), ..Script::default() };
    let (client, fake) = connected(script, &mut tasks).await;
    let latest = v1::run_ref::Selector::Latest(v1::Latest::Unspecified.into());
    let told: Vec<_> = client.follow_logs(logs(latest)).await.unwrap().collect().await;
    assert!(told.is_empty());
    let selector = fake.with(|script| script.seen_logs[0].run.clone().unwrap().selector);
    assert_eq!(selector, Some(v1::run_ref::Selector::Number(7)));
}

#[tokio::test]
async fn a_log_that_cannot_be_resumed_ends_in_bounded_time() {
    let mut tasks = JoinSet::new();
    let script = Script { logs: [vec![Err(Status::unavailable("gone"))]].into(), ..Script::default() };
    let (client, _fake) = connected(script, &mut tasks).await;
    let mut following = client.follow_logs(logs(v1::run_ref::Selector::Number(7))).await.unwrap();
    assert!(matches!(following.next().await, Some(Ok(Followed::Interrupted(_)))));
    match following.next().await {
        Some(Err(error)) => assert_eq!(error.code(), Some("E0103")),
        other => panic!("{other:?}"),
    }
    assert!(following.next().await.is_none());
}

#[tokio::test]
async fn a_refusal_ends_a_stream_at_once() {
    let mut tasks = JoinSet::new();
    let script = Script { logs: [vec![Err(Status::data_loss("broken"))]].into(), ..Script::default() };
    let (client, _fake) = connected(script, &mut tasks).await;
    let mut following = client.follow_logs(logs(v1::run_ref::Selector::Number(7))).await.unwrap();
    assert_eq!(following.next().await.unwrap().unwrap_err().message(), "broken");
    assert!(following.next().await.is_none());
}
