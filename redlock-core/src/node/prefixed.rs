use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{
    Accord, Announced, Cursor, Fencing, Held, Identity, LockNode, NodeError, Notifications, Page,
    Sets, Survey, Witness,
};
use crate::proto::{
    ConfigError, Delivery, FailureKind, Fence, Inspection, Notice, Resource, ResourceSet, Token,
    Ttl, Vote,
};

/// Text before the name of every resource.
#[derive(Clone, Debug)]
pub(crate) struct KeyPrefix(Arc<str>);

/// A node whose resources have names that begin with a prefix, which nobody on this side sees.
#[derive(Debug)]
struct Prefixed {
    prefix: KeyPrefix,
    node: Arc<dyn LockNode>,
}

impl KeyPrefix {
    /// This prefix, if there is anything in it.
    pub(crate) fn new(prefix: Arc<str>) -> Result<Option<Self>, ConfigError> {
        // The tag of a key is between its first brace and the next that closes. If a prefix has the
        // first but no tag, those that resources have would be part of another, or mean nothing.
        let tag = prefix.split_once('{').map(|(_, rest)| rest.split_once('}'));
        match tag {
            Some(None | Some(("", _))) => Err(ConfigError::KeyPrefix { given: prefix.to_string() }),
            _ if prefix.is_empty() => Ok(None),
            _ => Ok(Some(Self(prefix))),
        }
    }

    /// The node, with this before every name.
    pub(crate) fn before(&self, node: Arc<dyn LockNode>) -> Arc<dyn LockNode> {
        Arc::new(Prefixed { prefix: self.clone(), node })
    }

    fn add(&self, resource: &Resource) -> Resource {
        resource.after(&self.0)
    }

    /// What was behind the prefix, if it was there and that is a name.
    fn strip(&self, resource: &Resource) -> Option<Resource> {
        Resource::new(resource.as_str().strip_prefix(&*self.0)?).ok()
    }
}

impl Prefixed {
    fn unable(&self) -> NodeError {
        NodeError::new(self.node.label(), FailureKind::Unsupported).with_delivery(Delivery::NotSent)
    }

    fn able_to_notify(&self) -> Result<&dyn Notifications, NodeError> {
        self.node.notifications().ok_or_else(|| self.unable())
    }

    fn able_to_count(&self) -> Result<&dyn Fencing, NodeError> {
        self.node.fencing().ok_or_else(|| self.unable())
    }

    fn able_to_survey(&self) -> Result<&dyn Survey, NodeError> {
        self.node.survey().ok_or_else(|| self.unable())
    }

    fn able_to_take_sets(&self) -> Result<&dyn Sets, NodeError> {
        self.node.sets().ok_or_else(|| self.unable())
    }
}

// A method that is added to the port and forgotten here would go past the prefix.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl LockNode for Prefixed {
    fn label(&self) -> &str {
        self.node.label()
    }

    fn identity(&self) -> Option<Identity> {
        self.node.identity()
    }

    fn notifications(&self) -> Option<&dyn Notifications> {
        self.node.notifications().map(|_| self as _)
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        self.node.fencing().map(|_| self as _)
    }

    fn sets(&self) -> Option<&dyn Sets> {
        self.node.sets().map(|_| self as _)
    }

    fn survey(&self) -> Option<&dyn Survey> {
        self.node.survey().map(|_| self as _)
    }

    fn witness(&self) -> Option<&dyn Witness> {
        self.node.witness()
    }

    fn accord(&self) -> Option<&dyn Accord> {
        self.node.accord().map(|_| self as _)
    }

    async fn acquire(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.node.acquire(&self.prefix.add(resource), token, ttl).await
    }

    async fn extend(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        self.node.extend(&self.prefix.add(resource), token, ttl).await
    }

    async fn release(&self, resource: &Resource, token: &Token) -> Result<Vote, NodeError> {
        self.node.release(&self.prefix.add(resource), token).await
    }

    async fn inspect(&self, resource: &Resource) -> Result<Inspection, NodeError> {
        self.node.inspect(&self.prefix.add(resource)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Notifications for Prefixed {
    async fn release_and_notify(
        &self,
        resource: &Resource,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let resource = self.prefix.add(resource);
        match self.node.notifications() {
            Some(able) => able.release_and_notify(&resource, token).await,
            // It was able a moment ago. A release is a release.
            None => {
                let vote = self.node.release(&resource, token).await?;
                Ok(Announced { vote, listeners: 0 })
            }
        }
    }

    async fn notify(&self, resource: &Resource) -> Result<(), NodeError> {
        self.able_to_notify()?.notify(&self.prefix.add(resource)).await
    }

    async fn subscribe(
        &self,
        resource: &Resource,
    ) -> Result<BoxStream<'static, Notice>, NodeError> {
        self.able_to_notify()?.subscribe(&self.prefix.add(resource)).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Fencing for Prefixed {
    async fn acquire_counted(
        &self,
        resource: &Resource,
        token: &Token,
        ttl: Ttl,
        hint: Fence,
    ) -> Result<Vote, NodeError> {
        let resource = self.prefix.add(resource);
        self.able_to_count()?.acquire_counted(&resource, token, ttl, hint).await
    }

    async fn raise(
        &self,
        resource: &Resource,
        token: &Token,
        fence: Fence,
    ) -> Result<Vote, NodeError> {
        self.able_to_count()?.raise(&self.prefix.add(resource), token, fence).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Sets for Prefixed {
    async fn acquire_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let resources = resources.after(&self.prefix.0);
        self.able_to_take_sets()?.acquire_all(&resources, token, ttl).await
    }

    async fn extend_all(
        &self,
        resources: &ResourceSet,
        token: &Token,
        ttl: Ttl,
    ) -> Result<Vote, NodeError> {
        let resources = resources.after(&self.prefix.0);
        self.able_to_take_sets()?.extend_all(&resources, token, ttl).await
    }

    async fn release_all(&self, resources: &ResourceSet, token: &Token) -> Result<Vote, NodeError> {
        let resources = resources.after(&self.prefix.0);
        self.able_to_take_sets()?.release_all(&resources, token).await
    }

    async fn release_all_and_notify(
        &self,
        resources: &ResourceSet,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let resources = resources.after(&self.prefix.0);
        self.able_to_take_sets()?.release_all_and_notify(&resources, token).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Survey for Prefixed {
    async fn list(&self, prefix: &str, from: Option<&Cursor>) -> Result<Page, NodeError> {
        let prefix = format!("{}{prefix}", self.prefix.0);
        let page = self.able_to_survey()?.list(&prefix, from).await?;
        let named = |held: Held| {
            let resource = self.prefix.strip(&held.resource)?;
            Some(Held { resource, ..held })
        };
        Ok(Page { held: page.held.into_iter().filter_map(named).collect(), next: page.next })
    }

    async fn reset(&self, resource: &Resource) -> Result<Option<Token>, NodeError> {
        self.able_to_survey()?.reset(&self.prefix.add(resource)).await
    }
}

/// Who shares servers under different prefixes agrees under different names.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Accord for Prefixed {
    async fn agree(&self, name: &Resource, terms: &str) -> Result<String, NodeError> {
        let able = self.node.accord().ok_or_else(|| self.unable())?;
        able.agree(&self.prefix.add(name), terms).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_leaves_the_tags_of_resources_alone() {
        for fine in ["app:", "{app}:", "a}", "{a}{b}", "{a}{b", " "] {
            assert!(KeyPrefix::new(fine.into()).unwrap().is_some(), "{fine}");
        }
        assert!(KeyPrefix::new("".into()).unwrap().is_none());
        for open in ["{", "app{", "}{", "{}", "a{}{b}"] {
            let expected = ConfigError::KeyPrefix { given: open.to_owned() };
            assert_eq!(KeyPrefix::new(open.into()).unwrap_err(), expected);
        }
    }

    #[test]
    fn what_is_added_is_taken_off_again() {
        let prefix = KeyPrefix::new("app:".into()).unwrap().unwrap();
        let name = |name: &str| Resource::new(name).unwrap();
        assert_eq!(prefix.add(&name("r")), name("app:r"));
        assert_eq!(prefix.strip(&name("app:r")), Some(name("r")));
        assert_eq!(prefix.strip(&name("app:app:r")), Some(name("app:r")));
        assert_eq!(prefix.strip(&name("ap:r")), None);
        assert_eq!(prefix.strip(&name("app:")), None);
    }
}
