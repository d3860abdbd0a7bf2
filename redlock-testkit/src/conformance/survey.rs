//! What [`Survey`](redlock_core::Survey) owes.

use std::collections::BTreeMap;

use redlock_core::{Cursor, FailureKind, Fence, Held, NodeError, Page, Resource, Survey, Vote};

use super::{
    hearing::Ear,
    stage::{MINUTE, Stage, Stop, ensure, plausible, resource, token},
};

pub(super) async fn a_listing_tells_what_is_held(stage: &Stage<'_>) -> Result<(), Stop> {
    let start = stage.now();
    able(stage)?;
    let mut locks = BTreeMap::new();
    for number in 0..30 {
        let (name, mine) = (resource(format!("held {number}")), token(format!("mine {number}")));
        stage.take(&name, &mine).await?;
        locks.insert(name, mine);
    }
    for number in (0..30).step_by(3) {
        let name = resource(format!("held {number}"));
        let mine = locks.remove(&name).expect("it has just been put there");
        stage.node.release(&name, &mine).await?;
    }
    for prefix in ["held ", ""] {
        let found = list(stage, prefix).await?;
        let tokens: BTreeMap<_, _> =
            found.iter().map(|(name, held)| (name.clone(), held.token.clone())).collect();
        ensure!(
            tokens == locks,
            "of {} locks {} were listed: {tokens:?}.",
            locks.len(),
            found.len()
        );
        for Held { remaining, .. } in found.into_values() {
            if let Some(left) = remaining {
                plausible(left, *MINUTE, stage.now().since(start))?;
            }
        }
    }
    Ok(())
}

pub(super) async fn a_listing_tells_what_begins_so(stage: &Stage<'_>) -> Result<(), Stop> {
    able(stage)?;
    let names = [
        "a",
        "A",
        "ab",
        "a*",
        "a*b",
        "a?",
        "a[b]",
        "[ab]",
        "a\\",
        "a\\b",
        "b",
        "{a}",
        "a}",
        "%a",
        "a%",
        "a_",
        "_",
        "'a",
        "^a",
        "-",
        "é",
        "ключ",
        "ключи",
    ];
    for name in names {
        stage.take(&resource(name), &token("mine")).await?;
    }
    for prefix in names.into_iter().chain(["", "nothing", "aa", "*", "?", "[", "\\", "кл"]) {
        let found = list(stage, prefix).await?;
        let mut found: Vec<_> = found.keys().map(Resource::as_str).collect();
        let mut meant: Vec<_> = names.into_iter().filter(|name| name.starts_with(prefix)).collect();
        found.sort_unstable();
        meant.sort_unstable();
        ensure!(found == meant, "of what begins with {prefix:?}, {found:?} was listed.");
    }
    Ok(())
}

pub(super) async fn what_lies_beside_locks_is_not_listed(stage: &Stage<'_>) -> Result<(), Stop> {
    able(stage)?;
    let (name, mine) = (resource("r"), token("mine"));
    let uncounted = || Stop::NotApplicable("the node does not count holders".into());
    let fencing = stage.node.fencing().ok_or_else(uncounted)?;
    for _ in 0..2 {
        let vote = fencing.acquire_counted(&name, &mine, *MINUTE, Fence::default()).await?;
        ensure!(matches!(vote, Vote::Granted { .. }), "what is free was answered with {vote:?}.");
        let found = list(stage, "").await?;
        ensure!(found.keys().eq([&name]), "with one lock, {:?} was listed.", found.keys());
        stage.node.release(&name, &mine).await?;
        let found = list(stage, "").await?;
        ensure!(found.is_empty(), "without a lock, {:?} was listed.", found.keys());
    }
    Ok(())
}

pub(super) async fn a_foreign_key_is_not_listed(stage: &Stage<'_>) -> Result<(), Stop> {
    able(stage)?;
    let (name, mine) = (resource("r"), token("mine"));
    stage.take(&name, &mine).await?;
    stage.subject.put_foreign(&resource("r foreign")).await?;
    let found = list(stage, "r").await?;
    ensure!(found.keys().eq([&name]), "with a foreign key, {:?} was listed.", found.keys());
    Ok(())
}

/// A page in which a store looked through and told everything would hold up all others.
pub(super) async fn a_page_is_a_piece(stage: &Stage<'_>) -> Result<(), Stop> {
    let able = able(stage)?;
    for number in 0..MANY {
        stage.take(&resource(format!("{number}")), &token("mine")).await?;
    }
    let first = piece(able.list("", None).await)?;
    let told = first.held.len();
    ensure!(told <= MANY / 2, "one page has {told} of {MANY} locks.");
    ensure!(first.next.is_some(), "the first page is the last, and has {told} of {MANY} locks.");
    // What is looked for in vain is looked for piece by piece as well.
    let first = piece(able.list("nothing", None).await)?;
    ensure!(first.next.is_some(), "{MANY} locks were looked through for one page.");
    let found = list(stage, "").await?.len();
    ensure!(found == MANY, "of {MANY} locks {found} were listed.");
    Ok(())
}

pub(super) async fn what_stays_is_listed_whatever_comes_and_goes(
    stage: &Stage<'_>,
) -> Result<(), Stop> {
    let able = able(stage)?;
    let mine = token("mine");
    for number in 0..MANY {
        let kind = if number % 4 == 0 { "stays" } else { "goes" };
        // Side by side, in whichever order a store has them.
        stage.take(&resource(format!("{number} {kind}")), &mine).await?;
    }
    let (mut from, mut found, mut come) = (None, BTreeMap::new(), 0);
    for _ in 0..PAGES {
        let page = piece(able.list("", from.as_ref()).await)?;
        for held in page.held {
            if held.resource.as_str().ends_with("goes") {
                able.reset(&held.resource).await?;
            }
            found.insert(held.resource, held.token);
        }
        for _ in 0..5 {
            stage.take(&resource(format!("z {come} comes")), &mine).await?;
            come += 1;
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    ensure!(from.is_none(), "there was no end after {PAGES} pages.");
    let stayed = found.keys().filter(|name| name.as_str().ends_with("stays")).count();
    ensure!(stayed == MANY / 4, "of {} locks that stayed, {stayed} were listed.", MANY / 4);
    Ok(())
}

pub(super) async fn a_reset_frees_and_tells_whose_it_was(stage: &Stage<'_>) -> Result<(), Stop> {
    let able = able(stage)?;
    let name = resource("r");
    let nobodys = able.reset(&name).await?;
    ensure!(nobodys.is_none(), "what nobody had was {nobodys:?}'s.");
    for mine in [&b"mine"[..], b"theirs", b"\xff\0"].map(token) {
        stage.take(&name, &mine).await?;
        let whose = able.reset(&name).await?;
        ensure!(whose.as_ref() == Some(&mine), "what was {mine:?}'s was {whose:?}'s.");
        stage.free(&name).await?;
        let again = able.reset(&name).await?;
        ensure!(again.is_none(), "after a reset it was {again:?}'s.");
    }
    Ok(())
}

pub(super) async fn who_was_reset_has_nothing_any_more(stage: &Stage<'_>) -> Result<(), Stop> {
    let able = able(stage)?;
    let (name, other) = (resource("r"), resource("R"));
    let (mine, theirs) = (token("mine"), token("theirs"));
    stage.take(&name, &mine).await?;
    stage.take(&other, &mine).await?;
    able.reset(&name).await?;
    let extended = stage.node.extend(&name, &mine, *MINUTE).await?;
    let released = stage.node.release(&name, &mine).await?;
    for vote in [extended, released] {
        ensure!(vote == Vote::not_held(), "who was reset was answered {vote:?}.");
    }
    stage.take(&name, &theirs).await?;
    stage.held(&other, &mine).await?;
    Ok(())
}

pub(super) async fn a_reset_tells_who_has_subscribed(stage: &Stage<'_>) -> Result<(), Stop> {
    let (able, name) = (able(stage)?, resource("r"));
    stage.take(&name, &token("mine")).await?;
    let mut ear = Ear::on(&stage.node, &name).await?;
    able.reset(&name).await?;
    ear.hears(stage).await?;
    Ok(())
}

pub(super) async fn a_foreign_key_is_not_reset(stage: &Stage<'_>) -> Result<(), Stop> {
    let (able, name) = (able(stage)?, resource("foreign"));
    stage.subject.put_foreign(&name).await?;
    let before = stage.subject.read_foreign(&name).await?;
    let reset = able.reset(&name).await;
    ensure!(reset.is_err(), "resetting a foreign key was answered with {reset:?}.");
    let found = stage.subject.read_foreign(&name).await?;
    ensure!(found == before, "the foreign key has changed.");
    Ok(())
}

pub(super) async fn a_store_that_is_away_cannot_be_surveyed(stage: &Stage<'_>) -> Result<(), Stop> {
    let (able, name) = (able(stage)?, resource("r"));
    stage.subject.take_away().await?;
    let listed = able.list("", None).await.err();
    let reset = able.reset(&name).await.err();
    for (what, error) in [("list", listed), ("reset", reset)] {
        let Some(error) = error else {
            return Err(Stop::Broken(format!("{what} was answered by a store that is away.")));
        };
        let (label, named) = (stage.node.label(), error.label());
        ensure!(named == label, "the failure of {what} names {named:?}, not {label:?}.");
    }
    Ok(())
}

fn able<'a>(stage: &'a Stage<'_>) -> Result<&'a dyn Survey, Stop> {
    let unable = || Stop::NotApplicable("the node cannot be surveyed".into());
    stage.node.survey().ok_or_else(unable)
}

/// A page; not applicable to a node that says it cannot list, though it may reset.
fn piece(page: Result<Page, NodeError>) -> Result<Page, Stop> {
    match page {
        Err(error) if error.kind() == FailureKind::Unsupported => {
            Err(Stop::NotApplicable("the node cannot list its locks".into()))
        }
        page => Ok(page?),
    }
}

/// Everything that is listed under this prefix, page by page.
async fn list(stage: &Stage<'_>, prefix: &str) -> Result<BTreeMap<Resource, Held>, Stop> {
    let able = able(stage)?;
    let mut found = BTreeMap::new();
    let mut from: Option<Cursor> = None;
    for _ in 0..PAGES {
        let page = piece(able.list(prefix, from.as_ref()).await)?;
        found.extend(page.held.into_iter().map(|held| (held.resource.clone(), held)));
        from = page.next;
        if from.is_none() {
            return Ok(found);
        }
    }
    Err(Stop::Broken(format!("there was no end after {PAGES} pages.")))
}

/// More than one page has.
const MANY: usize = 600;

/// More than there are in any rule.
const PAGES: usize = 10_000;
