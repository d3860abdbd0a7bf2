//! What a node says to the masters of a cluster, one after the other: a listing.

use std::{future::Future, sync::Arc};

use redlock_core::{Cursor, NodeError, Page};

use crate::{Both, Command, Exchange, Lasting, Reply, Trouble, ask, survey};

/// A way to the masters of a cluster, one by one.
pub trait Masters: Exchange {
    /// The addresses of all masters, as the client knows them now.
    ///
    /// # Errors
    ///
    /// [`Trouble`] if it does not know.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so dropping it does neither.
    fn masters(&mut self) -> impl Future<Output = Result<Vec<String>, Trouble>> + Send;

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
/// As [`list`](crate::list) for each master, in the order of their addresses. A key whose slot moves
/// meanwhile may come twice, or not at all. A master that is replaced meanwhile leaves a place that
/// nobody knows, so what was left of it is missed: with an error, unless it still answers as a
/// replica, which has no keys to tell. One that comes is gone through if its address is behind that
/// of the one whose turn it is.
///
/// # Errors
///
/// [`NodeError`] if the server did not answer, or answered that it cannot.
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
    let (place, master) = match from {
        None => match first_after(cluster, None).await? {
            Some(master) => (0, master),
            // Not to be taken for a cluster where nobody has a lock.
            None => return Err(ask::odd_answer(cluster.label())),
        },
        // Of another node, or made up.
        Some(cursor) => read(cursor).ok_or_else(|| ask::odd_answer(cluster.label()))?,
    };
    let mut one = One { cluster, master: &master };
    let mut page = survey::page_from(&mut one, prefix, place, lasting).await?;
    page.next = match page.next.take() {
        Some(cursor) => survey::number(cursor.as_bytes()).map(|place| write(place, &master)),
        None => first_after(cluster, Some(&master)).await?.map(|next| write(0, &next)),
    };
    Ok(page)
}

/// The master whose address comes first, or first after this one.
async fn first_after(
    cluster: &mut impl Masters,
    before: Option<&str>,
) -> Result<Option<String>, NodeError> {
    let masters = cluster.masters().await?;
    Ok(masters.into_iter().filter(|master| Some(&**master) > before).min())
}

/// Where to go on, on which master.
fn write(place: u64, master: &str) -> Cursor {
    Cursor::new(format!("{place} {master}").into_bytes())
}

fn read(cursor: &Cursor) -> Option<(u64, String)> {
    let (place, master) = std::str::from_utf8(cursor.as_bytes()).ok()?.split_once(' ')?;
    Some((place.parse().ok()?, master.to_owned()))
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
        async fn masters(&mut self) -> Result<Vec<String>, Trouble> {
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
        Fleet { label, pages: pages.iter().copied().collect(), asked }
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
    }

    #[test]
    fn a_master_that_has_gone_is_an_error_and_none_of_the_others_is_taken_for_it() {
        let mut fleet = fleet(&[("a:1", 2), ("b:1", 2)]);
        let next = page(&mut fleet, None).unwrap().next;
        fleet.pages.remove("a:1");
        page(&mut fleet, next.as_ref()).unwrap_err();
        assert_eq!(fleet.asked, ["a:1/0"]);
        // Nobody is there at all, which is no empty listing.
        fleet.pages.clear();
        page(&mut fleet, None).unwrap_err();
    }

    #[test]
    fn a_cursor_of_something_else_is_an_error() {
        let mut fleet = fleet(&[("a:1", 2)]);
        for odd in ["", "7", "x a:1", "-1 a:1", "a:1 7"] {
            page(&mut fleet, Some(&Cursor::new(odd.as_bytes()))).unwrap_err();
        }
        page(&mut fleet, Some(&Cursor::new(&b"\xff a:1"[..]))).unwrap_err();
        assert_eq!(fleet.asked, [""; 0]);
    }
}
