use serde::Serialize;

/// Something that could not be read here, why, and what would fix it.
///
/// Degradations are data: the screen and every export show them, and what they stand for is never
/// shown as 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Degradation {
    /// What is missing, in the words of the screen: `"handles of 41 processes"`.
    pub what: String,
    /// Why it could not be read.
    pub reason: String,
    /// What would make it readable, if anything would.
    pub remedy: Option<String>,
}

impl Degradation {
    /// A degradation that nothing here can fix.
    pub fn new(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { what: what.into(), reason: reason.into(), remedy: None }
    }

    /// The same with the way out of it.
    #[must_use]
    pub fn fixed_by(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}
