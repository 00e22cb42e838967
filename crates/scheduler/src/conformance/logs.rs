//! Output: every byte, in order, from any cursor, over a restart; or a gap that says what is missing.

use gofer_backend::ErrorKind;
use gofer_types::AttemptId;

use super::world::{bytes, ensure, missing, same, same_bytes, unique};
use super::{Case, Done, Step, World, case};
use crate::StreamKind::{Err as StdErr, Out as StdOut};
use crate::{LogChunk, LogCursor};

pub(crate) const CASES: &[Case] = &[
    case!(both_streams_arrive_each_in_its_order),
    case!(reading_on_from_any_cursor_has_no_hole_and_no_double),
    case!(two_readers_see_the_same),
    case!(the_output_before_a_restart_is_a_prefix_of_the_output_after),
    case!(a_line_of_one_mebibyte_arrives_whole),
    case!(bytes_that_are_no_text_arrive_unchanged),
    case!(no_output_ends_or_forges_the_log),
    case!(output_right_before_the_end_is_complete),
    case!(a_line_that_is_never_ended_arrives),
    case!(the_log_of_a_silent_task_ends),
    case!(the_log_follows_a_running_task),
    case!(a_flood_arrives_whole_or_with_its_loss_counted),
    case!(a_cursor_that_was_never_given_out_is_refused),
];

fn numbers(to: u32) -> Vec<u8> {
    (1..=to).map(|number| format!("{number}\n")).collect::<String>().into_bytes()
}

async fn both_streams_arrive_each_in_its_order(world: World) -> Done {
    let (id, _) = world.run(&[Step::Count(StdOut, 3000), Step::Count(StdErr, 2000)]).await?;
    let log = world.whole_log(&id).await?;
    same_bytes("standard output", &bytes(&log, StdOut), &numbers(3000))?;
    same_bytes("standard error", &bytes(&log, StdErr), &numbers(2000))?;
    same("what is missing", missing(&log), Some(0))
}

/// A task that has ended after writing enough for several pieces.
async fn written(world: &World) -> Result<AttemptId, String> {
    let line = || Step::LongLine(StdOut, 150_000);
    let steps = [Step::Count(StdOut, 500), line(), Step::Count(StdErr, 500), line(), Step::Count(StdOut, 50)];
    Ok(world.run(&steps).await?.0)
}

async fn reading_on_from_any_cursor_has_no_hole_and_no_double(world: World) -> Done {
    let id = written(&world).await?;
    let whole = world.whole_log(&id).await?;
    ensure(whole.len() > 3, || format!("only {} pieces for 300 kB", whole.len()))?;
    for read in 1..=whole.len() {
        let rest = world.log(&id, whole[read - 1].cursor.clone()).await?;
        ensure(rest == whole[read..], || {
            format!("after {read} pieces of {}: {} followed, or not the same", whole.len(), rest.len())
        })?;
    }
    Ok(())
}

async fn two_readers_see_the_same(world: World) -> Done {
    let id = written(&world).await?;
    let (one, other) = tokio::join!(world.whole_log(&id), world.whole_log(&id));
    let one = one?;
    ensure(!one.is_empty() && one == other?, || "two readers saw different logs".to_owned())?;
    ensure(one == world.whole_log(&id).await?, || "a later reader saw another log".to_owned())
}

async fn the_output_before_a_restart_is_a_prefix_of_the_output_after(world: World) -> Done {
    let gate = unique();
    let more = [Step::Print(StdOut, b"ready\n".into()), Step::Gate(gate.clone()), Step::Count(StdOut, 1000)];
    let (id, _) = world.start(&[&[Step::Count(StdOut, 1000)], &more[..]].concat()).await?;
    let before = world.see(&id, "ready").await?;
    let world = world.restart().await;
    world.harness.open_gate(&gate).await;
    let after = world.whole_log(&id).await?;
    ensure(after.starts_with(&before), || {
        "the log after the restart does not begin with the log before".to_owned()
    })?;
    let last = before.last().map_or_else(LogCursor::start, |chunk| chunk.cursor.clone());
    let rest = world.log(&id, last).await?;
    ensure(after[before.len()..] == rest[..], || {
        "an old cursor does not lead on after the restart".to_owned()
    })?;
    let wanted = [numbers(1000), b"ready\n".to_vec(), numbers(1000)].concat();
    same_bytes("standard output", &bytes(&after, StdOut), &wanted)
}

async fn a_line_of_one_mebibyte_arrives_whole(world: World) -> Done {
    let (id, _) =
        world.run(&[Step::LongLine(StdOut, 1 << 20), Step::Print(StdOut, b"after\n".into())]).await?;
    let wanted = [vec![b'x'; 1 << 20], b"\nafter\n".to_vec()].concat();
    same_bytes("standard output", &bytes(&world.whole_log(&id).await?, StdOut), &wanted)
}

async fn bytes_that_are_no_text_arrive_unchanged(world: World) -> Done {
    let all: Vec<u8> = (0..=255).chain([0, 0xff, 0xfe, b'\r', b'\n', 0xc3, 0x28, 0]).collect();
    let (id, _) = world.run(&[Step::Print(StdOut, all.clone()), Step::Print(StdErr, all.clone())]).await?;
    let log = world.whole_log(&id).await?;
    same_bytes("standard output", &bytes(&log, StdOut), &all)?;
    same_bytes("standard error", &bytes(&log, StdErr), &all)
}

async fn no_output_ends_or_forges_the_log(world: World) -> Done {
    let mut text =
        b"GOFER_EOF\n\x04\x1a\nEOF\n.\r\n\0\0\0\0\0\0\0\0\n{\"exit\":0}\nHTTP/1.1 200 OK\r\n\r\n0\r\n\r\n"
            .to_vec();
    // What looks like the header of a piece in the framings that are known to be used.
    text.extend([1, 0, 0, 0, 0, 0, 0, 5, b'f', b'o', b'r', b'g', b'e', 17, 0, 0, 0, 0, 0, 0, 0, 2]);
    let (id, _) =
        world.run(&[Step::Print(StdOut, text.clone()), Step::Print(StdOut, b"after\n".into())]).await?;
    let log = world.whole_log(&id).await?;
    same_bytes("standard output", &bytes(&log, StdOut), &[text, b"after\n".to_vec()].concat())?;
    same("what is missing", missing(&log), Some(0))
}

async fn output_right_before_the_end_is_complete(world: World) -> Done {
    for round in 0..10 {
        let last = format!("last words {round}");
        let steps = [Step::Count(StdErr, 100), Step::Print(StdOut, last.clone().into_bytes()), Step::Exit(1)];
        let (id, _) = world.run(&steps).await?;
        let log = world.whole_log(&id).await?;
        same_bytes("standard output", &bytes(&log, StdOut), last.as_bytes())?;
        same_bytes("standard error", &bytes(&log, StdErr), &numbers(100))?;
    }
    Ok(())
}

async fn a_line_that_is_never_ended_arrives(world: World) -> Done {
    let gate = unique();
    let (id, _) = world.start(&[Step::Print(StdOut, b"no end".into()), Step::Gate(gate.clone())]).await?;
    world.see(&id, "no end").await?;
    world.harness.open_gate(&gate).await;
    world.end(&id).await.map(drop)
}

async fn the_log_of_a_silent_task_ends(world: World) -> Done {
    let gate = unique();
    let (id, _) = world.start(&[Step::Gate(gate.clone())]).await?;
    let (log, ()) = tokio::join!(world.whole_log(&id), world.harness.open_gate(&gate));
    same("the log", log?, Vec::<LogChunk>::new())?;
    world.end(&id).await?;
    same("the log after the end", world.whole_log(&id).await?, Vec::new())
}

async fn the_log_follows_a_running_task(world: World) -> Done {
    let gates = [unique(), unique()];
    let said = |text: &str| Step::Print(StdOut, text.as_bytes().to_vec());
    let [one, two] = gates.clone().map(Step::Gate);
    let (id, _) = world.start(&[said("one\n"), one, said("two\n"), two, said("three\n")]).await?;
    world.see(&id, "one").await?;
    world.harness.open_gate(&gates[0]).await;
    world.see(&id, "two").await?;
    world.harness.open_gate(&gates[1]).await;
    world.see(&id, "three").await?;
    same_bytes("standard output", &bytes(&world.whole_log(&id).await?, StdOut), b"one\ntwo\nthree\n")
}

async fn a_flood_arrives_whole_or_with_its_loss_counted(world: World) -> Done {
    const TO: u32 = 1_000_000;
    let (id, _) = world.run(&[Step::Count(StdOut, TO)]).await?;
    let (log, wanted) = (world.whole_log(&id).await?, numbers(TO));
    let seen = bytes(&log, StdOut);
    match missing(&log) {
        Some(0) => same_bytes("standard output", &seen, &wanted),
        Some(lost) => same("bytes seen and bytes lost", seen.len() as u64 + lost, wanted.len() as u64),
        None => ensure(seen.len() < wanted.len(), || "a gap is told and nothing is missing".to_owned()),
    }
}

async fn a_cursor_that_was_never_given_out_is_refused(world: World) -> Done {
    let (id, _) = world.run(&[Step::Print(StdOut, b"x\n".into())]).await?;
    for cursor in ["nonsense", "-1", "99999999999999999999999"] {
        let logs = async { world.scheduler.logs(&id, LogCursor(cursor.to_owned())).await.map(drop) };
        world.refused(cursor, logs, ErrorKind::InvalidInput).await?;
    }
    Ok(())
}
