//! What a task may use up, and what is tidied up behind it.

use crate::bed::{Bed, script};

pub(crate) async fn a_task_cannot_have_more_processes_than_its_limit() {
    let bed = Bed::with(|config| config.max_processes = 20).await;
    // A shell that cannot fork ends. The children wait for each other, so that all that can be are there at once.
    let text = "mkfifo /tmp/gate; n=0; (while n=$((n + 1)) && [ $n -le 60 ]; do cat /tmp/gate & echo x; done) 2>/dev/null";
    let output = bed.run(&script(bed.image, text)).await.1;
    let born = output.lines().count();
    assert!((10..20).contains(&born), "{born} processes of 60");
    let bed = Bed::new().await;
    assert_eq!(bed.run(&script(bed.image, text)).await.1.lines().count(), 60);
}

pub(crate) async fn a_process_cannot_open_more_files_than_its_limit() {
    let bed = Bed::with(|config| config.open_files = 64).await;
    assert_eq!(bed.run(&script(bed.image, "ulimit -n; ulimit -Hn; ulimit -c")).await.1, "64\n64\n0\n");
}

pub(crate) async fn orphans_are_reaped() {
    let bed = Bed::new().await;
    // Each child is left behind by its parent; the last line counts who has ended and was not collected.
    let text = "n=0; while [ $n -lt 50 ]; do n=$((n + 1)); (sh -c 'echo $$ >> /tmp/born' &); done; \
                while [ $(wc -l < /tmp/born) -lt 50 ] || [ $(ls -d /proc/[0-9]* | wc -l) -gt 5 ]; do \
                i=$((i + 1)); [ $i -gt 20000 ] && break; done; \
                wc -l < /tmp/born; cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z '";
    assert_eq!(bed.run(&script(bed.image, text)).await.1, "50\n0\n");
}
