//! The spans and events of a story, and what they do not show.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

mod support;

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use redlock_core::Redlock;
use redlock_observe::TracingObserver;
use redlock_testkit::MemoryNode;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use self::support::{SECRET, told_to};

/// Writes down what it is told, a line each.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Lines {
    fn push(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        assert_eq!(attributes.metadata().target(), "redlocks");
        self.push(format!("begin {}{}", attributes.metadata().name(), fields.0));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        assert_eq!(event.metadata().target(), "redlocks");
        let span = context.event_span(event).map_or("", |span| span.name());
        self.push(format!("{} [{span}]{}", event.metadata().level(), fields.0));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.push(format!("end {}", context.span(&id).unwrap().name()));
    }
}

fn lines(lowest: Level) -> (Vec<String>, String) {
    let lines = Lines::default();
    let filter = tracing_subscriber::filter::LevelFilter::from_level(lowest);
    let subscriber = tracing_subscriber::registry().with(lines.clone().with_filter(filter));
    let token =
        tracing::subscriber::with_default(subscriber, || told_to(Arc::new(TracingObserver::new())));
    let told = lines.0.lock().unwrap().clone();
    (told, String::from_utf8(token.as_bytes().to_vec()).unwrap())
}

#[test]
fn a_held_lock_is_a_span_with_what_happens_to_it() {
    let (told, token) = lines(Level::TRACE);
    let text = told.join("\n");
    let place = |start: &str, holds: &[&str]| {
        let fits =
            |line: &String| line.starts_with(start) && holds.iter().all(|part| line.contains(part));
        told.iter().position(fits).unwrap_or_else(|| panic!("no {start} {holds:?}:\n{text}"))
    };
    let story = [
        place(
            "TRACE []",
            &["message=attempt", "resource=\"job:42\"", "number=1", "tally=0 of 3 granted"],
        ),
        place("TRACE []", &["message=contended", "holder=", "remaining="]),
        place("DEBUG []", &["message=waiting"]),
        place("WARN []", &["a cannot tell of releases"]),
        place("DEBUG []", &["message=waited", "time=10"]),
        place("begin held", &["resource=\"job:42\"", "token="]),
        place("DEBUG [held]", &["message=acquired", "validity=988ms"]),
        place("DEBUG []", &["message=gave up", "reason=\"contended\""]),
        place("DEBUG [held]", &["message=extended", "by=\"holder\"", "margin=98"]),
        place("DEBUG [held]", &["message=extended", "by=\"renewal\""]),
        place("INFO [held]", &["message=healed", "node=\"b\""]),
        place("DEBUG [held]", &["message=handed on"]),
        place("end held", &[]),
        place("DEBUG [held]", &["message=adopted"]),
        place(
            "WARN []",
            &["message=node failed", "node=\"a\"", "kind=\"unreachable\"", "error=a unreachable"],
        ),
        place("WARN [held]", &["message=not extended", "tally="]),
        place("WARN [held]", &["message=lost", "reason=\"expired\""]),
        place("WARN []", &["message=gave up", "reason=\"unavailable\""]),
        place("DEBUG [held]", &["message=released"]),
    ];
    assert!(story.is_sorted(), "{story:?}:\n{text}");
    place("TRACE []", &["message=freed", "outcome=\"released\""]);
    place("DEBUG [held]", &["message=not extended"]);
    place("DEBUG []", &["message=node failed", "node=\"a\""]);
    let count = |start| told.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("WARN [held] message=not extended"), 1, "{text}");
    assert!(count("DEBUG [held] message=not extended") > 5, "{text}");
    assert_eq!((count("begin held"), count("end held")), (3, 3), "{text}");
    assert!(!text.contains(&token) && !text.contains(SECRET), "{text}");
}

#[test]
fn a_subscriber_that_wants_warnings_alone_gets_nothing_else() {
    let (told, _) = lines(Level::WARN);
    assert!(!told.is_empty());
    assert!(told.iter().all(|line| line.starts_with("WARN []")), "{told:?}");
    for message in ["cannot tell", "node failed", "not extended", "lost", "gave up"] {
        assert!(told.iter().any(|line| line.contains(message)), "{message}: {told:?}");
    }
}

/// All of them are named, but for a set that is large.
#[test]
fn a_set_is_shown_with_its_resources() {
    for (count, expected) in
        [(2, r#"resource="[\"job-00\", \"job-01\"]""#), (18, r#"\"job-15\"] and 2 more""#)]
    {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::registry().with(lines.clone());
        tracing::subscriber::with_default(subscriber, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.unwrap().block_on(async {
                let builder = Redlock::builder().node(MemoryNode::named("a"));
                let redlock = builder.observer(Arc::new(TracingObserver::new())).build().unwrap();
                let names = (0..count).map(|number| format!("job-{number:02}"));
                redlock.lock_all(names).acquire().await.unwrap().release().await;
            });
        });
        let told = lines.0.lock().unwrap().join("\n");
        for start in
            ["begin held", "DEBUG [held] message=acquired", "DEBUG [held] message=released"]
        {
            let line = told.lines().find(|line| line.starts_with(start));
            let line = line.unwrap_or_else(|| panic!("no {start}:\n{told}"));
            assert!(line.contains(expected), "{line}");
        }
    }
}
