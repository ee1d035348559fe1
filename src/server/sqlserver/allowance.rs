//! How much a server may send before somebody has taken it in.
//!
//! The driver puts together whatever arrives: a greeting without an end, a value without an end, an answer without an
//! end. So bytes are counted below the driver, and a connection fails when more of them arrive than what is waited for
//! can have.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes from the first greeting to the end of the login: names, certificates, a token.
pub(super) const LOGIN_BYTES: u64 = 1 << 20;
/// Bytes of an answer that is put together in memory: the server's catalog is the longest of them.
pub(super) const ANSWER_BYTES: u64 = 64 << 20;
/// Bytes of one row of a table, and of what comes before the first one.
pub(super) const ROW_BYTES: u64 = 256 << 20;
/// Bytes of memory that the rows of an answer may take, about.
pub(super) const ANSWER_MEMORY: usize = 128 << 20;

/// What the error says; the driver passes it on as text.
pub(super) const FLOOD: &str = "it sends more than can belong to the answer";

/// The error of too much.
pub(super) fn flood() -> io::Error {
    io::Error::other(FLOOD)
}

/// Whether an error of the driver is that one.
pub(super) fn is_flood(error: &tiberius::error::Error) -> bool {
    match error {
        tiberius::error::Error::Io { message, .. } | tiberius::error::Error::Tls(message) => {
            message.contains(FLOOD)
        }
        _ => false,
    }
}

/// How many bytes may still arrive.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicU64>);

impl Allowance {
    pub(super) fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// Allows so many bytes from now on.
    pub(super) fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }
}

/// A stream that fails when more arrives than is allowed.
pub(super) struct Limited<S> {
    inner: S,
    allowance: Allowance,
}

impl<S> Limited<S> {
    pub(super) fn new(inner: S, allowance: Allowance) -> Self {
        Self { inner, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, into);
        let arrived = (into.filled().len() - before) as u64;
        // Only one side reads a stream.
        let left = this.allowance.0.load(Ordering::Relaxed).checked_sub(arrived);
        match left {
            Some(left) => {
                if arrived > 0 {
                    this.allowance.0.store(left, Ordering::Relaxed);
                }
                polled
            }
            None => Poll::Ready(Err(flood())),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
