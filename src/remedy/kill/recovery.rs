//! What Windows does when a service has been ended: it may start it again, and more.

use std::collections::HashMap;
use std::time::Duration;

use crate::model::Pid;
use crate::platform::control::{ControlError, Recovery, RecoveryKind};
use crate::text::{age, safe};

/// The recovery actions of the services that processes run, or why they are not known.
pub type Recoveries = Result<HashMap<Pid, Vec<Recovery>>, ControlError>;

/// What has to be said of it before the process is ended; nothing when nothing is done then.
pub(super) fn caution(recovery: &Recovery) -> Option<String> {
    let service = safe(&recovery.service);
    let actions = match &recovery.actions {
        Ok(actions) => actions,
        Err(error) => return Some(unknown(&service, error)),
    };
    // Which of them it will be depends on how often it has failed lately.
    let always = actions.windows(2).all(|two| two[0].kind == two[1].kind);
    let verb = if always { "is" } else { "may be" };
    let soonest = |kind| actions.iter().filter(|action| action.kind == kind).map(|action| action.delay).min();
    let said: Vec<_> = [
        (RecoveryKind::Restart, format!("it {verb} started again")),
        (RecoveryKind::Command, format!("a command {verb} run")),
        (RecoveryKind::Reboot, format!("this computer {verb} restarted")),
    ]
    .into_iter()
    .filter_map(|(kind, what)| Some(format!("{what} {}", after(soonest(kind)?))))
    .collect();
    (!said.is_empty()).then(|| {
        format!("recovery actions of {service}: {}; Stop service does not set them off", said.join(", "))
    })
}

/// That it is not known what is done.
pub(super) fn unknown(service: &str, why: &ControlError) -> String {
    format!("whether Windows starts {service} again is not known: {why}")
}

fn after(delay: Duration) -> String {
    if delay < Duration::from_secs(1) { "at once".into() } else { format!("after {}", age(delay)) }
}
