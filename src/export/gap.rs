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
    pub fn of(gap: &Gap) -> Self {
        let Gap { subject, reason, remedy } = gap;
        let (family, protocol) = subject.space();
        Self {
            what: subject.to_string(),
            reason: reason.to_string(),
            remedy: remedy.map(|remedy| remedy.to_string()),
            subject: subject.key(),
            family,
            protocol,
            cause: reason.key(),
        }
    }
}
