use std::{
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use fred::{
    clients::Client,
    interfaces::{ClientLike, EventInterface},
    types::{ClientState, config::Server},
};
use futures::{FutureExt, future::BoxFuture};
use redlock_core::Resource;
use tokio::{
    runtime::Handle,
    sync::broadcast::{Receiver, error::TryRecvError},
};

/// A client that the user has made, and takes care of.
pub(crate) struct Guest {
    client: Client,
    acquaintance: Mutex<Acquaintance>,
}

/// Whether the server at the other end is still the one that has been asked who it is.
struct Acquaintance {
    connects: Receiver<Server>,
    introduced: bool,
}

impl Guest {
    pub(crate) fn new(client: Client) -> Self {
        let connects = client.reconnect_rx();
        Self { client, acquaintance: Mutex::new(Acquaintance { connects, introduced: false }) }
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.client.state() == ClientState::Connected
    }

    /// Whether nothing has been said on the client's latest connection yet.
    pub(crate) fn is_new(&self) -> bool {
        let mut known = self.acquaintance.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match known.connects.try_recv() {
                Ok(_) | Err(TryRecvError::Lagged(_)) => known.introduced = false,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return !known.introduced,
            }
        }
    }

    pub(crate) fn introduced(&self) {
        self.acquaintance.lock().unwrap_or_else(PoisonError::into_inner).introduced = true;
    }
}

/// The client for a resource: always the same, because calls that go over different connections can
/// overtake each other.
pub(crate) fn pick<'a>(guests: &'a [Arc<Guest>], resource: &Resource) -> Option<&'a Arc<Guest>> {
    let mut hasher = DefaultHasher::new();
    resource.hash(&mut hasher);
    let count = u64::try_from(guests.len()).ok().filter(|count| *count > 0)?;
    guests.get(usize::try_from(hasher.finish() % count).ok()?)
}

/// A request that is seen through even if nobody waits for it any more.
///
/// While a client of the user's is between two connections, it keeps requests until there is the
/// next one, and forgets only those whose time is over. Nobody tells it so for a request that has
/// been dropped: it would be carried out however late.
pub(crate) struct SeenThrough<T: Send + 'static> {
    request: Option<BoxFuture<'static, T>>,
    runtime: Handle,
    begun: bool,
}

impl<T: Send + 'static> SeenThrough<T> {
    /// The request must come to an end by itself.
    pub(crate) fn new(request: impl Future<Output = T> + Send + 'static, runtime: Handle) -> Self {
        Self { request: Some(request.boxed()), runtime, begun: false }
    }
}

impl<T: Send + 'static> Future for SeenThrough<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.begun = true;
        let Some(request) = &mut self.request else { return Poll::Pending };
        let answer = request.poll_unpin(context);
        if answer.is_ready() {
            self.request = None;
        }
        answer
    }
}

impl<T: Send + 'static> Drop for SeenThrough<T> {
    fn drop(&mut self) {
        // What was never polled has not been sent.
        if let Some(request) = self.request.take().filter(|_| self.begun) {
            self.runtime.spawn(request.map(drop));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_has_one_client_and_all_clients_have_resources() {
        let guests: Vec<_> = (0..4).map(|_| Arc::new(Guest::new(Client::default()))).collect();
        let mut ids = Vec::new();
        for number in 0..100 {
            let resource = Resource::new(number.to_string()).unwrap();
            let id = || pick(&guests, &resource).unwrap().client().id().to_owned();
            assert_eq!(id(), id());
            ids.push(id());
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), guests.len());
        assert!(pick(&[], &Resource::new("r").unwrap()).is_none());
    }
}
