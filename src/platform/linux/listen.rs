//! Signals without a descriptor: a handler notes them and a thread passes them on. tokio's own way takes six
//! descriptors, half of what porttop gets by with.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use libc::c_int;
use rustix::thread::futex;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::signals;

/// The signals that have arrived and are not passed on yet, a bit for each number.
static ARRIVED: AtomicU32 = AtomicU32::new(0);

/// Listens to these signals from now on, to each apart. One that arrives again before it was taken is told once.
///
/// # Errors
/// When the system gives no thread.
pub(in crate::platform) fn listen(numbers: &[c_int]) -> io::Result<Vec<Receiver<()>>> {
    let (senders, receivers): (Vec<_>, Vec<_>) = numbers.iter().map(|_| channel(1)).unzip();
    let listeners: Vec<_> = numbers.iter().copied().zip(senders).collect();
    thread::Builder::new().name("signals".into()).spawn(move || pass_on(&listeners))?;
    for signal in numbers {
        signals::note(*signal, arrived);
    }
    Ok(receivers)
}

fn pass_on(listeners: &[(c_int, Sender<()>)]) {
    loop {
        let arrived = ARRIVED.swap(0, Ordering::AcqRel);
        if arrived == 0 {
            // Whatever wakes it, it looks again.
            let _ = futex::wait(&ARRIVED, futex::Flags::PRIVATE, 0, None);
        }
        for (signal, listener) in listeners {
            if arrived & bit(*signal) != 0 {
                // When it is full, the one before was not taken yet; when it is closed, nobody listens any more.
                let _ = listener.try_send(());
            }
        }
    }
}

extern "C" fn arrived(signal: c_int) {
    ARRIVED.fetch_or(bit(signal), Ordering::AcqRel);
    let _ = futex::wake(&ARRIVED, futex::Flags::PRIVATE, 1);
}

/// Those that are listened to have numbers below 32.
const fn bit(signal: c_int) -> u32 {
    1 << (signal & 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, getpid, kill_process};

    #[test]
    fn each_signal_is_told_to_whom_it_concerns() {
        // Ignored by default: a test that looks for it elsewhere is not disturbed.
        let (urgent, child) = (Signal::URG, Signal::WINCH);
        let mut listeners = listen(&[urgent.as_raw(), child.as_raw()]).unwrap();
        let mut none = listeners.pop().unwrap();
        let mut some = listeners.pop().unwrap();
        for _ in 0..2 {
            kill_process(getpid(), urgent).unwrap();
            assert_eq!(some.blocking_recv(), Some(()));
        }
        assert!(none.try_recv().is_err());
    }
}
