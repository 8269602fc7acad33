//! A folder, served over HTTP/1.1: GET and HEAD, with ranges.
//!
//!     cargo run --release --example files -- --listen 127.0.0.1:8080 --root .
//!     curl -r 0-99 http://127.0.0.1:8080/README.md
//!
//! Shows: requests that are read with a limit and a time, parsed by a crate for it, and answered in their order; files that go to the
//! peer without passing through the code here, a piece at a time as the peer takes them; a folder that no path leads out of.
//!
//! A name that begins with a dot is not served, and neither is a folder, but by its `index.html`. A file that is cut short while it is
//! sent ends its connection by a reset, because its length was promised. Requests have no bodies.
//!
//! Limits: a head of 8 KiB with 64 fields, which has to be there within ten seconds after the last answer. A peer that takes
//! nothing for `Config::write_stall`, 30 s, is cut off. A connection holds as much of a file as its outbox does. Clients beyond half of what the
//! descriptors allow wait to be accepted: each takes up two, its own and that of a file.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::{Rc, Weak};
use std::time::{Duration, SystemTime};

use odeon::fs::{Directory, File};
use odeon::prelude::*;
use odeon::time::timeout;

#[path = "support/places.rs"]
mod places;
mod support;

use support::Error;

const HEAD_BYTES_MAX: usize = 8 << 10;
const FIELDS_MAX: usize = 64;
const HEAD_TIME: Duration = Duration::from_secs(10);

/// Status codes with what they are called.
type Status = &'static str;

struct Request {
    head_only: bool,
    /// Below the folder.
    path: PathBuf,
    range: Option<Range>,
    /// No other request follows.
    last: bool,
}

/// The part of a file that is asked for, whatever its length is.
#[derive(Clone, Copy)]
enum Range {
    From(u64),
    FromTo(u64, u64),
    /// So many bytes at its end.
    Last(u64),
}

/// Serves a connection, from its first request to its end.
async fn attend(mut stream: Stream, root: PathBuf) -> io::Result<()> {
    let root = open_root(root).await?;
    let mut head = Vec::new();
    loop {
        let request = match read_head(&mut stream, &mut head).await? {
            Ok(true) => parse(&head),
            Ok(false) => return Ok(()),
            Err(status) => Err(status),
        };
        // Whatever follows a request that is not understood may be a part of it.
        let request = match request {
            Ok(request) => request,
            Err(status) => return refuse(&mut stream, status, "", false, true).await,
        };
        answer(&mut stream, &root, &request).await?;
        if request.last {
            return Ok(());
        }
    }
}

/// The folder, opened once on each core for all connections that are there.
async fn open_root(path: PathBuf) -> io::Result<Rc<Directory>> {
    thread_local! {
        static OPEN: RefCell<Weak<Directory>> = const { RefCell::new(Weak::new()) };
    }
    if let Some(root) = OPEN.with_borrow(Weak::upgrade) {
        return Ok(root);
    }
    // Others may do the same meanwhile: the last is kept.
    let root = Rc::new(Directory::open(path).await?);
    OPEN.set(Rc::downgrade(&root));
    Ok(root)
}

/// Reads the head of a request; false if none follows.
async fn read_head(stream: &mut Stream, head: &mut Vec<u8>) -> io::Result<Result<bool, Status>> {
    head.clear();
    match timeout(HEAD_TIME, read_lines(stream, head)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::InvalidData => {
            Ok(Err("431 Request Header Fields Too Large"))
        }
        Ok(read) => Ok(Ok(read?)),
        Err(_) if head.is_empty() => Ok(Ok(false)),
        Err(_) => Ok(Err("408 Request Timeout")),
    }
}

/// Reads lines up to an empty one behind others.
async fn read_lines(stream: &mut Stream, head: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let start = head.len();
        if stream.read_until(b'\n', HEAD_BYTES_MAX.saturating_sub(start), head).await? == 0 {
            return Ok(false);
        }
        if matches!(&head[start..], b"\r\n" | b"\n") {
            if start > 0 {
                return Ok(true);
            }
            head.clear();
        }
    }
}

fn parse(head: &[u8]) -> Result<Request, Status> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err("431 Request Header Fields Too Large"),
        _ => return Err("400 Bad Request"),
    }
    let head_only = match parsed.method {
        Some("GET") => false,
        Some("HEAD") => true,
        Some("POST" | "PUT" | "DELETE" | "PATCH" | "OPTIONS" | "TRACE" | "CONNECT") => {
            return Err("405 Method Not Allowed");
        }
        _ => return Err("501 Not Implemented"),
    };
    let newest = parsed.version == Some(1);
    let fields = |name| {
        let fields = parsed.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        fields.map(|field| field.value.trim_ascii())
    };
    let has_body =
        fields("transfer-encoding").next().is_some() || fields("content-length").any(|length| length != b"0");
    if has_body || (newest && fields("host").count() != 1) {
        return Err("400 Bad Request");
    }
    let closes = |field: &[u8]| {
        field.split(|byte| *byte == b',').any(|it| it.trim_ascii().eq_ignore_ascii_case(b"close"))
    };
    // Of a range that holds only under a condition, the whole may be sent as well; HEAD knows none.
    let whole = head_only || fields("if-range").next().is_some();
    let range = fields("range").next().filter(|_| !whole).and_then(parse_range);
    let path = parse_target(parsed.path.unwrap_or_default())?;
    Ok(Request { head_only, path, range, last: !newest || fields("connection").any(closes) })
}

/// One range of bytes; of what is not understood, as of several, the whole is sent.
fn parse_range(field: &[u8]) -> Option<Range> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    let (first, last) = str::from_utf8(field).ok()?.strip_prefix("bytes=")?.split_once('-')?;
    match (first, last) {
        ("", last) => Some(Range::Last(number(last)?)),
        (first, "") => Some(Range::From(number(first)?)),
        (first, last) => Some(Range::FromTo(number(first)?, number(last)?)),
    }
    .filter(|range| !matches!(range, Range::FromTo(first, last) if first > last))
}

/// What a target names below the folder. The folder itself lets nothing lead out; here nothing is let through that might.
fn parse_target(target: &str) -> Result<PathBuf, Status> {
    let target = match target.split_once("://") {
        // The whole address, as for a proxy.
        Some(("http", rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        _ => target,
    };
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = path.strip_prefix('/').and_then(decode).ok_or("400 Bad Request")?;
    let hidden = |name: &[u8]| name.starts_with(b".");
    if path.contains(&0) {
        return Err("400 Bad Request");
    }
    if path.starts_with(b"/") || path.split(|byte| *byte == b'/').any(hidden) {
        return Err("404 Not Found");
    }
    let path = Path::new(OsStr::from_bytes(&path));
    let is_folder = path.as_os_str().is_empty() || path.as_os_str().as_bytes().ends_with(b"/");
    Ok(if is_folder { path.join("index.html") } else { path.to_owned() })
}

/// Replaces `%` and two digits by the byte that they stand for.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(if byte == b'%' { (digit()? * 16 + digit()?) as u8 } else { byte });
    }
    Some(bytes)
}

async fn answer(stream: &mut Stream, root: &Directory, request: &Request) -> io::Result<()> {
    let opened = open(root, &request.path).await;
    let (file, size, modified) = match opened {
        Ok(opened) => opened,
        Err(status) => return refuse(stream, status, "", request.head_only, request.last).await,
    };
    let (status, offset, length) = match request.range.map(|range| range.within(size)) {
        None => ("200 OK", 0, size),
        Some(Some((offset, length))) => ("206 Partial Content", offset, length),
        Some(None) => {
            let field = format!("Content-Range: bytes */{size}\r\n");
            return refuse(stream, "416 Range Not Satisfiable", &field, request.head_only, request.last)
                .await;
        }
    };
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nAccept-Ranges: bytes\r\n");
    head += &format!("Content-Type: {}\r\n", kind(&request.path));
    if status.starts_with("206") {
        head += &format!("Content-Range: bytes {offset}-{}/{size}\r\n", offset + length - 1);
    }
    if let Some(modified) = modified {
        head += &format!("Last-Modified: {}\r\n", date(modified));
    }
    stream.write_all(head + end_of_head(request.last)).await?;
    if request.head_only { Ok(()) } else { stream.send_file(&file, offset, length).await }
}

/// Opens a file below the folder; answers how large it is and when it was written.
async fn open(root: &Directory, path: &Path) -> Result<(File, u64, Option<SystemTime>), Status> {
    let status = |error: io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => "404 Not Found",
        ErrorKind::PermissionDenied | ErrorKind::CrossesDevices => "403 Forbidden",
        _ => "503 Service Unavailable",
    };
    let file = root.open_file(path).await.map_err(status)?;
    let metadata = file.metadata().await.map_err(status)?;
    if !metadata.is_file() {
        return Err("404 Not Found");
    }
    Ok((file, metadata.len(), metadata.modified()))
}

/// Says no, with a few words for people.
async fn refuse(
    stream: &mut Stream,
    status: Status,
    field: &str,
    head_only: bool,
    last: bool,
) -> io::Result<()> {
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let length = status.len() + 1;
    let mut answer = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n");
    answer = answer + field + allow + end_of_head(last);
    if !head_only {
        answer = answer + status + "\n";
    }
    stream.write_all(answer).await
}

fn end_of_head(last: bool) -> &'static str {
    if last { "Connection: close\r\n\r\n" } else { "\r\n" }
}

impl Range {
    /// Where it begins in a file of this size, and how long it is there; none if there is nothing of it.
    fn within(self, size: u64) -> Option<(u64, u64)> {
        let (first, end) = match self {
            Range::From(first) => (first, size),
            Range::FromTo(first, last) => (first, size.min(last.saturating_add(1))),
            Range::Last(count) => (size.saturating_sub(count), size),
        };
        (first < end).then(|| (first, end - first))
    }
}

/// What a file is, by the end of its name.
fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(OsStr::to_str).unwrap_or_default() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" | "md" | "rs" | "toml" => "text/plain; charset=utf-8",
        "json" => "application/json",
        "wasm" => "application/wasm",
        "pdf" => "application/pdf",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "mp4" => "video/mp4",
        _ => "application/octet-stream",
    }
}

/// A time in the words of HTTP, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that a leap day is the last.
    let (era, of_era) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_based = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * march_based + 2) / 5 + 1, (march_based + 2) % 12);
    let year = era * 400 + year + u64::from(month < 2);
    let (weekday, month) = (DAYS[(days % 7) as usize], MONTHS[month as usize]);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

fn main() -> ExitCode {
    support::serve(
        "files",
        "[--root FOLDER]",
        Config::default(),
        |system, address, options| -> Result<_, Error> {
            let root = PathBuf::from(options.get("--root").map_or(".", String::as_str));
            // Found out now, and not by the first who asks.
            std::fs::read_dir(&root).map_err(|error| format!("{}: {error}", root.display()))?;
            let listener = system.listener(address).max_connections(places::clients_max(system, 2));
            Ok(listener.serve(move |stream| attend(stream, root))?)
        },
    )
}
