//! Whether a client knows all masters of its cluster: [`Look`].

/// How closely to look whether the masters that a client knows of are all that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// They are as many as one of them says, which is a short answer.
    Count,
    /// They have all slots between them, by what each says of itself: they may be as many, and
    /// others. An answer is as long as the cluster has servers.
    Slots,
}

impl Look {
    /// What to ask after `CLUSTER`.
    #[must_use]
    pub const fn question(self) -> &'static str {
        match self {
            Self::Count => "INFO",
            Self::Slots => "NODES",
        }
    }

    /// Whether so many known masters are all, by what some of them have answered to a count, or all
    /// of them to a look at the slots. `None` if that is no answer.
    #[must_use]
    pub fn finds_all(self, known: usize, answers: &[String]) -> Option<bool> {
        match self {
            Self::Count => {
                let size = |info: &String| {
                    let size = info.lines().find_map(|line| line.strip_prefix("cluster_size:"));
                    size?.trim_end().parse::<usize>().ok()
                };
                answers.iter().filter_map(size).max().map(|all| all <= known)
            }
            Self::Slots => {
                let told =
                    answers.iter().map(|nodes| Slots::of(nodes)).collect::<Option<Vec<_>>>()?;
                let all = told.iter().map(|slots| slots.all).max()?;
                Some(all <= told.iter().map(|slots| slots.own).sum())
            }
        }
    }
}

/// How many slots a server says that it has, and that there are.
struct Slots {
    own: usize,
    all: usize,
}

impl Slots {
    /// By `CLUSTER NODES`: a line for each server with its flags, and at the end its slots.
    fn of(nodes: &str) -> Option<Self> {
        let mut slots = Self { own: 0, all: 0 };
        let mut is_told = false;
        for line in nodes.lines() {
            let mut words = line.split_ascii_whitespace();
            let is_own = words.nth(2)?.split(',').any(|flag| flag == "myself");
            let count = words.skip(5).filter_map(count).sum::<usize>();
            slots.all += count;
            if is_own {
                (slots.own, is_told) = (count, true);
            }
        }
        is_told.then_some(slots)
    }
}

/// How many `first-last` or `only` are; nothing for one that is on its way, `[slot->-server]`.
fn count(slots: &str) -> Option<usize> {
    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
    let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
    last.checked_sub(first)?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_are_counted_by_what_one_of_them_tells() {
        let info = "cluster_state:ok\r\ncluster_known_nodes:6\r\ncluster_size:3\r\n".to_owned();
        let finds = |known, answers: &[String]| Look::Count.finds_all(known, answers);
        assert_eq!(finds(3, std::slice::from_ref(&info)), Some(true));
        assert_eq!(finds(2, &[info]), Some(false));
        assert_eq!(finds(3, &["cluster_known_nodes:6\r\n".to_owned()]), None);
        assert_eq!(finds(3, &[]), None);
    }

    /// As Redis 7 answers, by who is asked.
    fn nodes(own: &str, a: &str, b: &str, c: &str) -> String {
        let line = |name: &str, slots: &str| {
            let flags = if name == own { "myself,master" } else { "master" };
            format!("{name} 127.0.0.1:7000@17000,host {flags} - 0 1 1 connected {slots}\n")
        };
        let replica = "d 127.0.0.1:7003@17003 slave a 0 1 1 connected\n";
        line("a", a) + &line("b", b) + &line("c", c) + replica
    }

    #[test]
    fn masters_are_all_if_they_have_all_slots_whatever_their_number() {
        let view =
            |own: &str| nodes(own, "0-8191", "", "8192-10000 10001 10002-16383 [5->-b] [7-<-b]");
        let finds = |views: &[&str]| {
            let answers: Vec<_> = views.iter().map(|own| view(own)).collect();
            Look::Slots.finds_all(views.len(), &answers)
        };
        assert_eq!(finds(&["a", "c"]), Some(true));
        assert_eq!(finds(&["a", "b", "c"]), Some(true));
        // As many as there are with slots, and one of them is another.
        assert_eq!(finds(&["a", "b"]), Some(false));
        assert_eq!(finds(&["c"]), Some(false));
        assert_eq!(finds(&[]), None);
        for odd in ["", "cluster_size:3\r\n", "a b myself\nnothing\n"] {
            let answers = [view("a"), odd.to_owned()];
            assert_eq!(Look::Slots.finds_all(2, &answers), None, "{odd:?}");
        }
        // With slots that nobody has a cluster may go on.
        let partial = [nodes("a", "0-99", "", ""), nodes("c", "0-99", "", "")];
        assert_eq!(Look::Slots.finds_all(2, &partial), Some(true));
    }
}
