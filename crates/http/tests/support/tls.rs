//! A certificate authority, and a server with TLS that speaks HTTP/2 where it is asked to.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// An authority that is made for one test.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for the host `name`.
    pub fn issue(&self, name: &str) -> (Certificate, KeyPair) {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}

#[derive(PartialEq, Eq)]
pub enum ClientAuth {
    None,
    Required,
}

type Answer = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// Serves `https://localhost` until it is dropped.
pub struct TlsServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    versions: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl TlsServer {
    /// `answer` makes a body of a path, on threads that may block.
    pub fn new(
        authority: &Authority,
        clients: ClientAuth,
        protocols: &[&str],
        answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let config = server_config(authority, &clients, protocols);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, versions) = (Arc::default(), Arc::default());
        let (count, log) = (Arc::clone(&connections), Arc::clone(&versions));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let answer: Answer = Arc::new(answer);
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                AtomicUsize::fetch_add(&count, 1, Ordering::SeqCst);
                let talk = talk(
                    acceptor.clone(),
                    stream,
                    Arc::clone(&answer),
                    Arc::clone(&log),
                );
                tokio::spawn(talk);
            }
        });
        Self {
            address,
            connections,
            versions,
            _runtime: runtime,
        }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The protocol of each request so far.
    pub fn versions(&self) -> Vec<String> {
        self.versions.lock().unwrap().clone()
    }
}

fn server_config(
    authority: &Authority,
    clients: &ClientAuth,
    protocols: &[&str],
) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (certificate, key) = authority.issue("localhost");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if *clients == ClientAuth::Required {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![certificate.der().clone()];
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    config
}

async fn talk(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    answer: Answer,
    log: Arc<Mutex<Vec<String>>>,
) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = Arc::clone(&answer);
        log.lock().unwrap().push(format!("{:?}", request.version()));
        async move {
            let path = request.uri().path().to_owned();
            let body = tokio::task::spawn_blocking(move || answer(&path))
                .await
                .unwrap();
            Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from(body))))
        }
    });
    let io = TokioIo::new(stream);
    let _ = if http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service)
            .await
    } else {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(io, service)
            .await
    };
}
