//! The steps of the suite as a POSIX shell script, for every backend whose tasks can run `sh` and see a shared folder.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::Step;
use crate::StreamKind;

/// A folder that the tasks and the harness both see, under the same path.
#[derive(Debug, Clone)]
pub struct Places {
    folder: PathBuf,
}

impl Places {
    /// Uses this folder; it must exist.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The command of a task that does these steps: `sh` with a script, or `env` and `printf` where nothing may stand
    /// between the backend and what is printed.
    #[must_use]
    pub fn command(&self, steps: &[Step]) -> Vec<String> {
        match steps {
            [Step::PrintEnv] => vec!["env".to_owned()],
            [Step::PrintArgs(arguments)] => ["printf".to_owned(), "[%s]\\n".to_owned()]
                .into_iter()
                .chain(arguments.iter().cloned())
                .collect(),
            _ => {
                let lines: Vec<String> = steps.iter().map(|step| self.line(step)).collect();
                vec!["sh".to_owned(), "-c".to_owned(), lines.join("\n")]
            }
        }
    }

    /// Lets every task that lingers at this gate go on.
    pub fn open_gate(&self, name: &str) {
        // A harness whose folder is gone has lost its case anyway: the task lingers.
        let _ = std::fs::write(self.folder.join(format!("gate-{name}")), "");
    }

    /// How often a task has left this mark.
    #[must_use]
    pub fn witnesses(&self, name: &str) -> usize {
        std::fs::read_to_string(self.folder.join(format!("mark-{name}")))
            .map_or(0, |text| text.lines().count())
    }

    /// Whether the process that was left under this name is alive, for backends that share the process ids.
    #[must_use]
    pub fn is_alive(&self, name: &str) -> bool {
        let pid = std::fs::read_to_string(self.folder.join(format!("left-{name}"))).unwrap_or_default();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        // The state stands behind the name, which is in parentheses and may hold anything.
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        state.is_some_and(|state| state != 'Z' && state != 'X')
    }

    fn path(&self, kind: &str, name: &str) -> String {
        quoted(&self.folder.join(format!("{kind}-{name}")).display().to_string())
    }

    fn line(&self, step: &Step) -> String {
        match step {
            Step::Print(stream, bytes) => format!("printf '{}'{}", octal(bytes), to(*stream)),
            Step::Count(stream, last) => format!("seq 1 {last}{}", to(*stream)),
            Step::LongLine(stream, length) => {
                let to = to(*stream);
                format!("{{ head -c {length} /dev/zero | tr '\\000' x; echo; }}{to}")
            }
            Step::Exit(code) => format!("exit {code}"),
            Step::Kill(signal) => format!("kill -{signal} $$"),
            Step::Gate(name) => format!("while [ ! -e {} ]; do sleep 0.02; done", self.path("gate", name)),
            Step::Forever => "while :; do sleep 0.05; done".to_owned(),
            Step::IgnoreTerm => "trap '' TERM".to_owned(),
            Step::ExitOnTerm(code) => format!("trap 'exit {code}' TERM"),
            Step::UseMemory(size) => {
                format!(
                    "x=$(head -c {} /dev/zero | tr '\\000' x) || exit 99; [ ${{#x}} -eq {0} ] || exit 98; x=",
                    size.get()
                )
            }
            Step::Leave(name) => self.leave(name),
            Step::Witness(name) => format!("echo x >> {}", self.path("mark", name)),
            Step::ShowFile(path) => show(&quoted(path)),
            Step::LeaveFile { path, content, executable } => {
                let mode = if *executable { "755" } else { "644" };
                let file = quoted(path);
                format!("{}printf '{}' > {file}\nchmod {mode} {file}", way_to(path), octal(content))
            }
            Step::LeaveLink { path, target } => {
                format!("{}ln -s {} {}", way_to(path), quoted(target), quoted(path))
            }
            Step::PrintEnv => "env".to_owned(),
            Step::PrintArgs(arguments) => {
                let words: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
                format!("printf '[%s]\\n' {}", words.join(" "))
            }
        }
    }

    /// A process in a session of its own, whose parent ends at once.
    fn leave(&self, name: &str) -> String {
        let file = self.path("left", name);
        let script = format!(
            "trap '' TERM HUP; echo $$ > {file}.new; mv {file}.new {file}; while :; do sleep 0.1; done"
        );
        let quiet = "</dev/null >/dev/null 2>&1";
        format!("(setsid sh -c {} {quiet} &)\nwhile [ ! -e {file} ]; do sleep 0.01; done", quoted(&script))
    }
}

fn show(file: &str) -> String {
    format!(
        "if [ -d {file} ]; then echo directory; elif [ -x {file} ]; then echo program; cat {file}; \
         elif [ -e {file} ]; then echo file; cat {file}; else echo nothing; fi"
    )
}

/// Makes the directories on the way to a path.
fn way_to(path: &str) -> String {
    path.rsplit_once('/').map_or_else(String::new, |(way, _)| format!("mkdir -p {}\n", quoted(way)))
}

fn to(stream: StreamKind) -> &'static str {
    match stream {
        StreamKind::Out => "",
        StreamKind::Err => " >&2",
    }
}

fn octal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:03o}");
        text
    })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
