//! The real porttop in a real terminal: its keys are pressed, its screen is read.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, DirEntry, File};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcgetpgrp, tcsetwinsize};

use super::lab::Lab;
use super::porttop_path;

/// Far beyond what anything takes, also on a busy machine: reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// No person is faster; porttop takes keys closer than 30 ms for a paste.
const BETWEEN_KEYS: Duration = Duration::from_millis(60);

/// Columns and rows of a terminal.
pub type Size = (u16, u16);

/// How often it is looked for what nobody tells.
const GLANCE: Duration = Duration::from_millis(20);

/// A program that has the terminal as its controlling one, as a shell on it would.
const IN_CONTROL: [&str; 2] = ["setsid", "--ctty"];

/// A terminal with a program in it. It answers none of the program's questions, as a slow link may not.
pub struct Terminal {
    shared: Arc<Shared>,
    /// None once it has hung up.
    master: Option<OwnedFd>,
    slave: Option<OwnedFd>,
    pid: Pid,
    modes_at_start: String,
}

/// What the threads that read from the program and wait for its end tell.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    emulator: vt100::Parser,
    bytes: Vec<u8>,
    /// How much of the bytes the emulator has.
    shown: usize,
    exit: Option<ExitStatus>,
    reader: Reader,
    /// Whether the reader does what it is told to.
    obeyed: bool,
    closed: bool,
}

/// What whoever reads the terminal does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reader {
    #[default]
    Reads,
    Waits,
    HangsUp,
}

impl State {
    fn read(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let new = &self.bytes[self.shown..];
        let whole = match str::from_utf8(new) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => new.len(),
        };
        // The emulator leaves the replacement character out, and what follows it moves to the left.
        let text = String::from_utf8_lossy(&new[..whole]).replace('\u{fffd}', "?");
        self.emulator.process(text.as_bytes());
        self.shown += whole;
    }

    /// What a program has done to the terminal.
    fn left_behind(&self, raw: bool) -> Vec<&'static str> {
        let screen = self.emulator.screen();
        let traces = [
            (raw, "raw mode"),
            (screen.alternate_screen(), "the alternate screen"),
            (screen.hide_cursor(), "a hidden cursor"),
            (screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None, "a captured mouse"),
            (screen.bracketed_paste(), "bracketed paste"),
        ];
        traces.iter().filter(|(left, _)| *left).map(|(_, trace)| *trace).collect()
    }
}

impl Terminal {
    /// porttop with these arguments in the namespace of the lab.
    pub fn in_lab(lab: &Lab, size: Size, arguments: &[&str]) -> Self {
        Self::run(size, lab.inside(), arguments, None)
    }

    /// The same with a state directory, for porttop to change things.
    pub fn in_lab_with_state(lab: &Lab, size: Size, arguments: &[&str], state: &Path) -> Self {
        Self::run(size, lab.inside(), arguments, Some(state))
    }

    /// porttop with these arguments in the namespace of the tests.
    pub fn start(size: Size, arguments: &[&str]) -> Self {
        Self::run(size, Vec::new(), arguments, None)
    }

    fn run(size: Size, mut argv: Vec<OsString>, arguments: &[&str], state: Option<&Path>) -> Self {
        argv.push(porttop_path().into());
        argv.extend(arguments.iter().map(Into::into));
        let state = state.map(|state| ("PORTTOP_STATE_DIR", state.to_str().unwrap()));
        Self::with(size, &IN_CONTROL, argv, state.as_slice())
    }

    /// Any program, with some variables of its environment.
    pub fn of(size: Size, argv: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::with(size, &IN_CONTROL, argv.iter().map(Into::into).collect(), environment)
    }

    /// The same in a session to which the terminal means nothing, as `su -c` makes one.
    pub fn out_of_control(size: Size, argv: &[&str]) -> Self {
        Self::with(size, &IN_CONTROL[..1], argv.iter().map(Into::into).collect(), &[])
    }

    fn with(size: Size, session: &[&str], argv: Vec<OsString>, environment: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, winsize(size)).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = || File::options().read(true).write(true).open(&name).unwrap();
        let kept = slave();
        let modes_at_start = modes(&kept);

        let mut command = Command::new(session[0]);
        command.args(&session[1..]).args(argv);
        command.stdin(slave()).stdout(slave()).stderr(slave());
        for name in ["NO_COLOR", "LC_ALL", "LC_CTYPE"] {
            command.env_remove(name);
        }
        command.envs([("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("RUST_BACKTRACE", "0")]);
        command.envs(environment.iter().copied());
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_child(&child);
        // It keeps the ends of the program's descriptors.
        drop(command);

        let shared = Arc::new(Shared::default());
        shared.lock().emulator = emulator(size);
        let (reader, output) = (Arc::clone(&shared), master.try_clone().unwrap());
        thread::spawn(move || reader.read(output));
        let waiter = Arc::clone(&shared);
        thread::spawn(move || {
            let exit = child.wait().unwrap();
            waiter.update(|state| state.exit = Some(exit));
        });
        Self { shared, master: Some(master), slave: Some(kept.into()), pid, modes_at_start }
    }

    /// Presses one key: a character, or one of the names below.
    pub fn press(&mut self, key: &str) {
        let bytes: &[u8] = match key {
            "Enter" => b"\r",
            "Esc" => b"\x1b",
            "Tab" => b"\t",
            "Space" => b" ",
            "Backspace" => b"\x7f",
            "Up" => b"\x1b[A",
            "Down" => b"\x1b[B",
            "PageUp" => b"\x1b[5~",
            "PageDown" => b"\x1b[6~",
            "Ctrl-C" => b"\x03",
            "Ctrl-Z" => b"\x1a",
            key if key.chars().count() == 1 => key.as_bytes(),
            key => panic!("no such key: {key}"),
        };
        self.type_in(bytes);
    }

    /// Presses a key that answers a dialog, as a person does: once it can be answered, and not in one go
    /// with the key before, whose effect has been waited for.
    pub fn answer(&mut self, key: &str) {
        self.wait_for_no("a moment …");
        thread::sleep(BETWEEN_KEYS);
        self.press(key);
    }

    /// Types a text.
    pub fn write(&mut self, text: &str) {
        self.type_in(text.as_bytes());
    }

    fn type_in(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = &bytes[rustix::io::write(self.master(), bytes).unwrap()..];
        }
    }

    fn master(&self) -> &OwnedFd {
        self.master.as_ref().expect("it has hung up")
    }

    /// Clicks with the left button on the first place where this text is.
    pub fn click(&mut self, text: &str) {
        let screen = self.wait_for(text);
        let (row, line) = screen.rows.iter().enumerate().find(|(_, line)| line.contains(text)).unwrap();
        let column = line.split(text).next().unwrap().chars().count();
        let (column, row) = (column + 1, row + 1);
        self.write(&format!("\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m"));
    }

    /// Types as soon as the modes are those of the start, sooner than any person.
    pub fn write_once_restored(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while modes(self.master()) != self.modes_at_start {
            assert!(Instant::now() < deadline, "the terminal is never restored");
        }
        self.write(text);
    }

    /// Gives the terminal another size.
    pub fn resize(&mut self, size: Size) {
        self.shared.update(|state| {
            let (columns, rows) = nonzero(size);
            state.emulator.set_size(rows, columns);
        });
        tcsetwinsize(self.master(), winsize(size)).unwrap();
    }

    /// The program.
    pub const fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Sends it to whatever job is in the foreground of the terminal.
    pub fn signal_job(&self, signal: Signal) {
        kill_process_group(self.foreground(), signal).unwrap();
    }

    /// The group of processes in the foreground of the terminal.
    pub fn foreground(&self) -> Pid {
        tcgetpgrp(self.master()).unwrap()
    }

    /// Reads no more, until [`Terminal::read_on`].
    pub fn hold(&self) {
        self.tell(Reader::Waits);
    }

    /// Reads again what the program writes.
    pub fn read_on(&self) {
        self.tell(Reader::Reads);
    }

    /// Reads no more and fills the terminal until it takes nothing; returns when the program waits for
    /// that to change. What it is filled with is not seen.
    pub fn block(&mut self) {
        self.hold();
        let slave = self.slave.as_ref().unwrap();
        fcntl_setfl(slave, OFlags::NONBLOCK).unwrap();
        let is_full = || poll(&mut [PollFd::new(slave, PollFlags::OUT)], Some(&Timespec::default())) == Ok(0);
        while rustix::io::write(slave, &[0; 64]).is_ok() || !is_full() {}
        let threads = format!("/proc/{}/task", self.pid.as_raw_nonzero());
        let waits_to_write = |thread: DirEntry| {
            fs::read_to_string(thread.path().join("wchan")).is_ok_and(|place| place.contains("wait_woken"))
        };
        let deadline = Instant::now() + PATIENCE;
        while !fs::read_dir(&threads).unwrap().flatten().any(waits_to_write) {
            assert!(Instant::now() < deadline, "the program never waits to write");
            // Draws all of it.
            self.write("\x0c");
            thread::sleep(GLANCE);
        }
    }

    /// Closes the terminal at the end where the person sits.
    pub fn hang_up(&mut self) {
        self.tell(Reader::HangsUp);
        drop(self.shared.wait("the reader to hang up", |state| state.closed));
        self.master = None;
    }

    fn tell(&self, reader: Reader) {
        self.shared.update(|state| (state.reader, state.obeyed) = (reader, false));
        drop(self.shared.wait("the reader to obey", |state| state.obeyed));
    }

    /// What is on the screen now.
    pub fn screen(&self) -> Screen {
        Screen::of(&self.shared.lock())
    }

    /// Everything the program has written.
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.lock().bytes.clone()
    }

    /// Waits until this text is on the screen.
    pub fn wait_for(&self, text: &str) -> Screen {
        self.wait_until(&format!("{text:?} on the screen"), |screen| screen.contains(text))
    }

    /// Waits until this text is no longer on the screen.
    pub fn wait_for_no(&self, text: &str) -> Screen {
        self.wait_until(&format!("no {text:?} on the screen"), |screen| !screen.contains(text))
    }

    /// Waits until the screen is as it should be.
    pub fn wait_until(&self, what: &str, as_wished: impl Fn(&Screen) -> bool) -> Screen {
        let state = self.shared.wait(what, |state| as_wished(&Screen::of(state)) || state.exit.is_some());
        let screen = Screen::of(&state);
        if let Some(exit) = state.exit.as_ref().filter(|_| !as_wished(&screen)) {
            panic!("waited for {what}, but the program ended ({exit:?}):\n{screen}");
        }
        screen
    }

    /// Waits until the screen is as it should be, or the program has ended.
    pub fn wait_to(&self, what: &str, as_wished: impl Fn(&Screen) -> bool) -> Screen {
        Screen::of(&self.shared.wait(what, |state| as_wished(&Screen::of(state)) || state.exit.is_some()))
    }

    /// Waits until the program draws again after this call.
    pub fn wait_for_output(&self) {
        let before = self.shared.lock().bytes.len();
        drop(self.shared.wait("another frame", |state| state.bytes.len() > before || state.exit.is_some()));
        assert!(self.shared.lock().exit.is_none(), "the program ended:\n{}", self.screen());
    }

    /// Waits for the end of the program alone.
    pub fn wait_end(&self) {
        drop(self.shared.wait("the end of the program", |state| state.exit.is_some()));
    }

    /// Waits for the end of the program and for everything it has written.
    pub fn wait_exit(&mut self) -> Exit {
        let status = self.shared.wait("the end of the program", |state| state.exit.is_some()).exit;
        let raw = self.master.is_some() && self.is_raw();
        drop(self.slave.take());
        let state = self.shared.wait("the end of the output", |state| state.closed);
        let left_behind = state.left_behind(raw);
        Exit { status: status.unwrap(), screen: Screen::of(&state), left_behind }
    }

    /// Waits until the terminal is as it was before, while the program lives on.
    pub fn wait_restored(&self) -> Screen {
        let restored = |state: &State| state.left_behind(self.is_raw()).is_empty();
        Screen::of(&self.shared.wait("the terminal as it was", restored))
    }

    /// Whether the program has put the terminal in raw mode.
    pub fn is_raw(&self) -> bool {
        modes(self.master()) != self.modes_at_start
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.shared.lock().exit.is_none() {
            kill_process(self.pid, Signal::KILL).ok();
        }
    }
}

impl Shared {
    /// Reads what the program writes, until there is nobody who could write.
    fn read(&self, output: OwnedFd) {
        let mut buffer = vec![0; 65536];
        let glance = Timespec::try_from(GLANCE).unwrap();
        loop {
            let reader = self.lock().reader;
            self.update(|state| state.obeyed = state.reader == reader);
            let mut output = [PollFd::new(&output, PollFlags::IN)];
            match reader {
                Reader::HangsUp => break,
                Reader::Waits => _ = poll(&mut [], Some(&glance)),
                Reader::Reads => _ = poll(&mut output, Some(&glance)),
            }
            if reader != Reader::Reads || output[0].revents().is_empty() {
                continue;
            }
            match rustix::io::read(&output[0], &mut buffer) {
                Ok(length @ 1..) => self.update(|state| state.read(&buffer[..length])),
                _ => break,
            }
        }
        drop(output);
        self.update(|state| (state.closed, state.obeyed) = (true, true));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that fails while it looks must not hide its own message.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn wait(&self, what: &str, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.lock();
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let screen = Screen::of(&state);
                drop(state);
                panic!("waited {PATIENCE:?} for {what}:\n{screen}");
            }
            let glance = self.changed.wait_timeout(state, left.min(GLANCE));
            state = glance.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

/// How a program ended and what it left behind.
#[derive(Debug)]
pub struct Exit {
    pub status: ExitStatus,
    pub screen: Screen,
    left_behind: Vec<&'static str>,
}

impl Exit {
    /// Fails unless the terminal is as it was before.
    pub fn assert_restored(&self) -> &Self {
        assert!(self.left_behind.is_empty(), "left behind {:?}:\n{}", self.left_behind, self.screen);
        self
    }
}

/// What a person sees.
#[derive(Clone, Debug)]
pub struct Screen {
    /// One string a row, a character a column (a wide character is followed by nothing).
    pub rows: Vec<String>,
    /// Whether anything is drawn in another colour than the terminal's own.
    pub has_colours: bool,
}

impl Screen {
    fn of(state: &State) -> Self {
        let screen = state.emulator.screen();
        let (rows, columns) = (screen.size().0.get(), screen.size().1.get());
        let is_coloured = |cell: &vt100::Cell| {
            cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
        };
        let mut cells =
            (0..rows).flat_map(|row| (0..columns).filter_map(move |column| screen.cell(row, column)));
        Self { rows: screen.rows(0, columns).collect(), has_colours: cells.any(is_coloured) }
    }

    pub fn contains(&self, text: &str) -> bool {
        self.rows.iter().any(|row| row.contains(text))
    }

    /// The first row with this text.
    pub fn row(&self, text: &str) -> Option<&str> {
        self.rows.iter().find(|row| row.contains(text)).map(String::as_str)
    }

    /// The row below the table's header.
    pub fn first_row(&self) -> Option<&str> {
        let header = self.rows.iter().position(|row| is_header(row))?;
        self.rows.get(header + 1).map(String::as_str)
    }

    /// The number or word in the table's column of this name, in the first row with this text.
    /// Columns are right-aligned: a value ends where its header, with a sort mark or not, ends.
    pub fn cell(&self, row: &str, column: &str) -> Option<String> {
        let header: Vec<char> = self.rows.iter().find(|row| is_header(row))?.chars().collect();
        let header_words = words(&header);
        let wanted = |word: &&(usize, String)| word.1.trim_end_matches(['▲', '▼']) == column;
        let (end, _) = header_words.iter().find(wanted)?;
        let header_row = header.iter().collect::<String>();
        let row =
            self.rows.iter().skip_while(|row| **row != header_row).skip(1).find(|line| line.contains(row))?;
        let row: Vec<char> = row.chars().collect();
        words(&row).into_iter().find(|(at, _)| at == end).map(|(_, word)| word)
    }
}

impl fmt::Display for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.iter().try_for_each(|row| writeln!(f, "│{row}"))
    }
}

fn is_header(row: &str) -> bool {
    row.contains("PID") && row.contains("NAME")
}

/// The words of a row, each with the column behind it.
fn words(row: &[char]) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    for (column, &character) in row.iter().enumerate().filter(|(_, character)| !character.is_whitespace()) {
        match words.last_mut() {
            Some((end, word)) if *end == column => {
                *end += 1;
                word.push(character);
            }
            _ => words.push((column + 1, character.into())),
        }
    }
    words
}

fn modes(terminal: &impl AsFd) -> String {
    format!("{:?}", tcgetattr(terminal).unwrap())
}

fn emulator(size: Size) -> vt100::Parser {
    let (columns, rows) = nonzero(size);
    vt100::Parser::new(rows, columns, 0)
}

/// What is shown of a terminal that doesn't say its size: what everyone assumes.
fn nonzero((columns, rows): Size) -> (NonZeroU16, NonZeroU16) {
    let (columns, rows) = if columns == 0 || rows == 0 { (80, 24) } else { (columns, rows) };
    (NonZeroU16::new(columns).unwrap(), NonZeroU16::new(rows).unwrap())
}

fn winsize((columns, rows): Size) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
