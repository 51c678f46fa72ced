//! How the rows of the screen are shared out.

use ratatui::layout::Rect;

use super::{gauges, verdict};
use crate::tui::app::App;
use crate::tui::subject::Subject;

/// What a screen says that is smaller than it needs.
pub const TOO_SMALL: &str = "too small (needs 20×5)";

/// From how many rows on every port space in use has a line of its own.
const TALL: u16 = 30;

/// The parts of the screen from top to bottom; one that has no room has no height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Where and when.
    pub header: Rect,
    /// How bad; of a process, what it holds.
    pub verdict: Rect,
    /// The port spaces; of a process, its panes.
    pub gauges: Rect,
    /// What the pane shows.
    pub title: Rect,
    /// The pane.
    pub pane: Rect,
    /// The filter while it is typed.
    pub filter: Rect,
    /// The keys.
    pub footer: Rect,
    /// The room of a dialog.
    pub dialog: Rect,
}

impl Layout {
    /// Lays a screen out; none when it is too small.
    #[must_use]
    pub fn of(app: &App, screen: Rect) -> Option<Self> {
        if screen.width < 20 || screen.height < 5 {
            return None;
        }
        let (page, rows) = (app.page(), screen.height);
        let about_process = matches!(page.subject, Subject::Process(..));
        let head = [
            if about_process || rows < 16 { 1 } else { verdict::lines(app, screen.width).min(2) },
            match rows {
                ..9 => 0,
                _ if about_process => 1,
                9..12 => 1,
                12..TALL => gauges::lines(app).min(2),
                _ => gauges::lines(app),
            },
            u16::from(rows >= 10),
        ];
        let head = if page.pane().has_own_head() { [0; 3] } else { head };
        let typing = page.filter().editing;
        let footer = u16::from(rows >= 7 && !(typing && rows < 12));
        let mut y = screen.y;
        let mut next = |height: u16| {
            let area = Rect { y, height, ..screen };
            y += height;
            area
        };
        let [header, verdict, gauges, title] = [1, head[0], head[1], head[2]].map(&mut next);
        let body = next(rows.saturating_sub(1 + head.iter().sum::<u16>() + footer + u16::from(typing)));
        let filter = next(u16::from(typing));
        let footer = next(footer);
        let above = u16::from(rows >= 10);
        let height = rows.saturating_sub(above + footer.height);
        let dialog = Rect { y: screen.y + above, height, ..screen };
        Some(Self { header, verdict, gauges, title, pane: body, filter, footer, dialog })
    }
}
