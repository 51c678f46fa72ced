//! What the keys stand for.

use super::subject::PaneId;

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is documented by the help text of its key")]
pub enum Command {
    Quit,
    Stop,
    Redraw,
    Help,
    Gaps,
    Pause,
    Slower,
    Faster,
    Show(PaneId),
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Open,
    Back,
    Filter,
    KeepFilter,
    DropFilter,
    SortMenu,
    SortBy(&'static str),
    SortLeft,
    SortRight,
    Reverse,
    Group,
    NextPane,
    Follow,
    Copy,
    PreviousPane,
    Kill,
    CloseSockets,
    Probe,
    Why,
    NextButton,
    PreviousButton,
    NextField,
    NextProposal,
    PreviousProposal,
    OwnNumbers,
    SetActive,
    SetPersistent,
    Undo,
    CopyCommands,
}

impl Command {
    /// Whether it leads to a change of the machine; with `--read-only` there is none of these.
    #[must_use]
    pub const fn acts(self) -> bool {
        matches!(
            self,
            Self::Kill
                | Self::CloseSockets
                | Self::SetActive
                | Self::SetPersistent
                | Self::Undo
                | Self::CopyCommands
        )
    }
}
