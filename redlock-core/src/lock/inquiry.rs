use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Either, select},
    stream::FuturesUnordered,
};

use super::{calls::Timer, shared::Shared};
use crate::{
    ConfigError, Delivery, FailureKind, LockNode, NodeError, Resource, ResourceSet, Survey, Ttl,
    observe::NodeFailed,
    proto::{Moment, NodeSet},
};

/// A question to every node that is no attempt to have a lock: nothing is undone afterwards, and
/// what has not been answered in time is given up.
pub(super) struct Inquiry<T> {
    shared: Arc<Shared>,
    /// What it is about, if somebody looks on.
    about: Option<ResourceSet>,
    without: NodeSet,
    asked: Moment,
    patience: Duration,
    in_flight: FuturesUnordered<BoxFuture<'static, (usize, Result<T, NodeError>)>>,
    timer: Timer,
    answers: Vec<Option<Result<T, NodeError>>>,
}

impl<T: Send + 'static> Inquiry<T> {
    /// Asks all nodes but some about a resource; they have the node timeout to answer.
    pub(super) fn begin(
        shared: &Arc<Shared>,
        resource: &Resource,
        without: NodeSet,
        question: impl Fn(Arc<dyn LockNode>) -> BoxFuture<'static, Result<T, NodeError>>,
    ) -> Result<Self, ConfigError> {
        let patience = patience(shared)?;
        let asked = shared.now();
        let places = shared.nodes.iter().enumerate();
        let places = places.filter(|(place, _)| !without.contains(*place));
        let in_flight = places.map(|(place, node)| {
            let answer = unless_it_panics(Arc::clone(node), question(Arc::clone(node)));
            answer.map(move |result| (place, result)).boxed()
        });
        Ok(Self {
            about: shared.onlookers.are_there().then(|| resource.clone().into()),
            without,
            asked,
            patience,
            in_flight: in_flight.collect(),
            timer: Timer::new(shared, asked.after(patience)),
            answers: shared.nodes.iter().map(|_| None).collect(),
            shared: Arc::clone(shared),
        })
    }

    /// Waits for one more answer. Whether there may be others.
    pub(super) async fn hear(&mut self) -> bool {
        match select(self.in_flight.next(), &mut self.timer).await {
            Either::Left((Some((place, answer)), _)) => {
                if let Err(error) = &answer {
                    tell(&self.shared, self.about.as_ref(), error);
                }
                self.answers[place] = Some(answer);
                true
            }
            Either::Left((None, _)) | Either::Right(_) => false,
        }
    }

    /// How long ago it was asked.
    pub(super) fn ago(&self) -> Duration {
        self.shared.now().since(self.asked)
    }

    /// What each node has answered so far.
    pub(super) fn answers(&self) -> impl Iterator<Item = Option<&Result<T, NodeError>>> {
        self.answers.iter().map(Option::as_ref)
    }

    /// What came of it, node by node: the place and the label of each that was asked, and its
    /// answer. Those that have not answered took too long.
    pub(super) fn end(self) -> impl Iterator<Item = (usize, Arc<str>, Result<T, NodeError>)> {
        let Self { shared, about, answers, without, patience, .. } = self;
        let asked = answers.into_iter().enumerate();
        asked.filter(move |(place, _)| !without.contains(*place)).map(move |(place, answer)| {
            let label = Arc::clone(&shared.labels[place]);
            let answer = answer.unwrap_or_else(|| {
                let error = NodeError::timed_out(Arc::clone(&label), patience);
                tell(&shared, about.as_ref(), &error);
                Err(error)
            });
            (place, label, answer)
        })
    }
}

/// One question to one node, about a resource or none in particular. It has the node timeout to
/// answer it.
pub(super) async fn ask_one<T>(
    shared: &Arc<Shared>,
    node: &Arc<dyn LockNode>,
    about: Option<&Resource>,
    question: impl Future<Output = Result<T, NodeError>> + Send,
) -> Result<T, NodeError> {
    let patience = patience(shared).unwrap_or_else(|_| shared.longest_node_timeout());
    let timer = Timer::new(shared, shared.now().after(patience));
    let asked = Box::pin(unless_it_panics(Arc::clone(node), question));
    let answer = match select(asked, timer).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => Err(NodeError::timed_out(node.label(), patience)),
    };
    if let Err(error) = &answer
        && shared.onlookers.are_there()
    {
        tell(shared, about.cloned().map(ResourceSet::from).as_ref(), error);
    }
    answer
}

/// Tells those who look on that a node has failed to answer.
fn tell(shared: &Shared, resources: Option<&ResourceSet>, error: &NodeError) {
    let event = NodeFailed { resources, error };
    shared.onlookers.tell(|observer| observer.node_failed(&event));
}

/// The node as one that can be surveyed, or the error that says that it cannot.
pub(super) fn surveyed(node: &dyn LockNode) -> Result<&dyn Survey, NodeError> {
    node.survey().ok_or_else(|| {
        NodeError::new(node.label(), FailureKind::Unsupported).with_delivery(Delivery::NotSent)
    })
}

/// A node that panics has failed like any other.
async fn unless_it_panics<T>(
    node: Arc<dyn LockNode>,
    question: impl Future<Output = Result<T, NodeError>> + Send,
) -> Result<T, NodeError> {
    // Nothing of the node's is looked at after a panic but its label.
    AssertUnwindSafe(question).catch_unwind().await.unwrap_or_else(|_| {
        Err(NodeError::new(node.label(), FailureKind::Other).with_source("the node panicked"))
    })
}

/// What nodes get to answer for a lock with the settings of this redlock.
pub(super) fn patience(shared: &Shared) -> Result<Duration, ConfigError> {
    let ttl = Ttl::new(shared.settings.wishes.ttl)?;
    Ok(shared.settings.node_timeout(ttl))
}
