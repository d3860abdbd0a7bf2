//! What breaks the rules of agreements.

use super::Expected;
use crate::defect::Defect::*;

pub(super) const EXPECTED: Expected = &[
    (
        AgreementsAreOverwritten,
        &[
            "what_was_agreed_first_is_told_to_all",
            "of_many_who_agree_at_once_all_are_told_the_same",
            "what_is_agreed_has_no_end",
            "an_agreement_is_no_lock",
            "agreements_are_any_text",
        ],
    ),
    (AgreementsCheckThenAct, &["of_many_who_agree_at_once_all_are_told_the_same"]),
    (
        AgreementsEcho,
        &[
            "what_was_agreed_first_is_told_to_all",
            "of_many_who_agree_at_once_all_are_told_the_same",
            "what_is_agreed_has_no_end",
            "an_agreement_is_no_lock",
            "agreements_are_any_text",
        ],
    ),
    (AgreementsEnd, &["what_is_agreed_has_no_end"]),
    (
        AgreementsAreLocks,
        &["what_is_agreed_has_no_end", "an_agreement_is_no_lock", "an_agreement_is_not_listed"],
    ),
    (AgreementsAreShared, &["agreements_are_any_text"]),
    (AgreementsAreTrimmed, &["agreements_are_any_text"]),
    (AgreementsNeedNoStore, &["a_store_that_is_away_agrees_to_nothing"]),
    (AgreementsAreListed, &["an_agreement_is_not_listed"]),
];
