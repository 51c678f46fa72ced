//! What the screen and the command line ask for. Each request is answered by itself, with what it needs
//! opened for it: one that fails is an answer, and takes nothing from the next.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::close::{CloseOutcome, ClosePlan};
use super::executor::{Done, Executor, License, NotDone};
use super::kill::{KillOutcome, KillPlan, Recoveries};
use super::plan::Confirmed;
use super::probe::{self, Probed};
use super::range::{Journal, LastChange, RangeOutcome, RangePlan};
use super::state::StateDirectory;
use super::why::{self, Inquiry};
use crate::analysis::why::Tried;
use crate::model::{Gap, Owner};
use crate::platform;
use crate::platform::control::{ControlError, RangeState};

/// The file in the state directory that keeps the commands of a range.
const COMMANDS: &str = "range-commands.txt";

/// Something that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Which of these processes may not be ended, and what the system does when they are.
    MayEnd(Vec<Owner>),
    /// That processes are ended, and whether a port can be had then.
    Kill(Box<Confirmed<KillPlan>>),
    /// That sockets are closed.
    Close(Box<Confirmed<ClosePlan>>),
    /// That a range is set, or set back, and whether a port can be had then.
    SetRange(Box<Confirmed<RangePlan>>, Rights),
    /// What range is set, and what can be undone.
    ReadRange,
    /// Whether a port can be had, and whether a destination can be connected to.
    Probe(Option<String>),
    /// Whether a very port can be had.
    Try(Box<Inquiry>),
    /// That commands are kept in a file.
    KeepCommands(String),
}

/// With which rights a range is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Those that porttop has.
    Own,
    /// Those that the system asks the person for.
    Asked,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// What is known of processes before they are ended.
    MayEnd(Result<BeforeTheEnd, NotDone>),
    /// Processes were ended, and this is what asking for ports gave then.
    Killed(Box<KillPlan>, Result<(Done<KillOutcome>, Probed), NotDone>),
    /// Sockets were closed.
    Closed(Result<Done<CloseOutcome>, NotDone>),
    /// The range was set, or set back, and this is what asking for ports gave then.
    RangeSet(Box<RangePlan>, Result<(Done<RangeOutcome>, Probed), NotDone>),
    /// The range that is set.
    Range(Result<RangeReading, NotDone>),
    /// What asking for ports gave.
    Probed(Result<Probed, NotDone>),
    /// What came of trying to have a very port.
    Tried(Result<Box<Tried>, NotDone>),
    /// Where the commands are kept.
    Kept(Result<PathBuf, NotDone>),
}

impl Response {
    /// Whether it tells that something was changed.
    #[must_use]
    pub const fn changed(&self) -> bool {
        matches!(self, Self::Killed(_, Ok(_)) | Self::Closed(Ok(_)) | Self::RangeSet(_, Ok(_)))
    }
}

/// What is known of processes before they are ended.
#[derive(Clone, Debug, PartialEq)]
pub struct BeforeTheEnd {
    /// Those that may not be ended.
    pub forbidden: HashMap<Owner, ControlError>,
    /// What the system does with their services then.
    pub recoveries: Recoveries,
}

/// What is known of the range at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeReading {
    /// What is set, and what can be.
    pub now: RangeState,
    /// The last change that can be undone.
    pub last: Result<LastChange, Gap>,
    /// Whether the right to set it is missing and can be asked for.
    pub elevation: bool,
}

impl Request {
    /// Whether it is for whoever changes something, one request after the other.
    #[must_use]
    pub const fn changes(&self) -> bool {
        matches!(self, Self::MayEnd(_) | Self::Kill(_) | Self::Close(_) | Self::SetRange(..))
    }

    /// The answer that nothing was done.
    #[must_use]
    pub fn not_done(self, why: NotDone) -> Response {
        match self {
            Self::MayEnd(_) => Response::MayEnd(Err(why)),
            Self::Kill(plan) => Response::Killed(Box::new(plan.into_plan()), Err(why)),
            Self::Close(_) => Response::Closed(Err(why)),
            Self::SetRange(plan, _) => Response::RangeSet(Box::new(plan.into_plan()), Err(why)),
            Self::ReadRange => Response::Range(Err(why)),
            Self::Probe(_) => Response::Probed(Err(why)),
            Self::Try(_) => Response::Tried(Err(why)),
            Self::KeepCommands(_) => Response::Kept(Err(why)),
        }
    }
}

type Open = dyn Fn(License) -> Result<Executor, NotDone> + Send + Sync;

/// Answers requests about this machine.
#[derive(Clone)]
pub struct Service {
    /// None with `--read-only`.
    license: Option<License>,
    open: Arc<Open>,
}

impl Service {
    /// A service that changes what this license allows.
    #[must_use]
    pub fn new(license: Option<License>) -> Self {
        Self::with(license, |license| Ok(Executor::new(license, StateDirectory::find()?)))
    }

    /// The same with another way to open what a request needs.
    pub fn with(
        license: Option<License>,
        open: impl Fn(License) -> Result<Executor, NotDone> + Send + Sync + 'static,
    ) -> Self {
        Self { license, open: Arc::new(open) }
    }

    pub(super) fn executor(&self) -> Result<Executor, NotDone> {
        (self.open)(self.license.clone().ok_or(NotDone::ReadOnly)?)
    }

    /// Answers a request, however long that takes.
    #[must_use]
    pub fn answer(&self, request: Request) -> Response {
        match request {
            Request::MayEnd(owners) => Response::MayEnd(self.executor().map(|mut executor| BeforeTheEnd {
                forbidden: executor.forbidden(&owners),
                recoveries: executor.recoveries(&owners),
            })),
            Request::Kill(plan) => {
                let done = self.executor().and_then(|mut executor| executor.kill(&plan));
                let done = done.map(|done| (done, probe::probe(None)));
                Response::Killed(Box::new(plan.into_plan()), done)
            }
            Request::Close(plan) => {
                Response::Closed(self.executor().and_then(|mut executor| executor.close(&plan)))
            }
            Request::SetRange(plan, rights) => {
                let done = self.set_range(&plan, rights).map(|done| (done, probe::probe(None)));
                Response::RangeSet(Box::new(plan.into_plan()), done)
            }
            Request::ReadRange => Response::Range(Self::range()),
            Request::Probe(destination) => Response::Probed(self.probe(destination.as_deref())),
            Request::Try(inquiry) => Response::Tried(Ok(Box::new(why::try_all(&inquiry)))),
            Request::KeepCommands(commands) => {
                let kept = StateDirectory::find().and_then(|state| state.keep(COMMANDS, &commands));
                Response::Kept(kept.map_err(NotDone::from))
            }
        }
    }

    /// Sees whether ports can be had. A port that is taken and given back at once changes nothing, so that
    /// needs no license; to connect somewhere does, because it sends something.
    ///
    /// # Errors
    /// Why it was not tried.
    pub fn probe(&self, destination: Option<&str>) -> Result<Probed, NotDone> {
        if destination.is_some() && self.license.is_none() {
            return Err(NotDone::ReadOnly);
        }
        Ok(probe::probe(destination))
    }

    /// Sets a range, or sets it back.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn set_range(
        &self,
        plan: &Confirmed<RangePlan>,
        rights: Rights,
    ) -> Result<Done<RangeOutcome>, NotDone> {
        let mut executor = self.executor()?;
        match rights {
            Rights::Own => executor.set_range(plan),
            Rights::Asked => executor.set_range_elevated(plan),
        }
    }

    /// Reads what range is set and what can be undone; that changes nothing.
    ///
    /// # Errors
    /// When the range can't be read.
    pub fn range() -> Result<RangeReading, NotDone> {
        let mut controls = platform::controls();
        let now = controls.ranges.read()?;
        let last = StateDirectory::find().and_then(|state| Journal::of(&state).last(&now));
        Ok(RangeReading { now, last, elevation: controls.elevation.is_some() })
    }
}
