//! The screen as the terminal shows it: taken over when it starts, given back whatever happens.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write, stdin, stdout};
use std::mem::{ManuallyDrop, take};
use std::rc::Rc;

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{QueueableCommand as _, cursor};
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use ratatui_crossterm::CrosstermBackend;

use super::action::Copied;
use super::writer::Writer;
use crate::platform::clipboard;
use crate::platform::console::{marks_paste, speaks_vt};
use crate::platform::terminal;

/// The terminal, taken over; dropping it gives it back.
pub struct Screen {
    /// Never dropped: ratatui would say on standard error that a terminal which hung up can't show its
    /// cursor, and panic because nobody is there to read it.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<OutputBuffer>>>,
    output: OutputBuffer,
    writer: Writer,
    /// Goes out with the next frame.
    clipboard: Option<String>,
    /// Whether the shell has the terminal, until it wants us to go on.
    away: bool,
}

impl Screen {
    /// Takes the terminal over: raw mode, the alternate screen, and the mouse where there is one.
    ///
    /// # Errors
    /// When there is no terminal, or it refuses raw mode or the alternate screen.
    pub fn enter() -> io::Result<Self> {
        if !stdout().is_terminal() || !stdin().is_terminal() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "not a terminal"));
        }
        let output = OutputBuffer::default();
        let viewport = Viewport::Fixed(Rect::default());
        let terminal =
            Terminal::with_options(CrosstermBackend::new(output.clone()), TerminalOptions { viewport })?;
        let terminal = ManuallyDrop::new(terminal);
        let mut screen = Self { terminal, output, writer: Writer::start()?, clipboard: None, away: true };
        screen.come_back()?;
        Ok(screen)
    }

    /// Takes the terminal again, or once more where others may have changed it.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn come_back(&mut self) -> io::Result<()> {
        terminal::take(leave)?;
        self.away = false;
        enter(&mut self.output)
    }

    /// Leaves the terminal to the shell.
    pub fn go_away(&mut self) {
        terminal::give_back();
        self.away = true;
    }

    /// Whether the shell has the terminal.
    pub const fn is_away(&self) -> bool {
        self.away
    }

    /// Whether a frame can be drawn: the terminal is ours and has the one before.
    pub const fn is_ready(&self) -> bool {
        !self.away && self.writer.is_idle()
    }

    /// Whether nobody reads the last frame.
    pub fn is_stuck(&self) -> bool {
        self.writer.is_stuck()
    }

    /// Waits until the last frame is written.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub async fn written(&mut self) -> io::Result<()> {
        self.writer.written().await
    }

    /// Draws a frame and returns what drawing it did, as one synchronized update where escape sequences are understood: elsewhere
    /// crossterm would write them as text.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw<T: Default>(&mut self, render: impl FnOnce(&mut Frame) -> T) -> io::Result<T> {
        if let Some(text) = self.clipboard.take() {
            self.output.queue(CopyToClipboard::to_clipboard_from(text)).ok();
        }
        if speaks_vt() {
            self.output.queue(BeginSynchronizedUpdate)?;
        }
        let mut drawn = T::default();
        self.terminal.draw(|frame| drawn = render(frame))?;
        if speaks_vt() {
            self.output.queue(EndSynchronizedUpdate)?;
        }
        self.writer.hand_over(self.output.take());
        Ok(drawn)
    }

    /// Puts a text into the clipboard of whoever sees the screen: that of the system, or else that of the
    /// terminal with the next frame.
    pub fn copy(&mut self, text: String) -> Copied {
        match clipboard::copy(&text) {
            Ok(()) => Copied::Done,
            Err(_) if speaks_vt() => {
                self.clipboard = Some(text);
                Copied::Sent
            }
            Err(why) => Copied::Not(why),
        }
    }

    /// Forgets what the terminal shows: the next frame is drawn whole, in this size.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn clear(&mut self, (columns, rows): (u16, u16)) -> io::Result<()> {
        // Unlike `Terminal::clear`, this does not ask where the cursor is: not every terminal answers.
        self.terminal.resize(Rect::new(0, 0, columns, rows))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        terminal::give_back();
    }
}

fn enter(out: &mut dyn Write) -> io::Result<()> {
    out.queue(EnterAlternateScreen)?;
    out.queue(EnableMouseCapture).ok();
    if marks_paste() {
        out.queue(EnableBracketedPaste).ok();
    }
    Ok(())
}

fn leave(out: &mut dyn Write) -> io::Result<()> {
    if speaks_vt() {
        out.queue(EndSynchronizedUpdate).ok();
    }
    if marks_paste() {
        out.queue(DisableBracketedPaste).ok();
    }
    out.queue(DisableMouseCapture).ok();
    out.queue(LeaveAlternateScreen).ok();
    out.queue(cursor::Show).map(|_| ())
}

/// What a frame is written into before it goes out.
#[derive(Clone, Default)]
struct OutputBuffer(Rc<RefCell<Vec<u8>>>);

impl OutputBuffer {
    fn take(&self) -> Vec<u8> {
        take(&mut self.0.borrow_mut())
    }
}

impl Write for OutputBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    /// Consoles that understand no escape sequences are called between one text and the next.
    fn flush(&mut self) -> io::Result<()> {
        if speaks_vt() { Ok(()) } else { terminal::write(&self.take()) }
    }
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
