//! The end of objects: runs that expire, pipelines that are deleted.

use gofer_backend::ErrorKind;
use gofer_object_store::fake::Operation;
use gofer_objects::{Limits, ObjectsError, PutObject, Removed, Scope};
use gofer_types::{RunNumber, RunRef};

use crate::support::{World, fed, path, pipeline, pipeline_in, run, send, zeros};

fn run_of(number: u64) -> RunRef {
    pipeline_in("default", "p").run(RunNumber(number))
}

async fn filled(world: &World) {
    for scope in [pipeline("p"), run("p", 1), run("p", 2), run("p", 10), run("q", 1)] {
        for name in ["a", "b", "c/d"] {
            world.put(&scope, name, 2).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_run_that_expires_loses_everything_and_no_other_does() {
    for world in World::both(Limits::default()) {
        filled(&world).await;
        let removed = world.objects.expire_run(&run_of(1)).await.unwrap();
        assert_eq!(removed, Removed { objects: 3, bytes: 6 });
        assert_eq!(world.objects.expire_run(&run_of(1)).await.unwrap(), Removed::default());
        assert_eq!(world.names(&run("p", 1)).await, [""; 0]);
        for scope in [pipeline("p"), run("p", 2), run("p", 10), run("q", 1)] {
            assert_eq!(world.names(&scope).await.len(), 3, "{scope}");
        }
        assert_eq!(world.used().await, 24);
    }
}

#[tokio::test]
async fn an_expiry_that_fails_goes_on_where_it_stopped() {
    let mut world = World::fake(Limits::default());
    filled(&world).await;
    world.objects.delete(&run("p", 1), &path("a")).await.unwrap();
    world.faults().fail_next(Operation::Delete, ErrorKind::Unavailable);
    world.objects.expire_run(&run_of(1)).await.unwrap_err();
    world.restart(Limits::default());
    assert_eq!(world.objects.expire_run(&run_of(1)).await.unwrap().objects, 2);
    assert_eq!(world.used().await, 24);
}

#[tokio::test]
async fn a_put_that_is_on_its_way_ends_with_its_run_or_its_pipeline() {
    for world in World::both(Limits::default()) {
        for (scope, whole) in [(run("p", 1), false), (run("p", 1), true), (pipeline("p"), true)] {
            let (feed, bytes) = fed();
            let name = path("late");
            let upload = world.objects.put(&scope, &name, bytes, PutObject::default());
            let ending = async {
                send(&feed, 5).await;
                if whole {
                    world.objects.delete_pipeline(scope.pipeline()).await.unwrap();
                } else {
                    world.objects.expire_run(&run_of(1)).await.unwrap();
                }
                drop(feed);
            };
            let (put, ()) = tokio::join!(upload, ending);
            assert!(matches!(put, Err(ObjectsError::Gone { .. })), "{put:?}");
            assert_eq!(
                (world.names(&scope).await.len(), world.used().await, world.reserved().await),
                (0, 0, 0)
            );
            // who comes later is not meant
            world.put(&scope, "new", 1).await.unwrap();
            world.objects.delete(&scope, &path("new")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_deleted_pipeline_loses_its_objects_and_those_of_its_runs() {
    for world in World::both(Limits::default()) {
        filled(&world).await;
        let id = pipeline_in("default", "p");
        assert_eq!(world.objects.delete_pipeline(&id).await.unwrap(), Removed { objects: 12, bytes: 24 });
        assert_eq!(world.objects.delete_pipeline(&id).await.unwrap(), Removed::default());
        assert_eq!(world.names(&run("q", 1)).await.len(), 3);
        assert_eq!(world.used().await, 6);
    }
}

#[tokio::test]
async fn the_runs_that_have_objects_are_named_in_their_order() {
    for world in World::both(Limits::default()) {
        filled(&world).await;
        let id = pipeline_in("default", "p");
        let runs = async |numbers| -> Vec<u64> {
            let runs = world.objects.runs(&id, numbers).await.unwrap();
            runs.into_iter().map(|run| run.0).collect()
        };
        assert_eq!(runs(0..10).await, [1, 2]);
        assert_eq!(runs(1..11).await, [1, 2, 10]);
        assert_eq!(runs(2..u64::MAX).await, [2, 10]);
        assert_eq!(runs(3..10).await, [0; 0]);
        assert_eq!(runs(0..1).await, [0; 0]);
    }
}

#[tokio::test]
async fn many_objects_are_removed_page_by_page() {
    let world = World::fake(Limits { run_objects: 3000, ..Limits::default() });
    let scope = Scope::Run(run_of(1));
    for i in 0..2_500 {
        world.put(&scope, &format!("k{i}"), 1).await.unwrap();
    }
    assert_eq!(world.objects.expire_run(&run_of(1)).await.unwrap().objects, 2_500);
    assert_eq!(world.used().await, 0);
}

#[tokio::test]
async fn what_is_damaged_is_named_and_can_go() {
    let folder = tempfile::tempdir().unwrap();
    let config = gofer_object_store_files::Config::default();
    let open = || gofer_object_store_files::open("files", &config, folder.path()).unwrap();
    let clock = std::sync::Arc::clone(&World::fake(Limits::default()).clock);
    let objects = gofer_objects::Objects::new(open(), Limits::default(), clock);
    let scope = run("p", 1);
    for name in ["a", "b"] {
        objects.put(&scope, &path(name), zeros(100), PutObject::default()).await.unwrap();
    }
    damage(folder.path(), "a.o");
    let page = gofer_objects::Page { after: None, limit: 10 };
    assert_eq!(objects.list(&scope, None, page).await.unwrap().damaged, [path("a")]);
    assert!(objects.delete(&scope, &path("a")).await.unwrap());
    assert_eq!(objects.usage(scope.namespace()).await.unwrap().used, 100);
    damage(folder.path(), "b.o");
    assert_eq!(objects.expire_run(&run_of(1)).await.unwrap().objects, 1);
    assert_eq!(objects.usage(scope.namespace()).await.unwrap().used, 0);
}

fn damage(folder: &std::path::Path, name: &str) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            damage(&entry.path(), name);
        } else if entry.file_name() == name {
            std::fs::write(entry.path(), "short").unwrap();
        }
    }
}
