//! What happens when something happens: state and action in, effects out. Nothing is done here that a
//! test could not repeat.

use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::action::{Action, Command, Effect};
use super::app::{App, Dialog};
use super::subject::{PaneId, Subject};
use super::table::Sorting;
use super::{draw, remedy};
use crate::analysis::{Item, Row, RowKey};
use crate::monitor::Pace;

/// How many rows the wheel scrolls.
const WHEEL_ROWS: isize = 3;

/// Applies an action to the state.
pub fn update(app: &mut App, action: Action) -> Vec<Effect> {
    let mut effects = match action {
        Action::Latest(latest) => {
            if app.take(latest) {
                vec![Effect::Draw]
            } else {
                Vec::new()
            }
        }
        Action::Handles(owner, listed) => {
            if app.take_handles(owner, &listed) {
                vec![Effect::Draw]
            } else {
                Vec::new()
            }
        }
        Action::Arranged(arranged) => {
            if app.show(*arranged) {
                [vec![Effect::Draw], release_keys(app)].concat()
            } else {
                Vec::new()
            }
        }
        Action::Key(event, press) => {
            (app.press, app.clock) = (press, app.clock.max(press.at));
            key(app, event)
        }
        Action::Paste(text) => paste(app, &text),
        Action::Mouse(event) => mouse(app, event),
        Action::Resize(columns, rows) => {
            app.size = (columns, rows);
            remedy::unseen(app);
            vec![Effect::Draw]
        }
        Action::Clock(now) => {
            let before = app.silence();
            app.now = now;
            let takes_long = app.arranging.tick();
            if before == app.silence() && !takes_long { Vec::new() } else { vec![Effect::Draw] }
        }
        Action::Answer(answer) => remedy::answered(app, *answer),
        Action::Drawn(now) => {
            app.clock = app.clock.max(now);
            remedy::seen(app)
        }
        Action::Hidden => {
            remedy::unseen(app);
            Vec::new()
        }
        Action::Woken(now) => {
            app.clock = app.clock.max(now);
            vec![Effect::Draw]
        }
    };
    app.settle();
    effects.extend(app.wanted_handles().map(Effect::ListHandles));
    effects.extend(app.wanted_rows().map(|request| Effect::Arrange(Box::new(request))));
    effects
}

/// A key meets the rows it is meant for, and waits where they are still being arranged. To leave and to go
/// back never waits.
fn key(app: &mut App, event: KeyEvent) -> Vec<Effect> {
    if app.keys_wait() {
        match app.context().command(event) {
            Some(Command::Quit | Command::Redraw) => {}
            Some(Command::Back) => app.arranging.forget_keys(),
            _ => {
                app.arranging.hold(event, app.press);
                return Vec::new();
            }
        }
    }
    press(app, event)
}

/// Presses the keys that have waited, until one changes what is to be shown. None of them answers a
/// question that was not there when it was pressed.
fn release_keys(app: &mut App) -> Vec<Effect> {
    let mut effects = Vec::new();
    app.settle();
    while app.is_arranged()
        && app.dialog.is_none()
        && let Some((event, pressed)) = app.arranging.next_key()
    {
        app.press = pressed;
        effects.extend(press(app, event));
        app.settle();
    }
    if app.dialog.is_some() {
        app.arranging.forget_keys();
    }
    effects
}

fn press(app: &mut App, event: KeyEvent) -> Vec<Effect> {
    if let Some(command) = app.context().command(event) {
        let allowed = app.acts || !command.acts();
        return if allowed { run(app, command) } else { Vec::new() };
    }
    if app.dialog.is_some() {
        return remedy::typed(app, event);
    }
    let filter = &mut app.page_mut().filter;
    if filter.editing && filter.type_in(event) {
        return vec![Effect::Draw];
    }
    Vec::new()
}

/// Pasted text is text where a field is typed into, and nothing anywhere else.
fn paste(app: &mut App, text: &str) -> Vec<Effect> {
    if app.dialog.is_some() {
        return remedy::pasted(app, text);
    }
    let filter = &mut app.page_mut().filter;
    if !filter.editing {
        return Vec::new();
    }
    filter.paste(text);
    vec![Effect::Draw]
}

/// Runs a command where it was given.
fn run(app: &mut App, command: Command) -> Vec<Effect> {
    match command {
        Command::Quit => return vec![Effect::Quit],
        Command::Stop => return vec![Effect::Stop],
        Command::Redraw => return vec![Effect::Redraw],
        Command::Slower | Command::Faster => {
            (app.interval, app.pace) = (app.next_interval(command == Command::Slower), Pace::AsAsked);
            return vec![Effect::Every(app.interval), Effect::Draw];
        }
        Command::Group if app.dialog.is_none() => {
            app.regroup();
            return vec![Effect::Group(app.group_by), Effect::Draw];
        }
        Command::Copy => return super::follow::copied(app).map(Effect::Copy).into_iter().collect(),
        _ if remedy::concerns(app, command) => return remedy::run(app, command),
        _ if app.dialog.is_some() => in_dialog(app, command),
        _ => on_page(app, command),
    }
    vec![Effect::Draw]
}

fn on_page(app: &mut App, command: Command) {
    match command {
        Command::Help => app.dialog = Some(Dialog::Help(0)),
        Command::Gaps => app.dialog = Some(Dialog::Gaps(0)),
        Command::SortMenu => {
            let sorted = app.page().columns().iter().position(|column| column.sorted.is_some());
            app.dialog = Some(Dialog::SortMenu(sorted.unwrap_or(0)));
        }
        Command::Pause => {
            app.paused = !app.paused;
            app.show_latest();
        }
        Command::Show(pane) => app.go_to(pane),
        Command::Open => open(app),
        Command::Follow => super::follow::follow(app),
        Command::Back => back(app),
        Command::Filter => app.page_mut().filter.editing = true,
        Command::KeepFilter => app.page_mut().filter.keep(),
        Command::DropFilter => clear_filter(app),
        Command::SortBy(key) => {
            let place = Row::columns().iter().position(|column| column.key == key);
            sort(app, Sorting::By(place.unwrap_or(0)));
        }
        Command::SortLeft => sort(app, Sorting::Beside(-1)),
        Command::SortRight => sort(app, Sorting::Beside(1)),
        Command::Reverse => sort(app, Sorting::Reverse),
        Command::NextPane => turn(app, 1),
        Command::PreviousPane => turn(app, -1),
        Command::Up
        | Command::Down
        | Command::PageUp
        | Command::PageDown
        | Command::Top
        | Command::Bottom => move_by(app, command),
        _ => {}
    }
}

fn move_by(app: &mut App, command: Command) {
    if app.page().pane == PaneId::Ranges {
        app.ranges.space = step(app.ranges.space, 3, 4, command);
        app.ranges.chosen = None;
        return;
    }
    let rows = app.layout().map_or(1, |layout| usize::from(layout.body.height).max(1));
    let page = app.page_mut();
    if let Some(list) = page.list_mut() {
        list.move_to(step(list.cursor, list.order.len().saturating_sub(1), rows, command));
    } else {
        page.scroll = step(page.scroll, usize::MAX, rows, command);
        let last = draw::last_scroll(app, rows);
        let page = app.page_mut();
        page.scroll = page.scroll.min(last);
    }
}

/// Where a movement leads from `at`, between 0 and `last`.
pub(super) fn step(at: usize, last: usize, screen: usize, command: Command) -> usize {
    let to = match command {
        Command::Up => at.saturating_sub(1),
        Command::Down => at.saturating_add(1),
        Command::PageUp => at.saturating_sub(screen),
        Command::PageDown => at.saturating_add(screen),
        Command::Top => 0,
        Command::Bottom => last,
        _ => at,
    };
    to.min(last)
}

fn sort(app: &mut App, what: Sorting) {
    app.page_mut().sort(what);
}

fn clear_filter(app: &mut App) {
    app.page_mut().filter.clear();
}

fn back(app: &mut App) {
    if matches!(app.page().pane, PaneId::Findings | PaneId::Events) {
        app.go_to(PaneId::Processes);
    } else if app.page().pane != PaneId::Ranges && app.page().filter.is_set() {
        clear_filter(app);
    } else if !app.close() && app.page().pane == PaneId::Ranges {
        app.go_to(PaneId::Processes);
    }
}

fn turn(app: &mut App, by: isize) {
    let page = app.page_mut();
    let panes = page.subject.panes();
    let place = panes.iter().position(|pane| *pane == page.pane).unwrap_or(0);
    page.turn_to(panes[(place + panes.len()).saturating_add_signed(by) % panes.len()]);
}

/// Opens what the selected row stands for.
fn open(app: &mut App) {
    let Some(picture) = app.picture().cloned() else { return };
    let page = app.page();
    let Some(place) = page.list().and_then(super::list::List::selected) else { return };
    let process = |owner| Subject::Process(owner, picture.snapshot.processes.get(&owner).cloned());
    let subject = match page.pane {
        PaneId::Processes => picture.rows.get(place).map(|row| match &row.key {
            RowKey::Process(owner) => process(*owner),
            RowKey::NoOwner => Subject::NoOwner,
            group => Subject::Group(group.clone()),
        }),
        PaneId::Destinations => picture
            .destinations
            .get(place)
            .map(|destination| Subject::Destination(super::list::DestinationKey::of(destination))),
        PaneId::Sockets => {
            picture.snapshot.sockets.get(place).and_then(|socket| socket.holders.counted()).map(process)
        }
        PaneId::Findings
        | PaneId::Events
        | PaneId::Handles
        | PaneId::Timeline
        | PaneId::Details
        | PaneId::Ranges => None,
    };
    let socket = (page.pane == PaneId::Sockets).then(|| page.key_at(&picture, place)).flatten();
    if let Some(subject) = subject {
        app.open(subject, socket);
    }
}

fn in_dialog(app: &mut App, command: Command) {
    let rows = app.layout().map_or(1, |layout| usize::from(draw::dialog::body(&layout).height).max(1));
    let last = match &app.dialog {
        Some(Dialog::SortMenu(_)) => app.page().columns().len().saturating_sub(1),
        Some(Dialog::Help(_)) => draw::help::lines(app).len().saturating_sub(rows),
        Some(Dialog::Gaps(_)) => draw::gaps::lines(app).len().saturating_sub(rows),
        _ => 0,
    };
    match (&mut app.dialog, command) {
        (_, Command::Back) => close_dialog(app),
        (Some(Dialog::SortMenu(place)), Command::Open) => {
            let what = Sorting::By(*place);
            close_dialog(app);
            sort(app, what);
        }
        (Some(Dialog::SortMenu(_)), Command::Reverse) => {
            close_dialog(app);
            sort(app, Sorting::Reverse);
        }
        (
            Some(Dialog::Help(at) | Dialog::Gaps(at) | Dialog::SortMenu(at)),
            Command::Up
            | Command::Down
            | Command::PageUp
            | Command::PageDown
            | Command::Top
            | Command::Bottom,
        ) => *at = step(*at, last, rows, command),
        _ => {}
    }
}

pub(super) fn close_dialog(app: &mut App) {
    app.dialog = app.outcomes.pop().map(|outcome| Dialog::Outcome(Box::new(outcome)));
    app.show_latest();
}

fn mouse(app: &mut App, event: MouseEvent) -> Vec<Effect> {
    let at = Position::new(event.column, event.row);
    match event.kind {
        MouseEventKind::ScrollUp => wheel(app, -WHEEL_ROWS),
        MouseEventKind::ScrollDown => wheel(app, WHEEL_ROWS),
        MouseEventKind::Down(MouseButton::Left) => click(app, at),
        _ => return Vec::new(),
    }
    vec![Effect::Draw]
}

fn wheel(app: &mut App, rows: isize) {
    let height = app.layout().map_or(0, |layout| usize::from(layout.body.height));
    let command = if rows < 0 { Command::Up } else { Command::Down };
    if app.dialog.is_some() {
        (0..rows.abs()).for_each(|_| {
            run(app, command);
        });
    } else if app.page().pane == PaneId::Findings {
        move_by(app, command);
    } else if let Some(list) = app.page_mut().list_mut() {
        list.scroll_by(rows, height);
    } else {
        (0..rows.abs()).for_each(|_| move_by(app, command));
    }
}

fn click(app: &mut App, at: Position) {
    let Some(layout) = app.layout() else { return };
    if app.dialog.is_some() {
        return;
    }
    if app.page().pane == PaneId::Findings {
        let area = layout.whole_body();
        if area.contains(at)
            && let Some(place) = draw::findings::at(app, area, at.y - area.y)
        {
            app.page_mut().findings.move_to(place);
        }
    } else if layout.titles.contains(at) {
        if let Some(column) = draw::tables::column_at(app, &layout, at.x) {
            sort(app, Sorting::By(column));
        }
    } else if layout.body.contains(at)
        && let Some(list) = app.page_mut().list_mut()
    {
        let row = list.offset + usize::from(at.y - layout.body.y);
        if row < list.order.len() {
            list.move_to(row);
        }
    }
}
