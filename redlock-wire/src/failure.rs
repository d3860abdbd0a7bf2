use redlock_core::{Delivery, Failure, FailureKind};

/// What an error answered by a server means for a lock.
///
/// `code` is the first word of the error, `details` the rest. Codes that servers give *before*
/// they act are [`Delivery::Refused`]. Behind any other code there may be a proxy that lost the
/// server after it had passed the request on, so the delivery is [`Delivery::Unknown`]: that costs
/// a release, the opposite mistake costs a key that nobody releases.
#[must_use]
pub fn failure(code: &str, details: &str) -> Failure {
    let (kind, delivery) = if REFUSALS.contains(&code) {
        (FailureKind::Rejected, Delivery::Refused)
    } else if code == "ERR" && details.starts_with("unknown command") {
        (FailureKind::Unsupported, Delivery::Refused)
    } else if is_from_script(code, details) {
        (FailureKind::Rejected, Delivery::Refused)
    } else {
        (FailureKind::Rejected, Delivery::Unknown)
    };
    Failure { kind, delivery }
}

/// A command inside one of our scripts was turned away, in the words of Redis 7, Valkey, and Redis 6.
///
/// The scripts set the key of a lock last, so there is none: at most it was counted.
fn is_from_script(code: &str, details: &str) -> bool {
    code == "ERR"
        && (details.starts_with("The user executing the script can't")
            || details.starts_with("ACL failure in script"))
        || code == "@user_script:"
}

/// Codes with which Redis, Valkey, and our scripts turn a command away before it has had any effect.
const REFUSALS: [&str; 20] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "DENIED",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOCOUNT",
    "NOINFO",
    "NOPERM",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
    "WRONGTYPE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_certainly_did_nothing_has_refused() {
        let table = [
            ("OOM", "", FailureKind::Rejected, Delivery::Refused),
            ("READONLY", "", FailureKind::Rejected, Delivery::Refused),
            (
                "ERR",
                "unknown command 'EVALSHA', with args beginning with:",
                FailureKind::Unsupported,
                Delivery::Refused,
            ),
            (
                "ERR",
                "The user executing the script can't run this command or subcommand",
                FailureKind::Rejected,
                Delivery::Refused,
            ),
            (
                "ERR",
                "ACL failure in script: User u has no permissions to run the 'del' command",
                FailureKind::Rejected,
                Delivery::Refused,
            ),
            (
                "@user_script:",
                "8: -READONLY You can't write against a read only replica.",
                FailureKind::Rejected,
                Delivery::Refused,
            ),
            ("ERR", "upstream timed out", FailureKind::Rejected, Delivery::Unknown),
            ("upstream", "failure", FailureKind::Rejected, Delivery::Unknown),
            ("oom", "", FailureKind::Rejected, Delivery::Unknown),
        ];
        for (code, details, kind, delivery) in table {
            assert_eq!(failure(code, details), Failure { kind, delivery }, "{code} {details}");
        }
    }
}
