use std::{collections::HashMap, fs, sync::Arc, time::Duration};

use super::{Options, Server, ServerError, Servers, folder::Folder, wait};

/// A master with replicas, watched by sentinels that promote a replica when the master is gone.
///
/// Ended when dropped, also by a panic. The master that the sentinels watch is called
/// [`NAME`](Self::NAME).
///
/// ```no_run
/// use redlock_testkit::server::Sentinel;
///
/// let mut deployment = Sentinel::start(1, 3)?;
/// let before = deployment.master()?.port();
/// deployment.fail_over()?; // kills the master, and waits until a replica is one
/// assert_ne!(deployment.master()?.port(), before);
/// # Ok::<(), redlock_testkit::server::ServerError>(())
/// ```
#[derive(Debug)]
pub struct Sentinel {
    servers: Servers,
    sentinels: Servers,
    /// Where the sentinels keep what they have learnt.
    _folder: Folder,
}

impl Sentinel {
    /// The name under which the sentinels know the master.
    pub const NAME: &str = "main";

    /// A master with so many replicas and sentinels. Returns when all know of each other.
    ///
    /// A fail-over needs a majority of the sentinels, and a replica. It takes one to three
    /// seconds, most of them the sentinels' own pauses.
    ///
    /// # Errors
    ///
    /// As [`Server::start`], which includes that there is to be no sentinel, or
    /// [`ServerError::NotAgreed`] if they do not find each other.
    pub fn start(replicas: usize, sentinels: usize) -> Result<Self, ServerError> {
        Self::with(replicas, sentinels, &Options::new(), &Options::new())
    }

    /// The same with options for the servers, and others for the sentinels: a password of the one
    /// is not asked for by the other.
    ///
    /// # Errors
    ///
    /// As [`Sentinel::start`].
    pub fn with(
        replicas: usize,
        sentinels: usize,
        of_servers: &Options,
        of_sentinels: &Options,
    ) -> Result<Self, ServerError> {
        if sentinels == 0 {
            return Err(ServerError::nothing_to_start("a deployment needs a sentinel"));
        }
        let master = secured(of_servers).start()?;
        let follow = format!("127.0.0.1 {}", master.port());
        let replica = secured(of_servers).args(["--replicaof", &follow]);
        let mut servers = vec![master];
        for _ in 0..replicas {
            servers.push(replica.clone().start()?);
        }

        let not_written = |error| ServerError::NotStarted(Arc::new(error));
        let folder = Folder::new().map_err(not_written)?;
        let watch = watch(servers[0].port(), sentinels / 2 + 1, of_servers);
        let sentinels = (0..sentinels)
            .map(|index| {
                let file = folder.path().join(format!("{index}.conf"));
                fs::write(&file, &watch).map_err(not_written)?;
                let sentinel = Options { config_file: Some(file), ..of_sentinels.clone() };
                let sentinel = sentinel.args(["--sentinel"]).start()?;
                hurry(&sentinel);
                Ok(sentinel)
            })
            .collect::<Result<Vec<_>, ServerError>>()?;

        let deployment = Self {
            servers: Servers::from(servers),
            sentinels: Servers::from(sentinels),
            _folder: folder,
        };
        wait::until(deployment.sentinels.iter(), "who watches and who follows", || {
            deployment.is_complete().then_some(())
        })?;
        Ok(deployment)
    }

    /// The urls of the sentinels.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.urls()
    }

    /// Master and replicas, the first master first.
    #[must_use]
    pub fn servers(&mut self) -> &mut Servers {
        &mut self.servers
    }

    /// The sentinels: to stop, kill and bring back.
    #[must_use]
    pub fn sentinels(&mut self) -> &mut Servers {
        &mut self.sentinels
    }

    /// The server that the sentinels call the master now; it may have just died.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotAgreed`] if no majority of the sentinels names one of the servers.
    pub fn master(&self) -> Result<&Server, ServerError> {
        self.place_of_master().map(|place| &self.servers[place])
    }

    /// The same, to be killed and brought back.
    ///
    /// # Errors
    ///
    /// As [`Sentinel::master`].
    pub fn master_mut(&mut self) -> Result<&mut Server, ServerError> {
        self.place_of_master().map(|place| &mut self.servers[place])
    }

    /// Kills the master, and waits until a majority of the sentinels names another, which is one.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotAgreed`] if they do not: too few sentinels are left, or no replica.
    pub fn fail_over(&mut self) -> Result<&Server, ServerError> {
        let master = self.master_mut()?;
        let port = master.port();
        master.kill();
        self.wait_for_promotion(port)
    }

    /// Has the first sentinel make a replica the master, and the master a replica: as for
    /// maintenance, nothing dies.
    ///
    /// # Errors
    ///
    /// [`ServerError::Command`] if it will not: it needs a replica, and some seconds between two.
    pub fn switch(&self) -> Result<(), ServerError> {
        self.sentinels[0].cmd(&["SENTINEL", "FAILOVER", Self::NAME])
    }

    /// Waits until a majority of the sentinels names another master than the one on this port, and
    /// it is one.
    ///
    /// # Errors
    ///
    /// [`ServerError::NotAgreed`] if they do not.
    pub fn wait_for_promotion(&self, former: u16) -> Result<&Server, ServerError> {
        let place = wait::until(self.sentinels.iter(), "a new master", || {
            let place = self.place_named_by_majority()?;
            let server = &self.servers[place];
            // The former one may hang, and is not asked.
            (server.port() != former && is_master(server)).then_some(place)
        })?;
        Ok(&self.servers[place])
    }

    fn place_of_master(&self) -> Result<usize, ServerError> {
        wait::until(self.sentinels.iter(), "a master", || self.place_named_by_majority())
    }

    fn place_named_by_majority(&self) -> Option<usize> {
        let named: Vec<u16> = self.sentinels.iter().filter_map(|one| named_by(one).ok()).collect();
        self.servers.iter().position(|server| {
            let votes = named.iter().filter(|&&port| port == server.port()).count();
            votes > self.sentinels.len() / 2
        })
    }

    /// Whether every sentinel knows the others, and every replica has its copy.
    fn is_complete(&self) -> bool {
        let others = (self.sentinels.len() - 1).to_string();
        let replicas = (self.servers.len() - 1).to_string();
        let knows = |sentinel: &Server| {
            let about =
                sentinel.cmd::<HashMap<String, String>>(&["SENTINEL", "MASTER", Self::NAME]);
            about.is_ok_and(|about| {
                about.get("num-other-sentinels") == Some(&others)
                    && about.get("num-slaves") == Some(&replicas)
                    && about.get("flags").is_some_and(|flags| flags == "master")
            })
        };
        let follows = |replica: &Server| {
            let info = replica.cmd::<String>(&["INFO", "replication"]);
            info.is_ok_and(|info| info.contains("master_link_status:up"))
        };
        self.servers[1..].iter().all(follows) && self.sentinels.iter().all(knows)
    }
}

/// The port of the master, as this sentinel tells; a sentinel that was stopped tells nothing.
fn named_by(sentinel: &Server) -> redis::RedisResult<u16> {
    let mut connection =
        redis::Client::open(sentinel.url())?.get_connection_with_timeout(SENTINEL_ANSWER)?;
    connection.set_read_timeout(Some(SENTINEL_ANSWER))?;
    let question = ["GET-MASTER-ADDR-BY-NAME", Sentinel::NAME];
    let (_, port): (String, u16) = redis::cmd("SENTINEL").arg(&question).query(&mut connection)?;
    Ok(port)
}

fn is_master(server: &Server) -> bool {
    let info = server.cmd::<String>(&["INFO", "replication"]);
    info.is_ok_and(|info| info.contains("role:master"))
}

/// A server may become a replica of any of the others, and must show them their common password.
fn secured(options: &Options) -> Options {
    // By default a master waits five seconds for more replicas to come.
    let options = options.clone().args(["--repl-diskless-sync-delay", "0"]);
    let options = options.args(["--rename-command", "SLAVEOF", SLAVEOF]);
    match options.password.clone() {
        Some(password) => options.args(["--masterauth".to_owned(), password]),
        None => options,
    }
}

/// What a sentinel is told: a short patience, and a short pause after an election that was split.
fn watch(port: u16, quorum: usize, of_servers: &Options) -> String {
    let name = Sentinel::NAME;
    let mut lines = vec![
        format!("sentinel monitor {name} 127.0.0.1 {port} {quorum}"),
        format!("sentinel down-after-milliseconds {name} 500"),
        format!("sentinel failover-timeout {name} 2000"),
        format!("sentinel rename-command {name} SLAVEOF {SLAVEOF}"),
    ];
    if let Some(password) = &of_servers.password {
        // In a file, what is not quoted ends at a space.
        let quoted: String = password.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        lines.push(format!("sentinel auth-pass {name} \"{quoted}\""));
    }
    lines.join("\n") + "\n"
}

/// Shortens the pauses between a sentinel's questions from seconds, where it lets us (Redis 7).
///
/// What it publishes comes less often: after four such pauses the other sentinels would take a
/// replica that was just promoted for one that is astray, and make it a replica again, while the
/// one that promotes it looks for that once a second. And it pings as ever: a replica not heard of
/// for five such pauses is not promoted.
fn hurry(sentinel: &Server) {
    let pauses = [("INFO", "100"), ("ASK", "100"), ("PUBLISH", "500")];
    for (about, millis) in pauses {
        let pause = format!("{about}-PERIOD");
        let _ = sentinel.cmd::<()>(&["SENTINEL", "DEBUG", &pause, millis]);
    }
}

/// What the sentinels call the command by which they make a server a replica. Another test's server
/// may have got the port of a dead one, and must not understand it.
const SLAVEOF: &str = "SLAVEOF-OF-REDLOCKS-TESTS";

const SENTINEL_ANSWER: Duration = Duration::from_millis(500);
