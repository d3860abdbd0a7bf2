//! Walks through worlds, and what is told of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    hash::Hash,
    io::Write,
    thread,
    time::{Duration, Instant},
};

use stateright::{Checker, HasDiscoveries, Model};

/// A world that can be walked.
pub(crate) trait Walked: Copy
    + Debug
    + Send
    + Sync
    + Model<State: Clone + Debug + Hash + PartialEq + Send + Sync, Action: Clone + Debug + PartialEq>
    + 'static
{
    /// What must hold in it.
    const MUST: &'static [&'static str];

    fn name(&self) -> &'static str;
}

/// When a walk may stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// Not before every reachable state has been seen.
    Exhausted,
    /// When all of these have been found.
    Found(&'static [&'static str]),
}

/// A walk through a world, and what was seen on it.
#[derive(Debug)]
pub(crate) struct Walk {
    name: &'static str,
    must: &'static [&'static str],
    until: Until,
    states: usize,
    depth: usize,
    time: Duration,
    found: BTreeMap<&'static str, Vec<String>>,
}

impl Walk {
    pub(crate) fn through<W: Walked>(world: &W, until: Until) -> Self {
        #[allow(clippy::disallowed_methods, reason = "how long the walk takes, not how it goes")]
        let now = Instant::now;
        let started = now();
        // Never met, so that a walk to the end is one.
        let nothing_ends_it = HasDiscoveries::AllOf(BTreeSet::from(["the end"]));
        let checker = world
            .checker()
            .threads(thread::available_parallelism().map_or(1, usize::from))
            .finish_when(match until {
                Until::Exhausted => nothing_ends_it,
                Until::Found(found) => HasDiscoveries::AllOf(found.iter().copied().collect()),
            })
            .spawn_bfs()
            .join();
        let time = started.elapsed();
        let found = checker.discoveries().into_iter();
        Self {
            name: world.name(),
            must: W::MUST,
            until,
            states: checker.unique_state_count(),
            depth: checker.max_depth(),
            time,
            found: found
                .map(|(name, path)| {
                    let steps = path.into_actions();
                    (name, steps.iter().map(|step| format!("{step:?}")).collect())
                })
                .collect(),
        }
    }

    /// The head of the table that [`row`](Self::row) continues.
    pub(crate) fn head(what: &str) {
        say(&format!(
            "\n{what} | walked | violated (steps of a counter-example) | unique states | depth | seconds\n---|---|---|--:|--:|--:"
        ));
    }

    pub(crate) fn row(&self) -> String {
        self.row_of(self.name, self.must)
    }

    pub(crate) fn row_of(&self, name: &str, properties: &[&str]) -> String {
        let violated = properties.iter().filter_map(|property| {
            let steps = self.found.get(property)?.len();
            Some(format!("{property} ({steps})"))
        });
        let violated = violated.collect::<Vec<_>>().join(", ");
        let violated = if violated.is_empty() { "nothing" } else { &violated };
        let walked = match self.until {
            Until::Exhausted => "exhaustively",
            Until::Found(_) => "until found",
        };
        let Self { states, depth, .. } = self;
        let seconds = self.time.as_secs_f64();
        format!("{name} | {walked} | {violated} | {states} | {depth} | {seconds:.1}")
    }

    /// Panics unless each of these was found.
    pub(crate) fn assert_found(&self, expected: &[&str]) {
        for name in expected {
            assert!(self.found.contains_key(name), "not found in {}: `{name}`", self.name);
        }
    }

    /// Panics unless these were found, and nothing else that must hold was violated.
    pub(crate) fn assert_found_exactly(&self, expected: &[&str]) {
        self.assert_found(expected);
        for name in self.must.iter().filter(|name| !expected.contains(name)) {
            if let Some(steps) = self.found.get(name) {
                panic!("violated in {}: `{name}` by {steps:#?}", self.name);
            }
        }
    }
}

/// Prints past the test harness, which would keep it to itself when all is well.
pub(crate) fn say(line: &str) {
    // Who cannot read it does not miss it.
    let _ = writeln!(std::io::stderr(), "{line}");
}
