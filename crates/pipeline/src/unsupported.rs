//! The parts of a valid pipeline that a build cannot run yet. Nothing is ignored in silence: each is named.

use gofer_syntax::{Diagnostic, Severity, Source, Spans};
use gofer_types::pipeline::{PluginUse, Store, Text, Value};
use gofer_types::{Pipeline, Task};
use serde::Serialize;

use crate::codes;

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident $words:literal)*) => {
        /// A part of the language that a build may or may not be able to run.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Feature {
            $($(#[$doc])* $name,)*
        }

        impl Feature {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What it is called in messages.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }
        }
    };
}

features! {
    /// `checkout`.
    Checkout "checking out a repository (`checkout`)"
    /// `secret{{ }}`.
    Secrets "values from secrets (`secret{{ }}`)"
    /// `global{{ }}`.
    GlobalSecrets "values from shared secrets (`global{{ }}`)"
    /// `pipeline{{ }}`.
    PipelineObjects "values from the pipeline's objects (`pipeline{{ }}`)"
    /// `run{{ }}`.
    RunObjects "values from the run's objects (`run{{ }}`)"
    /// `registry_auth`.
    RegistryAuth "signing in to a registry (`registry_auth`)"
    /// `inject_token`.
    InjectToken "a token for the run (`inject_token`)"
    /// `always_pull`.
    AlwaysPull "fetching an image that is there (`always_pull`)"
    /// `trigger` blocks.
    Triggers "starting runs by a trigger"
    /// `notify` blocks.
    Notifiers "telling others of a run (`notify`)"
    /// `exec = true`.
    Exec "entering a container (`exec`)"
}

/// What a build can run beyond what every build can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Supported(u32);

impl Supported {
    /// None of the features.
    pub const NONE: Self = Self(0);

    /// The same and one more.
    #[must_use]
    pub const fn with(self, feature: Feature) -> Self {
        Self(self.0 | 1 << feature as u32)
    }

    /// Whether a feature is among them.
    #[must_use]
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & 1 << feature as u32 != 0
    }
}

/// A part of a pipeline that a build cannot run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsupported {
    /// The feature that it needs.
    pub feature: Feature,
    /// Its path, as in [`Spans`].
    pub path: String,
    /// What is said about it.
    pub message: String,
}

impl Unsupported {
    /// The same as a problem of the file that the pipeline came from.
    #[must_use]
    pub fn diagnostic(&self, severity: Severity, spans: &Spans, source: &Source) -> Diagnostic {
        let mut problem = Diagnostic::error(codes::UNSUPPORTED, source.name(), &self.message);
        problem.severity = severity;
        problem.span = spans.find(&self.path, source);
        problem.label("not in this build");
        problem
    }
}

/// The parts of a pipeline that need what is not among the features, in the order of the pipeline's model.
#[must_use]
pub fn unsupported(pipeline: &Pipeline, supported: &Supported) -> Vec<Unsupported> {
    let mut finder = Finder { supported: *supported, found: Vec::new() };
    let whole = "the pipeline";
    finder.need(pipeline.exec, Feature::Exec, "exec", whole);
    for plugin in &pipeline.triggers {
        finder.plugin(plugin, "trigger", Feature::Triggers);
    }
    for notifier in &pipeline.notifiers {
        finder.plugin(&notifier.plugin, "notify", Feature::Notifiers);
    }
    for task in &pipeline.tasks {
        finder.task(task);
    }
    finder.found
}

struct Finder {
    supported: Supported,
    found: Vec<Unsupported>,
}

impl Finder {
    fn need(&mut self, used: bool, feature: Feature, path: &str, who: &str) {
        if used && !self.supported.has(feature) {
            let message = format!("{who} needs what this build cannot do yet: {}", feature.words());
            self.found.push(Unsupported { feature, path: path.to_owned(), message });
        }
    }

    fn plugin(&mut self, plugin: &PluginUse, word: &str, feature: Feature) {
        let path = format!("{word}.{}.{}", plugin.kind, plugin.label);
        let kind = if word == "notify" { "notifier" } else { word };
        let who = format!("{kind} `{}`", plugin.label);
        self.need(true, feature, &path, &who);
        for (name, value) in &plugin.settings {
            self.setting(value, &format!("{path}.{name}"), &who);
        }
    }

    fn setting(&mut self, value: &Value, path: &str, who: &str) {
        match value {
            Value::String(text) => self.text(text, path, who),
            Value::List(values) => values.iter().for_each(|value| self.setting(value, path, who)),
            Value::Map(values) => {
                values.iter().for_each(|(name, value)| self.setting(value, &format!("{path}.{name}"), who));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &Text, path: &str, who: &str) {
        let Text::Store(store) = text else { return };
        let feature = match store.store {
            Store::Secret => Feature::Secrets,
            Store::Global => Feature::GlobalSecrets,
            Store::Pipeline => Feature::PipelineObjects,
            Store::Run => Feature::RunObjects,
        };
        self.need(true, feature, path, who);
    }

    fn task(&mut self, task: &Task) {
        let who = format!("task `{}`", task.id);
        let path = |name: &str| format!("task.{}.{name}", task.id);
        let used = [
            (task.checkout.is_some(), Feature::Checkout, "checkout"),
            (task.registry_auth.is_some(), Feature::RegistryAuth, "registry_auth"),
            (task.inject_token, Feature::InjectToken, "inject_token"),
            (task.always_pull, Feature::AlwaysPull, "always_pull"),
        ];
        for (used, feature, name) in used {
            self.need(used, feature, &path(name), &who);
        }
        for (name, text) in &task.env_vars {
            self.text(text, &path(&format!("env_vars.{name}")), &who);
        }
        if let Some(auth) = &task.registry_auth {
            self.text(&auth.user, &path("registry_auth.user"), &who);
            self.text(&auth.pass, &path("registry_auth.pass"), &who);
        }
        if let Some(auth) = task.checkout.as_ref().and_then(|checkout| checkout.auth.as_ref()) {
            self.text(auth, &path("checkout.auth"), &who);
        }
    }
}
