//! Which key does what, and where: the one table behind the keys, the footer and the help.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::Command;
use super::page::Pane;

/// Where a key is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// The table of processes.
    Processes,
    /// The processes of one group.
    Group,
    /// The table of destinations.
    Destinations,
    /// The table of the sockets of the machine.
    Sockets,
    /// The sockets of a process that also has details.
    Connections,
    /// The sockets toward a destination, or of no owner.
    Subset,
    /// The list of findings.
    Findings,
    /// What the system says of ports running out.
    Events,
    /// The handles of a process.
    Handles,
    /// How a process went.
    Timeline,
    /// The details of a process.
    Details,
    /// The filter is being typed.
    Filter,
    /// The help is open.
    Help,
    /// The list of what could not be read is open.
    Gaps,
    /// The menu of columns is open.
    SortMenu,
    /// The dynamic ranges.
    Ranges,
    /// A question is open.
    Question,
    /// What came of a change is open.
    Outcome,
    /// Something is being done.
    Working,
    /// A destination is typed, to see whether a port can be had.
    Probe,
    /// The numbers of a range are typed.
    OwnRange,
}

impl Context {
    /// Every context.
    pub const ALL: [Self; 21] = [
        Self::Processes,
        Self::Group,
        Self::Destinations,
        Self::Sockets,
        Self::Connections,
        Self::Subset,
        Self::Findings,
        Self::Events,
        Self::Handles,
        Self::Timeline,
        Self::Details,
        Self::Filter,
        Self::Help,
        Self::Gaps,
        Self::SortMenu,
        Self::Ranges,
        Self::Question,
        Self::Outcome,
        Self::Working,
        Self::Probe,
        Self::OwnRange,
    ];

    /// Its name in the help.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Processes => "Processes",
            Self::Group => "Processes of a group",
            Self::Destinations => "Destinations",
            Self::Sockets => "Sockets",
            Self::Connections => "Connections of a process",
            Self::Subset => "Sockets of a row",
            Self::Findings => "Findings",
            Self::Events => "Events and failures",
            Self::Handles => "Handles of a process",
            Self::Timeline => "Timeline of a process",
            Self::Details => "Details of a process",
            Self::Filter => "Filter",
            Self::Help => "Help",
            Self::Gaps => "What could not be read",
            Self::SortMenu => "Sort menu",
            Self::Ranges => "Dynamic port ranges",
            Self::Question => "Question",
            Self::Outcome => "Outcome",
            Self::Working => "At work",
            Self::Probe => "Can a port be had?",
            Self::OwnRange => "Own numbers",
        }
    }

    /// The keys that work there, the most telling first.
    pub fn bindings(self) -> impl Iterator<Item = &'static Binding> {
        let parts: &[&'static [Binding]] = match self {
            Self::Processes => {
                &[ROWS, OPEN, FILTER, KILL, RANGES, PROCESSES, PROBE, GROUP, TABLE, VIEWS, BACK, ANYWHERE]
            }
            Self::Group => {
                &[ROWS, OPEN, FILTER, KILL, RANGES, PROCESSES, PROBE, TABLE, VIEWS, BACK_FIRST, ANYWHERE]
            }
            Self::Destinations => &[ROWS, OPEN, FILTER, RANGES, PROBE, TABLE, VIEWS, BACK, ANYWHERE],
            Self::Sockets => {
                &[ROWS, OPEN, FILTER, CLOSING, KILL, RANGES, PROBE, TABLE, VIEWS, BACK, ANYWHERE]
            }
            Self::Connections => {
                &[ROWS, PANES, FILTER, CLOSING, KILL, RANGES, PROBE, TABLE, BACK_FIRST, VIEWS, ANYWHERE]
            }
            Self::Subset => {
                &[ROWS, OPEN, FILTER, CLOSING, KILL, RANGES, PROBE, TABLE, BACK_FIRST, VIEWS, ANYWHERE]
            }
            Self::Findings => &[ROWS, FOLLOW, RANGES, PROBE, BACK_TO_PROCESSES, VIEWS, ANYWHERE],
            Self::Events => &[LINES, RANGES, PROBE, BACK_TO_PROCESSES, VIEWS, ANYWHERE],
            Self::Handles => {
                &[ROWS, PANES, TO_CONNECTION, FILTER, KILL, RANGES, PROBE, TABLE, BACK_FIRST, VIEWS, ANYWHERE]
            }
            Self::Timeline | Self::Details => {
                &[LINES, PANES, KILL, RANGES, PROBE, BACK_FIRST, VIEWS, ANYWHERE]
            }
            Self::Filter => &[TYPING],
            Self::Help | Self::Gaps => &[LINES, CLOSE],
            Self::SortMenu => &[ROWS, CHOOSE, CLOSE],
            Self::Ranges => &[PROPOSALS, CHANGES, OWN, SPACES, RANGES_BACK, PROBE, VIEWS, ANYWHERE],
            Self::Question => &[BUTTONS, COPIED, SCROLLED, NO],
            Self::Outcome => &[BUTTONS, SCROLLED, CLOSE],
            Self::Working => &[HIDE],
            Self::Probe => &[DESTINATION, SCROLLED, STOP_TYPING],
            Self::OwnRange => &[NUMBERS, STOP_TYPING],
        };
        parts.iter().flat_map(|part| part.iter()).chain(STOP)
    }

    /// What a key does there.
    #[must_use]
    pub fn command(self, event: KeyEvent) -> Option<Command> {
        let key = Key::of(event);
        self.bindings().find(|binding| binding.keys.contains(&key)).map(|binding| binding.command)
    }
}

/// A key, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    control: bool,
}

impl Key {
    const fn plain(code: KeyCode) -> Self {
        Self { code, control: false }
    }

    const fn char(character: char) -> Self {
        Self::plain(KeyCode::Char(character))
    }

    const fn control(character: char) -> Self {
        Self { code: KeyCode::Char(character), control: true }
    }

    /// The key of an event. Control and alt together are `AltGr`, which types a character.
    #[must_use]
    pub fn of(event: KeyEvent) -> Self {
        let modifiers = event.modifiers;
        let control = modifiers.contains(KeyModifiers::CONTROL) && !modifiers.contains(KeyModifiers::ALT);
        Self { code: event.code, control }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            KeyCode::Char(character) if self.control => write!(f, "ctrl-{character}"),
            KeyCode::Char(' ') => f.write_str("space"),
            KeyCode::Char(character) => write!(f, "{character}"),
            KeyCode::F(number) => write!(f, "F{number}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::BackTab => f.write_str("shift-tab"),
            other => f.write_str(&format!("{other:?}").to_lowercase()),
        }
    }
}

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

const ROWS: &[Binding] = &[
    Binding::new(&[UP, Key::char('k')], Command::Up, "select the row above").hint_as("↑↓", "select"),
    Binding::new(&[DOWN, Key::char('j')], Command::Down, "select the row below"),
    Binding::new(&[PAGE_UP, Key::control('b')], Command::PageUp, "a screen up"),
    Binding::new(&[PAGE_DOWN, Key::control('f')], Command::PageDown, "a screen down"),
    Binding::new(&[HOME, Key::char('g')], Command::Top, "the first row"),
    Binding::new(&[END], Command::Bottom, "the last row"),
];

const LINES: &[Binding] = &[
    Binding::new(&[UP, Key::char('k')], Command::Up, "a line up").hint_as("↑↓", "scroll"),
    Binding::new(&[DOWN, Key::char('j')], Command::Down, "a line down"),
    Binding::new(&[PAGE_UP, Key::control('b')], Command::PageUp, "a screen up"),
    Binding::new(&[PAGE_DOWN, Key::control('f')], Command::PageDown, "a screen down"),
    Binding::new(&[HOME, Key::char('g')], Command::Top, "the top"),
    Binding::new(&[END, Key::char('G')], Command::Bottom, "the end"),
];

const OPEN: &[Binding] =
    &[Binding::new(&[ENTER], Command::Open, "open what the row stands for").hint("open")];

const FILTER: &[Binding] =
    &[Binding::new(&[Key::char('/')], Command::Filter, "filter as you type").hint("filter")];

const PROCESSES: &[Binding] = &[
    Binding::new(&[Key::char('b')], Command::SortBy("bound"), "sort by BOUND").hint("bound"),
    Binding::new(&[Key::char('t')], Command::SortBy("time_wait"), "sort by TIME_WAIT").hint("time-wait"),
];

const GROUP: &[Binding] =
    &[Binding::new(&[Key::char('G')], Command::Group, "group by process, program, user, service")
        .hint("group")];

const TABLE: &[Binding] = &[
    Binding::new(&[Key::char('s')], Command::SortMenu, "sort by any column (or click its header)")
        .hint("sort"),
    Binding::new(&[Key::char('<')], Command::SortLeft, "sort by the column to the left"),
    Binding::new(&[Key::char('>')], Command::SortRight, "sort by the column to the right"),
    Binding::new(&[Key::char('i')], Command::Reverse, "turn the order round"),
];

const VIEWS: &[Binding] = &[
    Binding::new(&[Key::char('1')], Command::Show(Pane::Processes), "processes").hint_as("1-6", "views"),
    Binding::new(&[Key::char('2')], Command::Show(Pane::Destinations), "destinations"),
    Binding::new(&[Key::char('3')], Command::Show(Pane::Sockets), "sockets"),
    Binding::new(&[Key::char('4')], Command::Show(Pane::Ranges), "dynamic port ranges"),
    Binding::new(&[Key::char('5')], Command::Show(Pane::Findings), "findings"),
    Binding::new(&[Key::char('6')], Command::Show(Pane::Events), "events and failures"),
];

const PANES: &[Binding] = &[
    Binding::new(&[TAB], Command::NextPane, "next pane").hint("next pane"),
    Binding::new(&[BACK_TAB], Command::PreviousPane, "previous pane"),
];

const FOLLOW: &[Binding] = &[
    Binding::new(&[ENTER], Command::Follow, "show what it is about").hint("show it"),
    Binding::new(&[Key::char('y')], Command::Copy, "copy it as text").hint("copy"),
];

const TO_CONNECTION: &[Binding] =
    &[Binding::new(&[ENTER], Command::Follow, "show the connection of a socket").hint("connection")];

const BACK_TO_PROCESSES: &[Binding] =
    &[Binding::new(&[ESC], Command::Back, "back to the processes").pinned("back")];

const BACK: &[Binding] = &[Binding::new(&[ESC], Command::Back, "clear the filter")];

const BACK_FIRST: &[Binding] =
    &[Binding::new(&[ESC], Command::Back, "clear the filter, then back").pinned("back")];

const ANYWHERE: &[Binding] = &[
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

const KILL: &[Binding] = &[Binding::new(
    &[Key::char('x'), Key::plain(KeyCode::F(9))],
    Command::Kill,
    "end the process of the row",
)
.hint("kill")];

const CLOSING: &[Binding] = &[Binding::new(
    &[Key::char('c')],
    Command::CloseSockets,
    "close this connection or, under a filter, all that are shown",
)
.hint("close")];

const RANGES: &[Binding] =
    &[Binding::new(&[Key::char('r')], Command::Show(Pane::Ranges), "dynamic port ranges: which would help")
        .hint("range")];

const PROBE: &[Binding] =
    &[Binding::new(&[Key::char('o')], Command::Probe, "see whether a port can still be had").hint("probe")];

const SPACES: &[Binding] = &[
    Binding::new(&[UP, Key::char('k')], Command::Up, "the port space above").hint_as("↑↓", "select"),
    Binding::new(&[DOWN, Key::char('j')], Command::Down, "the port space below"),
];

const PROPOSALS: &[Binding] = &[
    Binding::new(&[ENTER, RIGHT], Command::NextProposal, "the next proposal").hint("next"),
    Binding::new(&[LEFT], Command::PreviousProposal, "the proposal before"),
];

const OWN: &[Binding] =
    &[Binding::new(&[Key::char('e')], Command::OwnNumbers, "numbers of your own").hint("own numbers")];

const CHANGES: &[Binding] = &[
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

const RANGES_BACK: &[Binding] =
    &[Binding::new(&[ESC], Command::Back, "back to the processes").pinned("back")];

const BUTTONS: &[Binding] = &[
    Binding::new(&[RIGHT, TAB], Command::NextButton, "choose the next button").hint_as("←→", "choose"),
    Binding::new(&[LEFT, BACK_TAB], Command::PreviousButton, "choose the button before"),
    Binding::new(&[ENTER], Command::Open, "do what is chosen").hint("do it"),
];

const COPIED: &[Binding] =
    &[Binding::new(&[Key::char('y')], Command::CopyCommands, "copy the commands, and keep them in a file")
        .hint("copy")];

const SCROLLED: &[Binding] = &[
    Binding::new(&[UP], Command::Up, "a line up").hint_as("↑↓", "scroll"),
    Binding::new(&[DOWN], Command::Down, "a line down"),
    Binding::new(&[PAGE_UP], Command::PageUp, "a screen up"),
    Binding::new(&[PAGE_DOWN], Command::PageDown, "a screen down"),
];

const NO: &[Binding] = &[
    Binding::new(&[ESC, Key::char('q'), Key::char('n')], Command::Back, "do nothing").pinned("no"),
    Binding::new(&[Key::control('c'), Key::plain(KeyCode::F(10))], Command::Quit, "quit"),
];

const HIDE: &[Binding] = &[
    Binding::new(&[ESC], Command::Back, "go on; what comes of it is shown when it is done").pinned("hide"),
    Binding::new(&[Key::control('c'), Key::plain(KeyCode::F(10))], Command::Quit, "quit"),
];

const DESTINATION: &[Binding] =
    &[Binding::new(&[ENTER], Command::Open, "try again, and the destination that is typed").hint("try")];

const NUMBERS: &[Binding] = &[
    Binding::new(&[ENTER], Command::Open, "take these numbers").hint("take them"),
    Binding::new(&[TAB, BACK_TAB, UP, DOWN], Command::NextField, "the other number")
        .hint_as("tab", "other number"),
];

const STOP_TYPING: &[Binding] = &[
    Binding::new(&[ESC], Command::Back, "close").pinned("close"),
    Binding::new(&[Key::control('c'), Key::plain(KeyCode::F(10))], Command::Quit, "quit"),
];

const TYPING: &[Binding] = &[
    Binding::new(&[ENTER], Command::KeepFilter, "keep the filter").hint("keep"),
    Binding::new(&[ESC], Command::DropFilter, "clear it").hint("clear"),
    Binding::new(&[UP], Command::Up, "select the row above").hint_as("↑↓", "select"),
    Binding::new(&[DOWN], Command::Down, "select the row below"),
    Binding::new(&[PAGE_UP], Command::PageUp, "a screen up"),
    Binding::new(&[PAGE_DOWN], Command::PageDown, "a screen down"),
    Binding::new(&[Key::control('c'), Key::plain(KeyCode::F(10))], Command::Quit, "quit").hint("quit"),
];

const STOP: &[Binding] =
    &[Binding::new(&[Key::control('z')], Command::Stop, "to the shell; fg comes back (not on Windows)")];

const CHOOSE: &[Binding] = &[
    Binding::new(&[ENTER], Command::Open, "sort by it; again turns the order round").hint("sort"),
    Binding::new(&[Key::char('i')], Command::Reverse, "turn the order round").hint("reverse"),
];

const CLOSE: &[Binding] = &[
    Binding::new(&[ESC, Key::char('q'), Key::char('?')], Command::Back, "close").pinned("close"),
    Binding::new(&[Key::control('c'), Key::plain(KeyCode::F(10))], Command::Quit, "quit"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_commands_share_a_key() {
        for context in Context::ALL {
            let mut seen = HashSet::new();
            for key in context.bindings().flat_map(|binding| binding.keys) {
                assert!(seen.insert(key), "{key} twice in {context:?}");
            }
        }
    }

    #[test]
    fn one_can_leave_from_anywhere() {
        let control = |key| KeyEvent::new(KeyCode::Char(key), KeyModifiers::CONTROL);
        for context in Context::ALL {
            assert_eq!(context.command(control('c')), Some(Command::Quit), "{context:?}");
            assert_eq!(context.command(control('z')), Some(Command::Stop), "{context:?}");
            let esc = context.command(KeyCode::Esc.into());
            assert!(matches!(esc, Some(Command::Back | Command::DropFilter)), "{context:?}");
        }
    }

    #[test]
    fn alt_gr_types_a_character_and_control_does_not() {
        let event = |modifiers| KeyEvent::new(KeyCode::Char('/'), modifiers);
        let alt_gr = KeyModifiers::CONTROL | KeyModifiers::ALT;
        assert_eq!(Context::Processes.command(event(alt_gr)), Some(Command::Filter));
        assert_eq!(Context::Processes.command(event(KeyModifiers::CONTROL)), None);
    }
}
