//! The server is killed right after it has said yes. What else it survives is shown by `tests/crash`.

use gofer_proto::v1::{GetRunRequest, RunState, StartRunRequest};
use gofer_testkit::ServerBox;
use gofer_tests_e2e::connect::pipeline_ref;
use gofer_tests_e2e::crash::ended;
use gofer_tests_e2e::{connect, register, run_ref};

const PIPELINE: &str = "id = \"crash\"\ntask \"only\" {\nscript = \"echo done\"\n}\n";

#[tokio::test]
async fn a_run_that_was_acknowledged_right_before_the_kill_is_there_afterwards() {
    let mut server = ServerBox::start();
    let client = connect(server.addr()).await;
    register(&client, PIPELINE).await;
    let request = StartRunRequest { pipeline: Some(pipeline_ref("crash")), ..StartRunRequest::default() };
    let number = client.start_run(request).await.expect("it starts").run.expect("a run").number;
    server.kill9();
    server.start_again();
    let client = connect(server.addr()).await;
    let request = GetRunRequest { run: Some(run_ref("crash", number)) };
    assert!(client.get_run(request).await.is_ok());
    assert_eq!(ended(&client, "crash", number).await, Some(RunState::Succeeded));
}
