//! For each rule there is a node that breaks it, and each broken node breaks what it should.

use std::collections::BTreeSet;

use redlock_testkit::conformance::{Finding, Report, Rule};

use crate::{
    defect::Defect::{self, *},
    store::Full,
};

#[tokio::test(start_paused = true)]
async fn a_node_without_a_defect_keeps_every_rule() {
    let report = Report::of("full", async || Full::new(None)).await;
    for (_, rule, finding) in report.findings() {
        assert_eq!(*finding, Finding::Holds, "{rule:?}");
    }
    assert!(report.is_sound());
}

#[tokio::test(start_paused = true)]
async fn broken_nodes_break_what_they_should() {
    let mut wrong = String::new();
    for (defect, expected) in EXPECTED {
        let report = Report::of("broken", async || Full::new(Some(*defect))).await;
        let broken = report.findings().filter(|(_, _, found)| matches!(found, Finding::Broken(_)));
        let broken: Vec<_> = broken.map(|(_, rule, _)| rule.name()).collect();
        if broken.is_empty() || broken != *expected {
            wrong.push_str(&format!("({defect:?}, &{broken:#?}),\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_answers_breaks_every_rule_in_bounded_time() {
    let report = Report::of("silent", async || Full::new(Some(NeverAnswers))).await;
    for (_, rule, finding) in report.findings() {
        assert!(
            matches!(finding, Finding::Broken(how) if how.contains("not finished")),
            "{rule:?}"
        );
    }
}

#[test]
fn every_rule_is_broken_by_some_node() {
    let broken: BTreeSet<_> = EXPECTED.iter().flat_map(|(_, rules)| *rules).copied().collect();
    let rules: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(broken, rules);
}

/// Each defect, and the rules that it breaks, in the order of [`Rule::ALL`].
const EXPECTED: &[(Defect, &[&str])] = &[
    (
        GrantsNothing,
        &[
            "a_free_resource_is_granted",
            "acquiring_again_is_granted",
            "the_first_expiry_stands",
            "another_token_is_refused",
            "a_refusal_tells_how_much_longer",
            "an_ended_lock_can_be_taken",
            "a_lock_is_never_gone_before_its_ttl",
            "a_lock_is_gone_soon_after_its_ttl",
            "the_longest_ttl_is_kept_whole",
            "extending_lengthens",
            "extending_never_shortens",
            "extending_anothers_lock_is_refused",
            "an_ended_lock_is_not_extended",
            "releasing_frees",
            "releasing_anothers_lock_is_refused",
            "releasing_what_is_not_held_is_a_refusal",
            "a_second_release_is_refused",
            "inspecting_tells_who_has_it",
            "inspecting_tells_how_much_longer",
            "inspecting_changes_nothing",
            "one_of_many_who_ask_at_once_is_granted",
            "no_two_hold_at_once",
            "two_releases_at_once_free_once",
            "an_extension_revives_nothing",
            "tokens_are_any_bytes",
            "resources_are_any_text",
            "resources_are_independent",
            "a_call_may_be_dropped_at_any_poll",
            "a_foreign_key_is_a_failure",
            "a_store_that_is_away_is_a_failure",
            "a_store_may_forget_what_was_prepared",
            "a_cut_connection_is_made_again",
            "no_credentials_are_shown",
            "the_label_is_stable",
            "all_nodes_of_a_store_see_the_same",
            "announcing_a_release_frees",
            "a_release_tells_who_has_subscribed",
            "a_notification_tells_and_changes_nothing",
            "a_refused_release_tells_nobody",
            "a_plain_release_tells_nobody",
            "all_who_have_subscribed_hear",
            "listeners_are_counted",
            "dropping_a_stream_ends_its_subscription",
            "a_dropped_subscribe_leaves_nobody_subscribed",
            "who_falls_behind_loses_notices_and_keeps_one",
            "a_store_that_is_away_cannot_be_subscribed_to",
            "counted_and_plain_locks_exclude_each_other",
            "a_listing_tells_what_is_held",
            "a_listing_tells_what_begins_so",
            "a_foreign_key_is_not_listed",
            "a_page_is_a_piece",
            "what_stays_is_listed_whatever_comes_and_goes",
            "a_reset_frees_and_tells_whose_it_was",
            "who_was_reset_has_nothing_any_more",
            "a_reset_tells_who_has_subscribed",
            "nothing_is_granted_in_quarantine",
            "what_outlives_a_quarantine_is_rejected",
            "all_of_a_set_are_taken",
            "a_set_is_taken_whole_or_not_at_all",
            "a_set_with_a_gap_is_not_extended",
            "releasing_a_set_gives_up_what_is_its_own",
            "the_release_of_a_set_tells_of_each",
            "a_foreign_key_keeps_a_set_from_being_taken",
        ],
    ),
    (RefusesItsOwnToken, &["acquiring_again_is_granted", "all_nodes_of_a_store_see_the_same"]),
    (AcquireRenews, &["the_first_expiry_stands"]),
    (
        TakesBeginningsForTokens,
        &["another_token_is_refused", "one_of_many_who_ask_at_once_is_granted"],
    ),
    (RefusalTellsWhatWasAsked, &["a_refusal_tells_how_much_longer"]),
    (RemembersEndedHolders, &["an_ended_lock_can_be_taken"]),
    (
        CutsTtls,
        &[
            "a_lock_is_never_gone_before_its_ttl",
            "extending_lengthens",
            "what_outlives_a_quarantine_is_rejected",
        ],
    ),
    (
        AddsAMinuteToTtls,
        &[
            "the_first_expiry_stands",
            "a_refusal_tells_how_much_longer",
            "an_ended_lock_can_be_taken",
            "a_lock_is_never_gone_before_its_ttl",
            "a_lock_is_gone_soon_after_its_ttl",
            "extending_lengthens",
            "extending_anothers_lock_is_refused",
            "an_ended_lock_is_not_extended",
            "releasing_what_is_not_held_is_a_refusal",
            "inspecting_tells_how_much_longer",
            "inspecting_changes_nothing",
            "a_listing_tells_what_is_held",
            "nothing_is_granted_in_quarantine",
            "a_set_is_taken_whole_or_not_at_all",
        ],
    ),
    (WrapsTtlsAt32Bits, &["the_longest_ttl_is_kept_whole"]),
    (ExtendDoesNothing, &["the_longest_ttl_is_kept_whole", "extending_lengthens"]),
    (ExtendSets, &["extending_never_shortens"]),
    (
        ExtendCreates,
        &[
            "extending_never_creates",
            "an_ended_lock_is_not_extended",
            "an_extension_revives_nothing",
            "who_was_reset_has_nothing_any_more",
        ],
    ),
    (
        ExtendIgnoresTheToken,
        &["extending_anothers_lock_is_refused", "an_extension_revives_nothing"],
    ),
    (ExtendGrantsWhatHasEnded, &["an_ended_lock_is_not_extended"]),
    (ExtendGivesAnEnd, &["extending_gives_no_end_to_what_has_none"]),
    (
        ReleaseDoesNothing,
        &[
            "releasing_frees",
            "a_second_release_is_refused",
            "inspecting_tells_who_has_it",
            "two_releases_at_once_free_once",
            "an_extension_revives_nothing",
            "tokens_are_any_bytes",
            "resources_are_any_text",
            "resources_are_independent",
            "a_dropped_acquire_does_not_overtake_its_release",
            "all_nodes_of_a_store_see_the_same",
            "announcing_a_release_frees",
            "a_release_tells_who_has_subscribed",
            "each_grant_counts_one_more",
            "asking_again_counts_nothing",
            "counters_outlive_their_keys",
            "a_hint_lifts_the_counter",
            "an_absurd_hint_is_ignored",
            "raising_tells_what_the_counter_then_is",
            "only_the_holder_raises",
            "counters_are_exact_to_the_end",
            "counted_and_plain_locks_exclude_each_other",
            "a_listing_tells_what_is_held",
            "what_lies_beside_locks_is_not_listed",
            "all_of_a_set_are_taken",
            "a_set_is_taken_whole_or_not_at_all",
            "a_set_with_a_gap_is_not_extended",
            "releasing_a_set_gives_up_what_is_its_own",
            "the_release_of_a_set_tells_of_each",
        ],
    ),
    (
        ReleaseIgnoresTheToken,
        &[
            "releasing_anothers_lock_is_refused",
            "two_releases_at_once_free_once",
            "announcing_a_release_frees",
            "a_refused_release_tells_nobody",
        ],
    ),
    (
        ReleaseFailsForWhatIsNotHeld,
        &[
            "releasing_what_is_not_held_is_a_refusal",
            "a_second_release_is_refused",
            "two_releases_at_once_free_once",
            "a_dropped_acquire_does_not_overtake_its_release",
            "announcing_a_release_frees",
            "a_refused_release_tells_nobody",
            "a_plain_release_tells_nobody",
            "who_was_reset_has_nothing_any_more",
            "nothing_is_granted_in_quarantine",
        ],
    ),
    (
        ReleaseGrantsTheLastHolder,
        &[
            "releasing_what_is_not_held_is_a_refusal",
            "a_second_release_is_refused",
            "two_releases_at_once_free_once",
            "announcing_a_release_frees",
        ],
    ),
    (
        InspectInventsHolders,
        &[
            "extending_never_creates",
            "inspecting_tells_who_has_it",
            "inspecting_changes_nothing",
            "a_dropped_acquire_does_not_overtake_its_release",
            "counters_outlive_their_keys",
            "only_the_holder_raises",
            "counted_and_plain_locks_exclude_each_other",
            "a_reset_frees_and_tells_whose_it_was",
            "a_set_is_taken_whole_or_not_at_all",
            "a_set_with_a_gap_is_not_extended",
            "releasing_a_set_gives_up_what_is_its_own",
            "a_foreign_key_keeps_a_set_from_being_taken",
            "a_dropped_set_is_given_up_by_its_release",
        ],
    ),
    (InspectRounds, &["the_longest_ttl_is_kept_whole", "inspecting_tells_how_much_longer"]),
    (
        InspectExtends,
        &[
            "the_first_expiry_stands",
            "an_ended_lock_can_be_taken",
            "a_lock_is_never_gone_before_its_ttl",
            "a_lock_is_gone_soon_after_its_ttl",
            "extending_lengthens",
            "extending_anothers_lock_is_refused",
            "an_ended_lock_is_not_extended",
            "releasing_what_is_not_held_is_a_refusal",
            "inspecting_changes_nothing",
            "counters_outlive_their_keys",
        ],
    ),
    (AcquireChecksThenActs, &["one_of_many_who_ask_at_once_is_granted", "no_two_hold_at_once"]),
    (ReleaseChecksThenActs, &["two_releases_at_once_free_once"]),
    (ExtendChecksThenActs, &["an_extension_revives_nothing"]),
    (TokensAreUtf8, &["tokens_are_any_bytes", "a_reset_frees_and_tells_whose_it_was"]),
    (ResourcesArePasted, &["resources_are_any_text", "a_listing_tells_what_begins_so"]),
    (
        ResourcesIgnoreCase,
        &[
            "resources_are_independent",
            "notices_wake_only_their_own",
            "counters_are_independent",
            "a_listing_tells_what_begins_so",
            "who_was_reset_has_nothing_any_more",
        ],
    ),
    (
        BreaksWhenACallIsDropped,
        &[
            "a_call_may_be_dropped_at_any_poll",
            "a_dropped_acquire_does_not_overtake_its_release",
            "a_dropped_subscribe_leaves_nobody_subscribed",
            "a_dropped_set_is_given_up_by_its_release",
        ],
    ),
    (DroppedAcquiresComeLate, &["a_dropped_acquire_does_not_overtake_its_release"]),
    (
        OverwritesForeignKeys,
        &[
            "a_foreign_key_is_never_touched",
            "a_foreign_key_is_not_counted",
            "a_foreign_key_is_not_reset",
            "a_foreign_key_keeps_a_set_from_being_taken",
        ],
    ),
    (
        ForeignKeysAreRefusals,
        &[
            "a_foreign_key_is_a_failure",
            "a_foreign_key_is_not_counted",
            "a_foreign_key_is_not_reset",
            "a_foreign_key_keeps_a_set_from_being_taken",
        ],
    ),
    (
        AbsenceIsARefusal,
        &[
            "a_store_that_is_away_is_a_failure",
            "a_store_that_is_away_cannot_be_subscribed_to",
            "a_store_that_is_away_counts_nothing",
            "a_store_that_is_away_cannot_be_surveyed",
            "a_store_that_is_away_takes_no_sets",
        ],
    ),
    (
        FailuresAreNobodys,
        &[
            "failures_name_the_node",
            "a_store_that_is_away_cannot_be_subscribed_to",
            "a_store_that_is_away_counts_nothing",
            "a_store_that_is_away_cannot_be_surveyed",
            "a_store_that_is_away_takes_no_sets",
        ],
    ),
    (NeedsWhatWasPrepared, &["a_store_may_forget_what_was_prepared"]),
    (NeverReconnects, &["a_cut_connection_is_made_again", "streams_end_with_their_connection"]),
    (ShowsThePassword, &["no_credentials_are_shown"]),
    (
        ChangesItsLabel,
        &[
            "failures_name_the_node",
            "the_label_is_stable",
            "a_store_that_is_away_cannot_be_subscribed_to",
            "a_store_that_is_away_counts_nothing",
            "a_store_that_is_away_cannot_be_surveyed",
            "a_store_that_is_away_takes_no_sets",
        ],
    ),
    (
        EachNodeHasItsOwnStore,
        &[
            "extending_gives_no_end_to_what_has_none",
            "one_of_many_who_ask_at_once_is_granted",
            "no_two_hold_at_once",
            "an_extension_revives_nothing",
            "a_foreign_key_is_a_failure",
            "a_store_that_is_away_is_a_failure",
            "all_nodes_of_a_store_see_the_same",
            "one_store_has_one_identity",
            "all_who_have_subscribed_hear",
            "listeners_are_counted",
            "subscribed_means_nothing_is_missed",
            "streams_end_with_their_connection",
            "a_store_that_is_away_cannot_be_subscribed_to",
            "a_foreign_key_is_not_counted",
            "a_store_that_is_away_counts_nothing",
            "a_foreign_key_is_not_reset",
            "a_store_that_is_away_cannot_be_surveyed",
            "nothing_is_granted_in_quarantine",
            "what_outlives_a_quarantine_is_rejected",
            "overlapping_sets_exclude_each_other",
            "a_foreign_key_keeps_a_set_from_being_taken",
            "a_store_that_is_away_takes_no_sets",
        ],
    ),
    (IdentityOfTheConnection, &["one_store_has_one_identity", "two_stores_have_two_identities"]),
    (IdentityOfTheProgram, &["two_stores_have_two_identities"]),
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
    (ListsAllAtOnce, &["a_page_is_a_piece"]),
    (
        ListsTheFirstPageAgain,
        &[
            "a_listing_tells_what_is_held",
            "a_listing_tells_what_begins_so",
            "a_page_is_a_piece",
            "what_stays_is_listed_whatever_comes_and_goes",
        ],
    ),
    (ListsWhatIsBeside, &["what_lies_beside_locks_is_not_listed"]),
    (ListsForeignKeys, &["a_foreign_key_is_not_listed"]),
    (ListsByPatterns, &["a_listing_tells_what_begins_so"]),
    (ListsWhatHasEnded, &["a_listing_tells_what_is_held", "a_page_is_a_piece"]),
    (PagesAreCounted, &["what_stays_is_listed_whatever_comes_and_goes"]),
    (
        ResetsNothing,
        &[
            "a_reset_frees_and_tells_whose_it_was",
            "who_was_reset_has_nothing_any_more",
            "a_reset_tells_who_has_subscribed",
        ],
    ),
    (ResetsTellWhoAsked, &["a_reset_frees_and_tells_whose_it_was"]),
    (
        ResetsAllOfThem,
        &["what_stays_is_listed_whatever_comes_and_goes", "who_was_reset_has_nothing_any_more"],
    ),
    (ResetsTellNobody, &["a_reset_tells_who_has_subscribed"]),
    (
        TrustsWhatRestarts,
        &["nothing_is_granted_in_quarantine", "what_outlives_a_quarantine_is_rejected"],
    ),
    (QuarantineIsARefusal, &["nothing_is_granted_in_quarantine"]),
    (CutsWhatWouldOutliveQuarantine, &["what_outlives_a_quarantine_is_rejected"]),
    (
        SetsAreNeverTaken,
        &[
            "all_of_a_set_are_taken",
            "a_set_that_is_taken_again_stays_as_it_is",
            "extending_a_set_lengthens_all_of_it",
            "a_set_with_a_gap_is_not_extended",
            "releasing_a_set_gives_up_what_is_its_own",
            "overlapping_sets_exclude_each_other",
            "names_of_a_set_are_not_run_together",
            "the_release_of_a_set_tells_of_each",
            "a_store_that_is_away_takes_no_sets",
        ],
    ),
    (SetsAreTakenInPart, &["a_set_is_taken_whole_or_not_at_all"]),
    (
        SetsTakeTheFirst,
        &[
            "all_of_a_set_are_taken",
            "a_set_is_taken_whole_or_not_at_all",
            "a_set_that_is_taken_again_stays_as_it_is",
            "extending_a_set_lengthens_all_of_it",
            "a_set_with_a_gap_is_not_extended",
            "releasing_a_set_gives_up_what_is_its_own",
            "overlapping_sets_exclude_each_other",
            "names_of_a_set_are_not_run_together",
            "the_release_of_a_set_tells_of_each",
        ],
    ),
    (SetsRenewWhatTheyHave, &["a_set_that_is_taken_again_stays_as_it_is"]),
    (
        SetsCheckThenAct,
        &["a_set_that_is_taken_again_stays_as_it_is", "overlapping_sets_exclude_each_other"],
    ),
    (
        SetsExtendTheFirst,
        &["extending_a_set_lengthens_all_of_it", "a_set_with_a_gap_is_not_extended"],
    ),
    (SetsExtendWhatIsLeft, &["a_set_with_a_gap_is_not_extended"]),
    (SetsCloseTheirGaps, &["a_set_with_a_gap_is_not_extended"]),
    (
        SetsAreReleasedWholeOrNotAtAll,
        &["releasing_a_set_gives_up_what_is_its_own", "the_release_of_a_set_tells_of_each"],
    ),
    (
        SetsReleaseOthers,
        &["releasing_a_set_gives_up_what_is_its_own", "the_release_of_a_set_tells_of_each"],
    ),
    (
        SetsRunNamesTogether,
        &[
            "all_of_a_set_are_taken",
            "a_set_is_taken_whole_or_not_at_all",
            "a_set_that_is_taken_again_stays_as_it_is",
            "extending_a_set_lengthens_all_of_it",
            "a_set_with_a_gap_is_not_extended",
            "releasing_a_set_gives_up_what_is_its_own",
            "overlapping_sets_exclude_each_other",
            "names_of_a_set_are_not_run_together",
            "the_release_of_a_set_tells_of_each",
        ],
    ),
    (SetsAlwaysTell, &["the_release_of_a_set_tells_of_each"]),
    (SetsTellNobody, &["the_release_of_a_set_tells_of_each"]),
    (SetsTellOfTheFirst, &["the_release_of_a_set_tells_of_each"]),
    (SetsTellOfAll, &["the_release_of_a_set_tells_of_each"]),
    (SetsMiscountListeners, &["the_release_of_a_set_tells_of_each"]),
    (
        SetsPassOverFailures,
        &["a_foreign_key_keeps_a_set_from_being_taken", "a_store_that_is_away_takes_no_sets"],
    ),
    (DroppedSetsComeLate, &["a_dropped_set_is_given_up_by_its_release"]),
];
