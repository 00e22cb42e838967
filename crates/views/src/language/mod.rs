//! A pipeline back in the pipeline language, as JSON: for `export`, for diffs, and for running a changed file.
//!
//! What the author left to a default is left out again.

use std::collections::BTreeMap;
use std::fmt::Display;

use gofer_types::Pipeline;
use gofer_types::pipeline::{
    Action, Approval, Axis, Checkout, DEFAULT_SHELL, Output, PluginUse, QueuePolicy, ReferenceRoot,
    RegistryAuth, Resources, Retry, Store, SubPipeline, Task, TemplatePart, Text, Value as Setting, Variable,
    VariableType,
};
use serde_json::{Map, Number, Value, json};

/// A map that leaves out what is not set.
#[derive(Default)]
struct Body(Map<String, Value>);

impl Body {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    fn filled(&mut self, name: &str, value: Value) {
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Bool(on) => !on,
            Value::Number(_) => false,
        };
        if !empty {
            self.set(name, value);
        }
    }
}

/// The pipeline as one tree; tasks lie under their ids.
pub fn tree(pipeline: &Pipeline) -> Value {
    let mut body = head(pipeline);
    let tasks: Map<String, Value> =
        pipeline.tasks.iter().map(|each| (each.id.to_string(), task(each))).collect();
    body.set("task", tasks);
    Value::Object(body.0)
}

/// The pipeline as a file; tasks keep their order.
pub fn file(pipeline: &Pipeline) -> String {
    let mut body = head(pipeline);
    let tasks: Vec<Value> =
        pipeline.tasks.iter().map(|each| json!({ each.id.as_str(): task(each) })).collect();
    body.set("task", tasks);
    format!("{:#}\n", Value::Object(body.0))
}

fn head(pipeline: &Pipeline) -> Body {
    let mut body = Body::default();
    body.set("id", pipeline.id.as_str());
    body.some("name", (pipeline.name != pipeline.id.as_str()).then(|| literal(&pipeline.name)));
    body.filled("description", literal(&pipeline.description).into());
    body.some("namespace", pipeline.namespace.as_ref().map(gofer_types::Namespace::as_str));
    body.filled("labels", map(&pipeline.labels, |value| literal(value).into()));
    body.some("parallelism", (pipeline.parallelism > 0).then_some(pipeline.parallelism));
    match pipeline.queue {
        QueuePolicy::Wait => {}
        QueuePolicy::Replace => body.set("queue", "replace"),
        QueuePolicy::Refuse => body.set("queue", "refuse"),
    }
    body.some("timeout", text_of(pipeline.timeout));
    body.some("logging", (!pipeline.logging).then_some(false));
    body.filled("exec", pipeline.exec.into());
    body.filled("variable", map(&pipeline.variables, variable));
    let notifiers = pipeline.notifiers.iter().map(|each| (&each.plugin, each.on.as_slice()));
    body.filled("trigger", plugins(pipeline.triggers.iter().map(|each| (each, &[][..]))));
    body.filled("notify", plugins(notifiers));
    body
}

fn map<K: Display, V>(entries: &BTreeMap<K, V>, value: impl Fn(&V) -> Value) -> Value {
    Value::Object(entries.iter().map(|(key, each)| (key.to_string(), value(each))).collect())
}

fn text_of(value: Option<impl Display>) -> Option<String> {
    value.map(|value| value.to_string())
}

fn strings(items: &[String]) -> Value {
    items.iter().map(|item| literal(item)).collect::<Vec<_>>().into()
}

fn variable(variable: &Variable) -> Value {
    let mut body = Body::default();
    match variable.kind {
        VariableType::String => {}
        VariableType::Number => body.set("type", "number"),
        VariableType::Bool => body.set("type", "bool"),
    }
    body.some("default", variable.default.as_deref().map(literal));
    body.filled("allowed", strings(&variable.allowed));
    body.filled("description", literal(&variable.description).into());
    body.filled("sensitive", variable.sensitive.into());
    Value::Object(body.0)
}

fn plugins<'a>(uses: impl Iterator<Item = (&'a PluginUse, &'a [String])>) -> Value {
    let mut kinds: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (plugin, on) in uses {
        let settings = plugin.settings.iter().map(|(name, value)| (name.clone(), setting(value)));
        let mut body = Body(settings.collect());
        body.filled("variables", map(&plugin.variables, |value| literal(value).into()));
        body.filled("on", strings(on));
        kinds.entry(&plugin.kind).or_default().insert(plugin.label.clone(), Value::Object(body.0));
    }
    map(&kinds, |labels| Value::Object(labels.clone()))
}

fn setting(value: &Setting) -> Value {
    match value {
        Setting::Null => Value::Null,
        Setting::Bool(on) => Value::Bool(*on),
        Setting::Number(number) => decimal(*number),
        Setting::String(value) => text(value).into(),
        Setting::List(items) => items.iter().map(setting).collect::<Vec<_>>().into(),
        Setting::Map(entries) => map(entries, setting),
    }
}

/// A number, whole where it is whole.
fn decimal(number: f64) -> Value {
    let text = number.to_string();
    let whole = text.parse::<i64>().ok().map(Number::from);
    whole.or_else(|| Number::from_f64(number)).map_or(Value::Null, Value::Number)
}

fn task(task: &Task) -> Value {
    let mut body = Body::default();
    body.filled("image", literal(&task.image).into());
    body.filled("description", literal(&task.description).into());
    action(&task.action, &mut body);
    body.some("entrypoint", task.entrypoint.as_ref().map(|entry| texts(entry)));
    body.some("workdir", task.workdir.as_deref().map(literal));
    body.some("user", task.user.as_deref().map(literal));
    body.filled("env_vars", map(&task.env_vars, |value| text(value).into()));
    body.filled("depends_on", map(&task.depends_on, |condition| condition.as_str().into()));
    body.some("timeout", text_of(task.timeout));
    body.some("retry", task.retry.as_ref().map(retry));
    body.filled("resources", resources(task.resources));
    body.some("registry_auth", task.registry_auth.as_ref().map(registry_auth));
    body.filled("always_pull", task.always_pull.into());
    body.some("logging", task.logging);
    body.filled("allow_failure", task.allow_failure.into());
    body.filled("cleanup", task.cleanup.into());
    body.filled("inject_token", task.inject_token.into());
    body.some("scheduler", task.scheduler.as_ref().map(gofer_types::SchedulerName::as_str));
    body.filled("matrix", map(&task.matrix, axis));
    body.some("checkout", task.checkout.as_ref().map(checkout));
    body.filled("inputs", strings(&task.inputs));
    body.filled("outputs", map(&task.outputs, output));
    Value::Object(body.0)
}

fn axis(axis: &Axis) -> Value {
    match axis {
        Axis::Values(values) => strings(values),
        Axis::Object(key) => format!("run{{{{ {key} }}}}").into(),
    }
}

fn output(output: &Output) -> Value {
    match output {
        Output::Archive(paths) => strings(paths),
        Output::File(path) => literal(path).into(),
    }
}

fn action(action: &Action, body: &mut Body) {
    match action {
        Action::Image => {}
        Action::Command(arguments) => body.set("command", texts(arguments)),
        Action::Script { shell, script } => {
            body.set("script", text(script));
            if *shell != DEFAULT_SHELL {
                body.set("shell", strings(shell));
            }
        }
        Action::Approval(approval) => body.set("approval", self::approval(approval)),
        Action::Pipeline(child) => body.set("pipeline", child_pipeline(child)),
    }
}

fn approval(approval: &Approval) -> Value {
    let mut body = Body::default();
    body.set("message", text(&approval.message));
    body.some("expires", text_of(approval.expires));
    body.filled("fields", map(&approval.fields, variable));
    Value::Object(body.0)
}

fn child_pipeline(child: &SubPipeline) -> Value {
    let mut body = Body::default();
    body.set("id", child.id.as_str());
    body.some("namespace", child.namespace.as_ref().map(gofer_types::Namespace::as_str));
    body.some("version", child.version.map(|version| version.0));
    body.filled("variables", map(&child.variables, |value| text(value).into()));
    Value::Object(body.0)
}

fn retry(retry: &Retry) -> Value {
    let mut body = Body::default();
    body.set("attempts", retry.attempts);
    body.set("backoff", retry.backoff.to_string());
    body.set("factor", decimal(retry.factor));
    body.set("max_backoff", retry.max_backoff.to_string());
    body.filled("on", strings(&retry.on));
    body.filled("exit_codes", retry.exit_codes.clone().into());
    Value::Object(body.0)
}

fn resources(resources: Resources) -> Value {
    let mut body = Body::default();
    body.some("cpu", resources.cpu.map(decimal));
    body.some("memory", text_of(resources.memory));
    Value::Object(body.0)
}

fn registry_auth(auth: &RegistryAuth) -> Value {
    json!({ "user": text(&auth.user), "pass": text(&auth.pass) })
}

fn checkout(checkout: &Checkout) -> Value {
    let mut body = Body::default();
    body.set("url", text(&checkout.url));
    body.set("ref", text(&checkout.reference));
    body.filled("sparse", strings(&checkout.sparse));
    body.some("depth", checkout.depth);
    body.some("auth", checkout.auth.as_ref().map(text));
    Value::Object(body.0)
}

fn texts(items: &[Text]) -> Value {
    items.iter().map(text).collect::<Vec<_>>().into()
}

fn text(value: &Text) -> String {
    match value {
        Text::Plain(plain) => literal(plain),
        Text::Template(template) => template.parts.iter().map(part).collect(),
        Text::Store(store) => format!("{}{{{{ {} }}}}", store_word(store.store), store.key),
    }
}

fn part(part: &TemplatePart) -> String {
    match part {
        TemplatePart::Literal(plain) => literal(plain),
        TemplatePart::Reference { root, name } => {
            let root = match root {
                ReferenceRoot::Var => "var",
                ReferenceRoot::Matrix => "matrix",
                ReferenceRoot::Run => "run",
                ReferenceRoot::Pipeline => "pipeline",
            };
            format!("${{{root}.{name}}}")
        }
    }
}

const fn store_word(store: Store) -> &'static str {
    match store {
        Store::Secret => "secret",
        Store::Global => "global",
        Store::Pipeline => "pipeline",
        Store::Run => "run",
    }
}

/// Text that stands for itself, where a template could stand.
fn literal(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests;
