//! What breaks the rules of quarantine.

use super::Expected;
use crate::defect::Defect::*;

pub(super) const EXPECTED: Expected = &[
    (
        TrustsWhatRestarts,
        &["nothing_is_granted_in_quarantine", "what_outlives_a_quarantine_is_rejected"],
    ),
    (QuarantineIsARefusal, &["nothing_is_granted_in_quarantine"]),
    (CutsWhatWouldOutliveQuarantine, &["what_outlives_a_quarantine_is_rejected"]),
];
