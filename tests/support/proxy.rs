//! A way to a server that breaks where it is told to: after so many packets in one direction.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Which packets are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What the client sends.
    There,
    /// What the server answers.
    Back,
}

/// What all connections share.
struct Shared {
    to: SocketAddr,
    direction: Direction,
    /// How many packets still pass; below zero none is cut any more.
    left: AtomicI64,
    /// How many bytes of the packet at fault still pass.
    bytes: usize,
    struck: AtomicBool,
    ended: AtomicBool,
}

/// A proxy that closes both sides of a connection once, before the n-th packet or in the middle of it. Other
/// connections pass, before and after.
pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens on a free port of the loopback.
    pub fn start(to: SocketAddr, direction: Direction, packet: u32, bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            to,
            direction,
            left: AtomicI64::new(i64::from(packet)),
            bytes,
            struck: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let of_listener = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if of_listener.ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                let Ok(server) = TcpStream::connect(of_listener.to) else { continue };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (back, there) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let shared = Arc::clone(&of_listener);
                std::thread::spawn(move || pass(client, there, &shared, Direction::There));
                let shared = Arc::clone(&of_listener);
                std::thread::spawn(move || pass(server, back, &shared, Direction::Back));
            }
        });
        Self { address, shared }
    }

    /// Says whether the connection was cut.
    pub fn struck(&self) -> bool {
        self.shared.struck.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// Passes packets on: eight bytes of a head, whose third and fourth tell the length, and the rest.
fn pass(mut from: TcpStream, mut to: TcpStream, shared: &Shared, direction: Direction) {
    let mut packet = vec![0; 1 << 16];
    while from.read_exact(&mut packet[..8]).is_ok() {
        let length = usize::from(u16::from_be_bytes([packet[2], packet[3]])).max(8);
        if from.read_exact(&mut packet[8..length]).is_err() {
            break;
        }
        let cut = direction == shared.direction && shared.left.fetch_sub(1, Ordering::SeqCst) == 0;
        if cut {
            shared.struck.store(true, Ordering::SeqCst);
            let _ = to.write_all(&packet[..shared.bytes.min(length)]);
            break;
        }
        if to.write_all(&packet[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
