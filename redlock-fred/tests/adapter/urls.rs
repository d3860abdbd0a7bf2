//! Urls that this adapter refuses by itself.

use redlock_fred::{FredNode, UrlProblem};

use crate::common::is_named_and_not_shown;

#[test]
fn what_no_server_could_mean_is_refused() {
    for (url, problem) in [
        ("redis://:secret@h/256", UrlProblem::HighDatabase),
        ("rediss://:secret@h#insecure", UrlProblem::Insecure),
        ("redis://%FFsecret@h", UrlProblem::Settings),
        #[cfg(unix)]
        ("unix:///path?db=256&pass=secret", UrlProblem::HighDatabase),
        #[cfg(unix)]
        ("unix:///%FFsecret", UrlProblem::Settings),
    ] {
        is_named_and_not_shown(url, FredNode::open(url).unwrap_err(), problem);
    }
}
