//! Objects, and how much they take.

use gofer_engine::objects::{Listing, Meta, ObjectPath, Usage};
use gofer_proto::v1;
use gofer_types::ObjectScope;

use super::timestamp;

/// An object.
#[must_use]
pub fn object(scope: &ObjectScope, meta: &Meta) -> v1::Object {
    v1::Object {
        size: meta.size,
        sha256: meta.sha256.to_string(),
        content_type: meta.content_type.clone(),
        created: Some(timestamp(meta.created)),
        version: meta.version.clone(),
        ..at(scope, &meta.path)
    }
}

/// A part of a list, by key: with the damaged ones in their places.
#[must_use]
pub fn objects(scope: &ObjectScope, listing: &Listing) -> Vec<v1::Object> {
    let whole = listing.objects.iter().map(|meta| object(scope, meta));
    let damaged = listing.damaged.iter().map(|path| v1::Object { damaged: true, ..at(scope, path) });
    let mut all: Vec<v1::Object> = whole.chain(damaged).collect();
    all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    all
}

/// How much the objects of a namespace take.
#[must_use]
pub fn object_usage(usage: Usage) -> v1::GetObjectUsageResponse {
    v1::GetObjectUsageResponse { used: usage.used, reserved: usage.reserved, limit: usage.limit }
}

/// An object of which only its place is known.
fn at(scope: &ObjectScope, path: &ObjectPath) -> v1::Object {
    v1::Object {
        namespace: scope.namespace().to_string(),
        pipeline: scope.pipeline().pipeline.to_string(),
        run: scope.run().map_or(0, |run| run.run.0),
        key: path.to_string(),
        ..v1::Object::default()
    }
}

#[cfg(test)]
mod tests {
    use gofer_engine::objects::Sha256;
    use gofer_types::{Namespace, PipelineId, PipelineRef, RunNumber, Timestamp};

    use super::*;

    fn meta(key: &str) -> Meta {
        Meta {
            path: key.parse().unwrap(),
            size: 3,
            sha256: Sha256::of(b"abc"),
            content_type: "text/plain".to_owned(),
            created: Timestamp::from_micros(1_000_001),
            version: "v".to_owned(),
        }
    }

    fn scope() -> PipelineRef {
        PipelineRef { namespace: Namespace::default_name(), pipeline: PipelineId::new("p").unwrap() }
    }

    #[test]
    fn an_object_says_where_it_is_and_what() {
        let of_pipeline = object(&ObjectScope::Pipeline(scope()), &meta("a/b"));
        assert_eq!((of_pipeline.namespace.as_str(), of_pipeline.run), ("default", 0));
        assert_eq!((of_pipeline.key.as_str(), of_pipeline.size, of_pipeline.sha256.len()), ("a/b", 3, 64));
        assert_eq!(of_pipeline.created.map(|at| (at.seconds, at.nanos)), Some((1, 1_000)));
        let of_run = object(&ObjectScope::Run(scope().run(RunNumber(7))), &meta("a/b"));
        assert_eq!((of_run.pipeline.as_str(), of_run.run, of_run.damaged), ("p", 7, false));
    }

    #[test]
    fn damaged_objects_stand_in_their_places_and_tell_nothing_else() {
        let damaged = vec!["a/c".parse().unwrap()];
        let listing = Listing { objects: vec![meta("a/b"), meta("a/d")], damaged, next: None };
        let all = objects(&ObjectScope::Pipeline(scope()), &listing);
        let seen: Vec<(&str, bool, u64)> =
            all.iter().map(|object| (object.key.as_str(), object.damaged, object.size)).collect();
        assert_eq!(seen, [("a/b", false, 3), ("a/c", true, 0), ("a/d", false, 3)]);
    }
}
