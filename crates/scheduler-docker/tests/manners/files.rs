//! Files in containers: where they lie, whose they are, and what an engine would do that must not happen.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use gofer_artefacts::{Limits, pack, unpack};
use gofer_backend::{BackendError, ErrorKind};
use gofer_scheduler::{Archive, Files, Scheduler, StartOutcome, TaskSpec, TaskStatus};
use gofer_types::{AttemptId, Cause};

use crate::bed::{Bed, new_id, script};

/// An archive of these files, each with its own path as content.
fn archive(paths: &[&str]) -> Vec<Archive> {
    let folder = tempfile::tempdir().unwrap();
    for path in paths {
        let place = folder.path().join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, path).unwrap();
    }
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let mut bytes = Vec::new();
    pack(folder.path(), &paths, &Limits::default(), &mut bytes).unwrap();
    vec![Archive { name: "dist".to_owned(), bytes: stream::iter([Ok(Bytes::from(bytes))]).boxed() }]
}

async fn lay(bed: &Bed, id: &AttemptId, spec: &TaskSpec, paths: &[&str]) -> Result<(), BackendError> {
    bed.scheduler.lay(id, spec, archive(paths), &Limits::default()).await
}

/// Lays, runs, and answers what the task wrote.
async fn given(bed: &Bed, spec: &TaskSpec, paths: &[&str]) -> (AttemptId, String) {
    let id = new_id();
    lay(bed, &id, spec, paths).await.unwrap_or_else(|fault| panic!("{}", fault.chain()));
    bed.scheduler.start(&id, spec).await.unwrap();
    let (exit, text) = bed.result(&id).await;
    assert_eq!(exit.cause, Cause::ExitCode(0), "{text}");
    (id, text)
}

async fn taken(bed: &Bed, id: &AttemptId, path: &str) -> tempfile::TempDir {
    let parts = bed.scheduler.take(id, &[path.to_owned()], &Limits::default()).await;
    let parts = parts.unwrap_or_else(|fault| panic!("{}", fault.chain()));
    let bytes = parts.try_collect::<Vec<_>>().await.unwrap().concat();
    let folder = tempfile::tempdir().unwrap();
    unpack(bytes.as_slice(), folder.path(), &Limits::default()).unwrap();
    folder
}

pub(crate) async fn files_lie_and_are_found_where_the_task_works() {
    let bed = Bed::new().await;
    for workdir in [None, Some("/not/there/yet"), Some("below/it")] {
        let base = script(bed.image, "cat in/a; mkdir out; cp in/a out/b");
        let spec = TaskSpec { workdir: workdir.map(str::to_owned), ..base };
        let (id, text) = given(&bed, &spec, &["in/a"]).await;
        assert_eq!(text, "in/a", "{workdir:?}");
        let folder = taken(&bed, &id, "out/b").await;
        assert_eq!(std::fs::read_to_string(folder.path().join("out/b")).unwrap(), "in/a");
    }
}

pub(crate) async fn a_user_with_a_number_can_change_what_was_laid_and_any_can_read_it() {
    let bed = Bed::new().await;
    for (user, wanted) in [("1000:1001", "1000:1001 yes"), ("1000", "1000:0 yes"), ("nobody", "0:0 no")] {
        let text = "cat in/a >/dev/null; w=no; { echo x >> in/a && echo x > in/b; } 2>/dev/null && w=yes; \
                    echo $(stat -c %u:%g in/a) $w";
        let spec = TaskSpec {
            user: Some(user.to_owned()),
            workdir: Some("/tmp/work".to_owned()),
            ..script(bed.image, text)
        };
        assert_eq!(given(&bed, &spec, &["in/a"]).await.1.trim(), wanted, "{user}");
    }
}

pub(crate) async fn nothing_of_the_image_is_overwritten_or_followed() {
    let bed = Bed::new().await;
    let at = |workdir: &str, text| TaskSpec { workdir: Some(workdir.to_owned()), ..script(bed.image, text) };
    for (path, word) in [("busybox", "already"), ("cat", "symbolic link"), ("cat/x", "symbolic link")] {
        let id = new_id();
        let fault = lay(&bed, &id, &at("/bin", "true"), &["zz", path]).await.unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::InvalidInput, "{path}");
        let chain = fault.chain();
        assert!(chain.contains("archive dist") && chain.contains(word), "{path}: {chain}");
        assert_eq!(bed.scheduler.inspect(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    let modes = at("/", "stat -c %a tmp bin; cat tmp/a bin/new");
    assert_eq!(given(&bed, &modes, &["bin/new", "tmp/a"]).await.1, "1777\n755\ntmp/abin/new");
}

pub(crate) async fn a_directory_that_became_a_link_is_not_reached_through() {
    let bed = Bed::new().await;
    let text =
        "mkdir -p dist etc; echo mine > etc/passwd; ln -s /etc dist/etc; ln -s /etc out; ln etc/passwd hard";
    let spec = TaskSpec { workdir: Some("/work".to_owned()), ..script(bed.image, text) };
    let (id, _) = given(&bed, &spec, &["a"]).await;
    for (path, named) in [("out/passwd", "out"), ("dist", "dist/etc"), ("dist/etc/passwd", "dist/etc")] {
        let taken = bed.scheduler.take(&id, &[path.to_owned()], &Limits::default()).await.map(drop);
        let fault = taken.unwrap_err();
        assert_eq!(fault.kind(), ErrorKind::InvalidInput, "{path}");
        assert!(fault.message().starts_with(&format!("{named} is a symbolic link")), "{}", fault.chain());
    }
    let folder = taken(&bed, &id, "hard").await;
    assert_eq!(std::fs::read_to_string(folder.path().join("hard")).unwrap(), "mine\n");
}

pub(crate) async fn several_names_of_one_file_are_taken_as_files() {
    let bed = Bed::new().await;
    let text =
        "mkdir -p dist/deps; echo app > dist/deps/app; ln dist/deps/app dist/zapp; chmod 700 dist/zapp";
    let spec = TaskSpec { workdir: Some("/work".to_owned()), ..script(bed.image, text) };
    let (id, _) = given(&bed, &spec, &["a"]).await;
    let folder = taken(&bed, &id, "dist").await;
    for name in ["deps/app", "zapp"] {
        assert_eq!(std::fs::read_to_string(folder.path().join("dist").join(name)).unwrap(), "app\n");
    }
}

pub(crate) async fn a_read_only_root_is_given_no_files_and_says_so() {
    let bed = Bed::with(|config| config.read_only_root = true).await;
    let id = new_id();
    let fault = lay(&bed, &id, &script(bed.image, "true"), &["a"]).await.unwrap_err();
    assert_eq!(fault.kind(), ErrorKind::Unsupported, "{}", fault.chain());
    assert_eq!(bed.scheduler.inspect(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
}

pub(crate) async fn a_dropped_lay_leaves_nothing_in_the_next() {
    let bed = Bed::new().await;
    let spec = TaskSpec {
        workdir: Some("/work".to_owned()),
        ..script(bed.image, "cat b; [ ! -e a ] && echo alone")
    };
    let (id, limits) = (new_id(), Limits::default());
    let (asked, is_asked) = tokio::sync::oneshot::channel();
    let silent = stream::once(async move {
        asked.send(()).unwrap();
        std::future::pending().await
    });
    let archives = vec![Archive { name: "silent".to_owned(), bytes: silent.boxed() }];
    tokio::select! {
        laid = bed.scheduler.lay(&id, &spec, archives, &limits) => panic!("{laid:?}"),
        asked = is_asked => asked.unwrap(),
    }
    // as after a crash: another server, the same attempt
    let again = bed.again(|_| {}).await;
    again.lay(&id, &spec, archive(&["b"]), &limits).await.unwrap();
    assert_eq!(again.inspect(&id).await.unwrap(), TaskStatus::Starting);
    again.start(&id, &spec).await.unwrap();
    assert_eq!(again.start(&id, &spec).await.unwrap().outcome, StartOutcome::Adopted);
    assert_eq!(bed.result(&id).await.1, "balone\n");
}
