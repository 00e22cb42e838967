//! What the tasks of this suite do: they tell the witness that they begin and end, and print lines in between.

use gofer_tests_e2e::witness::say;

/// The variable that holds the path of the witness.
pub(crate) const WITNESS: &str = "witness";

/// A pipeline for the suite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Its name.
    pub(crate) id: &'static str,
    /// Its tasks; all depend on the first.
    pub(crate) tasks: &'static [&'static str],
    /// How many lines each prints.
    pub(crate) lines: u32,
    /// How many letters each line ends with beside its number.
    pub(crate) width: usize,
    /// How long it sleeps after each, as `sleep` reads it; empty: not at all.
    pub(crate) pause: &'static str,
}

impl Shape {
    /// The pipeline file.
    pub(crate) fn file(&self) -> String {
        let pause = if self.pause.is_empty() { String::new() } else { format!("sleep {}; ", self.pause) };
        let script = format!(
            "{}\ni=1\nwhile [ $i -le {} ]; do echo \"line $i\"{}; {pause}i=$((i+1)); done\n{}",
            say("start"),
            self.lines,
            "x".repeat(self.width),
            say("end")
        );
        let first = self.tasks.first().copied().unwrap_or_default();
        let mut file = head(self.id, &[WITNESS]);
        for id in self.tasks {
            let parents = if *id == first {
                String::new()
            } else {
                format!("depends_on = {{ {first} = \"successful\" }}")
            };
            file.push_str(&task(id, &parents, &script));
        }
        file
    }

    /// The lines that each task prints.
    pub(crate) fn lines(&self) -> Vec<String> {
        let letters = "x".repeat(self.width);
        (1..=self.lines).map(|line| format!("line {line}{letters}")).collect()
    }
}

/// The beginning of a pipeline file: its name, and its variables.
pub(crate) fn head(id: &str, variables: &[&str]) -> String {
    let variables: String =
        variables.iter().map(|name| format!("variable \"{name}\" {{\ntype = \"string\"\n}}\n")).collect();
    format!("id = \"{id}\"\n{variables}")
}

/// One task of a pipeline file.
pub(crate) fn task(id: &str, settings: &str, script: &str) -> String {
    format!("task \"{id}\" {{\n{settings}\nscript = <<EOT\n{script}\nEOT\n}}\n")
}
