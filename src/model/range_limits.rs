use super::{Port, PortRange};

/// What a system accepts as a dynamic range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeLimits {
    /// The lowest first port.
    pub lowest_start: Port,
    /// The least number of ports.
    pub least_ports: u32,
}

impl RangeLimits {
    /// Windows: at least 255 ports, from 1025 on ("TCP/IP port exhaustion troubleshooting", Microsoft).
    pub const WINDOWS: Self = Self { lowest_start: Port(1025), least_ports: 255 };

    /// Linux: not below `ip_unprivileged_port_start` (ip-sysctl.rst, `ip_local_port_range`), and two
    /// ports, because the kernel looks at even and odd ones apart.
    #[must_use]
    pub fn linux(unprivileged_start: Port) -> Self {
        Self { lowest_start: Port(unprivileged_start.0.max(1)), least_ports: 2 }
    }

    /// The range of `count` ports from `start`, when the system accepts it.
    ///
    /// # Errors
    /// Which limit it breaks. The last port is always 65535 at most.
    pub fn check(self, start: u32, count: u32) -> Result<PortRange, RangeError> {
        let Self { lowest_start, least_ports } = self;
        if start < u32::from(lowest_start.0) {
            return Err(RangeError::StartsTooLow { start, lowest: lowest_start });
        }
        if count < least_ports {
            return Err(RangeError::TooFewPorts { count, least: least_ports });
        }
        let end = u64::from(start) + u64::from(count) - 1;
        let start = u16::try_from(start).ok();
        start
            .and_then(|start| PortRange::from_count(Port(start), count))
            .ok_or(RangeError::EndsTooHigh { end })
    }
}

/// Why a range is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It begins below the lowest port.
    #[error("the range may not start below {lowest}; {start} was asked for")]
    StartsTooLow {
        /// What was asked for.
        start: u32,
        /// The lowest first port.
        lowest: Port,
    },
    /// It is too small.
    #[error("the range must have at least {least} ports; {count} were asked for")]
    TooFewPorts {
        /// What was asked for.
        count: u32,
        /// The least number of ports.
        least: u32,
    },
    /// It runs past the last port.
    #[error("the range may not end above 65535; it would end at {end}")]
    EndsTooHigh {
        /// Where it would end.
        end: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(1025, 255, Ok((1025, 1279)))]
    #[case(1025, 64511, Ok((1025, 65535)))]
    #[case(1024, 1000, Err("the range may not start below 1025; 1024 was asked for"))]
    #[case(10000, 254, Err("the range must have at least 255 ports; 254 were asked for"))]
    #[case(10000, 0, Err("the range must have at least 255 ports; 0 were asked for"))]
    #[case(10000, 55537, Err("the range may not end above 65535; it would end at 65536"))]
    #[case(70000, 255, Err("the range may not end above 65535; it would end at 70254"))]
    #[case(u32::MAX, u32::MAX, Err("the range may not end above 65535; it would end at 8589934589"))]
    fn windows_limits(#[case] start: u32, #[case] count: u32, #[case] expected: Result<(u16, u16), &str>) {
        let range = RangeLimits::WINDOWS.check(start, count).map_err(|error| error.to_string());
        let range = range.map(|range| (range.start().0, range.end().0));
        assert_eq!(range, expected.map_err(str::to_owned));
    }

    #[test]
    fn linux_starts_where_unprivileged_ports_do() {
        let limits = RangeLimits::linux(Port(1024));
        assert!(limits.check(1023, 100).is_err() && limits.check(1024, 2).is_ok());
        assert!(RangeLimits::linux(Port(0)).check(0, 100).is_err());
        assert!(RangeLimits::linux(Port(80)).check(80, 100).is_ok());
    }
}
