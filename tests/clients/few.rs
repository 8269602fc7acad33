//! Servers that may have few files open, and more clients than that: those wait, and are served.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use crate::files::Site;
use crate::process::{Server, example};

const CLIENTS: usize = 60;

/// An example that may have so many files open, on one core.
fn start(name: &str, backend: &str, files: usize, own: &[&str]) -> Server {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")]).arg(example(name));
    command.args(["--listen", "127.0.0.1:0", "--cores", "1", "--backend", backend]).args(own);
    Server::start_command(&mut command)
}

/// Everybody is there, and has asked, before anybody is heard out.
fn all_are_answered(server: &Server, question: &[u8], answers: impl Fn(&[u8]) -> bool) {
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(question).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap_or_else(|error| panic!("client {number}: {error}"));
        assert!(answers(&answer), "client {number}: {}", String::from_utf8_lossy(&answer));
    }
}

pub fn clients_of_the_proxy_wait_where_files_are_few(backend: &str) {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = upstream.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in upstream.incoming().take(CLIENTS) {
            thread::spawn(move || {
                let (mut stream, mut question) = (stream.unwrap(), Vec::new());
                stream.read_to_end(&mut question).unwrap();
                stream.write_all(&question).unwrap();
            });
        }
    });
    let proxy = start("proxy", backend, 100, &["--to", &to]);
    all_are_answered(&proxy, b"a question", |answer| answer == b"a question");
    let ended = proxy.stop("TERM");
    assert!(ended.output.contains("60 finished, 0 idle, 0 not connected, 0 broken"), "{ended:?}");
}

pub fn clients_of_the_files_wait_where_files_are_few(backend: &str) {
    let site = Site::new();
    let root = site.root();
    let server = start("files", backend, 100, &["--root", root.to_str().unwrap()]);
    let question = b"GET /index.html HTTP/1.1\r\nHost: here\r\n\r\n";
    all_are_answered(&server, question, |answer| answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(!server.stop("TERM").errors.contains("fails"), "nobody is refused a file");
}
