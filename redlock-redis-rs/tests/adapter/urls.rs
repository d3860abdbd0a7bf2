//! Urls that this adapter refuses by itself, or its library does.

use redlock_redis_rs::{RedisNode, UrlProblem};

use crate::common::is_named_and_not_shown;

#[test]
fn what_the_library_does_not_take_is_refused() {
    for (url, problem) in [
        ("redis://:secret@0.0.0.0", UrlProblem::Settings),
        #[cfg(unix)]
        ("unix:///path?protocol=secret", UrlProblem::Settings),
    ] {
        is_named_and_not_shown(url, RedisNode::open(url).unwrap_err(), problem);
    }
}

#[cfg(feature = "tls")]
#[test]
fn tls_without_trust_is_refused_before_anybody_is_asked() {
    for url in ["rediss://:secret@h/#insecure", "valkeys://:secret@h/1#insecure"] {
        is_named_and_not_shown(url, RedisNode::open(url).unwrap_err(), UrlProblem::Insecure);
    }
}
