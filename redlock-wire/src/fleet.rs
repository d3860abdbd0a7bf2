//! What a node says to the masters of a cluster, one after the other: a listing.

mod look;

use std::{future::Future, sync::Arc};

use redlock_core::{Cursor, Delivery, FailureKind, NodeError, Page};

pub use look::Look;

use crate::{
    Both, Command, Exchange, Lasting, Reply, Trouble, ask,
    survey::{self, no_place},
};

/// A way to the masters of a cluster, one by one.
pub trait Masters: Exchange {
    /// The addresses of all masters that have slots: host and port with a colon between them, and no
    /// white space. Asks some of them, or all, whether [those are all](Look::finds_all).
    ///
    /// # Errors
    ///
    /// [`Trouble`] if the client does not know, or there are [more](masters_missing).
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so dropping it does neither.
    fn masters(&mut self, look: Look) -> impl Future<Output = Result<Vec<String>, Trouble>> + Send;

    /// Sends the command, at most once, to the server at this address and no other.
    ///
    /// # Errors
    ///
    /// [`Trouble`] if there is no such server, or no answer, or the answer is an error.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Exchange::send).
    fn send_to(
        &mut self,
        master: &str,
        command: Command<'_>,
    ) -> impl Future<Output = Result<Reply, Trouble>> + Send;
}

/// A page of the locks of a cluster whose resource begins with this text: [`Survey::list`].
///
/// As [`list`](crate::list) for each master, in the order of their addresses. Before each page the
/// cluster's [`masters`](Masters::masters) must be those that the listing began with: one that has
/// gone has left a place that nobody knows, and one that has come may have what another had, so
/// either ends the listing with an error. At its beginning and at its end they must have all slots
/// of the cluster besides. Nothing is sent to an address that is no master's. A key whose slot moves
/// meanwhile from one master to another may come twice, or not at all.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot; if the masters are others
/// now; or if the place is none of this node's.
///
/// # Cancel safety
///
/// Changes nothing, so dropping it does neither.
///
/// [`Survey::list`]: redlock_core::Survey::list
pub async fn list_cluster(
    cluster: &mut impl Masters,
    prefix: &str,
    from: Option<&Cursor>,
    lasting: Lasting,
) -> Result<Page, NodeError> {
    let from = from.map(|cursor| Place::read(cursor).ok_or_else(|| no_place(cluster.label())));
    let from = from.transpose()?;
    let place = match from {
        Some(from) => {
            let masters = in_order(cluster, Look::Count).await?;
            from.among(&masters, cluster.label())?
        }
        None => Place { masters: in_order(cluster, Look::Slots).await?, turn: 0, inside: 0 },
    };
    let mut one = One { cluster, master: &place.masters[place.turn] };
    let mut page = survey::page_from(&mut one, prefix, place.inside, lasting).await?;
    page.next = match page.next.take() {
        Some(cursor) => survey::number(cursor.as_bytes()).map(|inside| place.on(inside).write()),
        None if place.is_last() => {
            // What went meanwhile to a server that has not been asked was told by nobody.
            let masters = in_order(cluster, Look::Slots).await?;
            place.among(&masters, cluster.label())?;
            None
        }
        None => Some(place.at_the_next().write()),
    };
    Ok(page)
}

async fn in_order(cluster: &mut impl Masters, look: Look) -> Result<Vec<String>, NodeError> {
    let mut masters = cluster.masters(look).await?;
    if masters.is_empty() {
        // Not to be taken for a cluster where nobody has a lock.
        return Err(ask::odd_answer(cluster.label()));
    }
    masters.sort();
    Ok(masters)
}

/// The cluster has masters that the client knows nothing of, or has no connection to.
#[must_use]
pub fn masters_missing(label: &Arc<str>) -> NodeError {
    NodeError::new(Arc::clone(label), FailureKind::Unreachable)
        .with_delivery(Delivery::NotSent)
        .with_source("the client is not connected to all masters of the cluster")
}

/// Where in a cluster a page begins.
struct Place {
    /// The addresses of all masters when the listing began, in order.
    masters: Vec<String>,
    /// Whose turn it is, one of those.
    turn: usize,
    /// Where in that master.
    inside: u64,
}

impl Place {
    fn read(cursor: &Cursor) -> Option<Self> {
        let mut words = std::str::from_utf8(cursor.as_bytes()).ok()?.split(' ');
        let (inside, turn) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let masters: Vec<_> = words.map(str::to_owned).collect();
        (turn < masters.len()).then_some(Self { masters, turn, inside })
    }

    fn write(&self) -> Cursor {
        let Self { masters, turn, inside } = self;
        Cursor::new(format!("{inside} {turn} {}", masters.join(" ")).into_bytes())
    }

    /// This place, if these are the masters that it is one among, in order.
    fn among(self, masters: &[String], label: &Arc<str>) -> Result<Self, NodeError> {
        if self.masters == masters {
            return Ok(self);
        }
        let gone = self.masters.iter().find(|&master| !masters.contains(master));
        let come = masters.iter().find(|&master| !self.masters.contains(master));
        Err(match (gone, come) {
            (Some(gone), _) => survey::refused(label, Changed::Gone(gone.clone())),
            (None, Some(come)) => survey::refused(label, Changed::Come(come.clone())),
            // The same in another order, or one of them twice, as this crate never writes it.
            (None, None) => no_place(label),
        })
    }

    fn on(self, inside: u64) -> Self {
        Self { inside, ..self }
    }

    /// Whether nobody comes after this master.
    fn is_last(&self) -> bool {
        self.turn + 1 == self.masters.len()
    }

    /// Where the master after this one begins.
    fn at_the_next(self) -> Self {
        Self { turn: self.turn + 1, inside: 0, ..self }
    }
}

/// Why a listing cannot go on.
#[derive(Debug, thiserror::Error)]
enum Changed {
    #[error("{0} is no master of the cluster, so the listing must begin anew")]
    Gone(String),
    #[error(
        "{0} has become a master of the cluster since the listing began, so it must begin anew"
    )]
    Come(String),
}

/// One of the masters.
struct One<'a, E> {
    cluster: &'a mut E,
    master: &'a str,
}

impl<E: Masters> Exchange for One<'_, E> {
    fn label(&self) -> &Arc<str> {
        self.cluster.label()
    }

    async fn send(&mut self, command: Command<'_>) -> Result<Reply, Trouble> {
        self.cluster.send_to(self.master, command).await
    }

    async fn send_both(&mut self, first: Command<'_>, second: Command<'_>) -> Both {
        let first = self.send(first).await;
        (first, self.send(second).await)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures::executor::block_on;

    use super::*;
    use crate::Item;

    /// Masters that have so many pages each, with a lock on each page.
    struct Fleet {
        label: Arc<str>,
        pages: BTreeMap<&'static str, u64>,
        asked: Vec<String>,
        looks: Vec<Look>,
    }

    impl Exchange for Fleet {
        fn label(&self) -> &Arc<str> {
            &self.label
        }

        async fn send(&mut self, _: Command<'_>) -> Result<Reply, Trouble> {
            panic!("to one of them, but which?")
        }

        async fn send_both(&mut self, _: Command<'_>, _: Command<'_>) -> Both {
            panic!("to one of them, but which?")
        }
    }

    impl Masters for Fleet {
        async fn masters(&mut self, look: Look) -> Result<Vec<String>, Trouble> {
            self.looks.push(look);
            Ok(self.pages.keys().rev().map(|&master| master.to_owned()).collect())
        }

        async fn send_to(&mut self, master: &str, command: Command<'_>) -> Result<Reply, Trouble> {
            let words = command.words();
            let crate::Word::Number(place) = words[3] else { panic!("{} words", words.len()) };
            let pages = self.pages.get(master).ok_or_else(|| ask::odd_answer(&self.label))?;
            self.asked.push(format!("{master}/{place}"));
            let next = if place + 1 < *pages { place + 1 } else { 0 };
            let value = |text: String| Item::Value(text.into_bytes());
            let name = value(format!("{master}/{place}"));
            Ok(Reply::List(vec![value(next.to_string()), name, value("t".into()), Item::Int(7)]))
        }
    }

    fn fleet(pages: &[(&'static str, u64)]) -> Fleet {
        let (label, asked) = (Arc::from("cluster"), Vec::new());
        Fleet { label, pages: pages.iter().copied().collect(), asked, looks: Vec::new() }
    }

    fn page(fleet: &mut Fleet, from: Option<&Cursor>) -> Result<Page, NodeError> {
        block_on(list_cluster(fleet, "", from, Lasting::Foreign))
    }

    #[test]
    fn each_master_is_gone_through_and_then_the_next() {
        let mut fleet = fleet(&[("b:1", 1), ("a:1", 3), ("c:1", 2)]);
        let (mut from, mut held) = (None, Vec::new());
        loop {
            let page = page(&mut fleet, from.as_ref()).unwrap();
            held.extend(page.held.iter().map(|held| held.resource.to_string()));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        let all = ["a:1/0", "a:1/1", "a:1/2", "b:1/0", "c:1/0", "c:1/1"];
        assert_eq!(held, all);
        assert_eq!(fleet.asked, all);
        // Once for each page, and closely at the beginning and at the end.
        let mut looks = vec![Look::Count; all.len()];
        looks[0] = Look::Slots;
        looks.push(Look::Slots);
        assert_eq!(fleet.looks, looks);
    }

    #[test]
    fn a_listing_that_ends_among_other_masters_is_an_error() {
        struct Changing(Fleet);

        impl Exchange for Changing {
            fn label(&self) -> &Arc<str> {
                self.0.label()
            }

            async fn send(&mut self, command: Command<'_>) -> Result<Reply, Trouble> {
                self.0.send(command).await
            }

            async fn send_both(&mut self, first: Command<'_>, second: Command<'_>) -> Both {
                self.0.send_both(first, second).await
            }
        }

        impl Masters for Changing {
            async fn masters(&mut self, look: Look) -> Result<Vec<String>, Trouble> {
                self.0.masters(look).await
            }

            async fn send_to(
                &mut self,
                master: &str,
                command: Command<'_>,
            ) -> Result<Reply, Trouble> {
                let page = self.0.send_to(master, command).await;
                self.0.pages.insert("b:1", 1);
                page
            }
        }

        let mut fleet = Changing(fleet(&[("a:1", 1)]));
        let error = block_on(list_cluster(&mut fleet, "", None, Lasting::Foreign)).unwrap_err();
        assert!(error.to_string().contains("b:1 has become a master"), "{error}");
    }

    fn refused(fleet: &mut Fleet, from: &Cursor) -> String {
        let error = page(fleet, Some(from)).unwrap_err();
        let (kind, delivery) = (error.kind(), error.delivery());
        assert_eq!((kind, delivery), (FailureKind::Rejected, Delivery::NotSent), "{error}");
        error.to_string()
    }

    #[test]
    fn a_listing_does_not_go_on_among_other_masters_than_it_began_with() {
        let all = [("a:1", 2), ("b:1", 2), ("c:1", 2)];
        for (place, turn) in [(1, "a:1/1"), (2, "b:1/0"), (4, "c:1/0")] {
            // Before the turn, at it, after it: gone, come, and one in the place of another.
            for master in ["a:1", "b:1", "c:1"] {
                let mut fleet = fleet(&all);
                let mut from = None;
                for _ in 0..place {
                    from = page(&mut fleet, from.as_ref()).unwrap().next;
                }
                let from = from.unwrap();
                fleet.asked.clear();
                fleet.pages.remove(master);
                let gone = format!("{master} is no master of the cluster");
                assert!(refused(&mut fleet, &from).contains(&gone), "{turn} {master}");
                fleet.pages.insert("a:0", 1);
                assert!(refused(&mut fleet, &from).contains(&gone), "{turn} {master}");
                fleet.pages.insert(master, 2);
                let come = "a:0 has become a master of the cluster";
                assert!(refused(&mut fleet, &from).contains(come), "{turn} {master}");
                assert_eq!(fleet.asked, [""; 0]);
                fleet.pages.remove("a:0");
                page(&mut fleet, Some(&from)).unwrap();
                assert_eq!(fleet.asked, [turn]);
            }
        }
    }

    #[test]
    fn a_cluster_without_masters_is_no_empty_listing() {
        page(&mut fleet(&[]), None).unwrap_err();
    }

    #[test]
    fn a_cursor_of_something_else_is_an_error() {
        let mut fleet = fleet(&[("a:1", 2), ("b:1", 2)]);
        let odd = ["", "7", "7 0", "7 a:1", "x 0 a:1 b:1", "-1 0 a:1 b:1", "0 2 a:1 b:1", "0 9"];
        for odd in odd.map(str::as_bytes).into_iter().chain([&b"0 0 \xff:1"[..]]) {
            let said = refused(&mut fleet, &Cursor::new(odd));
            assert!(said.contains("no place in a listing of this node"), "{said}");
        }
        assert_eq!(fleet.looks, [], "what cannot be read is not compared");
        for odd in ["0 0 b:1 a:1", "0 0 a:1 a:1 b:1"] {
            let said = refused(&mut fleet, &Cursor::new(odd.as_bytes()));
            assert!(said.contains("no place in a listing of this node"), "{said}");
        }
        let made_up = refused(&mut fleet, &Cursor::new(&b"0 1 a:1 somewhere:6379"[..]));
        assert!(made_up.contains("somewhere:6379 is no master of the cluster"), "{made_up}");
        assert_eq!(fleet.asked, [""; 0]);
    }
}
