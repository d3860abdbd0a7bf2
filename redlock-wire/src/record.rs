use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::Introduction;

/// What has been noticed of a server.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// How far back it remembered when it was asked, if that is how it is.
    remembered: Mutex<Option<(Duration, Instant)>>,
}

impl Record {
    pub(crate) fn met(&self, introduction: &Introduction) {
        let remembered = introduction.remembers().map(|span| (span, introduction.asked()));
        *self.remembered.lock().unwrap_or_else(PoisonError::into_inner) = remembered;
    }

    /// How far back the server remembers.
    pub(crate) fn remembers(&self) -> Option<Duration> {
        let remembered = *self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (span, asked) = remembered?;
        Some(span.saturating_add(asked.elapsed()))
    }
}
