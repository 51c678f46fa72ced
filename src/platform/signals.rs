//! The system's wish that the program ends.

/// Returns once the system asks the program to end: SIGINT, SIGTERM or SIGHUP on Unix; ctrl-c,
/// ctrl-break, a closed console, logoff or shutdown on Windows. What can't be watched is not waited for.
pub async fn terminated() {
    #[cfg(target_os = "linux")]
    linux().await;
    #[cfg(all(unix, not(target_os = "linux")))]
    unix().await;
    #[cfg(windows)]
    windows().await;
    #[cfg(not(any(unix, windows)))]
    std::future::pending().await
}

#[cfg(target_os = "linux")]
async fn linux() {
    let Ok(mut all) = super::linux::listen::listen(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP]) else {
        return std::future::pending().await;
    };
    std::future::poll_fn(|context| {
        if all.iter_mut().any(|one| one.poll_recv(context).is_ready()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

#[cfg(all(unix, not(target_os = "linux")))]
async fn unix() {
    use tokio::signal::unix::{SignalKind, signal};

    async fn arrives(kind: SignalKind) {
        match signal(kind) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    }
    tokio::select! {
        () = arrives(SignalKind::interrupt()) => {}
        () = arrives(SignalKind::terminate()) => {}
        () = arrives(SignalKind::hangup()) => {}
    }
}

#[cfg(windows)]
async fn windows() {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    macro_rules! arrives {
        ($listen:ident) => {
            async {
                match $listen() {
                    Ok(mut signal) => drop(signal.recv().await),
                    Err(_) => std::future::pending().await,
                }
            }
        };
    }
    tokio::select! {
        () = arrives!(ctrl_c) => {}
        () = arrives!(ctrl_break) => {}
        () = arrives!(ctrl_close) => {}
        () = arrives!(ctrl_logoff) => {}
        () = arrives!(ctrl_shutdown) => {}
    }
}
