//! "The current master of that name": [`Watched`].

use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{self, Either},
    stream::FuturesUnordered,
};
use redis::{Client, ConnectionAddr, ConnectionInfo, FromRedisValue, RedisError, RedisResult};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    connection::Connection,
    dial::{Dialled, call},
    error::Cause,
    listening::{self, Listening},
    unfound::Unfound,
};

/// A master that sentinels watch, and replace when it is gone.
pub(crate) struct Watched {
    name: String,
    sentinels: Vec<Client>,
    /// How to connect to the master; where is what the sentinels tell.
    master: ConnectionInfo,
    /// Woken when an answer is late: the master may have been replaced.
    doubt: Notify,
}

/// Host and port of a server.
type Address = (String, u16);

impl Watched {
    pub(crate) fn new(name: &str, sentinels: Vec<Client>, master: ConnectionInfo) -> Self {
        Self { name: name.to_owned(), sentinels, master, doubt: Notify::new() }
    }

    /// The same master, connected to in another way.
    pub(crate) fn reached(&self, by: impl FnOnce(ConnectionInfo) -> ConnectionInfo) -> Self {
        Self::new(&self.name, self.sentinels.clone(), by(self.master.clone()))
    }

    /// Where the sentinels are.
    #[cfg(test)]
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &ConnectionAddr> {
        self.sentinels.iter().map(|sentinel| sentinel.get_connection_info().addr())
    }

    /// An answer of the master is late.
    pub(crate) fn doubt(&self) {
        self.doubt.notify_waiters();
    }

    /// Connects to the master as the sentinels name it now. The connection ends also when they name
    /// another.
    pub(crate) async fn dial(self: &Arc<Self>) -> Result<Dialled, Cause> {
        let address = self.find().await?;
        let client = self.client(&address)?;
        let Dialled { connection, driver } = call(&client).await?;
        let replaced = Arc::clone(self).until_replaced(connection.clone(), address).boxed();
        let driver = future::select(driver, replaced).map(|_| ()).boxed();
        Ok(Dialled { connection, driver })
    }

    /// Connects to the master as the sentinels name it now, to listen to it.
    pub(crate) async fn listen(self: &Arc<Self>) -> Result<Listening, Cause> {
        let address = Arc::new(self.find().await?);
        let connection = listening::call(&self.client(&address)?).await?;
        let watched = Arc::clone(self);
        let is_right = Arc::new(move || {
            let (watched, address) = (Arc::clone(&watched), Arc::clone(&address));
            async move { !watched.is_replaced(&address).await }.boxed()
        });
        Ok(Listening { connection, is_right })
    }

    fn client(&self, address: &Address) -> RedisResult<Client> {
        Client::open(self.master.clone().set_addr(self.place(address)))
    }

    /// Asks all sentinels at once, and believes most of them.
    ///
    /// One that is cut off goes on naming the former master, and one that hangs names nobody; so
    /// the first answer is not enough, and the last is not waited for.
    async fn find(&self) -> Result<Address, Unfound> {
        let ask = |sentinel| timeout(PATIENCE, self.named_by(sentinel));
        let mut asked: FuturesUnordered<_> = self.sentinels.iter().map(ask).collect();
        let mut named: Vec<(Option<Address>, usize)> = Vec::new();
        let (mut answered, mut trouble) = (0, None);
        while let Some(answer) = asked.next().await {
            let Ok(Ok(address)) = answer else {
                trouble = trouble.or(answer.ok().and_then(Result::err));
                continue;
            };
            answered += 1;
            match named.iter_mut().find(|(other, _)| *other == address) {
                Some((_, votes)) => *votes += 1,
                None => named.push((address, 1)),
            }
            if majority(&named, self.sentinels.len()).is_some() {
                break;
            }
        }
        if answered == 0 {
            return Err(Unfound::Silence(trouble));
        }
        match majority(&named, answered) {
            Some(address) => address.clone().ok_or(Unfound::Unknown),
            None => Err(Unfound::Discord),
        }
    }

    /// Whom one sentinel calls the master; `None` if it knows no such name.
    async fn named_by(&self, sentinel: &Client) -> RedisResult<Option<Address>> {
        let Dialled { mut connection, driver } = call(sentinel).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let answer = while_driven(driver, connection.send(&question)).await?;
        Ok(Option::from_redis_value(answer)?)
    }

    fn place(&self, (host, port): &Address) -> ConnectionAddr {
        let (host, port) = (host.clone(), *port);
        match self.master.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host, port),
        }
    }

    /// Completes when the server at this address is no longer the master.
    async fn until_replaced(self: Arc<Self>, connection: Connection, address: Address) {
        let told =
            self.sentinels.iter().map(|sentinel| self.until_told(sentinel, &address).boxed());
        let told = future::select_all(told);
        future::select(pin!(self.until_found_out(connection, &address)), told).await;
    }

    /// Completes when this sentinel tells of a change, and most of them agree.
    ///
    /// A former master that is well goes on as a master for seconds, and would vote beside the new
    /// one: nothing but the sentinels' news tells of that.
    async fn until_told(&self, sentinel: &Client, address: &Address) {
        while self.listen_for_news(sentinel, address).await.is_err() {
            sleep(PAUSE_AFTER_SILENCE).await;
        }
    }

    async fn listen_for_news(&self, sentinel: &Client, address: &Address) -> RedisResult<()> {
        let mut news = timeout(PATIENCE, async {
            let mut news = sentinel.get_async_pubsub().await?;
            news.subscribe("+switch-master").await?;
            RedisResult::Ok(news)
        })
        .await
        .map_err(io::Error::from)??;
        // It may have happened before somebody listened.
        while !self.names_another(sentinel, address).await? {
            let ended = || RedisError::from(io::Error::from(io::ErrorKind::UnexpectedEof));
            news.on_message().next().await.ok_or_else(ended)?;
        }
        Ok(())
    }

    /// Whether this sentinel, and then most of them, name another master than this.
    async fn names_another(&self, sentinel: &Client, address: &Address) -> RedisResult<bool> {
        let named = timeout(PATIENCE, self.named_by(sentinel)).await.map_err(io::Error::from)??;
        Ok(named.as_ref() != Some(address) && self.is_replaced(address).await)
    }

    /// Completes when the server, after a late answer, goes on not answering until it is replaced.
    ///
    /// A sentinel whose news were lost is asked this way. While most of them name the server
    /// still, its connection stays: what was sent on it comes before what will be.
    async fn until_found_out(&self, mut connection: Connection, address: &Address) {
        loop {
            self.doubt.notified().await;
            while !answers(&mut connection).await {
                if self.is_replaced(address).await {
                    return;
                }
                sleep(PAUSE).await;
            }
        }
    }

    /// Whether most sentinels name another master than this.
    async fn is_replaced(&self, address: &Address) -> bool {
        self.find().await.is_ok_and(|named| named != *address)
    }
}

/// Whether the server answers, be it with an error.
async fn answers(connection: &mut Connection) -> bool {
    timeout(PATIENCE, connection.send(&redis::cmd("PING"))).await.is_ok()
}

/// What more than half of so many have named.
fn majority(named: &[(Option<Address>, usize)], of: usize) -> Option<&Option<Address>> {
    named.iter().find(|(_, votes)| votes * 2 > of).map(|(address, _)| address)
}

/// Does this work on a connection, which its driver keeps going.
async fn while_driven<T>(driver: impl Future<Output = ()>, work: impl Future<Output = T>) -> T {
    match future::select(pin!(work), pin!(driver)).await {
        Either::Left((done, _)) => done,
        // The connection has ended, and has told the work why.
        Either::Right(((), work)) => work.await,
    }
}

/// How long a sentinel, or a server in doubt, may take to answer. With the time that it takes to
/// connect to the master still within the timeout for connecting.
const PATIENCE: Duration = Duration::from_millis(250);

/// Between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(100);

/// Before a sentinel is listened to again.
const PAUSE_AFTER_SILENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentinels_must_agree_by_more_than_half() {
        let at = |port| Some(("h".to_owned(), port));
        let table: [(&[_], usize, Option<&_>); 6] = [
            (&[], 1, None),
            (&[(at(1), 1)], 1, Some(&at(1))),
            (&[(at(1), 1)], 2, None),
            (&[(at(1), 1), (at(2), 1)], 2, None),
            (&[(at(1), 1), (at(2), 2)], 3, Some(&at(2))),
            (&[(None, 2), (at(2), 1)], 3, Some(&None)),
        ];
        for (named, of, expected) in table {
            assert_eq!(majority(named, of), expected, "{named:?} of {of}");
        }
    }
}
