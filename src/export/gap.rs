//! What could not be read, with its words and with its names for programs.

use serde::Serialize;

use crate::model::{Family, Gap, Protocol};

/// A gap as it is exported.
#[derive(Serialize)]
pub(super) struct GapRecord {
    what: String,
    reason: String,
    remedy: Option<String>,
    subject: &'static str,
    family: Option<Family>,
    protocol: Option<Protocol>,
    cause: &'static str,
}

impl GapRecord {
    /// The record of a gap, with its words made fit for where they go.
    pub fn of(gap: &Gap, fit: fn(&str) -> String) -> Self {
        let Gap { subject, reason, remedy } = gap;
        let (family, protocol) = subject.space();
        Self {
            what: fit(&subject.to_string()),
            reason: fit(&reason.to_string()),
            remedy: remedy.map(|remedy| fit(&remedy.to_string())),
            subject: subject.key(),
            family,
            protocol,
            cause: reason.key(),
        }
    }
}
