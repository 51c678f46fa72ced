//! What signals do by themselves, changed: the unsafe part of listening to them, of being
//! stopped and of dying in order.
#![allow(unsafe_code, reason = "there is no safe way to say what a signal does")]

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

use libc::{c_int, c_void, sigaction, siginfo_t};
use rustix::process::Signal;

/// What ends a program, besides what it is asked to end with and those of real time.
const DEADLY: [Signal; 18] = [
    Signal::QUIT,
    Signal::ILL,
    Signal::TRAP,
    Signal::ABORT,
    Signal::BUS,
    Signal::FPE,
    Signal::USR1,
    Signal::SEGV,
    Signal::USR2,
    Signal::ALARM,
    Signal::STKFLT,
    Signal::XCPU,
    Signal::XFSZ,
    Signal::VTALARM,
    Signal::PROF,
    Signal::IO,
    Signal::POWER,
    Signal::SYS,
];

/// What an instruction raises that can't be carried out.
const FAULTS: [c_int; 4] = [libc::SIGILL, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV];

static DEATH: OnceLock<Death> = OnceLock::new();

struct Death {
    /// What is done before.
    last: fn(),
    /// What each deadly signal did until then.
    actions: Vec<(c_int, sigaction)>,
}

/// Has something done before a signal ends the program, which it then does as ever. A signal that was
/// ignored stays so.
///
/// It is done in the handler of the signal, where neither locks nor memory may be taken.
pub(super) fn before_death(last: fn()) {
    let deadly = DEADLY.map(Signal::as_raw).into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX());
    let actions = deadly.filter_map(|signal| Some((signal, action(signal)?)));
    let actions = actions.filter(|(_, action)| action.sa_sigaction != libc::SIG_IGN).collect();
    let death = DEATH.get_or_init(|| Death { last, actions });
    for &(signal, before) in &death.actions {
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = die;
        let flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        set_action(signal, &sigaction { sa_sigaction: handler as usize, sa_flags: flags, ..before });
    }
}

extern "C" fn die(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    let Some(death) = DEATH.get() else { return };
    (death.last)();
    // SAFETY: the system hands a handler with SA_SIGINFO a valid siginfo.
    let of_the_system = unsafe { (*info).si_code } > 0;
    let before = death.actions.iter().find(|(other, _)| *other == signal).map(|(_, action)| action);
    match before {
        // The instruction is carried out once more, and now meets what knows of overflowing stacks.
        Some(before) if of_the_system && FAULTS.contains(&signal) => set_action(signal, before),
        _ => {
            // SAFETY: both are calls that a handler may make; the signal comes when this has returned.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
                libc::raise(signal);
            }
        }
    }
}

/// Does something while a signal does what it does by default; nothing where it is ignored.
pub(super) fn by_default(signal: Signal, body: impl FnOnce()) {
    let signal = signal.as_raw();
    let Some(ours) = action(signal).filter(|action| action.sa_sigaction != libc::SIG_IGN) else { return };
    set_action(signal, &sigaction { sa_sigaction: libc::SIG_DFL, ..ours });
    body();
    set_action(signal, &ours);
}

/// Has a signal handled by a function that does only what one may that can interrupt anything.
pub(super) fn note(signal: c_int, handler: extern "C" fn(c_int)) {
    if let Some(before) = action(signal) {
        let sa_sigaction = handler as usize;
        set_action(signal, &sigaction { sa_sigaction, sa_flags: libc::SA_RESTART, ..before });
    }
}

/// Whether a signal is ignored.
pub(in crate::platform) fn is_ignored(signal: c_int) -> bool {
    action(signal).is_some_and(|action| action.sa_sigaction == libc::SIG_IGN)
}

/// Does something that a job in the background would be stopped for: writes then reach the terminal all
/// the same, and reads fail.
pub(super) fn without_stopping<T>(body: impl FnOnce() -> T) -> T {
    let mut stopping = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: both sets are written before they are read; a mask is a thread's own.
    unsafe {
        libc::sigemptyset(stopping.as_mut_ptr());
        libc::sigaddset(stopping.as_mut_ptr(), libc::SIGTTIN);
        libc::sigaddset(stopping.as_mut_ptr(), libc::SIGTTOU);
        libc::pthread_sigmask(libc::SIG_BLOCK, stopping.as_ptr(), before.as_mut_ptr());
    }
    let done = body();
    // SAFETY: pthread_sigmask has written the set.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    done
}

/// What a signal does; nothing for one that there is not.
fn action(signal: c_int) -> Option<sigaction> {
    let mut action = MaybeUninit::uninit();
    // SAFETY: sigaction writes the whole action where it succeeds.
    unsafe { (libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) == 0).then(|| action.assume_init()) }
}

fn set_action(signal: c_int, action: &sigaction) {
    // SAFETY: the action is what this signal did before, the default, or a handler that does what one may.
    unsafe { libc::sigaction(signal, action, ptr::null_mut()) };
}
