//! Moving the dynamic range: the settings of the namespace, and the file that sets them at the start of
//! the system.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::namespace::identity;
use super::ranges::{own_namespace, parse_range, parse_reserved};
use super::read;
use crate::model::{DynamicRange, Port, PortSet, PortSpace, RangeLimits, SpaceId, System};
use crate::platform::control::{ControlError, FileContent, RangeControl, RangeFile, RangeState, RangeStep};
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

    fn of_file(&self, done: io::Result<()>) -> Result<(), ControlError> {
        done.map_err(|error| refused(&self.file, error, NO_RIGHT_TO_FILE))
    }

    fn kept(&self) -> PathBuf {
        let mut path = self.file.clone().into_os_string();
        path.push(".bak");
        path.into()
    }

    /// Writes the file anew, over nobody else's.
    fn write_file(&self, sets: &DynamicRange) -> io::Result<()> {
        if let Some(directory) = self.file.parent() {
            fs::create_dir_all(directory)?;
        }
        files::replace_for_all(&self.file, file_text(sets).as_bytes())
    }

    /// Gives the file that is there a second name, unless something has that name.
    fn keep_file(&self) -> io::Result<()> {
        fs::hard_link(&self.file, self.kept())
    }

    fn restore_file(&self) -> io::Result<()> {
        let kept = self.kept();
        fs::rename(&kept, &self.file)?;
        // When both names are of one file, rename(2) leaves both.
        match fs::remove_file(&kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
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
        let file = RangeFile {
            path: self.file.clone(),
            content: read_file(&self.file),
            kept: read_file(&self.kept()),
        };
        let dynamic = DynamicRange { range, reserved };
        let space = |id| PortSpace { id, dynamic: Some(dynamic.clone()) };
        Ok(RangeState {
            system: System::Linux,
            namespace,
            identity: identity().ok(),
            spaces: SpaceId::all_of(namespace).map(space).into(),
            persistent: HashMap::new(),
            limits: RangeLimits::linux(lowest),
            file: Some(file),
        })
    }

    fn take(&mut self, step: &RangeStep) -> Result<String, ControlError> {
        match step {
            RangeStep::Range(range) => self.set(RANGE, &format!("{} {}", range.start(), range.end())),
            RangeStep::Reserved(ports) => self.set(RESERVED, &format!("{ports}\n")),
            RangeStep::WriteFile(sets) => self.of_file(self.write_file(sets)),
            RangeStep::KeepFile => self.of_file(self.keep_file()),
            RangeStep::RestoreFile => self.of_file(self.restore_file()),
            RangeStep::RemoveFile => self.of_file(self.remove_file()),
            RangeStep::Netsh { .. } => Err(ControlError::system("sysctl", "netsh is a tool of Windows")),
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

fn read_file(path: &Path) -> FileContent {
    match files::read(path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            match parse_file(&text) {
                Some(sets) if text == file_text(&sets) => FileContent::Ours(sets),
                sets => FileContent::Foreign(sets),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => FileContent::Absent,
        Err(error) => FileContent::Unreadable(error.to_string()),
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
    fn somebody_elses_file_comes_back_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("sysctl.d/99-zz-porttop.conf");
        let mut sysctls = Sysctls::at(home.path(), &file);
        let wide = sets(10000, 65535, &[15672]);
        sysctls.take(&RangeStep::WriteFile(wide.clone())).unwrap();
        assert_eq!(read_file(&file), FileContent::Ours(wide.clone()));
        let by_hand = b"# mine, \xe4 la carte\nnet/ipv4/ip_local_port_range=20000\t60999\n";
        fs::write(&file, by_hand).unwrap();
        let foreign = FileContent::Foreign(Some(sets(20000, 60999, &[])));
        assert_eq!(read_file(&file), foreign);

        sysctls.take(&RangeStep::KeepFile).unwrap();
        sysctls.take(&RangeStep::WriteFile(wide.clone())).unwrap();
        assert_eq!(
            (read_file(&file), read_file(&sysctls.kept())),
            (FileContent::Ours(wide), foreign.clone())
        );
        sysctls.take(&RangeStep::KeepFile).unwrap_err();
        assert_eq!(read_file(&sysctls.kept()), foreign, "what is kept is not written over");

        sysctls.take(&RangeStep::RestoreFile).unwrap();
        assert_eq!(fs::read(&file).unwrap(), by_hand);
        assert!(!sysctls.kept().exists());
        sysctls.take(&RangeStep::KeepFile).unwrap();
        sysctls.take(&RangeStep::RestoreFile).unwrap();
        assert!(file.exists() && !sysctls.kept().exists());
        sysctls.take(&RangeStep::RemoveFile).unwrap();
        sysctls.take(&RangeStep::RemoveFile).unwrap();
        assert_eq!(read_file(&file), FileContent::Absent);
    }

    #[test]
    fn a_file_that_can_not_be_read_costs_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let content = read_file(home.path());
        assert!(matches!(content, FileContent::Unreadable(_)), "{content:?}");
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
