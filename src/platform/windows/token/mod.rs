//! Access tokens: who a process runs as, and with which rights.

pub mod ffi;
pub mod format;

use std::sync::OnceLock;
use std::time::Duration;

use crate::platform::patience::Worker;

/// How long a domain controller may take to tell the name of an account.
const PATIENCE: Duration = Duration::from_secs(1);

/// The account of this process, or its number where its name is not told in time. What the environment says of it,
/// whoever started the process could have made up.
pub fn user() -> Option<String> {
    static USER: OnceLock<Option<String>> = OnceLock::new();
    let ask = || {
        let sid = ffi::Token::of_self().ok()?.user().ok()?;
        let number = sid.text();
        Worker::new(PATIENCE, 1).run(move || sid.account()).ok().flatten().or(number)
    };
    USER.get_or_init(ask).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_under_an_account() {
        let user = user().unwrap();
        assert!(user.contains('\\') || user.starts_with("S-1-"), "{user}");
    }
}
