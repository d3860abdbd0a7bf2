//! What a user sees of a lock, told once and played by both APIs: each scenario is one body over the
//! trait [`Client`](client::Client), which the async and the blocking API implement; the async one
//! on tokio with one thread and with several, and on smol.
//!
//! On nodes in memory in real time, for a thread that blocks stops no clock: so with short ttls, and
//! with nothing asserted that a busy machine could break.

#![cfg(all(feature = "blocking", feature = "smol"))]
#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

mod asynchronous;
mod blocking;
mod client;
mod compute;
mod end;
mod hold;
mod owner;
mod several;
mod survey;
mod take;
mod threads;

use client::{Nodes, play};

play! {
    take::one_at_a_time
    take::a_second_try_after_the_release
    take::patience_that_ends_and_patience_that_is_rewarded
    take::every_failure_has_its_own_error
    take::settings_that_cannot_be_are_told_before_a_node_is_asked
    take::a_token_of_ones_own
    hold::an_extension_prolongs_and_never_shortens
    hold::renewal_keeps_the_lock_beyond_its_ttl
    hold::a_loss_is_told_with_its_reason
    hold::without_renewal_the_lock_ends_by_itself
    hold::a_longest_hold_ends_it_in_spite_of_renewal
    hold::a_shortest_hold_outlasts_the_release
    end::a_drop_releases
    end::a_body_runs_with_the_lock_and_without_it_afterwards
    end::a_body_that_outlasts_its_lock_is_told
    end::a_body_never_runs_without_the_lock
    end::a_lease_is_handed_on
    end::releasing_what_has_expired_says_so
    owner::guards_are_counted
    owner::a_lost_hold_is_not_revived
    owner::two_owners_compete
    several::a_set_is_had_and_given_up_as_one
    several::an_owner_of_a_set_has_it_again
    survey::who_has_a_lock_is_seen
    survey::a_name_that_is_none_is_told
    survey::a_reset_takes_the_lock_away
    survey::what_is_held_is_listed
    survey::what_begins_so_is_reset
    compute::the_first_computes_and_the_next_finds_it
    compute::a_failure_is_told_and_the_next_has_his_try
}
