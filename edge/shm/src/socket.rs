//! One packet at a time over a Unix socket, with descriptors beside it.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    bind, connect, listen, recvmsg, sendmsg, socket_with,
};
use std::fs::Permissions;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// Descriptors beside a packet at most.
pub const FDS_MAX: usize = 2;
/// Connections that wait to be taken.
const BACKLOG: i32 = 32;

fn new_socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Listens at `path`, which must not be there yet; only this user may connect.
///
/// # Errors
/// The system's: among others if the path is there, or longer than the 107 bytes of a socket's address.
pub fn listen_at(path: &Path) -> io::Result<OwnedFd> {
    let socket = new_socket()?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Before it listens: nobody has connected.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Connects to whoever listens at `path`.
///
/// # Errors
/// The system's.
pub fn connect_to(path: &Path) -> io::Result<OwnedFd> {
    let socket = new_socket()?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Takes the next connection, if there is one within `wait`.
///
/// # Errors
/// The system's.
pub fn accept_within(listener: &OwnedFd, wait: Duration) -> io::Result<Option<OwnedFd>> {
    if !is_readable(listener.as_fd(), wait)? {
        return Ok(None);
    }
    match rustix::net::accept_with(listener, SocketFlags::CLOEXEC) {
        Ok(connection) => Ok(Some(connection)),
        // It has gone again.
        Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// True if there is something to receive, or the other end has gone, within `wait`.
///
/// # Errors
/// The system's.
pub fn is_readable(socket: BorrowedFd<'_>, wait: Duration) -> io::Result<bool> {
    let wait = Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    };
    match poll(&mut [PollFd::from_borrowed_fd(socket, PollFlags::IN)], Some(&wait)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Lets each send and receive take `longest` at most.
///
/// # Errors
/// The system's.
pub fn set_timeouts(socket: &OwnedFd, longest: Duration) -> io::Result<()> {
    set_socket_timeout(socket, Timeout::Recv, Some(longest))?;
    set_socket_timeout(socket, Timeout::Send, Some(longest))?;
    Ok(())
}

/// Sends one packet of `parts`.
///
/// # Errors
/// The system's; `WouldBlock` when it takes longer than it may.
///
/// # Panics
/// If there are more than [`FDS_MAX`] descriptors.
pub fn send(socket: &OwnedFd, parts: &[&[u8]], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    assert!(fds.len() <= FDS_MAX, "a packet has {FDS_MAX} descriptors at most");
    let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        beside.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(socket, &slices, &mut beside, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives one packet into `buffer`: how long it is, and the descriptors beside it. Length 0: the other end has gone.
///
/// # Errors
/// The system's; `WouldBlock` when it takes longer than it may, `InvalidData` if the packet is longer than the buffer.
pub fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(given) = message {
            fds.extend(given);
        }
    }
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet longer than any of ours"));
    }
    Ok((received.bytes, fds))
}
