//! `/proc/PID/stat` as text: what identifies a process.

use crate::model::{Owner, Pid, StartTime};

/// `PF_KTHREAD` of `linux/sched.h`.
const KERNEL_THREAD: u32 = 0x0020_0000;

/// The fields of `/proc/PID/stat` that are used (`proc_pid_stat(5)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat<'a> {
    pub owner: Owner,
    /// The name, at most 15 bytes, any bytes.
    pub comm: &'a [u8],
    pub parent: Pid,
    pub kernel_thread: bool,
    /// Whether it has ended, and only waits for others to take note.
    pub ended: bool,
    /// How long its threads have run, in clock ticks.
    pub ran: u64,
    /// How many threads its process has.
    pub threads: u32,
}

impl<'a> Stat<'a> {
    /// Reads the line. The name may hold spaces and parentheses: it ends at the last `)`.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let open = line.iter().position(|byte| *byte == b'(')?;
        let close = line.iter().rposition(|byte| *byte == b')')?;
        let pid = number(line.get(..open)?.trim_ascii())?;
        let comm = line.get(open + 1..close)?;
        // From field 3, the state.
        let mut fields = line.get(close + 1..)?.trim_ascii().split(|byte| *byte == b' ');
        let ended = matches!(fields.next()?, b"Z" | b"X" | b"x");
        let parent = number(fields.next()?)?;
        let flags: u32 = number(fields.nth(4)?)?;
        let (user, system): (u64, u64) = (number(fields.nth(4)?)?, number(fields.next()?)?);
        let threads = number(fields.nth(4)?)?;
        let started = number(fields.nth(1)?)?;
        Some(Self {
            owner: Owner { pid: Pid(pid), started: StartTime(started) },
            comm,
            parent: Pid(parent),
            kernel_thread: flags & KERNEL_THREAD != 0,
            ended,
            ran: user.saturating_add(system),
            threads,
        })
    }
}

/// A decimal number and nothing else.
pub(super) fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    digits.first().filter(|byte| byte.is_ascii_digit())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn line(comm: &str) -> String {
        format!(
            "4312 ({comm}) S 17 4312 4312 0 -1 4194560 1102 0 0 0 1 2 0 0 20 0 1 0 98765432109 0 0 \
             18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n"
        )
    }

    #[rstest]
    #[case("nginx")]
    #[case("a b")]
    #[case(") S 1 (")]
    #[case("((((")]
    #[case("))))")]
    #[case("")]
    fn the_name_may_be_anything(#[case] comm: &str) {
        let line = line(comm);
        let stat = Stat::parse(line.as_bytes()).unwrap();
        assert_eq!(stat.comm, comm.as_bytes());
        assert_eq!(stat.owner, Owner { pid: Pid(4312), started: StartTime(98_765_432_109) });
        assert_eq!(stat.parent, Pid(17));
        assert_eq!((stat.kernel_thread, stat.ended, stat.ran, stat.threads), (false, false, 3, 1));
    }

    #[test]
    fn a_kernel_thread_is_told_by_its_flag() {
        let line = b"2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 1 0";
        assert!(Stat::parse(line).unwrap().kernel_thread);
    }

    #[test]
    fn a_first_thread_that_has_ended_is_told_by_its_state() {
        let line = line("java").replacen(" S ", " Z ", 1).replacen(" 0 1 0 98765", " 0 40 0 98765", 1);
        let stat = Stat::parse(line.as_bytes()).unwrap();
        assert_eq!((stat.ended, stat.threads), (true, 40));
    }

    #[test]
    fn our_own_is_ours() {
        let line = std::fs::read("/proc/self/stat").unwrap();
        assert_eq!(Stat::parse(&line).unwrap().owner.pid, Pid(std::process::id()));
    }

    proptest! {
        #[test]
        fn hostile_text_is_refused_not_read_wrongly(bytes: Vec<u8>) {
            let _ = Stat::parse(&bytes);
        }

        #[test]
        fn a_cut_line_is_refused_or_the_same(comm in "[ -~]{0,15}", at in 0usize..200) {
            let line = line(&comm);
            let whole = Stat::parse(line.as_bytes()).unwrap();
            if let Some(cut) = line.as_bytes().get(..at) && let Some(stat) = Stat::parse(cut) {
                // A number cut short is shorter; what is before it is whole.
                prop_assert!(stat.owner.started <= whole.owner.started);
            }
        }
    }
}
