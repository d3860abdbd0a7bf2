//! What [`Fencing`](redlock_core::Fencing) owes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::FutureExt;
use redlock_core::{Fence, Fencing, LockNode, Refusal, Resource, Token, Ttl, Vote};

use super::stage::{MINUTE, Stage, Stop, ensure, millis, refused, resource, token};

pub(super) async fn each_grant_counts_one_more(stage: &Stage<'_>) -> Result<(), Stop> {
    let name = resource("r");
    let mut last = None;
    for number in 0..5 {
        let mine = token(format!("mine {number}"));
        let counter = grant(stage, &name, &mine, Fence::default()).await?;
        let grown = last.is_none_or(|last| counter == after(last, 1));
        ensure!(grown, "a grant told {counter} after {last:?}.");
        last = Some(counter);
        give_up(stage, &name, &mine).await?;
    }
    Ok(())
}

/// Also by a later hint: who has the resource already is no other holder.
pub(super) async fn asking_again_counts_nothing(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let first = grant(stage, &name, &mine, Fence::default()).await?;
    for hint in [Fence::default(), first, after(first, 7)] {
        let again = grant(stage, &name, &mine, hint).await?;
        ensure!(again == first, "the holder's own token was told {again} after {first}.");
    }
    give_up(stage, &name, &mine).await?;
    let next = grant(stage, &name, &mine, Fence::default()).await?;
    ensure!(next == after(first, 1), "the next grant told {next} after {first}.");
    Ok(())
}

pub(super) async fn refusals_tell_the_counter(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, theirs) = (resource("r"), token("theirs"));
    for _ in 0..2 {
        let counter = grant(stage, &name, &theirs, Fence::default()).await?;
        let told = refusal(stage, &name, &token("mine")).await?;
        ensure!(told == Some(counter), "a refusal told {told:?} of {counter}.");
        stage.held(&name, &theirs).await?;
        give_up(stage, &name, &theirs).await?;
    }
    Ok(())
}

pub(super) async fn counters_outlive_their_keys(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let first = grant_for(stage, &name, &mine, Fence::default(), millis(30)).await?;
    stage.wait_until_free(&name).await?;
    let second = grant(stage, &name, &mine, Fence::default()).await?;
    ensure!(second == after(first, 1), "{first} was followed by {second} when its key had ended.");
    give_up(stage, &name, &mine).await?;
    stage.sleep(Duration::from_millis(100)).await;
    let third = grant(stage, &name, &mine, Fence::default()).await?;
    ensure!(third == after(second, 1), "{second} was followed by {third} after its release.");
    Ok(())
}

/// By the clock of the store, of which no more is known than that it is not far from right.
pub(super) async fn counters_begin_at_the_clock(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, start) = (token("mine"), stage.now());
    let first = grant(stage, &resource("first"), &mine, Fence::default()).await?;
    ensure!((YEAR_2001..YEAR_2200).contains(&first.get()), "the first number is {first}.");
    stage.sleep(Duration::from_millis(50)).await;
    let second = grant(stage, &resource("second"), &mine, Fence::default()).await?;
    let (apart, most) = (second.get().checked_sub(first.get()), stage.now().since(start));
    let apart = apart.map(Duration::from_micros);
    let (least, most) = (Duration::from_millis(40), most + Duration::from_millis(20));
    ensure!(
        apart.is_some_and(|apart| (least..=most).contains(&apart)),
        "counters that began 50 to {} ms apart told {first} and {second}.",
        most.as_millis()
    );
    Ok(())
}

pub(super) async fn a_hint_lifts_the_counter(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let first = grant(stage, &name, &mine, Fence::default()).await?;
    give_up(stage, &name, &mine).await?;
    let hint = after(first, 1_000_000_000);
    let second = grant(stage, &name, &mine, hint).await?;
    ensure!(second == after(hint, 1), "with {hint} for a hint, the number was {second}.");
    give_up(stage, &name, &mine).await?;
    let third = grant(stage, &name, &mine, first).await?;
    ensure!(third == after(second, 1), "an old hint made {third} follow {second}.");
    // Also where there is no counter yet.
    let (new, hint) = (resource("new"), after(first, 2_000_000_000));
    let fourth = grant(stage, &new, &mine, hint).await?;
    ensure!(fourth == after(hint, 1), "with {hint} for a hint, the first number was {fourth}.");
    Ok(())
}

/// One that is further ahead of the clock than a day.
pub(super) async fn an_absurd_hint_is_ignored(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let first = grant(stage, &name, &mine, Fence::default()).await?;
    let mut last = first;
    for hint in [Fence::MAX, Fence::MAX.before(), after(first, 2 * DAY)] {
        give_up(stage, &name, &mine).await?;
        let next = grant(stage, &name, &mine, hint).await?;
        ensure!(next == after(last, 1), "with {hint} for a hint, {next} followed {last}.");
        last = next;
    }
    Ok(())
}

pub(super) async fn raising_tells_what_the_counter_then_is(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let first = grant(stage, &name, &mine, Fence::default()).await?;
    let high = after(first, 1000);
    for (to, expected) in [(first, first), (high, high), (after(first, 5), high), (high, high)] {
        let vote = able(stage)?.raise(&name, &mine, to).await?;
        ensure!(vote == Vote::counted(expected), "raised to {to} it told {vote:?}.");
        let told = refusal(stage, &name, &token("theirs")).await?;
        ensure!(told == Some(expected), "raised to {to}, a refusal told {told:?}.");
    }
    stage.held(&name, &mine).await?;
    give_up(stage, &name, &mine).await?;
    let next = grant(stage, &name, &mine, Fence::default()).await?;
    ensure!(next == after(high, 1), "{high}, to which it was raised, was followed by {next}.");
    Ok(())
}

pub(super) async fn only_the_holder_raises(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine, theirs) = (resource("r"), token("mine"), token("theirs"));
    let first = grant(stage, &name, &theirs, Fence::default()).await?;
    let high = after(first, 1000);
    refused(able(stage)?.raise(&name, &mine, high).await?)?;
    let told = refusal(stage, &name, &mine).await?;
    ensure!(told == Some(first), "another token raised {first} to {told:?}.");
    give_up(stage, &name, &theirs).await?;
    let vote = able(stage)?.raise(&name, &theirs, high).await?;
    ensure!(vote == Vote::not_held(), "raising what nobody holds was answered with {vote:?}.");
    stage.free(&name).await?;
    let next = grant(stage, &name, &mine, Fence::default()).await?;
    ensure!(next == after(first, 1), "{next} followed {first}, which nobody could raise.");
    Ok(())
}

pub(super) async fn counters_are_exact_to_the_end(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    grant(stage, &name, &mine, Fence::default()).await?;
    for to in [Fence::MAX.before().before().before(), Fence::MAX.before()] {
        let vote = able(stage)?.raise(&name, &mine, to).await?;
        ensure!(vote == Vote::counted(to), "raised to {to} it told {vote:?}.");
        let told = refusal(stage, &name, &token("theirs")).await?;
        ensure!(told == Some(to), "raised to {to}, a refusal told {told:?}.");
    }
    give_up(stage, &name, &mine).await?;
    let last = grant(stage, &name, &mine, Fence::default()).await?;
    ensure!(last == Fence::MAX, "the number after {} is {last}.", Fence::MAX.before());
    Ok(())
}

pub(super) async fn counted_and_plain_locks_exclude_each_other(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    let (mine, theirs) = (token("mine"), token("theirs"));
    let plain = resource("plain");
    stage.take(&plain, &theirs).await?;
    refusal(stage, &plain, &mine).await?;
    stage.held(&plain, &theirs).await?;

    let counted = resource("counted");
    let first = grant(stage, &counted, &theirs, Fence::default()).await?;
    refused(stage.node.acquire(&counted, &mine, *MINUTE).await?)?;
    stage.held(&counted, &theirs).await?;
    // All that is done to a plain lock can be done to this one.
    let vote = stage.node.extend(&counted, &theirs, *MINUTE).await?;
    ensure!(vote == Vote::granted(), "a counted lock was extended with {vote:?}.");
    give_up(stage, &counted, &theirs).await?;
    stage.free(&counted).await?;
    stage.take(&counted, &mine).await?;
    give_up(stage, &counted, &mine).await?;
    let next = grant(stage, &counted, &mine, Fence::default()).await?;
    ensure!(next > first, "after a plain lock, {next} followed {first}.");
    Ok(())
}

/// Whatever a counter is called, it is no lock, and nobody else's counter.
pub(super) async fn counters_are_independent(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, first) = (token("mine"), resource("r"));
    let counter = grant(stage, &first, &mine, Fence::default()).await?;
    let high = after(counter, DAY / 2);
    able(stage)?.raise(&first, &mine, high).await?;
    let names = ["R", "r ", "{r}", "r:fence", "{r}:fence", "fence:r", "fence:{r}", "r:counter"];
    for name in names.map(resource) {
        let other = grant(stage, &name, &mine, Fence::default()).await?;
        ensure!(other < high, "the first number of {name:?} is {other}, as that of {first:?}.");
    }
    let told = refusal(stage, &first, &token("theirs")).await?;
    ensure!(told == Some(high), "the counter of {first:?} is {told:?} where it was {high}.");
    Ok(())
}

/// Many ask at once, again and again: each number is told to one holder.
pub(super) async fn no_two_grants_have_one_number(stage: &Stage<'_>) -> Result<(), Stop> {
    able(stage)?;
    let contend = |who: u32, node: Arc<dyn LockNode>| {
        async move {
            let mut numbers = Vec::new();
            for round in 0..ROUNDS {
                let (name, mine) = (resource("r"), token(format!("{who} {round}")));
                let Some(able) = node.fencing() else { return Ok(numbers) };
                let vote = able.acquire_counted(&name, &mine, *MINUTE, Fence::default()).await?;
                if let Vote::Granted { counter, .. } = vote {
                    numbers.extend(counter);
                    node.release(&name, &mine).await?;
                }
            }
            Ok::<_, redlock_core::NodeError>(numbers)
        }
        .boxed()
    };
    let contenders = (0..CONTENDERS).map(|who| contend(who, Arc::clone(&stage.node)));
    let mut seen = BTreeSet::new();
    let mut grants = 0;
    for numbers in stage.at_once(contenders).await? {
        for number in numbers? {
            grants += 1;
            ensure!(seen.insert(number), "two were told {number}.");
        }
    }
    ensure!(grants > 0, "nobody of {CONTENDERS} was granted in {ROUNDS} rounds.");
    let first = seen.first().copied().unwrap_or_default();
    let last = seen.last().copied().unwrap_or_default();
    ensure!(last == after(first, grants - 1), "{grants} grants told {first} to {last}.");
    Ok(())
}

pub(super) async fn a_foreign_key_is_not_counted(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("foreign"), token("mine"));
    let able = able(stage)?;
    stage.subject.put_foreign(&name).await?;
    let before = stage.subject.read_foreign(&name).await?;
    let counted = able.acquire_counted(&name, &mine, *MINUTE, Fence::default()).await;
    ensure!(counted.is_err(), "a foreign key was answered with {counted:?}.");
    let raised = able.raise(&name, &mine, Fence::MAX).await;
    ensure!(raised.is_err(), "raising over a foreign key was answered with {raised:?}.");
    let found = stage.subject.read_foreign(&name).await?;
    ensure!(found == before, "the foreign key has changed.");
    Ok(())
}

pub(super) async fn a_store_that_is_away_counts_nothing(stage: &Stage<'_>) -> Result<(), Stop> {
    let (name, mine) = (resource("r"), token("mine"));
    let able = able(stage)?;
    let first = grant(stage, &name, &mine, Fence::default()).await?;
    stage.subject.take_away().await?;
    let counted = able.acquire_counted(&name, &mine, *MINUTE, first).await.err();
    let raised = able.raise(&name, &mine, first).await.err();
    for (what, error) in [("acquire_counted", counted), ("raise", raised)] {
        let Some(error) = error else {
            return Err(Stop::Broken(format!("{what} was answered by a store that is away.")));
        };
        let (label, named) = (stage.node.label(), error.label());
        ensure!(named == label, "the failure of {what} names {named:?}, not {label:?}.");
    }
    Ok(())
}

fn able<'a>(stage: &'a Stage<'_>) -> Result<&'a dyn Fencing, Stop> {
    let unable = || Stop::NotApplicable("the node does not count holders".into());
    stage.node.fencing().ok_or_else(unable)
}

/// Acquires for a minute, and tells the number; anything but a grant with one breaks the rule.
async fn grant(
    stage: &Stage<'_>,
    name: &Resource,
    token: &Token,
    hint: Fence,
) -> Result<Fence, Stop> {
    grant_for(stage, name, token, hint, *MINUTE).await
}

async fn grant_for(
    stage: &Stage<'_>,
    name: &Resource,
    token: &Token,
    hint: Fence,
    ttl: Ttl,
) -> Result<Fence, Stop> {
    match able(stage)?.acquire_counted(name, token, ttl, hint).await? {
        Vote::Granted { counter: Some(counter), .. } => Ok(counter),
        other => Err(Stop::Broken(format!("a counted acquire was answered with {other:?}."))),
    }
}

/// What is told to this token of the counter, besides that the resource is another's.
async fn refusal(stage: &Stage<'_>, name: &Resource, token: &Token) -> Result<Option<Fence>, Stop> {
    match able(stage)?.acquire_counted(name, token, *MINUTE, Fence::default()).await? {
        Vote::Refused(Refusal::HeldByAnother { counter, .. }) => Ok(counter),
        other => Err(Stop::Broken(format!("another's lock was answered with {other:?}."))),
    }
}

async fn give_up(stage: &Stage<'_>, name: &Resource, token: &Token) -> Result<(), Stop> {
    let vote = stage.node.release(name, token).await?;
    ensure!(vote == Vote::granted(), "the release of a counted lock was answered with {vote:?}.");
    Ok(())
}

const fn after(fence: Fence, more: u64) -> Fence {
    Fence::new(fence.get() + more)
}

/// In microseconds, like the two below.
const DAY: u64 = 24 * 3600 * 1_000_000;

const YEAR_2001: u64 = 1_000_000_000_000_000;

const YEAR_2200: u64 = 7_260_000_000_000_000;

const CONTENDERS: u32 = 8;

const ROUNDS: u32 = 20;
