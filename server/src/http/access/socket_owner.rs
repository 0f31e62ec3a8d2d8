//! Whose socket is at the other end of a connection within this machine: the kernel knows (`NETLINK_SOCK_DIAG`, see
//! `sock_diag(7)`), whatever the other end says of itself.
//!
//! One question is about exactly one pair of addresses, and the kernel answers it while it takes it: nothing here
//! waits. A closed socket has no owner any more and is reported with user 0, so only one that is established and
//! has an inode counts.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// `SOCK_DIAG_BY_FAMILY`
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`
const REQUEST: u16 = 1;
/// `NLMSG_ERROR`
const ERROR: u16 = 2;
const TCP: u8 = 6;
/// `TCP_ESTABLISHED`
const ESTABLISHED: u8 = 1;
const ANY_STATE: u32 = !0;
/// Length of `nlmsghdr`.
const HEADER: usize = 16;
/// Length of `inet_diag_req_v2`.
const QUESTION: usize = 56;
/// Length of `inet_diag_msg`, without attributes.
const ANSWER: usize = 72;
const ENOENT: i32 = 2;

/// The user that owns the socket which is bound to `from` and connected to `to`; `None` if no such socket is
/// established any more.
///
/// # Errors
/// The kernel does not say.
pub fn owner(from: SocketAddr, to: SocketAddr) -> io::Result<Option<u32>> {
    let (from, to) = (canonical(from), canonical(to));
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let kernel = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
    send(&kernel, &question(from, to), SendFlags::empty())?;
    let mut answer = [0; 4096];
    let (length, _) = recv(&kernel, &mut answer[..], RecvFlags::empty())?;
    let answer = answer.get(..length).unwrap_or_default();
    let Some(told) = Told::read(answer)? else { return Ok(None) };
    let is_it = told.from == from && told.to == to && told.state == ESTABLISHED && told.inode != 0;
    Ok(is_it.then_some(told.user))
}

/// IPv4 through a socket of IPv6 is IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn question(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let family = if from.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let mut message = Vec::with_capacity(HEADER + QUESTION);
    message.extend(u32::try_from(HEADER + QUESTION).unwrap_or_default().to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend([u8::try_from(family.as_raw()).unwrap_or_default(), TCP, 0, 0]);
    message.extend(ANY_STATE.to_ne_bytes());
    message.extend(from.port().to_be_bytes());
    message.extend(to.port().to_be_bytes());
    message.extend(padded(from.ip()));
    message.extend(padded(to.ip()));
    // On any interface; with no cookie (`INET_DIAG_NOCOOKIE`).
    message.extend(0_u32.to_ne_bytes());
    message.extend([0xff; 8]);
    message
}

fn padded(address: IpAddr) -> [u8; 16] {
    let mut bytes = [0; 16];
    match address {
        IpAddr::V4(address) => bytes[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => bytes = address.octets(),
    }
    bytes
}

/// What the kernel said of a socket.
struct Told {
    from: SocketAddr,
    to: SocketAddr,
    state: u8,
    user: u32,
    inode: u32,
}

impl Told {
    /// `None` if there is no such socket.
    fn read(message: &[u8]) -> io::Result<Option<Self>> {
        let strange = || io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer cannot be read");
        let kind = u16::from_ne_bytes(bytes(message, 4).ok_or_else(strange)?);
        if kind == ERROR {
            let code = i32::from_ne_bytes(bytes(message, HEADER).ok_or_else(strange)?);
            return if code == -ENOENT { Ok(None) } else { Err(io::Error::from_raw_os_error(-code)) };
        }
        let answer = message.get(HEADER..).filter(|answer| kind == BY_FAMILY && answer.len() >= ANSWER);
        let told = answer.and_then(Self::of).ok_or_else(strange)?;
        Ok(Some(told))
    }

    /// Of an `inet_diag_msg`.
    fn of(answer: &[u8]) -> Option<Self> {
        let [family, state] = bytes(answer, 0)?;
        let address = |place: usize, port: usize| {
            let ip = if u16::from(family) == AddressFamily::INET.as_raw() {
                IpAddr::from(bytes::<4>(answer, place)?)
            } else {
                IpAddr::V6(Ipv6Addr::from(bytes::<16>(answer, place)?))
            };
            Some(canonical(SocketAddr::new(ip, u16::from_be_bytes(bytes(answer, port)?))))
        };
        Some(Self {
            from: address(8, 4)?,
            to: address(24, 6)?,
            state,
            user: u32::from_ne_bytes(bytes(answer, 64)?),
            inode: u32::from_ne_bytes(bytes(answer, 68)?),
        })
    }
}

fn bytes<const N: usize>(message: &[u8], at: usize) -> Option<[u8; N]> {
    message.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;
    use crate::ownership::own_user;

    /// Both ends of a connection with a service that listens on `bind`, called by `call`.
    fn connection(bind: &str, call: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(bind).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(format!("{call}:{port}")).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn owner_of_other_end(service: &TcpStream) -> Option<u32> {
        owner(service.peer_addr().unwrap(), service.local_addr().unwrap()).unwrap()
    }

    #[test]
    fn the_owner_of_the_other_end_is_told_in_every_family() {
        for (bind, call) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::1]:0", "[::1]"),
            ("[::]:0", "127.0.0.1"),
            ("[::]:0", "[::1]"),
            ("127.0.0.1:0", "[::ffff:127.0.0.1]"),
        ] {
            let (_client, service) = connection(bind, call);
            assert_eq!(owner_of_other_end(&service), Some(own_user()), "{bind} {call}");
        }
    }

    #[test]
    fn a_socket_that_was_closed_or_shut_down_has_no_owner() {
        let (client, service) = connection("127.0.0.1:0", "127.0.0.1");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(owner_of_other_end(&service), None, "half closed");
        drop(client);
        assert_eq!(owner_of_other_end(&service), None, "closed");
    }

    #[test]
    fn a_listener_is_not_taken_for_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(owner(address, "127.0.0.1:1".parse().unwrap()).unwrap(), None);
        assert_eq!(owner("127.0.0.1:1".parse().unwrap(), address).unwrap(), None);
    }

    #[test]
    fn no_answer_that_is_cut_off_is_believed() {
        let (client, service) = connection("127.0.0.1:0", "127.0.0.1");
        let question = question(client.local_addr().unwrap(), service.local_addr().unwrap());
        assert_eq!(question.len(), HEADER + QUESTION);
        for length in 0..HEADER + ANSWER {
            let mut message = vec![0; length];
            if let Some(kind) = message.get_mut(4..6) {
                kind.copy_from_slice(&BY_FAMILY.to_ne_bytes());
            }
            assert!(Told::read(&message).is_err(), "{length}");
        }
    }
}
