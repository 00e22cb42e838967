//! What a task asks for and gets: its user, its directory, its words and its environment.

use std::collections::BTreeMap;

use gofer_backend::ErrorKind;
use gofer_scheduler::{Scheduler, TaskSpec};
use gofer_types::Cause;
use sha2::{Digest, Sha256};

use crate::bed::{Bed, new_id, script, unique};

/// An image of this bed's own, which goes away with its last task.
struct Image<'a>(&'a Bed, String);

impl<'a> Image<'a> {
    fn new(bed: &'a Bed, lines: &[&str]) -> Self {
        let name = format!("localhost/gofer-test-{}:1", unique());
        bed.make_image(&name, lines);
        Self(bed, name)
    }
}

impl Drop for Image<'_> {
    fn drop(&mut self) {
        let _ = self.0.docker.delete(&format!("/images/{}?force=1", self.1));
    }
}

pub(crate) async fn the_user_is_the_task_s_before_the_operator_s_before_the_image_s() {
    let bed = Bed::with(|config| config.user = Some("1000:1001".to_owned())).await;
    let asked = script(bed.image, "echo $(id -u):$(id -g)");
    assert_eq!(bed.run(&asked).await.1, "1000:1001\n");
    let own = TaskSpec { user: Some("nobody".to_owned()), ..asked };
    assert_eq!(bed.run(&own).await.1, "65534:65534\n");
    let bed = Bed::new().await;
    let image = Image::new(&bed, &["USER 77"]);
    assert_eq!(bed.run(&script(&image.1, "id -u")).await.1, "77\n");
}

pub(crate) async fn a_directory_is_absolute_or_below_the_image_s() {
    let bed = Bed::new().await;
    let image = Image::new(&bed, &["WORKDIR /usr"]);
    for (wanted, found) in
        [(None, "/usr"), (Some("/etc"), "/etc"), (Some("bin"), "/usr/bin"), (Some("new"), "/usr/new")]
    {
        let spec = TaskSpec { workdir: wanted.map(str::to_owned), ..script(&image.1, "pwd") };
        assert_eq!(bed.run(&spec).await.1, format!("{found}\n"), "{wanted:?}");
    }
}

pub(crate) async fn an_image_s_own_entry_point_and_command_run() {
    let bed = Bed::new().await;
    let image = Image::new(&bed, &[r#"ENTRYPOINT ["echo","entry"]"#, r#"CMD ["own command"]"#]);
    let spec = TaskSpec { command: Vec::new(), ..script(&image.1, "") };
    assert_eq!(bed.run(&spec).await.1, "entry own command\n");
}

pub(crate) async fn a_command_replaces_the_image_s_and_keeps_its_entry_point() {
    let bed = Bed::new().await;
    let image = Image::new(&bed, &[r#"ENTRYPOINT ["echo","entry"]"#, r#"CMD ["own command"]"#]);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let spec = TaskSpec { command: words(&["mine"]), ..script(&image.1, "") };
    assert_eq!(bed.run(&spec).await.1, "entry mine\n");
    let bare = TaskSpec { entrypoint: Some(words(&["echo", "all"])), command: Vec::new(), ..spec };
    assert_eq!(bed.run(&bare).await.1, "all\n");
}

pub(crate) async fn a_large_environment_arrives_whole() {
    let bed = Bed::new().await;
    // The longest that the kernel takes, with its name, the sign between and the end; and a megabyte in all.
    let longest = (128 << 10) - "LONGEST=".len() - 1;
    let value = |n: u8| (n + 10).to_string().repeat(32 << 10) + "\n";
    let mut env: BTreeMap<_, _> = (0..14).map(|n| (format!("V{n:02}"), value(n))).collect();
    env.insert("LONGEST".to_owned(), "x".repeat(longest));
    let total: usize = env.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    assert!((1000 << 10..1100 << 10).contains(&total), "{total}");
    let text = "printf '%s' \"$LONGEST\" | wc -c; for n in 00 01 02 03 04 05 06 07 08 09 10 11 12 13; do \
                eval printf '%s' \"\\\"\\$V$n\\\"\"; done | sha256sum";
    let values: String =
        env.iter().filter(|(name, _)| name.starts_with('V')).map(|(_, value)| value.as_str()).collect();
    let sum = bed.run(&TaskSpec { env, ..script(bed.image, text) }).await;
    assert_eq!(sum.0.cause, Cause::ExitCode(0));
    let hex: String = Sha256::digest(&values).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(sum.1, format!("{longest}\n{hex}  -\n"));
}

pub(crate) async fn a_variable_that_the_kernel_does_not_take_is_refused_by_name() {
    let bed = Bed::new().await;
    let longest = (128 << 10) - "LONGEST=".len() - 1;
    let env = BTreeMap::from([("LONGEST".to_owned(), "x".repeat(longest + 1))]);
    let answer = bed.scheduler.start(&new_id(), &TaskSpec { env, ..script(bed.image, "true") }).await;
    let fault = answer.unwrap_err();
    assert_eq!(fault.kind(), ErrorKind::InvalidInput);
    assert!(fault.chain().contains("LONGEST") && fault.chain().len() < 300, "{}", fault.chain());
}
