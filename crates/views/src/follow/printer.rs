//! Output of tasks as lines for people: a prefix with the name of the task, a mark for the stream, then the line.
//!
//! Partial lines are joined before they are printed, within a bound; what is missing is said.

use std::collections::BTreeMap;
use std::fmt::Write;

use gofer_client::v1 as pb;
use gofer_output::style::{Colour, Style, size};
use gofer_output::{sanitize, style};

use crate::convert::time;

/// How much of a line is held back until its end comes.
const MAX_HELD: usize = 64 * 1024;

/// How much is held back for all lines together.
const MAX_HELD_TOTAL: usize = 8 * 1024 * 1024;

/// The widest padding of names; longer names are shown whole, and stick out.
const MAX_PREFIX: usize = 30;

/// How lines look.
#[derive(Debug, Clone, Default)]
pub struct LineOptions {
    /// No names before lines.
    pub no_prefix: bool,
    /// When each line was written.
    pub timestamps: bool,
    /// Every byte as it is.
    pub raw: bool,
}

/// The line that a piece belongs to: task, attempt, stream.
type Line = (String, u32, i32);

/// Whether a task is one of those that are wanted; all are, where none is named. The name of a task with a matrix means
/// all of its combinations.
#[must_use]
pub fn is_meant(wanted: &[String], task: &str) -> bool {
    let of = |one: &String| {
        task.strip_prefix(one.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
    };
    wanted.is_empty() || wanted.iter().any(of)
}

/// How many tasks are named in one line.
const NAMED: usize = 10;

/// What is said beside the output of the wanted tasks: whose is not kept. Nothing where all of it is, and nothing where none
/// is, for then the server refuses to read it.
#[must_use]
pub fn not_kept(wanted: &[String], tasks: &[pb::TaskRun]) -> Option<String> {
    let meant = tasks.iter().filter(|task| is_meant(wanted, &task.task));
    let (off, kept): (Vec<_>, Vec<_>) = meant.partition(|task| task.logging_off);
    if off.is_empty() || kept.is_empty() {
        return None;
    }
    let names: Vec<&str> = off.iter().take(NAMED).map(|task| task.task.as_str()).collect();
    let more = match off.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!("* output of {}{more} is not kept", names.join(", ")))
}

/// Makes lines of entries.
#[derive(Debug)]
pub struct Printer {
    options: LineOptions,
    style: Style,
    width: usize,
    held: BTreeMap<Line, Vec<u8>>,
    held_total: usize,
}

impl Printer {
    /// A printer that looks like this.
    pub fn new(options: LineOptions, style: Style) -> Self {
        Self { options, style, width: 0, held: BTreeMap::new(), held_total: 0 }
    }

    /// Learns the names that will come, so that the prefixes are aligned.
    pub fn expect<'a>(&mut self, tasks: impl IntoIterator<Item = &'a str>) {
        let widths = tasks.into_iter().map(|task| task.chars().count()).filter(|width| *width <= MAX_PREFIX);
        self.width = widths.fold(self.width, usize::max);
    }

    /// The bytes to print for these entries.
    pub fn entries(&mut self, entries: &[pb::LogEntry]) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in entries {
            self.entry(entry, &mut out);
        }
        out
    }

    /// The bytes that were held back because the end of their line never came.
    pub fn finish(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        self.held_total = 0;
        let mut out = Vec::new();
        for ((task, attempt, stream), data) in held {
            let entry = pb::LogEntry { task, attempt, stream, ..pb::LogEntry::default() };
            out.extend(self.line(&entry, &data).into_bytes());
        }
        out
    }

    fn entry(&mut self, entry: &pb::LogEntry, out: &mut Vec<u8>) {
        if let Some(gap) = &entry.gap {
            out.extend(self.gap(entry, gap).into_bytes());
        } else if self.options.raw {
            out.extend_from_slice(&entry.data);
            out.extend((!entry.partial).then_some(b'\n'));
        } else if let Some(whole) = self.joined(entry) {
            out.extend(self.line(entry, &whole).into_bytes());
        }
    }

    /// The whole line, once its end is there or too much of it is held.
    fn joined(&mut self, entry: &pb::LogEntry) -> Option<Vec<u8>> {
        let key = (entry.task.clone(), entry.attempt, entry.stream);
        let mut line = self.held.remove(&key).unwrap_or_default();
        self.held_total = self.held_total.saturating_sub(line.len());
        line.extend_from_slice(&entry.data);
        let full = line.len() >= MAX_HELD || self.held_total + line.len() > MAX_HELD_TOTAL;
        if !entry.partial || full {
            return Some(line);
        }
        self.held_total += line.len();
        self.held.insert(key, line);
        None
    }

    /// What gofer says about a task, as a line among the output of that task.
    pub fn said(&self, task: &str, text: &str) -> String {
        let entry = pb::LogEntry { task: task.to_owned(), ..pb::LogEntry::default() };
        format!("{}{}\n", self.prefix(&entry, '*'), sanitize::plain(text))
    }

    /// How far an image is, as a line among the output of its task.
    pub fn image(&self, image: &pb::ImageProgress) -> String {
        let text = match (image.digest.is_empty(), image.total) {
            (false, _) => format!("fetched {}", image.image),
            (true, 0) => format!("fetching {}", image.image),
            (true, total) => {
                let percent = u128::from(image.done) * 100 / u128::from(total);
                format!("fetching {} {percent} % of {}", image.image, size(total))
            }
        };
        self.said(&image.task, &text)
    }

    fn gap(&self, entry: &pb::LogEntry, gap: &pb::LogGap) -> String {
        let amount = gap.bytes.map_or_else(|| "output".to_owned(), size);
        let text = format!("{amount} missing here: {}", sanitize::plain(&gap.cause));
        let prefix = self.prefix(entry, '*');
        format!("{prefix}{}\n", self.style.paint(Colour::Bold, &text))
    }

    fn line(&self, entry: &pb::LogEntry, data: &[u8]) -> String {
        let mark = if entry.stream() == pb::LogStream::Err { '!' } else { '|' };
        let mut line = self.prefix(entry, mark);
        line.push_str(&sanitize::line(data, self.style.colour));
        line.push('\n');
        line
    }

    fn prefix(&self, entry: &pb::LogEntry, mark: char) -> String {
        let mut prefix = String::new();
        if self.options.timestamps {
            let at = time!(entry.time).map(|at| at.0);
            let _ = write!(prefix, "{} ", style::paint(self.style.colour, Colour::Dim, &self.style.time(at)));
        }
        if !self.options.no_prefix {
            let name = sanitize::plain(&entry.task);
            let name = if entry.attempt > 1 { format!("{name}#{}", entry.attempt) } else { name };
            let padded = format!("  {name:0$} {mark} ", self.width);
            prefix.push_str(&self.style.paint(Colour::of_name(&entry.task), &padded));
        }
        prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gofer_output::style::{ColorChoice, Surroundings};

    fn printer(options: LineOptions, colour: ColorChoice) -> Printer {
        let style = Style::new(&Surroundings::default(), colour, None, gofer_types::Timestamp::default());
        let mut printer = Printer::new(options, style);
        printer.expect(["fetch", "lint"]);
        printer
    }

    #[test]
    fn an_image_that_is_fetched_is_told_beside_the_output() {
        let task = "fetch".to_owned();
        let mut image = pb::ImageProgress { task, image: "alpine:3.22".into(), ..Default::default() };
        let printer = printer(LineOptions::default(), ColorChoice::Never);
        assert_eq!(printer.image(&image), "  fetch * fetching alpine:3.22\n");
        (image.done, image.total) = (1_342_177, 3_355_443);
        assert_eq!(printer.image(&image), "  fetch * fetching alpine:3.22 39 % of 3.1 MiB\n");
        image.digest = "sha256:abc".into();
        assert_eq!(printer.image(&image), "  fetch * fetched alpine:3.22\n");
    }

    #[test]
    fn the_name_of_a_task_means_all_combinations_of_its_matrix_and_no_other_task() {
        let wanted = ["build".to_owned(), "test[1]".to_owned()];
        let tasks = ["build", "build[linux,1]", "build-all", "test", "test[1]", "test[2]"];
        assert_eq!(tasks.map(|task| is_meant(&wanted, task)), [true, true, false, false, true, false]);
        assert!(is_meant(&[], "anything"));
    }

    fn entry(task: &str, data: &[u8]) -> pb::LogEntry {
        pb::LogEntry { task: task.into(), attempt: 1, stream: 1, data: data.to_vec(), ..Default::default() }
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn names_are_aligned_and_streams_are_marked() {
        let mut printer = printer(LineOptions::default(), ColorChoice::Never);
        let err = pb::LogEntry { stream: 2, attempt: 2, ..entry("lint", b"oh") };
        let gap = pb::LogGap { bytes: Some(2048), cause: "the disk was full".into() };
        let lost = pb::LogEntry { gap: Some(gap), ..entry("fetch", b"") };
        let lines = text(&printer.entries(&[entry("fetch", b"cloned"), entry("lint", b"ok"), err, lost]));
        assert_eq!(
            lines,
            "  fetch | cloned\n  lint  | ok\n  lint#2 ! oh\n  fetch * 2.0 KiB missing here: the disk was full\n"
        );
    }

    #[test]
    fn pieces_of_a_line_are_joined_each_stream_for_itself() {
        let mut printer = printer(LineOptions::default(), ColorChoice::Never);
        let piece = |task, data| pb::LogEntry { partial: true, ..entry(task, data) };
        let first = printer.entries(&[piece("fetch", b"one "), entry("lint", b"other")]);
        assert_eq!(text(&first), "  lint  | other\n");
        assert_eq!(text(&printer.entries(&[entry("fetch", b"line")])), "  fetch | one line\n");
        assert!(printer.entries(&[piece("fetch", b"rest")]).is_empty());
        assert_eq!(text(&printer.finish()), "  fetch | rest\n");
        assert!(printer.finish().is_empty());
    }

    #[test]
    fn a_line_without_an_end_is_printed_in_pieces_of_bounded_size() {
        let mut printer = printer(LineOptions::default(), ColorChoice::Never);
        let piece = pb::LogEntry { partial: true, ..entry("fetch", &[b'x'; MAX_HELD / 2]) };
        assert!(printer.entries(std::slice::from_ref(&piece)).is_empty());
        assert!(printer.entries(&[piece]).len() >= MAX_HELD);
        assert!(printer.finish().is_empty());
    }

    #[test]
    fn what_is_held_for_many_tasks_is_bounded_too() {
        let mut printer = printer(LineOptions::default(), ColorChoice::Never);
        for n in 0..400 {
            let _ = printer
                .entries(&[pb::LogEntry { partial: true, ..entry(&format!("t{n}"), &[b'x'; 40_000]) }]);
        }
        assert!(printer.held_total <= MAX_HELD_TOTAL);
    }

    #[test]
    fn a_hostile_line_is_harmless_and_raw_keeps_every_byte() {
        let hostile = b"\x1b]0;owned\x07\x1b[31mred\xff";
        let mut safe = printer(LineOptions::default(), ColorChoice::Never);
        assert_eq!(text(&safe.entries(&[entry("fetch", hostile)])), "  fetch | red\u{fffd}\n");
        let mut raw = printer(LineOptions { raw: true, ..LineOptions::default() }, ColorChoice::Never);
        assert_eq!(raw.entries(&[entry("fetch", hostile)]), [&hostile[..], b"\n"].concat());
    }
}
