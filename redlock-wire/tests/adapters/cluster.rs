//! A cluster of three masters as one node.

use std::{collections::HashSet, net::TcpListener, sync::Arc, time::Duration};

use futures::StreamExt;
use redlock_core::{
    Cursor, Delivery, FailureKind, LockNode, NodeError, ResourceSet, Runtime, Survey, Token,
    TokioRuntime, Vote, async_trait,
};
use redlock_testkit::{
    conformance::{Subject, assert_conforms},
    server::{Cluster, Options, Server},
};
use redlock_wire::Script;
use tokio::time::timeout;

use crate::common::{Node, PATIENCE, resource, token, ttl, until, votes};

fn node(cluster: &Cluster) -> Node {
    Node::cluster(cluster.urls()).unwrap()
}

/// A cluster whose masters go on without each other.
fn partial() -> Cluster {
    let options = Options::new().args(["--cluster-require-full-coverage", "no"]);
    Cluster::with(3, &options).unwrap()
}

/// A cluster whose masters do not give each other up soon. What is published is told from one to the
/// other once at the most: it is lost if they make their link anew, as they do when one has stood
/// still for nearly the node timeout, on a busy machine.
pub(crate) fn patient() -> Cluster {
    Cluster::with(3, &Options::new().args(["--cluster-node-timeout", "60000"])).unwrap()
}

/// The places of the masters in the order in which they are listed: that of their addresses.
fn in_turn(cluster: &Cluster) -> Vec<usize> {
    let mut places: Vec<_> = (0..cluster.len()).collect();
    places.sort_by_key(|&place| address(&cluster[place]));
    places
}

fn address(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// Locks with names that begin with `order:`, each with a token of its own.
async fn hold(node: &Node, locks: usize) -> HashSet<(String, Token)> {
    let mut held = HashSet::new();
    for name in (0..locks).map(|number| format!("order:{number}")) {
        let mine = token(&name);
        node.acquire(&resource(&name), &mine, ttl(600_000)).await.unwrap();
        held.insert((name, mine));
    }
    held
}

/// What is listed of them from there on, and how many pages that is.
async fn list(
    node: &Node,
    mut from: Option<Cursor>,
) -> Result<(HashSet<(String, Token)>, usize), NodeError> {
    let (mut found, mut pages) = (HashSet::new(), 0);
    loop {
        let page = node.list("order:", from.as_ref()).await?;
        pages += 1;
        assert!(page.held.len() < 500, "{} on a page", page.held.len());
        for held in page.held {
            assert!(held.remaining.unwrap() > Duration::from_secs(1));
            found.insert((held.resource.to_string(), held.token));
        }
        from = page.next;
        if from.is_none() {
            return Ok((found, pages));
        }
    }
}

/// What is left of a listing after its first page.
async fn after_the_first_page(node: &Node) -> Cursor {
    node.list("order:", None).await.unwrap().next.unwrap()
}

#[tokio::test]
async fn every_master_is_listed_page_by_page() {
    let cluster = Cluster::start().unwrap();
    let node = node(&cluster);
    let held = hold(&node, 2_000).await;
    node.acquire(&resource("other"), &token("mine"), ttl(60_000)).await.unwrap();
    let (found, pages) = list(&node, None).await.unwrap();
    assert_eq!(found, held);
    assert!(pages >= 6, "some of each master: {pages}");
}

/// The place in a master that is there no more is no place in another.
#[tokio::test]
async fn a_listing_ends_with_an_error_at_a_master_that_does_not_answer() {
    let mut cluster = partial();
    let node = node(&cluster);
    hold(&node, 1_000).await;
    let from = after_the_first_page(&node).await;
    let first = in_turn(&cluster)[0];
    cluster[first].kill();
    node.list("order:", Some(&from)).await.unwrap_err();
}

#[tokio::test]
async fn a_master_that_there_is_no_connection_to_is_not_left_out_in_silence() {
    let mut cluster = partial();
    hold(&node(&cluster), 100).await;
    cluster[1].kill();
    // It meets the cluster like this.
    let node = node(&cluster);
    for _ in 0..3 {
        list(&node, None).await.unwrap_err();
    }
    cluster[1].restart().unwrap();
    cluster.wait_until_ok().unwrap();
    until(PATIENCE, async || list(&node, None).await.is_ok()).await;
}

/// Gives all slots of a master to another, before there is a lock.
async fn strip(cluster: &Cluster, place: usize, other: usize) {
    let nodes: String = cluster[place].cmd(&["CLUSTER", "NODES"]).unwrap();
    let line = nodes.lines().find(|line| line.contains("myself")).unwrap();
    let (first, last) = line.rsplit_once(' ').unwrap().1.split_once('-').unwrap();
    let target: String = cluster[other].cmd(&["CLUSTER", "MYID"]).unwrap();
    let is_done = |server: &Server| {
        let info: String = server.cmd(&["CLUSTER", "INFO"]).unwrap();
        let nodes: String = server.cmd(&["CLUSTER", "NODES"]).unwrap();
        let line = nodes.lines().find(|line| line.starts_with(&target)).unwrap();
        let has = |slot: &str| {
            let slot: u16 = slot.parse().unwrap();
            line.split(' ').skip(8).any(|range| {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                (from.parse().unwrap()..=to.parse().unwrap()).contains(&slot)
            })
        };
        has(first)
            && has(last)
            && info.contains("cluster_slots_ok:16384\r")
            && info.contains("cluster_state:ok")
    };
    until(3 * PATIENCE, async || {
        // Again if one has been told in between what was true before.
        for server in cluster.iter().filter(|server| !is_done(server)) {
            let _ = server.cmd::<()>(&["CLUSTER", "DELSLOTSRANGE", first, last]);
        }
        let _ = cluster[other].cmd::<()>(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
        cluster.iter().all(is_done)
    })
    .await;
}

#[tokio::test]
async fn a_master_that_nobody_has_told_the_client_of_is_not_left_out_in_silence() {
    let cluster = Cluster::start().unwrap();
    strip(&cluster, 2, 1).await;
    let node = node(&cluster);
    let held = hold(&node, 30).await;
    assert_eq!(list(&node, None).await.unwrap().0, held);
    cluster.move_slot(cluster.slot("order:7").unwrap(), 2).unwrap();
    list(&node, None).await.unwrap_err();
    until(PATIENCE, async || matches!(list(&node, None).await, Ok((all, _)) if all == held)).await;
}

/// There are as many masters as before, and the one that has gone still answers.
#[tokio::test]
async fn a_master_that_has_all_slots_of_another_is_not_left_out_in_silence() {
    let cluster = Cluster::start().unwrap();
    strip(&cluster, 2, 1).await;
    let lister = node(&cluster);
    assert_eq!(list(&lister, None).await.unwrap().0, HashSet::new());
    strip(&cluster, 1, 2).await;
    let held = hold(&node(&cluster), 30).await;
    list(&lister, None).await.unwrap_err();
    until(PATIENCE, async || matches!(list(&lister, None).await, Ok((all, _)) if all == held))
        .await;
}

#[tokio::test]
async fn a_new_master_is_found_by_a_user_with_keys_of_its_own() {
    let cluster = Cluster::start().unwrap();
    strip(&cluster, 2, 1).await;
    for server in cluster.iter() {
        server.cmd::<()>(&["ACL", "SETUSER", "default", "resetkeys", "~order:*"]).unwrap();
    }
    let lister = node(&cluster);
    assert_eq!(list(&lister, None).await.unwrap().0, HashSet::new());
    cluster.move_slot(cluster.slot("order:7").unwrap(), 2).unwrap();
    let held = hold(&node(&cluster), 30).await;
    list(&lister, None).await.unwrap_err();
    until(PATIENCE, async || matches!(list(&lister, None).await, Ok((all, _)) if all == held))
        .await;
}

#[tokio::test]
async fn a_second_master_is_found_by_who_knew_one() {
    let cluster = Cluster::with(2, &Options::new()).unwrap();
    strip(&cluster, 1, 0).await;
    let lister = node(&cluster);
    assert_eq!(list(&lister, None).await.unwrap().0, HashSet::new());
    cluster.move_slot(cluster.slot("order:7").unwrap(), 1).unwrap();
    let held = hold(&node(&cluster), 30).await;
    until(PATIENCE, async || matches!(list(&lister, None).await, Ok((all, _)) if all == held))
        .await;
}

#[tokio::test]
async fn a_place_at_a_master_that_is_none_is_refused_at_once_and_disturbs_nobody() {
    let cluster = Cluster::start().unwrap();
    let node = node(&cluster);
    let held = hold(&node, 600).await;
    let from = String::from_utf8(after_the_first_page(&node).await.as_bytes().to_vec()).unwrap();

    // Takes connections, if there are any.
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let elsewhere = stranger.local_addr().unwrap().to_string();
    let seen = || {
        let look = |server: &Server| {
            (server.connections().unwrap(), server.calls("cluster|slots").unwrap())
        };
        cluster.iter().map(look).collect::<Vec<_>>()
    };
    let before = seen();
    let first = address(&cluster[in_turn(&cluster)[0]]);
    let mut errors = Vec::new();
    for made_up in [&*elsewhere, "nowhere:1", "nowhere", ""] {
        let cursor = Cursor::new(from.replace(&first, made_up).into_bytes());
        errors.push((made_up, node.list("order:", Some(&cursor)).await.unwrap_err()));
        assert!(votes(&node).await);
    }
    let (found, _) = list(&node, None).await.unwrap();
    assert_eq!(found, held);
    assert_eq!(seen(), before, "the client has connected again, or asked where the masters are");
    stranger.accept().unwrap_err();
    for (made_up, error) in errors {
        assert_eq!((error.kind(), error.delivery()), (FailureKind::Rejected, Delivery::NotSent));
        let said = format!("{made_up} is no master of the cluster");
        assert!(error.to_string().contains(&said), "{error}");
    }
}

#[tokio::test]
async fn a_listing_does_not_pass_over_a_master_that_is_replaced_meanwhile() {
    for turn in [0, 2] {
        let cluster = Cluster::start().unwrap();
        let node = node(&cluster);
        let held = hold(&node, 1_200).await;
        let from = after_the_first_page(&node).await;
        let place = in_turn(&cluster)[turn];
        let _new = cluster.replace(place).unwrap();

        // The client has not been told, and the server that it takes for a master still answers.
        let error = list(&node, Some(from.clone())).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
        // By now it has.
        until(PATIENCE, async || matches!(list(&node, None).await, Ok((all, _)) if all == held))
            .await;
        let error = list(&node, Some(from)).await.unwrap_err();
        let said = format!("{} is no master of the cluster", address(&cluster[place]));
        assert!(error.to_string().contains(&said), "{error}");
    }
}

#[tokio::test]
async fn a_key_that_has_gone_over_with_half_of_its_slot_is_not_left_out_in_silence() {
    let cluster = Cluster::start().unwrap();
    let node = node(&cluster);
    let held = hold(&node, 30).await;
    let slot = cluster.slot("order:7").unwrap();
    let source = cluster.owner(slot).unwrap();
    let target = (source + 1) % 3;
    cluster.begin_move(slot, target).unwrap();
    let port = cluster[target].port().to_string();
    let migrate = ["MIGRATE", "127.0.0.1", &port, "order:7", "0", "5000"];
    cluster[source].cmd::<()>(&migrate).unwrap();
    let error = list(&node, None).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Rejected, "{error}");
    cluster.finish_move(slot, target).unwrap();
    until(PATIENCE, async || matches!(list(&node, None).await, Ok((all, _)) if all == held)).await;
}

/// Calls to a master that has nothing to do with it go on: they have the connection that they had.
#[tokio::test]
async fn a_listing_that_meets_half_a_slot_costs_nobody_his_connection() {
    let cluster = Cluster::start().unwrap();
    let node = node(&cluster);
    hold(&node, 30).await;
    let [target, source, third] = in_turn(&cluster)[..] else { panic!("three of them") };
    let is_there = |name: &str| cluster.owner(cluster.slot(name).unwrap()).unwrap() == source;
    let mut orders = (0..30).map(|number| format!("order:{number}"));
    let order = orders.find(|name| is_there(name)).unwrap();
    cluster.begin_move(cluster.slot(&order).unwrap(), target).unwrap();
    let port = cluster[target].port().to_string();
    let migrate = ["MIGRATE", "127.0.0.1", &port, &order, "0", "5000"];
    cluster[source].cmd::<()>(&migrate).unwrap();

    let before = cluster[third].connections().unwrap();
    for _ in 0..3 {
        list(&node, None).await.unwrap_err();
        assert!(votes(&node).await);
    }
    let after = cluster[third].connections().unwrap();
    // One that the library asks for the masters on may be new.
    assert!(before.iter().any(|connection| after.contains(connection)), "{before:?}, {after:?}");
}

#[tokio::test]
async fn a_server_whose_cluster_is_down_does_not_look_like_one_without_locks() {
    let mut cluster = Cluster::start().unwrap();
    hold(&node(&cluster), 30).await;
    let page = |server: &Server| {
        let words = ["EVAL", Script::LIST.body(), "0", "order:*", "0", "1000", "1024", "0"];
        server.cmd::<()>(&words).map_err(|error| error.to_string())
    };
    page(&cluster[0]).unwrap();
    cluster[1].kill();
    until(PATIENCE, async || page(&cluster[0]).is_err_and(|said| said.contains("may not tell of")))
        .await;
}

/// The masters of a cluster, as a subject of the conformance suite.
struct Masters<'a>(&'a Cluster);

#[async_trait]
impl Subject for Masters<'_> {
    async fn open(&self) -> Arc<dyn LockNode> {
        Arc::new(node(self.0))
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }
}

#[tokio::test]
async fn the_rules_of_surveys_and_agreements_are_kept() {
    let cluster = Cluster::start().unwrap();
    for rule in SURVEY_AND_ACCORD {
        for master in cluster.iter() {
            master.cmd::<()>(&["FLUSHALL"]).unwrap();
        }
        assert_conforms(rule, &Masters(&cluster), &[]).await;
    }
}

#[tokio::test]
async fn several_resources_of_one_slot_are_taken_at_once_and_others_refused_before_they_are_sent() {
    let cluster = patient();
    let node = node(&cluster);
    let (able, mine, theirs) = (node.sets().unwrap(), token("mine"), token("theirs"));
    let set = |names: &[&str]| ResourceSet::new(names.iter().map(|name| resource(name))).unwrap();
    for tag in ["x", "y", "z", "shop"] {
        let names = ["a", "b", "c"].map(|name| format!("{{{tag}}}:{name}"));
        let names = names.each_ref().map(String::as_str);
        let (all, some) = (set(&names), set(&names[..2]));
        let mut notices =
            node.notifications().unwrap().subscribe(&resource(names[1])).await.unwrap();
        assert_eq!(able.acquire_all(&some, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        let refused = able.acquire_all(&all, &theirs, ttl(60_000)).await.unwrap();
        assert!(matches!(refused, Vote::Refused(_)), "{refused:?}");
        assert_eq!(able.acquire_all(&all, &mine, ttl(60_000)).await.unwrap(), Vote::granted());
        assert_eq!(able.extend_all(&all, &mine, ttl(90_000)).await.unwrap(), Vote::granted());
        let told = able.release_all_and_notify(&all, &mine).await.unwrap();
        assert_eq!(told.vote, Vote::granted());
        let notice = timeout(PATIENCE, notices.next()).await.unwrap().unwrap();
        assert_eq!(notice.holder, Some(mine.fingerprint()));
    }

    let apart = set(&["{x}:a", "{y}:a"]);
    let errors = [
        able.acquire_all(&apart, &mine, ttl(60_000)).await.unwrap_err(),
        able.extend_all(&apart, &mine, ttl(60_000)).await.unwrap_err(),
        able.release_all(&apart, &mine).await.unwrap_err(),
        able.release_all_and_notify(&apart, &mine).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.delivery()), (FailureKind::Rejected, Delivery::NotSent));
        let said = error.to_string();
        assert!(said.contains(r#""{x}:a" and "{y}:a" lie in different slots"#), "{said}");
    }
}

const SURVEY_AND_ACCORD: [&str; 13] = [
    "a_listing_tells_what_is_held",
    "a_listing_tells_what_begins_so",
    "what_lies_beside_locks_is_not_listed",
    "a_page_is_a_piece",
    "what_stays_is_listed_whatever_comes_and_goes",
    "a_reset_frees_and_tells_whose_it_was",
    "who_was_reset_has_nothing_any_more",
    "a_reset_tells_who_has_subscribed",
    "what_was_agreed_first_is_told_to_all",
    "of_many_who_agree_at_once_all_are_told_the_same",
    "what_is_agreed_has_no_end",
    "an_agreement_is_no_lock",
    "an_agreement_is_not_listed",
];
