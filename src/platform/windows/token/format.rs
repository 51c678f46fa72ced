//! What access tokens say.

use crate::model::Integrity;

/// The integrity level that the last sub-authority of a mandatory label stands for
/// (`SECURITY_MANDATORY_*_RID` of `winnt.h`; levels in between count as the one below).
pub fn integrity(level: u32) -> Integrity {
    match level {
        0..0x2000 => Integrity::Low,
        0x2000..0x3000 => Integrity::Medium,
        0x3000..0x4000 => Integrity::High,
        _ => Integrity::System,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::untrusted(0, Integrity::Low)]
    #[case::low(0x1000, Integrity::Low)]
    #[case::medium(0x2000, Integrity::Medium)]
    #[case::medium_plus(0x2100, Integrity::Medium)]
    #[case::high(0x3000, Integrity::High)]
    #[case::system(0x4000, Integrity::System)]
    #[case::protected(0x5000, Integrity::System)]
    fn a_level_has_a_name(#[case] level: u32, #[case] expected: Integrity) {
        assert_eq!(integrity(level), expected);
    }
}
