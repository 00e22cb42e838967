//! What every command works with: how to write, how to read addresses, how to reach the server.

use gofer_client::Client;
use gofer_client::v1 as pb;
use gofer_grammar::{Global, Hints, Paging};
use gofer_input::Addresses;
use gofer_output::error::Failure;
use gofer_output::style::{Style, Surroundings};
use gofer_output::{Format, Listing, Ui};
use gofer_types::Timestamp;

use crate::clock;
use crate::embedded::Engines;
use crate::remote;

/// What a command works with.
#[derive(Debug)]
pub(crate) struct Cx {
    /// How it writes.
    pub(crate) ui: Ui,
    /// How it reads addresses.
    pub(crate) addresses: Addresses,
    /// The flags that every command has.
    pub(crate) global: Global,
    /// The time at which it began.
    pub(crate) now: Timestamp,
    /// Under which name deeds are recorded.
    pub(crate) actor: String,
    /// Where engines of containers are looked for.
    pub(crate) engines: Engines,
}

impl Cx {
    /// Decides how a command works, from its flags and the environment.
    pub(crate) fn new(global: Global, verbose: u8, around: &Surroundings) -> Result<Self, Failure> {
        let now = clock::now();
        let style = Style::new(around, global.color, global.time, now);
        let mut ui = Ui::new(style, Box::new(std::io::stdout()), Box::new(std::io::stderr()));
        let (format, fields) = form(&global)?;
        (ui.format, ui.fields) = (format, fields);
        ui.headers = !global.no_headers;
        ui.quiet = global.quiet;
        ui.verbose = verbose;
        ui.hints = global.hints == Hints::Auto;
        ui.interactive =
            around.stdin_tty && around.stderr_tty && !global.no_input && around.var("CI").is_none();
        ui.stdout_tty = around.stdout_tty;
        let addresses = Addresses::new(global.namespace.clone(), &global.addr, around);
        let actor = around.var("USER").or(around.var("LOGNAME")).unwrap_or_default().to_owned();
        Ok(Self { ui, addresses, global, now, actor, engines: Engines::of(around) })
    }

    /// A connection to the server.
    pub(crate) async fn remote(&self) -> Result<Client, Failure> {
        remote::connect(&self.global.addr, self.global.timeout, &self.actor).await
    }

    /// Addresses of runs that nobody can look at later: the last run is not remembered.
    pub(crate) fn forgetful(&self) -> Addresses {
        Addresses::new(None, "", &Surroundings::default())
    }

    /// Asks before something changes.
    pub(crate) fn confirm(&self, question: &str) -> Result<(), Failure> {
        self.ui.confirm(question, self.global.yes)
    }

    /// The command line as it would be typed again, without paging: for the next page.
    pub(crate) fn again(&self, command: &str) -> String {
        let namespace = self.global.namespace.as_ref().map(|name| format!(" -n {name}")).unwrap_or_default();
        format!("gofer {command}{namespace}")
    }

    /// Shows a list: one page, or with `--all` every one of them.
    pub(crate) async fn list<T, F>(
        &self,
        paging: &Paging,
        what: (&'static str, String),
        fetch: F,
    ) -> Result<(), Failure>
    where
        T: gofer_output::Row,
        F: AsyncFn(pb::Page) -> Result<(Vec<T>, String), Failure>,
    {
        /// The greatest page that the server gives.
        const GREATEST: u32 = 1000;
        let size = if paging.all { GREATEST } else { paging.limit };
        let mut token = paging.page_token.clone().unwrap_or_default();
        let mut items = Vec::new();
        loop {
            let (page, next) = fetch(pb::Page { size, token: token.clone() }).await?;
            items.extend(page);
            if next.is_empty() || next == token || !paging.all {
                let next = (!next.is_empty()).then_some(next);
                let command = format!("{}{}", what.1, paging.size_flag());
                return self.ui.list(Listing { items, next, noun: what.0, command });
            }
            token = next;
        }
    }
}

/// The form of the output, and the fields that were picked.
fn form(global: &Global) -> Result<(Format, Option<Vec<String>>), Failure> {
    let Some(json) = &global.json else { return Ok((global.output, None)) };
    let format = match global.output {
        Format::Table | Format::Json => Format::Json,
        Format::Jsonl => Format::Jsonl,
        Format::Name | Format::None => {
            return Err(
                Failure::usage("E0002", "`--json` and `--output` ask for two forms").hint("give one of them")
            );
        }
    };
    let fields = (json != "*").then(|| json.split(',').map(|field| field.trim().to_owned()).collect());
    Ok((format, fields))
}
