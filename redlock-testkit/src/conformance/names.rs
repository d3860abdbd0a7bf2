//! That tokens are bytes and resources are text, and nothing is read into either.

use redlock_core::{Resource, Token, Vote};

use super::stage::{MINUTE, Stage, Stop, ensure, refused, resource, token};

pub(super) async fn tokens_are_any_bytes(stage: &Stage<'_>) -> Result<(), Stop> {
    let name = resource("r");
    let long = [0xAB; 70_000];
    let tokens: [&[u8]; 10] = [
        b"\0",
        b"0",
        b" ",
        b"\xff\xfe\r\n\0x",
        b"\r\n$3\r\nDEL\r\n",
        b"'); DROP TABLE locks; --",
        b"\"] .. KEYS[1] --",
        b"%d${x}\\",
        "ключ".as_bytes(),
        &long,
    ];
    for mine in tokens {
        life_of_a_lock(stage, &name, &token(mine)).await?;
    }
    Ok(())
}

pub(super) async fn resources_are_any_text(stage: &Stage<'_>) -> Result<(), Stop> {
    let mine = token("mine");
    let long = "long ".repeat(14_000);
    let names = [
        " ",
        "\0",
        "0",
        "{tag}:*?[x]",
        "{}",
        "a\r\nb",
        "'; DROP TABLE locks; --",
        "\"] return 1 --",
        "%d%s${x}\\",
        "../../etc/passwd",
        "clé ключ 鍵 🔑",
        &long,
    ];
    for name in names {
        life_of_a_lock(stage, &resource(name), &mine).await?;
    }
    Ok(())
}

pub(super) async fn resources_are_independent(stage: &Stage<'_>) -> Result<(), Stop> {
    let names = [
        "r", "R", "r ", " r", "r\0", "r\0x", "rr", "r*", "r%", "?", "_", "{r}", "r:r", "é",
        "e\u{301}", "1", "01", "1.0",
    ];
    let owned: Vec<(Resource, Token)> = names
        .iter()
        .enumerate()
        .map(|(i, name)| (resource(*name), token(format!("{i}"))))
        .collect();
    for (name, mine) in &owned {
        stage.take(name, mine).await?;
    }
    for (index, (name, mine)) in owned.iter().enumerate() {
        let vote = stage.node.release(name, mine).await?;
        ensure!(vote == Vote::granted(), "{name:?} was not its token's, but answered {vote:?}.");
        stage.free(name).await?;
        for (name, mine) in &owned[index + 1..] {
            stage.held(name, mine).await?;
        }
    }
    Ok(())
}

async fn life_of_a_lock(stage: &Stage<'_>, name: &Resource, mine: &Token) -> Result<(), Stop> {
    let theirs = token("somebody else's");
    stage.take(name, mine).await?;
    stage.held(name, mine).await?;
    refused(stage.node.acquire(name, &theirs, *MINUTE).await?)?;
    let extended = stage.node.extend(name, mine, *MINUTE).await?;
    let released = stage.node.release(name, mine).await?;
    for vote in [extended, released] {
        ensure!(vote == Vote::granted(), "a call of {mine:?} for {name:.40?} got {vote:?}.");
    }
    stage.free(name).await
}
