//! How servers start and end: arguments, ports, signals.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::process::{Ended, Process, Server, example, installed, usable};

/// Runs the echo server with arguments with which it cannot start.
fn fails(arguments: &[&str]) -> Ended {
    server_fails("echo", arguments)
}

fn server_fails(server: &str, arguments: &[&str]) -> Ended {
    let ended = Process::start(Command::new(example(server)).args(arguments)).ended();
    assert!(!ended.status.success(), "{arguments:?} cannot work");
    assert_eq!(ended.output, "", "it does not claim to listen");
    ended
}

pub fn a_port_in_use_is_reported(backend: &str) {
    let server = Server::start("echo", backend);
    let address = server.address.to_string();
    // Also to a server that would share its port among several cores.
    for cores in ["1", "2"] {
        let ended = fails(&["--listen", &address, "--cores", cores, "--backend", backend]);
        assert!(ended.errors.contains("in use"), "{}", ended.errors);
        assert!(ended.errors.contains(&address), "{}", ended.errors);
    }
    server.stop("TERM");
}

/// A read with a timeout may be interrupted although nobody catches a signal, and this one goes on then.
fn sees_an_orderly_end(client: &mut TcpStream) {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("the end is orderly");
    assert_eq!(rest, b"");
}

pub fn the_same_port_can_be_used_again_at_once(backend: &str) {
    let mut server = Server::start("echo", backend);
    let address = server.address.to_string();
    for _ in 0..3 {
        let mut client = server.connect();
        client.write_all(b"?").unwrap();
        client.read_exact(&mut [0]).unwrap();
        server.ask_to_end("TERM");
        // The server closes first, so the connection lingers in the kernel.
        sees_an_orderly_end(&mut client);
        drop(client);
        server.ended();
        server = Server::start_on(&address, "echo", backend);
    }
    server.stop("TERM");
}

pub fn an_interrupt_ends_an_idle_server(backend: &str) {
    let ended = Server::start("echo", backend).stop("INT");
    assert_eq!(ended.errors, "", "there is nothing to complain about");
}

pub fn a_request_to_terminate_ends_a_server_with_clients(backend: &str) {
    let server = Server::start("echo", backend);
    let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"before the end").unwrap();
    }
    for client in &mut clients {
        client.read_exact(&mut [0; 14]).unwrap();
    }
    server.ask_to_end("TERM");
    for client in &mut clients {
        sees_an_orderly_end(client);
    }
    drop(clients);
    server.ended();
}

/// Whoever stops a process and lets it go on interrupts whatever it waits for.
pub fn a_server_that_was_stopped_for_a_while_goes_on(backend: &str) {
    let server = Server::start("echo", backend);
    let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for round in 0..10_u8 {
        server.process.signal("STOP");
        server.process.until_stopped();
        for client in &mut clients {
            client.write_all(&[round; 100]).unwrap();
        }
        server.process.signal("CONT");
        for client in &mut clients {
            let mut answer = [0; 100];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [round; 100]);
        }
    }
    drop(clients);
    assert_eq!(server.stop("TERM").errors, "");
}

/// Writes until the server, on its one core, takes no more: it has an answer left to send, and cannot.
fn clog(server: &Server) -> TcpStream {
    let mut client = server.connect();
    client.set_nonblocking(true).unwrap();
    let mut other = server.connect();
    let mut quiet = 0;
    while quiet < 50 {
        quiet = if client.write(&[b'x'; 1 << 16]).is_ok() { 0 } else { quiet + 1 };
        // A turn of the core.
        other.write_all(b"?").unwrap();
        other.read_exact(&mut [0]).unwrap();
    }
    client
}

pub fn a_second_signal_ends_a_server_at_once(backend: &str) {
    for (first, second, number) in [("TERM", "TERM", 15), ("TERM", "INT", 2), ("INT", "INT", 2)] {
        // Who starts tests in the background may have them ignore SIGINT, and what is ignored stays so.
        let mut command = Command::new("env");
        command.args(["--default-signal=INT,TERM", &example("echo").to_string_lossy()]);
        command.args(["--listen", "127.0.0.1:0", "--cores", "1", "--backend", backend]);
        let server = Server::start_command(&mut command);
        let client = clog(&server);
        server.ask_to_end(first);
        server.until_it_shuts_down();
        server.process.signal(second);
        let ended = server.process.ended();
        assert_eq!(ended.status.signal(), Some(number), "by the signal, and not at a deadline: {ended:?}");
        let says = format!("odeon: a second signal, SIG{second}: the process ends at once, cut off: ");
        // The core may not have seen yet that the other one has closed.
        let connections = ["1 connection (echo::Echo)", "2 connections (2 × echo::Echo)"];
        let cut_off = |connections| ended.errors.contains(&format!("{says}{connections}"));
        assert!(connections.into_iter().any(cut_off) && ended.errors.contains(" unsent"), "{ended:?}");
        drop(client);
    }
}

pub fn requests_that_were_sent_in_time_are_answered(backend: &str) {
    let server = Server::start("echo", backend);
    // Some of these wait in the backlog when the signal comes, some have been accepted, none has been answered for sure.
    let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
    let request = |at: usize| b"before the end".repeat(1 + at % 10 * 300);
    for (at, client) in clients.iter_mut().enumerate() {
        client.write_all(&request(at)).unwrap();
    }
    server.ask_to_end("TERM");
    for (at, mut client) in clients.into_iter().enumerate() {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert!(answer == request(at), "{} bytes of {}", answer.len(), request(at).len());
    }
    server.ended();
}

#[test]
fn wrong_arguments_are_explained() {
    let cases: [(&[&str], &str); 6] = [
        (&["--lisen", "127.0.0.1:0"], "`--lisen`"),
        (&["--listen"], "--listen wants a value"),
        (&["--cores", "many"], "--cores wants a number"),
        (&["--backend", "kqueue"], "`kqueue`"),
        (&["127.0.0.1:0"], "`127.0.0.1:0`"),
        (&["--listen", "nowhere"], "`nowhere`"),
    ];
    for (arguments, names) in cases {
        let ended = fails(arguments);
        assert!(ended.errors.contains(names), "{arguments:?}: {}", ended.errors);
    }
    let proxied: [(&[&str], &str); 3] = [
        (&[], "--to is missing"),
        (&["--to", "nowhere"], "--to wants an address such as 127.0.0.1:8000, not `nowhere`"),
        (&["--to", "127.0.0.1:1", "--idle", "ever"], "--idle wants a number of seconds, not `ever`"),
    ];
    for (arguments, names) in proxied {
        let ended = server_fails("proxy", arguments);
        assert!(ended.errors.contains(names), "{arguments:?}: {}", ended.errors);
    }
    assert_eq!(fails(&["--lisen"]).status.code(), Some(2), "misuse has a status of its own");
    assert!(fails(&["--lisen"]).errors.contains("usage: echo"));
}

#[test]
fn the_environment_chooses_a_backend_or_is_told_its_mistake() {
    let environment = |backend| {
        let mut command = Command::new("env");
        command
            .arg(format!("ODEON_BACKEND={backend}"))
            .arg(example("echo"))
            .args(["--listen", "127.0.0.1:0"]);
        command
    };
    let server = Server::start_command(&mut environment("mio"));
    assert!(server.banner.contains("mio"));
    server.stop("TERM");
    let ended = Process::start(&mut environment("fastest")).ended();
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.errors.contains("`fastest`"), "{}", ended.errors);
}

pub fn few_descriptors_mean_few_connections(backend: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\""]).arg(example("echo"));
    command.args(["--listen", "127.0.0.1:0", "--cores", "2", "--backend", backend]);
    let server = Server::start_command(&mut command);
    // One connection at a time: each waits for the one before.
    for _ in 0..3 {
        let mut client = server.connect();
        client.write_all(b"?").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    let errors = server.stop("TERM").errors;
    assert!(errors.contains("connections_max is 1") && errors.contains("only 40 files"), "{errors}");
    assert!(errors.contains("ulimit"), "{errors}");
}

/// What an ordinary user may lock in memory counts for rings on some kernels, and not on others.
#[test]
fn little_locked_memory_is_made_do_with_and_announced() {
    if !usable("uring") || !installed("setpriv") {
        return;
    }
    for (limit, backends) in [("0", "mio uring"), ("80", "uring")] {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock", "sh", "-c"]);
        command.arg(format!("ulimit -l {limit} && exec \"$0\" \"$@\"")).arg(example("echo"));
        command.args(["--listen", "127.0.0.1:0", "--cores", "1", "--features"]);
        let server = Server::start_command(&mut command);
        let features = server.process.output.next().expect("a second line");
        assert!(backends.split(' ').any(|backend| server.banner.contains(backend)), "{}", server.banner);
        let mut client = server.connect();
        client.write_all(b"?").unwrap();
        client.read_exact(&mut [0]).unwrap();
        drop(client);
        let errors = server.stop("TERM").errors;
        let ample = features.contains("256 + 4096 entries");
        let named =
            errors.contains(&format!("RLIMIT_MEMLOCK is {limit} KiB")) && errors.contains("ulimit -l");
        assert!(if ample { errors.is_empty() } else { named }, "{features}: {errors}");
        assert!(errors.lines().count() <= 1, "said once: {errors}");
    }
}
