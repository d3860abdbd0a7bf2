use std::{fmt, time::Duration};

use futures::future::{self, BoxFuture, Either};

use super::{
    Subject, accord, acquire, atomic, cancel, counting, expiry, extend, failure, handles, inspect,
    names, notices, quarantine, release, set_notices, sets,
    stage::{Stage, Stop},
    streams, survey,
};

/// One demand of the contract.
#[derive(Clone, Copy)]
pub struct Rule {
    name: &'static str,
    /// The module that has it.
    subject: &'static str,
    demand: &'static str,
    ask: for<'a> fn(&'a Stage<'a>) -> BoxFuture<'a, Result<(), Stop>>,
}

/// What came out when a rule was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The node does what the rule demands.
    Holds,
    /// It does not; in which way.
    Broken(String),
    /// The subject cannot be asked; for which reason.
    NotApplicable(String),
}

impl Rule {
    /// The rule of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name == name)
    }

    /// Its name, a sentence in snake case: the name of the test that asks it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// What it demands.
    #[must_use]
    pub const fn demand(self) -> &'static str {
        self.demand
    }

    /// Whether this name in a list means this rule: its own, or that of an ability for all that ask
    /// a node which has it.
    pub(super) fn is_meant_by(self, listed: &str) -> bool {
        let abilities: &[&str] = match (self.subject, self.name) {
            ("notices" | "streams", _) => &[NOTIFICATIONS],
            ("counting", _) => &[FENCING],
            ("quarantine", _) => &[QUARANTINE],
            ("sets", _) => &[SETS],
            ("set_notices", _) => &[SETS, NOTIFICATIONS],
            (_, "what_lies_beside_locks_is_not_listed") => &[SURVEY, FENCING],
            (_, "a_reset_tells_who_has_subscribed") => &[SURVEY, NOTIFICATIONS],
            ("survey", _) => &[SURVEY],
            (_, "an_agreement_is_not_listed") => &[ACCORD, SURVEY],
            ("accord", _) => &[ACCORD],
            _ => &[],
        };
        listed == self.name || abilities.contains(&listed)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rule").field(&self.name).finish()
    }
}

/// Asks a rule of this subject, which should be new.
///
/// A rule that is not finished after two minutes on the subject's clock is broken.
///
/// # Cancel safety
///
/// Dropped, it leaves the store as it is.
pub async fn check(rule: Rule, subject: &dyn Subject) -> Finding {
    let asked = async {
        let stage = Stage::new(subject).await;
        (rule.ask)(&stage).await
    };
    let runtime = subject.runtime();
    let limit = runtime.sleep_until(runtime.now().after(PATIENCE));
    match future::select(Box::pin(asked), limit).await {
        Either::Left((Ok(()), _)) => Finding::Holds,
        Either::Left((Err(Stop::Broken(how)), _)) => Finding::Broken(how),
        Either::Left((Err(Stop::NotApplicable(why)), _)) => Finding::NotApplicable(why),
        Either::Right(_) => Finding::Broken(format!("not finished after {PATIENCE:?}")),
    }
}

/// The rules, at the one place where they are listed: gives them to the macro `then`.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_rules {
    ({ $($then:tt)* } $input:tt) => {
        $($then)*! { $input
            a_free_resource_is_granted in acquire:
                "Who acquires what is free gets it.";
            acquiring_again_is_granted in acquire:
                "A token that has the resource is granted it again: its first reply may be lost.";
            the_first_expiry_stands in acquire:
                "Acquiring again changes nothing about when the lock ends.";
            another_token_is_refused in acquire:
                "A held resource is refused to any other token, and stays with its holder.";
            a_refusal_tells_how_much_longer in acquire:
                "A refusal tells how much longer the holder has the resource.";
            an_ended_lock_can_be_taken in acquire:
                "When a lock has ended, another token gets the resource.";
            a_lock_is_never_gone_before_its_ttl in expiry:
                "A lock is there for its ttl, to the millisecond.";
            a_lock_is_gone_soon_after_its_ttl in expiry:
                "A lock that nobody extends ends.";
            the_longest_ttl_is_kept_whole in expiry:
                "The longest ttl is neither cut nor wrapped round.";
            extending_lengthens in extend:
                "An extension makes the lifetime at least the ttl from now.";
            extending_never_shortens in extend:
                "An extension for less than is left is granted and changes nothing.";
            extending_never_creates in extend:
                "Extending what nobody holds is refused as not held and creates nothing.";
            extending_anothers_lock_is_refused in extend:
                "An extension under another token is refused and changes nothing.";
            an_ended_lock_is_not_extended in extend:
                "When a lock has ended, its token is told that it is not held.";
            extending_gives_no_end_to_what_has_none in extend:
                "A lock without an end is granted its extension and keeps having none.";
            releasing_frees in release:
                "A released resource is free.";
            releasing_anothers_lock_is_refused in release:
                "A release under another token is refused and changes nothing.";
            releasing_what_is_not_held_is_a_refusal in release:
                "Releasing what is not held is a refusal, never a failure.";
            a_second_release_is_refused in release:
                "Of two releases the second is refused as not held.";
            inspecting_tells_who_has_it in inspect:
                "An inspection tells that a resource is free, or whose it is.";
            inspecting_tells_how_much_longer in inspect:
                "An inspection tells how much longer the holder has the resource.";
            inspecting_changes_nothing in inspect:
                "An inspection leaves holder and lifetime as they are.";
            one_of_many_who_ask_at_once_is_granted in atomic:
                "Of many tokens that ask at once, exactly one is granted.";
            no_two_hold_at_once in atomic:
                "While one token acquires and releases, no other holds.";
            two_releases_at_once_free_once in atomic:
                "Of two releases at once one is granted, and neither frees the next holder's lock.";
            an_extension_revives_nothing in atomic:
                "An extension during the release of its lock does not touch the next holder's.";
            tokens_are_any_bytes in names:
                "A token may be any bytes, and comes back as it is.";
            resources_are_any_text in names:
                "A resource may be any text.";
            resources_are_independent in names:
                "Resources of different names, however similar, are different.";
            a_call_may_be_dropped_at_any_poll in cancel:
                "After a call was dropped, at whatever poll, the node works.";
            a_dropped_acquire_does_not_overtake_its_release in cancel:
                "What a dropped acquire takes, a later release by the same node gives up.";
            a_foreign_key_is_never_touched in failure:
                "What no lock made is neither overwritten, nor given an end, nor deleted.";
            a_foreign_key_is_a_failure in failure:
                "Where something is that no lock made, the node fails; that is no vote.";
            a_store_that_is_away_is_a_failure in failure:
                "A store that cannot be reached makes the node fail; that is no vote.";
            failures_name_the_node in failure:
                "A failure carries the label of its node.";
            a_store_may_forget_what_was_prepared in failure:
                "A store that forgets what was prepared in it costs no vote.";
            a_cut_connection_is_made_again in failure:
                "When its connection was cut, the node connects again by itself.";
            no_credentials_are_shown in handles:
                "Neither the label, nor Debug, nor a failure shows a secret.";
            the_label_is_stable in handles:
                "The label is not empty and does not change.";
            all_nodes_of_a_store_see_the_same in handles:
                "What one node of a store does, another one sees.";
            one_store_has_one_identity in handles:
                "Two nodes of one store have the same identity.";
            two_stores_have_two_identities in handles:
                "Nodes of different stores have different identities.";
            announcing_a_release_frees in notices:
                "A release that is announced is a release like any other.";
            a_release_tells_who_has_subscribed in notices:
                "An announced release tells once, and of its own holder if of any.";
            a_notification_tells_and_changes_nothing in notices:
                "A notification tells who has subscribed, and leaves the lock as it is.";
            a_refused_release_tells_nobody in notices:
                "An announced release that deletes nothing tells nobody.";
            a_plain_release_tells_nobody in notices:
                "A release that is not to be announced tells nobody.";
            notices_wake_only_their_own in notices:
                "Notices of a resource are heard by nobody else, whatever its name is made of.";
            all_who_have_subscribed_hear in notices:
                "All who have subscribed to a resource hear, by one node or by several.";
            listeners_are_counted in notices:
                "Where listeners are counted, the count is right.";
            subscribed_means_nothing_is_missed in streams:
                "What is told after a subscription was acknowledged is heard.";
            dropping_a_stream_ends_its_subscription in streams:
                "Dropping a stream ends its subscription.";
            dropping_a_stream_leaves_the_others in streams:
                "Dropping a stream ends no other, of the same resource or of another.";
            a_dropped_subscribe_leaves_nobody_subscribed in streams:
                "A subscribe that was dropped, at whatever poll, leaves nobody subscribed.";
            who_falls_behind_loses_notices_and_keeps_one in streams:
                "Who falls behind loses notices, keeps at least one, and holds up nobody.";
            streams_end_with_their_connection in streams:
                "When its connection is gone, a stream ends.";
            a_store_that_is_away_cannot_be_subscribed_to in streams:
                "A store that cannot be reached makes the calls of notifications fail.";
            each_grant_counts_one_more in counting:
                "Each time that a resource is taken, its counter grows by one.";
            asking_again_counts_nothing in counting:
                "Who has the resource and asks again is told the same number.";
            refusals_tell_the_counter in counting:
                "Who is refused is told the counter too.";
            counters_outlive_their_keys in counting:
                "A counter goes on where it was after release and expiry of its key.";
            counters_begin_at_the_clock in counting:
                "A counter that is not there begins at the clock, in microseconds since 1970.";
            a_hint_lifts_the_counter in counting:
                "The next number is larger than the hint.";
            an_absurd_hint_is_ignored in counting:
                "A hint that is further ahead of the clock than a day changes nothing.";
            raising_tells_what_the_counter_then_is in counting:
                "Raising makes the counter at least so much, never less, and tells what it then is.";
            only_the_holder_raises in counting:
                "Raising under a token that does not have the resource is refused and changes nothing.";
            counters_are_exact_to_the_end in counting:
                "Counters are exact up to the largest fence.";
            counted_and_plain_locks_exclude_each_other in counting:
                "Counted locks and plain ones exclude each other, and are used alike.";
            counters_are_independent in counting:
                "Each resource has a counter of its own, which is nobody's lock.";
            no_two_grants_have_one_number in counting:
                "Of many who ask at once, each holder is told a number of his own.";
            a_foreign_key_is_not_counted in counting:
                "Where something is that no lock made, counting fails and leaves it as it is.";
            a_store_that_is_away_counts_nothing in counting:
                "A store that cannot be reached makes the calls of fencing fail.";
            a_listing_tells_what_is_held in survey:
                "A listing tells each lock that is held, with its token, and no other.";
            a_listing_tells_what_begins_so in survey:
                "A listing tells what begins with the prefix, whatever that is made of.";
            what_lies_beside_locks_is_not_listed in survey:
                "What a node keeps beside its locks is not listed.";
            a_foreign_key_is_not_listed in survey:
                "What no lock made is not listed.";
            a_page_is_a_piece in survey:
                "A page looks at a piece of the store, however much there is.";
            what_stays_is_listed_whatever_comes_and_goes in survey:
                "What is held from the first page to the last is listed, whatever else changes.";
            a_reset_frees_and_tells_whose_it_was in survey:
                "A reset frees the resource, whoever has it, and tells whose it was.";
            who_was_reset_has_nothing_any_more in survey:
                "A token whose resource was reset is told that it is not held; no other is touched.";
            a_reset_tells_who_has_subscribed in survey:
                "A reset tells who has subscribed.";
            a_foreign_key_is_not_reset in survey:
                "Where something is that no lock made, a reset fails and leaves it as it is.";
            a_store_that_is_away_cannot_be_surveyed in survey:
                "A store that cannot be reached makes the calls of a survey fail.";
            nothing_is_granted_in_quarantine in quarantine:
                "A node in quarantine grants nothing, and tells for how much longer.";
            what_outlives_a_quarantine_is_rejected in quarantine:
                "A ttl beyond the longest that a quarantine is for is rejected.";
            all_of_a_set_are_taken in sets:
                "Who acquires several free resources has each of them, as if he had asked for it alone.";
            a_set_is_taken_whole_or_not_at_all in sets:
                "If one resource of a set is another's, that is told, and nothing is taken.";
            a_set_that_is_taken_again_stays_as_it_is in sets:
                "What of a set is the token's already keeps its end, and the rest is taken.";
            extending_a_set_lengthens_all_of_it in sets:
                "An extension of a set makes the lifetime of each at least the ttl, and shortens none.";
            a_set_with_a_gap_is_not_extended in sets:
                "A set of which one is gone, or another's, is not extended, and stays as it is.";
            releasing_a_set_gives_up_what_is_its_own in sets:
                "A release of a set frees what is the token's of it, and is granted if that is all.";
            overlapping_sets_exclude_each_other in sets:
                "Sets that overlap, and single resources, are never had by two at once.";
            names_of_a_set_are_not_run_together in sets:
                "Sets are the same only if their names are, one by one.";
            the_release_of_a_set_tells_of_each in set_notices:
                "An announced release of a set tells once of each that it frees; a plain one tells nobody.";
            a_foreign_key_keeps_a_set_from_being_taken in sets:
                "With something among them that no lock made, a set fails, and that is left alone.";
            a_dropped_set_is_given_up_by_its_release in sets:
                "What a dropped acquire of a set takes, a later release gives up.";
            a_store_that_is_away_takes_no_sets in sets:
                "A store that cannot be reached makes the calls of sets fail.";
            what_was_agreed_first_is_told_to_all in accord:
                "The terms that were written down first under a name are told to all who ask, and stay.";
            of_many_who_agree_at_once_all_are_told_the_same in accord:
                "Of many who ask at once, one has his terms written down, and all are told these.";
            what_is_agreed_has_no_end in accord:
                "What is written down stays, whichever locks come and go.";
            an_agreement_is_no_lock in accord:
                "An agreement lies beside the locks: one of its name is free, and may be taken and reset.";
            an_agreement_is_not_listed in accord:
                "An agreement is not listed.";
            agreements_are_any_text in accord:
                "Names and terms are any text, and each name has terms of its own.";
            a_store_that_is_away_agrees_to_nothing in accord:
                "A store that cannot be reached makes an agreement fail.";
        }
    };
}

macro_rules! table {
    ({} $($name:ident in $module:ident: $demand:literal;)*) => {
        impl Rule {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self {
                name: stringify!($name),
                subject: stringify!($module),
                demand: $demand,
                ask: |stage| Box::pin($module::$name(stage)),
            }),*];
        }
    };
}

crate::conformance_rules! { { table } {} }

/// What a list says that a node lacks which does not tell of releases.
const NOTIFICATIONS: &str = "notifications";

/// What a list says that a node lacks which does not count holders.
const FENCING: &str = "fencing";

/// What a list says that a node lacks whose locks can be neither listed nor reset.
const SURVEY: &str = "survey";

/// What a list says that a node lacks which cannot be in quarantine.
const QUARANTINE: &str = "quarantine";

/// What a list says that a node lacks which takes one resource at a time.
const SETS: &str = "sets";

/// What a list says that a node lacks which keeps no agreements.
const ACCORD: &str = "accord";

/// Far more than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(120);
