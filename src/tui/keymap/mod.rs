//! Which key does what, and where: the one table behind the keys, the footer and the help.

mod bindings;
mod key;

use crossterm::event::KeyEvent;

pub use bindings::{Binding, Hint};
pub use key::Key;

use super::command::Command;
use crate::analysis::Act;
use bindings::{
    ANYWHERE, BACK, BACK_FIRST, BACK_TO_PROCESSES, BUTTONS, CHANGES, CHOOSE, CLOSE, CLOSING, COPIED,
    DESTINATION, FILTER, FOLLOW, GROUP, HIDE, KILL, LINES, NO, NUMBERS, OPEN, OWN, PANES, PORT, PROBE,
    PROCESSES, PROPOSALS, RANGES, ROWS, SCROLLED, SPACES, STOP, STOP_TYPING, TABLE, TO_CONNECTION, TYPING,
    VIEWS, WHY,
};

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
    /// A port is typed, to see why it can't be had.
    Why,
    /// The numbers of a range are typed.
    OwnRange,
}

impl Context {
    /// Every context.
    pub const ALL: [Self; 22] = [
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
        Self::Why,
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
            Self::Why => "Why can't I have this port?",
            Self::OwnRange => "Own numbers",
        }
    }

    /// The keys that work there, the most telling first.
    pub fn bindings(self) -> impl Iterator<Item = &'static Binding> {
        let parts: &[&'static [Binding]] = match self {
            Self::Processes => &[
                ROWS, OPEN, FILTER, KILL, RANGES, PROCESSES, PROBE, WHY, GROUP, TABLE, VIEWS, BACK, ANYWHERE,
            ],
            Self::Group => {
                &[ROWS, OPEN, FILTER, KILL, RANGES, PROCESSES, PROBE, WHY, TABLE, VIEWS, BACK_FIRST, ANYWHERE]
            }
            Self::Destinations => &[ROWS, OPEN, FILTER, RANGES, PROBE, WHY, TABLE, VIEWS, BACK, ANYWHERE],
            Self::Sockets => {
                &[ROWS, OPEN, FILTER, CLOSING, KILL, RANGES, PROBE, WHY, TABLE, VIEWS, BACK, ANYWHERE]
            }
            Self::Connections => {
                &[ROWS, PANES, FILTER, CLOSING, KILL, RANGES, PROBE, WHY, TABLE, BACK_FIRST, VIEWS, ANYWHERE]
            }
            Self::Subset => {
                &[ROWS, OPEN, FILTER, CLOSING, KILL, RANGES, PROBE, WHY, TABLE, BACK_FIRST, VIEWS, ANYWHERE]
            }
            Self::Findings => &[ROWS, FOLLOW, RANGES, PROBE, WHY, BACK_TO_PROCESSES, VIEWS, ANYWHERE],
            Self::Events => &[LINES, RANGES, PROBE, WHY, BACK_TO_PROCESSES, VIEWS, ANYWHERE],
            Self::Handles => &[
                ROWS,
                PANES,
                TO_CONNECTION,
                FILTER,
                KILL,
                RANGES,
                PROBE,
                WHY,
                TABLE,
                BACK_FIRST,
                VIEWS,
                ANYWHERE,
            ],
            Self::Timeline | Self::Details => {
                &[LINES, PANES, KILL, RANGES, PROBE, WHY, BACK_FIRST, VIEWS, ANYWHERE]
            }
            Self::Filter => &[TYPING],
            Self::Help | Self::Gaps => &[LINES, CLOSE],
            Self::SortMenu => &[ROWS, CHOOSE, CLOSE],
            Self::Ranges => {
                &[PROPOSALS, CHANGES, OWN, SPACES, BACK_TO_PROCESSES, PROBE, WHY, VIEWS, ANYWHERE]
            }
            Self::Question => &[BUTTONS, COPIED, SCROLLED, NO],
            Self::Outcome => &[BUTTONS, SCROLLED, CLOSE],
            Self::Working => &[HIDE],
            Self::Probe => &[DESTINATION, SCROLLED, STOP_TYPING],
            Self::Why => &[PORT, SCROLLED, STOP_TYPING],
            Self::OwnRange => &[NUMBERS, STOP_TYPING],
        };
        parts.iter().flat_map(|part| part.iter()).chain(STOP)
    }

    /// Those of them that work where nothing may be changed, or all.
    pub fn allowed(self, acts: bool) -> impl Iterator<Item = &'static Binding> {
        self.bindings().filter(move |binding| acts || !binding.command.acts())
    }

    /// The name of the key for a command; empty when none gives it there.
    #[must_use]
    pub fn key_of(self, command: Command) -> String {
        let binding = self.bindings().find(|binding| binding.command == command);
        binding.map_or_else(String::new, |binding| binding.keys[0].to_string())
    }

    /// What a key does there.
    #[must_use]
    pub fn command(self, event: KeyEvent) -> Option<Command> {
        let key = Key::of(event);
        self.bindings().find(|binding| binding.keys.contains(&key)).map(|binding| binding.command)
    }
}

/// The key for what a finding advises: where the findings are shown, or else in the tables of processes and
/// sockets.
#[must_use]
pub fn key_of(act: Act) -> String {
    let command = match act {
        Act::Show(view) => Command::Show(view.into()),
        Act::Kill => Command::Kill,
        Act::CloseSockets => Command::CloseSockets,
        Act::ListHandles => Command::Follow,
        Act::SortByTimeWait => Command::SortBy("time_wait"),
    };
    let keys =
        [Context::Findings, Context::Processes, Context::Sockets].map(|context| context.key_of(command));
    keys.into_iter().find(|key| !key.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;
    use crate::analysis::View;

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
    fn what_a_finding_advises_has_a_key() {
        let views =
            [View::Processes, View::Destinations, View::Sockets, View::Ranges, View::Findings, View::Events];
        let acts = views.map(Act::Show).into_iter().chain([
            Act::Kill,
            Act::CloseSockets,
            Act::ListHandles,
            Act::SortByTimeWait,
        ]);
        let keys: Vec<_> = acts.map(key_of).collect();
        assert_eq!(keys, ["1", "2", "3", "r", "5", "6", "x", "c", "enter", "t"]);
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
