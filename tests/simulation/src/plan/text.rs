//! A pipeline of a plan as a pipeline file, so that it comes to the server as users send it.

use std::fmt::Write as _;

use super::{Does, PipelinePlan, TaskPlan};

impl PipelinePlan {
    /// The pipeline file, with another parallelism if that is given.
    #[must_use]
    pub fn text(&self, parallelism: Option<u32>) -> String {
        let mut text = format!(
            "id = \"{}\"\nparallelism = {}\nqueue = \"{}\"\n",
            self.id,
            parallelism.unwrap_or(self.parallelism),
            self.queue
        );
        if self.timeout > 0 {
            line(&mut text, format_args!("timeout = \"{}s\"", self.timeout));
        }
        for task in &self.tasks {
            task.write(&mut text);
        }
        text
    }
}

impl TaskPlan {
    fn write(&self, text: &mut String) {
        line(text, format_args!("task \"{}\" {{", self.id));
        match &self.does {
            Does::Script(script) => line(text, format_args!("command = [\"fake:{script}\"]")),
            Does::Ask(seconds) => {
                line(text, format_args!("approval {{\nmessage = \"well?\"\nexpires = \"{seconds}s\"\n}}"));
            }
            Does::Run(namespace, id) => {
                line(text, format_args!("pipeline {{\nid = \"{id}\"\nnamespace = \"{namespace}\"\n}}"));
            }
        }
        if !self.parents.is_empty() {
            let parents: Vec<String> = self
                .parents
                .iter()
                .map(|(parent, condition)| format!("{parent} = \"{condition}\""))
                .collect();
            line(text, format_args!("depends_on = {{ {} }}", parents.join(", ")));
        }
        if self.timeout > 0 {
            line(text, format_args!("timeout = \"{}s\"", self.timeout));
        }
        if let Some(retry) = &self.retry {
            let on: Vec<String> = retry.on.iter().map(|end| format!("\"{end}\"")).collect();
            let on = if on.is_empty() { String::new() } else { format!(", on = [{}]", on.join(", ")) };
            let (attempts, backoff) = (retry.attempts, retry.backoff);
            line(
                text,
                format_args!(
                    "retry = {{ attempts = {attempts}, backoff = \"{backoff}ms\", factor = 2{on} }}"
                ),
            );
        }
        for (word, is) in [("allow_failure", self.allow_failure), ("cleanup", self.cleanup)] {
            if is {
                line(text, format_args!("{word} = true"));
            }
        }
        if !self.matrix.is_empty() {
            let values: Vec<String> = self.matrix.iter().map(|value| format!("\"{value}\"")).collect();
            line(text, format_args!("matrix = {{ m = [{}] }}", values.join(", ")));
        }
        text.push_str("}\n");
    }
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // cannot fail: a text takes everything
    let _ = writeln!(text, "{what}");
}
