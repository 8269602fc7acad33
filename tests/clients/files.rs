//! The file server: curl, wrk, and sockets that send what no client would.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::process::{Process, Server, exchange, installed};

/// A folder that is served, inside of another. Removed when dropped.
pub struct Site(PathBuf);

impl Site {
    pub fn new() -> Site {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("odeon-site-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let site = Site(std::env::temp_dir().join(name));
        // Another process of this number may have left one.
        let _ = fs::remove_dir_all(&site.0);
        fs::create_dir_all(site.root().join("deep")).unwrap();
        fs::write(site.0.join("secret.txt"), "secret").unwrap();
        site.write("index.html", b"<p>hello\n");
        site.write("deep/some file.txt", b"some text\n");
        site.write(".hidden", b"secret");
        site.write("empty.txt", b"");
        site.write("big.bin", &big());
        std::os::unix::fs::symlink("../secret.txt", site.root().join("link.txt")).unwrap();
        site
    }

    pub fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// Where a file of it lies.
    pub fn path(&self, name: &str) -> String {
        self.root().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.root().join(name), bytes).unwrap();
    }

    pub fn serve(&self, backend: &str) -> Server {
        Server::start_with("files", backend, &["--root", self.root().to_str().unwrap()])
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// More than an outbox holds.
pub fn big() -> Vec<u8> {
    (0..5_000_000_u32).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// What curl answers, to its last byte.
pub fn curl(arguments: &[&str]) -> Vec<u8> {
    let output =
        Command::new("curl").args(["--silent", "--show-error", "--max-time", "30"]).args(arguments).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

pub fn curl_gets_files_and_their_heads(backend: &str) {
    if !installed("curl") {
        return;
    }
    let site = Site::new();
    let server = site.serve(backend);
    let url = |path: &str| format!("http://{}{path}", server.address);
    assert!(curl(&[&url("/big.bin")]) == big());
    assert_eq!(curl(&[&url("/")]), b"<p>hello\n");
    assert_eq!(curl(&[&url("/deep/some%20file.txt?query")]), b"some text\n");
    assert_eq!(curl(&[&url("/empty.txt")]), b"");
    let head = text(curl(&["--head", &url("/big.bin")]));
    for line in [
        "HTTP/1.1 200 OK",
        "Content-Length: 5000000",
        "Content-Type: application/octet-stream",
        "Accept-Ranges: bytes",
    ] {
        assert!(head.lines().any(|it| it == line), "{line}: {head}");
    }
    let modified = head.lines().find_map(|line| line.strip_prefix("Last-Modified: ")).expect("a time");
    let by_date =
        Command::new("date").args(["-u", "-R", "-r", site.root().join("big.bin").to_str().unwrap()]).output();
    assert_eq!(modified.replace("GMT", "+0000"), text(by_date.unwrap().stdout).trim());
    assert!(text(curl(&["--head", &url("/")])).contains("text/html"));
    let status = |arguments: &[&str], path: &str| {
        let common = ["--output", "/dev/null", "--write-out", "%{http_code}"];
        text(curl(&[&common, arguments, &[url(path).as_str()]].concat()))
    };
    assert_eq!(status(&[], "/absent"), "404");
    assert_eq!(status(&["--head"], "/absent"), "404");
    assert_eq!(status(&[], "/deep"), "404");
    assert_eq!(status(&[], "/deep/"), "404", "there is no index");
    assert_eq!(status(&[], "/index.html/more"), "404");
    assert_eq!(status(&["--data", "body"], "/"), "405");
    assert_eq!(status(&["--request", "BREW"], "/"), "501");
    assert_eq!(status(&["--header", &format!("Much: {}", "x".repeat(9_000))], "/"), "431");
    assert_eq!(status(&["--header", "Host:"], "/"), "400");
    server.stop("TERM");
}

pub fn curl_gets_ranges(backend: &str) {
    if !installed("curl") {
        return;
    }
    let site = Site::new();
    let server = site.serve(backend);
    let url = format!("http://{}/big.bin", server.address);
    let big = big();
    for (range, part) in [
        ("0-0", 0..1),
        ("0-99", 0..100),
        ("65535-65537", 65_535..65_538),
        ("1000000-", 1_000_000..5_000_000),
        ("-1", 4_999_999..5_000_000),
        ("-9000000", 0..5_000_000),
        ("4999999-9000000", 4_999_999..5_000_000),
    ] {
        let got = curl(&["--range", range, &url]);
        assert!(got == big[part], "{range}: {} bytes", got.len());
    }
    let some = text(curl(&["--include", "--range", "0-3", &url]));
    assert!(
        some.starts_with("HTTP/1.1 206 ") && some.contains("Content-Range: bytes 0-3/5000000\r\n"),
        "{some}"
    );
    let beyond = text(curl(&["--include", "--range", "5000000-", &url]));
    assert!(
        beyond.starts_with("HTTP/1.1 416 ") && beyond.contains("Content-Range: bytes */5000000\r\n"),
        "{beyond}"
    );
    // What is not understood is sent whole.
    for range in ["0-1,3-4", "9-1", "x-y"] {
        assert!(curl(&["--range", range, &url]) == big, "{range}");
    }
    // A download that was interrupted goes on where it was.
    let partial = site.0.join("partial");
    fs::write(&partial, &big[..1_234_567]).unwrap();
    curl(&["--continue-at", "-", "--output", partial.to_str().unwrap(), &url]);
    assert!(fs::read(&partial).unwrap() == big);
    server.stop("TERM");
}

pub fn curl_asks_many_times_on_one_connection(backend: &str) {
    if !installed("curl") {
        return;
    }
    let site = Site::new();
    let server = site.serve(backend);
    let url = format!("http://{}/deep/some%20file.txt", server.address);
    let absent = format!("http://{}/absent", server.address);
    let mut arguments = vec!["--write-out", "%{num_connects}"];
    arguments.extend([&*url, &absent].repeat(10));
    let told = text(curl(&arguments));
    // Each answer is followed by the number of connections that it took.
    let expected = "some text\n1404 Not Found\n0".to_owned() + &"some text\n0404 Not Found\n0".repeat(9);
    assert_eq!(told, expected);
    server.stop("TERM");
}

pub fn pipelined_requests_are_answered_in_order(backend: &str) {
    let site = Site::new();
    let server = site.serve(backend);
    let mut requests = String::new();
    for number in 0..200 {
        let offset = number * 20_011;
        requests += &format!(
            "GET /big.bin HTTP/1.1\r\nHost: x\r\nRange: bytes={offset}-{}\r\n\r\n",
            offset + number * 100
        );
    }
    requests += "HEAD /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /never HTTP/1.1\r\nHost: x\r\n\r\n";
    let answers = exchange(server.connect(), requests.as_bytes());
    let (mut rest, big) = (&answers[..], big());
    for number in 0..200 {
        let offset = number * 20_011;
        let head = head_of(&mut rest);
        let range = format!("Content-Range: bytes {offset}-{}/5000000\r\n", offset + number * 100);
        assert!(head.starts_with("HTTP/1.1 206 ") && head.contains(&range), "{head}");
        let (body, behind) = rest.split_at(number * 100 + 1);
        assert!(body == &big[offset..=offset + number * 100], "the body of {number}");
        rest = behind;
    }
    let head = head_of(&mut rest);
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Connection: close\r\n"), "{head}");
    assert_eq!(rest, b"", "nothing follows the last answer");
    server.stop("TERM");
}

/// Takes a head off what has arrived.
fn head_of(rest: &mut &[u8]) -> String {
    let end = rest.windows(4).position(|at| at == b"\r\n\r\n").expect("a head ends") + 4;
    let (head, behind) = rest.split_at(end);
    *rest = behind;
    String::from_utf8(head.to_vec()).unwrap()
}

/// The status of the answer to these bytes, after which the server closes.
fn status_of(server: &Server, request: &[u8]) -> String {
    let answer = exchange(server.connect(), request);
    assert!(!answer.windows(6).any(|at| at == b"secret"), "it is out: {}", answer.escape_ascii());
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    status.unwrap_or_else(|| panic!("an answer, not `{answer}`")).to_owned()
}

pub fn no_path_leads_out_of_the_folder(backend: &str) {
    let site = Site::new();
    let server = site.serve(backend);
    for (path, status) in [
        ("/../secret.txt", "404"),
        ("/deep/../../secret.txt", "404"),
        ("/%2e%2e/secret.txt", "404"),
        ("/deep%2f..%2F..%2fsecret.txt", "404"),
        ("//../secret.txt", "404"),
        ("http://x/../secret.txt", "404"),
        ("/./../secret.txt", "404"),
        ("/.hidden", "404"),
        ("/deep/../.hidden", "404"),
        ("/link.txt", "403"),
        ("/link%2etxt", "403"),
        ("/secret.txt%00", "400"),
        ("/%", "400"),
        ("/%2", "400"),
        ("/%zz", "400"),
        ("secret.txt", "400"),
        ("../secret.txt", "400"),
        ("*", "400"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(status_of(&server, request.as_bytes()), status, "{path}");
    }
    let absolute = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", site.0.join("secret.txt").display());
    assert_eq!(status_of(&server, absolute.as_bytes()), "404");
    assert_eq!(status_of(&server, b"GET http://x/index.html HTTP/1.1\r\nHost: x\r\n\r\n"), "200");
    server.stop("TERM");
}

pub fn what_is_no_request_is_refused_and_nothing_behind_it_is_one(backend: &str) {
    let site = Site::new();
    let server = site.serve(backend);
    let many_fields = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(100));
    let long_line = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(10_000));
    for (request, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "400"),
        ("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "405"),
        ("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "501"),
        ("GET / HTTP/1.0\r\n\r\n", "200"),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: CLOSE\r\n\r\n", "200"),
        (&many_fields, "431"),
        (&long_line, "431"),
    ] {
        // If this were taken for a request, a second answer would come.
        let answer = exchange(
            server.connect(),
            (request.to_owned() + "GET /empty.txt HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(),
        );
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{request}: {answer}");
    }
    // Half a request is none.
    assert_eq!(exchange(server.connect(), b"GET / HTTP/1.1\r\nHos"), b"");
    server.stop("TERM");
}

/// Slowly, byte by byte, for longer than a head may take.
pub fn a_head_that_takes_too_long_is_refused(backend: &str) {
    let site = Site::new();
    let server = site.serve(backend);
    let mut slow = server.connect();
    let mut silent = server.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nSlow: ").unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut answer = Vec::new();
    // Another byte whenever nothing has come for a while, up to the answer; what is sent behind that may be too late.
    while let Err(error) = slow.read_to_end(&mut answer) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        if answer.is_empty() {
            // Unless the answer has come and gone meanwhile.
            let _ = slow.write_all(b"x");
        } else {
            slow.shutdown(Shutdown::Write).unwrap();
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", answer.escape_ascii());
    assert_eq!(silent.read_to_end(&mut Vec::new()).unwrap(), 0, "who says nothing is told nothing");
    drop((slow, silent));
    server.stop("TERM");
}

pub fn a_file_that_is_cut_short_meanwhile_resets_the_connection(backend: &str) {
    let site = Site::new();
    fs::File::create(site.root().join("sparse.bin")).unwrap().set_len(1 << 28).unwrap();
    let server = site.serve(backend);
    let mut client = server.connect();
    client.write_all(b"GET /sparse.bin HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    client.read_exact(&mut [0; 1000]).unwrap();
    // The rest cannot have been read yet: nobody has room for as much.
    fs::OpenOptions::new().write(true).open(site.root().join("sparse.bin")).unwrap().set_len(1000).unwrap();
    let error = client.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    drop(client);
    let errors = server.stop("TERM").errors;
    assert!(errors.contains("the file ends before"), "{errors}");
}

pub fn wrk_finds_no_errors(backend: &str) {
    if !installed("wrk") {
        return;
    }
    let site = Site::new();
    let server = site.serve(backend);
    for path in ["/index.html", "/big.bin"] {
        wrk_finds_no_errors_at(&format!("http://{}{path}", server.address));
    }
    assert_eq!(server.stop("TERM").errors, "");
}

/// Asks for the same again and again, on twenty connections.
pub fn wrk_finds_no_errors_at(url: &str) {
    // For longer where the machine is so busy that nothing is answered meanwhile.
    let requests = ["-d1s", "-d5s", "-d20s"].into_iter().find_map(|time| {
        let mut wrk = Command::new("wrk");
        let ended = Process::start(wrk.args(["-t1", "-c20", "--timeout", "60s", time, url])).ended();
        assert!(ended.status.success() && ended.output.contains("Requests/sec"), "{ended:?}");
        (!ended.output.contains("Requests/sec:      0.00")).then_some(ended)
    });
    let ended = requests.expect("some are answered");
    assert!(!ended.output.contains("Socket errors") && !ended.output.contains("Non-2xx"), "{ended:?}");
}
