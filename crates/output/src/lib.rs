//! How the commands write: data to standard output, everything else to standard error.
//!
//! Owns the choice of form (table, JSON, names, nothing); commands hand in views and never format documents themselves.
//!
//! - `error` and `exit` are the contract with scripts, also for what a server refuses.
//! - `style` is what the terminal can show, `table` what is laid out, `sanitize` what a terminal must not see.
//!
//! It knows no command, and does nothing but write.

pub mod diff;
pub mod error;
pub mod exit;
mod refusal;
pub mod sanitize;
pub mod style;
pub mod table;

use std::collections::BTreeMap;
use std::io::{BufRead, ErrorKind, Write};
use std::sync::Mutex;

use clap::ValueEnum;
use serde::Serialize;

use crate::error::{Failure, nearest};
use crate::exit::Exit;
use style::{Colour, Style};
use table::Cell;

/// The form of what goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON document; streams print one object a line.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Only the address or name of each thing.
    Name,
    /// Nothing.
    None,
}

/// A thing as programs see it.
pub trait View: Serialize {
    /// The name of its JSON schema.
    const SCHEMA: &'static str;
    /// The fields that `--json=` may pick.
    const FIELDS: &'static [&'static str];
    /// What `-o name` prints.
    fn name(&self) -> String;
}

/// A thing as a row of a table.
pub trait Row: View {
    /// The headers of the columns.
    const HEADERS: &'static [&'static str];
    /// The fields.
    fn cells(&self, style: &Style) -> Vec<Cell>;
}

#[derive(Serialize)]
struct Stamped<'a, T> {
    schema: &'static str,
    #[serde(flatten)]
    view: &'a T,
}

#[derive(Serialize)]
struct ListDocument<T> {
    schema: String,
    items: Vec<T>,
    next_page_token: Option<String>,
}

/// One page of a list.
#[derive(Debug)]
pub struct Listing<T> {
    /// The things.
    pub items: Vec<T>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
    /// The noun for the line below the table, such as `run`.
    pub noun: &'static str,
    /// The command that shows the next page, without the token.
    pub command: String,
}

type Sink = Mutex<Box<dyn Write + Send>>;

/// How one command writes.
pub struct Ui {
    /// How it looks.
    pub style: Style,
    /// The form of the data.
    pub format: Format,
    /// The fields that were picked.
    pub fields: Option<Vec<String>>,
    /// Whether tables have headers.
    pub headers: bool,
    /// Whether only errors are said.
    pub quiet: bool,
    /// How much more is said.
    pub verbose: u8,
    /// Whether next commands are suggested.
    pub hints: bool,
    /// Whether somebody can be asked.
    pub interactive: bool,
    /// Whether standard output is a terminal.
    pub stdout_tty: bool,
    out: Sink,
    err: Sink,
}

impl std::fmt::Debug for Ui {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ui").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Ui {
    /// Writes to these sinks, for people and with all that can be said. The caller sets what is different.
    pub fn new(style: Style, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            style,
            format: Format::Table,
            fields: None,
            headers: true,
            quiet: false,
            verbose: 0,
            hints: true,
            interactive: false,
            stdout_tty: false,
            out: Mutex::new(out),
            err: Mutex::new(err),
        }
    }

    /// Whether programs read the output.
    pub fn machine(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Writes data as they are.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = self.out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let written = out.write_all(bytes).and_then(|()| out.flush());
        written.map_err(|cause| match cause.kind() {
            // The reader has seen enough: that is how `| head` says so.
            ErrorKind::BrokenPipe => Failure::new(CLOSED, Exit::Ok, "the reader of the output went away"),
            _ => Failure::new("E0006", Exit::Internal, "cannot write to standard output").because(&cause),
        })
    }

    /// Writes text for people; silent in every other form.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        if self.format == Format::Table { self.bytes(text.as_bytes()) } else { Ok(()) }
    }

    /// Says something beside the data.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.stderr(text);
        }
    }

    /// Suggests the next commands: each with a few words.
    pub fn next(&self, commands: &[(String, &str)]) {
        if self.quiet || !self.hints || self.machine() {
            return;
        }
        let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
        for (n, (command, why)) in commands.iter().enumerate() {
            let head = if n == 0 { "next:" } else { "     " };
            self.stderr(format!("{head} {command:width$}   {why}").trim_end());
        }
    }

    /// Says why a command could not do what it was asked.
    pub fn fail(&self, failure: &Failure) {
        if failure.code == CLOSED {
            return;
        }
        if self.machine() {
            return self.stderr(&failure.json());
        }
        if failure.exit == Exit::Declined {
            return self.stderr(&failure.message);
        }
        let text = failure.human(self.verbose > 0);
        let head = format!("error[{}]:", failure.code);
        let red = style::paint(self.style.colour_err, Colour::Red, &head);
        self.stderr(&text.replacen(&head, &red, 1));
    }

    fn stderr(&self, line: &str) {
        let mut err = self.err.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Nothing can be said about a message that cannot be said.
        let _ = writeln!(err, "{line}").and_then(|()| err.flush());
    }

    /// One thing: a document, a name, or what `human` makes of it.
    pub fn object<T: View>(&self, view: &T, human: impl FnOnce(&Style) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.bytes(human(&self.style).as_bytes()),
            Format::Json | Format::Jsonl => self.item(view),
            Format::Name => self.bytes(format!("{}\n", view.name()).as_bytes()),
            Format::None => Ok(()),
        }
    }

    /// One object of a stream, on a line; silent in forms for people.
    pub fn item<T: View>(&self, view: &T) -> Result<(), Failure> {
        if !self.machine() {
            return Ok(());
        }
        let line = match &self.fields {
            None => to_json(&Stamped { schema: T::SCHEMA, view })?,
            Some(fields) => to_json(&picked(view, fields)?)?,
        };
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// A page of things.
    pub fn list<T: Row>(&self, page: Listing<T>) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.table(&page),
            Format::Json => self.list_document(page),
            Format::Jsonl => page.items.iter().try_for_each(|item| self.item(item)),
            Format::Name => {
                let names: String = page.items.iter().map(|item| format!("{}\n", item.name())).collect();
                self.bytes(names.as_bytes())
            }
            Format::None => Ok(()),
        }
    }

    fn list_document<T: Row>(&self, page: Listing<T>) -> Result<(), Failure> {
        let schema = format!("{}List", T::SCHEMA);
        let next_page_token = page.next;
        let line = match &self.fields {
            None => to_json(&ListDocument { schema, items: page.items, next_page_token })?,
            Some(fields) => {
                let items =
                    page.items.iter().map(|item| picked(item, fields)).collect::<Result<Vec<_>, _>>()?;
                to_json(&ListDocument { schema, items, next_page_token })?
            }
        };
        self.bytes(format!("{line}\n").as_bytes())
    }

    fn table<T: Row>(&self, page: &Listing<T>) -> Result<(), Failure> {
        if page.items.is_empty() {
            self.note(&format!("no {}s", page.noun));
            return Ok(());
        }
        let rows: Vec<Vec<Cell>> = page.items.iter().map(|item| item.cells(&self.style)).collect();
        let headers = self.headers.then_some(T::HEADERS);
        self.bytes(table::lay_out(headers, &rows, &self.style).as_bytes())?;
        if let Some(token) = &page.next {
            self.next(&[(format!("{} --page-token {token}", page.command), "the next page")]);
        }
        Ok(())
    }

    /// Asks before something changes. Off a terminal `--yes` must have been given.
    pub fn confirm(&self, question: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        if !self.interactive {
            return Err(Failure::usage("E0004", "this needs a confirmation, and nobody can be asked here")
                .hint("add `--yes` if you are sure"));
        }
        let mut err = self.err.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
        drop(err);
        let mut answer = String::new();
        let _ = std::io::stdin().lock().read_line(&mut answer);
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            return Ok(());
        }
        Err(Failure::new("E0010", Exit::Declined, "nothing was changed"))
    }
}

/// Not an error: the reader of standard output closed it.
const CLOSED: &str = "closed";

/// Checks the fields of `--json=` before anything is done.
pub fn check_fields(fields: &[String], known: &[&str]) -> Result<(), Failure> {
    let Some(wrong) = fields.iter().find(|field| !known.contains(&field.as_str())) else { return Ok(()) };
    let list = known.join(", ");
    let what = if wrong.is_empty() {
        "`--json=` needs the names of fields".to_owned()
    } else {
        format!("there is no field `{wrong}`")
    };
    let hint = nearest(wrong, known.iter().copied())
        .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    Err(Failure::usage("E0005", what).hint(format!("{hint}the fields are: {list}")))
}

fn picked<T: View>(view: &T, fields: &[String]) -> Result<BTreeMap<String, serde_json::Value>, Failure> {
    let whole =
        serde_json::to_value(view).map_err(|cause| Failure::internal("cannot write JSON").because(&cause))?;
    Ok(fields.iter().filter_map(|field| Some((field.clone(), whole.get(field)?.clone()))).collect())
}

fn to_json<T: Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|cause| Failure::internal("cannot write JSON").because(&cause))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::style::{ColorChoice, Surroundings};

    #[derive(Serialize)]
    struct NamespaceView {
        name: String,
        description: String,
        created: Option<String>,
    }

    impl View for NamespaceView {
        const SCHEMA: &'static str = "gofer.v1.Namespace";
        const FIELDS: &'static [&'static str] = &["name", "description", "created"];

        fn name(&self) -> String {
            self.name.clone()
        }
    }

    impl Row for NamespaceView {
        const HEADERS: &'static [&'static str] = &["NAMESPACE", "CREATED", "DESCRIPTION"];

        fn cells(&self, _: &Style) -> Vec<Cell> {
            let created = self.created.clone().unwrap_or_default();
            vec![self.name.as_str().into(), created.into(), self.description.as_str().into()]
        }
    }

    /// What was written, for a look afterwards.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("the paper").clone()).expect("text")
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("the paper").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What goes to standard output and standard error in this form.
    fn written(format: Format, write: impl FnOnce(&mut Ui)) -> (String, String) {
        let (out, err) = (Paper::default(), Paper::default());
        let style =
            Style::new(&Surroundings::default(), ColorChoice::Never, None, gofer_types::Timestamp::default());
        let mut ui = Ui::new(style, Box::new(out.clone()), Box::new(err.clone()));
        ui.format = format;
        write(&mut ui);
        (out.text(), err.text())
    }

    fn page(names: &[&str], next: Option<&str>) -> Listing<NamespaceView> {
        let view = |name: &&str| NamespaceView {
            name: (*name).to_owned(),
            description: "x".to_owned(),
            created: None,
        };
        let items = names.iter().map(view).collect();
        let command = "gofer namespace list".to_owned();
        Listing { items, next: next.map(str::to_owned), noun: "namespace", command }
    }

    fn listed(format: Format, names: &[&str], next: Option<&str>) -> (String, String) {
        written(format, |ui| ui.list(page(names, next)).expect("written"))
    }

    #[test]
    fn an_empty_list_is_a_list() {
        let (out, err) = listed(Format::Json, &[], None);
        assert_eq!(out, "{\"schema\":\"gofer.v1.NamespaceList\",\"items\":[],\"next_page_token\":null}\n");
        assert_eq!(err, "");
        assert_eq!(listed(Format::Jsonl, &[], None).0, "");
        assert_eq!(listed(Format::Table, &[], None), (String::new(), "no namespaces\n".to_owned()));
    }

    #[test]
    fn a_page_names_the_next_one() {
        let (out, err) = listed(Format::Table, &["a"], Some("t0"));
        assert_eq!(out, "NAMESPACE  CREATED  DESCRIPTION\na          -        x\n");
        assert_eq!(err, "next: gofer namespace list --page-token t0   the next page\n");
        assert!(listed(Format::Json, &["a"], Some("t0")).0.contains("\"next_page_token\":\"t0\""));
    }

    #[test]
    fn lines_of_json_have_no_envelope_and_names_are_bare() {
        let (out, _) = listed(Format::Jsonl, &["a", "b"], None);
        assert_eq!(out.lines().count(), 2);
        assert!(out.starts_with("{\"schema\":\"gofer.v1.Namespace\",\"name\":\"a\""), "{out}");
        assert_eq!(listed(Format::Name, &["a", "b"], None).0, "a\nb\n");
        assert_eq!(listed(Format::None, &["a"], None), (String::new(), String::new()));
    }

    #[test]
    fn only_picked_fields_are_written() {
        let (out, _) = written(Format::Json, |ui| {
            ui.fields = Some(vec!["name".to_owned()]);
            ui.list(page(&["a"], None)).expect("written");
        });
        assert!(out.contains("\"items\":[{\"name\":\"a\"}]"), "{out}");
    }

    #[test]
    fn a_wrong_field_lists_the_right_ones() {
        let fields = |text: &str| check_fields(&[text.to_owned()], &["name", "description"]);
        let failure = fields("nam").expect_err("a wrong field");
        assert_eq!(failure.exit, Exit::Usage);
        assert_eq!(failure.hint.as_deref(), Some("did you mean `name`? the fields are: name, description"));
        assert!(fields("").expect_err("no field").message.contains("needs"));
        assert!(fields("description").is_ok());
    }

    #[test]
    fn an_error_leaves_standard_output_empty() {
        let failure = Failure::usage("E0002", "no");
        let (out, err) = written(Format::Json, |ui| ui.fail(&failure));
        assert_eq!((out.as_str(), err.lines().count()), ("", 1));
        let (out, err) = written(Format::Table, |ui| ui.fail(&failure));
        assert!(out.is_empty() && err.starts_with("error[E0002]: no\n"), "{err}");
    }

    #[test]
    fn a_quiet_command_says_only_data_and_errors() {
        let (out, err) = written(Format::Table, |ui| {
            ui.quiet = true;
            ui.note("a note");
            ui.next(&[("gofer status".to_owned(), "why")]);
            ui.text("data\n").expect("written");
            ui.fail(&Failure::usage("E0002", "no"));
        });
        assert_eq!(out, "data\n");
        assert!(!err.contains("note") && !err.contains("next:") && err.contains("E0002"), "{err}");
    }

    #[test]
    fn off_a_terminal_a_confirmation_must_have_been_given() {
        let (_, err) = written(Format::Table, |ui| {
            assert_eq!(ui.confirm("Sure?", false).map_err(|failure| failure.exit), Err(Exit::Usage));
            assert!(ui.confirm("Sure?", true).is_ok());
        });
        assert_eq!(err, "", "nobody is asked");
    }
}
