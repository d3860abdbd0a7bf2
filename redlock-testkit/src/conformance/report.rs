use std::fmt;

use super::{Finding, Rule, Subject, check};

/// What came out when all rules were asked, of one subject or of several.
///
/// Its `Display` is a table in Markdown, rules down and subjects across, and below it the reason
/// of each answer that is not `holds`.
#[derive(Clone, Debug, Default)]
pub struct Report {
    columns: Vec<(String, Vec<Finding>)>,
}

impl Report {
    /// Asks all rules, each of a new subject.
    ///
    /// # Cancel safety
    ///
    /// Dropped, nothing is reported.
    pub async fn of<S: Subject>(name: impl Into<String>, subject: impl AsyncFn() -> S) -> Self {
        let mut findings = Vec::new();
        for rule in Rule::ALL {
            let subject = subject().await;
            findings.push(check(*rule, &subject).await);
        }
        Self { columns: vec![(name.into(), findings)] }
    }

    /// With the columns of another report to the right.
    #[must_use]
    pub fn beside(mut self, other: Self) -> Self {
        self.columns.extend(other.columns);
        self
    }

    /// Whether no rule is broken.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings().all(|(_, _, finding)| !matches!(finding, Finding::Broken(_)))
    }

    /// Each finding, with the name of its subject and its rule.
    pub fn findings(&self) -> impl Iterator<Item = (&str, Rule, &Finding)> {
        self.columns.iter().flat_map(|(name, findings)| {
            Rule::ALL.iter().zip(findings).map(|(rule, finding)| (name.as_str(), *rule, finding))
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = Rule::ALL.iter().map(|rule| rule.name().len()).max().unwrap_or(0);
        write!(f, "| {:first$} |", "rule")?;
        for (name, _) in &self.columns {
            write!(f, " {name:WIDTH$} |")?;
        }
        write!(f, "\n|{:-<1$}|", "", first + 2)?;
        for (name, _) in &self.columns {
            write!(f, "{:-<1$}|", "", name.chars().count().max(WIDTH) + 2)?;
        }
        for (index, rule) in Rule::ALL.iter().enumerate() {
            write!(f, "\n| {:first$} |", rule.name())?;
            for (name, findings) in &self.columns {
                let width = name.chars().count().max(WIDTH);
                write!(f, " {:width$} |", findings.get(index).map_or("", Finding::word))?;
            }
        }
        for (name, rule, finding) in self.findings() {
            match finding {
                Finding::Holds => {}
                Finding::Broken(how) => {
                    write!(f, "\n* {name}: {} is broken: {}", rule.name(), rule.demand())?;
                    write!(f, " But {how}")?;
                }
                Finding::NotApplicable(why) => {
                    write!(f, "\n* {name}: {} is not applicable: {why}.", rule.name())?;
                }
            }
        }
        Ok(())
    }
}

impl Finding {
    const fn word(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken(_) => "BROKEN",
            Self::NotApplicable(_) => "n/a",
        }
    }
}

const WIDTH: usize = "BROKEN".len();
