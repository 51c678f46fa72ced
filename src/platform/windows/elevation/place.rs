//! Whether a person can be asked through UAC.

/// What it depends on; a reading that is missing counts against it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Whether porttop has the rights already.
    pub elevated: bool,
    /// The session it runs in. Services and OpenSSH run in session 0, where nobody sees a question.
    pub session: Option<u32>,
    /// Whether its window station has a display.
    pub visible: Option<bool>,
}

impl Place {
    /// Whether the question would reach a person, and is needed.
    pub fn offers(self) -> bool {
        !self.elevated && self.session.is_some_and(|session| session != 0) && self.visible == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Place;

    #[rstest]
    #[case::desktop(false, Some(1), Some(true), true)]
    #[case::remote_desktop(false, Some(7), Some(true), true)]
    #[case::elevated_already(true, Some(1), Some(true), false)]
    #[case::service_or_ssh(false, Some(0), Some(true), false)]
    #[case::no_display(false, Some(1), Some(false), false)]
    #[case::unknown_session(false, None, Some(true), false)]
    #[case::unknown_display(false, Some(1), None, false)]
    fn it_is_offered_where_a_person_sees_it(
        #[case] elevated: bool,
        #[case] session: Option<u32>,
        #[case] visible: Option<bool>,
        #[case] offered: bool,
    ) {
        assert_eq!(Place { elevated, session, visible }.offers(), offered);
    }
}
