//! The table that shows everybody at once: [`Overview`], made of [`Mark`]s.

use std::fmt::Write;

use serde::Serialize;

use crate::report::bare;

/// How many times that of redis-rs by hand a figure of a client is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Mark {
    pub(crate) client: &'static str,
    /// What is compared, e.g. `latency`.
    pub(crate) subject: String,
    pub(crate) servers: usize,
    pub(crate) times: f64,
}

/// One row for each client, one column for each subject; in a cell one figure for each number of
/// servers. All in the order in which they were measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Overview(Vec<Mark>);

impl Overview {
    pub(crate) fn mark(&mut self, mark: Mark) {
        self.0.push(mark);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clients(&self) -> Vec<&'static str> {
        distinct(self.0.iter().map(|mark| mark.client))
    }

    pub(crate) fn subjects(&self) -> Vec<&str> {
        distinct(self.0.iter().map(|mark| mark.subject.as_str()))
    }

    /// The number of servers and the figure, for each number of servers.
    pub(crate) fn cell(&self, client: &str, subject: &str) -> Vec<(usize, f64)> {
        let marks = self.0.iter().filter(|mark| mark.client == client && mark.subject == subject);
        marks.map(|mark| (mark.servers, mark.times)).collect()
    }

    pub(crate) fn markdown(&self) -> String {
        let subjects = self.subjects();
        let mut text = String::from("\n## All beside redis-rs by hand, × its figure\n\n|");
        for subject in &subjects {
            let servers = self.clients().first().map(|client| self.cell(client, subject));
            let servers = servers.unwrap_or_default();
            let servers: Vec<_> = servers.iter().map(|(count, _)| count.to_string()).collect();
            // Writing to a text cannot fail.
            let _ = write!(text, " | {subject}, N = {}", servers.join(" / "));
        }
        let _ = writeln!(text, " |\n|---{}|", "|--:".repeat(subjects.len()));
        for client in self.clients() {
            let _ = write!(text, "| {client}");
            for subject in &subjects {
                let cell = self.cell(client, subject);
                let cell: Vec<_> = cell.iter().map(|(_, figure)| bare(*figure)).collect();
                let _ = write!(text, " | {}", cell.join(" / "));
            }
            text += " |\n";
        }
        text
    }
}

/// Each once, in the order of their first.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for one in all {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_not_measured_has_an_empty_cell() {
        let mut overview = Overview::default();
        for (client, subject, servers, times) in [
            ("raw", "latency", 1, 1.0),
            ("raw", "latency", 3, 1.0),
            ("raw", "pace", 1, 1.0),
            ("slow", "latency", 1, 2.0),
            ("slow", "latency", 3, 250.4),
        ] {
            overview.mark(Mark { client, subject: subject.to_owned(), servers, times });
        }
        let text = overview.markdown();
        let lines: Vec<_> = text.lines().skip(3).collect();
        assert_eq!(
            lines,
            [
                "| | latency, N = 1 / 3 | pace, N = 1 |",
                "|---|--:|--:|",
                "| raw | 1.00 / 1.00 | 1.00 |",
                "| slow | 2.00 / 250 |  |",
            ]
        );
    }
}
