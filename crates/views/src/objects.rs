//! Objects: as rows, as texts, and what is said of one that was put.

use gofer_client::v1 as pb;
use gofer_output::Row;
use gofer_output::sanitize::plain;
use gofer_output::style::{Sign, Style, size};
use gofer_output::table::{Cell, pairs};

use crate::convert::{address, filled, time};
use crate::human::quoted;
use crate::{Object, ObjectUsage, state_cell};

/// How much of a hash is shown in a list.
const SHORT: usize = 12;

impl From<pb::Object> for Object {
    fn from(object: pb::Object) -> Self {
        let known = !object.damaged;
        let scope = match object.run {
            0 => format!("pipeline={}", address(&object.namespace, &object.pipeline)),
            run => format!("run={}", address(&object.namespace, &format!("{}/{run}", object.pipeline))),
        };
        Self {
            scope,
            run: (object.run > 0).then_some(object.run),
            size: known.then_some(object.size),
            sha256: filled(object.sha256),
            content_type: filled(object.content_type),
            created: time!(object.created),
            version: filled(object.version),
            damaged: object.damaged.then_some(true),
            key: object.key,
            namespace: object.namespace,
            pipeline: object.pipeline,
            evicted: None,
            file: None,
        }
    }
}

impl Row for Object {
    const HEADERS: &'static [&'static str] = &["KEY", "SIZE", "TYPE", "PUT", "SHA256"];
    fn cells(&self, style: &Style) -> Vec<Cell> {
        let hash: String = self.sha256.iter().flat_map(|hash| hash.chars().take(SHORT)).collect();
        vec![
            plain(&self.key).into(),
            self.size.map_or_else(|| state_cell("damaged"), |bytes| size(bytes).into()),
            self.content_type.clone().unwrap_or_default().into(),
            style.time(self.created.map(|at| at.0)).into(),
            hash.into(),
        ]
    }
}

/// All that is known of an object.
#[must_use]
pub fn object(object: &Object, style: &Style) -> String {
    let bytes = |bytes: u64| format!("{bytes} bytes ({})", size(bytes));
    let facts = [
        ("key", plain(&object.key)),
        ("scope", object.scope.clone()),
        ("size", object.size.map_or_else(|| "damaged".to_owned(), bytes)),
        ("sha256", object.sha256.clone().unwrap_or_default()),
        ("type", object.content_type.clone().unwrap_or_default()),
        ("put", style.time(object.created.map(|at| at.0))),
        ("version", object.version.clone().unwrap_or_default()),
    ];
    pairs(&facts, style)
}

/// An object that was put, and what went for it.
#[must_use]
pub fn put(object: &Object, style: &Style) -> String {
    let bytes = size(object.size.unwrap_or(0));
    let mut text =
        format!("{} put {} into {}  {bytes}\n", style.sign(Sign::Good), plain(&object.key), object.scope);
    for key in object.evicted.iter().flatten() {
        text.push_str(&format!("  evicted {}: the oldest goes for a new one\n", plain(key)));
    }
    text
}

/// An object that was fetched into a file.
#[must_use]
pub fn fetched(object: &Object, style: &Style) -> String {
    let bytes = size(object.size.unwrap_or(0));
    let file = object.file.as_deref().map(plain).unwrap_or_default();
    format!("{} wrote {file}  {bytes}\n", style.sign(Sign::Good))
}

/// How much the objects of a namespace take.
#[must_use]
pub fn usage(usage: &ObjectUsage, style: &Style) -> String {
    let facts = [
        ("namespace", usage.namespace.clone()),
        ("used", format!("{} of {}", size(usage.used), size(usage.limit))),
        ("on its way", size(usage.reserved)),
    ];
    pairs(&facts, style)
}

/// The scope and the key as they are typed behind a command.
#[must_use]
pub fn typed(object: &Object) -> String {
    format!("{} --scope {}", quoted(&object.key), quoted(&object.scope))
}

#[cfg(test)]
mod tests {
    use gofer_output::style::{ColorChoice, Surroundings};
    use gofer_output::table::lay_out;

    use super::*;

    fn style() -> Style {
        Style::new(&Surroundings::default(), ColorChoice::Never, None, gofer_types::Timestamp::default())
    }

    fn whole() -> pb::Object {
        pb::Object {
            namespace: "team".to_owned(),
            pipeline: "hello".to_owned(),
            run: 12,
            key: "out/a b.tar".to_owned(),
            size: 3 << 19,
            sha256: "ab".repeat(32),
            content_type: "application/x-tar".to_owned(),
            version: "v7".to_owned(),
            ..pb::Object::default()
        }
    }

    fn damaged() -> pb::Object {
        pb::Object { damaged: true, sha256: String::new(), content_type: String::new(), size: 0, ..whole() }
    }

    #[test]
    fn objects_are_rows() {
        let rows: Vec<_> =
            [whole(), damaged()].into_iter().map(|one| Object::from(one).cells(&style())).collect();
        insta::assert_snapshot!(lay_out(Some(Object::HEADERS), &rows, &style()));
    }

    #[test]
    fn an_object_is_told_in_words() {
        let evicted = Some(vec!["old".to_owned(), "old\u{1b}[2Jer".to_owned()]);
        let seen = Object { evicted, file: Some("a b.tar".to_owned()), ..Object::from(whole()) };
        let used = ObjectUsage { namespace: "team".to_owned(), used: 1 << 20, reserved: 0, limit: 10 << 30 };
        let texts = [
            object(&seen, &style()),
            object(&Object::from(damaged()), &style()),
            put(&seen, &style()),
            fetched(&seen, &style()),
            usage(&used, &style()),
            typed(&seen),
        ];
        insta::assert_snapshot!(texts.join("\n"));
    }

    #[test]
    fn what_is_damaged_has_no_size_and_a_pipeline_no_run() {
        let seen = Object::from(pb::Object { run: 0, ..damaged() });
        assert_eq!((seen.size, seen.run, seen.damaged), (None, None, Some(true)));
        assert_eq!(seen.scope, "pipeline=team::hello");
    }
}
