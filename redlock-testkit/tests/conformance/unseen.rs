//! Nothing goes unseen: neither a broken rule, nor one that was not asked.

use redlock_testkit::{
    MemoryNode,
    conformance::{Finding, Report, Rule, assert_conforms},
};

use crate::{defect::Defect, memory::Memory, store::Full};

#[tokio::test(start_paused = true)]
#[should_panic(expected = "A released resource is free. But the resource is not free.")]
async fn a_broken_rule_fails_its_test() {
    let subject = Full::new(Some(Defect::ReleaseDoesNothing));
    assert_conforms("releasing_frees", &subject, &[]).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "could not be asked: nothing is prepared in the store")]
async fn a_rule_that_cannot_be_asked_fails_unless_it_is_listed() {
    let rule = "a_store_may_forget_what_was_prepared";
    assert_conforms(rule, &Memory(MemoryNode::named("a")), &[]).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "releasing_frees is listed as lacking, and holds")]
async fn a_rule_that_can_be_asked_must_not_be_listed() {
    assert_conforms("releasing_frees", &Full::new(None), &["releasing_frees"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_asks_for_notices_is_not_applicable_to_a_node_without_them_and_listed_in_a_word() {
    let mute = || {
        let node = MemoryNode::named("a");
        node.mute();
        Memory(node)
    };
    let report = Report::of("mute", async || mute()).await;
    let mut unable = 0;
    for (_, rule, finding) in report.findings() {
        if *finding == Finding::NotApplicable("the node does not tell of releases".into()) {
            assert_conforms(rule.name(), &mute(), &["notifications"]).await;
            unable += 1;
        }
    }
    assert_eq!(unable, 17);
    assert!(report.is_sound());
}

#[tokio::test(start_paused = true)]
async fn what_asks_for_counters_is_not_applicable_to_a_node_without_them_and_listed_in_a_word() {
    let innumerate = || {
        let node = MemoryNode::named("a");
        node.stop_counting();
        Memory(node)
    };
    let report = Report::of("innumerate", async || innumerate()).await;
    let mut unable = 0;
    for (_, rule, finding) in report.findings() {
        if *finding == Finding::NotApplicable("the node does not count holders".into()) {
            assert_conforms(rule.name(), &innumerate(), &["fencing"]).await;
            unable += 1;
        }
    }
    assert_eq!(unable, 16);
    assert!(report.is_sound());
}

#[tokio::test(start_paused = true)]
async fn what_asks_for_sets_is_not_applicable_to_a_node_without_them_and_listed_in_a_word() {
    let single = || {
        let node = MemoryNode::named("a");
        node.take_one_at_a_time();
        Memory(node)
    };
    let report = Report::of("single", async || single()).await;
    let mut unable = 0;
    for (_, rule, finding) in report.findings() {
        if *finding == Finding::NotApplicable("the node takes one resource at a time".into()) {
            assert_conforms(rule.name(), &single(), &["sets"]).await;
            unable += 1;
        }
    }
    assert_eq!(unable, 12);
    assert!(report.is_sound());
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "listeners_are_counted is listed as lacking, and holds")]
async fn a_node_that_has_notices_must_not_be_said_to_lack_them() {
    let able = Memory(MemoryNode::named("a"));
    assert_conforms("listeners_are_counted", &able, &["notifications"]).await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "there is no rule releasing_freezes")]
async fn a_rule_that_is_misspelt_is_found() {
    assert_conforms("releasing_frees", &Full::new(None), &["releasing_freezes"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_report_shows_what_is_broken_and_what_was_not_asked() {
    let broken = Some(Defect::ReleaseDoesNothing);
    let memory = Report::of("memory", async || Memory(MemoryNode::named("a"))).await;
    assert!(memory.is_sound());
    let report = memory.beside(Report::of("bad", async || Full::new(broken)).await);
    assert!(!report.is_sound());
    let text = report.to_string();
    let row = |rule: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("| {rule} "))).unwrap();
        line.split('|').skip(2).take(2).map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(row("a_free_resource_is_granted"), ["holds", "holds"]);
    assert_eq!(row("releasing_frees"), ["holds", "BROKEN"]);
    assert_eq!(row("no_credentials_are_shown"), ["n/a", "holds"]);
    assert!(text.contains("* bad: releasing_frees is broken: A released resource is free. But"));
    assert!(text.contains("* memory: no_credentials_are_shown is not applicable: the node is"));
}

#[test]
fn every_rule_has_a_name_of_its_own_and_a_sentence() {
    for rule in Rule::ALL {
        assert_eq!(Rule::named(rule.name()).unwrap().demand(), rule.demand());
        assert!(rule.demand().ends_with('.'), "{rule:?}");
    }
    assert!(Rule::named("no_such_rule").is_none());
}
