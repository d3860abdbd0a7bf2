//! The node as one whose locks can be listed and reset, and what it does wrong with that.

use redlock_core::{
    Cursor, FailureKind, Held, NodeError, Notifications, Page, Resource, Survey, Token, async_trait,
};

use crate::{defect::Defect::*, node::Node};

#[async_trait]
impl Survey for Node {
    async fn list(&self, prefix: &str, from: Option<&Cursor>) -> Result<Page, NodeError> {
        let nothing = Resource::new("\u{1}nothing").expect("it is not empty");
        if self.reach(&nothing).await?.is_none() {
            return Ok(Page::default());
        }
        let locks = &self.store.locks;
        let from = if self.has(ListsTheFirstPageAgain) { None } else { from };
        let asked = if self.has(ListsByPatterns) { prefix.trim_end_matches('*') } else { prefix };
        let mut page = match self.has(PagesAreCounted) {
            true => self.numbered(asked, from).await?,
            false => locks.list(asked, from).await?,
        };
        while self.has(ListsAllAtOnce)
            && let Some(next) = page.next.take()
        {
            let more = locks.list(asked, Some(&next)).await?;
            page.held.extend(more.held);
            page.next = more.next;
        }
        if from.is_none() {
            page.held.extend(self.beside(prefix));
        }
        Ok(page)
    }

    async fn reset(&self, resource: &Resource) -> Result<Option<Token>, NodeError> {
        let Some(resource) = &self.reach(resource).await? else { return Ok(None) };
        let (locks, holder) = (&self.store.locks, self.holder(resource).await?);
        match self.defect {
            Some(ResetsNothing) => return Ok(holder),
            Some(ResetsTellWhoAsked) => {
                locks.reset(resource).await?;
                return Ok(Some(Token::from_bytes(*b"operator").expect("it is not empty")));
            }
            Some(ResetsAllOfThem) => {
                for key in locks.keys() {
                    locks.evict(&key.resource);
                }
                locks.notify(resource).await?;
                return Ok(holder);
            }
            Some(ResetsTellNobody) => {
                locks.evict(resource);
                return Ok(holder);
            }
            _ => {}
        }
        let token = locks.reset(resource).await?;
        self.store.more().last.remove(resource);
        Ok(token)
    }
}

impl Node {
    /// A page that begins at a number among what there is, which is another when something goes.
    async fn numbered(&self, prefix: &str, from: Option<&Cursor>) -> Result<Page, NodeError> {
        let number = from.map_or(0, |cursor| cursor.as_bytes().len());
        let locks = &self.store.locks;
        let keys = locks.keys();
        let meant = keys.iter().skip(number).take(PAGE);
        let held = meant.filter(|key| key.resource.as_str().starts_with(prefix)).map(|key| Held {
            resource: key.resource.clone(),
            token: key.token.clone(),
            remaining: Some(key.remaining),
        });
        let next = (number + PAGE < keys.len()).then(|| Cursor::new(vec![0; number + PAGE]));
        match locks.list("", None).await {
            Err(error) if error.kind() == FailureKind::Unreachable => Err(error),
            _ => Ok(Page { held: held.collect(), next }),
        }
    }

    /// What is listed, and should not be.
    fn beside(&self, prefix: &str) -> Vec<Held> {
        let more = self.store.more();
        let wrong: Vec<Resource> = match self.defect {
            Some(ListsWhatIsBeside) if more.largest > Default::default() => {
                vec![Resource::new("counters").expect("it is not empty")]
            }
            Some(ListsForeignKeys) => more.foreign.keys().cloned().collect(),
            Some(AgreementsAreListed) => more.agreed.keys().cloned().collect(),
            Some(ListsWhatHasEnded) => more.last.keys().cloned().collect(),
            _ => Vec::new(),
        };
        let token = Token::from_bytes(*b"?").expect("one byte is not none");
        wrong
            .into_iter()
            .filter(|resource| resource.as_str().starts_with(prefix))
            .map(|resource| Held { resource, token: token.clone(), remaining: None })
            .collect()
    }
}

/// How many a page has.
const PAGE: usize = 10;
