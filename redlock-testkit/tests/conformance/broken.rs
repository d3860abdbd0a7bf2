//! For each rule there is a node that breaks it, and each broken node breaks what it should.

mod accord;
mod counting;
mod locks;
mod notices;
mod quarantine;
mod sets;
mod survey;

use std::collections::BTreeSet;

use redlock_testkit::conformance::{Finding, Report, Rule};

use crate::{
    defect::Defect::{self, NeverAnswers},
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
    for (defect, expected) in EXPECTED.iter().copied().flatten() {
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
    let broken: BTreeSet<_> =
        EXPECTED.iter().copied().flatten().flat_map(|(_, rules)| *rules).copied().collect();
    let rules: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(broken, rules);
}

/// Each defect, and the rules that it breaks, in the order of [`Rule::ALL`].
type Expected = &'static [(Defect, &'static [&'static str])];

/// By what is broken.
const EXPECTED: [Expected; 7] = [
    locks::EXPECTED,
    notices::EXPECTED,
    counting::EXPECTED,
    survey::EXPECTED,
    quarantine::EXPECTED,
    sets::EXPECTED,
    accord::EXPECTED,
];
