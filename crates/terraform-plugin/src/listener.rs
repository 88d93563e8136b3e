//! Where Terraform connects: a Unix socket that only this user can reach, or TCP on the loopback where there are none.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::transport::server::Connected;

/// A client that has connected gets this long for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What is tried again after this pause, when the system has no more sockets for us.
const PAUSE: Duration = Duration::from_millis(100);

/// The listening socket. Dropping it removes the socket's file and directory.
pub struct Listener {
    socket: Socket,
    address: String,
}

enum Socket {
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, #[allow(dead_code, reason = "removed on drop")] tempfile::TempDir),
    #[cfg_attr(unix, allow(dead_code, reason = "for systems without Unix sockets"))]
    Tcp(TcpListener),
}

impl Listener {
    /// Listens in a new directory of mode 0700 inside of `directory`, or else of the system's temporary directory.
    #[cfg(unix)]
    pub fn bind(directory: Option<&Path>) -> Result<Self, (PathBuf, io::Error)> {
        let parent = directory.map_or_else(std::env::temp_dir, Path::to_owned);
        let bind = || {
            use std::os::unix::fs::PermissionsExt;
            let only_this_user = std::fs::Permissions::from_mode(0o700);
            let directory =
                tempfile::Builder::new().prefix("terraform-plugin-").permissions(only_this_user).tempdir_in(&parent)?;
            let path = directory.path().join("socket");
            // The handshake is one line of text, in which fields end at a bar.
            let fits = |address: &&str| !address.contains(|c: char| c == '|' || c.is_control());
            let Some(address) = path.to_str().filter(fits).map(str::to_owned) else {
                let reason = "the path cannot be told in a handshake: it has a bar, a control character, or no UTF-8";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
            };
            let listener = tokio::net::UnixListener::bind(&path)?;
            Ok(Self { socket: Socket::Unix(listener, directory), address })
        };
        bind().map_err(|error| (parent.clone(), error))
    }

    /// Listens on a free port of the loopback.
    #[cfg(not(unix))]
    pub fn bind(_: Option<&Path>) -> Result<Self, (PathBuf, io::Error)> {
        let bind = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?.to_string();
            Ok(Self { socket: Socket::Tcp(TcpListener::from_std(listener)?), address })
        };
        bind().map_err(|error| (PathBuf::from("127.0.0.1"), error))
    }

    /// The network's name and the address, as in the handshake.
    pub fn address(&self) -> (&'static str, &str) {
        let network = match self.socket {
            #[cfg(unix)]
            Socket::Unix(..) => "unix",
            Socket::Tcp(_) => "tcp",
        };
        (network, &self.address)
    }

    /// Clients, in the order in which they are done with their TLS handshake. Who fails it is logged and left out.
    pub fn connections(&self, tls: Option<TlsAcceptor>) -> impl Stream<Item = io::Result<Connection>> {
        let accepted = stream::unfold(self, async |listener| Some((listener.accept().await, listener)));
        let ready = accepted.map(move |connection| handshake(connection, tls.clone())).buffer_unordered(16);
        ready.filter_map(async |connection| {
            Some(connection.inspect_err(|error| {
                tracing::warn!(%error, "refused a connection");
            }))
        })
    }

    async fn accept(&self) -> Connection {
        loop {
            let accepted = match &self.socket {
                #[cfg(unix)]
                Socket::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Connection::new(stream)),
                Socket::Tcp(listener) => listener.accept().await.and_then(|(stream, _)| {
                    stream.set_nodelay(true)?;
                    Ok(Connection::new(stream))
                }),
            };
            match accepted {
                Ok(connection) => return connection,
                Err(error) => tracing::warn!(%error, "cannot accept a connection"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn handshake(connection: Connection, tls: Option<TlsAcceptor>) -> io::Result<Connection> {
    match tls {
        Some(tls) => tokio::time::timeout(HANDSHAKE, tls.accept(connection)).await?.map(Connection::new),
        None => Ok(connection),
    }
}

/// One client, whatever it came by.
pub struct Connection(Box<dyn Duplex>);

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Connection {
    fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Box::new(stream))
    }
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
