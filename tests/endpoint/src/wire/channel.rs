//! Packets over a socket, with or without TLS; here the faults of the wire strike.

use super::malformed;
use crate::faults::{Direction, Faults};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ServerConnection, TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(tls) => &tls.sock,
        }
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.read_exact(buffer),
            Stream::Tls(tls) => tls.read_exact(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(tls) => {
                tls.write_all(bytes)?;
                tls.flush()
            }
        }
    }

    /// The bare socket, when TLS was for the login only.
    pub fn without_tls(self) -> Stream {
        match self {
            Stream::Tls(tls) => Stream::Plain(tls.sock),
            plain => plain,
        }
    }
}

pub(crate) struct Packet {
    pub kind: u8,
    pub status: u8,
    pub data: Vec<u8>,
}

impl Packet {
    pub fn is_last(&self) -> bool {
        self.status & 1 != 0
    }
}

/// One connection's packets.
pub(crate) struct Channel {
    stream: Option<Stream>,
    session: u32,
    faults: Arc<Faults>,
    pub packet_size: usize,
    received: u64,
    sent: u64,
    /// Bytes a write.
    pub split: Option<usize>,
    /// Bytes that may still be sent before the connection is cut.
    pub allowance: Option<usize>,
    number: u8,
}

impl Channel {
    pub fn new(socket: TcpStream, session: u32, faults: Arc<Faults>) -> Channel {
        Channel {
            stream: Some(Stream::Plain(socket)),
            session,
            faults,
            packet_size: 4096,
            received: 0,
            sent: 0,
            split: None,
            allowance: None,
            number: 0,
        }
    }

    /// Puts TLS on or takes it off.
    pub fn change(&mut self, change: impl FnOnce(Stream) -> io::Result<Stream>) -> io::Result<()> {
        let stream = self.stream.take().ok_or_else(closed)?;
        self.stream = Some(change(stream)?);
        Ok(())
    }

    fn stream(&mut self) -> io::Result<&mut Stream> {
        self.stream.as_mut().ok_or_else(closed)
    }

    /// Closes the socket for good; every later use fails.
    pub fn close(&mut self) -> io::Error {
        if let Some(stream) = self.stream.take() {
            let _ = stream.socket().shutdown(Shutdown::Both);
        }
        closed()
    }

    pub fn read_packet(&mut self) -> io::Result<Packet> {
        if self.faults.cuts(self.session, Direction::ToServer, self.received) {
            return Err(self.close());
        }
        let mut header = [0; 8];
        self.stream()?.read_exact(&mut header)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let rest = length.checked_sub(8).ok_or_else(|| malformed("a packet shorter than its header"))?;
        let mut data = vec![0; rest];
        self.stream()?.read_exact(&mut data)?;
        self.received += 1;
        self.faults.passed(self.session, self.received, self.sent);
        Ok(Packet { kind: header[0], status: header[1], data })
    }

    /// Waits so long, or until the client sends something meanwhile, which only an attention can be.
    pub fn wait(&mut self, time: Duration) -> io::Result<bool> {
        const STEP: Duration = Duration::from_millis(5);
        let end = Instant::now() + time;
        while Instant::now() < end {
            std::thread::sleep(STEP.min(end.saturating_duration_since(Instant::now())));
            let socket = self.stream()?.socket();
            socket.set_nonblocking(true)?;
            let seen = socket.peek(&mut [0]);
            socket.set_nonblocking(false)?;
            match seen {
                Ok(0) => return Err(self.close()),
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// The first packet of a request restarts the numbers of the reply's.
    pub fn begin_reply(&mut self) {
        self.number = 0;
    }

    pub fn write_packet(&mut self, kind: u8, data: &[u8], last: bool) -> io::Result<()> {
        if self.faults.cuts(self.session, Direction::ToClient, self.sent) {
            return Err(self.close());
        }
        self.number = self.number.wrapping_add(1);
        let length = u16::try_from(data.len() + 8).map_err(malformed)?.to_be_bytes();
        let spid = (self.session as u16).to_be_bytes();
        let mut bytes = Vec::with_capacity(data.len() + 8);
        bytes.extend_from_slice(&[
            kind,
            u8::from(last),
            length[0],
            length[1],
            spid[0],
            spid[1],
            self.number,
            0,
        ]);
        bytes.extend_from_slice(data);
        let mut cut = false;
        if let Some(left) = self.allowance {
            cut = bytes.len() > left;
            bytes.truncate(left);
            self.allowance = Some(left - bytes.len());
        }
        // Counted before it is written: who has read a reply finds it counted.
        self.sent += 1;
        self.faults.passed(self.session, self.received, self.sent);
        let split = self.split.unwrap_or(bytes.len()).max(1);
        for chunk in bytes.chunks(split) {
            self.stream()?.write(chunk)?;
        }
        if cut { Err(self.close()) } else { Ok(()) }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed by the endpoint")
}

/// The bytes of one message, read packet by packet as they are asked for.
pub(crate) struct Message<'c> {
    channel: &'c mut Channel,
    data: Vec<u8>,
    at: usize,
    last: bool,
}

impl<'c> Message<'c> {
    pub fn new(channel: &'c mut Channel, first: Packet) -> Message<'c> {
        let last = first.is_last();
        Message { channel, data: first.data, at: 0, last }
    }

    fn more(&mut self) -> io::Result<()> {
        if self.last {
            return Err(malformed("the message ends too early"));
        }
        self.data.drain(..self.at);
        self.at = 0;
        let packet = self.channel.read_packet()?;
        self.last = packet.is_last();
        // The client gave up on the message: there is nothing to take from it.
        if packet.status & 2 != 0 {
            return Err(malformed("the message was withdrawn"));
        }
        self.data.extend_from_slice(&packet.data);
        Ok(())
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.data.len() - self.at < count {
            self.more()?;
        }
        self.at += count;
        Ok(&self.data[self.at - count..self.at])
    }

    pub fn uint(&mut self, count: usize) -> io::Result<u64> {
        Ok(self.take(count)?.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    pub fn u8(&mut self) -> io::Result<u8> {
        Ok(self.uint(1)? as u8)
    }

    pub fn u16(&mut self) -> io::Result<u16> {
        Ok(self.uint(2)? as u16)
    }

    pub fn u32(&mut self) -> io::Result<u32> {
        Ok(self.uint(4)? as u32)
    }

    /// Text of so many UTF-16 units.
    pub fn text(&mut self, units: usize) -> io::Result<String> {
        Ok(crate::text::from_utf16le(self.take(units * 2)?))
    }

    pub fn is_empty(&mut self) -> io::Result<bool> {
        while self.data.len() == self.at && !self.last {
            self.more()?;
        }
        Ok(self.data.len() == self.at)
    }

    /// All that is left.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        while !self.last {
            self.more()?;
        }
        let rest = self.data.split_off(self.at);
        Ok(rest)
    }

    /// Reads to the end and throws it away.
    pub fn drain(&mut self) -> io::Result<()> {
        while !self.last {
            self.at = self.data.len();
            self.more()?;
        }
        Ok(())
    }
}
