//! Scopes never meet, whatever the names are; and what is no key is refused.

use std::collections::BTreeMap;

use gofer_objects::{Limits, MAX_PATH, MAX_PATH_SEGMENTS, ObjectPath, ObjectsError, Page, PutObject, Scope};
use gofer_types::RunNumber;
use proptest::prelude::*;

use crate::support::{World, path, pipeline, pipeline_in, text};

/// Names that look like the layout, like each other, or like steps in a path.
const NAMES: [&str; 10] =
    ["p", "r", "P", "00000000000000000001", "1", "a-p", "a", "default", "_", "p-r-00000000000000000001"];

fn scopes() -> impl Strategy<Value = Scope> {
    let name = || proptest::sample::select(&NAMES[..]);
    let run = proptest::option::of(prop_oneof![0..3_u64, Just(10), Just(u64::MAX)]);
    (name(), name(), run).prop_map(|(namespace, pipeline, run)| {
        let pipeline = pipeline_in(namespace, pipeline);
        match run {
            Some(number) => Scope::Run(pipeline.run(RunNumber(number))),
            None => Scope::Pipeline(pipeline),
        }
    })
}

fn paths() -> impl Strategy<Value = ObjectPath> {
    let nasty = ["%2e%2e", "...", "-rf", "~", "a:b", "CON", "é", "e\u{301}", "p\u{130}", "x y"];
    let all: Vec<&'static str> = NAMES.into_iter().chain(nasty).collect();
    let segments = proptest::collection::vec(proptest::sample::select(all), 1..4);
    segments.prop_map(|segments| path(&segments.join("/")))
}

type Things = BTreeMap<(Scope, ObjectPath), Vec<u8>>;

fn things() -> impl Strategy<Value = Things> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..8);
    proptest::collection::btree_map((scopes(), paths()), bytes, 1..24)
}

async fn apart(world: World, things: Things) {
    for ((scope, name), bytes) in &things {
        let put = world.objects.put(scope, name, text(bytes.clone()), PutObject::default()).await;
        assert_eq!(put.unwrap().evicted, []);
    }
    for ((scope, name), bytes) in &things {
        assert_eq!(world.read(scope, name).await.unwrap(), *bytes, "{scope} {name}");
        let own: Vec<_> =
            things.keys().filter(|(other, _)| other == scope).map(|(_, name)| name.to_string()).collect();
        assert_eq!(world.names(scope).await, own, "{scope}");
        let usage = world.objects.usage(scope.namespace()).await.unwrap();
        let wanted = things.iter().filter(|((other, _), _)| other.namespace() == scope.namespace());
        assert_eq!(usage.used, wanted.map(|(_, bytes)| bytes.len() as u64).sum::<u64>());
    }
    // what one pipeline loses, no other does
    let Some((gone, _)) = things.keys().next() else { return };
    world.objects.delete_pipeline(gone.pipeline()).await.unwrap();
    for (scope, name) in things.keys() {
        let there = world.objects.head(scope, name).await.is_ok();
        assert_eq!(there, scope.pipeline() != gone.pipeline(), "{scope} {name}");
    }
}

fn limits() -> Limits {
    Limits { ring: 100, ..Limits::default() }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_two_scopes_and_no_two_keys_meet(things in things()) {
        block_on(apart(World::fake(limits()), things));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_two_scopes_and_no_two_keys_meet_in_files(things in things()) {
        block_on(apart(World::files(limits()), things));
    }
}

#[test]
fn what_is_no_key_is_refused_with_the_rule() {
    let long = "x".repeat(129);
    let deep = vec!["x"; MAX_PATH_SEGMENTS + 1].join("/");
    let wide = vec!["x".repeat(127); 7].join("/");
    assert!(wide.len() > MAX_PATH);
    for (text, rule) in [
        ("", "empty"),
        ("/a", "empty"),
        ("a/", "empty"),
        ("../a", "step"),
        ("a\\b", "slash"),
        ("a\0", "printed"),
        (&long, "too long"),
        (&deep, "12 segments"),
        (&wide, "768 bytes"),
    ] {
        match text.parse::<ObjectPath>() {
            Err(ObjectsError::InvalidPath { reason, .. }) => {
                assert!(reason.contains(rule), "{text:?}: {reason}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_longest_key_fits_below_the_longest_names() {
    let names = "n".repeat(70);
    let scope = Scope::Run(pipeline_in(&names, &names).run(RunNumber(u64::MAX)));
    let mut segments = vec!["x".repeat(63); MAX_PATH_SEGMENTS];
    segments[0] = "x".repeat(MAX_PATH - 64 * 11);
    let longest = path(&segments.join("/"));
    assert_eq!(longest.as_str().len(), MAX_PATH);
    for world in World::both(limits()) {
        world.objects.put(&scope, &longest, text(b"x".to_vec()), PutObject::default()).await.unwrap();
        assert_eq!(world.names(&scope).await, [longest.to_string()]);
    }
}

#[tokio::test]
async fn a_list_goes_by_pages_and_by_what_is_below_a_key() {
    for world in World::both(limits()) {
        let scope = pipeline("p");
        for name in ["a", "a/x", "a/y", "ab", "b"] {
            world.put(&scope, name, 1).await.unwrap();
        }
        let mut names = Vec::new();
        let mut after = None;
        loop {
            let page = world.objects.list(&scope, None, Page { after, limit: 2 }).await.unwrap();
            assert!(page.objects.len() <= 2);
            names.extend(page.objects.into_iter().map(|meta| meta.path.to_string()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(names, ["a", "a/x", "a/y", "ab", "b"]);
        let below =
            world.objects.list(&scope, Some(&path("a")), Page { after: None, limit: 9 }).await.unwrap();
        let below: Vec<_> = below.objects.iter().map(|meta| meta.path.as_str()).collect();
        assert_eq!(below, ["a/x", "a/y"]);
    }
}
