//! Entering tasks: what is sent arrives, what is said arrives, and neither harms the task.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use gofer_backend::ErrorKind;
use gofer_types::{AttemptId, Cause};

use super::world::{ensure, same, same_bytes, unique};
use super::{Case, Done, Step, World, case};
use crate::{Exec, ExecInput, ExecOutput, ExecRequest, ExecSession, StreamKind, TaskStatus};

pub(crate) const CASES: &[Case] = &[
    case!(a_program_runs_inside_a_task_and_its_output_and_code_arrive, needs exec),
    case!(the_standard_error_of_a_program_is_told_apart, needs exec),
    case!(input_reaches_a_program_and_its_end_ends_it, needs exec),
    case!(a_program_sees_the_environment_of_its_task_and_its_own, needs exec),
    case!(a_program_that_is_not_there_ends_with_126_or_127, needs exec),
    case!(an_exec_without_a_command_is_refused, needs exec),
    case!(an_exec_into_an_ended_task_is_a_conflict, needs exec),
    case!(an_exec_into_an_unknown_task_is_not_found, needs exec),
    case!(the_end_of_a_program_does_not_end_its_task, needs exec),
    case!(the_end_of_a_task_ends_the_programs_inside, needs exec),
];

/// What a program has said, and its code.
#[derive(Debug, Default)]
struct Said {
    out: Vec<u8>,
    err: Vec<u8>,
    code: Option<i32>,
}

fn door(world: &World) -> Result<&dyn Exec, String> {
    world.scheduler.exec().ok_or_else(|| "it claims exec and lets nobody in".to_owned())
}

fn doing(world: &World, steps: &[Step]) -> ExecRequest {
    ExecRequest { command: world.harness.exec_command(steps), ..ExecRequest::default() }
}

/// A task that lingers at this gate and then ends well.
async fn lingering(world: &World, gate: &str) -> Result<AttemptId, String> {
    let steps = [Step::Print(StreamKind::Out, b"up\n".into()), Step::Gate(gate.to_owned())];
    let (id, _) = world.start(&steps).await?;
    world.see(&id, "up").await?;
    Ok(id)
}

async fn enter(world: &World, id: &AttemptId, request: ExecRequest) -> Result<ExecSession, String> {
    world.ok("exec", door(world)?.exec(id, request)).await
}

/// All that a program says until its stream ends, which must be right behind its code.
async fn listen(world: &World, mut session: ExecSession) -> Result<Said, String> {
    let read = async {
        let mut said = Said::default();
        while let Some(output) = session.output.next().await {
            match output? {
                ExecOutput::Data { stream: StreamKind::Out, bytes } => said.out.extend_from_slice(&bytes),
                ExecOutput::Data { stream: StreamKind::Err, bytes } => said.err.extend_from_slice(&bytes),
                ExecOutput::Exit(code) => said.code = Some(code),
            }
        }
        Ok(said)
    };
    world.ok("listening to a program", read).await
}

/// Lets the task end, which must have lived until now.
async fn let_go(world: &World, id: &AttemptId, gate: &str) -> Done {
    world.harness.open_gate(gate).await;
    same("the end of the task", world.end(id).await?.cause, Cause::ExitCode(0))
}

async fn a_program_runs_inside_a_task_and_its_output_and_code_arrive(world: World) -> Done {
    let gate = unique();
    let id = lingering(&world, &gate).await?;
    for code in [0, 3, 255] {
        let steps = [Step::Print(StreamKind::Out, b"inside \x00\xff\n".into()), Step::Exit(code)];
        let said = listen(&world, enter(&world, &id, doing(&world, &steps)).await?).await?;
        same_bytes("what the program said", &said.out, b"inside \x00\xff\n")?;
        same("the code of the program", said.code, Some(code))?;
    }
    let_go(&world, &id, &gate).await
}

async fn the_standard_error_of_a_program_is_told_apart(world: World) -> Done {
    let gate = unique();
    let id = lingering(&world, &gate).await?;
    let steps =
        [Step::Print(StreamKind::Out, b"well\n".into()), Step::Print(StreamKind::Err, b"badly\n".into())];
    let said = listen(&world, enter(&world, &id, doing(&world, &steps)).await?).await?;
    same_bytes("standard output", &said.out, b"well\n")?;
    same_bytes("standard error", &said.err, b"badly\n")?;
    let_go(&world, &id, &gate).await
}

async fn input_reaches_a_program_and_its_end_ends_it(world: World) -> Done {
    let gate = unique();
    let id = lingering(&world, &gate).await?;
    let request = ExecRequest { command: world.harness.cat_command(), stdin: true, ..ExecRequest::default() };
    let mut session = enter(&world, &id, request).await?;
    let send = async {
        for piece in [&b"one\n"[..], b"two \x00\xff\n"] {
            session.input.send(ExecInput::Data(Bytes::from_static(piece))).await?;
        }
        session.input.close().await
    };
    world.ok("sending input", send).await?;
    let said = listen(&world, session).await?;
    same_bytes("what came back", &said.out, b"one\ntwo \x00\xff\n")?;
    same("the code of the program", said.code, Some(0))?;
    let_go(&world, &id, &gate).await
}

async fn a_program_sees_the_environment_of_its_task_and_its_own(world: World) -> Done {
    let (id, gate) = (world.id(), unique());
    let mut spec = world.spec(&[Step::Gate(gate.clone())]);
    spec.env.insert("OF_TASK".to_owned(), "a b".to_owned());
    world.start_as(&id, &spec).await?;
    let env = BTreeMap::from([("OF_PROGRAM".to_owned(), "c=d".to_owned())]);
    let request = ExecRequest { env, ..doing(&world, &[Step::PrintEnv]) };
    let said = listen(&world, enter(&world, &id, request).await?).await?;
    let text = String::from_utf8_lossy(&said.out).into_owned();
    for wanted in ["OF_TASK=a b", "OF_PROGRAM=c=d"] {
        ensure(text.lines().any(|line| line == wanted), || format!("{wanted:?} is missing in {text:?}"))?;
    }
    let_go(&world, &id, &gate).await
}

async fn a_program_that_is_not_there_ends_with_126_or_127(world: World) -> Done {
    let gate = unique();
    let id = lingering(&world, &gate).await?;
    let command = world.harness.missing_program().command;
    let request = ExecRequest { command, ..ExecRequest::default() };
    let said = listen(&world, enter(&world, &id, request).await?).await?;
    ensure(matches!(said.code, Some(126 | 127)), || format!("a missing program ended so: {said:?}"))?;
    let_go(&world, &id, &gate).await
}

async fn an_exec_without_a_command_is_refused(world: World) -> Done {
    let gate = unique();
    let id = lingering(&world, &gate).await?;
    let exec = door(&world)?.exec(&id, ExecRequest::default());
    world.refused("exec", exec, ErrorKind::InvalidInput).await?;
    let_go(&world, &id, &gate).await
}

async fn an_exec_into_an_ended_task_is_a_conflict(world: World) -> Done {
    let (id, _) = world.run(&[Step::Exit(0)]).await?;
    let exec = door(&world)?.exec(&id, doing(&world, &[Step::Exit(0)]));
    world.refused("exec", exec, ErrorKind::Conflict).await.map(drop)
}

async fn an_exec_into_an_unknown_task_is_not_found(world: World) -> Done {
    let id = world.id();
    let exec = door(&world)?.exec(&id, doing(&world, &[Step::Exit(0)]));
    world.refused("exec", exec, ErrorKind::NotFound).await.map(drop)
}

async fn the_end_of_a_program_does_not_end_its_task(world: World) -> Done {
    let gate = unique();
    let id = lingering(&world, &gate).await?;
    listen(&world, enter(&world, &id, doing(&world, &[Step::Exit(1)])).await?).await?;
    drop(enter(&world, &id, doing(&world, &[Step::Forever])).await?);
    let status = world.ok("inspect", world.scheduler.inspect(&id)).await?;
    ensure(matches!(status, TaskStatus::Running { .. }), || {
        format!("inspect answered {status:?} after a program inside had ended")
    })?;
    let_go(&world, &id, &gate).await
}

async fn the_end_of_a_task_ends_the_programs_inside(world: World) -> Done {
    let gate = unique();
    let id = lingering(&world, &gate).await?;
    let session = enter(&world, &id, doing(&world, &[Step::Forever])).await?;
    world.stop(&id, Duration::ZERO).await?;
    listen(&world, session).await.map(drop)
}
