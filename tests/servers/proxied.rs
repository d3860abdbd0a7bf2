//! One way of five is broken: the others' votes come in undelayed.

use std::time::Instant;

use crate::{
    fleet::over,
    support::{MS, count_keys, five, node},
};
use redlock_testkit::server::{Direction, Flow, Proxy, Server};

/// What happens to the first of the five.
type Fault = fn(&Server, &Proxy);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_one_node_of_five_the_others_are_not_delayed() {
    let faults: [(&str, Fault); 8] = [
        ("hung", |server, _| server.stop()),
        ("replica", |server, _| server.make_read_only().unwrap()),
        ("no memory", |server, _| server.fill_memory().unwrap()),
        ("refused", |_, proxy| {
            proxy.refuse();
            proxy.cut();
        }),
        ("cut in a reply", |_, proxy| proxy.set(Direction::Replies, Flow::CutAfter(1))),
        ("replies lost", |_, proxy| proxy.set(Direction::Replies, Flow::Lose)),
        ("requests lost", |_, proxy| proxy.set(Direction::Requests, Flow::Lose)),
        ("slow", |_, proxy| proxy.set(Direction::Replies, Flow::Delay(250 * MS))),
    ];
    for (name, fault) in faults {
        let servers = five();
        let proxy = Proxy::start(&servers[0]).unwrap();
        let urls = servers[1..].iter().map(Server::url).chain([proxy.url()]);
        let redlock = over(urls, node);
        redlock.lock("r").acquire().await.unwrap().release().await;
        fault(&servers[0], &proxy);
        let mut times = Vec::new();
        for round in 0..20 {
            // One name each: a node that is a little slower than the quorum may still have the
            // last one when it is taken again.
            let lock = redlock.lock(format!("{name} {round}"));
            let start = Instant::now();
            lock.try_acquire().await.unwrap().release().await;
            times.push(start.elapsed());
        }
        times.sort();
        println!("{name}: median of a pair {:?}", times[10]);
        // One that waited for the broken node would take the node timeout, or the delay.
        assert!(times[10] < 100 * MS, "{name}: {times:?}");
        servers[0].cont();
        servers[0].promote().unwrap();
        servers[0].free_memory().unwrap();
        proxy.heal().unwrap();
        redlock.settled().await;
        assert_eq!(count_keys(&servers), 0, "{name}");
    }
}
