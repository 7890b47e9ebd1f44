//! What stands before a server: a proxy, or a host that speaks TLS or looks at the heads of requests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

type Judge = dyn Fn(&str) -> bool + Send + Sync;

/// Passes requests on to the server behind it, one a connection; ends when it is dropped.
pub(crate) struct Front {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Front {
    /// Passes on to `upstream` (`http://HOST:PORT`) what `judge` agrees to by its head; the rest is answered with 401.
    pub(crate) fn start(
        upstream: &str,
        tls: Option<ServerConfig>,
        judge: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let door = Arc::new(Door {
            upstream: upstream.trim_start_matches("http://").to_owned(),
            tls: tls.map(Arc::new),
            judge: Box::new(judge),
            heads: Arc::clone(&heads),
        });
        let stop = Arc::clone(&stopping);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let (door, stream) = (Arc::clone(&door), stream.unwrap());
                // A client that went away is no fault of the test.
                thread::spawn(move || door.accept(stream).unwrap_or_default());
            }
        });
        Self {
            address,
            stopping,
            heads,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

struct Door {
    upstream: String,
    tls: Option<Arc<ServerConfig>>,
    judge: Box<Judge>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Door {
    fn accept(&self, stream: TcpStream) -> std::io::Result<()> {
        match &self.tls {
            None => self.talk(stream),
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                let mut secure = StreamOwned::new(connection, stream);
                self.talk(&mut secure)?;
                secure.conn.send_close_notify();
                secure.flush()
            }
        }
    }

    fn talk(&self, mut client: impl Read + Write) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        self.heads.lock().unwrap().push(head.clone());
        if !(self.judge)(&head) {
            return client
                .write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        let target = head.split(' ').nth(1).unwrap();
        let path = match target.strip_prefix("http://") {
            Some(absolute) => &absolute[absolute.find('/').unwrap()..],
            None => target,
        };
        let mut server = TcpStream::connect(&self.upstream)?;
        write!(server, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut answer = Vec::new();
        // The server ends when it has read this end.
        server.shutdown(std::net::Shutdown::Write)?;
        server.read_to_end(&mut answer)?;
        let end = answer.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
        client.write_all(&answer[..end])?;
        client.write_all(b"Connection: close\r\n")?;
        client.write_all(&answer[end..])?;
        client.flush()
    }
}

/// An authority that is made for one test.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    root: rustls::pki_types::CertificateDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            root: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes its certificate to a file.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, &self.pem).unwrap();
        path
    }

    /// Writes a certificate for a client, and its key, to two files.
    pub(crate) fn write_client(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let params = CertificateParams::new(vec!["client".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let paths = (folder.join("client.pem"), folder.join("client.key"));
        std::fs::write(&paths.0, certificate.pem()).unwrap();
        std::fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }

    /// How `localhost` speaks TLS, to clients of this authority alone.
    pub(crate) fn server_config(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}
