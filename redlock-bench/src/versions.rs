//! Which versions are measured: [`clients`].

/// The clients and their versions, as this program was built.
pub(crate) fn clients() -> String {
    let versions: Vec<_> = CLIENTS
        .iter()
        .flat_map(|name| versions(LOCK, name).map(move |version| format!("{name} {version}")))
        .collect();
    versions.join(", ")
}

/// Those of a package in a `Cargo.lock`.
fn versions<'a>(lock: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    lock.split("[[package]]").filter_map(move |package| {
        let field = |field: &str| {
            let mut lines = package.lines();
            lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(" = ")).map(unquoted)
        };
        if field("name")? == name { field("version") } else { None }
    })
}

fn unquoted(text: &str) -> &str {
    text.trim_matches('"')
}

const LOCK: &str = include_str!("../../Cargo.lock");

const CLIENTS: &[&str] = &[
    "redlocks",
    "tokio",
    "redis",
    "fred",
    "deadpool-redis",
    #[cfg(feature = "peers")]
    "rslock",
    #[cfg(feature = "peers")]
    "distributed-lock-redis",
    #[cfg(feature = "peers")]
    "redis-lock",
    #[cfg(feature = "peers")]
    "redlock",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_a_version() {
        for client in CLIENTS {
            assert!(versions(LOCK, client).count() > 0, "{client}");
        }
        assert!(clients().starts_with(concat!("redlocks ", env!("CARGO_PKG_VERSION"), ", ")));
    }

    #[test]
    fn who_only_depends_on_a_package_is_not_taken_for_it() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0\"\ndependencies = [\n \"b\",\n]\n\
                    [[package]]\nname = \"b\"\nversion = \"2.0\"\n";
        assert_eq!(versions(lock, "b").collect::<Vec<_>>(), ["2.0"]);
    }
}
