//! Who is told of the release of several resources.

use super::{
    hearing::{self, Ear, Fence},
    sets::{able, granted, set},
    stage::{MINUTE, Stage, Stop, ensure, refused, token},
};

pub(super) async fn the_release_of_a_set_tells_of_each(stage: &Stage<'_>) -> Result<(), Stop> {
    let (mine, theirs) = (token("mine"), token("theirs"));
    let (all, able) = (set("abc"), able(stage)?);
    hearing::able(&stage.node)?;
    let mut ears = Vec::new();
    for name in &all {
        ears.push(Ear::on(&stage.node, name).await?);
    }
    let mut fence = Fence::new(stage).await?;
    able.acquire_all(&all, &mine, *MINUTE).await?;
    able.release_all(&all, &mine).await?;
    for ear in &mut ears {
        fence.hears_nothing(stage, ear, "a release of a set that was not to be announced").await?;
    }
    able.acquire_all(&all, &mine, *MINUTE).await?;
    let told = able.release_all_and_notify(&all, &mine).await?;
    granted("an announced release", told.vote)?;
    ensure!([0, 3].contains(&told.listeners), "of three listeners {} are told of.", told.listeners);
    for ear in &mut ears {
        let notice = ear.hears(stage).await?;
        let own = notice.holder.is_none_or(|holder| holder == mine.fingerprint());
        ensure!(own, "the notice names {:?}.", notice.holder);
        fence.hears_nothing(stage, ear, "one release, a second time,").await?;
    }
    // What was not the releaser's is not told of.
    able.acquire_all(&all, &mine, *MINUTE).await?;
    stage.node.release(all.first(), &mine).await?;
    stage.take(all.first(), &theirs).await?;
    refused(able.release_all_and_notify(&all, &mine).await?.vote)?;
    for (name, ear) in all.iter().zip(&mut ears) {
        if name == all.first() {
            fence.hears_nothing(stage, ear, "the release of the others").await?;
        } else {
            ear.hears(stage).await?;
        }
    }
    Ok(())
}
