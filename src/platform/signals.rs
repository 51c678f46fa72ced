//! What the system tells the program by signals, or by what stands for them.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

/// What the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// End: SIGINT, SIGTERM or SIGHUP on Unix; ctrl-c, ctrl-break, a closed console, logoff or shutdown
    /// on Windows.
    End,
    /// Stop until the shell wants to go on.
    Stop,
    /// It goes on after a stop.
    Continued,
    /// The terminal has another size.
    Resized,
}

/// Whether a signal has arrived.
type Arrived = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<()>>>;

/// What is listened to.
pub struct Signals(Vec<(Notice, Arrived)>);

impl Signals {
    /// Listens from now on; to be called where tokio runs, which does it on most systems.
    ///
    /// # Errors
    /// When the system gives no thread, or lets a signal not be listened to.
    pub fn listen() -> io::Result<Self> {
        listened().map(Self)
    }

    /// The next notice.
    pub async fn next(&mut self) -> Notice {
        poll_fn(|context| {
            let mut notices = self.0.iter_mut();
            let arrived = notices
                .find_map(|(notice, arrived)| (arrived(context) == Poll::Ready(Some(()))).then_some(*notice));
            arrived.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

#[cfg(target_os = "linux")]
fn listened() -> io::Result<Vec<(Notice, Arrived)>> {
    use super::linux::{listen::listen, signals::is_ignored};

    let mut kinds = vec![
        (Notice::End, libc::SIGINT),
        (Notice::End, libc::SIGTERM),
        (Notice::End, libc::SIGHUP),
        (Notice::Resized, libc::SIGWINCH),
    ];
    // Where it is ignored, no shell waits for us to stop.
    if !is_ignored(libc::SIGTSTP) {
        kinds.extend([(Notice::Stop, libc::SIGTSTP), (Notice::Continued, libc::SIGCONT)]);
    }
    let (notices, numbers): (Vec<_>, Vec<_>) = kinds.into_iter().unzip();
    let listeners = listen(&numbers)?.into_iter();
    let arrived =
        listeners.map(|mut listener| -> Arrived { Box::new(move |context| listener.poll_recv(context)) });
    Ok(notices.into_iter().zip(arrived).collect())
}

#[cfg(all(unix, not(target_os = "linux")))]
fn listened() -> io::Result<Vec<(Notice, Arrived)>> {
    use tokio::signal::unix::{SignalKind, signal};

    let kinds = [
        (Notice::End, SignalKind::interrupt()),
        (Notice::End, SignalKind::terminate()),
        (Notice::End, SignalKind::hangup()),
        (Notice::Resized, SignalKind::window_change()),
    ];
    let listen = |(notice, kind)| {
        let mut signal = signal(kind)?;
        let arrived: Arrived = Box::new(move |context| signal.poll_recv(context));
        Ok((notice, arrived))
    };
    kinds.into_iter().map(listen).collect()
}

#[cfg(windows)]
fn listened() -> io::Result<Vec<(Notice, Arrived)>> {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    macro_rules! listen {
        ($($to:ident),*) => {
            [$({
                let mut signal = $to()?;
                let arrived: Arrived = Box::new(move |context| signal.poll_recv(context));
                (Notice::End, arrived)
            }),*]
        };
    }
    Ok(listen![ctrl_c, ctrl_break, ctrl_close, ctrl_logoff, ctrl_shutdown].into())
}

#[cfg(not(any(unix, windows)))]
fn listened() -> io::Result<Vec<(Notice, Arrived)>> {
    Ok(Vec::new())
}
