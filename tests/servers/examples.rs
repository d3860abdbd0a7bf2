//! Every example is run, not only built.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use redlock_testkit::server::Server;

use crate::support::{count_keys, five};

/// Where cargo has put an example that it built along with this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap().join("examples");
    let path = folder.join(name);
    assert!(path.exists(), "{name} is not built: cargo build --examples --all-features");
    path
}

fn stdout(output: Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_example_has_a_test_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let names: BTreeSet<String> = files.map(|name| name.into_string().unwrap()).collect();
    let known = [
        "blocking.rs",
        "counter.rs",
        "custom_node.rs",
        "fenced_file.rs",
        "fenced_redis.rs",
        "fenced_sql.rs",
        "metrics.rs",
        "metrics_dashboard.json",
        "own_runtime.rs",
        "quickstart.rs",
        "stampede.rs",
    ];
    assert_eq!(names.iter().collect::<Vec<_>>(), known);
    for name in known.iter().filter_map(|file| file.strip_suffix(".rs")) {
        let run = format!("example(\"{name}\")");
        assert!(include_str!("examples.rs").contains(&run), "nobody runs {name}");
    }
}

/// `refusal` is how the sentence begins in which the second client is refused.
fn tells_the_whole_story(story: &str, nodes: usize, refusal: &str) {
    for sentence in [
        &format!("{nodes} nodes, of which 3 must agree"),
        "alice acquires \"orders:42\" in",
        refusal,
        " of 5 nodes granted, 3 needed; held by another at",
        "alice extends to 10s: now it is hers for 9.8",
        "alice released \"orders:42\"",
        "bob, who waited, acquires it",
        "alice runs a job under a lock of its own: 42",
        "with a majority down",
        "unreachable",
    ] {
        assert!(story.contains(sentence), "missing: {sentence}\n{story}");
    }
}

#[test]
fn quickstart_runs_in_memory() {
    let story = stdout(Command::new(example("quickstart")).output().unwrap());
    tells_the_whole_story(&story, 5, "could not acquire \"orders:42\": 0 of 5 nodes granted");
}

#[test]
fn quickstart_runs_on_servers() {
    let servers = five();
    let urls = servers.iter().map(Server::url);
    let story = stdout(Command::new(example("quickstart")).args(urls).output().unwrap());
    // A node that the first client's request has yet to reach may still vote for the second.
    tells_the_whole_story(&story, 5, "could not acquire \"orders:42\": ");
}

#[test]
fn metrics_shows_what_happened_as_text() {
    let text = stdout(Command::new(example("metrics")).output().unwrap());
    for line in [
        "# TYPE redlock_held gauge",
        "redlock_attempts_total{outcome=\"granted\",resource=\"order\"} 40",
        "redlock_wait_seconds_bucket{resource=\"order\",le=\"+Inf\"} 40",
        "redlock_held{resource=\"report\"} 1",
        "redlock_waiters{resource=\"order\"} 0",
        "redlock_failures_total{reason=\"contended\",resource=\"report\"} 1",
        "redlock_node_failures_total{node=\"e\",kind=\"unreachable\"}",
        "redlock_heals_total{node=\"e\"}",
    ] {
        assert!(text.lines().any(|shown| shown.starts_with(line)), "missing: {line}\n{text}");
    }
}

/// Two processes with 64 tasks each.
#[test]
fn no_update_of_an_unprotected_counter_is_lost() {
    let servers = five();
    let file = servers[0].folder().join("counter");
    fs::write(&file, "0").unwrap();
    let worker = || {
        let mut worker = Command::new(example("counter"));
        worker.arg(&file).args(["64", "3"]).args(servers.iter().map(Server::url));
        worker.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let workers = [worker(), worker()];
    for worker in workers {
        stdout(worker.wait_with_output().unwrap());
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), (2 * 64 * 3).to_string());
}

#[test]
fn own_runtime_keeps_a_lock_for_longer_than_its_ttl() {
    let story = stdout(Command::new(example("own_runtime")).output().unwrap());
    for sentence in
        ["held for twice its ttl: true", "released \"orders:42\"", "lost: too few nodes"]
    {
        assert!(story.contains(sentence), "missing: {sentence}\n{story}");
    }
}

/// Its `main` ends with a guard and does nothing else about it.
#[test]
fn a_blocking_program_that_ends_leaves_no_key() {
    let servers = five();
    let urls = servers.iter().map(Server::url);
    let story = stdout(Command::new(example("blocking")).args(urls).output().unwrap());
    assert!(story.contains("4 threads have taken turns 20 times"), "{story}");
    assert!(story.contains("the program ends with \"orders:42\" in its hands"), "{story}");
    assert_eq!(count_keys(&servers), 0);
}

#[test]
fn a_custom_node_locks_in_files() {
    let story = stdout(Command::new(example("custom_node")).output().unwrap());
    for sentence in [
        "alice holds \"orders:42\" for ",
        // A file that alice's request has yet to reach may still vote for bob.
        "bob is refused: could not acquire \"orders:42\": ",
        " of 3 nodes granted, 2 needed; held by another at ",
        "with c.db gone, bob holds it",
        "with b.db gone too: ",
        "unreachable: the file is not there",
    ] {
        assert!(story.contains(sentence), "missing: {sentence}\n{story}");
    }
}

fn is_computed_once(story: &str) {
    for sentence in [
        "50 clients find nothing in the cache:\n    50 have the fresh value, 0 the stale one",
        "    computations so far: 1\n50 clients find it:\n    50 have the fresh value",
        "    computations so far: 1\nit is past its time",
        "    the first: rates, computed 2 times\n",
        "    computations in all: 2\n",
    ] {
        assert!(story.contains(sentence), "missing: {sentence}\n{story}");
    }
}

#[test]
fn of_a_stampede_one_computes_in_memory() {
    is_computed_once(&stdout(Command::new(example("stampede")).output().unwrap()));
}

#[test]
fn of_a_stampede_one_computes_on_servers() {
    let servers = five();
    let urls = servers.iter().map(Server::url);
    is_computed_once(&stdout(Command::new(example("stampede")).args(urls).output().unwrap()));
    assert_eq!(count_keys(&servers), 1, "the value, and no lock");
}

fn refuses_the_late_writer(story: &str, stands: &str) {
    for sentence in [
        "alice holds the lock with fence ",
        " later bob gets it, with fence ",
        "    refused: the fencing token ",
        " is stale, ",
        stands,
    ] {
        assert!(story.contains(sentence), "missing: {sentence}\n{story}");
    }
}

#[test]
fn a_fenced_database_refuses_the_late_writer() {
    let story = stdout(Command::new(example("fenced_sql")).output().unwrap());
    refuses_the_late_writer(&story, "what stands: \"bob wrote this\", and savings of 40");
}

#[test]
fn a_fenced_file_refuses_the_late_writer() {
    let story = stdout(Command::new(example("fenced_file")).output().unwrap());
    refuses_the_late_writer(&story, "what stands: alice's first page, bob's second page");
}

#[test]
fn a_fenced_value_on_a_server_refuses_the_late_writer() {
    let server = Server::start().unwrap();
    let story = Command::new(example("fenced_redis")).arg(server.url()).output().unwrap();
    refuses_the_late_writer(&stdout(story), "what stands: apples, pears");
}
