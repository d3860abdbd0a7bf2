//! A master that sentinels watch, and a cluster, each as one node.

use std::{
    env, fs,
    net::TcpListener,
    path::PathBuf,
    process::{self, Child, Stdio},
};

use futures::StreamExt;
use redlock_core::{Delivery, FailureKind, Inspection, LockNode, Vote};
use redlock_fred::{
    FredNode,
    fred::{
        clients::Client,
        interfaces::ClientLike,
        types::{
            ClusterHash, CustomCommand, Resp3Frame,
            config::{Config, ServerConfig},
        },
    },
};
use redlock_testkit::server::{Cluster, Options, Server};
use tokio::time::timeout;

use crate::{
    common::{PATIENCE, RETURN, exists, resource, token, ttl, until, votes},
    every_adapter::cluster::patient,
};

/// Free a moment ago, which has to do for what the harness does not look after.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One sentinel, which is enough to fail over.
struct Sentinel {
    child: Child,
    port: u16,
    folder: PathBuf,
    password: Option<&'static str>,
}

impl Sentinel {
    fn watch(master: &Server) -> Self {
        Self::with(master, Some("s-pass"))
    }

    fn with(master: &Server, password: Option<&'static str>) -> Self {
        let port = port();
        let folder = env::temp_dir().join(format!("redlocks-sentinel-{}-{port}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("sentinel.conf");
        let watched = master.port();
        let login = password.map(|password| format!("requirepass {password}")).unwrap_or_default();
        let text = format!(
            "port {port}\nbind 127.0.0.1\n{login}\n\
             sentinel monitor main 127.0.0.1 {watched} 1\nsentinel auth-pass main m-pass\n\
             sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 1000\n"
        );
        fs::write(&file, text).unwrap();
        let child =
            process::Command::new(env::var("REDLOCKS_SERVER").unwrap_or("redis-server".into()))
                .arg(&file)
                .arg("--sentinel")
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
        Self { child, port, folder, password }
    }

    fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// Its url if it were at another port.
    fn url_at(&self, port: u16) -> String {
        let login = self.password.map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{login}127.0.0.1:{port}")
    }
}

/// The master that these sentinels watch, which wants a password.
fn master_of<const N: usize>(sentinels: [String; N]) -> FredNode {
    FredNode::sentinel_with("main", sentinels, MASTER).unwrap()
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// How many replicas the sentinel knows, to fail over to.
async fn replicas(sentinel: &Sentinel) -> usize {
    let server = ServerConfig::new_centralized("127.0.0.1", sentinel.port);
    let password = Some("s-pass".to_owned());
    let client = Client::new(Config { server, password, ..Config::default() }, None, None, None);
    let Ok(task) = client.init().await else { return 0 };
    let command = CustomCommand::new_static("SENTINEL", ClusterHash::Random, false);
    let known = client.custom_raw(command, vec!["REPLICAS", "main"]).await;
    client.quit().await.unwrap();
    task.await.unwrap().unwrap();
    match known {
        Ok(Resp3Frame::Array { data, .. }) => data.len(),
        _ => 0,
    }
}

#[tokio::test]
async fn the_master_of_a_name_votes_and_after_a_fail_over_the_new_one() {
    let server = Options::new().password("m-pass").args(["--masterauth", "m-pass"]);
    let mut master = server.clone().start().unwrap();
    let replica = server.start().unwrap();
    replica.cmd::<()>(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]).unwrap();
    until(PATIENCE, || async {
        let info: String = master.cmd(&["INFO", "replication"]).unwrap();
        info.contains("state=online")
    })
    .await;
    let sentinel = Sentinel::watch(&master);
    until(2 * PATIENCE, || async { replicas(&sentinel).await == 1 }).await;

    // The first sentinel is none, which must not matter.
    let node = master_of([sentinel.url_at(port()), sentinel.url()]);
    assert_eq!(node.inspect(&resource("r")).await.unwrap(), Inspection::Free);
    assert!(votes(&node).await);
    assert_eq!(master.calls("set").unwrap(), 1);
    let before = node.identity();
    assert!(before.is_some());

    master.kill();
    assert!(!votes(&node).await);
    until(3 * PATIENCE, || votes(&node)).await;
    assert_ne!(node.identity(), before);
    let (name, mine) = (resource("r"), token("mine"));
    assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
    assert!(exists(&replica, "r"));
    // A master that was made a replica says so, and is not asked again.
    replica.cmd::<()>(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
    let error = node.acquire(&resource("x"), &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    assert!(error.to_string().contains("READONLY"), "{error}");
    // The sentinel still names it; but the node looks before it believes.
    let error = node.acquire(&resource("x"), &mine, ttl(60_000)).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
    assert!(error.to_string().contains("role"), "{error}");
}

#[tokio::test]
async fn sentinels_that_are_not_there_or_do_not_know_the_name_are_an_outage() {
    let master = Options::new().password("m-pass").start().unwrap();
    let sentinel = Sentinel::watch(&master);
    let node = master_of([sentinel.url()]);
    until(PATIENCE, || votes(&node)).await;
    // Who logs in at the master as nobody is turned away by it.
    let nobody = FredNode::sentinel("main", [sentinel.url()]).unwrap();
    let error = nobody.inspect(&resource("r")).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
    for node in [
        FredNode::sentinel_with("other", [sentinel.url()], MASTER).unwrap(),
        master_of([sentinel.url_at(port())]),
    ] {
        let error = node.inspect(&resource("r")).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
        assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
    }
    drop(node);
    until(PATIENCE, || async { master.connections().unwrap().len() <= OF_THE_SENTINEL }).await;
}

#[tokio::test]
async fn a_sentinel_that_hangs_does_not_keep_the_others_from_being_asked() {
    let master = Options::new().password("m-pass").start().unwrap();
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().port();
    // The first is asked for the master at once, the other to let the node in.
    for password in [None, Some("s-pass")] {
        let sentinel = Sentinel::with(&master, password);
        let node = master_of([sentinel.url()]);
        until(PATIENCE, || votes(&node)).await;
        let node = master_of([sentinel.url_at(silent), sentinel.url()]);
        // One attempt with each, and the pause between them.
        until(2 * RETURN, || votes(&node)).await;
    }
}

#[tokio::test]
async fn a_cluster_is_one_node_that_leads_each_resource_to_its_server() {
    let mut servers = Cluster::start().unwrap();
    let node = FredNode::cluster([servers[0].url()]).unwrap();
    assert_eq!(node.label(), format!("cluster:127.0.0.1:{}/0", servers[0].port()));
    let mine = token("mine");
    for number in 0..50 {
        let name = resource(&format!("r{number}"));
        assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        assert_eq!(node.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        assert_eq!(node.extend(&name, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
        assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());
    }
    for server in servers.iter() {
        assert!(server.calls("set").unwrap() > 0, "a server had no share");
        assert_eq!(server.cmd::<u64>(&["DBSIZE"]).unwrap(), 0);
    }
    assert_eq!(servers.iter().map(|server| server.calls("set").unwrap()).sum::<u64>(), 100);
    assert_eq!(node.identity(), None);

    // A slot that moves takes the resource with it; the node follows.
    let name = resource("moved");
    let slot = servers.slot("moved").unwrap();
    let target = (servers.owner(slot).unwrap() + 1) % 3;
    servers.move_slot(slot, target).unwrap();
    until(PATIENCE, || async { node.acquire(&name, &mine, ttl(60_000)).await.is_ok() }).await;
    assert!(exists(&servers[target], "moved"));
    assert_eq!(node.release(&name, &mine).await.unwrap(), Vote::granted());

    // Without one of its masters it does not vote; with it, it does again.
    servers[2].stop();
    assert!(!votes_everywhere(&node).await);
    servers[2].cont();
    until(2 * PATIENCE, || votes_everywhere(&node)).await;
    servers[2].kill();
    until(PATIENCE, || async { !votes(&node).await }).await;
    drop(node);
    for server in &servers[..2] {
        until(PATIENCE, || async { server.connections().unwrap().is_empty() }).await;
    }
}

#[tokio::test]
async fn releases_on_any_server_of_a_cluster_are_heard_over_one_connection_to_it() {
    let mut servers = patient();
    let url = |server: &Server| ServerConfig::new_clustered(vec![("127.0.0.1", server.port())]);
    let client = Config { server: url(&servers[0]), ..Config::default() };
    let client = Client::new(client, None, None, None);
    client.init().await.unwrap();
    let nodes = [
        FredNode::cluster([servers[0].url()]).unwrap(),
        FredNode::cluster([servers[1].url()]).unwrap().resp3(),
        FredNode::from_client("client", client),
    ];
    let mine = token("mine");
    for (listens, tells) in [(0, 1), (1, 2), (2, 0), (2, 2)] {
        let (listens, tells): (&FredNode, &FredNode) = (&nodes[listens], &nodes[tells]);
        let listens = listens.notifications().unwrap();
        for number in 0..20 {
            let name = resource(&format!("r{number}"));
            let mut notices = listens.subscribe(&name).await.unwrap();
            assert_eq!(tells.acquire(&name, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
            let told = tells.notifications().unwrap().release_and_notify(&name, &mine).await;
            assert_eq!(told.unwrap().vote, Vote::granted());
            let notice = timeout(PATIENCE, notices.next()).await.unwrap().unwrap();
            assert_eq!(notice.holder, Some(mine.fingerprint()));
        }
    }
    for server in servers.iter() {
        assert!(server.calls("evalsha").unwrap() > 0, "a server had no share");
    }
    // The streams end with any of its servers, and without all of them there is none to listen to.
    let listens = nodes[0].notifications().unwrap();
    let mut notices = listens.subscribe(&resource("r")).await.unwrap();
    servers[2].kill();
    assert_eq!(timeout(PATIENCE, notices.next()).await.unwrap(), None);
}

async fn votes_everywhere(node: &FredNode) -> bool {
    for _ in 0..20 {
        if !votes(node).await {
            return false;
        }
    }
    true
}

const MASTER: &str = "redis://:m-pass@master";
/// Its connection for commands, and the one for news.
const OF_THE_SENTINEL: usize = 2;
