//! What breaks the rules of listings and resets.

use super::Expected;
use crate::defect::Defect::*;

pub(super) const EXPECTED: Expected = &[
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
    (ResetsTellWhoAsked, &["a_reset_frees_and_tells_whose_it_was", "an_agreement_is_no_lock"]),
    (
        ResetsAllOfThem,
        &["what_stays_is_listed_whatever_comes_and_goes", "who_was_reset_has_nothing_any_more"],
    ),
    (ResetsTellNobody, &["a_reset_tells_who_has_subscribed"]),
];
