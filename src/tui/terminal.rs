//! The terminal: taken over when the screen starts, given back whatever happens.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write, stdout};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal};
use ratatui_crossterm::CrosstermBackend;

use crate::platform::console::{marks_paste, speaks_vt};

/// A frame goes to the terminal in one piece up to this many bytes.
const BUFFER_BYTES: usize = 64 * 1024;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal, taken over; dropping it gives it back.
pub struct Screen {
    /// Never dropped: ratatui would say on standard error that a terminal which hung up can't show its
    /// cursor, and panic because nobody is there to read it.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
}

impl Screen {
    /// Takes the terminal over: raw mode, the alternate screen, and the mouse where there is one.
    ///
    /// # Errors
    /// When there is no terminal, or it refuses raw mode or the alternate screen.
    pub fn enter() -> io::Result<Self> {
        if !stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "not a terminal"));
        }
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let entered = || -> io::Result<Self> {
            execute!(stdout(), EnterAlternateScreen)?;
            execute!(stdout(), EnableMouseCapture).ok();
            if marks_paste() {
                execute!(stdout(), EnableBracketedPaste).ok();
            }
            let writer = BufWriter::with_capacity(BUFFER_BYTES, stdout());
            let terminal = Terminal::new(CrosstermBackend::new(writer))?;
            Ok(Self { terminal: ManuallyDrop::new(terminal) })
        };
        entered().inspect_err(|_| restore())
    }

    /// Draws a frame, as one synchronized update where escape sequences are understood: elsewhere
    /// crossterm would write them as text.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame)) -> io::Result<()> {
        if speaks_vt() {
            queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        }
        self.terminal.draw(render)?;
        if speaks_vt() {
            queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        }
        Write::flush(self.terminal.backend_mut())
    }

    /// Puts a text into the clipboard, where the terminal allows that; none says whether it did, and old
    /// Windows consoles can't.
    pub fn copy(&mut self, text: &str) {
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text)).ok();
    }

    /// Forgets what the terminal shows, so that the next frame is drawn whole.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn clear(&mut self) -> io::Result<()> {
        // Unlike `Terminal::clear`, this does not ask where the cursor is: not every terminal answers.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back as it was. It may be called at any time and any number of times; what fails
/// is skipped, because there is nobody left to tell.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = stdout();
    if speaks_vt() {
        execute!(out, EndSynchronizedUpdate).ok();
    }
    if marks_paste() {
        execute!(out, DisableBracketedPaste).ok();
    }
    execute!(out, DisableMouseCapture).ok();
    execute!(out, LeaveAlternateScreen).ok();
    execute!(out, cursor::Show).ok();
    disable_raw_mode().ok();
}

#[cfg(test)]
mod tests {
    use ratatui::backend::Backend;
    use ratatui::buffer::Cell;

    use super::*;

    /// The colour of underlines is refused by consoles before Windows 10, and with it the frame.
    #[test]
    fn a_frame_asks_for_no_colour_of_underlines() {
        let mut frame = Vec::new();
        CrosstermBackend::new(&mut frame).draw([(0, 0, &Cell::default())].into_iter()).unwrap();
        let frame = String::from_utf8(frame).unwrap();
        assert!(frame.contains("\x1b[39m") && !frame.contains("\x1b[59m"), "{frame:?}");
    }
}
