//! A network that does as a test says: [`Proxy`].

mod flow;
mod pump;
mod shared;

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

pub use self::flow::{Count, Direction, Flow, Traffic};
use self::shared::Shared;
use super::{Server, ServerError, port};

/// A way to a server that a test can slow down, break and mend: clients connect to
/// [`url`](Self::url).
///
/// A connection through it passes all bytes in order, or ends: bytes that were
/// [lost](Flow::Lose) are never followed by others, which a client would take for the answers to
/// the wrong requests.
///
/// ```no_run
/// use redlock_testkit::server::{Direction, Flow, Proxy, Server};
///
/// let server = Server::start()?;
/// let proxy = Proxy::start(&server)?;
/// // A client at `proxy.url()` sends `SET …`: it is carried out, and nobody is told.
/// proxy.when_request_has("SET", Direction::Replies, Flow::CutAfter(1));
/// # Ok::<(), redlock_testkit::server::ServerError>(())
/// ```
///
/// When dropped, all its connections are cut, and its threads have ended.
pub struct Proxy {
    url: String,
    port: u16,
    shared: Arc<Shared>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// A way to this server, at first without any fault.
    ///
    /// It stays while the server is killed and restarted: who connects meanwhile is hung up on.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotStarted`] if no port is free for it.
    pub fn start(server: &Server) -> Result<Self, ServerError> {
        let failed = |error| ServerError::NotStarted(Arc::new(error));
        for _ in 0..PORTS_TO_TRY {
            let Some(port) = port::free() else { break };
            let listening = Mutex::new(None);
            let target = SocketAddr::from(([127, 0, 0, 1], server.port()));
            let shared = Arc::new(Shared::new(target));
            let proxy = Self { url: server.url_at(port), port, shared, listening };
            match proxy.listen() {
                Ok(()) => return Ok(proxy),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::Error::other("no port is free")))
    }

    /// The url of the server by this way.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// How bytes of this direction flow from now on, on all connections and those to come.
    ///
    /// Ends the connections that have lost bytes, unless they are to lose more.
    pub fn set(&self, direction: Direction, flow: Flow) {
        self.shared.set(direction, flow);
    }

    /// As [`set`](Self::set), but not before a request goes through that has these bytes in it:
    /// then the flow changes before the server gets that request.
    ///
    /// Holds for one request. To be found, the bytes must come out of one write of the client.
    pub fn when_request_has(&self, bytes: impl AsRef<[u8]>, direction: Direction, flow: Flow) {
        self.shared.arm(bytes.as_ref().to_vec(), direction, flow);
    }

    /// Ends all connections now, on both sides. What was on its way is gone.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// Ends all connections on the clients' side only. Requests that had not got through stay on
    /// their way, until [`deliver`](Self::deliver).
    ///
    /// So a packet can be late that a client has long given up, and sent another one after.
    pub fn strand(&self) {
        self.shared.strand();
    }

    /// Lets the requests of [stranded](Self::strand) connections through.
    pub fn deliver(&self) {
        self.shared.deliver();
    }

    /// Lets nobody connect any more: the system refuses it. Connections over which
    /// something has come back stay; others may not have been noticed yet, and end.
    pub fn refuse(&self) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = listening.take() else { return };
        self.shared.close(true);
        // Wakes the thread, which closes the port.
        let _ = TcpStream::connect_timeout(&self.address(), WAKE);
        let _ = thread.join();
    }

    /// Lets clients connect again.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotStarted`] if its port has been taken meanwhile.
    pub fn accept(&self) -> Result<(), ServerError> {
        self.listen().map_err(|error| ServerError::NotStarted(Arc::new(error)))
    }

    /// As if there had been no fault: clients can connect, all bytes pass, what was held goes on.
    /// Connections that have lost bytes end.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn heal(&self) -> Result<(), ServerError> {
        self.shared.heal();
        self.accept()
    }

    /// What has come, gone and been lost so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.shared.traffic()
    }

    /// Blocks until the traffic is such.
    ///
    /// Not for a thread that must itself be free for the traffic to flow: there, ask
    /// [`traffic`](Self::traffic) time and again.
    ///
    /// # Errors
    ///
    /// [`ServerError::Late`] after ten seconds.
    pub fn wait_until(
        &self,
        mut done: impl FnMut(&Traffic) -> bool,
    ) -> Result<Traffic, ServerError> {
        self.shared.wait_until(&mut done).ok_or(ServerError::Late("traffic through a proxy"))
    }

    fn listen(&self) -> io::Result<()> {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if listening.is_none() {
            let listener = TcpListener::bind(self.address())?;
            self.shared.close(false);
            let shared = Arc::clone(&self.shared);
            *listening = Some(thread::spawn(move || pump::serve(&listener, &shared)));
        }
        Ok(())
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
        self.shared.end();
    }
}

/// Without the url, which may have a password in it.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("port", &self.port)
            .field("traffic", &self.traffic())
            .finish_non_exhaustive()
    }
}

const PORTS_TO_TRY: u32 = 5;
const WAKE: Duration = Duration::from_secs(5);
