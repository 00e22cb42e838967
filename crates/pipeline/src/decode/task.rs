//! `task` blocks.

use std::collections::BTreeMap;

use gofer_syntax::show;
use gofer_syntax::tree::{Item, Kind, Name, Node};
use gofer_types::pipeline::{Action, DEFAULT_SHELL, Text};
use gofer_types::{Condition, Span, Task, TaskId};

use super::fields::{Fields, Form, Place, Schema};
use super::text::{self, Scope};
use super::value;
use super::{gate, task_parts as parts, variable};
use crate::codes;
use crate::context::Context;

const SCHEMA: Schema = &[
    ("image", Form::Attribute),
    ("description", Form::Attribute),
    ("command", Form::Attribute),
    ("script", Form::Attribute),
    ("shell", Form::Attribute),
    ("entrypoint", Form::Attribute),
    ("workdir", Form::Attribute),
    ("user", Form::Attribute),
    ("env_vars", Form::Attribute),
    ("depends_on", Form::Attribute),
    ("timeout", Form::Attribute),
    ("retry", Form::Object),
    ("resources", Form::Object),
    ("registry_auth", Form::Object),
    ("always_pull", Form::Attribute),
    ("logging", Form::Attribute),
    ("allow_failure", Form::Attribute),
    ("cleanup", Form::Attribute),
    ("inject_token", Form::Attribute),
    ("scheduler", Form::Attribute),
    ("matrix", Form::Attribute),
    ("checkout", Form::Object),
    ("approval", Form::Object),
    ("pipeline", Form::Object),
    ("inputs", Form::Attribute),
    ("outputs", Form::Attribute),
];

/// The longest image, user, and path.
const LINE: usize = 1_024;

/// A task whose place in the graph is not yet checked.
pub(crate) struct Draft {
    /// Its id as it is written, be it well-formed or not.
    pub(crate) name: Name,
    /// The task; `None` if something in it is wrong.
    pub(crate) task: Option<Task>,
    /// What it depends on, as it is written.
    pub(crate) parents: Vec<Name>,
    /// The artefacts that it takes and leaves, as they are written.
    pub(crate) inputs: Vec<Name>,
    pub(crate) outputs: Vec<Name>,
}

/// All tasks; `None` if there are so many that they are not looked at.
pub(super) fn tasks(cx: &mut Context<'_>, blocks: &[&Item]) -> Option<Vec<Draft>> {
    let most = cx.limits.tasks;
    if let Some(beyond) = blocks.get(most) {
        let message = format!("the pipeline has {} tasks; at most {most} are accepted", blocks.len());
        cx.error(codes::LIMIT, &beyond.header(), message).label("the first one too many");
        return None;
    }
    let mut seen: BTreeMap<String, Name> = BTreeMap::new();
    let mut drafts = Vec::with_capacity(blocks.len());
    for block in blocks {
        let Some(draft) = draft(cx, block) else { continue };
        if let Some(first) = seen.get(&draft.name.text) {
            super::root::duplicate(cx, "task", &draft.name, first);
        } else {
            seen.insert(draft.name.text.clone(), draft.name.clone());
        }
        drafts.push(draft);
    }
    Some(drafts)
}

fn draft(cx: &mut Context<'_>, block: &Item) -> Option<Draft> {
    let (name, image) = match block.labels.as_slice() {
        [name] => (name, None),
        [name, image] => (name, Some(image)),
        _ => {
            cx.error(
                codes::LABELS,
                &block.header(),
                "a `task` block has one or two labels: its id and its image",
            )
            .help("write `task \"id\" \"image\" { ... }`");
            return None;
        }
    };
    let place = Place::part("task", std::slice::from_ref(name));
    cx.spans.insert(place.path.clone(), block.header());
    let most = cx.limits.task_id_length;
    let id =
        if value::is_name(cx, name, "task id", most) { value::typed_name(cx, name, "task id") } else { None };
    let fields = Fields::of(cx, place.clone(), block.header(), &block.value, SCHEMA)?;
    let image = self::image(cx, &fields, image);
    let mut draft = Draft {
        name: name.clone(),
        task: None,
        parents: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
    };
    let id_or_other = id.clone().or_else(|| TaskId::new("unknown").ok())?;
    let task = task(cx, &fields, Task { image, ..Task::new(id_or_other, Action::Image) }, &mut draft);
    draft.task = task.filter(|_| id.is_some());
    Some(draft)
}

/// Everything in the block but its labels.
fn task(cx: &mut Context<'_>, fields: &Fields<'_>, base: Task, draft: &mut Draft) -> Option<Task> {
    let matrix = fields.with(cx, "matrix", parts::matrix).unwrap_or_default();
    // the keys of a map that is wrong are known nevertheless
    let keys = fields.get("matrix").map(parts::keys).unwrap_or_default();
    let scope = Scope { no_run: None, matrix: Some(&keys), store: false, shown: None };
    let (depends_on, parents) = depends_on(cx, fields);
    draft.parents = parents;
    draft.inputs = fields.with(cx, "inputs", parts::inputs).unwrap_or_default();
    let outputs = fields.with(cx, "outputs", parts::outputs).unwrap_or_default();
    draft.outputs = fields.get("outputs").map(parts::names).unwrap_or_default();
    parts::of_matrix(cx, fields, (&matrix, &outputs), draft.parents.is_empty());
    let base = abilities(cx, fields, base, scope);
    let action = action(cx, fields, !base.image.is_empty(), scope);
    let task = Task {
        description: fields.with(cx, "description", text::prose).unwrap_or_default(),
        action: action.clone().unwrap_or(Action::Image),
        entrypoint: fields.with(cx, "entrypoint", |cx, node, place| arguments(cx, node, place, scope)),
        workdir: fields.with(cx, "workdir", |cx, node, place| text::line(cx, node, place, LINE)),
        user: fields.with(cx, "user", |cx, node, place| text::line(cx, node, place, LINE)),
        env_vars: fields
            .with(cx, "env_vars", |cx, node, place| env_vars(cx, node, place, scope))
            .unwrap_or_default(),
        depends_on,
        matrix,
        inputs: draft.inputs.iter().map(|name| name.text.clone()).collect(),
        outputs,
        ..base
    };
    action.map(|_| task)
}

/// What the task is given and allowed, and how it is tried.
fn abilities(cx: &mut Context<'_>, fields: &Fields<'_>, base: Task, scope: Scope<'_>) -> Task {
    let secrets = Scope { store: true, ..scope };
    let flag = |cx: &mut Context<'_>, name: &str| fields.with(cx, name, value::boolean);
    Task {
        timeout: fields.with(cx, "timeout", timeout),
        retry: fields.with(cx, "retry", |cx, node, place| parts::retry(cx, node, place, fields)),
        resources: fields.with(cx, "resources", parts::resources).unwrap_or_default(),
        registry_auth: fields.with(cx, "registry_auth", |cx, node, place| {
            parts::registry_auth(cx, node, place, (fields, secrets))
        }),
        checkout: fields
            .with(cx, "checkout", |cx, node, place| parts::checkout(cx, node, place, (fields, secrets))),
        always_pull: flag(cx, "always_pull").unwrap_or(false),
        logging: flag(cx, "logging"),
        allow_failure: flag(cx, "allow_failure").unwrap_or(false),
        cleanup: flag(cx, "cleanup").unwrap_or(false),
        inject_token: flag(cx, "inject_token").unwrap_or(false),
        scheduler: fields.with(cx, "scheduler", |cx, node, place| {
            let name = value::name_of(cx, node, place)?;
            value::typed_name(cx, &name, "scheduler name")
        }),
        ..base
    }
}

/// The image from the second label or the attribute; empty where there is none.
fn image(cx: &mut Context<'_>, fields: &Fields<'_>, label: Option<&Name>) -> String {
    let place = fields.place.attribute("image");
    let Some(label) = label else {
        return fields.with(cx, "image", image_text).unwrap_or_default();
    };
    if fields.get("image").is_some() {
        let at = fields.name_span("image");
        let first = cx.source.locate(&label.span);
        cx.error(codes::CONFLICT, &at, format!("{} has two images", fields.place.what))
            .label("the second one")
            .related(first, "the first one");
    }
    cx.spans.insert(place.path.clone(), label.span.clone());
    image_text(cx, &Node::plain(label.span.clone(), label.text.clone()), &place).unwrap_or_default()
}

fn image_text(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<String> {
    let image = text::line(cx, node, place, LINE)?;
    if image.contains(char::is_whitespace) {
        cx.error(codes::RANGE, &node.span, format!("{} contains a space", place.what));
        return None;
    }
    Some(image)
}

fn action(cx: &mut Context<'_>, fields: &Fields<'_>, has_image: bool, scope: Scope<'_>) -> Option<Action> {
    let what = &fields.place.what;
    if let Some(gate) = gate(cx, fields, has_image, scope) {
        return gate;
    }
    let command = fields.with(cx, "command", |cx, node, place| {
        let command = arguments(cx, node, place, scope)?;
        if command.is_empty() {
            cx.error(codes::RANGE, &node.span, format!("{} must not be empty", place.what));
        }
        Some(command)
    });
    let script = fields.with(cx, "script", |cx, node, place| script_text(cx, node, place, scope));
    let shell = fields.with(cx, "shell", |cx, node, place| value::some(cx, node, place, text::plain));
    match (fields.get("command").is_some(), fields.get("script").is_some()) {
        (true, true) => {
            let at = fields.name_span("script");
            cx.error(codes::CONFLICT, &at, format!("{what} has a `command` and a `script`"))
                .help("keep one of them");
        }
        (_, false) if fields.get("shell").is_some() => {
            let at = fields.name_span("shell");
            cx.error(codes::CONFLICT, &at, format!("{what} has a `shell` but no `script`"))
                .help("`shell` chooses what runs the `script`; give a script or remove the shell");
        }
        (false, false) if !has_image && fields.get("image").is_none() => {
            cx.error(codes::MISSING, &fields.header, format!("{what} has nothing to run"))
                .help("give it an image, a `command` or a `script`");
        }
        (false, false) => return Some(Action::Image),
        _ => {}
    }
    match (command, script) {
        (Some(command), _) => Some(Action::Command(command)),
        (None, Some(script)) => Some(Action::Script {
            shell: shell.unwrap_or_else(|| DEFAULT_SHELL.map(str::to_owned).to_vec()),
            script,
        }),
        (None, None) => None,
    }
}

/// What a task is that no scheduler runs; the outer option is whether it is one.
fn gate(
    cx: &mut Context<'_>,
    fields: &Fields<'_>,
    has_image: bool,
    scope: Scope<'_>,
) -> Option<Option<Action>> {
    let (asks, starts) = (fields.get("approval").is_some(), fields.get("pipeline").is_some());
    if !asks && !starts {
        return None;
    }
    if asks && starts || has_image && fields.get("image").is_none() {
        let what = &fields.place.what;
        cx.error(codes::CONFLICT, &fields.header, format!("{what} is more than one kind of task"))
            .help("keep one: an image, an `approval` or a `pipeline`");
    }
    let approval =
        fields.with(cx, "approval", |cx, node, place| gate::approval(cx, node, place, (fields, scope)));
    let child =
        fields.with(cx, "pipeline", |cx, node, place| gate::pipeline(cx, node, place, (fields, scope)));
    Some(approval.map(Action::Approval).or(child.map(Action::Pipeline)))
}

fn script_text(cx: &mut Context<'_>, node: &Node, place: &Place, scope: Scope<'_>) -> Option<Text> {
    let script = text::text(cx, node, place, scope)?;
    if matches!(&script, Text::Plain(text) if text.trim().is_empty()) {
        cx.error(codes::RANGE, &node.span, format!("{} must not be empty", place.what));
        return None;
    }
    Some(script)
}

fn arguments(cx: &mut Context<'_>, node: &Node, place: &Place, scope: Scope<'_>) -> Option<Vec<Text>> {
    if matches!(node.kind, Kind::Text(_)) {
        cx.error(codes::WRONG_TYPE, &node.span, format!("{} must be a list `[ ... ]`", place.what))
            .label("this is a text")
            .help("write one text for each argument, or use `script` for a line that a shell runs");
        return None;
    }
    value::list(cx, node, place, |cx, node, place| text::text(cx, node, place, scope))
}

fn env_vars(
    cx: &mut Context<'_>,
    node: &Node,
    place: &Place,
    scope: Scope<'_>,
) -> Option<BTreeMap<String, Text>> {
    let scope = Scope { store: true, ..scope };
    let mut bytes = 0;
    let entries = value::map(cx, node, place, |cx, name, node, place| {
        let sound = env_name(cx, name);
        let text = text::text(cx, node, place, scope)?;
        bytes += name.text.len() + text_bytes(&text);
        sound.then(|| (name.text.clone(), text))
    })?;
    let (most, most_bytes) = (cx.limits.env_vars, cx.limits.env_bytes);
    if entries.len() > most || bytes > most_bytes {
        let message = format!(
            "{} has {} entries of {bytes} bytes; at most {most} of {most_bytes} bytes are accepted",
            place.what,
            entries.len()
        );
        cx.error(codes::LIMIT, &node.span, message);
    }
    Some(entries)
}

fn text_bytes(text: &Text) -> usize {
    use gofer_types::pipeline::TemplatePart;
    match text {
        Text::Plain(text) => text.len(),
        Text::Store(store) => store.key.len(),
        Text::Template(template) => {
            let literal =
                |part: &TemplatePart| if let TemplatePart::Literal(text) = part { text.len() } else { 0 };
            template.parts.iter().map(literal).sum()
        }
    }
}

fn env_name(cx: &mut Context<'_>, name: &Name) -> bool {
    if name.text.trim().is_empty() {
        value::malformed(cx, name, "name of the environment", "it is empty");
        return false;
    }
    if name.text.contains(['=', '\0']) {
        value::malformed(cx, name, "name of the environment", "it contains `=` or a NUL character");
        return false;
    }
    if name.text.starts_with("GOFER_") {
        variable::reserved(cx, name);
        return false;
    }
    true
}

fn timeout(cx: &mut Context<'_>, node: &Node, place: &Place) -> Option<Span> {
    let timeout = value::duration(cx, node, place)?;
    let (least, most) = (cx.limits.timeout_min, cx.limits.timeout_max);
    if timeout < least || timeout > most {
        cx.error(codes::DURATION, &node.span, format!("{} must be from {least} to {most}", place.what))
            .label(if timeout < least { "too short" } else { "too long" });
        return None;
    }
    Some(timeout)
}

/// The conditions on parents with proper names, and all parents as they are written.
fn depends_on(cx: &mut Context<'_>, fields: &Fields<'_>) -> (BTreeMap<TaskId, Condition>, Vec<Name>) {
    let words = Condition::ALL.map(Condition::as_str);
    let mut parents = Vec::new();
    let conditions = fields.with(cx, "depends_on", |cx, node, place| {
        if matches!(node.kind, Kind::List(_)) {
            cx.error(codes::WRONG_TYPE, &node.span, format!("{} must be a map `{{ ... }}`", place.what))
                .label("this is a list")
                .help("say what each parent must have done: `depends_on = { parent = \"successful\" }`");
            return None;
        }
        value::map(cx, node, place, |cx, parent, node, place| {
            parents.push(parent.clone());
            let place = Place { what: format!("the condition on `{}`", show(&parent.text)), ..place.clone() };
            let word = value::word(cx, node, &place, (codes::CONDITION, &words))?;
            // a parent whose name is malformed is complained about as one that does not exist
            Some((TaskId::new(parent.text.as_str()).ok()?, word.parse().ok()?))
        })
    });
    (conditions.unwrap_or_default(), parents)
}
