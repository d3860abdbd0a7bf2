//! What breaks the rules of counters.

use super::Expected;
use crate::defect::Defect::*;

pub(super) const EXPECTED: Expected = &[
    (
        CountsNothing,
        &[
            "each_grant_counts_one_more",
            "asking_again_counts_nothing",
            "refusals_tell_the_counter",
            "counters_outlive_their_keys",
            "a_hint_lifts_the_counter",
            "an_absurd_hint_is_ignored",
            "raising_tells_what_the_counter_then_is",
            "only_the_holder_raises",
            "counters_are_exact_to_the_end",
            "counted_and_plain_locks_exclude_each_other",
            "no_two_grants_have_one_number",
        ],
    ),
    (
        CountsByTwo,
        &[
            "each_grant_counts_one_more",
            "asking_again_counts_nothing",
            "counters_outlive_their_keys",
            "a_hint_lifts_the_counter",
            "an_absurd_hint_is_ignored",
            "raising_tells_what_the_counter_then_is",
            "only_the_holder_raises",
            "no_two_grants_have_one_number",
        ],
    ),
    (CountsWhoAsksAgain, &["asking_again_counts_nothing"]),
    (
        CountsApart,
        &[
            "each_grant_counts_one_more",
            "asking_again_counts_nothing",
            "refusals_tell_the_counter",
            "counters_outlive_their_keys",
            "a_hint_lifts_the_counter",
            "an_absurd_hint_is_ignored",
            "raising_tells_what_the_counter_then_is",
            "only_the_holder_raises",
            "counters_are_exact_to_the_end",
            "counted_and_plain_locks_exclude_each_other",
            "counters_are_independent",
            "what_lies_beside_locks_is_not_listed",
        ],
    ),
    (CountsInTwoSteps, &["a_hint_lifts_the_counter", "no_two_grants_have_one_number"]),
    (
        CountersEndWithTheirKeys,
        &[
            "each_grant_counts_one_more",
            "asking_again_counts_nothing",
            "counters_outlive_their_keys",
            "a_hint_lifts_the_counter",
            "an_absurd_hint_is_ignored",
            "raising_tells_what_the_counter_then_is",
            "only_the_holder_raises",
            "counters_are_exact_to_the_end",
            "counted_and_plain_locks_exclude_each_other",
            "no_two_grants_have_one_number",
        ],
    ),
    (CountersBeginAnywhere, &["counters_begin_at_the_clock"]),
    (CountersAreShared, &["counters_are_independent"]),
    (
        CountersAreRounded,
        &[
            "each_grant_counts_one_more",
            "asking_again_counts_nothing",
            "counters_outlive_their_keys",
            "a_hint_lifts_the_counter",
            "an_absurd_hint_is_ignored",
            "raising_tells_what_the_counter_then_is",
            "only_the_holder_raises",
            "counters_are_exact_to_the_end",
            "counted_and_plain_locks_exclude_each_other",
            "no_two_grants_have_one_number",
        ],
    ),
    (
        RefusalsKeepCounters,
        &[
            "refusals_tell_the_counter",
            "raising_tells_what_the_counter_then_is",
            "only_the_holder_raises",
            "counters_are_exact_to_the_end",
            "counters_are_independent",
        ],
    ),
    (HintsAreIgnored, &["a_hint_lifts_the_counter"]),
    (BelievesAnyHint, &["an_absurd_hint_is_ignored"]),
    (AnybodyRaises, &["only_the_holder_raises"]),
    (
        RaisesNothing,
        &[
            "raising_tells_what_the_counter_then_is",
            "counters_are_exact_to_the_end",
            "counters_are_independent",
        ],
    ),
    (RaisingEchoes, &["raising_tells_what_the_counter_then_is"]),
];
