//! Explanations.

use gofer_engine::{Explained, Explanation};
use gofer_proto::v1;

use super::run::{Executed, run, task_run};

/// Why a run and some of its tasks are where they are.
#[must_use]
pub fn explained(explained: &Explained, executed: &Executed) -> v1::ExplainRunResponse {
    let task = |(record, about): &(_, Explanation)| v1::ExplainedTask {
        task: Some(task_run(record, executed)),
        about: Some(explanation(about)),
    };
    v1::ExplainRunResponse {
        run: Some(run(&explained.run)),
        about: Some(explanation(&explained.about)),
        tasks: explained.tasks.iter().map(task).collect(),
        next_page_token: explained.next.clone().unwrap_or_default(),
    }
}

fn explanation(about: &Explanation) -> v1::Explanation {
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    v1::Explanation {
        text: about.text.clone(),
        details: about.details.clone(),
        limit: about.hold.map(|hold| hold.limit.to_string()).unwrap_or_default(),
        place: about.hold.map_or(0, |hold| number(hold.place)),
        of: about.hold.map_or(0, |hold| number(hold.of)),
        next: about.next.clone(),
    }
}
