//! The parts of this platform that make no calls, for the tests of other systems: here they are all that
//! there is of it.

pub mod format;
pub mod control {
    pub mod format;
}
pub mod elevation {
    pub mod place;
}
pub mod events {
    pub mod format;
}
pub mod handles {
    pub mod format;
}
pub mod host {
    pub mod format;
}
pub mod limits {
    pub mod format;
}
pub mod processes {
    pub mod format;
}
pub mod ranges {
    pub mod format;
    pub mod netsh;
    pub mod script;
}
pub mod services {
    pub mod format;
    pub mod stop;
}
pub mod sockets {
    pub mod format;
    pub mod layout;
    pub mod reading;
}
pub mod token {
    pub mod format;
}
pub mod trace {
    pub mod format;
    pub mod layout;
    pub mod own;
}
