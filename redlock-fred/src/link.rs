use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use fred::{
    clients::Client,
    error::ErrorKind,
    interfaces::{ClientLike, ClusterInterface},
    types::{
        CustomCommand, Resp3Frame, Value,
        config::{Config as Settings, Options, Server},
    },
};
use futures::{FutureExt, future::BoxFuture};
use redlock_core::{Identity, NodeError, Resource};
use redlock_wire::{Channel, Subscription, Voting};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::timeout,
};

use crate::{
    attempt,
    config::{Config, Origin, rotated},
    error::{self, Cause},
    guest::{Guest, SeenThrough, pick},
    introduction::introduce,
    listeners::{Joined, Listeners},
    listening,
    slots::{Found, Slots, State, Waiting},
};

/// A node's way to its server: one connection, made when first needed and again when it has ended,
/// or the clients that the user has brought along.
///
/// A connection works only while the runtime that it was made in is polled, so each runtime that
/// uses the node has one of its own. Nearly always that is one in all.
pub(crate) struct Link {
    pub(crate) config: Arc<Config>,
    options: Options,
    guests: Vec<Arc<Guest>>,
    slots: Slots,
    listeners: Listeners,
    identity: watch::Sender<Option<Identity>>,
    /// Woken when an answer is late: a master may have been replaced.
    doubt: Arc<Notify>,
}

/// A connection as a caller uses it.
#[derive(Clone)]
pub(crate) struct Session {
    client: Client,
    owner: Owner,
}

#[derive(Clone)]
enum Owner {
    /// The connection of this generation is the client's only one.
    Link(u64),
    /// The client is a guest, and may connect again. Requests to it are made on this runtime.
    User(Arc<Guest>, Handle),
}

impl Session {
    /// The masters of the cluster, as far as the library knows them; `None` if it knows of none.
    pub(crate) fn masters(&self) -> Option<Vec<Server>> {
        Some(self.client.cached_cluster_state()?.unique_primary_nodes())
    }

    /// Has the library ask the cluster for its masters, and connect to those that are new.
    pub(crate) async fn look_for_masters(&self, limit: Duration) {
        // What comes of it is seen next time.
        let _ = timeout(limit, self.client.sync_cluster()).await;
    }

    pub(crate) const fn of_link(client: Client, generation: u64) -> Self {
        Self { client, owner: Owner::Link(generation) }
    }
}

impl Link {
    pub(crate) fn new(config: Config) -> Self {
        let guests = match &config.origin {
            Origin::Settings(_) => Vec::new(),
            Origin::Clients(clients) => {
                clients.iter().cloned().map(Guest::new).map(Arc::new).collect()
            }
        };
        let audience = config.origin.audience();
        Self {
            options: config.options(),
            config: Arc::new(Config {
                // This node's own: others may lead elsewhere.
                voting: Arc::new(Voting::new(config.terms, config.response_timeout, audience)),
                ..config
            }),
            guests,
            slots: Slots::default(),
            listeners: Listeners::default(),
            identity: watch::Sender::new(None),
            doubt: Arc::default(),
        }
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        *self.identity.borrow()
    }

    /// A connection for calls on this resource, made now if there is none.
    ///
    /// Waits for an attempt that is under way; fails at once shortly after one has failed.
    pub(crate) async fn session(
        self: &Arc<Self>,
        resource: &Resource,
    ) -> Result<Session, NodeError> {
        let runtime =
            Handle::try_current().map_err(|error| error::no_runtime(&self.config.label, error))?;
        let Origin::Settings(settings) = &self.config.origin else {
            return self.guest(resource, runtime).await;
        };
        match self.find_or_connect(&runtime, settings) {
            Ok(session) => session,
            Err(waiting) => waiting.await,
        }
    }

    /// Sends a command and waits for its answer, which may be an error of the server's.
    pub(crate) async fn ask(
        &self,
        session: &Session,
        command: CustomCommand,
        words: Vec<Value>,
    ) -> Result<Resp3Frame, Cause> {
        self.ask_with(session, &self.options, command, words).await
    }

    /// The same, to one of the servers of a cluster.
    pub(crate) async fn ask_at(
        &self,
        session: &Session,
        server: Server,
        command: CustomCommand,
        words: Vec<Value>,
    ) -> Result<Resp3Frame, Cause> {
        let options = Options { cluster_node: Some(server), ..self.options.clone() };
        self.ask_with(session, &options, command, words).await
    }

    async fn ask_with(
        &self,
        session: &Session,
        options: &Options,
        command: CustomCommand,
        words: Vec<Value>,
    ) -> Result<Resp3Frame, Cause> {
        match &session.owner {
            Owner::Link(generation) => {
                let answer = send(&session.client, options, command, words).await;
                if self.is_useless(&answer) {
                    self.slots.forget(*generation);
                } else if matches!(answer, Err(Cause::Late(_))) {
                    self.doubt.notify_waiters();
                }
                answer
            }
            Owner::User(guest, runtime) => {
                let (client, options) = (session.client.clone(), options.clone());
                let request = async move { send(&client, &options, command, words).await };
                let asked = async {
                    let answer = SeenThrough::new(request, runtime.clone()).await?;
                    // It has waited for another connection: a vote, but whose?
                    self.meet(guest).await?;
                    Ok(answer)
                };
                // Most nodes have a connection of their own, and need no room for this.
                asked.boxed().await
            }
        }
    }

    /// Whether the answer tells that a new connection is needed.
    ///
    /// A late one does not: what was sent on the connection comes before what will be.
    fn is_useless(&self, answer: &Result<Resp3Frame, Cause>) -> bool {
        match answer {
            // A replica now: the name that was connected to may lead to the master by now. Of a cluster
            // there are connections to others, and the library sees to those by itself.
            Ok(Resp3Frame::SimpleError { data, .. }) => {
                data.starts_with("READONLY") && !self.config.origin.is_cluster()
            }
            Err(Cause::Fred(error)) => {
                matches!(error.kind(), ErrorKind::IO | ErrorKind::Canceled | ErrorKind::Unknown)
            }
            _ => false,
        }
    }

    /// A place for a listener to this channel, on a connection that is made now if there is none.
    ///
    /// For clients that the user has brought along it leads where they do. It is not theirs: what
    /// they have subscribed to is none of this crate's business, and the other way round.
    pub(crate) fn listen(&self, channel: Channel) -> Result<Subscription, NodeError> {
        let label = &self.config.label;
        let runtime = Handle::try_current().map_err(|error| error::no_runtime(label, error))?;
        let settings = self.config.origin.settings();
        let settings = settings.ok_or_else(|| error::not_connected(label))?;
        match self.listeners.join(runtime.id(), channel, label)? {
            Joined::Place(place) => Ok(place),
            Joined::First { place, duty } => {
                let (config, others) = (Arc::clone(&self.config), self.identity.subscribe());
                runtime.spawn(listening::run(config, settings, duty, others));
                Ok(place)
            }
        }
    }

    async fn guest(&self, resource: &Resource, runtime: Handle) -> Result<Session, NodeError> {
        let label = &self.config.label;
        let guest = pick(&self.guests, resource).filter(|guest| guest.is_connected());
        let guest = guest.ok_or_else(|| error::not_connected(label))?;
        self.meet(guest).await.map_err(|cause| cause.of_connecting(label))?;
        let owner = Owner::User(Arc::clone(guest), runtime);
        Ok(Session { client: guest.client().clone(), owner })
    }

    /// Learns who is at the other end of a client that has connected since this was last asked.
    async fn meet(&self, guest: &Guest) -> Result<(), Cause> {
        if guest.is_new() {
            let identity = introduce(guest.client(), &self.config).await?;
            self.identity.send_replace(identity);
            guest.introduced();
        }
        Ok(())
    }

    /// The connection of this runtime, or what will become of the attempt to make it.
    fn find_or_connect(
        self: &Arc<Self>,
        runtime: &Handle,
        settings: &Settings,
    ) -> Result<Result<Session, NodeError>, Waiting> {
        match self.slots.find(runtime.id(), &self.config.label) {
            Found::Known(session) => Ok(session),
            Found::Coming(waiting) => Err(waiting),
            Found::Missing { generation, waiting, report, unwanted } => {
                let tenancy = Tenancy { link: Arc::downgrade(self), generation };
                let config = Arc::clone(&self.config);
                let settings = rotated(settings.clone(), generation);
                let doubt = Arc::clone(&self.doubt);
                runtime.spawn(attempt::run(config, settings, tenancy, report, unwanted, doubt));
                Err(waiting)
            }
        }
    }
}

/// The place of one connection in its link, held by the connection's task and given up with it.
pub(crate) struct Tenancy {
    link: Weak<Link>,
    generation: u64,
}

impl Tenancy {
    pub(crate) fn connected(&self, client: Client, identity: Option<Identity>) -> Session {
        if let Some(link) = self.link.upgrade() {
            link.identity.send_replace(identity);
            link.slots.set(self.generation, State::Connected(client.clone()));
        }
        Session::of_link(client, self.generation)
    }

    pub(crate) fn failed(&self, error: NodeError) {
        if let Some(link) = self.link.upgrade() {
            link.slots.set(self.generation, State::Failed { since: Instant::now(), error });
        }
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        if let Some(link) = self.link.upgrade() {
            link.slots.forget(self.generation);
        }
    }
}

/// Sends a command once, and waits for its answer as long as the options say.
///
/// The library needs some kilobytes for that, which would be moved with each future around it.
pub(crate) fn send<'a>(
    client: &'a Client,
    options: &'a Options,
    command: CustomCommand,
    words: Vec<Value>,
) -> BoxFuture<'a, Result<Resp3Frame, Cause>> {
    let sent = async move {
        let answer = client.with_options(options).custom_raw(command, words).await;
        answer.map_err(|error| match (error.kind(), options.timeout) {
            (ErrorKind::Timeout, Some(limit)) => Cause::Late(limit),
            _ => Cause::Fred(error),
        })
    };
    sent.boxed()
}
