//! A machine to look at, a screen to look with, and keys to press.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use crate::analysis::tests_support::failed;
use crate::model::{
    Attribution, DynamicRange, Gap, Handle, HandleKind, Handles, Holders, Host, Missing, Moment, NamespaceId,
    Owner, Pid, Port, PortEvent, PortFailure, PortOperation, PortRange, PortSet, PortSpace, Process,
    Protocol, Reason, Remedy, Snapshot, Socket, SpaceId, StartTime, State, System, Trace,
};
use crate::monitor::{Latest, Monitor, Pace};
use crate::platform::Reading;
use crate::source::script::Script;
use crate::tui::Options;
use crate::tui::action::{Action, Effect};
use crate::tui::app::App;
use crate::tui::burst::Press;
use crate::tui::draw;
use crate::tui::frame::Frame;
use crate::tui::update;

/// The program that leaks.
pub const ORDERS: Owner = owner(4312);
/// The one that opens and closes.
pub const NGINX: Owner = owner(2210);
const DNS: Owner = owner(1180);
const LSASS: Owner = owner(996);
const REPORTS: Owner = owner(3304);

pub const fn owner(pid: u32) -> Owner {
    Owner { pid: Pid(pid), started: StartTime(pid as u64 * 10) }
}

fn start() -> Timestamp {
    "2026-03-02T14:03:14Z".parse().unwrap()
}

/// A machine second by second: `orders.exe` binds 221 ports a second and lets none go.
pub fn machine(second: u32) -> Snapshot {
    let mut ports = 49152u16..;
    let mut next = move || ports.next().unwrap();
    let mut sockets = Vec::new();
    let mut add = |state, count: u32, remote: Option<&str>, holder: Option<Owner>| {
        for _ in 0..count {
            let local = SocketAddr::from(([10, 0, 0, 5], next()));
            sockets.push(socket(state, local, remote, holder));
        }
    };
    let sql = Some("10.0.0.9:1433");
    add(State::TimeWait, 938, sql, Some(ORDERS));
    add(State::Established, 12, sql, Some(ORDERS));
    add(State::TimeWait, 1402, Some("10.0.0.7:8080"), Some(NGINX));
    add(State::CloseWait, 12, Some("10.0.0.7:8080"), Some(NGINX));
    add(State::Established, 130, Some("[::ffff:10.0.0.7]:8080"), Some(NGINX));
    add(State::TimeWait, 30, Some("10.0.0.1:88"), Some(LSASS));
    add(State::TimeWait, 210, Some("10.0.0.9:1433"), None);
    add(State::TimeWait, 96, Some("10.0.0.9:1433"), Some(REPORTS));
    add(State::Bound, 10_134 + 221 * second, None, Some(ORDERS));
    sockets.push(socket(State::Listen, "[::]:443".parse().unwrap(), None, Some(NGINX)));
    for port in 0..412 {
        sockets.push(socket(State::Udp, SocketAddr::from(([0, 0, 0, 0], 49152 + port)), None, Some(DNS)));
    }
    snapshot(second, sockets)
}

/// The machine while ports are refused to two processes, as a trace sees it.
pub fn failing(second: u32) -> Snapshot {
    let of = |owner, name: &str, operation, count| {
        let failure = PortFailure { name: name.into(), ..failed(owner, operation) };
        std::iter::repeat_n(failure, count)
    };
    let connect = of(ORDERS, "orders.exe", PortOperation::Connect, 124);
    let bind = of(NGINX, "nginx.exe", PortOperation::Bind, 24);
    let failures = connect.chain(bind).collect();
    let event = |id, minute| PortEvent { id, time: start() - SignedDuration::from_mins(minute) };
    let events = vec![event(4231, 9), event(4227, 2), event(4231, 2), event(4231, 2)];
    let events = if second == 0 { events } else { Vec::new() };
    Snapshot { trace: Some(Trace { failures, lost: 3, ..Trace::default() }), events, ..machine(second) }
}

/// A socket of the machine.
pub fn socket(state: State, local: SocketAddr, remote: Option<&str>, holder: Option<Owner>) -> Socket {
    let protocol = if state == State::Udp { Protocol::Udp } else { Protocol::Tcp };
    let mut socket = Socket::new(NamespaceId::ONLY, protocol, state, local);
    socket.set_remote(remote.map(|remote| {
        let remote: SocketAddr = remote.parse().unwrap();
        SocketAddr::new(remote.ip().to_canonical(), remote.port())
    }));
    if let Some(holder) = holder {
        (socket.holders, socket.attribution) = (Holders::One(holder), Attribution::Exact);
    }
    socket.set_expires((state == State::TimeWait).then_some(Duration::from_secs(101)));
    socket
}

/// The machine with these sockets.
pub fn snapshot(second: u32, mut sockets: Vec<Socket>) -> Snapshot {
    for socket in sockets.iter_mut().filter(|socket| socket.expires().is_some()) {
        socket.set_expires(Some(Duration::from_secs(109 - u64::from(second))));
    }
    let range = PortRange::new(Port(49152), Port(65535)).unwrap();
    let dynamic = DynamicRange { range, reserved: PortSet::new() };
    let elapsed = Duration::from_secs(second.into());
    let wall = start() + SignedDuration::from_secs(second.into());
    Snapshot {
        taken: Moment { wall, elapsed },
        host: Arc::new(Host {
            name: "web-01".into(),
            system: System::Windows,
            os: "Windows Server 2022".into(),
            elevated: true,
        }),
        sockets,
        processes: HashMap::from([
            process(ORDERS, r"C:\Apps\Orders\orders.exe", Some(1205 + 221 * u64::from(second))),
            process(NGINX, r"C:\nginx\nginx.exe", Some(611)),
            process(DNS, r"C:\Windows\System32\svchost.exe", Some(380)),
            process(LSASS, r"C:\Windows\System32\lsass.exe", None),
        ]),
        spaces: SpaceId::all_of(NamespaceId::ONLY)
            .map(|id| PortSpace { id, dynamic: Some(dynamic.clone()) })
            .to_vec(),
        gaps: vec![
            Gap::new(Missing::HandleCounts(Some(1)), Reason::AccessDenied).fixed_by(Remedy::Administrator),
        ],
        ..crate::analysis::tests_support::snapshot(Vec::new())
    }
}

/// A process that is alive.
pub fn process(owner: Owner, path: &str, handles: Option<u64>) -> (Owner, Arc<Process>) {
    let process = Process {
        windows: None,
        namespace: None,
        owner,
        name: path.rsplit('\\').next().unwrap().into(),
        path: Some(path.to_owned()),
        command_line: Some(format!("{path} --config web-01.json")),
        user: Some("CORP\\svc".into()),
        started: Some(start() - SignedDuration::from_hours(3)),
        parent: Some(Pid(712)),
        handles,
        service: (owner == ORDERS).then(|| "OrdersSvc".into()),
    };
    (owner, Arc::new(process))
}

/// A screen, and what it looks through at what it is shown.
pub struct Shown {
    app: App,
    monitor: Monitor,
    seen: Sender<Snapshot>,
}

impl Shown {
    /// What there is new to see when the source has seen this.
    pub fn latest(&mut self, snapshot: Snapshot) -> Latest {
        self.seen.send(snapshot).unwrap();
        Latest { picture: Arc::new(self.monitor.look().unwrap()), pace: Pace::AsAsked }
    }
}

impl Deref for Shown {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl DerefMut for Shown {
    fn deref_mut(&mut self) -> &mut App {
        &mut self.app
    }
}

/// A screen of a size that has seen the machine for eight seconds, every four.
pub fn screen(columns: u16, rows: u16) -> Shown {
    let mut app = blank(columns, rows, &Options::default());
    for second in [0, 4, 8] {
        see(&mut app, machine(second));
    }
    app
}

/// Handles of `orders.exe`: two files, a pipe, an event and so many sockets.
pub fn handles(sockets: u64) -> Handles {
    let handle = |number, kind, name: Option<&str>| Handle {
        number,
        kind,
        name: name.map(str::to_owned),
        socket: None,
    };
    let mut handles = vec![
        handle(4, HandleKind::File, Some(r"C:\Apps\Orders\orders.log")),
        handle(8, HandleKind::File, Some("evil\u{1b}[2Jname")),
        handle(12, HandleKind::Pipe, Some(r"\Device\NamedPipe\orders")),
        handle(16, HandleKind::Other("Event".into()), None),
    ];
    let mut known = machine(0).sockets.into_iter().filter(|socket| socket.state == State::Established);
    for number in 0..sockets {
        let socket = known.next().map(Box::new);
        handles.push(Handle { socket, ..handle(20 + 4 * number, HandleKind::Socket, None) });
    }
    Handles { owner: ORDERS, handles, limit: Some(40) }
}

/// Lets something happen, and arranges and draws at once what the screen wants arranged and drawn.
pub fn update(app: &mut App, action: Action) -> Vec<Effect> {
    let effects = undrawn(app, action);
    if effects.contains(&Effect::Draw) {
        draw_on(app, app.size);
    }
    effects
}

/// The same, and nothing is drawn.
fn undrawn(app: &mut App, action: Action) -> Vec<Effect> {
    let mut effects = Vec::new();
    for effect in update::update(app, action) {
        match effect {
            Effect::Arrange(request) => {
                let arranged = Action::Arranged(Box::new(request.arrange()));
                effects.extend(undrawn(app, arranged).into_iter().filter(|effect| *effect != Effect::Draw));
            }
            other => effects.push(other),
        }
    }
    effects
}

/// Lets the screen have listed handles.
pub fn list(app: &mut App, handles: Handles) -> Vec<Effect> {
    update(app, Action::Handles(handles.owner, Ok(Arc::new(Reading::whole(handles)))))
}

/// A screen that has seen nothing.
pub fn blank(columns: u16, rows: u16, options: &Options) -> Shown {
    let now = Moment { wall: start(), elapsed: Duration::ZERO };
    let mut app = App::new(options, TimeZone::UTC, now).unwrap();
    app.shared.own_pid = Pid(1000);
    update(&mut app, Action::Resize(columns, rows));
    let (script, seen) = Script::new();
    let monitor = Monitor::new(Box::new(script), options.thresholds, options.group_by);
    Shown { app, monitor, seen }
}

/// Lets the screen see a snapshot.
pub fn see(app: &mut Shown, snapshot: Snapshot) -> Vec<Effect> {
    update(app, Action::Clock(snapshot.taken));
    let latest = app.latest(snapshot);
    update(app, Action::Latest(latest))
}

/// The time of the screen so much later.
pub fn later(app: &App, seconds: u64) -> Moment {
    let Moment { wall, elapsed } = app.shared.now;
    let time = Duration::from_secs(seconds);
    Moment { wall: wall + time, elapsed: elapsed + time }
}

/// Presses keys: characters, or names in angle brackets such as `<enter>` and `<ctrl-c>`.
pub fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (event, left) = match named.and_then(|(name, left)| Some((key(name)?, left))) {
            Some(found) => found,
            None => (KeyEvent::from(KeyCode::Char(first)), &rest[first.len_utf8()..]),
        };
        look(app);
        effects.extend(update(app, Action::Key(event, Press { at: app.shared.clock, together: false })));
        rest = left;
    }
    look(app);
    effects
}

/// Looks at the screen for a second.
pub fn look(app: &mut App) {
    update(app, Action::Shown(app.shared.clock));
    undrawn(app, Action::Woken(app.shared.clock + Duration::from_secs(1)));
}

fn key(name: &str) -> Option<KeyEvent> {
    if let Some(letter) = name.strip_prefix("ctrl-") {
        return Some(KeyEvent::new(KeyCode::Char(letter.chars().next()?), KeyModifiers::CONTROL));
    }
    let code = match name {
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "backspace" => KeyCode::Backspace,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "pgup" => KeyCode::PageUp,
        "pgdn" => KeyCode::PageDown,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "f9" => KeyCode::F(9),
        "f10" => KeyCode::F(10),
        _ => return None,
    };
    Some(code.into())
}

/// Uses the mouse.
pub fn mouse(app: &mut App, kind: MouseEventKind, column: u16, row: u16) {
    update(app, Action::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }));
}

/// Clicks where a text stands on the screen.
pub fn click(app: &mut App, text: &str) {
    let shown = text_of(app);
    let (row, line) = shown.lines().enumerate().find(|(_, line)| line.contains(text)).expect(text);
    let column = line[..line.find(text).unwrap()].chars().count();
    mouse(app, MouseEventKind::Down(MouseButton::Left), column.try_into().unwrap(), row.try_into().unwrap());
}

/// The cells of the screen.
pub fn cells(app: &App) -> Buffer {
    cells_on(app, app.size)
}

/// The cells on a terminal that may have changed its size since.
pub fn cells_on(app: &App, (columns, rows): (u16, u16)) -> Buffer {
    drawn_on(app, (columns, rows)).1
}

/// Draws the screen, and lets it know where everything is.
fn draw_on(app: &mut App, size: (u16, u16)) {
    let (frame, _) = drawn_on(app, size);
    assert_eq!(update::update(app, Action::Drawn(Box::new(frame))), []);
}

fn drawn_on(app: &App, (columns, rows): (u16, u16)) -> (Frame, Buffer) {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let mut drawn = Frame::default();
    terminal.draw(|frame| drawn = draw::draw(app, frame)).unwrap();
    (drawn, terminal.backend().buffer().clone())
}

/// The text of the screen.
pub fn text_of(app: &App) -> String {
    let cells = cells(app);
    let width = usize::from(cells.area.width.max(1));
    let lines = cells.content.chunks(width).map(|line| {
        let mut text = String::new();
        let mut behind_wide = 0;
        for cell in line {
            if behind_wide == 0 {
                text.push_str(cell.symbol());
                behind_wide = crate::text::width(cell.symbol()).max(1);
            }
            behind_wide -= 1;
        }
        text.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The line of the screen that is selected.
pub fn selected(app: &App) -> String {
    text_of(app).lines().find(|line| line.starts_with('>')).unwrap_or_default().to_owned()
}
