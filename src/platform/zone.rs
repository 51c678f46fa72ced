//! The time zone of the machine or of its user.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use jiff::tz::TimeZone;

/// No description of a time zone is larger.
const LARGEST: u64 = 1 << 20;

/// The zone in which times are told: UTC where `TZ` names something that can be read without end.
#[must_use]
pub fn local() -> TimeZone {
    let named = std::env::var_os("TZ").unwrap_or_else(|| "/etc/localtime".into());
    if is_endless(&named) { TimeZone::UTC } else { TimeZone::system() }
}

/// Whether a value of `TZ` is the path of a device, a pipe or a huge file. A directory can't be read.
fn is_endless(named: &OsString) -> bool {
    let path = named.as_encoded_bytes();
    let path = path.strip_prefix(b":").unwrap_or(path);
    let file = str::from_utf8(path).ok().and_then(|path| fs::metadata(Path::new(path)).ok());
    file.is_some_and(|file| !file.is_dir() && (!file.is_file() || file.len() > LARGEST))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(":/dev/zero", cfg!(unix))]
    #[case("/dev/zero", cfg!(unix))]
    #[case("UTC", false)]
    #[case("", false)]
    #[case(":/nowhere", false)]
    #[case("/", false)]
    #[case(env!("CARGO_MANIFEST_PATH"), false)]
    fn only_what_never_ends_is_endless(#[case] named: &str, #[case] endless: bool) {
        assert_eq!(is_endless(&named.into()), endless);
    }
}
