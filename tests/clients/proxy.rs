//! The proxy: curl through it to the file server, and sockets at both ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::files::{Site, big, curl, wrk_finds_no_errors_at};
use crate::process::{PATIENCE, Server, installed};

fn proxy(backend: &str, to: &TcpListener, more: &[&str]) -> Server {
    let to = to.local_addr().unwrap().to_string();
    Server::start_with("proxy", backend, &[&["--to", &to], more].concat())
}

/// A connection through a proxy, both ends of it.
fn pair(proxy: &Server, far: &TcpListener) -> (TcpStream, TcpStream) {
    let client = proxy.connect();
    let (far, _) = far.accept().unwrap();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    (client, far)
}

/// Ends the proxy; answers what it says it has done.
fn counts(proxy: Server) -> String {
    let ended = proxy.stop("TERM");
    ended.output.lines().last().expect("it says what it has done").to_owned()
}

pub fn curl_gets_files_through_the_proxy(backend: &str) {
    if !installed("curl") {
        return;
    }
    let site = Site::new();
    let files = site.serve(backend);
    let proxy = Server::start_with("proxy", backend, &["--to", &files.address.to_string()]);
    let url = |path: &str| format!("http://{}{path}", proxy.address);
    assert!(curl(&[&url("/big.bin")]) == big());
    assert!(curl(&["--range", "1000-4000000", &url("/big.bin")]) == big()[1_000..=4_000_000]);
    assert_eq!(curl(&[&url("/index.html"), &url("/absent")]), b"<p>hello\n404 Not Found\n");
    let counts = counts(proxy);
    assert!(
        counts.starts_with("connections: 3 finished, 0 idle, 0 not connected, 0 broken; bytes: "),
        "{counts}"
    );
    files.stop("TERM");
}

pub fn wrk_finds_no_errors_through_the_proxy(backend: &str) {
    if !installed("wrk") {
        return;
    }
    let site = Site::new();
    let files = site.serve(backend);
    let proxy = Server::start_with("proxy", backend, &["--to", &files.address.to_string()]);
    for path in ["/index.html", "/big.bin"] {
        wrk_finds_no_errors_at(&format!("http://{}{path}", proxy.address));
    }
    let counts = counts(proxy);
    assert!(counts.contains(" 0 idle, 0 not connected, ") && !counts.ends_with(" 0 down"), "{counts}");
    files.stop("TERM");
}

/// Takes one request with a body of known length; answers with its head and the body.
fn take_upload(far: &mut TcpStream) -> (String, Vec<u8>) {
    let mut read = Vec::new();
    let end = loop {
        let mut piece = [0; 4096];
        let count = far.read(&mut piece).unwrap();
        assert!(count > 0, "a head has an end");
        read.extend_from_slice(&piece[..count]);
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let mut body = read.split_off(end);
    let head = String::from_utf8(read).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("it is known");
    let missing = length.parse::<usize>().unwrap() - body.len();
    far.take(missing as u64).read_to_end(&mut body).unwrap();
    far.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nConnection: close\r\n\r\nkept\n").unwrap();
    (head, body)
}

pub fn curl_uploads_through_the_proxy(backend: &str) {
    if !installed("curl") {
        return;
    }
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = proxy(backend, &upstream, &[]);
    let site = Site::new();
    let taking = std::thread::spawn(move || {
        let (mut far, _) = upstream.accept().unwrap();
        far.set_read_timeout(Some(PATIENCE)).unwrap();
        take_upload(&mut far)
    });
    let url = format!("http://{}/stored.bin", proxy.address);
    let file = site.path("big.bin");
    // Without a word beforehand whether the upload is wanted, which nobody gives here.
    assert_eq!(curl(&["--header", "Expect:", "--upload-file", &file, &url]), b"kept\n");
    let (head, body) = taking.join().unwrap();
    assert!(head.starts_with("PUT /stored.bin HTTP/1.1\r\n"), "{head}");
    assert!(body == big());
    let counts = counts(proxy);
    assert!(counts.starts_with("connections: 1 finished, 0 idle, 0 not connected, 0 broken; "), "{counts}");
}

pub fn a_half_close_goes_through_the_proxy(backend: &str) {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = proxy(backend, &upstream, &[]);
    let (mut client, mut far) = pair(&proxy, &upstream);
    client.write_all(b"a question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut question = String::new();
    far.read_to_string(&mut question).unwrap();
    assert_eq!(question, "a question");
    far.write_all(b"an answer after the end").unwrap();
    drop(far);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "an answer after the end");
    drop(client);
    let expected = "connections: 1 finished, 0 idle, 0 not connected, 0 broken; bytes: 10 up, 23 down";
    assert_eq!(counts(proxy), expected);
}

pub fn nobody_upstream_is_told_and_resets_the_client(backend: &str) {
    // It has a port, so that nobody else gets that, and does not listen.
    let nobody = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    nobody.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = nobody.local_addr().unwrap().as_socket().unwrap();
    let proxy = Server::start_with("proxy", backend, &["--to", &address.to_string()]);
    for _ in 0..3 {
        // Perhaps before the call that connects has come back.
        let client = TcpStream::connect(proxy.address);
        let error = client.and_then(|mut client| client.read_to_end(&mut Vec::new())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    let ended = proxy.stop("TERM");
    let line = format!("proxy: cannot connect to {address}: Connection refused (os error 111)");
    let told: Vec<&str> = ended.errors.lines().filter(|line| line.starts_with("proxy: ")).collect();
    assert_eq!(told, [&line; 3]);
    assert!(ended.errors.contains("odeon: proxy::Client ends: it has failed, "), "{ended:?}");
    assert!(
        ended.output.ends_with("0 finished, 0 idle, 3 not connected, 0 broken; bytes: 0 up, 0 down\n"),
        "{ended:?}"
    );
}

pub fn silence_ends_a_connection_of_the_proxy(backend: &str) {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = proxy(backend, &upstream, &["--idle", "1"]);
    let (mut client, mut far) = pair(&proxy, &upstream);
    client.write_all(b"once").unwrap();
    far.read_exact(&mut [0; 4]).unwrap();
    far.write_all(b"twice").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "twice", "it is closed in order");
    assert_eq!(far.read_to_end(&mut Vec::new()).unwrap(), 0, "and so is the other one");
    drop((client, far));
    let expected = "connections: 0 finished, 1 idle, 0 not connected, 0 broken; bytes: 4 up, 5 down";
    assert_eq!(counts(proxy), expected);
}

pub fn a_side_that_vanishes_is_a_reset_for_the_other(backend: &str) {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = proxy(backend, &upstream, &[]);
    for client_vanishes in [true, false] {
        let (client, far) = pair(&proxy, &upstream);
        let (mut stays, mut vanishes) = if client_vanishes { (far, client) } else { (client, far) };
        stays.write_all(b"unread").unwrap();
        vanishes.read_exact(&mut [0]).unwrap();
        // Closing with bytes unread resets the connection.
        drop(vanishes);
        assert_eq!(stays.read_to_end(&mut Vec::new()).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    let expected = "connections: 0 finished, 0 idle, 0 not connected, 2 broken; bytes: 6 up, 6 down";
    assert_eq!(counts(proxy), expected);
}
