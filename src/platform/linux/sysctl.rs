//! Moving the dynamic range: the settings of the namespace, and the file that sets them at the start of
//! the system.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ranges::{own_namespace, parse_range, parse_reserved};
use super::read;
use crate::model::{DynamicRange, Port, PortSet, PortSpace, RangeLimits, SpaceId, System};
use crate::platform::control::{ControlError, RangeControl, RangeFile, RangeState, RangeStep};
use crate::platform::files;

const RANGE: &str = "ip_local_port_range";
const RESERVED: &str = "ip_local_reserved_ports";
const UNPRIVILEGED: &str = "ip_unprivileged_port_start";

/// What the kernel has when nothing sets it (ip-sysctl.rst).
const DEFAULT_UNPRIVILEGED: Port = Port(1024);

/// The name puts it behind the `99-sysctl.conf` that distributions link to `/etc/sysctl.conf`: the last
/// file to set something wins (sysctl.d(5)).
pub(in crate::platform) const RANGE_FILE: &str = "/etc/sysctl.d/99-zz-porttop.conf";

const NO_RIGHT: ControlError = ControlError::MissingRight {
    right: "CAP_NET_ADMIN in this network namespace, and a /proc/sys that can be written",
    remedy: "run porttop as root; in a container, from the host with nsenter --net",
};

const NO_RIGHT_TO_FILE: ControlError =
    ControlError::MissingRight { right: "write access to /etc/sysctl.d", remedy: "run porttop as root" };

/// The settings of the own namespace.
pub(in crate::platform) struct Sysctls {
    directory: PathBuf,
    file: PathBuf,
}

impl Sysctls {
    /// The ones of the system, with this file.
    pub fn of_system(file: &Path) -> Self {
        Self::at("/proc/sys/net/ipv4", file)
    }

    /// Settings that are kept elsewhere.
    fn at(directory: impl Into<PathBuf>, file: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), file: file.into() }
    }

    fn get<T>(&self, name: &str, parse: fn(&str) -> Option<T>) -> Result<T, ControlError> {
        let path = self.directory.join(name);
        let what = || path.display().to_string();
        let text = read::text(&path).map_err(|error| ControlError::system(what(), error))?;
        parse(&text).ok_or_else(|| ControlError::system(what(), "not understood"))
    }

    fn set(&self, name: &str, value: &str) -> Result<(), ControlError> {
        let path = self.directory.join(name);
        fs::write(&path, value).map_err(|error| refused(&path, error, NO_RIGHT))
    }

    fn backup(&self) -> PathBuf {
        let mut path = self.file.clone().into_os_string();
        path.push(".bak");
        path.into()
    }

    /// Writes the file anew and keeps the one that was there; takes that one back when it says the same.
    fn write_file(&self, sets: &DynamicRange) -> io::Result<()> {
        let backup = self.backup();
        if read_file(&backup)?.as_ref() == Some(sets) {
            return fs::rename(&backup, &self.file);
        }
        if let Some(directory) = self.file.parent() {
            fs::create_dir_all(directory)?;
        }
        if self.file.exists() {
            fs::copy(&self.file, &backup)?;
        }
        let new = self.file.with_extension("new");
        fs::write(&new, file_text(sets))?;
        fs::rename(&new, &self.file)
    }

    fn remove_file(&self) -> io::Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

impl RangeControl for Sysctls {
    fn read(&mut self) -> Result<RangeState, ControlError> {
        let range = self.get(RANGE, parse_range)?;
        let reserved = self.get(RESERVED, parse_reserved)?;
        let lowest =
            self.get(UNPRIVILEGED, |text| text.trim().parse().ok().map(Port)).unwrap_or(DEFAULT_UNPRIVILEGED);
        let namespace = own_namespace().map_err(|error| ControlError::system("/proc/self/ns/net", error))?;
        let dynamic = DynamicRange { range, reserved };
        let space = |id| PortSpace { id, dynamic: Some(dynamic.clone()) };
        Ok(RangeState {
            system: System::Linux,
            namespace,
            spaces: SpaceId::all_of(namespace).map(space).into(),
            limits: RangeLimits::linux(lowest),
            file: Some(RangeFile {
                path: self.file.clone(),
                sets: read_file(&self.file).map_err(|error| error.to_string()),
            }),
        })
    }

    fn take(&mut self, step: &RangeStep) -> Result<String, ControlError> {
        match step {
            RangeStep::Range(range) => self.set(RANGE, &format!("{} {}", range.start(), range.end())),
            RangeStep::Reserved(ports) => self.set(RESERVED, &format!("{ports}\n")),
            RangeStep::File(Some(sets)) => {
                self.write_file(sets).map_err(|error| refused(&self.file, error, NO_RIGHT_TO_FILE))
            }
            RangeStep::File(None) => {
                self.remove_file().map_err(|error| refused(&self.file, error, NO_RIGHT_TO_FILE))
            }
            RangeStep::Netsh { .. } => Err(ControlError::Unsupported("netsh is a tool of Windows".into())),
        }
        .map(|()| String::new())
    }
}

fn refused(path: &Path, error: io::Error, right: ControlError) -> ControlError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => right,
        _ => ControlError::system(path.display().to_string(), error),
    }
}

/// sysctl.d(5)
fn file_text(sets: &DynamicRange) -> String {
    let DynamicRange { range, reserved } = sets;
    format!(
        "# Written by porttop; `porttop range undo` takes it back.\n\
         net.ipv4.{RANGE} = {} {}\n\
         net.ipv4.{RESERVED} = {reserved}\n",
        range.start(),
        range.end()
    )
}

/// What a file of ours sets; nothing when there is none, or when it sets no range.
fn read_file(path: &Path) -> io::Result<Option<DynamicRange>> {
    match files::read(path) {
        // What is not text can only be a comment, or a value that is not understood.
        Ok(bytes) => Ok(parse_file(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse_file(text: &str) -> Option<DynamicRange> {
    let value = |name: &str| {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let named =
            |key: &str| key.trim().trim_start_matches('-').replace('/', ".") == format!("net.ipv4.{name}");
        lines.filter(|(key, _)| named(key)).map(|(_, value)| value).next_back()
    };
    let reserved = value(RESERVED).map_or_else(|| Some(PortSet::new()), parse_reserved)?;
    Some(DynamicRange { range: parse_range(value(RANGE)?)?, reserved })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PortRange;
    use proptest::prelude::*;

    fn sets(start: u16, end: u16, reserved: &[u16]) -> DynamicRange {
        let range = PortRange::new(Port(start), Port(end)).unwrap();
        DynamicRange { range, reserved: reserved.iter().copied().map(Port).collect() }
    }

    #[test]
    fn the_file_that_was_there_comes_back_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("sysctl.d/99-zz-porttop.conf");
        let mut sysctls = Sysctls::at(home.path(), &file);
        sysctls.take(&RangeStep::File(Some(sets(10000, 65535, &[15672])))).unwrap();
        let by_hand = "# mine\nnet/ipv4/ip_local_port_range=20000\t60999\n";
        fs::write(&file, by_hand).unwrap();

        sysctls.take(&RangeStep::File(Some(sets(5000, 65534, &[])))).unwrap();
        assert_eq!(read_file(&file).unwrap(), Some(sets(5000, 65534, &[])));
        assert_eq!(fs::read_to_string(sysctls.backup()).unwrap(), by_hand);

        sysctls.take(&RangeStep::File(Some(sets(20000, 60999, &[])))).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), by_hand);
        sysctls.take(&RangeStep::File(None)).unwrap();
        sysctls.take(&RangeStep::File(None)).unwrap();
        assert!(!file.exists());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(start in 1u16..30000, size in 2u32..30000, reserved: Vec<u16>) {
            let range = PortRange::from_count(Port(start), size).unwrap();
            let sets = DynamicRange { range, reserved: reserved.into_iter().map(Port).collect() };
            prop_assert_eq!(parse_file(&file_text(&sets)), Some(sets));
        }
    }
}
