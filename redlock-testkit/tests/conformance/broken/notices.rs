//! What breaks the rules of notices.

use super::Expected;
use crate::defect::Defect::*;

pub(super) const EXPECTED: Expected = &[
    (AnnouncingIgnoresTheToken, &["announcing_a_release_frees", "a_refused_release_tells_nobody"]),
    (
        ReleasesTellNobody,
        &[
            "a_release_tells_who_has_subscribed",
            "all_who_have_subscribed_hear",
            "listeners_are_counted",
        ],
    ),
    (RefusedReleasesTell, &["a_refused_release_tells_nobody"]),
    (
        PlainReleasesTell,
        &[
            "a_release_tells_who_has_subscribed",
            "a_plain_release_tells_nobody",
            "the_release_of_a_set_tells_of_each",
        ],
    ),
    (
        NoticesNameAnother,
        &[
            "a_release_tells_who_has_subscribed",
            "all_who_have_subscribed_hear",
            "the_release_of_a_set_tells_of_each",
        ],
    ),
    (
        MiscountsListeners,
        &[
            "listeners_are_counted",
            "dropping_a_stream_ends_its_subscription",
            "a_dropped_subscribe_leaves_nobody_subscribed",
        ],
    ),
    (NotifyingReleases, &["a_notification_tells_and_changes_nothing"]),
    (
        NotifyingDoesNothing,
        &[
            "a_release_tells_who_has_subscribed",
            "a_notification_tells_and_changes_nothing",
            "a_refused_release_tells_nobody",
            "a_plain_release_tells_nobody",
            "notices_wake_only_their_own",
            "subscribed_means_nothing_is_missed",
            "dropping_a_stream_ends_its_subscription",
            "dropping_a_stream_leaves_the_others",
            "who_falls_behind_loses_notices_and_keeps_one",
            "streams_end_with_their_connection",
            "the_release_of_a_set_tells_of_each",
        ],
    ),
    (ChannelsArePatterns, &["notices_wake_only_their_own", "the_release_of_a_set_tells_of_each"]),
    (
        OnlyTheFirstHears,
        &[
            "all_who_have_subscribed_hear",
            "listeners_are_counted",
            "dropping_a_stream_leaves_the_others",
        ],
    ),
    (
        AcknowledgesTooSoon,
        &[
            "a_release_tells_who_has_subscribed",
            "a_notification_tells_and_changes_nothing",
            "a_refused_release_tells_nobody",
            "a_plain_release_tells_nobody",
            "notices_wake_only_their_own",
            "all_who_have_subscribed_hear",
            "listeners_are_counted",
            "subscribed_means_nothing_is_missed",
            "dropping_a_stream_ends_its_subscription",
            "dropping_a_stream_leaves_the_others",
            "who_falls_behind_loses_notices_and_keeps_one",
            "streams_end_with_their_connection",
            "a_reset_tells_who_has_subscribed",
            "the_release_of_a_set_tells_of_each",
        ],
    ),
    (
        NobodyEverLeaves,
        &[
            "dropping_a_stream_ends_its_subscription",
            "a_dropped_subscribe_leaves_nobody_subscribed",
        ],
    ),
    (DroppingEndsAllStreams, &["dropping_a_stream_leaves_the_others"]),
    (DroppedSubscribesStay, &["a_dropped_subscribe_leaves_nobody_subscribed"]),
    (KeepsEveryNotice, &["who_falls_behind_loses_notices_and_keeps_one"]),
    (LosesAllWhenBehind, &["who_falls_behind_loses_notices_and_keeps_one"]),
    (StreamsOutliveTheirConnections, &["streams_end_with_their_connection"]),
];
