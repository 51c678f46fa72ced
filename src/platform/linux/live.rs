//! The request for the live connections toward some ports, as bytes: what is shorter than a look is caught in
//! many small ones.
//!
//! `INET_DIAG_REQ_BYTECODE` of `linux/inet_diag.h`: operations of four bytes, `{ u8 code, yes; u16 no; }`, where
//! `yes` and `no` say how far to jump. Whoever arrives at the very end is listed, whoever gets beyond is not.

use super::sock_diag::Table;

const INET_DIAG_REQ_BYTECODE: u16 = 1;
const JMP: u8 = 1;
const D_GE: u8 = 4;
const D_LE: u8 = 5;

/// `TCP_ESTABLISHED`, `TCP_SYN_SENT`, `TCP_FIN_WAIT1`, `TCP_FIN_WAIT2`, `TCP_CLOSE_WAIT`: those that a process
/// may hold, of `net/tcp_states.h`.
const LIVE: u32 = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 8;

/// The operations for one port: at least, at most (each with the port in a second one), and to the end.
const BLOCK: usize = 20;

/// The most ports that are asked for at once.
pub(super) const MOST: usize = 8;

/// The request to dump the connections of a table that are alive and lead to one of these ports, of which there
/// are a few.
pub(super) fn request(table: Table, ports: &[u16], sequence: u32) -> Vec<u8> {
    let ports = &ports[..ports.len().min(MOST)];
    let mut bytes = table.request_in(LIVE, sequence).to_vec();
    let code = code(ports);
    bytes.extend(u16::try_from(4 + code.len()).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.extend(INET_DIAG_REQ_BYTECODE.to_ne_bytes());
    bytes.extend(code);
    let whole = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&whole.to_ne_bytes());
    bytes
}

fn code(ports: &[u16]) -> Vec<u8> {
    let mut code = Vec::with_capacity(ports.len() * BLOCK);
    let mut add = |op: u8, yes: u8, no: usize| {
        code.extend([op, yes]);
        code.extend(u16::try_from(no).unwrap_or(u16::MAX).to_ne_bytes());
    };
    for (index, port) in ports.iter().enumerate() {
        let left = (ports.len() - index) * BLOCK;
        // To the block of the next port; from the last one beyond the end.
        let beyond = if left == BLOCK { 4 } else { 0 };
        add(D_GE, 8, BLOCK + beyond);
        add(0, 0, usize::from(*port));
        add(D_LE, 8, BLOCK - 8 + beyond);
        add(0, 0, usize::from(*port));
        add(JMP, 4, left - 16);
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What `inet_diag_bc_run` of the kernel decides.
    fn lists(code: &[u8], port: u16) -> bool {
        let (mut at, length) = (0, code.len());
        while at < length {
            let no = usize::from(u16::from_ne_bytes([code[at + 2], code[at + 3]]));
            let operand = || u16::from_ne_bytes([code[at + 6], code[at + 7]]);
            let yes = match code[at] {
                JMP => false,
                D_GE => port >= operand(),
                D_LE => port <= operand(),
                other => panic!("no operation: {other}"),
            };
            at += if yes { usize::from(code[at + 1]) } else { no };
        }
        at == length
    }

    proptest! {
        #[test]
        fn exactly_these_ports_are_listed(
            ports in prop::collection::vec(any::<u16>(), 1..=MOST),
            others in prop::collection::vec(any::<u16>(), 0..20),
        ) {
            let code = code(&ports);
            for port in ports.iter().flat_map(|port| [port.wrapping_sub(1), *port, port.wrapping_add(1)]) {
                prop_assert_eq!(lists(&code, port), ports.contains(&port));
            }
            for port in others {
                prop_assert_eq!(lists(&code, port), ports.contains(&port));
            }
        }
    }

    #[test]
    fn a_request_says_how_long_it_is() {
        let request = request(Table::ALL[0], &[80, 443], 7);
        assert_eq!(request.len(), 72 + 4 + 2 * BLOCK);
        assert_eq!(request[..4], u32::try_from(request.len()).unwrap().to_ne_bytes());
        assert_eq!(request[72..74], 44u16.to_ne_bytes());
    }
}
