//! What a person calls a version of Windows.
//!
//! Build numbers: Microsoft's "Windows Server release information" and "Windows release health".

/// What `RtlGetVersion` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Major version.
    pub major: u32,
    /// Minor version.
    pub minor: u32,
    /// Build number.
    pub build: u32,
    /// Whether it is a server (`wProductType` is not `VER_NT_WORKSTATION`).
    pub server: bool,
}

/// Its name: `Windows Server 2022`. A build that is nobody's is named by its number.
pub fn name(version: Version) -> String {
    let Version { major, minor, build, server } = version;
    let name = match (major, minor, server) {
        (6, 2, true) => "Windows Server 2012",
        (6, 2, false) => "Windows 8",
        (6, 3, true) => "Windows Server 2012 R2",
        (6, 3, false) => "Windows 8.1",
        (10, 0, false) if build >= 22000 => "Windows 11",
        (10, 0, false) => "Windows 10",
        (10, 0, true) => match build {
            14393 => "Windows Server 2016",
            16299 => "Windows Server, version 1709",
            17134 => "Windows Server, version 1803",
            17763 => "Windows Server 2019",
            18362 => "Windows Server, version 1903",
            18363 => "Windows Server, version 1909",
            19041 => "Windows Server, version 2004",
            19042 => "Windows Server, version 20H2",
            20348 => "Windows Server 2022",
            25398 => "Windows Server, version 23H2",
            26100 => "Windows Server 2025",
            _ => return format!("Windows Server (build {build})"),
        },
        _ => return format!("Windows {major}.{minor} (build {build})"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(6, 3, 9600, true, "Windows Server 2012 R2")]
    #[case(6, 3, 9600, false, "Windows 8.1")]
    #[case(10, 0, 14393, true, "Windows Server 2016")]
    #[case(10, 0, 14393, false, "Windows 10")]
    #[case(10, 0, 19045, false, "Windows 10")]
    #[case(10, 0, 17763, true, "Windows Server 2019")]
    #[case(10, 0, 20348, true, "Windows Server 2022")]
    #[case(10, 0, 22000, false, "Windows 11")]
    #[case(10, 0, 26100, true, "Windows Server 2025")]
    #[case(10, 0, 30000, true, "Windows Server (build 30000)")]
    #[case(6, 1, 7601, true, "Windows 6.1 (build 7601)")]
    fn a_build_has_the_name_people_use(
        #[case] major: u32,
        #[case] minor: u32,
        #[case] build: u32,
        #[case] server: bool,
        #[case] expected: &str,
    ) {
        assert_eq!(name(Version { major, minor, build, server }), expected);
    }
}
