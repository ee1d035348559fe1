//! TLS inside TDS: the handshake's records travel in packets of type 0x12, what follows does not.

use super::channel::Stream;
use super::malformed;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A certificate authority of the endpoint's own, and what it signed for localhost.
pub(crate) struct Identity {
    pub config: Arc<ServerConfig>,
    /// The authority's certificate, for clients that check.
    pub authority: PathBuf,
}

pub(crate) fn identity(folder: &Path, names: &[String]) -> Result<Identity, Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "endpoint authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(names.to_vec())?.signed_by(&key, &authority)?;
    let path = folder.join("authority.pem");
    std::fs::write(&path, authority.pem())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der())?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    // A ticket would come after the handshake, when the client no longer unwraps packets.
    config.send_tls13_tickets = 0;
    Ok(Identity { config: Arc::new(config), authority: path })
}

/// The socket while handshake records are wrapped.
struct Wrapped {
    socket: TcpStream,
    unread: Vec<u8>,
    unsent: Vec<u8>,
}

impl Read for Wrapped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            let mut header = [0; 8];
            self.socket.read_exact(&mut header)?;
            if header[0] != 0x12 {
                return Err(malformed(format!("packet type {} within the TLS handshake", header[0])));
            }
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            self.unread = vec![0; length.checked_sub(8).ok_or_else(|| malformed("short packet"))?];
            self.socket.read_exact(&mut self.unread)?;
        }
        let count = buffer.len().min(self.unread.len());
        buffer[..count].copy_from_slice(&self.unread[..count]);
        self.unread.drain(..count);
        Ok(count)
    }
}

impl Write for Wrapped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unsent.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        for chunk in std::mem::take(&mut self.unsent).chunks(4088) {
            let length = (chunk.len() as u16 + 8).to_be_bytes();
            self.socket.write_all(&[0x12, 1, length[0], length[1], 0, 0, 0, 0])?;
            self.socket.write_all(chunk)?;
        }
        Ok(())
    }
}

/// Shakes hands as the server.
pub(crate) fn accept(stream: Stream, config: Arc<ServerConfig>) -> io::Result<Stream> {
    let Stream::Plain(socket) = stream else { return Err(malformed("TLS twice")) };
    let mut connection = ServerConnection::new(config).map_err(malformed)?;
    let mut wrapped = Wrapped { socket, unread: Vec::new(), unsent: Vec::new() };
    while connection.is_handshaking() {
        while connection.wants_write() {
            connection.write_tls(&mut wrapped)?;
        }
        wrapped.flush()?;
        if connection.is_handshaking() && connection.wants_read() {
            if connection.read_tls(&mut wrapped)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Err(error) = connection.process_new_packets() {
                // The alert tells the client why.
                while connection.wants_write() {
                    connection.write_tls(&mut wrapped)?;
                }
                wrapped.flush()?;
                return Err(malformed(error));
            }
        }
    }
    while connection.wants_write() {
        connection.write_tls(&mut wrapped)?;
    }
    wrapped.flush()?;
    Ok(Stream::Tls(Box::new(StreamOwned::new(connection, wrapped.socket))))
}
