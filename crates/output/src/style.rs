//! What the terminal can show: colour, width, signs, and how times are written.
//!
//! Decided once, from flags, the environment and the streams; everything else asks here.

use std::time::Duration;

use clap::ValueEnum;
use gofer_types::Timestamp;

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal that can show them.
    Auto,
    /// Also in files and pipes.
    Always,
    /// Nowhere.
    Never,
}

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TimeStyle {
    /// Relative to now: `12s ago`.
    Human,
    /// RFC 3339 in UTC.
    Iso,
    /// Seconds since 1970.
    Unix,
}

/// What the environment says, read once.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Whether standard input is a terminal.
    pub stdin_tty: bool,
    /// Whether standard output is a terminal.
    pub stdout_tty: bool,
    /// Whether standard error is a terminal.
    pub stderr_tty: bool,
    /// The variables that decide about output.
    pub vars: std::collections::BTreeMap<String, String>,
}

impl Surroundings {
    /// The variables that are read besides those of flags.
    pub const VARS: [&str; 14] = [
        "NO_COLOR",
        "CLICOLOR_FORCE",
        "FORCE_COLOR",
        "TERM",
        "LC_ALL",
        "LC_CTYPE",
        "LANG",
        "CI",
        "XDG_STATE_HOME",
        "HOME",
        "USER",
        "LOGNAME",
        "DOCKER_HOST",
        "XDG_RUNTIME_DIR",
    ];

    /// Those of this process.
    pub fn of_this_process() -> Self {
        use std::io::IsTerminal;
        let vars = Self::VARS.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        Self {
            stdin_tty: std::io::stdin().is_terminal(),
            stdout_tty: std::io::stdout().is_terminal(),
            stderr_tty: std::io::stderr().is_terminal(),
            vars: vars.collect(),
        }
    }

    /// A variable that is set to something.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn on(&self, name: &str) -> bool {
        self.var(name).is_some_and(|value| value != "0")
    }

    /// Own flag and own variable, then the standard variables, then the stream.
    fn colour(&self, choice: ColorChoice, tty: bool) -> bool {
        match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if self.var("NO_COLOR").is_some() => false,
            ColorChoice::Auto if self.on("CLICOLOR_FORCE") || self.on("FORCE_COLOR") => true,
            ColorChoice::Auto => tty && self.var("TERM").is_none_or(|term| term != "dumb"),
        }
    }

    fn unicode(&self) -> bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| self.var(name));
        locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        })
    }
}

/// A colour of the sixteen that every terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Good.
    Green,
    /// Bad.
    Red,
    /// Of little importance.
    Dim,
    /// To be noticed.
    Bold,
    /// One of the six hues of task names; red and green are not among them.
    Hue(u8),
}

impl Colour {
    fn sgr(self) -> &'static str {
        const HUES: [&str; 6] = ["33", "34", "35", "36", "94", "95"];
        match self {
            Self::Green => "32",
            Self::Red => "31",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Hue(n) => HUES[usize::from(n) % HUES.len()],
        }
    }

    /// The hue of a name: the same one on every day and machine (FNV-1a).
    pub fn of_name(name: &str) -> Self {
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self::Hue(u8::try_from(hash % 6).unwrap_or_default())
    }
}

/// The signs before words. The word always stands beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It went well.
    Good,
    /// It went badly.
    Bad,
    /// It did not take place.
    Skipped,
    /// To be noticed.
    Warning,
}

/// How output looks.
#[derive(Debug, Clone)]
pub struct Style {
    /// Whether standard output may be coloured.
    pub colour: bool,
    /// Whether standard error may be coloured.
    pub colour_err: bool,
    /// Whether signs beyond ASCII can be shown.
    pub unicode: bool,
    /// How times are written.
    pub time: TimeStyle,
    /// The time that relative times start from.
    pub now: Timestamp,
}

impl Style {
    /// Decides how output looks.
    pub fn new(around: &Surroundings, choice: ColorChoice, time: Option<TimeStyle>, now: Timestamp) -> Self {
        let natural = if around.stdout_tty { TimeStyle::Human } else { TimeStyle::Iso };
        Self {
            colour: around.colour(choice, around.stdout_tty),
            colour_err: around.colour(choice, around.stderr_tty),
            unicode: around.unicode(),
            time: time.unwrap_or(natural),
            now,
        }
    }

    /// A text in a colour, on standard output.
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        paint(self.colour, colour, text)
    }

    /// A sign, coloured.
    pub fn sign(&self, sign: Sign) -> String {
        let (pretty, ascii, colour) = match sign {
            Sign::Good => ("✓", "+", Colour::Green),
            Sign::Bad => ("✕", "x", Colour::Red),
            Sign::Skipped => ("↷", "-", Colour::Dim),
            Sign::Warning => ("!", "!", Colour::Bold),
        };
        self.paint(colour, if self.unicode { pretty } else { ascii })
    }

    /// The dot between facts.
    pub fn dot(&self) -> &'static str {
        if self.unicode { "·" } else { "," }
    }

    /// A point in time.
    pub fn time(&self, at: Option<Timestamp>) -> String {
        let Some(at) = at else { return "-".to_owned() };
        match self.time {
            TimeStyle::Iso => at.to_string(),
            TimeStyle::Unix => (at.as_micros() / 1_000_000).to_string(),
            TimeStyle::Human if at > self.now => format!("in {}", duration(at.since(self.now))),
            TimeStyle::Human => format!("{} ago", coarse(self.now.since(at))),
        }
    }
}

/// A text in a colour, if colours are on.
pub fn paint(on: bool, colour: Colour, text: &str) -> String {
    if on { format!("\u{1b}[{}m{text}\u{1b}[0m", colour.sgr()) } else { text.to_owned() }
}

/// A duration for people: `12ms`, `2.1s`, `1m05s`, `3h02m`, `2d04h`.
pub fn duration(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0 if span.as_millis() < 100 => format!("{}ms", span.as_millis()),
        0..60 => format!("{}.{}s", secs, span.subsec_millis() / 100),
        60..3600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3600..86_400 => format!("{}h{:02}m", secs / 3600, secs % 3600 / 60),
        _ => format!("{}d{:02}h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// An age in its greatest unit.
fn coarse(span: Duration) -> String {
    match span.as_secs() {
        secs @ 0..60 => format!("{secs}s"),
        secs @ 60..3600 => format!("{}m", secs / 60),
        secs @ 3600..86_400 => format!("{}h", secs / 3600),
        secs => format!("{}d", secs / 86_400),
    }
}

/// A size for people: `412 KiB`.
pub fn size(bytes: u64) -> String {
    let scaled = [(30, "GiB"), (20, "MiB"), (10, "KiB")].into_iter().find(|(shift, _)| bytes >> shift > 0);
    match scaled {
        Some((shift, unit)) => {
            format!("{}.{} {unit}", bytes >> shift, (bytes >> (shift - 10)) % 1024 * 10 / 1024)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(tty: bool, vars: &[(&str, &str)]) -> Surroundings {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Surroundings { stdin_tty: tty, stdout_tty: tty, stderr_tty: tty, vars }
    }

    fn coloured(tty: bool, choice: ColorChoice, vars: &[(&str, &str)]) -> bool {
        Style::new(&around(tty, vars), choice, None, Timestamp::default()).colour
    }

    #[test]
    fn the_own_flag_beats_the_standard_variables_which_beat_the_stream() {
        use ColorChoice::{Always, Auto, Never};
        assert!(coloured(true, Auto, &[("TERM", "xterm")]));
        assert!(!coloured(false, Auto, &[]));
        assert!(!coloured(true, Auto, &[("NO_COLOR", "1")]));
        assert!(!coloured(true, Auto, &[("TERM", "dumb")]));
        assert!(coloured(false, Auto, &[("CLICOLOR_FORCE", "1")]));
        assert!(!coloured(false, Auto, &[("CLICOLOR_FORCE", "0")]));
        assert!(!coloured(true, Auto, &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")]));
        assert!(coloured(false, Always, &[("NO_COLOR", "1"), ("TERM", "dumb")]));
        assert!(!coloured(true, Never, &[("FORCE_COLOR", "1")]));
    }

    #[test]
    fn a_terminal_without_unicode_gets_ascii() {
        let style = |lang| Style::new(&around(true, lang), ColorChoice::Never, None, Timestamp::default());
        assert_eq!(style(&[("LANG", "de_DE.UTF-8")]).sign(Sign::Good), "✓");
        for plain in [&[("LANG", "C")][..], &[], &[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]] {
            let style = style(plain);
            let signs = [Sign::Good, Sign::Bad, Sign::Skipped, Sign::Warning].map(|sign| style.sign(sign));
            assert!(signs.iter().all(|sign| sign.is_ascii()) && style.dot().is_ascii());
        }
    }

    #[test]
    fn times_are_relative_on_a_terminal_and_exact_elsewhere() {
        let now = Timestamp::from_micros(100_000_000);
        let at = Some(Timestamp::from_micros(40_000_000));
        let style = |tty, time| Style::new(&around(tty, &[]), ColorChoice::Auto, time, now);
        assert_eq!(style(true, None).time(at), "1m ago");
        assert_eq!(style(false, None).time(at), "1970-01-01T00:00:40.000000Z");
        assert_eq!(style(true, Some(TimeStyle::Unix)).time(at), "40");
        assert_eq!(style(true, None).time(None), "-");
    }

    #[test]
    fn durations_and_sizes_read_as_people_say_them() {
        let spans = [12, 950, 2_149, 65_000, 10_920_000, 190_000_000];
        let texts = spans.map(|millis| duration(Duration::from_millis(millis)));
        assert_eq!(texts, ["12ms", "0.9s", "2.1s", "1m05s", "3h02m", "2d04h"]);
        assert_eq!([size(100), size(421_888), size(3 << 29)], ["100 B", "412.0 KiB", "1.5 GiB"]);
    }

    #[test]
    fn the_hue_of_a_name_is_stable_and_never_red_or_green() {
        assert_eq!(Colour::of_name("compile"), Colour::of_name("compile"));
        for name in ["a", "fetch", "lint", "test", "package", "deploy", "x-1", "y_2"] {
            assert!(!["31", "32", "91", "92"].contains(&Colour::of_name(name).sgr()), "{name}");
        }
    }
}
