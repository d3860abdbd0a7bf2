//! The node as one that tells of releases, and what it does wrong with that.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, channel::mpsc, stream, stream::BoxStream};
use redlock_core::{
    Announced, Fingerprint, LockNode, NodeError, Notice, Notifications, Resource, Token, Vote,
    async_trait,
};

use crate::{defect::Defect::*, node::Node, store::Store};

#[async_trait]
impl Notifications for Node {
    async fn release_and_notify(
        &self,
        resource: &Resource,
        token: &Token,
    ) -> Result<Announced, NodeError> {
        let vote = match self.has(AnnouncingIgnoresTheToken) {
            true => {
                let reached = self.reach(resource).await?;
                reached.iter().for_each(|resource| self.store.locks.evict(resource));
                Vote::granted()
            }
            false => self.release(resource, token).await?,
        };
        if vote != Vote::granted() && !self.has(RefusedReleasesTell) {
            return Ok(Announced { vote, listeners: 0 });
        }
        let channel = self.channel(resource);
        let listeners = self.store.locks.subscriptions(&channel);
        if !self.has(ReleasesTellNobody) {
            self.store.tell(&channel).await?;
        }
        let listeners = u32::try_from(listeners).expect("there are but a few");
        let more = u32::from(self.has(MiscountsListeners));
        Ok(Announced { vote, listeners: listeners + more })
    }

    async fn notify(&self, resource: &Resource) -> Result<(), NodeError> {
        let Some(resource) = self.reach(resource).await? else { return Ok(()) };
        if self.has(NotifyingReleases) {
            self.store.locks.evict(&resource);
        }
        match self.has(NotifyingDoesNothing) {
            true => Ok(()),
            false => self.store.tell(&self.channel(&resource)).await,
        }
    }

    async fn subscribe(
        &self,
        resource: &Resource,
    ) -> Result<BoxStream<'static, Notice>, NodeError> {
        let (locks, channel) = (self.store.locks.clone(), self.channel(resource));
        let stays = Stays::of(self, self.has(DroppedSubscribesStay), &channel);
        let reached = self.reach(resource).await;
        stays.not();
        if reached?.is_none() {
            return Ok(stream::pending().boxed());
        }
        let earlier = locks.subscriptions(&channel);
        let stays = Stays::of(self, self.has(NobodyEverLeaves), &channel);
        let stream = match self.has(AcknowledgesTooSoon) {
            true => async move { locks.subscribe(&channel).await.expect("it is there") }
                .flatten_stream()
                .boxed(),
            false => locks.subscribe(&channel).await?,
        };
        Ok(match self.defect {
            Some(OnlyTheFirstHears) if earlier > 0 => stream::pending().boxed(),
            Some(NoticesNameAnother) => {
                stream.map(|notice| Notice { holder: Some(Fingerprint::new(0)), ..notice }).boxed()
            }
            Some(DroppingEndsAllStreams) => {
                let ends = EndsAll(Arc::clone(&self.store));
                with(stream, ends)
            }
            Some(KeepsEveryNotice) => {
                let (sender, receiver) = mpsc::unbounded();
                tokio::spawn(stream.map(Ok).forward(sender));
                receiver.boxed()
            }
            Some(LosesAllWhenBehind) => stream
                .ready_chunks(100)
                .filter(|chunk| std::future::ready(chunk.len() < 4))
                .flat_map(stream::iter)
                .boxed(),
            _ => with(stream, stays),
        })
    }
}

impl Node {
    /// What is told of this resource is told there.
    fn channel(&self, resource: &Resource) -> Resource {
        let name = resource.as_str();
        let plain: String = name.chars().filter(|letter| letter.is_alphanumeric()).collect();
        match self.has(ChannelsArePatterns) && !plain.is_empty() {
            true => Resource::new(plain).expect("it is not empty"),
            false => resource.clone(),
        }
    }
}

impl Store {
    pub(crate) async fn tell(&self, channel: &Resource) -> Result<(), NodeError> {
        Notifications::notify(&self.locks, channel).await
    }
}

/// The stream, which takes something with it when it is dropped.
fn with<T: Send + 'static>(
    stream: BoxStream<'static, Notice>,
    kept: T,
) -> BoxStream<'static, Notice> {
    stream.inspect(move |_| _ = &kept).boxed()
}

/// Ends everybody's streams when it is dropped.
struct EndsAll(Arc<Store>);

impl Drop for EndsAll {
    fn drop(&mut self) {
        self.0.locks.cut_subscriptions();
    }
}

/// Leaves a subscription behind when it is dropped.
struct Stays(Option<(Arc<Store>, Resource)>);

impl Stays {
    fn of(node: &Node, stays: bool, channel: &Resource) -> Self {
        Self(stays.then(|| (Arc::clone(&node.store), channel.clone())))
    }

    fn not(mut self) {
        self.0 = None;
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        if let Some((store, channel)) = self.0.take() {
            let stays = store.locks.subscribe(&channel).now_or_never();
            store.more().left_behind.extend(stays.and_then(Result::ok));
        }
    }
}
