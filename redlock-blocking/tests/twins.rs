//! What the async API can, this one can: every public method of the core's handles has a twin here
//! by its name, or the page on blocking calls says why not.
//!
//! The methods there are read from the sources of the core, so a new one is noticed; those here are
//! known to the compiler, so one that is named and does not exist does not build.

#![expect(clippy::unwrap_used, reason = "a panic is the failure of the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use redlock_blocking::{GetOrCompute, Guard, Lock, LossSignal, Redlock, Reentrant, ReentrantGuard};
use redlock_core::{Lease, Outage, Renewal, Retry, Token};
use redlock_testkit::MemoryCache;

type Methods = BTreeMap<String, BTreeSet<String>>;

const SECOND: Duration = Duration::from_secs(1);

/// Each call as a program makes it, for the compiler alone; and their names.
macro_rules! twins {
    ($($of:ident { $($name:ident($($given:expr),*)),* })*) => {
        fn twins() -> Methods {
            $($(
                let _ = |#[allow(unused_mut, reason = "for some")] mut it: $of| {
                    let _ = it.$name($($given),*);
                };
            )*)*
            let twins = [$((stringify!($of), [$(stringify!($name)),*].map(str::to_owned).into())),*];
            twins.map(|(of, names)| (of.to_owned(), names)).into()
        }
    };
}

twins! {
    Redlock {
        lock("r"), lock_all(["r"]), nodes(), quorum(),
        adopt(&lease()), extend(&lease(), SECOND), release(&lease()), settled(SECOND),
        inspect("r"), is_locked("r"), reset("r"), list(""), reset_all(""),
        get_or_compute(&MemoryCache::on_tokio(), "k", SECOND)
    }
    Lock {
        ttl(SECOND), renewal(Renewal::off()), max_hold(SECOND), hold_at_least(SECOND),
        fencing(true), owner("host"), retry(Retry::fixed(SECOND)), wait(SECOND),
        try_acquire(), try_acquire_as(token()), acquire(), acquire_within(SECOND),
        run(|_| ()), reentrant()
    }
    Reentrant { try_acquire(), acquire(), acquire_within(SECOND) }
    Guard {
        resource(), resources(), token(), owner(), lease(), fencing_token(), is_valid(),
        remaining(), margin(), check(), loss(), lost(SECOND), extend(SECOND), release(), into_lease()
    }
    ReentrantGuard {
        resource(), resources(), token(), owner(), lease(), fencing_token(), is_valid(),
        remaining(), margin(), check(), loss(), lost(SECOND), extend(SECOND), release(), depth()
    }
    LossSignal { lost(SECOND), reason(), is_valid(), remaining() }
    GetOrCompute {
        stale_for(SECOND), wait(SECOND), cache_timeout(SECOND), on_cache_outage(Outage::Fail),
        on_lock_outage(Outage::Fail), locked(|lock| lock), run(|| Ok::<_, ()>(String::new())),
        run_optional(|| Ok::<_, ()>(Some(String::new())))
    }
}

/// What has none, as the page names it.
const WITHOUT: [(&str, &str); 1] = [("Redlock", "builder")];

fn token() -> Token {
    unreachable!("only the compiler looks at it")
}

fn lease() -> Lease {
    unreachable!("only the compiler looks at it")
}

/// The public methods in a source, by type, those of traits aside.
fn methods(source: &str) -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    let mut of = None;
    for line in source.lines() {
        if let Some(rest) = line.strip_prefix("impl") {
            // What is generic begins with its parameters.
            let rest = if rest.starts_with('<') { rest.split_once("> ").unwrap().1 } else { rest };
            let name: String =
                rest.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            of = (!rest.contains(" for ")).then_some(name);
        } else if line == "}" {
            of = None;
        } else if let Some(of) = &of
            && let Some(item) = line.strip_prefix("    pub ")
            && let Some((_, signature)) = item.split_once("fn ")
        {
            let name = signature.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            found.push((of.clone(), name, signature.contains("(&self")));
        }
    }
    found
}

/// Those of the handles of the core.
fn originals() -> Methods {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../redlock-core/src/lock");
    let mut originals: Methods = twins().into_keys().map(|of| (of, BTreeSet::new())).collect();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        for (of, name, reads) in methods(&fs::read_to_string(path).unwrap()) {
            if of == "Guard" && reads {
                // Which a reentrant one hands out by `Deref`.
                originals.get_mut("ReentrantGuard").unwrap().insert(name.clone());
            }
            if let Some(names) = originals.get_mut(&of) {
                names.insert(name);
            }
        }
    }
    originals
}

#[test]
fn every_method_has_a_twin_or_the_page_says_why_not() {
    let mut expected = twins();
    for (of, name) in WITHOUT {
        let new = expected.get_mut(of).unwrap().insert(name.to_owned());
        assert!(new, "{of}::{name} has a twin");
    }
    let originals = originals();
    for (of, twins) in &expected {
        let originals = &originals[of];
        let lacks: Vec<_> = originals.difference(twins).collect();
        assert!(lacks.is_empty(), "{of} lacks {lacks:?}, and the page does not say why");
        let gone: Vec<_> = twins.difference(originals).collect();
        assert!(gone.is_empty(), "{of} has {gone:?} without an original");
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/blocking.md");
    let page = fs::read_to_string(page).unwrap();
    for (of, name) in WITHOUT {
        assert!(page.contains(&format!("`{of}::{name}`")), "the page is silent about {of}::{name}");
    }
}

#[test]
fn public_methods_are_found_and_others_are_not() {
    let source = "
impl Guard {
    pub(super) const fn keep() -> Self {
    /// A pub fn in words.
    pub const fn one(&self) {}
    pub async fn two(
        self,
    ) {}
    fn three() {}
}
pub fn four() {}
impl<'a> GetOrCompute<'a> {
    pub fn five() {}
}
impl fmt::Debug for Guard {
    pub fn six() {}
}
";
    let found = methods(source);
    let names: Vec<_> =
        found.iter().map(|(of, name, reads)| (of.as_str(), name.as_str(), *reads)).collect();
    assert_eq!(
        names,
        [("Guard", "one", true), ("Guard", "two", false), ("GetOrCompute", "five", false)]
    );
}
