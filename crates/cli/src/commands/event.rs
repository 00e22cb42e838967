//! `event`: what happened, and what happens.

use futures_util::StreamExt;
use gofer_client::Followed;
use gofer_client::v1 as pb;
use gofer_grammar::resources::{EventFilter, EventFollow, EventList};
use gofer_output::error::Failure;
use gofer_output::exit::Exit;
use gofer_output::table::lay_out;
use gofer_output::{Format, Row, View};
use gofer_views::Event;
use gofer_views::signals::Stops;

use super::logs::point;
use crate::context::Cx;

/// `event list`.
pub(super) async fn list(cx: &Cx, args: EventList) -> Result<Exit, Failure> {
    let filter = filter(cx, &args.filter)?;
    let since = point(cx, args.since.as_deref())?.map(Into::into);
    let from_seq = args.filter.since_seq.unwrap_or(0);
    let remote = cx.remote().await?;
    let mut again = "event list".to_owned();
    again.extend(args.filter.reference.iter().map(|typed| format!(" {typed}")));
    again.extend(args.filter.types.iter().map(|word| format!(" --type {word}")));
    again.extend(args.filter.since_seq.iter().map(|seq| format!(" --since-seq {seq}")));
    again.extend(args.newest.then_some(" --newest"));
    let fetch = async |page| {
        let (filter, newest_first) = (Some(filter.clone()), args.newest);
        let request = pb::ListEventsRequest { filter, from_seq, since, newest_first, page: Some(page) };
        let answer = remote.list_events(request).await?;
        Ok((answer.events.into_iter().map(Event::from).collect(), answer.next_page_token))
    };
    cx.list::<Event, _>(&args.paging, ("event", cx.again(&again)), fetch).await?;
    Ok(Exit::Ok)
}

/// `event follow`. Ends with Ctrl-C; a broken connection is taken up where it broke.
pub(super) async fn follow(cx: &Cx, args: EventFollow) -> Result<Exit, Failure> {
    let filter = Some(filter(cx, &args.filter)?);
    let remote = cx.remote().await?;
    let from_seq = args.filter.since_seq.unwrap_or(0);
    let mut pages = remote.follow_events(pb::FollowEventsRequest { filter, from_seq }).await?;
    // Only now: until here Ctrl-C ends the process by itself, also while a server does not answer.
    let mut stops = Stops::of_follower()?;
    loop {
        let page = tokio::select! {
            () = stops.next() => return Ok(Exit::Interrupted),
            page = pages.next() => page,
        };
        let Some(page) = page else {
            return Err(Failure::new("E0103", Exit::Unavailable, "the server ended the stream of events"));
        };
        match page? {
            Followed::Item(page) => {
                page.events.into_iter().map(Event::from).try_for_each(|event| print(cx, &event))?;
            }
            Followed::Interrupted(error) => cx.ui.note(&format!("* {error}; trying again")),
            Followed::Resumed { .. } => cx.ui.note("* reconnected, 0 events lost"),
        }
    }
}

fn print(cx: &Cx, event: &Event) -> Result<(), Failure> {
    match cx.ui.format {
        Format::Table => cx.ui.text(&lay_out(None, &[event.cells(&cx.ui.style)], &cx.ui.style)),
        Format::Name => cx.ui.bytes(format!("{}\n", event.name()).as_bytes()),
        Format::Json | Format::Jsonl | Format::None => cx.ui.item(event),
    }
}

fn filter(cx: &Cx, args: &EventFilter) -> Result<pb::EventFilter, Failure> {
    let mut filter = pb::EventFilter {
        namespace: cx.addresses.namespace(),
        types: args.types.clone(),
        ..Default::default()
    };
    let Some(typed) = &args.reference else { return Ok(filter) };
    let address = cx.addresses.read(typed)?;
    if address.version.is_some() || address.task.is_some() {
        return Err(Failure::usage("E0204", format!("`{typed}` names more than a pipeline or a run")));
    }
    filter.namespace = address.namespace.map(String::from).unwrap_or_default();
    filter.pipeline = address.pipeline.to_string();
    filter.run = match address.run {
        None => 0,
        Some(gofer_types::refs::RunSelector::Number(number)) => number.0,
        Some(_) => {
            let failure = Failure::usage("E0202", "events are found by the number of a run");
            return Err(failure.hint(format!("`gofer run get {typed} -o name` tells it")));
        }
    };
    Ok(filter)
}
