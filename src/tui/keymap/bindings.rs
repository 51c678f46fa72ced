//! The table of keys: which keys, what they do, what the help and the footer say of them.

use crossterm::event::KeyCode;

use super::key::Key;
use crate::tui::command::Command;
use crate::tui::subject::PaneId;

/// Keys and what they do.
#[derive(Debug)]
pub struct Binding {
    /// The keys, the one to show first.
    pub keys: &'static [Key],
    /// What they do.
    pub command: Command,
    /// What the help says.
    pub help: &'static str,
    /// What the footer says, if it has the key.
    pub hint: Option<Hint>,
}

/// A key in the footer.
#[derive(Clone, Copy, Debug)]
pub struct Hint {
    /// What it says behind the key.
    pub label: &'static str,
    /// Instead of the key's own name.
    pub keys: Option<&'static str>,
    /// Whether it stays when there is little room.
    pub pinned: bool,
}

impl Binding {
    const fn new(keys: &'static [Key], command: Command, help: &'static str) -> Self {
        Self { keys, command, help, hint: None }
    }

    const fn hint(self, label: &'static str) -> Self {
        Self { hint: Some(Hint { label, keys: None, pinned: false }), ..self }
    }

    const fn hint_as(self, keys: &'static str, label: &'static str) -> Self {
        Self { hint: Some(Hint { label, keys: Some(keys), pinned: false }), ..self }
    }

    const fn pinned(self, label: &'static str) -> Self {
        Self { hint: Some(Hint { label, keys: None, pinned: true }), ..self }
    }
}

const ENTER: Key = Key::plain(KeyCode::Enter);
const ESC: Key = Key::plain(KeyCode::Esc);
const UP: Key = Key::plain(KeyCode::Up);
const DOWN: Key = Key::plain(KeyCode::Down);
const PAGE_UP: Key = Key::plain(KeyCode::PageUp);
const PAGE_DOWN: Key = Key::plain(KeyCode::PageDown);
const HOME: Key = Key::plain(KeyCode::Home);
const END: Key = Key::plain(KeyCode::End);
const LEFT: Key = Key::plain(KeyCode::Left);
const RIGHT: Key = Key::plain(KeyCode::Right);
const TAB: Key = Key::plain(KeyCode::Tab);
const BACK_TAB: Key = Key::plain(KeyCode::BackTab);

pub(super) const ROWS: &[Binding] = &[
    Binding::new(&[UP, Key::char('k')], Command::Up, "select the row above").hint_as("↑↓", "select"),
    Binding::new(&[DOWN, Key::char('j')], Command::Down, "select the row below"),
    Binding::new(&[PAGE_UP, Key::control('b')], Command::PageUp, "a screen up"),
    Binding::new(&[PAGE_DOWN, Key::control('f')], Command::PageDown, "a screen down"),
    Binding::new(&[HOME, Key::char('g')], Command::Top, "the first row"),
    Binding::new(&[END], Command::Bottom, "the last row"),
];

pub(super) const LINES: &[Binding] = &[
    Binding::new(&[UP, Key::char('k')], Command::Up, "a line up").hint_as("↑↓", "scroll"),
    Binding::new(&[DOWN, Key::char('j')], Command::Down, "a line down"),
    Binding::new(&[PAGE_UP, Key::control('b')], Command::PageUp, "a screen up"),
    Binding::new(&[PAGE_DOWN, Key::control('f')], Command::PageDown, "a screen down"),
    Binding::new(&[HOME, Key::char('g')], Command::Top, "the top"),
    Binding::new(&[END, Key::char('G')], Command::Bottom, "the end"),
];

pub(super) const OPEN: &[Binding] =
    &[Binding::new(&[ENTER], Command::Open, "open what the row stands for").hint("open")];

pub(super) const FILTER: &[Binding] =
    &[Binding::new(&[Key::char('/')], Command::Filter, "filter as you type").hint("filter")];

pub(super) const PROCESSES: &[Binding] = &[
    Binding::new(&[Key::char('b')], Command::SortBy("bound"), "sort by BOUND").hint("bound"),
    Binding::new(&[Key::char('t')], Command::SortBy("time_wait"), "sort by TIME_WAIT").hint("time-wait"),
];

pub(super) const GROUP: &[Binding] =
    &[Binding::new(&[Key::char('G')], Command::Group, "group by process, program, user, service")
        .hint("group")];

pub(super) const TABLE: &[Binding] = &[
    Binding::new(&[Key::char('s')], Command::SortMenu, "sort by any column (or click its header)")
        .hint("sort"),
    Binding::new(&[Key::char('<')], Command::SortLeft, "sort by the column to the left"),
    Binding::new(&[Key::char('>')], Command::SortRight, "sort by the column to the right"),
    Binding::new(&[Key::char('i')], Command::Reverse, "turn the order round"),
];

pub(super) const VIEWS: &[Binding] = &[
    Binding::new(&[Key::char('1')], Command::Show(PaneId::Processes), "processes").hint_as("1-6", "views"),
    Binding::new(&[Key::char('2')], Command::Show(PaneId::Destinations), "destinations"),
    Binding::new(&[Key::char('3')], Command::Show(PaneId::Sockets), "sockets"),
    Binding::new(&[Key::char('4')], Command::Show(PaneId::Ranges), "dynamic port ranges"),
    Binding::new(&[Key::char('5')], Command::Show(PaneId::Findings), "findings"),
    Binding::new(&[Key::char('6')], Command::Show(PaneId::Events), "events and failures"),
];

pub(super) const PANES: &[Binding] = &[
    Binding::new(&[TAB], Command::NextPane, "next pane").hint("next pane"),
    Binding::new(&[BACK_TAB], Command::PreviousPane, "previous pane"),
];

pub(super) const FOLLOW: &[Binding] = &[
    Binding::new(&[ENTER], Command::Follow, "show what it is about").hint("show it"),
    Binding::new(&[Key::char('y')], Command::Copy, "copy it as text").hint("copy"),
];

pub(super) const TO_CONNECTION: &[Binding] =
    &[Binding::new(&[ENTER], Command::Follow, "show the connection of a socket").hint("connection")];

pub(super) const BACK_TO_PROCESSES: &[Binding] =
    &[Binding::new(&[ESC], Command::Back, "back to the processes").pinned("back")];

pub(super) const BACK: &[Binding] = &[Binding::new(&[ESC], Command::Back, "clear the filter")];

pub(super) const BACK_FIRST: &[Binding] =
    &[Binding::new(&[ESC], Command::Back, "clear the filter, then back").pinned("back")];

pub(super) const ANYWHERE: &[Binding] = &[
    Binding::new(&[Key::char(' ')], Command::Pause, "pause and go on").hint("pause"),
    Binding::new(&[Key::char('+'), Key::char('=')], Command::Slower, "refresh less often"),
    Binding::new(&[Key::char('-')], Command::Faster, "refresh more often"),
    Binding::new(&[Key::char('D')], Command::Gaps, "what could not be read, and why"),
    Binding::new(&[Key::control('l')], Command::Redraw, "draw the screen anew"),
    Binding::new(&[Key::char('?'), Key::char('h'), Key::plain(KeyCode::F(1))], Command::Help, "this help")
        .pinned("help"),
    Binding::new(&[Key::char('q'), Key::plain(KeyCode::F(10)), Key::control('c')], Command::Quit, "quit")
        .pinned("quit"),
];

pub(super) const KILL: &[Binding] = &[Binding::new(
    &[Key::char('x'), Key::plain(KeyCode::F(9))],
    Command::Kill,
    "end the process of the row",
)
.hint("kill")];

pub(super) const CLOSING: &[Binding] = &[Binding::new(
    &[Key::char('c')],
    Command::CloseSockets,
    "close this connection or, under a filter, all that are shown",
)
.hint("close")];

pub(super) const RANGES: &[Binding] = &[Binding::new(
    &[Key::char('r')],
    Command::Show(PaneId::Ranges),
    "dynamic port ranges: which would help",
)
.hint("range")];

pub(super) const PROBE: &[Binding] =
    &[Binding::new(&[Key::char('o')], Command::Probe, "see whether a port can still be had").hint("probe")];

pub(super) const WHY: &[Binding] = &[Binding::new(
    &[Key::char('w')],
    Command::Why,
    "why a port can't be had: that of the socket, or one that is typed",
)
.hint("why")];

pub(super) const SPACES: &[Binding] = &[
    Binding::new(&[UP, Key::char('k')], Command::Up, "the port space above").hint_as("↑↓", "select"),
    Binding::new(&[DOWN, Key::char('j')], Command::Down, "the port space below"),
];

pub(super) const PROPOSALS: &[Binding] = &[
    Binding::new(&[ENTER, RIGHT], Command::NextProposal, "the next proposal").hint("next"),
    Binding::new(&[LEFT], Command::PreviousProposal, "the proposal before"),
];

pub(super) const OWN: &[Binding] =
    &[Binding::new(&[Key::char('e')], Command::OwnNumbers, "numbers of your own").hint("own numbers")];

pub(super) const CHANGES: &[Binding] = &[
    Binding::new(
        &[Key::char('a')],
        Command::SetActive,
        "set it until the next start of the system; asks first",
    )
    .hint("apply"),
    Binding::new(&[Key::char('p')], Command::SetPersistent, "set it for good; asks first").hint("persistent"),
    Binding::new(&[Key::char('y')], Command::CopyCommands, "copy the commands, and keep them in a file")
        .hint("copy"),
    Binding::new(&[Key::char('u')], Command::Undo, "set back what porttop has set last; asks first")
        .hint("undo"),
];

pub(super) const BUTTONS: &[Binding] = &[
    Binding::new(&[RIGHT, TAB], Command::NextButton, "choose the next button").hint_as("←→", "choose"),
    Binding::new(&[LEFT, BACK_TAB], Command::PreviousButton, "choose the button before"),
    Binding::new(&[ENTER], Command::Open, "do what is chosen").hint("do it"),
];

pub(super) const COPIED: &[Binding] =
    &[Binding::new(&[Key::char('y')], Command::CopyCommands, "copy the commands, and keep them in a file")
        .hint("copy")];

pub(super) const SCROLLED: &[Binding] = &[
    Binding::new(&[UP], Command::Up, "a line up").hint_as("↑↓", "scroll"),
    Binding::new(&[DOWN], Command::Down, "a line down"),
    Binding::new(&[PAGE_UP], Command::PageUp, "a screen up"),
    Binding::new(&[PAGE_DOWN], Command::PageDown, "a screen down"),
];

pub(super) const NO: &[Binding] = &[
    Binding::new(&[ESC, Key::char('q'), Key::char('n')], Command::Back, "do nothing").pinned("no"),
    Binding::new(&[Key::control('c'), Key::plain(KeyCode::F(10))], Command::Quit, "quit"),
];

pub(super) const HIDE: &[Binding] = &[
    Binding::new(&[ESC], Command::Back, "go on; what comes of it is shown when it is done").pinned("hide"),
    Binding::new(&[Key::control('c'), Key::plain(KeyCode::F(10))], Command::Quit, "quit"),
];

pub(super) const DESTINATION: &[Binding] =
    &[Binding::new(&[ENTER], Command::Open, "try again, and the destination that is typed").hint("try")];

pub(super) const PORT: &[Binding] =
    &[Binding::new(&[ENTER], Command::Open, "ask about the port that is typed, or once more").hint("ask")];

pub(super) const NUMBERS: &[Binding] = &[
    Binding::new(&[ENTER], Command::Open, "take these numbers").hint("take them"),
    Binding::new(&[TAB, BACK_TAB, UP, DOWN], Command::NextField, "the other number")
        .hint_as("tab", "other number"),
];

pub(super) const STOP_TYPING: &[Binding] = &[
    Binding::new(&[ESC], Command::Back, "close").pinned("close"),
    Binding::new(&[Key::control('c'), Key::plain(KeyCode::F(10))], Command::Quit, "quit"),
];

pub(super) const TYPING: &[Binding] = &[
    Binding::new(&[ENTER], Command::KeepFilter, "keep the filter").hint("keep"),
    Binding::new(&[ESC], Command::DropFilter, "clear it").hint("clear"),
    Binding::new(&[UP], Command::Up, "select the row above").hint_as("↑↓", "select"),
    Binding::new(&[DOWN], Command::Down, "select the row below"),
    Binding::new(&[PAGE_UP], Command::PageUp, "a screen up"),
    Binding::new(&[PAGE_DOWN], Command::PageDown, "a screen down"),
    Binding::new(&[Key::control('c'), Key::plain(KeyCode::F(10))], Command::Quit, "quit").hint("quit"),
];

pub(super) const STOP: &[Binding] =
    &[Binding::new(&[Key::control('z')], Command::Stop, "to the shell; fg comes back (not on Windows)")];

pub(super) const CHOOSE: &[Binding] = &[
    Binding::new(&[ENTER], Command::Open, "sort by it; again turns the order round").hint("sort"),
    Binding::new(&[Key::char('i')], Command::Reverse, "turn the order round").hint("reverse"),
];

pub(super) const CLOSE: &[Binding] = &[
    Binding::new(&[ESC, Key::char('q'), Key::char('?')], Command::Back, "close").pinned("close"),
    Binding::new(&[Key::control('c'), Key::plain(KeyCode::F(10))], Command::Quit, "quit"),
];
