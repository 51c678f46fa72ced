//! Which tracepoints are watched, and what tracefs says of them.

use std::ffi::CStr;
use std::io;

use super::super::read;
use super::format::Format;
use super::refused::refused;
use super::tracefs;
use super::tracepoint::{Return, STACK, StateChange, Tracepoints};
use crate::model::{Gap, Missing, Reason, TracePart};

/// A tracepoint and what is recorded of it.
pub(super) struct Source {
    name: &'static str,
    /// Lets only what is of interest be recorded.
    pub filter: &'static CStr,
    /// How many bytes of the caller's stack are recorded.
    pub stack: u32,
    /// What is missing without it.
    part: TracePart,
}

impl Source {
    /// Whether the tracepoint has the fields that are read of it.
    fn understands(&self, format: &Format) -> bool {
        if self.name == STATES.name {
            StateChange::new(format).is_some()
        } else {
            Return::new(format).is_some()
        }
    }
}

const STATES: Source = Source {
    name: "sock/inet_sock_set_state",
    filter: c"newstate == 4 || newstate == 2",
    stack: 0,
    part: TracePart::Closing,
};
const CONNECT: Source =
    Source { name: "syscalls/sys_exit_connect", filter: c"ret == -99", stack: 0, part: TracePart::Connect };
const BIND: Source =
    Source { name: "syscalls/sys_exit_bind", filter: c"ret == -98", stack: STACK, part: TracePart::Bind };

/// The tracepoints that are there, with the fields they have here.
pub(super) fn formats() -> (Vec<(&'static Source, Format)>, Vec<Gap>) {
    let events = match tracefs::events() {
        Ok(events) => events,
        Err(gap) => return (Vec::new(), vec![gap]),
    };
    let (mut formats, mut missing) = (Vec::new(), Vec::new());
    for source in [&STATES, &CONNECT, &BIND] {
        match read::text_below(&events, &*format!("{}/format", source.name)) {
            Ok(text) => {
                let unread = || {
                    let reason = Reason::NotUnderstood(Some(source.name.to_owned()));
                    Gap::new(Missing::Trace(source.part), reason)
                };
                match Format::parse(&text).filter(|format| source.understands(format)) {
                    Some(format) => formats.push((source, format)),
                    None => missing.push(unread()),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let reason = Reason::NoTracepoint(source.name);
                missing.push(Gap::new(Missing::Trace(source.part), reason));
            }
            Err(error) => missing.push(refused(source.part, source.name, &error)),
        }
    }
    (formats, missing)
}

/// Where the tracepoints have what is read of them.
pub(super) fn tracepoints(formats: &[(&'static Source, Format)]) -> Tracepoints {
    let format = |name| formats.iter().find(|(source, _)| source.name == name).map(|(_, format)| format);
    Tracepoints {
        states: format(STATES.name).and_then(StateChange::new),
        connect: format(CONNECT.name).and_then(Return::new),
        bind: format(BIND.name).and_then(Return::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracepoint_without_its_fields_is_not_understood() {
        let closed = Format::parse(include_str!("fixtures/inet_sock_set_state.txt")).unwrap();
        let bind = Format::parse(include_str!("fixtures/sys_exit_bind.txt")).unwrap();
        assert!(STATES.understands(&closed) && BIND.understands(&bind));
        assert!(!STATES.understands(&bind) && !CONNECT.understands(&closed));
    }
}
