//! An example as a process: started, listened to, ended. Nothing here waits for longer than [`PATIENCE`].

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Once;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use std::{fs, io, thread};

use odeon::sys::now;

/// Far longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// True if the machine lets a backend be used; says so if it does not.
pub fn usable(backend: &str) -> bool {
    #[cfg(target_os = "linux")]
    if backend == "uring"
        && let Err(error) = io_uring::IoUring::new(4)
    {
        eprintln!("skipped: this machine refuses io_uring: {error}");
        return false;
    }
    cfg!(target_os = "linux") || backend != "uring"
}

/// True if a tool that a case needs is installed; says so if it is not.
pub fn installed(tool: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(tool).is_file());
    if !found {
        eprintln!("skipped: `{tool}` is not installed");
    }
    found
}

/// The program of an example, up to date.
pub fn example(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).expect("a test lies in PROFILE/deps");
    BUILT.call_once(|| build_examples(profile));
    profile.join("examples").join(name)
}

/// Builds the examples as this test was built. `cargo test` has done so already, unless it was told to run this test alone.
fn build_examples(profile: &Path) {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--quiet", "--package", "odeon", "--examples"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    match profile.file_name().and_then(OsStr::to_str) {
        Some("debug") => {}
        Some(name) => drop(command.args(["--profile", name])),
        None => panic!("a profile has a name"),
    }
    let above = profile.parent().expect("profiles lie in the target folder");
    // Cargo keeps what it knows of the compiler at the top of the target folder, whoever made that.
    if !above.join(".rustc_info.json").exists() {
        command.arg("--target").arg(above.file_name().expect("a platform has a name"));
    }
    // What cargo tells this test about its package would look like a change to build scripts that ask for it.
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"]
            .iter()
            .any(|it| name.starts_with(it))
        {
            command.env_remove(variable);
        }
    }
    assert!(command.status().unwrap().success(), "the examples build");
}

/// A command that runs a program where io_uring is refused.
pub fn without_io_uring(program: &Path) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/without-io-uring"));
    command.arg(program);
    command
}

/// Lines that a process prints, as they come.
pub struct Lines(Receiver<String>);

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Lines {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Lines(receiver)
    }

    /// The next line; `None` at the end.
    pub fn next(&self) -> Option<String> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing was printed for too long"),
        }
    }

    /// All lines until the end, as one text.
    pub fn rest(&self) -> String {
        std::iter::from_fn(|| self.next()).fold(String::new(), |text, line| text + &line + "\n")
    }
}

/// How a process ended, and what it had printed.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub output: String,
    pub errors: String,
}

/// A process whose output is read as it comes. Killed when dropped.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    pub output: Lines,
    pub errors: Lines,
}

impl Process {
    pub fn start(command: &mut Command) -> Process {
        let mut child = command
            .env_remove("ODEON_BACKEND")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let input = child.stdin.take();
        let output = Lines::of(child.stdout.take().unwrap());
        let errors = Lines::of(child.stderr.take().unwrap());
        Process { child, input, output, errors }
    }

    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("its input is open");
        // As one piece: what it is given in two may leave in two.
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub fn end_of_input(&mut self) {
        self.input = None;
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until a signal has stopped every thread of the process.
    pub fn until_stopped(&self) {
        let tasks = format!("/proc/{}/task", self.child.id());
        let is_stopped = |task: fs::DirEntry| {
            let status = fs::read_to_string(task.path().join("status")).unwrap();
            status.lines().any(|line| line.starts_with("State:\tT"))
        };
        until("the process has stopped", || {
            fs::read_dir(&tasks).unwrap().all(|task| is_stopped(task.unwrap()))
        });
    }

    /// Waits for the end of the process.
    pub fn ended(mut self) -> Ended {
        // The streams end when the process does, and these waits have a limit.
        let (output, errors) = (self.output.rest(), without_slowness(&self.errors.rest()));
        Ended { status: self.child.wait().unwrap(), output, errors }
    }
}

/// Waits until something is so. A process that has ended, and that nobody has waited for, is still there to be looked at.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let give_up = now().after(PATIENCE);
    while !done() {
        assert!(now() < give_up, "waited in vain: {what}");
        thread::yield_now();
    }
}

/// A machine that does much else, or a test that stops a process, keeps cores waiting as a slow handler does.
fn without_slowness(errors: &str) -> String {
    const SAID: [&str; 2] = [
        "has kept its core from everything else",
        "that its core was kept from everything else, within a second",
    ];
    errors.split_inclusive('\n').filter(|line| SAID.iter().all(|said| !line.contains(said))).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail for a process that has ended, and was waited for.
        let (_, _) = (self.child.kill(), self.child.wait());
    }
}

/// Writes and reads at the same time, ends its side, and answers all that came back.
pub fn exchange(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let mut reader = stream.try_clone().unwrap();
    let back = thread::spawn(move || {
        let mut back = Vec::new();
        reader.read_to_end(&mut back).unwrap();
        back
    });
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    back.join().unwrap()
}

/// The same; answers the lines that came back.
pub fn lines_of(stream: TcpStream, bytes: &[u8]) -> Vec<String> {
    let back = String::from_utf8(exchange(stream, bytes)).unwrap();
    assert!(back.is_empty() || back.ends_with('\n'), "whole lines, not `{back}`");
    back.lines().map(str::to_owned).collect()
}

/// SIGINT and SIGTERM, as bits of a mask.
const INTERRUPT_AND_TERMINATE: u64 = (1 << (2 - 1)) | (1 << (15 - 1));

/// An example that listens.
pub struct Server {
    pub process: Process,
    pub address: SocketAddr,
    /// The line that said so.
    pub banner: String,
}

impl Server {
    /// Starts an example on two cores and a free port.
    pub fn start(name: &str, backend: &str) -> Server {
        Server::start_on("127.0.0.1:0", name, backend)
    }

    pub fn start_on(listen: &str, name: &str, backend: &str) -> Server {
        Server::start_with_all(listen, name, backend, &[])
    }

    /// With options of its own.
    pub fn start_with(name: &str, backend: &str, options: &[&str]) -> Server {
        Server::start_with_all("127.0.0.1:0", name, backend, options)
    }

    fn start_with_all(listen: &str, name: &str, backend: &str, options: &[&str]) -> Server {
        let mut command = Command::new(example(name));
        command.args(["--listen", listen, "--cores", "2", "--backend", backend]).args(options);
        let server = Server::start_command(&mut command);
        assert!(server.banner.contains(backend), "the backend is named: {}", server.banner);
        assert!(server.banner.contains("2 cores"), "the cores are counted: {}", server.banner);
        server
    }

    pub fn start_command(command: &mut Command) -> Server {
        let process = Process::start(command);
        let Some(banner) = process.output.next() else { panic!("it did not start: {:?}", process.ended()) };
        let address = banner.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next());
        let address = address.and_then(|address| address.parse().ok());
        Server { process, address: address.expect("the first line names the address"), banner }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Netcat connected to the server. It ends its side when its input ends.
    pub fn netcat(&self) -> Process {
        let (host, port) = (self.address.ip().to_string(), self.address.port().to_string());
        Process::start(Command::new("nc").args([OsStr::new("-N"), host.as_ref(), port.as_ref()]))
    }

    /// Asks the server to end by a signal, and expects that it ends well. Clients that are still there and do not close
    /// delay this: first [`Server::ask_to_end`] then.
    pub fn stop(self, signal: &str) -> Ended {
        self.ask_to_end(signal);
        self.ended()
    }

    /// Sends a signal that asks the server to end.
    pub fn ask_to_end(&self, signal: &str) {
        self.until_signals_are_caught();
        self.process.signal(signal);
    }

    /// Expects that the server ends well.
    pub fn ended(self) -> Ended {
        let ended = self.process.ended();
        assert!(ended.status.success(), "a server that is asked to end ends well: {ended:?}");
        // What no client shows: it says of itself when connections or actors had to be cut off, or memory was leaked. Tasks that they
        // begin as they stop may be too late.
        let cut_off = |what: &str| ended.errors.contains("cut off at the end") && ended.errors.contains(what);
        let is_cut_off =
            [" connection (", " connections (", " actor (", " actors ("].into_iter().any(cut_off);
        assert!(!is_cut_off && !ended.errors.contains("leaks"), "{ended:?}");
        ended
    }

    /// After the first of these signals a thread waits for the second.
    pub fn until_it_shuts_down(&self) {
        let tasks = format!("/proc/{}/task", self.process.child.id());
        let waits = |task: io::Result<fs::DirEntry>| {
            let name = task.and_then(|task| fs::read_to_string(task.path().join("comm")));
            name.is_ok_and(|name| name.trim() == "odeon-signals")
        };
        until("it shuts down", || !fs::read_dir(&tasks).is_ok_and(|mut tasks| !tasks.any(waits)));
    }

    /// A signal that comes earlier ends the process as it would end any other.
    fn until_signals_are_caught(&self) {
        let status = format!("/proc/{}/status", self.process.child.id());
        until("it catches signals", || {
            let Ok(status) = fs::read_to_string(&status) else { return true };
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            caught.is_none_or(|caught| caught & INTERRUPT_AND_TERMINATE == INTERRUPT_AND_TERMINATE)
        });
    }
}
