//! Where everything is. Views draw by it and the mouse is read by it, so that they agree.

use ratatui::layout::Rect;

use super::{gauges, handles, screen, verdict};
use crate::tui::app::App;
use crate::tui::subject::{PaneId, Subject};

/// What a screen says that is smaller than it needs.
pub const TOO_SMALL: &str = "too small (needs 20×5)";

/// From how many rows on every port space in use has a line of its own.
const TALL: u16 = 30;

/// The parts of the screen from top to bottom; one that has no room has no height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// All of it.
    pub screen: Rect,
    /// Where and when.
    pub header: Rect,
    /// How bad; of a process, what it holds.
    pub verdict: Rect,
    /// The port spaces; of a process, its panes.
    pub gauges: Rect,
    /// What the table shows.
    pub rule: Rect,
    /// What a table of handles comes to.
    pub summary: Rect,
    /// The headers of the table.
    pub titles: Rect,
    /// The rows of the table.
    pub body: Rect,
    /// The filter while it is typed.
    pub filter: Rect,
    /// The keys.
    pub footer: Rect,
}

impl Layout {
    /// The room of a pane that has no headers.
    #[must_use]
    pub fn whole_body(&self) -> Rect {
        self.titles.union(self.body)
    }
}

/// Lays the screen out; none when it is too small.
#[must_use]
pub fn of(app: &App) -> Option<Layout> {
    let screen = screen(app);
    if screen.width < 20 || screen.height < 5 {
        return None;
    }
    let rows = screen.height;
    let about_process = matches!(app.page().subject, Subject::Process(..));
    let heads = [
        1,
        if about_process || rows < 16 { 1 } else { verdict::lines(app, screen.width).min(2) },
        match rows {
            ..9 => 0,
            _ if about_process => 1,
            9..12 => 1,
            12..TALL => gauges::lines(app).min(2),
            _ => gauges::lines(app),
        },
        u16::from(rows >= 10),
        match app.page().pane {
            PaneId::Handles if rows >= 9 => handles::lines(app),
            _ => 0,
        },
        1,
    ];
    let typing = app.page().filter.editing;
    let footer = u16::from(rows >= 7 && !(typing && rows < 12));
    let below = footer + u16::from(typing);
    let mut y = 0;
    let mut next = |height: u16| {
        let area = Rect { y, height, ..screen };
        y += height;
        area
    };
    let [header, verdict, gauges, rule, summary, titles] = heads.map(&mut next);
    let body = next(rows.saturating_sub(heads.iter().sum::<u16>() + below));
    let filter = next(u16::from(typing));
    Some(Layout {
        screen,
        header,
        verdict,
        gauges,
        rule,
        summary,
        titles,
        body,
        filter,
        footer: next(footer),
    })
}
