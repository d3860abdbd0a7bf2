//! What breaks the rules of sets.

use super::Expected;
use crate::defect::Defect::*;

pub(super) const EXPECTED: Expected = &[
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
