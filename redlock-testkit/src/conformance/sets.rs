//! What a node owes that takes [several resources](redlock_core::Sets) at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use redlock_core::{NodeError, Resource, ResourceSet, Sets, Vote};

use super::stage::{
    MINUTE, Stage, Stop, ensure, millis, plausible, poll_at_most, refused, resource, token, untold,
    yield_now,
};

pub(super) async fn all_of_a_set_are_taken(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, theirs) = (token("mine"), token("theirs"));
    let all = set("abc");
    granted("an acquire", able(stage)?.acquire_all(&all, &mine, *MINUTE).await?)?;
    for name in &all {
        stage.held(name, &mine).await?;
        refused(stage.node.acquire(name, &theirs, *MINUTE).await?)?;
        // As one that was taken alone, it can be kept and given up alone.
        granted("an extension of one", stage.node.extend(name, &mine, *MINUTE).await?)?;
        granted("a release of one", stage.node.release(name, &mine).await?)?;
        stage.take(name, &theirs).await?;
    }
    Ok(())
}

pub(super) async fn a_set_is_taken_whole_or_not_at_all(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, theirs) = (token("mine"), token("theirs"));
    let all = set("abc");
    for taken in &all {
        let before = stage.now();
        stage.take(taken, &theirs).await?;
        let vote = able(stage)?.acquire_all(&all, &mine, *MINUTE).await?;
        if let Some(left) = refused(vote)? {
            plausible(left, *MINUTE, stage.now().since(before))?;
        }
        for free in all.iter().filter(|name| *name != taken) {
            stage.free(free).await?;
        }
        stage.held(taken, &theirs).await?;
        stage.node.release(taken, &theirs).await?;
    }
    Ok(())
}

pub(super) async fn a_set_that_is_taken_again_stays_as_it_is(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    let (mine, hour) = (token("mine"), millis(3_600_000));
    let (some, all) = (set("ab"), set("abc"));
    granted("an acquire", able(stage)?.acquire_all(&some, &mine, *MINUTE).await?)?;
    granted("a second acquire", able(stage)?.acquire_all(&some, &mine, hour).await?)?;
    granted("an acquire of more", able(stage)?.acquire_all(&all, &mine, hour).await?)?;
    for name in &all {
        let left = stage.held(name, &mine).await?.ok_or_else(untold)?;
        let had = some.contains(name);
        ensure!(
            (left <= MINUTE.get() * 2) == had,
            "taken again for an hour, {name:?} has {left:?}."
        );
    }
    Ok(())
}

pub(super) async fn extending_a_set_lengthens_all_of_it(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, hour) = (token("mine"), millis(3_600_000));
    let all = set("abc");
    granted("an acquire", able(stage)?.acquire_all(&all, &mine, *MINUTE).await?)?;
    for (ttl, told) in [(hour, "an extension"), (*MINUTE, "a shorter extension")] {
        granted(told, able(stage)?.extend_all(&all, &mine, ttl).await?)?;
        for name in &all {
            if let Some(left) = stage.held(name, &mine).await? {
                ensure!(left > hour.get() / 2, "after {told} {name:?} has {left:?}.");
            }
        }
    }
    Ok(())
}

pub(super) async fn a_set_with_a_gap_is_not_extended(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, theirs, hour) = (token("mine"), token("theirs"), millis(3_600_000));
    let all = set("abc");
    for gap in &all {
        able(stage)?.acquire_all(&all, &mine, *MINUTE).await?;
        granted("a release of one", stage.node.release(gap, &mine).await?)?;
        let vote = able(stage)?.extend_all(&all, &mine, hour).await?;
        ensure!(vote == Vote::not_held(), "with {gap:?} gone, an extension got {vote:?}.");
        stage.free(gap).await?;
        stage.take(gap, &theirs).await?;
        refused(able(stage)?.extend_all(&all, &mine, hour).await?)?;
        let left = stage.held(gap, &theirs).await?;
        let mut lefts = vec![left];
        for name in all.iter().filter(|name| *name != gap) {
            lefts.push(stage.held(name, &mine).await?);
        }
        let longest = lefts.into_iter().flatten().max().unwrap_or_default();
        ensure!(longest <= MINUTE.get() * 2, "an extension in vain left {longest:?}.");
        stage.node.release(gap, &theirs).await?;
        able(stage)?.release_all(&all, &mine).await?;
    }
    Ok(())
}

pub(super) async fn releasing_a_set_gives_up_what_is_its_own(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    let (mine, theirs) = (token("mine"), token("theirs"));
    let (all, able) = (set("abc"), able(stage)?);
    granted("an acquire", able.acquire_all(&all, &mine, *MINUTE).await?)?;
    granted("the release", able.release_all(&all, &mine).await?)?;
    let vote = able.release_all(&all, &mine).await?;
    ensure!(vote == Vote::not_held(), "a second release got {vote:?}.");
    for odd in &all {
        able.acquire_all(&all, &mine, *MINUTE).await?;
        stage.node.release(odd, &mine).await?;
        stage.take(odd, &theirs).await?;
        refused(able.release_all(&all, &mine).await?)?;
        for name in all.iter().filter(|name| *name != odd) {
            stage.free(name).await?;
        }
        stage.held(odd, &theirs).await?;
        stage.node.release(odd, &theirs).await?;
    }
    Ok(())
}

/// Each resource has one holder, whoever asks for it alone or in which set.
pub(super) async fn overlapping_sets_exclude_each_other(stage: &Stage<'_>) -> Result<(), Stop> {
    able(stage)?;
    let nodes = [Arc::clone(&stage.node), stage.subject.open().await];
    let wanted = ["ab", "bc", "ca", "abc", "b"].map(set);
    let holders: Arc<[AtomicUsize]> = (0..3).map(|_| AtomicUsize::new(0)).collect();
    let (most, grants) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let everything = set("abc");
    let workers = (0..10).map(|number| {
        let (node, wanted) = (Arc::clone(&nodes[number % 2]), wanted[number % 5].clone());
        let (holders, most, grants) =
            (Arc::clone(&holders), Arc::clone(&most), Arc::clone(&grants));
        let places: Vec<_> =
            everything.iter().enumerate().filter(|(_, name)| wanted.contains(name)).collect();
        let places: Vec<_> = places.into_iter().map(|(place, _)| place).collect();
        async move {
            for attempt in 0..25 {
                let mine = token(format!("{number}/{attempt}"));
                let Some(able) = node.sets() else { return Ok(()) };
                if able.acquire_all(&wanted, &mine, *MINUTE).await? == Vote::granted() {
                    grants.fetch_add(1, Ordering::SeqCst);
                    for place in &places {
                        let now = holders[*place].fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                    }
                    yield_now().await;
                    for place in &places {
                        holders[*place].fetch_sub(1, Ordering::SeqCst);
                    }
                    able.release_all(&wanted, &mine).await?;
                }
                yield_now().await;
            }
            Ok::<_, NodeError>(())
        }
        .boxed()
    });
    stage.at_once(workers).await?.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (most, grants) = (most.load(Ordering::SeqCst), grants.load(Ordering::SeqCst));
    ensure!(most <= 1, "{most} held one resource at once.");
    ensure!(grants > 0, "nobody of ten got his set in 25 rounds.");
    Ok(())
}

pub(super) async fn names_of_a_set_are_not_run_together(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, theirs) = (token("mine"), token("theirs"));
    let (first, second) = (of(&["{s}a", "{s}bc"]), of(&["{s}ab", "{s}c"]));
    let able = able(stage)?;
    granted("an acquire", able.acquire_all(&first, &mine, *MINUTE).await?)?;
    granted("one of other names", able.acquire_all(&second, &theirs, *MINUTE).await?)?;
    for name in &first {
        stage.held(name, &mine).await?;
    }
    for name in &second {
        stage.held(name, &theirs).await?;
    }
    Ok(())
}

pub(super) async fn a_foreign_key_keeps_a_set_from_being_taken(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    let mine = token("mine");
    let (all, able) = (set("abc"), able(stage)?);
    let [first, foreign, last] = all.as_slice() else { return Ok(()) };
    stage.subject.put_foreign(foreign).await?;
    let before = stage.subject.read_foreign(foreign).await?;
    let acquired = able.acquire_all(&all, &mine, *MINUTE).await;
    ensure!(acquired.is_err(), "a foreign key among them was answered with {acquired:?}.");
    for name in [first, last] {
        stage.free(name).await?;
        stage.take(name, &mine).await?;
    }
    let extended = able.extend_all(&all, &mine, *MINUTE).await;
    ensure!(extended.is_err(), "with a foreign key an extension was answered with {extended:?}.");
    let released = able.release_all(&all, &mine).await;
    ensure!(released.is_err(), "with a foreign key a release was answered with {released:?}.");
    for name in [first, last] {
        stage.free(name).await?;
    }
    let found = stage.subject.read_foreign(foreign).await?;
    ensure!(found == before, "the foreign key has changed.");
    Ok(())
}

pub(super) async fn a_dropped_set_is_given_up_by_its_release(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    let (all, able) = (set("abc"), able(stage)?);
    for polls in 0..MOST_POLLS {
        let mine = token(format!("{polls}"));
        let call = able.acquire_all(&all, &mine, *MINUTE);
        let finished = poll_at_most(call, polls).await.transpose()?.is_some();
        able.release_all(&all, &mine).await?;
        stage.sleep(Duration::from_millis(50)).await;
        for name in &all {
            stage.free(name).await?;
        }
        if finished {
            return Ok(());
        }
    }
    Err(Stop::Broken(format!("an acquire is not finished after {MOST_POLLS} polls.")))
}

pub(super) async fn a_store_that_is_away_takes_no_sets(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, all) = (token("mine"), set("abc"));
    let able = able(stage)?;
    granted("an acquire", able.acquire_all(&all, &mine, *MINUTE).await?)?;
    stage.subject.take_away().await?;
    let calls = [
        ("acquire_all", able.acquire_all(&all, &mine, *MINUTE).await.err()),
        ("extend_all", able.extend_all(&all, &mine, *MINUTE).await.err()),
        ("release_all", able.release_all(&all, &mine).await.err()),
        ("release_all_and_notify", able.release_all_and_notify(&all, &mine).await.err()),
    ];
    for (what, error) in calls {
        let Some(error) = error else {
            return Err(Stop::Broken(format!("{what} was answered by a store that is away.")));
        };
        let (label, named) = (stage.node.label(), error.label());
        ensure!(named == label, "the failure of {what} names {named:?}, not {label:?}.");
    }
    Ok(())
}

pub(super) fn able<'a>(stage: &'a Stage<'_>) -> Result<&'a dyn Sets, Stop> {
    let unable = || Stop::NotApplicable("the node takes one resource at a time".into());
    stage.node.sets().ok_or_else(unable)
}

pub(super) fn granted(what: &str, vote: Vote) -> Result<(), Stop> {
    ensure!(vote == Vote::granted(), "{what} of a set was answered with {vote:?}.");
    Ok(())
}

/// One resource for each letter; a cluster has them all in one slot.
pub(super) fn set(letters: &str) -> ResourceSet {
    let names = letters.chars().map(|letter| resource(format!("{{set}}{letter}")));
    ResourceSet::new(names).expect("there is a letter")
}

fn of(names: &[&str]) -> ResourceSet {
    let names: Vec<Resource> = names.iter().map(|name| resource(*name)).collect();
    ResourceSet::new(names).expect("there is a name")
}

/// More than a call takes that is answered at all.
const MOST_POLLS: u32 = 1_000;
