//! What [`Accord`](redlock_core::Accord) owes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::FutureExt;
use redlock_core::{Accord, Cursor, Vote};

use super::stage::{MINUTE, Stage, Stop, ensure, millis, resource, token};

pub(super) async fn what_was_agreed_first_is_told_to_all(stage: &Stage<'_>) -> Result<(), Stop> {
    let able = able(stage)?;
    let name = resource("fleet");
    let other = stage.subject.open().await;
    agrees(able, "fleet", "first", "first").await?;
    for (node, terms) in [(&stage.node, "first"), (&other, "second"), (&stage.node, "second")] {
        let Some(able) = node.accord() else { return Err(incapable()) };
        let told = able.agree(&name, terms).await?;
        ensure!(told == "first", "after \"first\", {terms:?} was answered with {told:?}.");
    }
    Ok(())
}

pub(super) async fn of_many_who_agree_at_once_all_are_told_the_same(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    able(stage)?;
    let nodes = [Arc::clone(&stage.node), stage.subject.open().await];
    for round in 0..5 {
        let calls = (0..32).map(|number| {
            let (node, name) = (Arc::clone(&nodes[number % 2]), resource(format!("{round}")));
            async move {
                let able = node.accord().ok_or_else(incapable)?;
                Ok::<_, Stop>(able.agree(&name, &format!("terms {number}")).await?)
            }
            .boxed()
        });
        let told = stage.at_once(calls).await?;
        let told = told.into_iter().collect::<Result<BTreeSet<_>, _>>()?;
        ensure!(told.len() == 1, "32 who asked at once were told {told:?}.");
        let one = told.first().is_some_and(|told| told.starts_with("terms "));
        ensure!(one, "32 who asked at once were told {told:?}, which none of them said.");
    }
    Ok(())
}

pub(super) async fn what_is_agreed_has_no_end(stage: &Stage<'_>) -> Result<(), Stop> {
    let able = able(stage)?;
    let (name, mine) = (resource("fleet"), token("mine"));
    agrees(able, "fleet", "first", "first").await?;
    // Locks come and go beside it, also one of its name.
    stage.take_for(&name, &mine, millis(500)).await?;
    stage.wait_until_free(&name).await?;
    stage.sleep(Duration::from_secs(1)).await;
    agrees(able, "fleet", "second", "first").await
}

pub(super) async fn an_agreement_is_no_lock(stage: &Stage<'_>) -> Result<(), Stop> {
    let able = able(stage)?;
    let (name, mine, theirs) = (resource("fleet"), token("mine"), token("theirs"));
    agrees(able, "fleet", "first", "first").await?;
    stage.free(&name).await?;
    stage.take(&name, &mine).await?;
    let vote = stage.node.acquire(&name, &theirs, *MINUTE).await?;
    ensure!(matches!(vote, Vote::Refused(_)), "another's lock was answered with {vote:?}.");
    agrees(able, "fleet", "second", "first").await?;
    if let Some(survey) = stage.node.survey() {
        let whose = survey.reset(&name).await?;
        ensure!(whose.as_ref() == Some(&mine), "what was {mine:?}'s was {whose:?}'s.");
    } else {
        stage.node.release(&name, &mine).await?;
    }
    agrees(able, "fleet", "third", "first").await
}

pub(super) async fn an_agreement_is_not_listed(stage: &Stage<'_>) -> Result<(), Stop> {
    let able = able(stage)?;
    let unlisted = || Stop::NotApplicable("the node cannot be surveyed".into());
    let survey = stage.node.survey().ok_or_else(unlisted)?;
    agrees(able, "fleet", "first", "first").await?;
    let mut from: Option<Cursor> = None;
    for _ in 0..PAGES {
        let page = survey.list("", from.as_ref()).await?;
        let found = page.held.first().map(|held| &held.resource);
        ensure!(found.is_none(), "without a lock, {found:?} was listed.");
        from = page.next;
        if from.is_none() {
            return Ok(());
        }
    }
    Err(Stop::Broken(format!("there was no end after {PAGES} pages.")))
}

pub(super) async fn agreements_are_any_text(stage: &Stage<'_>) -> Result<(), Stop> {
    let able = able(stage)?;
    let texts = ["a", "A", "a b", " a ", "{a}", "'a\"", "%s\n\0", "ключ", "7", "-1"];
    for text in texts {
        agrees(able, text, text, text).await?;
    }
    let long = "long ".repeat(1_000);
    agrees(able, "long", &long, &long).await?;
    for text in texts {
        agrees(able, text, "other", text).await?;
    }
    Ok(())
}

pub(super) async fn a_store_that_is_away_agrees_to_nothing(stage: &Stage<'_>) -> Result<(), Stop> {
    let able = able(stage)?;
    stage.subject.take_away().await?;
    let Err(error) = able.agree(&resource("fleet"), "first").await else {
        return Err(Stop::Broken("agree was answered by a store that is away.".into()));
    };
    let (label, named) = (stage.node.label(), error.label());
    ensure!(named == label, "the failure of agree names {named:?}, not {label:?}.");
    Ok(())
}

fn able<'a>(stage: &'a Stage<'_>) -> Result<&'a dyn Accord, Stop> {
    stage.node.accord().ok_or_else(incapable)
}

fn incapable() -> Stop {
    Stop::NotApplicable("the node keeps no agreements".into())
}

/// Asks for these terms, and is told those that are expected.
async fn agrees(able: &dyn Accord, name: &str, terms: &str, expected: &str) -> Result<(), Stop> {
    let told = able.agree(&resource(name), terms).await?;
    ensure!(told == expected, "{terms:?} under {name:?} was answered with {told:?}.");
    Ok(())
}

/// More than there are in any rule.
const PAGES: usize = 10_000;
