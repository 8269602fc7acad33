//! An in-memory disk, shared by all simulated cores of a network.
//!
//! Knows: names, links, bytes, and how many bytes there is room for. Must not know ops, nor the faults of a backend.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::driver::{FileKind, FileOptions, FileStat};
use crate::sys::{Errno, Time};

/// Bytes that a disk has room for, unless somebody limits them further.
const CAPACITY: u64 = 1 << 30;

/// As many links as a kernel follows before it takes them for a circle.
const LINKS_MAX: u32 = 40;

/// The directory that every path begins at.
const ROOT: u32 = 0;

/// A handle to a simulated disk; clones name the same one. Paths begin at its root, with a slash or without.
#[derive(Debug, Clone, Default)]
pub struct Disk(Rc<RefCell<State>>);

/// A file that a backend has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenFile {
    node: u32,
    read: bool,
    write: bool,
}

#[derive(Debug)]
struct State {
    /// By path from the root, whose own path is empty. What is in a directory begins with its path and a slash.
    names: BTreeMap<Vec<u8>, u32>,
    nodes: BTreeMap<u32, Node>,
    node_next: u32,
    used: u64,
    capacity: u64,
}

#[derive(Debug)]
struct Node {
    content: Content,
    modified: Time,
    /// How many times it is open. It outlives its name as long as it is.
    opens: usize,
    is_named: bool,
}

#[derive(Debug)]
enum Content {
    File(Vec<u8>),
    /// With its path.
    Directory(Vec<u8>),
    /// With the path that it stands for.
    Link(Vec<u8>),
}

impl Default for State {
    fn default() -> State {
        let root = Node::new(Content::Directory(Vec::new()), Time::ZERO);
        State {
            names: BTreeMap::from([(Vec::new(), ROOT)]),
            nodes: BTreeMap::from([(ROOT, root)]),
            node_next: ROOT + 1,
            used: 0,
            capacity: CAPACITY,
        }
    }
}

impl Disk {
    /// Puts a file there, in the place of one that is there already. Directories on the way are made.
    ///
    /// # Panics
    /// When a directory or a link has this path, or a file is on the way.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.0.borrow_mut();
        let node = state.make(path, Content::File(Vec::new()));
        state.resize(node, bytes.len() as u64).expect("the disk has room for it");
        state.bytes_mut(node).expect("a file has this path").copy_from_slice(bytes);
    }

    /// What is in a file; none if there is no file of this path.
    #[must_use]
    pub fn contents(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.borrow();
        match &state.nodes[state.names.get(&absolute(path))?].content {
            Content::File(bytes) => Some(bytes.clone()),
            Content::Directory(_) | Content::Link(_) => None,
        }
    }

    /// Makes a directory and those on the way to it.
    ///
    /// # Panics
    /// When something else has this path.
    pub fn make_directory(&self, path: &str) {
        self.0.borrow_mut().make(path, Content::Directory(absolute(path)));
    }

    /// Makes a link that stands for another path: from the root if that begins with a slash, else from where the link is.
    ///
    /// # Panics
    /// When something else has this path.
    pub fn link(&self, path: &str, target: &str) {
        self.0.borrow_mut().make(path, Content::Link(target.into()));
    }

    /// Takes a name away, with all below it; what is open lives on until it is closed. False if there was none.
    pub fn remove(&self, path: &str) -> bool {
        let mut state = self.0.borrow_mut();
        let path = absolute(path);
        let below = [path.as_slice(), b"/"].concat();
        let is_there = state.names.contains_key(&path);
        let gone: Vec<Vec<u8>> = state
            .names
            .keys()
            .filter(|name| !name.is_empty() && (**name == path || name.starts_with(&below)))
            .cloned()
            .collect();
        for name in gone {
            let node = state.names.remove(&name).expect("it was listed just now");
            state.nodes.get_mut(&node).expect("what has a name is there").is_named = false;
            state.forget_if_unused(node);
        }
        is_there
    }

    /// Limits the bytes that there is room for. What is there stays.
    pub fn limit(&self, bytes: u64) {
        self.0.borrow_mut().capacity = bytes;
    }

    /// How many times anything is open.
    #[must_use]
    pub fn open_files(&self) -> usize {
        self.0.borrow().nodes.values().map(|node| node.opens).sum()
    }

    /// Opens a path from the root, or from an open directory that it may not lead out of.
    pub(super) fn open(
        &self,
        beneath: Option<OpenFile>,
        path: &[u8],
        options: FileOptions,
        now: Time,
    ) -> Result<OpenFile, Errno> {
        self.0.borrow_mut().open(beneath, path, options, now)
    }

    pub(super) fn close(&self, file: OpenFile) {
        let mut state = self.0.borrow_mut();
        state.node_mut(file).opens -= 1;
        state.forget_if_unused(file.node);
    }

    pub(super) fn stat(&self, file: OpenFile) -> FileStat {
        let state = self.0.borrow();
        let node = &state.nodes[&file.node];
        let (kind, size) = match &node.content {
            Content::File(bytes) => (FileKind::File, bytes.len() as u64),
            Content::Directory(_) => (FileKind::Directory, 0),
            Content::Link(_) => unreachable!("links are followed"),
        };
        let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(node.modified.0);
        FileStat { size, kind, modified: Some(modified) }
    }

    /// Reads into `space`, and answers how much: 0 from the end of the file on.
    pub(super) fn read(&self, file: OpenFile, offset: u64, space: &mut [u8]) -> Result<usize, Errno> {
        let mut state = self.0.borrow_mut();
        let bytes = state.bytes_mut(file.node)?;
        if !file.read {
            return Err(Errno::EBADF);
        }
        if offset > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let count = space.len().min(bytes.len() - start);
        space[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    /// Writes up to `limit` bytes of the parts, as many as there is room for. `ENOSPC`: for none.
    pub(super) fn write<'a>(
        &self,
        file: OpenFile,
        offset: u64,
        parts: impl Iterator<Item = &'a [u8]>,
        limit: usize,
        now: Time,
    ) -> Result<usize, Errno> {
        let mut state = self.0.borrow_mut();
        let size = state.bytes_mut(file.node)?.len() as u64;
        if !file.write {
            return Err(Errno::EBADF);
        }
        if offset > i64::MAX as u64 {
            return Err(Errno::EINVAL);
        }
        let bytes: Vec<u8> = parts.flatten().copied().take(limit).collect();
        let room = (size + state.capacity.saturating_sub(state.used)).saturating_sub(offset);
        let count = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if count == 0 {
            return if bytes.is_empty() { Ok(0) } else { Err(Errno::ENOSPC) };
        }
        let end = offset + count as u64;
        if end > size {
            state.resize(file.node, end)?;
        }
        state.node_mut(file).modified = now;
        let start = usize::try_from(offset).expect("there is room for it");
        state.bytes_mut(file.node)?[start..start + count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }
}

impl State {
    /// Makes a node with a name, and directories on the way; or finds one of its kind, and empties a file.
    fn make(&mut self, path: &str, content: Content) -> u32 {
        let path = absolute(path);
        for end in (1..path.len()).filter(|&end| path[end] == b'/') {
            let directory = path[..end].to_vec();
            if !self.names.contains_key(&directory) {
                self.add(directory.clone(), Content::Directory(directory), Time::ZERO);
            }
        }
        let Some(&node) = self.names.get(&path) else { return self.add(path, content, Time::ZERO) };
        let there = &self.nodes[&node].content;
        let same = std::mem::discriminant(there) == std::mem::discriminant(&content);
        assert!(same, "something of another kind has this path");
        if matches!(content, Content::File(_)) {
            self.resize(node, 0).expect("a file shrinks");
        }
        node
    }

    fn add(&mut self, path: Vec<u8>, content: Content, now: Time) -> u32 {
        let node = self.node_next;
        self.node_next += 1;
        self.nodes.insert(node, Node::new(content, now));
        self.names.insert(path, node);
        node
    }

    fn open(
        &mut self,
        beneath: Option<OpenFile>,
        path: &[u8],
        options: FileOptions,
        now: Time,
    ) -> Result<OpenFile, Errno> {
        let path = self.resolve(beneath, path)?;
        let node = match self.names.get(&path) {
            Some(_) if options.create_new => return Err(Errno::EEXIST),
            Some(&node) => node,
            None if options.create || options.create_new => self.add(path, Content::File(Vec::new()), now),
            None => return Err(Errno::ENOENT),
        };
        match self.nodes[&node].content {
            Content::File(_) if options.directory => return Err(Errno::ENOTDIR),
            Content::Directory(_) if options.write || options.create => return Err(Errno::EISDIR),
            _ => {}
        }
        if options.truncate && options.write {
            self.resize(node, 0)?;
        }
        let file = OpenFile { node, read: options.read, write: options.write };
        self.node_mut(file).opens += 1;
        Ok(file)
    }

    /// The path of a name from the root, with every link followed; its last part need not exist.
    fn resolve(&self, beneath: Option<OpenFile>, path: &[u8]) -> Result<Vec<u8>, Errno> {
        let base = match beneath.map(|directory| &self.nodes[&directory.node].content) {
            None => Vec::new(),
            Some(Content::Directory(base)) => base.clone(),
            Some(_) => return Err(Errno::ENOTDIR),
        };
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        if path[0] == b'/' && beneath.is_some() {
            return Err(Errno::EXDEV);
        }
        let mut at = base.clone();
        let mut links = 0;
        let mut left: VecDeque<Vec<u8>> = parts(path).collect();
        while let Some(part) = left.pop_front() {
            match self.names.get(&at).map(|node| &self.nodes[node].content) {
                Some(Content::Directory(_)) => {}
                Some(_) => return Err(Errno::ENOTDIR),
                None => return Err(Errno::ENOENT),
            }
            if part == b".." {
                if beneath.is_some() && at == base {
                    return Err(Errno::EXDEV);
                }
                at.truncate(parent(&at));
                continue;
            }
            at.push(b'/');
            at.extend_from_slice(&part);
            let found = self.names.get(&at).map(|node| &self.nodes[node].content);
            let Some(Content::Link(target)) = found else { continue };
            links += 1;
            if links > LINKS_MAX {
                return Err(Errno::ELOOP);
            }
            at.truncate(parent(&at));
            if target.starts_with(b"/") {
                if beneath.is_some() {
                    return Err(Errno::EXDEV);
                }
                at.clear();
            }
            left = parts(target).chain(left).collect();
        }
        Ok(at)
    }

    fn resize(&mut self, node: u32, size: u64) -> Result<(), Errno> {
        let (used, capacity) = (self.used, self.capacity);
        let bytes = self.bytes_mut(node)?;
        let old = bytes.len() as u64;
        let used = used - old + size;
        if size > old && used > capacity {
            return Err(Errno::ENOSPC);
        }
        bytes.resize(usize::try_from(size).map_err(|_| Errno::ENOSPC)?, 0);
        self.used = used;
        Ok(())
    }

    fn forget_if_unused(&mut self, node: u32) {
        let Node { content, opens, is_named, .. } = &self.nodes[&node];
        if *opens > 0 || *is_named {
            return;
        }
        if let Content::File(bytes) = content {
            self.used -= bytes.len() as u64;
        }
        self.nodes.remove(&node);
    }

    fn node_mut(&mut self, file: OpenFile) -> &mut Node {
        self.nodes.get_mut(&file.node).expect("what is open is there")
    }

    fn bytes_mut(&mut self, node: u32) -> Result<&mut Vec<u8>, Errno> {
        match &mut self.nodes.get_mut(&node).expect("what is open or has a name is there").content {
            Content::File(bytes) => Ok(bytes),
            Content::Directory(_) | Content::Link(_) => Err(Errno::EISDIR),
        }
    }
}

impl Node {
    fn new(content: Content, modified: Time) -> Node {
        Node { content, modified, opens: 0, is_named: true }
    }
}

/// A path from the root as names are kept: with a slash before each part.
fn absolute(path: &str) -> Vec<u8> {
    parts(path.as_bytes()).flat_map(|part| [b"/".to_vec(), part].concat()).collect()
}

fn parts(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec)
}

/// Where the path of the directory ends that this path is in.
fn parent(path: &[u8]) -> usize {
    path.iter().rposition(|&byte| byte == b'/').unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: FileOptions = FileOptions {
        read: true,
        write: false,
        truncate: false,
        create: false,
        create_new: false,
        directory: false,
        mode: 0,
    };
    const WRITE: FileOptions = FileOptions { read: false, write: true, ..READ };

    fn disk() -> Disk {
        let disk = Disk::default();
        disk.put("/site/index", b"welcome");
        disk.put("/site/deep/page", b"a page");
        disk.put("/secret", b"a secret");
        disk.link("/site/way", "deep/../index");
        disk.link("/site/out", "../secret");
        disk.link("/site/top", "/secret");
        disk.link("/circle", "circle");
        disk
    }

    fn contents(disk: &Disk, beneath: Option<OpenFile>, path: &str) -> Result<Vec<u8>, Errno> {
        let file = disk.open(beneath, path.as_bytes(), READ, Time::ZERO)?;
        let mut space = [0; 64];
        let count = disk.read(file, 0, &mut space);
        disk.close(file);
        count.map(|count| space[..count].to_vec())
    }

    #[test]
    fn a_path_is_followed_from_the_root() {
        let disk = disk();
        for path in ["/site/index", "site/index", "site/./deep/..//index", "/../site/index", "site/way"] {
            assert_eq!(contents(&disk, None, path), Ok(b"welcome".to_vec()), "{path}");
        }
        for path in ["/site/out", "/site/top"] {
            assert_eq!(contents(&disk, None, path), Ok(b"a secret".to_vec()), "{path}");
        }
        for path in ["", "/nowhere", "/no/where", "/site/deeper/../index"] {
            assert_eq!(contents(&disk, None, path), Err(Errno::ENOENT), "{path}");
        }
        assert_eq!(contents(&disk, None, "/secret/more"), Err(Errno::ENOTDIR));
        assert_eq!(contents(&disk, None, "/circle"), Err(Errno::ELOOP));
        assert_eq!(contents(&disk, None, "/site"), Err(Errno::EISDIR));
        assert_eq!(disk.open_files(), 0);
    }

    #[test]
    fn no_path_leads_out_of_a_directory() {
        let disk = disk();
        let site = disk.open(None, b"site", FileOptions { directory: true, ..READ }, Time::ZERO).unwrap();
        for path in ["index", "deep/../index", "way", "deep/../../site/../site/index"] {
            let expected = if path.contains("site") { Err(Errno::EXDEV) } else { Ok(b"welcome".to_vec()) };
            assert_eq!(contents(&disk, Some(site), path), expected, "{path}");
        }
        for path in ["/secret", "../secret", "deep/../../secret", "out", "top", "..", "/site/index"] {
            assert_eq!(contents(&disk, Some(site), path), Err(Errno::EXDEV), "{path}");
        }
        let page = disk.open(None, b"/site/deep/page", READ, Time::ZERO).unwrap();
        assert_eq!(contents(&disk, Some(page), "index"), Err(Errno::ENOTDIR));
    }

    #[test]
    fn what_is_written_is_read_and_takes_the_room_there_is() {
        let disk = Disk::default();
        disk.limit(10);
        let new = FileOptions { create_new: true, ..WRITE };
        let file = disk.open(None, b"file", new, Time::ZERO).unwrap();
        assert_eq!(disk.open(None, b"file", new, Time::ZERO), Err(Errno::EEXIST));
        let write =
            |offset, bytes: &[u8]| disk.write(file, offset, std::iter::once(bytes), usize::MAX, Time(1_000));
        assert_eq!((write(2, b"abc"), write(0, b"xy")), (Ok(3), Ok(2)));
        assert_eq!(disk.contents("file"), Some(b"xyabc".to_vec()));
        assert_eq!((write(8, b"klm"), write(10, b"n"), write(9, b"z")), (Ok(2), Err(Errno::ENOSPC), Ok(1)));
        assert_eq!(disk.contents("file"), Some(b"xyabc\0\0\0kz".to_vec()));
        let stat = disk.stat(file);
        assert_eq!((stat.size, stat.kind), (10, FileKind::File));
        assert_eq!(stat.modified, Some(SystemTime::UNIX_EPOCH + Duration::from_micros(1)));
        assert_eq!(disk.read(file, 0, &mut [0; 4]), Err(Errno::EBADF), "it was opened for writing");
        assert_eq!((write(u64::MAX, b"a"), write(0, b"")), (Err(Errno::EINVAL), Ok(0)));
        // Gone for others, and there until it is closed: then there is room again.
        assert!(disk.remove("file"));
        assert_eq!(disk.open(None, b"file", READ, Time::ZERO), Err(Errno::ENOENT));
        assert_eq!(write(0, b"z"), Ok(1));
        disk.close(file);
        disk.put("/other", &[1; 10]);
        let emptied = FileOptions { truncate: true, ..WRITE };
        disk.close(disk.open(None, b"other", emptied, Time::ZERO).unwrap());
        assert_eq!((disk.contents("other"), disk.open_files()), (Some(Vec::new()), 0));
    }
}
